//! Receipts: resolved once, also when the client's deadline and the lane race for them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;
use std::time::Instant;

use smallvec::SmallVec;

use super::{Arrival, Cause, Ledger, Mailbox, Outcome, Parcels, Request, Slot, settle};
use crate::budget::{Account, Budget, Share};
use crate::event::{Event, Key};

fn request(per_lane: &[u32]) -> (Parcels, Arc<Ledger>, Arc<Budget>) {
    let budget = Budget::new(1_000_000);
    let account = Arc::new(Account {
        budget: Arc::clone(&budget),
        stream: Share::of_stream(),
        cluster: Share::of_cluster(),
        owner: None,
    });
    let ledger = Arc::<Ledger>::default();
    let total: u32 = per_lane.iter().sum();
    let events: SmallVec<[Event; 1]> = (0..total)
        .map(|index| Event {
            index,
            start: index,
            end: index + 1,
            key: Key::None,
            header_id: None,
            extra: None,
        })
        .collect();
    let mut first = 0;
    let slots: Vec<_> = (0..)
        .zip(per_lane)
        .map(|(lane, count)| {
            let slot = Slot {
                lane,
                partition: 0,
                first,
                count: *count,
            };
            first += count;
            slot
        })
        .collect();
    let held = account.hold(u64::from(total)).unwrap();
    let body = vec![b'x'; total as usize].into();
    let mailbox = Arc::<Mailbox>::default();
    let arrival = Arrival::now(Instant::now());
    let parcels = Request::into_parcels(
        body,
        events,
        &slots,
        arrival,
        Some(mailbox),
        Arc::clone(&ledger),
        held,
    );
    (parcels, ledger, budget)
}

#[test]
fn a_request_is_finished_when_its_last_event_is_resolved() {
    let (parcels, ledger, budget) = request(&[2, 1]);
    assert!(parcels.iter().all(|parcel| parcel.claim()));
    assert!(!parcels[0].acked(1));
    assert!(!parcels[1].acked(1));
    assert_eq!(ledger.in_flight(), 1);
    assert!(parcels[0].acked(1));
    let outcome = settle(&parcels);
    assert_eq!((outcome.acked, outcome.not_acked.len()), (3, 0));
    drop(parcels);
    assert_eq!(
        (ledger.in_flight(), ledger.lost.load(Acquire), budget.used()),
        (0, 0, 0)
    );
}

#[test]
fn at_the_deadline_what_waits_is_refused_and_what_was_sent_is_unknown() {
    let (parcels, ledger, _budget) = request(&[1, 2, 2]);
    assert!(parcels[1].claim() && parcels[2].claim());
    parcels[1].acked(1);
    parcels[2].failed(1, Cause::TooLargeForKafka);
    let expected = [
        (0, Cause::Timeout),
        (2, Cause::Unknown),
        (3, Cause::Unknown),
        (4, Cause::TooLargeForKafka),
    ];
    assert_eq!(
        settle(&parcels),
        Outcome {
            acked: 1,
            spilled: 0,
            queued: 0,
            not_acked: expected.into()
        }
    );
    assert!(!parcels[0].claim(), "what was refused is never sent");
    parcels[1].acked(1);
    parcels[2].acked(1);
    assert_eq!((ledger.late.load(Acquire), ledger.in_flight()), (2, 0));
}

#[test]
fn a_parcel_that_is_dropped_unresolved_counts_as_lost() {
    let (parcels, ledger, _budget) = request(&[3]);
    assert!(parcels[0].claim());
    parcels[0].acked(1);
    drop(parcels);
    assert_eq!(ledger.lost.load(Acquire), 2);
}

/// The lane refuses, or sends and is acknowledged, while the deadline passes: whatever the order, the answer never calls
/// an event acked that isn't, and the ledger adds up.
#[test]
fn the_deadline_and_the_lane_race_and_the_answer_is_true() {
    for round in 0..20_000 {
        let (parcels, ledger, _budget) = request(&[1, 1]);
        let lane = parcels.clone();
        let refuses = round % 2 == 0;
        let worker = std::thread::spawn(move || {
            for parcel in &lane {
                if refuses {
                    parcel.refuse(Cause::Draining);
                } else if parcel.claim() {
                    parcel.acked(1);
                }
            }
        });
        let outcome = settle(&parcels);
        worker.join().unwrap();
        let acked = ledger.acked.load(Acquire);
        assert!(
            u64::from(outcome.acked) <= acked,
            "round {round}: {outcome:?}, {acked} acked"
        );
        assert_eq!(outcome.acked as usize + outcome.not_acked.len(), 2);
        assert_eq!((ledger.in_flight(), ledger.lost.load(Acquire)), (0, 0));
    }
}
