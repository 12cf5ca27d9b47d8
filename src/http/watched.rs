//! A connection's bytes, over its socket or over TLS: its [`Activity`] hears what comes and goes, and hyper's own refusals get a body.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::frames::Frames;
use super::preface::Preface;
use super::unread;
use super::watch::Activity;
use crate::telemetry::Refusals;

/// What a connection's bytes go over: its socket, or TLS on it. HTTP is compiled for each of them, so that a connection without TLS
/// pays nothing for those that have it.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// The socket below.
    fn into_socket(self) -> TcpStream;

    /// Bytes came of it that can be used.
    #[inline(always)]
    fn was_useful(&mut self) {}
}

impl Transport for TcpStream {
    fn into_socket(self) -> TcpStream {
        self
    }
}

/// A transport that notes when bytes come, and when it takes none. Dropping it gives the socket to the connection's [`Activity`].
#[derive(Debug)]
pub(super) struct Watched<T: Transport> {
    /// There until this is dropped.
    transport: Option<T>,
    activity: Arc<Activity>,
    /// What its first bytes say, until they have said it.
    preface: Option<Preface>,
    refusals: Arc<Refusals>,
    /// HTTP/2: what it writes.
    frames: Option<Box<Frames>>,
    /// What is written instead of hyper's own refusal, which is the last that a connection writes.
    instead: Option<Instead>,
}

#[derive(Debug)]
struct Instead {
    bytes: Vec<u8>,
    written: usize,
}

impl<T: Transport> Watched<T> {
    /// Watches `transport`. What HTTP/2 refuses on it by itself is counted among `refusals`.
    pub(super) fn new(
        transport: T,
        activity: &Arc<Activity>,
        refusals: &Arc<Refusals>,
    ) -> Watched<T> {
        Watched {
            transport: Some(transport),
            activity: Arc::clone(activity),
            preface: Some(Preface::default()),
            refusals: Arc::clone(refusals),
            frames: None,
            instead: None,
        }
    }

    fn polled<R>(
        &mut self,
        poll: impl FnOnce(Pin<&mut T>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        match &mut self.transport {
            Some(transport) => poll(Pin::new(transport)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<T: Transport> Watched<T> {
    /// Writes what is to be written instead, as a whole. hyper's own bytes count as written when it is.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (Some(transport), Some(instead)) = (&mut self.transport, &mut self.instead) else {
            return Poll::Ready(Ok(()));
        };
        while instead.written < instead.bytes.len() {
            let rest = &instead.bytes[instead.written..];
            match ready!(Pin::new(&mut *transport).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => instead.written += written,
            }
        }
        self.instead = None;
        Poll::Ready(Ok(()))
    }

    /// Looks at bytes that came before it was known what the connection speaks. Until then they're the beginning of a head,
    /// so that a client that sends the preface in drops is watched like any other.
    #[cold]
    fn look_at_first(&mut self, came: &[u8]) {
        let Some(is_framed) = self.preface.as_mut().and_then(|preface| preface.next(came)) else {
            return;
        };
        self.preface = None;
        self.activity.begins(is_framed);
        if is_framed {
            self.frames = Some(Box::new(Frames::new(Arc::clone(&self.refusals))));
        }
    }

    fn note_write<'a>(
        &mut self,
        polled: &Poll<io::Result<usize>>,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) {
        match (polled, &mut self.frames) {
            (Poll::Pending, _) => self.activity.is_blocked(true),
            (Poll::Ready(Ok(written)), Some(frames)) => {
                let mut left = *written;
                for piece in pieces {
                    let of_it = left.min(piece.len());
                    frames.wrote(&piece[..of_it]);
                    left -= of_it;
                }
            }
            _ => {}
        }
    }
}

impl<T: Transport> Drop for Watched<T> {
    fn drop(&mut self) {
        let socket = self.transport.take().map(T::into_socket);
        self.activity.return_socket(socket);
    }
}

impl<T: Transport> AsyncRead for Watched<T> {
    // Once per request, from one place.
    #[inline(always)]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = self.polled(|transport| transport.poll_read(cx, buffer));
        if let Some(came @ [_, ..]) = buffer.filled().get(before..) {
            if let Some(transport) = &mut self.transport {
                transport.was_useful();
            }
            if self.preface.is_some() {
                self.look_at_first(came);
            }
            self.activity.bytes_came(came.len());
        }
        polled
    }
}

impl<T: Transport> AsyncWrite for Watched<T> {
    #[inline(always)]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.instead.is_none()
            && !self.activity.is_framed()
            && let Some(bytes) = unread::with_body(bytes)
        {
            self.instead = Some(Instead { bytes, written: 0 });
        }
        let polled = if self.instead.is_some() {
            let polled = self.poll_instead(cx);
            polled.map_ok(|()| bytes.len())
        } else {
            self.polled(|transport| transport.poll_write(cx, bytes))
        };
        self.note_write(&polled, std::iter::once(bytes));
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Asked for when all that there was is written; TLS may have kept some of it.
        let polled = self.polled(|transport| transport.poll_flush(cx));
        self.activity.is_blocked(polled.is_pending());
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.polled(|transport| transport.poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        self.transport
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }

    /// Only HTTP/2 comes this way (`server::builder`), which has no refusals of this kind.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = self.polled(|transport| transport.poll_write_vectored(cx, slices));
        self.note_write(&polled, slices.iter().map(|slice| &**slice));
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::task::Waker;

    use super::*;
    use crate::http::peer::Peer;

    #[tokio::test]
    async fn a_refusal_for_which_there_is_no_room_at_once_arrives_as_a_whole() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = std::net::TcpStream::connect(address).unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        socket.writable().await.unwrap();
        let mut watched = Watched::new(socket, &Activity::new(Peer::default()), &Arc::default());
        let mut cx = Context::from_waker(Waker::noop());
        let piece = [b'x'; 1000];
        let mut before = 0;
        while let Poll::Ready(wrote) = Pin::new(&mut watched).poll_write(&mut cx, &piece) {
            before += wrote.unwrap();
        }
        let own = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        assert!(Pin::new(&mut watched).poll_write(&mut cx, own).is_pending());
        let reading = std::thread::spawn(move || {
            let mut came = Vec::new();
            client.read_to_end(&mut came).unwrap();
            came
        });
        let wrote = std::future::poll_fn(|cx| Pin::new(&mut watched).poll_write(cx, own)).await;
        assert_eq!(wrote.unwrap(), own.len());
        drop(watched.transport.take());
        let came = reading.join().unwrap();
        assert_eq!(Some(came[before..].to_vec()), unread::with_body(own));
    }
}
