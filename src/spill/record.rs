//! A record in a run's body, to and from bytes. Pure: no I/O, no clock.

use bytes::{Buf, Bytes};

use super::Record;

/// What stands before each record's bytes.
pub(super) const RECORD: usize = 6;

/// Bytes of a record in a run's body.
pub(super) fn record_len(record: &Record) -> usize {
    RECORD + record.meta.len() + record.payload.len()
}

/// The records of a run's body (`meta`, `payload`), or `None` if it isn't `count` whole records.
pub(super) fn decode_body(mut body: Bytes, count: u32) -> Option<Vec<(Bytes, Bytes)>> {
    if (count as usize).checked_mul(RECORD)? > body.len() {
        return None;
    }
    let mut records = Vec::with_capacity(count as usize);
    for _ in 0..count {
        if body.len() < RECORD {
            return None;
        }
        let meta_len = body.get_u16_le() as usize;
        let payload_len = body.get_u32_le() as usize;
        if meta_len.checked_add(payload_len)? > body.len() {
            return None;
        }
        let meta = body.split_to(meta_len);
        records.push((meta, body.split_to(payload_len)));
    }
    body.is_empty().then_some(records)
}

/// Writes what stands before a record's bytes; false if they are more than it can tell.
pub(super) fn put_head(out: &mut [u8], meta: usize, payload: usize) -> bool {
    let (Ok(meta), Ok(payload)) = (u16::try_from(meta), u32::try_from(payload)) else {
        return false;
    };
    out[0..2].copy_from_slice(&meta.to_le_bytes());
    out[2..RECORD].copy_from_slice(&payload.to_le_bytes());
    true
}
