//! Restarts in place, one after the other, under load: every request is answered, soon, and every event is in Kafka in its order.
//!
//! `FOREBAY_TEST_RESTARTS=10 FOREBAY_TEST_RATE=1000 FOREBAY_TEST_BACKLOG_MB=2000` make it the long run, and `FOREBAY_TEST_LONGEST_MS=250`
//! has the longest wait compared with the bar, on a machine that does nothing else. By default there is room for one that does.

use std::time::Instant;

use super::*;
use crate::kafka::{self, Evidence, Kafka};
use crate::support::bounds::{SPILLS, STARTS};
use crate::support::gate::Gate;
use crate::support::gateway::config_to;
use crate::support::machine::Alone;
use crate::support::outage::{assert_kept, audit, log_in, wait_until_delivered_within};
use crate::support::sender::{Plan, Senders};

/// How long a connection may rest at the end: more than anybody may wait.
const IDLE: &str = "3s";

/// When a request began, how long it took and what its answer was.
type Latency = (Instant, Duration, u16);

fn given(variable: &str, default: u64) -> u64 {
    let name = format!("FOREBAY_TEST_{variable}");
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// Kafka, a gate before it, and a gateway on sockets that outlive it.
struct Node {
    kafka: &'static Kafka,
    gate: Gate,
    topic: String,
    sockets: Sockets,
    config: String,
    _dir: tempfile::TempDir,
    _alone: Alone,
}

impl Node {
    fn or_skip(name: &str) -> Option<Node> {
        let kafka = kafka::one_or_skip()?;
        let gate = Gate::before_or_skip(kafka)?;
        let alone = Alone::on_the_machine();
        let topic = kafka.fresh_topic(name, 6, 1, &[]);
        let dir = tempfile::tempdir().unwrap();
        let log = log_in(dir.path(), "16MiB").replace("1GiB", "8GiB");
        Some(Node {
            config: config_to(gate.bootstrap(), &log, &topic, ""),
            sockets: Sockets::open(),
            kafka,
            gate,
            topic,
            _dir: dir,
            _alone: alone,
        })
    }

    fn start(&self) -> Gateway {
        let names = "data:admin";
        let env = [("FOREBAY__SHUTDOWN__IDLE", IDLE)];
        self.sockets.start(names, &self.config, &env).unwrap()
    }

    /// Restarts it some times while clients that keep their connections send, who try nothing twice. Returns what they were told.
    fn restart_under_load(&self, mut gateway: Gateway) -> (Gateway, Evidence) {
        let (rate, connections) = (given("RATE", 200), 20);
        let plan = Plan {
            connections,
            keys: 10,
            pause: Duration::from_micros(1_000_000 * connections as u64 / rate),
            ..Plan::default()
        };
        let senders = Senders::start("in-place", gateway.data, "events", &plan);
        let mut restarts = Vec::new();
        for _ in 0..given("RESTARTS", 2) {
            senders.wait_for_acks(rate, SPILLS);
            // Who rests on a connection keeps nobody waiting.
            let resting = gateway.client();
            let begun = Instant::now();
            gateway.stop();
            gateway = self.start();
            drop(resting);
            senders.wait_for_acks(rate / 2, SPILLS);
            restarts.push((begun, Instant::now()));
        }
        let (sent, latencies) = senders.stop();
        judge(&latencies, &restarts);
        (gateway, sent)
    }

    fn audit(&self, gateway: Gateway, sent: Evidence) {
        let within = STARTS + Duration::from_millis(100 * given("BACKLOG_MB", 8));
        wait_until_delivered_within(&gateway, within);
        gateway.stop();
        assert_kept(&audit(self.kafka, &self.topic, sent));
    }
}

#[track_caller]
fn judge(latencies: &[Latency], restarts: &[(Instant, Instant)]) {
    let of = |(begun, ended): &(Instant, Instant)| {
        let during = |(at, took, _): &&Latency| at < ended && *at + *took > *begun;
        let during = latencies.iter().filter(during);
        during.map(|(_, took, _)| *took).max().unwrap()
    };
    let mut waits: Vec<_> = restarts.iter().map(of).collect();
    waits.sort();
    let is_failed = |(_, _, status): &&Latency| *status != 200;
    let failed = latencies.iter().filter(is_failed).count();
    let sent = latencies.len();
    println!("{sent} requests, {failed} failed; the longest waits of the restarts: {waits:?}");
    assert_eq!(failed, 0, "of {sent}");
    let most = Duration::from_millis(given("LONGEST_MS", 2_500));
    assert!(waits[waits.len() - 1] <= most, "{waits:?}");
}

#[test]
fn restarts_in_place_fail_no_request_and_hold_none_up() {
    let Some(node) = Node::or_skip("in-place") else {
        return;
    };
    let gateway = node.start();
    gateway.wait_ready(STARTS);
    let (gateway, sent) = node.restart_under_load(gateway);
    node.audit(gateway, sent);
}

/// The log holds what came before, of the same keys too: it's handed over with all that is in it.
#[test]
fn restarts_in_place_with_kafka_dead_and_a_backlog_are_as_short_and_keep_the_order() {
    let Some(node) = Node::or_skip("in-place-dead") else {
        return;
    };
    let gateway = node.start();
    gateway.wait_ready(STARTS);
    node.gate.close();
    let plan = Plan {
        connections: 4,
        keys: 50,
        batch: 500,
        pause: Duration::ZERO,
        ..Plan::default()
    };
    let filling = Senders::start("before", gateway.data, "events", &plan);
    let wanted = given("BACKLOG_MB", 8) * 1_000_000;
    eventually("the backlog is there", 10 * SPILLS, || {
        gateway.status()["spill"]["backlog_bytes"].as_u64().unwrap() >= wanted
    });
    let (mut sent, _) = filling.stop();
    let (gateway, more) = node.restart_under_load(gateway);
    sent.extend(more);
    node.gate.open();
    node.audit(gateway, sent);
}
