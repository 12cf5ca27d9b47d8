//! What routing costs: a key's partition, and the plan of a whole request (decoding, keys, partitions, and the events
//! sorted by lane), which is everything that happens between a body and the lanes.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use forebay::budget::Budget;
use forebay::http::plan::{self, Plan, Scratch, Sent};
use forebay::http::{Route, Stream};
use forebay::lane::Cluster;
use forebay::{decode, lane, produce, route};

mod support;

use support::{Numbers, Shape};

const PARTITIONS: usize = 16;

fn partition(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("partition");
    group.throughput(Throughput::Elements(1));
    for length in [16, 36] {
        let keys: Vec<Vec<u8>> = (0..64_u8).map(|first| vec![first; length]).collect();
        let mut keys = keys.iter().cycle();
        group.bench_function(BenchmarkId::new("murmur2", length), |b| {
            b.iter(|| {
                let key = keys.next().expect("a cycle");
                route::partition_of(black_box(key), PARTITIONS)
            });
        });
    }
}

fn request(criterion: &mut Criterion) {
    let cluster = Cluster::new(
        "bench",
        produce::Settings::new("127.0.0.1:1"),
        lane::Settings::default(),
        [lane::TopicOf::new("events", "events")],
        &Budget::new(1 << 30),
        None,
    );
    cluster.set_partitions(0, PARTITIONS);
    let settings = route::Settings {
        key: Some("/user".into()),
        id: Some("/id".into()),
        ..route::Settings::new("bench")
    };
    let topic = &cluster.topics()[0];
    let route = Route::new(&Stream::of(topic), &settings, &cluster, topic).expect("a route");
    let lanes = topic.lanes();
    let limits = decode::Settings::default().limits().expect("limits");
    let mut scratch = Scratch::default();
    let mut group = criterion.benchmark_group("plan");
    for (name, shape, planned, events) in [
        ("one", Shape::Json, plan::Shape::Json, 1),
        ("array", Shape::Json, plan::Shape::Json, 50),
        ("lines", Shape::Ndjson, plan::Shape::Ndjson, 50),
    ] {
        let mut numbers = Numbers::new(3);
        let bodies: Vec<_> = (0..64)
            .map(|_| support::body(&mut numbers, shape, events, 0, false))
            .collect();
        let mut bodies = bodies.iter().cycle();
        group.throughput(Throughput::Elements(events as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let body = bodies.next().expect("a cycle");
                let (sent, mut plan) = (
                    Sent {
                        shape: planned,
                        body,
                        key: None,
                    },
                    Plan::default(),
                );
                plan::plan(&route, &sent, &lanes, &limits, &mut scratch, &mut plan)
                    .expect("every event can be taken");
                black_box(plan::wanted(&plan, &lanes).len())
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = partition, request
}
criterion_main!(benches);
