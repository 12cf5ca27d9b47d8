//! The part of a request that goes to one lane, and the one atomic that its client's deadline and its lane race for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::*};
use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;

use super::cause::Cause;
use super::ledger::Ledger;
use super::request::{Arrival, Mailbox, Request};
use crate::budget::Held;
use crate::event::Event;

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

/// The events of one request that go to one lane, in the order in which the client sent them.
#[derive(Debug)]
pub struct Parcel {
    request: Arc<Request>,
    /// The lane's number within its cluster.
    lane: u32,
    partition: i32,
    first: u32,
    count: u32,
    bytes: u64,
    state: AtomicU8,
    resolved: AtomicU32,
    /// An event failed or came back, so that those that are resolved aren't the first ones.
    is_disordered: AtomicBool,
    /// Its receipts were resolved by the spill log; what Kafka does with it from then on concerns only the ledger.
    is_spilled: AtomicBool,
}

const QUEUED: u8 = 0;
const SENT: u8 = 1;
/// Its failures are being noted. Whoever looks now can't yet see them, and must not take silence for success.
const REFUSING: u8 = 2;
const RESOLVED: u8 = 3;

impl Parcel {
    pub(super) fn new(request: Arc<Request>, slot: Slot) -> Parcel {
        let events = &request.events[slot.first as usize..(slot.first + slot.count) as usize];
        let bytes = events.iter().map(Event::weight).sum();
        Parcel {
            lane: slot.lane,
            partition: slot.partition,
            first: slot.first,
            count: slot.count,
            bytes,
            state: AtomicU8::new(QUEUED),
            resolved: AtomicU32::new(0),
            is_disordered: AtomicBool::new(false),
            is_spilled: AtomicBool::new(false),
            request,
        }
    }

    /// The request that the events came with.
    pub fn request(&self) -> &Arc<Request> {
        &self.request
    }

    /// The lane's number within its cluster.
    pub fn lane(&self) -> u32 {
        self.lane
    }

    /// The Kafka partition that they go to.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The events, in order.
    pub fn events(&self) -> &[Event] {
        &self.request.events[self.first as usize..(self.first + self.count) as usize]
    }

    /// When the event at `position` arrived, in milliseconds since the Unix epoch.
    pub fn received_ms(&self, position: u32) -> i64 {
        let stamps = &self.request.stamps;
        let stamp = stamps.get((self.first + position) as usize);
        stamp.copied().unwrap_or(self.request.arrival.unix_ms)
    }

    /// The time that the record of the event at `position` is to have, in milliseconds since the Unix epoch: its own, or that
    /// of its arrival.
    pub fn timestamp_ms(&self, position: u32) -> i64 {
        let own = self.events()[position as usize].timestamp_ms();
        own.unwrap_or_else(|| self.received_ms(position))
    }

    /// Number of events.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of the events, with their keys and headers.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the parcel still waits to be sent.
    pub fn is_queued(&self) -> bool {
        self.state.load(Acquire) == QUEUED
    }

    /// Takes the parcel for sending. False if it was given up meanwhile; then it must not be sent.
    pub fn claim(&self) -> bool {
        self.state
            .compare_exchange(QUEUED, SENT, AcqRel, Acquire)
            .is_ok()
    }

    /// Resolves a queued parcel as refused. False if it was sent or resolved already: then this does nothing.
    pub fn give_up(&self, cause: Cause) -> bool {
        if self
            .state
            .compare_exchange(QUEUED, REFUSING, AcqRel, Acquire)
            .is_err()
        {
            return false;
        }
        for event in self.events() {
            self.request.fail(event.index, cause);
        }
        self.request
            .ledger
            .refused
            .fetch_add(u64::from(self.count), Relaxed);
        self.state.store(RESOLVED, Release);
        self.request.close_parcel();
        true
    }

    /// Resolves a queued parcel as refused, on the side of the lane. True if its request is finished by that.
    pub fn refuse(&self, cause: Cause) -> bool {
        self.give_up(cause) && self.request.is_finished()
    }

    /// Marks a parcel that was read back from the spill log: nothing is promised for it any more, it only has to arrive.
    pub(super) fn mark_spilled(&self) {
        self.is_spilled.store(true, Release);
        self.resolved.store(self.count, Release);
        self.state.store(RESOLVED, Release);
    }

    /// Whether its receipts were resolved by the spill log.
    pub fn is_spilled(&self) -> bool {
        self.is_spilled.load(Acquire)
    }

    /// Notes that an event that was spilled is kept as a dead letter.
    pub fn dead(&self) {
        self.request.ledger.dead.fetch_add(1, Relaxed);
    }

    /// Notes that all that is open of a claimed parcel is durable in the spill log. True if the request is finished by that.
    pub fn spilled(&self) -> bool {
        let open = self.count - self.resolved.load(Acquire);
        if open == 0 {
            return false;
        }
        self.is_spilled.store(true, Release);
        self.request.spilled.fetch_add(open, Release);
        self.request
            .ledger
            .spilled
            .fetch_add(u64::from(open), Relaxed);
        self.resolve(open)
    }

    /// Notes that a claimed parcel, which was never sent, could not be stored. True if the request is finished by that.
    pub fn not_stored(&self, cause: Cause) -> bool {
        (0..self.count).fold(false, |_, position| self.given_up(position, cause))
    }

    /// Notes that Kafka acknowledged `count` more events. True if the request is finished by that.
    pub fn acked(&self, count: u32) -> bool {
        if self.is_spilled() {
            self.request
                .ledger
                .replayed
                .fetch_add(u64::from(count), Relaxed);
            return false;
        }
        self.request
            .ledger
            .acked
            .fetch_add(u64::from(count), Relaxed);
        if self.request.abandoned.load(Acquire) {
            self.request
                .ledger
                .late
                .fetch_add(u64::from(count), Relaxed);
        }
        self.resolve(count)
    }

    /// Notes that the event at `position` will never be delivered by this process: `cause` is [`Cause::Unknown`] if it may
    /// be stored. True if the request is finished by that.
    pub fn given_up(&self, position: u32, cause: Cause) -> bool {
        let ledger = &self.request.ledger;
        let count = if cause == Cause::Unknown {
            &ledger.unknown
        } else {
            &ledger.refused
        };
        count.fetch_add(1, Relaxed);
        self.note_failure(position, cause);
        self.resolve(1)
    }

    /// Notes that Kafka will never take the event at `position` of this parcel. True if the request is finished by that.
    pub fn failed(&self, position: u32, cause: Cause) -> bool {
        self.request.ledger.failed.fetch_add(1, Relaxed);
        self.note_failure(position, cause);
        self.resolve(1)
    }

    /// Notes that an event came back and will be sent again: what is acknowledged from now on may stand behind it.
    pub fn came_back(&self) {
        self.is_disordered.store(true, Release);
    }

    /// Resolves all that is open of a sent parcel as unknown, for the end of the process. True if the request is finished
    /// by that.
    pub fn abandon(&self) -> bool {
        let open = self.count - self.resolved.load(Acquire);
        let mut unknown = Vec::new();
        self.list_unresolved(&mut unknown);
        // What failed before is noted already, and one entry per event is enough.
        let noted = self.request.noted();
        unknown.retain(|(index, _)| noted.binary_search(index).is_err());
        for (index, cause) in unknown {
            self.request.fail(index, cause);
        }
        self.request
            .ledger
            .unknown
            .fetch_add(u64::from(open), Relaxed);
        open > 0 && self.resolve(open)
    }

    fn note_failure(&self, position: u32, cause: Cause) {
        if let Some(event) = self.events().get(position as usize) {
            self.is_disordered.store(true, Release);
            self.request.fail(event.index, cause);
        }
    }

    fn resolve(&self, count: u32) -> bool {
        debug_assert_eq!(
            self.state.load(Acquire),
            SENT,
            "only sent events are resolved one by one"
        );
        let resolved = self.resolved.fetch_add(count, AcqRel) + count;
        debug_assert!(
            resolved <= self.count,
            "{resolved} of {} events resolved",
            self.count
        );
        if resolved < self.count {
            return false;
        }
        self.state.store(RESOLVED, Release);
        self.request.close_parcel()
    }

    pub(super) fn list_unresolved(&self, unknown: &mut Vec<(u32, Cause)>) {
        if self.state.load(Acquire) == RESOLVED {
            return;
        }
        // Acknowledgements of one lane come in order, so the unresolved events are the last ones; but a failure may
        // overtake them, or they an event that came back, and then all that haven't failed are called unknown: better that
        // than acked. The count is read first: what it counts can't have been disordered after that.
        let resolved = self.resolved.load(Acquire).min(self.count);
        let resolved = if self.is_disordered.load(Acquire) {
            0
        } else {
            resolved
        };
        unknown.extend(
            self.events()[resolved as usize..]
                .iter()
                .map(|event| (event.index, Cause::Unknown)),
        );
    }
}

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
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if *self.state.get_mut() != RESOLVED {
            let lost = u64::from(self.count - *self.resolved.get_mut());
            self.request.ledger.lost.fetch_add(lost, Relaxed);
            tracing::error!(
                events = lost,
                "a parcel was dropped unresolved: this is a bug in forebay"
            );
        }
    }
}
