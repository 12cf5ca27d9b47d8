//! Receipts: what was promised for each event, resolved exactly once.
//!
//! A [`Request`] is what one HTTP request brought: its body, its events, and how many of them are still open. Its events
//! go to lanes in [`Parcel`]s, one per lane that they touch, so that hand-over, wake-up and bookkeeping cost once per
//! request and lane instead of once per event. A parcel is in one of three states:
//!
//! ```text
//!            claim (lane worker)              last event acked or failed
//!  queued ──────────────────────────▶ sent ──────────────────────────────▶ resolved
//!     └──────── give_up (client's deadline) or refuse (lane worker) ──────────▲
//! ```
//!
//! - `refusing` is left out above: the short time in which a refused parcel's events are noted as such.
//! - Both ends of `queued` race for one atomic: what was refused can't be sent later (no ghosts), and what was sent can't
//!   be refused any more. A request whose deadline passes while events are `sent` is answered with these listed as
//!   unknown; if they are acknowledged afterwards, the ledger counts them as `late`.
//! - A parcel that is dropped before it is resolved counts as `lost` in the [`Ledger`]: a bug, and tests fail on it.
//! - The client's disconnect changes nothing: parcels belong to their lanes.
//! - The thread that completes requests (a lane worker) doesn't wake tasks one by one: it puts finished requests into the
//!   [`Mailbox`] of the HTTP thread that waits for them, and knocks once per mailbox and bunch. A lone wake-up across
//!   threads costs about 6 µs of CPU, one in a bunch 0.2.

mod ledger;
mod mailbox;
mod parcel;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use smallvec::SmallVec;

use crate::budget::Held;
use crate::event::Event;

pub use ledger::Ledger;
pub use mailbox::Mailbox;
pub use parcel::Parcel;

/// Why an event that was admitted isn't durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The request's deadline passed while the event waited in its lane. It will not arrive.
    Timeout,
    /// Kafka doesn't take the event, and the spill log can't store it. It will not arrive.
    NoRoom,
    /// forebay is stopping and the event could not be delivered any more. It will not arrive.
    Draining,
    /// Kafka can never take this event: it is larger than the broker or the topic allows.
    TooLargeForKafka,
    /// Kafka refused the event for a reason that the client can't mend: authorisation, a deleted topic, a broken record.
    RefusedByKafka,
    /// The event was handed to Kafka and no answer came in time. It may arrive.
    Unknown,
}

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
    body: Bytes,
    events: SmallVec<[Event; 1]>,
    arrival: Arrival,
    /// Times of arrival of the events, where they didn't come together.
    stamps: Box<[i64]>,
    open_parcels: AtomicU32,
    abandoned: AtomicBool,
    spilled: AtomicU32,
    not_acked: Mutex<Vec<(u32, Cause)>>,
    task: AtomicWaker,
    /// Where its end is announced, if anybody waits for it.
    mailbox: Option<Arc<Mailbox>>,
    ledger: Arc<Ledger>,
    _held: Held,
}

/// What the builder of a request says of one parcel: its lane, and which of the request's events are in it.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// The lane's number within its cluster.
    pub lane: u32,
    /// The Kafka partition.
    pub partition: i32,
    /// Position of the parcel's first event in the request's list.
    pub first: u32,
    /// How many events, from there on.
    pub count: u32,
}

/// A request's parcels; most requests have one.
pub type Parcels = SmallVec<[Arc<Parcel>; 1]>;

impl Request {
    /// A request whose `events`, sorted by lane as `slots` say, are about to be admitted.
    /// `held` is the memory that it is charged; `mailbox` is where its end is announced, if anybody waits for it.
    pub fn into_parcels(
        body: Bytes,
        events: SmallVec<[Event; 1]>,
        slots: &[Slot],
        arrival: Arrival,
        mailbox: Option<Arc<Mailbox>>,
        ledger: Arc<Ledger>,
        held: Held,
    ) -> Parcels {
        ledger.accepted.fetch_add(events.len() as u64, Relaxed);
        let request = Arc::new(Request {
            open_parcels: AtomicU32::new(slots.len() as u32),
            mailbox,
            ..Request::unwatched(body, events, arrival, ledger, held)
        });
        slots
            .iter()
            .map(|slot| Arc::new(Parcel::new(Arc::clone(&request), *slot)))
            .collect()
    }

    fn unwatched(
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

    /// Events that were read back from the spill log, as parcels that nobody waits for. `stamps` are the times of their
    /// arrival, in milliseconds since the Unix epoch, in the same order; `at` is when they were read.
    pub fn replay(
        at: Instant,
        body: Bytes,
        events: SmallVec<[Event; 1]>,
        stamps: Box<[i64]>,
        slots: &[Slot],
        ledger: Arc<Ledger>,
        held: Held,
    ) -> Parcels {
        debug_assert_eq!(events.len(), stamps.len());
        let arrival = Arrival {
            unix_ms: stamps.first().copied().unwrap_or_default(),
            at,
        };
        let request = Arc::new(Request {
            stamps,
            ..Request::unwatched(body, events, arrival, ledger, held)
        });
        let parcel = |slot: &Slot| {
            let parcel = Parcel::new(Arc::clone(&request), *slot);
            parcel.mark_spilled();
            Arc::new(parcel)
        };
        slots.iter().map(parcel).collect()
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
        self.task.wake();
    }

    fn fail(&self, index: u32, cause: Cause) {
        self.not_acked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((index, cause));
    }

    /// The events that are noted as not acknowledged, sorted.
    fn noted(&self) -> Vec<u32> {
        let noted = self
            .not_acked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut noted: Vec<_> = noted.iter().map(|(index, _)| *index).collect();
        noted.sort_unstable();
        noted
    }

    fn close_parcel(&self) -> bool {
        self.open_parcels.fetch_sub(1, AcqRel) == 1
    }
}

/// What became of a request's admitted events, as far as is known when it is answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Events acknowledged by Kafka.
    pub acked: u32,
    /// Events that are durable in the spill log.
    pub spilled: u32,
    /// Events that are in memory, where that is all that their stream asks for.
    pub queued: u32,
    /// The other ones: position in the request and cause, in the client's order.
    pub not_acked: Vec<(u32, Cause)>,
}

/// Takes the outcome for the answer. Parcels still queued are given up, and will not arrive; events already sent are
/// reported as [`Cause::Unknown`].
pub fn settle(parcels: &Parcels) -> Outcome {
    let Some(first) = parcels.first() else {
        return Outcome::default();
    };
    let request = first.request();
    let mut unknown = Vec::new();
    if !request.is_finished() {
        request.abandoned.store(true, Release);
        for parcel in parcels {
            if !parcel.give_up(Cause::Timeout) {
                parcel.list_unresolved(&mut unknown);
            }
        }
    }
    let mut not_acked = std::mem::take(
        &mut *request
            .not_acked
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
    );
    if !unknown.is_empty() {
        // A failure may have been noted after the parcel was looked at; one entry per event is enough.
        let mut known: Vec<_> = not_acked.iter().map(|(index, _)| *index).collect();
        known.sort_unstable();
        unknown.retain(|(index, _)| known.binary_search(index).is_err());
        not_acked.append(&mut unknown);
    }
    not_acked.sort_unstable_by_key(|(index, _)| *index);
    // What is spilled meanwhile would be listed as unknown; it's counted once, by what the client is told.
    let durable = request.events.len() as u32 - not_acked.len() as u32;
    let spilled = request.spilled.load(Acquire).min(durable);
    Outcome {
        acked: durable - spilled,
        spilled,
        queued: 0,
        not_acked,
    }
}

#[cfg(test)]
mod tests;
