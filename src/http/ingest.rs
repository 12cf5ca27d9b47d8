//! One request, from its head to its answer: find the stream, read, decode, route, admit, wait, answer.

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, Response};

use super::access::Access;
use super::admission::{Answered, With};
use super::answer::{self, Problem, Reply, Said};
use super::body::{self, BodyFault, Whole};
use super::entry::Entry;
use super::forget::{STREAM_BYTES, forget_head};
use super::head::{Coded, Lines, key_of};
use super::heads::{self, charge_head};
use super::plan::{self, EVENT_OVERHEAD_BYTES, Plan, Scratch, Sent, Shape};
use super::port::Local;
use super::reasons::{not_ready, problem_of, why_not_taken};
use super::rejected::Rejected;
use super::respond::{hold_list, respond};
use super::retry;
use super::routes;
use super::sending::Sending;
use super::shares;
use super::snapshot::Snapshot;
use super::streams::Route;
use super::target::{Missed, Target, find, nowhere};
use super::turned;
use super::watch::Busy;
use super::web::Web;
use crate::budget::{Held, HeldByProcess};
use crate::receipt::{Arrival, Cause, Outcome, Parcels};
use crate::route::KeySource;
use crate::telemetry::Answer;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Answers one request of the data port. Inlined, so that what it returns is made where hyper keeps it.
#[inline(always)]
pub fn handle(
    local: Arc<Local>,
    busy: Busy,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Sending>, Infallible>> {
    // At once, not when its turn comes: many heads may come in one turn.
    let snapshot = local.now();
    let access = snapshot.access.as_ref();
    let web = access.and_then(|access| Web::of(access, &request, &snapshot.endpoints));
    let settings = &snapshot.settings;
    let introduce = |access: &Arc<Access>| access.introduce(busy.peer(), settings, &mut request);
    let mut charged = match access.map(introduce).transpose() {
        Ok(_) => charge_head(&local, settings.max_headers, &mut request),
        Err(problem) => Err(heads::turn_away(&mut request, problem)),
    };
    async move {
        let (settings, mut answered) = (&snapshot.settings, Answered::at(Instant::now()));
        // All in one: a part that waits by itself costs a copy of what it waits with, and a call for each of its turns.
        let said = 'said: {
            let mut head = match &mut charged {
                Ok(head) => head.as_mut(),
                Err(problem) => break 'said refused(&local, problem),
            };
            if let Some(told) = web.as_ref().and_then(|web| web.answer(&request)) {
                break 'said told.map_or_else(|problem| refused(&local, &problem), Said::from);
            }
            let lent = head.as_deref_mut();
            let begun = begin(&local, &snapshot, &mut request, lent, &mut answered);
            let mut begun = match begun.map_err(|otherwise| *otherwise) {
                Ok(begun) => begun,
                Err(Otherwise::Said(said)) => break 'said said,
                Err(Otherwise::TurnedAway(reply)) => {
                    break 'said Said::Other(turned::away(&mut request, reply, settings).await);
                }
                Err(Otherwise::Routed) => {
                    let (peer, of, request) = (busy.peer(), &snapshot, &mut request);
                    let (local, to) = (&local, &mut answered);
                    // In a box, so that what waits for other requests is no larger.
                    let routed = routes::answer(local, of, peer, request, head, to);
                    break 'said Box::pin(routed).await;
                }
            };
            let (limit, within) = (settings.max_body.as_u64(), settings.body_timeout);
            let body = request.body_mut();
            let read = body::read(body, answered.at, limit, within, &mut begun.held).await;
            let route = begun.route;
            let mut with = With {
                local: &local,
                snapshot: &snapshot,
                route,
                entry: None,
            };
            match take_read(&with, begun, read, &mut answered) {
                Ok((parcels, rejected)) => {
                    with.entry = answered.entry.as_deref();
                    let outcome = with.outcome(&parcels, settings.answer_within).await;
                    concluded(&local, route, outcome, rejected, &mut answered)
                }
                Err(problem) => not_taken(&local, route, *problem, &mut answered),
            }
        };
        let mut held = charged.unwrap_or_default();
        if let Some(held) = &mut held {
            // What its head holds goes with the request.
            held.shrink_to(STREAM_BYTES);
        }
        let (local, request) = (&local, &mut request);
        Ok(respond(local, request, said, answered, web, held, busy))
    }
}

/// A request for a stream whose body is to be read.
struct Begun<'a> {
    route: &'a Arc<Route>,
    coded: Coded,
    /// The key, if it isn't in the events.
    key: Option<Vec<u8>>,
    /// The memory that the request is charged.
    held: Held,
}

/// What becomes of a request whose body isn't read here.
enum Otherwise {
    /// It's answered.
    Said(Said),
    /// It isn't let in, and gets this answer.
    TurnedAway(Box<Reply>),
    /// It may be for a route: its path is no stream's.
    Routed,
}

/// The answer to a request that isn't for any stream, or not yet.
#[cold]
fn refused(local: &Local, problem: &Problem) -> Said {
    local.port.refusals.count(problem.code);
    problem.reply().into()
}

/// Finds what a request is for, judges its head, and forgets it.
#[inline(always)]
fn begin<'a>(
    local: &Local,
    snapshot: &'a Snapshot,
    request: &mut Request<Incoming>,
    head: Option<&mut HeldByProcess>,
    answered: &mut Answered,
) -> Result<Begun<'a>, Box<Otherwise>> {
    let lines = Lines::of(request.headers());
    let Target { route, path_key } = match find(snapshot, request, &lines) {
        Ok(target) => target,
        Err(missed) => return Err(Box::new(elsewhere(local, snapshot, request, missed))),
    };
    if let Some(access) = &snapshot.access {
        match Entry::enter(
            access,
            Some(&route.stream),
            None,
            request,
            &local.port.refusals,
        ) {
            Ok(entry) => answered.entry = entry,
            Err(reply) => {
                answered.turned_away = Some(snapshot.settings.refused_timeout);
                return Err(Box::new(Otherwise::TurnedAway(reply)));
            }
        }
    }
    let coded = Coded::of(route, &lines).map_err(Box::new);
    let begun = coded.and_then(|coded| hold(local, route, coded, path_key, request, head));
    begun.map_err(|problem| {
        let said = not_taken(local, route, *problem, answered);
        Box::new(Otherwise::Said(said))
    })
}

/// What becomes of a request that is for no stream.
fn elsewhere(
    local: &Local,
    snapshot: &Snapshot,
    request: &Request<Incoming>,
    missed: Missed,
) -> Otherwise {
    let problem = match missed {
        Missed::Elsewhere if !snapshot.endpoints.is_empty() => return Otherwise::Routed,
        Missed::Elsewhere => nowhere(request),
        Missed::Problem(problem) => problem,
    };
    Otherwise::Said(refused(local, &problem))
}

/// Takes what is needed of a head, forgets it, and charges the request.
#[inline(always)]
fn hold<'a>(
    local: &Local,
    route: &'a Arc<Route>,
    coded: Coded,
    path_key: Option<Vec<u8>>,
    request: &mut Request<Incoming>,
    head: Option<&mut HeldByProcess>,
) -> Result<Begun<'a>, Box<Problem>> {
    let key = match &route.key {
        KeySource::Header(name) => key_of(request.headers(), name)?,
        _ => path_key,
    };
    let key = match route.privacy.shows_addresses() {
        true => key,
        false => key.map(|key| route.privacy.text(&key).into_owned()),
    };
    forget_head(request, head);
    // One event's bookkeeping is charged at once with the body, because most requests have one event.
    let unusual = plan::unusual_bytes(key.as_ref().map_or(0, Vec::len));
    let held = route.account.hold(EVENT_OVERHEAD_BYTES + unusual);
    let held = held.map_err(|exhausted| problem_of(BodyFault::Memory(exhausted), local, route))?;
    Ok(Begun {
        route,
        coded,
        key,
        held,
    })
}

/// What to say if the events were taken, all or some of them. `answered` says when the request came, and gets to know when the answer was
/// ready.
#[inline(always)]
fn concluded(
    local: &Local,
    route: &Route,
    outcome: Outcome,
    mut rejected: Rejected,
    answered: &mut Answered,
) -> Said {
    if !outcome.not_acked.is_empty() || rejected.count() > 0 {
        note_not_all(local, route, &outcome, &mut rejected, answered);
    }
    let because = || why_not_taken(route);
    let retry_after = || retry::after_silence(&route.cluster);
    let (answer, said) = answer::settled(outcome, rejected, because, retry_after);
    note_answer(route, answer, answered);
    said
}

/// Counts an answer that is ready.
#[inline(always)]
fn note_answer(route: &Route, answer: Answer, answered: &mut Answered) {
    let ready = Instant::now();
    let took = ready.duration_since(answered.at);
    answered.at = ready;
    route.stream.metrics.answered(answer, took);
}

#[cold]
fn note_not_all(
    local: &Local,
    route: &Route,
    outcome: &Outcome,
    rejected: &mut Rejected,
    answered: &mut Answered,
) {
    let turns_away = |cause| matches!(cause, Cause::NoRoom | Cause::Timeout | Cause::Unknown);
    let mut causes = outcome.not_acked.iter().map(|(_, cause)| *cause);
    note_turned_away(route, causes.any(turns_away));
    answered.list = hold_list(&local.port, rejected, outcome.not_acked.len());
}

/// What to say if none of the events are taken.
#[cold]
fn not_taken(local: &Local, route: &Route, mut problem: Problem, answered: &mut Answered) -> Said {
    note_turned_away(
        route,
        matches!(problem.code, "no_memory" | "full" | "stalled"),
    );
    answered.list = hold_list(&local.port, &mut problem.errors, 0);
    if problem.answer() == Answer::Client {
        route.stream.metrics.add_rejected(problem.errors.count());
    }
    let mut reply = problem.reply();
    if let Some(entry) = &answered.entry {
        entry.challenge(&mut reply);
    }
    note_answer(route, problem.answer(), answered);
    reply.into()
}

fn note_turned_away(route: &Route, is_turned_away: bool) {
    if is_turned_away && shares::concerns_all(route) {
        route.stream.metrics.add_turned_away();
    }
}

/// Takes the events of a body that was read; with those that never could be taken. `answered` says when the request came.
#[inline(always)]
fn take_read(
    with: &With<'_>,
    begun: Begun<'_>,
    read: Result<Whole, BodyFault>,
    answered: &mut Answered,
) -> Result<(Parcels, Rejected), Box<Problem>> {
    let (route, metrics) = (with.route, &with.route.stream.metrics);
    let Begun {
        coded,
        key,
        mut held,
        ..
    } = begun;
    let fault = |fault| problem_of(fault, with.local, route);
    let Whole {
        bytes: sent,
        arrived,
        had_trailers,
    } = read.map_err(fault)?;
    answered.is_last = had_trailers;
    if let Some(entry) = &mut answered.entry {
        entry.with_body(&sent)?;
    }
    let arrival = Arrival::now(arrived);
    metrics.body_bytes.fetch_add(sent.len() as u64, Relaxed);
    let limit = with.snapshot.settings.max_decompressed.as_u64();
    let body = body::decompress(coded.encoding, sent, limit, &mut held).map_err(fault)?;
    let with = With {
        entry: answered.entry.as_deref(),
        ..*with
    };
    let (parcels, rejected) = take(&with, coded.shape, body, key.as_deref(), arrival, held)?;
    if rejected.count() > 0 {
        metrics.add_rejected(rejected.count());
    }
    Ok((parcels, rejected))
}

/// Decodes, routes and admits: everything between reading and waiting, without a pause.
fn take(
    with: &With<'_>,
    shape: Shape,
    body: Bytes,
    key: Option<&[u8]>,
    arrival: Arrival,
    held: Held,
) -> Result<(Parcels, Rejected), Box<Problem>> {
    let route = with.route;
    SCRATCH.with_borrow_mut(|scratch| {
        let known = route.topic.lanes();
        let lanes = if known.is_empty() {
            route.topic.unrouted()
        } else {
            &known[..]
        };
        if lanes.is_empty() {
            return Err(not_ready(route).into());
        }
        let limits = &with.snapshot.limits;
        let (sent, mut planned) = (
            Sent {
                shape,
                body: &body,
                key,
            },
            Plan::default(),
        );
        plan::plan(route, &sent, lanes, limits, scratch, &mut planned)?;
        with.admit(planned, lanes, body, arrival, held)
    })
}

#[cfg(test)]
mod tests;
