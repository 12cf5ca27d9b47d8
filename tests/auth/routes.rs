//! Routes that ask for keys, in the ways of SDKs that people have.

use aws_lc_rs::hmac;

use super::*;
use crate::support::topic::records;

const CONFIG: &str = r#"
[routes.segment]
auth = ["basic", "body:/writeKey"]
cors = "web"
[routes.segment.headers]
source = ["source"]
[routes.segment-single]
auth = ["basic", "body:/writeKey"]
cors = "web"
[routes.appsflyer-c2s]
auth = ["hmac:authorization id=path:app_id"]
[sources.shop]
keys = ["WRITEKEY"]
streams = ["segment"]
origins = ["https://shop.example"]
[sources.game]
secrets = ["the-dev-key"]
ids = ["app-1"]
keys = ["another-key"]
routes = ["appsflyer-c2s"]
[cors.web]
origins = ["https://shop.example", "https://other.example"]
[streams.segment]
cluster = "main"
[streams.appsflyer]
cluster = "main"
"#;

fn started() -> (Mock, Gateway) {
    let mock = Mock::start(1, &[("segment", 1), ("appsflyer", 1)]);
    let presets = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/presets");
    let config = format!(
        "include = [\"{presets}/segment.toml\", \"{presets}/appsflyer.toml\"]\n{CONFIG}[clusters.main]\nbootstrap = \"{}\"\n",
        mock.bootstrap()
    );
    let gateway = Gateway::ready(&config);
    (mock, gateway)
}

fn batch(id: &str, key: &str) -> String {
    format!(
        r#"{{"batch":[{{"type":"track","messageId":"{id}","userId":"u1"}}],"sentAt":"2026-11-26T21:57:25.165Z","sequence":1,"writeKey":{key}}}"#
    )
}

const BASIC: (&str, &str) = ("authorization", "Basic V1JJVEVLRVk6");
const WRONG_BASIC: (&str, &str) = ("authorization", "Basic d3Jvbmcta2V5LTE6");

#[test]
fn a_write_key_is_the_user_of_basic_or_a_member_of_the_body() {
    let (mock, gateway) = started();
    let send = |path: &str, headers: &[(&str, &str)], body: &str| {
        let headers = [&[JSON], headers].concat();
        gateway.client().post(path, &headers, body.as_bytes())
    };
    let good = "\"WRITEKEY\"";
    // Python, Node and Go; Java, which has no header; a browser.
    check(
        &send("/v1/batch", &[BASIC], &batch("python", "null")),
        200,
        "",
    );
    check(&send("/v1/import/", &[], &batch("java", good)), 200, "");
    let single = r#"{"type":"track","messageId":"browser","userId":"u1","writeKey":"WRITEKEY"}"#;
    check(&send("/v1/t", &[], single), 200, "");
    for (headers, key, code) in [
        (&[][..], "\"WRONGKEY\"", "unknown_key"),
        (&[], "null", "no_key"),
        (&[], "\"\"", "unknown_key"),
        (&[], "[\"WRITEKEY\"]", "no_key"),
        // What the head shows decides, and no body is looked into then.
        (&[WRONG_BASIC], good, "unknown_key"),
        // A key of a source that may not use the route.
        (&[], "\"another-key\"", "source_not_allowed"),
    ] {
        let status = if code == "source_not_allowed" {
            403
        } else {
            401
        };
        let answer = send("/v1/import/", headers, &batch("refused", key));
        check(&answer, status, code);
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
    }
    check(
        &send("/v1/t", &[], &single.replace("WRITEKEY", "WRONGKEY")),
        401,
        "unknown_key",
    );
    let found = records(mock.bootstrap(), "segment");
    let mut ids: Vec<_> = found.iter().map(|record| record.text()).collect();
    ids.sort();
    assert!(
        ids.len() == 3 && ids.iter().all(|text| !text.contains("refused")),
        "{ids:?}"
    );
    let named = found.iter().filter(|record| {
        let mut headers = record.headers.iter();
        headers.any(|(name, value)| name == "source" && value == "shop")
    });
    assert_eq!(named.count(), 2);
    let log = gateway.stop();
    assert!(
        !log.contains("WRITEKEY") && !log.contains("WRONGKEY"),
        "{log}"
    );
}

#[test]
fn a_signature_finds_its_source_by_the_path() {
    let (_mock, gateway) = started();
    let body = br#"{"device_ids":[{"type":"custom","value":"d1"}],"request_id":"r1","timestamp":1795730560313}"#;
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"the-dev-key");
    let tag = hmac::sign(&key, body);
    let signature: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let send = |app: &str, signature: &str| {
        let path = format!("/v1.0/c2s/session/app/tizen/{app}");
        gateway
            .client()
            .post(&path, &[JSON, ("authorization", signature)], body)
    };
    check(&send("app-1", &signature), 200, "");
    check(&send("app%2D1", &signature), 200, "");
    check(&send("app-2", &signature), 401, "unknown_key");
    check(&send("app-1%2F..", &signature), 401, "unknown_key");
    check(
        &send("app-1", &signature.replace('a', "b")),
        401,
        "bad_signature",
    );
    gateway.stop();
}

#[test]
fn a_page_is_told_of_a_route_what_the_route_says() {
    let (_mock, gateway) = started();
    let ask = |path: &str, method: &str, origin: &str| {
        let mut client = gateway.client();
        let head = format!(
            "OPTIONS {path} HTTP/1.1\r\nhost: test\r\norigin: {origin}\r\naccess-control-request-method: {method}\r\n\r\n"
        );
        client.write(head.as_bytes()).unwrap();
        client.answer().unwrap()
    };
    let (shop, other) = ("https://shop.example", "https://other.example");
    let answer = ask("/v1/t", "POST", shop);
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(answer.header("access-control-allow-origin"), Some(shop));
    check(
        &ask("/v1/t", "POST", "https://evil.example"),
        403,
        "origin_not_allowed",
    );
    // This route says nothing of pages.
    check(&ask("/v1/m", "POST", shop), 405, "method_not_allowed");
    let single = br#"{"type":"track","messageId":"m","userId":"u","writeKey":"WRITEKEY"}"#;
    let send = |origin: &str, headers: &[(&str, &str)]| {
        let headers = [&[("origin", origin)], headers].concat();
        gateway.client().post("/v1/t", &headers, single)
    };
    for headers in [&[BASIC][..], &[]] {
        let answer = send(shop, headers);
        check(&answer, 200, "");
        assert_eq!(answer.header("access-control-allow-origin"), Some(shop));
        // A listed origin, and not one of the source's.
        let answer = send(other, headers);
        check(&answer, 403, "origin_not_allowed");
        assert_eq!(answer.header("access-control-allow-origin"), Some(other));
    }
    gateway.stop();
}

/// A body that becomes large.
fn bomb() -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&[b' '; 15 << 20]).unwrap();
    packed.finish().unwrap()
}

const C2S: &str = "/v1.0/c2s/inapp/app/vidaa/app-1";
const SIGNED: &[u8] = br#"{"request_id":"r","device_ids":[{"value":"d"}]}"#;

fn signed(key: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let signature = hmac::sign(&key, body);
    let digits = signature.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

/// The same again and again on a connection.
fn repeated(gateway: &Gateway, times: usize, what: impl Fn(&mut Client)) {
    let mut client = gateway.client();
    (0..times).for_each(|_| what(&mut client));
}

/// Wrong keys in bodies that have to be read for them.
fn wrong_members(gateway: &Gateway) {
    let pad = "x".repeat(20_000);
    let body = format!(r#"{{"batch":[{{"userId":"{pad}"}}],"writeKey":"wrong"}}"#);
    repeated(gateway, 300, |client| {
        let answer = client.post("/v1/import/", &[JSON], body.as_bytes());
        check(&answer, 401, "unknown_key");
    });
}

/// Signatures of what a body becomes, and by another's secret: neither body is decompressed.
fn wrong_signatures(gateway: &Gateway, packed: &[u8]) {
    let of_decompressed = signed("the-dev-key", &[b' '; 15 << 20]);
    for signature in [of_decompressed, signed("another", packed)] {
        let headers = [
            JSON,
            ("content-encoding", "gzip"),
            ("authorization", &*signature),
        ];
        repeated(gateway, 50, |client| {
            check(&client.post(C2S, &headers, packed), 401, "bad_signature");
        });
    }
}

/// Captures that are another app's, or lead elsewhere; two signatures; and many preflights.
fn wrong_heads(gateway: &Gateway) {
    let good = signed("the-dev-key", SIGNED);
    for app in [
        "app-1%2F..%2Fapp-2",
        "..%2Fapp-1",
        "app-1%00",
        "APP-1",
        "app-2",
    ] {
        let path = C2S.replace("app-1", app);
        let answer = gateway
            .client()
            .post(&path, &[JSON, ("authorization", &good)], SIGNED);
        check(&answer, 401, "unknown_key");
    }
    let twice = [JSON, ("authorization", &*good), ("authorization", &*good)];
    let answer = gateway.client().post(C2S, &twice, SIGNED);
    check(&answer, 400, "credentials_doubled");
    for (origin, status) in [("https://shop.example", 204), ("https://evil.example", 403)] {
        let asked = format!(
            "OPTIONS /v1/t HTTP/1.1\r\nhost: test\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n\r\n"
        );
        repeated(gateway, 500, |client| {
            client.write(asked.as_bytes()).unwrap();
            assert_eq!(client.answer().unwrap().status, status);
        });
    }
}

#[test]
fn strangers_at_routes_cost_little_and_hurt_nobody() {
    let (mock, gateway) = started();
    let before = gateway.peak();
    let packed = bomb();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            repeated(&gateway, 500, |client| {
                let answer = client.post("/v1/batch", &[JSON, WRONG_BASIC], b"");
                check(&answer, 401, "unknown_key");
            });
        });
        scope.spawn(|| wrong_members(&gateway));
        scope.spawn(|| wrong_signatures(&gateway, &packed));
        scope.spawn(|| wrong_heads(&gateway));
        // Somebody good meanwhile.
        let mut client = gateway.client();
        for number in 0..100 {
            let body = batch(&number.to_string(), "null");
            let answer = client.post("/v1/batch", &[JSON, BASIC], body.as_bytes());
            check(&answer, 200, "");
        }
    });
    let grown = gateway.peak().saturating_sub(before);
    assert!(
        grown < 14 << 20,
        "{grown} bytes more at the peak: something was decompressed"
    );
    assert_eq!(gateway.events("segment", "accepted"), 100);
    assert_eq!(records(mock.bootstrap(), "appsflyer").len(), 0);
    // A capture decides as it's meant, with its escapes undone once.
    let good = signed("the-dev-key", SIGNED);
    let path = C2S.replace("app-1", "app%2D1");
    let answer = gateway
        .client()
        .post(&path, &[JSON, ("authorization", &good)], SIGNED);
    check(&answer, 200, "");
    gateway.stop();
}
