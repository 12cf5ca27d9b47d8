//! HTTP/1.1 over TLS, by hand.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::certificates::{Authority, Signed};
use super::http::Client;

/// A connection over TLS.
pub type Secure = StreamOwned<ClientConnection, TcpStream>;

/// What a client begins with: it trusts `authority`, and shows `shown` if asked.
pub fn client(authority: &Authority, shown: Option<&Signed>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    Arc::new(match shown {
        None => builder.with_no_client_auth(),
        Some(shown) => builder
            .with_client_auth_cert(vec![shown.certificate.clone()], shown.key())
            .unwrap(),
    })
}

/// Connects and does the handshake, asking for `name`.
pub fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    name: &str,
) -> io::Result<Client<Secure>> {
    on(TcpStream::connect(address)?, config, name)
}

/// Does the handshake on what is connected, asking for `name`.
pub fn on(
    mut socket: TcpStream,
    config: &Arc<ClientConfig>,
    name: &str,
) -> io::Result<Client<Secure>> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(Client::on(StreamOwned::new(session, socket)))
}

/// Reads to the end: whether it was told as such (close_notify), or the connection broke.
pub fn was_closed_in_order(client: &mut Client<Secure>) -> io::Result<()> {
    client.socket.read_to_end(&mut Vec::new()).map(drop)
}
