//! Routes as somebody writes them for an SDK that nobody here has heard of.

use super::*;

const BY_TYPE: &str = r#"
[routes.events]
paths = ["/e/{shop}"]
events = "/data/items"
stream = "rest"
stream_by = ["/type"]
key = ["/user", "path:shop"]
id = ["/n", "envelope:/batch_id"]
time = ["/at"]
timestamp = "event"
[routes.events.streams]
view = "views"
buy = "buys"
[routes.events.headers]
shop = ["path:shop"]
"x_*" = ["header:x-shop-*"]
"#;

#[test]
fn one_request_brings_events_of_several_streams_in_order() {
    let (mock, gateway) = started("", &["views", "buys", "rest"], BY_TYPE);
    let mut client = gateway.client();
    let items: Vec<_> = (0..60)
        .map(|n| {
            let kind = ["view", "buy", "other"][n % 3];
            format!(
                r#"{{"type":"{kind}","user":"u{}","n":{n},"at":{}}}"#,
                n % 4,
                1_700_000_000_000_u64 + n as u64
            )
        })
        .collect();
    let body = format!(r#"{{"data":{{"items":[{}]}}}}"#, items.join(","));
    let head = "POST /e/s%2F..%2F1 HTTP/1.1\nX-Shop-Lang: de\nX-Shop-: none\nX-Other: no";
    let answer = send(&mut client, head, body.as_bytes());
    assert_eq!(answer.json()["acked"], 60, "{}", answer.text());
    for (stream, rest) in [("views", 0), ("buys", 1), ("rest", 2)] {
        let found = records(mock.bootstrap(), stream);
        assert_eq!(found.len(), 20, "{stream}");
        assert_eq!(gateway.events(stream, "acked"), 20);
        for partition in 0..2 {
            let of_partition = found.iter().filter(|record| record.partition == partition);
            let numbers: Vec<i64> = of_partition
                .map(|record| record.timestamp_ms - 1_700_000_000_000)
                .collect();
            assert!(numbers.is_sorted(), "{stream}: {numbers:?}");
            assert!(numbers.iter().all(|number| number % 3 == rest));
        }
        for record in &found {
            assert!(items.contains(&record.text()));
            assert_eq!(header(record, "shop"), Some("s/../1"));
            assert_eq!(header(record, "x_lang"), Some("de"));
            assert_eq!(record.headers.len(), 2, "{record:?}");
        }
    }
}

#[test]
fn values_that_are_not_in_the_event_go_into_headers() {
    let (mock, gateway) = started("", &["views", "buys", "rest"], BY_TYPE);
    let mut client = gateway.client();
    let body =
        r#"{"batch_id":"b-1","data":{"items":[{"user":null},{"user":"u","n":7,"at":"never"}]}}"#;
    let answer = send(&mut client, "POST /e/s1 HTTP/1.1", body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let records = sorted(&mock, "rest");
    assert_eq!(records[0].key_text().unwrap(), "u");
    assert_eq!(records[1].key_text().unwrap(), "s1");
    assert_eq!(header(&records[0], "event-id"), None);
    assert_eq!(
        header(&records[1], "event-id"),
        Some("b-1-0"),
        "told apart by its place"
    );
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert!(now.as_millis() as i64 - records[0].timestamp_ms < 60_000);
}

#[test]
fn lines_forms_and_opaque_bodies_are_taken_by_the_route_s_word() {
    let routes = r#"
[routes.lines]
paths = ["/lines"]
body = "ndjson"
stream = "all"
key = ["/k"]
[routes.form]
paths = ["/form"]
body = "form"
stream = "all"
key = ["/k"]
[routes.raw]
paths = ["/raw"]
body = "raw"
stream = "all"
key = ["basic"]
id = ["header:x-id"]
"#;
    let (mock, gateway) = started("", &["all"], routes);
    let mut client = gateway.client();
    let lines = b"{\"k\":1}\n\n{\"k\":2}\n";
    assert_eq!(
        send(
            &mut client,
            "POST /lines HTTP/1.1\nContent-Type: text/html",
            lines
        )
        .json()["acked"],
        2
    );
    let form = b"a=1&k=%C3%B6+1";
    assert_eq!(
        send(&mut client, "POST /form HTTP/1.1", form).json()["acked"],
        1
    );
    let head = "POST /raw HTTP/1.1\nAuthorization: Basic dXNlcjpwYXNz\nX-Id: i-1";
    assert_eq!(send(&mut client, head, &[0, 255, 10]).json()["acked"], 1);
    let mut found: Vec<_> = records(mock.bootstrap(), "all")
        .into_iter()
        .map(|it| (it.key_text().unwrap(), it.value.unwrap()))
        .collect();
    found.sort();
    let expected: Vec<(String, Vec<u8>)> = vec![
        ("1".into(), b"{\"k\":1}".to_vec()),
        ("2".into(), b"{\"k\":2}".to_vec()),
        ("user".into(), vec![0, 255, 10]),
        ("\u{f6} 1".into(), form.to_vec()),
    ];
    assert_eq!(found, expected);
}
