//! When a cluster has enough under way: many lanes then wait together. Pure: time is passed in.
//!
//! Kafka answers the requests of a connection one after the other. With many partitions the requests queue at the broker, and
//! each carries the few events that had come when it was sent. A *wave* is what all lanes of a cluster have under way. The next
//! wave waits here until most of the last one is acknowledged, and its batches grow meanwhile. A client's request has events
//! on many partitions and is answered with the slowest of them, so it helps as well that they leave together.
//!
//! - Waves need many lanes. With `FEW_LANES` or fewer there is no queue at the broker.
//! - Waves need lanes with several events each. A batch of one or two doesn't get cheaper by waiting.
//! - After a wave there is a pause, in which clients send what they waited with. The pause lasts as long as something comes; it
//!   is no longer than the wave took, and no longer than `GATHER_MOST` times `linger`.
//!
//! `benches/DECISIONS.md` has the figures, and what was tried and dropped.

use std::time::{Duration, Instant};

use super::pace::HOLD;
use super::settings::Settings;

/// More lanes than these have to be under way for a wave. Kafka takes 50 to 200 µs for a small request, so these are a few
/// milliseconds of work for a broker, about a `linger`. The model test has two partitions.
const FEW_LANES: u32 = if cfg!(test) { 1 } else { 16 };
/// And they have to have so many events each under way, because less doesn't get cheaper by waiting.
const FEW_EVENTS: u32 = if cfg!(test) { 1 } else { 4 };
/// Which part of `spill_after` a wave holds the next one back, as long as acknowledgements keep coming. Lanes that wait for it
/// must not become late by that.
pub const WAVE_PART: u32 = 5;
/// After a wave, clients need a moment to send what they waited with. It's at least this part of the time that the wave took.
const GATHER: u32 = 8;
/// While they do send, it's as long as the wave took, and at most so many times `linger`.
const GATHER_MOST: u32 = 2;
/// When nothing came for so long, nothing comes: more than a turn, and than clients need for a round trip.
pub const QUIET: Duration = Duration::from_millis(2);

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
    /// When events last came.
    arrived_at: Option<Instant>,
}

impl Wave {
    /// A turn begins, with so many events in the client's hands. Until when lanes have to wait, if they have to.
    pub fn turn(&mut self, in_flight: u32, settings: &Settings, now: Instant) -> Option<Instant> {
        let linger = settings.linger;
        let landed = self.in_flight.saturating_sub(in_flight);
        self.in_flight = in_flight;
        self.stragglers = self.stragglers.min(in_flight);
        let begun_at = self.begun_at?;
        // What is acknowledged after that were full batches, which go on all the time.
        if landed > 0 && self.left > 0 {
            self.landed_at = Some(now);
            self.left = self.left.saturating_sub(landed);
        }
        let last = self.landed_at.map_or(begun_at, |at| at.max(begun_at));
        let until = if self.left == 0 {
            let took = last.duration_since(begun_at);
            let least = last + (took / GATHER).min(linger);
            let most = last + took.min(linger * GATHER_MOST);
            let quiet_at = self.arrived_at.map(|at| at + QUIET);
            quiet_at.map_or(least, |at| at.min(most).max(least))
        } else {
            (last + linger * HOLD).min(begun_at + settings.spill_after / WAVE_PART)
        };
        if now < until {
            return Some(until);
        }
        self.stragglers = (self.stragglers + self.left).min(in_flight);
        self.begun_at = None;
        None
    }

    /// The turn is over: `lanes` have something in the client's hands, so many events together. That is a wave, if they are
    /// many and none is under way. And new events came in this turn, or not.
    pub fn sent(&mut self, in_flight: u32, lanes: u32, has_arrivals: bool, now: Instant) {
        if has_arrivals {
            self.arrived_at = Some(now);
        }
        let has_sent = in_flight > self.in_flight;
        self.in_flight = in_flight;
        let left = in_flight.saturating_sub(self.stragglers);
        let is_much = lanes > FEW_LANES && left >= lanes.saturating_mul(FEW_EVENTS);
        if has_sent && is_much && self.begun_at.is_none() {
            (self.begun_at, self.left) = (Some(now), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_many_lanes_have_under_way_holds_the_next_until_it_landed() {
        let (settings, begun) = (Settings::default(), Instant::now());
        let linger = settings.linger;
        let mut wave = Wave::default();
        // Few lanes are none.
        assert_eq!(wave.turn(0, &settings, begun), None);
        wave.sent(100, FEW_LANES, false, begun);
        assert_eq!(wave.turn(100, &settings, begun + MS), None);
        wave.sent(150, FEW_LANES + 1, false, begun + MS);
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
    fn after_a_wave_batches_grow_while_something_comes() {
        let (settings, begun) = (Settings::default(), Instant::now());
        let lanes = 2 * FEW_LANES;
        // Of 8 and of 80 ms.
        for (took, most) in [(8 * MS, 8 * MS), (80 * MS, settings.linger * GATHER_MOST)] {
            let mut wave = Wave::default();
            wave.turn(0, &settings, begun);
            wave.sent(1_000, lanes, true, begun);
            let landed = begun + took;
            wave.turn(1, &settings, landed - MS);
            let mut at = landed;
            while wave.turn(0, &settings, at).is_some() {
                wave.sent(0, 0, true, at);
                at += MS;
            }
            assert_eq!(at, landed + most);
        }
        // Nothing comes after the first millisecond.
        let mut wave = Wave::default();
        wave.turn(0, &settings, begun);
        wave.sent(1_000, lanes, true, begun);
        let landed = begun + 8 * MS;
        assert_eq!(wave.turn(0, &settings, landed), Some(landed + MS));
        wave.sent(0, 0, true, landed);
        assert_eq!(wave.turn(0, &settings, landed + MS), Some(landed + QUIET));
        assert_eq!(wave.turn(0, &settings, landed + QUIET), None);
    }

    #[test]
    fn what_hangs_since_several_waves_is_not_waited_for_again() {
        let settings = Settings::default();
        let lanes = 2 * FEW_LANES;
        let mut wave = Wave::default();
        let mut at = Instant::now();
        wave.turn(0, &settings, at);
        // A hundred more hang after each of three waves.
        for hanging in [0, 100, 200] {
            wave.sent(hanging + 1_000, lanes, false, at);
            assert!(wave.turn(hanging + 100, &settings, at + MS).is_some());
            at += MS + settings.linger * HOLD;
            assert_eq!(wave.turn(hanging + 100, &settings, at), None);
        }
        for _ in 0..3 {
            wave.sent(300 + 1_000, lanes, false, at);
            let landed = at + 8 * MS;
            assert_eq!(wave.turn(300, &settings, landed), Some(landed + MS));
            at = landed + MS;
            assert_eq!(wave.turn(300, &settings, at), None);
        }
    }

    #[test]
    fn full_batches_that_go_on_do_not_prolong_it() {
        let (settings, begun) = (Settings::default(), Instant::now());
        let lanes = 2 * FEW_LANES;
        let mut wave = Wave::default();
        wave.turn(0, &settings, begun);
        wave.sent(1_000, lanes, true, begun);
        let landed = begun + 40 * MS;
        wave.turn(500, &settings, landed - 10 * MS);
        let mut at = landed;
        while wave.turn(0, &settings, at).is_some() {
            wave.sent(500, lanes, true, at);
            at += MS;
            assert!(at < landed + settings.spill_after);
        }
        assert_eq!(at, landed + settings.linger * GATHER_MOST);
    }

    #[test]
    fn few_events_make_no_wave() {
        let (settings, begun) = (Settings::default(), Instant::now());
        let mut wave = Wave::default();
        wave.turn(0, &settings, begun);
        let lanes = 100 * FEW_LANES;
        wave.sent(lanes * FEW_EVENTS - 1, lanes, true, begun);
        assert_eq!(wave.turn(1, &settings, begun + MS), None);
        wave.sent(lanes * FEW_EVENTS, lanes, true, begun + MS);
        // All of them hang, and are not counted from then on.
        let hanging = lanes * FEW_EVENTS;
        let last = begun + MS + settings.linger * HOLD;
        assert!(wave.turn(hanging, &settings, last - MS).is_some());
        assert_eq!(wave.turn(hanging, &settings, last), None);
        wave.sent(2 * hanging - 1, lanes, true, last);
        assert_eq!(wave.turn(hanging, &settings, last + MS), None);
        wave.sent(2 * hanging, lanes, true, last + MS);
        assert!(wave.turn(hanging, &settings, last + 2 * MS).is_some());
    }

    #[test]
    fn a_wave_holds_for_a_bounded_time() {
        let (settings, begun) = (Settings::default(), Instant::now());
        let mut wave = Wave::default();
        wave.turn(0, &settings, begun);
        wave.sent(1_000, 2 * FEW_LANES, false, begun);
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
        wave.sent(100, 2 * FEW_LANES, false, begun);
        assert!(wave.turn(30, &settings, begun + MS).is_some());
        let again = begun + MS + linger * HOLD;
        assert_eq!(wave.turn(30, &settings, again), None);
        wave.sent(90, 2 * FEW_LANES, false, again);
        // Another 60 landed: those that hang are the 30 of before.
        assert!(wave.turn(31, &settings, again + 8 * MS).is_some());
        assert_eq!(
            wave.turn(30, &settings, again + 9 * MS),
            Some(again + 9 * MS + 9 * MS / GATHER)
        );
        // They come after all, with those of the next wave.
        assert_eq!(wave.turn(30, &settings, again + 11 * MS), None);
        wave.sent(80, 2 * FEW_LANES, false, again + 11 * MS);
        assert!(wave.turn(0, &settings, again + 19 * MS).is_some());
        assert_eq!(wave.turn(0, &settings, again + 20 * MS), None);
        wave.sent(50, 2 * FEW_LANES, false, again + 20 * MS);
        assert!(wave.turn(1, &settings, again + 20 * MS + linger).is_some());
        assert!(
            wave.turn(1, &settings, again + 20 * MS + linger * HOLD)
                .is_some()
        );
    }
}
