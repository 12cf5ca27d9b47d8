//! Rolling upgrades of three gateways with logs behind HAProxy and nginx, with an audit of every event.
//!
//! `FOREBAY_TEST_UPGRADES=10 FOREBAY_TEST_RATE=1000` make it the long run, and `FOREBAY_TEST_BACKLOG_MB=2000` has so much in the logs while
//! Kafka is away.

use std::path::Path;

use super::rolling::{Place, balancer, has_balancers, wait_served};
use super::*;
use crate::kafka::{self, Evidence, Kafka};
use crate::support::bounds::{SPILLS, STARTS};
use crate::support::gate::Gate;
use crate::support::gateway::config_to;
use crate::support::outage::{audit, log_in, wait_until_delivered_within};
use crate::support::sender::{Plan, Senders};

fn given(variable: &str, default: u64) -> u64 {
    let name = format!("FOREBAY_TEST_{variable}");
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// Three gateways, each with its log, and where they listen.
struct Fleet {
    kafka: &'static Kafka,
    gate: Gate,
    topic: String,
    nodes: Vec<(Place, String, Gateway)>,
    _dirs: Vec<tempfile::TempDir>,
}

impl Fleet {
    fn or_skip(name: &str) -> Option<Fleet> {
        if !has_balancers() {
            return None;
        }
        let kafka = kafka::one_or_skip()?;
        let gate = Gate::before_or_skip(kafka)?;
        let topic = kafka.fresh_topic(name, 6, 1, &[]);
        let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let node = |dir: &Path| {
            let log = log_in(dir, "16MiB").replace("1GiB", "8GiB");
            let config = config_to(gate.bootstrap(), &log, &topic, "");
            let place = Place::at_free_ports();
            let gateway = place.start(&config);
            (place, config, gateway)
        };
        let nodes = dirs.iter().map(|dir| node(dir.path())).collect();
        Some(Fleet {
            kafka,
            gate,
            topic,
            nodes,
            _dirs: dirs,
        })
    }

    /// Restarts one after the other, some times, while clients send through both balancers. Returns what these were told, and how many
    /// requests failed.
    fn upgrade(&mut self) -> (Evidence, usize) {
        let folder = tempfile::tempdir().unwrap();
        let places: Vec<_> = self.nodes.iter().map(|(place, ..)| *place).collect();
        let (rate, connections) = (given("RATE", 200), 20);
        let plan = Plan {
            connections,
            keys: 10,
            pause: Duration::from_micros(2_000_000 * connections as u64 / rate),
            ..Plan::default()
        };
        let balancers = ["haproxy", "nginx"].map(|name| balancer(name, &places, folder.path()));
        let groups = balancers.each_ref().map(|(program, front)| {
            wait_served(*front);
            Senders::start(&format!("of-{}", program.0.id()), *front, "events", &plan)
        });
        for _ in 0..given("UPGRADES", 1) {
            let nodes = self.nodes.drain(..);
            self.nodes = nodes
                .map(|(place, config, gateway)| {
                    gateway.stop();
                    let gateway = place.start(&config);
                    groups.iter().for_each(|it| it.wait_for_acks(rate, SPILLS));
                    (place, config, gateway)
                })
                .collect();
        }
        let (mut sent, mut failed, mut requests) = (Evidence::default(), 0, 0);
        for group in groups {
            let (evidence, latencies) = group.stop();
            sent.extend(evidence);
            failed += latencies
                .iter()
                .filter(|(_, _, status)| *status != 200)
                .count();
            requests += latencies.len();
        }
        println!("{requests} requests, {failed} failed");
        (sent, failed)
    }

    /// Brings all to Kafka and compares.
    fn end(self, sent: Evidence) -> kafka::Audit {
        let within = STARTS + Duration::from_millis(100 * given("BACKLOG_MB", 8));
        for (_, _, gateway) in self.nodes {
            wait_until_delivered_within(&gateway, within);
            gateway.stop();
        }
        audit(self.kafka, &self.topic, sent)
    }
}

#[test]
fn rolling_upgrades_lose_nothing_and_keep_the_order() {
    let Some(mut fleet) = Fleet::or_skip("upgrades") else {
        return;
    };
    let (sent, failed) = fleet.upgrade();
    let audit = fleet.end(sent);
    assert_eq!(failed, 0);
    assert!(
        audit.lost.is_empty() && audit.inversions.is_empty(),
        "{}",
        audit.report()
    );
}

/// Each gateway keeps its own events in order. Where balancers send the events of a key to several, there is no order among their logs.
#[test]
fn rolling_upgrades_with_kafka_dead_and_a_backlog_lose_nothing() {
    let Some(mut fleet) = Fleet::or_skip("upgrades-dead") else {
        return;
    };
    fleet.gate.close();
    let plan = Plan {
        connections: 2,
        keys: 50,
        batch: 500,
        pause: Duration::ZERO,
        ..Plan::default()
    };
    let filling: Vec<_> = (0..)
        .zip(&fleet.nodes)
        .map(|(number, (_, _, gateway))| {
            let name = format!("before-{number}");
            Senders::start(&name, gateway.data, "events", &plan)
        })
        .collect();
    let wanted = given("BACKLOG_MB", 8) * 1_000_000 / 3;
    let mut before = Evidence::default();
    for (filling, (_, _, gateway)) in filling.into_iter().zip(&fleet.nodes) {
        eventually("the backlog is there", 10 * SPILLS, || {
            gateway.status()["spill"]["backlog_bytes"].as_u64().unwrap() >= wanted
        });
        before.extend(filling.stop().0);
    }
    let (sent, failed) = fleet.upgrade();
    before.extend(sent);
    fleet.gate.open();
    let audit = fleet.end(before);
    assert_eq!(failed, 0);
    assert!(audit.lost.is_empty(), "{}", audit.report());
}
