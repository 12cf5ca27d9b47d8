//! Record headers of an event, as one block of bytes. In memory and in the spill log it's the same.
//!
//! | field | type | |
//! | --- | --- | --- |
//! | name length | u32 | |
//! | value length | u32 | `0xffff_ffff`: there is no value, which is Kafka's null |
//! | name | bytes | UTF-8 |
//! | value | bytes | any |
//!
//! One header follows the other, in the order in which the record gets them. Integers are little-endian. No header is shorter in
//! Kafka's own form, so the length of a block never says too little about a record's size.

use bytes::{Bytes, BytesMut};

/// In place of a value's length: there is no value.
const NO_VALUE: u32 = u32::MAX;

/// The headers of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Headers {
    /// There are none.
    #[default]
    None,
    /// A block that is a range of the body: from the spill log.
    Within(u32, u32),
    /// A block by itself. Events of a request may share it, or the memory that it's a part of.
    Apart(Bytes),
}

impl Headers {
    /// The block, given the body; empty if there are none.
    pub fn block<'a>(&'a self, body: &'a [u8]) -> &'a [u8] {
        match self {
            Headers::None => &[],
            Headers::Within(start, end) => {
                let block = body.get(*start as usize..*end as usize);
                block.unwrap_or_default()
            }
            Headers::Apart(block) => block,
        }
    }

    /// Length of the block in bytes.
    pub fn len(&self) -> u32 {
        match self {
            Headers::None => 0,
            Headers::Within(start, end) => end - start,
            Headers::Apart(block) => block.len() as u32,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a header with a value takes in a block, in bytes.
pub fn bytes_of(name: &str, value: &[u8]) -> u64 {
    8 + name.len() as u64 + value.len() as u64
}

/// A block that is being written.
#[derive(Clone, Debug, Default)]
pub struct Block(Vec<u8>);

impl Block {
    /// Adds a header. Without a value it has Kafka's null, which isn't the same as an empty one.
    pub fn push(&mut self, name: &str, value: Option<&[u8]>) {
        let length = value.map_or(NO_VALUE, |value| value.len() as u32);
        let value = value.unwrap_or_default();
        self.0.reserve(8 + name.len() + value.len());
        self.0.extend_from_slice(&(name.len() as u32).to_le_bytes());
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(value);
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no header.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The headers.
    pub fn finish(self) -> Headers {
        if self.0.is_empty() {
            Headers::None
        } else {
            Headers::Apart(Bytes::copy_from_slice(&self.0))
        }
    }
}

/// Room for the headers of an event, in bytes, where nobody knows better: a part of what each event with headers is charged.
const ROOM_BYTES: usize = 64;
/// Most memory that is taken at once for blocks of several events, in bytes; more if one needs more.
const PIECE_BYTES: usize = 4096;

/// The blocks of many events, one after the other. They share a few pieces of memory, each of which goes with the last event that has
/// a block in it.
#[derive(Debug, Default)]
pub struct Blocks {
    bytes: BytesMut,
    /// Events whose blocks are still to come.
    left: usize,
}

impl Blocks {
    /// For as many events.
    pub fn of(events: usize) -> Blocks {
        Blocks {
            bytes: BytesMut::new(),
            left: events,
        }
    }

    /// Adds a header with a value to the block.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        self.reserve(8 + name.len() + value.len());
        let (name_length, length) = (name.len() as u32, value.len() as u32);
        let lengths = u64::from(name_length) | u64::from(length) << 32;
        self.bytes.extend_from_slice(&lengths.to_le_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(value);
    }

    /// Adds headers that are a block already.
    pub fn push_block(&mut self, block: &[u8]) {
        self.reserve(block.len());
        self.bytes.extend_from_slice(block);
    }

    #[inline]
    fn reserve(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() < more {
            self.begin_piece(more);
        }
    }

    #[cold]
    fn begin_piece(&mut self, more: usize) {
        let (needed, room) = (self.bytes.len() + more, self.left * ROOM_BYTES);
        let mut piece = BytesMut::with_capacity(needed.max(room.min(PIECE_BYTES)));
        piece.extend_from_slice(&self.bytes);
        self.bytes = piece;
    }

    /// Forgets what was added to the block.
    pub fn forget(&mut self) {
        self.bytes.clear();
    }

    /// The headers of an event; the block of the next one begins.
    pub fn finish(&mut self) -> Headers {
        self.left = self.left.saturating_sub(1);
        if self.bytes.is_empty() {
            return Headers::None;
        }
        let block = match self.left {
            0 => std::mem::take(&mut self.bytes),
            _ => self.bytes.split(),
        };
        Headers::Apart(block.freeze())
    }
}

/// The first header of a block, and what stands behind it; nothing if it's cut off.
fn split(block: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (name_length, rest) = block.split_first_chunk()?;
    let (value_length, rest) = rest.split_first_chunk()?;
    let value_length = u32::from_le_bytes(*value_length);
    let (name, rest) = rest.split_at_checked(u32::from_le_bytes(*name_length) as usize)?;
    if value_length == NO_VALUE {
        return Some(((name, None), rest));
    }
    let (value, rest) = rest.split_at_checked(value_length as usize)?;
    Some(((name, Some(value)), rest))
}

/// A header as its bytes: name and value.
pub type Entry<'a> = (&'a [u8], Option<&'a [u8]>);

/// The headers of a block that was looked at before, as their bytes.
#[derive(Clone, Debug)]
pub struct Entries<'a>(&'a [u8]);

/// The headers of a block that was looked at before, as their bytes: names aren't checked once more.
pub fn entries(block: &[u8]) -> Entries<'_> {
    Entries(block)
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        let (entry, rest) = split(self.0)?;
        self.0 = rest;
        Some(entry)
    }
}

/// How many headers a block has.
pub fn count(block: &[u8]) -> u64 {
    entries(block).count() as u64
}

/// The headers of a block, in order: name and value.
#[derive(Clone, Debug)]
pub struct Iter<'a>(&'a [u8]);

/// The headers of a block. It ends before a header that is cut off.
pub fn iter(block: &[u8]) -> Iter<'_> {
    Iter(block)
}

/// Whether a block has nothing but whole headers, with names in UTF-8.
pub fn is_whole(block: &[u8]) -> bool {
    let mut headers = iter(block);
    headers.by_ref().for_each(drop);
    headers.0.is_empty()
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let ((name, value), rest) = split(self.0)?;
        let name = str::from_utf8(name).ok()?;
        self.0 = rest;
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_pushed_is_there_in_order(
            pushed in proptest::collection::vec(
                (".{0,8}", proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9))),
                0..5,
            ),
        ) {
            let mut block = Block::default();
            pushed.iter().for_each(|(name, value)| block.push(name, value.as_deref()));
            let headers = block.finish();
            prop_assert_eq!(headers.is_empty(), pushed.is_empty());
            let block = headers.block(&[]);
            prop_assert!(is_whole(block));
            let found: Vec<_> = iter(block).collect();
            prop_assert_eq!(count(block), found.len() as u64);
            let pushed: Vec<_> = pushed.iter().map(|(name, value)| (&name[..], value.as_deref())).collect();
            prop_assert_eq!(found, pushed);
            for end in 0..block.len() {
                // Where a header ends, what is left is whole.
                let count = iter(&block[..end]).count();
                prop_assert!(count < iter(block).count() || is_whole(&block[..end]));
            }
        }

        #[test]
        fn blocks_of_several_events_are_those_of_each(
            events in proptest::collection::vec(
                proptest::collection::vec((".{0,8}", proptest::collection::vec(any::<u8>(), 0..200)), 0..4),
                0..60,
            ),
            known in 0_usize..60,
        ) {
            let mut blocks = Blocks::of(known);
            let one = |headers: &[(String, Vec<u8>)]| {
                let mut block = Block::default();
                headers.iter().for_each(|(name, value)| block.push(name, Some(value)));
                block.finish()
            };
            let all: Vec<_> = events.iter().map(|headers| {
                blocks.push("forgotten", b"x");
                blocks.forget();
                for (at, (name, value)) in headers.iter().enumerate() {
                    match at % 2 {
                        0 => blocks.push(name, value),
                        _ => blocks.push_block(one(&headers[at..at + 1]).block(&[])),
                    }
                }
                blocks.finish()
            }).collect();
            prop_assert_eq!(all, events.iter().map(|headers| one(headers)).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (iter(&bytes).count(), is_whole(&bytes), count(&bytes));
        }
    }

    #[test]
    fn a_name_that_is_not_utf8_is_not_whole() {
        assert!(!is_whole(b"\x01\0\0\0\0\0\0\0\xff"));
        assert!(is_whole(b"\x01\0\0\0\0\0\0\0x") && is_whole(b""));
    }
}
