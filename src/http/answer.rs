//! What clients are told. The only place that chooses status codes for events, from outcomes and faults as data.
//!
//! | status | when |
//! | --- | --- |
//! | 200 | every event is durable, or in memory where the stream asks for no more |
//! | 207 | every valid event is durable, and some can never be accepted; `errors` says which and why, by index |
//! | 4xx | the client's fault; nothing was accepted |
//! | 429 | the stream's quota is used up; nothing was accepted; `Retry-After` says when it isn't |
//! | 503 | ours: no room, no answer from Kafka in time, stopping; `Retry-After` says when to try again. If a part of the request is durable all the same, the body says which part isn't |
//!
//! `errors` lists the first hundred events by index, and `errors_omitted` says how many more there are ([`rejected`]). A
//! client whose events are among those that a 503 doesn't list sends all again.
//!
//! [`rejected`]: super::rejected
//!
//! Bodies of errors are problem details (RFC 9457). A Kafka failure never becomes a 4xx.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;

pub use super::rejected::EventError;
use super::rejected::Rejected;
use super::sending::Sending;
use crate::receipt::{Cause, Outcome};
use crate::telemetry::Answer;

/// A response with its whole body.
pub type Reply = Response<Sending>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The type of problem details.
pub(super) const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Says in an answer that the connection ends with it.
pub fn make_last(reply: &mut Reply) {
    let close = HeaderValue::from_static("close");
    reply.headers_mut().insert(CONNECTION, close);
}

/// A problem that concerns the whole request.
#[derive(Debug)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// For programs: the last part of the problem's type.
    pub code: &'static str,
    /// For people: what to change, or what to wait for.
    pub detail: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// The rest of the body was not read, so that the connection can't be used again.
    pub close: bool,
    /// Which events, if it's about some.
    pub errors: Rejected,
}

impl From<Box<Problem>> for Problem {
    fn from(problem: Box<Problem>) -> Problem {
        *problem
    }
}

impl Problem {
    /// A problem with no more than a status, a code and words.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            code,
            detail: detail.into(),
            retry_after: None,
            close: false,
            errors: Rejected::default(),
        }
    }

    /// A 503 with the time after which to try again.
    pub fn unavailable(
        code: &'static str,
        detail: impl Into<String>,
        retry_after: Duration,
    ) -> Problem {
        Problem {
            retry_after: Some(retry_after),
            ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
        }
    }

    /// How it counts on metrics.
    pub fn answer(&self) -> Answer {
        if self.status.is_client_error() {
            Answer::Client
        } else {
            Answer::Unavailable
        }
    }

    /// The response.
    pub fn reply(&self) -> Reply {
        self.reply_with(None)
    }

    /// The body of the response.
    pub(super) fn body(&self) -> Vec<u8> {
        self.body_with(None)
    }

    fn body_with(&self, counts: Option<Counts>) -> Vec<u8> {
        let body = Body {
            r#type: format!("urn:forebay:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            counts,
            errors: self.errors.listed(),
            errors_omitted: self.errors.omitted(),
        };
        // Serialising strings and numbers doesn't fail; an empty body would still have the right status.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    fn reply_with(&self, counts: Option<Counts>) -> Reply {
        let mut reply = Response::new(Sending::new(self.body_with(counts)));
        *reply.status_mut() = self.status;
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM);
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [EventError],
    /// How many there are beside those that are listed.
    #[serde(skip_serializing_if = "is_zero")]
    errors_omitted: u32,
}

#[derive(Clone, Copy, Serialize)]
struct Counts {
    accepted: u32,
    acked: u32,
    spilled: u32,
    /// Only in memory, where the stream asks for no more.
    #[serde(skip_serializing_if = "is_zero")]
    queued: u32,
    rejected: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Whole seconds, rounded up, at least 1.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_millis() as u64).div_ceil(1_000).max(1)
}

/// What is to be said. A reply is large, so the usual one is made where it's sent from; until then it's these few counts.
#[derive(Debug)]
pub enum Said {
    /// Every event is durable, or in memory where no more is asked.
    All {
        /// Acknowledged by Kafka.
        acked: u32,
        /// In the spill log.
        spilled: u32,
        /// Only in memory.
        queued: u32,
    },
    /// Anything else.
    Other(Box<Reply>),
}

impl Said {
    /// The reply. `spare` are headers that nobody needs any more: their memory is used again.
    #[inline]
    pub fn reply(self, spare: &mut HeaderMap) -> Reply {
        match self {
            Said::All {
                acked,
                spilled,
                queued,
            } => all(acked, spilled, queued, spare),
            Said::Other(reply) => *reply,
        }
    }
}

impl From<Reply> for Said {
    fn from(reply: Reply) -> Said {
        Said::Other(Box::new(reply))
    }
}

/// What to say of a request whose events were admitted. `rejected` are those that never could be; `retry_after` is when to send
/// again what isn't durable, and `because` says why Kafka takes nothing.
#[inline]
pub fn settled(
    outcome: Outcome,
    rejected: Rejected,
    because: impl FnOnce() -> Option<String>,
    retry_after: impl FnOnce() -> Duration,
) -> (Answer, Said) {
    let (acked, spilled, queued) = (outcome.acked, outcome.spilled, outcome.queued);
    if outcome.not_acked.is_empty() && rejected.count() == 0 {
        let all = Said::All {
            acked,
            spilled,
            queued,
        };
        return (Answer::Ok, all);
    }
    let (answer, reply) = settled_in_part(outcome, rejected, Vec::new(), because, retry_after);
    (answer, reply.into())
}

/// As [`settled`], of a request of which `refused` are events that were never admitted and are to be sent again, each with its reason.
#[cold]
pub(super) fn settled_beside(
    outcome: Outcome,
    rejected: Rejected,
    refused: Vec<EventError>,
    because: impl FnOnce() -> Option<String>,
    retry_after: impl FnOnce() -> Duration,
) -> (Answer, Said) {
    let (answer, reply) = settled_in_part(outcome, rejected, refused, because, retry_after);
    (answer, reply.into())
}

#[cold]
fn settled_in_part(
    outcome: Outcome,
    mut rejected: Rejected,
    refused: Vec<EventError>,
    because: impl FnOnce() -> Option<String>,
    retry_after: impl FnOnce() -> Duration,
) -> (Answer, Reply) {
    let (acked, spilled, queued) = (outcome.acked, outcome.spilled, outcome.queued);
    let counts = |rejected: &Rejected| Counts {
        accepted: acked + spilled + queued,
        acked,
        spilled,
        queued,
        rejected: rejected.count(),
    };
    let (never, later): (Vec<_>, Vec<_>) = outcome
        .not_acked
        .into_iter()
        .partition(|(_, cause)| *cause == Cause::TooLargeForKafka);
    rejected.add(never.into_iter().map(event_error));
    if later.is_empty() && refused.is_empty() {
        if acked + spilled + queued > 0 {
            let counts = counts(&rejected);
            return (Answer::Partly, partly(counts, &rejected));
        }
        return (Answer::Client, unacceptable(rejected).reply());
    }
    let counts = counts(&rejected);
    let not_durable = later.len() + refused.len();
    let mut causes = later.iter().map(|(_, cause)| cause);
    let is_not_taken = causes.any(|it| matches!(it, Cause::NotTaken | Cause::Timeout));
    let because = is_not_taken.then(because).flatten();
    let because = because.map_or(String::new(), |why| format!("{why}; "));
    let mut problem = Problem::unavailable(
        "not_durable",
        format!(
            "{because}{not_durable} of the events are not durable: send them again; a client that can't tell them apart sends all"
        ),
        retry_after(),
    );
    rejected.add(later.into_iter().map(event_error).chain(refused));
    problem.errors = rejected;
    (Answer::Unavailable, problem.reply_with(Some(counts)))
}

/// The problem of a request none of whose events can be accepted.
pub fn unacceptable(errors: Rejected) -> Problem {
    let status = if errors.are_all_too_large() {
        StatusCode::PAYLOAD_TOO_LARGE
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let detail = format!(
        "none of the {} events can be accepted; `errors` says why",
        errors.count()
    );
    Problem {
        errors,
        ..Problem::new(status, "no_valid_event", detail)
    }
}

fn event_error((index, cause): (u32, Cause)) -> EventError {
    let (code, detail) = match cause {
        Cause::Timeout => (
            "timeout",
            "waited too long for kafka and was given up; it will not arrive",
        ),
        Cause::NoRoom => (
            "no_room",
            "kafka doesn't take it and the disk has no room for it; it will not arrive",
        ),
        Cause::NotTaken => (
            "not_taken",
            "kafka takes nothing of the topic at the moment; it will not arrive",
        ),
        Cause::ShareFull => (
            "owner_spill",
            "kafka doesn't take it, and the stream's owner has used its share of the spill log; it will not arrive",
        ),
        Cause::Draining => ("draining", "forebay is stopping; it will not arrive"),
        Cause::TooLargeForKafka => (
            "too_large_for_kafka",
            "larger than the broker or the topic allows",
        ),
        Cause::RefusedByKafka => (
            "refused_by_kafka",
            "kafka refused it; the stream's owner has to look at the topic",
        ),
        Cause::Unknown => (
            "unknown",
            "sent to kafka, which has not answered in time; it may still arrive",
        ),
    };
    EventError {
        index,
        code,
        detail: detail.into(),
    }
}

fn all(acked: u32, spilled: u32, queued: u32, spare: &mut HeaderMap) -> Reply {
    let accepted = acked + spilled + queued;
    let body = if (accepted, acked) == (1, 1) {
        Sending::new(Bytes::from_static(
            br#"{"accepted":1,"acked":1,"spilled":0}"#,
        ))
    } else if queued > 0 {
        Sending::new(format!(
            r#"{{"accepted":{accepted},"acked":0,"spilled":0,"queued":{queued}}}"#
        ))
    } else {
        Sending::new(format!(
            r#"{{"accepted":{accepted},"acked":{acked},"spilled":{spilled}}}"#
        ))
    };
    let mut reply = Response::new(body);
    spare.clear();
    spare.insert(CONTENT_TYPE, JSON);
    std::mem::swap(reply.headers_mut(), spare);
    reply
}

fn partly(counts: Counts, rejected: &Rejected) -> Reply {
    #[derive(Serialize)]
    struct Partly<'a> {
        #[serde(flatten)]
        counts: Counts,
        errors: &'a [EventError],
        #[serde(skip_serializing_if = "is_zero")]
        errors_omitted: u32,
    }
    let partly = Partly {
        counts,
        errors: rejected.listed(),
        errors_omitted: rejected.omitted(),
    };
    let body = serde_json::to_vec(&partly).unwrap_or_default();
    let mut reply = Response::new(Sending::new(body));
    *reply.status_mut() = StatusCode::MULTI_STATUS;
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply
}

#[cfg(test)]
mod tests;
