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
use super::answer::{self, Problem, Said};
use super::body::{self, BodyFault};
use super::entry::Entry;
use super::forget::{STREAM_BYTES, forget_head};
use super::head::{Coded, Lines, key_of};
use super::heads::{self, charge_head};
use super::plan::{self, EVENT_OVERHEAD_BYTES, Scratch, Shape};
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
use super::target::{NOT_FOUND, Target, find};
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
        let mut answered = Answered::at(Instant::now());
        let said = match &mut charged {
            Ok(_) if let Some(told) = web.as_ref().and_then(|web| web.answer(&request)) => {
                told.map_or_else(|problem| refused(&local, &problem), Said::from)
            }
            Ok(head) => {
                let head = head.as_mut();
                answer(&local, &snapshot, &busy, &mut request, head, &mut answered).await
            }
            Err(problem) => refused(&local, problem),
        };
        let mut held = charged.unwrap_or_default();
        if let Some(held) = &mut held {
            // What its head holds goes with the request.
            held.shrink_to(STREAM_BYTES);
        }
        Ok(respond(
            &local,
            &mut request,
            said,
            answered,
            web,
            held,
            busy,
        ))
    }
}

/// The answer to a request that isn't for any stream, or not yet.
#[cold]
fn refused(local: &Local, problem: &Problem) -> Said {
    local.port.refusals.count(problem.code);
    problem.reply().into()
}

/// What to answer. `answered` says when the request came, and gets to know when the answer was ready.
async fn answer(
    local: &Arc<Local>,
    snapshot: &Snapshot,
    busy: &Busy,
    request: &mut Request<Incoming>,
    head: Option<&mut HeldByProcess>,
    answered: &mut Answered,
) -> Said {
    let begun = answered.at;
    let lines = Lines::of(request.headers());
    let target = match find(snapshot, request, &lines) {
        Ok(target) => target,
        Err(problem) if problem.code == NOT_FOUND && !snapshot.endpoints.is_empty() => {
            // In a box, so that what waits for other requests is no larger.
            let peer = busy.peer();
            let routed = routes::answer(local, snapshot, peer, request, head, answered, problem);
            return Box::pin(routed).await.into();
        }
        Err(problem) => return refused(local, &problem),
    };
    let route = target.route;
    if let Some(access) = &snapshot.access {
        match Entry::enter(
            access,
            Some(&route.stream),
            None,
            request,
            &local.port.refusals,
        ) {
            Ok(entry) => answered.entry = entry,
            Err(reply) => return Said::Other(reply),
        }
    }
    let ingested = match Coded::of(route, &lines) {
        Ok(coded) => ingest(local, snapshot, &target, coded, request, head, answered).await,
        Err(problem) => Err(problem.into()),
    };
    let (answer, said) = match ingested {
        Ok((outcome, rejected)) => taken(local, route, outcome, rejected, answered),
        Err(problem) => not_taken(local, route, *problem, answered),
    };
    answered.at = Instant::now();
    let took = answered.at.duration_since(begun);
    route.stream.metrics.answered(answer, took);
    said
}

/// What to say if the events were taken, all or some of them.
#[inline]
fn taken(
    local: &Local,
    route: &Route,
    outcome: Outcome,
    mut rejected: Rejected,
    answered: &mut Answered,
) -> (Answer, Said) {
    if !outcome.not_acked.is_empty() || rejected.count() > 0 {
        note_not_all(local, route, &outcome, &mut rejected, answered);
    }
    let because = || why_not_taken(route);
    let retry_after = || retry::after_silence(&route.cluster);
    answer::settled(outcome, rejected, because, retry_after)
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
fn not_taken(
    local: &Local,
    route: &Route,
    mut problem: Problem,
    answered: &mut Answered,
) -> (Answer, Said) {
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
    (problem.answer(), reply.into())
}

fn note_turned_away(route: &Route, is_turned_away: bool) {
    if is_turned_away && shares::concerns_all(route) {
        route.stream.metrics.add_turned_away();
    }
}

/// Takes a request's events and waits for what becomes of them; with those that never could be taken. `answered`
/// says when the request came.
async fn ingest(
    local: &Arc<Local>,
    snapshot: &Snapshot,
    target: &Target<'_>,
    coded: Coded,
    request: &mut Request<Incoming>,
    head: Option<&mut HeldByProcess>,
    answered: &mut Answered,
) -> Result<(Outcome, Rejected), Box<Problem>> {
    let Target { route, path_key } = target;
    let (settings, metrics) = (&snapshot.settings, &route.stream.metrics);
    let Coded { shape, encoding } = coded;
    let key = match &route.key {
        KeySource::Header(name) => &key_of(request.headers(), name)?,
        _ => path_key,
    };
    forget_head(request, head);
    let fault = |fault| problem_of(fault, local, route);
    // One event's bookkeeping is charged at once with the body, because most requests have one event.
    let unusual = plan::unusual_bytes(key.as_ref().map_or(0, Vec::len));
    let mut held = route
        .account
        .hold(EVENT_OVERHEAD_BYTES + unusual)
        .map_err(|exhausted| fault(BodyFault::Memory(exhausted)))?;
    let limit = settings.max_body.as_u64();
    let body = request.body_mut();
    let read = body::read(body, answered.at, limit, settings.body_timeout, &mut held).await;
    let body::Whole {
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
    let limit = settings.max_decompressed.as_u64();
    let body = body::decompress(encoding, sent, limit, &mut held).map_err(fault)?;
    let with = With {
        local,
        snapshot,
        route,
        entry: answered.entry.as_deref(),
    };
    let (parcels, rejected) = take(&with, shape, body, key.as_deref(), arrival, held)?;
    if rejected.count() > 0 {
        metrics.add_rejected(rejected.count());
    }
    let outcome = with.outcome(&parcels, settings.answer_within).await;
    Ok((outcome, rejected))
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
        let planned = plan::plan(route, shape, &body, key, lanes, limits, scratch)?;
        with.admit(planned, lanes, body, arrival, held)
    })
}

#[cfg(test)]
mod tests;
