//! A cluster that can't be reached: when it counts as away, and when it's back.
//!
//! It's away when it was out of reach for [`AWAY_AFTER`] and nobody listens at any of its doors. Then it needs no client until somebody
//! does. Who listens and isn't Kafka costs a client, as before.

use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::metadata::Metadata;

use super::knock::Doors;

/// How long a cluster has to be out of reach before its client may be given up: longer than brokers take to start, so that those which
/// come back soon find a client that waits for them.
const AWAY_AFTER: Duration = Duration::from_secs(20);
/// How often a cluster without a client is looked for: as often as a client tries.
const KNOCK_EVERY: Duration = Duration::from_secs(1);

/// What is known of it.
#[derive(Debug)]
pub(super) struct Absence {
    bootstrap: String,
    doors: Doors,
    /// Since when it's out of reach.
    since: Option<Instant>,
    is_away: bool,
}

/// What a knock has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Knocked {
    /// There was none, because the cluster isn't away.
    No,
    /// Nobody is there; to be tried again after this pause.
    InVain(Duration),
    /// Somebody listens at this address.
    Found(String),
}

impl Absence {
    /// Of a cluster that is configured to be found there.
    pub(super) fn of(bootstrap: &str) -> Absence {
        Absence {
            bootstrap: bootstrap.to_owned(),
            doors: Doors::of(bootstrap),
            since: None,
            is_away: false,
        }
    }

    /// Whether it's away.
    pub(super) fn is_on(&self) -> bool {
        self.is_away
    }

    /// The cluster has answered, and told where its brokers are. True if it was away until now.
    pub(super) fn ends(&mut self, metadata: &Metadata) -> bool {
        let brokers = metadata.brokers().iter();
        let told = brokers.map(|it| format!("{}:{}", it.host(), it.port()));
        self.doors.learn(&self.bootstrap, told);
        self.since = None;
        std::mem::take(&mut self.is_away)
    }

    /// The cluster was asked, and is out of reach or not. True if it's away from now on.
    pub(super) fn begins(&mut self, is_out: bool) -> bool {
        if !is_out {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.is_away || since.elapsed() < AWAY_AFTER {
            return false;
        }
        self.is_away = self.doors.knock().is_none() && self.doors.are_shut();
        self.is_away
    }

    /// Knocks, if it's away.
    pub(super) fn knock(&mut self) -> Knocked {
        if !self.is_away {
            return Knocked::No;
        }
        let Some(address) = self.doors.knock() else {
            return Knocked::InVain(KNOCK_EVERY);
        };
        let address = address.to_owned();
        (self.is_away, self.since) = (false, None);
        Knocked::Found(address)
    }
}

/// Why it takes nothing.
impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nobody listens at {}", self.bootstrap)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Out of reach for so long.
    fn out(bootstrap: &str, since: Duration) -> Absence {
        Absence {
            since: Instant::now().checked_sub(since),
            ..Absence::of(bootstrap)
        }
    }

    #[test]
    fn a_cluster_is_away_when_nobody_was_there_for_long_and_back_when_somebody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap().to_string();
        drop(listener);
        assert!(!out(&there, AWAY_AFTER / 2).begins(true), "not for long");
        let mut away = out(&there, AWAY_AFTER);
        assert_eq!(away.knock(), Knocked::No);
        assert!(away.begins(true));
        assert!(!away.begins(true), "it's told once");
        assert_eq!(away.knock(), Knocked::InVain(KNOCK_EVERY));
        let _listener = TcpListener::bind(&*there).unwrap();
        assert_eq!(away.knock(), Knocked::Found(there.clone()));
        assert!(!away.is_on());
        let mut listening = out(&there, AWAY_AFTER);
        assert!(!listening.begins(true), "somebody listens, whoever it is");
        assert!(!listening.begins(false) && listening.since.is_none());
    }
}
