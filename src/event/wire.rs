//! An event as a record of the spill log, and back.
//!
//! | field | type | |
//! | --- | --- | --- |
//! | version | u8 | 1, or 2 if one of the flags from 4 on is set |
//! | flags | u8 | 1: there is a key; 2: there is an id for the header `event-id`; 4: there are headers; 8: the record has a timestamp of its own; 16: its value is Kafka's null |
//! | received | i64 | time of arrival, milliseconds since the Unix epoch |
//! | id | 16 bytes | if flagged |
//! | timestamp | i64 | if flagged; milliseconds since the Unix epoch |
//! | key length, key | u32, bytes | if flagged |
//! | headers length, headers | u32, bytes | if flagged; see [`super::headers`] |
//! | value | the rest | byte for byte as sent |
//!
//! Integers are little-endian. An event that needs none of version 2 is written as version 1, which an earlier forebay reads.

use std::sync::Arc;

use uuid::Uuid;

use super::{Event, Extra, Headers, Key, headers};

/// Of a record without anything that version 2 brought.
const VERSION_1: u8 = 1;
/// The newest version.
const VERSION: u8 = 2;
const HAS_KEY: u8 = 1;
const HAS_ID: u8 = 2;
const HAS_HEADERS: u8 = 4;
const HAS_TIMESTAMP: u8 = 8;
const IS_NULL: u8 = 16;
/// All flags of version 2.
const FLAGS: u8 = HAS_KEY | HAS_ID | HAS_HEADERS | HAS_TIMESTAMP | IS_NULL;

/// Why a record can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A version of forebay that came later wrote it.
    #[error(
        "the record has version {0}, and this forebay knows version {VERSION} and earlier ones only"
    )]
    Version(u8),
    /// It has parts of which this version of forebay knows nothing.
    #[error("the record has flags {0:#04x}, and this forebay knows {FLAGS:#04x} only")]
    Flags(u8),
    /// It ends too early.
    #[error("the record is cut off")]
    Short,
    /// Its headers aren't what they should be.
    #[error("the record's headers are broken")]
    Headers,
}

/// Writes the event that stands in `body` to the end of `record`.
pub fn encode(event: &Event, body: &[u8], received_ms: i64, record: &mut Vec<u8>) {
    let key = event.key.bytes(body);
    let value = event.record_value(body).unwrap_or_default();
    record.reserve(30 + key.map_or(0, <[u8]>::len) + value.len());
    let flags = if key.is_some() { HAS_KEY } else { 0 }
        | if event.header_id.is_some() { HAS_ID } else { 0 };
    let extra = event.extra.as_deref();
    let flags_of_extra = extra.map_or(0, flags_of);
    let version = if flags_of_extra == 0 {
        VERSION_1
    } else {
        VERSION
    };
    record.extend_from_slice(&[version, flags | flags_of_extra]);
    record.extend_from_slice(&received_ms.to_le_bytes());
    if let Some(id) = event.header_id {
        record.extend_from_slice(id.as_bytes());
    }
    if let Some(timestamp_ms) = event.timestamp_ms() {
        record.extend_from_slice(&timestamp_ms.to_le_bytes());
    }
    if let Some(key) = key {
        append(key, record);
    }
    if flags_of_extra & HAS_HEADERS != 0 {
        append(event.header_block(body), record);
    }
    record.extend_from_slice(value);
}

fn flags_of(extra: &Extra) -> u8 {
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    flag(!extra.headers.is_empty(), HAS_HEADERS)
        | flag(extra.timestamp_ms.is_some(), HAS_TIMESTAMP)
        | flag(extra.is_null, IS_NULL)
}

fn append(bytes: &[u8], record: &mut Vec<u8>) {
    record.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    record.extend_from_slice(bytes);
}

/// Reads the record that stands at `start` to `end` of `body`: the event, and when it arrived.
pub fn decode(body: &[u8], start: u32, end: u32, index: u32) -> Result<(Event, i64), WireError> {
    let mut left = Left {
        body,
        at: start,
        end,
    };
    let version = left.number::<1>()?[0];
    if version != VERSION_1 && version != VERSION {
        return Err(WireError::Version(version));
    }
    let flags = left.number::<1>()?[0];
    if version == VERSION && flags & !FLAGS != 0 {
        return Err(WireError::Flags(flags));
    }
    let has = |flag: u8| flags & flag != 0;
    let has_2 = |flag: u8| version == VERSION && has(flag);
    let received_ms = i64::from_le_bytes(left.number()?);
    let id = has(HAS_ID).then(|| left.number()).transpose()?;
    let timestamp_ms = has_2(HAS_TIMESTAMP).then(|| left.number()).transpose()?;
    let key = has(HAS_KEY).then(|| left.range()).transpose()?;
    let block = has_2(HAS_HEADERS).then(|| left.range()).transpose()?;
    let extra = Extra {
        headers: block.map_or(Headers::None, |(start, end)| Headers::Within(start, end)),
        timestamp_ms: timestamp_ms.map(i64::from_le_bytes),
        is_null: has_2(IS_NULL),
    };
    if !headers::is_whole(extra.headers.block(body)) {
        return Err(WireError::Headers);
    }
    let event = Event {
        index,
        start: left.at,
        end,
        key: key.map_or(Key::None, |(start, end)| Key::Within(start, end)),
        header_id: id.map(Uuid::from_bytes),
        extra: (version == VERSION).then(|| Arc::new(extra)),
    };
    if event.start != end && event.record_value(body).is_none() {
        return Err(WireError::Flags(flags));
    }
    Ok((event, received_ms))
}

/// What is left of a record that is being read.
struct Left<'a> {
    body: &'a [u8],
    at: u32,
    end: u32,
}

impl Left<'_> {
    fn take(&mut self, count: u32) -> Result<&[u8], WireError> {
        let start = self.at;
        let end = start.checked_add(count).filter(|end| *end <= self.end);
        self.at = end.ok_or(WireError::Short)?;
        let bytes = self.body.get(start as usize..self.at as usize);
        bytes.ok_or(WireError::Short)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let bytes = self.take(N as u32)?;
        bytes.try_into().map_err(|_| WireError::Short)
    }

    /// Where the bytes are whose length is next.
    fn range(&mut self) -> Result<(u32, u32), WireError> {
        let length = u32::from_le_bytes(self.number()?);
        let start = self.at;
        self.take(length)?;
        Ok((start, self.at))
    }
}

#[cfg(test)]
mod tests;
