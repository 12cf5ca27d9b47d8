//! Limits on connections, and on what one request may hold.

use super::*;

#[test]
fn at_the_limit_of_connections_the_next_one_waits_for_its_turn() {
    let (_mock, gateway) = started("[http]\nmax_connections = 2\n");
    let mut served = [gateway.client(), gateway.client()];
    served.iter_mut().for_each(check_served);
    let mut waiting = gateway.client();
    waiting.send(EVENTS, &[], EVENT.as_bytes()).unwrap();
    assert_eq!(waiting.until_closed(500 * MS), None);
    served.iter_mut().for_each(check_served);
    let [first, mut second] = served;
    drop(first);
    waiting.socket.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(waiting.answer().unwrap().status, 200);
    check_served(&mut second);
}

#[test]
fn one_address_has_a_limit_of_its_own() {
    let (_mock, gateway) = started("[http]\nmax_connections_per_address = 2\n");
    let mut served = [gateway.client(), gateway.client()];
    served.iter_mut().for_each(check_served);
    assert!(
        gateway.client().until_closed(SOON).is_some(),
        "the third is closed"
    );
    served.iter_mut().for_each(check_served);
    drop(served);
    eventually("a new one is served", SOON, || {
        let mut client = gateway.client();
        client.send(EVENTS, &[], EVENT.as_bytes()).is_ok()
            && client.answer().is_ok_and(|answer| answer.status == 200)
    });
}

#[test]
fn an_oversized_head_is_431_and_life_goes_on() {
    let (_mock, gateway) = started("[http]\nmax_head = \"8KiB\"\n");
    let long_value = head(&format!("x-long: {}\r\n", "x".repeat(9000)));
    let many_headers = head(&"x: y\r\n".repeat(1800));
    let endless = head(&"x".repeat(1 << 20));
    for request in [long_value, many_headers, endless] {
        let mut client = gateway.client();
        client.write(request.as_bytes()).unwrap();
        let answer = client.answer().unwrap();
        assert_eq!(answer.status, 431, "{request:.80}");
        assert!(client.until_closed(SOON).is_some());
        check_good_client(&gateway);
    }
    let fits = [("x-long", "x".repeat(7000))];
    let answer = gateway
        .client()
        .post(EVENTS, &[(fits[0].0, &fits[0].1)], EVENT.as_bytes());
    assert_eq!(answer.status, 200);
}

#[test]
fn what_one_request_may_hold_is_limited_in_number_size_and_depth() {
    let limits = "[decode]\nmax_events = 4\nmax_event = \"64B\"\nmax_depth = 5\n";
    let (_mock, gateway) = started(limits);
    let nested = |depth: usize| {
        let inner = depth - 1;
        format!(
            r#"{{"user":"a","id":"1","x":{}{}}}"#,
            "[".repeat(inner),
            "]".repeat(inner)
        )
    };
    let sized = |bytes: usize| {
        format!(
            r#"{{"user":"a","id":"1","x":"{}"}}"#,
            "x".repeat(bytes - 28)
        )
    };
    let many = |events: usize| format!("[{}]", vec![EVENT; events].join(","));
    assert_eq!(sized(64).len(), 64);
    for (body, status) in [
        (nested(5), 200),
        (nested(6), 422),
        (format!("[{}]", nested(5)), 200),
        ("[".repeat(100_000), 400),
        ("{\"x\":".repeat(100_000), 400),
        // Its key is one byte.
        (sized(63), 200),
        (sized(64), 413),
        (many(4), 200),
        (many(5), 413),
        (format!("[{}]", ["1"; 5].join(",")), 413),
    ] {
        let answer = gateway.client().post_json("events", &body);
        assert_eq!(answer.status, status, "{body:.80}: {}", answer.text());
    }
    check_good_client(&gateway);
}
