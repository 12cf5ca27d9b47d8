//! The tokens of RFC 8259: whitespace, strings, numbers and literals.
//!
//! Promises that a token which it accepts is exactly what the grammar allows, and that
//! no offset it returns lies beyond the body. Knows nothing of objects, arrays, events
//! or pointers; does no I/O, allocates nothing.
//!
//! Nothing here checks UTF-8: the callers have done that for the whole body, at once.

use super::block;

/// Why a body stops being JSON, and at which of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) offset: usize,
    pub(super) what: &'static str,
}

/// A string that has been checked; where it starts is known to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text {
    /// The offset of the closing quote.
    pub(super) end: usize,
    pub(super) escaped: bool,
}

/// The byte at `pos`, or 0 behind the end: a byte that no token of JSON starts with, so
/// that the end of the body needs no test of its own on the fast path.
#[inline(always)]
pub(super) fn peek(body: &[u8], pos: usize) -> u8 {
    body.get(pos).copied().unwrap_or(0)
}

/// The offset of the first byte from `pos` on that isn't whitespace.
#[inline(always)]
pub(super) fn skip_space(body: &[u8], pos: usize) -> usize {
    // Machines send JSON without whitespace: one comparison, then, is all that it costs.
    // The end of the body (0) goes the slow way too, which is where it is told apart.
    if peek(body, pos) > b' ' {
        pos
    } else {
        skip_space_slowly(body, pos)
    }
}

#[inline(never)]
fn skip_space_slowly(body: &[u8], pos: usize) -> usize {
    let rest = body.get(pos..).unwrap_or_default();
    let blank = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'))
        .count();
    pos + blank
}

/// Checks the string whose first byte after the opening quote is at `start`.
#[inline(always)]
pub(super) fn string(body: &[u8], start: usize) -> Result<Text, Fault> {
    let mut at = start;
    let mut rest = body.get(start..).unwrap_or_default();
    while let Some((bytes, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*bytes);
        let special = block::special_in_word(word);
        if special != 0 {
            let first = block::first_in_word(special);
            if (word >> (first * 8)) as u8 != b'"' {
                break;
            }
            let end = at + first;
            return Ok(Text {
                end,
                escaped: false,
            });
        }
        at += 8;
        rest = behind;
    }
    string_slowly(body, at)
}

/// The rest of a string that has an escape in it, that is broken, or that is too near to
/// the end of the body for whole blocks. `at` is at or before the first special byte.
#[inline(never)]
fn string_slowly(body: &[u8], mut at: usize) -> Result<Text, Fault> {
    let mut escaped = false;
    loop {
        at = plain_run(body, at);
        match body.get(at) {
            Some(b'"') => return Ok(Text { end: at, escaped }),
            Some(b'\\') => {
                escaped = true;
                at = escape(body, at)?;
            }
            Some(_) => {
                return Err(Fault {
                    offset: at,
                    what: "a control character inside of a string; escape it",
                });
            }
            None => {
                return Err(Fault {
                    offset: body.len(),
                    what: "the text ends inside of a string",
                });
            }
        }
    }
}

/// The offset of the first quote, backslash or control character from `at` on.
#[inline(always)]
fn plain_run(body: &[u8], mut at: usize) -> usize {
    while let Some(bytes) = body.get(at..).and_then(<[u8]>::first_chunk) {
        let special = block::special_in_word(u64::from_le_bytes(*bytes));
        if special != 0 {
            return at + block::first_in_word(special);
        }
        at += 8;
    }
    let rest = body.get(at..).unwrap_or_default();
    let plain = |byte: &&u8| **byte >= b' ' && **byte != b'"' && **byte != b'\\';
    at + rest.iter().take_while(plain).count()
}

/// Checks the escape whose backslash is at `at`, and returns the offset behind it.
fn escape(body: &[u8], at: usize) -> Result<usize, Fault> {
    match body.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let digits = body.get(at + 2..at + 6).unwrap_or_default();
            if digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit) {
                Ok(at + 6)
            } else {
                Err(Fault {
                    offset: at,
                    what: "an escape \\u without four hexadecimal digits",
                })
            }
        }
        _ => Err(Fault {
            offset: at,
            what: "an escape that json doesn't have",
        }),
    }
}

/// Checks the number that starts at `pos` with a minus or a digit, and returns the offset
/// behind it. Its size is not looked at: `1e999` is a number of the grammar.
#[inline(always)]
pub(super) fn number(body: &[u8], pos: usize) -> Result<usize, Fault> {
    let first = pos + usize::from(peek(body, pos) == b'-');
    let end = match peek(body, first) {
        b'1'..=b'9' => digits(body, first + 1),
        b'0' => first + 1,
        _ => return Err(unexpected(body, first, "expected a digit")),
    };
    match peek(body, end) {
        b'.' | b'e' | b'E' => number_tail(body, end),
        _ => Ok(end),
    }
}

/// The fraction and the exponent of a number.
#[inline(never)]
fn number_tail(body: &[u8], mut pos: usize) -> Result<usize, Fault> {
    if peek(body, pos) == b'.' {
        pos = some_digits(body, pos + 1)?;
    }
    if matches!(peek(body, pos), b'e' | b'E') {
        let sign = matches!(peek(body, pos + 1), b'+' | b'-');
        pos = some_digits(body, pos + 1 + usize::from(sign))?;
    }
    Ok(pos)
}

#[inline(always)]
fn some_digits(body: &[u8], pos: usize) -> Result<usize, Fault> {
    let end = digits(body, pos);
    if end == pos {
        return Err(unexpected(body, pos, "expected a digit"));
    }
    Ok(end)
}

/// The offset behind the digits that start at `pos`, of which there may be none.
#[inline(always)]
fn digits(body: &[u8], mut pos: usize) -> usize {
    while let Some(bytes) = body.get(pos..).and_then(<[u8]>::first_chunk) {
        let other = block::other_than_digits(u64::from_le_bytes(*bytes));
        if other != 0 {
            return pos + block::first_in_word(other);
        }
        pos += 8;
    }
    while peek(body, pos).is_ascii_digit() {
        pos += 1;
    }
    pos
}

/// Checks that `word` is what stands at `pos`, and returns the offset behind it.
#[inline(always)]
pub(super) fn literal<const N: usize>(
    body: &[u8],
    pos: usize,
    word: &[u8; N],
) -> Result<usize, Fault> {
    if body.get(pos..).and_then(<[u8]>::first_chunk) == Some(word) {
        Ok(pos + N)
    } else {
        Err(unexpected(body, pos, "expected true, false or null"))
    }
}

/// What is wrong at `pos`, where something else was expected.
#[cold]
#[inline(never)]
pub(super) fn unexpected(body: &[u8], pos: usize, expected: &'static str) -> Fault {
    let what = match body.get(pos..) {
        None | Some([]) => "the text ends too early",
        Some([0xEF, 0xBB, 0xBF, ..]) => "a byte order mark; send the body without it",
        Some(_) => expected,
    };
    Fault {
        offset: pos.min(body.len()),
        what,
    }
}
