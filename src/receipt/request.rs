//! What one HTTP request brought, and how much of it is still open.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use smallvec::SmallVec;

use super::cause::Cause;
use super::ledger::Ledger;
use super::mailbox::{self, Waits};
use crate::budget::Held;
use crate::event::Event;

/// Where finished requests wait for the HTTP thread that answers them.
pub type Mailbox = mailbox::Mailbox<Request>;

/// When a request's last byte arrived, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// On the clock that never jumps.
    pub at: Instant,
}

impl Arrival {
    /// Of a request that has just arrived, at `at`.
    pub fn now(at: Instant) -> Arrival {
        let unix_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as i64);
        Arrival { unix_ms, at }
    }
}

/// One HTTP request's admitted events.
#[derive(Debug)]
pub struct Request {
    pub(super) body: Bytes,
    pub(super) events: SmallVec<[Event; 1]>,
    pub(super) arrival: Arrival,
    /// Times of arrival of the events, where they didn't come together.
    pub(super) stamps: Box<[i64]>,
    pub(super) open_parcels: AtomicU32,
    pub(super) abandoned: AtomicBool,
    pub(super) spilled: AtomicU32,
    pub(super) not_acked: Mutex<Vec<(u32, Cause)>>,
    pub(super) task: AtomicWaker,
    /// Where its end is announced, if anybody waits for it.
    pub(super) mailbox: Option<Arc<Mailbox>>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) _held: Held,
}

impl Request {
    /// One for whose end nobody waits, with one parcel.
    pub(super) fn unwatched(
        body: Bytes,
        events: SmallVec<[Event; 1]>,
        arrival: Arrival,
        ledger: Arc<Ledger>,
        held: Held,
    ) -> Request {
        Request {
            body,
            events,
            arrival,
            stamps: Box::default(),
            open_parcels: AtomicU32::new(1),
            abandoned: AtomicBool::new(false),
            spilled: AtomicU32::new(0),
            not_acked: Mutex::default(),
            task: AtomicWaker::new(),
            mailbox: None,
            ledger,
            _held: held,
        }
    }

    /// The events' bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// When the request arrived, on the clock that never jumps.
    pub fn received_at(&self) -> Instant {
        self.arrival.at
    }

    /// Where to announce that the request is finished, if anybody waits for it.
    pub fn mailbox(&self) -> Option<&Arc<Mailbox>> {
        self.mailbox.as_ref()
    }

    /// Whether nothing is open any more.
    pub fn is_finished(&self) -> bool {
        self.open_parcels.load(Acquire) == 0
    }

    /// Asks to be woken when the request is finished.
    pub fn on_finish(&self, waker: &Waker) {
        self.task.register(waker);
    }

    /// Wakes who asked for it.
    pub fn wake(&self) {
        Waits::wake(self);
    }

    /// Notes that an event isn't acknowledged.
    pub(super) fn fail(&self, index: u32, cause: Cause) {
        self.not_acked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((index, cause));
    }

    /// The events that are noted as not acknowledged, sorted.
    pub(super) fn noted(&self) -> Vec<u32> {
        let noted = self
            .not_acked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut noted: Vec<_> = noted.iter().map(|(index, _)| *index).collect();
        noted.sort_unstable();
        noted
    }

    /// A parcel is resolved. True if it was the last one.
    pub(super) fn close_parcel(&self) -> bool {
        self.open_parcels.fetch_sub(1, AcqRel) == 1
    }
}

impl Waits for Request {
    fn wake(&self) {
        self.task.wake();
    }
}
