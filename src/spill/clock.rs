//! The log's time: milliseconds since 1970, read once at the start and carried on by a clock that never goes back.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock; in tests it only moves when it is told to.
pub(super) struct Clock {
    origin: Option<Instant>,
    start_ms: AtomicU64,
}

impl Clock {
    /// The clock of the machine.
    pub(super) fn of_the_machine() -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Clock {
            origin: Some(Instant::now()),
            start_ms: AtomicU64::new(since.map_or(0, |since| since.as_millis() as u64)),
        }
    }

    /// Milliseconds since 1970.
    pub(super) fn now_ms(&self) -> u64 {
        let passed = self
            .origin
            .map_or(Duration::ZERO, |origin| origin.elapsed());
        self.start_ms.load(Relaxed) + passed.as_millis() as u64
    }

    /// A clock that stands at `start_ms`.
    #[cfg(test)]
    pub(super) fn standing(start_ms: u64) -> Clock {
        Clock {
            origin: None,
            start_ms: AtomicU64::new(start_ms),
        }
    }

    /// Moves the clock on.
    #[cfg(test)]
    pub(super) fn advance(&self, by_ms: u64) {
        self.start_ms.fetch_add(by_ms, Relaxed);
    }
}
