//! What is counted per source. Updated once per request.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one source. They are kept by its name for as long as the process lives.
#[derive(Debug, Default)]
pub struct Counts {
    /// It has a label of its own on metrics.
    pub is_labelled: bool,
    /// Requests that were let in.
    pub requests: AtomicU64,
    /// Requests of it that were refused for what it is: an expired key, another stream, its quota.
    pub refused: AtomicU64,
    /// Events of it that were taken.
    pub events: AtomicU64,
    /// Bytes of its bodies, as they were sent.
    pub bytes: AtomicU64,
    /// When the log was told of a refusal last, and of how many it wasn't told since; whoever writes the log knows how.
    pub lines: AtomicU64,
}

impl Counts {
    /// Of a source that nothing was counted of yet.
    pub fn new(is_labelled: bool) -> Counts {
        Counts {
            is_labelled,
            ..Counts::default()
        }
    }

    /// Counts a refusal.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }
}

/// Sources at one moment: one, or all that have no label of their own.
#[derive(Clone, Debug, Default)]
pub struct SourceSample {
    /// Its name, or none.
    pub name: String,
    /// See [`Counts`].
    pub requests: u64,
    /// See [`Counts`].
    pub refused: u64,
    /// See [`Counts`].
    pub events: u64,
    /// See [`Counts`].
    pub bytes: u64,
}

impl SourceSample {
    /// Of one source.
    pub fn of(name: &str, counts: &Counts) -> SourceSample {
        let mut sample = SourceSample {
            name: name.into(),
            ..SourceSample::default()
        };
        sample.add(counts);
        sample
    }

    /// Adds another one.
    pub fn add(&mut self, counts: &Counts) {
        self.requests += counts.requests.load(Relaxed);
        self.refused += counts.refused.load(Relaxed);
        self.events += counts.events.load(Relaxed);
        self.bytes += counts.bytes.load(Relaxed);
    }
}
