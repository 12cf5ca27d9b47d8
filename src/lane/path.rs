//! A lane as all its users share it: what waits, and what its worker says of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::*};
use std::time::Duration;

use super::phase::Phase;
use super::ring::Ring;
use crate::spill::LaneId;

/// In place of a partition: the lane of events that wait until the partitions are known.
pub(crate) const UNROUTED: i32 = -1;

/// The ordered path of one partition of one stream, as HTTP threads see it.
#[derive(Debug)]
pub struct Lane {
    /// The lane's number within its cluster.
    pub(super) number: u32,
    /// The topic's number within its cluster.
    pub(super) topic: u32,
    /// The Kafka partition.
    pub(super) partition: i32,
    pub(super) ring: Ring,
    /// On the list of ready lanes, or in the worker's hands.
    pub(super) scheduled: AtomicBool,
    /// If the oldest event has waited too long for Kafka, its age in milliseconds, else 0. New ones are refused then.
    pub(super) stalled_ms: AtomicU32,
    /// Age of its oldest event in memory, in milliseconds, as of the worker's last look.
    pub(super) age_ms: AtomicU32,
    /// A [`Phase`], as of the worker's last look.
    pub(super) phase: AtomicU8,
    /// The lane's own lane in the spill log, if there is a log.
    pub(super) spill: Option<LaneId>,
}

impl Lane {
    /// A lane without events. `number` and `topic` are its cluster's numbers for it.
    pub fn new(number: u32, topic: u32, partition: i32, spill: Option<LaneId>) -> Arc<Lane> {
        Arc::new(Lane {
            number,
            topic,
            partition,
            ring: Ring::default(),
            scheduled: AtomicBool::new(false),
            stalled_ms: AtomicU32::new(0),
            age_ms: AtomicU32::new(0),
            phase: AtomicU8::new(Phase::Direct as u8),
            spill,
        })
    }

    /// The lane's number within its cluster.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The Kafka partition.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Bytes that wait in it.
    pub fn bytes(&self) -> u64 {
        self.ring.bytes()
    }

    /// Events that wait in it.
    pub fn events(&self) -> u32 {
        self.ring.events()
    }

    /// How its events go to Kafka, as of a moment ago.
    pub fn phase(&self) -> Phase {
        let number = usize::from(self.phase.load(Relaxed));
        Phase::ALL.get(number).copied().unwrap_or(Phase::Direct)
    }

    /// Age of its oldest event in memory, as of a moment ago.
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.age_ms.load(Relaxed).into())
    }

    /// Its lane in the spill log, if there is a log.
    pub fn spill(&self) -> Option<LaneId> {
        self.spill
    }

    /// In its worker's hands.
    pub(super) fn is_open(&self) -> bool {
        self.scheduled.load(SeqCst)
    }

    /// Whether it refuses new events because Kafka doesn't take the old ones.
    pub fn is_stalled(&self) -> bool {
        self.stalled_ms.load(Acquire) > 0
    }
}
