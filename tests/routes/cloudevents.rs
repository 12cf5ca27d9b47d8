//! CloudEvents, as four SDKs send them.

use super::*;

const STRUCTURED: &str = r#"{"specversion":"1.0","id":"e-1","source":"/app/shop","type":"com.example.purchase","subject":"user-1","datacontenttype":"application/json","time":"2026-11-26T10:00:00.123Z","data":{"city":"Köln","revenue":9.5},"n":7,"partitionkey":"user-2"}"#;

const BINARY: &str = "POST /ce HTTP/1.1\ncontent-type: application/json\nce-id: e-1\nCe-Time: 2026-11-26T10:00:00.123Z\nce-type: com.example.purchase\nce-source: /app/shop\nce-specversion: 1.0\nce-subject: K%C3%B6ln\nce-datacontenttype: text/plain";

#[test]
fn a_binary_event_has_its_attributes_in_headers_and_its_data_untouched() {
    let (mock, gateway) = preset("cloudevents", "cloudevents", "");
    let mut client = gateway.client();
    let data = r#"{"revenue":9.5,"city":"Köln"}"#;
    let head = format!("{BINARY}\nce-partitionkey: user-1\nce-odd: 5%");
    let answer = send(&mut client, &head, data.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    // JS sends no length, and Latin-1 in headers.
    let latin = [
        BINARY
            .replace("K%C3%B6ln", "K\u{0}ln")
            .replace('\n', "\r\n")
            .as_bytes(),
        b"\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ]
    .concat();
    let latin: Vec<u8> = latin
        .into_iter()
        .map(|byte| if byte == 0 { 0xf6 } else { byte })
        .collect();
    client.write(&latin).unwrap();
    assert_eq!(client.answer().unwrap().status, 200);
    let nothing = send(&mut client, &format!("{BINARY}\nContent-Length: 0"), b"");
    assert_eq!(nothing.status, 200, "{}", nothing.text());
    let records = sorted(&mock, "cloudevents");
    let [null, latin, first] = [2, 1, 0].map(|at| &records[at]);
    let (null, latin, first) = match records.iter().find(|it| it.value.is_none()) {
        Some(found) => {
            let others: Vec<_> = records.iter().filter(|it| it.value.is_some()).collect();
            let is_first = |record: &&&Record| record.text() == data;
            let first = others.iter().find(is_first).copied().unwrap_or(first);
            let latin = others
                .iter()
                .find(|it| !is_first(it))
                .copied()
                .unwrap_or(latin);
            (found, latin, first)
        }
        None => (null, latin, first),
    };
    assert_eq!(
        (first.text(), first.key_text().unwrap()),
        (data.into(), "user-1".into())
    );
    assert_eq!(
        (latin.text(), latin.key_text().unwrap()),
        ("{}".into(), "K\u{f6}ln".into())
    );
    assert_eq!(
        (null.value.clone(), null.key_text().unwrap()),
        (None, "K\u{f6}ln".into())
    );
    for (name, value) in [
        ("content-type", Some("application/json")),
        ("ce_id", Some("e-1")),
        ("ce_time", Some("2026-11-26T10:00:00.123Z")),
        ("ce_type", Some("com.example.purchase")),
        ("ce_source", Some("/app/shop")),
        ("ce_specversion", Some("1.0")),
        ("ce_subject", Some("K\u{f6}ln")),
        ("ce_partitionkey", Some("user-1")),
        ("ce_odd", Some("5%")),
        ("ce_datacontenttype", None),
        ("event-id", None),
    ] {
        assert_eq!(header(first, name), value, "{name}");
    }
}

#[test]
fn structured_events_and_batches_are_stored_whole_one_by_one() {
    let (mock, gateway) = preset("cloudevents", "cloudevents", "");
    let mut client = gateway.client();
    let of = |kind: &str| format!("POST /ce HTTP/1.1\nContent-Type: {kind}\nce-id: other");
    let one = of("application/cloudevents+json; charset=utf-8");
    assert_eq!(send(&mut client, &one, STRUCTURED.as_bytes()).status, 200);
    let without = STRUCTURED
        .replace("user-2", "user-3")
        .replace(r#""id":"e-1","#, "");
    let third = STRUCTURED.replace(r#""partitionkey":"user-2""#, r#""partitionkey":null"#);
    let many = of("application/cloudevents-batch+json");
    let batch = format!("[{STRUCTURED},{without}, {third}]");
    let answer = send(&mut client, &many, batch.as_bytes());
    assert_eq!(answer.status, 207, "{}", answer.text());
    assert_eq!(answer.json()["errors"][0]["code"], "not_a_cloudevent");
    assert_eq!(
        send(&mut client, &many, b"[]").status,
        200,
        "a batch may be empty"
    );
    let mut found: Vec<_> = records(mock.bootstrap(), "cloudevents")
        .into_iter()
        .map(|it| (it.key_text().unwrap(), it.text(), it.headers))
        .collect();
    found.sort();
    let kind = |kind: &str| vec![("content-type".to_owned(), kind.to_owned())];
    let json = "application/cloudevents+json";
    let expected = [
        ("user-1".to_owned(), third.clone(), kind(json)),
        ("user-2".to_owned(), STRUCTURED.to_owned(), kind(json)),
        (
            "user-2".to_owned(),
            STRUCTURED.to_owned(),
            kind("application/cloudevents+json; charset=utf-8"),
        ),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_no_cloudevent_is_refused() {
    let (mock, gateway) = preset("cloudevents", "cloudevents", "");
    let binary = "POST /ce HTTP/1.1\nContent-Type: application/json";
    let avro = "POST /ce HTTP/1.1\nContent-Type: application/cloudevents+avro";
    let one = "POST /ce HTTP/1.1\nContent-Type: application/cloudevents+json";
    let many = "POST /ce HTTP/1.1\nContent-Type: application/cloudevents-batch+json";
    let doubled = format!("{BINARY}\nce-id: 2");
    for (head, body, status) in [
        (binary, "{}", 422),
        (avro, "{}", 415),
        (one, "[]", 400),
        (one, "{}", 422),
        (
            one,
            r#"{"specversion":"1.0","id":"1","source":"/s","type":{}}"#,
            422,
        ),
        (many, STRUCTURED, 400),
        (&doubled, "{}", 400),
    ] {
        let answer = send(&mut gateway.client(), head, body.as_bytes());
        assert_eq!(answer.status, status, "{head} {body}: {}", answer.text());
    }
    assert_eq!(records(mock.bootstrap(), "cloudevents").len(), 0);
}
