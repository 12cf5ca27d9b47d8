//! What the metrics are read off: the process, its clusters and its streams at one moment.

use std::time::Duration;

use super::durations::DurationsSample;
use super::source::SourceSample;

/// All that the metrics are read off.
#[derive(Debug)]
pub struct Samples {
    /// The process.
    pub process: ProcessSample,
    /// What was refused before its stream was known: reasons and numbers.
    pub refusals: Vec<(&'static str, u64)>,
    /// Its sources.
    pub sources: Vec<SourceSample>,
    /// Its clusters.
    pub clusters: Vec<ClusterSample>,
    /// Its streams.
    pub streams: Vec<StreamSample>,
    /// Owners.
    pub owners: Vec<OwnerSample>,
    /// Dead letters by stream and reason.
    pub dead: Vec<DeadSample>,
    /// What damage has cost, by stream.
    pub damage: Vec<DamageSample>,
}

/// The process at one moment.
#[derive(Clone, Debug)]
pub struct ProcessSample {
    /// Whether requests are accepted.
    pub ready: bool,
    /// Open connections of the data port.
    pub connections: u64,
    /// Bytes held of the budget.
    pub memory_used: u64,
    /// The budget in bytes.
    pub memory_budget: u64,
    /// Resident memory of the process in bytes, if the system says.
    pub memory_resident: Option<u64>,
    /// Whether the spill log takes events; false if there is none.
    pub spill_takes: bool,
    /// Bytes of disk that the spill log uses.
    pub spill_used: u64,
    /// Bytes of disk that it may use.
    pub spill_quota: u64,
    /// Events that wait in it.
    pub spill_backlog_events: u64,
    /// Bytes that wait in it.
    pub spill_backlog: u64,
    /// Time until memory and disk are full, if they fill.
    pub time_to_loss: Option<Duration>,
    /// Which configuration is in force.
    pub config_generation: u64,
    /// The last reload failed.
    pub config_reload_failed: bool,
    /// A file of keys that has changed can't be taken.
    pub key_files_failed: bool,
}

/// A cluster at one moment.
#[derive(Clone, Debug)]
pub struct ClusterSample {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Whether it takes events.
    pub up: bool,
    /// Events handed to its client and not acknowledged.
    pub in_flight_events: u64,
    /// Their bytes.
    pub in_flight_bytes: u64,
    /// Bytes acknowledged per second, averaged.
    pub drain_rate: u64,
    /// Time since the last acknowledgement, if any.
    pub last_ack_age: Option<Duration>,
    /// Lanes that refuse events because Kafka doesn't take the old ones.
    pub stalled_lanes: u64,
    /// Clients that had to be replaced.
    pub replaced_clients: u64,
    /// Times that the producer's sequence began anew.
    pub new_epochs: u64,
    /// From handing events to the client until their acknowledgement.
    pub ack: DurationsSample,
    /// Bytes held of the budget.
    pub memory: u64,
}

/// An owner at one moment.
#[derive(Clone, Debug)]
pub struct OwnerSample {
    /// Its name.
    pub name: String,
    /// Whom to tell.
    pub contact: String,
    /// What is to be done.
    pub runbook: String,
    /// Events admitted for it.
    pub events: u64,
    /// Bytes of bodies sent for it.
    pub body_bytes: u64,
    /// Bytes of memory that its events hold.
    pub memory_used: u64,
    /// Bytes of memory that they may hold, if that is bounded.
    pub memory_limit: Option<u64>,
    /// Bytes that wait in the spill log.
    pub spill_used: u64,
    /// Bytes that may, if that is bounded.
    pub spill_limit: Option<u64>,
    /// Requests refused by share.
    pub refused: [(&'static str, u64); 3],
}

/// Events of one stream that damage of the disk has cost.
#[derive(Clone, Debug)]
pub struct DamageSample {
    /// The cluster that they were going to.
    pub cluster: String,
    /// Their stream.
    pub stream: String,
    /// How many at least.
    pub events: u64,
}

/// Dead letters of one stream and reason.
#[derive(Clone, Debug)]
pub struct DeadSample {
    /// The cluster that they were going to.
    pub cluster: String,
    /// Their stream.
    pub stream: String,
    /// Why Kafka refused them.
    pub reason: &'static str,
    /// How many there are.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// For how long the oldest has been one.
    pub oldest: Duration,
}

/// A stream at one moment.
#[derive(Clone, Debug)]
pub struct StreamSample {
    /// Its name.
    pub name: String,
    /// Its cluster's name.
    pub cluster: String,
    /// Its topic's name.
    pub topic: String,
    /// Its owner's name; empty if it has none.
    pub owner: String,
    /// See the ledger.
    pub accepted: u64,
    /// See the ledger.
    pub acked: u64,
    /// See the ledger.
    pub spilled: u64,
    /// See the ledger.
    pub replayed: u64,
    /// See the ledger.
    pub dead: u64,
    /// See the ledger.
    pub redriven: u64,
    /// See the ledger.
    pub refused: u64,
    /// See the ledger.
    pub failed: u64,
    /// See the ledger.
    pub unknown: u64,
    /// See the ledger.
    pub late: u64,
    /// See the ledger.
    pub lost: u64,
    /// Events admitted and not yet resolved.
    pub in_flight: i64,
    /// Events that could never be accepted.
    pub rejected: u64,
    /// Bytes of bodies as sent.
    pub body_bytes: u64,
    /// Requests by answer.
    pub answers: [(&'static str, u64); 4],
    /// From a request's head to its answer.
    pub latency: DurationsSample,
    /// Events that wait in lanes.
    pub waiting_events: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Lanes that send directly, that spill, and that replay.
    pub lanes: [u64; 3],
    /// Age of the oldest event that waits, in memory or in the spill log.
    pub oldest: Duration,
    /// Events that wait in the spill log.
    pub spill_events: u64,
    /// Events admitted that are nowhere: zero.
    pub residual: u64,
    /// Whether its events are accepted.
    pub takes: bool,
    /// It isn't configured any more, or as gone, and has something left.
    pub is_leaving: bool,
}
