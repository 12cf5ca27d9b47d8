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
//! **Replays** have shares of their own, smaller ones: a backlog that is read back could always use more, and must not take what
//! new events need. A lone stream's replay may take a fifth of the memory, and a cluster's replays a third.
//!
//! **Caps** are configured, and are above shares: the streams of one owner may hold so much together, if it's said how much. What
//! is read back isn't counted there; it has its own shares, and must go on while new events are refused.
//!
//! What is absent: this module knows no event, no stream, no cluster and no owner.

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

/// A bound of what several streams hold together; they are somebody's.
#[derive(Debug)]
pub struct Cap {
    limit: AtomicU64,
    used: CachePadded<AtomicU64>,
}

impl Default for Cap {
    fn default() -> Cap {
        Cap {
            limit: AtomicU64::new(u64::MAX),
            used: CachePadded::new(AtomicU64::new(0)),
        }
    }
}

impl Cap {
    /// Sets how many bytes may be held; `None`: as many as there are. What is held stays held.
    pub fn set_limit(&self, limit: Option<u64>) {
        self.limit.store(limit.unwrap_or(u64::MAX), Relaxed);
    }

    /// How many bytes may be held, if there is a limit.
    pub fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Relaxed)).filter(|limit| *limit < u64::MAX)
    }

    /// Bytes held now.
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        let before = self.used.fetch_add(bytes, Relaxed);
        if before.saturating_add(bytes) <= self.limit.load(Relaxed) {
            return true;
        }
        self.used.fetch_sub(bytes, Relaxed);
        false
    }
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
    /// The owner of the stream holds its share already.
    #[error("the stream's owner holds its share of the memory budget")]
    Owner,
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

    fn free(&self) -> u64 {
        self.total().saturating_sub(self.used())
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

    /// The share of what is read back for a stream: alone, it may take a fifth of the budget.
    pub fn of_replay() -> Arc<Share> {
        Share::of_answers()
    }

    /// The share of what is read back for a cluster: alone, it may take a third of the budget.
    pub fn of_replays() -> Arc<Share> {
        Arc::new(Share {
            weight: 2,
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
        4 * (self.used() + bytes) <= self.weight * budget.free()
    }

    /// Bytes that may still be taken.
    fn room(&self, budget: &Budget) -> u64 {
        (self.weight * budget.free() / 4).saturating_sub(self.used())
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
    /// What bounds the stream's owner, if anything does.
    pub owner: Option<Arc<Cap>>,
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

    /// As [`Account::hold`]; but if nothing of the cluster's is held, half of what is free is enough room. So there is always
    /// some progress, however small the budget is and however many share it.
    pub fn hold_one(self: &Arc<Self>, bytes: u64) -> Option<Held> {
        let is_first = self.cluster.used() == 0 && bytes <= self.budget.free() / 2;
        let first = || {
            let mut held = Held {
                account: Arc::clone(self),
                bytes: 0,
            };
            held.owe(bytes);
            held
        };
        self.hold(bytes).ok().or_else(|| is_first.then(first))
    }

    /// Bytes that may still be held.
    pub fn room(&self) -> u64 {
        let room = |share: &Share| share.room(&self.budget);
        room(&self.stream).min(room(&self.cluster))
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
        if let Some(owner) = &account.owner
            && !owner.take(bytes)
        {
            return Err(Exhausted::Owner);
        }
        if !account.budget.take(bytes) {
            if let Some(owner) = &account.owner {
                owner.used.fetch_sub(bytes, Relaxed);
            }
            return Err(Exhausted::Budget);
        }
        account.stream.used.fetch_add(bytes, Relaxed);
        account.cluster.used.fetch_add(bytes, Relaxed);
        self.bytes += bytes;
        Ok(())
    }

    /// Holds `bytes` more, room or not: they are there already. Others find less room, until they are given back.
    pub fn owe(&mut self, bytes: u64) {
        self.account.budget.used.fetch_add(bytes, Relaxed);
        self.account.stream.used.fetch_add(bytes, Relaxed);
        self.account.cluster.used.fetch_add(bytes, Relaxed);
        if let Some(owner) = &self.account.owner {
            owner.used.fetch_add(bytes, Relaxed);
        }
        self.bytes += bytes;
    }

    /// Gives `bytes` of it back.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.account.budget.used.fetch_sub(bytes, Relaxed);
        self.account.stream.used.fetch_sub(bytes, Relaxed);
        self.account.cluster.used.fetch_sub(bytes, Relaxed);
        if let Some(owner) = &self.account.owner {
            owner.used.fetch_sub(bytes, Relaxed);
        }
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

mod nobody;
#[cfg(test)]
mod tests;
