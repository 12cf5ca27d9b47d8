//! Connections of HTTP/2.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use tokio::net::TcpStream;

use super::Counts;
use super::request::Request;

/// One connection of HTTP/2: `depth` streams, each in its own loop.
pub(super) async fn run(socket: TcpStream, requests: VecDeque<Request>, counts: Rc<Counts>) {
    let (client, connection) = h2::client::handshake(socket)
        .await
        .expect("a server of HTTP/2");
    // Its end is noticed by the streams.
    let connection = tokio::task::spawn_local(async move { drop(connection.await) });
    let depth = counts.case.depth;
    let streams: Vec<_> = requests
        .into_iter()
        .take(depth)
        .map(|request| {
            tokio::task::spawn_local(stream(client.clone(), request, Rc::clone(&counts)))
        })
        .collect();
    for stream in streams {
        stream.await.expect("a stream's task");
    }
    connection.abort();
}

async fn stream(
    mut client: h2::client::SendRequest<bytes::Bytes>,
    mut request: Request,
    counts: Rc<Counts>,
) {
    while !counts.stop.get() {
        let first = request.renew(&counts);
        let body = bytes::Bytes::copy_from_slice(request.body());
        let sent = Instant::now();
        let Ok(status) = exchange(&mut client, &request, body).await else {
            let lost = counts.case.events as u64;
            counts.unknown.set(counts.unknown.get() + lost);
            return;
        };
        counts.answered(&request, first, sent, status);
    }
}

async fn exchange(
    client: &mut h2::client::SendRequest<bytes::Bytes>,
    request: &Request,
    body: bytes::Bytes,
) -> Result<u16, h2::Error> {
    std::future::poll_fn(|cx| client.poll_ready(cx)).await?;
    let mut head = hyper::Request::post(format!("http://127.0.0.1{}", request.path));
    for (name, value) in &request.headers {
        head = head.header(*name, *value);
    }
    let head = head.body(()).expect("a request");
    let (answer, mut sending) = client.send_request(head, false)?;
    // h2 waits for the windows by itself.
    sending.send_data(body, true)?;
    let mut answer = answer.await?;
    while let Some(data) = answer.body_mut().data().await {
        let length = data?.len();
        answer.body_mut().flow_control().release_capacity(length)?;
    }
    Ok(answer.status().as_u16())
}
