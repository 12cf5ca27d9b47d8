//! Random numbers for load: fast, and good enough to choose keys. Not for secrets.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A xorshift generator.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// One with a seed of its own.
    pub(crate) fn new() -> Random {
        Random::seeded(RandomState::new().build_hasher().finish())
    }

    /// One that gives the same numbers for the same seed.
    pub(crate) fn seeded(seed: u64) -> Random {
        Random(seed | 1)
    }

    /// 64 random bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 to 1, without 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 to `end`, without `end`; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.unit() * end as f64) as usize
    }
}
