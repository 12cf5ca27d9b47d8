//! Following the pointers of the wanted values while the scanner walks through an event.
//!
//! Promises that, at the end of the event, each pointer's [`Captured`] is what a reader
//! of the whole document would find there, the last of duplicate members being the one
//! that counts. Knows the shape of the walk only: keys, elements, what opens and what
//! closes; no I/O, no allocation (but to compare a key that has escapes).

use super::follow::Follow;
use super::lex::Text;
use super::pointer::{Head, Pointer, Segment};
use super::text::unescape;
use super::{Captured, Wanted};

/// The countdown of an array whose wanted element is past, or that has none. It would
/// take 2^32 - 1 commas to count it down, and offsets end before.
const NEVER: u32 = u32::MAX;

/// Which of the pointers the value to come lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hits {
    key: bool,
    id: bool,
}

/// The pointers of one event.
pub(super) struct Tracks<'w> {
    key: Track<'w>,
    id: Track<'w>,
}

/// An object, walked through.
#[derive(Debug)]
pub(super) struct Found {
    /// The offset behind the closing bracket.
    pub(super) end: usize,
    pub(super) key: Captured,
    pub(super) id: Captured,
}

impl<'w> Follow<'w> for Tracks<'w> {
    type Wanted = Wanted;
    type Hits = Hits;
    type Found = Found;

    const NONE: Hits = Hits {
        key: false,
        id: false,
    };

    #[inline(always)]
    fn any(hits: Hits) -> bool {
        hits.key | hits.id
    }

    #[inline(always)]
    fn new(wanted: &'w Wanted) -> Self {
        Self {
            key: Track::new(wanted.key.as_ref()),
            id: Track::new(wanted.id.as_ref()),
        }
    }

    #[inline(always)]
    fn watching(&self, depth: u32) -> bool {
        (self.key.level == depth) | (self.id.level == depth)
    }

    #[inline(always)]
    fn member(&self, depth: u32, body: &[u8], start: usize, text: Text) -> Hits {
        // Almost no key is one of the wanted ones: a glance at the first eight bytes tells.
        if !text.escaped
            && let Some(bytes) = body.get(start..).and_then(<[u8]>::first_chunk)
        {
            let word = u64::from_le_bytes(*bytes);
            if !self.key.may_be(depth, word) & !self.id.may_be(depth, word) {
                return Self::NONE;
            }
        }
        self.compare(
            depth,
            body.get(start..text.end).unwrap_or_default(),
            text.escaped,
        )
    }

    #[inline(never)]
    fn element(&mut self, depth: u32) -> Hits {
        Hits {
            key: self.key.element(depth),
            id: self.id.element(depth),
        }
    }

    #[inline(never)]
    fn scalar(&mut self, hits: Hits, value: Captured) {
        if hits.key {
            self.key.scalar(value);
        }
        if hits.id {
            self.id.scalar(value);
        }
    }

    #[inline(always)]
    fn open(&mut self, hits: Hits, object: bool, _: usize) {
        self.enter(hits, object);
    }

    #[inline(always)]
    fn close(&mut self, depth: u32, object: bool, _: usize) {
        self.key.close(depth, object);
        self.id.close(depth, object);
    }

    #[inline(always)]
    fn found(self, end: usize) -> Found {
        Found {
            end,
            key: self.key.captured,
            id: self.id.captured,
        }
    }

    #[inline(always)]
    fn end(found: &Found) -> usize {
        found.end
    }
}

impl Tracks<'_> {
    #[inline(never)]
    fn compare(&self, depth: u32, name: &[u8], escaped: bool) -> Hits {
        Hits {
            key: self.key.level == depth && self.key.is_named(name, escaped),
            id: self.id.level == depth && self.id.is_named(name, escaped),
        }
    }

    #[inline(never)]
    fn enter(&mut self, hits: Hits, object: bool) {
        if hits.key {
            self.key.open(object);
        }
        if hits.id {
            self.id.open(object);
        }
    }
}

/// One pointer on its way.
struct Track<'w> {
    segments: &'w [Segment],
    /// The name that is looked for at `level`, and how it starts.
    name: &'w [u8],
    head: Head,
    /// The depth of the innermost open container that the pointer leads into. That
    /// container's members are compared with `segments[level - 1]`. 0 if nothing is
    /// wanted, which is no depth that a container has.
    level: u32,
    /// How many elements of the array at `level` come before the wanted one.
    countdown: u32,
    captured: Captured,
}

impl<'w> Track<'w> {
    #[inline(always)]
    fn new(pointer: Option<&'w Pointer>) -> Self {
        let segments = pointer.map_or(&[][..], Pointer::segments);
        let first = segments.first();
        Self {
            segments,
            name: first.map_or(&[], |first| first.name.as_bytes()),
            head: first.map_or(Head::NONE, |first| first.head),
            level: u32::from(pointer.is_some()),
            countdown: NEVER,
            captured: Captured::Missing,
        }
    }

    /// Whether a member at `depth` whose key starts with `word` can be the wanted one.
    #[inline(always)]
    fn may_be(&self, depth: u32, word: u64) -> bool {
        (self.level == depth) & (word & self.head.mask == self.head.word)
    }

    fn is_named(&self, name: &[u8], escaped: bool) -> bool {
        if escaped {
            unescape(name) == self.name
        } else {
            name == self.name
        }
    }

    fn element(&mut self, depth: u32) -> bool {
        let hit = self.level == depth && self.countdown == 0;
        if self.level == depth {
            self.countdown = self.countdown.wrapping_sub(1);
        }
        hit
    }

    fn is_last(&self) -> bool {
        self.level as usize == self.segments.len()
    }

    fn scalar(&mut self, value: Captured) {
        // A scalar on the way to the wanted value: there's no way further. It may replace
        // an earlier duplicate through which there was one.
        self.captured = if self.is_last() {
            value
        } else {
            Captured::Missing
        };
    }

    fn open(&mut self, object: bool) {
        if self.is_last() {
            self.captured = Captured::Composite;
            return;
        }
        self.captured = Captured::Missing;
        let next = self.segments.get(self.level as usize);
        self.look_for(next);
        self.countdown = match next {
            Some(segment) if !object => segment.index.unwrap_or(NEVER),
            _ => NEVER,
        };
        self.level += 1;
    }

    fn look_for(&mut self, segment: Option<&'w Segment>) {
        self.name = segment.map_or(&[], |segment| segment.name.as_bytes());
        self.head = segment.map_or(Head::NONE, |segment| segment.head);
    }

    #[inline(always)]
    fn close(&mut self, depth: u32, object: bool) {
        if self.level > depth {
            self.back_to(depth, object);
        }
    }

    #[inline(never)]
    fn back_to(&mut self, depth: u32, object: bool) {
        self.level = depth;
        let segment = (depth as usize).checked_sub(1);
        let segment = segment.and_then(|at| self.segments.get(at));
        self.look_for(segment);
        if !object {
            // The wanted element of this array is the one that has just been closed.
            self.countdown = NEVER;
        }
    }
}
