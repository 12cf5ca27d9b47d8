//! A gateway that is a user of Kafka like any other: its rights, its topic and its way to the broker come and go while it works.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rdkafka::Message;

use super::eventually;
use super::gate::Gate;
use super::gateway::{Gateway, config};
use super::outage::wait_until_delivered_within;
use super::sender::key_and_id;
use crate::kafka::{self, Audit, Evidence, Kafka, Right, User, consume_each};

const SECOND: Duration = Duration::from_secs(1);

/// How soon all is in Kafka that waited for a right, a topic or its settings, on a machine that does other things: the
/// longest pause of a lane that waits for its topic, and of a client that is replaced, and the backlog of a test.
pub const MENDED_WITHIN: Duration = Duration::from_secs(45);

/// A user, its topic, and a gate on its way to Kafka.
pub struct Guarded {
    /// The cluster. The harness comes by another way than the user.
    pub kafka: &'static Kafka,
    /// Before the listener that asks who one is.
    pub gate: Gate,
    /// Who the gateway is.
    pub user: User,
    /// Where its stream `events` goes.
    pub topic: String,
    partitions: i32,
    configs: Vec<(String, String)>,
    config: String,
    /// What the topic held before it was deleted.
    found: Vec<(Vec<u8>, u64)>,
}

impl Guarded {
    /// A user that may produce into a topic of its own; `None` where there is no Kafka with an authorizer.
    pub fn prepare_or_skip(
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
        log: Option<&Path>,
    ) -> Option<Guarded> {
        let kafka = kafka::guarded_or_skip()?;
        let gate = Gate::guarded_or_skip(kafka)?;
        let topic = kafka.fresh_topic(name, partitions, 1, configs);
        let user = kafka.fresh_user();
        let log = log.map_or(String::new(), |dir| {
            format!(
                "[spill]\ndir = \"{}\"\nquota = \"1GiB\"\nmin_free = \"1MiB\"\nsegment = \"1MiB\"\n",
                dir.display()
            )
        });
        let config = config(gate.bootstrap(), &log)
            .replace(
                "[clusters.main]",
                "[clusters.main]\nmetadata_refresh = \"1s\"\nprobe = \"500ms\"",
            )
            .replace(
                "[streams.events]",
                &format!(
                    "[clusters.main.kafka]\n{}[streams.events]\ntopic = \"{topic}\"",
                    user.properties()
                ),
            );
        let configs = configs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let guarded = Guarded {
            kafka,
            gate,
            user,
            topic,
            partitions,
            configs: configs.collect(),
            config,
            found: Vec::new(),
        };
        guarded.allow();
        Some(guarded)
    }

    /// The gateway's configuration.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// Changes the configuration of gateways that are started from now on.
    pub fn configure(&mut self, with: impl FnOnce(String) -> String) {
        self.config = with(std::mem::take(&mut self.config));
    }

    /// The user may produce into its topic, and no other.
    pub fn allow(&self) {
        self.kafka
            .set_rights(&self.user, &Right::to_produce(&self.topic));
    }

    /// The user may produce, but not into its topic: the topic refuses it, and the cluster doesn't.
    pub fn deny_topic(&self) {
        let mut rights = Right::to_look(&self.topic);
        rights.push(Right::topic("another", "WRITE"));
        self.kafka.set_rights(&self.user, &rights);
    }

    /// The user may write nowhere. An idempotent client that begins needs the right to write somewhere (KIP-679): without one it's
    /// told `CLUSTER_AUTHORIZATION_FAILED`, and is dead. One that has begun is only refused by the topic.
    pub fn deny_cluster(&self) {
        self.kafka
            .set_rights(&self.user, &Right::to_look(&self.topic));
    }

    /// Nothing of the topic may even be seen.
    pub fn deny_sight(&self) {
        self.kafka
            .set_rights(&self.user, &[Right::topic("another", "WRITE")]);
    }

    /// Notes what the topic holds, and deletes it. The gate has to be closed, or what comes in between is lost by the
    /// operator's will.
    pub fn delete_topic(&mut self) {
        self.read();
        self.kafka.delete_topic(&self.topic);
    }

    /// Creates it again, with as many partitions.
    pub fn create_topic(&self, partitions: i32) {
        let configs = self.configs.iter();
        let configs: Vec<_> = configs
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.kafka
            .create_topic(&self.topic, partitions, 1, &configs);
    }

    /// How many partitions it had at first.
    pub fn partitions(&self) -> i32 {
        self.partitions
    }

    /// Adds what the topic holds to what was found, key by key in the order of the key's partition.
    fn read(&mut self) {
        let mut partitions = HashMap::<Vec<u8>, i32>::new();
        consume_each(
            self.kafka.bootstrap(),
            &self.topic,
            SECOND * 120,
            |message| {
                let (key, id) = key_and_id(message.key(), message.payload().unwrap());
                let first = *partitions.entry(key.clone()).or_insert(message.partition());
                let name = String::from_utf8_lossy(&key);
                assert_eq!(
                    first,
                    message.partition(),
                    "key {name} is in two partitions of one topic"
                );
                self.found.push((key, id));
            },
        );
    }

    /// Everything is in Kafka within [`MENDED_WITHIN`], nothing became a dead letter, the gateway stops in order, and each
    /// id is looked for: in the topic, and in what it held before it was deleted.
    #[track_caller]
    pub fn end(&mut self, gateway: Gateway, sent: Evidence) -> Audit {
        wait_until_delivered_within(&gateway, MENDED_WITHIN);
        assert_eq!(dead_letters(&gateway), 0, "{:#}", gateway.status());
        let log = gateway.stop();
        println!("{log}");
        self.audit(sent)
    }

    /// As [`Guarded::end`], for a gateway without a log.
    #[track_caller]
    pub fn end_without_log(&mut self, gateway: Gateway, sent: Evidence) -> Audit {
        eventually("nothing is in flight", MENDED_WITHIN, || {
            gateway.events("events", "in_flight") == 0
        });
        println!("{}", gateway.stop());
        self.audit(sent)
    }

    /// What the senders were told against what the topic holds, and held.
    #[track_caller]
    pub fn audit(&mut self, mut sent: Evidence) -> Audit {
        self.read();
        // One partition for all: a key's may be another one after the topic was created again.
        for (key, id) in self.found.drain(..) {
            sent.found(&key, id, 0);
        }
        let audit = sent.audit();
        println!("{}", audit.report());
        audit
    }
}

/// How many dead letters its log holds, of all its lives.
pub fn dead_letters(gateway: &Gateway) -> u64 {
    let status = gateway.status();
    let lanes = status["dead_letters"].as_array().unwrap().iter();
    let counted: u64 = lanes.map(|lane| lane["events"].as_u64().unwrap()).sum();
    let buried = gateway.events("events", "dead").try_into().unwrap();
    counted.max(buried)
}

/// Asserts that something holds at every look, for this long.
#[track_caller]
pub fn throughout(what: &str, time: Duration, mut check: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + time;
    while std::time::Instant::now() < end {
        assert!(check(), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
