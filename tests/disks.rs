//! Disks that fail, in front of the real gateway, with an audit of every id: system calls that return errors, lie or hang,
//! file systems that are full, frozen, slow, read-only or gone, and kill -9 in the middle of any call. What was
//! acknowledged arrives in order, what can't be taken is a 503, the process stays alive and heals by itself.
//!
//! Kafka is away while the disk fails (a gate is closed before it), so that the log is all that keeps the events.
//! They need root, loop devices, strace and control groups v1; a test that lacks something says so and is skipped.

mod calls;
mod crashes;
mod room;
mod sickness;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::kafka::Evidence;
use crate::support::bounds::STARTS;
use crate::support::gateway::Gateway;
use crate::support::http::Client;
use crate::support::outage::{Outage, assert_kept};
use crate::support::sender::{Plan, Senders};

const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;

/// Clients enough to keep a log busy, and few enough for many tests side by side.
fn some_clients() -> Plan {
    Plan {
        connections: 6,
        batch: 3,
        keys: 9,
        ..Plan::default()
    }
}

/// Clients that don't come again after a refusal.
fn clients_without_patience() -> Plan {
    Plan {
        tries: 1,
        patience: 10 * SECOND,
        pause: Duration::from_millis(20),
        ..some_clients()
    }
}

/// A gateway over a log in `dir`, Kafka gone, and clients that send.
fn under_fire_or_skip(
    name: &str,
    dir: &Path,
    change: impl FnOnce(String) -> String,
) -> Option<(Outage, Senders)> {
    let outage = Outage::prepare_or_skip(name, dir, change)?;
    let data = outage.gateway.data;
    let senders = Senders::start(name, data, "events", &clients_without_patience());
    outage.begin(&senders);
    Some((outage, senders))
}

/// After a crash: Kafka is back, the gateway starts again over what the disk has, and everything arrives.
#[track_caller]
fn assert_all_comes_back(mut outage: Outage, sent: Evidence) {
    outage.gate.open();
    outage.start_again();
    outage.gateway.wait_ready(STARTS);
    assert_kept(&outage.end(sent));
}

/// The process lives, and says so at once.
#[track_caller]
fn assert_alive(gateway: &Gateway) {
    let asked = Instant::now();
    assert_eq!(gateway.get("/livez").0, 200);
    assert!(asked.elapsed() < SECOND, "{:?}", asked.elapsed());
}

/// Events are refused in the way that makes a good client send them again.
#[track_caller]
fn assert_refused(gateway: &Gateway) {
    let mut client = Client::connect(gateway.data);
    let answer = client.post_json("events", r#"{"id":"0","user":"nobody"}"#);
    assert_eq!(answer.status, 503, "{}", answer.text());
    let after = answer.header("retry-after").map(str::parse::<u64>);
    assert!(
        matches!(after, Some(Ok(1..=30))),
        "{:?}",
        answer.header("retry-after")
    );
}

/// No answer took longer, and there were some of this status.
#[track_caller]
fn assert_answered(latencies: &[(Instant, Duration, u16)], within: Duration, status: u16) {
    let slowest = latencies.iter().map(|(_, took, _)| *took).max().unwrap();
    assert!(slowest <= within, "an answer took {slowest:?}");
    let with = latencies.iter().filter(|answer| answer.2 == status).count();
    assert!(with > 0, "no {status}");
}
