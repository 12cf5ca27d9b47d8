//! The records of decoded events, with key, headers, id and timestamp; what is wrong with events that can't be any; and what they cost.

use uuid::Uuid;

use super::extras::Extras;
use super::read::{Found, Read};
use crate::decode::Event as Decoded;
use crate::event::{Event, Key};
use crate::http::answer::EventError;
use crate::http::plan::{EVENT_OVERHEAD_BYTES, unusual_bytes};

/// What the records of one stream are made by.
pub(super) struct Records<'a> {
    pub(super) read: &'a Read<'a>,
    pub(super) extras: Extras<'a>,
    /// Most bytes of an event with its key and its headers.
    pub(super) max_event: u64,
    /// Who asks for a key, if anybody does.
    pub(super) needs_key: Option<NeedsKey>,
}

/// Why an event has to have a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NeedsKey {
    /// The stream says so.
    Stream,
    /// Its topic takes no others.
    Topic,
}

impl Records<'_> {
    /// The record of the event at `position`, unless it's no good. `too_large` says whether the topic takes an event with a key and headers of
    /// so many bytes.
    pub(super) fn event(
        &mut self,
        position: usize,
        too_large: impl FnOnce(&Decoded, u64, u64) -> Option<EventError>,
    ) -> Result<Event, EventError> {
        let (read, endpoint) = (self.read, self.read.endpoint);
        let decoded = &read.picked.decoded.events[position];
        let found = read.first(&endpoint.key, position, self.extras.address());
        let is_composite = matches!(found, Some(Found::Composite(..)));
        let key = found.and_then(Found::into_key);
        let key = key.map(|key| self.extras.shown_key(position, key));
        if let Some(why) = self.needs_key
            && key.is_none()
            && !endpoint.key.is_empty()
        {
            return Err(self.key_error(decoded, is_composite, why));
        }
        let made = self.extras.event(position, decoded.index);
        let headers = match &made {
            Ok((_, extra)) => extra.as_ref().map_or(0, |extra| extra.weight()),
            Err(too_large) => too_large.bytes,
        };
        let length = u64::from(key.as_ref().map_or(0, Key::len));
        let error = self.size_error(decoded, length, headers);
        if let Some(error) = error.or_else(|| too_large(decoded, length, headers)) {
            return Err(error);
        }
        let (header_id, extra) = made.unwrap_or_default();
        Ok(Event {
            index: decoded.index,
            start: decoded.start,
            end: decoded.end,
            key: key.unwrap_or(Key::None),
            header_id: header_id.then(Uuid::now_v7),
            extra,
        })
    }

    /// The error of an event that is too large with its key and its headers.
    fn size_error(&self, event: &Decoded, key: u64, headers: u64) -> Option<EventError> {
        let (value, max_event) = (u64::from(event.end - event.start), self.max_event);
        (value + key + headers > max_event).then(|| EventError {
            index: event.index,
            code: "event_too_large",
            detail: format!(
                "the event has {value} bytes, its key {key} and its headers {headers}, {max_event} are allowed together; send less in one event"
            ),
        })
    }

    #[cold]
    fn key_error(&self, event: &Decoded, is_composite: bool, why: NeedsKey) -> EventError {
        let (code, what) = match is_composite {
            true => (
                "key_not_scalar",
                "is an object or an array; send a string or a number",
            ),
            false => ("key_missing", "is missing or null"),
        };
        let why = match why {
            NeedsKey::Topic => "; the stream's topic is compacted and takes only events with a key",
            NeedsKey::Stream => "",
        };
        let places = &self.read.endpoint.key_text;
        EventError {
            index: event.index,
            code,
            detail: format!("the key at {places} {what}{why}"),
        }
    }
}

/// What events cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Costs {
    /// Their bytes, with keys that don't stand in them, and headers.
    pub(super) bytes: u64,
    /// What they're charged beside the body.
    pub(super) overhead: u64,
}

impl Costs {
    /// Adds what an event costs.
    pub(super) fn add(&mut self, event: &Event, body: &[u8]) {
        let key = event.key.len();
        let is_within = is_within(event);
        let apart = if is_within { 0 } else { u64::from(key) };
        let of_extra = { event.extra.as_ref() }.map_or(0, |extra| extra.overhead_bytes(body));
        self.bytes += event.weight() - u64::from(key) + apart;
        self.overhead += EVENT_OVERHEAD_BYTES + unusual_bytes(key as usize) + apart + of_extra;
    }
}

/// Whether an event's key is a part of the event: one that stands elsewhere in the body is in its record beside the value, and there again
/// for each event that has it.
pub(super) fn is_within(event: &Event) -> bool {
    match event.key {
        Key::Within(from, to) => from >= event.start && to <= event.end,
        _ => false,
    }
}
