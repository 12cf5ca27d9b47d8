//! What a route's records have beside value and key: headers, an id of their own, a timestamp.

use std::sync::Arc;

use super::cloudevents::{Mode, Said};
use super::endpoint::Place;
use super::read::{Found, Read};
use super::settings::Timestamp;
use super::source::Source;
use crate::event::Extra;
use crate::event::headers::{self, Block};
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
    /// Most bytes that the headers of an event may have.
    most: u64,
    /// What all events share, if that is all they have.
    shared: Option<Result<Option<Arc<Extra>>, TooLarge>>,
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
    block: Block,
    bytes: u64,
    most: u64,
}

impl Counted {
    fn push(&mut self, name: &str, value: &[u8]) {
        self.bytes += headers::bytes_of(name, value);
        if self.bytes <= self.most {
            self.block.push(name, Some(value));
        } else {
            self.block = Block::default();
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
    /// For the events of one stream, by what its privacy lets a record have. `arrival_ms` is when they came, and `most` what headers of
    /// an event may have in bytes.
    pub(super) fn of(
        read: &'a Read<'a>,
        privacy: &'a Privacy,
        arrival_ms: i64,
        most: u64,
    ) -> Extras<'a> {
        let endpoint = read.endpoint;
        let mut extras = Extras {
            read,
            privacy,
            address: { read.head.address }.map(|address| privacy.shown(address)),
            arrival_ms,
            most,
            shared: None,
        };
        let headers = endpoint.headers.iter();
        let varies = headers
            .flat_map(|header| &header.places)
            .any(Place::is_of_event);
        let has_time = !endpoint.time.is_empty();
        let is_apart = |place: &Place| !place.is_in_event();
        if !varies && !has_time && !endpoint.id.iter().any(is_apart) {
            let mut block = extras.counted();
            extras.headers(0, &mut block);
            extras.shared = Some(extras.finish(block, None));
        }
        extras
    }

    /// The client's address, as the stream shows it.
    pub(super) fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    fn counted(&self) -> Counted {
        Counted {
            block: Block::default(),
            bytes: 0,
            most: self.most,
        }
    }

    /// Whether the event at `position` has no id and gets one; and its extras. `index` is its place in the request.
    pub(super) fn event(
        &self,
        position: usize,
        index: u32,
    ) -> Result<(bool, Option<Arc<Extra>>), TooLarge> {
        let endpoint = self.read.endpoint;
        let id = self.id(position);
        if let Some(shared) = &self.shared {
            return Ok((id.is_none(), shared.clone()?));
        }
        let mut block = self.counted();
        if let Some(Id::Apart(id)) = &id {
            self.push_id(id.bytes(self.read.body), index, &mut block);
        }
        self.headers(position, &mut block);
        let time = self.read.time(position);
        if let Some(name) = &endpoint.time_header {
            let time = time.unwrap_or(self.arrival_ms);
            block.push(name, time.to_string().as_bytes());
        }
        let of_event = endpoint.timestamp == Timestamp::Event;
        let timestamp = time.filter(|time| of_event && *time <= self.arrival_ms);
        Ok((id.is_none(), self.finish(block, timestamp)?))
    }

    /// The id of the event at `position`, if it has one that isn't empty.
    fn id(&self, position: usize) -> Option<Id<'_>> {
        let mut places = self.read.endpoint.id.iter();
        places.find_map(|place| {
            let found = self.read.first(&[*place], position, self.address())?;
            let is_id = !found.bytes(self.read.body).is_empty();
            is_id.then_some(match place {
                place if place.is_in_event() => Id::OfEvent,
                _ => Id::Apart(found),
            })
        })
    }

    /// An id that a request has for all of its events is told apart by their places.
    fn push_id(&self, id: &[u8], index: u32, block: &mut Counted) {
        // One that is too large is only counted.
        if self.read.picked.decoded.total == 1 || id.len() as u64 > self.most {
            return block.push(EVENT_ID, id);
        }
        let id = [id, format!("-{index}").as_bytes()].concat();
        block.push(EVENT_ID, &id);
    }

    fn headers(&self, position: usize, block: &mut Counted) {
        for header in &self.read.endpoint.headers {
            let kept: Vec<Place>;
            let places = match self.privacy.keeps_all() {
                true => &header.places[..],
                false => {
                    let places = header.places.iter().copied();
                    kept = places.filter(|place| self.keeps(*place)).collect();
                    &kept[..]
                }
            };
            let found = self.read.first(places, position, self.address());
            if let Some(found) = found {
                block.push(&header.name, found.bytes(self.read.body));
            }
        }
        for (name, of_request, value) in &self.read.head.prefixed {
            if self.privacy.keeps(of_request.as_str()) {
                block.push(name, value);
            }
        }
        let said = self.read.head.said.iter();
        for (name, value) in said.flat_map(Said::headers) {
            // As it was named in the request: `ce_id` was `ce-id`.
            if self.privacy.keeps(&name.replacen('_', "-", 1)) {
                block.push(&name, value);
            }
        }
    }

    /// Whether what stands there may become a record header.
    fn keeps(&self, place: Place) -> bool {
        let Place::Head(number) = place else {
            return true;
        };
        match &self.read.endpoint.of_head[number] {
            Source::Header(name) => self.privacy.keeps(name.as_str()),
            _ => true,
        }
    }

    fn finish(
        &self,
        counted: Counted,
        timestamp_ms: Option<i64>,
    ) -> Result<Option<Arc<Extra>>, TooLarge> {
        let Counted { block, bytes, most } = counted;
        if bytes > most {
            return Err(TooLarge { bytes });
        }
        let is_binary = |said: &Said| said.mode == Mode::Binary;
        let has_data = !self.read.body.is_empty();
        let extra = Extra {
            headers: block.finish(),
            timestamp_ms,
            // An event without data.
            is_null: !has_data && self.read.head.said.as_ref().is_some_and(is_binary),
        };
        Ok((extra != Extra::default()).then(|| Arc::new(extra)))
    }
}
