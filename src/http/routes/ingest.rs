//! One request of a route, from its head to its answer.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{HeaderMap, Request, StatusCode};
use smallvec::SmallVec;

use super::answers::nothing_taken;
use super::asked::Asked;
use super::endpoint::Endpoint;
use super::head::Head;
use super::settings::Form;
use super::table::Matched;
use super::taking::{Admitted, Known, Taken, Taking};
use crate::budget::HeldByProcess;
use crate::http::address::ClientAddress;
use crate::http::admission::{Answered, With};
use crate::http::answer::{self, Problem, Reply};
use crate::http::body::{self, BodyFault};
use crate::http::entry::{By, Entry};
use crate::http::forget::forget_head;
use crate::http::head::{Lines, encoding_of};
use crate::http::peer::Peer;
use crate::http::port::Local;
use crate::http::reasons::why_not_taken;
use crate::http::respond;
use crate::http::retry;
use crate::http::shares;
use crate::http::snapshot::Snapshot;
use crate::http::streams::Route;
use crate::receipt::{Cause, Outcome};
use crate::telemetry::Answer;

/// The answer to a request whose path is none of a stream's. `not_found` is what it gets if it's none of a route's either.
pub(crate) async fn answer(
    local: &Arc<Local>,
    snapshot: &Snapshot,
    peer: &Peer,
    request: &mut Request<Incoming>,
    held: Option<&mut HeldByProcess>,
    answered: &mut Answered,
    not_found: Problem,
) -> Reply {
    let refuse = |problem: Problem| {
        local.port.refusals.count(problem.code);
        problem.reply()
    };
    let (endpoint, known) = match find(snapshot, peer, request, not_found) {
        Ok(found) => found,
        Err(refused) => {
            let Refused { problem, allow } = *refused;
            let mut reply = refuse(problem);
            if let Some(allow) = allow {
                reply.headers_mut().insert(ALLOW, allow);
            }
            return reply;
        }
    };
    let (mut reply, target) = match known {
        Err(problem) => (refuse(problem), None),
        Ok(known) => {
            let target = known.head.target.clone();
            let taking = Taking {
                local,
                snapshot,
                known,
            };
            let reply = match endpoint.is_fixed {
                true => {
                    forget_head(request, held);
                    let reply = fixed(snapshot, request, answered).await;
                    reply.unwrap_or_else(refuse)
                }
                false => taking.answer(request, held, answered).await,
            };
            (reply, target)
        }
    };
    endpoint.answers.apply(&mut reply, target.as_deref());
    if answered.is_last {
        answer::make_last(&mut reply);
    }
    reply
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
    not_found: Problem,
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
                ..not_found
            };
            let allow = HeaderValue::from_str(&all).ok();
            return Err(Box::new(Refused { problem, allow }));
        }
        None => {
            return Err(Box::new(Refused {
                problem: not_found,
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
    let known = Head::of(endpoint, &asked).and_then(|mut head| {
        head.address = endpoint.wants_address.then(|| {
            let settings = &snapshot.settings;
            let (headers, from) = (asked.headers, settings.address_from);
            ClientAddress::of(peer, headers, from, &settings.trusted).ip()
        });
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
    ) -> Reply {
        let begun = answered.at;
        let Some(first) = self.first() else {
            let problem = self.nowhere();
            self.local.port.refusals.count(problem.code);
            return problem.reply();
        };
        let first = Arc::clone(first);
        if let Some(access) = &self.snapshot.access {
            let by = By {
                name: &self.known.endpoint.name,
                all: &self.snapshot.endpoints,
            };
            match Entry::enter(
                access,
                &first.stream,
                Some(by),
                request,
                &self.local.port.refusals,
            ) {
                Ok(entry) => answered.entry = entry,
                Err(reply) => return *reply,
            }
        }
        forget_head(request, held);
        let taken = self.take(&first, request, answered).await;
        let (answer, reply, routes) = match taken {
            Ok(taken) => self.settle(taken, &first, answered).await,
            Err(mut problem) => {
                answered.list = respond::hold_list(&self.local.port, &mut problem.errors, 0);
                if problem.answer() == Answer::Client {
                    let count = problem.errors.count();
                    first.stream.metrics.add_rejected(count);
                }
                let turned_away = matches!(problem.code, "no_memory" | "full" | "stalled");
                if turned_away && shares::concerns_all(&first) {
                    first.stream.metrics.add_turned_away();
                }
                let mut reply = problem.reply();
                if let Some(entry) = &answered.entry {
                    entry.challenge(&mut reply);
                }
                (problem.answer(), reply, SmallVec::from_elem(first, 1))
            }
        };
        answered.at = std::time::Instant::now();
        let took = answered.at.duration_since(begun);
        for route in &routes {
            route.stream.metrics.answered(answer, took);
        }
        reply
    }

    /// The problem of a request that is for no stream. The configuration was checked, so this is about a value of the head, or
    /// about a stream that is gone.
    fn nowhere(&self) -> Problem {
        let endpoint = self.known.endpoint;
        let mut configured = endpoint.stream.iter().chain(endpoint.streams.values());
        let problem = if configured.any(|name| self.snapshot.gone.contains(name)) {
            let detail = "the stream for this is gone, and takes nothing any more; stop sending";
            Problem::new(StatusCode::GONE, "gone", detail)
        } else {
            let detail = "there is no stream for what the request says in its head";
            Problem::new(StatusCode::NOT_FOUND, "unknown_stream", detail)
        };
        Problem {
            close: true,
            ..problem
        }
    }

    /// The stream that is charged for the body: the one that the head names, or that events go to when they name none.
    fn first(&self) -> Option<&Arc<Route>> {
        let (endpoint, head) = (self.known.endpoint, &self.known.head);
        let routes = &self.snapshot.routes;
        let mut places = endpoint.stream_by.iter();
        let said = places.find_map(|place| head.value(*place));
        let said = said.and_then(|value| std::str::from_utf8(value).ok());
        let named = match (said, endpoint.streams.is_empty()) {
            (Some(said), true) => Some(said),
            (Some(said), false) => endpoint.streams.get(said).map(String::as_str),
            (None, _) => None,
        };
        let of_table = || endpoint.streams.values().next().map(String::as_str);
        let is_of_body = endpoint.stream_by.iter().any(|place| !place.is_of_head());
        let named = named.and_then(|name| routes.get(name));
        let default = endpoint.stream.as_deref();
        named
            .or_else(|| routes.get(default?))
            .or_else(|| routes.get(of_table().filter(|_| is_of_body)?))
            .or_else(|| routes.values().next().filter(|_| is_of_body))
    }

    /// Waits for what becomes of the events.
    async fn settle(
        &self,
        taken: Taken,
        first: &Arc<Route>,
        answered: &mut Answered,
    ) -> (Answer, Reply, SmallVec<[Arc<Route>; 1]>) {
        let Taken {
            admitted,
            mut rejected,
            not_admitted,
        } = taken;
        let mut all = Outcome::default();
        let no_room = |index| (index, Cause::NoRoom);
        all.not_acked.extend(not_admitted.into_iter().map(no_room));
        let mut late = None;
        for Admitted { route, parcels } in &admitted {
            let within = self.snapshot.settings.answer_within;
            let with = With {
                local: self.local,
                snapshot: self.snapshot,
                route,
                entry: answered.entry.as_deref(),
            };
            let outcome = with.outcome(parcels, within).await;
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
        let more = all.not_acked.len();
        answered.list = respond::hold_list(&self.local.port, &mut rejected, more);
        let late = late.unwrap_or_else(|| Arc::clone(first));
        let retry_after = || retry::after_silence(&late.cluster);
        let because = || why_not_taken(&late);
        let (answer, said) = answer::settled(all, rejected, because, retry_after);
        (
            answer,
            said.reply(&mut HeaderMap::new()),
            admitted.into_iter().map(|it| it.route).collect(),
        )
    }
}
