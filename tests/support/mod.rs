//! What all tests share: the gateway as a child process, and HTTP by hand.

pub mod command;
pub mod gateway;
pub mod h2;
pub mod http;
pub mod mock;
pub mod sender;
pub mod topic;

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
