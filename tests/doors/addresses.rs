//! The address of a request's client in the records of routes, and in limits.

use super::*;
use crate::support::topic::{Record, records};

/// A route to each stream, whose records have the client's address.
const ROUTE: &str = "[routes.any]\npaths = [\"/to/{stream}\"]\nstream_by = [\"path:stream\"]\nkey = [\"address\"]\n\
    id = [\"/id\"]\nheaders.client-ip = [\"address\"]\n";

fn routed(http: &str) -> (Mock, Gateway) {
    let mock = Mock::start(1, &[("events", 1)]);
    let more = format!("[http]\n{http}\n{ROUTE}");
    let gateway = Gateway::ready(&config(mock.bootstrap(), &more));
    (mock, gateway)
}

/// The address in a record's header, which is its key as well.
fn address(record: &Record) -> String {
    let mut headers = record.headers.iter();
    let found = headers.find(|(name, _)| name == "client-ip");
    let (_, value) = found.unwrap_or_else(|| panic!("{record:?} has no address"));
    assert_eq!(record.key_text().as_ref(), Some(value));
    value.clone()
}

/// Posts an event and gets the status.
fn post(client: &mut Client, path: &str, headers: &[(&str, &str)]) -> u16 {
    client.post(path, headers, EVENT.as_bytes()).status
}

/// Posts events from these addresses of this machine with these lines of a header. Then the records must have `expected`.
fn check(from_header: &str, sent: &[([u8; 4], &[&str], &str)]) {
    let http = format!(
        "trusted = [\"127.0.0.1\", \"10.0.0.0/8\"]\naddress_from = \"{from_header}\"\nmax_requests_per_address = 1000"
    );
    let (mock, gateway) = routed(&http);
    for (own, lines, _) in sent {
        let mut client = Client::over(from(*own, gateway.data));
        // What the other header says is nobody's word.
        let mut headers = vec![
            ("x-forwarded-for", "198.51.100.1"),
            ("forwarded", "for=198.51.100.1"),
        ];
        headers.retain(|(name, _)| *name != from_header);
        headers.extend(lines.iter().map(|line| (from_header, *line)));
        assert_eq!(post(&mut client, "/to/events", &headers), 200);
    }
    let found = records(mock.bootstrap(), "events");
    let found: Vec<_> = found.iter().map(address).collect();
    let expected: Vec<_> = sent.iter().map(|(_, _, expected)| *expected).collect();
    assert_eq!(found, expected);
    gateway.stop();
}

#[test]
fn a_record_has_the_last_address_that_somebody_trusted_has_named() {
    let (trusted, stranger) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    check(
        "x-forwarded-for",
        &[
            (trusted, &["203.0.113.9, 192.0.2.1, 10.0.0.7"], "192.0.2.1"),
            (
                trusted,
                &["203.0.113.9", "192.0.2.2:4711", "10.0.0.7"],
                "192.0.2.2",
            ),
            (trusted, &["203.0.113.9, 2001:db8::7"], "2001:db8::7"),
            (trusted, &["203.0.113.9, nobody"], "127.0.0.1"),
            (trusted, &[], "127.0.0.1"),
            (stranger, &["192.0.2.1"], "127.0.0.2"),
        ],
    );
    check(
        "forwarded",
        &[
            (
                trusted,
                &["for=203.0.113.9, for=192.0.2.1;proto=https, for=10.0.0.7"],
                "192.0.2.1",
            ),
            (
                trusted,
                &["for=203.0.113.9", "For=\"[2001:db8::7]:4711\";by=10.0.0.7"],
                "2001:db8::7",
            ),
            (trusted, &["for=203.0.113.9, for=_hidden"], "127.0.0.1"),
            (trusted, &[], "127.0.0.1"),
            (stranger, &["for=192.0.2.1"], "127.0.0.2"),
        ],
    );
    // By the connection alone no header counts.
    check(
        "connection",
        &[(trusted, &[], "127.0.0.1"), (stranger, &[], "127.0.0.2")],
    );
}

#[test]
fn addresses_are_counted_by_what_records_have() {
    let (mock, gateway) = routed(
        "trusted = [\"127.0.0.1\"]\naddress_from = \"x-forwarded-for\"\nmax_requests_per_address = 1",
    );
    let send = |path, said| {
        let headers = [("x-forwarded-for", said), JSON];
        post(&mut gateway.client(), path, &headers)
    };
    assert_eq!(send("/to/events", "192.0.2.1"), 200);
    assert_eq!(send("/to/events", "203.0.113.9, 192.0.2.1"), 429);
    assert_eq!(send(EVENTS, "192.0.2.1"), 429);
    assert_eq!(send("/to/events", "192.0.2.1, 192.0.2.2"), 200);
    let found = records(mock.bootstrap(), "events");
    let found: Vec<_> = found.iter().map(address).collect();
    assert_eq!(found, ["192.0.2.1", "192.0.2.2"]);
    gateway.stop();
}

#[test]
fn a_stream_has_no_more_of_an_address_than_its_privacy_lets_it() {
    let mock = Mock::start(1, &[("events", 1), ("short", 1), ("secret", 1)]);
    let http = "[http]\ntrusted = [\"127.0.0.1\"]\naddress_from = \"x-forwarded-for\"\n";
    let streams = "[streams.short]\ncluster = \"main\"\naddresses = \"cut\"\n\
        [streams.secret]\ncluster = \"main\"\naddresses = \"hashed\"\naddress_key = \"a key of addresses\"\n";
    let start = config(mock.bootstrap(), &format!("{http}{ROUTE}"));
    let gateway = Gateway::ready(&format!("{start}{streams}"));
    let mut client = gateway.client();
    let (v4, v6) = ("192.0.2.77", "2001:db8:1:2:3:4:5:6");
    for stream in ["events", "short", "secret"] {
        for said in [v4, v4, v6] {
            let headers = [("x-forwarded-for", said), JSON];
            assert_eq!(post(&mut client, &format!("/to/{stream}"), &headers), 200);
        }
    }
    let found = |stream| {
        let found = records(mock.bootstrap(), stream);
        let found: Vec<_> = found.iter().map(address).collect();
        (found, format!("{:?}", records(mock.bootstrap(), stream)))
    };
    assert_eq!(found("events").0, [v4, v4, v6]);
    let (short, all_short) = found("short");
    assert_eq!(short, ["192.0.2.0", "192.0.2.0", "2001:db8:1::"]);
    let (secret, all_secret) = found("secret");
    // HMAC-SHA256 of the four bytes, as another program computes it.
    let hash = "71ebfd70558ad9f3501d46db471aca3d";
    assert_eq!(secret[..2], [hash, hash]);
    assert!(secret[2] != hash && secret[2].len() == 32, "{secret:?}");
    let told = gateway.get("/status").1 + &gateway.get("/metrics").1 + &gateway.get("/config").1;
    let log = gateway.stop();
    for all in [all_short, all_secret, told, log] {
        assert!(!all.contains(v4) && !all.contains(v6), "{all}");
    }
}

#[test]
fn a_record_has_the_address_that_the_proxy_protocol_names() {
    let (mock, gateway) = routed("trusted = [\"127.0.0.1\"]\nproxy_protocol = true");
    for head in [second([192, 0, 2, 1]), first("192.0.2.2")] {
        let mut client = begun(&gateway, &head);
        let headers = [("x-forwarded-for", "198.51.100.1"), JSON];
        assert_eq!(post(&mut client, "/to/events", &headers), 200);
    }
    let found = records(mock.bootstrap(), "events");
    let found: Vec<_> = found.iter().map(address).collect();
    assert_eq!(found, ["192.0.2.1", "192.0.2.2"]);
    gateway.stop();
}

/// A route whose records have addresses from all over a request, and a key from a header.
const ANYWHERE: &str = "[routes.anywhere]\npaths = [\"/anywhere/{stream}\"]\nstream_by = [\"path:stream\"]\nevents = \"/batch\"\n\
    key = [\"header:x-real-ip\"]\nid = [\"cookie:visit\"]\n\
    [routes.anywhere.headers]\nforwarded-for = [\"header:x-forwarded-for\"]\nforwarded = [\"header:forwarded\"]\n\
    ip = [\"query:ip\"]\ncookie = [\"cookie:ip\"]\ncontext = [\"envelope:/context\"]\nown = [\"/ip\"]\n\
    agent = [\"header:user-agent\"]\nuser = [\"basic\"]\n\"c-*\" = [\"header:cf-*\"]\n";

#[test]
fn an_address_that_a_client_or_a_balancer_says_is_stored_as_its_stream_shows_addresses() {
    let mock = Mock::start(1, &[("events", 1), ("short", 1), ("header", 1)]);
    let streams = "[streams.short]\ncluster = \"main\"\naddresses = \"cut\"\ndrop_headers = [\"authorization\"]\n\
        [streams.header]\ncluster = \"main\"\naddresses = \"cut\"\nkey = \"header:x-real-ip\"\n";
    let gateway = Gateway::ready(&config(mock.bootstrap(), &format!("{ANYWHERE}{streams}")));
    let headers = [
        ("x-forwarded-for", "192.0.2.77, 2001:db8:1:2::77"),
        ("forwarded", "for=192.0.2.77;by=\"[2001:db8:1:2::77]:4711\""),
        ("x-real-ip", "192.0.2.77"),
        (
            "cookie",
            "visit=192.0.2.77-5; ip=2001%3Adb8%3A1%3A2%3A%3A77",
        ),
        ("cf-connecting-ip", "192.0.2.77"),
        ("user-agent", "Mozilla/5.0 Chrome/120.0.0.77"),
        ("authorization", "Basic dXNlcjo="),
        JSON,
    ];
    let body = r#"{"context":{"ip":"192.0.2.77"},"batch":[{"ip":"192.0.2.77"}]}"#;
    for stream in ["events", "short"] {
        let path = format!("/anywhere/{stream}?ip=192.0.2.77");
        let answer = gateway.client().post(&path, &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let key = [("x-real-ip", "192.0.2.77"), JSON];
    assert_eq!(post(&mut gateway.client(), "/v1/events/header", &key), 200);
    let all = |stream: &str| {
        let found = records(mock.bootstrap(), stream).remove(0);
        let mut all = found.headers.clone();
        all.sort();
        let all: Vec<_> = all
            .into_iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        (found.key_text().unwrap(), found.text(), all)
    };
    let event = r#"{"ip":"192.0.2.77"}"#;
    let (key, value, headers) = all("events");
    assert_eq!((key.as_str(), value.as_str()), ("192.0.2.77", event));
    let is_shown = |header: &&String| header.contains("77") && !header.starts_with("agent");
    assert_eq!(headers.iter().filter(is_shown).count(), 8, "{headers:?}");
    assert!(headers.contains(&"user: user".into()), "{headers:?}");
    let (key, value, headers) = all("short");
    // What stands in the event is the event.
    assert_eq!((key.as_str(), value.as_str()), ("192.0.2.0", event));
    assert_eq!(
        headers,
        [
            "agent: Mozilla/5.0 Chrome/120.0.0.77",
            "c-connecting-ip: 192.0.2.0",
            "context: {\"ip\":\"192.0.2.0\"}",
            "cookie: 2001:db8:1::",
            "event-id: 192.0.2.0-5",
            "forwarded: for=192.0.2.0;by=\"[2001:db8:1::]:4711\"",
            "forwarded-for: 192.0.2.0, 2001:db8:1::",
            "ip: 192.0.2.0",
            "own: 192.0.2.0",
        ]
    );
    assert_eq!(all("header").0, "192.0.2.0");
    gateway.stop();
}
