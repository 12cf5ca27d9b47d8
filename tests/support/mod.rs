//! What all tests share: the gateway as a child process, and HTTP by hand.

pub mod bounds;
pub mod certificates;
pub mod command;
pub mod faketime;
pub mod gate;
pub mod gateway;
pub mod guarded;
pub mod h2;
pub mod http;
pub mod mock;
pub mod outage;
pub mod secure;
pub mod sender;
pub mod topic;
pub mod tracer;
pub mod volume;

use std::time::{Duration, Instant};

/// Waits until `check` holds. The only sleep of the tests.
#[track_caller]
pub fn eventually(what: &str, within: Duration, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !check() {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Says loudly that a test can't be run here, which is no failure; `FOREBAY_TEST_REQUIRE_ALL=1` makes it one.
pub fn skip<T>(what: &str, why: &str) -> Option<T> {
    let required = std::env::var("FOREBAY_TEST_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!required, "{what} is required and cannot be had: {why}");
    crate::kafka::say_skipped(what, why);
    None
}
