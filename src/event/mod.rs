//! An event as it travels: a range of its request's body, its key, and what the record needs beside them.
//!
//! The bytes are never copied, rewritten or merged: the Kafka value is the body's range as it was sent. A key that many
//! events of a request have in common is there once.

pub mod wire;

use std::sync::Arc;

use uuid::Uuid;

/// What an event costs beside its bytes while it waits: our bookkeeping (about 100 bytes), librdkafka's message (176
/// bytes, measured), its part of the request that is being sent, and librdkafka's copy of a key as long as usual.
pub const OVERHEAD_BYTES: u64 = 384;

/// A key up to here is in [`OVERHEAD_BYTES`].
const USUAL_KEY_BYTES: u64 = 64;

/// What a key is charged beside what each event is.
pub fn unusual_bytes(key: usize) -> u64 {
    (key as u64).saturating_sub(USUAL_KEY_BYTES)
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

    /// Length of the event in bytes.
    pub fn len(&self) -> u32 {
        self.end - self.start
    }

    /// Bytes of its value and its key: what it counts for wherever events wait. librdkafka and the spill log copy the key
    /// of each event, whoever shares it here.
    pub fn weight(&self) -> u64 {
        u64::from(self.len()) + u64::from(self.key.len())
    }

    /// Whether the event has no bytes (a raw stream may carry such).
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }
}
