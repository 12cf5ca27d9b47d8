//! Waiting, on the control thread, for something that nobody announces.

use std::time::{Duration, Instant};

/// Waits until `done`, at most so long.
pub(super) async fn wait_for(done: impl Fn() -> bool, at_most: Duration) {
    let deadline = Instant::now() + at_most;
    while !done() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
