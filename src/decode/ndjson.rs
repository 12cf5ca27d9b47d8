//! A body with an event on each line.
//!
//! Promises that each line stands for itself: whatever is wrong with one of them, the
//! others are taken. Knows what an event is, not what it's for; no I/O.

use super::events::{addressable, skip_to_text, utf8_fault};
use super::follow::Follow;
use super::lex::{Fault, peek, skip_space, unexpected};
use super::scan::{self, Stop};
use super::track::Tracks;
use super::{BodyError, Decoded, Limits, RejectCode, Wanted};

/// Decodes a body that has one object on each line.
///
/// Lines end with `\n` or `\r\n`, the last one with the body too. Blank lines are skipped
/// and not counted. A byte order mark at the start of a line is skipped: files that were
/// joined have some in the middle. A line that isn't UTF-8 or isn't JSON is rejected like one that holds
/// something else than an object.
///
/// # Errors
///
/// If the body is refused as a whole; `out` is empty then.
pub fn ndjson(
    body: &[u8],
    wanted: &Wanted,
    limits: &Limits,
    out: &mut Decoded,
) -> Result<(), BodyError> {
    out.clear();
    let outcome = lines(body, wanted, limits, out);
    if outcome.is_err() {
        out.clear();
    }
    outcome
}

fn lines(
    body: &[u8],
    wanted: &Wanted,
    limits: &Limits,
    out: &mut Decoded,
) -> Result<(), BodyError> {
    each_line(body, |line, utf8| line.decode(utf8, wanted, limits, out))?;
    if out.total == 0 {
        return Err(BodyError::Empty);
    }
    Ok(())
}

/// Calls `take` for each line that isn't blank, and says whether all of them are UTF-8.
#[inline(always)]
pub(super) fn each_line<'b>(
    body: &'b [u8],
    mut take: impl FnMut(Line<'b>, bool) -> Result<(), BodyError>,
) -> Result<(), BodyError> {
    addressable(body)?;
    // If the body as a whole is UTF-8, so is every line: a newline is no part of a longer
    // character.
    let utf8 = simdutf8::basic::from_utf8(body).is_ok();
    let mut from = 0;
    let ends = memchr::memchr_iter(b'\n', body).chain([body.len()]);
    for (number, end) in (1..).zip(ends) {
        // The line keeps the offsets of the body: it's the body up to its end.
        let text = body.get(..end).unwrap_or_default();
        let start = skip_to_text(text, from);
        if start < end {
            let line = Line {
                text,
                from,
                start,
                number,
            };
            take(line, utf8)?;
        }
        from = end + 1;
    }
    Ok(())
}

/// A line that isn't blank.
pub(super) struct Line<'b> {
    /// The body up to the end of the line.
    text: &'b [u8],
    /// Where the line starts.
    from: usize,
    /// Where its first byte is that isn't whitespace.
    pub(super) start: usize,
    /// Which line it is, counted from 1 and with the blank ones, as an editor does.
    number: usize,
}

impl Line<'_> {
    #[inline(always)]
    fn decode(
        &self,
        utf8: bool,
        wanted: &Wanted,
        limits: &Limits,
        out: &mut Decoded,
    ) -> Result<(), BodyError> {
        let index = out.next_index(limits)?;
        match self.read::<Tracks<'_>>(utf8, wanted, limits) {
            Ok(Kind::Object(found)) => out.accept(index, self.start, &found, limits),
            Ok(Kind::TooDeep) => out.reject_depth(index, limits),
            Ok(Kind::Other(first)) => out.reject_kind(index, first),
            Err(fault) => self.reject(index, fault, out),
        }
        Ok(())
    }

    /// Reads the line from its first byte to its last.
    #[inline(always)]
    pub(super) fn read<'w, F: Follow<'w>>(
        &self,
        utf8: bool,
        wanted: &'w F::Wanted,
        limits: &Limits,
    ) -> Result<Kind<F::Found>, Fault> {
        if !utf8 {
            self.check_utf8()?;
        }
        let first = peek(self.text, self.start);
        let (end, kind) = if first == b'{' {
            match scan::container::<F>(self.text, self.start, wanted, limits.max_depth) {
                Ok(found) => (F::end(&found), Kind::Object(found)),
                Err(Stop::TooDeep { end }) => (end, Kind::TooDeep),
                Err(Stop::Fault(fault)) => return Err(fault),
            }
        } else {
            (scan::value(self.text, self.start)?, Kind::Other(first))
        };
        let rest = skip_space(self.text, end);
        if rest < self.text.len() {
            return Err(unexpected(self.text, rest, "expected the end of the line"));
        }
        Ok(kind)
    }

    #[cold]
    fn check_utf8(&self) -> Result<(), Fault> {
        let line = self.text.get(self.from..).unwrap_or_default();
        if simdutf8::basic::from_utf8(line).is_ok() {
            return Ok(());
        }
        Err(Fault {
            offset: self.from + utf8_fault(line),
            what: "not utf-8; send json in utf-8",
        })
    }

    #[cold]
    pub(super) fn reject(&self, index: u32, fault: Fault, out: &mut Decoded) {
        let Fault { offset, what } = fault;
        let (line, byte) = (self.number, offset - self.from);
        let detail = format!("line {line} is malformed at its byte {byte}: {what}");
        out.reject(index, RejectCode::Malformed, detail);
    }
}

/// What a line turned out to be, given that it's JSON.
pub(super) enum Kind<T> {
    Object(T),
    /// Too deep, and therefore not known to be JSON to its end.
    TooDeep,
    /// Something else, with its first byte.
    Other(u8),
}
