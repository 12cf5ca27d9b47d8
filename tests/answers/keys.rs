//! Keys, partitions, ids and timestamps of the records.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::*;
use crate::support::topic::{Record, records};

/// A gateway with a stream per kind of key, all with the same number of partitions.
fn keyed(streams: &[(&str, &str)]) -> (Mock, Gateway) {
    let topics: Vec<_> = streams
        .iter()
        .map(|(name, _)| (*name, 5))
        .chain([("oracle", 5)])
        .collect();
    let mock = Mock::start(1, &topics);
    let streams = streams
        .iter()
        .map(|(name, more)| format!("[streams.{name}]\ncluster = \"main\"\n{more}\n"));
    let config = format!(
        "[clusters.main]\nbootstrap = \"{}\"\n{}",
        mock.bootstrap(),
        streams.collect::<String>()
    );
    let gateway = Gateway::ready(&config);
    (mock, gateway)
}

fn keys(records: &[Record]) -> Vec<Option<String>> {
    let mut keys: Vec<_> = records.iter().map(Record::key_text).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn the_key_is_what_the_json_pointer_points_to() {
    let (mock, gateway) = keyed(&[("events", "key = \"/device/a~1b\"\nid = \"/id\"")]);
    let mut client = gateway.client();
    for (value, _) in POINTED {
        check_taken(
            &client.post_json(
                "events",
                &format!(r#"{{"id":"1","device":{{"x":1,"a/b": {value} }}}}"#),
            ),
            1,
        );
    }
    let mut expected: Vec<_> = POINTED
        .iter()
        .map(|(_, key)| Some((*key).to_owned()))
        .collect();
    expected.sort_unstable();
    assert_eq!(keys(&records(mock.bootstrap(), "events")), expected);
}

/// Values of keys in events, and the keys that they are.
const POINTED: &[(&str, &str)] = &[
    (r#""plain""#, "plain"),
    (
        r#""with \"quotes\" \u00fc \ud83d\ude00""#,
        "with \"quotes\" ü 😀",
    ),
    (r#""""#, ""),
    ("17", "17"),
    ("1.50e3", "1.50e3"),
    ("true", "true"),
];

#[test]
fn partitions_are_those_of_the_java_partitioner() {
    let (mock, gateway) = keyed(&[("events", "key = \"/user\"\nid = \"/id\"")]);
    let names: Vec<_> = (0..200)
        .map(|number| format!("{}{number}", "user-ü".repeat(number % 7)))
        .collect();
    // librdkafka has the partitioner of the Java client as well, written by others.
    let oracle: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", mock.bootstrap())
        .set("partitioner", "murmur2_random")
        .create()
        .unwrap();
    for name in &names {
        oracle
            .send(BaseRecord::to("oracle").key(name).payload(""))
            .map_err(|(error, _)| error)
            .unwrap();
    }
    oracle.flush(Duration::from_secs(20)).unwrap();
    let events: Vec<_> = names
        .iter()
        .map(|name| format!(r#"{{"user":"{name}","id":"1"}}"#))
        .collect();
    check_taken(
        &gateway
            .client()
            .post_json("events", &format!("[{}]", events.join(","))),
        names.len(),
    );

    let placed = |topic: &str| {
        let records = records(mock.bootstrap(), topic);
        let places: Vec<_> = records
            .iter()
            .map(|record| (record.partition, record.key_text()))
            .collect();
        places
    };
    let expected = placed("oracle");
    assert_eq!(expected.len(), names.len());
    assert_eq!(
        placed("events"),
        expected,
        "and in the order of sending within each partition"
    );
}

#[test]
fn a_missing_key_is_refused_or_null_as_the_stream_says() {
    let (mock, gateway) = keyed(&[
        ("strict", "key = \"/user\""),
        ("loose", "key = \"/user\"\non_missing_key = \"null\""),
    ]);
    let mut client = gateway.client();
    for (event, code) in [
        (r#"{"x":1}"#, "key_missing"),
        (r#"{"user":null}"#, "key_missing"),
        (r#"{"user":[1]}"#, "key_not_scalar"),
        (r#"{"user":{"user":1}}"#, "key_not_scalar"),
    ] {
        let problem = check_problem(&client.post_json("strict", event), 422, "no_valid_event");
        assert_eq!(errors(&problem), [(0, code.to_owned())]);
        check_taken(&client.post_json("loose", event), 1);
    }
    assert_eq!(
        keys(&records(mock.bootstrap(), "loose")),
        [None, None, None, None]
    );
    assert_eq!(gateway.events("strict", "accepted"), 0);
}

#[test]
fn a_key_from_a_header_or_the_path_is_that_of_all_events() {
    let (mock, gateway) = keyed(&[
        ("header", "key = \"header:X-Device\""),
        ("path", "key = \"path\""),
    ]);
    let mut client = gateway.client();
    let two = b"[{},{}]";
    check_taken(
        &client.post("/v1/events/header", &[JSON, ("X-Device", "d 1")], two),
        2,
    );
    check_problem(
        &client.post("/v1/events/header", &[JSON], two),
        422,
        "no_valid_event",
    );
    assert_eq!(
        keys(&records(mock.bootstrap(), "header")),
        [Some("d 1".into()), Some("d 1".into())]
    );

    for path in ["plain", "with%20space%2Fslash", "a/b", "%C3%BC%zz"] {
        check_taken(
            &client.post(&format!("/v1/events/path/{path}"), &[JSON], b"{}"),
            1,
        );
    }
    check_problem(
        &client.post("/v1/events/path", &[JSON], two),
        422,
        "no_valid_event",
    );
    let mut expected = ["plain", "with space/slash", "a/b", "ü%zz"].map(|key| Some(key.to_owned()));
    expected.sort_unstable();
    assert_eq!(keys(&records(mock.bootstrap(), "path")), expected);
}

#[test]
fn a_record_without_an_id_of_its_own_gets_one_in_a_header_and_all_have_the_time_of_their_arrival() {
    let (mock, gateway) = keyed(&[("with", "id = \"/id\""), ("without", "")]);
    let mut client = gateway.client();
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis() as i64
    };
    let before = now();
    check_taken(
        &client.post_json("with", r#"[{"id":"1"},{"id":2},{},{"id":null},{"id":{}}]"#),
        5,
    );
    check_taken(&client.post_json("without", r#"[{"id":"1"},{},{}]"#), 3);
    let after = now();

    let with = records(mock.bootstrap(), "with");
    let headers = with
        .iter()
        .map(|record| (record.text(), record.headers.len()));
    let expected = [
        (r#"{"id":"1"}"#, 0),
        (r#"{"id":2}"#, 0),
        ("{}", 1),
        (r#"{"id":null}"#, 1),
        (r#"{"id":{}}"#, 1),
    ];
    assert!(
        headers.eq(expected.map(|(text, count)| (text.to_owned(), count))),
        "{with:?}"
    );
    let without = records(mock.bootstrap(), "without");
    let mut ids: Vec<_> = with
        .iter()
        .chain(&without)
        .flat_map(|record| record.headers.clone())
        .collect();
    assert!(
        ids.iter()
            .all(|(name, id)| name == "event-id" && id.len() == 36 && id.as_bytes()[14] == b'7'),
        "{ids:?}"
    );
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    let times = with
        .iter()
        .chain(&without)
        .map(|record| record.timestamp_ms);
    assert!(
        times
            .into_iter()
            .all(|time| (before..=after).contains(&time)),
        "{before} to {after}: {with:?} {without:?}"
    );
}
