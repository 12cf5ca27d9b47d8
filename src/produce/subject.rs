//! A cluster as its probe sees it: what it asks about, who hears what it finds, and when it asks for a topic's limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

use super::topic_limits::{TopicConfig, TopicLimits};

/// How soon a topic is asked for its limits again when there was no answer, or when Kafka refused what it should have taken.
pub(super) const LIMITS_RETRY: Duration = Duration::from_secs(1);

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

/// What is known of when to ask for a topic's limits.
pub(super) struct Limits {
    pub(super) of: Arc<TopicLimits>,
    /// When to ask; none while its partitions aren't known.
    pub(super) due: Option<Instant>,
    pub(super) asked: Option<Instant>,
    /// Whether it was said that they can't be had.
    pub(super) is_told: bool,
}

impl Limits {
    pub(super) fn new(of: Arc<TopicLimits>) -> Limits {
        Limits {
            of,
            due: None,
            asked: None,
            is_told: false,
        }
    }

    pub(super) fn is_due(&mut self, now: Instant) -> bool {
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
