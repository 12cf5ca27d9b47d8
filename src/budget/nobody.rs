//! Bytes that belong to a stream, and nobody knows yet to which.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Account, Budget, Exhausted, Held, Share};

impl Account {
    /// The account of what will be some stream's, such as a body that says itself which stream it's for. All of that together may take as
    /// much as a lone stream.
    pub fn of_nobody(budget: &Arc<Budget>) -> Arc<Account> {
        Arc::new(Account {
            budget: Arc::clone(budget),
            stream: Share::of_stream(),
            cluster: Share::of_cluster(),
            owner: None,
        })
    }
}

impl Share {
    /// Whether there's room for bytes that the budget holds already, for somebody else.
    fn may_take_over(&self, bytes: u64, budget: &Budget) -> bool {
        4 * (self.used() + bytes) <= self.weight * (budget.free() + bytes)
    }
}

impl Held {
    /// Charges all of it to another account of the same budget. Or says who has no room there: then it stays where it is.
    pub fn move_to(&mut self, account: &Arc<Account>) -> Result<(), Exhausted> {
        let bytes = self.bytes;
        if !account.stream.may_take_over(bytes, &account.budget) {
            return Err(Exhausted::Stream);
        }
        if !account.cluster.may_take_over(bytes, &account.budget) {
            return Err(Exhausted::Cluster);
        }
        if let Some(owner) = &account.owner
            && !owner.take(bytes)
        {
            return Err(Exhausted::Owner);
        }
        account.stream.used.fetch_add(bytes, Relaxed);
        account.cluster.used.fetch_add(bytes, Relaxed);
        let before = std::mem::replace(&mut self.account, Arc::clone(account));
        before.stream.used.fetch_sub(bytes, Relaxed);
        before.cluster.used.fetch_sub(bytes, Relaxed);
        if let Some(owner) = &before.owner {
            owner.used.fetch_sub(bytes, Relaxed);
        }
        Ok(())
    }
}
