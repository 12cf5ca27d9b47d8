//! One object, an array, lines, opaque bytes: what is taken, byte for byte, and what is refused event by event.

use super::*;
use crate::support::topic::{records, values};

#[test]
fn every_event_arrives_byte_for_byte_as_it_was_sent() {
    let (mock, gateway) = started("");
    let mut client = gateway.client();
    let odd = "{ \"user\" :\t\"ü\\u00fc\",\r\n  \"id\":\"1\" , \"n\": 1.50e+03, \"s\":\"\\ud83d\\ude00 😀\\/\" }";
    let plain = r#"{"user":"a","id":"2"}"#;
    let nested = "{\"user\":\"b\", \"id\":\"3\",\"deep\":[[{}, {\"x\" : null}]]}";

    check_taken(&client.post(EVENTS, &[JSON], odd.as_bytes()), 1);
    check_taken(
        &client.post(
            EVENTS,
            &[JSON],
            format!(" \n[{odd} ,\t{plain},{nested}\n] \n").as_bytes(),
        ),
        3,
    );
    // Blank lines count for nothing, and the last line needs no end.
    let line = odd.replace("\r\n", " ");
    check_taken(
        &client.post(
            EVENTS,
            &[NDJSON],
            format!("{line}\r\n\n  \n{plain}  \n{nested}").as_bytes(),
        ),
        3,
    );

    assert_eq!(
        values(mock.bootstrap(), "events"),
        [odd, odd, plain, nested, &line, plain, nested]
    );
    let log = gateway.stop();
    assert!(
        log.contains("accepted=7 acked=7 spilled=0 replayed=0 refused=0 failed=0 unknown=0 late=0 dead_letters=0 damaged=0 lost=0 residual=0"),
        "{log}"
    );
}

#[test]
fn a_raw_body_is_one_event_that_nobody_looks_into() {
    let mock = Mock::start(1, &[("raw", 1)]);
    let gateway = Gateway::ready(&format!(
        "[clusters.main]\nbootstrap = \"{}\"\n\
         [streams.raw]\ncluster = \"main\"\nformat = \"raw\"\nkey = \"header:X-Device\"\non_missing_key = \"null\"\n",
        mock.bootstrap()
    ));
    let mut client = gateway.client();
    let bytes: Vec<u8> = (0..=255).collect();
    let protobuf = [
        ("x-device", "d1"),
        ("content-type", "application/x-protobuf"),
    ];
    check_taken(&client.post("/v1/events/raw", &protobuf, &bytes), 1);
    check_taken(
        &client.post("/v1/events/raw", &[("X-DEVICE", "")], b"not json"),
        1,
    );
    check_taken(&client.post("/v1/events/raw", &[], b""), 1);

    let records = records(mock.bootstrap(), "raw");
    let found: Vec<_> = records
        .iter()
        .map(|record| (record.key_text(), record.value.clone()))
        .collect();
    let expected = [
        (Some("d1".to_owned()), Some(bytes)),
        (Some(String::new()), Some(b"not json".to_vec())),
        (None, Some(vec![])),
    ];
    assert_eq!(
        found, expected,
        "an empty key is a key, and an empty body is no tombstone"
    );
    assert!(
        records
            .iter()
            .all(|record| record.headers[0].0 == "event-id")
    );
}

#[test]
fn valid_events_are_taken_and_the_others_are_listed_by_index() {
    let (mock, gateway) = started("[decode]\nmax_event = \"100B\"\nmax_depth = 3\n");
    let mut client = gateway.client();
    let large = format!(r#"{{"user":"a","id":"5","x":"{}"}}"#, "x".repeat(100));
    let array = format!(
        r#"[{{"user":"a","id":"0"}}, 17, {{"id":"2"}}, {{"user":{{}},"id":"3"}}, {{"user":"b","id":"4"}}, {large},
            {{"user":"a","x":[[[1]]]}}, null]"#
    );
    let answer = client.post(EVENTS, &[JSON], array.as_bytes());
    assert_eq!(answer.status, 207, "{}", answer.text());
    let body = answer.json();
    let counts =
        ["accepted", "acked", "spilled", "rejected"].map(|name| body[name].as_u64().unwrap());
    assert_eq!(counts, [2, 2, 0, 6]);
    let expected = [
        (1, "not_an_object"),
        (2, "key_missing"),
        (3, "key_not_scalar"),
        (5, "event_too_large"),
        (6, "too_deep"),
        (7, "not_an_object"),
    ];
    assert_eq!(
        errors(&body),
        expected.map(|(index, code)| (index, code.to_owned()))
    );
    assert!(
        body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .all(|error| !error["detail"].as_str().unwrap().is_empty())
    );

    let lines =
        b"{\"user\":\"a\",\"id\":\"6\"}\n{\"user\":\n{\"user\":\"a\",\"id\":\"8\"}\n\xff\n[]\n";
    let answer = client.post(EVENTS, &[NDJSON], lines);
    assert_eq!(answer.status, 207, "{}", answer.text());
    let expected = [(1, "malformed"), (3, "malformed"), (4, "not_an_object")];
    assert_eq!(
        errors(&answer.json()),
        expected.map(|(index, code)| (index, code.to_owned()))
    );

    let arrived = ["0", "4", "6", "8"].map(|id| format!(r#""id":"{id}""#));
    let values = values(mock.bootstrap(), "events");
    assert!(
        values
            .iter()
            .zip(&arrived)
            .all(|(value, id)| value.contains(id)),
        "{values:?}"
    );
    assert_eq!((values.len(), gateway.events("events", "rejected")), (4, 9));
}

#[test]
fn a_request_without_any_valid_event_is_refused_as_a_whole() {
    let (_mock, gateway) = started("[decode]\nmax_event = \"40B\"\nmax_events = 3\n");
    let mut client = gateway.client();
    let large = format!(r#"{{"user":"a","x":"{}"}}"#, "x".repeat(40));

    let problem = check_problem(
        &client.post(EVENTS, &[JSON], b"[1, {}]"),
        422,
        "no_valid_event",
    );
    assert_eq!(
        errors(&problem),
        [
            (0, "not_an_object".to_owned()),
            (1, "key_missing".to_owned())
        ]
    );
    let answer = client.post(EVENTS, &[JSON], format!("[{large}, {large}]").as_bytes());
    let problem = check_problem(&answer, 413, "no_valid_event");
    assert_eq!(
        errors(&problem),
        [0, 1].map(|index| (index, "event_too_large".to_owned()))
    );
    let answer = client.post(EVENTS, &[JSON], format!("[{large}, {{}}]").as_bytes());
    check_problem(&answer, 422, "no_valid_event");
    check_problem(
        &client.post(EVENTS, &[NDJSON], b"{\n"),
        422,
        "no_valid_event",
    );

    // The fourth is one too many, and also counts if it's no event.
    let four = br#"[{"user":"a"},{"user":"a"},{"user":"a"},4]"#;
    check_problem(&client.post(EVENTS, &[JSON], four), 413, "too_many_events");
    assert_eq!(gateway.events("events", "accepted"), 0);
}

#[test]
fn a_malformed_body_is_refused_with_the_place_of_its_fault() {
    let (_mock, gateway) = started("");
    let mut client = gateway.client();
    let malformed: &[(&[u8], usize)] = &[
        (br#"{"user":"a""#, 11),
        (br#"{"user":"a"} x"#, 13),
        (br#"{"user":"a",}"#, 12),
        (br#"[{"user":"a"},]"#, 14),
        (br#"[{"user":"a"} {"user":"b"}]"#, 14),
        (b"{\"user\":\"a\nb\"}", 10),
        (br#"{"user":"\x"}"#, 9),
        (br#"{"user":01}"#, 9),
        (br#"{'user':1}"#, 1),
        (br#"hello"#, 0),
    ];
    for (body, offset) in malformed {
        let text = String::from_utf8_lossy(body);
        let problem = check_problem(&client.post(EVENTS, &[JSON], body), 400, "malformed");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(&format!("byte {offset}: ")),
            "{text}: {detail}"
        );
    }
    let problem = check_problem(
        &client.post(EVENTS, &[JSON], b"{\"user\":\"\xff\"}"),
        400,
        "malformed",
    );
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("utf-8 at byte 9"),
        "{problem}"
    );

    for (body, code) in [
        ("", "empty"),
        (" \r\n\t ", "empty"),
        ("[]", "empty"),
        (" [ ] ", "empty"),
        ("\"text\"", "not_object_or_array"),
        ("17", "not_object_or_array"),
        ("null", "not_object_or_array"),
    ] {
        check_problem(&client.post(EVENTS, &[JSON], body.as_bytes()), 400, code);
    }
    for body in ["", "\n \r\n\n"] {
        check_problem(
            &client.post(EVENTS, &[NDJSON], body.as_bytes()),
            400,
            "empty",
        );
    }
    assert_eq!(gateway.events("events", "accepted"), 0);
}
