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
pub mod machine;
pub mod mock;
pub mod outage;
pub mod secure;
pub mod sender;
pub mod topic;
pub mod tracer;
pub mod volume;

mod skipped;

use std::process::{Child, Command};
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

/// Says loudly that a test can't be run here for want of a right or of a device, which is no failure; `FOREBAY_TEST_REQUIRE_ALL=1`
/// makes it one.
pub fn skip<T>(what: &str, why: &str) -> Option<T> {
    let required = std::env::var("FOREBAY_TEST_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!required, "{what} is required and cannot be had: {why}");
    crate::kafka::say_skipped(what, why);
    None
}

/// A program of others that runs until this is dropped.
pub struct Program(pub Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Where a program of others is. As root on Debian it's installed, from `packages`. `None` where it can't be had, which is a failure
/// with `CI` set, as a missing Kafka is.
pub fn program_or_skip(name: &str, packages: &[&str]) -> Option<String> {
    found_or_skip(name, &format!("type -P {name}"), packages)
}

/// What `check`, a line of bash that tells whether something is there, prints; installed and missed as in [`program_or_skip`].
pub fn found_or_skip(what: &str, check: &str, packages: &[&str]) -> Option<String> {
    match need(check, packages) {
        Ok(found) => Some(found),
        Err(why) => crate::kafka::skip(what, &why),
    }
}

/// As [`found_or_skip`], for tests that need rights or devices as well: why it can't be had is theirs to tell.
pub fn need(check: &str, packages: &[&str]) -> Result<String, String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/need.sh");
    let ended = Command::new(script).arg(check).args(packages).output();
    let ended = ended.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match ended.status.success() {
        true => Ok(text(&ended.stdout)),
        false => Err(text(&ended.stderr)),
    }
}
