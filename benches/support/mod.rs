//! Fixtures that all benchmarks share: attribution events of 400 bytes, and bodies made of them.
//!
//! Every event is `{"id":"…16 hex digits…","user":"…16 bytes…", …}` with some 15 fields, one of them a nested object, so
//! that an id can be written over in place and found again in a record. Everything is deterministic.

#![allow(dead_code, reason = "each benchmark uses a part of these")]

use std::io::Write as _;

/// Length of every event in bytes.
pub(crate) const EVENT_BYTES: usize = 400;
/// Where the digits of the id begin in an event.
pub(crate) const ID_OFFSET: usize = 7;
/// How many hexadecimal digits an id has.
pub(crate) const ID_DIGITS: usize = 16;
/// Where the key (`/user`) stands in an event.
pub(crate) const KEY: std::ops::Range<usize> = 33..49;
/// How many users there are.
pub(crate) const USERS: u64 = 10_000;

/// How a body holds its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One object, or an array if there are several.
    Json,
    /// One object per line.
    Ndjson,
}

/// A small generator of numbers (xorshift64*), so that no benchmark needs a package for it.
#[derive(Clone, Debug)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % limit
    }

    /// A user: all alike, or a few with most of the events (the squared square of a uniform number, much like Zipf's law).
    pub(crate) fn user(&mut self, skewed: bool) -> u64 {
        if !skewed {
            return self.below(USERS);
        }
        let uniform = self.below(1 << 20) as f64 / (1 << 20) as f64;
        (uniform.powi(4) * USERS as f64) as u64
    }
}

/// Appends one event.
pub(crate) fn event(numbers: &mut Numbers, id: u64, user: u64, out: &mut Vec<u8>) {
    const KINDS: [&str; 5] = ["impression", "click", "install", "session", "purchase"];
    const PLACES: [&str; 4] = ["DE", "US", "BR", "JP"];
    let begin = out.len();
    let kind = KINDS[numbers.below(5) as usize];
    let place = PLACES[numbers.below(4) as usize];
    let (campaign, ip) = (numbers.below(1_000_000), numbers.below(65_536));
    // Within a minute: Kafka begins a new segment where the times of one are a week apart.
    let time = 1_763_800_000_000 + numbers.below(60_000);
    let price = numbers.below(10_000_000);
    let written = write!(
        out,
        r#"{{"id":"{id:016x}","user":"user-{user:011}","type":"{kind}","time":{time},"app":"com.example.shop","#
    )
    .and_then(|()| {
        write!(
            out,
            r#""campaign":"c-{campaign:06}","network":"search","country":"{place}","ip":"10.7.{}.{}","#,
            ip >> 8,
            ip & 255
        )
    })
    .and_then(|()| {
        write!(
            out,
            r#""device":{{"os":"android","version":"14.1","model":"Pixel 8","locale":"de-DE"}},"price_micros":{price},"#
        )
    })
    .and_then(|()| write!(out, r#""currency":"EUR","consent":true,"pad":""#));
    written.expect("a vector takes everything");
    let pad = EVENT_BYTES - 2 - (out.len() - begin);
    out.extend(std::iter::repeat_n(b'x', pad));
    out.extend_from_slice(b"\"}");
    debug_assert_eq!(out.len() - begin, EVENT_BYTES);
}

/// A body of `events` events, with ids from `first_id` on.
pub(crate) fn body(
    numbers: &mut Numbers,
    shape: Shape,
    events: usize,
    first_id: u64,
    skewed: bool,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(events * (EVENT_BYTES + 1) + 2);
    let array = shape == Shape::Json && events > 1;
    if array {
        out.push(b'[');
    }
    for number in 0..events {
        if number > 0 {
            out.push(if array { b',' } else { b'\n' });
        }
        let user = numbers.user(skewed);
        event(numbers, first_id + number as u64, user, &mut out);
    }
    if array {
        out.push(b']');
    }
    out
}

/// Where the events of such a body begin.
pub(crate) fn event_starts(shape: Shape, events: usize) -> impl Iterator<Item = usize> {
    let first = usize::from(shape == Shape::Json && events > 1);
    (0..events).map(move |number| first + number * (EVENT_BYTES + 1))
}

/// Writes an id's digits.
pub(crate) fn write_id(id: u64, digits: &mut [u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for (position, digit) in digits.iter_mut().enumerate() {
        *digit = HEX[(id >> (60 - 4 * position)) as usize & 15];
    }
}

/// Reads the id of an event.
pub(crate) fn read_id(event: &[u8]) -> Option<u64> {
    let digits = event.get(ID_OFFSET..ID_OFFSET + ID_DIGITS)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
