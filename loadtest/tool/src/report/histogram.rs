//! Latencies in bounded memory: buckets no wider than 3 % of their value.

/// Bits of a value that tell buckets apart.
const BITS: u32 = 5;

/// How often which value came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    buckets: Vec<u32>,
    count: u64,
    max: u64,
}

impl Histogram {
    /// What [`Histogram::percentiles`] gives.
    pub(crate) const NAMES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

    /// Counts a value.
    pub(crate) fn add(&mut self, value: u64) {
        let bucket = bucket(value);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// Values counted.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// p50, p90, p99, p99.9 and the maximum; 0 if there are none.
    pub(crate) fn percentiles(&self) -> [u64; 5] {
        [
            self.quantile(0.5),
            self.quantile(0.9),
            self.quantile(0.99),
            self.quantile(0.999),
            self.max,
        ]
    }

    fn quantile(&self, quantile: f64) -> u64 {
        let rank = (self.count as f64 * quantile).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank && seen > 0 {
                return highest(bucket).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(BITS + 1);
    // The first two rows of buckets have a width of 1.
    (shift as usize) * (1 << BITS) + (value >> shift) as usize
}

/// The largest value of a bucket.
fn highest(bucket: usize) -> u64 {
    let row = 1_usize << BITS;
    let shift = (bucket / row).saturating_sub(1);
    let mantissa = (bucket - shift * row) as u64;
    ((mantissa + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_4_percent() {
        let mut histogram = Histogram::default();
        for value in 1..=1_000_000 {
            histogram.add(value);
        }
        let expected = [500_000, 900_000, 990_000, 999_000, 1_000_000];
        for (got, expected) in histogram.percentiles().into_iter().zip(expected) {
            let ratio = got as f64 / f64::from(expected);
            assert!((1.0..1.04).contains(&ratio), "{got} for {expected}");
        }
    }

    #[test]
    fn every_value_is_in_its_bucket() {
        for value in (0..5_000).chain([1 << 20, (1 << 40) + 3]) {
            let end = highest(bucket(value));
            assert!(end >= value && bucket(end) == bucket(value), "{value}");
            assert_ne!(bucket(end + 1), bucket(value));
        }
        assert_eq!(Histogram::default().percentiles(), [0; 5]);
    }
}
