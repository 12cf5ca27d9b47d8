//! Rights that are missing, taken away and given back, with a real authorizer and an audit of every id: who may not write
//! waits, and nothing that was acknowledged is lost, out of order, or buried as a dead letter.

mod certain;
mod denied;
mod neighbours;

use std::time::Duration;

use crate::support::bounds::{SPILLS, STARTS};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::guarded::{Guarded, MENDED_WITHIN, dead_letters, throughout};
use crate::support::outage::assert_kept;
use crate::support::sender::{Plan, Senders, groups};

const SECOND: Duration = Duration::from_secs(1);

/// How long to look, unless the variable says so.
fn seconds(variable: &str, default: u32) -> Duration {
    SECOND * std::env::var(variable).map_or(default, |seconds| seconds.parse().unwrap())
}

/// How soon clients of a gateway without a log get a 200 after their right is back: a lane's longest pause, and a client's
/// replacement.
const FLOWS_WITHIN: Duration = MENDED_WITHIN;

/// Patient clients with few keys each, so that a wrong order shows.
fn plan() -> Plan {
    Plan {
        keys: 5,
        pause: Duration::from_millis(10),
        ..Plan::default()
    }
}

/// Events of a gateway that Kafka refuses a right wait, through a restart, and arrive by themselves when it is given.
fn a_right_that_is_missing_at_a_start(name: &str, deny: fn(&Guarded)) {
    let dir = tempfile::tempdir().unwrap();
    let Some(guarded) = Guarded::prepare_or_skip(name, 2, &[], Some(dir.path())) else {
        return;
    };
    guarded.gate.close();
    let gateway = Gateway::ready(guarded.config());
    let mut client = gateway.client();
    for id in 0..3 {
        let answer = client.post_json("events", &format!(r#"{{"id":"{id}","user":"u"}}"#));
        assert_eq!((answer.status, &answer.json()["spilled"]), (200, &1.into()));
    }
    gateway.stop();
    deny(&guarded);
    guarded.gate.open();
    let gateway = Gateway::start(guarded.config());
    // Long enough for several tries: without the mend, all are dead letters within a tenth of a second.
    throughout("no dead letters", 5 * SECOND, || {
        dead_letters(&gateway) == 0
    });
    assert_eq!(gateway.status()["spill"]["backlog_events"], 3);
    guarded.allow();
    eventually("they arrive by themselves", MENDED_WITHIN, || {
        gateway.events("events", "replayed") == 3
    });
    gateway.stop();
    let records = crate::kafka::consume_all(guarded.kafka.bootstrap(), &guarded.topic);
    let ids = records.iter().map(|record| {
        let event: serde_json::Value = serde_json::from_slice(record.payload()).unwrap();
        event["id"].as_str().unwrap().to_owned()
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["0", "1", "2"]);
}

#[test]
fn acknowledged_events_wait_for_the_right_to_write_their_topic() {
    a_right_that_is_missing_at_a_start("write", Guarded::deny_topic);
}

#[test]
fn acknowledged_events_wait_for_the_right_to_write_at_all() {
    a_right_that_is_missing_at_a_start("cluster", Guarded::deny_cluster);
}

#[test]
fn acknowledged_events_wait_for_the_right_to_see_their_topic() {
    a_right_that_is_missing_at_a_start("sight", Guarded::deny_sight);
}

/// With a log, clients get 200s all the time.
fn a_right_that_goes_under_traffic(name: &str, deny: fn(&Guarded)) {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut guarded) = Guarded::prepare_or_skip(name, 6, &[], Some(dir.path())) else {
        return;
    };
    let gateway = Gateway::ready(guarded.config());
    let groups = groups(gateway.data);
    let flow = |within| {
        for group in &groups {
            group.wait_for_acks(200, within);
        }
    };
    flow(STARTS);
    for _ in 0..2 {
        deny(&guarded);
        eventually("events are spilled", SPILLS, || {
            gateway.status()["spill"]["backlog_events"]
                .as_u64()
                .unwrap()
                > 100
        });
        flow(SPILLS);
        throughout("no dead letters", 2 * SECOND, || {
            dead_letters(&gateway) == 0
        });
        guarded.allow();
        eventually("lanes are in Kafka again", MENDED_WITHIN, || {
            gateway.status()["spill"]["backlog_events"] == 0
        });
        flow(FLOWS_WITHIN);
    }
    let mut sent = crate::kafka::Evidence::default();
    for group in groups {
        sent.extend(group.stop().0);
    }
    let audit = guarded.end(gateway, sent);
    assert_kept(&audit);
}

#[test]
fn the_right_to_a_topic_goes_and_comes_under_traffic() {
    a_right_that_goes_under_traffic("revoked", Guarded::deny_topic);
}

#[test]
fn the_right_to_write_at_all_goes_and_comes_under_traffic() {
    a_right_that_goes_under_traffic("fatal", Guarded::deny_cluster);
}

/// Without a log there is nothing to wait in: 503s, and no other answer, from one end to the other ([`Senders`] see to that).
#[test]
fn a_right_that_goes_is_503_without_a_log() {
    let Some(mut guarded) = Guarded::prepare_or_skip("without-log", 4, &[], None) else {
        return;
    };
    guarded.configure(|config| {
        format!("[http]\nanswer_within = \"2s\"\n[lane]\nstalled_after = \"1s\"\n{config}")
    });
    let gateway = Gateway::ready(guarded.config());
    let senders = Senders::start("without-log", gateway.data, "events", &plan());
    senders.wait_for_acks(300, STARTS);
    for deny in [Guarded::deny_topic, Guarded::deny_cluster] {
        deny(&guarded);
        eventually("nothing is acknowledged", SPILLS, || {
            let before = senders.acked();
            std::thread::sleep(SECOND);
            senders.acked() == before
        });
        let unavailable =
            || gateway.status()["streams"]["events"]["answers"]["unavailable"].as_u64();
        let before = unavailable();
        eventually("clients are told so", SPILLS, || unavailable() > before);
        guarded.allow();
        senders.wait_for_acks(300, FLOWS_WITHIN);
    }
    let (sent, _) = senders.stop();
    let audit = guarded.end_without_log(gateway, sent);
    assert_kept(&audit);
}

/// The right goes while a backlog is on its way to Kafka, and while it waits to.
#[test]
fn the_right_to_write_goes_and_comes_during_a_replay() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut guarded) = Guarded::prepare_or_skip("replay", 6, &[], Some(dir.path())) else {
        return;
    };
    let gateway = Gateway::ready(guarded.config());
    let batches = Plan {
        batch: 100,
        pause: Duration::ZERO,
        ..plan()
    };
    let senders = Senders::start("replay", gateway.data, "events", &batches);
    senders.wait_for_acks(500, STARTS);
    let replayed = || gateway.events("events", "replayed");
    for deny in [Guarded::deny_topic, Guarded::deny_cluster] {
        guarded.gate.close();
        senders.wait_for_acks(40_000, 60 * SECOND);
        let before = replayed();
        guarded.gate.open();
        eventually("a replay is under way", MENDED_WITHIN, || {
            replayed() > before
        });
        deny(&guarded);
        throughout("no dead letters", 3 * SECOND, || {
            dead_letters(&gateway) == 0
        });
        guarded.allow();
        let at = replayed();
        eventually("the replay goes on", MENDED_WITHIN, || replayed() > at);
    }
    let (sent, _) = senders.stop();
    let audit = guarded.end(gateway, sent);
    assert_kept(&audit);
}
