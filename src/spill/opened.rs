//! What a start finds in the directory, and why there may be none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{LaneId, Lsn};

/// Why the log can't be opened. Damage is no reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the directory.
    #[error("the directory belongs to another process that is running")]
    Locked,
    /// The directory can't be made, read or locked.
    #[error("can't use the directory: {0}")]
    Directory(#[source] io::Error),
    /// A newer version wrote it. Nothing was changed.
    #[error("`{file}` has format {version}, which this version doesn't know")]
    NewerFormat {
        /// The file.
        file: String,
        /// Its format.
        version: u16,
    },
    /// A thread can't be started.
    #[error("can't start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// What was found at the start.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// The lanes that have lost records, by name.
    pub lost: Vec<LostLane>,
    /// The lanes with unacknowledged records, by name.
    pub lanes: Vec<RecoveredLane>,
    /// What was damaged.
    pub damage: Damage,
    /// Segments in use.
    pub segments: u64,
    /// Bytes of disk in use.
    pub used_bytes: u64,
    /// How the disk is written.
    pub disk: String,
}

/// A lane with unacknowledged records.
#[derive(Clone, Debug)]
pub struct RecoveredLane {
    /// The lane.
    pub lane: LaneId,
    /// Its name.
    pub name: Arc<[u8]>,
    /// LSN from which on there are unacknowledged records.
    pub first: Lsn,
    /// LSN of the last record.
    pub last: Lsn,
    /// How many records.
    pub events: u64,
    /// Their bytes, as far as segments tell.
    pub bytes: u64,
    /// Age of the oldest.
    pub oldest: Duration,
}

/// A lane that has lost records to damage of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostLane {
    /// Its name.
    pub name: Arc<[u8]>,
    /// How many at least, since the directory was made.
    pub events: u64,
    /// How many of them an earlier process has told of.
    pub before: u64,
    /// How long ago the oldest of them was stored, about.
    pub since: Option<Duration>,
}

impl LostLane {
    /// Whether an earlier process has told of all of it.
    pub fn is_known(&self) -> bool {
        self.events <= self.before
    }
}

/// Damage found at the start. Bodies aren't looked at then, so readers may find more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Stored records that are missing: between others of their lane, before its first, or up to where it is known to have been
    /// stored, a second before a crash or later. If watermarks are damaged too, what was acknowledged
    /// and taken away since the older ones is among them: it can't be told apart.
    pub lost_events: u64,
    /// Segments put aside for a header that is damaged or of another log.
    pub bad_headers: u32,
    /// Stretches of pages that should have been frames.
    pub bad_stretches: u32,
    /// Segments whose files are shorter than they were made.
    pub cut_segments: u32,
    /// Frames that were being written when the process or the machine stopped. No loss: nobody was promised them.
    pub torn_tails: u32,
    /// Segments that had to be scanned for want of a seal: after a crash or a failed write that is normal.
    pub scanned_segments: u32,
    /// Segments that couldn't be read; they are left for the next start.
    pub unreadable_files: u32,
    /// Damaged slots of the watermarks.
    pub bad_watermarks: u32,
}
