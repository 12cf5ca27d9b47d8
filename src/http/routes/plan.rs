//! From decoded events to what each of their streams is asked to take. Without a pause and without I/O.
//!
//! Each event says which stream it's for, so a request may have several. The events of each become a [`Group`], in the order in which
//! they were sent. What belongs to events (memory, rate, ledger, lanes) belongs to a group.

use std::sync::Arc;

use smallvec::SmallVec;
use uuid::Uuid;

use super::extras::Extras;
use super::read::{Found, Read};
use crate::decode::Event as Decoded;
use crate::event::{Event, Key};
use crate::http::answer::{EventError, Problem};
use crate::http::door::Door;
use crate::http::plan::{EVENT_OVERHEAD_BYTES, Plan, unusual_bytes};
use crate::http::shown::shown;
use crate::http::snapshot::Snapshot;
use crate::http::streams::Route;
use crate::lane::Lane;
use crate::receipt::Slot;
use crate::route::{OnMissingKey, partition_of};

/// The events of one stream: their positions among those that were decoded.
pub(super) struct Group<'a> {
    pub(super) route: &'a Arc<Route>,
    pub(super) positions: Vec<usize>,
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
    let value = value.and_then(|value| std::str::from_utf8(value).ok());
    let named = match (value, endpoint.streams.is_empty()) {
        (Some(value), false) => endpoint.streams.get(value).map(String::as_str),
        (value, _) => value,
    };
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

/// An event, and the partition that its key chooses.
struct Routed {
    event: Event,
    partition: Option<usize>,
}

/// What one stream is asked to take: its events, routed to `lanes`, one per partition.
pub(super) fn plan(
    read: &Read<'_>,
    group: &Group<'_>,
    lanes: &[Arc<Lane>],
    max_event: u64,
    arrival_ms: i64,
    errors: &mut Vec<EventError>,
) -> Result<Plan, Problem> {
    let route = group.route;
    let door = Door::of(route)?;
    let planning = Planning {
        read,
        route,
        door,
        partitions: lanes.len(),
        max_event,
        extras: Extras::of(read, &route.privacy, arrival_ms),
    };
    let mut routed = Vec::with_capacity(group.positions.len());
    for position in &group.positions {
        match planning.event(*position) {
            Ok(event) => routed.push(event),
            Err(error) => errors.push(error),
        }
    }
    Ok(planning.sort(routed, lanes))
}

struct Planning<'a> {
    read: &'a Read<'a>,
    route: &'a Route,
    door: Door,
    partitions: usize,
    max_event: u64,
    extras: Extras<'a>,
}

impl Planning<'_> {
    fn event(&self, position: usize) -> Result<Routed, EventError> {
        let (read, endpoint) = (self.read, self.read.endpoint);
        let decoded = &read.picked.decoded.events[position];
        let address = self.extras.address();
        let found = read.first(&endpoint.key, position, address);
        let is_composite = matches!(found, Some(Found::Composite(..)));
        let key = found.and_then(Found::into_key);
        let partition = key.as_ref().map(|key| {
            let bytes = key.bytes(read.body).unwrap_or_default();
            partition_of(bytes, self.partitions)
        });
        let may_have_one = !endpoint.key.is_empty();
        let is_wanted = self.route.on_missing_key == OnMissingKey::Reject;
        if key.is_none() && may_have_one && (is_wanted || self.door.needs_key()) {
            return Err(self.key_error(decoded, is_composite));
        }
        let key = key.unwrap_or(Key::None);
        let (header_id, extra) = self.extras.event(position, decoded.index);
        let beside = extra.as_ref().map_or(0, |extra| extra.weight());
        self.check_size(decoded, key.len().into(), beside)?;
        Ok(Routed {
            event: Event {
                index: decoded.index,
                start: decoded.start,
                end: decoded.end,
                key,
                header_id: header_id.then(Uuid::now_v7),
                extra,
            },
            partition,
        })
    }

    fn check_size(&self, event: &Decoded, key: u64, headers: u64) -> Result<(), EventError> {
        let value = u64::from(event.end - event.start);
        let size = value + key + headers;
        if size > self.max_event {
            let max_event = self.max_event;
            return Err(EventError {
                index: event.index,
                code: "event_too_large",
                detail: format!(
                    "the event has {value} bytes, its key {key} and its headers {headers}, {max_event} are allowed together; send less in one event"
                ),
            });
        }
        if size > self.door.max_payload() {
            return Err(self.door.size_error(event, key + headers, self.route));
        }
        Ok(())
    }

    #[cold]
    fn key_error(&self, event: &Decoded, is_composite: bool) -> EventError {
        let (code, what) = match is_composite {
            true => (
                "key_not_scalar",
                "is an object or an array; send a string or a number",
            ),
            false => ("key_missing", "is missing or null"),
        };
        let why = match self.door.needs_key() {
            true => "; the stream's topic is compacted and takes only events with a key",
            false => "",
        };
        let places = &self.read.endpoint.key_text;
        EventError {
            index: event.index,
            code,
            detail: format!("the key at {places} {what}{why}"),
        }
    }

    /// Sorts events by partition, within one in the order in which they were sent.
    fn sort(&self, mut routed: Vec<Routed>, lanes: &[Arc<Lane>]) -> Plan {
        let sticky = || {
            let events = routed.iter();
            let bytes = events.map(|routed| u64::from(routed.event.len())).sum();
            self.route.sticky.partition(bytes, lanes.len())
        };
        let needs_turn = routed.iter().any(|routed| routed.partition.is_none());
        let turn = if needs_turn { sticky() } else { 0 };
        let partition = |routed: &Routed| routed.partition.unwrap_or(turn);
        // Stable: what has one partition stays in order.
        routed.sort_by_key(partition);
        let mut plan = Plan {
            events: SmallVec::with_capacity(routed.len()),
            slots: SmallVec::new(),
            partitions: SmallVec::new(),
            rejected: Vec::new().into(),
            overhead: 0,
            bytes: 0,
        };
        for routed in routed {
            let (partition, event) = (partition(&routed), routed.event);
            let lane = &lanes[partition];
            if plan.partitions.last() != Some(&(partition as u32)) {
                plan.partitions.push(partition as u32);
                plan.slots.push(Slot {
                    lane: lane.number(),
                    partition: lane.partition(),
                    first: plan.events.len() as u32,
                    count: 0,
                });
            }
            if let Some(slot) = plan.slots.last_mut() {
                slot.count += 1;
            }
            let key = event.key.len();
            let is_within = matches!(event.key, Key::Within(..));
            let apart = if is_within { 0 } else { u64::from(key) };
            let extra = event.extra.as_ref();
            let of_extra = extra.map_or(0, |extra| extra.overhead_bytes(self.read.body));
            plan.bytes += event.weight() - u64::from(key) + apart;
            plan.overhead += EVENT_OVERHEAD_BYTES + unusual_bytes(key as usize) + apart + of_extra;
            plan.events.push(event);
        }
        plan
    }
}

/// A body of their own for a plan's events, so that a stream that waits holds its own events and no other's. Their keys go along.
pub(super) fn own_body(plan: &mut Plan, body: &[u8]) -> Vec<u8> {
    let length = plan.events.iter().map(|event| event.len() as usize).sum();
    let mut own = Vec::with_capacity(length);
    for event in &mut plan.events {
        let (start, begin) = (event.start, own.len() as u32);
        own.extend_from_slice(event.value(body));
        event.key = match std::mem::replace(&mut event.key, Key::None) {
            Key::Within(from, to) if from >= start && to <= event.end => {
                Key::Within(from - start + begin, to - start + begin)
            }
            Key::Within(from, to) => Key::Apart(body[from as usize..to as usize].into()),
            key => key,
        };
        (event.start, event.end) = (begin, own.len() as u32);
    }
    own
}
