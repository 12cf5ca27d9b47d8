//! AppsFlyer: C2S of TVs, S2S, engagements, links.

use super::*;

const C2S: &str = r#"{"device_ids":[{"type":"vidaaid","value":"11111111-1"},{"type":"custom","value":"d9fecdfc-1"}],"limit_ad_tracking":true,"device_model":"M1","request_id":"98bdd34d-1","timestamp":1795730677192,"app_version":"1.2.3","event_name":"af_purchase","event_parameters":{"af_revenue":9.5,"af_currency":"EUR"}}"#;
const S2S: &str = r#"{"appsflyer_id": "1415211453000-6513894", "customer_user_id": "user-1", "ip": "192.0.2.1", "eventName": "af_purchase", "eventValue": {"af_revenue": "6"}, "eventTime": "2026-11-26 12:17:00.000", "eventCurrency": "EUR"}"#;

#[test]
fn the_path_says_what_the_body_does_not() {
    let (mock, gateway) = preset("appsflyer", "appsflyer", "");
    let mut client = gateway.client();
    let c2s = send(
        &mut client,
        "POST /v1.0/c2s/inapp/app/vidaa/com.example.tv HTTP/1.1\nAccept: application/json\nContent-Type: application/json",
        C2S.as_bytes(),
    );
    assert_eq!(c2s.status, 200, "{}", c2s.text());
    let s2s = send(
        &mut client,
        "POST /inappevent/id123456789 HTTP/1.1\nContent-Type: application/json\nauthentication: DEVKEY",
        S2S.as_bytes(),
    );
    assert_eq!((s2s.status, s2s.text()), (200, "OK".into()));
    assert_eq!(s2s.header("content-type"), Some("text/plain"));
    let records = sorted(&mock, "appsflyer");
    let [s2s, c2s] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!((c2s.text(), s2s.text()), (C2S.into(), S2S.into()));
    assert_eq!(c2s.key_text().unwrap(), "d9fecdfc-1", "the last device");
    assert_eq!(s2s.key_text().unwrap(), "1415211453000-6513894");
    assert_eq!(header(c2s, "kind"), Some("inapp"));
    assert_eq!(header(c2s, "platform"), Some("vidaa"));
    assert_eq!(header(c2s, "app_id"), Some("com.example.tv"));
    assert_eq!(header(c2s, "event-time"), Some("1795730677192"));
    assert_eq!(header(s2s, "event-time"), Some("1795695420000"));
    assert!(header(s2s, "event-id").is_some(), "there's no id in it");
    assert!(header(c2s, "event-id").is_none());
}

#[test]
fn a_link_s_event_is_its_query_and_it_leads_to_a_store_only() {
    let (mock, gateway) = preset("appsflyer", "appsflyer", "");
    let mut client = gateway.client();
    let click = |to: &str| {
        format!(
            "GET /id1?pid=net&clickid=c%2D1&af_ip=192.0.2.9&af_r={to} HTTP/1.1\nUser-Agent: phone"
        )
    };
    let store = "https%3A%2F%2Fapps.apple.com%2Fapp%2Fid1";
    let answer = send(&mut client, &click(store), b"");
    assert_eq!(answer.status, 302, "{}", answer.text());
    assert_eq!(
        answer.header("location"),
        Some("https://apps.apple.com/app/id1")
    );
    for elsewhere in [
        "https%3A%2F%2Fevil.example%2F",
        "https%3A%2F%2Fapps.apple.com.evil.example%2F",
        "https%3A%2F%2Fapps.apple.com%40evil.example%2F",
        "%2F%2Fevil.example",
        "",
    ] {
        let answer = send(&mut client, &click(elsewhere), b"");
        assert_eq!(
            (answer.status, answer.header("location")),
            (204, None),
            "{elsewhere}"
        );
    }
    let records = records(mock.bootstrap(), "appsflyer");
    assert_eq!(records.len(), 6);
    for record in &records {
        assert!(
            record
                .text()
                .starts_with("pid=net&clickid=c%2D1&af_ip=192.0.2.9&af_r=")
        );
        assert_eq!(record.key_text().unwrap(), "c-1");
        assert_eq!(header(record, "event-id"), Some("c-1"));
        assert_eq!(header(record, "client-ip"), Some("192.0.2.9"));
        assert_eq!(header(record, "user-agent"), Some("phone"));
        assert_eq!(header(record, "app_id"), Some("id1"));
    }
}

#[test]
fn engagements_come_in_the_address_or_as_json() {
    let (mock, gateway) = preset("appsflyer", "appsflyer", "");
    let mut client = gateway.client();
    let path = "/v1.0/s2s/click/app/roku/com.example";
    let query = "af_media_source=n&af_request_id=r-1&af_device_id_value=d-1";
    assert_eq!(client.get(&format!("{path}?{query}")).status, 200);
    let body = r#"{"af_media_source":"n","af_request_id":"r-2","af_device_id_value":null}"#;
    let answer = send(
        &mut client,
        &format!("POST {path} HTTP/1.1"),
        body.as_bytes(),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let records = sorted(&mock, "appsflyer");
    let found: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record.text(),
                record.key_text().unwrap(),
                header(record, "kind").unwrap(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (query.to_owned(), "d-1".to_owned(), "click"),
            (body.to_owned(), "r-2".to_owned(), "click"),
        ]
    );
}

#[test]
fn servers_of_web_sites_send_and_the_push_api_tells() {
    let auth = "[routes.appsflyer-web]\nauth = [\"body:/webDevKey\"]\n[routes.appsflyer-push]\nauth = [\"query:token\"]\n\
        [sources.site]\nkeys = [\"a-key-of-the-site\"]\n";
    let (mock, gateway) = preset("appsflyer", "appsflyer", auth);
    let mut client = gateway.client();
    let web = r#"{"webDevKey":"a-key-of-the-site","afUserId":"af-1","customerUserId":null,"eventType":"EVENT","eventName":"buy","timestamp":1795730677192}"#;
    let head = "POST /v1/com.example.shop/event HTTP/1.1\nContent-Type: application/json";
    let answer = send(&mut client, head, web.as_bytes());
    assert_eq!(
        (answer.status, answer.json()["status"].as_str()),
        (200, Some("OK"))
    );
    let wrong = web.replace("a-key-of-the-site", "another");
    assert_eq!(send(&mut client, head, wrong.as_bytes()).status, 401);
    let push = r#"{"app_id":"id1","appsflyer_id":"1415211453000-6513894","event_name":"af_purchase","event_time":"2026-11-26 12:17:00.000","event_value":"{\"af_revenue\":\"6\"}"}"#;
    let head =
        "POST /appsflyer/push?token=a-key-of-the-site HTTP/1.1\nContent-Type: application/json";
    assert_eq!(send(&mut client, head, push.as_bytes()).status, 200);
    let nobody = head.replace("a-key-of-the-site", "another");
    assert_eq!(send(&mut client, &nobody, push.as_bytes()).status, 401);
    let query = "app_id=id1&customer_user_id=u%201&event_time=2026-11-26+12%3A17%3A00.000";
    let answer = gateway.client().get(&format!("/appsflyer/push?{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let records = sorted(&mock, "appsflyer");
    let found: Vec<_> = records
        .iter()
        .map(|record| {
            let key = record.key_text().unwrap();
            (record.text(), key, header(record, "event-time").unwrap())
        })
        .collect();
    let of = |text: &str, key: &str, time| (text.to_owned(), key.to_owned(), time);
    assert_eq!(
        found,
        [
            of(query, "u 1", "1795695420000"),
            of(push, "1415211453000-6513894", "1795695420000"),
            of(web, "af-1", "1795730677192"),
        ]
    );
    assert_eq!(header(&records[2], "bundle_id"), Some("com.example.shop"));
}

#[test]
fn a_visitor_of_a_page_is_sent_on_to_a_store_and_nowhere_else() {
    let (mock, gateway) = preset("appsflyer", "appsflyer", "");
    let mut client = gateway.client();
    let query = "af_media_source=n&af_request_id=r-1&af_r=https%3A%2F%2Fapps.apple.com%2Fapp%2Fid1";
    let path = format!("/v1.0/c2s/click/app/ios/id1?{query}");
    let answer = client.get(&path);
    let to = (answer.status, answer.header("location"));
    assert_eq!(to, (302, Some("https://apps.apple.com/app/id1")));
    let answer = client.get(&path.replace("apps.apple.com", "evil.example"));
    assert_eq!((answer.status, answer.header("location")), (204, None));
    let records = records(mock.bootstrap(), "appsflyer");
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].key_text().unwrap(), "r-1");
    assert_eq!(header(&records[0], "event-id"), Some("r-1"));
}
