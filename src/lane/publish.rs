//! When the lanes of a topic come into use, and which of them have to wait until then.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::routing::Memory;
use super::topic::Topic;
use super::{Lane, UNROUTED};

/// How long a new number of partitions may wait to be remembered. If the disk takes longer, it's used all the same; only a
/// crash just then could cost order.
const REMEMBER_WITHIN: Duration = Duration::from_secs(5);

impl Cluster {
    /// Where numbers of partitions are kept beyond the process. To be called once, before any is noted.
    pub fn remember_in(&self, memory: Arc<dyn Memory>) {
        // A second one would be a bug of ours, and the first one does.
        drop(self.memory.set(memory));
    }

    /// Puts the planned lanes of a topic into use, as soon as their number is remembered. True if they are in use.
    pub(super) fn publish(&self, topic: &Topic, now: Instant) -> bool {
        let routing = &topic.routing;
        let count = routing.planned().len();
        let mut state = routing.state();
        if let Some(memory) = self.memory.get() {
            let name = self.log_prefix(topic);
            if state.asked.is_none() {
                memory.note(&name, count);
            }
            let since = *state.asked.get_or_insert(now);
            if !memory.has(&name, count) && now.duration_since(since) < REMEMBER_WITHIN {
                return false;
            }
            state.asked = None;
        }
        if !routing.publish(&state) {
            return false;
        }
        drop(state);
        tracing::info!(
            cluster = self.name(),
            topic = topic.name(),
            partitions = count,
            "events go to their partitions directly"
        );
        true
    }

    /// Has a topic's new events wait for what their stream left at another topic, or not any more. Those that come from now on do: in
    /// the log, or, if there's none, in their lanes, where they are refused at their clients' deadline.
    pub fn hold_topic(&self, topic: &Topic, is_held: bool, now: Instant) {
        if self.spill.is_none() {
            topic.waits.store(is_held, Release);
        } else if is_held {
            topic.routing.hold(now);
        } else {
            topic.routing.release();
        }
        self.is_rerouting.store(true, Release);
        if let Some(unrouted) = &topic.unrouted {
            unrouted.wake(&self.signal);
        }
        self.signal.wake();
    }

    /// Whether a lane of a partition sends nothing: in a cluster without a log it keeps what it has, and what its clients give up leaves it;
    /// and if older events of its stream are in another log, it goes over its own.
    pub(super) fn waits(&self, lane: &Lane) -> bool {
        let topic = self.topics().get(lane.topic as usize);
        let has_log = self.spill.is_some();
        topic.is_some_and(|it| it.is_behind.load(Relaxed) || !has_log && it.waits.load(Relaxed))
    }

    /// Whether a lane sends nothing of what it has in the log, because older events of its stream are in another one.
    pub(super) fn is_behind(&self, lane: &Lane) -> bool {
        let topic = self.topics().get(lane.topic as usize);
        topic.is_some_and(|topic| topic.is_behind.load(Relaxed))
    }

    /// Whether a lane is held: its new events go behind unrouted ones.
    pub(super) fn holds(&self, lane: &Lane) -> bool {
        lane.partition != UNROUTED && self.unrouted_before(lane).is_some()
    }

    /// The lane of unrouted events for which a lane has to wait, if there are any.
    pub(super) fn unrouted_before(&self, lane: &Lane) -> Option<&Arc<Lane>> {
        let topic = self.topics().get(lane.topic as usize)?;
        let unrouted = topic.unrouted.as_ref();
        unrouted.filter(|unrouted| unrouted.is_open())
    }

    /// Whether a lane's topic is closing the lanes that were in use.
    pub(super) fn is_closing(&self, lane: &Lane) -> bool {
        let topic = self.topics().get(lane.topic as usize);
        topic.is_some_and(|topic| topic.routing.is_closing())
    }

    /// Whether a lane without events may be left alone: not the unrouted one of a topic whose lanes are to come into use.
    pub(super) fn may_rest(&self, lane: &Lane) -> bool {
        let topic = self.topics().get(lane.topic as usize);
        lane.partition != UNROUTED || topic.is_none_or(|topic| !topic.routing.is_changing())
    }
}
