//! The life of the process: start, health, stop, exit codes, the other commands, and what the admin port shows.

mod admin;
mod clock;
mod commands;
mod rolling;
mod start;
mod stop;
mod told;
mod upgrades;

use std::time::{Duration, Instant};

use crate::support::eventually;
use crate::support::gateway::{Gateway, config};
use crate::support::mock::Mock;

const EVENTS: &str = "/v1/events/events";
const EVENT: &str = r#"{"user":"a","id":"1"}"#;
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(5);

/// A mock cluster with a topic `events`.
fn mock() -> Mock {
    Mock::start(1, &[("events", 1)])
}

/// Checks the last line of the log: its counts, and that nothing is lost.
#[track_caller]
fn check_account(log: &str, counts: &str) {
    let last = log.lines().last().unwrap_or_default();
    assert!(
        last.contains("every event is accounted for") && last.contains("lost=0 residual=0"),
        "{log}"
    );
    assert!(last.contains(counts), "{counts}:\n{log}");
}
