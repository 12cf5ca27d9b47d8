//! Which lanes a topic's new events go to, and what changes when its number of partitions does.
//!
//! A partition has one lane for ever: a topic keeps every lane that was ever made, and those that an earlier run left in the
//! spill log, by partition. Another number of partitions changes only which of them get new events.
//!
//! ```text
//!            another number of partitions            nobody holds the old lanes,        all lanes have sent what they had,
//!            that is certain                         their rings are empty              and the unrouted one nearly all
//!   in use ──────────────────────────────▶ closing ────────────────────────▶ changing ──────────────────────────▶ in use
//! ```
//!
//! While closing and changing, new events go to the topic's lane for unrouted ones, which [`super::unrouted`] is about. So
//! what was acknowledged before is in Kafka before anything that came later is sent, also where a key moves to another
//! partition. A lane whose partition is gone is read back from the log like the unrouted one: sorted anew, by key.
//!
//! **Who still holds the old lanes.** HTTP threads look lanes up and push to them a moment later, with the list in their hands.
//! The list that was replaced is kept until nobody else has it; what its last holder pushed is in the rings by then.
//!
//! **A stream that moves** here from another topic, with what it left there not yet in Kafka, has its new events wait in the same way:
//! the topic is *held*, its lanes are closed if they were in use (it had been here before), and none come into use until the
//! reload that moved it finds the other topic empty. What is in the lanes themselves goes on: it's from before.
//!
//! **What is remembered.** [`Memory`] keeps the number in use beyond the process. A new one is put into use when it's
//! remembered, so that a later run knows by which number the lanes of the log were filled. If it finds lanes that don't
//! fit, it begins in the middle of a change.
//!
//! **Without a spill log** there's nowhere to wait: new events are refused until the lanes are empty, a moment mostly, and at
//! most `stalled_after`. What Kafka hasn't acknowledged by then may be overtaken by newer events of its key, if the key moved.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::Lane;
use super::doubt::Doubt;

/// Keeps the number of partitions by which a topic's events are routed beyond the process.
pub trait Memory: std::fmt::Debug + Send + Sync {
    /// Begins to remember a number; never waits. `topic` is unique among all clusters.
    fn note(&self, topic: &str, count: usize);
    /// Whether this number is remembered, or will never be.
    fn has(&self, topic: &str, count: usize) -> bool;
}

type Lanes = Arc<Vec<Arc<Lane>>>;

/// The lanes of one topic.
#[derive(Debug, Default)]
pub(super) struct Routing {
    /// Those that get new events, by partition.
    in_use: ArcSwap<Vec<Arc<Lane>>>,
    /// Those that are meant to; they come into use when all that is older has been sent.
    pub(super) planned: ArcSwap<Vec<Arc<Lane>>>,
    /// All that were ever made, by partition.
    pub(super) all: ArcSwap<Vec<Arc<Lane>>>,
    /// How many partitions there are, as far as is known.
    pub(super) wanted: AtomicUsize,
    /// Kafka said so, in this run.
    pub(super) is_certain: AtomicBool,
    is_closing: AtomicBool,
    /// No lanes come into use: what the stream left at another topic goes first. Set with the state locked.
    is_held: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Lists that HTTP threads may still hold.
    retired: Vec<Lanes>,
    pub(super) doubt: Option<Doubt>,
    /// Since when the planned number waits to be remembered.
    pub(super) asked: Option<Instant>,
    /// Since when lanes are being closed.
    closing_since: Option<Instant>,
    /// Since when new events wait for what their stream left at another topic.
    held_since: Option<Instant>,
}

impl Routing {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn in_use(&self) -> arc_swap::Guard<Lanes> {
        self.in_use.load()
    }

    pub(super) fn planned(&self) -> arc_swap::Guard<Lanes> {
        self.planned.load()
    }

    pub(super) fn all(&self) -> arc_swap::Guard<Lanes> {
        self.all.load()
    }

    pub(super) fn is_in_use(&self) -> bool {
        !self.in_use.load().is_empty()
    }

    /// Whether the lanes that were in use may still get events.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Relaxed)
    }

    /// Whether new events wait for what their stream left at another topic.
    pub(super) fn is_held(&self) -> bool {
        self.is_held.load(Acquire)
    }

    /// For how long that has been so, if it is.
    pub(super) fn held_for(&self) -> Option<Duration> {
        let since = self.state().held_since;
        since.map(|since| since.elapsed())
    }

    /// Takes the lanes out of use that are in use, and lets none come into use, until it's told otherwise.
    pub(super) fn hold(&self, now: Instant) {
        let mut state = self.state();
        self.is_held.store(true, Release);
        state.held_since = Some(now);
        let old = self.in_use.swap(Arc::default());
        if !old.is_empty() {
            // The same lanes in a list of their own: who else has the old one still pushes.
            let planned = self.planned.load().to_vec();
            self.planned.store(Arc::new(planned));
            self.is_closing.store(true, Relaxed);
            state.retired.push(old);
            (state.closing_since, state.asked) = (Some(now), None);
        }
    }

    /// Lanes may come into use again.
    pub(super) fn release(&self) {
        let mut state = self.state();
        state.held_since = None;
        self.is_held.store(false, Release);
    }

    /// Whether new lanes are to come into use.
    pub(super) fn is_changing(&self) -> bool {
        !self.planned.load().is_empty() && !self.is_in_use()
    }

    /// How many partitions there should be, if that isn't what is planned.
    pub(super) fn other_count(&self) -> Option<usize> {
        let (wanted, planned) = (self.wanted.load(Acquire), self.planned.load().len());
        (planned > 0 && wanted != planned).then_some(wanted)
    }

    /// By how many partitions the events of a lane are sorted when they are read back; `None` if they go where the lane
    /// goes. An error if it isn't certain that there is no such partition.
    pub(super) fn sorting(&self, lane: &Lane) -> Result<Option<usize>, Unsure> {
        let count = self.planned.load().len();
        match usize::try_from(lane.partition) {
            Ok(partition) if partition < count => Ok(None),
            Ok(_) if !self.is_certain.load(Relaxed) => Err(Unsure),
            _ if count == 0 => Err(Unsure),
            _ => Ok(Some(count)),
        }
    }

    /// Takes the lanes out of use; from now on, others are planned.
    pub(super) fn close(&self, planned: Vec<Arc<Lane>>, now: Instant) {
        let mut state = self.state();
        self.planned.store(Arc::new(planned));
        self.is_closing.store(true, Relaxed);
        let old = self.in_use.swap(Arc::default());
        state.retired.push(old);
        (state.closing_since, state.asked) = (Some(now), None);
    }

    /// Others are planned than were before.
    pub(super) fn plan(&self, planned: Vec<Arc<Lane>>) {
        let mut state = self.state();
        self.planned.store(Arc::new(planned));
        state.asked = None;
    }

    /// Whether nobody holds lists of lanes that were taken out of use.
    pub(super) fn is_quiescent(&self) -> bool {
        let retired = &mut self.state().retired;
        retired.retain_mut(|list| Arc::get_mut(list).is_none());
        retired.is_empty()
    }

    /// For how long lanes have been closing.
    pub(super) fn closing_for(&self, now: Instant) -> Duration {
        let since = self.state().closing_since;
        since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    /// The lanes that were taken out of use get nothing any more.
    pub(super) fn closed(&self) {
        self.state().closing_since = None;
        self.is_closing.store(false, Relaxed);
    }

    /// Puts the planned lanes into use, with the state locked. False if they are held.
    pub(super) fn publish(&self, _alone: &State) -> bool {
        let may = !self.is_held();
        if may {
            self.in_use.store(self.planned.load_full());
        }
        may
    }
}

/// It isn't certain where events have to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsure;
