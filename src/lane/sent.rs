//! A parcel that was sent, and what is known of each of its events.
//!
//! librdkafka reports the records of one partition in order. So a cursor is enough (all before it is acknowledged); as soon as
//! an event fails or comes back, the state of each is kept beside it.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::receipt::Parcel;
use crate::spill::Position;

/// What is known of a sent event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In the client's hands.
    UnderWay,
    /// It came back, and has to be sent again.
    Back,
    /// Its dead letter is being stored.
    Dying,
    /// Acknowledged, or failed for good.
    Resolved,
}

/// A parcel that was handed to the client.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) parcel: Arc<Parcel>,
    /// None of the events before it is under way.
    pub(super) cursor: u32,
    /// The state of each event. Empty as long as all before the cursor are resolved, and all others under way.
    states: SmallVec<[State; 8]>,
    /// How many have to be sent again; none of them is before `first_back`.
    pub(super) back: u32,
    pub(super) first_back: u32,
    /// How many have dead letters that are being stored.
    pub(super) dying: u32,
    pub(super) resolved: u32,
    /// Where its last event stands in the spill log, if it's there.
    pub(super) stored: Option<Position>,
    /// The spill log failed to store it, or a client to deliver it, and may have done so all the same.
    pub(super) may_be_stored: bool,
    /// The spill log will never take it.
    pub(super) is_unstorable: bool,
}

impl Sent {
    /// All events of a parcel are under way; its last one stands at `stored` in the log.
    pub(super) fn new(parcel: Arc<Parcel>, stored: Option<Position>) -> Sent {
        Sent {
            first_back: parcel.count(),
            parcel,
            cursor: 0,
            states: SmallVec::new(),
            back: 0,
            resolved: 0,
            stored,
            may_be_stored: false,
            is_unstorable: false,
            dying: 0,
        }
    }

    /// Whether nothing of it is open any more.
    pub(super) fn is_over(&self) -> bool {
        self.resolved >= self.parcel.count()
    }

    pub(super) fn state(&self, position: u32) -> State {
        let is_before = position < self.cursor;
        let state = self.states.get(position as usize).copied();
        state.unwrap_or(if is_before {
            State::Resolved
        } else {
            State::UnderWay
        })
    }

    /// Changes the state of an event; returns the one before.
    pub(super) fn set(&mut self, position: u32, state: State) -> State {
        let before = self.state(position);
        if self.states.is_empty() {
            self.states = (0..self.parcel.count()).map(|at| self.state(at)).collect();
        }
        if let Some(kept) = self.states.get_mut(position as usize) {
            *kept = state;
        }
        self.back += u32::from(state == State::Back);
        self.back -= u32::from(before == State::Back);
        self.dying += u32::from(state == State::Dying);
        self.dying -= u32::from(before == State::Dying);
        self.resolved += u32::from(state == State::Resolved);
        self.resolved -= u32::from(before == State::Resolved);
        if state == State::Back {
            self.first_back = self.first_back.min(position);
        }
        before
    }

    /// The next `count` of those under way are acknowledged. Returns their bytes.
    pub(super) fn acked(&mut self, count: u32, steps: &mut Steps) -> u64 {
        let events = self.parcel.events();
        let (mut left, mut bytes) = (count, 0);
        while left > 0 && (self.cursor as usize) < events.len() {
            steps.count();
            let at = self.cursor as usize;
            // Without states all from the cursor on are under way.
            match self.states.get_mut(at) {
                Some(State::UnderWay) => self.states[at] = State::Resolved,
                None => {}
                Some(_) => {
                    self.cursor += 1;
                    continue;
                }
            }
            bytes += events[at].weight();
            (left, self.cursor) = (left - 1, self.cursor + 1);
        }
        self.resolved += count - left;
        bytes
    }
}

/// Counts how often anything is looked at, for the tests; nothing in the product.
#[derive(Debug, Default)]
pub(super) struct Steps {
    #[cfg(test)]
    pub(super) count: u64,
}

impl Steps {
    pub(super) fn count(&mut self) {
        #[cfg(test)]
        {
            self.count += 1;
        }
    }
}
