//! From a request's body to what lanes have taken of it.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use smallvec::SmallVec;

use super::asking::{Admitted, Asking, Failed, Taken, commit};
use super::endpoint::Endpoint;
use super::head::Head;
use super::plan::{self, Group, Room};
use super::read::{self, Read};
use crate::budget::Held;
use crate::decode::Picked;
use crate::decode::encoding::Encoding;
use crate::http::admission::Answered;
use crate::http::answer::{EventError, Problem};
use crate::http::body::{self, BodyFault};
use crate::http::entry::Entry;
use crate::http::plan::{EVENT_OVERHEAD_BYTES, body_problem, error_of};
use crate::http::port::Local;
use crate::http::reasons::{problem_of, problem_of_unsorted};
use crate::http::snapshot::Snapshot;
use crate::http::streams::Route;
use crate::lane::Lane;
use crate::receipt::Arrival;

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

impl Taking<'_> {
    /// Reads, decodes, routes and admits. `stream` is the one that the head names; without it the body is nobody's until its events are
    /// known.
    pub(super) async fn take(
        &self,
        stream: Option<&Arc<Route>>,
        request: &mut Request<Incoming>,
        answered: &mut Answered,
    ) -> Result<Taken, Failed> {
        let taken = self.read_and_admit(stream, request, answered).await;
        taken.map_err(|failed| Failed {
            route: failed.route.or_else(|| stream.cloned()),
            ..failed
        })
    }

    async fn read_and_admit(
        &self,
        stream: Option<&Arc<Route>>,
        request: &mut Request<Incoming>,
        answered: &mut Answered,
    ) -> Result<Taken, Failed> {
        let (local, settings, known) = (self.local, &self.snapshot.settings, &self.known);
        let fault = |fault| self.problem_of(stream, fault);
        let account = stream.map_or(&local.port.unsorted, |route| &route.account);
        let of_query = known.query.as_ref().map_or(0, |query| query.len() as u64);
        let of_head = EVENT_OVERHEAD_BYTES + known.head.bytes + of_query;
        let held = account.hold(of_head);
        let mut held = held.map_err(|exhausted| fault(BodyFault::Memory(exhausted)))?;
        let limit = settings.max_body.as_u64();
        let (begun, within) = (answered.at, settings.body_timeout);
        let read = body::read(request.body_mut(), begun, limit, within, &mut held).await;
        let whole = read.map_err(fault)?;
        answered.is_last = whole.had_trailers;
        if let Some(entry) = &mut answered.entry {
            entry.with_body(&whole.bytes)?;
        }
        let sent = whole.bytes.len() as u64;
        if let Some(route) = stream {
            route.stream.metrics.add_body_bytes(sent);
        }
        let limit = settings.max_decompressed.as_u64();
        let body = body::decompress(known.encoding, whole.bytes, limit, &mut held);
        let body = read::event_of(known.query.as_ref(), body.map_err(fault)?)?;
        let brought = Brought {
            stream,
            body,
            sent,
            arrival: Arrival::now(whole.arrived),
            held,
            of_head,
        };
        let entry = answered.entry.as_deref_mut();
        PICKED.with_borrow_mut(|picked| self.admit(entry, brought, picked))
    }

    fn problem_of(&self, stream: Option<&Arc<Route>>, fault: BodyFault) -> Problem {
        match stream {
            Some(route) => problem_of(fault, self.local, route),
            None => problem_of_unsorted(fault),
        }
    }

    /// Decodes, routes and admits: everything between reading and waiting, without a pause.
    fn admit(
        &self,
        entry: Option<&mut Entry>,
        brought: Brought<'_>,
        picked: &mut Picked,
    ) -> Result<Taken, Failed> {
        let Brought {
            stream,
            body,
            sent,
            arrival,
            mut held,
            of_head,
        } = brought;
        let (endpoint, head) = (self.known.endpoint, &self.known.head);
        let exhausted = |exhausted| self.problem_of(stream, BodyFault::Memory(exhausted));
        read::decode(endpoint, head, &body, &self.snapshot.limits, picked).map_err(body_problem)?;
        let rejected = picked.decoded.rejected.drain(..).map(error_of);
        let mut errors: Vec<_> = rejected.collect();
        let around = read::around(endpoint, &body, picked, |bytes| held.grow(bytes));
        let around = around.map_err(exhausted)?;
        let mut read = Read {
            endpoint,
            head,
            body: &body,
            picked,
            around: &around,
            sender: None,
        };
        let entry = shown(entry, &read)?;
        read.sender = entry.and_then(Entry::source);
        let mut groups = plan::groups(&read, self.snapshot, &mut errors);
        if stream.is_none() {
            may_enter(entry, &mut groups, &read, &mut errors)?;
            count_bytes(&groups, &read, sent);
        }
        let (mut held, mut whole) = (Some(held), None);
        if let [group] = &groups[..] {
            let mut its = held.take();
            if let Some(held) = its.as_mut().filter(|_| stream.is_none()) {
                let moved = held.move_to(&group.route.account);
                let fault =
                    |exhausted| self.problem_of(Some(group.route), BodyFault::Memory(exhausted));
                moved.map_err(|exhausted| Failed::of(group.route, fault(exhausted)))?;
            }
            whole = its;
        }
        let (groups, entry) = (&groups[..], entry.and_then(Entry::asked));
        let first = groups.first().map(|group| group.route).or(stream);
        let asked = self.ask(groups, first, entry, &read, &body, arrival, whole, errors);
        let mut taken = asked?;
        // The body was there until now, and the head is until the answer.
        if let Some(held) = &mut held {
            held.shrink(held.bytes().saturating_sub(of_head));
        }
        taken.head = held;
        Ok(taken)
    }

    /// Asks the streams of a request. `first` is the one that what is no event counts with, and `whole` is what the body is charged, if it's the
    /// only one.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a request is, and what was found out of it"
    )]
    fn ask<'a>(
        &'a self,
        groups: &[Group<'a>],
        first: Option<&'a Arc<Route>>,
        entry: Option<&'a Entry>,
        read: &'a Read<'a>,
        body: &Bytes,
        arrival: Arrival,
        whole: Option<Held>,
        errors: Vec<EventError>,
    ) -> Result<Taken, Failed> {
        let mut room = Room {
            max_event: u64::from(self.snapshot.limits.max_event()),
            most: self.snapshot.settings.max_decompressed.as_u64(),
            bytes: 0,
        };
        let mut asked = Inquiry {
            taking: self,
            entry,
            read,
            arrival,
            rejected: SmallVec::from_iter([(first, errors.len())]),
            errors,
        };
        let taken = match (groups, whole) {
            ([group], Some(held)) => asked.one(group, held, body, &mut room)?,
            _ => asked.several(groups, body, &mut room)?,
        };
        if taken.is_none() && (!asked.errors.is_empty() || !read.head.is_batch()) {
            count(&asked.rejected);
            return Err(Failed {
                route: first.cloned(),
                problem: read::none_to_take(asked.errors),
            });
        }
        count(&asked.rejected);
        let mut taken = taken.unwrap_or_default();
        taken.rejected = asked.errors.into();
        Ok(taken)
    }
}

/// What the streams of a request are asked with, and what is wrong with events.
struct Inquiry<'a> {
    taking: &'a Taking<'a>,
    entry: Option<&'a Entry>,
    read: &'a Read<'a>,
    arrival: Arrival,
    errors: Vec<EventError>,
    /// How many of them each stream has.
    rejected: SmallVec<[Counted<'a>; 2]>,
}

/// Events that can never be taken, of a stream if they are for one.
type Counted<'a> = (Option<&'a Arc<Route>>, usize);

impl<'a> Inquiry<'a> {
    fn asking<'b>(&self, group: &'b Group<'a>, lanes: &'b [Arc<Lane>]) -> Asking<'b>
    where
        'a: 'b,
    {
        Asking {
            local: self.taking.local,
            snapshot: self.taking.snapshot,
            entry: self.entry,
            read: self.read,
            group,
            lanes,
            arrival: self.arrival,
        }
    }

    /// Nothing if no event of the stream can be taken.
    fn one(
        &mut self,
        group: &Group<'a>,
        held: Held,
        body: &Bytes,
        room: &mut Room,
    ) -> Result<Option<Taken>, Failed> {
        let (route, before) = (group.route, self.errors.len());
        let lanes = route.topic.lanes();
        let asking = self.asking(group, &lanes);
        let parcels = asking.take(body, held, room, &mut self.errors);
        let parcels = parcels.map_err(|problem| Failed::of(route, problem))?;
        self.rejected
            .push((Some(route), self.errors.len() - before));
        let route = Arc::clone(route);
        Ok(parcels.map(|parcels| Taken {
            admitted: SmallVec::from_iter([Admitted { route, parcels }]),
            ..Taken::default()
        }))
    }

    /// Nothing if no event of any stream can be taken.
    fn several(
        &mut self,
        groups: &[Group<'a>],
        body: &Bytes,
        room: &mut Room,
    ) -> Result<Option<Taken>, Failed> {
        let lanes: SmallVec<[_; 1]> = groups.iter().map(|it| it.route.topic.lanes()).collect();
        let mut prepared = SmallVec::<[_; 1]>::new();
        for (group, lanes) in groups.iter().zip(&lanes) {
            let before = self.errors.len();
            let asking = self.asking(group, lanes);
            let one = asking.prepare(body, room, &mut self.errors);
            prepared.extend(one.map_err(|problem| Failed::of(group.route, problem))?);
            let rejected = self.errors.len() - before;
            self.rejected.push((Some(group.route), rejected));
        }
        match prepared.is_empty() {
            true => Ok(None),
            false => commit(prepared, self.arrival).map(Some),
        }
    }
}

/// What a request has brought.
struct Brought<'a> {
    /// The stream that its head names.
    stream: Option<&'a Arc<Route>>,
    body: Bytes,
    /// Bytes of the body as it was sent.
    sent: u64,
    arrival: Arrival,
    held: Held,
    /// What of it is for what the head said.
    of_head: u64,
}

/// Leaves the events of those streams to which who sends may send. If there are none, and nothing else is wrong with the events, nobody
/// is let in.
fn may_enter(
    entry: Option<&Entry>,
    groups: &mut SmallVec<[Group<'_>; 1]>,
    read: &Read<'_>,
    errors: &mut Vec<EventError>,
) -> Result<(), Problem> {
    let Some(entry) = entry else {
        return Ok(());
    };
    let (events, others) = (&read.picked.decoded.events, errors.len());
    let mut why = None;
    groups.retain(|group| {
        let name = group.route.name();
        let Err(refused) = entry.may_send(name) else {
            return true;
        };
        why = Some(refused);
        errors.extend(group.positions.iter().map(|at| EventError {
            index: events[*at].index,
            code: "not_allowed",
            detail: format!("who sends the request may not send to stream {name:?}"),
        }));
        false
    });
    match why {
        Some(refused) if groups.is_empty() && others == 0 => Err(entry.problem(&refused)),
        _ => Ok(()),
    }
}

/// Counts a body's bytes with the streams that its events turn out to be for: all that was sent with a lone one, with several the bytes of
/// their events.
fn count_bytes(groups: &[Group<'_>], read: &Read<'_>, sent: u64) {
    for group in groups {
        let bytes = match groups {
            [_] => sent,
            _ => group.bytes(read),
        };
        group.route.stream.metrics.add_body_bytes(bytes);
    }
}

/// Counts events that can never be taken, once each, with the streams that they're for. Those that are for none count with the first, if
/// there is one.
fn count(rejected: &[Counted<'_>]) {
    for (route, count) in rejected {
        if let Some(route) = route.filter(|_| *count > 0) {
            route.stream.metrics.add_rejected(*count as u32);
        }
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
