//! The spill log at work, with real brokers and an audit of every id: an outage is 200s that say `spilled`, what was spilled
//! arrives in order behind what was sent before, and neither kill -9 of the gateway nor a dead Kafka at its stop loses any.

use std::time::{Duration, Instant};

use crate::kafka::{self, Evidence};
use crate::support::bounds::{BROKERS_READY, DIES, DRAINED, FLOWS_AGAIN, SPILLS, STARTS};
use crate::support::command;
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::outage::{
    assert_kept, audit, spilling_config, start_again, stop_and_audit, wait_until_delivered,
};
use crate::support::sender::{Plan, Senders, groups};

const SECOND: Duration = Duration::from_secs(1);

/// How much of the disk the log may use.
fn with_quota(config: &str, quota: &str) -> String {
    config.replace("quota = \"1GiB\"", &format!("quota = \"{quota}\""))
}

fn drained(gateway: &Gateway) -> bool {
    let events = gateway.status()["streams"]["events"]["events"].clone();
    let count = |name: &str| events[name].as_i64().unwrap();
    count("in_flight") == 0 && count("replayed") + count("dead") == count("spilled")
}

#[test]
fn an_outage_is_200s_that_say_spilled_and_nothing_is_lost_or_out_of_order() {
    let Some(kafka) = kafka::three_or_skip(&[]) else {
        return;
    };
    let topic = kafka.fresh_topic("spill", 12, 3, &[]);
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::ready(&spilling_config(kafka.bootstrap(), &topic, dir.path()));
    let groups = groups(gateway.data);
    groups
        .iter()
        .for_each(|group| group.wait_for_acks(200, STARTS));
    kafka.kill_all();
    let outage = Instant::now();
    std::thread::sleep(20 * SECOND);
    let back = Instant::now();
    kafka.start_all();
    kafka.wait_ready(BROKERS_READY);
    groups
        .iter()
        .for_each(|group| group.wait_for_acks(200, FLOWS_AGAIN));
    let mut sent = Evidence::default();
    for group in groups {
        let (evidence, latencies) = group.stop();
        sent.extend(evidence);
        // After the first half second each second of the outage has its 200s.
        for second in 1..20 {
            let from = outage + SECOND * second;
            let until = (from + SECOND).min(back);
            let ok = latencies.iter().filter(|(begun, took, status)| {
                *status == 200 && (from..until).contains(&(*begun + *took))
            });
            assert!(ok.count() > 0, "no 200 in second {second} of the outage");
        }
    }
    eventually("the backlog is in kafka", DRAINED, || drained(&gateway));
    assert!(gateway.events("events", "spilled") > 1_000);
    stop_and_audit(gateway, &kafka, &topic, sent);
}

#[test]
fn kill_9_during_an_outage_loses_nothing_that_was_acknowledged() {
    let Some(kafka) = kafka::three_or_skip(&[]) else {
        return;
    };
    let topic = kafka.fresh_topic("kill", 12, 3, &[]);
    let dir = tempfile::tempdir().unwrap();
    let config = spilling_config(kafka.bootstrap(), &topic, dir.path());
    let mut gateway = Gateway::ready(&config);
    let data = gateway.data;
    let groups = groups(data);
    groups
        .iter()
        .for_each(|group| group.wait_for_acks(200, STARTS));
    for round in 0..4 {
        match round % 2 {
            0 => kafka.kill_all(),
            _ => kafka.start_all(),
        }
        std::thread::sleep(3 * SECOND);
        gateway.signal("KILL");
        gateway.wait(DIES);
        drop(gateway);
        gateway = start_again(&config, data);
        std::thread::sleep(2 * SECOND);
    }
    kafka.wait_ready(BROKERS_READY);
    groups
        .iter()
        .for_each(|group| group.wait_for_acks(200, FLOWS_AGAIN));
    let mut sent = Evidence::default();
    groups
        .into_iter()
        .for_each(|group| sent.extend(group.stop().0));
    wait_until_delivered(&gateway);
    gateway.stop();
    let audit = audit(&kafka, &topic, sent);
    assert_kept(&audit);
}

#[test]
fn a_stop_with_kafka_dead_brings_all_to_the_log_and_the_next_start_brings_it_to_kafka() {
    let Some(kafka) = kafka::three_or_skip(&[]) else {
        return;
    };
    let topic = kafka.fresh_topic("stop", 6, 3, &[]);
    let dir = tempfile::tempdir().unwrap();
    let config = spilling_config(kafka.bootstrap(), &topic, dir.path());
    let gateway = Gateway::ready(&config);
    let senders = Senders::start(
        "stop",
        gateway.data,
        "events",
        &Plan {
            tries: 1,
            patience: 10 * SECOND,
            ..Plan::default()
        },
    );
    senders.wait_for_acks(200, STARTS);
    kafka.kill_all();
    senders.wait_for_acks(500, SPILLS);
    let (sent, _) = senders.stop();
    let begun = Instant::now();
    let log = gateway.stop();
    // A stop is over within `shutdown.drain` and the last appends, whatever Kafka does.
    assert!(begun.elapsed() < 20 * SECOND, "{log}");
    // People can see what waits, while nobody owns the directory.
    let spill = |show: &str| {
        let ended = command::run(&["spill", show, dir.path().to_str().unwrap()], &[]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended.out
    };
    assert!(spill("ls").contains(&format!("main/events/{topic}/")));
    let waiting = spill("cat");
    assert!(waiting.lines().count() > 0);
    assert!(
        waiting
            .lines()
            .all(|line| line.contains("key=stop-") && line.contains("\"name\":\"purchase\"")),
        "{waiting}"
    );
    kafka.start_all();
    kafka.wait_ready(BROKERS_READY);
    let gateway = Gateway::ready(&config);
    eventually("the log is empty", DRAINED, || {
        gateway.status()["spill"]["backlog_events"] == 0
    });
    gateway.stop();
    let audit = audit(&kafka, &topic, sent);
    assert!(
        audit.lost.is_empty() && audit.inversions.is_empty(),
        "{}",
        audit.report()
    );
}

/// A flood into a dead Kafka and a log that is full within seconds: 503s with a reason, memory within its budget, and when
/// Kafka is back, everything that was acknowledged arrives and the log takes events again.
#[test]
fn a_full_log_is_503_and_heals_by_itself() {
    const MIB: u64 = 1 << 20;
    let Some(kafka) = kafka::three_or_skip(&[]) else {
        return;
    };
    let topic = kafka.fresh_topic("full", 6, 3, &[]);
    let dir = tempfile::tempdir().unwrap();
    let config = with_quota(
        &spilling_config(kafka.bootstrap(), &topic, dir.path()),
        "24MiB",
    );
    let gateway = Gateway::ready(&format!(
        "[memory]\nbudget = \"96MiB\"\n[http]\nmax_connections = 500\n{config}"
    ));
    let plan = Plan {
        connections: 16,
        keys: 64,
        batch: 500,
        pause: Duration::ZERO,
        patience: 10 * SECOND,
        tries: 1,
    };
    let senders = Senders::start("flood", gateway.data, "events", &plan);
    senders.wait_for_acks(2_000, STARTS);
    kafka.kill_all();
    let (mut peak, mut used) = (0, 0);
    let end = Instant::now() + 12 * SECOND;
    while Instant::now() < end {
        peak = peak.max(gateway.resident());
        used = used.max(gateway.status()["spill"]["used_bytes"].as_u64().unwrap());
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("peak resident {} MiB, log {} MiB", peak / MIB, used / MIB);
    assert!(peak <= (96 + 64) * MIB, "{} MiB resident", peak / MIB);
    assert!(
        (12 * MIB..=25 * MIB).contains(&used),
        "{} MiB of log",
        used / MIB
    );
    kafka.start_all();
    kafka.wait_ready(BROKERS_READY);
    senders.wait_for_acks(2_000, FLOWS_AGAIN);
    let (sent, latencies) = senders.stop();
    let slowest = latencies.iter().map(|(_, took, _)| *took).max().unwrap();
    assert!(slowest < 8 * SECOND, "an answer took {slowest:?}");
    assert!(
        latencies.iter().any(|(_, _, status)| *status == 503),
        "the log was full"
    );
    eventually("the backlog is in kafka", DRAINED, || drained(&gateway));
    stop_and_audit(gateway, &kafka, &topic, sent);
}
