//! The present client of a cluster, handed from the worker that owns it to the probe that asks through it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crossbeam_queue::SegQueue;
use rdkafka::client::Client;

use super::Context;
use super::pool::Member;

/// Topics that may be on the list of those to ask for soon.
const ASKED_AT_MOST: usize = 1_000;

/// The cluster's present client, handed from the worker that owns it to the probe.
#[derive(Clone, Default)]
pub struct SharedClient(Arc<Shared>);

#[derive(Default)]
struct Shared {
    client: Mutex<Option<KafkaClient>>,
    /// Topics about which the probe is to ask soon.
    asked: SegQueue<u32>,
    /// The probe's place among the threads of all probes, as soon as it has one.
    probe: OnceLock<Member>,
}

type KafkaClient = Arc<Client<Context>>;

impl SharedClient {
    /// Sets the client; `None` while there is none.
    pub fn set(&self, client: Option<KafkaClient>) {
        *self.lock() = client;
        self.nudge();
    }

    /// Has the topic of this number asked for soon. librdkafka refuses events for a topic that it found denied or missing, until it
    /// has heard that it isn't.
    pub fn ask(&self, topic: u32) {
        // Some are enough: a question that is due is asked once.
        if self.0.asked.len() < ASKED_AT_MOST {
            self.0.asked.push(topic);
            self.nudge();
        }
    }

    /// The client, if there is one.
    pub(super) fn get(&self) -> Option<KafkaClient> {
        self.lock().clone()
    }

    /// Has the probe look around now.
    pub fn nudge(&self) {
        if let Some(probe) = self.0.probe.get() {
            probe.hurry();
        }
    }

    /// Notes who is to be nudged.
    pub(super) fn belongs_to(&self, probe: Member) {
        // A client is shared with one probe.
        drop(self.0.probe.set(probe));
        self.nudge();
    }

    /// Whether the probe may have another look.
    pub(super) fn is_probed(&self) -> bool {
        self.0.probe.get().is_some_and(|probe| !probe.has_ended())
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
