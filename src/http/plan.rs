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

/// What an event costs beside its bytes while it waits: our bookkeeping (about 100 bytes), librdkafka's message (176
/// bytes, measured), its part of the request that is being sent, and librdkafka's copy of a key as long as usual.
pub(super) const EVENT_OVERHEAD_BYTES: u64 = 384;

/// A key up to here is in [`EVENT_OVERHEAD_BYTES`].
const USUAL_KEY_BYTES: u64 = 64;

/// What a key is charged beside what each event is.
pub(super) fn unusual_bytes(key: usize) -> u64 {
    (key as u64).saturating_sub(USUAL_KEY_BYTES)
}

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
        Shape::Json => decode::json(body, &route.wanted, limits, decoded).map_err(problem_of)?,
        Shape::Ndjson => {
            decode::ndjson(body, &route.wanted, limits, decoded).map_err(problem_of)?
        }
        Shape::Raw => decode::raw(body, limits, decoded).map_err(problem_of)?,
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
    scratch.choose_partitions(&routing, &mut rejected);
    let plan = scratch.sort(&routing, lanes, rejected);
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

impl Routing<'_> {
    /// Length of an event's key, and its partition, if it has one.
    fn of(&self, event: &decode::Event) -> (u64, Option<usize>) {
        match self.request_key {
            RequestKey::Shared(key, partition) => (key.len().into(), *partition),
            RequestKey::OfEvent => {
                let key = self.request_key.of(event, self.body);
                let bytes = key.bytes(self.body);
                let partition = bytes.map(|key| partition_of(key, self.partitions));
                (key.len().into(), partition)
            }
        }
    }
}

impl Scratch {
    fn choose_partitions(&mut self, routing: &Routing<'_>, rejected: &mut Vec<EventError>) {
        let (route, partitions) = (routing.route, routing.partitions);
        self.partitions.clear();
        self.ends.clear();
        self.ends.resize(partitions, 0);
        let has_key = !matches!(route.key, KeySource::None);
        let mut sticky = None;
        for event in &self.decoded.events {
            let (key, found) = routing.of(event);
            let size = u64::from(event.end - event.start) + key;
            let partition = match found {
                Some(_) if size > routing.max_event => {
                    rejected.push(size_error(event, key, routing.max_event));
                    self.partitions.push(REJECTED);
                    continue;
                }
                _ if routing.door.is_too_low_for(size) => {
                    rejected.push(routing.door.size_error(event, key, route));
                    self.partitions.push(REJECTED);
                    continue;
                }
                Some(partition) => partition,
                None if has_key
                    && (route.on_missing_key == OnMissingKey::Reject
                        || routing.door.needs_key()) =>
                {
                    rejected.push(key_error(event, route, routing.door));
                    self.partitions.push(REJECTED);
                    continue;
                }
                None => *sticky.get_or_insert_with(|| {
                    let bytes = routing.body.len() as u64;
                    route.sticky.partition(bytes, partitions)
                }),
            };
            self.ends[partition] += 1;
            self.partitions.push(partition as u32);
        }
    }

    /// A counting sort by partition, which keeps the order within one.
    fn sort(
        &mut self,
        routing: &Routing<'_>,
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
        let (mut overhead, mut bytes) = (0, 0);
        let is_shared = matches!(routing.request_key, RequestKey::Shared(..));
        let events = self.order.iter().map(|position| {
            let event = &self.decoded.events[*position as usize];
            let key = routing.request_key.of(event, routing.body);
            overhead += EVENT_OVERHEAD_BYTES + unusual_bytes(key.len() as usize);
            bytes += u64::from(event.end - event.start);
            if let Key::Apart(apart) = &key {
                bytes += apart.len() as u64;
                overhead += if is_shared { 0 } else { apart.len() as u64 };
            }
            let header_id = (!event.id.is_id()).then(Uuid::now_v7);
            Event {
                index: event.index,
                start: event.start,
                end: event.end,
                key,
                header_id,
            }
        });
        plan.events = events.collect();
        (plan.overhead, plan.bytes) = (overhead, bytes);
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

fn error_of(rejected: decode::Rejected) -> EventError {
    EventError {
        index: rejected.index,
        code: rejected.code.as_str(),
        detail: rejected.detail,
    }
}

fn problem_of(error: BodyError) -> Problem {
    let (status, code) = match error {
        BodyError::TooManyEvents { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_many_events"),
        BodyError::Empty => (StatusCode::BAD_REQUEST, "empty"),
        BodyError::NotObjectOrArray => (StatusCode::BAD_REQUEST, "not_object_or_array"),
        _ => (StatusCode::BAD_REQUEST, "malformed"),
    };
    Problem::new(status, code, error.to_string())
}
