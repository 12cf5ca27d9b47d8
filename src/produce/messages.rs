//! What a client carries: messages, in groups whose bytes have one owner.
//!
//! A client doesn't copy values. It keeps the group of each message that it holds alive, and gives it back with its report.

use std::iter::{Empty, empty};

use uuid::Uuid;

/// The time of a message's record, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// The message says so itself.
    Own(i64),
    /// The message says nothing; that's when it came.
    Arrival(i64),
}

impl Time {
    /// The time, whoever says so.
    pub fn ms(self) -> i64 {
        match self {
            Time::Own(ms) | Time::Arrival(ms) => ms,
        }
    }
}

/// A group of messages. Its values stand in its own memory, one behind the other by position, or anywhere; none overlaps another.
pub trait Messages: Send + Sync + 'static {
    /// How many messages there are.
    fn count(&self) -> u32;

    /// The value of the message at a position; none is Kafka's null. As long as the group lives it's the same memory.
    fn value(&self, position: u32) -> Option<&[u8]>;

    /// Its key; none is Kafka's null.
    fn key(&self, position: u32) -> Option<&[u8]>;

    /// The id that its record gets as a header, if it needs one.
    fn id(&self, position: u32) -> Option<Uuid>;

    /// Its time.
    fn time(&self, position: u32) -> Time;

    /// Its headers, by name and value, in order. A header without a value has Kafka's null.
    fn headers(&self, position: u32) -> impl Iterator<Item = (&[u8], Option<&[u8]>)>;
}

/// The group of a client that carries nothing, and only asks.
#[derive(Debug)]
pub enum NoMessages {}

impl Messages for NoMessages {
    fn count(&self) -> u32 {
        match *self {}
    }

    fn value(&self, _: u32) -> Option<&[u8]> {
        match *self {}
    }

    fn key(&self, _: u32) -> Option<&[u8]> {
        match *self {}
    }

    fn id(&self, _: u32) -> Option<Uuid> {
        match *self {}
    }

    fn time(&self, _: u32) -> Time {
        match *self {}
    }

    fn headers(&self, _: u32) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let none: Empty<(&[u8], Option<&[u8]>)> = empty();
        none
    }
}
