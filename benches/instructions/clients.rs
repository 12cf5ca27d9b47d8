//! The clients: closed loops that end after a given number of requests, all in one thread.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use bytes::Bytes;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio_rustls::TlsConnector;

use crate::servers::{SECRET, key_of};
use crate::support::{self, Numbers, Shape};

/// Connections of HTTP/1.1, or streams of HTTP/2 on an eighth as many connections.
pub(crate) const CONNECTIONS: usize = 32;
const STREAMS: usize = 8;

fn body(numbers: &mut Numbers, events: usize) -> Vec<u8> {
    support::body(numbers, Shape::Json, events, 0, false)
}

/// What a client shows and asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// The native endpoint, without a key.
    Native,
    /// The native endpoint, with a bearer's key.
    Bearer,
    /// The same with a key that nobody has.
    Stranger,
    /// The native endpoint, with a signature of the body.
    Signed,
    /// A route, with the key as the user of Basic.
    Route,
}

impl Asks {
    /// The path, and headers that show a key.
    fn head(self, body: &[u8]) -> (&'static str, String) {
        const NATIVE: &str = "/v1/events/events";
        match self {
            Asks::Native => (NATIVE, String::new()),
            Asks::Bearer => (NATIVE, format!("authorization: Bearer {}\r\n", key_of(3))),
            Asks::Stranger => (
                NATIVE,
                "authorization: Bearer a-key-of-nobody-at-all\r\n".into(),
            ),
            Asks::Signed => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
                let tag = hmac::sign(&key, body);
                let hex: String = tag.as_ref().iter().map(|it| format!("{it:02x}")).collect();
                (NATIVE, format!("x-signature: {hex}\r\n"))
            }
            Asks::Route => {
                let user = STANDARD.encode(format!("{}:", key_of(3)));
                (
                    "/sdk/r3/v1/track",
                    format!("authorization: Basic {user}\r\n"),
                )
            }
        }
    }

    /// How an answer begins.
    fn answer(self) -> &'static [u8] {
        match self {
            Asks::Stranger => b"HTTP/1.1 401",
            _ => b"HTTP/1.1 20",
        }
    }
}

/// Each connection writes `depth` requests at once and reads their answers, `times`; over TLS if it's said how.
pub(crate) async fn http1(
    address: SocketAddr,
    secure: Option<&Arc<ClientConfig>>,
    asks: Asks,
    events: usize,
    depth: usize,
    times: usize,
) {
    let mut numbers = Numbers::new(5);
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut bytes = Vec::new();
            for _ in 0..depth {
                let body = body(&mut numbers, events);
                let (length, (path, shown)) = (body.len(), asks.head(&body));
                let head = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\ncontent-type: application/json\r\n{shown}content-length: {length}\r\n\r\n");
                bytes.extend_from_slice(head.as_bytes());
                bytes.extend_from_slice(&body);
            }
            let secure = secure.map(Arc::clone);
            spawn_local(async move {
                let socket = TcpStream::connect(address).await.expect("a server");
                socket.set_nodelay(true).expect("a socket's mode");
                let begin = asks.answer();
                let Some(secure) = secure else {
                    return ask(socket, &bytes, begin, depth, times).await;
                };
                let name = ServerName::try_from("localhost").expect("a name");
                let socket = TlsConnector::from(secure).connect(name, socket).await;
                ask(socket.expect("TLS"), &bytes, begin, depth, times).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a connection's task");
    }
}

/// Writes what has `depth` requests and reads as many answers that begin so, `times`.
async fn ask(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    bytes: &[u8],
    begin: &[u8],
    depth: usize,
    times: usize,
) {
    let mut answers = Vec::new();
    for _ in 0..times {
        socket.write_all(bytes).await.expect("the server reads");
        socket.flush().await.expect("the server reads");
        answers.clear();
        while memchr::memmem::find_iter(&answers, begin).count() < depth
            || !(answers.ends_with(b"}") || answers.ends_with(b"\r\n\r\n"))
        {
            let read = socket.read_buf(&mut answers).await;
            assert!(read.expect("the server answers") > 0, "it closed");
        }
    }
}

/// Each stream sends a request and waits for its answer, `times`.
pub(crate) async fn http2(address: SocketAddr, events: usize, times: usize) {
    let mut numbers = Numbers::new(5);
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS / STREAMS {
        let socket = TcpStream::connect(address).await.expect("a server");
        socket.set_nodelay(true).expect("a socket's mode");
        let (client, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
        spawn_local(async move { drop(connection.await) });
        for _ in 0..STREAMS {
            let (client, body) = (client.clone(), Bytes::from(body(&mut numbers, events)));
            tasks.push(spawn_local(async move {
                for _ in 0..times {
                    exchange(client.clone(), body.clone())
                        .await
                        .expect("an answer");
                }
            }));
        }
    }
    for task in tasks {
        task.await.expect("a stream's task");
    }
}

async fn exchange(client: h2::client::SendRequest<Bytes>, body: Bytes) -> Result<(), h2::Error> {
    let head = hyper::Request::post("http://127.0.0.1/v1/events/events")
        .header("content-type", "application/json")
        .body(())
        .expect("a request");
    let (answer, mut sending) = client.ready().await?.send_request(head, false)?;
    sending.send_data(body, true)?;
    let mut answer = answer.await?;
    assert!(answer.status().is_success(), "{}", answer.status());
    while let Some(data) = answer.body_mut().data().await {
        let length = data?.len();
        answer.body_mut().flow_control().release_capacity(length)?;
    }
    Ok(())
}
