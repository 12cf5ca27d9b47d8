//! Asks a cluster for the partition counts of its topics and for what they take, and for a sign of life.
//!
//! librdkafka's metadata request blocks, so it has a thread of its own; the lanes' worker never waits for it. Each question
//! has a deadline.

use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;
use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;

use super::health::Health;
use super::settings::Settings;
use super::topic_limits::{TopicConfig, TopicLimits};
use super::watchdog::Watchdog;
use super::{Context, native};
use crate::telemetry::Standing;

/// How long one request may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How soon a topic is asked for again of which nothing is known yet.
const RETRY: Duration = Duration::from_millis(300);
/// Topics that may be on the list of those to ask for soon.
const ASKED_AT_MOST: usize = 1_000;

/// How soon a topic is asked for again whose answer is doubted.
const DOUBT: Duration = Duration::from_secs(2);
/// How soon a topic is asked for its limits again when there was no answer, or when Kafka refused what it should have taken.
const LIMITS_RETRY: Duration = Duration::from_secs(1);
/// For how many topics' limits one request asks, at most: about 2 KB of answer for each.
const TOPICS_PER_REQUEST: usize = 64;

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
    /// What a topic takes has changed.
    Limits {
        /// The topic.
        topic: usize,
        /// What Kafka says of it.
        config: TopicConfig,
    },
    /// Kafka doesn't let us use a topic.
    Unusable {
        /// The topic.
        topic: usize,
        /// Why.
        code: RDKafkaErrorCode,
    },
    /// The client makes no progress while another one finds the cluster in order: it is of no more use.
    Stuck,
}

/// A cluster as its probe sees it.
pub trait Subject: Send {
    /// The topic of this number, and what is known of what it takes. There may be more of them each time.
    fn topic(&self, number: usize) -> Option<(String, Arc<TopicLimits>)>;

    /// Whether a topic is to be asked for.
    fn is_wanted(&self, number: usize) -> bool;

    /// Hears what is found out. True if the topic is to be asked for again soon.
    fn hear(&self, finding: Finding) -> bool;
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

    /// Has the probe look around now.
    pub fn nudge(&self) {
        self.0.changed.notify_all();
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
    orders: Arc<Orders>,
    client: SharedClient,
    thread: JoinHandle<()>,
}

/// What a probe is told while it runs.
#[derive(Default)]
struct Orders {
    stop: AtomicBool,
    settings: Mutex<Option<Settings>>,
}

/// Starts the probe of a cluster.
pub fn spawn(
    name: &str,
    settings: &Settings,
    client: SharedClient,
    health: Arc<Health>,
    subject: impl Subject + 'static,
) -> std::io::Result<Probe> {
    let orders = Arc::<Orders>::default();
    let run = Run {
        cluster: name.to_owned(),
        watchdog: Watchdog::new(name, settings),
        pause: settings.probe,
        refresh: settings.metadata_refresh,
        client: client.clone(),
        health,
        due: Vec::new(),
        unusable: Vec::new(),
        limits: Vec::new(),
        topics: Vec::new(),
        subject: Box::new(subject),
        orders: Arc::clone(&orders),
    };
    let thread = std::thread::Builder::new()
        .name(format!("probe-{name}"))
        .spawn(move || {
            if catch_unwind(AssertUnwindSafe(|| run.run())).is_err() {
                // Nothing would be known of the cluster any more. Nothing acknowledged is lost by ending here.
                tracing::error!("the probe of a cluster panicked; this is a bug, and forebay ends");
                std::process::abort();
            }
        })?;
    Ok(Probe {
        orders,
        client,
        thread,
    })
}

impl Probe {
    /// The cluster's settings are others.
    pub fn change(&self, settings: Settings) {
        let given = &self.orders.settings;
        *given.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
        self.client.nudge();
    }

    /// Tells it to stop.
    pub fn stop(&self) {
        self.orders.stop.store(true, Release);
        self.client.nudge();
    }

    /// Whether its thread is gone.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Not joined: a request under way may take its time, and nothing depends on it.
        self.stop();
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
    limits: Vec<Limits>,
    watchdog: Watchdog,
    subject: Box<dyn Subject>,
    orders: Arc<Orders>,
}

/// What is known of when to ask for a topic's limits.
struct Limits {
    of: Arc<TopicLimits>,
    /// When to ask; none while its partitions aren't known.
    due: Option<Instant>,
    asked: Option<Instant>,
    /// Whether it was said that they can't be had.
    is_told: bool,
}

impl Limits {
    fn new(of: Arc<TopicLimits>) -> Limits {
        Limits {
            of,
            due: None,
            asked: None,
            is_told: false,
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let Some(due) = self.due else {
            return false;
        };
        if self.asked.is_some_and(|at| now < at + LIMITS_RETRY) {
            return false;
        }
        // Who isn't told, and was told so, isn't told sooner.
        if self.of.takes_doubt() && !self.is_told {
            self.due = Some(now);
        }
        now >= due || self.due == Some(now)
    }
}

impl Run {
    fn run(mut self) {
        let mut next = 0;
        while !self.is_stopped() {
            self.take_changes();
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
                if self.due[index] <= now && self.subject.is_wanted(index) && !self.is_stopped() {
                    asked = true;
                    self.ask(&client, index);
                }
            }
            if !asked && !self.topics.is_empty() {
                // A sign of life, from one topic after another.
                next = (next + 1) % self.topics.len();
                self.ask(&client, next);
            }
            self.ask_limits(&client);
            drop(client);
            if self.watchdog.is_due(self.health.stands_still_for(), now)
                && let is_in_order = self.watchdog.another_client_finds(&self.topics)
                && self.watchdog.condemns(is_in_order, Instant::now())
            {
                tracing::warn!(
                    cluster = self.cluster,
                    "the kafka client makes no progress while the cluster is in order"
                );
                self.subject.hear(Finding::Stuck);
            }
            let due = (0..).zip(&self.due);
            let due = due.filter(|(topic, _)| self.subject.is_wanted(*topic));
            let soonest = due.map(|(_, due)| *due).min();
            let soonest = soonest.map_or(self.pause, |due| {
                due.saturating_duration_since(Instant::now())
            });
            self.client
                .pause(self.pause.min(soonest).max(Duration::from_millis(50)));
        }
    }

    fn is_stopped(&self) -> bool {
        self.orders.stop.load(Acquire)
    }

    /// Takes topics that came, and settings that were changed.
    fn take_changes(&mut self) {
        while let Some((topic, limits)) = self.subject.topic(self.topics.len()) {
            self.topics.push(topic);
            self.limits.push(Limits::new(limits));
            self.unusable.push(Standing::default());
            self.due.push(Instant::now());
        }
        let given = &self.orders.settings;
        let given = given.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(settings) = given {
            (self.pause, self.refresh) = (settings.probe, settings.metadata_refresh);
            self.watchdog = Watchdog::new(&self.cluster, &settings);
            // It may be another Kafka by now.
            self.due.fill(Instant::now());
        }
    }

    fn ask(&mut self, client: &Client<Context>, index: usize) {
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
            let code = RDKafkaErrorCode::from(error);
            let reason = format!("topic {topic}: {code}");
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
            self.subject.hear(Finding::Unusable { topic: index, code });
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
            self.limits[index].due.get_or_insert_with(Instant::now);
            let count = found.partitions().len();
            let finding = Finding::Partitions {
                topic: index,
                count,
            };
            if self.subject.hear(finding) {
                self.due[index] = Instant::now() + DOUBT;
            }
        }
    }

    /// Asks for the limits that are due, of many topics at once.
    fn ask_limits(&mut self, client: &Client<Context>) {
        let now = Instant::now();
        let limits = self.limits.iter_mut().enumerate();
        let due = limits.filter_map(|(index, limits)| limits.is_due(now).then_some(index));
        let due: Vec<_> = due.take(TOPICS_PER_REQUEST).collect();
        if due.is_empty() {
            return;
        }
        let names: Vec<_> = due.iter().map(|index| &*self.topics[*index]).collect();
        let answer = native::topic_configs(client, &names, ANSWER_WITHIN);
        for (position, index) in due.into_iter().enumerate() {
            let config = match &answer {
                Ok(configs) => configs[position],
                Err(error) => Err(*error),
            };
            self.take_limits(index, config);
        }
    }

    fn take_limits(&mut self, index: usize, config: native::Described) {
        let refresh = jittered(self.refresh);
        let (topic, limits) = (&self.topics[index], &mut self.limits[index]);
        let now = Instant::now();
        limits.asked = Some(now);
        match config {
            Ok(config) => {
                limits.due = Some(now + refresh);
                limits.is_told = false;
                if limits.of.set(config) {
                    self.subject.hear(Finding::Limits {
                        topic: index,
                        config,
                    });
                }
            }
            Err(RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::RequestTimedOut) => {
                limits.due = Some(now + LIMITS_RETRY);
            }
            Err(error) => {
                limits.due = Some(now + refresh);
                limits.of.forget();
                if !std::mem::replace(&mut limits.is_told, true) {
                    let counts = limits.of.max_payload();
                    tracing::info!(
                        cluster = self.cluster,
                        topic,
                        %error,
                        bytes = counts,
                        "what the topic takes can't be asked for (that needs the right DESCRIBE_CONFIGS on it); events of more bytes are refused, see `assumed_max_message`"
                    );
                }
            }
        }
    }
}

/// Nine to eleven tenths of `pause`, so that many clusters and gateways don't ask at once.
fn jittered(pause: Duration) -> Duration {
    let dice = RandomState::new().hash_one(0);
    pause.mul_f64(0.9 + (dice % 1_000) as f64 / 5_000.0)
}
