//! `forebay dev`: the gateway and librdkafka's mock cluster in one process, with nothing installed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::mocking::MockCluster;

use super::serve::until_stopped;
use super::tail;
use super::{Failure, configuration, control_runtime};
use crate::app::App;
use crate::config::Config;
use crate::lifecycle::signals::Signals;
use crate::service::Sockets;
use crate::telemetry::logs;
use crate::{produce, route};

/// The stream that `forebay dev` has.
const STREAM: &str = "events";
const PARTITIONS: i32 = 4;

/// Runs until a signal. With a configuration its streams, routes and sources are there instead of a stream of our own.
pub fn run(
    file: Option<&Path>,
    listen: SocketAddr,
    admin: SocketAddr,
    quiet: bool,
) -> Result<(), Failure> {
    let given = file.map(configuration).transpose()?;
    // The mock cluster must stay on the thread that made it: this one.
    let mock = MockCluster::new(1).map_err(Failure::internal)?;
    let bootstrap = mock.bootstrap_servers();
    let mut config = match given {
        Some(given) => on_stand_in(given, &bootstrap),
        None => own(bootstrap),
    };
    config.http.listen = listen;
    config.admin.listen = admin;
    config.shutdown.grace = Duration::ZERO;
    let topics = topics(&config);
    for topic in &topics {
        let created = mock.create_topic(topic, PARTITIONS, 1);
        created.map_err(Failure::internal)?;
    }
    let hint = hint(&config);
    logs::start(&config.log).map_err(Failure::internal)?;
    let end = Arc::new(AtomicBool::new(false));
    let done = control_runtime()?.block_on(async {
        let mut signals = Signals::new().map_err(Failure::internal)?;
        let shown = config.clusters.values().next().cloned();
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
        let shower = match shown.filter(|_| !quiet && !topics.is_empty()) {
            Some(cluster) => show(cluster, &topics, Arc::clone(&end))?,
            None => None,
        };
        let data = running.data().unwrap_or(listen);
        println!("{}", welcome(data, running.admin(), &hint));
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

/// A configuration with one stream.
fn own(bootstrap: String) -> Config {
    let mut config = Config::default();
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

/// A configuration with the stand-in as each of its clusters, and without a log.
fn on_stand_in(mut config: Config, bootstrap: &str) -> Config {
    for cluster in config.clusters.values_mut() {
        *cluster = produce::Settings::new(bootstrap);
    }
    config.spill.dir = Default::default();
    for stream in config.streams.values_mut() {
        if stream.ack == route::Ack::Disk {
            stream.ack = route::Ack::Durable;
        }
    }
    config
}

/// The topics of all streams.
fn topics(config: &Config) -> BTreeSet<String> {
    let streams = config.streams.iter();
    let topics = streams.map(|(name, stream)| stream.topic.as_ref().unwrap_or(name));
    topics.cloned().collect()
}

/// What can be sent where, if it isn't our own stream.
fn hint(config: &Config) -> String {
    let streams = config.streams.keys();
    let streams = streams.map(|name| format!("  POST /v1/events/{name}\n"));
    let routes = config.routes.iter().flat_map(|(name, route)| {
        let methods = route.methods.join(", ");
        let paths = route.paths.iter();
        paths.map(move |path| format!("  {methods} {path}   (route {name})\n"))
    });
    streams.chain(routes).collect()
}

fn welcome(data: SocketAddr, admin: SocketAddr, hint: &str) -> String {
    let own = format!("  POST /v1/events/{STREAM}\n");
    let send = match hint == own {
        true => format!(
            "send one:\n\n  \
             curl -si http://{data}/v1/events/{STREAM} -H 'content-type: application/json' \\\n    \
             -d '{{\"id\":\"e1\",\"user\":\"u1\",\"name\":\"install\"}}'\n"
        ),
        false => format!("send to:\n\n{hint}"),
    };
    format!(
        "forebay takes events at http://{data}\n\
         and tells how it is at http://{admin}/\n\n\
         {send}\n\
         events appear below as a consumer of their topics sees them; ctrl-c ends it and nothing is kept\n"
    )
}

fn show(
    cluster: produce::Settings,
    topics: &BTreeSet<String>,
    end: Arc<AtomicBool>,
) -> Result<Option<JoinHandle<()>>, Failure> {
    let topics: Vec<_> = topics.iter().map(String::as_str).collect();
    let consumer = tail::consumer("dev", &cluster, &topics, Offset::Beginning);
    let consumer = consumer.map_err(Failure::internal)?;
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
