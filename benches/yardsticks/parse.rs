//! Finding events, keys and ids in bodies, by the gateway's own decoder in a loop: the CPU that it costs per event.

use std::time::{Duration, Instant};

use forebay::decode::{self, Decoded, Pointer, Settings, Wanted};

use super::threads::say;
use crate::endtoend::child;
use crate::support::{self, Numbers, Shape};

/// Decodes for a second and says how many microseconds of CPU each event took.
pub(crate) fn run(shape: Shape, events: usize) {
    let mut numbers = Numbers::new(7);
    let bodies: Vec<_> = (0..200)
        .map(|_| support::body(&mut numbers, shape, events, 0, false))
        .collect();
    let pointer = |text| Some(Pointer::parse(text).expect("a pointer"));
    let wanted = Wanted {
        key: pointer("/user"),
        id: pointer("/id"),
    };
    let limits = Settings::default().limits().expect("the default limits");
    let mut decoded = Decoded::default();
    let mut decode = |body: &[u8]| {
        decoded.clear();
        match shape {
            Shape::Json => decode::json(body, &wanted, &limits, &mut decoded),
            Shape::Ndjson => decode::ndjson(body, &wanted, &limits, &mut decoded),
        }
        .expect("the bodies are well-formed");
        assert_eq!(
            std::hint::black_box(&decoded).events.len(),
            events,
            "every event is found"
        );
    };
    bodies.iter().for_each(|body| decode(body));
    let pid = std::process::id();
    let (before, begun, mut done) = (child::cpu(pid), Instant::now(), 0_u64);
    while begun.elapsed() < Duration::from_secs(1) {
        bodies.iter().for_each(|body| decode(body));
        done += (bodies.len() * events) as u64;
    }
    let spent = child::cpu(pid) - before;
    say(&format!("parse {:.4}", spent.total() * 1e6 / done as f64));
}
