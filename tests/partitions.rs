//! Topics whose number of partitions changes while a backlog waits: what was acknowledged first is in Kafka first, also where
//! a key moves to another partition, and nothing is lost with partitions that are gone.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rdkafka::Message;

use crate::kafka::{self, Audit, Evidence, Kafka, consume_each};
use crate::support::eventually;
use crate::support::gate::Gate;
use crate::support::gateway::{Gateway, config_to};
use crate::support::outage::{spilling_config, start_again, wait_until_delivered};
use crate::support::sender::{Plan, Senders, key_and_id};

const SECOND: Duration = Duration::from_secs(1);
/// How soon a new number of partitions is in use: it's asked for every second, fewer are doubted for ten, and the backlog goes
/// first.
const IN_USE_WITHIN: Duration = Duration::from_secs(90);

/// The broker says when it stored a record, so that those of several partitions can be put in order.
const STAMPED_BY_BROKER: (&str, &str) = ("message.timestamp.type", "LogAppendTime");

/// A topic behind a gate, and a gateway with a spill log.
struct Scene {
    kafka: &'static Kafka,
    gate: Gate,
    topic: String,
    config: String,
    gateway: Gateway,
}

impl Scene {
    fn prepare_or_skip(name: &str, partitions: i32, dir: &Path) -> Option<Scene> {
        let with = |bootstrap: &str, topic: &str| spilling_config(bootstrap, topic, dir);
        Scene::with_config_or_skip(name, partitions, with)
    }

    fn without_log_or_skip(name: &str, partitions: i32) -> Option<Scene> {
        let with = |bootstrap: &str, topic: &str| config_to(bootstrap, "", topic, "");
        Scene::with_config_or_skip(name, partitions, with)
    }

    fn with_config_or_skip(
        name: &str,
        partitions: i32,
        with: impl Fn(&str, &str) -> String,
    ) -> Option<Scene> {
        let kafka = kafka::one_or_skip()?;
        let gate = Gate::before_or_skip(kafka)?;
        let topic = kafka.fresh_topic(name, partitions, 1, &[STAMPED_BY_BROKER]);
        let often = "owner = \"tests\"\nmetadata_refresh = \"1s\"\n";
        let config = with(gate.bootstrap(), &topic);
        let config = config.replace("owner = \"tests\"\n", often);
        let gateway = Gateway::ready(&config);
        let scene = Scene {
            kafka,
            gate,
            topic,
            config,
            gateway,
        };
        scene.in_use(partitions);
        Some(scene)
    }

    /// Many keys, each of which waits for its answer before its next event; they go on through everything.
    fn senders(&self, name: &str) -> Senders {
        let plan = Plan {
            keys: 12,
            batch: 3,
            ..Plan::default()
        };
        Senders::start(name, self.gateway.data, "events", &plan)
    }

    #[track_caller]
    fn in_use(&self, partitions: i32) {
        eventually("the partitions are in use", IN_USE_WITHIN, || {
            self.gateway.status()["streams"]["events"]["partitions"] == partitions
        });
    }

    /// Everything arrives, and the topic is audited.
    #[track_caller]
    fn end(self, senders: Senders) -> Audit {
        senders.wait_for_acks(500, 30 * SECOND);
        let (sent, _) = senders.stop();
        if self.gateway.status()["spill"].is_null() {
            eventually("nothing is under way", 30 * SECOND, || {
                self.gateway.events("events", "in_flight") == 0
            });
        } else {
            wait_until_delivered(&self.gateway);
        }
        println!("{}", self.gateway.stop());
        audit_over_partitions(self.kafka, &self.topic, sent)
    }
}

/// What the senders were told against what the topic holds, each key in the order in which the broker stored it, whatever the
/// partition.
fn audit_over_partitions(kafka: &Kafka, topic: &str, mut sent: Evidence) -> Audit {
    // Of each key, by time and partition: the events in the order of the partition.
    let mut stored = BTreeMap::<(Vec<u8>, i64, i32), Vec<u64>>::new();
    consume_each(kafka.bootstrap(), topic, 180 * SECOND, |message| {
        let (key, id) = key_and_id(message.key(), message.payload().unwrap());
        let at = message.timestamp().to_millis().unwrap();
        let of_key = stored.entry((key, at, message.partition()));
        of_key.or_default().push(id);
    });
    let mut runs: Vec<_> = stored.into_iter().collect();
    // What two partitions stored within the same millisecond has no order that could be seen.
    runs.sort_by_key(|((key, at, _), ids)| (key.clone(), *at, ids.iter().min().copied()));
    let mut partitions_of = BTreeMap::<Vec<u8>, Vec<i32>>::new();
    for ((key, _, partition), ids) in runs {
        ids.iter().for_each(|id| sent.found(&key, *id, 0));
        partitions_of.entry(key).or_default().push(partition);
    }
    let has_moved = |parts: &Vec<i32>| parts.iter().any(|partition| *partition != parts[0]);
    let moved = partitions_of.values().filter(|parts| has_moved(parts));
    let audit = sent.audit();
    println!("{} keys moved\n{}", moved.clone().count(), audit.report());
    assert!(moved.count() > 10, "keys move when the number changes");
    audit
}

#[track_caller]
fn assert_nothing_lost_or_overtaken(audit: &Audit) {
    let is_kept = audit.lost.is_empty() && audit.inversions.is_empty();
    assert!(is_kept && audit.strangers == 0, "{}", audit.report());
}

#[test]
fn a_topic_grows_while_lanes_have_a_backlog() {
    let dir = tempfile::tempdir().unwrap();
    let Some(scene) = Scene::prepare_or_skip("grows", 3, dir.path()) else {
        return;
    };
    let senders = scene.senders("grows");
    senders.wait_for_acks(500, 30 * SECOND);
    scene.gate.close();
    senders.wait_for_acks(10_000, 60 * SECOND);
    scene.kafka.grow_topic(&scene.topic, 8);
    scene.gate.open();
    scene.in_use(8);
    assert_nothing_lost_or_overtaken(&scene.end(senders));
}

/// Nothing waits but what is under way.
#[test]
fn a_topic_grows_under_traffic() {
    let dir = tempfile::tempdir().unwrap();
    let Some(scene) = Scene::prepare_or_skip("quick", 2, dir.path()) else {
        return;
    };
    let senders = scene.senders("quick");
    for partitions in [3, 5, 8] {
        senders.wait_for_acks(1_000, 30 * SECOND);
        scene.kafka.grow_topic(&scene.topic, partitions);
        scene.in_use(partitions);
    }
    assert_nothing_lost_or_overtaken(&scene.end(senders));
}

/// The gateway remembers by how many partitions its backlog was sorted.
#[test]
fn a_topic_grows_while_the_gateway_is_down() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut scene) = Scene::prepare_or_skip("meanwhile", 3, dir.path()) else {
        return;
    };
    eventually("the partitions are written down", 20 * SECOND, || {
        dir.path().join("partitions.json").exists()
    });
    let senders = scene.senders("meanwhile");
    senders.wait_for_acks(500, 30 * SECOND);
    scene.gate.close();
    senders.wait_for_acks(10_000, 60 * SECOND);
    scene.gateway.signal("KILL");
    scene.gateway.wait(5 * SECOND);
    scene.kafka.grow_topic(&scene.topic, 8);
    scene.gate.open();
    scene.gateway = start_again(&scene.config, scene.gateway.data);
    scene.in_use(8);
    assert_nothing_lost_or_overtaken(&scene.end(senders));
}

/// What waits for partitions that are gone is sorted anew by its keys.
#[test]
fn a_topic_comes_back_smaller_while_lanes_have_a_backlog() {
    let dir = tempfile::tempdir().unwrap();
    let Some(scene) = Scene::prepare_or_skip("shrinks", 8, dir.path()) else {
        return;
    };
    scene.gate.close();
    let senders = scene.senders("shrinks");
    senders.wait_for_acks(5_000, 60 * SECOND);
    scene.kafka.delete_topic(&scene.topic);
    scene
        .kafka
        .create_topic(&scene.topic, 3, 1, &[STAMPED_BY_BROKER]);
    scene.gate.open();
    scene.in_use(3);
    let dead = scene.gateway.events("events", "dead");
    assert_eq!(dead, 0, "no event is at fault");
    assert_nothing_lost_or_overtaken(&scene.end(senders));
}

/// There is nowhere to wait, so clients are sent away for a moment.
#[test]
fn a_topic_grows_without_a_log() {
    let Some(scene) = Scene::without_log_or_skip("no-log", 2) else {
        return;
    };
    let senders = scene.senders("no-log");
    for partitions in [3, 8] {
        senders.wait_for_acks(1_000, 30 * SECOND);
        scene.kafka.grow_topic(&scene.topic, partitions);
        scene.in_use(partitions);
    }
    assert_nothing_lost_or_overtaken(&scene.end(senders));
}

/// What was under way to partitions that are gone is refused in the end; nobody waits for ever, and nothing is unaccounted
/// for.
#[test]
fn a_topic_comes_back_smaller_without_a_log() {
    let Some(scene) = Scene::without_log_or_skip("less", 8) else {
        return;
    };
    let senders = scene.senders("less");
    senders.wait_for_acks(1_000, 30 * SECOND);
    scene.kafka.delete_topic(&scene.topic);
    scene
        .kafka
        .create_topic(&scene.topic, 3, 1, &[STAMPED_BY_BROKER]);
    scene.in_use(3);
    senders.wait_for_acks(1_000, 60 * SECOND);
    drop(senders.stop());
    eventually("nothing is left", 30 * SECOND, || {
        scene.gateway.events("events", "in_flight") == 0
    });
    println!("{}", scene.gateway.stop());
}
