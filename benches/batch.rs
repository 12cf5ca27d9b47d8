//! What the bookkeeping of a request costs beside its events' bytes: the memory it's charged for, its parcels (one per
//! lane that it touches), and their way to resolved, as the lanes' worker goes it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use forebay::budget::{Account, Budget, Share};
use forebay::event::{Event, Key};
use forebay::receipt::{self, Arrival, Ledger, Mailbox, Parcels, Request, Slot};
use smallvec::SmallVec;

mod support;

use support::{EVENT_BYTES, KEY, Numbers, Shape};

/// A request's events, spread evenly over lanes, and the slots that say so.
fn events(count: u32, lanes: u32) -> (SmallVec<[Event; 1]>, Vec<Slot>) {
    let starts = support::event_starts(Shape::Json, count as usize);
    let events = (0..).zip(starts).map(|(index, start)| Event {
        index,
        start: start as u32,
        end: (start + EVENT_BYTES) as u32,
        key: Key::Within((start + KEY.start) as u32, (start + KEY.end) as u32),
        header_id: None,
        extra: None,
    });
    let bound = |lane: u32| count * lane / lanes;
    let slots = (0..lanes).map(|lane| Slot {
        lane,
        partition: 0,
        first: bound(lane),
        count: bound(lane + 1) - bound(lane),
    });
    (events.collect(), slots.collect())
}

fn request(criterion: &mut Criterion) {
    let account = Arc::new(Account {
        budget: Budget::new(1 << 30),
        stream: Share::of_stream(),
        cluster: Share::of_cluster(),
        owner: None,
    });
    let (mailbox, ledger) = (Arc::<Mailbox>::default(), Arc::<Ledger>::default());
    let mut group = criterion.benchmark_group("request");
    for (count, lanes) in [(1, 1), (50, 1), (50, 16)] {
        let mut numbers = Numbers::new(3);
        let body = support::body(&mut numbers, Shape::Json, count as usize, 0, false);
        let body = Bytes::from(body);
        let arrival = Arrival::now(Instant::now());
        let build = || -> Parcels {
            let (events, slots) = events(count, lanes);
            let held = account.hold(body.len() as u64).expect("room");
            let (mailbox, ledger) = (Some(Arc::clone(&mailbox)), Arc::clone(&ledger));
            Request::into_parcels(body.clone(), events, &slots, arrival, mailbox, ledger, held)
        };
        group.throughput(Throughput::Elements(1));
        let name = format!("{count} events in {lanes} lanes");
        group.bench_function(BenchmarkId::new("from admission to outcome", name), |b| {
            b.iter(|| {
                let parcels = build();
                for parcel in &parcels {
                    assert!(parcel.claim(), "nobody gave it up");
                    black_box(parcel.acked(parcel.count()));
                }
                receipt::settle(&parcels)
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = request
}
criterion_main!(benches);
