//! Several clusters in one process: what happens to one costs the others nothing. And memory: what waits is bounded, also
//! under a flood, and lanes that rest cost next to nothing.

use std::time::{Duration, Instant};

use crate::kafka;
use crate::support::bounds::{BROKERS_READY, FLOWS_AGAIN, STARTS};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::machine::Alone;
use crate::support::mock::Mock;
use crate::support::sender::{Plan, Senders, p99, rate};

const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1024 * 1024;

fn two_clusters(healthy: &str, sick: &str, more: &str) -> String {
    format!(
        "{more}\n[clusters.healthy]\nbootstrap = \"{healthy}\"\n[clusters.sick]\nbootstrap = \"{sick}\"\n\
         [streams.healthy]\ncluster = \"healthy\"\ntopic = \"events\"\nkey = \"/user\"\nid = \"/id\"\n\
         [streams.sick]\ncluster = \"sick\"\ntopic = \"events\"\nkey = \"/user\"\nid = \"/id\"\n"
    )
}

/// Compares one stream's latency and rate before and while the other's cluster is away, with clients on both.
fn the_other_goes_on(gateway: &Gateway, take_away: impl FnOnce()) {
    let plan = Plan {
        pause: Duration::from_millis(4),
        ..Plan::default()
    };
    let healthy = Senders::start("healthy", gateway.data, "healthy", &plan);
    let sick = Senders::start("sick", gateway.data, "sick", &plan);
    healthy.wait_for_acks(500, STARTS);
    sick.wait_for_acks(500, STARTS);
    let normal = Instant::now();
    std::thread::sleep(5 * SECOND);
    take_away();
    let away = Instant::now();
    std::thread::sleep(8 * SECOND);
    let end = Instant::now();
    let (_, latencies) = healthy.stop();
    let before = (
        p99(&latencies, normal, away),
        rate(&latencies, normal, away),
    );
    let after = (p99(&latencies, away, end), rate(&latencies, away, end));
    println!(
        "normal p99 {:?} {:.0}/s; with the other cluster away p99 {:?} {:.0}/s",
        before.0, before.1, after.0, after.1
    );
    // The noise of a busy machine: some milliseconds, whatever the p99.
    assert!(
        after.0 <= before.0 * 2 + Duration::from_millis(15),
        "{before:?} {after:?}"
    );
    assert!(after.1 >= before.1 * 0.8, "{before:?} {after:?}");
    let conditions = gateway.status();
    assert_eq!(conditions["clusters"]["healthy"]["condition"], "up");
    assert_eq!(
        gateway.get("/readyz").0,
        200,
        "one sick cluster doesn't make the others unreachable"
    );
    drop(sick);
}

#[test]
fn a_dead_cluster_costs_the_others_nothing() {
    let _alone = Alone::on_the_machine();
    let (healthy, sick) = (
        Mock::start(1, &[("events", 8)]),
        Mock::start(1, &[("events", 8)]),
    );
    let gateway = Gateway::ready(&two_clusters(
        healthy.bootstrap(),
        sick.bootstrap(),
        "[admin]\nwait_for_all = \"0s\"\n",
    ));
    the_other_goes_on(&gateway, || {
        sick.with(|cluster| cluster.broker_down(1).unwrap())
    });
}

#[test]
fn a_frozen_cluster_costs_the_others_nothing() {
    let Some(frozen) = kafka::three_or_skip(&[]) else {
        return;
    };
    let _alone = Alone::on_the_machine();
    frozen.create_topic("events", 8, 3, &[]);
    let healthy = Mock::start(1, &[("events", 8)]);
    let gateway = Gateway::ready(&two_clusters(
        healthy.bootstrap(),
        frozen.bootstrap(),
        "[admin]\nwait_for_all = \"0s\"\n",
    ));
    the_other_goes_on(&gateway, || {
        frozen
            .nodes()
            .into_iter()
            .for_each(|node| frozen.freeze(node))
    });
    frozen
        .nodes()
        .into_iter()
        .for_each(|node| frozen.thaw(node));
}

/// A flood of large batches that Kafka can't take (it is frozen): 503s, and memory within the budget. Its 15 seconds are
/// long enough to fill the budget many times over; `FOREBAY_TEST_FLOOD_SECONDS=300` makes it longer.
#[test]
fn a_flood_stays_within_the_memory_budget() {
    let Some(kafka) = kafka::three_or_skip(&[]) else {
        return;
    };
    kafka.create_topic("events", 8, 3, &[]);
    let config = format!(
        "[memory]\nbudget = \"96MiB\"\n[http]\nanswer_within = \"2s\"\nmax_connections = 500\n[lane]\nmax_bytes = \"32MiB\"\n\
         stalled_after = \"1500ms\"\n[clusters.main]\nbootstrap = \"{}\"\nmax_in_flight = \"32MiB\"\n\
         [streams.events]\ncluster = \"main\"\nkey = \"/user\"\nid = \"/id\"\n",
        kafka.bootstrap()
    );
    let gateway = Gateway::ready(&config);
    let plan = Plan {
        connections: 64,
        keys: 64,
        batch: 2_000,
        pause: Duration::ZERO,
        patience: 10 * SECOND,
        tries: 1,
    };
    let senders = Senders::start("flood", gateway.data, "events", &plan);
    senders.wait_for_acks(5_000, STARTS);
    kafka
        .nodes()
        .into_iter()
        .for_each(|node| kafka.freeze(node));
    let (mut peak, mut held) = (0, 0);
    let seconds =
        std::env::var("FOREBAY_TEST_FLOOD_SECONDS").map_or(15, |seconds| seconds.parse().unwrap());
    let end = Instant::now() + SECOND * seconds;
    while Instant::now() < end {
        peak = peak.max(gateway.resident());
        held = held.max(gateway.status()["memory"]["used_bytes"].as_u64().unwrap());
        std::thread::sleep(Duration::from_millis(100));
    }
    kafka.nodes().into_iter().for_each(|node| kafka.thaw(node));
    println!("peak resident {} MiB, held {} MiB", peak / MIB, held / MIB);
    assert!(
        (40 * MIB..=96 * MIB).contains(&held),
        "{} MiB held: the flood fills the stream's share, not more",
        held / MIB
    );
    assert!(peak <= (96 + 64) * MIB, "{} MiB resident", peak / MIB);
    let (_, latencies) = senders.stop();
    let slowest = latencies.iter().map(|(_, took, _)| *took).max().unwrap();
    assert!(slowest < 5 * SECOND, "an answer took {slowest:?}");
    assert!(latencies.iter().any(|(_, _, status)| *status == 503));
    kafka.wait_ready(BROKERS_READY);
    eventually("nothing is in flight", FLOWS_AGAIN, || {
        gateway.events("events", "in_flight") == 0
    });
    let used = gateway.status()["memory"]["used_bytes"].as_u64().unwrap();
    assert!(used < MIB, "{used} bytes are still held");
    gateway.stop();
}

#[test]
fn lanes_that_rest_cost_next_to_nothing() {
    let _alone = Alone::on_the_machine();
    let names: Vec<_> = (0..200).map(|number| format!("topic-{number}")).collect();
    let topics: Vec<_> = names.iter().map(|name| (name.as_str(), 64)).collect();
    let mock = Mock::start(1, &topics);
    let few = Gateway::ready(&format!(
        "[clusters.main]\nbootstrap = \"{}\"\n[streams.topic-0]\ncluster = \"main\"\n",
        mock.bootstrap()
    ));
    let streams: String = names
        .iter()
        .map(|name| format!("[streams.{name}]\ncluster = \"main\"\n"))
        .collect();
    let many = Gateway::ready(&format!(
        "[clusters.main]\nbootstrap = \"{}\"\n{streams}",
        mock.bootstrap()
    ));
    let partitions = |gateway: &Gateway| {
        let status = gateway.status();
        let streams = status["streams"].as_object().unwrap().values();
        streams
            .map(|stream| stream["partitions"].as_u64().unwrap())
            .sum::<u64>()
    };
    eventually("all partitions are known", 60 * SECOND, || {
        partitions(&many) == 12_800
    });
    let more = many.resident().saturating_sub(few.resident());
    let before = many.cpu();
    std::thread::sleep(10 * SECOND);
    let cpu = many.cpu() - before;
    println!(
        "12,800 lanes: {} MiB more, {cpu:?} of CPU in 10 s",
        more / MIB
    );
    assert!(more <= 64 * MIB, "{} MiB", more / MIB);
    assert!(
        cpu <= Duration::from_millis(200),
        "{cpu:?} of CPU in 10 s without traffic"
    );
    many.stop();
    few.stop();
}
