//! What the threads of one log share.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bell::Bell;
use super::clock::Clock;
use super::disk::{Disk, Lock};
use super::inbox::Inbox;
use super::index::Index;
use super::intake::Intake;
use super::runs::OpenSegments;
use super::space::Space;
use super::stats::Counters;

/// What the threads of one log share.
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) clock: Clock,
    pub(super) log_id: u128,
    pub(super) epoch: u64,
    pub(super) inbox: Inbox,
    pub(super) intake: Intake,
    pub(super) counters: Counters,
    pub(super) index: Mutex<Index>,
    pub(super) space: Space,
    pub(super) open_segments: OpenSegments,
    pub(super) bell: Bell,
    /// Generation of the watermarks found at the start.
    pub(super) acks_generation: u64,
    /// Bytes of segments that were put aside.
    pub(super) bad_bytes: AtomicU64,
    /// The directory is ours as long as any part of the log lives.
    pub(super) _lock: Lock,
}

impl Shared {
    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The largest append: a quarter of a segment.
    pub(super) fn append_bytes(&self) -> u64 {
        self.space.segment_size() / 4
    }

    /// Counts the bytes of a segment that is put aside.
    pub(super) fn put_aside(&self, bytes: u64) {
        self.bad_bytes.fetch_add(bytes, Relaxed);
    }
}
