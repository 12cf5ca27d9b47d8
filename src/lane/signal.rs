//! How HTTP threads tell a cluster's worker that lanes have work.
//!
//! A lane that gets work while it has none is put on the list of ready lanes; it's on the list at most once, so the list
//! is bounded by the number of lanes. While anything flows, the worker looks at the list on its own tick, and pushing
//! costs no wake-up at all; only a worker that went to sleep without a tick is woken.

use std::sync::atomic::{AtomicBool, Ordering::*, fence};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;

use super::{Lane, pace};
use crate::receipt::Parcel;

/// The first beat of all workers.
static FIRST_BEAT: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Sleeps until the next beat, which workers with the same tick have in common.
pub(super) fn sleep_until_beat(tick: Duration) {
    std::thread::sleep(pace::until_beat(tick, FIRST_BEAT.elapsed()));
}

/// The list of ready lanes, and the sleep of the worker that serves them.
#[derive(Debug, Default)]
pub struct Signal {
    ready: SegQueue<Arc<Lane>>,
    asleep: AtomicBool,
    /// Somebody woke the worker since its last turn began.
    is_woken: AtomicBool,
    worker: OnceLock<Thread>,
}

impl Signal {
    /// Puts a lane on the list and wakes the worker if it sleeps without a tick.
    pub(super) fn announce(&self, lane: &Arc<Lane>) {
        self.ready.push(Arc::clone(lane));
        self.wake();
    }

    /// Wakes the worker if it sleeps without a tick.
    pub fn wake(&self) {
        self.is_woken.store(true, Release);
        fence(SeqCst);
        if self.asleep.load(Relaxed)
            && self.asleep.swap(false, AcqRel)
            && let Some(worker) = self.worker.get()
        {
            worker.unpark();
        }
    }

    /// The next ready lane.
    pub(super) fn next(&self) -> Option<Arc<Lane>> {
        self.ready.pop()
    }

    /// Whether no lane is ready.
    pub(super) fn is_quiet(&self) -> bool {
        self.ready.is_empty()
    }

    /// Makes the calling thread the one to be woken.
    pub(super) fn adopt(&self) {
        self.worker.get_or_init(std::thread::current);
    }

    /// A turn begins: it sees what others woke the worker for until now.
    pub(super) fn heed(&self) {
        self.is_woken.swap(false, AcqRel);
    }

    /// Sleeps until woken, at most `at_most`. Returns at once if somebody woke the worker since its turn began: what that was for
    /// may have come after the turn looked for it. True if somebody woke it.
    pub(super) fn sleep(&self, at_most: Duration) -> bool {
        self.asleep.store(true, Relaxed);
        fence(SeqCst);
        if !self.is_awaited() {
            std::thread::park_timeout(at_most);
        }
        !self.asleep.swap(false, AcqRel) || self.is_awaited()
    }

    fn is_awaited(&self) -> bool {
        self.is_woken.load(Relaxed) || !self.ready.is_empty()
    }
}

impl Lane {
    /// Asks the worker to look at it, without an event.
    pub(super) fn wake(self: &Arc<Self>, signal: &Signal) {
        if !self.scheduled.swap(true, AcqRel) {
            signal.announce(self);
        }
    }

    /// Adds a parcel for which room was reserved.
    pub(super) fn push(self: &Arc<Self>, parcel: Arc<Parcel>, signal: &Signal) {
        self.ring.push(parcel);
        self.wake(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_woken_during_a_turn_does_not_sleep_after_it() {
        let (signal, begun) = (Signal::default(), Instant::now());
        signal.adopt();
        let long = Duration::from_secs(60);
        signal.heed();
        signal.wake();
        assert!(signal.sleep(long), "it was woken");
        signal.heed();
        std::thread::scope(|scope| {
            scope.spawn(|| signal.wake());
            assert!(signal.sleep(long), "by another thread");
        });
        assert!(begun.elapsed() < long / 2);
        signal.heed();
        // A token of `unpark` that nobody took may end it early; nobody woke it.
        assert!(!signal.sleep(Duration::from_millis(1)), "the turn saw it");
    }
}
