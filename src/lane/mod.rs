//! Stage 4, the lanes: the ordered path of one partition of one stream.
//!
//! ```text
//!  http threads ──▶ admit ──▶ ring ──▶ worker: backlog ──▶ window ──▶ producer ──▶ Kafka
//!                     │                    │        │         ▲  ▲                   │
//!                     └─ Refused           │        └─ given  │  └─── deliveries ────┘
//!                                          ▼           up     │
//!                                       spill log ──▶ replay ─┘
//! ```
//!
//! - [`mod@admit`] is the one place where it's decided whether an event may wait for Kafka. A request is taken whole or not at
//!   all, so that a client that sends everything again makes no duplicates of a part.
//! - A lane belongs to the [`worker`] of its cluster: one thread with its own producer client, so that a dead or slow
//!   cluster costs the others nothing. Many HTTP threads push, only the worker pops.
//! - Order: parcels leave in the order in which they came; the worker keeps all that isn't acknowledged in a [`window`]
//!   and can send it again, in order, through a new client.
//! - Bounds: a lane in bytes and events, the window of a cluster likewise, everything together by the memory budget.
//! - An event that Kafka doesn't take for its topic's fault comes back, and its lane waits: a topic and a lane have each a pause
//!   that grows while tries fail. `clients` has the worker's client, and the pauses between one and the next.
//! - [`pace`] says when a lane's batch is worth a request, [`wave`] when those of many lanes have to wait for each other.
//! - `life` says when a lane's events leave the direct way for the spill log, and when they come back. `spilling` does what it
//!   says: `store` appends, `replay` reads. `unrouted` is for events whose partition isn't known yet, `finish` is the end. `learn` makes of
//!   refusals what is known of a topic.
//! - `topic` is the list of a cluster's topics, `change` what a reload does to a cluster while its worker turns.
//! - `routing` is about numbers of partitions that change, `counts` hears of them, and `reroute` does it. Per key, what was acknowledged earlier is in
//!   Kafka before what came later is sent, also if the key moves to another partition.
//!
//! What is absent: nothing here knows HTTP, JSON or sockets; nothing here blocks an HTTP thread.

pub mod admit;
mod appended;
mod burial;
mod change;
mod clients;
pub mod cluster;
mod counts;
pub mod damage;
pub mod dead;
mod finish;
mod learn;
mod life;
mod outbox;
pub mod pace;
pub mod redrive;
mod replay;
mod reports;
mod reroute;
pub mod ring;
mod routing;
mod send;
mod sent;
pub mod settings;
pub mod signal;
mod spilling;
mod store;
#[cfg(test)]
mod tests;
pub mod topic;
mod unrouted;
pub mod wave;
pub mod window;
mod work;
pub mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::*};
use std::time::Duration;

pub use admit::{Refusal, Wanted, admit};
pub use cluster::Cluster;
pub use routing::Memory;
pub use settings::Settings;
pub use topic::{Topic, TopicOf, Topics};

use crate::receipt::Parcel;
use crate::spill::LaneId;

/// In place of a partition: the lane of events that wait until the partitions are known.
const UNROUTED: i32 = -1;

/// The name of what a lane does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Events go from the ring to Kafka.
    Direct,
    /// Events go into the spill log; Kafka still has, or doesn't take, what was sent before.
    Spilling,
    /// Events go through the spill log, which is being read back.
    Replaying,
    /// The same, but new events wait in memory: the lane is about to be direct again.
    Returning,
    /// Events go into the spill log, of which the next record isn't understood.
    Blocked,
}

impl Phase {
    /// All of them, each at the place of its number.
    pub const ALL: [Phase; 5] = [
        Phase::Direct,
        Phase::Spilling,
        Phase::Replaying,
        Phase::Returning,
        Phase::Blocked,
    ];

    /// The word on the admin port.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Direct => "direct",
            Phase::Spilling => "spilling",
            Phase::Replaying => "replaying",
            Phase::Returning => "returning",
            Phase::Blocked => "blocked",
        }
    }
}

/// The ordered path of one partition of one stream, as HTTP threads see it.
#[derive(Debug)]
pub struct Lane {
    /// The lane's number within its cluster.
    number: u32,
    /// The topic's number within its cluster.
    topic: u32,
    /// The Kafka partition.
    partition: i32,
    ring: ring::Ring,
    /// On the list of ready lanes, or in the worker's hands.
    scheduled: AtomicBool,
    /// If the oldest event has waited too long for Kafka, its age in milliseconds, else 0. New ones are refused then.
    stalled_ms: AtomicU32,
    /// Age of its oldest event in memory, in milliseconds, as of the worker's last look.
    age_ms: AtomicU32,
    /// A [`Phase`], as of the worker's last look.
    phase: AtomicU8,
    /// The lane's own lane in the spill log, if there is a log.
    spill: Option<LaneId>,
}

impl Lane {
    /// A lane without events. `number` and `topic` are its cluster's numbers for it.
    pub fn new(number: u32, topic: u32, partition: i32, spill: Option<LaneId>) -> Arc<Lane> {
        Arc::new(Lane {
            number,
            topic,
            partition,
            ring: ring::Ring::default(),
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
    fn is_open(&self) -> bool {
        self.scheduled.load(SeqCst)
    }

    /// Whether it refuses new events because Kafka doesn't take the old ones.
    pub fn is_stalled(&self) -> bool {
        self.stalled_ms.load(Acquire) > 0
    }

    /// Asks the worker to look at it, without an event.
    fn wake(self: &Arc<Self>, signal: &signal::Signal) {
        if !self.scheduled.swap(true, AcqRel) {
            signal.announce(self);
        }
    }

    fn push(self: &Arc<Self>, parcel: Arc<Parcel>, signal: &signal::Signal) {
        self.ring.push(parcel);
        self.wake(signal);
    }
}
