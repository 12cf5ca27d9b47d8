//! Settings of one Kafka cluster and of the producer client that serves it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

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
    /// Bytes handed to the client and not yet acknowledged. Default 64 MiB.
    #[serde(default = "default_in_flight_bytes")]
    pub max_in_flight: ByteSize,
    /// How often each topic's partition count is asked for. Default 30 s.
    #[serde(default = "default_metadata_refresh", with = "humantime_serde")]
    pub metadata_refresh: Duration,
    /// How often an idle cluster is asked for a sign of life. Default 2 s. Health older than five of these is bad.
    #[serde(default = "default_probe", with = "humantime_serde")]
    pub probe: Duration,
    /// How long nothing may be acknowledged while events wait, before the client is doubted: if another client then finds the
    /// cluster in order, and so again a quarter of this time later, this one is replaced, and what it held is sent again.
    /// Default 60 s: longer than any election
    /// or timeout of a healthy cluster, because events that were under way may be stored twice.
    #[serde(default = "default_progress_within", with = "humantime_serde")]
    pub progress_within: Duration,
    /// Any further librdkafka property, as text. Those on which the promise rests (`acks`, `enable.idempotence`,
    /// `message.timeout.ms` …) are refused at start.
    #[serde(default)]
    pub kafka: BTreeMap<String, String>,
}

fn default_in_flight_events() -> u32 {
    10_000
}

fn default_in_flight_bytes() -> ByteSize {
    ByteSize::mib(64)
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
            metadata_refresh: default_metadata_refresh(),
            probe: default_probe(),
            progress_within: default_progress_within(),
            kafka: BTreeMap::new(),
        }
    }
}
