//! Topics that are deleted, created again and set anew under traffic and with a backlog, with an audit of every id: who
//! waits for a topic is in order when it's there, and only what a topic takes never is a dead letter.

use std::time::Duration;

use crate::support::bounds::{SPILLS, STARTS};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::guarded::{Guarded, MENDED_WITHIN, dead_letters, throughout};
use crate::support::outage::assert_kept;
use crate::support::sender::{Plan, Senders};

const SECOND: Duration = Duration::from_secs(1);

fn plan() -> Plan {
    Plan {
        keys: 5,
        pause: Duration::from_millis(10),
        ..Plan::default()
    }
}

/// The client takes a topic for missing after a second, not after half a minute.
fn impatient(config: String) -> String {
    let property = "\"topic.metadata.propagation.max.ms\" = \"1000\"";
    let kafka = "[clusters.main.kafka]\n";
    config.replace(kafka, &format!("{kafka}{property}\n"))
}

/// A backlog whose topic is away when Kafka is back, and comes again with as many partitions, or fewer, or more.
fn a_topic_that_comes_again(name: &str, partitions: i32) {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut guarded) = Guarded::prepare_or_skip(name, 8, &[], Some(dir.path())) else {
        return;
    };
    guarded.configure(impatient);
    let gateway = Gateway::ready(guarded.config());
    let senders = Senders::start(name, gateway.data, "events", &plan());
    senders.wait_for_acks(500, STARTS);
    guarded.gate.close();
    senders.wait_for_acks(2_000, SPILLS);
    guarded.delete_topic();
    guarded.gate.open();
    throughout("no dead letters", 5 * SECOND, || {
        dead_letters(&gateway) == 0
    });
    senders.wait_for_acks(500, SPILLS);
    guarded.create_topic(partitions);
    eventually("the backlog is in Kafka", MENDED_WITHIN, || {
        gateway.status()["spill"]["backlog_events"] == 0
    });
    senders.wait_for_acks(500, SPILLS);
    let (sent, _) = senders.stop();
    let audit = guarded.end(gateway, sent);
    assert_kept(&audit);
}

#[test]
fn a_backlog_waits_for_a_topic_that_comes_again() {
    a_topic_that_comes_again("again", 8);
}

/// The topic goes under traffic. What it held is gone by the operator's will; clients that come after that lose nothing.
#[test]
fn a_topic_is_deleted_and_created_again_under_traffic() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut guarded) = Guarded::prepare_or_skip("deleted", 6, &[], Some(dir.path())) else {
        return;
    };
    guarded.configure(impatient);
    let gateway = Gateway::ready(guarded.config());
    let through = Senders::start("through", gateway.data, "events", &plan());
    through.wait_for_acks(500, STARTS);
    guarded.kafka.delete_topic(&guarded.topic);
    // A broker takes records for a moment after it told the last client that the topic is gone.
    eventually("events are spilled", SPILLS, || {
        gateway.events("events", "spilled") > 100
    });
    let after = Senders::start("after", gateway.data, "events", &plan());
    after.wait_for_acks(500, SPILLS);
    throughout("no dead letters", 3 * SECOND, || {
        dead_letters(&gateway) == 0
    });
    guarded.create_topic(guarded.partitions());
    eventually("the backlog is in Kafka", MENDED_WITHIN, || {
        gateway.status()["spill"]["backlog_events"] == 0
    });
    through.wait_for_acks(300, SPILLS);
    let mut sent = through.stop().0;
    sent.extend(after.stop().0);
    let audit = guarded.end(gateway, sent);
    let lost = |name: &str| {
        audit
            .lost
            .iter()
            .filter(|lost| lost.key.starts_with(name.as_bytes()))
            .count()
    };
    assert_eq!(lost("after"), 0, "{}", audit.report());
    assert!(
        lost("through") > 0,
        "the topic held something: {}",
        audit.report()
    );
    assert!(
        audit.inversions.is_empty() && audit.ghosts_refused + audit.strangers == 0,
        "{}",
        audit.report()
    );
}

/// A batch that is too large now is sent in smaller ones: no event is, and so none may be lost to it.
#[test]
fn a_topic_takes_smaller_batches_from_now_on() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut guarded) = Guarded::prepare_or_skip("smaller", 4, &[], Some(dir.path())) else {
        return;
    };
    let gateway = Gateway::ready(guarded.config());
    let batches = Plan {
        batch: 100,
        pause: Duration::from_millis(20),
        ..plan()
    };
    let senders = Senders::start("smaller", gateway.data, "events", &batches);
    senders.wait_for_acks(5_000, STARTS);
    // An event has some 300 bytes.
    for bytes in ["20000", "700", "1000000", "700"] {
        guarded
            .kafka
            .configure_topic(&guarded.topic, "max.message.bytes", bytes);
        senders.wait_for_acks(5_000, MENDED_WITHIN);
    }
    assert_eq!(dead_letters(&gateway), 0);
    guarded.gate.close();
    senders.wait_for_acks(5_000, SPILLS);
    guarded.gate.open();
    senders.wait_for_acks(2_000, MENDED_WITHIN);
    let (sent, _) = senders.stop();
    let audit = guarded.end(gateway, sent);
    assert_kept(&audit);
}
