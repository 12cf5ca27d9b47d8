//! A cluster that is away: nobody listens where its brokers are. As long as its client holds nothing, it needs none.
//!
//! The probe finds it out, and knocks from then on. Fifty clients that try to reach nobody cost more than the clients of a hundred and fifty
//! clusters that live. A client that holds events stays: it alone knows what it has sent.
//!
//! What is absent: nothing here knocks, and nothing here makes or ends a client.

use std::sync::atomic::{AtomicBool, Ordering::*};

use arc_swap::ArcSwapOption;

use crate::produce::Settings;

/// Whether a cluster is away, and where it was found again.
#[derive(Debug, Default)]
pub(super) struct Away {
    is_on: AtomicBool,
    /// A broker's address, as `host:port`. The next client hears of it, because the configuration may name only others.
    found: ArcSwapOption<String>,
}

impl Away {
    pub(super) fn begins(&self) {
        self.is_on.store(true, Release);
    }

    /// Somebody listens at this address, if it's known.
    pub(super) fn ends(&self, address: Option<String>) {
        self.found.store(address.map(Into::into));
        self.is_on.store(false, Release);
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Acquire)
    }

    /// The configuration says where the brokers are now.
    pub(super) fn forget(&self) {
        self.found.store(None);
    }

    /// The settings that a client is made of.
    pub(super) fn settings(&self, configured: &Settings) -> Settings {
        let mut settings = configured.clone();
        if let Some(found) = self.found.load_full() {
            let mut known = configured.bootstrap.split(',').map(str::trim);
            if !known.any(|it| it == *found) {
                settings.bootstrap = format!("{},{found}", configured.bootstrap);
            }
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_client_knows_where_the_cluster_was_found() {
        let (away, configured) = (Away::default(), Settings::new("kafka-1:9092"));
        let bootstrap = || away.settings(&configured).bootstrap;
        assert_eq!(bootstrap(), "kafka-1:9092");
        away.ends(Some("kafka-3:9092".into()));
        assert_eq!(bootstrap(), "kafka-1:9092,kafka-3:9092");
        away.ends(Some("kafka-1:9092".into()));
        assert_eq!(bootstrap(), "kafka-1:9092");
    }
}
