//! The body of an answer on its way to its client.
//!
//! HTTP/2 keeps an answer until the client opens its window, and a client may never do that, or byte by byte. hyper gives
//! an answer away as a whole as soon as there's room for its first byte, so its bytes themselves say when they have left: they carry
//! what the stream is charged, and that the answer is [ready](super::watch::Busy::answer), until the last of them is written.
//! A connection none of whose answers are taken for `http.send_timeout` ends. HTTP/1.1 needs no such look: its socket tells.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};

use super::watch::Untaken;
use crate::budget::HeldByProcess;

/// The body of an answer.
#[derive(Debug, Default)]
pub struct Sending {
    bytes: Bytes,
    untaken: Option<Box<OfStream>>,
}

impl Sending {
    /// A body that is this.
    pub(super) fn new(bytes: impl Into<Bytes>) -> Sending {
        Sending {
            bytes: bytes.into(),
            untaken: None,
        }
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// HTTP/2: these last until it's taken.
    pub(super) fn keep(&mut self, untaken: Untaken, held: Option<HeldByProcess>) {
        self.untaken = Some(Box::new(OfStream {
            _untaken: untaken,
            _held: held,
        }));
    }
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
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Self::Error>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        // A whole answer is one piece.
        let piece = Piece {
            bytes: std::mem::take(&mut self.bytes),
            _untaken: self.untaken.take(),
        };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}
