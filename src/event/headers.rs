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

use std::sync::Arc;

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
    /// A block by itself. Events of a request may share it.
    Apart(Arc<[u8]>),
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
            Headers::Apart(self.0.into())
        }
    }
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
        let (name_length, rest) = self.0.split_first_chunk()?;
        let (value_length, rest) = rest.split_first_chunk()?;
        let value_length = u32::from_le_bytes(*value_length);
        let (name, rest) = rest.split_at_checked(u32::from_le_bytes(*name_length) as usize)?;
        let name = str::from_utf8(name).ok()?;
        let (value, rest) = if value_length == NO_VALUE {
            (None, rest)
        } else {
            let (value, rest) = rest.split_at_checked(value_length as usize)?;
            (Some(value), rest)
        };
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
            let pushed: Vec<_> = pushed.iter().map(|(name, value)| (&name[..], value.as_deref())).collect();
            prop_assert_eq!(found, pushed);
            for end in 0..block.len() {
                // Where a header ends, what is left is whole.
                let count = iter(&block[..end]).count();
                prop_assert!(count < iter(block).count() || is_whole(&block[..end]));
            }
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (iter(&bytes).count(), is_whole(&bytes));
        }
    }

    #[test]
    fn a_name_that_is_not_utf8_is_not_whole() {
        assert!(!is_whole(b"\x01\0\0\0\0\0\0\0\xff"));
        assert!(is_whole(b"\x01\0\0\0\0\0\0\0x") && is_whole(b""));
    }
}
