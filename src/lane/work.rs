//! One lane as its worker sees it: what waits, what was sent, and whether it may rest.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::time::{Duration, Instant};

use super::settings::Settings;
use super::spilling::{Mode, OverLog};
use super::window::Window;
use super::{Lane, Way};
use crate::produce::Backoff;
use crate::receipt::Parcel;

/// One lane as its worker sees it.
pub(super) struct Work {
    pub(super) lane: Arc<Lane>,
    /// Popped from the ring, in order, not yet sent.
    pub(super) backlog: VecDeque<Arc<Parcel>>,
    pub(super) window: Window,
    pub(super) mode: Mode,
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
            mode: Mode::default(),
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
        let is_under_way =
            |way: &OverLog| way.is_reading() || !way.read.is_empty() || !self.window.is_empty();
        matches!(&self.mode, Mode::OverLog(way) if way.sorted_by.is_some() && is_under_way(way))
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
        if !self.mode.is_direct() || !self.backlog.is_empty() || !self.window.is_empty() {
            return false;
        }
        self.lane.stalled_ms.store(0, Release);
        self.lane.age_ms.store(0, Relaxed);
        self.lane.way.store(Way::Direct as u8, Relaxed);
        self.lane.scheduled.store(false, SeqCst);
        if !self.lane.ring.is_empty() && !self.lane.scheduled.swap(true, SeqCst) {
            return false;
        }
        self.active = false;
        self.backlog.shrink_to(64);
        true
    }
}
