//! What HTTP threads, the worker and the admin port share of one cluster.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use rdkafka::error::RDKafkaErrorCode;

use super::away::Away;
use super::routing::Memory;
use super::signal::Signal;
use super::topic::{Topic, TopicOf, Topics};
use super::{Lane, Settings, UNROUTED};
use crate::budget::{Budget, Share};
use crate::produce::verdict::{Fault, fault};
use crate::produce::{self, Health};
use crate::spill::Log;
use crate::telemetry::Durations;

/// One Kafka cluster as forebay sees it.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    pub(super) settings: ArcSwap<produce::Settings>,
    pub(super) lane_settings: ArcSwap<Settings>,
    pub(super) budget: Arc<Budget>,
    share: Arc<Share>,
    /// What is read back for it.
    pub(super) replays: Arc<Share>,
    health: Arc<Health>,
    pub(super) topics: Topics,
    /// Held by who adds a topic.
    pub(super) adding: Mutex<()>,
    pub(super) spill: Option<Arc<Log>>,
    pub(super) lanes: AtomicU32,
    pub(super) memory: OnceLock<Arc<dyn Memory>>,
    /// A topic's number of partitions has changed, and its lanes aren't in use yet.
    pub(super) is_rerouting: AtomicBool,
    /// Tells the worker that lanes have work.
    pub(super) signal: Signal,
    pub(super) stop: Stop,
    pub(super) away: Away,
    pub(super) gauges: Gauges,
    /// Held by each thread that works for the cluster.
    pub(super) crew: Arc<()>,
}

/// What the worker publishes about itself.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Events handed to the client and not acknowledged.
    pub in_flight_events: AtomicU64,
    /// Their bytes.
    pub in_flight_bytes: AtomicU64,
    /// Bytes that Kafka acknowledges per second, as an average of some seconds.
    pub drain_rate: AtomicU64,
    /// Clients that had to be replaced.
    pub replaced_clients: AtomicU64,
    /// Times that all lanes had to wait because Kafka had refused a batch.
    pub settlings: AtomicU64,
    /// Times that librdkafka had to begin a new sequence of batches, after which some may be stored twice.
    pub new_epochs: AtomicU64,
    /// From handing events to the client until their acknowledgement was read.
    pub ack: Durations,
    /// Lanes that refuse events because Kafka doesn't take the old ones.
    pub stalled_lanes: AtomicU64,
}

/// How the worker is told to stop, or to begin anew.
#[derive(Debug, Default)]
pub(super) struct Stop {
    draining: AtomicBool,
    closed: AtomicBool,
    replace: AtomicBool,
    renew: AtomicBool,
    deadline: Mutex<Option<Instant>>,
}

impl Stop {
    /// Nothing is taken any more.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
    }

    /// Whether the client is to be replaced; asked once.
    pub(super) fn takes_replacement(&self) -> bool {
        self.replace.load(Relaxed) && self.replace.swap(false, AcqRel)
    }

    /// The client is to be replaced when it holds nothing any more.
    pub(super) fn renew(&self) {
        self.renew.store(true, Release);
    }

    /// Whether the client is to be replaced when it holds nothing any more; asked once.
    pub(super) fn takes_renewal(&self) -> bool {
        self.renew.load(Relaxed) && self.renew.swap(false, AcqRel)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if !self.draining.load(Acquire) {
            return None;
        }
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    /// A cluster with the given streams and their topics. Its lanes use `spill`, if it's there.
    pub fn new(
        name: impl Into<String>,
        settings: produce::Settings,
        lane_settings: Settings,
        topics: impl IntoIterator<Item = TopicOf>,
        budget: &Arc<Budget>,
        spill: Option<Arc<Log>>,
    ) -> Arc<Cluster> {
        let cluster = Arc::new(Cluster {
            health: Arc::new(Health::new(settings.probe * 5)),
            settings: ArcSwap::from_pointee(settings),
            lane_settings: ArcSwap::from_pointee(lane_settings),
            budget: Arc::clone(budget),
            share: Share::of_cluster(),
            replays: Share::of_replays(),
            lanes: AtomicU32::new(0),
            topics: Topics::default(),
            adding: Mutex::default(),
            spill,
            memory: OnceLock::new(),
            is_rerouting: AtomicBool::new(false),
            signal: Signal::default(),
            stop: Stop::default(),
            away: Away::default(),
            gauges: Gauges::default(),
            crew: Arc::default(),
            name: name.into(),
        });
        let topics = topics.into_iter().map(|of| cluster.push_topic(of));
        let topics: Vec<_> = topics.collect();
        cluster.find_lanes(&topics);
        cluster
    }

    /// The name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster's own settings.
    pub fn settings(&self) -> Guard<Arc<produce::Settings>> {
        self.settings.load()
    }

    /// The settings of its lanes.
    pub fn lane_settings(&self) -> Guard<Arc<Settings>> {
        self.lane_settings.load()
    }

    /// What its events hold of the memory budget.
    pub fn share(&self) -> &Arc<Share> {
        &self.share
    }

    /// Memory that its events hold, new ones and those that were read back.
    pub fn memory_bytes(&self) -> u64 {
        self.share.used() + self.replays.used()
    }

    /// How it is.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// The spill log, if there is one.
    pub fn spill(&self) -> Option<&Arc<Log>> {
        self.spill.as_ref()
    }

    /// Its topics, by number.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// What its worker publishes.
    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// Notes that Kafka doesn't let us use a topic. As long as nothing is known of its partitions, its events are refused.
    pub fn set_unusable(&self, topic: u32, code: RDKafkaErrorCode) {
        if let Some(topic) = self.topics.get(topic as usize) {
            topic.is_unusable.store(true, Relaxed);
            if let Fault::Topic(why) = fault(code) {
                topic.set_fault(why, Instant::now());
            }
        }
    }

    /// What the names of a topic's lanes in the spill log begin with.
    pub fn log_prefix(&self, topic: &Topic) -> String {
        log_lane(&self.name, &topic.of, "")
    }

    /// A lane has nothing to do.
    pub(super) fn rested(&self, lane: &Lane) {
        // What came into its part of the log while it went to rest was announced in vain.
        if lane.partition == UNROUTED
            && let Some(topic) = self.topics.get(lane.topic as usize)
            && self.has_backlog(lane)
        {
            self.wake_sorted(topic);
        }
    }

    /// Has the worker look at its client now: there is something to see, such as that its producer has an id.
    pub fn look(&self) {
        self.signal.wake();
    }

    /// Asks the worker to replace its client.
    pub fn replace_client(&self) {
        self.stop.replace.store(true, Release);
        self.signal.wake();
    }

    /// Whether the spill log holds events of a lane.
    pub(super) fn has_backlog(&self, lane: &Lane) -> bool {
        let stored = self.spill.as_ref().zip(lane.spill);
        stored.is_some_and(|(log, id)| !log.lane_backlog(id).is_empty())
    }

    /// Whether a thread of the cluster still runs: its worker, the one that reads the log, or one that destroys a client.
    pub fn has_threads(&self) -> bool {
        Arc::strong_count(&self.crew) > 1
    }

    /// Nobody listens where its brokers are: the worker gives its client up when that holds nothing.
    pub fn goes_away(&self) {
        self.away.begins();
        self.signal.wake();
    }

    /// Somebody listens at this address, or may do so where the configuration says: the worker makes a client.
    pub fn comes_back(&self, address: Option<String>) {
        self.away.ends(address);
        self.signal.wake();
    }

    /// Tells the worker to finish: what it holds goes to Kafka until `at_most` has passed, the rest is refused.
    pub fn drain(&self, at_most: Duration) {
        *self
            .stop
            .deadline
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + at_most);
        self.stop.draining.store(true, Release);
        self.signal.wake();
    }

    /// Expected time until `bytes` have drained, from the measured rate; `None` while nothing drains.
    pub fn time_to_drain(&self, bytes: u64) -> Option<Duration> {
        let rate = self.gauges.drain_rate.load(Relaxed);
        (rate > 0).then(|| Duration::from_secs_f64(bytes as f64 / rate as f64))
    }
}

/// Name of a lane in the spill log: where its records have to go.
pub(super) fn log_lane(
    cluster: &str,
    topic: &TopicOf,
    partition: impl std::fmt::Display,
) -> String {
    format!("{cluster}/{}/{}/{partition}", topic.stream, topic.name)
}
