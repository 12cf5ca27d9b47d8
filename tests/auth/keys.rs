//! Keys and signatures, each way to show one.

use std::io::Write;
use std::process::{Command, Stdio};

use aws_lc_rs::hmac;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

const SOURCES: &str = r#"
[http]
auth = ["basic", "bearer", "header:x-api-key", "query:access_token", "hmac:x-signature id=header:x-app"]
[sources.shop]
keys = ["shop-key-1"]
secrets = ["a secret of the shop"]
ids = ["app-1"]
streams = ["events"]
[sources.old]
keys = ["an-old-key until 2020-01-01T00:00:00Z"]
[sources.slow]
keys = ["slow-key-1"]
rate = { events = 2 }
"#;

/// `shop-key-1:` and `wrong-key-1:`.
const GOOD_BASIC: (&str, &str) = ("authorization", "Basic c2hvcC1rZXktMTo=");
const WRONG_BASIC: (&str, &str) = ("authorization", "Basic d3Jvbmcta2V5LTE6");

#[test]
fn each_way_to_show_a_key_lets_its_source_in_and_nobody_else() {
    let (_mock, gateway) = started(SOURCES);
    for header in [
        GOOD_BASIC,
        ("authorization", "Bearer shop-key-1"),
        ("x-api-key", "shop-key-1"),
    ] {
        check(&post(&gateway, EVENTS, &[JSON, header]), 200, "");
    }
    let with_query = format!("{EVENTS}?a=b&access_token=shop%2Dkey-1");
    check(&post(&gateway, &with_query, &[JSON]), 200, "");
    let others = "/v1/events/others";
    check(
        &post(&gateway, others, &[JSON, GOOD_BASIC]),
        403,
        "source_not_allowed",
    );
    check(
        &post(&gateway, "/v1/events/none", &[JSON]),
        404,
        "unknown_stream",
    );
    assert_eq!(gateway.events("events", "accepted"), 4);
    let metrics = gateway.get("/metrics").1;
    for (reason, count) in [("no_key", 0), ("source_not_allowed", 1)] {
        let line = format!("forebay_refusals_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    for (name, count) in [
        ("requests_total", 4),
        ("refused_requests_total", 1),
        ("events_total", 4),
        ("body_bytes_total", 4 * EVENT.len()),
    ] {
        let line = format!("forebay_source_{name}{{source=\"shop\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    let log = gateway.stop();
    let line = log.lines().find(|line| line.contains("source_not_allowed"));
    assert!(line.is_some_and(|line| line.contains("shop")), "{log}");
}

#[test]
fn what_is_no_good_key_is_told_how_to_show_one() {
    let (_mock, gateway) = started(SOURCES);
    for (headers, status, code) in [
        (&[JSON][..], 401, "no_key"),
        (&[JSON, WRONG_BASIC], 401, "unknown_key"),
        (&[JSON, ("authorization", "Bearer ")], 401, "unknown_key"),
        (&[JSON, ("authorization", "Basic !!")], 401, "unknown_key"),
        (&[JSON, ("x-api-key", "an-old-key")], 401, "key_expired"),
        (&[JSON, GOOD_BASIC, GOOD_BASIC], 400, "credentials_doubled"),
        (
            &[JSON, ("x-api-key", "shop-key-1"), ("X-Api-Key", "wrong")],
            400,
            "credentials_doubled",
        ),
        // The first way whose credential is there decides.
        (
            &[JSON, WRONG_BASIC, ("x-api-key", "shop-key-1")],
            401,
            "unknown_key",
        ),
    ] {
        let answer = post(&gateway, EVENTS, headers);
        check(&answer, status, code);
        let challenges = answer
            .headers
            .iter()
            .filter(|it| it.0 == "www-authenticate");
        let expected = if status == 401 { 5 } else { 0 };
        assert_eq!(challenges.count(), expected, "{:?}", answer.headers);
    }
    let doubled = format!("{EVENTS}?access_token=shop-key-1&access_token=shop-key-1");
    check(
        &post(&gateway, &doubled, &[JSON]),
        400,
        "credentials_doubled",
    );
    check(
        &post(&gateway, "/v1/events/none", &[JSON]),
        404,
        "unknown_stream",
    );
    assert_eq!(gateway.events("events", "accepted"), 0);
    let log = gateway.stop();
    for secret in [
        "shop-key-1",
        "an-old-key",
        "a secret",
        "wrong",
        "c2hvcC1rZXktMTo",
    ] {
        assert!(!log.contains(secret), "{secret} in\n{log}");
    }
}

#[test]
fn what_shows_no_key_is_refused_before_its_body_comes() {
    let (_mock, gateway) = started(SOURCES);
    let mut client = gateway.client();
    let head = format!("POST {EVENTS} HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\n");
    client.write(head.as_bytes()).unwrap();
    let answer = client.answer().unwrap();
    check(&answer, 401, "no_key");
    assert_eq!(answer.header("connection"), Some("close"));
    // It reaches a client that writes all of its body first.
    let mut client = gateway.client();
    let body = vec![b' '; 1_000_000];
    check(
        &client.post(EVENTS, &[JSON, WRONG_BASIC], &body),
        401,
        "unknown_key",
    );
    // Without a body the connection goes on.
    let mut client = gateway.client();
    for _ in 0..2 {
        check(&client.post(EVENTS, &[JSON], b""), 401, "no_key");
    }
    assert_eq!(gateway.events("events", "accepted"), 0);
}

fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body);
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn a_signature_is_of_the_body_as_it_was_sent() {
    let (_mock, gateway) = started(SOURCES);
    let secret = "a secret of the shop";
    let send = |signature: &str, more: &[(&str, &str)], body: &[u8]| {
        let headers = [
            &[JSON, ("x-app", "app-1"), ("x-signature", signature)],
            more,
        ]
        .concat();
        gateway.client().post(EVENTS, &headers, body)
    };
    check(&send(&signature(secret, EVENT), &[], EVENT), 200, "");
    let packed = gzip(EVENT);
    let coded = [("content-encoding", "gzip")];
    check(&send(&signature(secret, &packed), &coded, &packed), 200, "");
    let of_decompressed = send(&signature(secret, EVENT), &coded, &packed);
    check(&of_decompressed, 401, "bad_signature");
    assert!(of_decompressed.header("www-authenticate").is_some());
    check(
        &send(&signature("another one", EVENT), &[], EVENT),
        401,
        "bad_signature",
    );
    check(&send("abc", &[], EVENT), 401, "bad_signature");
    let unknown = [JSON, ("x-app", "app-2"), ("x-signature", "00")];
    check(&post(&gateway, EVENTS, &unknown), 401, "bad_signature");
    let good = signature(secret, EVENT);
    let unknown = [JSON, ("x-app", "app-2"), ("x-signature", &good)];
    check(&post(&gateway, EVENTS, &unknown), 401, "unknown_key");
    let without = [JSON, ("x-signature", &*good)];
    check(&post(&gateway, EVENTS, &without), 401, "no_key");
    assert_eq!(gateway.events("events", "accepted"), 2);
    gateway.stop();
}

#[test]
fn a_source_that_brings_more_than_it_may_is_429_and_others_are_not() {
    let (_mock, gateway) = started(SOURCES);
    let send = |key: &str| post(&gateway, EVENTS, &[JSON, ("x-api-key", key)]);
    check(&send("slow-key-1"), 200, "");
    check(&send("slow-key-1"), 200, "");
    let answer = send("slow-key-1");
    check(&answer, 429, "source_quota");
    assert_eq!(answer.header("retry-after"), Some("1"));
    check(&send("shop-key-1"), 200, "");
    std::thread::sleep(Duration::from_millis(1_100));
    check(&send("slow-key-1"), 200, "");
    gateway.stop();
}

#[test]
fn a_key_is_made_and_hashed_at_the_command_line() {
    let forebay = env!("CARGO_BIN_EXE_forebay");
    let made = Command::new(forebay).args(["key", "new"]).output().unwrap();
    let text = String::from_utf8(made.stdout).unwrap();
    let key = text.lines().nth(1).unwrap().trim();
    let hashed = text.split('"').nth(1).unwrap();
    assert!(key.len() >= 32 && hashed.starts_with("sha256:"), "{text}");
    let hash = |text: &str| {
        let mut child = Command::new(forebay)
            .args(["key", "hash"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    assert_eq!(
        hash(&format!("{key}\n")),
        (Some(0), format!("{hashed}\n"), String::new())
    );
    let (code, _, error) = hash("hunter2");
    assert!(code == Some(64) && !error.contains("hunter2"), "{error}");
    let (_mock, gateway) = started(&format!(
        "[http]\nauth = [\"bearer\"]\n[sources.made]\nkeys = [\"{hashed}\"]\n"
    ));
    let bearer = format!("Bearer {key}");
    check(
        &post(&gateway, EVENTS, &[JSON, ("authorization", &bearer)]),
        200,
        "",
    );
    gateway.stop();
}

#[test]
fn a_stream_may_ask_for_other_keys_than_the_port_or_for_none() {
    let mock = Mock::start(1, &[("events", 2), ("others", 2)]);
    let more = format!("{SOURCES}\n");
    let gateway = Gateway::ready(&format!("{}auth = []\n", with_others(&mock, &more)));
    check(&post(&gateway, EVENTS, &[JSON]), 401, "no_key");
    check(&post(&gateway, "/v1/events/others", &[JSON]), 200, "");
    gateway.stop();
}
