//! System calls of the log that fail, fall short, hang or lie.

use std::time::Duration;

use super::{
    SECOND, assert_alive, assert_answered, assert_refused, clients_without_patience, some_clients,
};
use crate::support::bounds::{ANSWERS, HEALS, NOTICES, SPILLS};
use crate::support::outage::{Outage, assert_kept};
use crate::support::sender::{Plan, Senders};
use crate::support::tracer::{STEWARD, Tracer, WRITER, tracer_or_skip};

/// A gateway whose Kafka is away, and what is under way.
struct Case {
    outage: Outage,
    senders: Senders,
    _dir: tempfile::TempDir,
}

impl Case {
    fn or_skip(name: &str, plan: &Plan) -> Option<Case> {
        tracer_or_skip()?;
        let dir = tempfile::tempdir().unwrap();
        let outage = Outage::prepare_or_skip(name, dir.path(), |config| config)?;
        let senders = Senders::start(name, outage.gateway.data, "events", plan);
        outage.begin(&senders);
        Some(Case {
            outage,
            senders,
            _dir: dir,
        })
    }

    /// kill -9, and the audit.
    #[track_caller]
    fn end(self, status: u16, within: Duration) {
        let (sent, latencies) = self.senders.stop();
        assert_answered(&latencies, within, status);
        assert_kept(&self.outage.crash_and_end(sent));
    }
}

/// One write fails or falls short: the segment is left, the frame goes into the next one, and clients notice nothing.
fn one_bad_write(name: &str, fault: &str) {
    let Some(case) = Case::or_skip(name, &some_clients()) else {
        return;
    };
    let tracer = Tracer::attach(&case.outage.gateway, &[WRITER], &[fault]);
    tracer.wait_for_a_hit(10 * SECOND);
    case.senders.wait_for_acks(500, SPILLS);
    drop(tracer);
    let log = case.outage.gateway.log();
    assert!(log.contains("a write failed; the segment is left"), "{log}");
    assert_eq!(case.outage.spill("state"), "healthy");
    case.end(200, ANSWERS);
}

#[test]
fn a_write_fails_once_and_clients_dont_notice() {
    one_bad_write("eio", "pwrite64:error=EIO:when=1");
}

#[test]
fn a_write_that_falls_short_is_no_write() {
    one_bad_write("short", "pwrite64:retval=512:when=1");
}

#[test]
fn a_write_without_room_in_a_place_that_was_allocated_is_no_write() {
    one_bad_write("thin", "pwrite64:error=ENOSPC:when=1");
}

/// Every call fails: 503 at once, no end, and events are taken again when the fault is over.
fn from_then_on(name: &str, faults: &[&str], state: &str) {
    let Some(case) = Case::or_skip(name, &clients_without_patience()) else {
        return;
    };
    let gateway = &case.outage.gateway;
    let tracer = Tracer::attach(gateway, &[WRITER, STEWARD], faults);
    case.outage.wait_for_state(state, NOTICES);
    std::thread::sleep(2 * SECOND);
    assert_eq!(case.outage.spill("state"), state);
    assert_refused(gateway);
    assert_alive(gateway);
    drop(tracer);
    case.outage.wait_for_state("healthy", HEALS);
    case.senders.wait_for_acks(300, SPILLS);
    case.end(503, ANSWERS);
}

#[test]
fn all_writes_fail_and_it_heals() {
    from_then_on("broken", &["pwrite64:error=EIO:when=1+"], "degraded");
}

#[test]
fn no_call_finds_room_and_it_heals() {
    let faults = [
        "pwrite64:error=ENOSPC:when=1+",
        "fallocate:error=ENOSPC:when=1+",
    ];
    from_then_on("noroom", &faults, "full");
}

#[test]
fn no_directory_entry_is_durable_and_it_heals() {
    let faults = ["fsync:error=EIO:when=1+", "rename:error=EIO:when=2+2"];
    from_then_on("nodir", &faults, "degraded");
}

#[test]
fn a_write_that_hangs_is_a_503_in_time() {
    let Some(case) = Case::or_skip("hang", &clients_without_patience()) else {
        return;
    };
    let gateway = &case.outage.gateway;
    let tracer = Tracer::attach(gateway, &[WRITER], &["pwrite64:delay_enter=7000000:when=1"]);
    case.outage.wait_for_state("stalled", NOTICES);
    assert_alive(gateway);
    assert_refused(gateway);
    case.outage.wait_for_state("healthy", HEALS);
    case.senders.wait_for_acks(300, SPILLS);
    drop(tracer);
    // 5 s is `http.answer_within`; the write takes longer.
    case.end(503, ANSWERS);
}

/// The audit itself: a disk that says that it wrote and didn't must be found out.
#[test]
fn writes_that_are_only_pretended_are_found_by_the_audit() {
    // One small event at a time is a frame of one page: what the lie has to look like.
    let plan = Plan {
        connections: 1,
        keys: 1,
        ..clients_without_patience()
    };
    let Some(case) = Case::or_skip("lie", &plan) else {
        return;
    };
    let tracer = Tracer::attach(&case.outage.gateway, &[WRITER], &["pwrite64:retval=4096"]);
    case.senders.wait_for_acks(30, SPILLS);
    let (sent, _) = case.senders.stop();
    drop(tracer);
    let audit = case.outage.crash_and_end(sent);
    assert!(audit.lost.len() >= 20, "{}", audit.report());
}
