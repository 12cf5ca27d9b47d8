//! Slowness: each part of a request has its time, and so has doing nothing; a client that waits for Kafka isn't slow.

use super::*;
use crate::support::h2;

/// Sends `bytes` one by one, every 50 ms, until the connection is closed; the time that took, and what came back.
fn drip(mut client: Client, bytes: &[u8]) -> (Duration, Vec<u8>) {
    let begun = Instant::now();
    for byte in bytes {
        let broken = client.write(&[*byte]).is_err();
        if let Some(came) = client.until_closed(50 * MS) {
            return (begun.elapsed(), came);
        }
        assert!(!broken && begun.elapsed() < SOON, "still open");
    }
    panic!("all was taken");
}

#[test]
fn a_head_that_drips_in_is_cut_off_after_its_time() {
    let (_mock, gateway) = started("[http]\nhead_timeout = \"600ms\"\n");
    let endless = head(&"x".repeat(1000));
    let preface = format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{}", "\0".repeat(1000));
    for bytes in [endless, preface, "\r\n".repeat(500)] {
        let (took, _) = drip(gateway.client(), bytes.as_bytes());
        assert!(
            took >= 600 * MS && took < 3000 * MS,
            "{took:?}: {bytes:.20}"
        );
    }
    let refused = &gateway.status()["refusals"]["head_timeout"];
    assert_eq!(refused, 3, "each is counted");
    check_good_client(&gateway);
}

#[test]
fn a_head_that_begins_like_the_preface_of_http2_has_no_more_time() {
    let (_mock, gateway) = started("[http]\nhead_timeout = \"600ms\"\n");
    let mut client = gateway.client();
    // Its first bytes come at once: they alone tell nothing.
    client.write(b"PRI /v1/events/events HTTP/1.1\r\n").unwrap();
    let (took, _) = drip(client, "host: test\r\nx: ".repeat(100).as_bytes());
    assert!(took >= 600 * MS && took < 3000 * MS, "{took:?}");
    let refusals = &gateway.status()["refusals"];
    assert_eq!(refusals["head_timeout"], 1, "{refusals}");
    // Served to its end, it's a request like any other.
    let mut client = gateway.client();
    client
        .write(b"PRI /v1/events/events HTTP/1.1\r\nhost: test\r\n\r\n")
        .unwrap();
    assert_eq!(client.answer().unwrap().status, 405);
    let refusals = &gateway.status()["refusals"];
    let counted = refusals.as_object().unwrap().values();
    assert_eq!(
        counted.filter_map(serde_json::Value::as_u64).sum::<u64>(),
        2,
        "{refusals}"
    );
    check_good_client(&gateway);
}

#[test]
fn a_body_that_drips_in_or_stops_is_408_after_its_time() {
    let (_mock, gateway) = started("[http]\nbody_timeout = \"600ms\"\n");
    let mut stopped = gateway.client();
    stopped
        .write((head("content-length: 1000\r\n") + "{\"user\"").as_bytes())
        .unwrap();
    let begun = Instant::now();
    let answer = stopped.answer().unwrap();
    let took = begun.elapsed();
    assert!(took >= 590 * MS && took < 3000 * MS, "{took:?}");
    assert_eq!(
        (answer.status, answer.json()["type"].as_str()),
        (408, Some("urn:forebay:body_timeout"))
    );
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(stopped.until_closed(SOON).is_some());

    for framing in ["content-length: 1000\r\n", "transfer-encoding: chunked\r\n"] {
        let mut client = gateway.client();
        client.write(head(framing).as_bytes()).unwrap();
        let body = format!("{:x}\r\n{}", 1000, " ".repeat(1000));
        let (took, came) = drip(client, body.as_bytes());
        assert!(took >= 590 * MS && took < 3000 * MS, "{framing}: {took:?}");
        assert!(
            came.starts_with(b"HTTP/1.1 408 "),
            "{}",
            String::from_utf8_lossy(&came)
        );
    }
    check_good_client(&gateway);
}

#[test]
fn a_connection_that_rests_is_closed_after_its_time_and_not_sooner() {
    let (_mock, gateway) = started("[http]\nidle_timeout = \"800ms\"\nhead_timeout = \"300ms\"\n");
    for used in [false, true] {
        let mut client = gateway.client();
        if used {
            check_served(&mut client);
        }
        let begun = Instant::now();
        assert_eq!(client.until_closed(SOON), Some(vec![]));
        let took = begun.elapsed();
        assert!(took >= 700 * MS && took < 3000 * MS, "{took:?}");
    }
    // Each request begins the time anew.
    let mut client = gateway.client();
    for _ in 0..4 {
        check_served(&mut client);
        assert_eq!(client.until_closed(500 * MS), None);
        client.socket.set_read_timeout(Some(SOON)).unwrap();
    }
}

#[test]
fn a_request_that_waits_for_kafka_is_neither_idle_nor_slow() {
    let times =
        "[http]\nidle_timeout = \"300ms\"\nhead_timeout = \"300ms\"\nbody_timeout = \"300ms\"\n";
    let (mock, gateway) = started(times);
    mock.with(|cluster| cluster.broker_round_trip_time(1, 1200 * MS).unwrap());
    let begun = Instant::now();
    check_good_client(&gateway);
    h2::connected(gateway.data, async |connection| {
        assert_eq!(connection.post(EVENTS, EVENT).await.unwrap().0, 200);
    });
    assert!(begun.elapsed() >= 2000 * MS, "it didn't wait");
}

#[test]
fn an_http2_connection_whose_client_answers_pings_rests_as_long_as_any_other() {
    let (_mock, gateway) = started("[http]\nidle_timeout = \"20s\"\nhead_timeout = \"300ms\"\n");
    h2::connected(gateway.data, async |mut connection| {
        assert_eq!(connection.post(EVENTS, EVENT).await.unwrap().0, 200);
        connection.ping().await.unwrap();
        tokio::time::sleep(1000 * MS).await;
        let answer = connection.post(EVENTS, EVENT).await;
        assert_eq!(answer.expect("a ping is no head of a request").0, 200);
    });
}
