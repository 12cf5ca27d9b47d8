//! Headers in several lines, and what a body's head says of it: the same in one line and in many.

use std::time::Duration;

use super::*;
use crate::support::topic::{records, values};

const EVENT: &[u8] = br#"{"user":"a","id":"1"}"#;

#[test]
fn two_lines_of_a_header_are_one_list() {
    let mock = Mock::start(1, &[("events", 1), ("raw", 1)]);
    let raw = "[streams.raw]\ncluster = \"main\"\nformat = \"raw\"\n";
    let gateway = Gateway::ready(&(config(mock.bootstrap(), "") + raw));
    let gzip = encodings::gzip(EVENT);
    let coding = |value| ("content-encoding", value);
    for (lines, body) in [
        (&[coding("identity"), coding("gzip")][..], &gzip[..]),
        (&[coding("gzip"), coding("identity")], &gzip),
        (&[coding("identity, gzip")], &gzip),
        (&[coding(""), coding(" , gzip,")], &gzip),
        (&[coding("")], EVENT),
        (&[coding(","), coding("identity")], EVENT),
    ] {
        for path in [EVENTS, "/v1/events/raw"] {
            check_taken(&gateway.client().post(path, lines, body), 1);
        }
    }
    let twice = encodings::gzip(&gzip);
    for lines in [
        &[coding("gzip"), coding("gzip")][..],
        &[coding("gzip, gzip")],
        &[coding("gzip"), coding("br")],
        &[coding("identity"), coding("compress")],
    ] {
        for path in [EVENTS, "/v1/events/raw"] {
            let answer = gateway.client().post(path, lines, &twice);
            check_problem(&answer, 415, "unsupported_encoding");
        }
    }
    let text = std::str::from_utf8(EVENT).unwrap();
    assert_eq!(values(mock.bootstrap(), "raw"), [text; 6]);
    assert_eq!(values(mock.bootstrap(), "events"), [text; 6]);
}

#[test]
fn a_body_has_one_content_type() {
    let (_mock, gateway) = started("");
    let kind = |value| ("content-type", value);
    for lines in [
        &[kind("")][..],
        &[kind("application/json"), kind("application/json")],
        &[kind("application/json; charset=\"a,b\""), kind("")],
        &[kind("application/json, Application/JSON;charset=utf-8")],
    ] {
        check_taken(&gateway.client().post(EVENTS, lines, EVENT), 1);
    }
    for lines in [
        &[kind("application/json"), kind("application/x-ndjson")][..],
        &[kind("application/x-ndjson"), kind("application/json")],
        &[kind("application/json, text/xml")],
    ] {
        let answer = gateway.client().post(EVENTS, lines, EVENT);
        check_problem(&answer, 400, "two_content_types");
    }
}

#[test]
fn json_lines_are_known_by_their_usual_names() {
    let (_mock, gateway) = started("");
    let two = [EVENT, b"\n", EVENT].concat();
    for name in [
        "application/x-ndjson",
        "application/ndjson",
        "Application/NDJSON; charset=utf-8",
        "application/jsonl",
        "application/x-jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
        "application/json-lines",
        "application/x-json-lines",
        "application/stream+json",
        "application/x-json-stream",
        "application/x-ldjson",
        "application/vnd.sdk+ndjson",
        "text/x-ndjson",
        "text/jsonl",
    ] {
        let answer = gateway
            .client()
            .post(EVENTS, &[("content-type", name)], &two);
        check_taken(&answer, 2);
    }
    for name in ["application/json-seq", "text/csv", "text/x-json-lines2"] {
        let answer = gateway
            .client()
            .post(EVENTS, &[("content-type", name)], &two);
        check_problem(&answer, 415, "unsupported_media_type");
    }
    // Who forgets the name is told it, whether the lines follow at once or not.
    for sent in [two, [EVENT, b"\r\n\r\n", EVENT, b"\n"].concat()] {
        let problem = check_problem(
            &gateway.client().post(EVENTS, &[JSON], &sent),
            400,
            "malformed",
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("application/x-ndjson"), "{detail}");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_body() {
    let (mock, gateway) = started("");
    let mark = b"\xef\xbb\xbf";
    let array = [mark, b" [".as_slice(), EVENT, b"]"].concat();
    check_taken(&gateway.client().post(EVENTS, &[JSON], &array), 1);
    let one = [mark, EVENT].concat();
    check_taken(&gateway.client().post(EVENTS, &[JSON], &one), 1);
    let joined = [mark, EVENT, b"\r\n", mark, EVENT, b"\n", EVENT].concat();
    check_taken(&gateway.client().post(EVENTS, &[NDJSON], &joined), 3);
    for kind in [JSON, NDJSON] {
        check_problem(&gateway.client().post(EVENTS, &[kind], mark), 400, "empty");
    }
    let inside = [EVENT, mark].concat();
    check_problem(
        &gateway.client().post(EVENTS, &[JSON], &inside),
        400,
        "malformed",
    );
    let text = std::str::from_utf8(EVENT).unwrap();
    assert_eq!(values(mock.bootstrap(), "events"), [text; 5]);
}

#[test]
fn an_empty_id_is_none() {
    let (mock, gateway) = started("");
    let events = r#"[{"user":"a","id":""},{"user":"a","id":"1"},{"user":"a","id":0}]"#;
    check_taken(&gateway.client().post_json("events", events), 3);
    let headers: Vec<_> = records(mock.bootstrap(), "events")
        .iter()
        .map(|record| record.headers.len())
        .collect();
    assert_eq!(headers, [1, 0, 0]);
}

#[test]
fn a_key_in_two_header_lines_is_refused() {
    let mock = Mock::start(1, &[("keyed", 1)]);
    let gateway = Gateway::ready(&format!(
        "[clusters.main]\nbootstrap = \"{}\"\n\
         [streams.keyed]\ncluster = \"main\"\nkey = \"header:X-Device\"\n",
        mock.bootstrap()
    ));
    let device = |value| ("x-device", value);
    for lines in [[device("a"), device("b")], [device("a"), device("a")]] {
        let answer = gateway.client().post("/v1/events/keyed", &lines, b"{}");
        check_problem(&answer, 400, "key_doubled");
    }
    check_taken(
        &gateway
            .client()
            .post("/v1/events/keyed", &[device("a, b")], b"{}"),
        1,
    );
    let keys: Vec<_> = records(mock.bootstrap(), "keyed")
        .iter()
        .map(crate::support::topic::Record::key_text)
        .collect();
    assert_eq!(keys, [Some("a, b".to_owned())]);
}

#[test]
fn what_is_refused_uses_no_quota() {
    let mock = Mock::start(1, &[("events", 1)]);
    let limits = "[http]\nanswer_within = \"1s\"\n[lane]\nstalled_after = \"900ms\"\n";
    let config =
        config(mock.bootstrap(), limits).replace("id = \"/id\"", "id = \"/id\"\nquota = 2");
    let gateway = Gateway::ready(&config);
    mock.set_broker(false);
    // Five seconds' worth of it.
    let ten = (0..10).map(|id| format!(r#"{{"user":"a","id":"{id}"}}"#));
    let ten = format!("[{}]", ten.collect::<Vec<_>>().join(","));
    let mut client = gateway.client();
    // The first waits in vain and gives back what it took, the others are refused at once: all faster than the quota would come
    // back by itself.
    for _ in 0..6 {
        let answer = client.post(EVENTS, &[JSON], ten.as_bytes());
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    mock.set_broker(true);
    crate::support::eventually("kafka is back", Duration::from_secs(20), || {
        let answer = client.post(EVENTS, &[JSON], ten.as_bytes());
        assert_ne!(answer.status, 429, "{}", answer.text());
        answer.status == 200
    });
    let answer = client.post(EVENTS, &[JSON], ten.as_bytes());
    check_problem(&answer, 429, "quota");
}
