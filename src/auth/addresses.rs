//! What one address may do in a second, in a table of a fixed size.
//!
//! An address has a place among four that its hash chooses. If all of them are taken, the one goes that owes least; what it owed is
//! forgotten. So somebody who has very many addresses isn't bound by this, and costs no memory either. An IPv6 address counts by its
//! first 64 bits: a client has all of the others.
//!
//! A place is two numbers, written one after the other without a lock: two threads that meet in one place may let a request too many
//! pass.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Places in which an address may be.
const WAYS: usize = 4;
/// Groups of them: 256 KiB in all.
const GROUPS: usize = 4_096;
/// How far ahead of its rate an address may be.
const BURST_NS: u64 = 1_000_000_000;

#[derive(Debug, Default)]
struct Slot {
    /// The hash of an address, or 0.
    who: AtomicU64,
    /// When its next request would come if all came evenly, in nanoseconds of the caller's clock.
    next_ns: AtomicU64,
}

/// What an address is counted as: itself, but of IPv6 its network of 64 bits, as that is what one client has at least.
pub fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

/// What addresses have done lately.
#[derive(Debug)]
pub struct Addresses {
    slots: Box<[[Slot; WAYS]]>,
    /// Nobody knows which addresses share a place.
    hashing: RandomState,
}

impl Default for Addresses {
    fn default() -> Self {
        Addresses {
            slots: (0..GROUPS).map(|_| Default::default()).collect(),
            hashing: RandomState::new(),
        }
    }
}

impl Addresses {
    /// Counts one of an address that may have so many in a second, or says after what time it may have the next. `now` is the time since
    /// any fixed moment.
    pub fn take(&self, address: IpAddr, per_second: u32, now: Duration) -> Result<(), Duration> {
        let now_ns = now.as_nanos() as u64;
        let next_ns = &self.slot(address, now_ns).next_ns;
        let cost_ns = BURST_NS / u64::from(per_second.max(1));
        let next = next_ns.load(Relaxed).max(now_ns);
        if next + cost_ns > now_ns + BURST_NS {
            return Err(Duration::from_nanos(next + cost_ns - now_ns - BURST_NS));
        }
        next_ns.store(next + cost_ns, Relaxed);
        Ok(())
    }

    /// Whether an address may have one more, which isn't counted yet.
    pub fn check(&self, address: IpAddr, per_second: u32, now: Duration) -> Result<(), Duration> {
        let now_ns = now.as_nanos() as u64;
        let cost_ns = BURST_NS / u64::from(per_second.max(1));
        let who = self.hash(address);
        let known = self
            .group(who)
            .iter()
            .find(|it| it.who.load(Relaxed) == who);
        let next = known
            .map_or(0, |slot| slot.next_ns.load(Relaxed))
            .max(now_ns);
        match (next + cost_ns).checked_sub(now_ns + BURST_NS) {
            None | Some(0) => Ok(()),
            Some(wait) => Err(Duration::from_nanos(wait)),
        }
    }

    fn hash(&self, address: IpAddr) -> u64 {
        self.hashing.hash_one(counted(address)).max(1)
    }

    fn group(&self, who: u64) -> &[Slot; WAYS] {
        &self.slots[who as usize % GROUPS]
    }

    /// Its place, which it gets now if it has none.
    fn slot(&self, address: IpAddr, now_ns: u64) -> &Slot {
        let who = self.hash(address);
        let group = self.group(who);
        if let Some(slot) = group.iter().find(|slot| slot.who.load(Relaxed) == who) {
            return slot;
        }
        let owes = |slot: &&Slot| slot.next_ns.load(Relaxed);
        let slot = group.iter().min_by_key(owes).unwrap_or(&group[0]);
        slot.who.store(who, Relaxed);
        slot.next_ns.store(now_ns, Relaxed);
        slot
    }
}
