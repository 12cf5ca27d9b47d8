//! A connection's socket, which tells its [`Activity`] what comes and goes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::watch::Activity;

/// A socket that notes when bytes come, and when it takes none. Dropping it gives the socket to the connection's [`Activity`].
#[derive(Debug)]
pub(super) struct Watched {
    /// There until this is dropped.
    socket: Option<TcpStream>,
    activity: Arc<Activity>,
    has_begun: bool,
}

impl Watched {
    /// Watches `socket`.
    pub(super) fn new(socket: TcpStream, activity: Arc<Activity>) -> Watched {
        Watched {
            socket: Some(socket),
            activity,
            has_begun: false,
        }
    }

    fn polled<T>(
        &mut self,
        poll: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.socket {
            Some(socket) => poll(Pin::new(socket)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl Watched {
    fn note_write(&self, polled: &Poll<io::Result<usize>>) {
        if polled.is_pending() {
            self.activity.is_blocked(true);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.activity.return_socket(self.socket.take());
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = self.polled(|socket| socket.poll_read(cx, buffer));
        if let Some(came @ [_, ..]) = buffer.filled().get(before..) {
            if !self.has_begun {
                self.has_begun = true;
                // A client that sends even the preface in drops is watched like any other.
                self.activity.begins(came.starts_with(b"PRI "));
            }
            self.activity.bytes_came();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = self.polled(|socket| socket.poll_write(cx, bytes));
        self.note_write(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Asked for when all that there was is written.
        self.activity.is_blocked(false);
        self.polled(|socket| socket.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.polled(|socket| socket.poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = self.polled(|socket| socket.poll_write_vectored(cx, slices));
        self.note_write(&polled);
        polled
    }
}
