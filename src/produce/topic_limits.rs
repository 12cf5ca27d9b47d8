//! What a topic takes, as far as Kafka told it: the size of a record, its timestamp, whether it needs a key.
//!
//! What Kafka would refuse later is refused at the door instead, or sent so that it's taken. The rule is to be careful, never
//! optimistic: as long as nothing is known, a topic takes what a broker takes by default
//! ([`Settings::assumed_max_message`]), and what was learned from a refusal counts until Kafka tells something new.
//!
//! What is absent: nothing here asks Kafka or waits. Everything may be read from any thread, without a lock on the path of
//! events.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::*};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Settings;
use super::settings::CLIENT_BATCH_BYTES;

/// The head of a record batch, format 2: base offset 8, length 4, leader epoch 4, magic 1, CRC 4, attributes 2, last offset
/// delta 4, two timestamps 16, producer id 8 and epoch 2, base sequence 4, number of records 4 (Kafka's protocol guide,
/// "Record Batch").
const BATCH_HEAD_BYTES: u64 = 61;
/// What a record has beside key, value and headers, at most: its length 5, attributes 1, timestamp delta 10, offset delta 5,
/// length of the key 5 and of the value 5, number of headers 5; all but the attributes are varints. Messages of formats 0 and
/// 1 have 34 bytes beside key and value and no batch, so they are smaller.
const RECORD_BYTES: u64 = 36;
/// The name of the header that has the id of an event without one.
pub const ID_HEADER: &std::ffi::CStr = c"event-id";
/// The name of the header that has the time of arrival of an event whose record can't be stamped with it, in milliseconds
/// since the Unix epoch, as text.
pub const RECEIVED_HEADER: &std::ffi::CStr = c"forebay-received";
/// The name of the header that has an event's own time in place of [`RECEIVED_HEADER`], where its record can't be stamped with it.
pub const TIME_HEADER: &std::ffi::CStr = c"forebay-time";
/// Two headers, an id and a time: a name and a value with a length of one byte each. A UUID has 36 characters, an `i64` up to 20.
const HEADERS_BYTES: u64 = (1 + 8 + 1 + 36) + (1 + 16 + 1 + 20);
/// What the largest record that is alone in its batch has beside its key and its value.
pub const RECORD_OVERHEAD_BYTES: u64 = BATCH_HEAD_BYTES + RECORD_BYTES + HEADERS_BYTES;

/// What a record of a batch has room for beside its event's own bytes: [`RECORD_BYTES`], and both of our headers.
const RECORD_ROOM_BYTES: u64 = RECORD_BYTES + HEADERS_BYTES;

/// The size of a batch of so many events, which have so many `bytes` together; at most, and not less by much.
pub fn batch_bytes(events: u32, bytes: u64) -> u64 {
    BATCH_HEAD_BYTES + bytes + u64::from(events) * RECORD_ROOM_BYTES
}

/// By how much a timestamp stays away from the topic's limit: the broker compares it with its own clock, some time later.
/// At most half of the limit.
const STAMP_MARGIN_MS: i64 = 300_000;
/// So long after it was learned that a topic refuses timestamps, refusals may be of records that were sent before.
const UNDER_WAY_MS: i64 = 5_000;

/// What Kafka says of a topic's configuration. What it doesn't say is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopicConfig {
    /// `max.message.bytes`: the largest batch.
    pub max_message_bytes: Option<u64>,
    /// `segment.bytes`: a batch has to fit.
    pub segment_bytes: Option<u64>,
    /// `message.timestamp.before.max.ms`, from Kafka 3.6 on: how far in the past a timestamp may be.
    pub before_max_ms: Option<i64>,
    /// `message.timestamp.after.max.ms`, from Kafka 3.6 on: how far in the future a timestamp may be.
    pub after_max_ms: Option<i64>,
    /// `message.timestamp.difference.max.ms`, until Kafka 3.9: both.
    pub difference_max_ms: Option<i64>,
    /// `message.timestamp.type` is `LogAppendTime`: timestamps of ours don't count.
    pub is_stamped_by_broker: bool,
    /// `cleanup.policy` has `compact`: records need keys.
    pub is_compacted: bool,
    /// `cleanup.policy` has `delete`, and this is `retention.ms`: older records are removed.
    pub retention_ms: Option<i64>,
    /// `min.insync.replicas`: with fewer, nothing is acknowledged.
    pub min_insync_replicas: Option<u32>,
}

impl TopicConfig {
    /// Takes one entry of a topic's configuration, if it's of interest.
    pub fn note(&mut self, name: &str, value: &str) {
        match name {
            "max.message.bytes" => self.max_message_bytes = value.parse().ok(),
            "segment.bytes" => self.segment_bytes = value.parse().ok(),
            "message.timestamp.before.max.ms" => self.before_max_ms = value.parse().ok(),
            "message.timestamp.after.max.ms" => self.after_max_ms = value.parse().ok(),
            "message.timestamp.difference.max.ms" => self.difference_max_ms = value.parse().ok(),
            "message.timestamp.type" => self.is_stamped_by_broker = value == "LogAppendTime",
            "cleanup.policy" => {
                self.is_compacted = value.split(',').any(|policy| policy.trim() == "compact");
            }
            "retention.ms" => self.retention_ms = value.parse().ok().filter(|ms| *ms >= 0),
            "min.insync.replicas" => self.min_insync_replicas = value.parse().ok(),
            _ => {}
        }
    }

    /// The largest batch that the topic takes.
    pub fn max_batch_bytes(&self) -> Option<u64> {
        let sizes = [self.max_message_bytes, self.segment_bytes];
        sizes.into_iter().flatten().min()
    }

    /// How far in the past and in the future a timestamp may be, in milliseconds.
    pub fn stamps_within_ms(&self) -> (i64, i64) {
        if self.is_stamped_by_broker {
            return (i64::MAX, i64::MAX);
        }
        // Where both are known, Kafka 3.6 to 3.9 take the old one only while the new one is at its default.
        let limit = |new: Option<i64>| {
            let new = new.filter(|ms| *ms != i64::MAX);
            new.or(self.difference_max_ms).unwrap_or(i64::MAX)
        };
        (limit(self.before_max_ms), limit(self.after_max_ms))
    }
}

/// The time that a record is stamped with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The event's: its own, or else that of its arrival.
    Event,
    /// When it's sent; the event's own time goes into the header [`TIME_HEADER`], or that of its arrival into
    /// [`RECEIVED_HEADER`].
    Present,
}

/// What a topic takes now.
#[derive(Debug)]
pub struct TopicLimits {
    /// Bytes of key, value and headers together.
    max_payload: AtomicU64,
    /// The largest batch that may be made of several events. `u64::MAX` while the client makes none that is too large.
    max_batch: AtomicU64,
    needs_key: AtomicBool,
    oldest_ms: AtomicI64,
    newest_ms: AtomicI64,
    /// When it was learned from a refusal that timestamps are taken less far off.
    stamps_learned_ms: AtomicI64,
    /// Events of the topic had times of their own.
    has_own_times: AtomicBool,
    /// Kafka refused something that should have been taken: it has to be asked again, soon.
    is_doubted: AtomicBool,
    /// librdkafka takes no larger message.
    client_max_bytes: AtomicU64,
    /// It makes no larger batch of several messages. 0 if it compresses them: then nobody knows before.
    client_batch_bytes: AtomicU64,
    assumed_max_bytes: AtomicU64,
    known: Mutex<Option<TopicConfig>>,
}

impl TopicLimits {
    /// Of a topic of a cluster with these settings, of which nothing is known.
    pub fn of(cluster: &Settings) -> TopicLimits {
        let assumed = cluster.assumed_max_message.as_u64();
        let limits = TopicLimits::new(assumed, cluster.client_max_bytes());
        limits.change(cluster);
        limits
    }

    /// Of a topic of which nothing is known. `assumed_max_bytes` then counts as its `max.message.bytes`. The client takes no
    /// message of more than `client_max_bytes`.
    pub fn new(assumed_max_bytes: u64, client_max_bytes: u64) -> TopicLimits {
        let limits = TopicLimits {
            max_payload: AtomicU64::new(0),
            max_batch: AtomicU64::new(u64::MAX),
            client_batch_bytes: AtomicU64::new(CLIENT_BATCH_BYTES),
            needs_key: AtomicBool::new(false),
            oldest_ms: AtomicI64::new(i64::MAX),
            newest_ms: AtomicI64::new(i64::MAX),
            stamps_learned_ms: AtomicI64::new(i64::MIN),
            has_own_times: AtomicBool::new(false),
            is_doubted: AtomicBool::new(false),
            client_max_bytes: AtomicU64::new(client_max_bytes),
            assumed_max_bytes: AtomicU64::new(assumed_max_bytes),
            known: Mutex::new(None),
        };
        limits.apply(&TopicConfig::default());
        limits
    }

    /// The cluster's settings are others. What was learned from refusals is forgotten if these make a difference.
    pub fn change(&self, cluster: &Settings) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let assumed = cluster.assumed_max_message.as_u64();
        let largest = cluster.client_max_bytes();
        let before = self.assumed_max_bytes.swap(assumed, Relaxed);
        let largest_batch = cluster.client_batch_bytes();
        if self.client_batch_bytes.swap(largest_batch, Relaxed) != largest_batch {
            self.apply_batch(&known.unwrap_or_default());
        }
        if self.client_max_bytes.swap(largest, Relaxed) != largest || before != assumed {
            self.apply(&known.unwrap_or_default());
        }
    }

    /// Forgets what was learned from refusals, if Kafka never said anything: it may be mended.
    pub fn forget(&self) {
        if self.known().is_none() {
            self.apply(&TopicConfig::default());
        }
    }

    /// Forgets what was learned of timestamps from refusals: the present was refused as well, so the fault was in a clock, which is
    /// right again.
    pub fn forget_stamps(&self) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.apply_stamps(&known.unwrap_or_default());
    }

    /// Takes what Kafka said. True if that is news. What was learned from refusals since the same was said stays.
    pub fn set(&self, config: TopicConfig) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = known.replace(config) != Some(config);
        if is_news {
            self.apply(&config);
        }
        is_news
    }

    fn apply(&self, config: &TopicConfig) {
        let batch = self.batch_of(config);
        let payload = batch.saturating_sub(RECORD_OVERHEAD_BYTES);
        self.apply_batch(config);
        self.max_payload.store(payload, Relaxed);
        self.needs_key.store(config.is_compacted, Relaxed);
        self.apply_stamps(config);
    }

    fn batch_of(&self, config: &TopicConfig) -> u64 {
        let assumed = self.assumed_max_bytes.load(Relaxed);
        let batch = config.max_batch_bytes().unwrap_or(assumed);
        batch.min(self.client_max_bytes.load(Relaxed))
    }

    fn apply_batch(&self, config: &TopicConfig) {
        let batch = self.batch_of(config);
        let is_bound = batch < self.client_batch_bytes.load(Relaxed);
        let batch = if is_bound { batch } else { u64::MAX };
        self.max_batch.store(batch, Relaxed);
    }

    fn apply_stamps(&self, config: &TopicConfig) {
        let (before, after) = config.stamps_within_ms();
        // Kafka takes a record that is older than what the topic keeps, and removes it before anybody reads it.
        let before = if config.is_stamped_by_broker {
            before
        } else {
            before.min(config.retention_ms.unwrap_or(i64::MAX))
        };
        self.oldest_ms.store(with_margin(before), Relaxed);
        self.newest_ms.store(with_margin(after), Relaxed);
    }

    /// What Kafka said last, if it said anything.
    pub fn known(&self) -> Option<TopicConfig> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes key, value and headers of an event may have together.
    pub fn max_payload(&self) -> u64 {
        self.max_payload.load(Relaxed)
    }

    /// The largest batch of several events, as [`batch_bytes`] counts, that the topic takes; `u64::MAX` if the client makes no larger
    /// one anyway.
    pub fn max_batch(&self) -> u64 {
        self.max_batch.load(Relaxed)
    }

    /// Whether events without a key are refused.
    pub fn needs_key(&self) -> bool {
        self.needs_key.load(Relaxed)
    }

    /// What the record of an event is stamped with at `now_ms`, if it's of `event_ms`.
    pub fn stamp(&self, event_ms: i64, now_ms: i64) -> Stamp {
        let age = now_ms.saturating_sub(event_ms);
        if age > self.oldest_ms.load(Relaxed) || age.saturating_neg() > self.newest_ms.load(Relaxed)
        {
            Stamp::Present
        } else {
            Stamp::Event
        }
    }

    /// An event of the topic has a time of its own.
    pub fn note_own_time(&self) {
        if !self.has_own_times.load(Relaxed) {
            self.has_own_times.store(true, Relaxed);
        }
    }

    /// Whether events of the topic had times of their own, so that a batch may have some of all ages.
    pub fn has_own_times(&self) -> bool {
        self.has_own_times.load(Relaxed)
    }

    /// Kafka refused the timestamp of an event that is of `event_ms`, or of another one of its batch. True if that is mended by
    /// stamping it with the present; false if the present was tried.
    pub fn stamp_refused(&self, event_ms: i64, now_ms: i64) -> bool {
        self.doubt();
        if self.stamp(event_ms, now_ms) == Stamp::Present {
            let learned = self.stamps_learned_ms.load(Relaxed);
            return now_ms.saturating_sub(learned) < UNDER_WAY_MS;
        }
        let age = now_ms.saturating_sub(event_ms);
        let side = if age >= 0 {
            &self.oldest_ms
        } else {
            &self.newest_ms
        };
        side.fetch_min(age.saturating_abs() / 2, Relaxed);
        self.stamps_learned_ms.store(now_ms, Relaxed);
        age != 0
    }

    /// Kafka refused an event of so many bytes of key, value and headers, which was alone in its batch, for its size.
    pub fn size_refused(&self, payload: u64) {
        self.max_payload
            .fetch_min(payload.saturating_sub(1), Relaxed);
        // Batches that it was in may have been refused for it, and not for their own size.
        self.max_batch.fetch_max(batch_bytes(1, payload), Relaxed);
        self.doubt();
    }

    /// Kafka refused a batch of several events for its size, which is `bytes` as [`batch_bytes`] counts. From now on they're half as
    /// large at most, until Kafka tells what it takes. So a limit that Kafka doesn't tell is found after some refusals.
    pub fn batch_refused(&self, bytes: u64) {
        self.max_batch.fetch_min((bytes / 2).max(1), Relaxed);
        self.doubt();
    }

    /// Kafka refused what it should have taken by all that is known: its configuration has to be asked for soon.
    pub fn doubt(&self) {
        self.is_doubted.store(true, Release);
    }

    /// Whether something was refused; asked once.
    pub fn takes_doubt(&self) -> bool {
        self.is_doubted.load(Relaxed) && self.is_doubted.swap(false, AcqRel)
    }
}

fn with_margin(limit_ms: i64) -> i64 {
    if limit_ms == i64::MAX {
        return limit_ms;
    }
    limit_ms - STAMP_MARGIN_MS.min(limit_ms / 2)
}

#[cfg(test)]
mod tests;
