//! The clients: closed loops that end after a given number of requests, all in one thread.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::support::{self, Numbers, Shape};

/// Connections of HTTP/1.1, or streams of HTTP/2 on an eighth as many connections.
pub(crate) const CONNECTIONS: usize = 32;
const STREAMS: usize = 8;

fn body(numbers: &mut Numbers, events: usize) -> Vec<u8> {
    support::body(numbers, Shape::Json, events, 0, false)
}

/// Each connection writes `depth` requests at once and reads their answers, `times`.
pub(crate) async fn http1(address: SocketAddr, events: usize, depth: usize, times: usize) {
    let mut numbers = Numbers::new(5);
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut bytes = Vec::new();
            for _ in 0..depth {
                let body = body(&mut numbers, events);
                let length = body.len();
                let head = format!("POST /v1/events/events HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
                bytes.extend_from_slice(head.as_bytes());
                bytes.extend_from_slice(&body);
            }
            spawn_local(async move {
                let mut socket = TcpStream::connect(address).await.expect("a server");
                socket.set_nodelay(true).expect("a socket's mode");
                let mut answers = Vec::new();
                for _ in 0..times {
                    socket.write_all(&bytes).await.expect("the server reads");
                    answers.clear();
                    while memchr::memmem::find_iter(&answers, b"HTTP/1.1 20").count() < depth
                        || !(answers.ends_with(b"}") || answers.ends_with(b"\r\n\r\n"))
                    {
                        let read = socket.read_buf(&mut answers).await;
                        assert!(read.expect("the server answers") > 0, "it closed");
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a connection's task");
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
