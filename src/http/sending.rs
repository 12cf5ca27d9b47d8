//! An answer on its way to its client, and what its list of events may hold meanwhile.
//!
//! HTTP/2 keeps an answer until the client opens its window, and a client may never do that. So an answer that nobody takes is
//! [seen](super::watch::Busy::answer) from when it's ready until hyper has taken it, and a connection none of whose answers
//! are taken for `http.send_timeout` ends. HTTP/1.1 needs no such look: its socket tells.
//!
//! A list of events is charged, to a part of the budget that answers can't exceed; without room the answer is sent without its
//! list. The charge stays for as long as the connection lives, because nobody is told when its bytes have left.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Version;
use hyper::body::{Body, Frame, SizeHint};

use super::answer::{self, Reply};
use super::port::Port;
use super::rejected::{LISTED, Rejected};
use super::watch::{Busy, Untaken};
use crate::budget::HeldByProcess;

/// What an entry of `errors` is charged: its words, and what serialising them takes.
const ENTRY_BYTES: u64 = 256;
/// What a connection is charged for writing from, HTTP/1.1. It may keep the memory of its largest answer, so it ends with one
/// that is larger.
const LARGE_ANSWER_BYTES: u64 = 8 * 1024;
/// The largest answer that a stream of HTTP/2 is charged for anyway.
const SMALL_ANSWER_BYTES: u64 = 1024;

/// The body of an answer.
#[derive(Debug)]
pub struct Sending {
    body: Full<Bytes>,
    /// HTTP/2: until it's taken.
    _untaken: Option<Untaken>,
}

impl Body for Sending {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Charges the list that an answer is to have: `rejected`, and `more` events. Without room for it nothing is listed.
#[inline]
pub(super) fn hold_list(
    port: &Port,
    rejected: &mut Rejected,
    more: usize,
) -> Option<HeldByProcess> {
    let entries = (rejected.count() as usize + more).min(LISTED) as u64;
    if entries == 0 {
        return None;
    }
    let held = HeldByProcess::hold_part(&port.budget, &port.answers, entries * ENTRY_BYTES);
    if held.is_err() {
        rejected.list_none();
    }
    held.ok()
}

/// Sends an answer, which is charged `list` for its list of events.
pub(super) fn send(
    mut reply: Reply,
    list: Option<HeldByProcess>,
    busy: &Busy,
    version: Version,
) -> hyper::Response<Sending> {
    let is_framed = version == Version::HTTP_2;
    let bytes = reply.body().size_hint().exact().unwrap_or_default();
    let is_large = match is_framed {
        true => bytes > SMALL_ANSWER_BYTES,
        false => bytes > LARGE_ANSWER_BYTES,
    };
    if let Some(list) = list.filter(|_| is_large) {
        let is_last = busy.keep(list, !is_framed);
        if is_last && !is_framed {
            answer::make_last(&mut reply);
        }
    }
    let _untaken = is_framed.then(|| busy.answer());
    reply.map(|body| Sending { body, _untaken })
}
