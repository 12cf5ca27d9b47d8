//! What happens to an SDK that sends on and on: refusals, a lost answer, a gateway that is killed, and one that stops.

use std::collections::BTreeSet;
use std::time::Duration;

use super::relay::Relay;
use super::{Preset, Said};
use crate::support::eventually;
use crate::support::gateway::Gateway;

/// How long a fault may take to show.
const WITHIN: Duration = Duration::from_secs(60);

/// A gateway behind a relay, and what it says later.
pub(super) struct Faults {
    pub(super) preset: Preset,
    pub(super) relay: Relay,
    /// What makes it say 503 where it said 429.
    unavailable: &'static str,
}

impl Faults {
    /// `unavailable` makes the gateway say 503 where it said 429, from its second start on.
    pub(super) fn before(preset: Preset, unavailable: &'static str) -> Faults {
        let to = preset.gateway.tls.unwrap_or(preset.gateway.data);
        Faults {
            relay: Relay::before(to),
            preset,
            unavailable,
        }
    }

    /// How many requests the gateway has refused for its quota, since its start.
    fn refused(&self) -> u64 {
        let (_, text) = self.preset.gateway.get("/metrics");
        let name = "forebay_requests_total{";
        let mut lines = text
            .lines()
            .filter(|line| line.starts_with(name) && line.contains("answer=\"client_error\""));
        lines
            .find_map(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or(0)
    }

    /// All of it, one after the other, while something sends. An answer can be lost if the relay can read it (`is_plain`).
    pub(super) fn happen(&mut self, is_plain: bool) {
        if is_plain {
            self.relay.swallow(1);
            eventually("an answer is swallowed", WITHIN, || {
                self.relay.swallowed() == 1
            });
        }
        eventually("something is refused with 429", WITHIN, || {
            self.refused() > 0
        });
        self.replace(Gateway::kill);
        eventually("something is refused with 503", WITHIN, || {
            self.refused() > 0
        });
        // It stops while it's sent to.
        self.replace(|gateway| drop(gateway.stop()));
        eventually("something is taken again", WITHIN, || {
            self.preset.gateway.events(&self.preset.stream, "acked") > 0
        });
    }

    /// Another gateway takes the place of the one that ends, after a while without one.
    fn replace(&mut self, end: impl FnOnce(Gateway)) {
        self.relay.turn_to(None);
        let next = Gateway::ready(&format!("{}{}", self.preset.config, self.unavailable));
        let (to, turned_away) = (next.tls.unwrap_or(next.data), self.relay.turned_away());
        end(std::mem::replace(&mut self.preset.gateway, next));
        eventually("the SDK is turned away", WITHIN, || {
            self.relay.turned_away() > turned_away
        });
        self.relay.turn_to(Some(to));
    }
}

/// The ids of what was sent, isn't in Kafka, and wasn't told as failed; `id` finds the id in what was told.
pub(super) fn lost(
    said: &Said,
    stored: &BTreeSet<String>,
    id: impl Fn(&str) -> String,
) -> Vec<String> {
    let failed: BTreeSet<_> = said.failed.iter().map(|line| id(line)).collect();
    let sent = said.sent.iter().cloned().collect::<BTreeSet<_>>();
    assert!(!sent.is_empty(), "nothing was sent");
    sent.into_iter()
        .filter(|id| !stored.contains(id) && !failed.contains(id))
        .collect()
}
