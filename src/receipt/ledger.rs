//! What became of a stream's events, in counts that must add up.

use std::sync::atomic::{AtomicU64, Ordering::*};

/// Counts of one stream's events since the start. `accepted = acked + spilled + refused + failed + unknown + in
/// flight`, at any time.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Events admitted to a lane.
    pub accepted: AtomicU64,
    /// Events acknowledged by Kafka.
    pub acked: AtomicU64,
    /// Events that are durable in the spill log; their receipts are resolved, and they go to Kafka later.
    pub spilled: AtomicU64,
    /// Spilled events, of this run or an earlier one, that Kafka acknowledged since.
    pub replayed: AtomicU64,
    /// Spilled events that Kafka refused for good; they are kept in the spill log as dead letters.
    pub dead: AtomicU64,
    /// Dead letters that are on their way to Kafka again.
    pub redriven: AtomicU64,
    /// Admitted events that were given up before they were sent; they never arrive.
    pub refused: AtomicU64,
    /// Admitted events that Kafka refused for good.
    pub failed: AtomicU64,
    /// Events that Kafka had in hand when forebay stopped, without an answer: stored or not.
    pub unknown: AtomicU64,
    /// Events acknowledged by Kafka after their client was told that their fate is unknown: duplicates if it sends again.
    pub late: AtomicU64,
    /// Admitted events whose parcel was dropped without being resolved. Zero, always.
    pub lost: AtomicU64,
}

impl Ledger {
    /// Events admitted and not yet resolved.
    pub fn in_flight(&self) -> i64 {
        let resolved = [
            &self.acked,
            &self.spilled,
            &self.refused,
            &self.failed,
            &self.unknown,
            &self.lost,
        ];
        let resolved: u64 = resolved.iter().map(|count| count.load(Acquire)).sum();
        self.accepted.load(Acquire) as i64 - resolved as i64
    }
}
