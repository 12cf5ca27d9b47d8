//! Notices a client that is of no more use: it makes no progress, and doesn't know it.
//!
//! librdkafka has had such states (its issue 5301: metadata without a broker, and the client never asks again). A cluster
//! that is down looks the same from inside the client, and then replacing it would only make duplicates of what is under way.
//! So another client is made and asked: if that one finds brokers and a leader for every partition, the cluster is in order
//! and the client isn't. A cluster that has just come back is in order, too, before its clients have noticed; so the client has
//! a moment more, and the other one is asked again.

use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer};

use super::client;
use super::settings::Settings;

/// How long the other client may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The longest pause between two looks, so many times the first.
const LONGEST_PAUSE: u32 = 10;
/// Which part of its patience a client has left when the cluster was found in order: by default 15 s, many times the longest pause
/// before librdkafka connects again.
const LAST_CHANCE: u32 = 4;

/// When it's time to look, and how.
pub(super) struct Watchdog {
    patience: Duration,
    pause: Duration,
    not_before: Option<Instant>,
    /// The cluster was in order at the last look, and the client has its last chance.
    was_in_order: bool,
    config: ClientConfig,
}

impl Watchdog {
    pub(super) fn new(cluster: &str, settings: &Settings) -> Watchdog {
        let mut config = client::connection(cluster, settings);
        for (key, value) in &settings.kafka {
            config.set(key, value);
        }
        Watchdog {
            patience: settings.progress_within,
            pause: settings.progress_within,
            not_before: None,
            was_in_order: false,
            config,
        }
    }

    /// Whether a client that has stood still for so long is to be doubted now. Each further time the pause is longer;
    /// progress makes it short again.
    pub(super) fn is_due(&mut self, stands_still: Duration, now: Instant) -> bool {
        if stands_still < self.patience {
            (self.pause, self.not_before) = (self.patience, None);
            self.was_in_order = false;
            return false;
        }
        if self.not_before.is_some_and(|at| now < at) {
            return false;
        }
        self.not_before = Some(now + self.pause);
        self.pause = (self.pause * 2).min(self.patience * LONGEST_PAUSE);
        true
    }

    /// Whether a client is of no more use, when another one found the cluster in order, or not.
    pub(super) fn condemns(&mut self, is_in_order: bool, now: Instant) -> bool {
        let had_its_chance = std::mem::replace(&mut self.was_in_order, false);
        if is_in_order && !had_its_chance {
            self.was_in_order = true;
            self.not_before = Some(now + self.patience / LAST_CHANCE);
        }
        is_in_order && had_its_chance
    }

    /// Whether another client finds brokers, and a leader for every partition of the topics.
    pub(super) fn another_client_finds(&self, topics: &[String]) -> bool {
        let Ok(other) = self.config.create::<BaseProducer>() else {
            return false;
        };
        topics.iter().all(|topic| {
            let answer = other.client().fetch_metadata(Some(topic), ANSWER_WITHIN);
            answer.is_ok_and(|metadata| {
                let mut partitions = metadata
                    .topics()
                    .iter()
                    .flat_map(|topic| topic.partitions());
                !metadata.brokers().is_empty()
                    && partitions.all(|partition| partition.leader() >= 0)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It waits for a minute.
    fn patient() -> Watchdog {
        let mut settings = Settings::new("127.0.0.1:1");
        settings.progress_within = Duration::from_secs(60);
        Watchdog::new("test", &settings)
    }

    #[test]
    fn a_client_is_doubted_after_its_time_and_then_less_and_less_often() {
        let (mut watchdog, second, start) = (patient(), Duration::from_secs(1), Instant::now());
        assert!(!watchdog.is_due(59 * second, start));
        assert!(watchdog.is_due(60 * second, start));
        assert!(!watchdog.is_due(119 * second, start + 59 * second));
        assert!(watchdog.is_due(120 * second, start + 60 * second));
        assert!(!watchdog.is_due(239 * second, start + 179 * second));
        assert!(watchdog.is_due(240 * second, start + 180 * second));
        assert!(!watchdog.is_due(second, start + 181 * second));
        assert!(watchdog.is_due(60 * second, start + 182 * second));
        assert!(!watchdog.another_client_finds(&["topic".into()]));
    }

    #[test]
    fn a_client_has_a_last_chance_when_the_cluster_is_back() {
        let (mut watchdog, second, start) = (patient(), Duration::from_secs(1), Instant::now());
        assert!(watchdog.is_due(60 * second, start));
        assert!(!watchdog.condemns(true, start));
        assert!(!watchdog.is_due(74 * second, start + 14 * second));
        // It made progress.
        assert!(!watchdog.is_due(second, start + 14 * second));
        let start = start + 100 * second;
        assert!(watchdog.is_due(60 * second, start));
        assert!(!watchdog.condemns(true, start));
        assert!(watchdog.is_due(75 * second, start + 15 * second));
        // The cluster is down again.
        assert!(!watchdog.condemns(false, start + 15 * second));
        let start = start + 1_000 * second;
        assert!(watchdog.is_due(1_060 * second, start));
        assert!(!watchdog.condemns(true, start));
        assert!(watchdog.is_due(1_075 * second, start + 15 * second));
        assert!(watchdog.condemns(true, start + 15 * second));
    }
}
