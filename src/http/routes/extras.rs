//! What a route's records have beside value and key: headers, an id of their own, a timestamp.
//!
//! What all events of a request have in common is found, and made a part of their headers, once for all of them.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::cloudevents::{Mode, Said};
use super::endpoint::{Endpoint, Place};
use super::read::{Found, Read};
use super::settings::Timestamp;
use super::source::Source;
use crate::event::headers::{self, Blocks};
use crate::event::{Extra, Headers, Key};
use crate::route::Privacy;

/// The header of an event's id, where it doesn't stand in the event.
const EVENT_ID: &str = "event-id";

/// The same for all events of a request and a stream, and what is needed for the rest.
pub(super) struct Extras<'a> {
    read: &'a Read<'a>,
    /// What the stream lets be known of its clients.
    privacy: &'a Privacy,
    address: Option<String>,
    arrival_ms: i64,
    /// The headers of an event, in their order.
    parts: Parts<'a>,
    counted: Counted,
    /// What all events share, if that is all they have.
    shared: Option<Result<Option<Arc<Extra>>, TooLarge>>,
}

/// Headers of an event, in their order.
type Parts<'a> = SmallVec<[Part<'a>; 4]>;

/// Headers of an event that stand one behind the other.
enum Part<'a> {
    /// Those that are the same for all events of the request.
    Same(Same),
    /// One that may have another value for each event: its name, and where the value may be.
    OfEvent(&'a str, SmallVec<[Place; 4]>),
}

/// Headers that are made. There are none if they were too large, and their bytes count all the same.
struct Same {
    headers: Headers,
    bytes: u64,
}

/// The headers of an event are larger than an event may be. They were counted and not made.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooLarge {
    /// Bytes that they would have.
    pub(super) bytes: u64,
}

/// Headers that are counted, and made as long as they aren't too large: what a request says once may be a large part of each of its
/// events.
struct Counted {
    blocks: Blocks,
    bytes: u64,
    /// Most bytes that the headers of an event may have.
    most: u64,
}

impl Counted {
    /// For as many events.
    fn of(events: usize, most: u64) -> Counted {
        Counted {
            blocks: Blocks::of(events),
            bytes: 0,
            most,
        }
    }

    fn push(&mut self, name: &str, value: &[u8]) {
        self.bytes += headers::bytes_of(name, value);
        match self.bytes <= self.most {
            true => self.blocks.push(name, value),
            false => self.blocks.forget(),
        }
    }

    fn push_same(&mut self, same: &Same) {
        self.bytes += same.bytes;
        match self.bytes <= self.most {
            true => self.blocks.push_block(same.headers.block(&[])),
            false => self.blocks.forget(),
        }
    }

    /// The headers of an event; those of the next one begin.
    fn finish(&mut self) -> Result<Headers, TooLarge> {
        let bytes = std::mem::take(&mut self.bytes);
        match bytes <= self.most {
            true => Ok(self.blocks.finish()),
            false => Err(TooLarge { bytes }),
        }
    }
}

/// Where an event's id stands.
enum Id<'a> {
    /// In the event.
    OfEvent,
    /// Elsewhere: it needs a header.
    Apart(Found<'a>),
}

impl<'a> Extras<'a> {
    /// For as many events of one stream, by what its privacy lets a record have. `arrival_ms` is when they came, and `most` what headers of
    /// an event may have in bytes.
    pub(super) fn of(
        read: &'a Read<'a>,
        privacy: &'a Privacy,
        arrival_ms: i64,
        most: u64,
        events: usize,
    ) -> Extras<'a> {
        let endpoint = read.endpoint;
        let address = { read.head.address }.map(|address| privacy.shown(address));
        let mut extras = Extras {
            read,
            privacy,
            arrival_ms,
            parts: parts(read, privacy, address.as_deref(), most),
            address,
            counted: Counted::of(events, most),
            shared: None,
        };
        let varies = |part: &Part<'_>| matches!(part, Part::OfEvent(..));
        let is_apart = |place: &Place| !place.is_in_event();
        let has_time = !endpoint.time.is_empty();
        if !has_time && !extras.parts.iter().any(varies) && !endpoint.id.iter().any(is_apart) {
            extras.shared = Some(extras.made(None, 0));
        }
        extras
    }

    /// The key of the event at `position`, as its stream lets it be stored. What stands in the event is stored with the event.
    #[inline]
    pub(super) fn shown_key(&self, position: usize, key: Key) -> Key {
        match self.privacy.shows_addresses() {
            true => key,
            false => self.hidden_key(position, key),
        }
    }

    #[cold]
    fn hidden_key(&self, position: usize, key: Key) -> Key {
        let mut places = self.read.endpoint.key.iter();
        let is_there = |place: &&Place| {
            let found = self.read.first(&[**place], position, self.address());
            found.is_some()
        };
        if places.find(is_there).is_none_or(Place::is_of_event) {
            return key;
        }
        match self
            .privacy
            .text(key.bytes(self.read.body).unwrap_or_default())
        {
            Cow::Owned(shown) => Key::Apart(shown.into()),
            Cow::Borrowed(_) => key,
        }
    }

    /// The client's address, as the stream shows it.
    pub(super) fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Whether the event at `position` has no id and gets one; and its extras. `index` is its place in the request.
    pub(super) fn event(
        &mut self,
        position: usize,
        index: u32,
    ) -> Result<(bool, Option<Arc<Extra>>), TooLarge> {
        let address = self.address.as_deref();
        let id = id(self.read, self.privacy, position, address);
        let has_none = id.is_none();
        if let Some(shared) = &self.shared {
            return Ok((has_none, shared.clone()?));
        }
        if let Some(Id::Apart(id)) = id {
            let bytes = self.privacy.text(id.bytes(self.read.body));
            push_id(self.read, &bytes, index, &mut self.counted);
        }
        let time = self.read.time(position);
        Ok((has_none, self.made(time, position)?))
    }

    /// The extras of the event at `position` that says this time, with the headers that are there and those to come.
    fn made(&mut self, time: Option<i64>, position: usize) -> Result<Option<Arc<Extra>>, TooLarge> {
        let (read, counted) = (self.read, &mut self.counted);
        let endpoint = read.endpoint;
        for part in &self.parts {
            match part {
                Part::Same(same) => counted.push_same(same),
                Part::OfEvent(name, places) => {
                    let found = read.first(places, position, self.address.as_deref());
                    if let Some(found) = found {
                        let value = self.privacy.text(found.bytes(read.body));
                        counted.push(name, &value);
                    }
                }
            }
        }
        if let Some(name) = &endpoint.time_header {
            let time = time.unwrap_or(self.arrival_ms);
            counted.push(name, time.to_string().as_bytes());
        }
        let of_event = endpoint.timestamp == Timestamp::Event;
        let timestamp_ms = time.filter(|time| of_event && *time <= self.arrival_ms);
        let is_binary = |said: &Said| said.mode == Mode::Binary;
        // An event without data.
        let is_null = read.body.is_empty() && read.head.said.as_ref().is_some_and(is_binary);
        let headers = counted.finish()?;
        let is_any = timestamp_ms.is_some() || is_null || !headers.is_empty();
        let extra = || Extra {
            headers,
            timestamp_ms,
            is_null,
        };
        Ok(is_any.then(|| Arc::new(extra())))
    }
}

/// The id of the event at `position`, if it has one that isn't empty.
fn id<'a>(
    read: &'a Read<'_>,
    privacy: &Privacy,
    position: usize,
    address: Option<&'a str>,
) -> Option<Id<'a>> {
    let mut places = read.endpoint.id.iter();
    places.find_map(|place| {
        // What isn't in the event would become a header.
        if !keeps(read.endpoint, privacy, *place) {
            return None;
        }
        let found = read.first(std::slice::from_ref(place), position, address)?;
        let is_id = !found.bytes(read.body).is_empty();
        is_id.then_some(match place {
            place if place.is_in_event() => Id::OfEvent,
            _ => Id::Apart(found),
        })
    })
}

/// An id that a request has for all of its events is told apart by their places.
fn push_id(read: &Read<'_>, id: &[u8], index: u32, counted: &mut Counted) {
    // One that is too large is only counted.
    if read.picked.decoded.total == 1 || id.len() as u64 > counted.most {
        return counted.push(EVENT_ID, id);
    }
    let id = [id, format!("-{index}").as_bytes()].concat();
    counted.push(EVENT_ID, &id);
}

/// The headers that events of a request have, with those values that they have in common.
fn parts<'a>(read: &'a Read<'a>, privacy: &Privacy, address: Option<&str>, most: u64) -> Parts<'a> {
    let (mut parts, mut same) = (Parts::new(), Counted::of(1, most));
    for header in &read.endpoint.headers {
        let kept = |place: &&Place| keeps(read.endpoint, privacy, **place);
        let mut places = header.places.iter().filter(kept);
        while let Some(place) = places.next() {
            if place.is_of_event() {
                let rest = std::iter::once(place).chain(places).copied().collect();
                end(&mut same, &mut parts);
                parts.push(Part::OfEvent(&header.name, rest));
                break;
            }
            if let Some(found) = read.first(std::slice::from_ref(place), 0, address) {
                same.push(&header.name, &privacy.text(found.bytes(read.body)));
                break;
            }
        }
    }
    for (name, of_request, value) in &read.head.prefixed {
        if privacy.keeps(of_request.as_str()) {
            same.push(name, &privacy.text(value));
        }
    }
    let said = read.head.said.iter();
    for (name, value) in said.flat_map(Said::headers) {
        // As it was named in the request: `ce_id` was `ce-id`.
        if privacy.keeps(&name.replacen('_', "-", 1)) {
            same.push(&name, &privacy.text(value));
        }
    }
    end(&mut same, &mut parts);
    parts
}

/// Makes a part of the headers that all events have in common, if there are any; behind it others may come.
fn end(same: &mut Counted, parts: &mut Parts<'_>) {
    let bytes = same.bytes;
    if bytes > 0 {
        let headers = same.finish().unwrap_or_default();
        parts.push(Part::Same(Same { headers, bytes }));
    }
}

/// Whether what stands there may become a record header.
fn keeps(endpoint: &Endpoint, privacy: &Privacy, place: Place) -> bool {
    let Place::Head(number) = place else {
        return true;
    };
    match &endpoint.of_head[number] {
        Source::Header(name) => privacy.keeps(name.as_str()),
        Source::Cookie(_) => privacy.keeps("cookie"),
        Source::Basic => privacy.keeps("authorization"),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
