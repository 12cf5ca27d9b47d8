//! What an append is answered.

use std::io;
use std::time::Duration;

use super::{Position, Record};

/// Where the records of an append were stored, without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The first record.
    pub first: Position,
    /// How many there are.
    pub count: u32,
}

impl Appended {
    /// Where the record at `index` of the append stands.
    pub fn position(&self, index: u32) -> Position {
        debug_assert!(index < self.count);
        let Position { lsn, ordinal } = self.first;
        Position {
            lsn: lsn + u64::from(index),
            ordinal: ordinal + u64::from(index),
        }
    }

    /// Where the last record stands.
    pub fn last(&self) -> Position {
        self.position(self.count - 1)
    }
}

/// Why records weren't stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// More waits for the disk than may.
    #[error("{queued} bytes wait for the disk and {limit} may")]
    Busy {
        /// Bytes that wait.
        queued: u64,
        /// Bytes that may wait.
        limit: u64,
    },
    /// The quota or the file system is used up.
    #[error("no room for a new segment")]
    Full {
        /// When room is looked for again, at the latest.
        retry_in: Duration,
    },
    /// The disk fails.
    #[error("the disk fails")]
    Degraded {
        /// When it's probed again.
        retry_in: Duration,
    },
    /// The disk hangs.
    #[error("the disk has been hanging for {since:?}")]
    Stalled {
        /// How long.
        since: Duration,
    },
    /// The append was written twice and failed twice; it may or may not be read after a restart.
    #[error("the write failed: {0}")]
    Failed(io::ErrorKind),
    /// The append is larger than one may be; smaller parts of it are welcome.
    #[error("{bytes} bytes in one append, at most {limit}")]
    TooLarge {
        /// Bytes of the append.
        bytes: u64,
        /// Bytes that one append may have.
        limit: u64,
    },
    /// The lane isn't one of this log, or there is nothing to append.
    #[error("no such lane, or no records")]
    Invalid,
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
}

/// An append that wasn't begun: `done` won't be called, the records come back.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub why: AppendError,
    /// What was to be stored.
    pub records: Vec<Record>,
}
