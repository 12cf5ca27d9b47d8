//! When a lane's batch is worth a request. Pure: time is passed in.
//!
//! librdkafka sends one request per partition, and each costs 16 to 40 µs of CPU here and several times as much at the broker,
//! however few events it carries. So, as in Nagle's rule, what is under way holds the next batch back.
//!
//! What a lane has under way holds the lane:
//!
//! - a lane that has rested for `linger` sends at once;
//! - one that sent a moment ago waits until `linger` has passed since;
//! - and while its last batch isn't acknowledged yet, up to [`HOLD`] times as long: a slow Kafka gets larger batches,
//!   not more of them;
//! - a batch that is full doesn't wait at all.
//!
//! What many lanes have under way holds all lanes of the cluster ([`Wave`]). Kafka answers the requests of a connection one
//! after the other, so with many partitions they queue there, each with the few events that had come when it was sent. If they
//! queue here instead, until those before them are answered, they grow. And the events of one request to us are on many
//! partitions: the slowest of them decides when it's answered, so it helps if they go together. With 64 connections that send
//! batches of 50, 256 partitions cost half the CPU and took twice the rate, 64 likewise (`cargo bench --bench gateway --
//! --cases batch50p64,batch50p256 --against OTHER_BUILD`). With few lanes there is no queue, and waves only cost time: 16
//! partitions took a fifth less.
//!
//! Tried and dropped: holding batches back five times as long (a [`HOLD`] of 20). With 64 partitions and a broker that has more
//! than enough to do, a request waits for the slowest of the lanes that have its events, so fewer events were under way:
//! the rate fell from 98k to 65k events/s and CPU per event rose by a quarter (the same command, two rounds).
//!
//! Tried and dropped: holding batches back only while Kafka takes longer than `linger` on average, so that a single slow answer
//! isn't waited for. There were more requests, and all of them slower: with 1,000 connections at half of capacity the p99 rose
//! from 15 to 24 ms and CPU per event by 6 %; only 64 partitions at full speed gained, 8 % of the CPU (four rounds).
//!
//! Tried and dropped: HTTP threads that nap for 200 µs before they wait for sockets, to find more requests at once when they
//! wake: CPU per event was the same (1.01, four rounds), as answers leave in bunches, and so the next requests come in bunches.

use std::time::{Duration, Instant};

use super::settings::Settings;

/// How many times `linger` a batch is held back for the acknowledgement of the one before.
pub const HOLD: u32 = 4;

/// More lanes than these have to be under way for a wave. Kafka takes 50 to 200 µs for a small request, so these are a few
/// milliseconds of work for a broker, about a `linger`. The model test has two partitions.
const FEW_LANES: u32 = if cfg!(test) { 1 } else { 16 };
/// Which part of `spill_after` a wave holds the next one back, as long as acknowledgements keep coming. Lanes that wait for it
/// must not become late by that.
pub const WAVE_PART: u32 = 5;
/// After a wave, clients need a moment to send what they waited with. It's this part of the time that the wave took.
const GATHER: u32 = 8;

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
    let has_rested = |sent_at| now >= sent_at + settings.linger * hold;
    load.sent_at.is_none_or(has_rested) && load.held_until.is_none_or(|until| now >= until)
}

/// The requests that many lanes of a cluster have under way at once.
///
/// While most of what was under way when it began isn't acknowledged, nothing more is sent, within bounds: for as long as
/// acknowledgements keep coming, a [`WAVE_PART`]th of `spill_after` at most, and [`HOLD`] times `linger` after the last one. What a wave
/// waited for in vain, as a partition without a leader, the next one doesn't wait for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wave {
    begun_at: Option<Instant>,
    /// When the last acknowledgement came.
    landed_at: Option<Instant>,
    /// Events that are waited for.
    left: u32,
    /// Events that are not, because they were waited for in vain.
    stragglers: u32,
    /// Events in the client's hands, at the last look.
    in_flight: u32,
}

impl Wave {
    /// A turn begins, with so many events in the client's hands. Until when lanes have to wait, if they have to.
    pub fn turn(&mut self, in_flight: u32, settings: &Settings, now: Instant) -> Option<Instant> {
        let linger = settings.linger;
        let landed = self.in_flight.saturating_sub(in_flight);
        self.in_flight = in_flight;
        self.stragglers = self.stragglers.min(in_flight);
        let begun_at = self.begun_at?;
        if landed > 0 {
            self.landed_at = Some(now);
            self.left = self.left.saturating_sub(landed);
        }
        let last = self.landed_at.map_or(begun_at, |at| at.max(begun_at));
        let until = if self.left == 0 {
            last + (last.duration_since(begun_at) / GATHER).min(linger)
        } else {
            (last + linger * HOLD).min(begun_at + settings.spill_after / WAVE_PART)
        };
        if now < until {
            return Some(until);
        }
        if self.left > 0 {
            self.stragglers = self.left;
        }
        self.begun_at = None;
        None
    }

    /// The turn is over: `lanes` have something in the client's hands, so many events together. That is a wave, if they are
    /// many and none is under way.
    pub fn sent(&mut self, in_flight: u32, lanes: u32, now: Instant) {
        let has_sent = in_flight > self.in_flight;
        self.in_flight = in_flight;
        if has_sent && lanes > FEW_LANES && self.begun_at.is_none() {
            self.begun_at = Some(now);
            self.left = in_flight.saturating_sub(self.stragglers);
        }
    }
}

/// The worker's tick while anything waits: a fifth of `linger`, within 0.5 to 2 ms.
pub fn tick(settings: &Settings) -> Duration {
    (settings.linger / 5).clamp(Duration::from_micros(500), Duration::from_millis(2))
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
    fn what_many_lanes_have_under_way_holds_the_next_until_it_landed() {
        let (settings, begun) = (Settings::default(), Instant::now());
        let linger = settings.linger;
        let mut wave = Wave::default();
        // Few lanes are none.
        assert_eq!(wave.turn(0, &settings, begun), None);
        wave.sent(100, FEW_LANES, begun);
        assert_eq!(wave.turn(100, &settings, begun + MS), None);
        wave.sent(150, FEW_LANES + 1, begun + MS);
        assert_eq!(
            wave.turn(150, &settings, begun + 2 * MS),
            Some(begun + MS + linger * HOLD)
        );
        // Acknowledgements prolong it.
        let last = begun + 17 * MS;
        assert_eq!(wave.turn(1, &settings, last), Some(last + linger * HOLD));
        // It lands after 24 ms, and clients have an eighth of that.
        let last = begun + 25 * MS;
        assert_eq!(wave.turn(0, &settings, last), Some(last + 3 * MS));
        assert_eq!(wave.turn(0, &settings, last + 3 * MS), None);
    }

    #[test]
    fn a_wave_holds_for_a_bounded_time() {
        let (settings, begun) = (Settings::default(), Instant::now());
        let mut wave = Wave::default();
        wave.turn(0, &settings, begun);
        wave.sent(1_000, 2 * FEW_LANES, begun);
        let mut at = begun;
        let mut in_flight = 1_000;
        while wave.turn(in_flight, &settings, at).is_some() {
            at += MS;
            in_flight -= 1;
        }
        assert_eq!(at, begun + settings.spill_after / WAVE_PART);
    }

    #[test]
    fn what_a_wave_waited_for_in_vain_the_next_one_does_not_wait_for() {
        let (settings, begun) = (Settings::default(), Instant::now());
        let linger = settings.linger;
        let mut wave = Wave::default();
        wave.turn(0, &settings, begun);
        wave.sent(100, 2 * FEW_LANES, begun);
        assert!(wave.turn(30, &settings, begun + MS).is_some());
        let again = begun + MS + linger * HOLD;
        assert_eq!(wave.turn(30, &settings, again), None);
        wave.sent(90, 2 * FEW_LANES, again);
        // Another 60 landed: those that hang are the 30 of before.
        assert!(wave.turn(31, &settings, again + 8 * MS).is_some());
        assert_eq!(
            wave.turn(30, &settings, again + 9 * MS),
            Some(again + 9 * MS + 9 * MS / GATHER)
        );
        // They come after all, with those of the next wave.
        assert_eq!(wave.turn(30, &settings, again + 11 * MS), None);
        wave.sent(80, 2 * FEW_LANES, again + 11 * MS);
        assert!(wave.turn(0, &settings, again + 19 * MS).is_some());
        assert_eq!(wave.turn(0, &settings, again + 20 * MS), None);
        wave.sent(50, 2 * FEW_LANES, again + 20 * MS);
        assert!(wave.turn(1, &settings, again + 20 * MS + linger).is_some());
        assert!(
            wave.turn(1, &settings, again + 20 * MS + linger * HOLD)
                .is_some()
        );
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
