//! What HTTP threads, the worker and the admin port share of one cluster.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::signal::Signal;
use super::{Lane, Settings};
use crate::budget::Share;
use crate::produce::{self, Health};
use crate::receipt::Ledger;
use crate::spill::{LaneId, Log};

/// A stream's topic in its cluster, and its lanes as far as the partitions are known.
#[derive(Debug)]
pub struct Topic {
    number: u32,
    name: String,
    stream: String,
    ledger: Arc<Ledger>,
    lanes: ArcSwap<Vec<Arc<Lane>>>,
}

impl Topic {
    /// The Kafka topic's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What became of the stream's events.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// One lane per partition, by partition; empty until the partitions are known.
    pub fn lanes(&self) -> arc_swap::Guard<Arc<Vec<Arc<Lane>>>> {
        self.lanes.load()
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
    spill: Option<Arc<Log>>,
    lanes: AtomicU32,
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
    /// Lanes that refuse events because Kafka doesn't take the old ones.
    pub stalled_lanes: AtomicU64,
}

/// How the worker is told to stop.
#[derive(Debug, Default)]
pub(super) struct Stop {
    draining: AtomicBool,
    closed: AtomicBool,
    deadline: Mutex<Option<Instant>>,
}

impl Stop {
    /// Nothing is taken any more.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
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
        topics: impl IntoIterator<Item = (String, String)>,
        spill: Option<Arc<Log>>,
    ) -> Arc<Cluster> {
        let topics = (0..).zip(topics).map(|(number, (stream, name))| {
            Arc::new(Topic {
                number,
                name,
                stream,
                ledger: Arc::default(),
                lanes: ArcSwap::default(),
            })
        });
        Arc::new(Cluster {
            name: name.into(),
            health: Arc::new(Health::new(settings.probe * 5)),
            settings,
            lane_settings,
            share: Share::of_cluster(),
            topics: topics.collect(),
            spill,
            lanes: AtomicU32::new(0),
            signal: Signal::default(),
            stop: Stop::default(),
            gauges: Gauges::default(),
        })
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

    /// Notes how many partitions a topic has. Lanes of new partitions are added; those of partitions that are gone get
    /// nothing new.
    pub fn set_partitions(&self, topic: u32, count: usize) {
        let Some(topic) = self.topics.get(topic as usize) else {
            return;
        };
        let known = topic.lanes.load();
        if known.len() == count {
            return;
        }
        let mut lanes: Vec<_> = known.iter().take(count).cloned().collect();
        for partition in lanes.len()..count {
            let number = self.lanes.fetch_add(1, AcqRel);
            // The name in the spill log outlives the process: it says where the records have to go.
            let name = format!("{}/{}/{}/{partition}", self.name, topic.stream, topic.name);
            let spill = self
                .spill
                .as_ref()
                .and_then(|log| log.lane(name.as_bytes()));
            lanes.push(Lane::new(number, topic.number, partition as i32, spill));
        }
        let added: Vec<_> = lanes.iter().skip(known.len()).cloned().collect();
        tracing::info!(
            cluster = self.name,
            topic = topic.name,
            partitions = count,
            before = known.len(),
            "partitions known"
        );
        topic.lanes.store(Arc::new(lanes));
        // What an earlier run left in the spill log has to go before anything new.
        for lane in added {
            let waits = |(log, id): (&Arc<Log>, LaneId)| !log.lane_backlog(id).is_empty();
            if self.spill.as_ref().zip(lane.spill).is_some_and(waits) {
                lane.wake(&self.signal);
            }
        }
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
