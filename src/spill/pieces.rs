//! Reads a run in pieces, so that a lane that is read back holds little of it, however large it is.
//!
//! A run has one checksum. So it's read twice: once to check it as a whole, keeping a checksum of each piece, and then piece
//! by piece, from the page cache as a rule. What is given out was checked by both.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::disk::{Cache, File, read_exact};
use super::record::RECORD;
use super::runs::{OpenSegment, RunAt};

/// Bytes of a piece. Tiny in tests, so that every run has several.
const PIECE: usize = if cfg!(test) { 1 << 10 } else { 64 << 10 };

/// A sound run that is being read.
pub(super) struct Pieces {
    segment: u64,
    file: Arc<dyn File>,
    run: RunAt,
    cache: Cache,
    /// Checksums of the pieces that weren't read yet.
    crcs: VecDeque<u32>,
    /// Where the next piece begins, counted from the run's beginning.
    at: u32,
    /// The beginning of a record whose end is in the next piece.
    carry: Vec<u8>,
    /// Records that were read.
    records: u32,
}

impl Pieces {
    /// Checks the run; none if it's damaged. The disk is asked a second time, past the page cache, before that is said.
    pub(super) fn check(open: &OpenSegment, run: &RunAt) -> io::Result<Option<Pieces>> {
        let check = |cache| {
            let crcs = checksums(&*open.file, run, cache)?;
            Ok(crcs.map(|crcs| Pieces {
                segment: open.id,
                file: Arc::clone(&open.file),
                run: *run,
                cache,
                crcs,
                at: 0,
                carry: Vec::new(),
                records: 0,
            }))
        };
        match check(Cache::Allowed) {
            Ok(Some(pieces)) => Ok(Some(pieces)),
            Ok(None) | Err(_) => check(Cache::Avoided),
        }
    }

    /// The run.
    pub(super) fn run(&self) -> &RunAt {
        &self.run
    }

    /// The segment that it's in.
    pub(super) fn segment(&self) -> u64 {
        self.segment
    }

    /// Bytes of the record whose end is still to come.
    pub(super) fn carried(&self) -> usize {
        self.carry.len()
    }

    /// How many of its records were given out.
    pub(super) fn records(&self) -> u32 {
        self.records
    }

    /// The metadata and payloads of the records that end in the next piece; none if nothing is left. An error leaves
    /// everything as it was.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<(Bytes, Bytes)>>> {
        let Some(crc) = self.crcs.front() else {
            let is_complete = self.records == self.run.count && self.carry.is_empty();
            return if is_complete {
                Ok(None)
            } else {
                Err(changed())
            };
        };
        let len = PIECE.min((self.run.len - self.at) as usize);
        let start = self.carry.len();
        let mut bytes = Vec::with_capacity(start + len);
        bytes.extend_from_slice(&self.carry);
        bytes.resize(start + len, 0);
        let offset = u64::from(self.run.offset) + u64::from(self.at);
        let mut read = |cache| {
            read_exact(&*self.file, offset, &mut bytes[start..], cache)?;
            let is_same = crc32c::crc32c(&bytes[start..]) == *crc;
            is_same.then_some(()).ok_or_else(changed)
        };
        read(self.cache).or_else(|_| read(Cache::Avoided))?;
        self.crcs.pop_front();
        self.at += len as u32;
        let mut bytes = Bytes::from(bytes);
        let mut records = Vec::new();
        while let Some(record) = split_record(&mut bytes) {
            records.push(record);
        }
        self.carry = bytes.to_vec();
        self.records += records.len() as u32;
        Ok(Some(records))
    }
}

fn changed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a run is not what it was when it was checked",
    )
}

/// The checksums of a run's pieces, if that of the whole is right.
fn checksums(file: &dyn File, run: &RunAt, cache: Cache) -> io::Result<Option<VecDeque<u32>>> {
    let (mut whole, mut crcs, mut at) = (0, VecDeque::new(), 0);
    let mut piece = vec![0; PIECE.min(run.len as usize)];
    while at < run.len {
        let len = PIECE.min((run.len - at) as usize);
        let piece = &mut piece[..len];
        let offset = u64::from(run.offset) + u64::from(at);
        read_exact(file, offset, piece, cache)
            .or_else(|_| read_exact(file, offset, piece, Cache::Avoided))?;
        whole = crc32c::crc32c_append(whole, piece);
        crcs.push_back(crc32c::crc32c(piece));
        at += len as u32;
    }
    Ok((whole == run.crc).then_some(crcs))
}

/// Takes the first record off, if it's there as a whole.
fn split_record(bytes: &mut Bytes) -> Option<(Bytes, Bytes)> {
    let mut head = bytes.get(..RECORD)?;
    let meta = head.get_u16_le() as usize;
    let payload = head.get_u32_le() as usize;
    if bytes.len() - RECORD < meta.checked_add(payload)? {
        return None;
    }
    bytes.advance(RECORD);
    let meta = bytes.split_to(meta);
    Some((meta, bytes.split_to(payload)))
}
