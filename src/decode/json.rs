//! A body that is one event, or an array of events.
//!
//! Promises that a body which isn't JSON from its first byte to its last gives no events
//! at all: behind a grammar error it's unknowable where the next event starts. Knows what
//! an event is, not what it's for; no I/O.

use super::events::{addressable, skip_to_text, utf8_fault};
use super::lex::{peek, skip_space, unexpected};
use super::scan::{self, Stop};
use super::track::Tracks;
use super::{BodyError, Decoded, Limits, Wanted};

/// Decodes a body that is one object or an array of objects.
///
/// Elements that are no objects, too large or too deep are rejected one by one. An empty
/// array is no error: [`Decoded::total`] is 0.
///
/// # Errors
///
/// If the body is refused as a whole; `out` is empty then.
pub fn json(
    body: &[u8],
    wanted: &Wanted,
    limits: &Limits,
    out: &mut Decoded,
) -> Result<(), BodyError> {
    out.clear();
    let outcome = whole(body, wanted, limits, out);
    if outcome.is_err() {
        out.clear();
    }
    outcome
}

fn whole(
    body: &[u8],
    wanted: &Wanted,
    limits: &Limits,
    out: &mut Decoded,
) -> Result<(), BodyError> {
    addressable(body)?;
    if simdutf8::basic::from_utf8(body).is_err() {
        let offset = utf8_fault(body);
        return Err(BodyError::NotUtf8 { offset });
    }
    let start = skip_to_text(body, 0);
    let behind = match body.get(start) {
        None => return Err(BodyError::Empty),
        Some(b'{') => event(body, start, wanted, limits, out)?,
        Some(b'[') => array(body, start, wanted, limits, out)?,
        Some(_) => scan::value(body, start)?,
    };
    let rest = skip_space(body, behind);
    if rest < body.len() {
        let what = if peek(body, start) == b'{' && peek(body, rest) == b'{' {
            "another object behind the first; send an array, or a line for each with content-type application/x-ndjson"
        } else {
            "expected nothing more behind the value"
        };
        return Err(unexpected(body, rest, what).into());
    }
    if matches!(peek(body, start), b'{' | b'[') {
        Ok(())
    } else {
        Err(BodyError::NotObjectOrArray)
    }
}

/// Takes the array at `start`; returns the offset behind it.
fn array(
    body: &[u8],
    start: usize,
    wanted: &Wanted,
    limits: &Limits,
    out: &mut Decoded,
) -> Result<usize, BodyError> {
    let mut pos = skip_space(body, start + 1);
    if peek(body, pos) == b']' {
        return Ok(pos + 1);
    }
    loop {
        pos = skip_space(body, event(body, pos, wanted, limits, out)?);
        match peek(body, pos) {
            b',' => pos = skip_space(body, pos + 1),
            b']' => return Ok(pos + 1),
            _ => return Err(unexpected(body, pos, "expected ',' or ']'").into()),
        }
    }
}

/// Takes the value at `pos`, which should be an event; returns the offset behind it.
#[inline(always)]
fn event(
    body: &[u8],
    pos: usize,
    wanted: &Wanted,
    limits: &Limits,
    out: &mut Decoded,
) -> Result<usize, BodyError> {
    let first = peek(body, pos);
    if first != b'{' {
        let end = scan::value(body, pos)?;
        let index = out.next_index(limits)?;
        out.reject_kind(index, first);
        return Ok(end);
    }
    let index = out.next_index(limits)?;
    match scan::container::<Tracks<'_>>(body, pos, wanted, limits.max_depth) {
        Ok(found) => {
            out.accept(index, pos, &found, limits);
            Ok(found.end)
        }
        Err(Stop::TooDeep { end }) => {
            out.reject_depth(index, limits);
            Ok(end)
        }
        Err(Stop::Fault(fault)) => Err(fault.into()),
    }
}
