//! Requests with events of several streams: one deadline, reasons that stay, and nobody pays or is asked for another's stream.

use std::time::{Duration, Instant};

use super::*;
use crate::support::eventually;

/// A route whose events say which stream they're for.
const BY_TYPE: &str = r#"
[routes.by-type]
paths = ["/by-type"]
stream_by = ["/type"]
key = ["/k", "header:x-key"]
id = []
"#;

fn event(stream: &str) -> String {
    format!(r#"{{"type":"{stream}","k":"k"}}"#)
}

fn post(gateway: &Gateway, events: &[String]) -> Answer {
    let body = format!("[{}]", events.join(","));
    gateway.client().post("/by-type", &[], body.as_bytes())
}

/// The code of a problem.
fn code(answer: &Answer) -> String {
    let kind = answer.json()["type"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    kind.replace("urn:forebay:", "")
}

/// The codes of the events that an answer lists, by their places.
fn listed(answer: &Answer) -> Vec<(u64, String)> {
    let json = answer.json();
    let errors = json["errors"].as_array().cloned().unwrap_or_default();
    let errors = errors.iter().map(|error| {
        let code = error["code"].as_str().unwrap_or_default();
        (error["index"].as_u64().unwrap(), code.to_owned())
    });
    errors.collect()
}

#[test]
fn a_request_waits_once_for_all_its_streams() {
    let more =
        format!("{BY_TYPE}[http]\nanswer_within = \"1s\"\n[lane]\nstalled_after = \"900ms\"\n");
    let (mock, gateway) = started("", &["a", "b", "c"], &more);
    mock.set_broker(false);
    let begun = Instant::now();
    let answer = post(&gateway, &[event("a"), event("b"), event("c")]);
    let took = begun.elapsed();
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(listed(&answer).len(), 3, "{}", answer.text());
    let bounds = Duration::from_millis(900)..Duration::from_millis(1_800);
    assert!(bounds.contains(&took), "{took:?}");
    mock.set_broker(true);
    gateway.stop();
}

#[test]
fn what_is_too_large_for_one_stream_is_said_and_nothing_is_taken() {
    let more = format!(
        "{BY_TYPE}[http]\nmax_body = \"32KiB\"\nmax_decompressed = \"64KiB\"\n[decode]\nmax_event = \"32KiB\"\n"
    );
    let (mock, gateway) = started("", &["a", "b"], &more);
    let head = format!("POST /by-type HTTP/1.1\nX-Key: {}", "x".repeat(7_000));
    let keyless = || r#"{"type":"b"}"#.to_owned();
    for (first, last) in [(event("a"), keyless()), (keyless(), event("a"))] {
        let events = [vec![first; 20], vec![last; 20]].concat().join(",");
        let answer = send(
            &mut gateway.client(),
            &head,
            format!("[{events}]").as_bytes(),
        );
        assert_eq!(
            (answer.status, &*code(&answer)),
            (413, "body_too_large"),
            "{}",
            answer.text()
        );
    }
    assert_eq!(gateway.events("a", "accepted"), 0);
    assert!(records(mock.bootstrap(), "a").is_empty());
}

#[test]
fn the_quota_of_one_stream_is_said_and_nothing_is_taken() {
    let (mock, gateway) = started(
        "",
        &["a", "b"],
        &format!("rate = {{ events = 1 }}\n{BY_TYPE}"),
    );
    assert_eq!(post(&gateway, &vec![event("b"); 20]).status, 200);
    for events in [[event("a"), event("b")], [event("b"), event("a")]] {
        let answer = post(&gateway, &events);
        assert_eq!(
            (answer.status, &*code(&answer)),
            (429, "quota"),
            "{}",
            answer.text()
        );
        assert!(answer.header("retry-after").is_some());
    }
    assert!(records(mock.bootstrap(), "a").is_empty());
    assert_eq!(post(&gateway, &[event("a")]).status, 200);
}

#[test]
fn what_streams_share_sees_one_request() {
    let mock = Mock::start(1, &[("a", 2), ("b", 2)]);
    let streams =
        ["a", "b"].map(|name| format!("[streams.{name}]\ncluster = \"main\"\nowner = \"team\"\n"));
    let gateway = Gateway::ready(&format!(
        "{BY_TYPE}[owners.team]\nrate = {{ events = 10, events_burst = 10 }}\n[clusters.main]\nbootstrap = \"{}\"\n{}",
        mock.bootstrap(),
        streams.concat()
    ));
    // Together they're more than a burst, which is taken when nothing is owed.
    let events = [vec![event("a"); 8], vec![event("b"); 8]].concat();
    let answer = post(&gateway, &events);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = post(&gateway, &events);
    assert_eq!(
        (answer.status, &*code(&answer)),
        (429, "owner_rate"),
        "{}",
        answer.text()
    );
    for stream in ["a", "b"] {
        assert_eq!(records(mock.bootstrap(), stream).len(), 8, "{stream}");
    }
}

#[test]
fn a_stream_that_stands_still_costs_others_nothing_and_its_reason_is_said() {
    let dead = Mock::start(1, &[("b", 1)]);
    let more = format!(
        "{BY_TYPE}[clusters.other]\nbootstrap = \"{}\"\n[streams.b]\ncluster = \"other\"\n[http]\nanswer_within = \"1s\"\n[lane]\nstalled_after = \"500ms\"\n",
        dead.bootstrap()
    );
    let (mock, gateway) = started("", &["a"], &more);
    dead.set_broker(false);
    eventually("it stands still", Duration::from_secs(20), || {
        code(&post(&gateway, &[event("b")])) == "stalled"
    });
    for (events, at) in [([event("a"), event("b")], 1), ([event("b"), event("a")], 0)] {
        let answer = post(&gateway, &events);
        assert_eq!(
            (answer.status, &*code(&answer)),
            (503, "not_durable"),
            "{}",
            answer.text()
        );
        assert_eq!(answer.json()["acked"], 1, "{}", answer.text());
        assert_eq!(listed(&answer), [(at, "stalled".to_owned())]);
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(records(mock.bootstrap(), "a").len(), 2);
    dead.set_broker(true);
    gateway.stop();
}

#[test]
fn each_event_that_can_not_be_taken_is_counted_once() {
    let more = format!(
        "{BY_TYPE}{}",
        r#"
[routes.one]
paths = ["/one"]
stream = "a"
key = ["/k"]
id = []
"#
    );
    let (_mock, gateway) = started("", &["a", "b"], &more);
    let rejected = |stream: &str| gateway.events(stream, "rejected");
    let send = |path: &str, body: &str, status| {
        let answer = gateway.client().post(path, &[], body.as_bytes());
        assert_eq!(answer.status, status, "{}", answer.text());
    };
    send("/one", "[{},{}]", 422);
    assert_eq!(rejected("a"), 2, "all of them, by their keys");
    send("/one", r#"[{"k":1},{},7]"#, 207);
    assert_eq!(rejected("a"), 4, "one by its key, one that is no event");
    send("/one", "[7,8]", 422);
    assert_eq!(rejected("a"), 6, "none that is an event");
    send(
        "/by-type",
        r#"[{"k":1,"type":"b"},{"type":"b"},7,{"type":"x"}]"#,
        207,
    );
    assert_eq!((rejected("a"), rejected("b")), (6, 3));
    send("/by-type", r#"[{"type":"b"},{"type":"a"}]"#, 422);
    assert_eq!((rejected("a"), rejected("b")), (7, 4));
}
#[test]
fn a_body_is_charged_to_the_stream_that_it_is_for() {
    let dead = Mock::start(1, &[("a", 1)]);
    let more = format!(
        "{BY_TYPE}[owners.a]\nmemory = \"512KiB\"\n[clusters.other]\nbootstrap = \"{}\"\n[streams.a]\ncluster = \"other\"\nowner = \"a\"\n[http]\nmax_body = \"256KiB\"\nmax_decompressed = \"256KiB\"\n[decode]\nmax_event = \"256KiB\"\n",
        dead.bootstrap()
    );
    let (_mock, gateway) = started("", &["b"], &more);
    dead.set_broker(false);
    let large = |stream: &str| {
        let more = "x".repeat(200_000);
        format!(r#"[{{"type":"{stream}","k":"k","more":"{more}"}}]"#)
    };
    let mut waiting: Vec<_> = (0..2).map(|_| gateway.client()).collect();
    for client in &mut waiting {
        client.send("/by-type", &[], large("a").as_bytes()).unwrap();
    }
    let accepted = |stream: &str| gateway.events(stream, "accepted");
    eventually("they wait", Duration::from_secs(10), || accepted("a") == 2);
    // What the owner of `a` holds is no matter of `b`.
    let answer = gateway
        .client()
        .post("/by-type", &[], large("b").as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = gateway
        .client()
        .post("/by-type", &[], large("a").as_bytes());
    assert_eq!(
        (answer.status, &*code(&answer)),
        (503, "owner_memory"),
        "{}",
        answer.text()
    );
    for body in ["{", "", "[7]"] {
        let answer = gateway.client().post("/by-type", &[], body.as_bytes());
        assert!((400..500).contains(&answer.status), "{}", answer.text());
    }
    let (_, metrics) = gateway.get("/metrics");
    let bytes = |stream: &str| {
        let of = |line: &&str| {
            line.contains("body_bytes") && line.contains(&format!("stream=\"{stream}\""))
        };
        let line = metrics
            .lines()
            .find(of)
            .unwrap_or_else(|| panic!("{metrics}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(
        bytes("b") > 200_000.0 && bytes("b") < 210_000.0,
        "{}",
        bytes("b")
    );
    for stream in ["a", "b"] {
        // Nobody's body is no stream's fault.
        assert_eq!(
            gateway.status()["streams"][stream]["answers"]["client_error"],
            0,
            "{stream}"
        );
    }
    dead.set_broker(true);
    waiting
        .into_iter()
        .for_each(|mut client| drop(client.answer()));
    let used = || gateway.status()["memory"]["used_bytes"].as_u64().unwrap();
    eventually("the memory is free", Duration::from_secs(10), || {
        used() < 190_000
    });
}
