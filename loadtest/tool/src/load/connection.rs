//! One connection to the gateway: opened when it's needed, one request after the other or, with HTTP/2, many at once.

use std::net::ToSocketAddrs as _;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// After a connection that couldn't be had, so that a dead gateway isn't hammered.
const PAUSE: Duration = Duration::from_millis(20);

/// Where the gateway is.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    host: String,
}

impl Address {
    /// From `http://HOST:PORT`.
    pub(crate) fn parse(url: &str) -> Result<Address> {
        let Some(host) = url.trim_end_matches('/').strip_prefix("http://") else {
            bail!("{url} doesn't begin with http://; terminate TLS in front of the generator");
        };
        if host.contains('/') || host.is_empty() {
            bail!("{url} must be http://HOST:PORT without a path");
        }
        let host = if host.rsplit(']').next().is_some_and(|end| end.contains(':')) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        Ok(Address { host })
    }

    /// HOST:PORT.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Fails with what to do if nobody listens.
    pub(crate) fn reachable(&self) -> Result<()> {
        let mut last = None;
        let found = self
            .host
            .to_socket_addrs()
            .with_context(|| format!("{} has no address", self.host))?;
        for address in found {
            match std::net::TcpStream::connect_timeout(&address, CONNECT_WITHIN) {
                Ok(_) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        bail!(
            "can't connect to {}: {}; is the gateway up, and is this its data port?",
            self.host,
            last.map_or_else(|| "no address".into(), |error| error.to_string())
        )
    }
}

enum Sender {
    H1(http1::SendRequest<Full<Bytes>>),
    H2(http2::SendRequest<Full<Bytes>>),
}

/// What came of a request.
pub(super) enum Reply {
    /// An answer.
    Answer(u16, Bytes),
    /// No answer, or none in time: it may have been taken.
    None,
    /// There was no connection: it wasn't sent.
    Unsent,
}

/// A connection, or the wish for one. With HTTP/2 several senders share it.
pub(super) struct Connection {
    address: Address,
    h2: bool,
    sender: Mutex<Option<Sender>>,
    patience: Duration,
}

impl Connection {
    /// One that connects with its first request.
    pub(super) fn new(address: Address, h2: bool, patience: Duration) -> Connection {
        Connection {
            address,
            h2,
            sender: Mutex::new(None),
            patience,
        }
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn send(&self, path: &str, content_type: &'static str, body: Bytes) -> Reply {
        // The second try is for a connection that the gateway closed while it was idle.
        for _ in 0..2 {
            let request = match self.request(path, content_type, body.clone()) {
                Ok(request) => request,
                Err(_) => return Reply::Unsent,
            };
            let reply = if self.h2 {
                self.send_h2(request).await
            } else {
                self.send_h1(request).await
            };
            match reply {
                Some(reply) => return reply,
                None => continue,
            }
        }
        tokio::time::sleep(PAUSE).await;
        Reply::Unsent
    }

    fn request(
        &self,
        path: &str,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>> {
        let uri = if self.h2 {
            format!("http://{}{path}", self.address.host)
        } else {
            path.to_owned()
        };
        let mut request = Request::post(uri).header("content-type", content_type);
        if !self.h2 {
            request = request.header("host", &self.address.host);
        }
        Ok(request.body(Full::new(body))?)
    }

    /// `None` if it certainly wasn't sent.
    async fn send_h1(&self, request: Request<Full<Bytes>>) -> Option<Reply> {
        let mut slot = self.sender.lock().await;
        if slot.is_none() {
            *slot = self.connect().await.ok();
        }
        // Taken out: whatever ends this early ends the connection.
        let Some(Sender::H1(mut sender)) = slot.take() else {
            return None;
        };
        sender.ready().await.ok()?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>((status, body))
        };
        match timeout(self.patience, exchange).await {
            Ok(Ok((status, body))) => {
                *slot = Some(Sender::H1(sender));
                Some(Reply::Answer(status, body))
            }
            Ok(Err(error)) if error.is_canceled() => None,
            Ok(Err(_)) | Err(_) => Some(Reply::None),
        }
    }

    /// `None` if it certainly wasn't sent.
    async fn send_h2(&self, request: Request<Full<Bytes>>) -> Option<Reply> {
        let mut sender = {
            let mut slot = self.sender.lock().await;
            if let Some(Sender::H2(sender)) = &*slot
                && sender.is_closed()
            {
                *slot = None;
            }
            if slot.is_none() {
                *slot = self.connect().await.ok();
            }
            match &*slot {
                Some(Sender::H2(sender)) => sender.clone(),
                _ => return None,
            }
        };
        sender.ready().await.ok()?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>((status, body))
        };
        match timeout(self.patience, exchange).await {
            Ok(Ok((status, body))) => Some(Reply::Answer(status, body)),
            Ok(Err(error)) if error.is_canceled() => None,
            Ok(Err(_)) | Err(_) => Some(Reply::None),
        }
    }

    async fn connect(&self) -> Result<Sender> {
        let stream = timeout(CONNECT_WITHIN, TcpStream::connect(&self.address.host)).await??;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        if self.h2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            Ok(Sender::H2(sender))
        } else {
            let (sender, connection) = http1::handshake(io).await?;
            tokio::spawn(connection);
            Ok(Sender::H1(sender))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_say_what_is_wrong_with_them() {
        let host = |url| Address::parse(url).map(|address| address.host);
        assert_eq!(host("http://a:8080/").unwrap(), "a:8080");
        assert_eq!(host("http://a").unwrap(), "a:80");
        assert_eq!(host("http://[::1]:8080").unwrap(), "[::1]:8080");
        assert_eq!(host("http://[::1]").unwrap(), "[::1]:80");
        for wrong in ["https://a", "a:8080", "http://", "http://a/v1"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }
}
