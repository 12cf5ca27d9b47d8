//! What a route's records have beside value and key: headers, an id of their own, a timestamp.

use std::sync::Arc;

use super::endpoint::Place;
use super::read::Read;
use super::settings::Timestamp;
use super::source::Source;
use crate::event::Extra;
use crate::event::headers::Block;
use crate::http::streams::Route;
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
    /// What all events share, if that is all they have.
    shared: Option<Option<Arc<Extra>>>,
}

impl<'a> Extras<'a> {
    /// For the events of one stream. `arrival_ms` is when they came.
    pub(super) fn of(read: &'a Read<'a>, route: &'a Route, arrival_ms: i64) -> Extras<'a> {
        let endpoint = read.endpoint;
        let mut extras = Extras {
            read,
            privacy: &route.privacy,
            address: { read.head.address }.map(|address| route.privacy.shown(address)),
            arrival_ms,
            shared: None,
        };
        let headers = endpoint.headers.iter();
        let varies = headers
            .flat_map(|header| &header.places)
            .any(Place::is_of_event);
        let has_time = !endpoint.time.is_empty();
        let is_apart = |place: &Place| !matches!(place, Place::Event(_));
        if !varies && !has_time && !endpoint.id.iter().any(is_apart) {
            let mut block = Block::default();
            extras.headers(0, &mut block);
            extras.shared = Some(finish(block, None));
        }
        extras
    }

    /// The client's address, as the stream shows it.
    pub(super) fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Whether the event at `position` has no id and gets one; and its extras. `index` is its place in the request.
    pub(super) fn event(&self, position: usize, index: u32) -> (bool, Option<Arc<Extra>>) {
        let endpoint = self.read.endpoint;
        let mut ids = endpoint.id.iter();
        let id = ids.find_map(|place| {
            let found = self.read.first(&[*place], position, self.address())?;
            let bytes = found.bytes(self.read.body);
            (!bytes.is_empty()).then(|| (matches!(place, Place::Event(_)), bytes.to_vec()))
        });
        if let Some(shared) = &self.shared {
            return (id.is_none(), shared.clone());
        }
        let mut block = Block::default();
        if let Some((false, id)) = &id {
            self.id(id, index, &mut block);
        }
        self.headers(position, &mut block);
        let time = self.read.time(position);
        if let Some(name) = &endpoint.time_header {
            let time = time.unwrap_or(self.arrival_ms);
            block.push(name, Some(time.to_string().as_bytes()));
        }
        let of_event = endpoint.timestamp == Timestamp::Event;
        let timestamp = time.filter(|time| of_event && *time <= self.arrival_ms);
        (id.is_none(), finish(block, timestamp))
    }

    /// An id that a request has for all of its events is told apart by their places.
    fn id(&self, id: &[u8], index: u32, block: &mut Block) {
        if self.read.picked.decoded.total == 1 {
            return block.push(EVENT_ID, Some(id));
        }
        let id = [id, format!("-{index}").as_bytes()].concat();
        block.push(EVENT_ID, Some(&id));
    }

    fn headers(&self, position: usize, block: &mut Block) {
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
                block.push(&header.name, Some(found.bytes(self.read.body)));
            }
        }
        for (name, of_request, value) in &self.read.head.prefixed {
            if self.privacy.keeps(of_request.as_str()) {
                block.push(name, Some(value));
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
}

fn finish(block: Block, timestamp_ms: Option<i64>) -> Option<Arc<Extra>> {
    let extra = Extra {
        headers: block.finish(),
        timestamp_ms,
        is_null: false,
    };
    (extra != Extra::default()).then(|| Arc::new(extra))
}
