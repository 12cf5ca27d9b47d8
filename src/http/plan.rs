//! From a body to events sorted by lane: decoding and routing of one request, without a pause and without I/O.

use std::sync::Arc;

use hyper::StatusCode;
use smallvec::SmallVec;
use uuid::Uuid;

use super::answer::{self, EventError, Problem};
use super::door::Door;
use super::rejected::Rejected;
use super::streams::Route;
use crate::decode::{self, BodyError, Captured, Decoded, Limits, RejectCode};
use crate::event::{Event, Key};
use crate::lane::{Lane, Wanted};
use crate::receipt::Slot;
use crate::route::{KeySource, OnMissingKey, partition_of};

pub(super) use crate::event::{OVERHEAD_BYTES as EVENT_OVERHEAD_BYTES, unusual_bytes};

/// How a body holds its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An object, or an array of objects.
    Json,
    /// An object per line.
    Ndjson,
    /// The body is the event.
    Raw,
}

/// Memory that is used again for each request of a thread.
#[derive(Debug, Default)]
pub struct Scratch {
    decoded: Decoded,
    /// Partition of each decoded event; `REJECTED` if it was rejected while routing.
    partitions: Vec<u32>,
    /// Number of events, then position of the next one, by partition.
    ends: Vec<u32>,
    /// Positions in `decoded.events`, sorted by partition.
    order: Vec<u32>,
}

const REJECTED: u32 = u32::MAX;

/// What a request asks of the lanes.
#[derive(Debug)]
pub struct Plan {
    /// The events, sorted by partition; within one in the order in which they were sent.
    pub events: SmallVec<[Event; 1]>,
    /// The events of each partition. The slot's lane is its lane's number.
    pub slots: SmallVec<[Slot; 1]>,
    /// The partition of each slot.
    pub partitions: SmallVec<[u32; 1]>,
    /// Events that can never be accepted.
    pub rejected: Rejected,
    /// Bytes that the events cost beside the body.
    pub overhead: u64,
    /// Bytes of the events, and of their keys where these don't stand in the body: a few bytes of a request can be the key of
    /// each of its events.
    pub bytes: u64,
}

/// Decodes `body` and routes its events to `lanes`, one per partition. `key` is the request's, if it isn't in the event.
pub fn plan(
    route: &Route,
    shape: Shape,
    body: &[u8],
    key: Option<&[u8]>,
    lanes: &[Arc<Lane>],
    limits: &Limits,
    scratch: &mut Scratch,
) -> Result<Plan, Problem> {
    let door = Door::of(route)?;
    let decoded = &mut scratch.decoded;
    decoded.clear();
    match shape {
        Shape::Json => decode::json(body, &route.wanted, limits, decoded).map_err(body_problem)?,
        Shape::Ndjson => {
            decode::ndjson(body, &route.wanted, limits, decoded).map_err(body_problem)?
        }
        Shape::Raw => decode::raw(body, limits, decoded).map_err(body_problem)?,
    }
    let mut rejected: Vec<_> = decoded.rejected.drain(..).map(error_of).collect();
    let request_key = match &route.key {
        KeySource::None => RequestKey::Shared(Key::None, None),
        KeySource::Event(_) => RequestKey::OfEvent,
        _ => RequestKey::shared(key, lanes.len()),
    };
    let routing = Routing {
        route,
        body,
        request_key: &request_key,
        partitions: lanes.len(),
        max_event: u64::from(limits.max_event()),
        door,
    };
    let keys = scratch.choose_partitions(&routing, &mut rejected);
    let plan = scratch.sort(&routing, keys, lanes, rejected);
    if plan.events.is_empty() {
        return Err(if plan.rejected.count() == 0 {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "empty",
                "the body holds no event; send at least one",
            )
        } else {
            answer::unacceptable(plan.rejected)
        });
    }
    Ok(plan)
}

/// The room that a plan needs, lane by lane. `lanes` are the topic's, by partition.
#[inline(always)]
pub fn wanted<'a>(plan: &Plan, lanes: &'a [Arc<Lane>]) -> SmallVec<[Wanted<'a>; 1]> {
    let slots = plan.slots.iter().zip(&plan.partitions);
    slots
        .map(|(slot, partition)| {
            let events = &plan.events[slot.first as usize..(slot.first + slot.count) as usize];
            let bytes = events.iter().map(Event::weight).sum();
            Wanted {
                lane: &lanes[*partition as usize],
                events: slot.count,
                bytes,
            }
        })
        .collect()
}

/// Where the keys of a request's events are.
enum RequestKey {
    /// In each event.
    OfEvent,
    /// All have this one; the partition is its own, if it's a key.
    Shared(Key, Option<usize>),
}

impl RequestKey {
    fn shared(bytes: Option<&[u8]>, partitions: usize) -> RequestKey {
        RequestKey::Shared(
            bytes.map_or(Key::None, |bytes| Key::Apart(bytes.into())),
            bytes.map(|bytes| partition_of(bytes, partitions)),
        )
    }

    /// The key of one event, or none.
    fn of(&self, event: &decode::Event, body: &[u8]) -> Key {
        match self {
            RequestKey::Shared(key, _) => key.clone(),
            RequestKey::OfEvent => match event.key {
                Captured::Plain(span) => Key::Within(span.start, span.end),
                _ => event
                    .key
                    .text(body)
                    .map_or(Key::None, |text| Key::Apart(text.into())),
            },
        }
    }
}

/// What events are routed by.
struct Routing<'a> {
    route: &'a Route,
    body: &'a [u8],
    request_key: &'a RequestKey,
    partitions: usize,
    max_event: u64,
    door: Door,
}

/// What the keys of a request's events cost beside the events.
#[derive(Clone, Copy, Debug, Default)]
struct Keys {
    /// Bytes that are charged beside what each event is.
    overhead: u64,
    /// Bytes that don't stand in the body.
    apart: u64,
}

impl Routing<'_> {
    /// Length of an event's key, and its partition, if it has one.
    fn of(&self, event: &decode::Event, keys: &mut Keys) -> (u64, Option<usize>) {
        match self.request_key {
            RequestKey::Shared(key, partition) => {
                let length = key.len().into();
                keys.apart += length;
                (length, *partition)
            }
            RequestKey::OfEvent => match event.key {
                Captured::Plain(span) => {
                    let key = span.of(self.body).unwrap_or_default();
                    (key.len() as u64, Some(partition_of(key, self.partitions)))
                }
                _ => self.of_unusual(event, keys),
            },
        }
    }

    /// The same for a key that doesn't stand in the body as such.
    #[cold]
    fn of_unusual(&self, event: &decode::Event, keys: &mut Keys) -> (u64, Option<usize>) {
        let Some(text) = event.key.text(self.body) else {
            return (0, None);
        };
        let length = text.len() as u64;
        keys.apart += length;
        keys.overhead += length;
        (length, Some(partition_of(&text, self.partitions)))
    }

    /// The largest event that nothing is wrong with for its size, its key included.
    fn largest(&self) -> u64 {
        self.max_event.min(self.door.max_payload())
    }

    /// Whether events need a key.
    fn needs_key(&self) -> bool {
        let may_have_one = !matches!(self.route.key, KeySource::None);
        let is_wanted = self.route.on_missing_key == OnMissingKey::Reject;
        may_have_one && (is_wanted || self.door.needs_key())
    }

    /// Why an event can't be taken that is larger than [`Routing::largest`], or has no key and needs one.
    #[cold]
    fn error_of(&self, event: &decode::Event, key: u64, has_key: bool) -> Option<EventError> {
        let size = u64::from(event.end - event.start) + key;
        if has_key && size > self.max_event {
            return Some(size_error(event, key, self.max_event));
        }
        if size > self.door.max_payload() {
            return Some(self.door.size_error(event, key, 0, self.route));
        }
        let is_missing = !has_key && self.needs_key();
        is_missing.then(|| key_error(event, self.route, self.door))
    }
}

impl Scratch {
    /// Returns what the keys of the events that aren't rejected cost.
    fn choose_partitions(&mut self, routing: &Routing<'_>, rejected: &mut Vec<EventError>) -> Keys {
        let partitions = routing.partitions;
        self.partitions.clear();
        self.ends.clear();
        self.ends.resize(partitions, 0);
        let (mut sticky, mut keys) = (None, Keys::default());
        let (largest, needs_key) = (routing.largest(), routing.needs_key());
        for event in &self.decoded.events {
            let before = keys;
            let (key, found) = routing.of(event, &mut keys);
            let is_large = u64::from(event.end - event.start) + key > largest;
            if (is_large || (needs_key && found.is_none()))
                && let Some(error) = routing.error_of(event, key, found.is_some())
            {
                rejected.push(error);
                self.partitions.push(REJECTED);
                keys = before;
                continue;
            }
            keys.overhead += unusual_bytes(key as usize);
            let partition = found.unwrap_or_else(|| {
                *sticky.get_or_insert_with(|| {
                    let bytes = routing.body.len() as u64;
                    routing.route.sticky.partition(bytes, partitions)
                })
            });
            self.ends[partition] += 1;
            self.partitions.push(partition as u32);
        }
        keys
    }

    /// A counting sort by partition, which keeps the order within one.
    fn sort(
        &mut self,
        routing: &Routing<'_>,
        keys: Keys,
        lanes: &[Arc<Lane>],
        rejected: Vec<EventError>,
    ) -> Plan {
        let mut plan = Plan {
            events: SmallVec::new(),
            slots: SmallVec::new(),
            partitions: SmallVec::new(),
            rejected: rejected.into(),
            overhead: 0,
            bytes: 0,
        };
        let mut first = 0;
        for (partition, end) in self.ends.iter_mut().enumerate() {
            let count = std::mem::replace(end, first);
            if count > 0 {
                plan.slots.push(Slot {
                    lane: lanes[partition].number(),
                    partition: lanes[partition].partition(),
                    first,
                    count,
                });
                plan.partitions.push(partition as u32);
                first += count;
            }
        }
        self.order.clear();
        self.order.resize(first as usize, 0);
        for (position, partition) in self.partitions.iter().enumerate() {
            if *partition != REJECTED {
                let end = &mut self.ends[*partition as usize];
                self.order[*end as usize] = position as u32;
                *end += 1;
            }
        }
        plan.bytes = keys.apart;
        plan.events.reserve_exact(self.order.len());
        for position in &self.order {
            let event = &self.decoded.events[*position as usize];
            let key = routing.request_key.of(event, routing.body);
            plan.bytes += u64::from(event.end - event.start);
            let header_id = (!event.id.is_id()).then(Uuid::now_v7);
            plan.events.push(Event {
                index: event.index,
                start: event.start,
                end: event.end,
                key,
                header_id,
                extra: None,
            });
        }
        plan.overhead = plan.events.len() as u64 * EVENT_OVERHEAD_BYTES + keys.overhead;
        plan
    }
}

#[cold]
fn size_error(event: &decode::Event, key: u64, max_event: u64) -> EventError {
    let size = event.end - event.start;
    EventError {
        index: event.index,
        code: RejectCode::TooLarge.as_str(),
        detail: format!(
            "the event has {size} bytes and its key {key}, {max_event} are allowed together; send less in one event"
        ),
    }
}

fn key_error(event: &decode::Event, route: &Route, door: Door) -> EventError {
    let (code, what) = match (&route.key, event.key) {
        (KeySource::Event(_), Captured::Composite) => (
            "key_not_scalar",
            "is an object or an array; send a string or a number",
        ),
        (KeySource::Event(_), _) => ("key_missing", "is missing or null in the event"),
        (KeySource::Header(_), _) => ("key_missing", "is missing among the request's headers"),
        _ => (
            "key_missing",
            "is missing in the path; send to /v1/events/{stream}/{key}",
        ),
    };
    let name = match &route.key {
        KeySource::Event(pointer) => format!("the key at {pointer}"),
        KeySource::Header(name) => format!("the key in header {name}"),
        _ => "the key".into(),
    };
    let why = if door.needs_key() {
        "; the stream's topic is compacted and takes only events with a key"
    } else {
        ""
    };
    EventError {
        index: event.index,
        code,
        detail: format!("{name} {what}{why}"),
    }
}

pub(super) fn error_of(rejected: decode::Rejected) -> EventError {
    EventError {
        index: rejected.index,
        code: rejected.code.as_str(),
        detail: rejected.detail,
    }
}

pub(super) fn body_problem(error: BodyError) -> Problem {
    let (status, code) = match error {
        BodyError::TooManyEvents { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_many_events"),
        BodyError::Empty => (StatusCode::BAD_REQUEST, "empty"),
        BodyError::NotObjectOrArray => (StatusCode::BAD_REQUEST, "not_object_or_array"),
        BodyError::NoEvents { .. } => (StatusCode::BAD_REQUEST, "no_events"),
        _ => (StatusCode::BAD_REQUEST, "malformed"),
    };
    Problem::new(status, code, error.to_string())
}
