//! What is looked for in an event, and what was found: ranges of the body, nothing copied.

use std::borrow::Cow;

use super::Pointer;
use super::text::unescape;

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
    pub(super) fn new(start: usize, end: usize) -> Self {
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
            Self::Escaped(span) => span.of(body).map(|raw| Cow::Owned(unescape(raw))),
            Self::Missing | Self::Null | Self::Composite => None,
        }
    }
}
