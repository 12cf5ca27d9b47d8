//! Settings of one Kafka cluster and of the producer client that serves it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// As large as librdkafka lets `message.max.bytes` be.
pub(super) const CLIENT_MAX_BYTES: u64 = 1_000_000_000;

/// The largest batch that librdkafka makes of several messages by default.
pub(super) const CLIENT_BATCH_BYTES: u64 = 1_000_000;

/// `[clusters.NAME]`: one Kafka cluster, its owner, and how we produce into it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The team that owns the cluster: the name on metrics and logs, so that the right people are woken.
    #[serde(default)]
    pub owner: String,
    /// `host:port` of some brokers, separated by commas. Required.
    pub bootstrap: String,
    /// Events handed to the client and not yet acknowledged. Default 10,000: the client is cheapest at 5,000 to 10,000
    /// and needs 1.7 times the CPU at 100,000 (measured); what waits longer waits in our rings.
    #[serde(default = "default_in_flight_events")]
    pub max_in_flight_events: u32,
    /// Bytes handed to the client and not yet acknowledged. Default 64 MiB. One partition may have as many of them as are free,
    /// and what is read back from the spill log half of them. Where `memory.budget` is small, its shares are the smaller bound.
    #[serde(default = "default_in_flight_bytes")]
    pub max_in_flight: ByteSize,
    /// The largest record batch that a topic takes while Kafka hasn't told its `max.message.bytes`: it was never reached, we
    /// may not ask, or it's too old to be asked. Default 1,048,588 bytes, as Kafka has it: more than a topic takes would be
    /// acknowledged during an outage and refused after it.
    #[serde(default = "default_assumed_max_message")]
    pub assumed_max_message: ByteSize,
    /// How often each topic's partition count and configuration are asked for. Default 30 s.
    #[serde(default = "default_metadata_refresh", with = "humantime_serde")]
    pub metadata_refresh: Duration,
    /// How often a cluster that isn't in order is asked for a sign of life; one that is has twice as long. Default 2 s. Health older
    /// than five of these is bad.
    #[serde(default = "default_probe", with = "humantime_serde")]
    pub probe: Duration,
    /// How long nothing may be acknowledged while events wait, before the client is doubted: if another client then finds the
    /// cluster in order, and so again a quarter of this time later, this one is replaced, and what it held is sent again.
    /// Default 60 s: longer than any election
    /// or timeout of a healthy cluster, because events that were under way may be stored twice.
    #[serde(default = "default_progress_within", with = "humantime_serde")]
    pub progress_within: Duration,
    /// How long the cluster is left alone after its client failed (fenced, denied, out of its sequence) before it gets another one.
    /// Default 500 ms: a client costs threads, connections and a producer id. It's doubled with each further failure up to
    /// `longest_client_pause`, varies by a quarter, and is short again after an acknowledgement.
    #[serde(default = "default_client_pause", with = "humantime_serde")]
    pub client_pause: Duration,
    /// The longest such pause, and so how long after it was mended a cluster may still wait. Default 30 s.
    #[serde(default = "default_longest_client_pause", with = "humantime_serde")]
    pub longest_client_pause: Duration,
    /// Whether Kafka numbers what it's sent, so that what is sent twice is stored once. Default on.
    #[serde(default)]
    pub idempotence: Idempotence,
    /// When librdkafka's threads wake for what brokers answer. Default `together`.
    #[serde(default)]
    pub answers: Answers,
    /// Any further librdkafka property, as text. Those on which the promise rests (`acks`, `enable.idempotence`,
    /// `message.timeout.ms` …) are refused at start.
    #[serde(default)]
    pub kafka: BTreeMap<String, String>,
}

/// When librdkafka's threads wake for what brokers answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answers {
    /// When the answers that are under way are there, by a low-water mark of the socket (`SO_RCVLOWAT`), or a tick later: less CPU,
    /// here and at the broker.
    #[default]
    Together,
    /// For each. To be tried where a kernel or a proxy is suspected of holding answers back.
    Each,
}

/// How the producer of a cluster keeps order and avoids duplicates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Idempotence {
    /// The idempotent producer, of Kafka 0.11 and later: up to five requests of a partition are under way, and one that is sent
    /// again because its answer was lost is stored once.
    #[default]
    On,
    /// For clusters without it (Kafka 0.10.2). Order is kept by one request under way per broker, so there is less throughput: a
    /// round trip for each batch. An answer that is lost costs duplicates: its events are sent, and stored, again.
    Off,
}

fn default_client_pause() -> Duration {
    Duration::from_millis(500)
}

fn default_longest_client_pause() -> Duration {
    Duration::from_secs(30)
}

fn default_in_flight_events() -> u32 {
    10_000
}

fn default_in_flight_bytes() -> ByteSize {
    ByteSize::mib(64)
}

fn default_assumed_max_message() -> ByteSize {
    ByteSize::b(1_048_588)
}

fn default_metadata_refresh() -> Duration {
    Duration::from_secs(30)
}

fn default_progress_within() -> Duration {
    Duration::from_secs(60)
}

fn default_probe() -> Duration {
    Duration::from_secs(2)
}

impl Settings {
    /// A cluster with every default, reached at `bootstrap`.
    pub fn new(bootstrap: impl Into<String>) -> Settings {
        Settings {
            owner: String::new(),
            bootstrap: bootstrap.into(),
            max_in_flight_events: default_in_flight_events(),
            max_in_flight: default_in_flight_bytes(),
            assumed_max_message: default_assumed_max_message(),
            metadata_refresh: default_metadata_refresh(),
            probe: default_probe(),
            progress_within: default_progress_within(),
            client_pause: default_client_pause(),
            longest_client_pause: default_longest_client_pause(),
            idempotence: Idempotence::On,
            answers: Answers::Together,
            kafka: BTreeMap::new(),
        }
    }

    /// The largest batch that the client makes of several messages, in bytes; 0 if it compresses them.
    pub fn client_batch_bytes(&self) -> u64 {
        let names = ["compression.type", "compression.codec"];
        let names = names
            .iter()
            .flat_map(|name| [(*name).to_owned(), format!("topic.{name}")]);
        let mut codecs = names.filter_map(|name| self.kafka.get(&name));
        if codecs.any(|codec| codec.trim() != "none") {
            return 0;
        }
        let given = self.kafka.get("batch.size");
        let given = given.and_then(|bytes| bytes.trim().parse().ok());
        given.unwrap_or(CLIENT_BATCH_BYTES)
    }

    /// The largest message that the client takes: librdkafka's own bound is out of the way, unless it's asked for.
    pub fn client_max_bytes(&self) -> u64 {
        let given = ["message.max.bytes", "topic.message.max.bytes"];
        let mut given = given.iter().filter_map(|name| self.kafka.get(*name));
        let given = given.next().and_then(|bytes| bytes.trim().parse().ok());
        given.unwrap_or(CLIENT_MAX_BYTES)
    }
}
