//! An event as it travels: a range of its request's body, its key, and what the record needs beside them.
//!
//! The bytes are never copied, rewritten or merged: the Kafka value is the body's range as it was sent. A key that many
//! events of a request have in common is there once.

pub mod headers;
pub mod wire;

use std::sync::Arc;

use uuid::Uuid;

pub use headers::Headers;

/// What an event costs beside its bytes while it waits: our bookkeeping (about 100 bytes), librdkafka's message (176
/// bytes, measured), its part of the request that is being sent, and librdkafka's copy of a key as long as usual.
pub const OVERHEAD_BYTES: u64 = 384;

/// A key up to here is in [`OVERHEAD_BYTES`].
const USUAL_KEY_BYTES: u64 = 64;

/// What a key is charged beside what each event is.
pub fn unusual_bytes(key: usize) -> u64 {
    (key as u64).saturating_sub(USUAL_KEY_BYTES)
}

/// What an [`Extra`] costs: itself, librdkafka's list of headers, and what a block's memory may be larger than the blocks in it.
const EXTRA_BYTES: u64 = 288;
/// What a header costs in librdkafka beside its name and its value.
const HEADER_BYTES: u64 = 64;

/// What few records have beside a value, a key, an id and the time of arrival. Events that have the same may share one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Record headers.
    pub headers: Headers,
    /// The record's timestamp, in milliseconds since the Unix epoch, where it isn't the time of arrival.
    pub timestamp_ms: Option<i64>,
    /// The value is Kafka's null, which isn't the same as an empty one; the event's range is empty then.
    pub is_null: bool,
}

impl Extra {
    /// Bytes that count beside value and key wherever events are counted, and for what a topic takes.
    pub fn weight(&self) -> u64 {
        self.headers.len().into()
    }

    /// What it is charged beside what each event is. librdkafka copies the headers of each event, whoever shares them here.
    pub fn overhead_bytes(&self, body: &[u8]) -> u64 {
        let block = self.headers.block(body);
        let is_apart = matches!(self.headers, Headers::Apart(_));
        let copies = if is_apart { 2 } else { 1 };
        let count = headers::count(block);
        EXTRA_BYTES + count * HEADER_BYTES + block.len() as u64 * copies
    }
}

/// One event of a request.
#[derive(Debug)]
pub struct Event {
    /// Position among the events of the request as the client sent them, from 0.
    pub index: u32,
    /// Where the event begins in the body.
    pub start: u32,
    /// Where it ends in the body, exclusive.
    pub end: u32,
    /// The record's key.
    pub key: Key,
    /// The id that goes into the header `event-id`, where the event carries none itself.
    pub header_id: Option<Uuid>,
    /// What few events have; most have none, and pay nothing for it.
    pub extra: Option<Arc<Extra>>,
}

/// The bytes that decide the partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// No key: Kafka's null, which isn't the same as an empty one.
    None,
    /// A range of the body.
    Within(u32, u32),
    /// Bytes that don't stand in the body as such: from a header or the path, and then all events of the request share
    /// them; or a string with escapes.
    Apart(Arc<[u8]>),
}

impl Key {
    /// The key's bytes, given the body.
    pub fn bytes<'a>(&'a self, body: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Key::None => None,
            Key::Within(start, end) => body.get(*start as usize..*end as usize),
            Key::Apart(bytes) => Some(bytes),
        }
    }

    /// Length of the key in bytes; 0 if there is none.
    pub fn len(&self) -> u32 {
        match self {
            Key::None => 0,
            Key::Within(start, end) => end - start,
            Key::Apart(bytes) => bytes.len() as u32,
        }
    }

    /// Whether the key has no bytes: there is none, or it's empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Event {
    /// The event's bytes, given the body.
    pub fn value<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        &body[self.start as usize..self.end as usize]
    }

    /// The record's value: none is Kafka's null.
    pub fn record_value<'a>(&self, body: &'a [u8]) -> Option<&'a [u8]> {
        let is_null = self.extra.as_ref().is_some_and(|extra| extra.is_null);
        (!is_null).then(|| self.value(body))
    }

    /// The record's own timestamp, where it isn't the time of arrival.
    pub fn timestamp_ms(&self) -> Option<i64> {
        self.extra.as_ref().and_then(|extra| extra.timestamp_ms)
    }

    /// The block of its [`headers`], given the body; empty if there are none.
    pub fn header_block<'a>(&'a self, body: &'a [u8]) -> &'a [u8] {
        let extra = self.extra.as_ref();
        extra.map_or(&[], |extra| extra.headers.block(body))
    }

    /// Length of the event in bytes.
    pub fn len(&self) -> u32 {
        self.end - self.start
    }

    /// Bytes of its value, its key and its headers: what it counts for wherever events wait. librdkafka and the spill log copy
    /// key and headers of each event, whoever shares them here.
    pub fn weight(&self) -> u64 {
        let extra = self.extra.as_ref().map_or(0, |extra| extra.weight());
        u64::from(self.len()) + u64::from(self.key.len()) + extra
    }

    /// Whether the event has no bytes (a raw stream may carry such).
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }
}
