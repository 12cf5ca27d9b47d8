//! A lane's life: which way its events go to Kafka, and when that changes. Pure: no log, no client, no clock.
//!
//! ```text
//!            oldest event waits for spill_after, or the ring is half full,
//!            or the log holds older events, or the stream always goes over it
//!   direct ───────────────────────────────────────────────────────────────▶ spilling
//!    ▲  ▲                                                                       │ nothing is left in the window
//!    │  │                                                                       ▼ of what was sent before
//!    │  └───────────── the log holds nothing of the lane ────────────────── replaying ─────▶ blocked
//!    │                                                                       │     ▲
//!    │                                                    all there was      ▼     │ it took too long
//!    └────── all that the log holds of the lane is in the window ────────── returning
//! ```
//!
//! | phase | new events go | the log is read | the lane's order is |
//! | --- | --- | --- | --- |
//! | direct | to the client | no | window, ring |
//! | spilling | into the log | no: what was sent before is in the window | window, log, ring |
//! | replaying | into the log | yes | window, what was read, log, ring |
//! | returning | nowhere: they wait for a moment | yes | as before |
//! | blocked | into the log | no: a later forebay wrote the next record | as before |
//!
//! [`Life::step`] alone changes a life. The worker tells it what happened ([`Input`]) and does what it says ([`Effect`]). Each
//! cell names the phases that may follow; a dot means that nothing changes but counts. A test reads this table and compares.
//!
//! | input | direct | spilling | replaying | returning | blocked |
//! | --- | --- | --- | --- | --- | --- |
//! | `GoOver` | spilling | . | . | . | . |
//! | `AppendBegun` | . | . | . | . | . |
//! | `AppendEnded` | . | . | . | . | . |
//! | `Arrived` | . | . | . | . | . |
//! | `New` | . | . | . returning direct | . replaying direct | . |
//! | `Turn` | . | . replaying | . | . | . |
//! | `NotAsked` | . | . | . | . | . |
//! | `Read` | . | . | . blocked | . blocked | . |
//! | `Sort` | . | . | . | . | . |
//! | `Recalled` | . | . | . spilling | . spilling | . |
//! | `Sent` | . | . | . | . | . |
//! | `Looked` | . | . direct | . direct | . direct | . direct |
//!
//! **Order.** While a lane isn't direct, every event that comes goes into the log, behind those that are there. It's read back
//! only when the window is empty, so that nothing overtakes what was sent before. A lane is direct again only when all that the
//! log holds of it is in the window, or has arrived, and no append is under way.
//!
//! **The way back.** Under steady traffic there is always one more event on its way into the log. So a lane whose events
//! arrive, and which has read all there was a moment ago, *returns*: new events wait in memory for the moment that the last
//! append and the last read take, and then go directly. If that takes too long they go into the log after all.

mod message;
mod reading;

use std::time::{Duration, Instant};

pub(super) use message::{Brought, Effect, Input, Sorting, Stock};
#[cfg(test)]
pub(super) use reading::Reader;
pub(super) use reading::Reading;

use super::Phase;

/// How long new events may wait for a lane to return: a few writes and reads of a disk that is busy.
const RETURN_WITHIN: Duration = Duration::from_millis(200);
/// The phase of a lane, with what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Life {
    #[default]
    Direct,
    Spilling(OverLog),
    Replaying(OverLog, Reading),
    /// Since when new events wait.
    Returning(OverLog, Reading, Instant),
    Blocked(OverLog),
}

/// What is known of a lane in all phases but the direct one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OverLog {
    /// Appends under way.
    pub(super) appends: u32,
    /// Those of them that copy what was in the window.
    pub(super) copies: u32,
    /// Events of the log have arrived in Kafka since the lane went over it, or since it last failed to return.
    pub(super) has_arrivals: bool,
    /// How what is read is sorted.
    pub(super) sorting: Sorting,
    /// That is about to change, as soon as what was read before has been sent.
    pub(super) is_turning: bool,
}

impl Life {
    /// Something happens; returns what has to be done about it. Nothing else changes a life.
    pub(super) fn step(&mut self, input: Input, now: Instant) -> Effect {
        match input {
            Input::GoOver { is_all_in_window } => return self.go_over(is_all_in_window),
            Input::AppendBegun { is_copy } => self.count(is_copy, u32::saturating_add),
            Input::AppendEnded { is_copy } => {
                self.count(is_copy, u32::saturating_sub);
                self.note_news();
            }
            Input::Arrived => {
                if let Some(over) = self.over() {
                    over.has_arrivals = true;
                }
            }
            Input::New { stock, is_prompt } => return self.new_events(stock, is_prompt, now),
            Input::Turn { stock, may_read } => return self.turn(stock, may_read, now),
            Input::NotAsked => {
                if let Some((_, reading)) = self.reading() {
                    reading.not_asked(now);
                }
            }
            Input::Read(brought) => return self.read(brought, now),
            Input::Sort {
                to,
                partition,
                stock,
            } => return self.sort(to, partition, stock),
            Input::Recalled { to } => return self.recalled(to),
            Input::Sent { stock } if !self.is_direct() && self.is_at_end(stock) => {
                return Effect::Look;
            }
            Input::Sent { .. } => {}
            Input::Looked { is_empty: true } if self.is_quiet() => return self.become_direct(),
            // Somebody else has put something there: dead letters that are sent again.
            Input::Looked { .. } => self.note_news(),
        }
        Effect::Nothing
    }

    fn go_over(&mut self, is_all_in_window: bool) -> Effect {
        if !self.is_direct() {
            return Effect::Nothing;
        }
        *self = Life::Spilling(OverLog::default());
        if is_all_in_window {
            Effect::Copy
        } else {
            // What arrives of a copy would seem to be behind what the log holds.
            Effect::Nothing
        }
    }

    fn count(&mut self, is_copy: bool, change: fn(u32, u32) -> u32) {
        if let Some(over) = self.over() {
            over.appends = change(over.appends, 1);
            over.copies = change(over.copies, u32::from(is_copy));
        }
    }

    /// The log may hold something that wasn't read.
    fn note_news(&mut self) {
        if let Some((_, reading)) = self.reading() {
            reading.note_news();
        }
    }

    fn new_events(&mut self, stock: Stock, is_prompt: bool, now: Instant) -> Effect {
        let (over, reading, since) = match *self {
            Life::Direct => return Effect::Nothing,
            Life::Spilling(_) | Life::Blocked(_) => return Effect::Append,
            Life::Replaying(over, reading) => (over, reading, None),
            Life::Returning(over, reading, since) => (over, reading, Some(since)),
        };
        let has_read_all = reading.is_done() && !stock.has_read;
        if has_read_all && over.has_all_stored(stock) && over.has_arrivals {
            return self.become_direct();
        }
        match since {
            // Not only when all is read: under steady traffic there is something new each time.
            None if reading.has_caught_up && over.has_arrivals && is_prompt => {
                *self = Life::Returning(over, reading, now);
                Effect::Hold
            }
            Some(since) if now.duration_since(since) < RETURN_WITHIN => Effect::Hold,
            Some(_) => {
                let over = OverLog {
                    has_arrivals: false,
                    ..over
                };
                *self = Life::Replaying(over, reading);
                Effect::Append
            }
            None => Effect::Append,
        }
    }

    fn turn(&mut self, stock: Stock, may_read: bool, now: Instant) -> Effect {
        // Copies of what has arrived are acknowledged to the log when they're known to be there; read before, they would be
        // sent again.
        if let Life::Spilling(over) = *self
            && stock.is_window_empty
            && over.copies == 0
            && !stock.has_to_copy
        {
            *self = Life::Replaying(over, Reading::default());
        }
        let Some((over, reading)) = self.reading() else {
            return Effect::Nothing;
        };
        if !may_read || over.is_turning || stock.has_read || !reading.begins(now) {
            return Effect::Nothing;
        }
        Effect::Read {
            sorting: over.sorting,
            is_first: !reading.is_open,
        }
    }

    fn read(&mut self, brought: Brought, now: Instant) -> Effect {
        let Some((over, reading)) = self.reading() else {
            return Effect::Nothing;
        };
        if reading.ended(brought, now) && brought == Brought::Unknown {
            *self = Life::Blocked(*over);
            return Effect::Close;
        }
        Effect::Nothing
    }

    /// Has a lane's part of the log read for so many partitions, or for its own one.
    fn sort(&mut self, to: Sorting, partition: i32, stock: Stock) -> Effect {
        let is_reading = self.is_reading();
        let Some(over) = self.over() else {
            // Nothing of it was ever sorted.
            return if to.is_none() {
                Effect::Send
            } else {
                Effect::Wait
            };
        };
        let is_done = stock.is_window_empty && !stock.has_read && !is_reading;
        // What was read is bound for partitions that exist; what comes next waits until it's there.
        let exists = match (over.sorting, to) {
            (_, None) => true,
            (Some(before), Some(count)) => before <= count,
            (None, Some(count)) => usize::try_from(partition).is_ok_and(|own| own < count),
        };
        if over.sorting == to {
            over.is_turning = false;
        } else if is_done {
            (over.sorting, over.is_turning) = (to, false);
        } else if exists {
            over.is_turning = true;
        } else if over.has_all_stored(stock) {
            return Effect::Recall;
        } else {
            return Effect::Wait;
        }
        Effect::Send
    }

    /// What was read, or is with the client, is read again, and sorted anew.
    fn recalled(&mut self, to: Sorting) -> Effect {
        if self.is_reading() {
            return Effect::Wait;
        }
        let Some(over) = self.over() else {
            return Effect::Wait;
        };
        (over.sorting, over.is_turning) = (to, false);
        if let Life::Replaying(over, _) | Life::Returning(over, _, _) = *self {
            *self = Life::Spilling(over);
        }
        Effect::Forget
    }

    /// Whether nothing of the lane is on the way, so that all that there may be is in the log.
    fn is_at_end(&self, stock: Stock) -> bool {
        self.is_quiet()
            && !stock.has_to_copy
            && !stock.has_to_append
            && !stock.has_read
            && stock.is_window_empty
    }

    /// Whether neither an append nor a read is under way.
    fn is_quiet(&self) -> bool {
        !self.is_appending() && !self.is_reading()
    }

    fn become_direct(&mut self) -> Effect {
        let is_open = self.reading().is_some_and(|(_, reading)| reading.is_open);
        *self = Life::Direct;
        if is_open {
            Effect::Close
        } else {
            Effect::Nothing
        }
    }

    fn over(&mut self) -> Option<&mut OverLog> {
        match self {
            Life::Direct => None,
            Life::Spilling(over)
            | Life::Replaying(over, _)
            | Life::Returning(over, _, _)
            | Life::Blocked(over) => Some(over),
        }
    }

    fn reading(&mut self) -> Option<(&mut OverLog, &mut Reading)> {
        match self {
            Life::Replaying(over, reading) | Life::Returning(over, reading, _) => {
                Some((over, reading))
            }
            _ => None,
        }
    }

    /// The phase's name.
    pub(super) fn phase(&self) -> Phase {
        match self {
            Life::Direct => Phase::Direct,
            Life::Spilling(_) => Phase::Spilling,
            Life::Replaying(..) => Phase::Replaying,
            Life::Returning(..) => Phase::Returning,
            Life::Blocked(_) => Phase::Blocked,
        }
    }

    pub(super) fn is_direct(&self) -> bool {
        matches!(self, Life::Direct)
    }

    /// Whether appends are under way.
    pub(super) fn is_appending(&self) -> bool {
        self.seen().is_some_and(|over| over.appends > 0)
    }

    /// Whether a read is under way.
    pub(super) fn is_reading(&self) -> bool {
        match self {
            Life::Replaying(_, reading) | Life::Returning(_, reading, _) => reading.is_under_way(),
            _ => false,
        }
    }

    /// Whether what is read is sorted by partition.
    pub(super) fn is_sorted(&self) -> bool {
        self.seen().is_some_and(|over| over.sorting.is_some())
    }

    fn seen(&self) -> Option<&OverLog> {
        match self {
            Life::Direct => None,
            Life::Spilling(over)
            | Life::Replaying(over, _)
            | Life::Returning(over, _, _)
            | Life::Blocked(over) => Some(over),
        }
    }
}

impl OverLog {
    /// Whether nothing that came is on its way into the log.
    fn has_all_stored(&self, stock: Stock) -> bool {
        self.appends == 0 && !stock.has_to_copy && !stock.has_to_append
    }
}
