//! The spill log: a durable, ordered log of opaque records in many lanes, on one disk, with group commit.
//!
//! ```text
//!  lane workers ──append──▶ inbox ──▶ writer ──one durable write──▶ segment ──▶ index ──▶ done(…)
//!                                       ▲ takes                                   │ published end
//!  steward ── spare files, watermarks ──┘                                         ▼
//!     ▲ released segments                                        reader ◀── run directories ── segments
//!     └──────────────────────────── acked ◀── lane workers ◀────────┘
//! ```
//!
//! - [`Log`] is what others hold: append, read, acknowledge, statistics, close. No call of it waits for the disk but
//!   [`LaneReader::read`] and [`Log::close`].
//! - The *writer*, one thread, drains the inbox into one frame and writes it. While it waits for the disk the next frame
//!   gathers: no timer. The *steward*, another thread, prepares the next file, takes released ones away and writes the
//!   watermarks. Both sleep without timers when there is nothing to do.
//!
//! # Promises
//!
//! 1. A record whose `done` said `Ok` survives kill -9 and power cuts, and is read back until it is acknowledged.
//! 2. Records of a lane are read in the order in which they were appended. After a crash some may be read again.
//! 3. Nothing is read that wasn't appended. A record whose `done` said `Err` may be read or not.
//! 4. Damage costs what it hit: a body its run, a run directory its frame. It is counted, and never stops the rest.
//! 5. A full, failing or hanging disk refuses new records at once, as data; what is stored can be read meanwhile. It heals itself.
//!
//! # The directory
//!
//! | file | what |
//! | --- | --- |
//! | `LOCK` | held with `flock` by the process that owns the directory |
//! | `%016x.seg` | a segment, by its number |
//! | `spare-%016x.tmp` | a preallocated file that becomes a segment; its content means nothing |
//! | `acks-0`, `acks-1` | the watermarks, written in turn; no file has to agree with them |
//! | `%016x.bad` | a segment put aside: damaged, and no longer needed or not understood |
//!
//! All numbers come from one counter and are never used twice.
//!
//! # The bytes
//!
//! Little endian; `crc` is CRC-32C; *keyed* means that the checksum begins with the log's id, so that no payload can pass
//! for a frame. Lengths are in bytes, times in milliseconds since 1970. A page has 4096 bytes. Unnamed bytes are zero.
//!
//! **Segment**: two copies of the header (a page each), frames, unused pages, and the seal at the very end.
//!
//! | header at | type | field |
//! | ---: | --- | --- |
//! | 0 | 8 bytes | `SPILSEG1` |
//! | 8 | u16 | format version, 1 |
//! | 16 | u128 | id of the log: random, made with the directory |
//! | 32 | u64 | number of the segment |
//! | 40 | u64 | epoch: grows with every start of the process |
//! | 48 | u64 | LSN; all in this segment are at least this |
//! | 56 | u64 | size of the file |
//! | 64 | u64, u64, u32 | the segment before it: number, end of its last frame, number of frames |
//! | 124 | u32 | crc of bytes 0..124, in this place in every version |
//!
//! **Frame**: one group commit. Header, run directory, bodies, zeros up to a page.
//!
//! | header at | type | field |
//! | ---: | --- | --- |
//! | 0 | 4 bytes | `SFRM` |
//! | 4 | u8 | 1 data, 2 seal |
//! | 8 | u32 | length of the frame, whole pages |
//! | 12 | u32 | number of runs |
//! | 16 | u64 | number of the segment: tells stale frames in a recycled file |
//! | 24 | u64 | LSN of the first record |
//! | 32 | u32 | number of records |
//! | 36 | u32 | length of the run directory |
//! | 40 | u64 | time of writing |
//! | 48 | u32 | crc of the run directory |
//! | 60 | u32 | keyed crc of bytes 0..60 |
//!
//! | run directory, per run at | type | field |
//! | ---: | --- | --- |
//! | 0 | u16 | length of the lane's name |
//! | 2 | u8 | codec: 0 plain |
//! | 4 | u32 | number of records |
//! | 8 | u32 | where the body begins in the frame |
//! | 12 | u32 | length of the body |
//! | 16 | u32 | its first record's place among the frame's records: LSN = the frame's + this |
//! | 20 | u64 | its first record's ordinal: how many of its lane were stored before it |
//! | 28 | u32 | crc of the body |
//! | 32 | bytes | the lane's name |
//!
//! | record in a body at | type | field |
//! | ---: | --- | --- |
//! | 0 | u16 | length of the metadata |
//! | 2 | u32 | length of the payload |
//! | 6 | bytes | metadata, payload |
//!
//! **Seal**: a frame of kind 2 whose directory is `u64` end of the last frame, `u32` number of frames, then per lane `u16`
//! length of its name, `u64` × 6 (first and last LSN, first ordinal, ordinal behind the last, bytes, time of the first),
//! and the name. The last 32 bytes of the file are `SPILSEAL`, `u64` number of the segment, `u32` length of the seal,
//! 8 zeros, keyed crc of these 28.
//!
//! **Watermarks**: at 0 `SPILACK1`, 8 `u16` version 1, 16 `u128` id of the log, 32 `u64` generation, 40 `u64` epoch,
//! 48 `u64` next LSN, 56 `u64` next file number, 64 `u32` number of lanes, 68 `u32` length, 76 `u32` crc of all but
//! itself; from 80 per lane `u16` length of its name, `u64` LSN, `u64` number of records acknowledged, and the name. Behind
//! them the *tallies*, which earlier versions neither wrote nor look at: `SPILENDS`, `u32` number of lanes, then per lane `u16` length
//! of its name, `u64` number of records stored, `u64` of those known to be lost, `u64` ordinal below which these are counted,
//! `u64` time of the oldest of them, and the name. Behind these, in the same order, what a process has told of: `SPILTOLD`, then per lane
//! `u64` number of records known to be lost, with those that no reader has come to.
//!
//! # LSNs and ordinals
//!
//! An LSN numbers records over all lanes; it orders a lane's records and is never used twice: a failed write burns its
//! numbers, a start skips 2^26 (more than one frame can hold) and begins no lower than the microseconds since 1970, which holds even when every file is
//! lost. An ordinal numbers the stored records of one lane without gaps, so a gap found on disk is a loss, and counted
//! exactly; also before the first record, if the watermarks are sound, for what they don't name was never acknowledged. How far
//! a lane goes is written down with the watermarks, once a second while records come, so that a loss at the very end is known as
//! well, but for the last second before a crash. What is lost is counted once, by its ordinals, however often it's found.
//! These are never used again. A frame written twice, because the first write failed, has the same LSNs; readers drop the second.
//!
//! # Recovery
//!
//! 1. Take the lock. Read the watermarks and all segment headers. A newer format is refused before anything is changed.
//! 2. A file with a bad header is put aside. One that can't be read stays where it is, for the next start.
//! 3. A segment with a seal is known by it. One without is scanned: a header must pass its keyed checksum, name this
//!    segment, and its directory must pass; else the scan goes on at the next page. Damage followed by a sound frame, or
//!    below the end that the next segment's header tells, is rot; behind that it is a torn tail, which nobody was
//!    promised. The last frame's bodies are checked too, because only the last one can be torn. Rot there, in the
//!    segment that was written last, can't be told from a torn tail.
//! 4. Old segments are never written again, not even to cut or seal them: recovery that fails can be repeated.
//!
//! # Errors
//!
//! A failed write means that nothing is known about its range, and no second sync can be trusted. The segment is left for
//! ever, the frame is written once more into a new one, and if that fails too its appends fail. No room, from the quota
//! or the file system, makes the log `Full`; other errors make it `Degraded`. A write to a file that somebody removed counts
//! as failed. A panic of the writer ends the process:
//! appends without answers would be worse.
//!
//! What is absent: nothing here knows events, Kafka or HTTP. Lanes are names, records are bytes.

mod acks;
mod append;
mod bell;
mod clock;
pub mod disk;
mod frame;
mod gaps;
mod inbox;
mod index;
mod inspect;
mod intake;
mod lane;
mod log;
mod opened;
mod part;
mod pieces;
mod reader;
mod real_disk;
mod record;
mod recover;
mod runs;
mod scan;
mod seal;
mod segment;
mod settings;
mod shared;
mod space;
mod stats;
mod steward;
mod survey;
mod threads;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

use bytes::Bytes;

pub use append::{AppendError, Appended, Batch, Refused};
pub use inspect::{InspectError, Inspection, Inspector};
pub use log::Log;
pub use opened::{Damage, LostLane, OpenError, Recovered, RecoveredLane};
pub use part::{Part, PartOf};
pub use reader::{LaneReader, ReadError, Stored};
pub use real_disk::{Mode, RealDisk};
pub use settings::Settings;
pub use stats::{Backlog, State, Stats};
pub use threads::CloseError;

/// Number of a record in the log.
pub type Lsn = u64;

/// A lane of an open log; [`Log::lane`] gives it for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub(crate) u32);

/// Where a record stands; positions of one lane are ordered like its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Its number in the log.
    pub lsn: Lsn,
    /// Its number among the stored records of its lane, without gaps.
    pub ordinal: u64,
}

/// Opaque bytes to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the caller needs beside the payload, at most 65,535 bytes.
    pub meta: Bytes,
    /// The payload.
    pub payload: Bytes,
}
