//! What the log tells about itself.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Whether new records are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Yes.
    #[default]
    Healthy,
    /// No: the quota or the file system is used up. Looks for room every second and whenever a segment is released.
    Full,
    /// No: the disk fails. Probed again after a growing pause.
    Degraded,
    /// No: a write hangs.
    Stalled,
}

/// Events that happened since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) frames: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) frame_bytes: AtomicU64,
    pub(super) write_us: AtomicU64,
    pub(super) write_max_us: AtomicU64,
    pub(super) write_errors: AtomicU64,
    pub(super) read_errors: AtomicU64,
    pub(super) bad_runs: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) recycled: AtomicU64,
    pub(super) removed: AtomicU64,
    pub(super) acks_written: AtomicU64,
    pub(super) housekeeping_errors: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Relaxed);
    }

    pub(super) fn wrote(&self, bytes: u64, events: u64, took: Duration) {
        let took = took.as_micros() as u64;
        self.frames.fetch_add(1, Relaxed);
        self.events.fetch_add(events, Relaxed);
        self.frame_bytes.fetch_add(bytes, Relaxed);
        self.write_us.fetch_add(took, Relaxed);
        self.write_max_us.fetch_max(took, Relaxed);
    }
}

/// The log at one moment.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Whether new records are taken.
    pub state: State,
    /// Bytes of disk in use: segments, spare files and those put aside.
    pub used_bytes: u64,
    /// Bytes of disk that may be used.
    pub quota_bytes: u64,
    /// Bytes of disk that are left for new segments, by the quota and the file system.
    pub room_bytes: u64,
    /// How long ago the file system said so: long, if it hangs.
    pub room_age: Duration,
    /// Segments that hold records.
    pub segments: u64,
    /// Preallocated files that wait to become segments.
    pub spares: u64,
    /// Bytes of records that wait in memory to be written.
    pub queued_bytes: u64,
    /// Records stored and not acknowledged, over all lanes.
    pub backlog_events: u64,
    /// Bytes of these records.
    pub backlog_bytes: u64,
    /// Frames written: one per group commit.
    pub frames: u64,
    /// Records written.
    pub events: u64,
    /// Bytes of frames written, padding included.
    pub frame_bytes: u64,
    /// Time spent in durable writes of frames.
    pub write_time: Duration,
    /// The slowest durable write of a frame.
    pub slowest_write: Duration,
    /// Frames whose write failed; each was tried once more in a new segment.
    pub write_errors: u64,
    /// Reads that failed and were tried again.
    pub read_errors: u64,
    /// Stored records that damage of the disk has cost since the directory was made, so many at least.
    pub lost_events: u64,
    /// Those of them that an earlier process has told of.
    pub lost_before: u64,
    /// Runs whose checksum was wrong.
    pub bad_runs: u64,
    /// Appends refused at once.
    pub refused: u64,
    /// Segments that became spare files after all their records were acknowledged.
    pub recycled: u64,
    /// Segments that were removed after all their records were acknowledged.
    pub removed: u64,
    /// How often the watermarks were written.
    pub acks_written: u64,
    /// Failed attempts to prepare, remove or recycle files or to write the watermarks.
    pub housekeeping_errors: u64,
}

impl Counters {
    /// The counters' part of the statistics.
    pub(super) fn report(&self) -> Stats {
        Stats {
            frames: self.frames.load(Relaxed),
            events: self.events.load(Relaxed),
            frame_bytes: self.frame_bytes.load(Relaxed),
            write_time: Duration::from_micros(self.write_us.load(Relaxed)),
            slowest_write: Duration::from_micros(self.write_max_us.load(Relaxed)),
            write_errors: self.write_errors.load(Relaxed),
            read_errors: self.read_errors.load(Relaxed),
            bad_runs: self.bad_runs.load(Relaxed),
            refused: self.refused.load(Relaxed),
            recycled: self.recycled.load(Relaxed),
            removed: self.removed.load(Relaxed),
            acks_written: self.acks_written.load(Relaxed),
            housekeeping_errors: self.housekeeping_errors.load(Relaxed),
            ..Stats::default()
        }
    }
}

/// What waits in one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Records stored and not acknowledged. Exact, unless a write failed on both attempts.
    pub events: u64,
    /// Bytes of these records. Within a segment that is acknowledged in part, estimated from its mean record.
    pub bytes: u64,
    /// Age of the oldest, to the precision of one segment; zero if there is none.
    pub oldest: Duration,
}
