//! The worker's part in a change of a topic's number of partitions: [`super::routing`] says what, here is when.

use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::time::Instant;

use super::routing::Unsure;
use super::spilling::{Mode, Reading, Spiller};
use super::topic::Topic;
use super::work::Work;
use super::worker::Worker;
use crate::produce::Producer;
use crate::receipt::{Cause, Parcel};

impl<P: Producer + Send + 'static> Worker<P> {
    /// Brings changes of partition counts on.
    pub(super) fn reroute(&mut self, now: Instant) {
        let cluster = Arc::clone(&self.cluster);
        if !cluster.is_rerouting.load(Relaxed) || !cluster.is_rerouting.swap(false, AcqRel) {
            return;
        }
        let topics = cluster.topics().iter();
        let unfinished = topics.filter(|topic| !self.reroute_topic(topic, now));
        if unfinished.count() > 0 {
            cluster.is_rerouting.store(true, Release);
        }
    }

    /// True if the topic's lanes are in use, as many as there are partitions.
    fn reroute_topic(&mut self, topic: &Arc<Topic>, now: Instant) -> bool {
        let routing = &topic.routing;
        if let Some(count) = routing.other_count() {
            let is_in_use = routing.is_in_use();
            // Without a log that takes events, all new ones would be refused: those of the old partitions needn't be.
            if is_in_use && self.spiller.as_ref().is_some_and(|log| !log.takes()) {
                return false;
            }
            let planned = self.cluster.lanes_of(topic, count);
            if is_in_use {
                routing.close(planned, now);
            } else {
                routing.plan(planned);
            }
            if let Some(unrouted) = &topic.unrouted {
                unrouted.wake(&self.cluster.signal);
            }
        }
        if routing.is_closing() && routing.is_quiescent() {
            if self.spiller.is_some() {
                if self.is_empty(topic, false) {
                    routing.closed();
                }
            } else if self.is_empty(topic, true)
                || routing.closing_for(now) >= self.settings.stalled_after
            {
                routing.closed();
            }
        }
        if self.spiller.is_none() && routing.is_changing() && !routing.is_closing() {
            self.cluster.publish(topic, now);
        }
        routing.is_in_use() && routing.other_count().is_none()
    }

    /// Whether nothing waits in the topic's lanes, nor in their windows if these count.
    pub(super) fn is_empty(&self, topic: &Topic, windows_count: bool) -> bool {
        topic.all_lanes().iter().all(|lane| {
            let work = self.works.get(lane.number() as usize);
            let is_idle =
                |work: &Work| work.backlog.is_empty() && (!windows_count || work.window.is_empty());
            lane.ring.is_empty() && work.and_then(Option::as_deref).is_none_or(is_idle)
        })
    }

    /// Without a spill log, what waits for a partition that is gone has nowhere to go: its clients are told.
    pub(super) fn let_go(&mut self) {
        if self.spiller.is_some() {
            return;
        }
        let mut finished = Vec::new();
        for &number in &self.active {
            let Some(work) = self.works[number as usize].as_deref_mut() else {
                continue;
            };
            let topic = self.cluster.topics().get(work.lane.topic as usize);
            if topic.is_some_and(|topic| matches!(topic.routing.sorting(&work.lane), Ok(Some(_)))) {
                refuse_all(work, &mut finished);
            }
        }
        for parcel in finished {
            self.finished(&parcel);
        }
    }
}

/// Refuses what a lane has and the client hasn't.
fn refuse_all(work: &mut Work, finished: &mut Vec<Arc<Parcel>>) {
    work.pull();
    for parcel in work.backlog.drain(..) {
        work.lane.ring.release(parcel.bytes(), parcel.count());
        if parcel.refuse(Cause::NoRoom) {
            finished.push(parcel);
        }
    }
    if work.window.outstanding() == 0 {
        finished.extend(work.window.drain().filter(|parcel| parcel.abandon()));
    }
}

impl Spiller {
    /// Makes a lane read its part of the log for so many partitions, or for its own one. True if it may send what it has.
    /// Adds the parcels whose requests are `finished` because they have nowhere to go.
    pub(super) fn turns_to(
        &self,
        work: &mut Work,
        sorting: Result<Option<usize>, Unsure>,
        finished: &mut Vec<Arc<Parcel>>,
    ) -> bool {
        let Ok(sorting) = sorting else { return false };
        let count = sorting.unwrap_or(usize::MAX);
        let partition = usize::try_from(work.lane.partition);
        let Mode::OverLog(way) = &mut work.mode else {
            // Nothing of it was ever sorted.
            return sorting.is_none();
        };
        if way.sorted_by == sorting {
            way.is_turning = false;
            return true;
        }
        let is_away = way.is_reading();
        let is_done = work.window.is_empty() && way.read.is_empty() && !is_away;
        // What was read is bound for partitions that exist; what comes next waits until it's there.
        let exists = match way.sorted_by {
            Some(before) => before <= count,
            None => sorting.is_none() || partition.is_ok_and(|own| own < count),
        };
        if exists || is_done {
            way.is_turning = !is_done;
            if is_done {
                way.sorted_by = sorting;
            }
            return true;
        }
        // It's read again, sorted anew, when all of it is in the log and nothing of it is on the way.
        let is_appending = way.appending > 0 || way.has_more();
        // What can't be copied there for now is tried again.
        if !is_appending && work.window.outstanding() == 0 && self.takes() {
            let lost_to_it = work.window.take_unstorable().into_iter();
            finished.extend(lost_to_it.filter(|parcel| parcel.abandon()));
            way.to_copy = work.window.not_stored().collect();
        }
        if !is_appending && !is_away && work.window.is_only_stored() {
            work.window.forget();
            way.read.clear();
            (way.reading, way.is_fresh) = (Reading::NotYet, true);
            (way.sorted_by, way.is_turning) = (sorting, false);
            return true;
        }
        false
    }
}
