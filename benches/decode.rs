//! What turning bodies into events costs, per event, beside what `serde_json` would take
//! for the same: checking the whole grammar, finding each event's bytes, its key and id.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use forebay::decode::{Decoded, Limits, Pointer, Settings, Wanted, json, ndjson};
use serde::Deserialize;
use serde_json::value::RawValue;

/// An attribution event as they come: 14 members and an object of 5, about 400 bytes.
/// Lengths differ from one event to the next, or else the branch predictor would learn
/// the one event by heart.
fn event(n: u64) -> String {
    let n = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let pick = |choices: &[&'static str], bits: u32| choices[(n >> bits) as usize % choices.len()];
    let mut text = String::new();
    write!(
        text,
        concat!(
            r#"{{"event_id":"{:08x}-7d5a-7c11-9f2e-{:012x}","type":"{}","app_id":"{}","#,
            r#""ts":{},"device":{{"id":"{:08x}-e5f6-4789-8abc-{:012x}","os":"{}","#,
            r#""os_version":"{}","model":"{}","lat":{}}},"network":"{}","campaign":"{}","#,
            r#""creative":"banner_{}","country":"{}","revenue":{}.{:02},"currency":"EUR","#,
            r#""sdk":"4.{}.1","session":{},"organic":{}}}"#
        ),
        n >> 32,
        n & 0xFFFF_FFFF_FFFF,
        pick(
            &[
                "install",
                "click",
                "impression",
                "purchase",
                "session_start"
            ],
            3
        ),
        pick(&["com.example.game", "com.example.shopping", "io.demo"], 7),
        1_754_380_800_000 + (n >> 30),
        n & 0xFFFF_FFFF,
        n >> 16,
        pick(&["android", "ios"], 11),
        pick(&["14", "17.5.1", "9"], 13),
        pick(&["Pixel 8", "iPhone15,3", "SM-G991B"], 17),
        pick(&["true", "false"], 19),
        pick(&["meta", "google_ads", "unity", "applovin"], 23),
        pick(&["summer_sale", "eu-retargeting-2", "launch"], 29),
        n % 1000,
        pick(&["DE", "US", "BR"], 31),
        n % 100,
        n % 89,
        n % 30,
        n % 70,
        pick(&["true", "false"], 37),
    )
    .expect("writing to a string");
    text
}

#[derive(Deserialize)]
struct Fields<'b> {
    #[serde(borrow)]
    event_id: Cow<'b, str>,
    #[serde(borrow)]
    device: Device<'b>,
}

#[derive(Deserialize)]
struct Device<'b> {
    #[serde(borrow)]
    id: Cow<'b, str>,
}

fn with_serde(text: &str) -> (usize, usize) {
    let fields: Fields<'_> = serde_json::from_str(text).expect("an event");
    (fields.event_id.len(), fields.device.id.len())
}

fn limits() -> Limits {
    Settings::default().limits().expect("the defaults")
}

fn wanted() -> Wanted {
    Wanted {
        key: Some(Pointer::parse("/device/id").expect("a pointer")),
        id: Some(Pointer::parse("/event_id").expect("a pointer")),
    }
}

fn single(c: &mut Criterion) {
    let (wanted, limits, mut out) = (wanted(), limits(), Decoded::default());
    let bodies: Vec<String> = (1..=64).map(event).collect();
    let mut group = c.benchmark_group("single");
    group.throughput(Throughput::Elements(64));
    group.bench_function("forebay", |b| {
        b.iter(|| {
            for body in &bodies {
                json(black_box(body.as_bytes()), &wanted, &limits, &mut out).expect("an event");
                black_box(&out.events);
            }
        });
    });
    group.bench_function("serde_json", |b| {
        b.iter(|| {
            for body in &bodies {
                black_box(with_serde(black_box(body)));
            }
        });
    });
}

fn array(c: &mut Criterion) {
    let (wanted, limits, mut out) = (wanted(), limits(), Decoded::default());
    let events: Vec<String> = (1..=50).map(event).collect();
    let body = format!("[{}]", events.join(","));
    let mut group = c.benchmark_group("array of 50");
    group.throughput(Throughput::Elements(50));
    group.bench_function("forebay", |b| {
        b.iter(|| {
            json(black_box(body.as_bytes()), &wanted, &limits, &mut out).expect("events");
            black_box(&out.events);
        });
    });
    group.bench_function("serde_json", |b| {
        b.iter(|| {
            let body = black_box(body.as_bytes());
            let events: Vec<&RawValue> = serde_json::from_slice(body).expect("events");
            for event in events {
                black_box(with_serde(event.get()));
            }
        });
    });
}

fn lines(c: &mut Criterion) {
    let (wanted, limits, mut out) = (wanted(), limits(), Decoded::default());
    let events: Vec<String> = (1..=50).map(event).collect();
    let body = events.join("\n");
    let mut group = c.benchmark_group("50 lines");
    group.throughput(Throughput::Elements(50));
    group.bench_function("forebay", |b| {
        b.iter(|| {
            ndjson(black_box(body.as_bytes()), &wanted, &limits, &mut out).expect("events");
            black_box(&out.events);
        });
    });
    group.bench_function("serde_json", |b| {
        b.iter(|| {
            for line in black_box(&body).lines() {
                black_box(with_serde(line));
            }
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = single, array, lines
}
criterion_main!(benches);
