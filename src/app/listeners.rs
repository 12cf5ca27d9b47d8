//! What the ports listen on: sockets that the service manager passed on, or else what is configured.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::config::Config;
use crate::http::listener::{self, Listening, Way};
use crate::service::Sockets;

/// All that is listened on.
pub(super) struct Listeners {
    pub(super) data: Vec<Listening>,
    pub(super) admin: std::net::TcpListener,
}

impl Listeners {
    /// Takes `sockets`, and binds what isn't among them.
    pub(super) fn open(config: &Config, sockets: Sockets) -> Result<Listeners> {
        let (plain, secure) = (config.http.plain, config.http.tls.listen);
        ensure!(
            plain || sockets.data.is_empty(),
            "the service manager passes on a socket \"data\", but http.plain is false"
        );
        ensure!(
            secure.is_some() || sockets.tls.is_empty(),
            "the service manager passes on a socket \"tls\", but http.tls.listen isn't set"
        );
        let plain = plain.then_some(config.http.listen);
        let mut data = either(sockets.data, plain, Way::Plain)?;
        data.extend(either(sockets.tls, secure, Way::Tls)?);
        let admin = match sockets.admin {
            Some(socket) => socket,
            None => listener::bind(config.admin.listen)?,
        };
        Ok(Listeners { data, admin })
    }

    /// Where the data port listens first, without TLS and with it.
    pub(super) fn addresses(&self) -> std::io::Result<[Option<SocketAddr>; 2]> {
        let first = |way| {
            let first = self.data.iter().find(|it| it.way == way);
            first.map(|it| it.socket.local_addr()).transpose()
        };
        Ok([first(Way::Plain)?, first(Way::Tls)?])
    }
}

/// What was passed on, or else what is configured.
fn either(
    given: Vec<std::net::TcpListener>,
    configured: Option<SocketAddr>,
    way: Way,
) -> std::io::Result<Vec<Listening>> {
    let kept = |socket| Listening {
        socket,
        way,
        is_kept: true,
    };
    if !given.is_empty() {
        return Ok(given.into_iter().map(kept).collect());
    }
    let bound = configured.map(|address| Listening::bind(address, way));
    bound.into_iter().collect()
}
