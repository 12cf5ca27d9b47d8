//! Eight bytes at once: which of them end the plain part of a string, or a number.
//!
//! Promises the same answers on every machine. Knows nothing but bytes; no I/O.
//!
//! The tricks are arithmetic on a word, as vector instructions can't be had without unsafe
//! code. Sixteen bytes to a step, and code for the compiler to vectorise, were slower:
//! most strings of an event are short.

/// Every byte of a word set to `byte`.
const fn spread(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

const HIGH: u64 = spread(0x80);

/// The top bit of every byte of the word that is a quote, a backslash or a control
/// character. Bytes above the first such byte may be flagged wrongly (the borrow of the
/// subtraction runs upwards): only the first flag means something.
#[inline(always)]
pub(super) const fn special_in_word(word: u64) -> u64 {
    // 0x22, the quote, trades places with 0x20; so the quote and the control characters
    // are what is less than 0x21. The bytes of longer UTF-8 characters have the top bit
    // set, and are no match whatever becomes of them.
    let quote_or_control = (word ^ spread(0x02)).wrapping_sub(spread(0x21));
    let backslash = (word ^ spread(b'\\')).wrapping_sub(spread(1));
    (quote_or_control | backslash) & !word & HIGH
}

/// The top bits of the bytes that are no ASCII digits; as above, the first one counts.
#[inline(always)]
pub(super) const fn other_than_digits(word: u64) -> u64 {
    // '0'..='9' become 0..=9, and everything else at least 10 when seen as unsigned.
    let value = word ^ spread(b'0');
    ((value & !HIGH).wrapping_add(spread(0x80 - 10)) | value) & HIGH
}

/// Which byte, counted from the start of the text, has the first flag.
#[inline(always)]
pub(super) const fn first_in_word(flags: u64) -> usize {
    (flags.trailing_zeros() / 8) as usize
}
