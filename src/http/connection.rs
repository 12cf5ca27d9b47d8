//! One connection, from its first byte to its last: what comes before its requests, its requests, and its end.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::task::{Context, Poll};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::ending::Ending;
use super::heads;
use super::ingest;
use super::linger;
use super::listener::{Accepted, Ticket, Way};
use super::peer::Peer;
use super::port::Local;
use super::protocols;
use super::proxy;
use super::secure;
use super::settings::Settings;
use super::unread;
use super::watch::{Activity, Times};
use super::watched::{Transport, Watched};

/// Starts a connection's task. One that needs a handshake has another task than one that doesn't, which thus is no larger for it.
pub(super) fn begin(accepted: Accepted, local: Arc<Local>, open: Open, ending: Ending) {
    let Accepted {
        socket,
        peer,
        way,
        is_proxied,
        settings,
        ticket,
    } = accepted;
    let Ok(socket) = TcpStream::from_std(socket) else {
        return;
    };
    let connection = Connection {
        local,
        open,
        ending,
        settings,
        ticket,
    };
    match way {
        _ if is_proxied => drop(tokio::spawn(connection.begin_proxied(socket, peer, way))),
        Way::Plain => drop(tokio::spawn(connection.serve(socket, Peer::at(peer)))),
        Way::Tls => drop(tokio::spawn(connection.begin(socket, Peer::at(peer)))),
    }
}

/// Counts a connection for as long as it lives.
pub(super) struct Open(Arc<AtomicUsize>);

impl Open {
    /// One that is counted among these already.
    pub(super) fn new(open: &Arc<AtomicUsize>) -> Open {
        Open(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, AcqRel);
    }
}

struct Connection {
    local: Arc<Local>,
    open: Open,
    ending: Ending,
    settings: Arc<Settings>,
    ticket: Ticket,
}

impl Connection {
    /// Hears from a balancer whose connection it is, and serves.
    async fn begin_proxied(mut self, mut socket: TcpStream, peer: SocketAddr, way: Way) {
        let (port, settings) = (&self.local.port, &self.settings);
        let read = match settings.trusted.has(peer.ip()) {
            true => proxy::read(&mut socket, settings.head_timeout).await,
            false => Err(Some("proxy_untrusted")),
        };
        let client = match read {
            Ok(client) => client.unwrap_or(peer),
            Err(reason) => {
                if let Some(reason) = reason {
                    port.refusals.count(reason);
                    tracing::debug!(reason, "a connection isn't begun");
                }
                return;
            }
        };
        if !self.ticket.enter(port, settings, client.ip()) {
            return;
        }
        match way {
            Way::Plain => self.serve(socket, Peer::at(client)).await,
            Way::Tls => self.begin(socket, Peer::at(client)).await,
        }
    }

    /// Does the handshake, and serves.
    async fn begin(self, socket: TcpStream, peer: Peer) {
        let (local, settings) = (Arc::clone(&self.local), Arc::clone(&self.settings));
        let Some(server) = local.port.tls.load_full() else {
            return;
        };
        match secure::shake(socket, &server, &settings.tls, &local.handshakes).await {
            Ok((secure, certificate)) => {
                self.serve(
                    secure,
                    Peer {
                        certificate,
                        ..peer
                    },
                )
                .await
            }
            Err(failed) => {
                if let Some(reason) = failed.reason {
                    local.port.refusals.count(reason);
                }
                if let Some(socket) = failed.socket {
                    linger::close(socket, true, &local.port.lingering, &settings).await;
                }
            }
        }
    }

    /// Serves requests that come over `transport`.
    async fn serve<T: Transport>(self, transport: T, peer: Peer) {
        let Connection {
            local,
            open: _open,
            mut ending,
            settings,
            ticket: _ticket,
        } = self;
        let activity = Activity::new(peer);
        let builder = protocols::builder(&settings);
        let service = service_fn({
            let (local, activity) = (Arc::clone(&local), Arc::clone(&activity));
            move |request| ingest::handle(Arc::clone(&local), activity.request(), request)
        });
        let is_slow = {
            let mut connection = pin!(builder.serve_connection(
                TokioIo::new(Watched::new(transport, &activity, &local.port.refusals)),
                service
            ));
            let mut is_new = true;
            let mut framed = heads::Framed::default();
            let times = times(&settings);
            let a_request = settings.body_timeout + settings.answer_within;
            let first_look = times.head.min(times.idle).min(times.send);
            let mut look = pin!(sleep_until(Instant::now() + first_look));
            let mut told_to_close = false;
            std::future::poll_fn(|cx| {
                if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                    if let Err(error) = result {
                        note_end(&local, &*error);
                    }
                    return Poll::Ready(false);
                }
                activity.stamp();
                if activity.is_framed() && !framed.charge(&local.port, &activity, a_request) {
                    return Poll::Ready(true);
                }
                if ending.is_due(&activity, cx) || (!told_to_close && activity.is_ending()) {
                    told_to_close = true;
                    connection.as_mut().graceful_shutdown();
                    cx.waker().wake_by_ref();
                }
                if is_too_slow(look.as_mut(), &mut is_new, &activity, &times, &local, cx) {
                    return Poll::Ready(true);
                }
                Poll::Pending
            })
            .await
        };
        // A client that is too slow isn't waited for once more.
        if !is_slow && let Some(socket) = activity.take_socket() {
            linger::close(
                socket,
                activity.may_be_sending(),
                &local.port.lingering,
                &settings,
            )
            .await;
        }
    }
}

/// Says how a connection ended, and counts it if that was a refusal of hyper's own.
fn note_end(local: &Local, error: &(dyn std::error::Error + Send + Sync + 'static)) {
    if let Some(code) = unread::code_of(error) {
        local.port.refusals.count(code);
    }
    tracing::debug!(%error, "a connection ended with an error");
}

/// Whether it's time to look at a connection, and it's too slow then. Each turn asks, so what is usual is inlined.
#[inline(always)]
fn is_too_slow(
    look: Pin<&mut Sleep>,
    is_new: &mut bool,
    activity: &Activity,
    times: &Times,
    local: &Local,
    cx: &mut Context<'_>,
) -> bool {
    // A timer that was polled once wakes this task by itself.
    if !*is_new && !look.is_elapsed() {
        return false;
    }
    *is_new = false;
    look_at(look, activity, times, local, cx)
}

#[cold]
fn look_at(
    mut look: Pin<&mut Sleep>,
    activity: &Activity,
    times: &Times,
    local: &Local,
    cx: &mut Context<'_>,
) -> bool {
    while look.as_mut().poll(cx).is_ready() {
        match activity.check(times) {
            Ok(wait) => look.as_mut().reset(Instant::now() + wait),
            Err(slow) => {
                tracing::debug!(?slow, "a connection was too slow");
                if let Some(code) = slow.code() {
                    local.port.refusals.count(code);
                }
                return true;
            }
        }
    }
    false
}

fn times(settings: &Settings) -> Times {
    Times {
        head: settings.head_timeout,
        idle: settings.idle_timeout,
        send: settings.send_timeout,
    }
}
