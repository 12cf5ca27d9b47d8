//! One lane as its worker sees it: what waits, what was sent, and whether it may rest.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::time::{Duration, Instant};

use super::life::{Input, Life, Stock};
use super::readers::Replayed;
use super::settings::Settings;
use super::window::Window;
use super::{Lane, Phase};
use crate::produce::Backoff;
use crate::receipt::Parcel;

/// Parcels of one lane that are appended together, in order; never none.
pub(super) type Group = Arc<Vec<Arc<Parcel>>>;

/// What a lane that isn't direct has outside of its ring, its backlog and its window.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// Parcels of the window that are to be copied, in order, because more waited for the disk than may.
    pub(super) to_copy: VecDeque<Arc<Parcel>>,
    /// Taken from the backlog and not yet in the log, for the same reason; behind those.
    pub(super) to_append: VecDeque<Group>,
    /// Read back, and not yet sent.
    pub(super) read: VecDeque<Replayed>,
}

/// One lane as its worker sees it.
pub(super) struct Work {
    pub(super) lane: Arc<Lane>,
    /// Popped from the ring, in order, not yet sent.
    pub(super) backlog: VecDeque<Arc<Parcel>>,
    pub(super) window: Window,
    pub(super) life: Life,
    pub(super) queues: Queues,
    pub(super) sent_at: Option<Instant>,
    /// When to try again, after Kafka took nothing of it.
    pub(super) pause: Backoff,
    /// On the list of active lanes.
    pub(super) active: bool,
}

impl Work {
    pub(super) fn new(lane: Arc<Lane>, settings: &Settings) -> Work {
        let seed = u64::from(lane.number);
        Work {
            pause: Backoff::new(settings.pause, settings.longest_pause, seed),
            lane,
            backlog: VecDeque::new(),
            window: Window::default(),
            life: Life::default(),
            queues: Queues::default(),
            sent_at: None,
            active: false,
        }
    }

    /// Takes what is in the ring; true if there was something.
    pub(super) fn pull(&mut self) -> bool {
        let before = self.backlog.len();
        while let Some(parcel) = self.lane.ring.pop() {
            self.backlog.push_back(parcel);
        }
        self.backlog.len() > before
    }

    /// Whether a lane has to go over the spill log: its oldest event waits too long, or its ring is half full.
    pub(super) fn is_late(&self, settings: &Settings, now: Instant) -> bool {
        self.lane.bytes() >= settings.max_bytes.as_u64() / 2
            || self.lane.events() >= settings.max_events / 2
            || self.age(now) >= settings.spill_after
    }

    /// The age of the oldest event that is not resolved.
    pub(super) fn age(&self, now: Instant) -> Duration {
        let oldest = self.window.oldest().or_else(|| self.backlog.front());
        oldest.map_or(Duration::ZERO, |parcel| {
            now.duration_since(parcel.request().received_at())
        })
    }

    /// Whether events are on their way that were sorted by partition when they were read.
    pub(super) fn sends_sorted(&self) -> bool {
        let is_any_under_way =
            self.life.is_reading() || !self.queues.read.is_empty() || !self.window.is_empty();
        self.life.is_sorted() && is_any_under_way
    }

    /// An append to its part of the log is under way.
    pub(super) fn append_begun(&mut self, is_copy: bool, now: Instant) {
        self.life.step(Input::AppendBegun { is_copy }, now);
    }

    /// An append has its answer; there may be something new to read.
    pub(super) fn append_ended(&mut self, is_copy: bool, now: Instant) {
        self.life.step(Input::AppendEnded { is_copy }, now);
    }

    /// Whether appends are under way, or have to be made.
    pub(super) fn is_appending(&self) -> bool {
        let waits = !self.queues.to_copy.is_empty() || !self.queues.to_append.is_empty();
        waits || self.life.is_appending()
    }

    /// Whether the log holds something that this forebay doesn't understand.
    pub(super) fn is_blocked(&self) -> bool {
        self.life.phase() == Phase::Blocked
    }

    /// What its life has to know of what is on the way.
    pub(super) fn stock(&self) -> Stock {
        Stock {
            is_window_empty: self.window.is_empty(),
            has_to_copy: !self.queues.to_copy.is_empty(),
            has_to_append: !self.queues.to_append.is_empty(),
            has_read: !self.queues.read.is_empty(),
        }
    }

    pub(super) fn drop_given_up(&mut self) {
        while self
            .backlog
            .front()
            .is_some_and(|parcel| !parcel.is_queued())
        {
            if let Some(parcel) = self.backlog.pop_front() {
                self.lane.ring.release(parcel.bytes(), parcel.count());
            }
        }
    }

    /// Takes an empty lane off the list; true if it's off. A push that comes meanwhile announces it again.
    pub(super) fn rest(&mut self) -> bool {
        if !self.life.is_direct() || !self.backlog.is_empty() || !self.window.is_empty() {
            return false;
        }
        self.lane.stalled_ms.store(0, Release);
        self.lane.age_ms.store(0, Relaxed);
        self.lane.phase.store(Phase::Direct as u8, Relaxed);
        self.lane.scheduled.store(false, SeqCst);
        if !self.lane.ring.is_empty() && !self.lane.scheduled.swap(true, SeqCst) {
            return false;
        }
        self.active = false;
        self.backlog.shrink_to(64);
        true
    }
}
