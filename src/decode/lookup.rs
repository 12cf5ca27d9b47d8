//! Following a pointer inside of a value that was checked before: slowly, and only when somebody asks.
//!
//! Promises what a reader of the whole document would find there, the last of duplicate members being the one that counts. A
//! segment `-1` names the last element of an array, `-2` the one before it: RFC 6901 has no meaning for these.

use super::captured::Captured;
use super::lex::{peek, skip_space, string};
use super::pointer::Segment;
use super::roots::Names;
use super::scan::{self, captured_plain, captured_text};
use super::value::Value;

/// What `segments` lead to, from the value that begins at `start`.
pub(super) fn lookup(body: &[u8], start: usize, segments: &[Segment]) -> Value {
    let mut at = start;
    for segment in segments {
        let inside = match peek(body, at) {
            b'{' => member(body, at, segment),
            b'[' => element(body, at, segment),
            _ => None,
        };
        match inside {
            Some(inside) => at = inside,
            None => return Value::Missing,
        }
    }
    value_at(body, at)
}

/// The value that begins at `at`.
pub(super) fn value_at(body: &[u8], at: usize) -> Value {
    let first = peek(body, at);
    if first == b'"' {
        let text = string(body, at + 1);
        return text.map_or(Value::Missing, |text| {
            Value::of(captured_text(at + 1, text))
        });
    }
    match scan::value(body, at) {
        Ok(end) if matches!(first, b'{' | b'[') => Value::composite(at, end),
        Ok(end) => Value::of(captured_plain(at, end, first)),
        Err(_) => Value::of(Captured::Missing),
    }
}

/// Where the value of the last member begins that `segment` names, in the object at `at`.
fn member(body: &[u8], at: usize, segment: &Segment) -> Option<usize> {
    let (mut pos, mut found) = (skip_space(body, at + 1), None);
    while peek(body, pos) == b'"' {
        let text = string(body, pos + 1).ok()?;
        let name = body.get(pos + 1..text.end)?;
        let is_named = Names::is(segment, name, text.escaped);
        let colon = skip_space(body, text.end + 1);
        let value = skip_space(body, colon + 1);
        if is_named {
            found = Some(value);
        }
        pos = behind(body, value)?;
    }
    found
}

/// Where the element begins that `segment` names, in the array at `at`.
fn element(body: &[u8], at: usize, segment: &Segment) -> Option<usize> {
    let from_end = segment.name.strip_prefix('-');
    let from_end = from_end.and_then(|digits| digits.parse::<usize>().ok());
    if let Some(index) = segment.index {
        return elements(body, at).nth(index as usize);
    }
    // Counted twice rather than kept: there may be many.
    let before = elements(body, at).count().checked_sub(from_end?)?;
    elements(body, at).nth(before)
}

/// Where each element of the array at `at` begins.
fn elements(body: &[u8], at: usize) -> impl Iterator<Item = usize> {
    let mut pos = Some(skip_space(body, at + 1)).filter(|first| peek(body, *first) != b']');
    std::iter::from_fn(move || {
        let value = pos?;
        pos = behind(body, value).filter(|next| !matches!(peek(body, *next), b']' | 0));
        Some(value)
    })
}

/// Where the next member or element begins behind the value at `value`; or what closes behind it.
fn behind(body: &[u8], value: usize) -> Option<usize> {
    let end = skip_space(body, scan::value(body, value).ok()?);
    Some(match peek(body, end) {
        b',' => skip_space(body, end + 1),
        _ => end,
    })
}
