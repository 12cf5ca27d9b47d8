//! The data port over TLS.

mod admin;
mod certificates;
mod clients;
mod ends;
mod stalled;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::certificates::Authority;
use crate::support::eventually;
use crate::support::gateway::{Gateway, config};
use crate::support::mock::Mock;
use crate::support::secure;

const EVENTS: &str = "/v1/events/events";
const EVENT: &str = r#"{"user":"a","id":"1"}"#;
const MS: Duration = Duration::from_millis(1);
const SOON: Duration = Duration::from_secs(5);
/// The names of the certificate `main`.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// A mock cluster, an authority, and a gateway with its certificate `main`. `more` follows `[http.tls]`.
struct World {
    _mock: Mock,
    authority: Authority,
    gateway: Gateway,
}

impl World {
    fn new(more: &str) -> World {
        World::with("", more)
    }

    /// As [`World::new`]; `first` stands before `[http.tls]`.
    fn with(first: &str, more: &str) -> World {
        let authority = Authority::new("servers");
        authority.write("main", &NAMES);
        World::of(authority, first, more)
    }

    fn of(authority: Authority, first: &str, more: &str) -> World {
        let mock = Mock::start(1, &[("events", 1)]);
        let text = configuration(&mock, &authority, first, more);
        let gateway = Gateway::ready(&text);
        World {
            _mock: mock,
            authority,
            gateway,
        }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.tls.unwrap()
    }

    /// A good request on a connection of its own; its status, or why there is none.
    fn post(&self, client: &std::sync::Arc<rustls::ClientConfig>) -> std::io::Result<u16> {
        let mut client = secure::connect(self.address(), client, "localhost")?;
        client.send(EVENTS, &[], EVENT.as_bytes())?;
        Ok(client.answer()?.status)
    }

    /// How often it was refused for this reason.
    fn refused(&self, reason: &str) -> u64 {
        self.gateway.refused(reason)
    }
}

fn configuration(mock: &Mock, authority: &Authority, first: &str, more: &str) -> String {
    let main = authority.section("main");
    let tls = format!("{first}\n[http.tls]\nlisten = \"127.0.0.1:0\"\n{more}\n{main}");
    config(mock.bootstrap(), &tls)
}
