//! One request, from its head to its answer: find the stream, read, decode, route, admit, wait, answer.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::CONNECTION;
use hyper::{HeaderMap, Request, Response, StatusCode, Uri};

use super::answer::{self, Problem, Reply};
use super::body::{self, BodyFault};
use super::head::{encoding_of, key_of, shape_of};
use super::heads::{STREAM_BYTES, charge_head};
use super::plan::{self, EVENT_OVERHEAD_BYTES, Plan, Scratch, Shape};
use super::port::Local;
use super::rejected::Rejected;
use super::retry;
use super::sending::{self, Sending};
use super::streams::Stream;
use super::target::{Target, find};
use super::watch::Busy;
use crate::budget::{Held, HeldByProcess};
use crate::lane::{Refusal, admit};
use crate::receipt::{self, Arrival, Cause, Outcome, Parcels};
use crate::route::{Ack, KeySource};
use crate::telemetry::Answer;

/// As many headers as a request from an SDK through a load balancer may have.
const FEW_HEADERS: usize = 32;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Answers one request of the data port.
pub fn handle(
    local: Arc<Local>,
    busy: Busy,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Sending>, Infallible>> {
    // At once, not when its turn comes: many heads may come in one turn.
    let charged = charge_head(&local, &mut request);
    async move {
        let version = request.version();
        let mut answered = Answered::at(Instant::now());
        let mut reply = match charged {
            Ok(mut held) => answer(&local, &mut request, held.as_mut(), &mut answered).await,
            Err(problem) => refused(&local, &problem),
        };
        if !reply.status().is_success() && reply.headers().contains_key(CONNECTION) {
            busy.leaves_unread();
        }
        if local.is_stopping.load(Relaxed) {
            answer::make_last(&mut reply);
        }
        let response = sending::send(reply, answered.list, &busy, version);
        busy.end(answered.at);
        Ok(response)
    }
}

/// The answer to a request that isn't for any stream, or not yet.
fn refused(local: &Local, problem: &Problem) -> Reply {
    local.port.refusals.count(problem.code);
    problem.reply()
}

/// What is known of an answer beside it.
struct Answered {
    /// When it was ready.
    at: Instant,
    /// What its list is charged.
    list: Option<HeldByProcess>,
    /// The connection ends with it.
    is_last: bool,
}

impl Answered {
    fn at(at: Instant) -> Answered {
        Answered {
            at,
            list: None,
            is_last: false,
        }
    }
}

/// The answer. `answered` says when the request came, and gets to know when the answer was ready.
async fn answer(
    local: &Arc<Local>,
    request: &mut Request<Incoming>,
    head: Option<&mut HeldByProcess>,
    answered: &mut Answered,
) -> Reply {
    let begun = answered.at;
    let target = match find(&local.port.streams, request) {
        Ok(target) => target,
        Err(problem) => return refused(local, &problem),
    };
    let stream = &target.stream;
    let ingested = ingest(local, &target, request, head, answered).await;
    let is_turned_away;
    let (answer, mut reply) = match ingested {
        Ok((outcome, mut rejected)) => {
            is_turned_away = outcome
                .not_acked
                .iter()
                .any(|(_, cause)| matches!(cause, Cause::NoRoom | Cause::Timeout | Cause::Unknown));
            let more = outcome.not_acked.len();
            answered.list = sending::hold_list(&local.port, &mut rejected, more);
            let spare = std::mem::take(request.headers_mut());
            answer::settled(outcome, rejected, spare, || {
                retry::after_silence(&stream.cluster)
            })
        }
        Err(mut problem) => {
            is_turned_away = matches!(problem.code, "no_memory" | "full" | "stalled");
            answered.list = sending::hold_list(&local.port, &mut problem.errors, 0);
            if problem.answer() == Answer::Client {
                let rejected = &stream.metrics.rejected;
                rejected.fetch_add(problem.errors.count().into(), Relaxed);
            }
            (problem.answer(), problem.reply())
        }
    };
    if is_turned_away && stream.topic.fault().is_none() {
        stream.metrics.turned_away.fetch_add(1, Relaxed);
    }
    if answered.is_last {
        answer::make_last(&mut reply);
    }
    answered.at = Instant::now();
    let took = answered.at.duration_since(begun);
    stream.metrics.answered(answer, took);
    reply
}

/// Takes a request's events and waits for what becomes of them; with those that never could be taken. `answered`
/// says when the request came.
async fn ingest(
    local: &Arc<Local>,
    target: &Target,
    request: &mut Request<Incoming>,
    head: Option<&mut HeldByProcess>,
    answered: &mut Answered,
) -> Result<(Outcome, Rejected), Problem> {
    let Target { stream, path_key } = target;
    let settings = &local.port.settings;
    let shape = shape_of(stream, request.headers())?;
    let encoding = encoding_of(request.headers())?;
    let key = match &stream.key {
        KeySource::Header(name) => &key_of(request.headers(), name)?,
        _ => path_key,
    };
    forget_head(request, head);
    let fault = |fault| problem_of(fault, local, stream);
    // One event's bookkeeping is charged at once with the body, because most requests have one event.
    let unusual = plan::unusual_bytes(key.as_ref().map_or(0, Vec::len));
    let mut held = stream
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
    let arrival = Arrival::now(arrived);
    stream
        .metrics
        .body_bytes
        .fetch_add(sent.len() as u64, Relaxed);
    let limit = settings.max_decompressed.as_u64();
    let body = body::decompress(encoding, sent, limit, &mut held).map_err(fault)?;
    let (parcels, rejected) = take(local, stream, shape, body, key.as_deref(), arrival, held)?;
    if rejected.count() > 0 {
        let metrics = &stream.metrics;
        metrics.rejected.fetch_add(rejected.count().into(), Relaxed);
    }
    if stream.ack == Ack::Memory {
        let queued = Outcome {
            queued: parcels.iter().map(|parcel| parcel.count()).sum(),
            ..Outcome::default()
        };
        return Ok((queued, rejected));
    }
    let outcome = wait(local, &parcels).await;
    // Their client sends them again.
    stream.quota.give_back(outcome.not_acked.len() as u32);
    Ok((outcome, rejected))
}

/// Lets go of what a request's head holds, whose size is the client's choice, before its body comes. A map with room for a
/// few headers stays for the answer's.
fn forget_head<B>(request: &mut Request<B>, head: Option<&mut HeldByProcess>) {
    if let Some(held) = head {
        held.shrink_to(STREAM_BYTES);
    }
    *request.uri_mut() = Uri::default();
    let headers = request.headers_mut();
    if headers.capacity() > FEW_HEADERS {
        *headers = HeaderMap::new();
    }
    headers.clear();
}

fn problem_of(fault: BodyFault, local: &Local, stream: &Stream) -> Problem {
    use crate::decode::encoding::DecompressError;
    let detail = fault.to_string();
    let problem = match fault {
        BodyFault::TooLarge { .. } | BodyFault::Encoding(DecompressError::TooLarge { .. }) => {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                format!("{detail}; send fewer events at once"),
            )
        }
        BodyFault::Timeout(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail),
        BodyFault::Memory(exhausted) => {
            let held = local.port.budget.used();
            let wait = retry::after_exhaustion(
                exhausted,
                stream.account.stream.used(),
                &stream.cluster,
                held,
            );
            Problem::unavailable("no_memory", detail, wait)
        }
        BodyFault::Broken(_) => Problem::new(StatusCode::BAD_REQUEST, "broken_body", detail),
        BodyFault::Encoding(_) => Problem::new(StatusCode::BAD_REQUEST, "corrupt_encoding", detail),
    };
    Problem {
        close: true,
        ..problem
    }
}

/// Decodes, routes and admits: everything between reading and waiting, without a pause.
fn take(
    local: &Local,
    stream: &Arc<Stream>,
    shape: Shape,
    body: Bytes,
    key: Option<&[u8]>,
    arrival: Arrival,
    mut held: Held,
) -> Result<(Parcels, Rejected), Problem> {
    SCRATCH.with_borrow_mut(|scratch| {
        let known = stream.topic.lanes();
        let lanes = if known.is_empty() {
            stream.topic.unrouted()
        } else {
            &known[..]
        };
        if lanes.is_empty() {
            let detail = format!(
                "the partitions of the stream's topic aren't known: {}",
                unknown_because(stream)
            );
            return Err(Problem::unavailable(
                "not_ready",
                detail,
                Duration::from_secs(2),
            ));
        }
        let planned = plan::plan(
            stream,
            shape,
            &body,
            key,
            lanes,
            &local.port.limits,
            scratch,
        )?;
        let events = planned.events.len() as u32;
        charge(local, stream, &planned, &mut held)?;
        let since_start = arrival.at.duration_since(local.port.start);
        let quota = stream.quota.take(events, since_start).map_err(over_quota)?;
        let wanted = plan::wanted(&planned, lanes);
        let admitted = admit(&stream.cluster, &wanted, || {
            receipt::Request::into_parcels(
                body,
                planned.events,
                &planned.slots,
                arrival,
                (stream.ack != Ack::Memory).then(|| Arc::clone(&local.mailbox)),
                Arc::clone(&stream.ledger),
                held,
            )
        });
        match admitted {
            Ok(parcels) => {
                quota.keep();
                Ok((parcels, planned.rejected))
            }
            Err(refusal) => Err(problem_of_refusal(&refusal, stream)),
        }
    })
}

/// Charges what the events cost beside the body and the first one's bookkeeping, unless with their keys they are too large.
fn charge(local: &Local, stream: &Stream, planned: &Plan, held: &mut Held) -> Result<(), Problem> {
    let limit = local.port.settings.max_decompressed.as_u64();
    // Events alone are no larger than their body, and that was looked at before.
    if planned.bytes > limit {
        let detail = format!(
            "with its key each, the events have {} bytes, and {limit} are allowed; send fewer events at once",
            planned.bytes
        );
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        return Err(Problem::new(status, "body_too_large", detail));
    }
    let more = planned.overhead.saturating_sub(EVENT_OVERHEAD_BYTES);
    if more == 0 {
        return Ok(());
    }
    held.grow(more)
        .map_err(|exhausted| problem_of(BodyFault::Memory(exhausted), local, stream))
}

fn over_quota(wait: Duration) -> Problem {
    let detail = "the stream brings more events per second than its quota allows; nothing of the request was taken";
    Problem {
        retry_after: Some(wait),
        ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "quota", detail)
    }
}

fn problem_of_refusal(refusal: &Refusal, stream: &Stream) -> Problem {
    let code = match refusal {
        Refusal::Full { .. } => "full",
        Refusal::Stalled { .. } => "stalled",
        Refusal::Draining => "draining",
    };
    let wait = retry::after_refusal(refusal, &stream.cluster);
    let because = match refusal {
        Refusal::Draining => None,
        _ => why_not_taken(stream).map(|why| format!("; {why}")),
    };
    let because = because.unwrap_or_default();
    let detail = format!("{refusal}{because}; nothing of the request was taken");
    Problem::unavailable(code, detail, wait)
}

/// The reason that is true now: the topic's fault before its cluster's.
fn unknown_because(stream: &Stream) -> String {
    let topic = stream.topic.name();
    why_not_taken(stream).unwrap_or_else(|| format!("topic {topic} has not answered yet"))
}

/// What is known to be wrong with the topic, or with its cluster.
fn why_not_taken(stream: &Stream) -> Option<String> {
    use crate::produce::health::Condition::*;
    let cluster = stream.cluster.name();
    if let Some(trouble) = stream.topic.fault() {
        return Some(format!("{} (cluster {cluster})", trouble.reason));
    }
    match stream.cluster.health().condition() {
        Up if stream.topic.is_changing() => Some(format!(
            "the number of partitions of topic {} has changed, and what came before goes first",
            stream.topic.name()
        )),
        Up => None,
        Starting(reason) => Some(format!("cluster {cluster} is starting: {reason}")),
        Down(reason) => Some(format!("cluster {cluster} is down: {reason}")),
    }
}

/// Waits until every event is resolved, at most `http.answer_within` from the request's arrival on.
async fn wait(local: &Local, parcels: &Parcels) -> Outcome {
    let Some(first) = parcels.first() else {
        return Outcome::default();
    };
    let request = first.request();
    let waiting = local.deadlines.enter(request, request.received_at());
    poll_fn(|cx| {
        if request.is_finished() {
            return Poll::Ready(());
        }
        request.on_finish(cx.waker());
        // It may have been finished before it was known whom to wake.
        if request.is_finished() || waiting.is_over() {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
    receipt::settle(parcels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_waits_holds_nothing_of_its_head_but_room_for_a_few_headers() {
        for (count, is_reused) in [(4, true), (1_000, false)] {
            let mut request = Request::post("/v1/events/installs?and=more");
            for number in 0..count {
                request = request.header(format!("x-{number}"), "value");
            }
            let mut request = request.body(()).unwrap();
            forget_head(&mut request, None);
            assert_eq!((request.uri().path(), request.headers().len()), ("/", 0));
            assert_eq!(request.uri().query(), None);
            assert_eq!(request.headers().capacity() > 0, is_reused);
        }
    }
}
