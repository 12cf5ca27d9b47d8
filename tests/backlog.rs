//! What waits on disk finds its way: events of a first start without Kafka, of a restart without Kafka, of a gateway that is
//! gone; and what the classes of acknowledgement mean.

use std::path::Path;
use std::time::Duration;

use crate::kafka::{self, Evidence, Kafka, consume_all};
use crate::support::bounds::{BROKERS_READY, DIES, DRAINED, FLOWS_AGAIN, SPILLS, STARTS};
use crate::support::command;
use crate::support::eventually;
use crate::support::gateway::{Gateway, config_to};
use crate::support::outage::{assert_kept, audit, log_in};
use crate::support::sender::{Plan, Senders};

const SECOND: Duration = Duration::from_secs(1);
const PARTITIONS: i32 = 6;

fn on_log(kafka: &Kafka, topic: &str, dir: &Path, more: &str) -> String {
    config_to(kafka.bootstrap(), &log_in(dir, "4MiB"), topic, more)
}

/// Clients whose keys have many events each, so that a wrong order shows.
fn senders(name: &str, gateway: &Gateway) -> Senders {
    let plan = Plan {
        connections: 8,
        keys: 4,
        batch: 3,
        tries: 1,
        patience: 10 * SECOND,
        ..Plan::default()
    };
    Senders::start(name, gateway.data, "events", &plan)
}

#[track_caller]
fn drained(gateway: &Gateway) {
    eventually("the backlog is in kafka", DRAINED, || {
        gateway.status()["spill"]["backlog_events"] == 0
            && gateway.events("events", "in_flight") == 0
    });
}

#[track_caller]
fn routed(gateway: &Gateway, partitions: i32) {
    eventually("the partitions are in use", FLOWS_AGAIN, || {
        gateway.status()["streams"]["events"]["partitions"] == partitions
    });
}

/// Nobody has ever heard of the partitions: events wait unrouted, also over a kill, and find their partitions, in order,
/// while new ones come.
#[test]
fn the_first_start_ever_accepts_with_kafka_out_of_reach() {
    let Some(kafka) = kafka::three_or_skip(&[]) else {
        return;
    };
    let topic = kafka.fresh_topic("first", PARTITIONS, 3, &[]);
    kafka.kill_all();
    let dir = tempfile::tempdir().unwrap();
    let config = on_log(&kafka, &topic, dir.path(), "");
    let mut gateway = Gateway::ready(&config);
    let early = senders("early", &gateway);
    early.wait_for_acks(2_000, SPILLS);
    gateway.signal("KILL");
    gateway.wait(DIES);
    let (mut sent, _) = early.stop();
    let gateway = Gateway::ready(&config);
    let through = senders("through", &gateway);
    through.wait_for_acks(500, SPILLS);
    assert_eq!(gateway.status()["streams"]["events"]["partitions"], 0);
    kafka.start_all();
    kafka.wait_ready(BROKERS_READY);
    routed(&gateway, PARTITIONS);
    through.wait_for_acks(2_000, FLOWS_AGAIN);
    sent.extend(through.stop().0);
    drained(&gateway);
    gateway.stop();
    assert_kept(&audit(&kafka, &topic, sent));
}

/// A gateway that has met Kafka before knows the partitions without it. When it is gone, its directory is another's.
#[test]
fn the_directory_of_a_dead_gateway_is_drained_or_adopted() {
    let Some(kafka) = kafka::three_or_skip(&[]) else {
        return;
    };
    let topic = kafka.fresh_topic("orphan", PARTITIONS, 3, &[]);
    let [dir, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let config = on_log(&kafka, &topic, dir.path(), "");
    let gateway = Gateway::start(&config);
    eventually("the partitions are written down", STARTS, || {
        dir.path().join("partitions.json").exists()
    });
    drop(gateway);
    kafka.kill_all();
    let mut sent = Evidence::default();
    let mut spill = |name: &str| {
        let mut gateway = Gateway::ready(&config);
        assert_eq!(
            gateway.status()["streams"]["events"]["partitions"],
            PARTITIONS
        );
        let group = senders(name, &gateway);
        group.wait_for_acks(1_500, SPILLS);
        gateway.signal("KILL");
        gateway.wait(DIES);
        sent.extend(group.stop().0);
    };
    spill("drained");
    let file = other.path().join("forebay.toml");
    std::fs::write(&file, &config).unwrap();
    let path = dir.path().to_str().unwrap();
    let drain = |more: &[&str]| {
        let arguments = ["spill", "drain", path, "--config", file.to_str().unwrap()];
        let arguments: Vec<_> = arguments.iter().chain(more).copied().collect();
        command::start(&arguments, &[]).wait(DRAINED + STARTS)
    };
    let in_vain = drain(&["--within", "2s"]);
    assert_eq!(in_vain.code, Some(69), "{in_vain:?}");
    assert!(in_vain.err.contains("run it again"), "{in_vain:?}");
    kafka.start_all();
    kafka.wait_ready(BROKERS_READY);
    let ended = drain(&[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("all is in kafka"), "{ended:?}");

    kafka.kill_all();
    spill("adopted");
    kafka.start_all();
    kafka.wait_ready(BROKERS_READY);
    let gateway = Gateway::start_with(
        &on_log(&kafka, &topic, &other.path().join("spill"), ""),
        &["--adopt", path],
        &[],
    );
    gateway.wait_ready(STARTS);
    eventually("the adopted directory is empty", DRAINED, || {
        gateway.status()["adopted"][0]["backlog_events"] == 0
    });
    gateway.stop();
    assert_kept(&audit(&kafka, &topic, sent));
}

#[test]
fn each_class_of_acknowledgement_says_what_it_is() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("classes", 2, 1, &[]);
    let dir = tempfile::tempdir().unwrap();
    let mut config = on_log(kafka, &topic, dir.path(), "ack = \"disk\"\n");
    config += &format!(
        "[streams.quick]\ncluster = \"main\"\ntopic = \"{topic}\"\nkey = \"/user\"\nid = \"/id\"\nack = \"memory\"\n"
    );
    let gateway = Gateway::ready(&config);
    routed(&gateway, 2);
    let mut client = gateway.client();
    for id in 0..20 {
        let event = format!("{{\"user\":\"u\",\"id\":{id}}}");
        let answer = client.post_json("events", &event).json();
        assert_eq!(
            (&answer["spilled"], &answer["acked"]),
            (&1.into(), &0.into())
        );
        let answer = client.post_json("quick", &format!("[{event},7]")).json();
        assert_eq!(
            (&answer["queued"], &answer["rejected"]),
            (&1.into(), &1.into())
        );
    }
    eventually("all of it is in kafka", FLOWS_AGAIN, || {
        consume_all(kafka.bootstrap(), &topic).len() == 40
    });
    eventually("and counted", 5 * SECOND, || {
        let quick = ["acked", "replayed"].map(|count| gateway.events("quick", count));
        gateway.events("events", "replayed") == 20 && quick.iter().sum::<i64>() == 20
    });
    gateway.stop();
}

/// What Kafka acknowledged a moment before a stop is on record when the process has ended, so nothing is sent twice.
#[test]
fn a_stop_leaves_nothing_to_be_sent_again() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("again", 2, 1, &[]);
    let dir = tempfile::tempdir().unwrap();
    let config = on_log(kafka, &topic, dir.path(), "ack = \"disk\"\n");
    for start in 0..10 {
        let gateway = Gateway::ready(&config);
        routed(&gateway, 2);
        let mut client = gateway.client();
        for id in 0..20 {
            let event = format!("{{\"user\":\"u\",\"id\":\"{start}-{id}\"}}");
            assert_eq!(client.post_json("events", &event).json()["spilled"], 1);
        }
        eventually("all of it is in kafka", FLOWS_AGAIN, || {
            gateway.status()["spill"]["backlog_events"] == 0
        });
        gateway.stop();
        let ended = command::run(&["spill", "ls", dir.path().to_str().unwrap()], &[]);
        assert!(!ended.out.contains(&topic), "start {start}: {}", ended.out);
    }
    assert_eq!(consume_all(kafka.bootstrap(), &topic).len(), 200);
}

/// An event that the disk took and Kafka never will is kept where people find it, and holds nobody up, nor does it take along
/// those that it was refused with, nor their order.
#[test]
fn what_kafka_refuses_for_good_becomes_a_dead_letter() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("dead", 1, 1, &[("max.message.bytes", "2000")]);
    let dir = tempfile::tempdir().unwrap();
    let config = on_log(kafka, &topic, dir.path(), "ack = \"disk\"\n");
    // Kafka is away, so the door doesn't know the topic's limit.
    let away = Gateway::ready(&config.replace(kafka.bootstrap(), "127.0.0.1:1"));
    let mut client = away.client();
    for id in 0..10 {
        let filler = "x".repeat(if id % 3 == 1 { 5_000 } else { 10 });
        let event = format!("{{\"user\":\"u\",\"id\":{id},\"filler\":\"{filler}\"}}");
        assert_eq!(client.post_json("events", &event).json()["spilled"], 1);
    }
    away.stop();
    let gateway = Gateway::ready(&config);
    eventually(
        "three are dead, and the others are in kafka",
        20 * SECOND,
        || gateway.events("events", "dead") == 3 && gateway.events("events", "replayed") == 7,
    );
    let ids: Vec<_> = consume_all(kafka.bootstrap(), &topic)
        .iter()
        .map(|record| {
            let event: serde_json::Value = serde_json::from_slice(record.payload()).unwrap();
            event["id"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(ids, [0, 2, 3, 5, 6, 8, 9]);
    // They are where people look, and one line told of the first.
    let shown = |gateway: &Gateway| {
        let status = gateway.status();
        let dead = &status["dead_letters"][0];
        assert_eq!(
            (&dead["stream"], &dead["reason"], &dead["events"]),
            (&"events".into(), &"too_large".into(), &3.into())
        );
        assert_eq!(status["spill"]["backlog_events"], 0, "they aren't waiting");
        let metrics = gateway.get("/metrics").1;
        let labels = "{cluster=\"main\",stream=\"events\",reason=\"too_large\"}";
        for metric in [
            "dead_letters",
            "dead_letters_bytes",
            "dead_letters_oldest_age_seconds",
        ] {
            let line = format!("forebay_{metric}{labels} ");
            let line = metrics.lines().find_map(|it| it.strip_prefix(&line));
            let value: f64 = line.expect(metric).parse().unwrap();
            assert!(metric != "dead_letters" || value == 3.0, "{metric} {value}");
            assert!(metric != "dead_letters_bytes" || value > 15_000.0);
        }
        let troubles = gateway.status()["troubles"].to_string();
        assert!(troubles.contains("3 events are dead letters"), "{troubles}");
    };
    shown(&gateway);
    let log = gateway.stop();
    let warned = log
        .lines()
        .filter(|line| line.contains("WARN") && line.contains("dead letter"));
    let warned: Vec<_> = warned.collect();
    // The first one, and the last line of all.
    assert_eq!(warned.len(), 2, "{log}");
    assert!(warned[0].contains("reason=\"too_large\"") && warned[0].contains("spill redrive"));
    assert!(!warned[0].contains("librdkafka"), "{warned:?}");
    assert!(warned[1].contains("stopped;") && warned[1].contains("dead_letters=3"));
    // The next run counts them again.
    let gateway = Gateway::ready(&config);
    shown(&gateway);
    assert!(gateway.log().contains("dead letters of an earlier run"));
    assert!(gateway.stop().contains("dead_letters=3"));
    let dead = command::run(
        &["spill", "cat", dir.path().to_str().unwrap(), "dead/"],
        &[],
    );
    assert_eq!(dead.out.lines().count(), 3, "{dead:?}");
    assert!(dead.out.contains("\"id\":4"), "{dead:?}");
    let lane = format!("dead/main/events/{topic}/0/too_large@");
    assert!(dead.out.starts_with(&lane), "{dead:?}");
}
