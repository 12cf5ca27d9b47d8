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

    /// Takes `events`, or says after what time they would be taken. `now` is the time since any fixed moment. A batch
    /// larger than a second's worth is taken when nothing else is owed.
    pub fn take(&self, events: u32, now: Duration) -> Result<(), Duration> {
        if self.events_per_second == 0 {
            return Ok(());
        }
        let now_ns = now.as_nanos() as u64;
        let cost_ns = u64::from(events) * 1_000_000_000 / u64::from(self.events_per_second);
        let advance = |next_ns: u64| {
            let begin = next_ns.max(now_ns);
            let fits = begin + cost_ns <= now_ns + BURST_NS || begin == now_ns;
            fits.then_some(begin + cost_ns)
        };
        match self.next_ns.fetch_update(AcqRel, Acquire, advance) {
            Ok(_) => Ok(()),
            Err(next_ns) => {
                // A batch that alone is more than a burst waits until nothing is owed.
                let owed_ns = next_ns.saturating_sub(now_ns);
                let room_ns = BURST_NS.saturating_sub(cost_ns);
                Err(Duration::from_nanos(owed_ns.saturating_sub(room_ns)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_second_of_events_passes_at_once_and_then_only_the_rate() {
        let quota = Quota::new(1_000);
        assert_eq!(quota.take(1_000, 5 * MS), Ok(()));
        assert_eq!(quota.take(100, 5 * MS), Err(100 * MS));
        assert_eq!(quota.take(100, 104 * MS), Err(MS));
        assert_eq!(quota.take(100, 105 * MS), Ok(()));
    }

    #[test]
    fn a_large_batch_waits_until_nothing_is_owed_and_then_passes() {
        let quota = Quota::new(100);
        assert_eq!(quota.take(50, MS), Ok(()));
        assert_eq!(quota.take(500, MS), Err(500 * MS));
        assert_eq!(quota.take(500, 501 * MS), Ok(()));
        assert_eq!(quota.take(1, 501 * MS), Err(4_010 * MS));
    }

    #[test]
    fn without_a_quota_everything_passes() {
        let quota = Quota::new(0);
        assert_eq!(quota.take(u32::MAX, Duration::ZERO), Ok(()));
        assert_eq!(quota.take(u32::MAX, Duration::ZERO), Ok(()));
    }
}
