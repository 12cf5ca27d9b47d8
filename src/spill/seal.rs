//! The seal: a summary at the very end of a full segment, so that opening the log needn't read its frames. Pure: no I/O.
//!
//! It is a cache. Where it is missing or damaged, the segment is scanned instead.

use bytes::Buf;

use super::Lsn;
use super::frame::{self, Buffer, HEADER, Kind, pages};

const TRAILER: usize = 32;
const MAGIC: &[u8; 8] = b"SPILSEAL";
const LANE: usize = 50;

/// What one segment holds of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) segment: u64,
    pub(super) first_lsn: Lsn,
    pub(super) last_lsn: Lsn,
    /// Ordinal of its first record.
    pub(super) first: u64,
    /// Ordinal behind its last record.
    pub(super) end: u64,
    /// Bytes of its bodies.
    pub(super) bytes: u64,
    /// When its first record was written.
    pub(super) since_ms: u64,
}

/// A segment's summary.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) segment: u64,
    /// Where its last frame ends.
    pub(super) end: u64,
    pub(super) frames: u32,
    pub(super) lanes: Vec<(Box<[u8]>, Span)>,
}

/// Bytes that a seal of these lanes takes, given the sum of their names' lengths.
pub(super) fn len(lanes: usize, names: usize) -> usize {
    pages(HEADER + 12 + lanes * LANE + names + TRAILER)
}

/// Encodes a seal. Its last byte is the last byte of the segment.
pub(super) fn encode(seal: &Seal, log_id: u128, written_ms: u64) -> Buffer {
    let names: usize = seal.lanes.iter().map(|(name, _)| name.len()).sum();
    let total = len(seal.lanes.len(), names);
    let mut body = Vec::with_capacity(total);
    body.extend_from_slice(&seal.end.to_le_bytes());
    body.extend_from_slice(&seal.frames.to_le_bytes());
    for (name, span) in &seal.lanes {
        body.extend_from_slice(&(name.len() as u16).to_le_bytes());
        for value in [
            span.first_lsn,
            span.last_lsn,
            span.first,
            span.end,
            span.bytes,
            span.since_ms,
        ] {
            body.extend_from_slice(&value.to_le_bytes());
        }
        body.extend_from_slice(name);
    }
    let mut buffer = Buffer::zeroed(total);
    let bytes = buffer.bytes_mut();
    bytes[HEADER..HEADER + body.len()].copy_from_slice(&body);
    let header = frame::Header {
        kind: Kind::Seal,
        total_len: total as u32,
        run_count: seal.lanes.len() as u32,
        segment: seal.segment,
        base_lsn: 0,
        event_count: 0,
        directory_len: body.len() as u32,
        written_ms,
        directory_crc: crc32c::crc32c(&body),
    };
    header.encode(log_id, bytes);
    let mut trailer = [0; TRAILER];
    trailer[0..8].copy_from_slice(MAGIC);
    trailer[8..16].copy_from_slice(&seal.segment.to_le_bytes());
    trailer[16..20].copy_from_slice(&(total as u32).to_le_bytes());
    let crc = frame::keyed_crc(log_id, &trailer[..28]);
    trailer[28..].copy_from_slice(&crc.to_le_bytes());
    bytes[total - TRAILER..].copy_from_slice(&trailer);
    buffer
}

/// How long the seal is whose last bytes are `tail`, if there is one.
pub(super) fn trailer(log_id: u128, segment: u64, tail: &[u8]) -> Option<u32> {
    let bytes = &tail[tail.len().checked_sub(TRAILER)?..];
    let sound = &bytes[..8] == MAGIC
        && (&bytes[8..]).get_u64_le() == segment
        && (&bytes[28..]).get_u32_le() == frame::keyed_crc(log_id, &bytes[..28]);
    sound.then(|| (&bytes[16..]).get_u32_le())
}

/// The seal in `bytes`, which begin with its frame header.
pub(super) fn decode(log_id: u128, segment: u64, bytes: &[u8]) -> Option<Seal> {
    let header = frame::Header::decode(log_id, bytes)?;
    let mut rest = bytes.get(HEADER..header.head_len())?;
    let matches = header.kind == Kind::Seal
        && header.segment == segment
        && crc32c::crc32c(rest) == header.directory_crc;
    if !matches || rest.len() < 12 {
        return None;
    }
    let (end, frames) = (rest.get_u64_le(), rest.get_u32_le());
    let mut lanes = Vec::new();
    for _ in 0..header.run_count {
        if rest.len() < LANE {
            return None;
        }
        let name_len = rest.get_u16_le() as usize;
        let span = Span {
            segment,
            first_lsn: rest.get_u64_le(),
            last_lsn: rest.get_u64_le(),
            first: rest.get_u64_le(),
            end: rest.get_u64_le(),
            bytes: rest.get_u64_le(),
            since_ms: rest.get_u64_le(),
        };
        let (name, after) = rest.split_at_checked(name_len)?;
        rest = after;
        lanes.push((name.into(), span));
    }
    rest.is_empty().then_some(Seal {
        segment,
        end,
        frames,
        lanes,
    })
}
