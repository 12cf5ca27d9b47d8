//! How a cluster is, told by facts with an age: stale is bad.
//!
//! Three clocks are kept: the last acknowledgement of a record, the last answer to a probe, and the last turn of the thread
//! that serves the cluster. A cluster with traffic is
//! judged by its acknowledgements, an idle one by the probes; librdkafka's own "all brokers down" is kept as the
//! reason to show, not as the judge, because it is raised in some builds only.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

use super::trouble::Troubled;
use super::verdict::ClientFault;

/// What is known of a cluster. All of it may be read from any thread.
#[derive(Debug)]
pub struct Health {
    start: Instant,
    stale_after_ms: AtomicU64,
    beat_ms: AtomicU64,
    contact_ms: AtomicU64,
    acked_ms: AtomicU64,
    waiting_since_ms: AtomicU64,
    warm: AtomicBool,
    was_warm: AtomicBool,
    reason: Mutex<String>,
    client: Troubled<ClientFault>,
}

/// How a cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It takes events.
    Up,
    /// It has never answered since the start, or its producer isn't ready yet.
    Starting(String),
    /// It doesn't answer, or hasn't acknowledged what it was sent.
    Down(String),
}

impl Health {
    /// Of a cluster that was never seen. Facts older than `stale_after` count as bad.
    pub fn new(stale_after: Duration) -> Health {
        Health {
            start: Instant::now(),
            stale_after_ms: AtomicU64::new(stale_after.as_millis() as u64),
            beat_ms: AtomicU64::new(0),
            contact_ms: AtomicU64::new(0),
            acked_ms: AtomicU64::new(0),
            waiting_since_ms: AtomicU64::new(0),
            warm: AtomicBool::new(false),
            was_warm: AtomicBool::new(false),
            reason: Mutex::new("not reached yet".into()),
            client: Troubled::default(),
        }
    }

    /// Facts that are older count as bad from now on.
    pub fn set_stale_after(&self, stale_after: Duration) {
        self.stale_after_ms
            .store(stale_after.as_millis() as u64, Relaxed);
    }

    fn now_ms(&self) -> u64 {
        // 0 means never.
        self.start.elapsed().as_millis() as u64 + 1
    }

    /// The thread that serves the cluster still turns.
    pub fn beat(&self) {
        self.beat_ms.store(self.now_ms(), Release);
    }

    /// The cluster answered a request for metadata.
    pub fn contact(&self) {
        self.contact_ms.store(self.now_ms(), Release);
        let client = self.client.get();
        if client.is_some_and(|it| it.fault == ClientFault::Credentials) {
            self.client.clear();
        }
    }

    /// The cluster acknowledged records.
    pub fn acked(&self) {
        let now = self.now_ms();
        self.acked_ms.store(now, Release);
        self.contact_ms.store(now, Release);
        self.note_warm(true);
        self.client.clear();
    }

    fn note_warm(&self, warm: bool) {
        self.warm.store(warm, Release);
        if warm && !self.was_warm.load(Relaxed) {
            self.was_warm.store(true, Release);
        }
    }

    /// The age of the oldest record that waits for an acknowledgement, or none.
    pub fn waiting(&self, age: Option<Duration>) {
        let since = age.map_or(0, |age| {
            self.now_ms().saturating_sub(age.as_millis() as u64).max(1)
        });
        self.waiting_since_ms.store(since, Release);
    }

    /// The producer has its id and can send, or has not.
    pub fn set_warm(&self, warm: bool) {
        self.note_warm(warm);
        if warm {
            self.client.clear();
        }
    }

    /// Whether the producer has its id and can send.
    pub fn is_warm(&self) -> bool {
        self.warm.load(Acquire)
    }

    /// Whether no producer of this process could send yet.
    pub fn is_cold(&self) -> bool {
        !self.was_warm.load(Acquire)
    }

    /// What went wrong last, in words.
    pub fn trouble(&self, reason: impl Into<String>) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason.into();
    }

    /// What is wrong with the client, while it is: then no event gets through. Progress clears it.
    pub fn client(&self) -> &Troubled<ClientFault> {
        &self.client
    }

    /// Time since the last acknowledgement, if there was one.
    pub fn acked_age(&self) -> Option<Duration> {
        let at = self.acked_ms.load(Acquire);
        (at > 0).then(|| Duration::from_millis(self.now_ms().saturating_sub(at)))
    }

    /// How long nothing was acknowledged although something waits for it; zero if nothing waits.
    pub fn stands_still_for(&self) -> Duration {
        let waiting = self.waiting_since_ms.load(Acquire);
        if waiting == 0 {
            return Duration::ZERO;
        }
        let age = Duration::from_millis(self.now_ms().saturating_sub(waiting));
        self.acked_age().unwrap_or(age).min(age)
    }

    /// How the cluster is now.
    pub fn condition(&self) -> Condition {
        let now = self.now_ms();
        let stale_after = Duration::from_millis(self.stale_after_ms.load(Relaxed));
        let reason = || {
            self.reason
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        };
        let still = Duration::from_millis(now.saturating_sub(self.beat_ms.load(Acquire)));
        if still > stale_after {
            return Condition::Down(format!(
                "its thread in forebay has stood still for {} s: this is a bug in forebay",
                still.as_secs()
            ));
        }
        if let Some(trouble) = self.client.get() {
            return Condition::Down(trouble.reason.clone());
        }
        let contact = self.contact_ms.load(Acquire);
        if contact == 0 {
            return Condition::Starting(reason());
        }
        let silent = Duration::from_millis(now.saturating_sub(contact));
        if silent > stale_after {
            return Condition::Down(format!(
                "no sign of life for {} s: {}",
                silent.as_secs(),
                reason()
            ));
        }
        let quiet = self.stands_still_for();
        if quiet > stale_after {
            return Condition::Down(format!(
                "nothing acknowledged for {} s: {}",
                quiet.as_secs(),
                reason()
            ));
        }
        if !self.is_warm() {
            return Condition::Starting("the producer has no id yet".into());
        }
        Condition::Up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_up_only_while_the_facts_are_fresh() {
        let health = Health::new(Duration::from_millis(500));
        assert!(matches!(health.condition(), Condition::Starting(_)));
        health.contact();
        assert!(
            matches!(health.condition(), Condition::Starting(_)),
            "no producer id yet"
        );
        health.set_warm(true);
        assert_eq!(health.condition(), Condition::Up);
        std::thread::sleep(Duration::from_millis(700));
        assert!(
            matches!(health.condition(), Condition::Down(reason) if reason.contains("stood still"))
        );
        health.beat();
        assert!(
            matches!(health.condition(), Condition::Down(_)),
            "stale is bad"
        );
    }

    #[test]
    fn probes_that_answer_do_not_hide_records_that_wait() {
        let health = Health::new(Duration::from_millis(500));
        health.acked();
        health.waiting(Some(Duration::ZERO));
        std::thread::sleep(Duration::from_millis(700));
        health.contact();
        health.beat();
        assert!(
            matches!(health.condition(), Condition::Down(reason) if reason.contains("acknowledged"))
        );
        health.waiting(None);
        assert_eq!(health.condition(), Condition::Up);
    }
}
