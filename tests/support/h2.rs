//! HTTP/2 with prior knowledge: many requests on one connection, and a hand on its pings.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{Ping, PingPong, Reason, RecvStream};
use hyper::Request;

/// How a stream is reset of which all was answered.
pub const NO_ERROR: Reason = Reason::NO_ERROR;

/// A connection.
pub struct Connection {
    requests: SendRequest<Bytes>,
    pings: PingPong,
    driver: tokio::task::JoinHandle<()>,
}

impl Connection {
    /// Posts a body to a path; status, content type and body of the answer.
    pub async fn post(&self, path: &str, body: &str) -> Result<(u16, String, String), h2::Error> {
        let uri = format!("http://test{path}");
        let request = Request::post(uri)
            .header("content-type", "application/json")
            .body(())
            .unwrap();
        let mut requests = self.requests.clone().ready().await?;
        let (answer, mut sending) = requests.send_request(request, false)?;
        sending.send_data(Bytes::copy_from_slice(body.as_bytes()), true)?;
        let (head, mut body) = answer.await?.into_parts();
        let mut bytes = BytesMut::new();
        while let Some(part) = body.data().await {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            bytes.extend_from_slice(&part);
        }
        let kind = head
            .headers
            .get("content-type")
            .map_or("", |value| value.to_str().unwrap());
        Ok((
            head.status.as_u16(),
            kind.to_owned(),
            String::from_utf8_lossy(&bytes).into_owned(),
        ))
    }

    /// Posts a body whose answer's body is never read; its status, and what keeps the stream open.
    pub async fn post_unread(
        &self,
        path: &str,
        body: &str,
    ) -> Result<(u16, RecvStream), h2::Error> {
        let request = Request::post(format!("http://test{path}"))
            .header("content-type", "application/x-ndjson")
            .body(())
            .unwrap();
        let mut requests = self.requests.clone().ready().await?;
        let (answer, mut sending) = requests.send_request(request, false)?;
        sending.send_data(Bytes::copy_from_slice(body.as_bytes()), true)?;
        let (head, body) = answer.await?.into_parts();
        Ok((head.status.as_u16(), body))
    }

    /// Posts a body that never ends; status of the answer, and how the stream is reset behind it.
    pub async fn refused(&self, path: &str, kind: &str) -> Result<(u16, Reason), h2::Error> {
        let request = Request::post(format!("http://test{path}")).header("content-type", kind);
        let request = request.body(()).unwrap();
        let mut requests = self.requests.clone().ready().await?;
        let (answer, mut sending) = requests.send_request(request, false)?;
        sending.send_data(Bytes::from_static(b"x"), false)?;
        let status = answer.await?.status().as_u16();
        let reset = std::future::poll_fn(|cx| sending.poll_reset(cx)).await?;
        Ok((status, reset))
    }

    /// Waits until the other side takes no more requests on it.
    pub async fn is_going_away(&self) -> bool {
        let next = async {
            loop {
                match self.requests.clone().ready().await {
                    Err(error) => return error.is_go_away() || error.is_io(),
                    Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(5), next)
            .await
            .unwrap_or(false)
    }

    /// Sends a ping and waits for its echo.
    pub async fn ping(&mut self) -> Result<(), h2::Error> {
        self.pings.ping(Ping::opaque()).await.map(drop)
    }
}

/// Connects and runs `test`.
pub fn connected<T>(address: SocketAddr, test: impl AsyncFnOnce(Connection) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let connection = open(address, 65_535).await;
        test(connection).await
    })
}

/// Connects, within a runtime; answers may have at most `window` bytes until more is asked for.
pub async fn open(address: SocketAddr, window: u32) -> Connection {
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(window);
    let (requests, mut connection) = builder.handshake(socket).await.unwrap();
    let pings = connection.ping_pong().unwrap();
    let driver = tokio::spawn(async move { drop(connection.await) });
    Connection {
        requests,
        pings,
        driver,
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
