//! Bytes that are no good HTTP, requests that mean two things at once, and clients that leave.

use std::net::Shutdown;

use super::*;
use crate::support::topic::values;

/// Sends bytes and nothing more; what came back until the gateway closed the connection.
#[track_caller]
fn answer_to(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut client = gateway.client();
    drop(client.write(bytes));
    drop(client.socket.shutdown(Shutdown::Write));
    let came = client.until_closed(SOON).expect("the connection is closed");
    String::from_utf8_lossy(&came).into_owned()
}

#[test]
fn garbage_is_refused_and_harms_nobody() {
    let (_mock, gateway) = started("");
    let noise: Vec<u8> = (0..20_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let hello =
        b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03random bytes of a client hello ............";
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let after_preface = [&preface[..], &noise].concat();
    // A frame that promises 16 MiB, and a flood of settings that are all to be acknowledged.
    let huge_frame = [
        &preface[..],
        b"\0\0\0\x04\0\0\0\0\0",
        b"\xff\xff\xff\x00\x00\0\0\0\x01",
        &noise,
    ]
    .concat();
    let settings = [&preface[..], &b"\0\0\0\x04\0\0\0\0\0".repeat(20_000)].concat();
    let good = head(&format!("content-length: {}\r\n", EVENT.len())) + EVENT;
    let version = good.replace("HTTP/1.1", "HTTP/3.7");
    let name = good.replace("host:", "ho st:");
    let nul = good.replace("test", "te\0st");
    let garbage: [&[u8]; 12] = [
        &noise,
        hello,
        &after_preface,
        &huge_frame,
        &settings,
        version.as_bytes(),
        name.as_bytes(),
        nul.as_bytes(),
        b"\0\0\0\0",
        b"GET\r\n\r\n",
        b"POST  HTTP/1.1\r\n\r\n",
        b"USER anonymous\r\nPASS x\r\nQUIT\r\n",
    ];
    for bytes in garbage {
        let answer = answer_to(&gateway, bytes);
        let status = answer.strip_prefix("HTTP/1.1 ").map(|rest| &rest[..1]);
        assert!(
            status.is_none_or(|status| status == "4"),
            "{}: {answer}",
            bytes.escape_ascii()
        );
    }
    assert_eq!(gateway.events("events", "accepted"), 0);
    check_good_client(&gateway);
    eventually("nothing is left", SOON, || {
        gateway.status()["connections"] == 0
    });
}

#[test]
fn a_head_that_cannot_be_read_is_answered_with_its_reason_and_counted() {
    let (_mock, gateway) = started("[http]\nmax_head = \"128KiB\"\n");
    let long = "x".repeat(600_000);
    let address = format!("POST /{} HTTP/1.1\r\nhost: test\r\n\r\n", &long[..70_000]);
    let rows = [
        ("no request at all\r\n\r\n".to_owned(), 400, "malformed"),
        (head("no header\r\n"), 400, "malformed"),
        (head("content-length: -1\r\n"), 400, "malformed"),
        (head(&format!("x: {long}\r\n")), 431, "head_too_large"),
        (head(&"x: y\r\n".repeat(200)), 431, "head_too_large"),
        (address, 414, "head_too_large"),
    ];
    let count = |reason: &str| gateway.status()["refusals"][reason].as_u64().unwrap();
    // The second time after an answer of ours on the same connection.
    for after_another in [false, true] {
        for (request, status, code) in &rows {
            let before = count(code);
            let mut client = gateway.client();
            if after_another {
                check_served(&mut client);
            }
            client.write(request.as_bytes()).unwrap();
            let answer = client.answer().unwrap();
            assert_eq!(answer.status, *status, "{request:.80}");
            let kind = answer.header("content-type");
            assert_eq!(kind, Some("application/problem+json"), "{request:.80}");
            let problem = answer.json();
            assert_eq!(problem["type"], format!("urn:forebay:{code}"), "{problem}");
            assert_eq!(problem["status"], *status, "{problem}");
            assert_eq!(client.until_closed(SOON), Some(vec![]), "{request:.80}");
            eventually("it is counted, once", SOON, || count(code) == before + 1);
        }
    }
    let metrics = gateway.get("/metrics").1;
    for line in [
        "forebay_refusals_total{reason=\"malformed\"} 6\n",
        "forebay_refusals_total{reason=\"head_too_large\"} 6\n",
        "forebay_refusals_total{reason=\"not_found\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The library answers these by itself, or with an end of the stream or the connection.
#[test]
fn what_http2_refuses_by_itself_is_counted() {
    let (_mock, gateway) = started("[http]\nmax_head = \"8KiB\"\nmax_streams = 2\n");
    let count = |reason: &str| gateway.status()["refusals"][reason].as_u64().unwrap();
    // POST, http, the path and the authority, in the words of RFC 7541, and then a field without an index.
    let fields = |name: &str, value: &str| {
        let path = [&[0x04, EVENTS.len() as u8], EVENTS.as_bytes()].concat();
        let head = [&[0x83, 0x86], &path[..], b"\x01\x04test"].concat();
        let mut field = vec![0x00, name.len() as u8];
        field.extend(name.bytes());
        // A length of up to 127 + 127 * 128 + 127 bytes is three bytes long.
        let more = value.len() - 127;
        field.extend([0x7f, (more & 0x7f) as u8 | 0x80, (more >> 7) as u8]);
        [head, field, value.bytes().collect()].concat()
    };
    let (short, long) = ("y".repeat(200), "y".repeat(10_000));
    let settings = frame(4, 0, 0, &[]);
    let open =
        |stream, flags, name: &str, value: &str| frame(1, flags, stream, &fields(name, value));
    let rows = [
        // With and without a body to come; the second answer is written in another way.
        (
            vec![open(1, 5, "x", &long), open(3, 4, "x", &long)],
            "head_too_large",
            2,
        ),
        (vec![open(1, 5, "Upper", &short)], "malformed", 1),
        (vec![frame(0, 0, 0, b"data of nothing")], "malformed", 1),
        (
            (0..3).map(|at| open(2 * at + 1, 4, "x", &short)).collect(),
            "too_many_streams",
            1,
        ),
        (
            vec![frame(1, 0, 1, &[]), frame(0, 0, 1, b"not what must follow")],
            "malformed",
            1,
        ),
    ];
    for (frames, reason, expected) in rows {
        let before = count(reason);
        let mut client = gateway.client();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let bytes = [&preface[..], &settings, &frames.concat()].concat();
        client.write(&bytes).unwrap();
        eventually("it is counted", SOON, || count(reason) == before + expected);
        drop(client);
    }
    check_good_client(&gateway);
    let all = gateway.status()["refusals"].clone();
    let sum: u64 = all
        .as_object()
        .unwrap()
        .values()
        .map(|it| it.as_u64().unwrap())
        .sum();
    assert_eq!(sum, 6, "each once: {all}");
}

#[test]
fn a_request_that_means_two_things_is_refused_or_ends_its_connection() {
    let (_mock, gateway) = started("");
    let smuggled = format!(
        "POST {EVENTS} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{EVENT}",
        EVENT.len()
    );
    let chunk = format!("{:x}\r\n{EVENT}\r\n0\r\n\r\n", EVENT.len());
    let length = chunk.len();
    // Read one way, each is one request; read the other way, a second one follows.
    for framing in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        format!(
            "content-length: {length}\r\ncontent-length: {}\r\n",
            length + smuggled.len()
        ),
        format!("content-length: {length}, {length}\r\n"),
        format!("content-length: +{length}\r\n"),
        format!("content-length: {length} {length}\r\n"),
        "content-length: 0x10\r\n".into(),
        "content-length: -1\r\n".into(),
        "content-length:\r\n".into(),
        "content-length: 99999999999999999999999\r\n".into(),
        "transfer-encoding: identity\r\n".into(),
        "transfer-encoding: xchunked\r\n".into(),
        "transfer-encoding: chunked, identity\r\n".into(),
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n".into(),
        "transfer-encoding : chunked\r\n".into(),
        "transfer-encoding:\u{b}chunked\r\n".into(),
        "x: y\r\n transfer-encoding: chunked\r\n".into(),
    ] {
        let before = gateway.events("events", "accepted");
        let request = format!("{}{}", head(&framing), chunk) + &smuggled;
        let answer = answer_to(&gateway, request.as_bytes());
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{framing:?}: {answer}"
        );
        let taken = gateway.events("events", "accepted") - before;
        let both = framing.contains("content-length") && framing.contains("transfer-encoding");
        // RFC 9112 has chunks win, and the connection end; everything else is refused.
        assert!(
            taken == i64::from(both && answer.contains(" 200 ")),
            "{framing:?}: {answer}"
        );
        assert!(
            both || answer.starts_with("HTTP/1.1 4"),
            "{framing:?}: {answer}"
        );
    }
    check_good_client(&gateway);
}

#[test]
fn chunks_that_are_wrong_are_refused() {
    let (_mock, gateway) = started("");
    for body in [
        "xyz\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n",
        "5\r\nhello6\r\n",
        "5\r\nhel",
        "5;x=\n\r\nhello\r\n0\r\n\r\n",
        "\r\n\r\n",
    ] {
        let answer = answer_to(
            &gateway,
            (head("transfer-encoding: chunked\r\n") + body).as_bytes(),
        );
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{body:?}: {answer}"
        );
    }
    assert_eq!(gateway.events("events", "accepted"), 0);
    check_good_client(&gateway);
}

#[test]
fn an_event_whose_client_left_arrives_all_the_same() {
    let (mock, gateway) = started("");
    mock.with(|cluster| cluster.broker_round_trip_time(1, 700 * MS).unwrap());
    // One breaks the connection, the other only says that it has nothing more to send, and still hears the answer.
    let mut breaking = gateway.client();
    breaking
        .send(EVENTS, &[], br#"{"user":"a","id":"breaking"}"#)
        .unwrap();
    eventually("it is taken", SOON, || {
        gateway.events("events", "accepted") == 1
    });
    socket2::SockRef::from(&breaking.socket)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(breaking);
    let mut quiet = gateway.client();
    quiet
        .send(EVENTS, &[], br#"{"user":"a","id":"quiet"}"#)
        .unwrap();
    quiet.socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(quiet.answer().unwrap().status, 200);

    eventually("both are acknowledged", SOON, || {
        gateway.events("events", "acked") == 2
    });
    mock.with(|cluster| cluster.broker_round_trip_time(1, Duration::ZERO).unwrap());
    let arrived = values(mock.bootstrap(), "events");
    assert_eq!(
        arrived,
        [
            r#"{"user":"a","id":"breaking"}"#,
            r#"{"user":"a","id":"quiet"}"#
        ]
    );
    gateway.stop();
}
