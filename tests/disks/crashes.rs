//! kill -9 exactly at a system call, one after the other, in lives that follow each other on one directory and under
//! clients who don't rest.

use std::time::{Duration, Instant};

use super::SECOND;
use crate::support::bounds::STARTS;
use crate::support::gateway::Gateway;
use crate::support::outage::{Outage, assert_kept};
use crate::support::sender::{Plan, Senders};
use crate::support::tracer::{command, tracer_or_skip};

/// Calls, and at which of them the gateway dies. Each thread counts its own, and the first one counts at its start.
const SOME: [(&str, &[u32]); 6] = [
    ("pwrite64", &[1, 2, 5, 30]),
    ("fallocate", &[1, 3]),
    ("rename", &[1, 4]),
    ("unlink", &[2]),
    ("fsync", &[1, 3]),
    ("flock", &[1]),
];

/// `FOREBAY_TEST_CRASHES=40` dies at each of the first 40 of every call.
fn points() -> Vec<(&'static str, u32)> {
    let each = std::env::var("FOREBAY_TEST_CRASHES").map(|each| each.parse().unwrap());
    let of = |(call, some): &(&'static str, &'static [u32])| -> Vec<(&'static str, u32)> {
        match each {
            Ok(each) => (1..=each).map(|number| (*call, number)).collect(),
            Err(_) => some.iter().map(|number| (*call, *number)).collect(),
        }
    };
    SOME.iter().flat_map(of).collect()
}

#[test]
fn a_kill_at_any_call_of_the_log_loses_nothing() {
    if tracer_or_skip().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // Segments of the smallest size: many calls of every kind.
    let small = |config: String| config.replace("segment = \"1MiB\"", "segment = \"64KiB\"");
    let Some(mut outage) = Outage::prepare_or_skip("crash", dir.path(), small) else {
        return;
    };
    let data = outage.gateway.data;
    let plan = Plan {
        connections: 6,
        batch: 5,
        keys: 10,
        patience: 10 * SECOND,
        pause: Duration::from_millis(5),
        ..Plan::default()
    };
    let senders = Senders::start("crash", data, "events", &plan);
    senders.wait_for_acks(100, STARTS);
    let (mut at_start, mut at_work, mut missed) = (0, 0, Vec::new());
    for (call, number) in points() {
        outage.crash();
        outage.gate.open();
        let fault = format!("{call}:signal=KILL:when={number}");
        let by = command(&[&fault]);
        let by: Vec<_> = by.iter().map(String::as_str).collect();
        let listen = [("FOREBAY__HTTP__LISTEN", &*data.to_string())];
        match Gateway::try_start(&by, outage.config(), &[], &listen) {
            Err(_) => at_start += 1,
            Ok(gateway) => {
                outage.gateway = gateway;
                match dies(&mut outage, &senders) {
                    true => at_work += 1,
                    false => missed.push(fault),
                }
            }
        }
        if outage.gateway.has_ended() {
            outage.start_again();
        }
    }
    println!("died {at_start} times at its start, {at_work} times at work, not at {missed:?}");
    assert!(at_start > 0 && at_work > 0);
    outage.gateway.wait_ready(STARTS);
    senders.wait_for_acks(100, STARTS);
    let (sent, _) = senders.stop();
    assert_kept(&outage.crash_and_end(sent));
}

/// Outages come and go until the gateway dies of one. False if it doesn't.
fn dies(outage: &mut Outage, senders: &Senders) -> bool {
    let end = Instant::now() + 6 * SECOND;
    let mut is_away = false;
    while Instant::now() < end {
        let phase = Instant::now();
        // Acknowledgements show that it works; without any, Kafka hasn't been seen yet.
        let acked = senders.acked();
        while phase.elapsed() < Duration::from_millis(900) || senders.acked() == acked {
            if outage.gateway.has_ended() {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        is_away = !is_away;
        match is_away {
            true => outage.gate.close(),
            false => outage.gate.open(),
        }
    }
    false
}
