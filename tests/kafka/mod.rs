//! Real Apache Kafka for tests: brokers, consumers that nobody here wrote, and
//! the audit that compares what was acknowledged with what is in the topic.
//!
//! ```ignore
//! let Some(kafka) = kafka::one_or_skip() else { return };
//! let topic = kafka.fresh_topic("orders", 6, 1, &[]);
//! // … run the gateway against kafka.bootstrap() …
//! let records = kafka::consume_all(kafka.bootstrap(), &topic);
//! ```
//!
//! * [`one_or_skip`]: one broker, shared by all tests of the process. Nobody may
//!   stop it; topics are how tests keep out of each other's way.
//! * [`guarded_or_skip`]: the same broker, for tests of rights: it has an
//!   authorizer, and users whose rights the test changes (`rights`).
//! * [`old_or_skip`]: a broker from before there were idempotent producers.
//! * [`three_or_skip`]: a fresh cluster of three, owned by the test, which may
//!   kill, freeze and restart its nodes. One such cluster lives at a time.
//!
//! The brokers are plain JVMs on loopback, resolved by `fetch.sh`; they die with
//! the test process, whatever it dies of. Where no Kafka can be had, the tests
//! say so on stderr and return; with `CI` or `FOREBAY_TEST_REQUIRE_KAFKA=1` set
//! they fail instead. `FOREBAY_TEST_KAFKA=host:port[,…]` makes the single-broker
//! tests use a cluster that runs already. `FOREBAY_TEST_KAFKA_DATA=DIR` names the
//! parent of the brokers' folders, instead of one beside the build.
//!
//! Reading order: `java` (processes) → `broker` (one node) → `cluster` (the
//! handle tests hold) → `topics` → `rights` → `consume` → `tools` → `audit`.

mod audit;
mod audit_tests;
mod broker;
mod cluster;
mod consume;
mod harness_tests;
mod java;
mod old;
mod rights;
mod rights_tests;
mod tools;
mod topics;

#[allow(
    unused_imports,
    reason = "which ones are used depends on the tests there are"
)]
pub(crate) use self::{
    audit::{Audit, Evidence, Inversion, Offender, Outcome, Sent},
    cluster::Kafka,
    consume::{Record, consume_all, consume_each},
    old::{OldKafka, old_or_skip},
    rights::{Right, User},
    tools::{ForeignConsumer, ForeignRecord, foreign_consumer_or_skip, java_partitions_or_skip},
};

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

/// The shared broker, or `None` where the test is to be skipped.
pub(crate) fn one_or_skip() -> Option<&'static Kafka> {
    match Kafka::available() {
        Ok(()) => Some(Kafka::one()),
        Err(why) => skip("real Kafka", &why),
    }
}

/// The shared broker if it was started here, and so has an authorizer; `None`
/// where the test is to be skipped.
pub(crate) fn guarded_or_skip() -> Option<&'static Kafka> {
    let kafka = one_or_skip()?;
    if kafka.nodes().is_empty() {
        return skip("a broker with an authorizer", "the tests use one of others");
    }
    Some(kafka)
}

/// A fresh cluster of three, or `None` where the test is to be skipped. The
/// broker settings given override those of the harness.
///
/// `FOREBAY_TEST_KAFKA` does not stand in here: tests do to this cluster what
/// nobody does to a cluster of others.
pub(crate) fn three_or_skip(settings: &[(&str, &str)]) -> Option<Kafka> {
    match java::Jars::get() {
        Ok(_) => Some(Kafka::three(settings)),
        Err(why) => skip("real Kafka", why),
    }
}

/// Says loudly that something is missing, and panics where it must not be.
pub(crate) fn skip<T>(what: &str, why: &str) -> Option<T> {
    let set = |name| std::env::var(name).is_ok_and(|value| !matches!(&*value, "" | "0" | "false"));
    assert!(
        !set("CI") && !set("FOREBAY_TEST_REQUIRE_KAFKA"),
        "{what} is required here and cannot be had: {why}"
    );
    say_skipped(what, why);
    None
}

/// Past the test runner, which keeps what print macros write in a test that
/// passes to itself.
pub(crate) fn say_skipped(what: &str, why: &str) {
    let line = format!("\nSKIPPED: {what} cannot be had, nothing was tested: {why}\n");
    // A closed stderr is nobody's loss.
    drop(std::io::stderr().write_all(line.as_bytes()));
}

/// Waits for a condition; false if it did not come true in time. The only
/// place of the harness that sleeps.
#[must_use]
pub(crate) fn eventually(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}
