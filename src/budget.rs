//! The memory budget: bytes are counted where they are held, by guards.
//!
//! One [`Budget`] for the process; a [`Share`] for each cluster and each stream. A [`Held`] guard charges all three and
//! gives everything back when it is dropped. Admission and release are atomic adds; nothing here blocks or waits.
//!
//! **Fairness.** A user may hold at most `weight × what is free`: the dynamic threshold of Choudhury and Hahne
//! (*Dynamic queue length thresholds for shared-memory packet switches*, IEEE/ACM Transactions on Networking 6(2), 1998).
//! A lone busy stream (weight 1) may thus take half of the memory and a lone busy cluster (weight 2) two thirds; the more
//! are busy, the smaller each one's part, and there is always room for the next one. No shares need to be configured,
//! and nothing has to be taken back: who is over its threshold gets nothing new until it has drained.
//!
//! What is absent: this module knows no event, no stream and no cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

/// The bytes that the whole process may hold.
#[derive(Debug)]
pub struct Budget {
    total: AtomicU64,
    used: CachePadded<AtomicU64>,
}

/// What one user of the budget, a cluster or a stream, holds of it.
#[derive(Debug)]
pub struct Share {
    /// In quarters.
    weight: u64,
    used: CachePadded<AtomicU64>,
}

/// Who has no room left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    /// The whole budget is used.
    #[error("the memory budget is used up")]
    Budget,
    /// The stream holds its fair part already.
    #[error("the stream holds its fair part of the memory budget")]
    Stream,
    /// The cluster holds its fair part already.
    #[error("the cluster holds its fair part of the memory budget")]
    Cluster,
}

impl Budget {
    /// A budget of `total` bytes.
    pub fn new(total: u64) -> Arc<Budget> {
        Arc::new(Budget {
            total: AtomicU64::new(total),
            used: CachePadded::new(AtomicU64::new(0)),
        })
    }

    /// Makes it larger or smaller. If more is held than it then has, nothing is taken until enough is given back.
    pub fn resize(&self, total: u64) {
        self.total.store(total, Relaxed);
    }

    /// Bytes held now.
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Bytes that may be held.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        let before = self.used.fetch_add(bytes, Relaxed);
        if before + bytes <= self.total() {
            return true;
        }
        self.used.fetch_sub(bytes, Relaxed);
        false
    }
}

impl Share {
    /// The share of a stream: alone, it may take half of the budget.
    pub fn of_stream() -> Arc<Share> {
        Arc::new(Share {
            weight: 4,
            used: CachePadded::new(AtomicU64::new(0)),
        })
    }

    /// The share of a cluster: alone, it may take two thirds of the budget.
    pub fn of_cluster() -> Arc<Share> {
        Arc::new(Share {
            weight: 8,
            used: CachePadded::new(AtomicU64::new(0)),
        })
    }

    /// The share of what HTTP/2 makes us hold beside events: alone, it may take half of the budget.
    pub fn of_streams() -> Arc<Share> {
        Share::of_stream()
    }

    /// The share of the lists in answers: alone, it may take a fifth of the budget.
    pub fn of_answers() -> Arc<Share> {
        Arc::new(Share {
            weight: 1,
            used: CachePadded::new(AtomicU64::new(0)),
        })
    }

    /// Bytes held now.
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    fn may_take(&self, bytes: u64, budget: &Budget) -> bool {
        let free = budget.total().saturating_sub(budget.used());
        4 * (self.used() + bytes) <= self.weight * free
    }
}

/// Whose bytes a guard holds.
#[derive(Clone, Debug)]
pub struct Account {
    /// The process's budget.
    pub budget: Arc<Budget>,
    /// The stream's share.
    pub stream: Arc<Share>,
    /// The share of the stream's cluster.
    pub cluster: Arc<Share>,
}

impl Account {
    /// Holds `bytes`, or says who has no room.
    pub fn hold(self: &Arc<Self>, bytes: u64) -> Result<Held, Exhausted> {
        let mut held = Held {
            account: Arc::clone(self),
            bytes: 0,
        };
        held.grow(bytes)?;
        Ok(held)
    }
}

/// Bytes that are held; given back on drop.
#[derive(Debug)]
pub struct Held {
    account: Arc<Account>,
    bytes: u64,
}

impl Held {
    /// Holds `bytes` more, or says who has no room; what was held stays held.
    pub fn grow(&mut self, bytes: u64) -> Result<(), Exhausted> {
        let account = &*self.account;
        if !account.stream.may_take(bytes, &account.budget) {
            return Err(Exhausted::Stream);
        }
        if !account.cluster.may_take(bytes, &account.budget) {
            return Err(Exhausted::Cluster);
        }
        if !account.budget.take(bytes) {
            return Err(Exhausted::Budget);
        }
        account.stream.used.fetch_add(bytes, Relaxed);
        account.cluster.used.fetch_add(bytes, Relaxed);
        self.bytes += bytes;
        Ok(())
    }

    /// Gives `bytes` of it back.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.account.budget.used.fetch_sub(bytes, Relaxed);
        self.account.stream.used.fetch_sub(bytes, Relaxed);
        self.account.cluster.used.fetch_sub(bytes, Relaxed);
        self.bytes -= bytes;
    }

    /// Everything that is held, in another guard; this one holds nothing any more.
    pub fn take(&mut self) -> Held {
        Held {
            account: Arc::clone(&self.account),
            bytes: std::mem::take(&mut self.bytes),
        }
    }

    /// Bytes held by this guard.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

/// Bytes held for something that belongs to no stream, such as a connection; given back on drop.
#[derive(Debug)]
pub struct HeldByProcess {
    budget: Arc<Budget>,
    share: Option<Arc<Share>>,
    bytes: u64,
}

impl HeldByProcess {
    /// Holds `bytes` of the process's budget.
    pub fn hold(budget: &Arc<Budget>, bytes: u64) -> Result<HeldByProcess, Exhausted> {
        if !budget.take(bytes) {
            return Err(Exhausted::Budget);
        }
        Ok(HeldByProcess {
            budget: Arc::clone(budget),
            share: None,
            bytes,
        })
    }

    /// Holds `bytes` as one of those who have a share together, fairly: others always find room beside them.
    pub fn hold_part(
        budget: &Arc<Budget>,
        share: &Arc<Share>,
        bytes: u64,
    ) -> Result<HeldByProcess, Exhausted> {
        if !share.may_take(bytes, budget) {
            return Err(Exhausted::Budget);
        }
        let mut held = HeldByProcess::hold(budget, bytes)?;
        share.used.fetch_add(bytes, Relaxed);
        held.share = Some(Arc::clone(share));
        Ok(held)
    }

    /// Bytes held by this guard.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        self.budget.used.fetch_sub(less, Relaxed);
        if let Some(share) = &self.share {
            share.used.fetch_sub(less, Relaxed);
        }
        self.bytes -= less;
    }
}

impl Drop for HeldByProcess {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(budget: &Arc<Budget>, cluster: &Arc<Share>) -> Arc<Account> {
        Arc::new(Account {
            budget: Arc::clone(budget),
            stream: Share::of_stream(),
            cluster: Arc::clone(cluster),
        })
    }

    fn fill(account: &Arc<Account>, step: u64) -> Vec<Held> {
        std::iter::from_fn(|| account.hold(step).ok()).collect()
    }

    #[test]
    fn a_part_leaves_room_for_what_has_none() {
        let budget = Budget::new(1_000);
        let answers = Share::of_answers();
        let mut held: Vec<_> =
            std::iter::from_fn(|| HeldByProcess::hold_part(&budget, &answers, 10).ok()).collect();
        assert_eq!((held.len(), answers.used()), (20, 200));
        let connection = HeldByProcess::hold(&budget, 800).unwrap();
        assert!(HeldByProcess::hold_part(&budget, &answers, 1).is_err());
        drop(connection);
        held[0].shrink_to(4);
        assert_eq!(
            (held[0].bytes(), answers.used(), budget.used()),
            (4, 194, 194)
        );
        drop(held);
        assert_eq!((answers.used(), budget.used()), (0, 0));
    }

    #[test]
    fn a_lone_stream_takes_half_and_leaves_room_for_others() {
        let budget = Budget::new(1_000);
        let cluster = Share::of_cluster();
        let hot = account(&budget, &cluster);
        let held = fill(&hot, 10);
        assert_eq!(held.len(), 50);
        assert_eq!(hot.hold(10).unwrap_err(), Exhausted::Stream);
        let other = account(&budget, &Share::of_cluster());
        assert!(other.hold(200).is_ok());
    }

    #[test]
    fn many_streams_of_one_cluster_leave_a_third_to_the_other_clusters() {
        let budget = Budget::new(9_000);
        let dead = Share::of_cluster();
        let streams: Vec<_> = (0..50).map(|_| account(&budget, &dead)).collect();
        let held: Vec<_> = streams.iter().map(|stream| fill(stream, 10)).collect();
        assert!(dead.used() <= 6_000, "{}", dead.used());
        let other = account(&budget, &Share::of_cluster());
        assert!(other.hold(1_000).is_ok());
        drop(held);
        assert_eq!((budget.used(), dead.used()), (0, 0));
    }

    #[test]
    fn guards_give_back_what_they_hold_and_no_more() {
        let budget = Budget::new(100);
        let account = account(&budget, &Share::of_cluster());
        let mut held = account.hold(20).unwrap();
        held.grow(10).unwrap();
        held.shrink(25);
        assert_eq!((budget.used(), held.bytes()), (5, 5));
        assert!(held.grow(1_000).is_err());
        assert_eq!(budget.used(), 5);
        drop(held);
        assert_eq!(budget.used(), 0);
    }
}
