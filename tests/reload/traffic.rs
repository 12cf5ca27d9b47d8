//! Many reloads while events are sent: no request fails that shouldn't, and nothing is lost or overtaken.

use rdkafka::Message;

use super::*;
use crate::kafka::Ledger;
use crate::support::sender::{Plan, Senders, key_and_id};

/// One random change.
fn change(parts: &mut Parts, random: u64) -> &'static str {
    let value = random / 8 % 7 + 1;
    match random % 8 {
        0 => parts.http = format!("max_body = \"{value}MiB\"\nidle_timeout = \"{value}m\""),
        1 => parts.quota = value as u32 * 1_000,
        2 => {
            parts.more = format!("[streams.more{value}]\ncluster = \"main\"\ntopic = \"events\"\n")
        }
        3 => {
            parts.more = format!("[lane]\nlinger = \"{value}ms\"\n[decode]\nmax_depth = {value}0\n")
        }
        4 => parts.kafka = format!("\"metadata.max.age.ms\" = \"{value}00000\""),
        5 => parts.more = String::new(),
        6 => return "broken",
        _ => {
            parts.more =
                "[clusters.away]\nbootstrap = \"127.0.0.1:1\"\n[streams.away]\ncluster = \"away\"\n"
                    .into()
        }
    }
    "good"
}

/// Random reloads of all kinds, among them broken files, while events are sent. `FOREBAY_TEST_RELOADS=50` and
/// `FOREBAY_TEST_RELOAD_SECONDS=300` make it the long run.
#[test]
fn reloads_under_traffic_fail_no_request_and_lose_and_mix_nothing() {
    let number = |name: &str, otherwise: u64| {
        let given = std::env::var(name).ok();
        given.map_or(otherwise, |text| text.parse().unwrap())
    };
    let count = number("FOREBAY_TEST_RELOADS", 12);
    let pause = SECOND * number("FOREBAY_TEST_RELOAD_SECONDS", 12) as u32 / count as u32;
    let kafka = Mock::start(1, &[("events", 8)]);
    let mut parts = Parts::new();
    let gateway = Gateway::ready(&parts.text(kafka.bootstrap()));
    let plan = Plan {
        pause: Duration::from_millis(4),
        ..Plan::default()
    };
    let senders = Senders::start("reload", gateway.data, "events", &plan);
    senders.wait_for_acks(100, STARTS);
    let (mut random, mut generation) = (0x9e37_79b9_7f4a_7c15_u64, 1);
    for round in 0..count {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Each kind once, and then any.
        let mut choice = random >> 33;
        if round < 8 {
            choice = choice / 8 * 8 + round;
        }
        let kind = change(&mut parts, choice);
        let text = parts.text(kafka.bootstrap());
        gateway.rewrite(if kind == "broken" {
            &text[..text.len() / 2]
        } else {
            &text
        });
        let (status, answer) = gateway.reload("");
        assert_eq!(
            status,
            if kind == "broken" { 422 } else { 200 },
            "{round}: {answer:#}\n{text}"
        );
        generation += u64::from(status == 200);
        assert_eq!(gateway.status()["configuration"]["generation"], generation);
        // Traffic between two reloads is the subject.
        let until = Instant::now() + pause;
        eventually("the pause is over", 2 * pause + SECOND, || {
            Instant::now() >= until
        });
        senders.wait_for_acks(1, STARTS);
    }
    let (mut sent, latencies): (Ledger, _) = senders.stop();
    let failed: Vec<_> = latencies
        .iter()
        .filter(|(_, _, status)| *status != 200)
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} requests failed: {failed:?}",
        failed.len(),
        latencies.len()
    );
    let log = gateway.stop();
    consume_each(kafka.bootstrap(), "events", 60 * SECOND, |message| {
        let (key, id) = key_and_id(message.key(), message.payload().unwrap());
        sent.found(&key, id, message.partition());
    });
    let audit = sent.audit();
    println!("{}\n{log}", audit.report());
    crate::support::outage::assert_kept(&audit);
}
