//! Settings of the stop.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[shutdown]`: the steps after SIGTERM. Their sum, plus `http.answer_within`, should stay below the time after
/// which the platform kills (Kubernetes: `terminationGracePeriodSeconds`, 30 s by default).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Time between readiness turning false and the listener closing, for load balancers to notice. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// Time for which a kept connection may rest, once the listener is closed, before it's closed: a request may be on its way,
    /// and is answered with `Connection: close`. Default 1 s. On sockets that the service manager keeps open, where the next clients
    /// wait meanwhile, this is a part of the grace, which then lasts at least as long.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// Time for what was taken to reach Kafka. Default 10 s. What is left then is refused, and counted.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
}

impl Settings {
    /// How long the grace lasts. On sockets that are kept open `idle` is over when nothing more is accepted: nobody waits for it.
    pub fn grace(&self, is_kept: bool) -> Duration {
        let idle = if is_kept { self.idle } else { Duration::ZERO };
        self.grace.max(idle)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            grace: Duration::from_secs(5),
            idle: Duration::from_secs(1),
            drain: Duration::from_secs(10),
        }
    }
}
