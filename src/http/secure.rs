//! A connection over TLS: its handshake, and its bytes after that.
//!
//! What a client can make the library hold is bounded here, because the library's own bound (64 KiB for messages of a handshake that
//! never ends, at any time) is more than a connection is charged. Bytes may come before any of them can be used, but only so many:
//! [`MOST_OF_HANDSHAKE`] before the handshake is complete, when HTTP holds nothing yet, and [`MOST_OF_RECORD`] behind it.
//!
//! The end of a connection is as without TLS. A client that has ended its side (close_notify) gets its answers; a client whose side ends
//! without that is cut off, because a part of what it sent may be missing. Our side ends with close_notify.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::handshakes::Handshakes;
use super::watched::Transport;
use crate::tls::server::OUT_BYTES;
use crate::tls::{self, Certificate};

/// Bytes of a handshake that may come: more than any certificate that is taken.
const MOST_OF_HANDSHAKE: usize = 48 * 1024;
/// Bytes that may come before any of them can be used: a record of the largest size, and what is read beyond it.
const MOST_OF_RECORD: usize = 24 * 1024;

/// What is encrypted, on a socket that counts what comes.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    /// Bytes that came since any could be used, and how many may.
    came: usize,
    most: usize,
}

/// What is decrypted.
pub(super) type Secure = TlsStream<Wire>;

/// A handshake that failed.
#[derive(Debug)]
pub(super) struct Failed {
    /// The reason by which it's counted; none if a client came and went without a word.
    pub(super) reason: Option<&'static str>,
    /// The socket, if the client was told why and may still be sending.
    pub(super) socket: Option<TcpStream>,
}

impl Failed {
    fn untold(reason: &'static str) -> Failed {
        Failed {
            reason: Some(reason),
            socket: None,
        }
    }
}

/// Does the handshake, in its turn among those of this thread.
pub(super) async fn shake(
    socket: TcpStream,
    server: &tls::Server,
    settings: &tls::Settings,
    handshakes: &Handshakes,
) -> Result<(Secure, Option<Box<Certificate>>), Failed> {
    let wire = Wire {
        socket,
        came: 0,
        most: MOST_OF_HANDSHAKE,
    };
    let acceptor = TlsAcceptor::from(Arc::clone(server.config()));
    let accept = acceptor.accept_with(wire, |it| it.set_buffer_limit(Some(OUT_BYTES)));
    let mut accept = pin!(accept.into_fallible());
    let mut over = pin!(sleep(settings.handshake_timeout));
    let mut place = handshakes.enter(settings.max_handshakes);
    let mut pause: Option<Pin<Box<Sleep>>> = None;
    let shaken = std::future::poll_fn(|cx| {
        if over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(Failed::untold("tls_timeout")));
        }
        if place.is_taken(cx) {
            return Poll::Ready(Err(Failed::untold("too_many_handshakes")));
        }
        loop {
            if let Some(waiting) = &mut pause {
                ready!(waiting.as_mut().poll(cx));
                pause = None;
            }
            match handshakes.turn(Instant::now()) {
                Ok(()) => break,
                Err(next) => pause = Some(Box::pin(sleep_until(next))),
            }
        }
        let begun = Instant::now();
        let polled = accept.as_mut().poll(cx);
        handshakes.took(begun.elapsed());
        polled.map_err(|(error, wire)| failed(&error, wire))
    });
    let mut stream = shaken.await?;
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let certificate = Certificate::of(shown).map(Box::new);
    if certificate.is_none() && !shown.is_empty() {
        return Err(Failed::untold("tls_client_certificate"));
    }
    let wire = stream.get_mut().0;
    (wire.came, wire.most) = (0, MOST_OF_RECORD);
    Ok((stream, certificate))
}

fn failed(error: &io::Error, wire: Wire) -> Failed {
    tracing::debug!(%error, "a handshake failed");
    // A look at whether the port is open is no failure.
    if wire.came == 0 {
        return Failed {
            reason: None,
            socket: None,
        };
    }
    let was_told = error.kind() == io::ErrorKind::InvalidData && wire.came <= wire.most;
    Failed {
        reason: Some(match wire.came > wire.most {
            true => tls::TOO_LARGE,
            false => tls::reason(error),
        }),
        socket: was_told.then_some(wire.socket),
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        self.came += buffer.filled().len() - before;
        if self.came > self.most {
            let what = "more came than a record has, and none of it can be used";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }
}

impl Transport for Secure {
    fn into_socket(self) -> TcpStream {
        self.into_inner().0.socket
    }

    fn was_useful(&mut self) {
        self.get_mut().0.came = 0;
    }
}
