//! What HTTP threads, the worker and the admin port share of one cluster.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

use super::routing::{Memory, Routing};
use super::signal::Signal;
use super::{Lane, Settings, UNROUTED};
use crate::budget::{Account, Budget, Share};
use crate::produce::trouble::{Trouble, Troubled};
use crate::produce::verdict::{Fault, TopicFault, fault};
use crate::produce::{self, Health, TopicLimits};
use crate::receipt::Ledger;
use crate::spill::Log;
use crate::telemetry::Durations;

/// What a cluster is told of one of its topics.
#[derive(Clone, Debug)]
pub struct TopicOf {
    /// The stream whose events go there.
    pub stream: String,
    /// The Kafka topic's name.
    pub name: String,
    /// Whether events always go over the spill log, also while Kafka takes them.
    pub is_over_log: bool,
    /// What became of the stream's events. It's the stream's, which may outlive its topic.
    pub ledger: Arc<Ledger>,
    /// What the stream's events hold of the memory budget; the stream's as well.
    pub share: Arc<Share>,
}

impl TopicOf {
    /// The topic of a stream that never had another: with a ledger and a share that are new.
    pub fn new(stream: impl Into<String>, name: impl Into<String>) -> TopicOf {
        TopicOf {
            stream: stream.into(),
            name: name.into(),
            is_over_log: false,
            ledger: Arc::default(),
            share: Share::of_stream(),
        }
    }
}

/// A stream's topic in its cluster, and its lanes as far as the partitions are known.
#[derive(Debug)]
pub struct Topic {
    pub(super) number: u32,
    pub(super) of: TopicOf,
    account: Arc<Account>,
    /// Where events wait until the partitions are known, if there is a spill log.
    pub(super) unrouted: Option<Arc<Lane>>,
    /// Kafka says that there is no such topic, or that it isn't ours.
    pub(super) is_unusable: AtomicBool,
    trouble: Troubled<TopicFault>,
    pub(super) routing: Routing,
    limits: Arc<TopicLimits>,
}

impl Topic {
    /// The Kafka topic's name.
    pub fn name(&self) -> &str {
        &self.of.name
    }

    /// The stream whose events go there.
    pub fn stream(&self) -> &str {
        &self.of.stream
    }

    /// What became of the stream's events.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.of.ledger
    }

    /// The memory that the stream's events are charged to.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// What Kafka takes for it.
    pub fn limits(&self) -> &Arc<TopicLimits> {
        &self.limits
    }

    /// Whether events always go over the spill log.
    pub fn is_over_log(&self) -> bool {
        self.of.is_over_log
    }

    /// One lane per partition, by partition; empty until the partitions are known and in use, and while their number changes.
    /// Who pushes to these lanes keeps the list until that is done.
    pub fn lanes(&self) -> arc_swap::Guard<Arc<Vec<Arc<Lane>>>> {
        self.routing.in_use()
    }

    /// All lanes that were ever made, by partition: also those whose partitions are gone, or aren't in use yet.
    pub fn all_lanes(&self) -> arc_swap::Guard<Arc<Vec<Arc<Lane>>>> {
        self.routing.all()
    }

    /// Whether new events wait for older ones because the number of partitions has changed.
    pub fn is_changing(&self) -> bool {
        self.routing.is_changing()
    }

    /// The one lane that takes events while the partitions aren't known; none if there is no spill log, or the topic can't
    /// be used and never could.
    pub fn unrouted(&self) -> &[Arc<Lane>] {
        if self.is_unusable.load(Relaxed) && self.routing.planned().is_empty() {
            return &[];
        }
        self.unrouted.as_slice()
    }

    /// Whether an event for it has somewhere to go.
    pub fn takes(&self) -> bool {
        !self.lanes().is_empty() || !self.unrouted().is_empty()
    }

    /// Why Kafka takes none of its events at the moment, if that is the topic's own fault.
    pub fn fault(&self) -> Option<Arc<Trouble<TopicFault>>> {
        self.trouble.get()
    }

    /// Notes that Kafka takes none of its events, and why. True if that is news.
    pub fn set_fault(&self, fault: TopicFault, now: Instant) -> bool {
        let reason = || format!("topic {} {fault}", self.of.name);
        self.trouble.set(fault, now, reason)
    }

    /// Notes that Kafka takes its events. Returns what was wrong.
    pub fn clear_fault(&self) -> Option<Arc<Trouble<TopicFault>>> {
        self.trouble.clear()
    }
}

/// One Kafka cluster as forebay sees it.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    settings: produce::Settings,
    lane_settings: Settings,
    share: Arc<Share>,
    health: Arc<Health>,
    topics: Vec<Arc<Topic>>,
    pub(super) spill: Option<Arc<Log>>,
    pub(super) lanes: AtomicU32,
    pub(super) memory: OnceLock<Arc<dyn Memory>>,
    /// A topic's number of partitions has changed, and its lanes aren't in use yet.
    pub(super) is_rerouting: AtomicBool,
    /// Tells the worker that lanes have work.
    pub(super) signal: Signal,
    pub(super) stop: Stop,
    pub(super) gauges: Gauges,
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
        let (name, share) = (name.into(), Share::of_cluster());
        let topics = (0..).zip(topics).map(|(number, of)| {
            let log = spill.as_ref();
            let lane = log.and_then(|log| log.lane(log_lane(&name, &of, "unrouted").as_bytes()));
            Arc::new(Topic {
                number,
                account: Arc::new(Account {
                    budget: Arc::clone(budget),
                    stream: Arc::clone(&of.share),
                    cluster: Arc::clone(&share),
                }),
                // Topics are numbered from 0, and so are their lanes for unrouted events.
                unrouted: lane.map(|lane| Lane::new(number, number, UNROUTED, Some(lane))),
                is_unusable: AtomicBool::new(false),
                trouble: Troubled::default(),
                routing: Routing::default(),
                limits: Arc::new(TopicLimits::of(&settings)),
                of,
            })
        });
        let topics: Vec<_> = topics.collect();
        let cluster = Arc::new(Cluster {
            health: Arc::new(Health::new(settings.probe * 5)),
            settings,
            lane_settings,
            share,
            lanes: AtomicU32::new(topics.len() as u32),
            topics,
            spill,
            memory: OnceLock::new(),
            is_rerouting: AtomicBool::new(false),
            signal: Signal::default(),
            stop: Stop::default(),
            gauges: Gauges::default(),
            name,
        });
        cluster.find_lanes();
        cluster
    }

    /// The name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster's own settings.
    pub fn settings(&self) -> &produce::Settings {
        &self.settings
    }

    /// The settings of its lanes.
    pub fn lane_settings(&self) -> &Settings {
        &self.lane_settings
    }

    /// What its events hold of the memory budget.
    pub fn share(&self) -> &Arc<Share> {
        &self.share
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
    pub fn topics(&self) -> &[Arc<Topic>] {
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
