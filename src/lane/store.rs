//! Events on their way into the spill log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::Lane;
use super::appended::{Appended, What};
use super::cluster::Cluster;
use super::dead::{self, Dead};
use super::spilling::Spiller;
use super::work::{Group, Work};
use crate::event::wire;
use crate::receipt::{Cause, Parcel};
use crate::spill::{self, AppendError, Batch, LaneId};

/// Bytes of events that one append gathers: enough that what it costs beside them doesn't count.
pub(super) const APPEND_BYTES: u64 = if cfg!(test) { 1 << 10 } else { 256 << 10 };

impl Spiller {
    /// What came since the last turn goes to the log; returns the parcels whose requests are finished by a refusal.
    pub(super) fn append_backlog(
        &self,
        work: &mut Work,
        cluster: &Arc<Cluster>,
        now: Instant,
    ) -> Vec<Arc<Parcel>> {
        self.append_more(work, cluster, usize::MAX, now)
    }

    /// As [`Spiller::append_backlog`], but only what was on its way already and found the disk busy.
    pub(super) fn append_begun(
        &self,
        work: &mut Work,
        cluster: &Arc<Cluster>,
        now: Instant,
    ) -> Vec<Arc<Parcel>> {
        self.append_more(work, cluster, 0, now)
    }

    fn append_more(
        &self,
        work: &mut Work,
        cluster: &Arc<Cluster>,
        mut at_most: usize,
        now: Instant,
    ) -> Vec<Arc<Parcel>> {
        let mut refused = Vec::new();
        if work.life.is_direct() || !self.append_copies(work, cluster, now) {
            return refused;
        }
        let Some(lane) = work.lane.spill else {
            return refused;
        };
        loop {
            // What isn't claimed can still be refused for certain, should the disk hang.
            let next = match work.queues.to_append.pop_front() {
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
            match self.append_all(cluster, lane, &group) {
                Ok(()) => work.append_begun(false, now),
                // The disk has enough to do for now; the next turn is soon.
                Err(AppendError::Busy { .. }) => {
                    work.queues.to_append.push_front(group);
                    return refused;
                }
                // Then it's all that there is in `to_append`. One by one they may do.
                Err(AppendError::TooLarge { .. }) if group.len() > 1 => {
                    let alone = group.iter().map(|it| Arc::new(vec![Arc::clone(it)]));
                    work.queues.to_append.extend(alone);
                }
                Err(why) => {
                    let cause = unstored_for(&why);
                    let finished = group.iter().filter(|it| it.not_stored(cause));
                    refused.extend(finished.cloned());
                }
            }
        }
    }

    /// Appends copies of what was in the window when the lane went over the log. False if the disk has enough to do for now.
    fn append_copies(&self, work: &mut Work, cluster: &Arc<Cluster>, now: Instant) -> bool {
        let Some(lane) = work.lane.spill else {
            return true;
        };
        while let Some(parcel) = work.queues.to_copy.pop_front() {
            let open = work.window.unresolved_of(&parcel);
            // It may have arrived meanwhile.
            if open.is_empty() {
                continue;
            }
            match self.append(cluster, lane, &parcel, open, What::Sent) {
                Ok(()) => work.append_begun(true, now),
                Err(AppendError::Busy { .. }) => {
                    work.queues.to_copy.push_front(parcel);
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
        match what {
            // The log has it already, in the lane that it was read back from.
            What::Dead(_) => self.log.append_anyway(lane, batch, done),
            _ => self.log.append_batch(lane, batch, done),
        }
    }
}

/// Why events that the log doesn't take aren't durable.
pub(super) fn unstored_for(why: &AppendError) -> Cause {
    match why {
        AppendError::PartFull { .. } => Cause::ShareFull,
        AppendError::Failed(_) => Cause::Unknown,
        _ => Cause::NoRoom,
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
