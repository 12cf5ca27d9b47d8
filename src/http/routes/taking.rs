//! From a request's body to what lanes have taken of it.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use smallvec::SmallVec;

use super::cloudevents::Mode;
use super::endpoint::Endpoint;
use super::head::Head;
use super::plan::{self, Group};
use super::read::{self, Read};
use crate::budget::Held;
use crate::decode::Picked;
use crate::decode::encoding::Encoding;
use crate::http::admission::{Answered, With};
use crate::http::answer::{self, EventError, Problem};
use crate::http::body::{self, BodyFault};
use crate::http::entry::Entry;
use crate::http::plan::{EVENT_OVERHEAD_BYTES, body_problem, error_of};
use crate::http::port::Local;
use crate::http::reasons::{not_ready, problem_of};
use crate::http::rejected::Rejected;
use crate::http::snapshot::Snapshot;
use crate::http::streams::Route;
use crate::receipt::{Arrival, Parcels};

thread_local! {
    static PICKED: RefCell<Picked> = RefCell::default();
}

/// What a request's head said.
pub(super) struct Known<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) head: Head,
    pub(super) encoding: Encoding,
    /// The event of a route whose events are queries.
    pub(super) query: Option<Bytes>,
}

/// What a request is taken with.
pub(super) struct Taking<'a> {
    pub(super) local: &'a Arc<Local>,
    pub(super) snapshot: &'a Snapshot,
    pub(super) known: Known<'a>,
}

/// Events of one stream that were admitted.
pub(super) struct Admitted {
    pub(super) route: Arc<Route>,
    pub(super) parcels: Parcels,
}

/// What became of a request's body.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) admitted: SmallVec<[Admitted; 1]>,
    /// Events that can never be taken.
    pub(super) rejected: Rejected,
    /// Events that their streams had no room for, after others were admitted.
    pub(super) not_admitted: Vec<u32>,
}

impl Taking<'_> {
    /// Reads, decodes, routes and admits.
    pub(super) async fn take(
        &self,
        first: &Arc<Route>,
        request: &mut Request<Incoming>,
        answered: &mut Answered,
    ) -> Result<Taken, Problem> {
        let (local, settings, known) = (self.local, &self.snapshot.settings, &self.known);
        let fault = |fault| problem_of(fault, local, first);
        let of_query = known.query.as_ref().map_or(0, |query| query.len() as u64);
        let of_head = EVENT_OVERHEAD_BYTES + known.head.bytes + of_query;
        let held = first.account.hold(of_head);
        let mut held = held.map_err(|exhausted| fault(BodyFault::Memory(exhausted)))?;
        let limit = settings.max_body.as_u64();
        let (begun, within) = (answered.at, settings.body_timeout);
        let read = body::read(request.body_mut(), begun, limit, within, &mut held).await;
        let whole = read.map_err(fault)?;
        answered.is_last = whole.had_trailers;
        if let Some(entry) = &mut answered.entry {
            entry.with_body(&whole.bytes)?;
        }
        let arrival = Arrival::now(whole.arrived);
        first
            .stream
            .metrics
            .add_body_bytes(whole.bytes.len() as u64);
        let limit = settings.max_decompressed.as_u64();
        let body = body::decompress(known.encoding, whole.bytes, limit, &mut held);
        let body = body.map_err(fault)?;
        let body = match &known.query {
            None => body,
            Some(query) if body.is_empty() => query.clone(),
            Some(_) => {
                let detail =
                    "the route takes what the address says behind its question mark, and no body";
                let status = StatusCode::BAD_REQUEST;
                return Err(Problem::new(status, "unexpected_body", detail));
            }
        };
        let entry = answered.entry.as_deref_mut();
        PICKED.with_borrow_mut(|picked| self.admit(first, entry, body, arrival, held, picked))
    }

    /// Decodes, routes and admits: everything between reading and waiting, without a pause.
    fn admit(
        &self,
        first: &Arc<Route>,
        entry: Option<&mut Entry>,
        body: Bytes,
        arrival: Arrival,
        held: Held,
        picked: &mut Picked,
    ) -> Result<Taken, Problem> {
        let (endpoint, head) = (self.known.endpoint, &self.known.head);
        read::decode(endpoint, head, &body, &self.snapshot.limits, picked).map_err(body_problem)?;
        let rejected = picked.decoded.rejected.drain(..).map(error_of);
        let mut errors: Vec<_> = rejected.collect();
        let mut read = Read {
            endpoint,
            head,
            body: &body,
            picked,
            sender: None,
        };
        let entry = shown(entry, &read)?;
        read.sender = entry.and_then(Entry::source);
        let groups = plan::groups(&read, self.snapshot, &mut errors);
        let mut taken = Taken::default();
        let mut whole = Some(held);
        let is_own =
            groups.len() > 1 || groups.iter().any(|group| !Arc::ptr_eq(group.route, first));
        for (number, group) in groups.iter().enumerate() {
            if !self.may_enter(first, entry, group, &read, &mut errors) {
                continue;
            }
            let with = With {
                local: self.local,
                snapshot: self.snapshot,
                route: group.route,
                entry,
            };
            let held = if is_own { None } else { whole.take() };
            match self.admit_group(&with, &read, group, &body, arrival, held, &mut errors) {
                Ok(Some(parcels)) => taken.admitted.push(Admitted {
                    route: Arc::clone(group.route),
                    parcels,
                }),
                Ok(None) => {}
                Err(problem) if taken.admitted.is_empty() && number + 1 == groups.len() => {
                    return Err(problem);
                }
                Err(_) => {
                    let events = &read.picked.decoded.events;
                    let indices = group.positions.iter().map(|at| events[*at].index);
                    taken.not_admitted.extend(indices);
                }
            }
        }
        if taken.admitted.is_empty() && taken.not_admitted.is_empty() {
            return match errors.is_empty() {
                true if is_batch(head) => Ok(taken),
                true => Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "empty",
                    "the body holds no event; send at least one",
                )),
                false => Err(answer::unacceptable(errors.into())),
            };
        }
        taken.rejected = errors.into();
        Ok(taken)
    }

    /// Whether who may send to the first stream may send to a group's as well; if not, why its events are refused.
    fn may_enter(
        &self,
        first: &Route,
        entry: Option<&Entry>,
        group: &Group<'_>,
        read: &Read<'_>,
        errors: &mut Vec<EventError>,
    ) -> bool {
        let (first, stream) = (first.name(), group.route.name());
        let access = self.snapshot.access.as_ref();
        if first == stream
            || access.is_none_or(|access| Entry::lets_also(access, entry, first, stream))
        {
            return true;
        }
        let events = &read.picked.decoded.events;
        errors.extend(group.positions.iter().map(|at| EventError {
            index: events[*at].index,
            code: "not_allowed",
            detail: format!("who sends the request may not send to stream {stream:?}"),
        }));
        false
    }

    /// Admits the events of one stream. `held` is what the request's body is charged, if the stream is charged for it; else its events
    /// get a body of their own.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a request is, what one of its streams is, and what is said of both"
    )]
    fn admit_group(
        &self,
        with: &With<'_>,
        read: &Read<'_>,
        group: &Group<'_>,
        body: &Bytes,
        arrival: Arrival,
        held: Option<Held>,
        errors: &mut Vec<EventError>,
    ) -> Result<Option<Parcels>, Problem> {
        let route = group.route;
        let known = route.topic.lanes();
        let lanes = if known.is_empty() {
            route.topic.unrouted()
        } else {
            &known[..]
        };
        if lanes.is_empty() {
            return Err(not_ready(route));
        }
        let max_event = u64::from(self.snapshot.limits.max_event());
        let before = errors.len();
        let mut plan = plan::plan(read, group, lanes, max_event, arrival.unix_ms, errors)?;
        let rejected = (errors.len() - before) as u32;
        if rejected > 0 {
            route.stream.metrics.add_rejected(rejected);
        }
        if plan.events.is_empty() {
            return Ok(None);
        }
        let (body, held) = match held {
            Some(held) => (body.clone(), held),
            None => {
                let own = plan::own_body(&mut plan, body);
                let bytes = EVENT_OVERHEAD_BYTES + own.len() as u64;
                let held = route.account.hold(bytes).map_err(|exhausted| {
                    problem_of(BodyFault::Memory(exhausted), self.local, route)
                })?;
                (Bytes::from(own), held)
            }
        };
        let (parcels, _) = with.admit(plan, lanes, body, arrival, held)?;
        Ok(Some(parcels))
    }
}

/// Who sends, once the body has shown it, if that was left to it.
fn shown<'e>(entry: Option<&'e mut Entry>, read: &Read<'_>) -> Result<Option<&'e Entry>, Problem> {
    let Some(entry) = entry else {
        return Ok(None);
    };
    entry.with_members(|pointer| read.member(pointer))?;
    Ok(Some(entry))
}

/// A batch of CloudEvents may be empty.
fn is_batch(head: &Head) -> bool {
    let said = head.said.as_ref();
    said.is_some_and(|said| said.mode == Mode::Batch)
}
