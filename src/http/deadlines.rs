//! The deadlines of the requests that wait on one HTTP thread.
//!
//! All requests wait equally long as long as the configuration stays, so the one that began first is due first. They stand in a list in the order of their beginning,
//! and one task sleeps until the first of the list is due. A request joins the list at its end. It leaves the list from any
//! place, at the cost of a few stores. Timers of tokio would cost more: each is allocated, put into a wheel and taken out again, and
//! hardly any is ever needed. If a reload makes the wait shorter, a new request waits until those before it are due: once, and no
//! longer than they do.
//!
//! - A request is never woken before its deadline. It is woken a tick of tokio's timers (1 ms) later at most.
//! - The list takes 32 bytes for each of the most requests that ever waited at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::receipt::Request;

/// The waiting requests of one thread.
#[derive(Debug, Default)]
pub struct Deadlines {
    // Never contended: only one thread uses it. A lock that is free costs a few nanoseconds.
    list: Mutex<List>,
}

/// A list over slots that refer to each other by number.
#[derive(Debug)]
struct List {
    slots: Vec<Slot>,
    /// The first of the free slots, linked by `after`.
    free: u32,
    first: u32,
    last: u32,
}

impl Default for List {
    fn default() -> Self {
        List {
            slots: Vec::new(),
            free: NONE,
            first: NONE,
            last: NONE,
        }
    }
}

#[derive(Debug)]
struct Slot {
    due: Instant,
    /// Nothing once it was woken, or in a free slot.
    request: Option<Arc<Request>>,
    before: u32,
    after: u32,
}

const NONE: u32 = u32::MAX;

/// A request's place among the waiting ones; it leaves when this is dropped.
#[derive(Debug)]
pub struct Waiting<'a> {
    deadlines: &'a Deadlines,
    slot: u32,
}

impl Deadlines {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `request` woken when it has waited for `within`, counted from `since`.
    #[inline(always)]
    pub fn enter(&self, request: &Arc<Request>, since: Instant, within: Duration) -> Waiting<'_> {
        let slot = self.list().push(since + within, Arc::clone(request));
        Waiting {
            deadlines: self,
            slot,
        }
    }

    /// Wakes what is due, for ever; one task of the thread runs this. `shortest` is how long a request waits that comes now;
    /// `replaced` tells when that may have changed; its sender has to live as long.
    pub async fn sweep(&self, shortest: impl Fn() -> Duration, mut replaced: watch::Receiver<()>) {
        loop {
            let next = self.wake_due(Instant::now(), shortest());
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {}
                _ = replaced.changed() => {}
            }
        }
    }

    /// Wakes what is due and returns when to look again. Whoever enters later, to wait for `shortest`, is due later than that.
    fn wake_due(&self, now: Instant, shortest: Duration) -> Instant {
        let mut list = self.list();
        while list.first != NONE {
            let first = list.first;
            let due = list.slots[first as usize].due;
            if due > now {
                return due;
            }
            list.unlink(first);
            if let Some(request) = list.slots[first as usize].request.take() {
                request.wake();
            }
        }
        now + shortest
    }
}

impl Waiting<'_> {
    /// Whether the deadline has passed.
    #[inline(always)]
    pub fn is_over(&self) -> bool {
        let list = self.deadlines.list();
        list.slots[self.slot as usize].request.is_none()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut list = self.deadlines.list();
        let request = list.slots[self.slot as usize].request.take();
        if request.is_some() {
            list.unlink(self.slot);
        }
        list.slots[self.slot as usize].after = list.free;
        list.free = self.slot;
        // The request may end with this; that is no work for under the lock.
        drop(list);
        drop(request);
    }
}

impl List {
    fn push(&mut self, due: Instant, request: Arc<Request>) -> u32 {
        // The order is what makes the first one the first due; who claims to have come earlier waits a little longer.
        let due = match self.slots.get(self.last as usize) {
            Some(last) => due.max(last.due),
            None => due,
        };
        let slot = Slot {
            due,
            request: Some(request),
            before: self.last,
            after: NONE,
        };
        let number = match self.slots.get_mut(self.free as usize) {
            Some(free) => {
                let number = self.free;
                self.free = free.after;
                *free = slot;
                number
            }
            None => {
                self.slots.push(slot);
                self.slots.len() as u32 - 1
            }
        };
        match self.slots.get_mut(self.last as usize) {
            Some(last) => last.after = number,
            None => self.first = number,
        }
        self.last = number;
        number
    }

    fn unlink(&mut self, number: u32) {
        let Slot { before, after, .. } = self.slots[number as usize];
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.after = after,
            None => self.first = after,
        }
        match self.slots.get_mut(after as usize) {
            Some(slot) => slot.before = before,
            None => self.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use smallvec::SmallVec;

    use super::*;
    use crate::budget::{Account, Budget, Share};
    use crate::receipt;

    const MS: Duration = Duration::from_millis(1);

    fn request() -> Arc<Request> {
        let account = Arc::new(Account {
            budget: Budget::new(1),
            stream: Share::of_stream(),
            cluster: Share::of_cluster(),
            owner: None,
        });
        let (slot, held) = (
            receipt::Slot {
                lane: 0,
                partition: 0,
                first: 0,
                count: 0,
            },
            account.hold(0),
        );
        let stamps = Box::default();
        let (ledger, held) = (Arc::default(), held.unwrap());
        let parcels = Request::replay(
            Instant::now(),
            Bytes::new(),
            SmallVec::new(),
            stamps,
            &[slot],
            ledger,
            held,
        );
        Arc::clone(parcels[0].request())
    }

    fn waiting(deadlines: &Deadlines) -> usize {
        let list = deadlines.list();
        let (mut count, mut at, mut before) = (0, list.first, NONE);
        while at != NONE {
            let slot = &list.slots[at as usize];
            assert_eq!(slot.before, before, "both directions agree");
            assert!(slot.request.is_some(), "what waits has a request");
            (before, at) = (at, slot.after);
            count += 1;
        }
        assert_eq!(list.last, before);
        count
    }

    #[test]
    fn what_is_due_is_woken_in_order_and_what_is_not_is_left() {
        let deadlines = Deadlines::default();
        let (request, start) = (request(), Instant::now());
        let places: Vec<_> = (0..4)
            .map(|n| deadlines.enter(&request, start + n * MS, 10 * MS))
            .collect();
        let over = || places.iter().map(Waiting::is_over).collect::<Vec<_>>();
        assert_eq!(deadlines.wake_due(start + 9 * MS, 10 * MS), start + 10 * MS);
        assert_eq!(over(), [false; 4]);
        assert_eq!(
            deadlines.wake_due(start + 11 * MS, 10 * MS),
            start + 12 * MS
        );
        assert_eq!(over(), [true, true, false, false]);
        assert_eq!(waiting(&deadlines), 2);
    }

    #[test]
    fn an_empty_list_is_looked_at_before_the_next_request_can_be_due() {
        let deadlines = Deadlines::default();
        let now = Instant::now();
        let next = deadlines.wake_due(now, 10 * MS);
        let place = deadlines.enter(&request(), now, 10 * MS);
        assert_eq!(next, now + 10 * MS);
        deadlines.wake_due(next, 10 * MS);
        assert!(place.is_over());
    }

    #[test]
    fn requests_leave_from_anywhere_and_their_slots_are_used_again() {
        let deadlines = Deadlines::default();
        let (request, now) = (request(), Instant::now());
        let mut places: Vec<_> = (0..5)
            .map(|_| deadlines.enter(&request, now, 10 * MS))
            .collect();
        for at in [4, 0, 1] {
            drop(places.remove(at));
            assert_eq!(waiting(&deadlines), places.len());
        }
        places.extend((0..3).map(|_| deadlines.enter(&request, now, 10 * MS)));
        assert_eq!((waiting(&deadlines), deadlines.list().slots.len()), (5, 5));
        deadlines.wake_due(now + 10 * MS, 10 * MS);
        assert_eq!(waiting(&deadlines), 0);
        drop(places);
        assert_eq!(Arc::strong_count(&request), 1, "nothing keeps the request");
    }

    #[test]
    fn a_request_that_came_before_the_last_one_does_not_overtake_it() {
        let deadlines = Deadlines::default();
        let (request, now) = (request(), Instant::now());
        let first = deadlines.enter(&request, now + 5 * MS, 10 * MS);
        let second = deadlines.enter(&request, now, 10 * MS);
        deadlines.wake_due(now + 14 * MS, 10 * MS);
        assert!(!first.is_over() && !second.is_over());
        deadlines.wake_due(now + 15 * MS, 10 * MS);
        assert!(first.is_over() && second.is_over());
    }
}
