//! The handshakes of one HTTP thread: how many there are, and how much of its time they get.
//!
//! A handshake costs as much CPU as some ten requests, before anything is known of its client. So all of a thread's together get half
//! of its time, and requests have the other half, however many clients connect.
//!
//! One that stalls costs a place and memory, and is ended after its time. Without places left, the one that is under way longest is
//! ended for the new one: whoever is honest needs a few round trips, and those that stall are older than that.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// Time is dealt out in pieces of this length.
const PIECE: Duration = Duration::from_millis(10);
/// What handshakes get of each.
const PART: Duration = Duration::from_millis(5);

/// The handshakes of one thread.
#[derive(Debug)]
pub struct Handshakes {
    /// How many threads there are, of which each has its part of all places.
    threads: usize,
    // Never contended: only one thread uses it.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Those under way, the eldest first, and how each is told to end.
    under_way: BTreeMap<u64, oneshot::Sender<()>>,
    next: u64,
    /// When the piece began, and what they took of it.
    piece: Option<Instant>,
    took: Duration,
}

/// A handshake's place among those of its thread.
#[derive(Debug)]
pub(super) struct Place<'a> {
    handshakes: &'a Handshakes,
    number: u64,
    taken: oneshot::Receiver<()>,
}

impl Handshakes {
    /// Of one of so many threads.
    pub(super) fn of_one_in(threads: usize) -> Handshakes {
        Handshakes {
            threads: threads.max(1),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are under way.
    pub fn count(&self) -> usize {
        self.state().under_way.len()
    }

    /// Begins one, of which all threads together may have `most`.
    pub(super) fn enter(&self, most: usize) -> Place<'_> {
        let (tell, taken) = oneshot::channel();
        let mut state = self.state();
        let most = most.div_ceil(self.threads).max(1);
        while state.under_way.len() >= most {
            let Some((_, eldest)) = state.under_way.pop_first() else {
                break;
            };
            if eldest.send(()).is_err() {
                tracing::debug!("the eldest handshake has ended meanwhile");
            }
        }
        let number = state.next;
        state.next += 1;
        state.under_way.insert(number, tell);
        drop(state);
        Place {
            handshakes: self,
            number,
            taken,
        }
    }

    /// Whether one may go on now, or else when.
    pub(super) fn turn(&self, now: Instant) -> Result<(), Instant> {
        let mut state = self.state();
        let begun = *state.piece.get_or_insert(now);
        if now >= begun + PIECE {
            state.piece = Some(now);
            // What was taken too much is made up for.
            state.took = state.took.saturating_sub(PART).min(PIECE);
        }
        if state.took < PART {
            return Ok(());
        }
        Err(state.piece.unwrap_or(now) + PIECE)
    }

    /// One took so long.
    pub(super) fn took(&self, time: Duration) {
        self.state().took += time;
    }
}

impl Place<'_> {
    /// Whether it's another's now. If not, the task is woken when it is.
    pub(super) fn is_taken(&mut self, cx: &mut Context<'_>) -> bool {
        matches!(Pin::new(&mut self.taken).poll(cx), Poll::Ready(_))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.handshakes.state().under_way.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn with_one_too_many_the_eldest_loses_its_place() {
        let handshakes = Handshakes::of_one_in(2);
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = handshakes.enter(3);
        let mut second = handshakes.enter(3);
        assert!(!first.is_taken(&mut cx) && !second.is_taken(&mut cx));
        let mut third = handshakes.enter(3);
        assert!(first.is_taken(&mut cx) && !second.is_taken(&mut cx));
        drop(second);
        let mut fourth = handshakes.enter(3);
        assert!(!third.is_taken(&mut cx) && !fourth.is_taken(&mut cx));
        assert_eq!(handshakes.count(), 2);
        drop((first, third, fourth));
        assert_eq!(handshakes.count(), 0);
    }

    #[test]
    fn handshakes_get_half_of_the_time_and_pay_back_what_they_took_too_much() {
        let handshakes = Handshakes::of_one_in(1);
        let start = Instant::now();
        let (mut took, mut now) = (Duration::ZERO, start);
        while now < start + 1_000 * MS {
            match handshakes.turn(now) {
                Ok(()) => {
                    handshakes.took(3 * MS);
                    took += 3 * MS;
                    now += 3 * MS;
                }
                Err(next) => {
                    assert!(next > now && next <= now + PIECE);
                    now = next;
                }
            }
        }
        let part = took.as_secs_f64();
        assert!((0.45..0.55).contains(&part), "{part}");
    }
}
