//! `forebay dev`: the gateway and librdkafka's mock cluster in one process, with nothing installed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::mocking::MockCluster;

use super::serve::until_stopped;
use super::tail;
use super::{Failure, control_runtime};
use crate::app::App;
use crate::config::Config;
use crate::lifecycle::signals::Signals;
use crate::service::Sockets;
use crate::telemetry::logs;
use crate::{produce, route};

/// The stream that `forebay dev` has.
const STREAM: &str = "events";
const PARTITIONS: i32 = 4;

/// Runs until a signal.
pub fn run(listen: SocketAddr, admin: SocketAddr, quiet: bool) -> Result<(), Failure> {
    // The mock cluster must stay on the thread that made it: this one.
    let mock = MockCluster::new(1).map_err(Failure::internal)?;
    mock.create_topic(STREAM, PARTITIONS, 1)
        .map_err(Failure::internal)?;
    let config = config(listen, admin, mock.bootstrap_servers());
    logs::start(&config.log).map_err(Failure::internal)?;
    let end = Arc::new(AtomicBool::new(false));
    let done = control_runtime()?.block_on(async {
        let mut signals = Signals::new().map_err(Failure::internal)?;
        let shown = config.clusters[STREAM].clone();
        let app = App::build(config, Sockets::default())
            .map_err(|error| Failure::unavailable(format!("{error:#}")))?;
        let running = app
            .spawn()
            .map_err(|error| Failure::unavailable(format!("{error:#}")))?;
        let ready = async {
            while !running.view().readiness().ready {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = ready => {}
            _ = signals.stop() => return Ok(()),
        }
        let shower = if quiet {
            None
        } else {
            show(shown, Arc::clone(&end))?
        };
        println!(
            "{}",
            welcome(running.data().unwrap_or(listen), running.admin())
        );
        let done = until_stopped(running, &mut signals).await;
        end.store(true, Release);
        if let Some(shower) = shower {
            drop(shower.join());
        }
        done
    });
    drop(mock);
    done
}

fn config(listen: SocketAddr, admin: SocketAddr, bootstrap: String) -> Config {
    let mut config = Config::default();
    config.http.listen = listen;
    config.admin.listen = admin;
    config.shutdown.grace = Duration::ZERO;
    config.log.filter = "warn,forebay=info".into();
    config
        .clusters
        .insert(STREAM.into(), produce::Settings::new(bootstrap));
    config.streams.insert(
        STREAM.into(),
        route::Settings {
            key: Some("/user".into()),
            on_missing_key: route::OnMissingKey::Null,
            id: Some("/id".into()),
            ..route::Settings::new(STREAM)
        },
    );
    config
}

fn welcome(data: SocketAddr, admin: SocketAddr) -> String {
    format!(
        "forebay takes events at http://{data}/v1/events/{STREAM}\n\
         and tells how it is at http://{admin}/\n\n\
         send one:\n\n  \
         curl -si http://{data}/v1/events/{STREAM} -H 'content-type: application/json' \\\n    \
         -d '{{\"id\":\"e1\",\"user\":\"u1\",\"name\":\"install\"}}'\n\n\
         events appear below as a consumer of the topic sees them; ctrl-c ends it and nothing is kept\n"
    )
}

fn show(
    cluster: produce::Settings,
    end: Arc<AtomicBool>,
) -> Result<Option<JoinHandle<()>>, Failure> {
    let consumer =
        tail::consumer(STREAM, &cluster, STREAM, Offset::Beginning).map_err(Failure::internal)?;
    let thread = std::thread::Builder::new()
        .name("tail".into())
        .spawn(move || {
            while !end.load(Acquire) {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100))
                    && tail::print(&message).is_err()
                {
                    return;
                }
            }
        });
    thread.map(Some).map_err(Failure::internal)
}
