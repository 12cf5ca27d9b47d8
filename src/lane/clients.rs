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
        if self.notes.is_useless || self.cluster.stop.takes_replacement() {
            self.notes.is_useless = false;
            self.note_replaced();
            self.drop_client(now);
        }
        if self.is_renewed(now) {
            // Nothing has failed: the next one is made at once, and the cluster counts as it did.
            tracing::info!(
                cluster = self.cluster.name(),
                events = self.lines.in_flight_events,
                "the kafka client is made anew with other settings"
            );
            self.drop_client(now);
            self.clients.pause.succeeds();
        }
        if self.stays_away(now) {
            return;
        }
        if self.clients.current.is_some() || !self.clients.pause.is_over(now) || !self.bury(now) {
            return;
        }
        match (self.clients.make)(&self.cluster) {
            Ok(client) => {
                self.clients.pause.tries(now);
                if self.cluster.settings().idempotence == Idempotence::Off {
                    // It needs no id to be ready.
                    self.cluster.health().set_warm(true);
                }
                self.notes.shared.set(client.shared());
                self.clients.current = Some(client);
            }
            Err(error) => {
                let error = refusal(&error);
                tracing::error!(
                    cluster = self.cluster.name(),
                    error,
                    "can't create a kafka client; check the cluster's `kafka` settings"
                );
                self.cluster.health().trouble(error);
                self.clients.pause.fails(now);
            }
        }
    }

    /// Whether the cluster is away, and there is to be no client. One that holds nothing is given up.
    fn stays_away(&mut self, now: Instant) -> bool {
        if !self.cluster.away.is_on() {
            return false;
        }
        if self.clients.current.is_some() {
            if self.lines.in_flight_events > 0 {
                return false;
            }
            let cluster = self.cluster.name();
            tracing::debug!(cluster, "no client is kept while nobody listens");
            self.cluster.health().set_warm(false);
            self.drop_client(now);
            // Nothing has failed that another client would fail at.
            self.clients.pause.succeeds();
        }
        self.bury(now);
        true
    }

    /// After a batch failed, has everything come back, so that it can be sent again in order.
    pub(super) fn settle_client(&mut self, now: Instant) {
        let client = self.clients.current.as_mut();
        let settling = client.filter(|client| client.is_settling());
        let longest = self.settings.longest_pause;
        if self.lines.suspects.note(settling.is_some(), longest, now) {
            self.cluster.gauges.settlings.fetch_add(1, Relaxed);
        }
        if let Some(client) = settling {
            client.settle(now);
        }
    }

    /// Has the client that is of no more use destroyed, if there is one. False if that can't begin now.
    fn bury(&mut self, now: Instant) -> bool {
        let Some(corpse) = self.clients.corpse.take() else {
            return true;
        };
        match self.clients.burials.bury(corpse) {
            Ok(()) => true,
            Err((corpse, why)) => {
                self.clients.corpse = Some(corpse);
                self.clients.pause.fails(now);
                let reason = format!("a failed kafka client can't be destroyed now: {why}");
                tracing::error!(cluster = self.cluster.name(), reason, "no new client yet");
                self.cluster.health().trouble(reason);
                false
            }
        }
    }

    /// A client that is of no more use is about to be dropped.
    fn note_replaced(&self) {
        if self.clients.current.is_none() {
            return;
        }
        tracing::warn!(
            cluster = self.cluster.name(),
            events = self.lines.in_flight_events,
            "replacing the kafka client; what it held is sent again, in order"
        );
        self.cluster.gauges.replaced_clients.fetch_add(1, Relaxed);
        self.cluster.health().set_warm(false);
    }

    fn drop_client(&mut self, now: Instant) {
        let Some(mut client) = self.clients.current.take() else {
            return;
        };
        self.notes.shared.set(None);
        let (_, mut reports) = self.client_and_reports();
        client.close(CLOSE_WITHIN, |report| reports.take(report));
        (self.notes.is_useless, self.clients.renewing) = (false, None);
        self.lines.client_gone();
        self.clients.pause.fails(now);
        self.clients.corpse = Some(client);
        self.bury(now);
    }
}
