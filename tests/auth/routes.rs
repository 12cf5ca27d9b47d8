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
