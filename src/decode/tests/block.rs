//! The tricks with words, against the plain way.

use super::super::block::{first_in_word, other_than_digits, special_in_word};
use proptest::prelude::*;

fn first(flags: u64) -> Option<usize> {
    (flags != 0).then(|| first_in_word(flags))
}

fn check(bytes: [u8; 8]) {
    let word = u64::from_le_bytes(bytes);
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    assert_eq!(first(special_in_word(word)), bytes.iter().position(special));
    let other = |byte: &u8| !byte.is_ascii_digit();
    assert_eq!(first(other_than_digits(word)), bytes.iter().position(other));
}

#[test]
fn every_byte_in_every_place() {
    for byte in 0..=u8::MAX {
        for (at, filler) in (0..8).flat_map(|at| [(at, b'7'), (at, 0xFF), (at, b' ')]) {
            let mut bytes = [filler; 8];
            bytes[at] = byte;
            check(bytes);
        }
    }
}

proptest! {
    #[test]
    fn any_word(bytes: [u8; 8]) {
        check(bytes);
    }
}
