//! HTTP/2 with prior knowledge: many requests on one connection, and a hand on its pings.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use hyper::Request;

/// A connection.
pub struct Connection {
    requests: SendRequest<Bytes>,
    pings: PingPong,
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
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let (requests, mut connection) = h2::client::handshake(socket).await.unwrap();
        let pings = connection.ping_pong().unwrap();
        let driver = tokio::spawn(connection);
        let result = test(Connection { requests, pings }).await;
        driver.abort();
        result
    })
}
