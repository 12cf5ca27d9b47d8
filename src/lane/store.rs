//! Events on their way into the spill log, and what becomes of them there.

use std::sync::Arc;

use super::cluster::Cluster;
use super::spilling::Spiller;
use super::work::Work;
use crate::event::wire;
use crate::receipt::{Cause, Parcel};
use crate::spill::{self, AppendError, Batch, LaneId, Position};

/// What became of an append.
#[derive(Debug)]
pub(super) struct Appended {
    parcel: Arc<Parcel>,
    what: What,
    result: Result<Position, AppendError>,
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

impl Spiller {
    /// Keeps an event that Kafka refused for good after it was called durable. False if the log doesn't take it now.
    pub(super) fn bury(
        &self,
        cluster: &Arc<Cluster>,
        work: &Work,
        parcel: &Arc<Parcel>,
        position: u32,
    ) -> bool {
        let topic = cluster.topics().get(work.lane.topic as usize);
        let name = topic.map(|topic| {
            let (cluster, topic) = (cluster.name(), topic.name());
            format!("dead/{cluster}/{topic}/{}", work.lane.partition)
        });
        let lane = name.and_then(|name| self.log.lane(name.as_bytes()));
        lane.is_some_and(|lane| {
            let what = What::Dead(position);
            self.append(cluster, lane, parcel, std::iter::once(position), what)
                .is_ok()
        })
    }

    /// Appends the events at `positions` of a parcel.
    pub(super) fn append(
        &self,
        cluster: &Arc<Cluster>,
        lane: LaneId,
        parcel: &Arc<Parcel>,
        positions: impl IntoIterator<Item = u32>,
        what: What,
    ) -> Result<(), AppendError> {
        let body = parcel.request().body();
        // Heads and keys take about as much as this.
        let heads = parcel.count() as usize * 64;
        let mut batch = Batch::with_capacity(parcel.bytes() as usize + heads);
        for position in positions {
            let event = &parcel.events()[position as usize];
            batch.push(|out| wire::encode(event, body, parcel.received_ms(position), out));
        }
        let (appended, cluster) = (Arc::clone(&self.appended), Arc::clone(cluster));
        let parcel = Arc::clone(parcel);
        let done = move |result: Result<spill::Appended, AppendError>| {
            appended.push(Appended {
                parcel,
                what,
                result: result.map(|appended| appended.last()),
            });
            cluster.signal.wake();
        };
        self.log.append_batch(lane, batch, done)
    }
}

impl Appended {
    /// The number, within its cluster, of the lane that the events came from.
    pub(super) fn lane(&self) -> u32 {
        self.parcel.lane()
    }

    /// The number of the lane that they were appended to; none for dead letters.
    pub(super) fn appended_to(&self) -> Option<u32> {
        match self.what {
            What::Waiting | What::Sent => Some(self.parcel.lane()),
            What::Behind { unrouted } => Some(unrouted),
            What::Dead(_) => None,
        }
    }

    /// Notes it. Returns the parcel if its request is finished by that.
    pub(super) fn settle(self, work: &mut Work, log: &Spiller) -> Option<Arc<Parcel>> {
        let Appended {
            parcel,
            what,
            result,
        } = self;
        let finished = match (what, result) {
            (What::Waiting | What::Behind { .. }, Ok(_)) => parcel.spilled(),
            (What::Waiting | What::Behind { .. }, Err(AppendError::Failed(_))) => {
                parcel.not_stored(Cause::Unknown)
            }
            (What::Waiting | What::Behind { .. }, Err(_)) => parcel.not_stored(Cause::NoRoom),
            (What::Sent, Ok(position)) => {
                if !work.window.stored(&parcel, position)
                    && let Some(lane) = work.lane.spill
                {
                    // It arrived meanwhile, and so did all before it.
                    log.log.acked(lane, position);
                }
                parcel.spilled()
            }
            // Its clients go on waiting for Kafka.
            (What::Sent, Err(_)) => false,
            (What::Dead(position), Ok(_)) => {
                parcel.dead();
                work.window.failed(&parcel, position);
                false
            }
            (What::Dead(position), Err(_)) => {
                work.window.came_back(&parcel, position);
                false
            }
        };
        finished.then_some(parcel)
    }
}
