//! When a lane's batch is worth a request. Pure: time is passed in.
//!
//! librdkafka sends one request per partition, and each costs 16 to 40 µs of CPU here and as much at the broker, however
//! few events it carries. So, as in Nagle's rule, what is under way holds the next batch back:
//!
//! - a lane that has rested for `linger` sends at once;
//! - one that sent a moment ago waits until `linger` has passed since;
//! - and while its last batch isn't acknowledged yet, up to [`HOLD`] times as long: a slow Kafka gets larger batches,
//!   not more of them;
//! - a batch that is full doesn't wait at all.
//!
//! Tried and dropped: letting all lanes of a cluster send together, in waves, so that librdkafka's thread wakes less often.
//! It wakes for each answer, and Kafka answers the requests of a connection one by one, so nothing was saved: with single
//! events on 64 connections it cost 11 % CPU and 15 % of the rate, in batches of 50 it saved 10 % CPU
//! (`cargo bench --bench gateway -- --against OTHER_BUILD`, four rounds).

use std::time::{Duration, Instant};

use super::settings::Settings;

/// How many times `linger` a batch is held back for the acknowledgement of the one before.
pub const HOLD: u32 = 4;

/// What is known of a lane when it's asked whether it may send.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Bytes that wait.
    pub waiting_bytes: u64,
    /// Events that were sent and are not acknowledged.
    pub unacked_events: u32,
    /// When the lane sent last.
    pub sent_at: Option<Instant>,
}

/// Whether a lane's batch may leave `now`.
pub fn may_send(load: Load, settings: &Settings, now: Instant) -> bool {
    if load.waiting_bytes >= settings.batch.as_u64() {
        return true;
    }
    let hold = if load.unacked_events == 0 { 1 } else { HOLD };
    load.sent_at
        .is_none_or(|sent_at| now >= sent_at + settings.linger * hold)
}

/// The worker's tick while anything waits: a fifth of `linger`, within 0.5 to 2 ms.
pub fn tick(settings: &Settings) -> Duration {
    (settings.linger / 5).clamp(Duration::from_micros(500), Duration::from_millis(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn may(waiting_bytes: u64, unacked_events: u32, sent_ago: Option<Duration>) -> bool {
        let now = Instant::now();
        let sent_at = sent_ago.map(|ago| now - ago);
        let load = Load {
            waiting_bytes,
            unacked_events,
            sent_at,
        };
        may_send(load, &Settings::default(), now)
    }

    #[test]
    fn a_rested_lane_sends_at_once() {
        assert!(may(400, 0, None));
        assert!(may(400, 0, Some(5 * MS)));
    }

    #[test]
    fn a_busy_lane_waits_for_its_linger_and_longer_for_an_acknowledgement() {
        assert!(!may(400, 0, Some(4 * MS)));
        assert!(!may(400, 7, Some(6 * MS)));
        assert!(may(400, 7, Some(20 * MS)));
    }

    #[test]
    fn a_full_batch_does_not_wait() {
        assert!(may(
            Settings::default().batch.as_u64(),
            9,
            Some(Duration::ZERO)
        ));
    }
}
