//! One request of a route, from its head to its answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body as _;
use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Request, StatusCode};
use smallvec::SmallVec;

use super::answers::nothing_taken;
use super::asked::Asked;
use super::asking::{Admitted, Failed, NotAdmitted, Taken};
use super::endpoint::Endpoint;
use super::head::{Head, Whose};
use super::settings::Form;
use super::table::Matched;
use super::taking::{Known, Taking};
use crate::budget::HeldByProcess;
use crate::http::address::ClientAddress;
use crate::http::admission::{Answered, Deciding, With};
use crate::http::answer::{self, EventError, Problem, Reply, Said};
use crate::http::body::{self, BodyFault};
use crate::http::entry::{By, Entry};
use crate::http::forget::forget_head;
use crate::http::head::{Lines, encoding_of};
use crate::http::peer::Peer;
use crate::http::port::Local;
use crate::http::reasons::why_not_taken;
use crate::http::rejected::Rejected;
use crate::http::respond;
use crate::http::retry::{self, SHORTEST};
use crate::http::shares;
use crate::http::snapshot::Snapshot;
use crate::http::streams::Route;
use crate::http::target::nowhere;
use crate::http::turned;
use crate::receipt::{Cause, Outcome};
use crate::telemetry::Answer;

/// The answer to a request whose path is none of a stream's.
pub(crate) async fn answer(
    local: &Arc<Local>,
    snapshot: &Snapshot,
    peer: &Peer,
    request: &mut Request<Incoming>,
    held: Option<&mut HeldByProcess>,
    answered: &mut Answered,
) -> Said {
    let refuse = |problem: Problem| {
        local.port.refusals.count(problem.code);
        problem.reply()
    };
    let (path, headers) = (request.uri().path(), request.headers());
    let asked = (snapshot.endpoints).handshake(request.method(), path, headers);
    if let Some((_, answer)) = asked {
        let refused = |problem| {
            let close = !request.body().is_end_stream();
            refuse(Problem { close, ..problem })
        };
        return answer.unwrap_or_else(refused).into();
    }
    let (endpoint, known) = match find(snapshot, peer, request) {
        Ok(found) => found,
        Err(refused) => {
            let Refused { problem, allow } = *refused;
            let mut reply = refuse(problem);
            if let Some(allow) = allow {
                reply.headers_mut().insert(ALLOW, allow);
            }
            return reply.into();
        }
    };
    let (said, target) = match known {
        Err(problem) => (refuse(problem).into(), None),
        Ok(known) => {
            let target = known.head.target.clone();
            let taking = Taking {
                local,
                snapshot,
                known,
            };
            let said = match endpoint.is_fixed {
                true => {
                    forget_head(request, held);
                    let reply = fixed(snapshot, request, answered).await;
                    reply.unwrap_or_else(refuse).into()
                }
                false => taking.answer(request, held, answered).await,
            };
            (said, target)
        }
    };
    endpoint.answers.say(said, target.as_deref())
}

/// A request that is no route's.
struct Refused {
    problem: Problem,
    /// The methods that would be.
    allow: Option<HeaderValue>,
}

/// The route of a request, and what its head says.
fn find<'a>(
    snapshot: &'a Snapshot,
    peer: &Peer,
    request: &Request<Incoming>,
) -> Result<(&'a Endpoint, Result<Known<'a>, Problem>), Box<Refused>> {
    let found = snapshot
        .endpoints
        .find(request.uri().path(), request.method());
    let (endpoint, captures) = match found {
        Some(Matched::Route(endpoint, captures)) => (endpoint, captures),
        Some(Matched::Others(methods)) => {
            let all: Vec<_> = methods.iter().map(|method| method.as_str()).collect();
            let all = all.join(", ");
            let problem = Problem {
                status: StatusCode::METHOD_NOT_ALLOWED,
                code: "method_not_allowed",
                detail: format!("the method is not possible here; use {all}"),
                ..nowhere(request)
            };
            let allow = HeaderValue::from_str(&all).ok();
            return Err(Box::new(Refused { problem, allow }));
        }
        None => {
            return Err(Box::new(Refused {
                problem: nowhere(request),
                allow: None,
            }));
        }
    };
    let asked = Asked {
        headers: request.headers(),
        query: request.uri().query().unwrap_or_default(),
        captures,
        address: None,
    };
    let is_query = endpoint.form == Form::Query && !endpoint.is_fixed;
    let address = || {
        let settings = &snapshot.settings;
        let (headers, from) = (asked.headers, settings.address_from);
        ClientAddress::of(peer, headers, from, &settings.trusted).ip()
    };
    let known = Head::of(endpoint, &asked, address).and_then(|head| {
        let encoding = encoding_of(&Lines::of(request.headers()))?;
        let query = is_query.then(|| Bytes::copy_from_slice(asked.query.as_bytes()));
        Ok(Known {
            endpoint,
            head,
            encoding,
            query,
        })
    });
    Ok((endpoint, known))
}

/// The answer of a route that takes no events.
async fn fixed(
    snapshot: &Snapshot,
    request: &mut Request<Incoming>,
    answered: &mut Answered,
) -> Result<Reply, Problem> {
    let settings = &snapshot.settings;
    let limit = settings.max_body.as_u64();
    let skipped = body::skip(request.body_mut(), limit, settings.body_timeout).await;
    answered.is_last = skipped.map_err(|fault| {
        let (status, code) = match fault {
            BodyFault::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            BodyFault::Timeout(_) => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            _ => (StatusCode::BAD_REQUEST, "broken_body"),
        };
        Problem {
            close: true,
            ..Problem::new(status, code, fault.to_string())
        }
    })?;
    Ok(nothing_taken())
}

impl Taking<'_> {
    async fn answer(
        &self,
        request: &mut Request<Incoming>,
        held: Option<&mut HeldByProcess>,
        answered: &mut Answered,
    ) -> Said {
        let begun = answered.at;
        let routes = &self.snapshot.routes;
        let whose = self
            .known
            .head
            .whose(self.known.endpoint, |name| routes.get(name));
        let stream = match whose {
            Whose::Stream(route) => Some(route),
            Whose::Sorted => None,
            Whose::Nobody => {
                let is_gone = |name: &str| self.snapshot.gone.contains(name);
                let problem = self.known.head.nowhere(self.known.endpoint, is_gone);
                self.local.port.refusals.count(problem.code);
                return problem.reply().into();
            }
        };
        if let Some(access) = &self.snapshot.access {
            let by = By {
                name: &self.known.endpoint.name,
                all: &self.snapshot.endpoints,
            };
            let refusals = &self.local.port.refusals;
            let stream = stream.map(|route| &route.stream);
            match Entry::enter(access, stream, Some(by), request, refusals) {
                Ok(entry) => answered.entry = entry,
                Err(reply) => {
                    let settings = &self.snapshot.settings;
                    answered.turned_away = Some(settings.refused_timeout);
                    return Said::Other(turned::away(request, reply, settings).await);
                }
            }
        }
        forget_head(request, held);
        let taken = self.take(stream, request, answered).await;
        let (answer, said, routes) = match taken {
            Ok(taken) => self.settle(taken, answered).await,
            Err(failed) => self.failed(failed, answered),
        };
        answered.at = std::time::Instant::now();
        let took = answered.at.duration_since(begun);
        for route in &routes {
            route.stream.metrics.answered(answer, took);
        }
        said
    }

    /// What to say if nothing is taken.
    fn failed(&self, failed: Failed, answered: &mut Answered) -> Settled {
        let Failed { route, mut problem } = failed;
        answered.list = respond::hold_list(&self.local.port, &mut problem.errors, 0);
        match &route {
            Some(route) if is_turned_away(&problem) && shares::concerns_all(route) => {
                route.stream.metrics.add_turned_away();
            }
            Some(_) => {}
            None => self.local.port.refusals.count(problem.code),
        }
        let mut reply = problem.reply();
        if let Some(entry) = &answered.entry {
            entry.challenge(&mut reply);
        }
        (problem.answer(), reply.into(), route.into_iter().collect())
    }

    /// Waits for what becomes of the events, of all streams at once: a request has one deadline.
    async fn settle(&self, taken: Taken, answered: &mut Answered) -> Settled {
        let entry = answered.entry.as_deref().and_then(Entry::asked);
        let within = self.snapshot.settings.answer_within;
        let outcomes = match &taken.admitted[..] {
            [one] => {
                let with = self.with(one, entry);
                let outcome = with.outcome(&one.parcels, within).await;
                let is_all = outcome.not_acked.is_empty() && taken.rejected.count() == 0;
                if is_all && taken.not_admitted.is_empty() {
                    let none = Rejected::default();
                    let (answer, said) = answer::settled(outcome, none, || None, || SHORTEST);
                    return (answer, said, SmallVec::from_iter([Arc::clone(&one.route)]));
                }
                SmallVec::from_iter([outcome])
            }
            several => {
                let withs: SmallVec<[_; 2]> =
                    several.iter().map(|one| self.with(one, entry)).collect();
                let all = withs.iter().zip(several);
                let all = all.map(|(with, one)| with.outcome(&one.parcels, within));
                together(all.collect()).await
            }
        };
        self.settled(taken, outcomes, answered)
    }

    fn with<'a>(&'a self, one: &'a Admitted, entry: Option<&'a Entry>) -> With<'a> {
        With {
            local: self.local,
            snapshot: self.snapshot,
            route: &one.route,
            entry,
        }
    }

    /// What to say of events of which not all are durable, or which are of several streams. There's an outcome for each that admitted some.
    fn settled(
        &self,
        taken: Taken,
        outcomes: SmallVec<[Outcome; 1]>,
        answered: &mut Answered,
    ) -> Settled {
        let Taken {
            admitted,
            mut rejected,
            not_admitted,
            head: _held,
        } = taken;
        let mut all = Outcome::default();
        let mut late = None;
        for (Admitted { route, .. }, outcome) in admitted.iter().zip(outcomes) {
            let is_turned_away = |(_, cause): &(u32, Cause)| {
                matches!(cause, Cause::NoRoom | Cause::Timeout | Cause::Unknown)
            };
            if outcome.not_acked.iter().any(is_turned_away) && shares::concerns_all(route) {
                route.stream.metrics.add_turned_away();
            }
            if !outcome.not_acked.is_empty() {
                late = Some(Arc::clone(route));
            }
            all.acked += outcome.acked;
            all.spilled += outcome.spilled;
            all.queued += outcome.queued;
            all.not_acked.extend(outcome.not_acked);
        }
        all.not_acked.sort_unstable_by_key(|(index, _)| *index);
        let (refused, wait) = refused(not_admitted);
        let more = all.not_acked.len() + refused.len();
        answered.list = respond::hold_list(&self.local.port, &mut rejected, more);
        let retry_after = || {
            let silence = late
                .as_ref()
                .map(|late| retry::after_silence(&late.cluster));
            silence.max(wait).unwrap_or(SHORTEST)
        };
        let because = || why_not_taken(late.as_ref()?);
        let (answer, said) = match refused.is_empty() {
            true => answer::settled(all, rejected, because, retry_after),
            false => answer::settled_beside(all, rejected, refused, because, retry_after),
        };
        (
            answer,
            said,
            admitted.iter().map(|it| Arc::clone(&it.route)).collect(),
        )
    }
}

/// An answer, how it counts, and for which streams.
type Settled = (Answer, Said, SmallVec<[Arc<Route>; 1]>);

/// What lanes refused, event by event with its reason, and when to send it again.
fn refused(not_admitted: Vec<NotAdmitted>) -> (Vec<EventError>, Option<Duration>) {
    let (mut events, mut wait) = (Vec::new(), None);
    for NotAdmitted {
        route,
        problem,
        indices,
    } in not_admitted
    {
        if is_turned_away(&problem) && shares::concerns_all(&route) {
            route.stream.metrics.add_turned_away();
        }
        wait = wait.max(problem.retry_after);
        events.extend(indices.into_iter().map(|index| EventError {
            index,
            code: problem.code,
            detail: problem.detail.clone(),
        }));
    }
    (events, wait)
}

/// Whether a request is refused for want of room.
fn is_turned_away(problem: &Problem) -> bool {
    matches!(problem.code, "no_memory" | "full" | "stalled")
}

/// Waits until all are decided. All begin to wait at once.
async fn together(mut waiting: SmallVec<[Deciding<'_>; 1]>) -> SmallVec<[Outcome; 1]> {
    let mut outcomes: SmallVec<[Option<Outcome>; 1]> = waiting.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (one, outcome) in waiting.iter_mut().zip(&mut outcomes) {
            if outcome.is_none()
                && let Poll::Ready(known) = Pin::new(one).poll(cx)
            {
                *outcome = Some(known);
            }
        }
        match outcomes.iter().all(Option::is_some) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    outcomes.into_iter().flatten().collect()
}
