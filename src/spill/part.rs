//! Parts of the log: lanes that are counted together, and may hold so many bytes together.
//!
//! Whose lanes these are isn't known here. The log is given a function from a lane's name to its part ([`Log::count_by`]), and
//! asks it for each lane that there is and for each that comes. What was found at the start is counted like everything else.
//!
//! A part counts the bytes of records that wait: stored and not acknowledged, or on their way to the disk. An append beyond
//! its limit is refused, unless its records are in the log already, in another lane ([`Log::append_anyway`]).
//!
//! [`Log::count_by`]: super::Log::count_by
//! [`Log::append_anyway`]: super::Log::append_anyway

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};

/// Lanes that are counted together.
#[derive(Debug)]
pub struct Part {
    /// Bytes that may wait; `u64::MAX`: as many as the log takes.
    limit: AtomicU64,
    /// Bytes stored and not acknowledged.
    stored: AtomicU64,
    /// Bytes on their way to the disk.
    queued: AtomicU64,
}

impl Default for Part {
    fn default() -> Part {
        Part {
            limit: AtomicU64::new(u64::MAX),
            stored: AtomicU64::new(0),
            queued: AtomicU64::new(0),
        }
    }
}

impl Part {
    /// Sets how many bytes may wait; `None`: as many as the log takes. What waits already stays.
    pub fn set_limit(&self, limit: Option<u64>) {
        self.limit.store(limit.unwrap_or(u64::MAX), Relaxed);
    }

    /// How many bytes may wait, if there is a limit.
    pub fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Relaxed)).filter(|limit| *limit < u64::MAX)
    }

    /// Bytes that wait.
    pub fn used(&self) -> u64 {
        self.stored.load(Relaxed) + self.queued.load(Relaxed)
    }

    /// Whether so many more bytes may wait.
    pub fn takes(&self, bytes: u64) -> bool {
        self.used().saturating_add(bytes) <= self.limit.load(Relaxed)
    }

    /// Whether so little is left that nobody should begin to use it.
    pub fn is_full(&self) -> bool {
        let limit = self.limit.load(Relaxed);
        limit < u64::MAX && self.used() >= limit - limit / 32
    }

    /// What is stored of one lane was `before`, and is another number of bytes now.
    fn move_stored(&self, before: u64, now: u64) {
        if now >= before {
            self.stored.fetch_add(now - before, Relaxed);
        } else {
            self.stored.fetch_sub(before - now, Relaxed);
        }
    }
}

/// Which part a lane is of, by its name.
pub type PartOf = Box<dyn Fn(&[u8]) -> Option<Arc<Part>> + Send + Sync>;

/// What one lane is counted as.
#[derive(Default)]
pub(super) struct Counted {
    part: Option<Arc<Part>>,
    stored: u64,
}

impl Counted {
    /// The lane's part.
    pub(super) fn part(&self) -> Option<&Arc<Part>> {
        self.part.as_ref()
    }

    /// So much of the lane is stored and not acknowledged; asked only if somebody counts it.
    pub(super) fn set(&mut self, stored: impl FnOnce() -> u64) {
        if let Some(part) = &self.part {
            let now = stored();
            part.move_stored(self.stored, now);
            self.stored = now;
        }
    }

    /// The lane is of another part from now on, and so is what is stored of it.
    pub(super) fn assign(&mut self, part: Option<Arc<Part>>, stored: impl FnOnce() -> u64) {
        if let Some(before) = self.part.take() {
            before.move_stored(self.stored, 0);
        }
        self.stored = 0;
        self.part = part;
        self.set(stored);
    }
}

/// Bytes of an append on their way to the disk; no longer when it's dropped.
pub(super) struct Queued {
    part: Arc<Part>,
    bytes: u64,
}

impl Queued {
    pub(super) fn new(part: Arc<Part>, bytes: u64) -> Queued {
        part.queued.fetch_add(bytes, Relaxed);
        Queued { part, bytes }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.part.queued.fetch_sub(self.bytes, Relaxed);
    }
}
