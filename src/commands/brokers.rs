//! Which brokers of a cluster can't be reached from here, and why.

use std::collections::BTreeSet;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, Producer};

use crate::produce::{Settings, client};

/// How long one broker may take to be connected to, and then to answer.
const BROKER_WITHIN: Duration = Duration::from_secs(5);
/// How long all of them may take, together with resolving their names.
const ALL_WITHIN: Duration = Duration::from_secs(20);

/// Why brokers can't be reached, those that can't. All are tried at once.
pub(super) fn unreachable(
    cluster: &str,
    settings: &Settings,
    brokers: &BTreeSet<(String, u16)>,
    topic: Option<&str>,
) -> Vec<String> {
    let (tell, told) = mpsc::channel();
    for (host, port) in brokers.clone() {
        let (tell, topic) = (tell.clone(), topic.map(str::to_owned));
        let (cluster, settings) = (cluster.to_owned(), settings.clone());
        // Not joined: resolving a name has no deadline of its own.
        std::thread::spawn(move || {
            let reached = reach(&cluster, &settings, &host, port, topic.as_deref());
            tell.send(((host, port), reached)).unwrap_or_default();
        });
    }
    drop(tell);
    let deadline = Instant::now() + ALL_WITHIN;
    let (mut open, mut whys) = (brokers.clone(), Vec::new());
    while let Ok((broker, reached)) =
        told.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        open.remove(&broker);
        if let Err(why) = reached {
            whys.push(format!(
                "cluster {cluster}, broker {}:{}: {why}",
                broker.0, broker.1
            ));
        }
    }
    for (host, port) in open {
        whys.push(format!(
            "cluster {cluster}, broker {host}:{port}: {host} can't be resolved in time"
        ));
    }
    whys.sort_unstable();
    whys
}

fn reach(
    cluster: &str,
    settings: &Settings,
    host: &str,
    port: u16,
    topic: Option<&str>,
) -> Result<(), String> {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let mut addresses = (name, port)
        .to_socket_addrs()
        .map_err(|error| format!("{host} can't be resolved: {error}; correct the broker's advertised.listeners, or this machine's resolver"))?;
    let mut last = format!("{host} has no address");
    let is_connected = addresses.any(|address| {
        let connected = TcpStream::connect_timeout(&address, BROKER_WITHIN);
        connected
            .map_err(|error| last = format!("can't be reached at {address}: {error}"))
            .is_ok()
    });
    if !is_connected {
        return Err(last);
    }
    // Connections of a broker that hangs are made by its system.
    let mut config = client::connection(cluster, settings);
    for (key, value) in &settings.kafka {
        config.set(key, value);
    }
    config.set("bootstrap.servers", format!("{host}:{port}"));
    let asking: BaseProducer = config.create().map_err(|error| client::refusal(&error))?;
    let answer = asking.client().fetch_metadata(topic, BROKER_WITHIN);
    let answer = answer.map_err(|error| format!("takes connections and doesn't answer: {error}"));
    answer.map(drop)
}
