//! Requests that are refused before anyone looks into their bodies.

use std::time::Duration;

use super::*;

const EVENT: &[u8] = br#"{"user":"a","id":"1"}"#;

#[test]
fn what_is_not_there_is_404_and_what_is_not_post_is_405() {
    let (_mock, gateway) = started("");
    for path in [
        "/",
        "/v1/events",
        "/v1/event/events",
        "/metrics",
        "/v2/events/events",
    ] {
        check_problem(
            &gateway.client().post(path, &[JSON], EVENT),
            404,
            "not_found",
        );
        check_problem(&gateway.client().get(path), 404, "not_found");
    }
    // The last one: only a stream with `key = "path"` has something below it.
    for path in [
        "/v1/events/",
        "/v1/events/event",
        "/v1/events/EVENTS",
        "/v1/events/events/key",
    ] {
        check_problem(
            &gateway.client().post(path, &[JSON], EVENT),
            404,
            "unknown_stream",
        );
    }
    let mut client = gateway.client();
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        client
            .write(format!("{method} {EVENTS} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes())
            .unwrap();
        let answer = client.answer().unwrap();
        check_problem(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
    client
        .write(b"POST /v1/events/events/ HTTP/1.1\r\nhost: test\r\n\r\n")
        .unwrap();
    check_problem(&client.answer().unwrap(), 404, "empty_key");
    let metrics = gateway.get("/metrics").1;
    for (reason, count) in [
        ("not_found", 10),
        ("unknown_stream", 4),
        ("empty_key", 1),
        ("method_not_allowed", 6),
        ("other", 0),
    ] {
        let line = format!("forebay_refusals_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
        assert_eq!(gateway.status()["refusals"][reason], count, "{reason}");
    }
    check_taken(&client.post(EVENTS, &[JSON], EVENT), 1);
    check_taken(
        &client.post("/v1/events/events?source=sdk", &[JSON], EVENT),
        1,
    );
}

#[test]
fn a_body_that_is_too_large_is_413_however_it_is_sent() {
    let (_mock, gateway) = started(
        "[http]\nmax_body = \"10KiB\"\nmax_decompressed = \"20KiB\"\n[decode]\nmax_event = \"20KiB\"\n",
    );
    let event = |bytes: usize| {
        let rest = bytes - r#"{"user":"a","id":"1","x":""}"#.len();
        format!(r#"{{"user":"a","id":"1","x":"{}"}}"#, "x".repeat(rest)).into_bytes()
    };
    // Its key counts for an event, and not for a body.
    let padded = |bytes: usize| [&event(bytes - 9)[..], b"         "].concat();
    check_taken(
        &gateway.client().post(EVENTS, &[JSON], &event(10 * 1024)),
        1,
    );
    check_refused(&gateway, |client| {
        client.send(EVENTS, &[JSON], &event(10 * 1024 + 1))
    });
    // Nothing has to be sent for it.
    check_refused(&gateway, |client| {
        client.write(
            format!("POST {EVENTS} HTTP/1.1\r\nhost: test\r\ncontent-length: 99999999999\r\n\r\n")
                .as_bytes(),
        )
    });
    check_refused(&gateway, |client| {
        let head =
            format!("POST {EVENTS} HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
        client.write(head.as_bytes())?;
        (0..11)
            .try_for_each(|_| client.write(format!("400\r\n{}\r\n", "x".repeat(1024)).as_bytes()))
    });
    let gzip = [JSON, ("content-encoding", "gzip")];
    check_taken(
        &gateway
            .client()
            .post(EVENTS, &gzip, &encodings::gzip(&padded(20 * 1024))),
        1,
    );
    let large = encodings::gzip(&padded(20 * 1024 + 1));
    check_refused(&gateway, |client| client.send(EVENTS, &gzip, &large));
    assert_eq!(gateway.events("events", "accepted"), 2);
}

#[track_caller]
fn check_refused(gateway: &Gateway, send: impl FnOnce(&mut Client) -> std::io::Result<()>) {
    let mut client = gateway.client();
    send(&mut client).unwrap();
    let answer = client.answer().unwrap();
    check_problem(&answer, 413, "body_too_large");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(client.until_closed(Duration::from_secs(5)).is_some());
}

#[test]
fn only_json_and_known_encodings_are_taken() {
    let (_mock, gateway) = started("");
    for good in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/vnd.sdk.event+json",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
    ] {
        check_taken(
            &gateway
                .client()
                .post(EVENTS, &[("content-type", good)], EVENT),
            1,
        );
    }
    check_taken(&gateway.client().post(EVENTS, &[], EVENT), 1);
    for lines in ["application/x-ndjson", "application/jsonl; charset=utf-8"] {
        let two = [EVENT, b"\n", EVENT].concat();
        check_taken(
            &gateway
                .client()
                .post(EVENTS, &[("content-type", lines)], &two),
            2,
        );
    }
    check_taken(
        &gateway
            .client()
            .post(EVENTS, &[JSON, ("content-encoding", "identity")], EVENT),
        1,
    );

    for bad in [
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/x-protobuf",
        "json",
    ] {
        let answer = gateway
            .client()
            .post(EVENTS, &[("content-type", bad)], EVENT);
        check_problem(&answer, 415, "unsupported_media_type");
    }
    for bad in ["compress", "gzip, gzip", "gzip;q=1", "x"] {
        let answer = gateway
            .client()
            .post(EVENTS, &[JSON, ("content-encoding", bad)], EVENT);
        check_problem(&answer, 415, "unsupported_encoding");
    }
}

#[test]
fn what_is_over_the_quota_is_429_until_its_time_has_come() {
    let mock = Mock::start(1, &[("events", 1)]);
    let config = config(mock.bootstrap(), "").replace("id = \"/id\"", "id = \"/id\"\nquota = 2");
    let gateway = Gateway::ready(&config);
    let mut client = gateway.client();
    let two = br#"[{"user":"a","id":"1"},{"user":"a","id":"2"}]"#;
    assert_eq!(client.post(EVENTS, &[JSON], two).status, 200);
    let answer = client.post(EVENTS, &[JSON], two);
    check_problem(&answer, 429, "quota");
    let retry_after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(retry_after, 1);
    crate::support::eventually("the quota has room", Duration::from_secs(5), || {
        client.post(EVENTS, &[JSON], two).status == 200
    });
    assert_eq!(
        gateway.events("events", "accepted"),
        4,
        "refused events don't count"
    );
    gateway.stop();
}

#[test]
fn more_bytes_than_the_rate_are_429_and_the_wait_is_told() {
    let mock = Mock::start(1, &[("events", 1)]);
    let rate = "id = \"/id\"\nrate = { bytes = \"100B\", bytes_burst = \"1KiB\" }";
    let config = config(mock.bootstrap(), "").replace("id = \"/id\"", rate);
    let gateway = Gateway::ready(&config);
    let mut client = gateway.client();
    let long = format!(r#"{{"user":"a","id":"1","long":"{}"}}"#, "x".repeat(800));
    assert_eq!(client.post(EVENTS, &[JSON], long.as_bytes()).status, 200);
    let answer = client.post(EVENTS, &[JSON], long.as_bytes());
    check_problem(&answer, 429, "quota");
    assert!(answer.text().contains("100 B"), "{}", answer.text());
    // 834 bytes and a key are owed, and as many more are to fit into 1,024: at 100 in a second.
    let retry_after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((6..=7).contains(&retry_after), "{retry_after}");
    // A small one still fits.
    assert_eq!(client.post(EVENTS, &[JSON], EVENT).status, 200);
    gateway.stop();
}
