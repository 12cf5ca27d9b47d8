//! What became of an append to the spill log.

use std::sync::Arc;
use std::time::Instant;

use super::work::{Group, Work};
use crate::receipt::{Cause, Parcel};
use crate::spill::{AppendError, Log, Position};

/// What became of an append.
#[derive(Debug)]
pub(super) struct Appended {
    pub(super) parcels: Group,
    pub(super) what: What,
    pub(super) result: Result<Position, AppendError>,
}

/// What an append is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// Events that were never sent.
    Waiting,
    /// A copy of events that are in the window.
    Sent,
    /// The event at this position, which Kafka refused.
    Dead(u32),
    /// Events of a held lane, which were never sent, in the unrouted lane of this number.
    Behind { unrouted: u32 },
}

impl Appended {
    /// The number, within its cluster, of the lane that the events came from.
    pub(super) fn lane(&self) -> u32 {
        self.parcels[0].lane()
    }

    /// The number of the lane that they were appended to; none for dead letters.
    pub(super) fn appended_to(&self) -> Option<u32> {
        match self.what {
            What::Waiting | What::Sent => Some(self.lane()),
            What::Behind { unrouted } => Some(unrouted),
            What::Dead(_) => None,
        }
    }

    /// Whether it's a copy of events that are in the window.
    pub(super) fn is_copy(&self) -> bool {
        matches!(self.what, What::Sent)
    }

    /// How many new events are durable with it, and when the last of them came.
    pub(super) fn newest(&self) -> Option<(u32, Instant)> {
        let is_new = matches!(self.what, What::Waiting) && self.result.is_ok();
        let newest = self.parcels.last().filter(|_| is_new)?;
        let events = self.parcels.iter().map(|parcel| parcel.count()).sum();
        Some((events, newest.request().received_at()))
    }

    /// Notes it. Returns the parcels whose requests are finished by that.
    pub(super) fn settle(self, work: &mut Work, log: &Log) -> Vec<Arc<Parcel>> {
        let of_all = |resolve: &dyn Fn(&Parcel) -> bool| {
            let finished = self.parcels.iter().filter(|parcel| resolve(parcel));
            finished.cloned().collect()
        };
        // All but those that wait are appended one by one.
        let parcel = &self.parcels[0];
        match (self.what, self.result) {
            (What::Waiting | What::Behind { .. }, Ok(_)) => of_all(&Parcel::spilled),
            (What::Waiting | What::Behind { .. }, Err(AppendError::Failed(_))) => {
                of_all(&|parcel| parcel.not_stored(Cause::Unknown))
            }
            (What::Waiting | What::Behind { .. }, Err(_)) => {
                of_all(&|parcel| parcel.not_stored(Cause::NoRoom))
            }
            (What::Sent, Ok(position)) => {
                if !work.window.stored(parcel, position)
                    && let Some(lane) = work.lane.spill
                {
                    // It arrived meanwhile, and so did all before it.
                    log.acked(lane, position);
                }
                of_all(&Parcel::spilled)
            }
            // Its clients go on waiting for Kafka.
            (What::Sent, Err(why)) => {
                if matches!(why, AppendError::Failed(_)) {
                    work.window.note_doubt(parcel);
                }
                Vec::new()
            }
            (What::Dead(position), Ok(_)) => {
                parcel.dead();
                work.window.buried(parcel, position, true);
                Vec::new()
            }
            (What::Dead(position), Err(_)) => {
                work.window.buried(parcel, position, false);
                Vec::new()
            }
        }
    }
}
