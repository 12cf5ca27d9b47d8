//! What stands between an SDK and the gateway: an address that stays while gateways come and go, and that can cut connections.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Passes connections on. It listens until the test process ends.
pub(super) struct Relay {
    /// Where SDKs send to.
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the gateway is; none while there is none.
    target: Mutex<Option<SocketAddr>>,
    /// So many answers are still to be swallowed: their connections are closed instead.
    to_swallow: AtomicUsize,
    swallowed: AtomicUsize,
    /// Answers that said 429, and 503.
    refused: [AtomicUsize; 2],
    /// Connections that came while there was no gateway.
    turned_away: AtomicUsize,
}

impl Relay {
    /// Before a gateway.
    pub(super) fn before(target: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        *state.target.lock().unwrap() = Some(target);
        let of_thread = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&of_thread);
                // An SDK that is turned away here tries again.
                std::thread::spawn(move || drop(state.pass(client)));
            }
        });
        Relay { address, state }
    }

    /// Sends to another gateway from now on, or to none.
    pub(super) fn turn_to(&self, target: Option<SocketAddr>) {
        *self.state.target.lock().unwrap() = target;
    }

    /// Closes the connections of the next `count` answers of 200 instead of passing them on: the events are stored, and their SDK isn't told.
    pub(super) fn swallow(&self, count: usize) {
        self.state.to_swallow.store(count, SeqCst);
    }

    /// The number of answers that were swallowed.
    pub(super) fn swallowed(&self) -> usize {
        self.state.swallowed.load(SeqCst)
    }

    /// The number of answers that said 429, and of those that said 503.
    pub(super) fn refused(&self) -> (usize, usize) {
        let [too_many, unavailable] = &self.state.refused;
        (too_many.load(SeqCst), unavailable.load(SeqCst))
    }

    /// The number of connections that came while there was no gateway.
    pub(super) fn turned_away(&self) -> usize {
        self.state.turned_away.load(SeqCst)
    }
}

impl State {
    fn pass(&self, client: TcpStream) -> io::Result<()> {
        let target = *self.target.lock().unwrap();
        let Some(target) = target else {
            self.turned_away.fetch_add(1, SeqCst);
            return Ok(());
        };
        let gateway = TcpStream::connect(target);
        if gateway.is_err() {
            self.turned_away.fetch_add(1, SeqCst);
        }
        let gateway = gateway?;
        let (mut from_client, mut to_gateway) = (client.try_clone()?, gateway.try_clone()?);
        std::thread::spawn(move || {
            let copied = io::copy(&mut from_client, &mut to_gateway);
            to_gateway.shutdown(Shutdown::Write).and(copied).ok();
        });
        let (mut client, mut gateway) = (client, gateway);
        let mut bytes = [0; 64 << 10];
        loop {
            let read = gateway.read(&mut bytes).unwrap_or(0);
            let wants_to_swallow = |left: usize| left.checked_sub(1);
            if read == 0 {
                break;
            }
            let says = |status: &str| bytes.starts_with(format!("HTTP/1.1 {status} ").as_bytes());
            for (status, count) in ["429", "503"].iter().zip(&self.refused) {
                if says(status) {
                    count.fetch_add(1, SeqCst);
                }
            }
            let swallow = || {
                self.to_swallow
                    .fetch_update(SeqCst, SeqCst, wants_to_swallow)
            };
            if says("200") && swallow().is_ok() {
                self.swallowed.fetch_add(1, SeqCst);
                break;
            }
            client.write_all(&bytes[..read])?;
        }
        gateway.shutdown(Shutdown::Both).ok();
        client.shutdown(Shutdown::Both)
    }
}
