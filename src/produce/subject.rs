//! A cluster as its probe sees it: what it asks about, who hears what it finds, and when it asks for a topic's limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

use super::topic_limits::{TopicConfig, TopicLimits};

/// How soon a topic is asked for its limits again when there was no answer, or when Kafka refused what it should have taken. Each
/// further time without an answer the pause is longer.
pub(super) const LIMITS_RETRY: Duration = Duration::from_secs(1);

/// What a probe finds out.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Nobody has been there for long, and nobody listens where the brokers are.
    Away,
    /// Somebody listens again: the broker's address, if it's known.
    Back(Option<String>),
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

/// The topic that is asked for a sign of life after `last`, of `count` topics: the next one that is wanted, or any if none is. One
/// whose stream is gone may be gone as well, and says nothing of the cluster then.
pub(super) fn next_sign_of_life(
    last: usize,
    count: usize,
    is_wanted: impl Fn(usize) -> bool,
) -> usize {
    let mut others = (1..=count).map(|step| (last + step) % count);
    let any = others.clone().next().unwrap_or(0);
    others.find(|topic| is_wanted(*topic)).unwrap_or(any)
}

/// What is known of when to ask for a topic's limits.
pub(super) struct Limits {
    pub(super) of: Arc<TopicLimits>,
    /// When to ask; none while its partitions aren't known.
    pub(super) due: Option<Instant>,
    pub(super) asked: Option<Instant>,
    /// The pause after the last question, if there was no answer.
    pub(super) pause: Duration,
    /// Whether it was said that they can't be had.
    pub(super) is_told: bool,
}

impl Limits {
    pub(super) fn new(of: Arc<TopicLimits>) -> Limits {
        Limits {
            of,
            due: None,
            asked: None,
            pause: Duration::ZERO,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_of_life_is_asked_of_topics_that_are_wanted() {
        let next = |last, count, wanted: &[usize]| {
            next_sign_of_life(last, count, |topic| wanted.contains(&topic))
        };
        assert_eq!([next(0, 3, &[0, 1, 2]), next(2, 3, &[0, 1, 2])], [1, 0]);
        assert_eq!([next(0, 4, &[3]), next(3, 4, &[3])], [3, 3]);
        assert_eq!(next(1, 3, &[]), 2, "a cluster without streams is asked too");
        assert_eq!(next(7, 1, &[0]), 0);
    }
}
