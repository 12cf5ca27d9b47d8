//! A stream's quota in events per second. Pure: time is passed in.
//!
//! The generic cell rate algorithm (ITU-T I.371): one number, the theoretical arrival time of the next event, says how far
//! ahead of its rate a stream is. It may be ahead by one second's worth, so that batches and bursts pass.

use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::Duration;

/// How far ahead of its rate a stream may be.
const BURST_NS: u64 = 1_000_000_000;

/// A stream's rate, and how much of it is used.
#[derive(Debug)]
pub struct Quota {
    /// 0 means that there is no quota.
    events_per_second: u32,
    /// When the next event would come if all came evenly, in nanoseconds of the caller's clock.
    next_ns: AtomicU64,
}

impl Quota {
    /// A quota; 0 means none.
    pub fn new(events_per_second: u32) -> Quota {
        Quota {
            events_per_second,
            next_ns: AtomicU64::new(0),
        }
    }

    fn cost_ns(&self, events: u32) -> u64 {
        u64::from(events) * 1_000_000_000 / u64::from(self.events_per_second.max(1))
    }

    /// Takes `events`, or says after what time they would be taken. `now` is the time since any fixed moment. A batch
    /// larger than a second's worth is taken when nothing else is owed. What is taken goes back when [`Taken`] is dropped,
    /// unless it was kept.
    pub fn take(&self, events: u32, now: Duration) -> Result<Taken<'_>, Duration> {
        let taken = || Taken {
            quota: self,
            events,
        };
        if self.events_per_second == 0 {
            return Ok(taken());
        }
        let now_ns = now.as_nanos() as u64;
        let cost_ns = self.cost_ns(events);
        let advance = |next_ns: u64| {
            let begin = next_ns.max(now_ns);
            let fits = begin + cost_ns <= now_ns + BURST_NS || begin == now_ns;
            fits.then_some(begin + cost_ns)
        };
        match self.next_ns.fetch_update(AcqRel, Acquire, advance) {
            Ok(_) => Ok(taken()),
            Err(next_ns) => {
                // A batch that alone is more than a burst waits until nothing is owed.
                let owed_ns = next_ns.saturating_sub(now_ns);
                let room_ns = BURST_NS.saturating_sub(cost_ns);
                Err(Duration::from_nanos(owed_ns.saturating_sub(room_ns)))
            }
        }
    }

    /// Gives back what was kept for events that were refused after all: their client sends them again.
    pub fn give_back(&self, events: u32) {
        if self.events_per_second == 0 || events == 0 {
            return;
        }
        let cost_ns = self.cost_ns(events);
        // What was owed may have run out meanwhile: then the sum is in the past, which counts as nothing owed.
        self.next_ns
            .fetch_update(AcqRel, Acquire, |next_ns| {
                Some(next_ns.saturating_sub(cost_ns))
            })
            .ok();
    }
}

/// A request's part of a quota. Dropping it gives it back: a request that isn't taken uses nothing up.
#[derive(Debug)]
#[must_use = "dropping it gives it back"]
pub struct Taken<'a> {
    quota: &'a Quota,
    events: u32,
}

impl Taken<'_> {
    /// The events were taken: their part is used.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.quota.give_back(self.events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Takes for good.
    fn take(quota: &Quota, events: u32, now: Duration) -> Result<(), Duration> {
        quota.take(events, now).map(Taken::keep)
    }

    #[test]
    fn what_is_not_kept_goes_back() {
        let quota = Quota::new(1_000);
        for _ in 0..10 {
            drop(quota.take(1_000, 5 * MS).unwrap());
        }
        assert_eq!(take(&quota, 600, 5 * MS), Ok(()));
        // Of what others owe nothing is given back.
        drop(quota.take(400, 5 * MS).unwrap());
        assert_eq!(take(&quota, 401, 5 * MS), Err(MS));
        quota.give_back(600);
        assert_eq!(take(&quota, 1_000, 5 * MS), Ok(()));
        assert_eq!(take(&quota, 1, 5 * MS), Err(MS));
        // Nothing is earned by giving back late.
        quota.give_back(1_000);
        assert_eq!(take(&quota, 1_000, 5_000 * MS), Ok(()));
        assert_eq!(take(&quota, 1, 5_000 * MS), Err(MS));
    }

    #[test]
    fn a_second_of_events_passes_at_once_and_then_only_the_rate() {
        let quota = Quota::new(1_000);
        assert_eq!(take(&quota, 1_000, 5 * MS), Ok(()));
        assert_eq!(take(&quota, 100, 5 * MS), Err(100 * MS));
        assert_eq!(take(&quota, 100, 104 * MS), Err(MS));
        assert_eq!(take(&quota, 100, 105 * MS), Ok(()));
    }

    #[test]
    fn a_large_batch_waits_until_nothing_is_owed_and_then_passes() {
        let quota = Quota::new(100);
        assert_eq!(take(&quota, 50, MS), Ok(()));
        assert_eq!(take(&quota, 500, MS), Err(500 * MS));
        assert_eq!(take(&quota, 500, 501 * MS), Ok(()));
        assert_eq!(take(&quota, 1, 501 * MS), Err(4_010 * MS));
    }

    #[test]
    fn without_a_quota_everything_passes() {
        let quota = Quota::new(0);
        assert_eq!(take(&quota, u32::MAX, Duration::ZERO), Ok(()));
        assert_eq!(take(&quota, u32::MAX, Duration::ZERO), Ok(()));
    }
}
