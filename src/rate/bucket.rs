//! One number that comes at a rate, with a burst.
//!
//! The generic cell rate algorithm (ITU-T I.371): one number, the theoretical arrival time of the next unit, says how far ahead
//! of its rate something is. It may be ahead by its burst. The number is in nanoseconds of the caller's clock, and what an
//! amount costs is rounded up to whole ones.

use std::sync::atomic::{AtomicU64, Ordering::*};

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// Units per second, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// Not 0.
    pub(super) per_second: u64,
    pub(super) burst: u64,
}

#[derive(Debug)]
pub(super) struct Bucket {
    per_second: u64,
    /// How far ahead of its rate it may be.
    burst_ns: u64,
    /// When the next unit would come if all came evenly. In the past: nothing is owed.
    next_ns: AtomicU64,
}

impl Bucket {
    /// A bucket that is as full, in proportion, as the one before it.
    pub(super) fn next(rate: Option<Rate>, before: Option<&Bucket>, now_ns: u64) -> Option<Bucket> {
        let Rate { per_second, burst } = rate?;
        let burst_ns = cost_ns(burst, per_second);
        let owed_ns = before.map_or(0, |before| {
            let owed = before.next_ns.load(Acquire).saturating_sub(now_ns);
            let owed_ns =
                u128::from(owed) * u128::from(burst_ns) / u128::from(before.burst_ns.max(1));
            u64::try_from(owed_ns).unwrap_or(u64::MAX)
        });
        Some(Bucket {
            per_second,
            burst_ns,
            next_ns: AtomicU64::new(now_ns.saturating_add(owed_ns)),
        })
    }

    /// Takes an amount, or says after how many nanoseconds it would be taken.
    pub(super) fn take(&self, amount: u64, now_ns: u64) -> Result<(), u64> {
        let cost_ns = cost_ns(amount, self.per_second);
        let advance = |next_ns: u64| {
            let begin = next_ns.max(now_ns);
            let end = begin.saturating_add(cost_ns);
            let fits = end <= now_ns.saturating_add(self.burst_ns) || begin == now_ns;
            fits.then_some(end)
        };
        let taken = self.next_ns.fetch_update(AcqRel, Acquire, advance);
        taken
            .map(drop)
            .map_err(|next_ns| self.until_ns(next_ns, cost_ns, now_ns))
    }

    /// After how many nanoseconds an amount would be taken.
    pub(super) fn wait_ns(&self, amount: u64, now_ns: u64) -> u64 {
        let cost_ns = cost_ns(amount, self.per_second);
        self.until_ns(self.next_ns.load(Acquire), cost_ns, now_ns)
    }

    fn until_ns(&self, next_ns: u64, cost_ns: u64, now_ns: u64) -> u64 {
        // What alone is more than a burst waits until nothing is owed.
        let room_ns = self.burst_ns.saturating_sub(cost_ns);
        next_ns.saturating_sub(now_ns).saturating_sub(room_ns)
    }

    pub(super) fn give_back(&self, amount: u64) {
        if amount == 0 {
            return;
        }
        let cost_ns = cost_ns(amount, self.per_second);
        // What was owed may have run out meanwhile: then the sum is in the past, which counts as nothing owed.
        let back = |next_ns: u64| Some(next_ns.saturating_sub(cost_ns));
        self.next_ns.fetch_update(AcqRel, Acquire, back).ok();
    }
}

/// For how long an amount uses a rate.
fn cost_ns(amount: u64, per_second: u64) -> u64 {
    match amount.checked_mul(SECOND) {
        Some(product) => product.div_ceil(per_second),
        None => {
            let cost = (u128::from(amount) * u128::from(SECOND)).div_ceil(u128::from(per_second));
            u64::try_from(cost).unwrap_or(u64::MAX)
        }
    }
}
