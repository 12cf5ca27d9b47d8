//! What comes to the door: requests that are refused there, and sources.

use prometheus_client::registry::Unit;

use super::super::encode::{Metric, Read};
use super::super::source::SourceSample;

pub(super) const SOURCE: &[Metric<SourceSample>] = &[
    (
        "source_requests",
        None,
        "Requests of the source that were let in. The first 1,000 sources have a label each, the others share an empty one",
        Read::Counter(|s| s.requests),
    ),
    (
        "source_refused_requests",
        None,
        "Requests of the source that were refused for what it is: an expired key, a bad signature, another stream, its quota",
        Read::Counter(|s| s.refused),
    ),
    (
        "source_events",
        None,
        "Events of the source that were taken",
        Read::Counter(|s| s.events),
    ),
    (
        "source_body",
        Some(Unit::Bytes),
        "Bytes of the source's bodies as they were sent",
        Read::Counter(|s| s.bytes),
    ),
];

pub(super) const REFUSAL: &[Metric<(&'static str, u64)>] = &[(
    "refusals",
    None,
    "Requests and connections refused before it was known for which stream, by the code of their problem: no such path or stream, a head that can't be read or doesn't come in time, no good key, no memory for it; and connections that took no answer in time",
    Read::Counter(|(_, count)| *count),
)];
