//! The ways in which HTTP lets clients send: one connection for much, chunks, versions old and new.

use std::fmt::Write as _;
use std::io::Read;
use std::time::Duration;

use super::*;
use crate::support::topic::values;
use crate::support::{eventually, h2};

fn event(id: usize) -> String {
    format!(r#"{{"user":"u","id":"{id}"}}"#)
}

fn head(more: &str) -> String {
    format!("POST {EVENTS} HTTP/1.1\r\nhost: test\r\n{more}\r\n")
}

fn ids(mock: &Mock) -> Vec<usize> {
    let id = |text: &String| {
        serde_json::from_str::<Value>(text).unwrap()["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    };
    values(mock.bootstrap(), "events").iter().map(id).collect()
}

#[test]
fn a_connection_serves_many_requests() {
    let (mock, gateway) = started("");
    let mut client = gateway.client();
    for id in 0..100 {
        check_taken(&client.post_json("events", &event(id)), 1);
    }
    assert!(ids(&mock).into_iter().eq(0..100));
    assert_eq!(gateway.status()["connections"], 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (mock, gateway) = started("");
    let mut client = gateway.client();
    let mut requests = String::new();
    for id in 0..50 {
        let (path, body) = match id % 5 {
            3 => ("/v1/events/nobody", String::new()),
            4 => (EVENTS, "{".repeat(id)),
            _ => (EVENTS, event(id)),
        };
        write!(
            requests,
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
    }
    client.write(requests.as_bytes()).unwrap();
    for id in 0..50 {
        let answer = client.answer().unwrap();
        match id % 5 {
            3 => drop(check_problem(&answer, 404, "unknown_stream")),
            4 => {
                let problem = check_problem(&answer, 400, "malformed");
                let detail = problem["detail"].as_str().unwrap();
                assert!(id == 4 || detail.contains("byte 1: "), "{id}: {detail}");
            }
            _ => check_taken(&answer, 1),
        }
    }
    assert!(ids(&mock).into_iter().eq((0..50).filter(|id| id % 5 < 3)));
}

#[test]
fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let (_mock, gateway) = started("");
    let mut client = gateway.client();
    let body = event(1);
    let whole = head(&format!("content-length: {}\r\n", body.len())) + &body;
    for at in [1, 20, whole.len() - 1] {
        let (begin, rest) = whole.split_at(at);
        client.write((whole.clone() + begin).as_bytes()).unwrap();
        check_taken(&client.answer().unwrap(), 1);
        client.write(rest.as_bytes()).unwrap();
        check_taken(&client.answer().unwrap(), 1);
    }
}

#[test]
fn the_last_answer_of_a_connection_arrives_whatever_was_sent_after_its_request() {
    let (_mock, gateway) = started("");
    let body = event(1);
    let last = head(&format!(
        "connection: close\r\ncontent-length: {}\r\n",
        body.len()
    )) + &body;
    let refused = head(&format!(
        "content-type: image/png\r\ncontent-length: {}\r\n",
        body.len()
    )) + &body;
    for more in ["", "\r\n", "x", &last, "POST /"] {
        for (request, status) in [(&last, 200), (&refused, 415)] {
            let mut client = gateway.client();
            client.write((request.clone() + more).as_bytes()).unwrap();
            assert_eq!(client.answer().unwrap().status, status, "{more:?}");
            assert_eq!(client.until_closed(Duration::from_secs(5)), Some(vec![]));
        }
    }
}

#[test]
fn a_chunked_body_is_put_together() {
    let (mock, gateway) = started("");
    let mut client = gateway.client();
    // The last one has a trailer, behind which the connection ends.
    for (size, end) in [
        (1, "0\r\n\r\n"),
        (1000, "000;last\r\n\r\n"),
        (7, "0\r\nx-trailer: yes\r\n\r\n"),
    ] {
        let body = event(size);
        client
            .write(head("transfer-encoding: chunked\r\n").as_bytes())
            .unwrap();
        for chunk in body.as_bytes().chunks(size) {
            client
                .write(format!("{:X};a=\"b\"\r\n", chunk.len()).as_bytes())
                .unwrap();
            client.write(chunk).unwrap();
            client.write(b"\r\n").unwrap();
        }
        client.write(end.as_bytes()).unwrap();
        check_taken(&client.answer().unwrap(), 1);
    }
    assert_eq!(client.until_closed(Duration::from_secs(5)), Some(vec![]));
    assert_eq!(ids(&mock), [1, 1000, 7]);
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on_or_refused_at_once() {
    let (_mock, gateway) = started("");
    let mut client = gateway.client();
    let body = event(1);
    let asking = head(&format!(
        "content-length: {}\r\nexpect: 100-continue\r\n",
        body.len()
    ));
    client.write(asking.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    client.socket.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write(body.as_bytes()).unwrap();
    check_taken(&client.answer().unwrap(), 1);

    client
        .write(head("content-length: 1000000000\r\nexpect: 100-continue\r\n").as_bytes())
        .unwrap();
    let mut refused = [0; 12];
    client.socket.read_exact(&mut refused).unwrap();
    assert_eq!(&refused, b"HTTP/1.1 413");
    assert!(client.until_closed(Duration::from_secs(5)).is_some());
}

#[test]
fn a_client_of_http_1_0_is_served_and_then_left() {
    let (_mock, gateway) = started("");
    let mut client = gateway.client();
    let body = event(1);
    client
        .write(
            format!(
                "POST {EVENTS} HTTP/1.0\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        )
        .unwrap();
    check_taken(&client.answer().unwrap(), 1);
    assert_eq!(client.until_closed(Duration::from_secs(5)), Some(vec![]));
}

#[test]
fn a_hundred_streams_of_one_http2_connection_are_served_at_once() {
    let (mock, gateway) = started("");
    mock.with(|cluster| {
        cluster
            .broker_round_trip_time(1, Duration::from_millis(300))
            .unwrap()
    });
    h2::connected(gateway.data, async |connection| {
        let connection = std::rc::Rc::new(connection);
        let begun = std::time::Instant::now();
        let local = tokio::task::LocalSet::new();
        let posts: Vec<_> = (0..100)
            .map(|id| {
                let connection = std::rc::Rc::clone(&connection);
                local.spawn_local(async move { connection.post(EVENTS, &event(id)).await })
            })
            .collect();
        let expected = (
            200,
            "application/json".to_owned(),
            r#"{"accepted":1,"acked":1,"spilled":0}"#.to_owned(),
        );
        local
            .run_until(async {
                for post in posts {
                    assert_eq!(post.await.unwrap().unwrap(), expected);
                }
            })
            .await;
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "one after another they would take 30 s"
        );

        let (status, kind, body) = connection
            .post("/v1/events/nobody", &event(0))
            .await
            .unwrap();
        assert_eq!(
            (status, kind.as_str()),
            (404, "application/problem+json"),
            "{body}"
        );
        let (status, kind, body) = connection.post(EVENTS, "{").await.unwrap();
        assert_eq!(
            (status, kind.as_str()),
            (400, "application/problem+json"),
            "{body}"
        );
        let large = format!(r#"{{"user":"a","id":"x","x":"{}"}}"#, "x".repeat(600_000));
        let (status, _, body) = connection.post(EVENTS, &large).await.unwrap();
        assert_eq!(status, 200, "more than the windows hold: {body}");
    });
    let mut arrived = values(mock.bootstrap(), "events");
    arrived.retain(|value| value.len() < 100);
    arrived.sort_unstable();
    let mut sent: Vec<_> = (0..100).map(event).collect();
    sent.sort_unstable();
    assert_eq!(arrived, sent);
    eventually("the connection is gone", Duration::from_secs(5), || {
        gateway.status()["connections"] == 0
    });
}
