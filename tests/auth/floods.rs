//! Strangers that are many.

use super::*;

/// Everything that's waited for comes within this.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_flood_of_wrong_keys_hurts_nobody_and_is_told_in_few_lines() {
    let (_mock, gateway) =
        started("[http]\nauth = [\"bearer\"]\n[sources.shop]\nkeys = [\"shop-key-1\"]\n");
    let before = gateway.resident();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let gateway = &gateway;
            scope.spawn(move || {
                let mut client = gateway.client();
                for number in 0..2_000 {
                    let wrong = format!("Bearer wrong-{thread}-{number}");
                    let body = if number % 2 == 0 { &b""[..] } else { EVENT };
                    let answer = client.post(EVENTS, &[JSON, ("authorization", &wrong)], body);
                    check(&answer, 401, "unknown_key");
                    if answer.header("connection") == Some("close") {
                        client = gateway.client();
                    }
                }
            });
        }
        let mut client = gateway.client();
        let good = ("authorization", "Bearer shop-key-1");
        for _ in 0..100 {
            check(&client.post(EVENTS, &[JSON, good], EVENT), 200, "");
        }
    });
    // With bodies, each of which ends its connection unread.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let gateway = &gateway;
            scope.spawn(move || {
                let (wrong, body) = (("authorization", "Bearer wrong"), [b' '; 20_000]);
                for _ in 0..300 {
                    check(
                        &gateway.client().post(EVENTS, &[JSON, wrong], &body),
                        401,
                        "unknown_key",
                    );
                }
            });
        }
        let mut client = gateway.client();
        let good = ("authorization", "Bearer shop-key-1");
        for _ in 0..100 {
            check(&client.post(EVENTS, &[JSON, good], EVENT), 200, "");
        }
    });
    let metrics = gateway.get("/metrics").1;
    assert!(
        metrics.contains("forebay_refusals_total{reason=\"unknown_key\"} 8600\n"),
        "{metrics}"
    );
    let grown = gateway.resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    let log = gateway.stop();
    let lines = log.lines().filter(|line| line.contains("unknown_key"));
    assert!((1..=8).contains(&lines.count()), "{log}");
    assert!(!log.contains("wrong-"), "{log}");
}

/// What a request with a wrong key is told, and whether its connection ends with that.
fn refused(client: &mut Client, more: &str, body: &[u8]) -> bool {
    let head = format!(
        "POST {EVENTS} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer wrong\r\n{more}content-length: {}\r\n\r\n",
        body.len()
    );
    client.write(&[head.as_bytes(), body].concat()).unwrap();
    let answer = client.answer().unwrap();
    check(&answer, 401, "unknown_key");
    answer.header("connection") == Some("close")
}

const BEARER: &str = "auth = [\"bearer\"]\n[sources.shop]\nkeys = [\"shop-key-1\"]\n";

#[test]
fn a_wrong_key_leaves_its_connection_for_the_next_unless_much_of_it_is_unread() {
    let (_mock, gateway) = started(&format!("[http]\nrefused_timeout = \"5m\"\n{BEARER}"));
    let good = ("authorization", "Bearer shop-key-1");
    let mut client = gateway.client();
    for _ in 0..3 {
        for body in [&b""[..], EVENT, &[b' '; 16 << 10]] {
            assert!(!refused(&mut client, "", body));
        }
        // What was read is no part of the next request.
        check(&client.post(EVENTS, &[JSON, good], EVENT), 200, "");
    }
    // In pieces.
    let chunked = format!(
        "POST {EVENTS} HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
    );
    for (end, is_last) in [("0\r\n\r\n", false), ("0\r\nx: y\r\n\r\n", true)] {
        client.write(format!("{chunked}{end}").as_bytes()).unwrap();
        let answer = client.answer().unwrap();
        check(&answer, 401, "no_key");
        assert_eq!(answer.header("connection") == Some("close"), is_last);
    }
    // Too large, still to be asked for, or not there.
    let mut client = gateway.client();
    assert!(refused(&mut client, "", &[b' '; (16 << 10) + 1]));
    let mut client = gateway.client();
    assert!(refused(&mut client, "expect: 100-continue\r\n", EVENT));
    let mut client = gateway.client();
    let head = chunked.replace("abc\r\n", "");
    client.write(head.as_bytes()).unwrap();
    let answer = client.answer().unwrap();
    check(&answer, 401, "no_key");
    assert_eq!(answer.header("connection"), Some("close"));
    gateway.stop();
}

#[test]
fn strangers_hold_a_connection_for_a_while_and_no_longer() {
    for (timeout, body) in [("1ms", EVENT), ("1ms", b""), ("0s", EVENT)] {
        let (_mock, gateway) = started(&format!(
            "[http]\nrefused_timeout = \"{timeout}\"\n{BEARER}"
        ));
        let mut client = gateway.client();
        assert_eq!(refused(&mut client, "", body), timeout == "0s");
        if timeout != "0s" {
            std::thread::sleep(Duration::from_millis(2));
            assert!(refused(&mut client, "", body), "{body:?}");
        }
        assert!(client.until_closed(SOON).is_some());
        let good = ("authorization", "Bearer shop-key-1");
        check(&post(&gateway, EVENTS, &[JSON, good]), 200, "");
        gateway.stop();
    }
}

#[test]
fn a_flood_of_preflights_hurts_nobody() {
    let (_mock, gateway) =
        started("[http]\ncors = \"web\"\n[cors.web]\norigins = [\"https://shop.example\"]\n");
    let ask = |origin: &str| {
        format!(
            "OPTIONS {EVENTS} HTTP/1.1\r\nhost: test\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n\r\n"
        )
    };
    std::thread::scope(|scope| {
        for (origin, status) in [("https://shop.example", 204), ("https://evil.example", 403)] {
            let (gateway, asked) = (&gateway, ask(origin));
            scope.spawn(move || {
                let mut client = gateway.client();
                for _ in 0..2_000 {
                    client.write(asked.as_bytes()).unwrap();
                    assert_eq!(client.answer().unwrap().status, status);
                }
            });
        }
        let mut client = gateway.client();
        for _ in 0..100 {
            check(&client.post(EVENTS, &[JSON], EVENT), 200, "");
        }
    });
    gateway.stop();
}
