//! The text that a string with escapes stands for.
//!
//! Promises never to fail on a string that [`super::lex`] has accepted, and to turn a
//! surrogate without its other half into U+FFFD, as browsers and most parsers do. Knows
//! nothing of where the string comes from; no I/O.

/// The text of `raw`, the inside of a string whose escapes have been checked.
pub(super) fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        text.extend_from_slice(plain);
        rest = one(escape, &mut text);
    }
    text.extend_from_slice(rest);
    text
}

/// Appends what the escape at the start of `escape` stands for; returns what follows it.
fn one<'r>(escape: &'r [u8], text: &mut Vec<u8>) -> &'r [u8] {
    let Some((&letter, rest)) = escape.get(1..).and_then(<[u8]>::split_first) else {
        return &[];
    };
    match letter {
        b'b' => text.push(0x08),
        b'f' => text.push(0x0C),
        b'n' => text.push(b'\n'),
        b'r' => text.push(b'\r'),
        b't' => text.push(b'\t'),
        b'u' => return code_point(rest, text),
        other => text.push(other),
    }
    rest
}

/// Appends the character of `\u`, whose digits are at the start of `digits`, and of the
/// `\u` behind it, if the two are a pair.
fn code_point<'r>(digits: &'r [u8], text: &mut Vec<u8>) -> &'r [u8] {
    let Some((unit, mut rest)) = hexadecimal(digits) else {
        return &[];
    };
    let mut scalar = unit;
    if let 0xD800..=0xDBFF = unit
        && let Some((low @ 0xDC00..=0xDFFF, behind)) =
            rest.strip_prefix(b"\\u").and_then(hexadecimal)
    {
        scalar = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        rest = behind;
    }
    let character = char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER);
    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

fn hexadecimal(digits: &[u8]) -> Option<(u32, &[u8])> {
    let (four, rest) = digits.split_first_chunk::<4>()?;
    let mut unit = 0;
    for digit in four {
        unit = unit * 16 + char::from(*digit).to_digit(16)?;
    }
    Some((unit, rest))
}
