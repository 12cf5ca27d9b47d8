//! The window by itself: against a plain list of events, and the search for the one that Kafka refuses.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::budget::{Account, Budget, Share};
use crate::event::{Event, Key};
use crate::lane::window::Window;
use crate::produce::topic_limits::batch_bytes;
use crate::receipt::{Parcel, Request, Slot};
use crate::spill::Position;

/// A parcel of `count` events of one byte. Nobody waits for it.
fn parcel(count: u32) -> Arc<Parcel> {
    let events = (0..count).map(|index| Event {
        index,
        start: index,
        end: index + 1,
        key: Key::None,
        header_id: None,
        extra: None,
    });
    let account = Arc::new(Account {
        budget: Budget::new(1 << 20),
        stream: Share::of_stream(),
        cluster: Share::of_cluster(),
        owner: None,
    });
    let slot = Slot {
        lane: 0,
        partition: 0,
        first: 0,
        count,
    };
    let (body, held) = (
        Bytes::from(vec![b'x'; count as usize]),
        account.hold(0).unwrap(),
    );
    let stamps = vec![0; count as usize].into();
    let (now, ledger) = (Instant::now(), Arc::default());
    Request::replay(now, body, events.collect(), stamps, &[slot], ledger, held).remove(0)
}

fn at(lsn: u64) -> Position {
    Position { lsn, ordinal: lsn }
}

fn positions(again: Option<Vec<(Arc<Parcel>, u32)>>) -> Option<Vec<u32>> {
    again.map(|again| again.into_iter().map(|(_, position)| position).collect())
}

#[test]
fn acknowledgements_skip_what_failed_and_what_came_back() {
    let (mut window, one) = (Window::default(), parcel(4));
    window.push(Arc::clone(&one), None);
    window.failed(&one, 1);
    window.came_back(&one, 0);
    assert_eq!(window.acked(&one, 2), 2);
    assert_eq!(window.outstanding(), 0);
    assert_eq!(positions(window.take_rewind(u64::MAX)), Some(vec![0]));
    window.acked(&one, 1);
    assert!(window.is_empty() && !window.is_rewinding());
}

#[test]
fn an_event_that_fails_twice_counts_once() {
    let (mut window, one) = (Window::default(), parcel(2));
    window.push(Arc::clone(&one), Some(at(7)));
    window.failed(&one, 0);
    window.failed(&one, 0);
    assert!(!window.is_empty(), "the other event is on its way");
    assert_eq!(window.take_arrived(), None);
}

#[test]
fn nothing_is_sent_again_before_all_has_come_back_and_then_in_order() {
    let (mut window, one, two) = (Window::default(), parcel(2), parcel(2));
    window.push(Arc::clone(&one), None);
    window.push(Arc::clone(&two), None);
    for (parcel, position) in [(&two, 1), (&one, 1), (&one, 0)] {
        window.came_back(parcel, position);
        assert!(window.is_rewinding() && window.take_rewind(u64::MAX).is_none());
    }
    window.came_back(&two, 0);
    assert_eq!(
        positions(window.take_rewind(u64::MAX)),
        Some(vec![0, 1, 0, 1])
    );
    assert_eq!(window.outstanding(), 4);
}

#[test]
fn a_lost_client_leaves_everything_unresolved_to_be_sent_again() {
    let mut window = Window::default();
    window.client_gone();
    assert!(!window.is_rewinding(), "nothing was there");
    let one = parcel(5);
    window.push(Arc::clone(&one), None);
    window.acked(&one, 1);
    window.failed(&one, 2);
    window.came_back(&one, 3);
    window.client_gone();
    assert_eq!(positions(window.take_rewind(u64::MAX)), Some(vec![1, 3, 4]));
    window.client_gone();
    assert_eq!(positions(window.take_rewind(u64::MAX)), Some(vec![1, 3, 4]));
    window.acked(&one, 3);
    assert!(window.is_empty() && !window.is_rewinding());
}

#[test]
fn what_is_being_buried_is_neither_sent_again_nor_counted_twice() {
    let (mut window, one) = (Window::default(), parcel(2));
    window.push(Arc::clone(&one), Some(at(3)));
    window.bury(&one, 0);
    window.client_gone();
    assert_eq!(positions(window.take_rewind(u64::MAX)), Some(vec![1]));
    window.acked(&one, 1);
    assert!(!window.is_empty());
    window.buried(&one, 0, false);
    assert_eq!(positions(window.take_rewind(u64::MAX)), Some(vec![0]));
    window.bury(&one, 0);
    window.buried(&one, 0, true);
    assert!(window.is_empty() && !window.is_rewinding());
    assert_eq!(window.take_arrived(), Some(at(3)));
}

#[test]
fn the_log_is_released_only_up_to_what_has_arrived() {
    let (mut window, one, two) = (Window::default(), parcel(1), parcel(1));
    window.push(Arc::clone(&one), None);
    window.push(Arc::clone(&two), None);
    assert!(window.stored(&one, at(1)) && window.stored(&two, at(2)));
    window.acked(&two, 1);
    assert_eq!(window.take_arrived(), None, "the first isn't there");
    window.acked(&one, 1);
    assert_eq!(window.take_arrived(), Some(at(2)));
    assert_eq!(window.take_arrived(), None);
    assert!(!window.stored(&two, at(2)), "it has arrived meanwhile");
}

/// Kafka takes batches of `batch` events, and refuses those that contain one of `bad`. Returns how many flights that took.
fn search(counts: &[u32], bad: &[usize], batch: usize) -> u32 {
    let mut window = Window::default();
    let parcels: Vec<_> = counts.iter().map(|count| parcel(*count)).collect();
    let mut all = Vec::new();
    for parcel in &parcels {
        window.push(Arc::clone(parcel), None);
        all.extend((0..parcel.count()).map(|position| (Arc::clone(parcel), position)));
    }
    let number = |event: &(Arc<Parcel>, u32)| {
        let same = |other: &&(Arc<Parcel>, u32)| Arc::ptr_eq(&other.0, &event.0);
        let before = parcels
            .iter()
            .take_while(|parcel| !Arc::ptr_eq(parcel, &event.0));
        let before: u32 = before.map(|parcel| parcel.count()).sum();
        debug_assert!(all.iter().any(|other| same(&other)));
        (before + event.1) as usize
    };
    let (mut stored, mut refused, mut rounds) = (Vec::new(), Vec::new(), 0);
    let mut hands: VecDeque<_> = all.iter().cloned().collect();
    while !window.is_empty() {
        rounds += 1;
        assert!(rounds < 20_000, "it never ends");
        while !hands.is_empty() {
            let sent: Vec<_> = hands.drain(..batch.min(hands.len())).collect();
            if sent.iter().all(|event| !bad.contains(&number(event))) {
                stored.extend(sent.iter().map(number));
                for (parcel, _) in &sent {
                    window.acked(parcel, 1);
                }
                continue;
            }
            for event in &sent {
                if window.was_alone() {
                    refused.push(number(event));
                    window.failed(&event.0, event.1);
                } else {
                    window.suspect();
                    window.came_back_unstored(&event.0, event.1);
                }
            }
            // What is behind comes back as well.
            for (parcel, at) in hands.drain(..) {
                window.came_back(&parcel, at);
            }
        }
        hands.extend(window.take_rewind(u64::MAX).unwrap_or_default());
    }
    assert_eq!(refused, bad, "exactly the bad ones, each alone");
    assert!(stored.is_sorted_by(|one, other| one < other), "{stored:?}");
    assert_eq!(stored.len() + refused.len(), all.len());
    assert!(!window.is_rewinding());
    rounds
}

#[test]
fn one_bad_event_is_found_in_few_flights_and_the_others_do_not_go_one_by_one() {
    for at in [0, 1, 511, 700, 1_023] {
        let flights = search(&[1_024], &[at], usize::MAX);
        // Ten halvings to it, and as many doublings behind it; some of both where a doubling meets it.
        assert!(flights < 60, "{flights} flights for {at}");
    }
    // Each bad event costs a flight of its own, and at most one more for those behind it.
    let all: Vec<_> = (0..100).collect();
    let flights = search(&[1; 100], &all, usize::MAX);
    assert!(flights < 220, "{flights} flights");
}

/// Steps that a window takes for `count` events in parcels of `each`: all come back, are sent again, every tenth fails, and the rest
/// is acknowledged.
fn steps(count: u32, each: u32) -> u64 {
    let mut window = Window::default();
    let parcels: Vec<_> = (0..count / each).map(|_| parcel(each)).collect();
    for parcel in &parcels {
        window.push(Arc::clone(parcel), None);
    }
    let all = || {
        parcels
            .iter()
            .flat_map(|parcel| (0..each).map(move |at| (parcel, at)))
    };
    for (parcel, at) in all() {
        window.came_back(parcel, at);
    }
    let again = window.take_rewind(u64::MAX).unwrap();
    assert_eq!(again.len(), count as usize);
    for (number, (parcel, at)) in all().enumerate() {
        match number % 10 {
            0 => window.bury(parcel, at),
            1 => window.failed(parcel, at),
            2 => {
                window.suspect();
                window.came_back_unstored(parcel, at)
            }
            _ => window.acked(parcel, 1),
        };
    }
    for (number, (parcel, at)) in all().enumerate() {
        if number % 10 == 0 {
            window.buried(parcel, at, number % 20 == 0);
        }
    }
    window.begin_small(16);
    let mut delayed = std::collections::HashSet::new();
    while let Some(flight) = window.take_rewind(u64::MAX) {
        for (parcel, at) in flight {
            // An outage in the middle of it all.
            if at == each / 2 && delayed.insert(Arc::as_ptr(&parcel)) {
                window.came_back(&parcel, at);
            } else {
                window.acked(&parcel, 1);
            }
        }
    }
    window.steps()
}

#[test]
fn what_a_window_costs_grows_with_its_events_and_not_with_their_square() {
    for each in [1_000, 10, 1] {
        let (few, many) = (steps(1_000, each), steps(10_000, each));
        assert!(
            many < 20 * few,
            "{few} and {many} steps in parcels of {each}"
        );
        assert!(few < 40 * 1_000, "{few} steps in parcels of {each}");
    }
}

/// A window, and the same as a list: each event is resolved, in the client's hands, or has come back.
#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Held,
    Back,
    Dying,
    Done,
}

proptest! {
    #[test]
    fn exactly_the_bad_events_fail_each_alone(
        counts in vec(1..9u32, 1..6),
        marks in vec(prop::bool::weighted(0.1), 60),
        batch in 1..20usize,
    ) {
        let all = counts.iter().sum::<u32>() as usize;
        let bad: Vec<_> = (0..all).filter(|number| marks[*number]).collect();
        search(&counts, &bad, batch);
    }

    #[test]
    fn a_window_is_a_list_of_events(steps in vec((0..7u8, 1..5u32), 1..80)) {
        let mut window = Window::default();
        let mut list: Vec<(Arc<Parcel>, u32, State)> = Vec::new();
        let mut stored: Vec<(Arc<Parcel>, Position)> = Vec::new();
        for (step, count) in steps {
            let held = list.iter().position(|(_, _, state)| *state == State::Held);
            match (step, held) {
                (0, _) if !window.is_rewinding() => {
                    let new = parcel(count);
                    let position = at(stored.len() as u64 + 1);
                    window.push(Arc::clone(&new), Some(position));
                    list.extend((0..count).map(|event| (Arc::clone(&new), event, State::Held)));
                    stored.push((new, position));
                }
                // Reports come in the order in which events are held.
                (1 | 2, Some(first)) => {
                    window.acked(&list[first].0, 1);
                    list[first].2 = State::Done;
                }
                (3, Some(first)) => {
                    window.came_back(&list[first].0, list[first].1);
                    list[first].2 = State::Back;
                }
                (4, Some(first)) => {
                    window.bury(&list[first].0, list[first].1);
                    list[first].2 = State::Dying;
                }
                (5, _) => {
                    let dying = list.iter_mut().find(|(_, _, state)| *state == State::Dying);
                    if let Some((parcel, event, state)) = dying {
                        let is_stored = count > 1;
                        window.buried(parcel, *event, is_stored);
                        *state = if is_stored { State::Done } else { State::Back };
                    }
                }
                (6, _) if count == 1 => {
                    window.client_gone();
                    let held = list.iter_mut().filter(|(_, _, state)| *state == State::Held);
                    held.for_each(|(_, _, state)| *state = State::Back);
                }
                _ => {}
            }
            let outstanding = list.iter().filter(|(_, _, state)| *state == State::Held).count();
            prop_assert_eq!(window.outstanding() as usize, outstanding);
            if let Some(again) = window.take_rewind(u64::MAX) {
                prop_assert_eq!(outstanding, 0);
                let mut again = again.into_iter();
                for (parcel, event, state) in list.iter_mut().filter(|(_, _, state)| *state == State::Back) {
                    let (same, position) = again.next().unwrap();
                    prop_assert!(Arc::ptr_eq(&same, parcel) && position == *event);
                    *state = State::Held;
                }
                prop_assert!(again.next().is_none());
            }
            let open = list.iter().position(|(_, _, state)| *state != State::Done);
            prop_assert_eq!(window.is_empty(), open.is_none());
            let front = open.map(|open| Arc::clone(&list[open].0));
            let arrived = stored.iter().take_while(|(parcel, _)| {
                front.as_ref().is_none_or(|front| !Arc::ptr_eq(parcel, front))
            });
            let expected = arrived.last().map(|(_, position)| *position);
            let told = window.take_arrived();
            prop_assert!(told.is_none() || told == expected, "{:?} instead of {:?}", told, expected);
        }
    }
}

#[test]
fn what_is_too_large_for_one_batch_goes_in_several_one_after_the_other() {
    let (mut window, one) = (Window::default(), parcel(7));
    window.push_waiting(Arc::clone(&one), None);
    assert_eq!((window.outstanding(), window.is_rewinding()), (0, true));
    let max_batch = batch_bytes(3, 3);
    for flight in [vec![0, 1, 2], vec![3, 4, 5], vec![6]] {
        let count = flight.len() as u32;
        assert_eq!(positions(window.take_rewind(max_batch)), Some(flight));
        assert!(window.take_rewind(max_batch).is_none(), "one at a time");
        window.acked(&one, count);
    }
    assert!(window.is_empty() && !window.is_rewinding());
    // An event that is larger than that goes alone.
    window.push_waiting(Arc::clone(&one), None);
    assert_eq!(positions(window.take_rewind(1)), Some(vec![0]));
}
