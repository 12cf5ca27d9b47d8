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

/// What a request has sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// How its body holds its events.
    pub shape: Shape,
    /// The body, as it's to be stored.
    pub body: &'a [u8],
    /// The key of all events, if it isn't in them.
    pub key: Option<&'a [u8]>,
}

/// What a request asks of the lanes.
#[derive(Debug, Default)]
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

/// Decodes what was sent and routes its events to `lanes`, one per partition. `plan` is empty before; it's filled where it is, because a
/// copy of it costs as much as a look at a header.
pub fn plan(
    route: &Route,
    sent: &Sent<'_>,
    lanes: &[Arc<Lane>],
    limits: &Limits,
    scratch: &mut Scratch,
    plan: &mut Plan,
) -> Result<(), Problem> {
    let door = Door::of(route)?;
    let (decoded, body, wanted) = (&mut scratch.decoded, sent.body, &route.wanted);
    decoded.clear();
    match sent.shape {
        Shape::Json => decode::json(body, wanted, limits, decoded).map_err(body_problem)?,
        Shape::Ndjson => decode::ndjson(body, wanted, limits, decoded).map_err(body_problem)?,
        Shape::Raw => decode::raw(body, limits, decoded).map_err(body_problem)?,
    }
    let mut rejected = Vec::new();
    if !decoded.rejected.is_empty() {
        rejected.extend(decoded.rejected.drain(..).map(error_of));
    }
    let request_key = match &route.key {
        KeySource::None => RequestKey::Shared(Key::None, None),
        KeySource::Event(_) => RequestKey::OfEvent,
        _ => RequestKey::shared(sent.key, lanes.len()),
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
    plan.rejected = rejected.into();
    scratch.fill(plan, &routing, keys, lanes);
    if plan.events.is_empty() {
        return Err(nothing(std::mem::take(&mut plan.rejected)));
    }
    Ok(())
}

/// The problem of a body of which no event can be taken.
#[cold]
fn nothing(rejected: Rejected) -> Problem {
    if rejected.count() > 0 {
        return answer::unacceptable(rejected);
    }
    let detail = "the body holds no event; send at least one";
    Problem::new(StatusCode::BAD_REQUEST, "empty", detail)
}

/// The room that a plan needs, lane by lane. `lanes` are the topic's, by partition.
#[inline(always)]
pub fn wanted<'a>(plan: &Plan, lanes: &'a [Arc<Lane>]) -> SmallVec<[Wanted<'a>; 1]> {
    let mut wanted = SmallVec::new();
    // Not collected: that takes three times as long for one.
    for (slot, partition) in plan.slots.iter().zip(&plan.partitions) {
        let events = &plan.events[slot.first as usize..(slot.first + slot.count) as usize];
        wanted.push(Wanted {
            lane: &lanes[*partition as usize],
            events: slot.count,
            bytes: events.iter().map(Event::weight).sum(),
        });
    }
    wanted
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
        is_missing.then(|| self.door.key_error(event, self.route))
    }
}

impl Scratch {
    /// Returns what the keys of the events that aren't rejected cost.
    fn choose_partitions(&mut self, routing: &Routing<'_>, rejected: &mut Vec<EventError>) -> Keys {
        let partitions = routing.partitions;
        self.partitions.clear();
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
            self.partitions.push(partition as u32);
        }
        keys
    }

    /// Puts the events that aren't rejected into a plan, sorted by partition.
    fn fill(&mut self, plan: &mut Plan, routing: &Routing<'_>, keys: Keys, lanes: &[Arc<Lane>]) {
        plan.bytes = keys.apart;
        match self.partitions[..] {
            [REJECTED] => {}
            // Most requests have one event.
            [partition] => {
                plan.add_slot(partition, 0, 1, lanes);
                plan.add(&self.decoded.events[0], routing);
            }
            _ => {
                self.sort(plan, lanes);
                plan.events.reserve_exact(self.order.len());
                for position in &self.order {
                    plan.add(&self.decoded.events[*position as usize], routing);
                }
            }
        }
        plan.overhead = plan.events.len() as u64 * EVENT_OVERHEAD_BYTES + keys.overhead;
    }

    /// A counting sort by partition, which keeps the order within one.
    fn sort(&mut self, plan: &mut Plan, lanes: &[Arc<Lane>]) {
        self.ends.clear();
        self.ends.resize(lanes.len(), 0);
        for partition in self.partitions.iter().filter(|it| **it != REJECTED) {
            self.ends[*partition as usize] += 1;
        }
        let mut first = 0;
        for (partition, end) in (0..).zip(&mut self.ends) {
            let count = std::mem::replace(end, first);
            if count > 0 {
                plan.add_slot(partition, first, count, lanes);
                first += count;
            }
        }
        self.order.clear();
        self.order.resize(first as usize, 0);
        for (position, partition) in (0..).zip(&self.partitions) {
            if *partition != REJECTED {
                let end = &mut self.ends[*partition as usize];
                self.order[*end as usize] = position;
                *end += 1;
            }
        }
    }
}

impl Plan {
    /// The next `count` events, from `first` on, are for this partition.
    fn add_slot(&mut self, partition: u32, first: u32, count: u32, lanes: &[Arc<Lane>]) {
        let lane = &lanes[partition as usize];
        self.slots.push(Slot {
            lane: lane.number(),
            partition: lane.partition(),
            first,
            count,
        });
        self.partitions.push(partition);
    }

    #[inline(always)]
    fn add(&mut self, event: &decode::Event, routing: &Routing<'_>) {
        self.bytes += u64::from(event.end - event.start);
        self.events.push(Event {
            index: event.index,
            start: event.start,
            end: event.end,
            key: routing.request_key.of(event, routing.body),
            header_id: (!event.id.is_id()).then(Uuid::now_v7),
            extra: None,
        });
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

#[cfg(test)]
mod tests;
