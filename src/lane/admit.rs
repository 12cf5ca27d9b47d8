//! The one overflow decision: may these events wait for Kafka, or not?
//!
//! Everything that can say no to an event after it was read and before it is in a lane says it here: the lane is full, it
//! has stood still for too long, or forebay is stopping. Whether an admitted event goes to Kafka from memory or over the
//! disk is its worker's business (`spilling`).
//!
//! A request is taken whole or not at all. Taking what fits would leave the client two bad choices: to send only the
//! rest, which plain SDKs can't, or to send all of it and double what was taken, again and again while one partition
//! has no leader.

use std::sync::Arc;
use std::sync::atomic::Ordering::*;

use super::cluster::Cluster;
use super::{Lane, Settings};
use crate::receipt::Parcels;

/// Why events may not wait for Kafka. Nothing of the request was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A lane is full in bytes or events.
    #[error("partition {partition} of the topic has as many events waiting as it may")]
    Full {
        /// The lane's partition.
        partition: i32,
        /// Bytes that wait there.
        bytes: u64,
    },
    /// A lane's oldest event has waited too long.
    #[error(
        "partition {partition} of the topic has not been acknowledged by kafka for {since_ms} ms"
    )]
    Stalled {
        /// The lane's partition.
        partition: i32,
        /// For how long it has stood still.
        since_ms: u32,
    },
    /// The cluster's worker has finished.
    #[error("forebay is stopping")]
    Draining,
}

/// Room that a request needs in one lane.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The lane.
    pub lane: &'a Arc<Lane>,
    /// Events for it.
    pub events: u32,
    /// Their bytes.
    pub bytes: u64,
}

/// Takes a request into the lanes that it needs, or not at all. `build` makes its parcels, one for each of `wanted` and
/// in the same order, and is called only if there's room. `limits` say how much may wait in a lane: those that the request
/// knows, which a reload may have replaced.
#[inline(always)]
pub fn admit(
    cluster: &Cluster,
    limits: &Settings,
    wanted: &[Wanted<'_>],
    build: impl FnOnce() -> Parcels,
) -> Result<Parcels, Refusal> {
    if cluster.stop.is_closed() {
        return Err(Refusal::Draining);
    }
    for (taken, room) in wanted.iter().enumerate() {
        if let Err(refusal) = reserve(limits, room) {
            for room in &wanted[..taken] {
                room.lane.ring.release(room.bytes, room.events);
            }
            return Err(refusal);
        }
    }
    let parcels = build();
    debug_assert_eq!(parcels.len(), wanted.len());
    for (parcel, room) in parcels.iter().zip(wanted) {
        room.lane.push(Arc::clone(parcel), &cluster.signal);
    }
    Ok(parcels)
}

fn reserve(limits: &Settings, room: &Wanted<'_>) -> Result<(), Refusal> {
    let lane = room.lane;
    let since_ms = lane.stalled_ms.load(Acquire);
    if since_ms > 0 {
        return Err(Refusal::Stalled {
            partition: lane.partition,
            since_ms,
        });
    }
    if !lane.ring.reserve(
        room.bytes,
        room.events,
        limits.max_bytes.as_u64(),
        limits.max_events,
    ) {
        return Err(Refusal::Full {
            partition: lane.partition,
            bytes: lane.bytes(),
        });
    }
    Ok(())
}
