//! What a body held: its events, those that are refused, and why all of it may be.

use super::lex::{Fault, peek, skip_space};
use super::track::Found;
use super::{Captured, Limits, Span};

/// One event: where it stands in the body, and what was wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Its place among all the events of the request, the rejected ones included.
    pub index: u32,
    /// The offset of its opening brace.
    pub start: u32,
    /// The offset behind its closing brace.
    pub end: u32,
    /// The value of [`Wanted::key`](super::Wanted::key).
    pub key: Captured,
    /// The value of [`Wanted::id`](super::Wanted::id).
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
    /// It has more bytes than [`Settings::max_event`](super::Settings::max_event) allows.
    TooLarge,
    /// It's nested deeper than [`Settings::max_depth`](super::Settings::max_depth) allows.
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
    pub(super) fn next_index(&mut self, limits: &Limits) -> Result<u32, BodyError> {
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
    pub(super) fn reject(&mut self, index: u32, code: RejectCode, detail: String) {
        self.rejected.push(Rejected {
            index,
            code,
            detail,
        });
    }

    /// Takes an object that is valid, unless it's too large.
    #[inline(always)]
    pub(super) fn accept(&mut self, index: u32, start: usize, found: &Found, limits: &Limits) {
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

    /// The same for an object of which nothing was captured.
    pub(super) fn accept_at(&mut self, index: u32, start: usize, end: usize, limits: &Limits) {
        let found = Found {
            end,
            key: Captured::Missing,
            id: Captured::Missing,
        };
        self.accept(index, start, &found, limits);
    }

    #[cold]
    pub(super) fn reject_size(&mut self, index: u32, size: usize, limits: &Limits) {
        let detail = format!(
            "the event has {size} bytes, {} are allowed; send less in one event",
            limits.max_event
        );
        self.reject(index, RejectCode::TooLarge, detail);
    }

    #[cold]
    pub(super) fn reject_depth(&mut self, index: u32, limits: &Limits) {
        let detail = format!(
            "the event nests objects and arrays more than {} deep; flatten it",
            limits.max_depth
        );
        self.reject(index, RejectCode::TooDeep, detail);
    }

    #[cold]
    pub(super) fn reject_kind(&mut self, index: u32, first: u8) {
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
    /// More events than [`Settings::max_events`](super::Settings::max_events) allows.
    #[error("the body holds more than {limit} events; split it into several requests")]
    TooManyEvents {
        /// How many there may be.
        limit: u32,
    },
    /// No object or array where the events should be.
    #[error("there is no array of events, and no event, at {pointer}")]
    NoEvents {
        /// Where they should be.
        pointer: String,
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

impl From<Fault> for BodyError {
    fn from(fault: Fault) -> Self {
        Self::Malformed {
            offset: fault.offset,
            what: fault.what,
        }
    }
}

/// The offset of the first byte from `pos` on, where a text begins, that is neither whitespace nor of a byte order mark: RFC
/// 8259 (8.1) lets parsers ignore that.
#[inline(always)]
pub(super) fn skip_to_text(body: &[u8], pos: usize) -> usize {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let start = skip_space(body, pos);
    if peek(body, start) == MARK[0] && body.get(pos..).is_some_and(|b| b.starts_with(MARK)) {
        skip_space(body, pos + MARK.len())
    } else {
        start
    }
}

/// Refuses a body that offsets of 32 bits can't reach into.
pub(super) fn addressable(body: &[u8]) -> Result<(), BodyError> {
    match u32::try_from(body.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(BodyError::TooLong { bytes: body.len() }),
    }
}

/// The offset of the first byte that is no UTF-8. Slower than the check that only says
/// whether there's one, and called only if there is.
#[cold]
pub(super) fn utf8_fault(body: &[u8]) -> usize {
    std::str::from_utf8(body).map_or_else(|error| error.valid_up_to(), |_| body.len())
}
