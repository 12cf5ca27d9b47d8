//! Finding events, keys and ids in bodies, by the gateway's own decoder in a loop: the CPU that it costs per event. What
//! is compressed is decompressed first, by the libraries' shortest ways.

use std::io::Read as _;
use std::time::{Duration, Instant};

use forebay::decode::{self, Decoded, Pointer, Settings, Wanted};

use super::threads::say;
use crate::endtoend::cases::{Case, Encoding};
use crate::endtoend::child;
use crate::endtoend::load::request::encode;
use crate::support::{self, Numbers, Shape};

/// Decodes for a second and says how many microseconds of CPU each event took.
pub(crate) fn run(case: &Case) {
    let (shape, events, encoding) = (case.shape, case.events, case.encoding);
    let mut numbers = Numbers::new(7);
    let bodies: Vec<_> = (0..200)
        .map(|_| support::body(&mut numbers, shape, events, 0, false))
        .map(|body| encode(&body, encoding))
        .collect();
    let pointer = |text| Some(Pointer::parse(text).expect("a pointer"));
    let wanted = Wanted {
        key: pointer("/user"),
        id: pointer("/id"),
    };
    let limits = Settings::default().limits().expect("the default limits");
    let mut decoded = Decoded::default();
    let mut unzstd = zstd::bulk::Decompressor::new().expect("a decompressor");
    let mut plain = Vec::with_capacity(events * (support::EVENT_BYTES + 1) + 2);
    let mut decode = |body: &[u8]| {
        decoded.clear();
        plain.clear();
        let body = match encoding {
            Encoding::Plain => body,
            Encoding::Gzip => {
                let mut decoder = flate2::bufread::GzDecoder::new(body);
                decoder.read_to_end(&mut plain).expect("a whole body");
                &plain
            }
            Encoding::Zstd => {
                let length = unzstd.decompress_to_buffer(body, &mut plain);
                assert_eq!(length.ok(), Some(plain.len()), "a whole body");
                &plain
            }
        };
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
