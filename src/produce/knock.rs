//! Whether anybody listens where a cluster's brokers are: a connection that is opened and closed, without librdkafka.
//!
//! A client whose brokers are all away tries to reach them some ten times a second, with three threads. A knock once a second costs a
//! fifth of a millisecond.
//!
//! What is absent: Kafka. Who listens may be anybody.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// How long a connection may take: some round trips to another continent. Where packets vanish, each knock takes as long.
const WITHIN: Duration = Duration::from_millis(500);

/// The doors of a cluster.
#[derive(Debug, Default)]
pub(super) struct Doors {
    /// `host:port`, those of the configuration first.
    addresses: Vec<String>,
    /// Where the next round begins.
    next: usize,
    /// How many were found shut, one after the other.
    shut: usize,
}

impl Doors {
    /// Those of a list of brokers, separated by commas.
    pub(super) fn of(bootstrap: &str) -> Doors {
        let addresses = bootstrap.split(',').map(str::trim);
        let addresses = addresses.filter(|address| !address.is_empty());
        Doors {
            addresses: addresses.map(str::to_owned).collect(),
            next: 0,
            shut: 0,
        }
    }

    /// Puts the brokers that the cluster has told behind those of the configuration, which are `bootstrap`.
    pub(super) fn learn(&mut self, bootstrap: &str, told: impl Iterator<Item = String>) {
        let mut doors = Doors::of(bootstrap);
        for address in told {
            if !doors.addresses.contains(&address) {
                doors.addresses.push(address);
            }
        }
        if doors.addresses != self.addresses {
            *self = doors;
        }
    }

    /// Knocks at one after the other, until somebody is there: the address. A round ends with the first that takes long, so that it
    /// blocks for [`WITHIN`] at most, beside what names take; the next one goes on behind it.
    pub(super) fn knock(&mut self) -> Option<&str> {
        for _ in 0..self.addresses.len() {
            let (at, begun) = (self.next, Instant::now());
            self.next = (at + 1) % self.addresses.len();
            if is_open(&self.addresses[at]) {
                self.shut = 0;
                return Some(&self.addresses[at]);
            }
            self.shut += 1;
            if begun.elapsed() >= WITHIN / 2 {
                return None;
            }
        }
        None
    }

    /// Whether nobody was there at any of them, when they were asked last.
    pub(super) fn are_shut(&self) -> bool {
        self.shut >= self.addresses.len()
    }
}

fn is_open(address: &str) -> bool {
    let found = address.to_socket_addrs();
    let mut found = found.into_iter().flatten();
    // A name's addresses are one broker's: the first two are its IPv4 and its IPv6.
    let mut two = found.by_ref().take(2);
    two.any(|address| TcpStream::connect_timeout(&address, WITHIN / 2).is_ok())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_listens_is_found_among_those_who_do_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap().to_string();
        let mut doors = Doors::of(&format!("127.0.0.1:1, {there}"));
        assert_eq!(doors.knock(), Some(&*there));
        assert_eq!(doors.knock(), Some(&*there), "the other one is asked first");
        drop(listener);
        assert!(!doors.are_shut());
        assert_eq!(doors.knock(), None);
        assert!(doors.are_shut());
        assert_eq!(Doors::of("").knock(), None);
    }

    #[test]
    fn brokers_that_the_cluster_has_told_are_asked_as_well() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap().to_string();
        let mut doors = Doors::of("127.0.0.1:1");
        assert_eq!(doors.knock(), None);
        let told = ["127.0.0.1:1".to_owned(), there.clone()];
        doors.learn("127.0.0.1:1", told.into_iter());
        assert_eq!(doors.addresses.len(), 2);
        assert_eq!(doors.knock(), Some(&*there));
    }
}
