//! The worker's part in a change of a topic's number of partitions: [`super::routing`] says what, here is when.

use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::time::Instant;

use super::carried::Client;
use super::topic::Topic;
use super::work::Work;
use super::worker::Worker;
use crate::receipt::{Cause, Parcel};

impl<P: Client> Worker<P> {
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

    /// True if the topic's lanes are in use, as many as there are partitions, or if they are held and nothing else is to be done.
    fn reroute_topic(&mut self, topic: &Arc<Topic>, now: Instant) -> bool {
        let routing = &topic.routing;
        if let Some(count) = routing.other_count() {
            let is_in_use = routing.is_in_use();
            // Without a log that takes events, all new ones would be refused: those of the old partitions needn't be.
            if is_in_use && self.port.spiller.as_ref().is_some_and(|log| !log.takes()) {
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
            if self.port.spiller.is_some() {
                if self.is_empty(topic, false) {
                    routing.closed();
                }
            } else if self.is_empty(topic, true)
                || routing.closing_for(now) >= self.settings.stalled_after
            {
                routing.closed();
            }
        }
        if self.port.spiller.is_none() && routing.is_changing() && !routing.is_closing() {
            self.cluster.publish(topic, now);
        }
        let is_settled = routing.is_in_use() || routing.is_held() && !routing.is_closing();
        is_settled && routing.other_count().is_none()
    }

    /// Whether nothing waits in the topic's lanes, nor in their windows if these count.
    pub(super) fn is_empty(&self, topic: &Topic, windows_count: bool) -> bool {
        topic.all_lanes().iter().all(|lane| {
            let work = self.lines.works.get(lane.number() as usize);
            let is_idle =
                |work: &Work| work.backlog.is_empty() && (!windows_count || work.window.is_empty());
            lane.ring.is_empty() && work.and_then(Option::as_deref).is_none_or(is_idle)
        })
    }

    /// Without a spill log, what waits for a partition that is gone has nowhere to go: its clients are told.
    pub(super) fn let_go(&mut self) {
        if self.port.spiller.is_some() {
            return;
        }
        let mut finished = Vec::new();
        for &number in &self.lines.active {
            let Some(work) = self.lines.works[number as usize].as_deref_mut() else {
                continue;
            };
            let topic = self.cluster.topics().get(work.lane.topic as usize);
            if topic.is_some_and(|topic| matches!(topic.routing.sorting(&work.lane), Ok(Some(_)))) {
                refuse_all(work, &mut finished);
            }
        }
        for parcel in finished {
            self.outbox.finished(&parcel);
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
