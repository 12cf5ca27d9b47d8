//! Histograms of durations, all with the same buckets, so that they can be compared: how much of a request's time is Kafka's.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets, in microseconds; close together where requests are usually answered.
pub const BUCKETS_US: [u64; 18] = [
    500, 1_000, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 50_000, 100_000,
    200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// Counts durations.
#[derive(Debug, Default)]
pub struct Durations {
    counts: [AtomicU64; BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

/// What was counted until a moment.
#[derive(Clone, Debug)]
pub struct DurationsSample {
    /// By bucket, not cumulative; the last one has no upper bound.
    pub counts: [u64; BUCKETS_US.len() + 1],
    /// Sum of all in microseconds.
    pub sum_us: u64,
}

impl Durations {
    /// Counts one.
    pub fn add(&self, took: Duration) {
        let us = took.as_micros() as u64;
        let bucket = BUCKETS_US.partition_point(|bound| *bound < us);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// What was counted until now.
    pub fn sample(&self) -> DurationsSample {
        DurationsSample {
            counts: std::array::from_fn(|bucket| self.counts[bucket].load(Relaxed)),
            sum_us: self.sum_us.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        let durations = Durations::default();
        for us in [1, 500, 501, 9_999_999, 10_000_001] {
            durations.add(Duration::from_micros(us));
        }
        let DurationsSample { counts, sum_us } = durations.sample();
        assert_eq!((counts[0], counts[1], counts[17], counts[18]), (2, 1, 1, 1));
        assert_eq!(sum_us, 20_001_002);
    }
}
