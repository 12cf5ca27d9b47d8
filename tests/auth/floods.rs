//! Strangers that are many.

use super::*;

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
                    let answer = client.post(EVENTS, &[JSON, ("authorization", &wrong)], b"");
                    check(&answer, 401, "unknown_key");
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
