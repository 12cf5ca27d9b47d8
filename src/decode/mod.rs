//! From the body of a request to its events.
//!
//! Promises that every [`Event`] is one JSON object, valid by RFC 8259 and in UTF-8,
//! within the [`Limits`], given by the very bytes that were sent; that everything else in
//! the body is in [`Decoded::rejected`] or refuses the body as a whole; and that no input
//! makes it panic, recurse or take memory that the limits don't bound.
//!
//! It must never know where bodies come from or where events go: no HTTP, no Kafka, no
//! I/O, no clock, nothing asynchronous. Bytes in, offsets out.
//!
//! [`json()`] takes one object or an array of objects, [`ndjson()`] an object per line,
//! [`encoding`] undoes the content encoding before either.

mod block;
pub mod encoding;
mod json;
mod lex;
mod ndjson;
mod pointer;
mod scan;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod track;
mod window;

use std::borrow::Cow;

pub use json::json;
pub use ndjson::ndjson;
pub use pointer::{Pointer, PointerError};
pub use settings::{Limits, Settings, SettingsError};

/// The values of an event that are captured on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What decides on the partition.
    pub key: Option<Pointer>,
    /// What tells the event from all others.
    pub id: Option<Pointer>,
}

/// A range of a body's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The offset of the first byte.
    pub start: u32,
    /// The offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// Bodies that offsets of 32 bits can't reach into are refused before they are
    /// scanned, so nothing is cut off here.
    #[inline(always)]
    fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    /// The bytes of the range, if `body` is long enough to have them.
    #[must_use]
    pub fn of(self, body: &[u8]) -> Option<&[u8]> {
        body.get(self.start as usize..self.end as usize)
    }
}

/// What stands in an event where a [`Pointer`] points to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Captured {
    /// Nothing, or nothing was wanted.
    #[default]
    Missing,
    /// `null`.
    Null,
    /// Bytes to use as they are: the inside of a string without escapes, or the literal
    /// text of a number, of `true` or of `false`.
    Plain(Span),
    /// The inside of a string that has escapes.
    Escaped(Span),
    /// An object or an array.
    Composite,
}

impl Captured {
    /// Whether it tells its event from all others: a scalar that isn't an empty string.
    #[must_use]
    pub fn is_id(&self) -> bool {
        match self {
            Self::Plain(Span { start, end }) => start < end,
            Self::Escaped(_) => true,
            Self::Missing | Self::Null | Self::Composite => false,
        }
    }

    /// The text of the value, if it has one: the unescaped string, or the number, `true`
    /// or `false` as they were written. Always UTF-8 if the body is the one that was
    /// decoded; a surrogate without its other half becomes U+FFFD.
    #[must_use]
    pub fn text<'b>(&self, body: &'b [u8]) -> Option<Cow<'b, [u8]>> {
        match self {
            Self::Plain(span) => span.of(body).map(Cow::Borrowed),
            Self::Escaped(span) => span.of(body).map(|raw| Cow::Owned(text::unescape(raw))),
            Self::Missing | Self::Null | Self::Composite => None,
        }
    }
}

/// One event: where it stands in the body, and what was wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Its place among all the events of the request, the rejected ones included.
    pub index: u32,
    /// The offset of its opening brace.
    pub start: u32,
    /// The offset behind its closing brace.
    pub end: u32,
    /// The value of [`Wanted::key`].
    pub key: Captured,
    /// The value of [`Wanted::id`].
    pub id: Captured,
}

impl Event {
    /// The bytes of the event as they were sent, without the whitespace around it.
    #[must_use]
    pub fn bytes<'b>(&self, body: &'b [u8]) -> Option<&'b [u8]> {
        body.get(self.start as usize..self.end as usize)
    }
}

/// An event that is refused while others of its request may be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its place among all the events of the request.
    pub index: u32,
    /// The reason, for programs.
    pub code: RejectCode,
    /// The reason, for people.
    pub detail: String,
}

/// Why one event is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectCode {
    /// It isn't JSON, or isn't UTF-8. Only lines of NDJSON are refused one by one for it.
    Malformed,
    /// It's JSON, but no object.
    NotAnObject,
    /// It has more bytes than [`Settings::max_event`] allows.
    TooLarge,
    /// It's nested deeper than [`Settings::max_depth`] allows.
    TooDeep,
}

impl RejectCode {
    /// The code as clients get to see it; part of the interface, never to be changed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotAnObject => "not_an_object",
            Self::TooLarge => "event_too_large",
            Self::TooDeep => "too_deep",
        }
    }
}

/// What a body held. To be used again for the next body: clearing keeps the memory.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The events to be taken, in the order they were sent.
    pub events: Vec<Event>,
    /// The events that are refused, in the order they were sent.
    pub rejected: Vec<Rejected>,
    /// How many there were, of both kinds.
    pub total: u32,
}

impl Decoded {
    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.rejected.clear();
        self.total = 0;
    }

    /// Counts one more event, and returns its index.
    #[inline(always)]
    fn next_index(&mut self, limits: &Limits) -> Result<u32, BodyError> {
        let index = self.total;
        if index >= limits.max_events {
            return Err(BodyError::TooManyEvents {
                limit: limits.max_events,
            });
        }
        self.total = index + 1;
        Ok(index)
    }

    #[cold]
    fn reject(&mut self, index: u32, code: RejectCode, detail: String) {
        self.rejected.push(Rejected {
            index,
            code,
            detail,
        });
    }

    /// Takes an object that is valid, unless it's too large.
    #[inline(always)]
    fn accept(&mut self, index: u32, start: usize, found: &scan::Found, limits: &Limits) {
        let size = found.end - start;
        if size > limits.max_event as usize {
            return self.reject_size(index, size, limits);
        }
        let Span { start, end } = Span::new(start, found.end);
        self.events.push(Event {
            index,
            start,
            end,
            key: found.key,
            id: found.id,
        });
    }

    #[cold]
    fn reject_size(&mut self, index: u32, size: usize, limits: &Limits) {
        let detail = format!(
            "the event has {size} bytes, {} are allowed; send less in one event",
            limits.max_event
        );
        self.reject(index, RejectCode::TooLarge, detail);
    }

    #[cold]
    fn reject_depth(&mut self, index: u32, limits: &Limits) {
        let detail = format!(
            "the event nests objects and arrays more than {} deep; flatten it",
            limits.max_depth
        );
        self.reject(index, RejectCode::TooDeep, detail);
    }

    #[cold]
    fn reject_kind(&mut self, index: u32, first: u8) {
        let kind = match first {
            b'[' => "an array",
            b'"' => "a string",
            b't' | b'f' => "a boolean",
            b'n' => "null",
            _ => "a number",
        };
        let detail = format!("the event is {kind}; send a json object");
        self.reject(index, RejectCode::NotAnObject, detail);
    }
}

/// Takes the whole body as one event that nobody looks into. It may be empty.
///
/// # Errors
///
/// If the body is longer than offsets of 32 bits reach.
pub fn raw(body: &[u8], limits: &Limits, out: &mut Decoded) -> Result<(), BodyError> {
    addressable(body)?;
    let index = out.next_index(limits)?;
    if body.len() > limits.max_event as usize {
        out.reject_size(index, body.len(), limits);
        return Ok(());
    }
    let Span { start, end } = Span::new(0, body.len());
    out.events.push(Event {
        index,
        start,
        end,
        key: Captured::Missing,
        id: Captured::Missing,
    });
    Ok(())
}

/// Why a body is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing but whitespace.
    #[error("the body is empty; send at least one event")]
    Empty,
    /// Not JSON, from some byte on.
    #[error("the body is malformed at byte {offset}: {what}")]
    Malformed {
        /// The offset of the byte.
        offset: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A string, a number or a literal.
    #[error("the body is neither a json object nor an array of objects; send one of them")]
    NotObjectOrArray,
    /// More events than [`Settings::max_events`] allows.
    #[error("the body holds more than {limit} events; split it into several requests")]
    TooManyEvents {
        /// How many there may be.
        limit: u32,
    },
    /// Bytes that are no UTF-8.
    #[error("the body is not utf-8 at byte {offset}; send json in utf-8")]
    NotUtf8 {
        /// The offset of the first such byte.
        offset: usize,
    },
    /// Longer than offsets of 32 bits reach.
    #[error("the body has {bytes} bytes; send fewer than 4294967296 in one request")]
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
}

impl From<lex::Fault> for BodyError {
    fn from(fault: lex::Fault) -> Self {
        Self::Malformed {
            offset: fault.offset,
            what: fault.what,
        }
    }
}

/// The offset of the first byte from `pos` on, where a text begins, that is neither whitespace nor of a byte order mark: RFC
/// 8259 (8.1) lets parsers ignore that.
#[inline(always)]
fn skip_to_text(body: &[u8], pos: usize) -> usize {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let start = lex::skip_space(body, pos);
    if lex::peek(body, start) == MARK[0] && body.get(pos..).is_some_and(|b| b.starts_with(MARK)) {
        lex::skip_space(body, pos + MARK.len())
    } else {
        start
    }
}

/// Refuses a body that offsets of 32 bits can't reach into.
fn addressable(body: &[u8]) -> Result<(), BodyError> {
    match u32::try_from(body.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(BodyError::TooLong { bytes: body.len() }),
    }
}

/// The offset of the first byte that is no UTF-8. Slower than the check that only says
/// whether there's one, and called only if there is.
#[cold]
fn utf8_fault(body: &[u8]) -> usize {
    std::str::from_utf8(body).map_or_else(|error| error.valid_up_to(), |_| body.len())
}
