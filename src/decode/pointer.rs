//! Which value of an event is wanted: a JSON pointer (RFC 6901), taken apart once.
//!
//! Promises that a [`Pointer`] names a value inside of an event, never the whole of it.
//! Knows nothing of how values are found; no I/O.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A JSON pointer such as `/device/id`, ready to be followed.
///
/// A segment that is a number written as RFC 6901 wants it (`0`, `17`, but not `017`)
/// names the element of an array as well as the member of an object; `-` names a member
/// only, as no value stands behind the last element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer {
    segments: Box<[Segment]>,
}

/// One step from a value to a value inside of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) name: Box<str>,
    pub(super) index: Option<u32>,
    pub(super) head: Head,
}

/// The first eight bytes that a member of some name starts with in a document, counted
/// from behind its opening quote: a word to compare with before comparing whole names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Which bits of the word are compared.
    pub(super) mask: u64,
    /// What they have to be.
    pub(super) word: u64,
}

impl Head {
    /// What no member starts with.
    pub(super) const NONE: Self = Self { mask: 0, word: 1 };

    fn of(name: &str) -> Self {
        // The closing quote belongs to it, or else "id" would match each "idfa".
        let mut quoted = [0; 8];
        let mut mask = [0; 8];
        for (at, byte) in name.bytes().chain([b'"']).take(8).enumerate() {
            quoted[at] = byte;
            mask[at] = 0xFF;
        }
        Self {
            mask: u64::from_le_bytes(mask),
            word: u64::from_le_bytes(quoted),
        }
    }
}

/// Why a text is no pointer that could be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// The empty pointer is the whole document.
    #[error("an empty pointer names the whole event; name a member of it, such as \"/id\"")]
    WholeEvent,
    /// Every segment, the first one too, has its slash.
    #[error("the pointer {0:?} doesn't start with a slash; write \"/{0}\"")]
    NoSlash(String),
    /// `~` is `~0` and `/` is `~1`; nothing else follows a tilde.
    #[error(
        "the pointer {0:?} has a \"~\" without 0 or 1 behind it; write \"~0\" for \"~\" and \"~1\" for \"/\""
    )]
    Tilde(String),
}

impl Pointer {
    /// Takes a pointer apart.
    ///
    /// # Errors
    ///
    /// If it's empty, doesn't start with a slash, or has an escape that isn't one.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Err(PointerError::WholeEvent);
        }
        let Some(path) = text.strip_prefix('/') else {
            return Err(PointerError::NoSlash(text.to_owned()));
        };
        let segments: Option<Box<[Segment]>> = path.split('/').map(Segment::parse).collect();
        match segments {
            Some(segments) => Ok(Self { segments }),
            None => Err(PointerError::Tilde(text.to_owned())),
        }
    }

    /// The names of its segments, without escapes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(|segment| &*segment.name)
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl Segment {
    fn parse(escaped: &str) -> Option<Self> {
        let valid = |after: &str| after.starts_with(['0', '1']);
        if !escaped.split('~').skip(1).all(valid) {
            return None;
        }
        // In this order, or else "~01" would become a slash.
        let name = escaped.replace("~1", "/").replace("~0", "~");
        let canonical =
            name == "0" || (name.bytes().all(|b| b.is_ascii_digit()) && !name.starts_with('0'));
        let index = if canonical { name.parse().ok() } else { None };
        Some(Self {
            head: Head::of(&name),
            name: name.into(),
            index,
        })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| {
            let name = segment.name.replace('~', "~0").replace('/', "~1");
            write!(f, "/{name}")
        })
    }
}

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Pointer {
    type Error = PointerError;

    fn try_from(text: String) -> Result<Self, PointerError> {
        Self::parse(&text)
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.to_string()
    }
}
