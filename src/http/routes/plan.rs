//! From decoded events to what each of their streams is asked to take. Without a pause and without I/O.
//!
//! Each event says which stream it's for, so a request may have several. The events of each become a [`Group`], in the order in which
//! they were sent. What belongs to events (memory, rate, ledger, lanes) belongs to a group.

use std::sync::Arc;

use smallvec::SmallVec;

use super::extras::Extras;
use super::read::Read;
use super::records::{Costs, NeedsKey, Records, is_within};
use super::sorting::Routed;
use crate::event::{Event, Key};
use crate::http::admission::too_large_together;
use crate::http::answer::{EventError, Problem};
use crate::http::door::Door;
use crate::http::plan::Plan;
use crate::http::shown::shown;
use crate::http::snapshot::Snapshot;
use crate::http::streams::Route;
use crate::lane::Lane;
use crate::route::{OnMissingKey, partition_of};

/// As much of a value that decides on a stream is looked at, in bytes.
const MOST_NAME_BYTES: usize = 4096;
/// What is planned is charged in steps of so many bytes: as much may be there that isn't charged yet, and one event.
const STEP_BYTES: u64 = 64 * 1024;

/// The events of one stream: their positions among those that were decoded.
pub(super) struct Group<'a> {
    pub(super) route: &'a Arc<Route>,
    pub(super) positions: Vec<usize>,
}

impl Group<'_> {
    /// Bytes of its events.
    pub(super) fn bytes(&self, read: &Read<'_>) -> u64 {
        let events = &read.picked.decoded.events;
        let all = self.positions.iter().map(|at| &events[*at]);
        all.map(|event| u64::from(event.end - event.start)).sum()
    }
}

/// The streams of the events, and the errors of those that have none.
pub(super) fn groups<'a>(
    read: &Read<'_>,
    snapshot: &'a Snapshot,
    errors: &mut Vec<EventError>,
) -> SmallVec<[Group<'a>; 1]> {
    let mut groups: SmallVec<[Group<'a>; 1]> = SmallVec::new();
    let is_one = read.endpoint.stream_by.is_empty();
    for (position, event) in read.picked.decoded.events.iter().enumerate() {
        let known = match is_one && read.endpoint.required.is_empty() {
            true => groups.first_mut(),
            false => None,
        };
        if let Some(group) = known {
            group.positions.push(position);
            continue;
        }
        let routed = stream_of(
            read,
            position,
            |name| snapshot.routes.get(name),
            |name| snapshot.gone.contains(name),
        );
        match routed {
            Ok(route) => {
                let known = groups.iter_mut();
                let mut known = known.filter(|group| Arc::ptr_eq(group.route, route));
                match known.next() {
                    Some(group) => group.positions.push(position),
                    None => groups.push(Group {
                        route,
                        positions: vec![position],
                    }),
                }
            }
            Err((code, detail)) => errors.push(EventError {
                index: event.index,
                code,
                detail,
            }),
        }
    }
    groups
}

/// The stream of the event at `position`, if the event is one; by what is `known` under the names of streams.
pub(super) fn stream_of<T>(
    read: &Read<'_>,
    position: usize,
    known: impl Fn(&str) -> Option<T>,
    is_gone: impl Fn(&str) -> bool,
) -> Result<T, (&'static str, String)> {
    let endpoint = read.endpoint;
    if let Some(fault) = read.fault(position) {
        return Err(fault);
    }
    let found = read.first(&endpoint.stream_by, position, None);
    let value = found.as_ref().map(|found| found.bytes(read.body));
    // What is longer than any name isn't looked at once more for each event.
    let value = value.map(|value| &value[..value.len().min(MOST_NAME_BYTES)]);
    let value = value.and_then(|value| std::str::from_utf8(value).ok());
    let named = value.and_then(|value| endpoint.named(value));
    let default = endpoint.stream.as_deref();
    let stream = named.and_then(&known);
    stream.or_else(|| known(default?)).ok_or_else(|| {
        let mut names = named.into_iter().chain(default);
        if let Some(gone) = names.find(|name| is_gone(name)) {
            let detail = format!("stream {} is gone, and takes nothing any more", shown(gone));
            return ("gone", detail);
        }
        let detail = match value {
            Some(value) => format!("there is no stream for {}", shown(value)),
            None => "the value that decides on the stream is missing or null".into(),
        };
        ("unknown_stream", detail)
    })
}

/// What a request's events may come to, and what they have come to so far. It's counted before it's there: a few bytes of a request can be a
/// part of each of its events.
pub(super) struct Room {
    /// Most bytes of an event with its key and its headers.
    pub(super) max_event: u64,
    /// Most bytes of all events, with keys and headers of their own.
    pub(super) most: u64,
    /// Bytes of those that were planned.
    pub(super) bytes: u64,
}

/// What is asked for more memory, with the bytes that are needed.
pub(super) type Charge<'a> = &'a mut dyn FnMut(u64) -> Result<(), Problem>;

/// What one stream is asked to take: its events, routed to `lanes`, one per partition. What they cost is charged as they're made, but for
/// the rest that the plan says as its `overhead`.
pub(super) fn plan(
    read: &Read<'_>,
    group: &Group<'_>,
    lanes: &[Arc<Lane>],
    arrival_ms: i64,
    room: &mut Room,
    charge: Charge<'_>,
    errors: &mut Vec<EventError>,
) -> Result<Plan, Problem> {
    let route = group.route;
    let door = Door::of(route)?;
    let largest = room.max_event.min(door.max_payload());
    let needs_key = match route.on_missing_key {
        _ if door.needs_key() => Some(NeedsKey::Topic),
        OnMissingKey::Reject => Some(NeedsKey::Stream),
        _ => None,
    };
    let count = group.positions.len();
    let mut planning = Planning {
        route,
        door,
        partitions: lanes.len(),
        records: Records {
            read,
            extras: Extras::of(read, &route.privacy, arrival_ms, largest, count),
            max_event: room.max_event,
            needs_key,
        },
    };
    let mut routed = Routed::of(count);
    let (mut costs, mut charged) = (Costs::default(), 0);
    for position in &group.positions {
        let (event, partition) = match planning.event(*position) {
            Ok(event) => event,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        costs.add(&event, read.body);
        if room.bytes + costs.bytes > room.most {
            return Err(too_large_together(room.most));
        }
        if costs.overhead >= charged + STEP_BYTES {
            charge(costs.overhead - charged)?;
            charged = costs.overhead;
        }
        routed.push(event, partition);
    }
    room.bytes += costs.bytes;
    let mut plan = routed.sort(route, lanes);
    (plan.bytes, plan.overhead) = (costs.bytes, costs.overhead - charged);
    Ok(plan)
}

struct Planning<'a> {
    route: &'a Route,
    door: Door,
    partitions: usize,
    records: Records<'a>,
}

impl Planning<'_> {
    /// The record of the event at `position`, and the partition that its key chooses.
    fn event(&mut self, position: usize) -> Result<(Event, Option<u32>), EventError> {
        let (door, route) = (&self.door, self.route);
        let event = self.records.event(position, |decoded, key, headers| {
            let size = u64::from(decoded.end - decoded.start) + key + headers;
            let is_too_large = size > door.max_payload();
            is_too_large.then(|| door.size_error(decoded, key, headers, route))
        })?;
        let key = event.key.bytes(self.records.read.body);
        let partition = key.map(|key| partition_of(key, self.partitions) as u32);
        Ok((event, partition))
    }
}

/// A body of their own for a plan's events, so that a stream that waits holds its own events and no other's. Their keys go along. One that
/// stands elsewhere, as that of all events may, is there once.
pub(super) fn own_body(plan: &mut Plan, body: &[u8]) -> Vec<u8> {
    let length = plan.events.iter().map(|event| event.len() as usize).sum();
    let mut own = Vec::with_capacity(length);
    let mut known: Option<((u32, u32), Key)> = None;
    for event in &mut plan.events {
        let (start, begin) = (event.start, own.len() as u32);
        own.extend_from_slice(event.value(body));
        if let Key::Within(from, to) = event.key {
            event.key = match &known {
                _ if is_within(event) => Key::Within(from - start + begin, to - start + begin),
                Some((range, key)) if *range == (from, to) => key.clone(),
                _ => {
                    let key = Key::Apart(body[from as usize..to as usize].into());
                    known = Some(((from, to), key.clone()));
                    key
                }
            };
        }
        (event.start, event.end) = (begin, own.len() as u32);
    }
    own
}
