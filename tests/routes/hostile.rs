//! Requests that nobody with good intentions sends to a route.

use super::*;
use crate::support::eventually;

const ROUTES: &str = r#"
[routes.pixel]
paths = ["/p/{app}"]
methods = ["GET", "POST"]
body = "query"
stream = "all"
key = ["header:x-key", "/k"]
headers.app = ["path:app"]
headers.agent = ["header:user-agent"]
[http]
max_head = "16KiB"
"#;

#[test]
fn paths_are_taken_as_they_are_sent_and_escapes_lead_nowhere() {
    let (mock, gateway) = started("", &["all"], ROUTES);
    let mut client = gateway.client();
    for (path, status) in [
        ("/p/..%2F..%2Fv1%2Fevents%2Fall?k=1", 200),
        ("/p/%00?k=1", 200),
        ("/p/%zz?k=1", 200),
        ("/p/%ff?k=1", 200),
        ("/p/a/..?k=1", 404),
        ("/p/?k=1", 404),
        ("/p?k=1", 404),
        ("/p//?k=1", 404),
        ("/%70/a?k=1", 404),
        ("/p/../p/a?k=1", 404),
        ("//p/a?k=1", 404),
    ] {
        let answer = send(&mut client, &format!("GET {path} HTTP/1.1"), b"");
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    let mut apps: Vec<_> = records(mock.bootstrap(), "all")
        .iter()
        .map(|it| header(it, "app").unwrap().to_owned())
        .collect();
    apps.sort();
    assert_eq!(apps, ["\0", "%zz", "../../v1/events/all", "\u{fffd}"]);
}

#[test]
fn headers_that_decide_must_not_be_there_twice_and_large_queries_are_bounded() {
    let (mock, gateway) = started("", &["all"], ROUTES);
    let mut client = gateway.client();
    let twice = send(
        &mut client,
        "GET /p/a?k=1 HTTP/1.1\nX-Key: 1\nX-Key: 2",
        b"",
    );
    assert_eq!(
        (twice.status, twice.json()["type"].as_str()),
        (400, Some("urn:forebay:key_doubled"))
    );
    let mut client = gateway.client();
    let list = send(
        &mut client,
        "GET /p/a?k=1&k=2 HTTP/1.1\nUser-Agent: a\nUser-Agent: b",
        b"",
    );
    assert_eq!(list.status, 200, "{}", list.text());
    let found = records(mock.bootstrap(), "all");
    assert_eq!(
        (found[0].key_text().unwrap(), header(&found[0], "agent")),
        ("1".into(), Some("a, b"))
    );
    let large = format!("GET /p/a?k=1&x={} HTTP/1.1", "%41".repeat(5_000));
    assert_eq!(send(&mut client, &large, b"").status, 200);
    let larger = format!("GET /p/a?k=1&x={} HTTP/1.1", "%41".repeat(50_000));
    let status = send(&mut gateway.client(), &larger, b"").status;
    assert!(matches!(status, 414 | 431), "{status}");
    let fields = format!("GET /p/a?{}k=1 HTTP/1.1", "&=".repeat(7_000) + "&");
    assert_eq!(send(&mut client, &fields, b"").status, 200);
    assert_eq!(gateway.events("all", "acked"), 3);
}

#[test]
fn what_routes_hold_is_given_back() {
    let (_mock, gateway) = started("", &["all"], ROUTES);
    let mut client = gateway.client();
    let held = || gateway.status()["memory"]["used_bytes"].as_u64().unwrap();
    assert_eq!(client.get("/p/a?k=1").status, 200);
    let before = held();
    let path = format!("GET /p/a?k={} HTTP/1.1", "x".repeat(8_000));
    for _ in 0..200 {
        assert_eq!(send(&mut client, &path, b"").status, 200);
        assert_eq!(send(&mut client, "GET /p/a HTTP/1.1", b"").status, 400);
    }
    let within = std::time::Duration::from_secs(10);
    eventually("the memory is free", within, || held() <= before);
}

#[test]
fn headers_that_a_stream_drops_are_in_no_record() {
    let more = format!("drop_headers = [\"User-Agent\"]\n{ROUTES}");
    let (mock, gateway) = started("", &["all"], &more);
    let mut client = gateway.client();
    let head = "GET /p/a?k=1 HTTP/1.1\nUser-Agent: phone";
    let answer = send(&mut client, head, b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let records = records(mock.bootstrap(), "all");
    assert_eq!(header(&records[0], "app"), Some("a"));
    assert_eq!(header(&records[0], "agent"), None);
}
