//! A frame, everything that one group commit writes, to and from bytes. Pure: no I/O, no clock.
//!
//! The layout is in the table of [`super`]. A frame begins on a page and fills whole pages, so that writing a new one
//! never touches a sector that holds something acknowledged.

use bytes::Buf;

use super::{Batch, Lsn};

/// Frames begin and end on multiples of this.
pub(super) const PAGE: usize = 4096;
/// Length of a frame's header.
pub(super) const HEADER: usize = 64;
/// What stands before the lane's name in an entry of the run directory.
const ENTRY: usize = 32;
const MAGIC: &[u8; 4] = b"SFRM";
const PLAIN: u8 = 0;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Runs of records.
    Data,
    /// The summary at the end of a segment.
    Seal,
}

/// The head of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) total_len: u32,
    pub(super) run_count: u32,
    pub(super) segment: u64,
    pub(super) base_lsn: Lsn,
    pub(super) event_count: u32,
    pub(super) directory_len: u32,
    pub(super) written_ms: u64,
    pub(super) directory_crc: u32,
}

/// `len` rounded up to whole pages.
pub(super) fn pages(len: usize) -> usize {
    len.next_multiple_of(PAGE)
}

/// CRC-32C that begins with the log's id: bytes of another log, or forged ones inside a payload, don't pass.
pub(super) fn keyed_crc(log_id: u128, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&log_id.to_le_bytes()), bytes)
}

impl Header {
    /// Writes the header to the first bytes of `out`.
    pub(super) fn encode(&self, log_id: u128, out: &mut [u8]) {
        let mut bytes = [0; HEADER];
        bytes[0..4].copy_from_slice(MAGIC);
        bytes[4] = match self.kind {
            Kind::Data => 1,
            Kind::Seal => 2,
        };
        bytes[8..12].copy_from_slice(&self.total_len.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.run_count.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.segment.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.base_lsn.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.event_count.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.directory_len.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.written_ms.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.directory_crc.to_le_bytes());
        let crc = keyed_crc(log_id, &bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        out[..HEADER].copy_from_slice(&bytes);
    }

    /// The header at the beginning of `bytes`, if there is a sound one.
    pub(super) fn decode(log_id: u128, bytes: &[u8]) -> Option<Header> {
        let bytes = bytes.get(..HEADER)?;
        if &bytes[..4] != MAGIC || keyed_crc(log_id, &bytes[..60]) != (&bytes[60..]).get_u32_le() {
            return None;
        }
        let mut rest = &bytes[8..];
        let header = Header {
            kind: match bytes[4] {
                1 => Kind::Data,
                2 => Kind::Seal,
                _ => return None,
            },
            total_len: rest.get_u32_le(),
            run_count: rest.get_u32_le(),
            segment: rest.get_u64_le(),
            base_lsn: rest.get_u64_le(),
            event_count: rest.get_u32_le(),
            directory_len: rest.get_u32_le(),
            written_ms: rest.get_u64_le(),
            directory_crc: rest.get_u32_le(),
        };
        let fits = HEADER as u64 + u64::from(header.directory_len) <= u64::from(header.total_len);
        let whole = (header.total_len as usize).is_multiple_of(PAGE) && header.total_len > 0;
        let countable = header.base_lsn.checked_add(header.event_count.into());
        (fits && whole && countable.is_some()).then_some(header)
    }

    /// Length of header and directory.
    pub(super) fn head_len(&self) -> usize {
        HEADER + self.directory_len as usize
    }
}

/// One lane's records inside a frame, as the run directory has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run<'a> {
    pub(super) lane: &'a [u8],
    /// LSN of its first record; the others follow without gaps.
    pub(super) first_lsn: Lsn,
    /// How many records of this lane were stored before it.
    pub(super) ordinal: u64,
    pub(super) count: u32,
    /// Where its body begins in the frame.
    pub(super) offset: u32,
    pub(super) len: u32,
    pub(super) crc: u32,
}

/// The runs of a data frame, or `None` if the directory doesn't match the header.
pub(super) fn decode_directory<'a>(header: &Header, directory: &'a [u8]) -> Option<Vec<Run<'a>>> {
    if crc32c::crc32c(directory) != header.directory_crc
        || (header.run_count as usize).checked_mul(ENTRY)? > directory.len()
    {
        return None;
    }
    let mut runs = Vec::with_capacity(header.run_count as usize);
    let mut rest = directory;
    for _ in 0..header.run_count {
        if rest.len() < ENTRY {
            return None;
        }
        let name_len = rest.get_u16_le() as usize;
        let codec = rest.get_u8();
        rest.advance(1);
        let count = rest.get_u32_le();
        let offset = rest.get_u32_le();
        let len = rest.get_u32_le();
        let first_index = rest.get_u32_le();
        let ordinal = rest.get_u64_le();
        let crc = rest.get_u32_le();
        let (lane, after) = rest.split_at_checked(name_len)?;
        rest = after;
        let in_frame = offset.checked_add(len)? <= header.total_len
            && first_index.checked_add(count)? <= header.event_count
            && ordinal.checked_add(count.into()).is_some();
        if codec != PLAIN || count == 0 || lane.is_empty() || !in_frame {
            return None;
        }
        let first_lsn = header.base_lsn + u64::from(first_index);
        runs.push(Run {
            lane,
            first_lsn,
            ordinal,
            count,
            offset,
            len,
            crc,
        });
    }
    rest.is_empty().then_some(runs)
}

/// Bytes that a run adds to a frame beside its body.
pub(super) fn entry_len(lane: &[u8]) -> usize {
    ENTRY + lane.len()
}

/// A run to be written: its lane, the ordinal of its first record, and its records in order, batch by batch.
pub(super) struct NewRun<'a> {
    pub(super) lane: &'a [u8],
    pub(super) ordinal: u64,
    pub(super) batches: Vec<&'a Batch>,
}

/// Encodes a data frame into `buffer`. The header still lacks its segment: see [`address`].
pub(super) fn encode(buffer: &mut Buffer, base_lsn: Lsn, written_ms: u64, runs: &[NewRun<'_>]) {
    let directory_len: usize = runs.iter().map(|run| entry_len(run.lane)).sum();
    let batches = runs.iter().flat_map(|run| &run.batches);
    let bodies: usize = batches.map(|batch| batch.body().len()).sum();
    let total_len = pages(HEADER + directory_len + bodies);
    let frame = buffer.reset(total_len);
    let (head, tail) = frame.split_at_mut(HEADER + directory_len);
    let directory = &mut head[HEADER..];
    let (mut entry_at, mut body_at, mut first_index) = (0, 0, 0u32);
    for run in runs {
        let start = body_at;
        let mut count = 0;
        for batch in &run.batches {
            let body = batch.body();
            tail[body_at..body_at + body.len()].copy_from_slice(body);
            body_at += body.len();
            count += batch.count();
        }
        let mut entry = [0; ENTRY];
        entry[0..2].copy_from_slice(&(run.lane.len() as u16).to_le_bytes());
        entry[2] = PLAIN;
        entry[4..8].copy_from_slice(&u32::to_le_bytes(count));
        entry[8..12].copy_from_slice(&((HEADER + directory_len + start) as u32).to_le_bytes());
        entry[12..16].copy_from_slice(&((body_at - start) as u32).to_le_bytes());
        entry[16..20].copy_from_slice(&first_index.to_le_bytes());
        entry[20..28].copy_from_slice(&run.ordinal.to_le_bytes());
        entry[28..32].copy_from_slice(&crc32c::crc32c(&tail[start..body_at]).to_le_bytes());
        directory[entry_at..entry_at + ENTRY].copy_from_slice(&entry);
        entry_at += ENTRY;
        directory[entry_at..entry_at + run.lane.len()].copy_from_slice(run.lane);
        entry_at += run.lane.len();
        first_index += count;
    }
    tail[body_at..].fill(0);
    let directory_crc = crc32c::crc32c(directory);
    let header = Header {
        kind: Kind::Data,
        total_len: total_len as u32,
        run_count: runs.len() as u32,
        segment: 0,
        base_lsn,
        event_count: first_index,
        directory_len: directory_len as u32,
        written_ms,
        directory_crc,
    };
    buffer.header = Some(header);
}

/// Writes the header of the frame in `buffer` for the segment that it goes to.
pub(super) fn address(buffer: &mut Buffer, log_id: u128, segment: u64) {
    if let Some(mut header) = buffer.header.clone() {
        header.segment = segment;
        header.encode(log_id, buffer.bytes_mut());
    }
}

/// Bytes that begin on a page in memory, as direct I/O wants them; reused from frame to frame.
#[derive(Default)]
pub(super) struct Buffer {
    raw: Vec<u8>,
    start: usize,
    len: usize,
    header: Option<Header>,
}

impl Buffer {
    /// Above this much, memory isn't kept for the next frame.
    const KEEP: usize = 8 << 20;

    /// A buffer of `len` bytes; what they are is unspecified.
    pub(super) fn reset(&mut self, len: usize) -> &mut [u8] {
        if self.raw.len() < len + PAGE || self.raw.len() > Self::KEEP.max(len + PAGE) {
            self.raw = vec![0; (len + PAGE).next_power_of_two()];
        }
        self.start = self.raw.as_ptr().align_offset(PAGE).min(PAGE);
        self.len = len;
        self.header = None;
        self.bytes_mut()
    }

    /// A buffer of `len` zeros.
    pub(super) fn zeroed(len: usize) -> Buffer {
        let mut buffer = Buffer::default();
        buffer.reset(len).fill(0);
        buffer
    }

    /// What it holds.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.raw[self.start..self.start + self.len]
    }

    /// What it holds.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.raw[self.start..self.start + self.len]
    }
}
