//! Who calls: addresses that may do so much and no more, and certificates.

use super::*;
use crate::support::certificates::Authority;
use crate::support::secure;

#[test]
fn an_address_has_its_rate_of_requests_whatever_it_asks_for() {
    let (_mock, gateway) = started("[http]\nmax_requests_per_address = 5\n");
    let statuses: Vec<_> = (0..7)
        .map(|_| post(&gateway, EVENTS, &[JSON]).status)
        .collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
    let answer = post(&gateway, "/nothing", &[JSON]);
    check(&answer, 429, "address_quota");
    assert_eq!(answer.header("retry-after"), Some("1"));
    std::thread::sleep(Duration::from_millis(1_100));
    check(&post(&gateway, EVENTS, &[JSON]), 200, "");
    gateway.stop();
}

#[test]
fn an_address_above_its_rate_keeps_its_connection_unless_a_body_is_left_on_it() {
    let (_mock, gateway) = started("[http]\nmax_requests_per_address = 1\n");
    let mut client = gateway.client();
    check(&client.post(EVENTS, &[JSON], EVENT), 200, "");
    for _ in 0..3 {
        let answer = client.get("/nothing");
        check(&answer, 429, "address_quota");
        assert_eq!(answer.header("connection"), None);
    }
    // What decides where a request ends is judged all the same.
    let bad = "GET /nothing HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n";
    client.write(bad.as_bytes()).unwrap();
    let answer = client.answer().unwrap();
    check(&answer, 400, "bad_host");
    assert_eq!(answer.header("connection"), Some("close"));
    let mut client = gateway.client();
    let answer = client.post(EVENTS, &[JSON], EVENT);
    check(&answer, 429, "address_quota");
    assert_eq!(answer.header("connection"), Some("close"));
    gateway.stop();
}

#[test]
fn who_shows_wrong_keys_is_soon_not_looked_at() {
    let (_mock, gateway) = started(
        "[http]\nauth = [\"bearer\"]\nmax_failures_per_address = 3\ntrusted = [\"127.0.0.0/8\"]\naddress_from = \"x-forwarded-for\"\n\
         [sources.shop]\nkeys = [\"shop-key-1\"]\n",
    );
    let send = |from: &str, key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [JSON, ("x-forwarded-for", from), ("authorization", &bearer)];
        told(&post(&gateway, EVENTS, &headers)).1
    };
    for code in ["unknown_key", "unknown_key", "unknown_key", "address_quota"] {
        assert_eq!(send("192.0.2.1", "wrong-key"), code);
    }
    assert_eq!(send("192.0.2.1", "shop-key-1"), "address_quota");
    assert_eq!(send("192.0.2.2", "shop-key-1"), "");
    std::thread::sleep(Duration::from_millis(1_100));
    assert_eq!(send("192.0.2.1", "shop-key-1"), "");
    gateway.stop();
}

#[test]
fn a_certificate_is_a_key_by_its_subject_or_another_of_its_names() {
    let (servers, devices) = (Authority::new("servers"), Authority::new("devices"));
    servers.write("main", &["localhost"]);
    let mock = Mock::start(1, &[("events", 1), ("others", 1)]);
    let more = format!(
        "[http]\nauth = [\"mtls\", \"bearer\"]\n[http.tls]\nlisten = \"127.0.0.1:0\"\nclient_certificates = \"optional\"\n\
         client_ca = {:?}\n{}[sources.tv]\nsubjects = [\"CN=tv\", \"phone.example\"]\nkeys = [\"a-key-of-the-tv\"]\nstreams = [\"events\"]\n",
        devices.file(),
        servers.section("main"),
    );
    let gateway = Gateway::ready(&with_others(&mock, &more));
    let send = |shown: Option<(&[&str], &str)>, path: &str, headers: &[(&str, &str)]| {
        let shown = shown.map(|(names, subject)| devices.sign(names, subject));
        let client = secure::client(&servers, shown.as_ref());
        let mut client = secure::connect(gateway.tls.unwrap(), &client, "localhost").unwrap();
        client.send(path, headers, EVENT).unwrap();
        told(&client.answer().unwrap()).1
    };
    assert_eq!(send(Some((&[], "tv")), EVENTS, &[JSON]), "");
    assert_eq!(
        send(Some((&["phone.example"], "phone")), EVENTS, &[JSON]),
        ""
    );
    assert_eq!(
        send(Some((&["other.example"], "other")), EVENTS, &[JSON]),
        "unknown_key"
    );
    let others = "/v1/events/others";
    assert_eq!(
        send(Some((&[], "tv")), others, &[JSON]),
        "source_not_allowed"
    );
    assert_eq!(send(None, EVENTS, &[JSON]), "no_key");
    let bearer = ("authorization", "Bearer a-key-of-the-tv");
    assert_eq!(send(None, EVENTS, &[JSON, bearer]), "");
    gateway.stop();
}
