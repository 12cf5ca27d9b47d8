//! The events of a route's body, and many wanted values of each.
//!
//! Promises what [`json`](super::json()) and [`ndjson`](super::ndjson()) promise of events, also where they stand in an array
//! somewhere inside of an object, the *envelope*, whose other members may come before or behind. The body is walked through
//! once. A value that lies deeper than one member is looked up inside of it when somebody asks.
//!
//! An envelope whose events' member is there twice is refused: nobody can say which is meant.

use super::events::{addressable, skip_to_text, utf8_fault};
use super::lex::{peek, skip_space, string, unexpected};
use super::lookup::{lookup, value_at};
use super::ndjson::{Kind, each_line};
use super::pointer::{Pointer, Segment};
use super::roots::{MOST, Members, Names, Roots, Values};
use super::scan::{self, Stop};
use super::value::Value;
use super::{BodyError, Decoded, Limits};

/// Where the events of a body are, and what is wanted of them and of their envelope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    events: Option<Pointer>,
    of_event: Wants,
    of_envelope: Wants,
}

/// Wanted values of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wants {
    names: Names,
    /// The member that each pointer begins with, and the pointer.
    pointers: Vec<(usize, Pointer)>,
}

/// More values are wanted than can be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MOST} members of one object are wanted; look for fewer")]
pub struct TooMany;

impl Layout {
    /// A layout with the events at `events`; without it the body is an event, or an array of events.
    #[must_use]
    pub fn new(events: Option<Pointer>) -> Layout {
        Layout {
            events,
            ..Layout::default()
        }
    }

    /// Where the events are, if it isn't the root.
    #[must_use]
    pub fn events(&self) -> Option<&Pointer> {
        self.events.as_ref()
    }

    /// Wants a value of each event; returns its number for [`Picked::of_event`]. The same pointer has the same number.
    ///
    /// # Errors
    ///
    /// If too many are wanted.
    pub fn want_of_event(&mut self, pointer: &Pointer) -> Result<usize, TooMany> {
        self.of_event.add(pointer)
    }

    /// Wants a value of the envelope; returns its number for [`Picked::of_envelope`].
    ///
    /// # Errors
    ///
    /// If too many are wanted.
    pub fn want_of_envelope(&mut self, pointer: &Pointer) -> Result<usize, TooMany> {
        self.of_envelope.add(pointer)
    }

    /// How many values of the envelope are wanted: their numbers are below that.
    #[must_use]
    pub fn wanted_of_envelope(&self) -> usize {
        self.of_envelope.pointers.len()
    }
}

impl Wants {
    fn add(&mut self, pointer: &Pointer) -> Result<usize, TooMany> {
        if let Some(known) = self.pointers.iter().position(|(_, known)| known == pointer) {
            return Ok(known);
        }
        let member = self.names.place(pointer).ok_or(TooMany)?;
        if member >= MOST {
            return Err(TooMany);
        }
        self.pointers.push((member, pointer.clone()));
        Ok(self.pointers.len() - 1)
    }

    /// The wanted value of this number, if `members` are those of its object.
    #[inline]
    fn value(&self, members: &[Value], number: usize, body: &[u8]) -> Value {
        let Some((member, pointer)) = self.pointers.get(number) else {
            return Value::Missing;
        };
        let outer = members.get(*member).copied().unwrap_or_default();
        match pointer.segments() {
            [_] => outer,
            segments => inside(body, segments, outer),
        }
    }
}

/// The value at a pointer of several segments, the first of which leads to `outer`.
#[inline(never)]
fn inside(body: &[u8], segments: &[Segment], outer: Value) -> Value {
    match (segments, outer) {
        ([_, rest @ ..], Value::Composite(span)) => lookup(body, span.start as usize, rest),
        _ => Value::Missing,
    }
}

/// What a route's body held. To be used again for the next body: clearing keeps the memory.
#[derive(Debug, Default)]
pub struct Picked {
    /// The events, and those that are refused. Their `key` and `id` are missing: what is wanted is here.
    pub decoded: Decoded,
    /// Values of the wanted members, of one event after another.
    members: Vec<Value>,
    of_envelope: Values,
}

impl Picked {
    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.decoded.clear();
        self.members.clear();
        self.of_envelope.clear();
    }

    /// The wanted value `number` of the event at `position` of `decoded.events`.
    #[must_use]
    #[inline]
    pub fn of_event(&self, layout: &Layout, body: &[u8], position: usize, number: usize) -> Value {
        let wants = &layout.of_event;
        let from = position * wants.names.len();
        let members = self.members.get(from..from + wants.names.len());
        wants.value(members.unwrap_or_default(), number, body)
    }

    /// The wanted value `number` of the envelope.
    #[must_use]
    pub fn of_envelope(&self, layout: &Layout, body: &[u8], number: usize) -> Value {
        layout.of_envelope.value(&self.of_envelope, number, body)
    }

    fn accept(&mut self, index: u32, start: usize, found: Members, limits: &Limits) {
        let before = self.decoded.events.len();
        self.decoded.accept_at(index, start, found.end, limits);
        if self.decoded.events.len() > before {
            self.members.extend_from_slice(&found.values);
        }
    }
}

/// Decodes a body whose events are where `layout` says.
///
/// # Errors
///
/// If the body is refused as a whole; `out` is empty then.
pub fn pick_json(
    body: &[u8],
    layout: &Layout,
    limits: &Limits,
    out: &mut Picked,
) -> Result<(), BodyError> {
    out.clear();
    let walk = Walk {
        body,
        layout,
        limits,
    };
    let outcome = walk.whole(out);
    if outcome.is_err() {
        out.clear();
    }
    outcome
}

/// Decodes a body that has one event on each line.
///
/// # Errors
///
/// If the body is refused as a whole; `out` is empty then.
pub fn pick_ndjson(
    body: &[u8],
    layout: &Layout,
    limits: &Limits,
    out: &mut Picked,
) -> Result<(), BodyError> {
    out.clear();
    let names = &layout.of_event.names;
    let outcome = each_line(body, |line, utf8| {
        let index = out.decoded.next_index(limits)?;
        match line.read::<Roots<'_>>(utf8, names, limits) {
            Ok(Kind::Object(found)) => out.accept(index, line.start, found, limits),
            Ok(Kind::TooDeep) => out.decoded.reject_depth(index, limits),
            Ok(Kind::Other(first)) => out.decoded.reject_kind(index, first),
            Err(fault) => line.reject(index, fault, &mut out.decoded),
        }
        Ok(())
    });
    let outcome = match outcome {
        Ok(()) if out.decoded.total == 0 => Err(BodyError::Empty),
        outcome => outcome,
    };
    if outcome.is_err() {
        out.clear();
    }
    outcome
}

/// One body on its way.
struct Walk<'a> {
    body: &'a [u8],
    layout: &'a Layout,
    limits: &'a Limits,
}

impl Walk<'_> {
    fn whole(&self, out: &mut Picked) -> Result<(), BodyError> {
        let body = self.body;
        addressable(body)?;
        if simdutf8::basic::from_utf8(body).is_err() {
            let offset = utf8_fault(body);
            return Err(BodyError::NotUtf8 { offset });
        }
        let start = skip_to_text(body, 0);
        if start >= body.len() {
            return Err(BodyError::Empty);
        }
        out.of_envelope = self.layout.of_envelope.names.nothing();
        let behind = match &self.layout.events {
            None => self.events(start, out)?,
            Some(events) => {
                let mut found = false;
                let behind = self.envelope(start, events.segments(), true, &mut found, out)?;
                if !found {
                    return Err(self.no_events(events));
                }
                behind
            }
        };
        let rest = skip_space(body, behind);
        if rest < body.len() {
            return Err(unexpected(body, rest, "expected nothing more behind the value").into());
        }
        Ok(())
    }

    #[cold]
    fn no_events(&self, events: &Pointer) -> BodyError {
        BodyError::NoEvents {
            pointer: events.to_string(),
        }
    }

    /// Takes the value at `pos`, which leads to the events by `segments`; returns the offset behind it. Only the outermost object is
    /// the envelope that values are wanted of.
    fn envelope(
        &self,
        pos: usize,
        segments: &[Segment],
        is_outermost: bool,
        found: &mut bool,
        out: &mut Picked,
    ) -> Result<usize, BodyError> {
        let body = self.body;
        let Some((segment, inner)) = segments.split_first() else {
            if std::mem::replace(found, true) {
                return Err(unexpected(body, pos, "the events are there twice").into());
            }
            return self.events(pos, out);
        };
        if peek(body, pos) != b'{' {
            return Ok(scan::whole_value(body, pos)?);
        }
        let mut pos = skip_space(body, pos + 1);
        if peek(body, pos) == b'}' {
            return Ok(pos + 1);
        }
        loop {
            let (name, escaped, value) = self.name(pos)?;
            let is_named = Names::is(segment, name, escaped);
            let end = match is_named {
                true => self.envelope(value, inner, false, found, out)?,
                false => scan::whole_value(body, value)?,
            };
            if is_outermost
                && let Some(at) = self.layout.of_envelope.names.named(name, escaped)
                && let Some(slot) = out.of_envelope.get_mut(at)
            {
                *slot = match peek(body, value) {
                    b'{' | b'[' => Value::composite(value, end),
                    _ => value_at(body, value),
                };
            }
            pos = skip_space(body, end);
            match peek(body, pos) {
                b',' => pos = skip_space(body, pos + 1),
                b'}' => return Ok(pos + 1),
                _ => return Err(unexpected(body, pos, "expected ',' or '}'").into()),
            }
        }
    }

    /// The name of the member at `pos`, whether it has escapes, and where its value begins.
    fn name(&self, pos: usize) -> Result<(&[u8], bool, usize), BodyError> {
        let body = self.body;
        if peek(body, pos) != b'"' {
            return Err(unexpected(body, pos, "expected a key in quotes").into());
        }
        let text = string(body, pos + 1)?;
        let colon = skip_space(body, text.end + 1);
        if peek(body, colon) != b':' {
            return Err(unexpected(body, colon, "expected ':'").into());
        }
        let name = body.get(pos + 1..text.end).unwrap_or_default();
        Ok((name, text.escaped, skip_space(body, colon + 1)))
    }

    /// Takes the event or the array of events at `pos`; returns the offset behind it.
    fn events(&self, pos: usize, out: &mut Picked) -> Result<usize, BodyError> {
        let body = self.body;
        match peek(body, pos) {
            b'{' => return self.event(pos, out),
            b'[' => {}
            _ => {
                scan::value(body, pos)?;
                return Err(match &self.layout.events {
                    None => BodyError::NotObjectOrArray,
                    Some(events) => self.no_events(events),
                });
            }
        }
        let mut pos = skip_space(body, pos + 1);
        if peek(body, pos) == b']' {
            return Ok(pos + 1);
        }
        loop {
            pos = skip_space(body, self.event(pos, out)?);
            match peek(body, pos) {
                b',' => pos = skip_space(body, pos + 1),
                b']' => return Ok(pos + 1),
                _ => return Err(unexpected(body, pos, "expected ',' or ']'").into()),
            }
        }
    }

    /// Takes the value at `pos`, which should be an event; returns the offset behind it.
    #[inline(always)]
    fn event(&self, pos: usize, out: &mut Picked) -> Result<usize, BodyError> {
        let (body, limits) = (self.body, self.limits);
        let first = peek(body, pos);
        if first != b'{' {
            let end = scan::value(body, pos)?;
            let index = out.decoded.next_index(limits)?;
            out.decoded.reject_kind(index, first);
            return Ok(end);
        }
        let index = out.decoded.next_index(limits)?;
        let names = &self.layout.of_event.names;
        match scan::container::<Roots<'_>>(body, pos, names, limits.max_depth) {
            Ok(found) => {
                let end = found.end;
                out.accept(index, pos, found, limits);
                Ok(end)
            }
            Err(Stop::TooDeep { end }) => {
                out.decoded.reject_depth(index, limits);
                Ok(end)
            }
            Err(Stop::Fault(fault)) => Err(fault.into()),
        }
    }
}
