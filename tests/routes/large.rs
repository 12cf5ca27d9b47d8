//! What a request says once and each of its events gets: it's counted for each of them before it's there.

use super::*;

const MIB: u64 = 1024 * 1024;
/// As many events as a request may have.
const COUNT: usize = 10_000;

/// Each event has a header of its own, so that no two have the same headers.
const ROUTES: &str = r#"
[routes.batch]
paths = ["/batch"]
events = "/batch"
stream = "all"
stream_by = ["/type"]
streams = { all = "all", other = "other" }
key = ["/k"]
time = ["/t"]
time_header = "event-time"
headers.context = ["envelope:/context"]
[routes.keyed]
paths = ["/keyed"]
events = "/batch"
stream = "all"
stream_by = ["/type"]
streams = { all = "all", other = "other" }
key = ["envelope:/context"]
[http]
max_body = "16MiB"
"#;

/// A body with something large around many small events.
fn around(context: &str, event: &str, count: usize) -> String {
    let events = vec![event; count].join(",");
    format!(r#"{{"context":{context},"batch":[{events}]}}"#)
}

/// A text of so many bytes, in quotes.
fn text(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes))
}

#[test]
fn what_every_event_gets_is_refused_before_it_is_copied() {
    let (_mock, gateway) = started("", &["all", "other"], ROUTES);
    assert_eq!(
        gateway
            .client()
            .post("/batch", &[], b"{\"batch\":[{\"k\":1}]}")
            .status,
        200
    );
    let before = gateway.resident();
    let event = r#"{"k":1}"#;
    for (path, context, status) in [
        // One of them fits into an event, and not all of them into a request.
        ("/batch", text(800_000), 413),
        ("/batch", format!("\"\\n{}\"", "x".repeat(800_000)), 413),
        ("/batch", format!("{{\"a\":[{}]}}", text(800_000)), 413),
        ("/keyed", text(800_000), 413),
        // None fits into an event.
        ("/batch", text(15_000_000), 413),
        ("/batch", format!("\"\\n{}\"", "x".repeat(15_000_000)), 413),
        ("/keyed", text(15_000_000), 413),
    ] {
        let body = around(&context, event, COUNT);
        let answer = gateway.client().post(path, &[], body.as_bytes());
        let text = answer.text();
        assert_eq!(answer.status, status, "{path} {}: {text}", context.len());
        // The body, what was decoded of it, and what was made until it was too much.
        let grown = gateway.peak().saturating_sub(before);
        assert!(
            grown < 160 * MIB,
            "{path} {}: {} MiB",
            context.len(),
            grown / MIB
        );
    }
    assert_eq!(gateway.events("all", "accepted"), 1);
}

#[test]
fn what_every_event_of_several_streams_gets_is_counted_together() {
    let (_mock, gateway) = started("", &["all", "other"], ROUTES);
    let before = gateway.resident();
    let pair = r#"{"k":1,"type":"all"},{"k":1,"type":"other"}"#;
    for path in ["/batch", "/keyed"] {
        for count in [12, COUNT / 2] {
            let body = around(&text(800_000), pair, count);
            let answer = gateway.client().post(path, &[], body.as_bytes());
            assert_eq!(answer.status, 413, "{path}: {}", answer.text());
            let grown = gateway.peak().saturating_sub(before);
            assert!(grown < 160 * MIB, "{path}: {} MiB", grown / MIB);
        }
    }
    for stream in ["all", "other"] {
        assert_eq!(gateway.events(stream, "accepted"), 0, "{stream}");
    }
    let few = around(&text(800_000), pair, 3);
    assert_eq!(
        gateway.client().post("/batch", &[], few.as_bytes()).status,
        200
    );
    assert_eq!(
        gateway.client().post("/keyed", &[], few.as_bytes()).status,
        200
    );
}
