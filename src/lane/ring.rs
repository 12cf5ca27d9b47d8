//! The ring of a lane: many HTTP threads push parcels, the cluster's worker pops them.
//!
//! It is crossbeam's segmented queue with two bounds of our own, in bytes and in events. The array ring of the same
//! crate would reserve all of its slots for every lane: with 12,800 lanes and slots for a useful surge (some thousand
//! parcels) that is hundreds of MiB for lanes that rest. This one costs about 0.5 KiB while it rests and grows by blocks
//! of 31 parcels while it's used.
//!
//! The bounds cover everything that waits: parcels stay counted after they were popped, until [`Ring::release`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

use crossbeam_queue::SegQueue;

use crate::receipt::Parcel;

/// A queue of parcels, bounded in bytes and in events.
#[derive(Debug, Default)]
pub struct Ring {
    parcels: SegQueue<Arc<Parcel>>,
    bytes: AtomicU64,
    events: AtomicU32,
}

impl Ring {
    /// Reserves room. False if there is none; then nothing was reserved.
    pub fn reserve(&self, bytes: u64, events: u32, max_bytes: u64, max_events: u32) -> bool {
        let bytes_before = self.bytes.fetch_add(bytes, AcqRel);
        let events_before = self.events.fetch_add(events, AcqRel);
        // An empty lane takes any one parcel: its size is bounded by the request's.
        let fits = bytes_before + bytes <= max_bytes && events_before + events <= max_events;
        if fits || events_before == 0 {
            return true;
        }
        self.release(bytes, events);
        false
    }

    /// Adds a parcel for which room was reserved.
    pub fn push(&self, parcel: Arc<Parcel>) {
        self.parcels.push(parcel);
    }

    /// Takes the oldest parcel. It stays counted until it is released.
    pub fn pop(&self) -> Option<Arc<Parcel>> {
        self.parcels.pop()
    }

    /// Gives room back.
    pub fn release(&self, bytes: u64, events: u32) {
        self.bytes.fetch_sub(bytes, AcqRel);
        self.events.fetch_sub(events, AcqRel);
    }

    /// Whether nothing is left to pop.
    pub fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Events that wait.
    pub fn events(&self) -> u32 {
        self.events.load(Relaxed)
    }
}
