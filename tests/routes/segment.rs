//! Segment's SDKs: Python, Go, Java, and the browser's.

use super::*;

const PYTHON: &str = r#"{"batch": [{"integrations": {}, "anonymousId": "anon-1", "properties": {"revenue": 9.5, "currency": "EUR"}, "timestamp": "2026-11-26T21:54:49.134+00:00", "context": {"ip": "203.0.113.7", "library": {"name": "analytics-python", "version": "2.4.0"}}, "userId": "user-1", "type": "track", "event": "Purchase", "messageId": "043b2da0-1"}, {"integrations": {}, "anonymousId": null, "timestamp": "2026-11-26T21:54:49.135+00:00", "context": {}, "userId": "user-2", "type": "identify", "traits": {}, "messageId": "043b2da0-2"}], "sentAt": "2026-11-26T21:54:49.635863+00:00", "writeKey": "WRITEKEY"}"#;
const GO: &str = r#"{"messageId":"2d3e462e-1","sentAt":"2026-11-26T21:56:58.952555336Z","batch":[{"type":"track","messageId":"b1916e0b-1","anonymousId":"anon-1","userId":"user-1","event":"Purchase","timestamp":"2026-11-26T21:56:58.952199224Z","context":{"k":"v"},"properties":{"currency":"EUR","revenue":9.5}}],"context":{"library":{"name":"analytics-go","version":"3.0.0"}}}"#;
const JAVA: &str = r#"{"batch":[{"type":"track","messageId":"9f297e63-1","timestamp":"2026-11-26T21:57:25.121Z","context":{"ip":"203.0.113.7"},"anonymousId":"anon-1","integrations":{},"event":"Purchase","properties":{"revenue":9.5}}],"sentAt":"2026-11-26T21:57:25.165Z","context":{"library":{"name":"analytics-java","version":"3.5.4"},"instanceId":"fcd65b58-1"},"sequence":1,"writeKey":"WRITEKEY"}"#;
const BROWSER: &str = r#"{"timestamp":"2026-11-26T21:58:00.001Z","integrations":{"Segment.io":true},"event":"Purchase","type":"track","properties":{"revenue":9.5},"context":{"locale":"en-US"},"messageId":"ajs-next-1795730560313-1","anonymousId":"82b6c785-1","writeKey":"WRITEKEY","userId":null,"sentAt":"2026-11-26T21:58:00.002Z","_metadata":{"bundled":["Segment.io"]}}"#;

/// The value of each event of a batch, cut out by hand.
fn events(body: &str) -> Vec<&str> {
    let (_, batch) = body.split_once("\"batch\"").unwrap();
    let batch = &batch[batch.find('[').unwrap() + 1..];
    let (mut found, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, char) in batch.char_indices() {
        match char {
            '{' if depth == 0 => (begin, depth) = (at, 1),
            '{' => depth += 1,
            '}' if depth == 1 => {
                found.push(&batch[begin..=at]);
                depth = 0;
            }
            '}' => depth -= 1,
            ']' if depth == 0 => break,
            _ => {}
        }
    }
    found
}

#[test]
fn each_sdk_s_batch_becomes_one_record_per_event_byte_for_byte() {
    let (mock, gateway) = preset("segment", "segment", "");
    let mut client = gateway.client();
    for (head, body) in [
        (
            "POST /v1/batch HTTP/1.1\nUser-Agent: analytics-python/2.4.0\nContent-Type: application/json\nAuthorization: Basic V1JJVEVLRVk6",
            PYTHON,
        ),
        (
            "POST /v1/batch HTTP/1.1\nContent-Type: application/json",
            GO,
        ),
        (
            "POST /v1/import/ HTTP/1.1\nContent-Type: application/json; charset=UTF-8",
            JAVA,
        ),
        (
            "POST /v1/t HTTP/1.1\nOrigin: https://shop.example\nContent-Type: text/plain",
            BROWSER,
        ),
        (
            "POST /v1/t HTTP/1.1\nContent-Type: text/plain, application/json",
            BROWSER,
        ),
    ] {
        let answer = send(&mut client, head, body.as_bytes());
        assert_eq!(answer.status, 200, "{head}: {}", answer.text());
        assert!(answer.json().is_object(), "Java wants an object");
    }
    let mut expected: Vec<_> = [PYTHON, GO, JAVA]
        .iter()
        .flat_map(|body| events(body))
        .collect();
    expected.extend([BROWSER, BROWSER]);
    expected.sort_unstable();
    let records = sorted(&mock, "segment");
    let values: Vec<_> = records.iter().map(Record::text).collect();
    assert_eq!(values, expected);
    let keys: Vec<_> = records.iter().filter_map(Record::key_text).collect();
    assert_eq!(
        keys,
        [
            "user-1",
            "user-2",
            "82b6c785-1",
            "82b6c785-1",
            "anon-1",
            "user-1"
        ]
    );
    for record in &records {
        assert!(
            header(record, "event-id").is_none(),
            "its id is in the event"
        );
        assert!(
            record
                .headers
                .iter()
                .all(|(_, value)| !value.contains("WRITEKEY")),
            "{record:?}"
        );
    }
    check_headers(&records);
}

/// Checks what stands around the batches.
#[track_caller]
fn check_headers(records: &[Record]) {
    let python = &records[0];
    assert_eq!(
        header(python, "sent-at"),
        Some("2026-11-26T21:54:49.635863+00:00")
    );
    assert_eq!(header(python, "event-time"), Some("1795730089134"));
    let go = records
        .iter()
        .find(|it| it.text().contains("b1916e0b-1"))
        .unwrap();
    assert_eq!(
        header(go, "context"),
        Some(r#"{"library":{"name":"analytics-go","version":"3.0.0"}}"#)
    );
    assert_eq!(header(go, "event-time"), Some("1795730218952"));
    let java = records
        .iter()
        .find(|it| it.text().contains("9f297e63-1"))
        .unwrap();
    assert_eq!(header(java, "sequence"), Some("1"));
    assert!(header(java, "context").unwrap().contains("instanceId"));
}

#[test]
fn what_browsers_ask_for_beside_events_is_answered() {
    let (mock, gateway) = preset("segment", "segment", "");
    let mut client = gateway.client();
    let metrics = br#"{"series":[{"type":"Counter","metric":"analytics_js.invoke"}]}"#;
    let answer = send(
        &mut client,
        "POST /v1/m HTTP/1.1\nContent-Type: text/plain",
        metrics,
    );
    assert_eq!((answer.status, answer.text()), (200, "{}".into()));
    let answer = client.get("/v1/projects/WRITEKEY/settings");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.json()["integrations"]["Segment.io"].is_object());
    let wrong = send(&mut client, "PUT /v1/m HTTP/1.1", b"");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
    assert_eq!(records(mock.bootstrap(), "segment").len(), 0);
}

#[test]
fn bad_events_of_a_good_batch_do_not_cost_the_good_ones() {
    let (mock, gateway) = preset("segment", "segment", "");
    let mut client = gateway.client();
    let body = r#"{"batch":[{"userId":"u","messageId":"1"},7,{"messageId":"2"},{"userId":{"a":1},"messageId":"3"}]}"#;
    let answer = send(&mut client, "POST /v1/batch HTTP/1.1", body.as_bytes());
    assert_eq!(answer.status, 207, "{}", answer.text());
    let errors = answer.json();
    let code = |at: usize| errors["errors"][at]["code"].as_str().unwrap().to_owned();
    assert_eq!(
        [code(0), code(1), code(2)],
        ["not_an_object", "key_missing", "key_not_scalar"]
    );
    assert_eq!(records(mock.bootstrap(), "segment").len(), 1);
    for (body, code) in [
        (r#"{"batch":[]}"#, "empty"),
        (r#"{"batch":null}"#, "no_events"),
        (r#"{}"#, "no_events"),
        (r#"{"batch":[{"userId":"u"}]"#, "malformed"),
    ] {
        let answer = send(&mut client, "POST /v1/batch HTTP/1.1", body.as_bytes());
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert_eq!(
            answer.json()["type"],
            format!("urn:forebay:{code}"),
            "{body}"
        );
    }
    assert_eq!(records(mock.bootstrap(), "segment").len(), 1);
}
