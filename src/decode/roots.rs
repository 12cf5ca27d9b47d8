//! Noting the members of an event's outermost object that wanted values are in, many of them in one pass.
//!
//! A [`Follow`] for routes, which may want a dozen values of an event: an ordered list for its key, its id, its time, its headers.
//! Only the outermost object is watched, so that a nested member costs one comparison of depths however many values are
//! wanted. What lies deeper is found by [`lookup`](super::lookup) within the member, when somebody asks.

use smallvec::SmallVec;

use super::captured::Captured;
use super::follow::Follow;
use super::lex::Text;
use super::pointer::{Head, Pointer, Segment};
use super::text::unescape;
use super::value::Value;

/// As many members of an object can be wanted: a bit of a word for each.
pub(super) const MOST: usize = u64::BITS as usize;

/// Values of the wanted members, in their order.
pub(super) type Values = SmallVec<[Value; FEW]>;

/// As many have room without memory of their own.
const FEW: usize = 8;

/// The names of wanted members, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// A bit for the first two bytes of each, as [`bit`] has them: most names are none of these, and one look tells.
    bits: u64,
    heads: Vec<Head>,
    names: Vec<Box<str>>,
}

impl Names {
    /// The place of the member that a pointer begins with.
    pub(super) fn place(&mut self, pointer: &Pointer) -> Option<usize> {
        let first = pointer.segments().first()?;
        let known = self.names.iter().position(|name| *name == first.name);
        if known.is_none() {
            // An empty name says nothing of the second byte.
            self.bits |= match first.name.is_empty() {
                true => u64::MAX,
                false => bit(first.head.word),
            };
            self.names.push(first.name.clone());
            self.heads.push(first.head);
        }
        known.or_else(|| self.names.len().checked_sub(1))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The place of the member of this name.
    pub(super) fn named(&self, name: &[u8], escaped: bool) -> Option<usize> {
        let is = |name: &[u8]| self.names.iter().position(|known| known.as_bytes() == name);
        if escaped {
            is(&unescape(name))
        } else {
            is(name)
        }
    }

    /// Whether a member of this name is what `segment` names.
    pub(super) fn is(segment: &Segment, name: &[u8], escaped: bool) -> bool {
        match escaped {
            true => unescape(name) == segment.name.as_bytes(),
            false => name == segment.name.as_bytes(),
        }
    }

    /// The values of as many members, none of them found.
    #[inline]
    pub(super) fn nothing(&self) -> Values {
        match self.len() {
            few @ ..=FEW => SmallVec::from_buf_and_len([Value::Missing; FEW], few),
            many => SmallVec::from_elem(Value::Missing, many),
        }
    }
}

/// The wanted members of one event on its way.
pub(super) struct Roots<'w> {
    names: &'w Names,
    values: Values,
    /// The member that is open, and where its value begins.
    open: Option<(usize, usize)>,
}

/// An object, walked through.
pub(super) struct Members {
    pub(super) end: usize,
    pub(super) values: Values,
}

/// Bytes of a name that are looked at first.
const WORD_BYTES: usize = 8;

/// The bit of the first two bytes of a word.
#[inline(always)]
fn bit(word: u64) -> u64 {
    1 << ((word ^ word >> 5) & 63)
}

/// No member.
const NOBODY: usize = usize::MAX;

impl<'w> Follow<'w> for Roots<'w> {
    type Wanted = Names;
    type Hits = usize;
    type Found = Members;

    const NONE: usize = NOBODY;

    #[inline(always)]
    fn any(hits: usize) -> bool {
        hits != NOBODY
    }

    #[inline(always)]
    fn new(names: &'w Names) -> Self {
        Roots {
            names,
            values: names.nothing(),
            open: None,
        }
    }

    #[inline(always)]
    fn watching(&self, _: u32) -> bool {
        false
    }

    #[inline(always)]
    fn member(&self, depth: u32, body: &[u8], start: usize, text: Text) -> usize {
        if depth != 1 {
            return NOBODY;
        }
        self.outermost(body, start, text)
    }

    fn element(&mut self, _: u32) -> usize {
        NOBODY
    }

    #[inline(never)]
    fn scalar(&mut self, at: usize, value: Captured) {
        if let Some(slot) = self.values.get_mut(at) {
            *slot = Value::of(value);
        }
    }

    #[inline(never)]
    fn open(&mut self, at: usize, _: bool, start: usize) {
        self.open = Some((at, start));
    }

    #[inline(always)]
    fn close(&mut self, depth: u32, _: bool, end: usize) {
        if depth == 1 {
            self.shut(end);
        }
    }

    #[inline(always)]
    fn found(self, end: usize) -> Members {
        Members {
            end,
            values: self.values,
        }
    }

    #[inline(always)]
    fn end(found: &Members) -> usize {
        found.end
    }
}

impl Roots<'_> {
    #[inline(always)]
    fn outermost(&self, body: &[u8], start: usize, text: Text) -> usize {
        // Almost no name is one of the wanted ones: a glance at its first bytes tells.
        if !text.escaped
            && let Some(bytes) = body.get(start..).and_then(<[u8]>::first_chunk)
        {
            let word = u64::from_le_bytes(*bytes);
            if self.names.bits & bit(word) == 0 {
                return NOBODY;
            }
            return self.begun(word, body.get(start..text.end).unwrap_or_default());
        }
        self.compare(body.get(start..text.end).unwrap_or_default(), text.escaped)
    }

    /// The place of the member `name`, which begins with `word` and has no escapes.
    #[inline(never)]
    fn begun(&self, word: u64, name: &[u8]) -> usize {
        let is_it = |at: &usize| {
            let known = self.names.names.get(*at).map(|known| known.as_bytes());
            // One of fewer bytes than a word was compared as a whole.
            known.is_some_and(|known| {
                known.len() == name.len() && (name.len() < WORD_BYTES || known == name)
            })
        };
        let heads = self.names.heads.iter().enumerate();
        let begun = heads.filter(|(_, head)| word & head.mask == head.word);
        let mut begun = begun.map(|(at, _)| at);
        begun.find(is_it).unwrap_or(NOBODY)
    }

    #[inline(never)]
    fn compare(&self, name: &[u8], escaped: bool) -> usize {
        self.names.named(name, escaped).unwrap_or(NOBODY)
    }

    #[inline(always)]
    fn shut(&mut self, end: usize) {
        if let Some((at, start)) = self.open.take()
            && let Some(slot) = self.values.get_mut(at)
        {
            *slot = Value::composite(start, end);
        }
    }
}
