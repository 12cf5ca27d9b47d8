//! Who is at the other end of a connection, as far as the connection itself tells.

use std::net::SocketAddr;

use crate::tls::Certificate;

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The certificate that it showed and that was verified; none without TLS, or where none is asked for.
    pub certificate: Option<Box<Certificate>>,
}

impl Peer {
    /// Known by its address alone.
    pub fn at(address: SocketAddr) -> Peer {
        Peer {
            address,
            certificate: None,
        }
    }
}

#[cfg(test)]
impl Default for Peer {
    fn default() -> Self {
        Peer::at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }
}
