//! An event as a record of the spill log, and back.
//!
//! | field | type | |
//! | --- | --- | --- |
//! | version | u8 | 1 |
//! | flags | u8 | 1: there is a key; 2: there is an id for the header `event-id` |
//! | received | i64 | time of arrival, milliseconds since the Unix epoch |
//! | id | 16 bytes | if flagged |
//! | key length, key | u32, bytes | if flagged |
//! | value | the rest | byte for byte as sent |
//!
//! Integers are little-endian.

use uuid::Uuid;

use super::{Event, Key};

const VERSION: u8 = 1;
const HAS_KEY: u8 = 1;
const HAS_ID: u8 = 2;

/// Why a record can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A version of forebay that came later wrote it.
    #[error("the record has version {0}, and this forebay knows version {VERSION} only")]
    Version(u8),
    /// It ends too early.
    #[error("the record is cut off")]
    Short,
}

/// Writes the event that stands in `body` to the end of `record`.
pub fn encode(event: &Event, body: &[u8], received_ms: i64, record: &mut Vec<u8>) {
    let (key, value) = (event.key.bytes(body), event.value(body));
    record.reserve(30 + key.map_or(0, <[u8]>::len) + value.len());
    let flags = if key.is_some() { HAS_KEY } else { 0 }
        | if event.header_id.is_some() { HAS_ID } else { 0 };
    record.extend_from_slice(&[VERSION, flags]);
    record.extend_from_slice(&received_ms.to_le_bytes());
    if let Some(id) = event.header_id {
        record.extend_from_slice(id.as_bytes());
    }
    if let Some(key) = key {
        record.extend_from_slice(&(key.len() as u32).to_le_bytes());
        record.extend_from_slice(key);
    }
    record.extend_from_slice(value);
}

/// Reads the record that stands at `start` to `end` of `body`: the event, and when it arrived.
pub fn decode(body: &[u8], start: u32, end: u32, index: u32) -> Result<(Event, i64), WireError> {
    let mut at = start as usize;
    let mut take = |count: usize| {
        let bytes = body
            .get(at..at + count)
            .filter(|_| at + count <= end as usize);
        at += count;
        bytes.ok_or(WireError::Short)
    };
    let version = take(1)?[0];
    if version != VERSION {
        return Err(WireError::Version(version));
    }
    let flags = take(1)?[0];
    let received_ms = i64::from_le_bytes(array(take(8)?)?);
    let header_id = if flags & HAS_ID != 0 {
        Some(Uuid::from_bytes(array(take(16)?)?))
    } else {
        None
    };
    let key_length = if flags & HAS_KEY != 0 {
        Some(u32::from_le_bytes(array(take(4)?)?))
    } else {
        None
    };
    if let Some(length) = key_length {
        take(length as usize)?;
    }
    let value_start = at as u32;
    let key = key_length.map_or(Key::None, |length| {
        Key::Within(value_start - length, value_start)
    });
    Ok((
        Event {
            index,
            start: value_start,
            end,
            key,
            header_id,
        },
        received_ms,
    ))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], WireError> {
    bytes.try_into().map_err(|_| WireError::Short)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(
            value in proptest::collection::vec(any::<u8>(), 0..50),
            key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
            id in proptest::option::of(any::<u128>()),
            received_ms in any::<i64>(),
        ) {
            let key = key.map_or(Key::None, |key| Key::Apart(key.into()));
            let header_id = id.map(Uuid::from_u128);
            let event = Event { index: 0, start: 0, end: value.len() as u32, key, header_id };
            let mut record = Vec::new();
            encode(&event, &value, received_ms, &mut record);
            let body = [b"xx", &record[..], b"yy"].concat();
            let (read, at) = decode(&body, 2, 2 + record.len() as u32, 7).unwrap();
            prop_assert_eq!(read.value(&body), &value[..]);
            prop_assert_eq!(read.key.bytes(&body), event.key.bytes(&value));
            prop_assert_eq!((read.header_id, at, read.index), (header_id, received_ms, 7));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            drop(decode(&bytes, 0, bytes.len() as u32, 0));
        }
    }
}
