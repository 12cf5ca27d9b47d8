//! A broker from before there were idempotent producers, with `idempotence = "off"` and with `"on"`.

use std::time::Duration;

use crate::kafka::{self, consume_all};
use crate::support::bounds::{FLOWS_AGAIN, STARTS};
use crate::support::eventually;
use crate::support::gateway::{Gateway, config};
use crate::support::outage::assert_kept;
use crate::support::sender::{Plan, Senders, key_and_id};

/// Without idempotent producers order is kept by one request at a time, and a lost answer is a second copy: here of what was
/// under way when the broker fell silent for longer than a request is waited for.
#[test]
fn an_old_broker_gets_everything_in_order_without_idempotence() {
    let Some(kafka) = kafka::old_or_skip() else {
        return;
    };
    let config = config(kafka.bootstrap(), "")
        .replace("[clusters.main]", "[clusters.main]\nidempotence = \"off\"");
    let gateway = Gateway::ready(&config);
    let senders = Senders::start("old", gateway.data, "events", &Plan::default());
    senders.wait_for_acks(1_000, STARTS);
    kafka.freeze();
    std::thread::sleep(Duration::from_secs(13));
    kafka.thaw();
    senders.wait_for_acks(1_000, FLOWS_AGAIN);
    let (mut sent, _) = senders.stop();
    eventually("nothing is in flight", FLOWS_AGAIN, || {
        gateway.events("events", "in_flight") == 0
    });
    println!("{}", gateway.stop());
    for record in consume_all(kafka.bootstrap(), "events") {
        let (key, id) = key_and_id(record.key.as_deref(), record.payload());
        sent.found(&key, id, record.partition);
    }
    let audit = sent.audit();
    println!("{}", audit.report());
    assert_kept(&audit);
}

/// What such a cluster can never take isn't acknowledged: it would fill the log for ever.
#[test]
fn an_old_broker_that_is_to_be_idempotent_is_refused_in_the_open() {
    let Some(kafka) = kafka::old_or_skip() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let log = format!("[spill]\ndir = \"{}\"\n", dir.path().display());
    let gateway = Gateway::start(&config(kafka.bootstrap(), &log));
    eventually("events are refused for the true reason", STARTS, || {
        let answer = gateway
            .client()
            .post_json("events", r#"{"user":"u","id":"1"}"#);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        answer.status == 503 && text.contains("cluster_impossible") && text.contains("idempotence")
    });
    let (status, reasons) = gateway.get("/readyz");
    assert_eq!(status, 503, "{reasons}");
    assert!(reasons.contains("idempotence"), "{reasons}");
    // It stays so while the client is tried anew.
    let spilled = gateway.events("events", "spilled");
    for _ in 0..50 {
        let answer = gateway
            .client()
            .post_json("events", r#"{"user":"u","id":"2"}"#);
        assert_eq!(answer.status, 503);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(gateway.events("events", "spilled"), spilled);
}
