//! The present client of a cluster, handed from the worker that owns it to the probe that asks through it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_queue::SegQueue;
use rdkafka::client::Client;

use super::Context;

/// Topics that may be on the list of those to ask for soon.
const ASKED_AT_MOST: usize = 1_000;

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

    /// The client, as soon as there is one.
    pub(super) fn wait(&self, at_most: Duration) -> Option<KafkaClient> {
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

    /// Waits, at most so long, for something to look at.
    pub(super) fn pause(&self, at_most: Duration) {
        let guard = self.lock();
        // A changed client is worth looking at early, and so is a question; waking for no reason does no harm.
        drop(self.0.changed.wait_timeout(guard, at_most));
    }

    /// The next topic that is to be asked for.
    pub(super) fn next_asked(&self) -> Option<u32> {
        self.0.asked.pop()
    }

    fn lock(&self) -> MutexGuard<'_, Option<KafkaClient>> {
        let client = &self.0.client;
        client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
