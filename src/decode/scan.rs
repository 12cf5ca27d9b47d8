//! One pass over one JSON value: its grammar, its end, and the wanted values in it.
//!
//! Promises that a value it accepts is a JSON text of RFC 8259 (but for its UTF-8, which
//! the callers check for the whole body at once), however deep, in constant memory and
//! without recursion. Knows nothing of events, requests and limits other than the depth;
//! no I/O, no allocation.

use super::follow::Follow;
use super::lex::{Fault, Text, literal, number, peek, skip_space, string, unexpected};
use super::settings::DEEPEST;
use super::track::Tracks;
use super::{Captured, Span, Wanted};

/// Why a value hasn't been walked through.
#[derive(Debug)]
pub(super) enum Stop {
    /// It isn't JSON; where the next value starts is unknown.
    Fault(Fault),
    /// It's nested deeper than allowed; it ends before `end`.
    TooDeep { end: usize },
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Walks through the object or array whose bracket is at `start`.
///
/// The work of the whole gateway's decoding is done in this loop. Each round takes one
/// value, with its key if it is a member, and then whatever closes behind it. Members come
/// without a test for the closing bracket: only an empty container has one there.
///
/// `F` is what notes the wanted values on the way. Each has a loop of its own, compiled for it.
pub(super) fn container<'w, F: Follow<'w>>(
    body: &[u8],
    start: usize,
    wanted: &'w F::Wanted,
    max_depth: u16,
) -> Result<F::Found, Stop> {
    let mut tracks = F::new(wanted);
    let mut object = peek(body, start) == b'{';
    // The kinds of the open containers, the innermost in the lowest bit: 1 is an object.
    let mut kinds = u128::from(object);
    let mut depth = 1;
    let mut pos = skip_space(body, start + 1);
    let mut empty = peek(body, pos) == closing(object);
    loop {
        if !empty {
            let mut hits = F::NONE;
            if object {
                (pos, hits) = member(body, pos, depth, &tracks)?;
            } else if tracks.watching(depth) {
                hits = tracks.element(depth);
            }
            let first = peek(body, pos);
            if first == b'"' {
                pos = quoted(body, pos, hits, &mut tracks)?;
            } else if first == b'{' || first == b'[' {
                if depth >= u32::from(max_depth) {
                    return skip_deep(body, pos, depth);
                }
                object = first == b'{';
                if F::any(hits) {
                    tracks.open(hits, object, pos);
                }
                kinds = kinds << 1 | u128::from(object);
                depth += 1;
                pos = skip_space(body, pos + 1);
                empty = peek(body, pos) == closing(object);
                continue;
            } else {
                pos = unquoted(body, pos, first, hits, &mut tracks)?;
            }
        }
        empty = false;
        loop {
            let mut next = peek(body, pos);
            if next <= b' ' {
                pos = skip_space(body, pos);
                next = peek(body, pos);
            }
            if next == b',' {
                pos = skip_space(body, pos + 1);
                break;
            }
            if next != closing(object) {
                return Err(unclosed(body, pos, object).into());
            }
            pos += 1;
            depth -= 1;
            if depth == 0 {
                return Ok(tracks.found(pos));
            }
            kinds >>= 1;
            object = kinds & 1 == 1;
            tracks.close(depth, object, pos);
        }
    }
}

/// What closes an object, or else an array.
#[inline(always)]
fn closing(object: bool) -> u8 {
    if object { b'}' } else { b']' }
}

/// What is wrong at `pos`, where a container goes on with a comma or is closed.
#[cold]
fn unclosed(body: &[u8], pos: usize, object: bool) -> Fault {
    let expected = if object {
        "expected ',' or '}'"
    } else {
        "expected ',' or ']'"
    };
    unexpected(body, pos, expected)
}

/// Takes the key at `pos` and the colon; returns where the value starts.
#[inline(always)]
fn member<'w, F: Follow<'w>>(
    body: &[u8],
    pos: usize,
    depth: u32,
    tracks: &F,
) -> Result<(usize, F::Hits), Fault> {
    if peek(body, pos) != b'"' {
        return Err(unexpected(body, pos, "expected a key in quotes"));
    }
    let text = string(body, pos + 1)?;
    let hits = tracks.member(depth, body, pos + 1, text);
    let mut colon = text.end + 1;
    if peek(body, colon) != b':' {
        colon = skip_space(body, colon);
        if peek(body, colon) != b':' {
            return Err(unexpected(body, colon, "expected ':'"));
        }
    }
    Ok((skip_space(body, colon + 1), hits))
}

/// Takes the string at `pos`, and keeps where it is if it's wanted; returns the offset
/// behind it.
#[inline(always)]
fn quoted<'w, F: Follow<'w>>(
    body: &[u8],
    pos: usize,
    hits: F::Hits,
    tracks: &mut F,
) -> Result<usize, Fault> {
    let text = string(body, pos + 1)?;
    if F::any(hits) {
        tracks.scalar(hits, captured_text(pos + 1, text));
    }
    Ok(text.end + 1)
}

/// The same for a number or literal, whose first byte is `first`.
#[inline(always)]
fn unquoted<'w, F: Follow<'w>>(
    body: &[u8],
    pos: usize,
    first: u8,
    hits: F::Hits,
    tracks: &mut F,
) -> Result<usize, Fault> {
    let end = plain(body, pos, first)?;
    if F::any(hits) {
        tracks.scalar(hits, captured_plain(pos, end, first));
    }
    Ok(end)
}

/// Takes the number or literal at `pos`, whose first byte is `first`.
#[inline(always)]
fn plain(body: &[u8], pos: usize, first: u8) -> Result<usize, Fault> {
    match first {
        b'-' | b'0'..=b'9' => number(body, pos),
        b't' => literal(body, pos, b"true"),
        b'f' => literal(body, pos, b"false"),
        b'n' => literal(body, pos, b"null"),
        _ => Err(unexpected(body, pos, "expected a value")),
    }
}

pub(super) fn captured_text(start: usize, text: Text) -> Captured {
    let span = Span::new(start, text.end);
    if text.escaped {
        Captured::Escaped(span)
    } else {
        Captured::Plain(span)
    }
}

pub(super) fn captured_plain(start: usize, end: usize, first: u8) -> Captured {
    if first == b'n' {
        Captured::Null
    } else {
        Captured::Plain(Span::new(start, end))
    }
}

/// Checks the value at `pos`, whatever it is, and returns the offset behind it. What is nested deeper than can be followed is only
/// checked so far that its end is known.
pub(super) fn value(body: &[u8], pos: usize) -> Result<usize, Fault> {
    match checked(body, pos) {
        Err(Stop::TooDeep { end }) => Ok(end),
        Err(Stop::Fault(fault)) => Err(fault),
        Ok(end) => Ok(end),
    }
}

/// The same for a value of which all is checked.
pub(super) fn whole_value(body: &[u8], pos: usize) -> Result<usize, Fault> {
    checked(body, pos).map_err(|stop| match stop {
        Stop::Fault(fault) => fault,
        Stop::TooDeep { .. } => Fault {
            offset: pos,
            what: "objects and arrays that are nested more than 128 deep",
        },
    })
}

#[inline(always)]
fn checked(body: &[u8], pos: usize) -> Result<usize, Stop> {
    const NOTHING: Wanted = Wanted {
        key: None,
        id: None,
    };
    let first = peek(body, pos);
    match first {
        b'"' => return Ok(string(body, pos + 1)?.end + 1),
        b'{' | b'[' => {}
        _ => return Ok(plain(body, pos, first)?),
    }
    container::<Tracks<'_>>(body, pos, &NOTHING, DEEPEST).map(|found| found.end)
}

/// Finds the end of a value that is refused for its depth: from `pos` on, with `depth`
/// containers open, brackets are counted and strings are checked, but nothing else is.
#[cold]
#[inline(never)]
fn skip_deep<T>(body: &[u8], mut pos: usize, depth: u32) -> Result<T, Stop> {
    let mut open = depth as usize;
    while let Some(byte) = body.get(pos) {
        match byte {
            b'"' => pos = string(body, pos + 1)?.end,
            b'{' | b'[' => open += 1,
            b'}' | b']' => open -= 1,
            _ => {}
        }
        pos += 1;
        if open == 0 {
            return Err(Stop::TooDeep { end: pos });
        }
    }
    Err(unexpected(body, pos, "").into())
}
