//! A value that was found, as a range of the body.

use std::borrow::Cow;

use super::captured::{Captured, Span};
use super::text::unescape;

/// What stands where a pointer of a route points to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    #[default]
    Missing,
    /// `null`.
    Null,
    /// Bytes to use as they are: the inside of a string without escapes, or the literal text of a number, of `true` or of
    /// `false`.
    Plain(Span),
    /// The inside of a string that has escapes.
    Escaped(Span),
    /// An object or an array, from its opening bracket to its closing one.
    Composite(Span),
}

impl Value {
    pub(super) fn of(captured: Captured) -> Value {
        match captured {
            Captured::Missing | Captured::Composite => Value::Missing,
            Captured::Null => Value::Null,
            Captured::Plain(span) => Value::Plain(span),
            Captured::Escaped(span) => Value::Escaped(span),
        }
    }

    pub(super) fn composite(start: usize, end: usize) -> Value {
        Value::Composite(Span::new(start, end))
    }

    /// Whether it counts where the first of several is taken: it's there, and not `null`.
    #[must_use]
    pub fn is_there(self) -> bool {
        !matches!(self, Value::Missing | Value::Null)
    }

    /// The text of a scalar: the unescaped string, or the number, `true` or `false` as they were written.
    #[must_use]
    pub fn text<'b>(self, body: &'b [u8]) -> Option<Cow<'b, [u8]>> {
        match self {
            Value::Plain(span) => span.of(body).map(Cow::Borrowed),
            Value::Escaped(span) => span.of(body).map(|raw| Cow::Owned(unescape(raw))),
            Value::Missing | Value::Null | Value::Composite(_) => None,
        }
    }

    /// The same, and of an object or array its JSON as it was sent.
    #[must_use]
    pub fn text_or_json<'b>(self, body: &'b [u8]) -> Option<Cow<'b, [u8]>> {
        match self {
            Value::Composite(span) => span.of(body).map(Cow::Borrowed),
            other => other.text(body),
        }
    }
}
