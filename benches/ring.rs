//! What the way through a lane's ring costs per parcel, with its bounds in bytes and events, beside crossbeam's array ring,
//! which has a bound in parcels and reserves all of its slots. Within one thread, and from one and two threads to another.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_queue::ArrayQueue;
use forebay::budget::{Account, Budget, Share};
use forebay::event::{Event, Key};
use forebay::lane::ring::Ring;
use forebay::receipt::{Arrival, Parcel, Request, Slot};

/// Slots of the array ring, and what the lane's ring may hold.
const ROOM: u32 = 4_096;
const EVENT_BYTES: u64 = 400;

/// What both rings can do.
trait Queue: Send + Sync {
    /// Adds a parcel if there's room.
    fn push(&self, parcel: &Arc<Parcel>) -> bool;
    /// Takes one, and gives its room back.
    fn pop(&self) -> bool;
}

impl Queue for Ring {
    fn push(&self, parcel: &Arc<Parcel>) -> bool {
        let fits = self.reserve(EVENT_BYTES, 1, u64::MAX, ROOM);
        if fits {
            Ring::push(self, Arc::clone(parcel));
        }
        fits
    }

    fn pop(&self) -> bool {
        let Some(parcel) = Ring::pop(self) else {
            return false;
        };
        self.release(parcel.bytes(), parcel.count());
        true
    }
}

impl Queue for ArrayQueue<Arc<Parcel>> {
    fn push(&self, parcel: &Arc<Parcel>) -> bool {
        ArrayQueue::push(self, Arc::clone(parcel)).is_ok()
    }

    fn pop(&self) -> bool {
        ArrayQueue::pop(self).is_some()
    }
}

fn parcel() -> Arc<Parcel> {
    let account = Arc::new(Account {
        budget: Budget::new(1 << 30),
        stream: Share::of_stream(),
        cluster: Share::of_cluster(),
        owner: None,
    });
    let event = Event {
        index: 0,
        start: 0,
        end: EVENT_BYTES as u32,
        key: Key::None,
        header_id: None,
        extra: None,
    };
    let slot = Slot {
        lane: 0,
        partition: 0,
        first: 0,
        count: 1,
    };
    let parcels = Request::into_parcels(
        Bytes::from_static(&[b' '; EVENT_BYTES as usize]),
        std::iter::once(event).collect(),
        &[slot],
        Arrival::now(Instant::now()),
        None,
        Arc::default(),
        account.hold(EVENT_BYTES).expect("room"),
    );
    // It is sent and resolved, so that nobody counts it as lost at the end.
    assert!(parcels[0].claim() && parcels[0].acked(1));
    Arc::clone(&parcels[0])
}

/// The time that `count` parcels take from some threads to this one.
fn across(queue: &dyn Queue, producers: u64, count: u64) -> Duration {
    let start = Barrier::new(producers as usize + 1);
    let each = count.div_ceil(producers);
    std::thread::scope(|scope| {
        for _ in 0..producers {
            scope.spawn(|| {
                // A parcel of its own, or else the threads would share its count.
                let parcel = parcel();
                start.wait();
                for _ in 0..each {
                    while !queue.push(&parcel) {
                        std::thread::yield_now();
                    }
                }
            });
        }
        start.wait();
        let begun = Instant::now();
        let mut left = each * producers;
        while left > 0 {
            if queue.pop() {
                left -= 1;
            } else {
                std::thread::yield_now();
            }
        }
        begun.elapsed()
    })
}

fn rings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    group.throughput(Throughput::Elements(1));
    let parcel = parcel();
    let (lane, array) = (Ring::default(), ArrayQueue::new(ROOM as usize));
    let queues: [(&str, &dyn Queue); 2] = [("lane", &lane), ("array", &array)];
    for (name, queue) in queues {
        group.bench_function(BenchmarkId::new(name, "push and pop"), |b| {
            b.iter(|| queue.push(&parcel) && queue.pop());
        });
        for producers in [1, 2] {
            let id = BenchmarkId::new(name, format!("from {producers} threads"));
            group.bench_function(id, |b| {
                b.iter_custom(|count| across(queue, producers, count));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = rings
}
criterion_main!(benches);
