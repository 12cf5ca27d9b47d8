//! What is heard of a topic's partitions, and from whom it's believed; and the lanes that are made for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::time::Instant;

use super::Lane;
use super::cluster::{Cluster, log_lane};
use super::doubt::Doubt;
use super::routing::State;
use super::topic::Topic;

impl Cluster {
    /// Makes the lanes of these topics of which the spill log holds events, whatever partitions there are today.
    pub(super) fn find_lanes(&self, topics: &[Arc<Topic>]) {
        let Some(log) = &self.spill else { return };
        let topics: HashMap<_, _> = topics
            .iter()
            .map(|topic| (self.log_prefix(topic), topic))
            .collect();
        for (name, _) in log.backlogs() {
            let name = String::from_utf8_lossy(&name);
            let Some((prefix, partition)) = name.rsplit_once('/') else {
                continue;
            };
            if let (Some(topic), Ok(partition)) =
                (topics.get(&format!("{prefix}/")), partition.parse::<i32>())
                && partition >= 0
            {
                self.lane_of(topic, partition, &topic.routing.state());
            }
        }
    }

    /// The lane of a partition, made if there was none. Who holds the topic's state is alone: a lane of the log has one lane here.
    fn lane_of(&self, topic: &Topic, partition: i32, _alone: &State) -> Arc<Lane> {
        let all = topic.routing.all.load();
        let at = match all.binary_search_by_key(&partition, |lane| lane.partition) {
            Ok(at) => return Arc::clone(&all[at]),
            Err(at) => at,
        };
        let number = self.lanes.fetch_add(1, AcqRel);
        // The name in the spill log outlives the process: it says where the records have to go.
        let name = log_lane(self.name(), &topic.of, partition);
        let log = self.spill.as_ref();
        let spill = log.and_then(|log| log.lane(name.as_bytes()));
        let lane = Lane::new(number, topic.number, partition, spill);
        let mut more = all.to_vec();
        more.insert(at, Arc::clone(&lane));
        topic.routing.all.store(Arc::new(more));
        lane
    }

    /// The lanes of so many partitions.
    pub(super) fn lanes_of(&self, topic: &Topic, count: usize) -> Vec<Arc<Lane>> {
        self.all_of(topic, count, &topic.routing.state())
    }

    fn all_of(&self, topic: &Topic, count: usize, alone: &State) -> Vec<Arc<Lane>> {
        (0..count as i32)
            .map(|partition| self.lane_of(topic, partition, alone))
            .collect()
    }

    /// Notes what an answer of Kafka said of a topic's partitions: see `lane/doubt`. True if it's to be asked again soon.
    pub fn hear_partitions(&self, number: u32, count: usize, now: Instant) -> bool {
        let Some(topic) = self.topics().get(number as usize) else {
            return false;
        };
        let routing = &topic.routing;
        let known = match routing.wanted.load(Acquire) {
            // Nothing is known but what the log holds.
            0 => routing
                .all()
                .last()
                .map_or(0, |lane| lane.partition as usize + 1),
            wanted => wanted,
        };
        let is_sure = {
            let doubt = &mut routing.state().doubt;
            let is_sure = count >= known || Doubt::is_sure(doubt, count, now);
            if is_sure {
                *doubt = None;
            }
            is_sure
        };
        if is_sure {
            self.set_partitions(number, count);
        } else {
            tracing::info!(
                cluster = self.name(),
                topic = topic.name(),
                partitions = count,
                before = known,
                "kafka says that a topic has fewer partitions; it's asked again before that is believed"
            );
        }
        !is_sure
    }

    /// Notes how many partitions a topic has for certain. If there were others before, new events find theirs when all that
    /// is older has been sent.
    pub fn set_partitions(&self, topic: u32, count: usize) {
        if let Some(topic) = self.topics().get(topic as usize) {
            // What Kafka's list of topics said is over; what a refused batch said is not.
            if topic.is_unusable.swap(false, Relaxed) {
                topic.clear_fault();
            }
            topic.routing.is_certain.store(true, Relaxed);
            self.route(topic, count, false, &topic.routing.state());
        }
    }

    /// Notes by how many partitions an earlier run routed a topic's events. It means nothing if Kafka has said already how many
    /// there are.
    pub fn recall_partitions(&self, topic: u32, count: usize) {
        if let Some(topic) = self.topics().get(topic as usize) {
            self.route(topic, count, true, &topic.routing.state());
        }
    }

    /// One at a time: two numbers that come at once are the first one and a change.
    pub(super) fn route(&self, topic: &Topic, count: usize, is_recalled: bool, alone: &State) {
        let routing = &topic.routing;
        let known = routing.wanted.load(Acquire);
        if count == 0 || known == count || is_recalled && known > 0 {
            return;
        }
        routing.wanted.store(count, Release);
        let before = routing.planned().len();
        tracing::info!(
            cluster = self.name(),
            topic = topic.name(),
            partitions = count,
            before,
            "partitions known"
        );
        if before > 0 {
            // The worker knows what has to go first.
            self.is_rerouting.store(true, Release);
            self.signal.wake();
            return;
        }
        let lanes = self.all_of(topic, count, alone);
        // What an earlier run left in the spill log has to go before anything new, and before what is unrouted: so these
        // lanes are open before the worker sees that there are lanes.
        let mut fits = true;
        for lane in routing.all().iter().filter(|lane| self.has_backlog(lane)) {
            fits &= is_recalled && (lane.partition as usize) < count;
            lane.wake(&self.signal);
        }
        routing.planned.store(Arc::new(lanes));
        match &topic.unrouted {
            Some(lane)
                if !fits || !lane.ring.is_empty() || lane.is_open() || self.has_backlog(lane) =>
            {
                lane.wake(&self.signal);
            }
            _ if routing.publish(alone) => {
                if let Some(memory) = self.memory.get() {
                    memory.note(&self.log_prefix(topic), count);
                }
            }
            unrouted => {
                // The worker puts them into use when they are held no more.
                if let Some(lane) = unrouted {
                    lane.wake(&self.signal);
                }
                self.is_rerouting.store(true, Release);
                self.signal.wake();
            }
        }
    }
}
