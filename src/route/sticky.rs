//! Events without a key: one partition after another, each for a while.
//!
//! As the Java client's built-in partitioner (KIP-794) does it: a partition is kept until a batch's worth of bytes went
//! there. Spreading each event by itself would make many small requests instead of a few large ones.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes after which the partition changes.
const BYTES_PER_TURN: u64 = 64 * 1024;

/// A stream's turn among its partitions.
#[derive(Debug, Default)]
pub struct Sticky {
    bytes: AtomicU64,
}

impl Sticky {
    /// The partition, of `partitions`, for a request's events without a key, which are `bytes` long together.
    pub fn partition(&self, bytes: u64, partitions: usize) -> usize {
        let before = self.bytes.fetch_add(bytes, Relaxed);
        (before / BYTES_PER_TURN) as usize % partitions.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_kept_for_a_batch_and_then_left() {
        let sticky = Sticky::default();
        let chosen: Vec<_> = (0..400).map(|_| sticky.partition(400, 3)).collect();
        let changes = chosen.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!((chosen[0], changes), (0, 2));
    }
}
