//! The body of an answer on its way to its client.
//!
//! HTTP/2 keeps an answer until the client opens its window, and a client may never do that, or byte by byte. hyper gives
//! an answer away as a whole as soon as there's room for its first byte, so its bytes themselves say when they have left: they carry
//! what the stream is charged, and that the answer is [ready](super::watch::Busy::answer), until the last of them is written.
//! A connection none of whose answers are taken for `http.send_timeout` ends. HTTP/1.1 needs no such look: its socket tells.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::watch::Untaken;
use crate::budget::HeldByProcess;

/// The body of an answer.
#[derive(Debug, Default)]
pub struct Sending(Bytes);

impl Sending {
    /// A body that is this.
    pub(super) fn new(bytes: impl Into<Bytes>) -> Sending {
        Sending(bytes.into())
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// HTTP/2: these last until it's taken.
    pub(super) fn keep(&mut self, untaken: Untaken, held: Option<HeldByProcess>) {
        self.0 = Bytes::from_owner(OfStream {
            bytes: std::mem::take(&mut self.0),
            _untaken: untaken,
            _held: held,
        });
    }
}

/// HTTP/2: what lasts until an answer is taken. It owns the bytes, so that answers of HTTP/1.1 are no larger for it.
#[derive(Debug)]
struct OfStream {
    bytes: Bytes,
    _untaken: Untaken,
    _held: Option<HeldByProcess>,
}

impl AsRef<[u8]> for OfStream {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        // A whole answer is one piece. Whoever writes it drops it with the last of its bytes.
        let piece = std::mem::take(&mut self.0);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::peer::Peer;
    use crate::http::watch::Activity;

    #[test]
    fn an_answer_is_taken_when_the_last_of_its_bytes_is_dropped() {
        for body in ["", "answer"] {
            let activity = Activity::new(Peer::default());
            let mut sending = Sending::new(body);
            sending.keep(activity.request().answer(), None);
            assert_eq!(sending.len(), body.len() as u64);
            assert!(activity.has_untaken());
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let polled = Pin::new(&mut sending).poll_frame(&mut cx);
            let Poll::Ready(Some(Ok(frame))) = polled else {
                assert!(body.is_empty());
                drop(sending);
                assert!(!activity.has_untaken());
                continue;
            };
            drop(sending);
            let mut bytes = frame.into_data().unwrap();
            let begin = bytes.split_to(2);
            assert_eq!((&begin[..], &bytes[..]), (&b"an"[..], &b"swer"[..]));
            drop(begin);
            assert!(activity.has_untaken());
            drop(bytes);
            assert!(!activity.has_untaken(), "{body:?}");
        }
    }
}
