//! What a few bytes on the wire can make the gateway hold: whoever holds it, the peak stays below the budget plus 64 MiB.

use std::io::Write;
use std::net::TcpStream;

use super::*;
use crate::support::h2;

const MIB: u64 = 1 << 20;

/// A gateway with a budget of 64 MiB, and streams with keys from a header, the path and the event.
fn keyed() -> (Mock, Gateway) {
    let mock = Mock::start(1, &[("headers", 1), ("paths", 1), ("events", 1)]);
    let streams = "[memory]\nbudget = \"64MiB\"\n[http]\nmax_connections = 1000\n\
         [streams.headers]\ncluster = \"main\"\nkey = \"header:x-key\"\n\
         [streams.paths]\ncluster = \"main\"\nkey = \"path\"\n";
    let gateway = Gateway::ready(&config(mock.bootstrap(), streams));
    (mock, gateway)
}

/// Checks that no moment was above the budget of 64 MiB and what the process has beside it.
#[track_caller]
fn check_peak(gateway: &Gateway) {
    let peak = gateway.peak();
    assert!(peak <= (64 + 64) * MIB, "{} MiB at its peak", peak / MIB);
}

fn objects(count: usize) -> String {
    format!("[{}]", vec!["{}"; count].join(","))
}

/// How many are answered 200; all others were refused for want of memory.
#[track_caller]
fn count_taken(clients: &mut [Client]) -> usize {
    let answers = clients.iter_mut().map(|client| client.answer().unwrap());
    let is_taken = |answer: &crate::support::http::Answer| {
        let refused = answer.text().contains("urn:forebay:no_memory");
        assert!(answer.status == 200 || refused, "{}", answer.text());
        answer.status == 200
    };
    answers.filter(is_taken).count()
}

#[test]
fn a_key_that_a_request_has_once_and_each_event_needs_is_counted_for_each() {
    let (mock, gateway) = keyed();
    mock.with(|cluster| cluster.broker_round_trip_time(1, 150 * MS).unwrap());
    let key = "k".repeat(15_000);
    // 150 MB in Kafka's client, for 45 KB on the wire: no budget has room for many of these.
    let many = objects(10_000);
    for _ in 0..4 {
        let answer =
            gateway
                .client()
                .post("/v1/events/headers", &[("x-key", &key)], many.as_bytes());
        assert_eq!(answer.status, 413, "{}", answer.text());
        assert_eq!(answer.json()["type"], "urn:forebay:body_too_large");
        let path = format!("/v1/events/paths/{key}");
        let answer = gateway.client().post(&path, &[], many.as_bytes());
        assert_eq!(answer.status, 413, "{}", answer.text());
    }
    // 13.5 MB each: there's room for two, and for none beside them until Kafka has them.
    let some = objects(900);
    let mut clients: Vec<_> = (0..12).map(|_| gateway.client()).collect();
    for client in &mut clients {
        client
            .send("/v1/events/headers", &[("x-key", &key)], some.as_bytes())
            .unwrap();
    }
    let taken = count_taken(&mut clients);
    assert!((1..12).contains(&taken), "{taken}");
    check_peak(&gateway);
    gateway.stop();
}

#[test]
fn a_key_with_escapes_is_counted_beside_the_body_that_it_stands_in() {
    let (mock, gateway) = keyed();
    mock.with(|cluster| cluster.broker_round_trip_time(1, 150 * MS).unwrap());
    // 3.6 MB, of which nearly all is keys: in the body, as bytes, and in Kafka's client.
    let event = format!(r#"{{"id":"1","user":"{}\u006b"}}"#, "k".repeat(12_000));
    let body = format!("[{}]", vec![event.as_str(); 300].join(","));
    let mut clients: Vec<_> = (0..5).map(|_| gateway.client()).collect();
    for client in &mut clients {
        client.send(EVENTS, &[], body.as_bytes()).unwrap();
    }
    let taken = count_taken(&mut clients);
    assert!((1..5).contains(&taken), "{taken}");
    check_peak(&gateway);
    gateway.stop();
}

#[test]
fn the_limit_of_an_event_is_for_its_value_and_its_key() {
    let (_mock, gateway) = keyed();
    let value = "x".repeat(900 * 1024 - 40);
    let body = format!(r#"{{"x":"{value}"}}"#);
    let post = |key: usize| {
        let headers = [("x-key", "k".repeat(key))];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        gateway
            .client()
            .post("/v1/events/headers", &headers, body.as_bytes())
    };
    assert_eq!(post(30).status, 200);
    let answer = post(1000);
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["errors"][0]["code"], "event_too_large");
}

/// A connection of HTTP/2 with as many streams as it may have, each with a head and no end: `fields` are the head's last
/// bytes, in HPACK.
fn heads_without_bodies(gateway: &Gateway, fields: &[u8]) -> TcpStream {
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = (payload.len() as u32).to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    };
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    // POST, http, the path and the authority, in the words of RFC 7541.
    let mut head = vec![0x83, 0x86, 0x04, EVENTS.len() as u8];
    head.extend(EVENTS.as_bytes());
    head.extend([0x01, 4]);
    head.extend(b"test");
    head.extend(fields);
    for number in 0..128 {
        bytes.extend(frame(1, 4, 2 * number + 1, &head));
    }
    let mut socket = TcpStream::connect(gateway.data).unwrap();
    socket.write_all(&bytes).unwrap();
    socket
}

#[test]
fn heads_of_http2_are_counted_when_they_come_and_forgotten_when_they_are_understood() {
    let (_mock, gateway) = keyed();
    check_good_client(&gateway);
    // `accept` without a value: a byte on the wire, and a hundred here. As many as a list may have, and as a head may have.
    for count in [400, 90] {
        let fields = vec![0x93; count];
        let sockets: Vec<_> = (0..100)
            .map(|_| heads_without_bodies(&gateway, &fields))
            .collect();
        eventually("all are accepted", 4 * SOON, || {
            gateway.status()["connections"].as_u64().unwrap() >= 20
        });
        check_good_client(&gateway);
        check_peak(&gateway);
        drop(sockets);
        eventually("nothing is held", 2 * SOON, || {
            gateway.status()["memory"]["used_bytes"] == 0
        });
    }
    check_good_client(&gateway);
    check_peak(&gateway);
}

#[test]
fn answers_that_nobody_reads_hold_little_and_not_for_long() {
    let mock = Mock::start(1, &[("events", 1)]);
    let more =
        "[memory]\nbudget = \"64MiB\"\n[http]\nmax_connections = 1000\nsend_timeout = \"3s\"\n";
    let gateway = Gateway::ready(&config(mock.bootstrap(), more));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let bad = "1\n".repeat(10_000);
    runtime.block_on(async {
        let mut open = Vec::new();
        for _ in 0..20 {
            let connection = h2::open(gateway.data, 0).await;
            let mut streams = Vec::new();
            for _ in 0..100 {
                // It ends when it has brought too many of them.
                let Ok((status, stream)) = connection.post_unread(EVENTS, &bad).await else {
                    break;
                };
                assert_eq!(status, 422);
                streams.push(stream);
            }
            assert!(streams.len() > 5, "{}", streams.len());
            open.push((connection, streams));
        }
        check_good_client(&gateway);
        check_peak(&gateway);
        let begun = Instant::now();
        while gateway.status()["connections"] != 0 {
            assert!(begun.elapsed() < 3 * SOON, "they are held for ever");
            tokio::time::sleep(10 * MS).await;
        }
        drop(open);
    });
    eventually("nothing is held", SOON, || {
        gateway.status()["memory"]["used_bytes"] == 0
    });
    check_good_client(&gateway);
    gateway.stop();
}

#[test]
fn answers_that_are_taken_byte_by_byte_are_held_by_their_streams_and_not_for_long() {
    let (_mock, gateway) = started("[http]\nsend_timeout = \"3s\"\nidle_timeout = \"600s\"\n");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let used = || gateway.status()["memory"]["used_bytes"].as_u64().unwrap();
    runtime.block_on(async {
        // Each answer has room for a byte, and all of them wait for more.
        let mut connection = h2::open(gateway.data, 1).await;
        connection.ping().await.unwrap();
        let (before, begun) = (used(), Instant::now());
        let mut streams = Vec::new();
        while let Ok((status, stream)) = connection.post_unread(EVENTS, EVENT).await {
            assert_eq!(status, 200);
            streams.push(stream);
            assert!(begun.elapsed() < 2 * SOON, "it goes on for ever");
            if streams.len() == 8 {
                let more = used() - before;
                assert!(more >= 8 * 8 * 1024, "{more} bytes are counted");
            }
            tokio::time::sleep(100 * MS).await;
        }
        let took = begun.elapsed();
        assert!(took >= 2900 * MS && took < SOON, "{took:?}");
        assert!(streams.len() > 8, "{}", streams.len());
    });
    eventually("nothing is held", SOON, || used() == 0);
    assert_eq!(gateway.status()["refusals"]["answer_not_taken"], 1);
    check_good_client(&gateway);
}

#[test]
fn a_client_that_reads_nothing_is_left_after_its_time_though_it_goes_on_asking() {
    let (_mock, gateway) = started("[http]\nsend_timeout = \"1s\"\n");
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&gateway.data.into()).unwrap();
    socket.set_write_timeout(Some(500 * MS)).unwrap();
    let mut socket = TcpStream::from(socket);
    let requests = "GET /nothing HTTP/1.1\r\nhost: test\r\n\r\n".repeat(1000);
    while socket.write_all(requests.as_bytes()).is_ok() {}
    eventually("it is left", 2 * SOON, || {
        gateway.status()["connections"] == 0
    });
    assert_eq!(gateway.status()["refusals"]["answer_not_taken"], 1);
    check_good_client(&gateway);
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Connections of HTTP/2 that have sent so many bytes of the preface, and those have been read.
fn begun(gateway: &Gateway, count: usize, first: usize) -> Vec<TcpStream> {
    let open = |_| {
        let mut socket = TcpStream::connect(gateway.data).unwrap();
        socket.write_all(&PREFACE[..first]).unwrap();
        socket
    };
    let sockets = (0..count).map(open).collect();
    if first > 0 {
        eventually("all are with their threads", 4 * SOON, || {
            gateway.status()["connections"].as_u64().unwrap() >= count as u64
        });
        // Whoever was there before these is served before them.
        for _ in 0..8 {
            check_good_client(gateway);
        }
    }
    sockets
}

/// Sends the rest of the preface on a connection of HTTP/2, and heads that bring the entry of a path each, in a read buffer of
/// its own; as far as it's taken.
fn pin_buffers(socket: &mut TcpStream, rest: &[u8]) {
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = (payload.len() as u32).to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        [&head, payload].concat()
    };
    let mut bytes = rest.to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    for number in 0..110 {
        // GET, http, a path that is to be remembered, an authority that is not, in the words of RFC 7541.
        let head = b"\x82\x86\x44\x01/\x01\x04test";
        bytes.extend(frame(1, 5, 2 * number + 1, head));
        // A frame of a kind that nobody knows, to fill the buffer.
        bytes.extend(frame(0xbb, 0, 0, &[0; 8000]));
        if socket.write_all(&bytes).is_err() {
            break;
        }
        bytes.clear();
    }
}

#[test]
fn a_request_under_way_is_finished_though_its_connection_has_to_end_for_want_of_memory() {
    let (_mock, gateway) = keyed();
    let refused = || gateway.status()["refusals"]["no_memory"].as_u64().unwrap();
    let events = |count: usize| {
        let event = format!(r#"{{"user":"u","x":"{}"}}"#, "x".repeat(100 * 1024));
        format!("[{}]", vec![event.as_str(); count].join(","))
    };
    let (few, many) = (events(1), events(24));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut open = Vec::new();
        while refused() == 0 {
            let connection = h2::open(gateway.data, 65_535).await;
            let (status, _, text) = connection.post(EVENTS, &few).await.unwrap();
            assert_eq!(status, 200, "{text}");
            open.push(connection);
        }
        // There's room for one more connection, and none for one that brings much. A body is charged by itself.
        drop(open.pop());
        while gateway.status()["connections"] != open.len() {
            tokio::time::sleep(10 * MS).await;
        }
        let connection = h2::open(gateway.data, 65_535).await;
        let (status, _, text) = connection.post(EVENTS, &many).await.unwrap();
        assert_eq!(status, 200, "{text}");
        assert!(connection.is_going_away().await, "it wasn't told to end");
        assert_eq!(refused(), 2, "each of the two is counted once");
    });
    drop(runtime);
    eventually("nothing is held", 2 * SOON, || {
        gateway.status()["memory"]["used_bytes"] == 0
    });
    gateway.stop();
}

#[test]
fn buffers_that_the_table_of_heads_keeps_are_counted() {
    // As a whole, and in two writes.
    for first in [0, 1] {
        let (_mock, gateway) = keyed();
        check_good_client(&gateway);
        let before = gateway.resident();
        let mut sockets = begun(&gateway, 90, first);
        for socket in &mut sockets {
            pin_buffers(socket, &PREFACE[first..]);
        }
        check_good_client(&gateway);
        let (resident, used) = (
            gateway.resident(),
            gateway.status()["memory"]["used_bytes"].as_u64(),
        );
        let (grown, used) = (resident.saturating_sub(before), used.unwrap());
        let (grown_mib, used_mib) = (grown / MIB, used / MIB);
        println!("{first}: {grown_mib} MiB more are resident, {used_mib} MiB are counted");
        assert!(
            grown <= used + 24 * MIB,
            "{first}: {grown_mib} MiB, {used_mib} MiB counted"
        );
        check_peak(&gateway);
        drop(sockets);
        eventually("nothing is held", 2 * SOON, || {
            gateway.status()["memory"]["used_bytes"] == 0
        });
    }
}
