//! From a body to events sorted by lane: decoding and routing of one request, without a pause and without I/O.

use std::sync::Arc;

use hyper::StatusCode;
use smallvec::SmallVec;
use uuid::Uuid;

use super::answer::{self, EventError, Problem};
use super::streams::Stream;
use crate::decode::{self, BodyError, Captured, Decoded, Limits};
use crate::event::{Event, Key};
use crate::lane::{Lane, Wanted};
use crate::receipt::Slot;
use crate::route::{KeySource, OnMissingKey, partition_of};

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
    pub rejected: Vec<EventError>,
}

/// Decodes `body` and routes its events to `lanes`, one per partition. `key` is the request's, if it isn't in the event.
pub fn plan(
    stream: &Stream,
    shape: Shape,
    body: &[u8],
    key: Option<&[u8]>,
    lanes: &[Arc<Lane>],
    limits: &Limits,
    scratch: &mut Scratch,
) -> Result<Plan, Problem> {
    let decoded = &mut scratch.decoded;
    decoded.clear();
    match shape {
        Shape::Json => decode::json(body, &stream.wanted, limits, decoded).map_err(problem_of)?,
        Shape::Ndjson => {
            decode::ndjson(body, &stream.wanted, limits, decoded).map_err(problem_of)?
        }
        Shape::Raw => decode::raw(body, limits, decoded).map_err(problem_of)?,
    }
    let mut rejected: Vec<_> = decoded.rejected.drain(..).map(error_of).collect();
    let request_key = RequestKey {
        of_event: matches!(stream.key, KeySource::Event(_)),
        bytes: key,
    };
    scratch.choose_partitions(stream, body, &request_key, lanes.len(), &mut rejected);
    let plan = scratch.sort(stream, body, &request_key, lanes, rejected);
    if plan.events.is_empty() {
        return Err(if plan.rejected.is_empty() {
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
            let bytes = events.iter().map(|event| u64::from(event.len())).sum();
            Wanted {
                lane: &lanes[*partition as usize],
                events: slot.count,
                bytes,
            }
        })
        .collect()
}

struct RequestKey<'a> {
    of_event: bool,
    bytes: Option<&'a [u8]>,
}

impl RequestKey<'_> {
    /// The key of one event, or none.
    fn of(&self, event: &decode::Event, body: &[u8]) -> Key {
        if !self.of_event {
            return self
                .bytes
                .map_or(Key::None, |bytes| Key::Apart(bytes.into()));
        }
        match event.key {
            Captured::Plain(span) => Key::Within(span.start, span.end),
            _ => event
                .key
                .text(body)
                .map_or(Key::None, |text| Key::Apart(text.into())),
        }
    }
}

impl Scratch {
    fn choose_partitions(
        &mut self,
        stream: &Stream,
        body: &[u8],
        request_key: &RequestKey<'_>,
        partitions: usize,
        rejected: &mut Vec<EventError>,
    ) {
        self.partitions.clear();
        self.ends.clear();
        self.ends.resize(partitions, 0);
        let has_key = !matches!(stream.key, KeySource::None);
        let mut sticky = None;
        for event in &self.decoded.events {
            let key = if has_key {
                request_key.of(event, body)
            } else {
                Key::None
            };
            let partition = match key.bytes(body) {
                Some(key) => partition_of(key, partitions),
                None if has_key && stream.on_missing_key == OnMissingKey::Reject => {
                    rejected.push(key_error(event, stream));
                    self.partitions.push(REJECTED);
                    continue;
                }
                None => *sticky
                    .get_or_insert_with(|| stream.sticky.partition(body.len() as u64, partitions)),
            };
            self.ends[partition] += 1;
            self.partitions.push(partition as u32);
        }
    }

    /// A counting sort by partition, which keeps the order within one.
    fn sort(
        &mut self,
        stream: &Stream,
        body: &[u8],
        request_key: &RequestKey<'_>,
        lanes: &[Arc<Lane>],
        rejected: Vec<EventError>,
    ) -> Plan {
        let mut plan = Plan {
            events: SmallVec::new(),
            slots: SmallVec::new(),
            partitions: SmallVec::new(),
            rejected,
        };
        plan.rejected.sort_unstable_by_key(|error| error.index);
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
        let has_key = !matches!(stream.key, KeySource::None);
        let events = self.order.iter().map(|position| {
            let event = &self.decoded.events[*position as usize];
            let key = if has_key {
                request_key.of(event, body)
            } else {
                Key::None
            };
            let has_id = matches!(event.id, Captured::Plain(_) | Captured::Escaped(_));
            let header_id = (!has_id).then(Uuid::now_v7);
            Event {
                index: event.index,
                start: event.start,
                end: event.end,
                key,
                header_id,
            }
        });
        plan.events = events.collect();
        plan
    }
}

fn key_error(event: &decode::Event, stream: &Stream) -> EventError {
    let (code, what) = match (&stream.key, event.key) {
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
    let name = match &stream.key {
        KeySource::Event(pointer) => format!("the key at {pointer}"),
        KeySource::Header(name) => format!("the key in header {name}"),
        _ => "the key".into(),
    };
    EventError {
        index: event.index,
        code,
        detail: format!("{name} {what}"),
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
