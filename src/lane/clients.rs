//! The worker's client: made, settled after a batch failed, and replaced when it's of no more use, less and less often.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::carried::Client;
use super::worker::Worker;
use crate::produce::client::refusal;
use crate::produce::settings::Idempotence;

/// How long a client that is given up may take to report all that it held.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(2);

impl<P: Client> Worker<P> {
    /// Makes the client if there is none, and replaces it if it is of no more use.
    pub(super) fn keep_client(&mut self, now: Instant) {
        if self.replace_client || self.cluster.stop.takes_replacement() {
            self.replace_client = false;
            self.note_replaced();
            self.drop_client(now);
        }
        if self.is_renewed(now) {
            // Nothing has failed: the next one is made at once, and the cluster counts as it did.
            tracing::info!(
                cluster = self.cluster.name(),
                events = self.in_flight_events,
                "the kafka client is made anew with other settings"
            );
            self.drop_client(now);
            self.client_pause.succeeds();
        }
        if self.client.is_some() || !self.client_pause.is_over(now) || !self.bury(now) {
            return;
        }
        match (self.make)(&self.cluster) {
            Ok(client) => {
                self.client_pause.tries(now);
                if self.cluster.settings().idempotence == Idempotence::Off {
                    // It needs no id to be ready.
                    self.cluster.health().set_warm(true);
                }
                self.shared_client.set(client.shared());
                self.client = Some(client);
            }
            Err(error) => {
                let error = refusal(&error);
                tracing::error!(
                    cluster = self.cluster.name(),
                    error,
                    "can't create a kafka client; check the cluster's `kafka` settings"
                );
                self.cluster.health().trouble(error);
                self.client_pause.fails(now);
            }
        }
    }

    /// After a batch failed, has everything come back, so that it can be sent again in order.
    pub(super) fn settle_client(&mut self, now: Instant) {
        let client = self.client.as_mut();
        let settling = client.filter(|client| client.is_settling());
        let longest = self.settings.longest_pause;
        if self.suspects.note(settling.is_some(), longest, now) {
            self.cluster.gauges.settlings.fetch_add(1, Relaxed);
        }
        if let Some(client) = settling {
            client.settle(now);
        }
    }

    /// Has the client that is of no more use destroyed, if there is one. False if that can't begin now.
    fn bury(&mut self, now: Instant) -> bool {
        let Some(corpse) = self.corpse.take() else {
            return true;
        };
        match self.burials.bury(corpse) {
            Ok(()) => true,
            Err((corpse, why)) => {
                self.corpse = Some(corpse);
                self.client_pause.fails(now);
                let reason = format!("a failed kafka client can't be destroyed now: {why}");
                tracing::error!(cluster = self.cluster.name(), reason, "no new client yet");
                self.cluster.health().trouble(reason);
                false
            }
        }
    }

    /// A client that is of no more use is about to be dropped.
    fn note_replaced(&self) {
        if self.client.is_none() {
            return;
        }
        tracing::warn!(
            cluster = self.cluster.name(),
            events = self.in_flight_events,
            "replacing the kafka client; what it held is sent again, in order"
        );
        self.cluster.gauges.replaced_clients.fetch_add(1, Relaxed);
        self.cluster.health().set_warm(false);
    }

    fn drop_client(&mut self, now: Instant) {
        let Some(mut client) = self.client.take() else {
            return;
        };
        self.shared_client.set(None);
        client.close(CLOSE_WITHIN, |report| self.take_report(report));
        (self.replace_client, self.renewing) = (false, None);
        for work in self.works.iter_mut().flatten() {
            work.window.client_gone();
        }
        (self.in_flight_events, self.in_flight_bytes) = (0, 0);
        self.client_pause.fails(now);
        self.corpse = Some(client);
        self.bury(now);
    }
}
