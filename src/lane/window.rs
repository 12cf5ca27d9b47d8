//! What a lane has sent and Kafka hasn't acknowledged: our own copy, in order, from which it can all be sent again.
//!
//! Kafka refuses a batch as a whole, be it for one event in it or because together they are too large for the topic. So what
//! is refused with others is sent again in smaller and smaller *flights*, one at a time, until an event is refused alone; each
//! flight that goes well makes the next one larger. What was under way behind it comes back first: see `produce::native::hold`.
//!
//! **Cost.** Nothing here looks at all events for each of them: a report finds its parcel where the last one was, and a
//! flight begins where the last one ended. The tests count the steps.

use std::collections::VecDeque;
use std::sync::Arc;

use super::sent::{Sent, State, Steps};
use crate::receipt::Parcel;
use crate::spill::Position;

mod certain;
mod flights;

/// The sent parcels of one lane.
#[derive(Debug, Default)]
pub struct Window {
    sent: VecDeque<Sent>,
    /// Events in the client's hands, and their bytes.
    outstanding: u32,
    outstanding_bytes: u64,
    /// Events that came back and have to be sent again. None is in a parcel before the one with the number `first_back`.
    back: u32,
    first_back: usize,
    /// Where the parcel of the last report was, if it wasn't the first one.
    last_found: usize,
    rewind: bool,
    /// What comes back is under suspicion: smaller flights will tell which event it is.
    has_suspects: bool,
    /// Events that may be sent again at once, if that's limited.
    flight: Option<u32>,
    /// Something of the flight was acknowledged.
    flew: bool,
    /// The size of the flights that last went well.
    good_flight: Option<u32>,
    /// Up to where the spill log's records of the lane arrived, since it was last asked for.
    arrived: Option<Position>,
    steps: Steps,
}

impl Window {
    /// Whether nothing is unresolved.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Events in the client's hands.
    pub fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// Bytes in the client's hands.
    pub fn outstanding_bytes(&self) -> u64 {
        self.outstanding_bytes
    }

    /// The oldest unresolved parcel.
    pub fn oldest(&self) -> Option<&Arc<Parcel>> {
        self.sent.front().map(|sent| &sent.parcel)
    }

    /// Adds a parcel whose events are being handed to the client, all of them.
    pub fn push(&mut self, parcel: Arc<Parcel>, stored: Option<Position>) {
        self.outstanding += parcel.count();
        self.outstanding_bytes += parcel.bytes();
        self.sent.push_back(Sent::new(parcel, stored));
    }

    /// Adds a parcel whose events aren't handed over yet. They go as if they had come back, in flights.
    pub fn push_waiting(&mut self, parcel: Arc<Parcel>, stored: Option<Position>) {
        let mut sent = Sent::new(parcel, stored);
        for position in 0..sent.parcel.count() {
            sent.set(position, State::Back);
        }
        self.back += sent.back;
        self.first_back = self.first_back.min(self.sent.len());
        self.rewind = true;
        self.sent.push_back(sent);
    }

    /// `count` more events of `parcel` were acknowledged. Returns their bytes.
    pub fn acked(&mut self, parcel: &Arc<Parcel>, count: u32) -> u64 {
        self.outstanding = self.outstanding.saturating_sub(count);
        self.flew = true;
        let bytes = match self.find(parcel) {
            Some(at) => self.sent[at].acked(count, &mut self.steps),
            None => 0,
        };
        self.outstanding_bytes = self.outstanding_bytes.saturating_sub(bytes);
        self.trim();
        bytes
    }

    /// The client doesn't have the event at `position` any more. Returns its bytes.
    fn let_go(&mut self, parcel: &Arc<Parcel>, position: u32) -> u64 {
        let bytes = parcel.events()[position as usize].weight();
        self.outstanding = self.outstanding.saturating_sub(1);
        self.outstanding_bytes = self.outstanding_bytes.saturating_sub(bytes);
        bytes
    }

    /// The event at `position` failed for good. Returns its bytes.
    pub fn failed(&mut self, parcel: &Arc<Parcel>, position: u32) -> u64 {
        self.end(parcel, position, State::Resolved)
    }

    /// The event at `position` failed for good, and its dead letter is being stored. It's not sent again. Returns its bytes.
    pub fn bury(&mut self, parcel: &Arc<Parcel>, position: u32) -> u64 {
        self.end(parcel, position, State::Dying)
    }

    fn end(&mut self, parcel: &Arc<Parcel>, position: u32, state: State) -> u64 {
        let bytes = self.let_go(parcel, position);
        // Alone or named, so that the flight was not too large.
        self.flew = true;
        self.set(parcel, position, state);
        self.trim();
        bytes
    }

    /// The dead letter of the event at `position` is stored, or not; then the event has to be sent again.
    pub fn buried(&mut self, parcel: &Arc<Parcel>, position: u32, is_stored: bool) {
        if is_stored {
            self.set(parcel, position, State::Resolved);
        } else if self.set(parcel, position, State::Back) {
            self.rewind = true;
        }
        self.trim();
    }

    /// The event at `position` came back. The lane sends nothing new until everything else has come back as well, and
    /// then all that is unresolved, in order. Returns its bytes.
    pub fn came_back(&mut self, parcel: &Arc<Parcel>, position: u32) -> u64 {
        let bytes = self.let_go(parcel, position);
        // What was resolved meanwhile, as a dead letter, isn't sent again.
        if let Some(at) = self.find(parcel) {
            self.sent[at].may_be_stored = true;
            self.set(parcel, position, State::Back);
            self.rewind = true;
        }
        self.trim();
        bytes
    }

    /// As [`Window::came_back`], when it's certain that the event was not stored.
    pub fn came_back_unstored(&mut self, parcel: &Arc<Parcel>, position: u32) -> u64 {
        let was_in_doubt = self.is_in_doubt(parcel);
        let bytes = self.came_back(parcel, position);
        if let Some(at) = self.find(parcel) {
            self.sent[at].may_be_stored = was_in_doubt;
        }
        bytes
    }

    /// From now on what comes back is under suspicion: Kafka didn't take the batch, which may be the fault of any event in it.
    pub fn suspect(&mut self) {
        self.has_suspects = true;
    }

    /// Whether an event that comes back now was sent alone.
    pub fn was_alone(&self) -> bool {
        let mut all = self.sent.iter().take(2);
        let is_only_one = |sent: &Sent| sent.parcel.count() - sent.resolved == 1;
        self.flight == Some(1) || all.next().is_some_and(is_only_one) && all.next().is_none()
    }

    /// The client is gone with all that it held: nothing is outstanding, and what is unresolved has to be sent again.
    pub fn client_gone(&mut self) {
        (self.outstanding, self.outstanding_bytes) = (0, 0);
        self.rewind = !self.sent.is_empty();
        self.first_back = 0;
        for sent in &mut self.sent {
            for position in sent.cursor..sent.parcel.count() {
                if sent.state(position) == State::UnderWay {
                    sent.may_be_stored = true;
                    sent.set(position, State::Back);
                    self.back += 1;
                }
            }
        }
    }

    /// Whether new parcels have to wait because old ones have to be sent again.
    pub fn is_rewinding(&self) -> bool {
        self.rewind || self.flight.is_some()
    }

    /// Whether something has to be sent again, and can be: nothing is outstanding any more.
    pub fn has_rewind(&self) -> bool {
        self.rewind && self.outstanding == 0
    }

    /// Takes out all parcels, for the end.
    pub fn drain(&mut self) -> impl Iterator<Item = Arc<Parcel>> {
        (self.outstanding, self.outstanding_bytes) = (0, 0);
        (self.rewind, self.flight) = (false, None);
        (self.back, self.first_back, self.last_found) = (0, 0, 0);
        self.sent.drain(..).map(|sent| sent.parcel)
    }

    /// The parcels that aren't in the spill log, and of which something is unresolved.
    pub fn not_stored(&self) -> impl Iterator<Item = Arc<Parcel>> {
        let mut sent = self.sent.iter();
        let is_stored =
            |sent: &Sent| sent.stored.is_some() || sent.parcel.is_spilled() || sent.is_over();
        std::iter::from_fn(move || sent.find(|sent| !is_stored(sent)))
            .map(|sent| Arc::clone(&sent.parcel))
    }

    /// Whether all that is unresolved is in the spill log, and nothing of it on its way to Kafka or to become a dead letter.
    pub fn is_only_stored(&self) -> bool {
        self.outstanding == 0 && self.is_stored()
    }

    /// Whether all that is unresolved is in the spill log, also what is on its way to Kafka, and nothing becomes a dead letter.
    pub fn is_stored(&self) -> bool {
        let mut sent = self.sent.iter();
        let is_stored = |sent: &Sent| sent.parcel.is_spilled() && sent.dying == 0;
        // What was refused behind one that waits is still listed, and needs no log.
        sent.all(|sent| is_stored(sent) || sent.is_over())
    }

    /// Notes that the spill log will never take a sent parcel.
    pub fn note_unstorable(&mut self, parcel: &Arc<Parcel>) {
        if let Some(at) = self.find(parcel) {
            self.sent[at].is_unstorable = true;
        }
    }

    /// Takes out the parcels that the spill log will never take, if nothing is in the client's hands.
    pub fn take_unstorable(&mut self) -> Vec<Arc<Parcel>> {
        let mut taken = Vec::new();
        if self.outstanding == 0 {
            self.sent.retain(|sent| {
                if sent.is_unstorable {
                    taken.push(Arc::clone(&sent.parcel));
                }
                !sent.is_unstorable
            });
            self.back = self.sent.iter().map(|sent| sent.back).sum();
            (self.first_back, self.last_found) = (0, 0);
            self.trim();
        }
        taken
    }

    /// Forgets all of it: it will be read from the spill log again.
    pub fn forget(&mut self) {
        debug_assert!(self.is_only_stored(), "what isn't in the log would be lost");
        let arrived = self.arrived;
        *self = Window {
            arrived,
            good_flight: self.good_flight,
            ..Window::default()
        };
    }

    /// The positions of the events of a parcel that Kafka hasn't acknowledged.
    pub fn unresolved_of(&mut self, parcel: &Arc<Parcel>) -> Vec<u32> {
        let Some(at) = self.find(parcel) else {
            return Vec::new();
        };
        let (sent, is_open) = (&self.sent[at], [State::UnderWay, State::Back]);
        let all = 0..parcel.count();
        all.filter(|position| is_open.contains(&sent.state(*position)))
            .collect()
    }

    /// Notes where the last event of a sent parcel stands in the spill log. False if the parcel has arrived meanwhile.
    pub fn stored(&mut self, parcel: &Arc<Parcel>, position: Position) -> bool {
        let at = self.find(parcel);
        at.map(|at| self.sent[at].stored = Some(position)).is_some()
    }

    /// Notes that the spill log failed to store a sent parcel, and that nobody knows what is on the disk.
    pub fn note_doubt(&mut self, parcel: &Arc<Parcel>) {
        if let Some(at) = self.find(parcel) {
            self.sent[at].may_be_stored = true;
        }
    }

    /// Whether a sent parcel may be stored, by Kafka or the spill log, although that failed.
    pub fn is_in_doubt(&mut self, parcel: &Arc<Parcel>) -> bool {
        self.find(parcel)
            .is_some_and(|at| self.sent[at].may_be_stored)
    }

    /// Up to where the spill log's records of this lane have arrived in Kafka, if that moved on since the last call.
    pub fn take_arrived(&mut self) -> Option<Position> {
        self.arrived.take()
    }

    /// How often anything was looked at.
    #[cfg(test)]
    pub(super) fn steps(&self) -> u64 {
        self.steps.count
    }

    /// Changes the state of an event that isn't resolved. False if there is no such event.
    fn set(&mut self, parcel: &Arc<Parcel>, position: u32, state: State) -> bool {
        let Some(at) = self.find(parcel) else {
            return false;
        };
        let sent = &mut self.sent[at];
        // Counted once: what is resolved early would let the spill log forget events that haven't arrived.
        if sent.state(position) == State::Resolved {
            return false;
        }
        let before = sent.set(position, state);
        self.back += u32::from(state == State::Back);
        self.back -= u32::from(before == State::Back);
        if state == State::Back {
            self.first_back = self.first_back.min(at);
        }
        true
    }

    /// Where a parcel is: reports come in order, so it's the first one, or where the last one was, or a little behind.
    fn find(&mut self, parcel: &Arc<Parcel>) -> Option<usize> {
        let is_it = |sent: &Sent| Arc::ptr_eq(&sent.parcel, parcel);
        self.steps.count();
        if self.sent.front().is_some_and(is_it) {
            return Some(0);
        }
        let (steps, all) = (&mut self.steps, self.sent.len());
        let start = self.last_found.min(all);
        let found = (start..all).chain(0..start).find(|at| {
            steps.count();
            is_it(&self.sent[*at])
        });
        self.last_found = found.unwrap_or(self.last_found);
        found
    }

    fn trim(&mut self) {
        while self.sent.front().is_some_and(Sent::is_over) {
            let arrived = self.sent.pop_front().and_then(|sent| sent.stored);
            self.arrived = arrived.or(self.arrived);
            self.last_found = self.last_found.saturating_sub(1);
            self.first_back = self.first_back.saturating_sub(1);
        }
        self.rewind &= !self.sent.is_empty();
        self.land();
    }
}
