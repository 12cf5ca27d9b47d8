//! Asks a cluster for the partition counts of its topics and for what they take, and for a sign of life.
//!
//! librdkafka's metadata request blocks, so it's made by the threads of a [`Pool`], which all clusters share; the lanes' worker never
//! waits for it. Each question has a deadline.
//!
//! A cluster that can't be reached isn't waited for: librdkafka's wait looks for a broker at each change of a connection, asks for
//! another connection when there is none, and each that fails is a change. Where connections are refused at once, that was 800
//! wake-ups a second for each dead cluster. So the probe *knocks*: it asks whether a broker is there, which brings a connection on, and comes
//! back later, after a pause that grows. A cluster that is away for long has no client at all: see `absence`.

use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::Client;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaRespErr;

use super::absence::{Absence, Knocked};
use super::backoff::{Refresh, jittered};
use super::health::Health;
use super::pool::{Pool, Round};
use super::settings::Settings;
pub use super::shared_client::SharedClient;
pub use super::subject::{Finding, Subject};
use super::subject::{LIMITS_RETRY, Limits, next_sign_of_life};
use super::watchdog::Watchdog;
use super::{Context, native};
use crate::telemetry::Standing;

/// How long one request may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How soon a topic is asked for again of which nothing is known yet.
const RETRY: Duration = Duration::from_millis(300);
/// The first pause after nobody was there; the longest is that between two signs of life.
const KNOCK_AGAIN: Duration = RETRY;
/// How long a new client may take for its first answer. It connects in some milliseconds, and until its partitions are known events are
/// refused. Nobody else waits for that: the pool has another thread for them.
const FIRST_WITHIN: Duration = Duration::from_millis(300);
/// How many pauses long a cluster that is in order is left alone. Each sign of life wakes four threads, which is most of what many
/// clusters cost that rest. It's less than the five pauses after which health is stale, with room for a sign that is lost.
const RESTS: u32 = 2;
/// How soon a topic is asked for again whose answer is doubted.
const DOUBT: Duration = Duration::from_secs(2);
/// For how many topics' limits one request asks, at most: about 2 KB of answer for each.
const TOPICS_PER_REQUEST: usize = 64;

/// A running probe. Dropping it stops it, within the time of a round.
pub struct Probe {
    orders: Arc<Orders>,
    client: SharedClient,
}

/// What a probe is told while it runs.
#[derive(Default)]
struct Orders {
    stop: AtomicBool,
    settings: Mutex<Option<Settings>>,
}

/// Starts the probe of a cluster among the threads of `pool`.
pub fn start(
    pool: &Pool,
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
        refresh: Refresh::new(settings.metadata_refresh),
        client: client.clone(),
        health,
        due: Vec::new(),
        next: 0,
        out: None,
        is_in_order: false,
        away: Absence::of(&settings.bootstrap),
        is_new: true,
        unusable: Vec::new(),
        limits: Vec::new(),
        topics: Vec::new(),
        subject: Box::new(subject),
        orders: Arc::clone(&orders),
    };
    client.belongs_to(pool.add(run)?);
    Ok(Probe { orders, client })
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

    /// Whether it has had its last look.
    pub fn has_ended(&self) -> bool {
        !self.client.is_probed()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Not waited for: a request under way may take its time, and nothing depends on it.
        self.stop();
    }
}

struct Run {
    cluster: String,
    pause: Duration,
    refresh: Refresh,
    client: SharedClient,
    health: Arc<Health>,
    topics: Vec<String>,
    due: Vec<Instant>,
    /// The topic that the last sign of life was asked of.
    next: usize,
    /// Since the cluster couldn't be reached: the pause until the next knock.
    out: Option<Duration>,
    /// All that was asked in the last round was answered, and nothing waits for an acknowledgement.
    is_in_order: bool,
    away: Absence,
    /// Nothing was asked yet.
    is_new: bool,
    /// By topic: why it can't be used, if so.
    unusable: Vec<Standing>,
    limits: Vec<Limits>,
    watchdog: Watchdog,
    subject: Box<dyn Subject>,
    orders: Arc<Orders>,
}

impl Round for Run {
    fn turn(&mut self) -> Option<Duration> {
        if self.is_stopped() {
            return None;
        }
        self.take_changes();
        // A client that comes is told of at once.
        let Some(client) = self.client.get() else {
            return Some(self.without_client());
        };
        let now = Instant::now();
        while let Some(topic) = self.client.next_asked() {
            if let Some(due) = self.due.get_mut(topic as usize) {
                *due = now;
            }
        }
        let mut asked = false;
        self.is_in_order = self.health.stands_still_for().is_zero();
        for index in 0..self.topics.len() {
            let is_over = self.is_stopped() || (asked && self.out.is_some());
            if self.due[index] <= now && self.subject.is_wanted(index) && !is_over {
                asked = true;
                self.ask(&client, index);
            }
        }
        if !asked && !self.topics.is_empty() {
            // A sign of life, from one topic after another.
            let is_wanted = |topic| self.subject.is_wanted(topic);
            self.next = next_sign_of_life(self.next, self.topics.len(), is_wanted);
            self.ask(&client, self.next);
        }
        if self.out.is_none() {
            self.ask_limits(&client);
        }
        drop(client);
        if self.away.begins(self.out.is_some()) {
            self.health.trouble(self.away.to_string());
            self.subject.hear(Finding::Away);
        }
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
        (!self.is_stopped()).then(|| self.until_next())
    }
}

impl Run {
    fn until_next(&self) -> Duration {
        if let Some(pause) = self.out {
            return pause;
        }
        let due = (0..).zip(&self.due);
        let due = due.filter(|(topic, _)| self.subject.is_wanted(*topic));
        let soonest = due.map(|(_, due)| *due).min();
        let pause = self.pause * if self.is_in_order { RESTS } else { 1 };
        let soonest = soonest.map_or(pause, |due| due.saturating_duration_since(Instant::now()));
        pause.min(soonest).max(Duration::from_millis(50))
    }

    /// What the cluster says of a topic. If it couldn't be reached before, and can't be now, that is known at once.
    fn fetch(&mut self, client: &Client<Context>, index: usize) -> KafkaResult<Metadata> {
        let topic = Some(self.topics[index].as_str());
        let is_out = |answer: &KafkaResult<Metadata>| {
            let error = answer.as_ref().err();
            let code = error.and_then(KafkaError::rdkafka_error_code);
            code == Some(RDKafkaErrorCode::BrokerTransportFailure)
        };
        let mut answer = None;
        if self.out.is_some() {
            // It may be there and have had no time to answer.
            let knock = client.fetch_metadata(topic, Duration::ZERO);
            answer = Some(knock).filter(|knock| knock.is_ok() || is_out(knock));
        }
        let is_new = std::mem::take(&mut self.is_new);
        let within = if is_new { FIRST_WITHIN } else { ANSWER_WITHIN };
        let answer = answer.unwrap_or_else(|| client.fetch_metadata(topic, within));
        if self.out.is_some() && answer.is_ok() {
            // It's back, and may answer other questions too.
            for limits in &mut self.limits {
                limits.pause = Duration::ZERO;
            }
        }
        self.out = is_out(&answer).then(|| {
            let longest = self.pause.max(KNOCK_AGAIN);
            self.out
                .map_or(KNOCK_AGAIN, |pause| (2 * pause).min(longest))
        });
        answer
    }

    /// Knocks, if there is no client because the cluster is away. The pause until the next look.
    fn without_client(&mut self) -> Duration {
        match self.away.knock() {
            Knocked::No => self.pause,
            Knocked::InVain(pause) => pause.min(self.pause),
            Knocked::Found(address) => {
                // The next client is asked as the first one was.
                (self.out, self.is_new) = (None, true);
                self.due.fill(Instant::now());
                self.subject.hear(Finding::Back(Some(address)));
                self.pause
            }
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
            self.refresh = Refresh::new(settings.metadata_refresh);
            self.pause = settings.probe;
            self.watchdog = Watchdog::new(&self.cluster, &settings);
            // It may be another Kafka by now, and elsewhere.
            if std::mem::replace(&mut self.away, Absence::of(&settings.bootstrap)).is_on() {
                self.subject.hear(Finding::Back(None));
            }
            self.due.fill(Instant::now());
        }
    }

    fn ask(&mut self, client: &Client<Context>, index: usize) {
        self.due[index] = Instant::now() + RETRY;
        let answer = self.fetch(client, index);
        let topic = &self.topics[index];
        let metadata = match answer {
            Ok(metadata) => metadata,
            Err(error) => {
                self.is_in_order = false;
                self.health.trouble(error.to_string());
                return;
            }
        };
        self.health.contact();
        if self.away.ends(&metadata) {
            self.subject.hear(Finding::Back(None));
        }
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
                let cluster = &self.cluster;
                tracing::info!(cluster, topic, seconds, "topic can be used again");
            }
            let is_first = self.limits[index].due.is_none();
            self.due[index] = Instant::now() + self.refresh.pause(is_first);
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
        let (topic, limits) = (&self.topics[index], &mut self.limits[index]);
        let refresh = jittered(self.refresh.pause(limits.asked.is_none()));
        let now = *limits.asked.insert(Instant::now());
        match config {
            Ok(config) => {
                limits.due = Some(now + refresh);
                limits.pause = Duration::ZERO;
                limits.is_told = false;
                if limits.of.set(config) {
                    self.subject.hear(Finding::Limits {
                        topic: index,
                        config,
                    });
                }
            }
            Err(RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::RequestTimedOut) => {
                // Some never answer, such as librdkafka's mock cluster.
                self.is_in_order = false;
                limits.pause = (limits.pause * 2).clamp(LIMITS_RETRY, refresh.max(LIMITS_RETRY));
                limits.due = Some(now + limits.pause);
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
