//! The data port's sockets: binds, accepts within the limits, deals connections out.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};

use super::addresses::AddressTicket;
use super::linger;
use super::port::Port;
use super::settings::Settings;
use crate::budget::HeldByProcess;
use crate::lifecycle::{Phase, Watch, reached};
use crate::route::cut;

/// Connections that wait in the kernel to be accepted: a surge of reconnecting clients.
const BACKLOG: i32 = 4_096;
/// Connections on their way to one HTTP thread, at most.
pub(super) const DEALT: usize = 1_024;
/// What a client is told for whose connection there is no memory.
const NO_MEMORY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
    retry-after: 1\r\nconnection: close\r\ncontent-length: 133\r\n\r\n\
    {\"type\":\"urn:forebay:no_memory\",\"title\":\"Service Unavailable\",\"status\":503,\
    \"detail\":\"there is no memory for a connection; try again\"}";
/// How long accepting pauses when the system has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// How long the listener stays open once the process closes, for handshakes under way: closing it resets what it has not
/// accepted, and with it requests that were already sent.
pub(super) const LAST_CALL: Duration = Duration::from_millis(100);

/// How connections of a listener begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// With a request.
    Plain,
    /// With a handshake.
    Tls,
}

/// A listening socket.
#[derive(Debug)]
pub struct Listening {
    /// The socket.
    pub socket: std::net::TcpListener,
    /// How its connections begin.
    pub way: Way,
    /// Somebody else holds it open as well, before and after this process. What isn't accepted waits for the next one.
    pub is_kept: bool,
}

impl Listening {
    /// One of this process alone.
    ///
    /// # Errors
    ///
    /// As [`bind`].
    pub fn bind(address: SocketAddr, way: Way) -> io::Result<Listening> {
        Ok(Listening {
            socket: bind(address)?,
            way,
            is_kept: false,
        })
    }
}

/// A connection with what it's charged for, given back when this is dropped.
#[derive(Debug)]
pub struct Accepted {
    /// The socket, taken off the acceptor's runtime.
    pub socket: std::net::TcpStream,
    /// The other end of the socket.
    pub peer: SocketAddr,
    /// How it begins.
    pub way: Way,
    /// Before that, a balancer says whose it is.
    pub is_proxied: bool,
    /// The settings that it's charged by and served by.
    pub settings: Arc<Settings>,
    /// What the connection holds of the limits.
    pub ticket: Ticket,
}

/// A connection's place within the limits.
#[derive(Debug)]
pub struct Ticket {
    _permit: OwnedSemaphorePermit,
    _held: HeldByProcess,
    address: Option<AddressTicket>,
}

/// Binds `address`. The error says what to do.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let explain = |error: io::Error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "; another program listens there: choose another port",
            io::ErrorKind::PermissionDenied => {
                "; ports below 1024 need a right that this user lacks: choose another port"
            }
            io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
            _ => "",
        };
        io::Error::new(
            error.kind(),
            format!("can't listen on {address}: {error}{advice}"),
        )
    };
    let open = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    };
    open().map(Into::into).map_err(explain)
}

/// Has the kernel drop what begins a connection (SYN without ACK), so that the listener can be closed with nothing in its
/// backlog. Who connects now tries again after a second, as the kernel does by itself, and is refused then, before any request
/// was sent.
fn hold_back(listener: &TcpListener) {
    /// The byte of a TCP header that has its flags, and two of these.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    let program = [
        SockFilter::new(0x30, 0, 0, FLAGS),
        SockFilter::new(0x54, 0, 0, SYN | ACK),
        SockFilter::new(0x15, 0, 1, SYN),
        SockFilter::new(0x06, 0, 0, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ];
    if let Err(error) = SockRef::from(listener).attach_filter(&program) {
        tracing::debug!(%error, "new connections can't be held back; some may be reset");
    }
}

/// Listeners that are accepted from in turn.
struct Listeners {
    /// With how connections begin, and whether somebody else holds it open as well.
    all: Vec<(TcpListener, Way, bool)>,
    /// The one whose turn it is, so that a flood on one keeps nobody of another waiting.
    next: Cell<usize>,
    /// Whether somebody else holds all of them open as well.
    are_kept: bool,
}

impl Listeners {
    fn new(listeners: Vec<Listening>) -> io::Result<Listeners> {
        let are_kept = listeners.iter().all(|it| it.is_kept);
        let all = listeners.into_iter().map(|it| {
            let socket = TcpListener::from_std(it.socket)?;
            Ok((socket, it.way, it.is_kept))
        });
        Ok(Listeners {
            all: all.collect::<io::Result<_>>()?,
            next: Cell::new(0),
            are_kept,
        })
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, Way)> {
        poll_fn(|cx| {
            let count = self.all.len();
            let first = self.next.get();
            for at in (first..first + count).map(|at| at % count) {
                let (listener, way, _) = &self.all[at];
                if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                    self.next.set(at + 1);
                    return Poll::Ready(accepted.map(|(stream, peer)| (stream, peer, *way)));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Accepts what is under way before they are closed. A socket that somebody else holds open resets nobody, and must not be
    /// held back: the filter would stay on it for the next process.
    async fn last_call(&self) {
        if self.are_kept {
            return;
        }
        let own = self.all.iter().filter(|(_, _, is_kept)| !is_kept);
        own.for_each(|(listener, _, _)| hold_back(listener));
        tokio::time::sleep(LAST_CALL).await;
    }
}

/// Accepts until the process closes, and what was under way then; `deal` takes each connection.
pub async fn accept(
    listeners: Vec<Listening>,
    port: Arc<Port>,
    mut watch: Watch,
    mut deal: impl FnMut(Accepted),
) -> io::Result<()> {
    let listeners = Listeners::new(listeners)?;
    let mut places = Places::new();
    let mut replaced = port.replaced.subscribe();
    let closing = async {
        reached(&mut watch, Phase::Closing).await;
        listeners.last_call().await;
    };
    let mut closing = std::pin::pin!(closing);
    loop {
        // At the limit nothing is accepted: clients wait in the backlog, and then for the kernel.
        let permit = tokio::select! {
            permit = places.take(&port, &mut replaced) => permit,
            () = &mut closing => return Ok(()),
        };
        let Ok(permit) = permit else { return Ok(()) };
        let accepted = tokio::select! {
            accepted = listeners.accept() => accepted,
            () = &mut closing => return Ok(()),
        };
        match accepted {
            Ok(accepted) => {
                if let Some(accepted) = admit(accepted, permit, &port) {
                    deal(accepted);
                }
            }
            Err(error) => {
                // A client that gave up meanwhile, or no descriptors left: neither may end the port.
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Ticket {
    /// Counts the connection for the client that a balancer has named. False: the client has too many.
    pub(super) fn enter(&mut self, port: &Port, settings: &Settings, client: IpAddr) -> bool {
        let entered = enter(port, settings, client);
        let is_good = entered.is_some();
        self.address = entered.flatten();
        is_good
    }
}

/// A place among the connections of one address, if these are limited; nothing if there is none left.
fn enter(port: &Port, settings: &Settings, client: IpAddr) -> Option<Option<AddressTicket>> {
    let limit = settings.max_connections_per_address;
    if limit == 0 {
        return Some(None);
    }
    let entered = port.addresses.enter(client, limit);
    if entered.is_none() {
        port.refusals.count("too_many_connections");
        tracing::debug!(limit, "too many connections from one address");
    }
    entered.map(Some)
}

/// Charges a connection, or refuses it.
fn admit(
    (stream, peer, way): (TcpStream, SocketAddr, Way),
    permit: OwnedSemaphorePermit,
    port: &Arc<Port>,
) -> Option<Accepted> {
    let settings = Arc::clone(&port.snapshot.load().settings);
    let is_proxied = match way {
        Way::Plain => settings.proxy_protocol,
        Way::Tls => settings.tls.proxy_protocol,
    };
    // A balancer's connections are counted by their clients, who aren't known yet.
    let address = match is_proxied {
        true => None,
        false => enter(port, &settings, peer.ip())?,
    };
    let bytes = match way {
        Way::Plain => settings.connection_bytes(),
        Way::Tls => settings.secure_bytes(),
    };
    let Ok(held) = HeldByProcess::hold(&port.budget, bytes) else {
        port.refusals.count("no_memory");
        match way {
            Way::Plain => refuse(stream, peer, (permit, address), port, &settings),
            // It can't be told without a handshake, which takes memory.
            Way::Tls => {
                let peer = cut(peer.ip());
                tracing::warn!(%peer, "there is no memory for a connection; it is closed");
            }
        }
        return None;
    };
    let ticket = Ticket {
        _permit: permit,
        _held: held,
        address,
    };
    match hand_over(stream) {
        Ok(socket) => Some(Accepted {
            socket,
            peer,
            way,
            is_proxied,
            settings,
            ticket,
        }),
        Err(error) => {
            tracing::debug!(%error, "a connection broke while it was accepted");
            None
        }
    }
}

/// The places of connections, as many as are configured.
struct Places {
    /// Those that nobody has.
    free: Arc<Semaphore>,
    /// All of them.
    count: usize,
}

impl Places {
    fn new() -> Places {
        Places {
            free: Arc::new(Semaphore::new(0)),
            count: 0,
        }
    }

    /// A place, as soon as there is one by what is configured then.
    async fn take(
        &mut self,
        port: &Port,
        replaced: &mut watch::Receiver<()>,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        loop {
            self.fit(port.connections());
            let place = tokio::select! {
                place = Arc::clone(&self.free).acquire_owned() => place?,
                _ = replaced.changed() => continue,
            };
            if let Some(place) = self.keep(place, port.connections()) {
                return Ok(place);
            }
        }
    }

    /// Makes it `wanted` places. Who has one keeps it: where there are to be fewer, those that are given back go.
    fn fit(&mut self, wanted: usize) {
        self.free.add_permits(wanted.saturating_sub(self.count));
        let gone = self.free.forget_permits(self.count.saturating_sub(wanted));
        self.count = self.count.max(wanted) - gone;
    }

    /// A place that was given back, unless there are to be fewer.
    fn keep(&mut self, place: OwnedSemaphorePermit, wanted: usize) -> Option<OwnedSemaphorePermit> {
        if self.count <= wanted {
            return Some(place);
        }
        self.count -= 1;
        place.forget();
        None
    }
}

/// Answers a connection that there's no memory for, as far as that takes none: whoever waits for memory here lets all others
/// wait. Its client may be sending already, so it lingers, and keeps its place meanwhile.
fn refuse(
    stream: TcpStream,
    peer: SocketAddr,
    place: impl Send + 'static,
    port: &Arc<Port>,
    settings: &Arc<Settings>,
) {
    // No stream says yet how much of an address may be in the log.
    let network = cut(peer.ip());
    tracing::warn!(peer = %network, "there is no memory for a connection; it is answered 503");
    if let Err(error) = SockRef::from(&stream).send(NO_MEMORY) {
        tracing::debug!(peer = %network, %error, "a connection is closed without an answer");
        return;
    }
    let (port, settings) = (Arc::clone(port), Arc::clone(settings));
    tokio::spawn(async move {
        linger::close(stream, true, &port.lingering, &settings).await;
        drop(place);
    });
}

fn hand_over(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    stream.into_std()
}
