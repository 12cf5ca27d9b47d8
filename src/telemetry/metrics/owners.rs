//! The metrics of an owner.

use prometheus_client::registry::Unit;

use super::super::encode::{Metric, Read};
use super::super::samples::OwnerSample;

/// A limit that isn't there.
fn limit(bytes: Option<u64>) -> f64 {
    bytes.map_or(f64::INFINITY, |bytes| bytes as f64)
}

pub(super) const OWNER: &[Metric<OwnerSample>] = &[
    (
        "owner_events",
        None,
        "Events admitted of the owner's streams, while they were its own",
        Read::Counter(|s| s.events),
    ),
    (
        "owner_body",
        Some(Unit::Bytes),
        "Bytes of request bodies of the owner's streams, as they were sent, while they were its own",
        Read::Counter(|s| s.body_bytes),
    ),
    (
        "owner_memory_used",
        Some(Unit::Bytes),
        "Memory held by events of the owner's streams; what is read back from the spill log is apart",
        Read::Gauge(|s| s.memory_used as f64),
    ),
    (
        "owner_memory_limit",
        Some(Unit::Bytes),
        "Memory that they may hold (owners.NAME.memory); +Inf if nothing bounds it but memory.budget",
        Read::Gauge(|s| limit(s.memory_limit)),
    ),
    (
        "owner_spill_used",
        Some(Unit::Bytes),
        "Bytes of events that wait in the spill log for the owner's streams, dead letters among them",
        Read::Gauge(|s| s.spill_used as f64),
    ),
    (
        "owner_spill_limit",
        Some(Unit::Bytes),
        "Bytes that may wait there for them (owners.NAME.spill); +Inf if nothing bounds it but spill.quota",
        Read::Gauge(|s| limit(s.spill_limit)),
    ),
];
