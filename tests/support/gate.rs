//! A gate between a gateway and real brokers on this machine: what goes through is what Kafka gets, and while it's closed
//! Kafka is away for this gateway, and for nobody else. So that many tests can have an outage of one shared broker.
//!
//! Clients connect to the addresses that brokers advertise. The gate writes its own ports into what brokers answer: host
//! and port stand next to each other in every answer that names a broker, and no length changes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex};

use crate::kafka::Kafka;

const HOST: &str = "127.0.0.1";

/// Open until [`Gate::close`].
pub struct Gate {
    state: Arc<State>,
    bootstrap: String,
}

struct State {
    is_open: AtomicBool,
    /// What goes through now: both ends of every connection.
    sockets: Mutex<Vec<TcpStream>>,
    /// Ports of brokers, and ours for them.
    ports: Vec<(u16, u16)>,
}

impl Gate {
    /// Before all brokers of a cluster; `None`, and a word on it, if they aren't on this machine.
    pub fn before_or_skip(kafka: &Kafka) -> Option<Gate> {
        Gate::at_or_skip(kafka.bootstrap())
    }

    /// As [`Gate::before_or_skip`], where clients have to say who they are.
    pub fn guarded_or_skip(kafka: &Kafka) -> Option<Gate> {
        Gate::at_or_skip(kafka.guarded_bootstrap())
    }

    fn at_or_skip(addresses: &str) -> Option<Gate> {
        let brokers: Option<Vec<u16>> = addresses
            .split(',')
            .map(|address| address.strip_prefix(HOST)?.strip_prefix(':')?.parse().ok())
            .collect();
        let Some(brokers) = brokers else {
            return super::skip("a gate before Kafka", "its brokers aren't at 127.0.0.1");
        };
        let listeners = brokers
            .iter()
            .map(|_| TcpListener::bind((HOST, 0)).unwrap());
        let listeners: Vec<_> = listeners.collect();
        let own = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().port());
        let ports: Vec<_> = brokers.iter().copied().zip(own).collect();
        let names = ports.iter().map(|(_, own)| format!("{HOST}:{own}"));
        let bootstrap = names.collect::<Vec<_>>().join(",");
        let state = Arc::new(State {
            is_open: AtomicBool::new(true),
            sockets: Mutex::default(),
            ports,
        });
        for (listener, broker) in listeners.into_iter().zip(brokers) {
            let state = Arc::clone(&state);
            std::thread::spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    // Whoever is refused here tries again later, and so does one whose broker is gone.
                    drop(state.let_in(client, broker));
                }
            });
        }
        Some(Gate { state, bootstrap })
    }

    /// What the gateway takes for Kafka.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Cuts all connections and lets none in. What got through before may be stored; nothing else will be.
    pub fn close(&self) {
        let mut sockets = self.state.sockets.lock().unwrap();
        self.state.is_open.store(false, Release);
        for socket in sockets.drain(..) {
            drop(socket.shutdown(Shutdown::Both));
        }
    }

    /// Lets them in again.
    pub fn open(&self) {
        self.state.is_open.store(true, Release);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    fn let_in(self: &Arc<State>, client: TcpStream, broker: u16) -> io::Result<()> {
        if !self.is_open.load(Acquire) {
            return Ok(());
        }
        let server = TcpStream::connect((HOST, broker))?;
        for socket in [&client, &server] {
            socket.set_nodelay(true)?;
        }
        let (mut requests, mut to_server) = (client.try_clone()?, server.try_clone()?);
        let (mut answers, mut to_client) = (server.try_clone()?, client.try_clone()?);
        let mut sockets = self.sockets.lock().unwrap();
        if !self.is_open.load(Acquire) {
            return Ok(());
        }
        sockets.extend([client, server]);
        drop(sockets);
        std::thread::spawn(move || {
            drop(io::copy(&mut requests, &mut to_server));
            drop(to_server.shutdown(Shutdown::Both));
        });
        let state = Arc::clone(self);
        std::thread::spawn(move || {
            // Ends with the connection.
            while let Ok(mut answer) = answer(&mut answers) {
                state.rename(&mut answer);
                if to_client.write_all(&answer).is_err() {
                    break;
                }
            }
            drop(to_client.shutdown(Shutdown::Both));
        });
        Ok(())
    }

    /// Writes our ports in the place of the brokers'.
    fn rename(&self, answer: &mut [u8]) {
        let host = HOST.as_bytes();
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&answer[from..], host) {
            from += at + host.len();
            let Some(port) = answer.get_mut(from..from + 4) else {
                return;
            };
            let written = u32::from_be_bytes([port[0], port[1], port[2], port[3]]);
            let ours = |(broker, own): &(u16, u16)| (u32::from(*broker) == written).then_some(*own);
            if let Some(own) = self.ports.iter().find_map(ours) {
                port.copy_from_slice(&u32::from(own).to_be_bytes());
            }
        }
    }
}

/// One answer with its length in front.
fn answer(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut answer = length.to_vec();
    answer.resize(4 + u32::from_be_bytes(length) as usize, 0);
    from.read_exact(&mut answer[4..])?;
    Ok(answer)
}
