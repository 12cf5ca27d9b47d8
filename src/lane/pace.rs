//! When a lane's batch is worth a request. Pure: time is passed in.
//!
//! librdkafka sends one request per partition. (<https://github.com/confluentinc/librdkafka/issues/1700> is to change that.) A
//! request costs 16 to 40 µs of CPU here and several times as much at the broker, however few events it carries. So a batch
//! waits for the one before it, as in Nagle's rule:
//!
//! - A full batch never waits.
//! - A lane that has rested for `linger` sends at once.
//! - A lane that sent a moment ago waits until `linger` has passed since then.
//! - A lane whose last batch isn't acknowledged yet waits for [`HOLD`] times `linger` at most. A slow Kafka gets larger
//!   batches that way, and not more of them.
//!
//! What many lanes of a cluster have under way holds all of them: see [`super::wave`]. What else was tried, with figures, is in
//! `benches/DECISIONS.md`.

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
    /// Until when the cluster's wave holds it back.
    pub held_until: Option<Instant>,
}

/// Whether a lane's batch may leave `now`.
pub fn may_send(load: Load, settings: &Settings, now: Instant) -> bool {
    if load.waiting_bytes >= settings.batch.as_u64() {
        return true;
    }
    let hold = if load.unacked_events == 0 { 1 } else { HOLD };
    // Workers wake a little early or late: what is over by the middle of a tick doesn't wait for the next one.
    let now_or_soon = now + tick(settings) / 2;
    let has_rested = |sent_at| now_or_soon >= sent_at + settings.linger * hold;
    load.sent_at.is_none_or(has_rested) && load.held_until.is_none_or(|until| now >= until)
}

/// The worker's tick while anything waits: a fifth of `linger`, within 0.5 to 1.9 ms, and a fiftieth of that. By this fiftieth the
/// tick moves against the kernel's, which samples who uses a CPU and would find workers always or never. And it's never as long
/// as [`super::wave::QUIET`], so that a turn can't miss what came since the last one.
pub fn tick(settings: &Settings) -> Duration {
    let most = Duration::from_micros(1_900);
    let tick = (settings.linger / 5).clamp(Duration::from_micros(500), most);
    tick + tick / 50
}

/// How long it is to the next beat, so long after the first one.
///
/// All workers wake on beats, so that HTTP threads hear of the answers of many clusters at once. Eight clusters cost 0.89 (four
/// rounds) and 0.95 (eight) of the CPU with single events. With one cluster p50 is 4.8 ms instead of 5.4, as work doesn't make a
/// tick longer any more; CPU is the same: 0.95 to 1.07 in four runs of two to eight rounds, batches of 50 1.01 to 1.04
/// (`--cases single64,single64c8,batch50 --against OTHER_BUILD`).
pub fn until_beat(tick: Duration, since_first: Duration) -> Duration {
    let into = since_first.as_nanos() % tick.as_nanos();
    tick - Duration::from_nanos(into as u64)
}

/// How many events of the spill log a worker may hand to its client in one turn.
///
/// A replay takes all the CPU and disk it can get, and new events, which go through the same log, would wait for their share
/// of them. So it yields: while new events wait too long for the log, the number is halved again and again; while they
/// don't, it grows back. It's never less than twice what came, so that the backlog gets smaller under any traffic.
#[derive(Debug)]
pub struct ReplayPace {
    per_turn: u32,
    /// Sent beyond what was allowed, because events are sent by parcels: as a negative number.
    left: i64,
    /// New events that were stored since the last turn, and how long the slowest of them took.
    stored: u32,
    slowest: Duration,
    judged_at: Instant,
}

/// What new events may wait for the log while there is a replay. With 12 ms a backlog goes a quarter faster, and new events'
/// p99 is 28 ms instead of 23; with 6 ms a tenth slower, and 19 ms (`cargo bench --bench outage -- --cases traffic`).
const STORED_WITHIN: Duration = Duration::from_millis(8);
/// How often that is judged.
const JUDGE: Duration = Duration::from_millis(20);
/// Bounds of [`ReplayPace`].
const PER_TURN: std::ops::RangeInclusive<u32> = 100..=10_000;

impl ReplayPace {
    /// As fast as it can be.
    pub fn new(now: Instant) -> ReplayPace {
        ReplayPace {
            per_turn: *PER_TURN.end(),
            left: 0,
            stored: 0,
            slowest: Duration::ZERO,
            judged_at: now,
        }
    }

    /// What is left at the end of a turn of what was allowed; less than 0 if more was sent.
    pub fn leave(&mut self, left: i64) {
        self.left = left.min(0);
    }

    /// So many new events of one append are durable, so long after the last of them came.
    pub fn stored(&mut self, events: u32, after: Duration) {
        self.stored += events;
        self.slowest = self.slowest.max(after);
    }

    /// What may be replayed in the turn that begins; nothing, if it isn't more than 0.
    pub fn turn(&mut self, now: Instant) -> i64 {
        if now.duration_since(self.judged_at) >= JUDGE {
            self.judged_at = now;
            let next = if std::mem::take(&mut self.slowest) > STORED_WITHIN {
                self.per_turn / 2
            } else {
                self.per_turn + self.per_turn / 8
            };
            self.per_turn = next.clamp(*PER_TURN.start(), *PER_TURN.end());
        }
        let allowed = self.per_turn.max(2 * std::mem::take(&mut self.stored));
        i64::from(allowed) + self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_yields_to_new_events_that_wait_and_takes_it_back() {
        let begun = Instant::now();
        let mut pace = ReplayPace::new(begun);
        let most = pace.turn(begun + JUDGE);
        pace.stored(1, 2 * STORED_WITHIN);
        assert_eq!(pace.turn(begun + 2 * JUDGE), most / 2);
        for turn in 3..20 {
            pace.stored(1, 2 * STORED_WITHIN);
            pace.turn(begun + turn * JUDGE);
        }
        assert_eq!(
            pace.turn(begun + 20 * JUDGE - JUDGE / 2),
            i64::from(*PER_TURN.start())
        );
        // Always more than what comes.
        pace.stored(70, Duration::ZERO);
        assert_eq!(pace.turn(begun + 20 * JUDGE - JUDGE / 4), 140);
        pace.leave(-500);
        assert!(pace.turn(begun + 20 * JUDGE - JUDGE / 4) < 0);
        pace.leave(7);
        for turn in 20..80 {
            pace.turn(begun + turn * JUDGE);
        }
        assert_eq!(pace.turn(begun + 80 * JUDGE), most);
    }

    const MS: Duration = Duration::from_millis(1);

    fn may(waiting_bytes: u64, unacked_events: u32, sent_ago: Option<Duration>) -> bool {
        let now = Instant::now();
        let sent_at = sent_ago.map(|ago| now - ago);
        let load = Load {
            waiting_bytes,
            unacked_events,
            sent_at,
            held_until: None,
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
    fn a_beat_that_comes_early_counts() {
        let settings = Settings::default();
        let early = tick(&settings) / 4;
        assert!(may(400, 0, Some(settings.linger - early)));
        assert!(may(400, 7, Some(settings.linger * HOLD - early)));
    }

    #[test]
    fn beats_are_multiples_of_the_tick() {
        let tick = tick(&Settings::default());
        assert_eq!(until_beat(tick, Duration::ZERO), tick);
        assert_eq!(until_beat(tick, tick / 4), tick - tick / 4);
        // After a year, to the nanosecond.
        let late = Duration::from_nanos(tick.as_nanos() as u64 * 365 * 24 * 3_600 * 980);
        assert_eq!(until_beat(tick, late + MS / 3), tick - MS / 3);
        let most = Settings {
            linger: Duration::from_secs(1),
            ..Settings::default()
        };
        assert!(super::tick(&most) < crate::lane::wave::QUIET);
    }

    #[test]
    fn a_lane_waits_for_the_wave_unless_its_batch_is_full() {
        let now = Instant::now();
        let settings = Settings::default();
        let mut load = Load {
            waiting_bytes: 400,
            unacked_events: 0,
            sent_at: None,
            held_until: Some(now + MS),
        };
        assert!(!may_send(load, &settings, now));
        assert!(may_send(load, &settings, now + MS));
        load.waiting_bytes = settings.batch.as_u64();
        assert!(may_send(load, &settings, now));
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
