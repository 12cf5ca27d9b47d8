//! Requests that are turned away by their heads, because they show no good key: what they're told, and what becomes of their
//! connections.
//!
//! A flood of them is to cost less than as many good requests. So an answer's body is made once, and a small body is read, so that
//! the connection may go on: a new connection costs more than the request. What such a connection may do is bounded:
//! - A body of more than [`SMALL_BODY_BYTES`] isn't read, nor one that isn't there after [`BODY_WITHIN`], nor one whose client asks
//!   before it sends. It ends the connection.
//! - After `http.refused_timeout` the next request that is turned away ends the connection, so that strangers hold none for long.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, EXPECT, RETRY_AFTER};
use hyper::{Request, Response, Version};

use super::access::Gate;
use super::answer::{self, Reply};
use super::body::skip;
use super::callers::{problem_of, status_of};
use super::sending::Sending;
use super::settings::Settings;
use crate::auth::Refusal;

/// The largest body that is read: reading it costs less than a new connection.
const SMALL_BODY_BYTES: u64 = 16 * 1024;
/// How long such a body is waited for. Clients that write a head and its body one after the other need less.
const BODY_WITHIN: Duration = Duration::from_millis(100);

/// What a request is told.
#[cold]
pub(super) fn reply(gate: &Gate, why: Refusal) -> Box<Reply> {
    let mut reply = Response::new(Sending::new(body_of(why)));
    *reply.status_mut() = status_of(why);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, answer::PROBLEM);
    if let Some(wait) = why.retry_after() {
        headers.insert(RETRY_AFTER, answer::whole_seconds(wait).into());
    }
    gate.challenge(&mut reply);
    Box::new(reply)
}

/// The body of an answer, which is the same each time.
fn body_of(why: Refusal) -> Bytes {
    static BODIES: [OnceLock<Bytes>; Refusal::COUNT] = [const { OnceLock::new() }; Refusal::COUNT];
    let body = BODIES[why.number()].get_or_init(|| problem_of(why).body().into());
    body.clone()
}

/// Sees to the body of a request that gets `reply`, and to whether its connection goes on.
pub(super) async fn away(
    request: &mut Request<Incoming>,
    mut reply: Box<Reply>,
    settings: &Settings,
) -> Box<Reply> {
    if request.body().is_end_stream() {
        return reply;
    }
    let is_read = may_be_read(request, settings)
        && matches!(
            skip(request.body_mut(), SMALL_BODY_BYTES, BODY_WITHIN).await,
            // Nothing that follows trailers on a connection can be trusted.
            Ok(had_trailers) if !had_trailers
        );
    if !is_read {
        answer::make_last(&mut reply);
    }
    reply
}

/// Whether a body is read. A stream of HTTP/2 ends without its connection, and its body with it.
fn may_be_read(request: &Request<Incoming>, settings: &Settings) -> bool {
    let bytes = request.body().size_hint().upper();
    request.version() == Version::HTTP_11
        && !settings.refused_timeout.is_zero()
        && bytes.is_none_or(|bytes| bytes <= SMALL_BODY_BYTES)
        && !request.headers().contains_key(EXPECT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_one_of_its_problem_each_time() {
        let wait = Duration::from_millis(1_500);
        let all = [
            Refusal::NoKey,
            Refusal::UnknownKey,
            Refusal::KeyExpired,
            Refusal::BadSignature,
            Refusal::SignatureTime,
            Refusal::Doubled,
            Refusal::NotAllowed,
            Refusal::OriginNotAllowed,
            Refusal::SourceQuota(wait),
            Refusal::AddressQuota(wait),
        ];
        let gate = Gate::new(&["bearer".to_owned()], None).unwrap();
        assert_eq!(all.len(), Refusal::COUNT);
        for why in all.iter().chain(&all) {
            let mut expected = problem_of(*why).reply();
            gate.challenge(&mut expected);
            let made = reply(&gate, *why);
            assert_eq!(format!("{made:?}"), format!("{expected:?}"));
            assert_eq!(made.headers(), expected.headers());
        }
    }
}
