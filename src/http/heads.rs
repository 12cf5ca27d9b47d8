//! What a request's head may hold, and who pays for it.
//!
//! HTTP/1.1 has one head per connection, in a buffer that the connection is charged for. HTTP/2 has one for each of its streams,
//! and a head of a few bytes on the wire may have hundreds of entries, because repeating one costs a byte. So a stream is
//! charged as soon as its head is known, for all of the head until it's understood, and from then on for what any stream
//! holds.

use std::time::{Duration, Instant};

use hyper::body::Body;
use hyper::{HeaderMap, Request, StatusCode, Uri, Version};

use super::answer::Problem;
use super::forget::STREAM_BYTES;
use super::head::{Lines, check_framing};
use super::port::{Local, Port};
use super::retry;
use super::watch::Activity;
use crate::budget::HeldByProcess;

/// What a connection of HTTP/2 holds beside what any connection does: the body bytes that its window lets come before a
/// request is charged for them, the table of its heads, and its buffers.
const CONNECTION_BYTES: u64 = super::protocols::CONNECTION_WINDOW_BYTES as u64 + 64 * 1024;
/// What the heads of a connection of HTTP/2 may keep of its read buffers: an entry of the table of heads that names a path or a
/// host is a slice of the buffer in which it came. The table has 4 KiB, such an entry at least 38 bytes of it, and a buffer 8 KiB
/// (measured: 0.6 MB for 89 entries). Clients that mean no harm do so as well, if their paths differ.
const KEPT_BYTES: u64 = 896 * 1024;
/// What a connection has to bring before that is charged: until then it's in [`CONNECTION_BYTES`].
const MUCH_BYTES: u64 = 64 * 1024;
/// What a header takes in a map beside its text: its entry, of which a growing map has up to twice as many.
const ENTRY_BYTES: u64 = 2 * 104;

/// Charges a request's head, or refuses the request and forgets it: also if it has more than `most` headers. Nothing for
/// HTTP/1.1. The problem is boxed, because what this returns is moved with each request.
#[inline]
pub(super) fn charge_head<B>(
    local: &Local,
    most: usize,
    request: &mut Request<B>,
) -> Result<Option<HeldByProcess>, Box<Problem>> {
    if request.headers().len() > most {
        return Err(forget(request, too_many(most)));
    }
    if request.version() != Version::HTTP_2 {
        return Ok(None);
    }
    charge_stream(local, request).map(Some)
}

/// Charges the head of a request of HTTP/2.
#[inline(never)]
fn charge_stream<B>(
    local: &Local,
    request: &mut Request<B>,
) -> Result<HeldByProcess, Box<Problem>> {
    let port = &local.port;
    let bytes = STREAM_BYTES + head_bytes(request.headers(), request.uri());
    HeldByProcess::hold_part(&port.budget, &port.framed, bytes).map_err(|exhausted| {
        let detail = exhausted.to_string();
        let problem = Problem::unavailable("no_memory", detail, retry::SHORTEST);
        forget(request, problem)
    })
}

fn too_many(most: usize) -> Problem {
    let detail = format!("the request has more than {most} headers");
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    Problem::new(status, "too_many_headers", detail)
}

/// What a connection of HTTP/2 is charged.
#[derive(Debug, Default)]
pub(super) struct Framed {
    begun: Option<HeldByProcess>,
    kept: Option<HeldByProcess>,
    /// There once it is to end because no memory is left for it.
    told: Option<Told>,
}

/// A connection that was told to end.
#[derive(Debug)]
struct Told {
    since: Instant,
    /// What it had brought when something was under way last.
    brought: u64,
}

impl Told {
    /// Whether it may go on. What is under way is: its body is charged by itself. Without that a client that heeds what it was told
    /// brings no more than what was on its way, and one that begins ever more has as much time as one request.
    fn may_go_on(&mut self, brought: u64, is_busy: bool, now: Instant, within: Duration) -> bool {
        if is_busy {
            self.brought = brought;
        }
        brought < self.brought + KEPT_BYTES && now.saturating_duration_since(self.since) < within
    }
}

impl Framed {
    /// Charges a connection that turns out to be one of HTTP/2, and once more when it has brought much. Without room for that it
    /// is to end in order, which may take as long as a request, `within`. False: it has to end at once.
    pub(super) fn charge(&mut self, port: &Port, activity: &Activity, within: Duration) -> bool {
        let hold = |bytes| HeldByProcess::hold_part(&port.budget, &port.framed, bytes).ok();
        if self.begun.is_none() {
            self.begun = hold(CONNECTION_BYTES);
            if self.begun.is_none() {
                port.refusals.count("no_memory");
                tracing::debug!("no memory for a connection of http/2");
                return false;
            }
        }
        let brought = activity.brought();
        if brought < MUCH_BYTES || self.kept.is_some() {
            return true;
        }
        self.kept = hold(KEPT_BYTES);
        if self.kept.is_some() {
            return true;
        }
        let now = Instant::now();
        let told = self.told.get_or_insert_with(|| {
            port.refusals.count("no_memory");
            tracing::debug!("no memory for a connection of http/2 that brings much");
            activity.end();
            Told {
                since: now,
                brought: MUCH_BYTES,
            }
        });
        let is_busy = activity.is_busy() || activity.has_untaken();
        let may_go_on = told.may_go_on(brought, is_busy, now, within);
        if !may_go_on {
            port.refusals.count("no_memory");
            tracing::debug!("a connection of http/2 doesn't end, though it was told to");
        }
        may_go_on
    }
}

/// Forgets a request's head, and ends the connection with this problem.
#[cold]
fn forget<B>(request: &mut Request<B>, problem: Problem) -> Box<Problem> {
    forget_head_of(request);
    Box::new(Problem {
        close: true,
        ..problem
    })
}

/// Forgets the head of a request that may not come now. What decides where it ends is judged as for any; the connection goes on unless
/// there is a body that nobody reads, because another one would cost its client and us more.
#[cold]
pub(super) fn turn_away<B: Body>(request: &mut Request<B>, problem: Problem) -> Box<Problem> {
    let framing = check_framing(request, &Lines::of(request.headers()));
    let close = !request.body().is_end_stream();
    let problem = framing.err().unwrap_or(Problem { close, ..problem });
    forget_head_of(request);
    Box::new(problem)
}

fn forget_head_of<B>(request: &mut Request<B>) {
    *request.headers_mut() = HeaderMap::new();
    *request.uri_mut() = Uri::default();
}

fn head_bytes(headers: &HeaderMap, uri: &Uri) -> u64 {
    let text = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.as_str().len() + value.len()) as u64
    };
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let text: u64 = headers.iter().map(text).sum();
    headers.len() as u64 * ENTRY_BYTES + text + path as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_was_told_to_end_may_end_what_is_under_way_and_not_begin_for_ever() {
        const SECOND: Duration = Duration::from_secs(1);
        let since = Instant::now();
        let told = || Told {
            since,
            brought: MUCH_BYTES,
        };
        let mut idle = told();
        let most = MUCH_BYTES + KEPT_BYTES;
        assert!(idle.may_go_on(most - 1, false, since, SECOND));
        assert!(!idle.may_go_on(most, false, since, SECOND));
        let mut busy = told();
        assert!(busy.may_go_on(9 * most, true, since, SECOND));
        assert!(
            busy.may_go_on(9 * most, false, since, SECOND),
            "its last answer is on its way"
        );
        assert!(!busy.may_go_on(10 * most, false, since, SECOND));
        assert!(!busy.may_go_on(9 * most, true, since + SECOND, SECOND));
    }

    #[test]
    fn each_of_many_entries_is_counted_though_they_have_no_text() {
        let mut headers = HeaderMap::new();
        for _ in 0..400 {
            headers.append("accept", hyper::header::HeaderValue::from_static(""));
        }
        assert!(head_bytes(&headers, &Uri::default()) > 400 * 72);
    }
}
