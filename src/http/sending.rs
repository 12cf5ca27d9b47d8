//! An answer on its way to its client, and what its list of events may hold meanwhile.
//!
//! HTTP/2 keeps an answer until the client opens its window, and a client may never do that, or byte by byte. hyper gives
//! an answer away as a whole as soon as there's room for its first byte, so its bytes themselves say when they have left: they carry
//! what the stream is charged, and that the answer is [ready](super::watch::Busy::answer), until the last of them is written.
//! A connection none of whose answers are taken for `http.send_timeout` ends. HTTP/1.1 needs no such look: its socket tells.
//!
//! A list of events is charged, to a part of the budget that answers can't exceed; without room the answer is sent without its
//! list. The charge stays for as long as the connection lives, which of HTTP/1.1 may keep the memory.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
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
    untaken: Option<Box<OfStream>>,
}

/// HTTP/2: what lasts until an answer is taken. It's in a box, so that answers of HTTP/1.1 are no larger for it.
#[derive(Debug)]
struct OfStream {
    _untaken: Untaken,
    _held: Option<HeldByProcess>,
}

/// The bytes of an answer. Whoever writes them drops this with the last of them.
#[derive(Debug)]
pub struct Piece {
    bytes: Bytes,
    _untaken: Option<Box<OfStream>>,
}

impl Buf for Piece {
    #[inline]
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

impl Body for Sending {
    type Data = Piece;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Self::Error>>> {
        let Sending { body, untaken } = &mut *self;
        let polled = Pin::new(body).poll_frame(cx);
        // A whole answer is one piece.
        let piece = |bytes| Piece {
            bytes,
            _untaken: untaken.take(),
        };
        polled.map_ok(|frame| frame.map_data(piece))
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

/// Sends an answer, which is charged `list` for its list of events, and `stream` for its stream of HTTP/2.
pub(super) fn send(
    mut reply: Reply,
    list: Option<HeldByProcess>,
    stream: Option<HeldByProcess>,
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
    let untaken = is_framed.then(|| {
        Box::new(OfStream {
            _untaken: busy.answer(),
            _held: stream,
        })
    });
    reply.map(|body| Sending { body, untaken })
}
