//! Asks a cluster for the partition counts of its topics, and for a sign of life.
//!
//! librdkafka's metadata request blocks, so it has a thread of its own; the lanes' worker never waits for it.

use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;
use rdkafka::client::Client;
use rdkafka::types::RDKafkaRespErr;

use super::Context;
use super::health::Health;
use super::settings::Settings;
use super::watchdog::Watchdog;
use crate::telemetry::Standing;

/// How long one request may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How soon a topic is asked for again of which nothing is known yet.
const RETRY: Duration = Duration::from_millis(300);
/// Topics that may be on the list of those to ask for soon.
const ASKED_AT_MOST: usize = 1_000;

/// How soon a topic is asked for again whose answer is doubted.
const DOUBT: Duration = Duration::from_secs(2);

/// What a probe finds out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// How many partitions a topic has; topics are numbered as they were given.
    Partitions {
        /// The topic.
        topic: usize,
        /// Its partitions.
        count: usize,
    },
    /// Kafka doesn't let us use a topic.
    Unusable {
        /// The topic.
        topic: usize,
    },
    /// The client makes no progress while another one finds the cluster in order: it is of no more use.
    Stuck,
}

/// The cluster's present client, handed from the worker that owns it to the probe.
#[derive(Clone, Default)]
pub struct SharedClient(Arc<Shared>);

#[derive(Default)]
struct Shared {
    client: Mutex<Option<KafkaClient>>,
    changed: Condvar,
    /// Topics about which the probe is to ask soon.
    asked: SegQueue<u32>,
}

type KafkaClient = Arc<Client<Context>>;

impl SharedClient {
    /// Sets the client; `None` while there is none.
    pub fn set(&self, client: Option<KafkaClient>) {
        *self.lock() = client;
        self.0.changed.notify_all();
    }

    /// Has the topic of this number asked for soon. librdkafka refuses events for a topic that it found denied or missing, until it
    /// has heard that it isn't.
    pub fn ask(&self, topic: u32) {
        // Some are enough: a question that is due is asked once.
        if self.0.asked.len() < ASKED_AT_MOST {
            self.0.asked.push(topic);
            self.0.changed.notify_all();
        }
    }

    fn wait(&self, at_most: Duration) -> Option<KafkaClient> {
        let guard = self.lock();
        let waited = self
            .0
            .changed
            .wait_timeout_while(guard, at_most, |client| client.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn pause(&self, at_most: Duration) {
        let guard = self.lock();
        // A changed client is worth looking at early, and so is a question; waking for no reason does no harm.
        drop(self.0.changed.wait_timeout(guard, at_most));
    }

    fn lock(&self) -> MutexGuard<'_, Option<KafkaClient>> {
        let client = &self.0.client;
        client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running probe. Dropping it stops it; the thread ends within the time of one request.
pub struct Probe {
    stop: Arc<AtomicBool>,
    client: SharedClient,
    thread: Option<JoinHandle<()>>,
}

/// Starts the probe of a cluster. `on` hears what it finds out, and says whether a topic is to be asked
/// for again soon.
pub fn spawn(
    name: &str,
    settings: &Settings,
    client: SharedClient,
    health: Arc<Health>,
    topics: Vec<String>,
    on: impl Fn(Finding) -> bool + Send + 'static,
) -> std::io::Result<Probe> {
    let stop = Arc::new(AtomicBool::new(false));
    let run = Run {
        cluster: name.to_owned(),
        watchdog: Watchdog::new(name, settings),
        pause: settings.probe,
        refresh: settings.metadata_refresh,
        client: client.clone(),
        health,
        due: vec![Instant::now(); topics.len()],
        unusable: topics.iter().map(|_| Standing::default()).collect(),
        topics,
        stop: Arc::clone(&stop),
    };
    let thread = std::thread::Builder::new()
        .name(format!("probe-{name}"))
        .spawn(move || run.run(on))?;
    Ok(Probe {
        stop,
        client,
        thread: Some(thread),
    })
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Release);
        self.client.0.changed.notify_all();
        // Not joined: a request under way may take its time, and nothing depends on it.
        drop(self.thread.take());
    }
}

struct Run {
    cluster: String,
    pause: Duration,
    refresh: Duration,
    client: SharedClient,
    health: Arc<Health>,
    topics: Vec<String>,
    due: Vec<Instant>,
    /// By topic: why it can't be used, if so.
    unusable: Vec<Standing>,
    watchdog: Watchdog,
    stop: Arc<AtomicBool>,
}

impl Run {
    fn run(mut self, on: impl Fn(Finding) -> bool) {
        let mut next = 0;
        while !self.stop.load(Acquire) {
            let Some(client) = self.client.wait(Duration::from_secs(1)) else {
                continue;
            };
            let now = Instant::now();
            while let Some(topic) = self.client.0.asked.pop() {
                if let Some(due) = self.due.get_mut(topic as usize) {
                    *due = now;
                }
            }
            let mut asked = false;
            for index in 0..self.topics.len() {
                if self.due[index] <= now && !self.stop.load(Acquire) {
                    asked = true;
                    self.ask(&client, index, &on);
                }
            }
            if !asked && !self.topics.is_empty() {
                // A sign of life, from one topic after another.
                next = (next + 1) % self.topics.len();
                self.ask(&client, next, &on);
            }
            drop(client);
            if self.watchdog.is_due(self.health.stands_still_for(), now)
                && let is_in_order = self.watchdog.another_client_finds(&self.topics)
                && self.watchdog.condemns(is_in_order, Instant::now())
            {
                tracing::warn!(
                    cluster = self.cluster,
                    "the kafka client makes no progress while the cluster is in order"
                );
                on(Finding::Stuck);
            }
            let soonest = self.due.iter().min().map_or(self.pause, |due| {
                due.saturating_duration_since(Instant::now())
            });
            self.client
                .pause(self.pause.min(soonest).max(Duration::from_millis(50)));
        }
    }

    fn ask(&mut self, client: &Client<Context>, index: usize, on: &impl Fn(Finding) -> bool) {
        let topic = &self.topics[index];
        self.due[index] = Instant::now() + RETRY;
        let metadata = match client.fetch_metadata(Some(topic), ANSWER_WITHIN) {
            Ok(metadata) => metadata,
            Err(error) => {
                self.health.trouble(error.to_string());
                return;
            }
        };
        self.health.contact();
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return;
        };
        if let Some(error) = found.error()
            && error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
        {
            let reason = format!(
                "topic {topic}: {}",
                rdkafka::error::RDKafkaErrorCode::from(error)
            );
            if self.unusable[index].is_due(&reason, Instant::now()) {
                tracing::warn!(
                    cluster = self.cluster,
                    topic,
                    reason,
                    "topic can't be used; create it, or correct the stream's `topic`"
                );
            }
            self.health.trouble(reason);
            self.due[index] = Instant::now() + Duration::from_secs(2);
            on(Finding::Unusable { topic: index });
            return;
        }
        if !found.partitions().is_empty() {
            if let Some(after) = self.unusable[index].ends(Instant::now()) {
                let seconds = after.as_secs();
                tracing::info!(
                    cluster = self.cluster,
                    topic,
                    seconds,
                    "topic can be used again"
                );
            }
            self.due[index] = Instant::now() + self.refresh;
            let count = found.partitions().len();
            let finding = Finding::Partitions {
                topic: index,
                count,
            };
            if on(finding) {
                self.due[index] = Instant::now() + DOUBT;
            }
        }
    }
}
