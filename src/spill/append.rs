//! What is appended, and what an append is answered.

use std::io;
use std::time::Duration;

use super::record::{RECORD, put_head, record_len};
use super::{Position, Record};

/// Records of one lane, as bytes in the form that the log stores, so that the writer copies them all at once.
#[derive(Debug, Default)]
pub struct Batch {
    body: Vec<u8>,
    count: u32,
    /// A record was added that has no such form.
    is_invalid: bool,
}

impl Batch {
    /// A batch with room for `bytes` of records, 6 for each one beside its own.
    pub fn with_capacity(bytes: usize) -> Batch {
        Batch {
            body: Vec::with_capacity(bytes),
            ..Batch::default()
        }
    }

    /// Adds a record without metadata; `write` puts its payload at the end of what it's given.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.body.len();
        self.body.extend_from_slice(&[0; RECORD]);
        write(&mut self.body);
        let payload = self.body.len() - start - RECORD;
        self.is_invalid |= !put_head(&mut self.body[start..], 0, payload);
        self.count += 1;
    }

    fn push_record(&mut self, record: &Record) {
        let start = self.body.len();
        let (meta, payload) = (&record.meta, &record.payload);
        self.body.extend_from_slice(&[0; RECORD]);
        self.body.extend_from_slice(meta);
        self.body.extend_from_slice(payload);
        self.is_invalid |= !put_head(&mut self.body[start..], meta.len(), payload.len());
        self.count += 1;
    }

    /// Bytes of the records as they are stored: 6 for each beside its metadata and payload.
    pub fn bytes(&self) -> u64 {
        self.body.len() as u64
    }

    /// How many records there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether this can be stored at all.
    pub(super) fn is_valid(&self) -> bool {
        self.count > 0 && !self.is_invalid
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }
}

impl From<&[Record]> for Batch {
    fn from(records: &[Record]) -> Batch {
        let bytes = records.iter().map(record_len).sum();
        let mut batch = Batch::with_capacity(bytes);
        for record in records {
            batch.push_record(record);
        }
        batch
    }
}

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
    /// The lane's part of the log is used up.
    #[error("the lane's part of the log has {used} bytes, and {limit} may wait")]
    PartFull {
        /// Bytes that wait.
        used: u64,
        /// Bytes that may wait.
        limit: u64,
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
