//! Routes whose events say which stream they're for: who may send to which is asked for each stream, and of no other.

use super::*;

const ROUTE: &str = r#"
[routes.by-type]
paths = ["/by-type"]
stream = "events"
stream_by = ["/type"]
key = ["/user"]
id = ["/id"]
[sources.all]
keys = ["key-of-all"]
[sources.other]
keys = ["key-of-other"]
streams = ["others"]
[sources.one]
keys = ["key-of-one"]
streams = ["events"]
origins = ["https://one.example"]
"#;

/// A gateway whose streams have these settings of their own.
fn with(http: &str, events: &str, others: &str) -> (Mock, Gateway) {
    let mock = Mock::start(1, &[("events", 2), ("others", 2)]);
    let config = config(mock.bootstrap(), &format!("{http}{ROUTE}"));
    let config = format!("{config}{events}[streams.others]\ncluster = \"main\"\n{others}");
    let gateway = Gateway::ready(&config);
    (mock, gateway)
}

fn event(stream: &str) -> String {
    format!(r#"{{"type":"{stream}","user":"u","id":"1"}}"#)
}

/// Sends events of these streams with this key.
fn send(gateway: &Gateway, key: &str, streams: &[&str], more: &[(&str, &str)]) -> Answer {
    let events: Vec<_> = streams.iter().map(|stream| event(stream)).collect();
    let bearer = format!("Bearer {key}");
    let mut headers = vec![JSON];
    if !key.is_empty() {
        headers.push(("authorization", &bearer));
    }
    headers.extend_from_slice(more);
    let body = format!("[{}]", events.join(","));
    gateway.client().post("/by-type", &headers, body.as_bytes())
}

#[test]
fn streams_that_ask_for_the_same_are_alike() {
    let auth = "auth = [\"bearer\"]\n";
    let (_mock, gateway) = with("", auth, auth);
    check(
        &send(&gateway, "key-of-all", &["events", "others"], &[]),
        200,
        "",
    );
    let (status, answer) = gateway.reload("");
    assert_eq!(status, 200, "{answer}");
    check(
        &send(&gateway, "key-of-all", &["others", "events"], &[]),
        200,
        "",
    );
    check(&send(&gateway, "", &["others"], &[]), 401, "no_key");
    check(
        &send(&gateway, "nobody-s", &["others"], &[]),
        401,
        "unknown_key",
    );
    gateway.stop();
}

#[test]
fn a_stream_that_is_open_takes_from_anybody_beside_one_that_is_not() {
    let (_mock, gateway) = with("", "auth = [\"bearer\"]\n", "auth = []\n");
    check(
        &send(&gateway, "key-of-all", &["events", "others"], &[]),
        200,
        "",
    );
    check(&send(&gateway, "", &["others"], &[]), 200, "");
    check(&send(&gateway, "", &["events"], &[]), 401, "no_key");
    let some = send(&gateway, "", &["others", "events"], &[]);
    assert_eq!(some.status, 207, "{}", some.text());
    assert_eq!(some.json()["errors"][0]["code"], "not_allowed");
    check(
        &send(&gateway, "nobody-s", &["events"], &[]),
        401,
        "unknown_key",
    );
    gateway.stop();
}

#[test]
fn streams_that_ask_for_different_things_are_not_alike() {
    let auth = "auth = [\"header:x-key\"]\n";
    let (_mock, gateway) = with("", "auth = [\"bearer\"]\n", auth);
    let some = send(&gateway, "key-of-all", &["events", "others"], &[]);
    assert_eq!(some.status, 207, "{}", some.text());
    assert_eq!(some.json()["errors"][0]["code"], "not_allowed");
    gateway.stop();
}

#[test]
fn who_may_not_send_to_one_stream_sends_to_another() {
    let (mock, gateway) = with("[http]\nauth = [\"bearer\"]\n", "", "");
    check(&send(&gateway, "key-of-other", &["others"], &[]), 200, "");
    check(
        &send(&gateway, "key-of-other", &["events"], &[]),
        403,
        "source_not_allowed",
    );
    check(&send(&gateway, "key-of-one", &["events"], &[]), 200, "");
    check(
        &send(&gateway, "key-of-one", &["others"], &[]),
        403,
        "source_not_allowed",
    );
    for key in ["key-of-one", "key-of-other"] {
        let some = send(&gateway, key, &["others", "events"], &[]);
        assert_eq!(some.status, 207, "{}", some.text());
        assert_eq!(some.json()["errors"][0]["code"], "not_allowed");
    }
    // An origin is asked for whatever the body says.
    let evil = [("origin", "https://evil.example")];
    check(
        &send(&gateway, "key-of-one", &["events"], &evil),
        403,
        "origin_not_allowed",
    );
    let found = crate::support::topic::records(mock.bootstrap(), "events");
    assert_eq!(found.len(), 2);
    gateway.stop();
}
