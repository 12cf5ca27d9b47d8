//! Pages of other origins: what their browsers are told, on every answer.

use super::*;

const WEB: &str = r#"
[http]
cors = "web"
max_body = "1KiB"
answer_within = "1s"
[lane]
stalled_after = "900ms"
[cors.web]
origins = ["https://shop.example", "https://*.shop.example"]
credentials = true
"#;
const GOOD: (&str, &str) = ("origin", "https://shop.example");
const EVIL: (&str, &str) = ("origin", "https://evil.example");

/// The headers by which a browser lets its page read an answer.
fn check_readable(answer: &Answer) {
    let header = |name| answer.header(name);
    assert_eq!(
        header("access-control-allow-origin"),
        Some("https://shop.example"),
        "{:?}",
        answer.headers
    );
    assert_eq!(header("access-control-allow-credentials"), Some("true"));
    assert_eq!(header("access-control-expose-headers"), Some("retry-after"));
    assert_eq!(header("vary"), Some("origin"));
}

fn preflight(gateway: &Gateway, path: &str, origin: (&str, &str)) -> Answer {
    let mut client = gateway.client();
    let (name, value) = origin;
    let head = format!(
        "OPTIONS {path} HTTP/1.1\r\nhost: test\r\n{name}: {value}\r\naccess-control-request-method: POST\r\n\
         access-control-request-headers: authorization,content-type\r\n\r\n"
    );
    client.write(head.as_bytes()).unwrap();
    client.answer().unwrap()
}

#[test]
fn a_page_can_read_every_answer_errors_included() {
    let (mock, gateway) = started(WEB);
    check(&post(&gateway, EVENTS, &[JSON, GOOD]), 200, "");
    let large = vec![b' '; 2_000];
    let refused = |path: &str, headers: &[(&str, &str)], body: &[u8]| {
        let headers = [&[GOOD], headers].concat();
        let answer = gateway.client().post(path, &headers, body);
        check_readable(&answer);
        told(&answer).0
    };
    assert_eq!(refused(EVENTS, &[JSON], EVENT), 200);
    assert_eq!(refused(EVENTS, &[JSON], b"{"), 400);
    assert_eq!(
        refused(EVENTS, &[("content-type", "image/png")], EVENT),
        415
    );
    assert_eq!(refused(EVENTS, &[JSON], &large), 413);
    assert_eq!(refused(EVENTS, &[JSON], br#"{"id":"1"}"#), 422);
    assert_eq!(refused("/v1/events/none", &[JSON], EVENT), 404);
    assert_eq!(refused("/nothing", &[JSON], EVENT), 404);
    mock.set_broker(false);
    let answer = post(&gateway, EVENTS, &[JSON, GOOD]);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    check_readable(&answer);
    // A request that names no origin isn't bound, and what may be kept of its answer depends on it.
    let plain = post(&gateway, EVENTS, &[JSON]);
    assert_eq!(plain.header("access-control-allow-origin"), None);
    assert_eq!(plain.header("vary"), Some("origin"));
}

#[test]
fn a_preflight_needs_no_key_and_tells_what_is_allowed() {
    let asks = format!("{WEB}[sources.shop]\nkeys = [\"shop-key-1\"]\n")
        .replace("cors = \"web\"", "cors = \"web\"\nauth = [\"bearer\"]");
    let (_mock, gateway) = started(&asks);
    let answer = preflight(&gateway, EVENTS, GOOD);
    assert_eq!((answer.status, answer.body.len()), (204, 0), "{answer:?}");
    let header = |name| answer.header(name);
    assert_eq!(header("access-control-allow-origin"), Some(GOOD.1));
    assert_eq!(header("access-control-allow-credentials"), Some("true"));
    assert_eq!(header("access-control-allow-methods"), Some("POST"));
    assert_eq!(
        header("access-control-allow-headers"),
        Some("authorization, content-encoding, content-type, x-retry-count")
    );
    assert_eq!(header("access-control-max-age"), Some("7200"));
    let below = ("origin", "https://www.shop.example");
    let answer = preflight(&gateway, EVENTS, below);
    assert_eq!(answer.header("access-control-allow-origin"), Some(below.1));
    let answer = preflight(&gateway, EVENTS, EVIL);
    check(&answer, 403, "origin_not_allowed");
    assert_eq!(answer.header("access-control-allow-origin"), None);
    // What a page is refused for want of a key, it can read.
    let answer = post(&gateway, EVENTS, &[JSON, GOOD]);
    check(&answer, 401, "no_key");
    check_readable(&answer);
    let bearer = ("authorization", "Bearer shop-key-1");
    check(&post(&gateway, EVENTS, &[JSON, GOOD, bearer]), 200, "");
    gateway.stop();
}

#[test]
fn a_page_of_another_origin_is_refused_before_its_body_comes() {
    let (_mock, gateway) = started(WEB);
    let mut client = gateway.client();
    let head = format!(
        "POST {EVENTS} HTTP/1.1\r\nhost: test\r\n{}: {}\r\ncontent-length: 100000\r\n\r\n",
        EVIL.0, EVIL.1
    );
    client.write(head.as_bytes()).unwrap();
    let answer = client.answer().unwrap();
    check(&answer, 403, "origin_not_allowed");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(gateway.events("events", "accepted"), 0);
    // Else its connection would be read from for a while.
    drop(client);
    gateway.stop();
}

#[test]
fn without_cors_nothing_is_told_and_nothing_is_refused_for_an_origin() {
    let (_mock, gateway) = started("");
    let answer = post(&gateway, EVENTS, &[JSON, EVIL]);
    check(&answer, 200, "");
    for name in ["access-control-allow-origin", "vary"] {
        assert_eq!(answer.header(name), None);
    }
    check(
        &preflight(&gateway, EVENTS, GOOD),
        405,
        "method_not_allowed",
    );
    gateway.stop();
}

#[test]
fn a_key_of_a_page_is_no_use_to_other_peoples_pages() {
    let (_mock, gateway) = started(
        r#"
[http]
auth = ["bearer"]
[sources.web]
keys = ["a-key-in-a-page"]
origins = ["https://shop.example"]
"#,
    );
    let key = ("authorization", "Bearer a-key-in-a-page");
    check(&post(&gateway, EVENTS, &[JSON, key, GOOD]), 200, "");
    check(
        &post(&gateway, EVENTS, &[JSON, key, EVIL]),
        403,
        "origin_not_allowed",
    );
    check(&post(&gateway, EVENTS, &[JSON, key]), 200, "");
    gateway.stop();
}

#[test]
fn a_preflight_is_judged_by_where_it_ends_as_any_request() {
    let (_mock, gateway) =
        started("[http]\ncors = \"web\"\n[cors.web]\norigins = [\"https://shop.example\"]\n");
    let ask = |more: &str, behind: &str| {
        let mut client = gateway.client();
        let head = format!(
            "OPTIONS {EVENTS} HTTP/1.1\r\norigin: https://shop.example\r\naccess-control-request-method: POST\r\n{more}\r\n{behind}"
        );
        client.write(head.as_bytes()).unwrap();
        let answer = client.answer().unwrap();
        (answer.status, answer.header("connection") == Some("close"))
    };
    assert_eq!(ask("host: test\r\n", ""), (204, false));
    assert_eq!(ask("host: test\r\ncontent-length: 0\r\n", ""), (204, false));
    assert_eq!(ask("", ""), (400, true));
    assert_eq!(ask("host: a\r\nhost: b\r\n", ""), (400, true));
    let coded = "host: test\r\ntransfer-encoding: gzip, chunked\r\n";
    assert_eq!(ask(coded, "0\r\n\r\n"), (501, true));
    // None has a body. What is no preflight gets what any OPTIONS gets.
    let smuggled = "POST /v1/events/events HTTP/1.1\r\nhost: test\r\n\r\n";
    let with_body = format!("host: test\r\ncontent-length: {}\r\n", smuggled.len());
    assert_eq!(ask(&with_body, smuggled), (405, true));
    gateway.stop();
}
