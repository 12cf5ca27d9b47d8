//! What a few bytes on the wire can make the gateway hold: whoever holds it, the peak stays below the budget plus 64 MiB.

use super::*;

const MIB: u64 = 1 << 20;

/// A gateway with a budget of 64 MiB, and streams with keys from a header, the path and the event.
fn keyed() -> (Mock, Gateway) {
    let mock = Mock::start(1, &[("headers", 1), ("paths", 1), ("events", 1)]);
    let streams = "[memory]\nbudget = \"64MiB\"\n[http]\nmax_connections = 1000\n\
         [streams.headers]\ncluster = \"main\"\nkey = \"header:x-key\"\n\
         [streams.paths]\ncluster = \"main\"\nkey = \"path\"\n";
    let gateway = Gateway::ready(&config(mock.bootstrap(), streams));
    (mock, gateway)
}

/// Checks that no moment was above the budget of 64 MiB and what the process has beside it.
#[track_caller]
fn check_peak(gateway: &Gateway) {
    let peak = gateway.peak();
    assert!(peak <= (64 + 64) * MIB, "{} MiB at its peak", peak / MIB);
}

fn objects(count: usize) -> String {
    format!("[{}]", vec!["{}"; count].join(","))
}

/// How many are answered 200; all others were refused for want of memory.
#[track_caller]
fn count_taken(clients: &mut [Client]) -> usize {
    let answers = clients.iter_mut().map(|client| client.answer().unwrap());
    let is_taken = |answer: &crate::support::http::Answer| {
        let refused = answer.text().contains("urn:forebay:no_memory");
        assert!(answer.status == 200 || refused, "{}", answer.text());
        answer.status == 200
    };
    answers.filter(is_taken).count()
}

#[test]
fn a_key_that_a_request_has_once_and_each_event_needs_is_counted_for_each() {
    let (mock, gateway) = keyed();
    mock.with(|cluster| cluster.broker_round_trip_time(1, 150 * MS).unwrap());
    let key = "k".repeat(15_000);
    // 150 MB in Kafka's client, for 45 KB on the wire: no budget has room for many of these.
    let many = objects(10_000);
    for _ in 0..4 {
        let answer =
            gateway
                .client()
                .post("/v1/events/headers", &[("x-key", &key)], many.as_bytes());
        assert_eq!(answer.status, 413, "{}", answer.text());
        assert_eq!(answer.json()["type"], "urn:forebay:body_too_large");
        let path = format!("/v1/events/paths/{key}");
        let answer = gateway.client().post(&path, &[], many.as_bytes());
        assert_eq!(answer.status, 413, "{}", answer.text());
    }
    // 13.5 MB each: there's room for two, and for none beside them until Kafka has them.
    let some = objects(900);
    let mut clients: Vec<_> = (0..12).map(|_| gateway.client()).collect();
    for client in &mut clients {
        client
            .send("/v1/events/headers", &[("x-key", &key)], some.as_bytes())
            .unwrap();
    }
    let taken = count_taken(&mut clients);
    assert!((1..12).contains(&taken), "{taken}");
    check_peak(&gateway);
    gateway.stop();
}

#[test]
fn a_key_with_escapes_is_counted_beside_the_body_that_it_stands_in() {
    let (mock, gateway) = keyed();
    mock.with(|cluster| cluster.broker_round_trip_time(1, 150 * MS).unwrap());
    // 3.6 MB, of which nearly all is keys: in the body, as bytes, and in Kafka's client.
    let event = format!(r#"{{"id":"1","user":"{}\u006b"}}"#, "k".repeat(12_000));
    let body = format!("[{}]", vec![event.as_str(); 300].join(","));
    let mut clients: Vec<_> = (0..5).map(|_| gateway.client()).collect();
    for client in &mut clients {
        client.send(EVENTS, &[], body.as_bytes()).unwrap();
    }
    let taken = count_taken(&mut clients);
    assert!((1..5).contains(&taken), "{taken}");
    check_peak(&gateway);
    gateway.stop();
}

#[test]
fn the_limit_of_an_event_is_for_its_value_and_its_key() {
    let (_mock, gateway) = keyed();
    let value = "x".repeat(900 * 1024 - 40);
    let body = format!(r#"{{"x":"{value}"}}"#);
    let post = |key: usize| {
        let headers = [("x-key", "k".repeat(key))];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        gateway
            .client()
            .post("/v1/events/headers", &headers, body.as_bytes())
    };
    assert_eq!(post(30).status, 200);
    let answer = post(1000);
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["errors"][0]["code"], "event_too_large");
}
