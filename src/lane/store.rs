//! Events on their way into the spill log, and what becomes of them there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::Lane;
use super::cluster::Cluster;
use super::dead::{self, Dead};
use super::spilling::{Mode, Spiller};
use super::work::Work;
use crate::event::wire;
use crate::receipt::{Cause, Parcel};
use crate::spill::{self, AppendError, Batch, LaneId, Position};

/// Parcels of one lane that are appended together, in order; never none.
pub(super) type Group = Arc<Vec<Arc<Parcel>>>;

/// Bytes of events that one append gathers: enough that what it costs beside them doesn't count.
pub(super) const APPEND_BYTES: u64 = if cfg!(test) { 1 << 10 } else { 256 << 10 };

/// What became of an append.
#[derive(Debug)]
pub(super) struct Appended {
    parcels: Group,
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
    /// What came since the last turn goes to the log; returns the parcels whose requests are finished by a refusal.
    pub(super) fn append_backlog(
        &self,
        work: &mut Work,
        cluster: &Arc<Cluster>,
    ) -> Vec<Arc<Parcel>> {
        self.append_more(work, cluster, usize::MAX)
    }

    /// As [`Spiller::append_backlog`], but only what was on its way already and found the disk busy.
    pub(super) fn append_begun(&self, work: &mut Work, cluster: &Arc<Cluster>) -> Vec<Arc<Parcel>> {
        self.append_more(work, cluster, 0)
    }

    fn append_more(
        &self,
        work: &mut Work,
        cluster: &Arc<Cluster>,
        mut at_most: usize,
    ) -> Vec<Arc<Parcel>> {
        let mut refused = Vec::new();
        if !self.append_copies(work, cluster) {
            return refused;
        }
        let Mode::OverLog(way) = &mut work.mode else {
            return refused;
        };
        loop {
            // What isn't claimed can still be refused for certain, should the disk hang.
            let next = match way.next.pop_front() {
                None if at_most == 0 => return refused,
                None if self.log.has_room(2 * APPEND_BYTES) => {
                    at_most -= 1;
                    take_group(&mut work.backlog, &work.lane)
                }
                next => next,
            };
            let Some(group) = next else {
                return refused;
            };
            match self.append_all(cluster, way.lane, &group) {
                Ok(()) => way.appending += 1,
                // The disk has enough to do for now; the next turn is soon.
                Err(AppendError::Busy { .. }) => {
                    way.next.push_front(group);
                    return refused;
                }
                // Then it's all that there is in `next`. One by one they may do.
                Err(AppendError::TooLarge { .. }) if group.len() > 1 => {
                    let alone = group.iter().map(|it| Arc::new(vec![Arc::clone(it)]));
                    way.next.extend(alone);
                }
                Err(_) => {
                    let finished = group.iter().filter(|it| it.not_stored(Cause::NoRoom));
                    refused.extend(finished.cloned());
                }
            }
        }
    }

    /// Appends copies of what was in the window when the lane went over the log. False if the disk has enough to do for now.
    fn append_copies(&self, work: &mut Work, cluster: &Arc<Cluster>) -> bool {
        let Mode::OverLog(way) = &mut work.mode else {
            return true;
        };
        while let Some(parcel) = way.to_copy.pop_front() {
            let open = work.window.unresolved_of(&parcel);
            // It may have arrived meanwhile.
            if open.is_empty() {
                continue;
            }
            match self.append(cluster, way.lane, &parcel, open, What::Sent) {
                Ok(()) => {
                    way.copying += 1;
                    way.appending += 1;
                }
                Err(AppendError::Busy { .. }) => {
                    way.to_copy.push_front(parcel);
                    return false;
                }
                // Its clients go on waiting for Kafka.
                Err(AppendError::TooLarge { .. } | AppendError::Invalid) => {
                    work.window.note_unstorable(&parcel);
                }
                Err(_) => {}
            }
        }
        true
    }

    /// Keeps an event that Kafka refused for good after it was called durable. False if the log doesn't take it now.
    pub(super) fn bury(&self, cluster: &Arc<Cluster>, work: &Work, dead: &Dead<'_>) -> bool {
        let Some(topic) = cluster.topics().get(work.lane.topic as usize) else {
            return false;
        };
        let name = dead::name(cluster.name(), topic, dead.parcel.partition(), dead.reason);
        let Some(lane) = self.log.lane(name.as_bytes()) else {
            return false;
        };
        let is_first = self.log.lane_backlog(lane).is_empty();
        let (position, what) = (dead.position, What::Dead(dead.position));
        let appended = self.append(cluster, lane, dead.parcel, std::iter::once(position), what);
        if appended.is_ok() {
            self.told.note(cluster, topic, dead, is_first);
        }
        appended.is_ok()
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
        let mut batch = Batch::with_capacity(room_for(parcel));
        encode(parcel, positions, &mut batch);
        let parcels = Arc::new(vec![Arc::clone(parcel)]);
        self.store(cluster, lane, parcels, batch, what)
    }

    /// Appends all events of parcels that were never sent: what one append costs beside its bytes is paid once for all.
    pub(super) fn append_all(
        &self,
        cluster: &Arc<Cluster>,
        lane: LaneId,
        parcels: &Group,
    ) -> Result<(), AppendError> {
        let mut batch = Batch::with_capacity(parcels.iter().map(room_for).sum());
        for parcel in parcels.iter() {
            encode(parcel, 0..parcel.count(), &mut batch);
        }
        self.store(cluster, lane, Arc::clone(parcels), batch, What::Waiting)
    }

    fn store(
        &self,
        cluster: &Arc<Cluster>,
        lane: LaneId,
        parcels: Group,
        batch: Batch,
        what: What,
    ) -> Result<(), AppendError> {
        let (appended, cluster) = (Arc::clone(&self.appended), Arc::clone(cluster));
        let done = move |result: Result<spill::Appended, AppendError>| {
            appended.push(Appended {
                parcels,
                what,
                result: result.map(|appended| appended.last()),
            });
            cluster.signal.wake();
        };
        self.log.append_batch(lane, batch, done)
    }
}

/// As many bytes as a parcel's records have, or a few more: heads are guessed.
fn room_for(parcel: &Arc<Parcel>) -> usize {
    parcel.bytes() as usize + parcel.count() as usize * 64
}

fn encode(parcel: &Parcel, positions: impl IntoIterator<Item = u32>, batch: &mut Batch) {
    let body = parcel.request().body();
    for position in positions {
        let event = &parcel.events()[position as usize];
        batch.push(|out| wire::encode(event, body, parcel.received_ms(position), out));
    }
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
    pub(super) fn settle(self, work: &mut Work, log: &Spiller) -> Vec<Arc<Parcel>> {
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
                    log.log.acked(lane, position);
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

/// Claims what comes next of a backlog, as much as one append is to have.
pub(super) fn take_group(backlog: &mut VecDeque<Arc<Parcel>>, lane: &Lane) -> Option<Group> {
    let (mut parcels, mut bytes) = (Vec::new(), 0);
    while let Some(next) = backlog.front()
        && (parcels.is_empty() || bytes + next.bytes() <= APPEND_BYTES)
        && let Some(parcel) = backlog.pop_front()
    {
        lane.ring.release(parcel.bytes(), parcel.count());
        if parcel.claim() {
            bytes += parcel.bytes();
            parcels.push(parcel);
        }
    }
    (!parcels.is_empty()).then(|| Arc::new(parcels))
}
