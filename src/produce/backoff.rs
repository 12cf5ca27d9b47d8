//! How long to wait after a failure before the next try: twice as long each time, never all at once, and no longer than it fails.
//!
//! Pure: time is passed in.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// How far a pause may be from the one that was meant, in parts of it: half of it, so that many don't try at once.
const SPREAD: u32 = 2;

/// The pauses of one thing that may fail.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    /// Tells this one's pauses from those of others.
    seed: u64,
    failures: u32,
    until: Option<Instant>,
    /// Something was tried after the last pause, and isn't known to have failed.
    is_trying: bool,
}

impl Backoff {
    /// With pauses between `first` and `longest`; another `seed` has other ones.
    pub fn new(first: Duration, longest: Duration, seed: u64) -> Backoff {
        Backoff {
            first,
            longest,
            seed,
            failures: 0,
            until: None,
            is_trying: false,
        }
    }

    /// Other pauses from the next failure on.
    pub fn change(&mut self, first: Duration, longest: Duration) {
        (self.first, self.longest) = (first, longest);
    }

    /// Whether something failed since the last success.
    pub fn is_on(&self) -> bool {
        self.until.is_some()
    }

    /// Whether it may be tried `now`.
    pub fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// It's tried `now`: the next try has to wait as long as after a failure. Without a failure before it means nothing.
    pub fn tries(&mut self, now: Instant) {
        if self.until.is_some() {
            self.until = Some(now + self.pause());
            self.is_trying = true;
        }
    }

    /// It failed. What fails during a pause, without a try, is of the same failure.
    pub fn fails(&mut self, now: Instant) {
        if self.is_over(now) || self.is_trying {
            self.failures = self.failures.saturating_add(1);
            self.until = Some(now + self.pause());
            self.is_trying = false;
        }
    }

    /// It went well.
    pub fn succeeds(&mut self) {
        (self.failures, self.until, self.is_trying) = (0, None, false);
    }

    /// The present pause: three quarters to five quarters of what it's meant to be.
    fn pause(&self) -> Duration {
        let doubled = self.failures.saturating_sub(1).min(16);
        let meant = self.first.saturating_mul(1 << doubled).min(self.longest);
        let number = self.seed ^ u64::from(self.failures) << 32 ^ process();
        // Multiplied by 2^64 divided by the golden ratio: neighbours get far apart.
        let spread = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u32;
        meant - meant / (2 * SPREAD) + (meant / SPREAD).mul_f64(f64::from(spread) / 65_536.0)
    }
}

/// Gateways that were started together must not try together. Tests have to be repeatable.
fn process() -> u64 {
    if cfg!(test) {
        0
    } else {
        u64::from(std::process::id()) << 16
    }
}

/// A pause that comes again and again. Many begin at once and have pauses alike, so the first one is from half of it on: then they come one
/// after the other for good. All that one asks about has the same first pause, so that it's asked together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refresh {
    first: Duration,
    pause: Duration,
}

impl Refresh {
    pub(super) fn new(pause: Duration) -> Refresh {
        Refresh {
            first: pause.mul_f64(0.5 + part() / 2.0),
            pause,
        }
    }

    pub(super) fn pause(&self, is_first: bool) -> Duration {
        if is_first { self.first } else { self.pause }
    }
}

/// Nine to eleven tenths of `pause`, so that many clusters and gateways don't ask at once.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.9 + part() / 5.0)
}

/// Any part of one.
fn part() -> f64 {
    (RandomState::new().hash_one(0) % 1_000) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_that_begin_at_once_come_one_after_the_other() {
        let second = Duration::from_secs(1);
        let all: Vec<_> = (0..200).map(|_| Refresh::new(second)).collect();
        for tenth in 5..10 {
            let is_in_it = |one: &Refresh| one.pause(true).as_millis() / 100 == tenth;
            assert!(all.iter().any(is_in_it), "{tenth}");
        }
        let bounds = second / 2..second;
        assert!(all.iter().all(|one| bounds.contains(&one.pause(true))));
        assert!(all.iter().all(|one| one.pause(false) == second));
    }

    const MS: Duration = Duration::from_millis(1);

    fn backoff(seed: u64) -> Backoff {
        Backoff::new(200 * MS, 10_000 * MS, seed)
    }

    /// The pauses of failures that follow each other as soon as may be.
    fn pauses(seed: u64) -> Vec<Duration> {
        let (mut backoff, mut now) = (backoff(seed), Instant::now());
        let pauses = (0..10).map(|_| {
            backoff.fails(now);
            let start = now;
            while !backoff.is_over(now) {
                now += MS;
            }
            backoff.tries(now);
            now - start
        });
        pauses.collect()
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        for seed in 0..50 {
            for (number, pause) in pauses(seed).into_iter().enumerate() {
                let meant = (200 * MS * (1 << number)).min(10_000 * MS);
                let is_near = pause >= meant * 3 / 4 && pause <= meant * 5 / 4 + MS;
                assert!(is_near, "{number}: {pause:?}");
            }
        }
        assert_ne!(pauses(1), pauses(2));
    }

    #[test]
    fn many_reports_of_one_failure_are_one() {
        let (mut backoff, now) = (backoff(1), Instant::now());
        assert!(backoff.is_over(now) && !backoff.is_on());
        (0..100).for_each(|_| backoff.fails(now));
        assert!(backoff.is_on() && !backoff.is_over(now + 149 * MS));
        assert!(backoff.is_over(now + 251 * MS));
    }

    #[test]
    fn one_try_is_made_for_a_pause_and_success_ends_it() {
        let (mut backoff, now) = (backoff(1), Instant::now());
        backoff.tries(now);
        assert!(!backoff.is_on(), "nothing has failed");
        backoff.fails(now);
        let now = now + 251 * MS;
        backoff.tries(now);
        assert!(!backoff.is_over(now), "it's being tried");
        backoff.fails(now + MS);
        assert!(!backoff.is_over(now + 300 * MS), "the next pause is longer");
        backoff.succeeds();
        assert!(backoff.is_over(now) && !backoff.is_on());
    }
}
