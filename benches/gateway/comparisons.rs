//! One case against another, in the same round: what more connections, partitions, clusters or other settings cost.

use std::fmt::Write as _;

use super::run::{Found, ratios};
use crate::endtoend::cases::Case;
use crate::endtoend::figures::{median, spread};
use crate::endtoend::meter::Sample;

/// What is compared, and how both are offered. *Paced* are offered the same rate; all others are saturated.
const PAIRS: &[(&str, &str, &str)] = &[
    ("1,000 over 64 connections", "single1000", "single64"),
    ("10,000 over 64 connections", "single10000", "single64"),
    (
        "10,000 over 64 connections, same rate",
        "single10000paced",
        "single64paced",
    ),
    ("1 over 16 partitions, single", "single64p1", "single64"),
    ("64 over 16 partitions, single", "single64p64", "single64"),
    ("256 over 16 partitions, single", "single64p256", "single64"),
    ("1 over 16 partitions", "batch50p1", "batch50"),
    ("64 over 16 partitions", "batch50p64", "batch50"),
    ("256 over 16 partitions", "batch50p256", "batch50"),
    (
        "64 over 16 partitions, same rate",
        "batch50p64paced",
        "batch50paced",
    ),
    (
        "256 over 16 partitions, same rate",
        "batch50p256paced",
        "batch50paced",
    ),
    ("8 clusters over 1, single", "single64c8", "single64"),
    ("8 clusters over 1", "batch50c8", "batch50"),
    ("lz4 to Kafka over none", "batch50lz4", "batch50"),
    ("zstd to Kafka over none", "batch50zstd", "batch50"),
    ("bodies in gzip over plain", "gzip50", "batch50"),
    ("bodies in zstd over plain", "zstd50", "batch50"),
    ("lines over an array", "ndjson50", "batch50"),
    ("disk over durable, single", "single64disk", "single64"),
    ("memory over durable, single", "single64memory", "single64"),
    ("disk over durable", "batch50disk", "batch50"),
    ("memory over durable", "batch50memory", "batch50"),
    (
        "a route over the native endpoint, single",
        "route64",
        "single64",
    ),
    (
        "a route over the native endpoint, single, same rate",
        "route64paced",
        "single64paced",
    ),
    ("a route over the native endpoint", "route50", "batch50"),
    (
        "a route over the native endpoint, same rate",
        "route50half",
        "batch50half",
    ),
];

/// A table of those whose cases were both measured.
pub(crate) fn table(cases: &[Case], found: &[Found]) -> String {
    let of = |name: &str| {
        let mut all = cases.iter().zip(found);
        all.find(|(case, _)| case.name == name)
            .map(|(_, found)| &found.gateway)
    };
    let mut text =
        "| comparison | CPU per event | min..max | events/s | p99 |\n|---|---|---|---|---|\n"
            .to_owned();
    for (what, one, other) in PAIRS {
        let (Some(one), Some(other)) = (of(one), of(other)) else {
            continue;
        };
        let ratios = |figure: fn(&Sample) -> f64| {
            let figures = |samples: &[Sample]| samples.iter().map(figure).collect::<Vec<_>>();
            ratios(&figures(one), &figures(other))
        };
        let cpu = ratios(Sample::cpu);
        writeln!(
            text,
            "| {what} | {:.2} | {} | {:.2} | {:.2} |",
            median(cpu.iter().copied()),
            spread(&cpu),
            median(ratios(|it| it.events_per_second)),
            median(ratios(|it| it.p99_ms)),
        )
        .expect("a string takes everything");
    }
    text
}
