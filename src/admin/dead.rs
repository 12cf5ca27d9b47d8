//! What the admin port shows of dead letters.

use serde_json::{Value, json};

use super::status::View;
use crate::lane::dead::{DeadLetters, census};
use crate::telemetry::samples::DeadSample;

impl View {
    /// The dead letters of the spill log, by stream and reason.
    pub fn dead_letters(&self) -> Vec<DeadLetters> {
        let log = self.spill.as_ref();
        log.map_or_else(Vec::new, |log| census(log, &self.clusters()))
    }
}

pub(super) fn status(dead: &[DeadLetters]) -> Value {
    let dead = dead.iter().filter(|it| it.events > 0).map(|it| {
        json!({
            "cluster": it.cluster,
            "stream": it.stream,
            "reason": it.reason.as_str(),
            "events": it.events,
            "bytes": it.bytes,
            "oldest_seconds": it.oldest.as_secs(),
        })
    });
    dead.collect()
}

pub(super) fn samples(dead: &[DeadLetters]) -> Vec<DeadSample> {
    let samples = dead.iter().map(|it| DeadSample {
        cluster: it.cluster.clone(),
        stream: it.stream.clone(),
        reason: it.reason.as_str(),
        events: it.events,
        bytes: it.bytes,
        oldest: it.oldest,
    });
    samples.collect()
}

/// Events and bytes of all of them.
pub(super) fn sums(dead: &[DeadLetters]) -> (u64, u64) {
    let events = dead.iter().map(|it| it.events).sum();
    (events, dead.iter().map(|it| it.bytes).sum())
}
