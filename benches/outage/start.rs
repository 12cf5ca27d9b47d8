//! Starts with backlogs of several sizes, each after a kill, so that nothing was closed properly.

use std::time::Duration;

use super::gateway::{self, Setup, peak_mib};
use super::table::Row;
use crate::endtoend::bench::Bench;

/// The backlog for which the bar holds, and the bar.
const BAR: (u64, f64) = (5, 2.0);

/// Grows one log and starts on it at each size.
pub(crate) fn run(bench: &Bench<'_>, sizes_gb: &[u64]) -> Vec<Row> {
    let topic = bench.topic();
    bench.kill_kafka();
    let spill = bench.spill("spill", &topic.name);
    let largest = sizes_gb.last().copied().unwrap_or_default();
    let setup = Setup {
        topic: &topic.name,
        spill: Some(&spill),
        quota: Some(format!("{}GB", largest + 1)),
        budget: None,
    };
    let mut rows = Vec::new();
    let mut found = Vec::new();
    for size in sizes_gb.iter().copied() {
        grow(bench, &setup, size);
        let (seconds, fastest, resident) = ready(bench, &setup);
        found.push((size as f64, fastest, resident));
        rows.push(row(size, "away", seconds, resident));
    }
    bench.start_kafka();
    let (seconds, _, resident) = ready(bench, &setup);
    rows.push(row(largest, "there", seconds, resident));
    std::fs::remove_dir_all(spill).expect("the log goes");
    if let [first, .., last] = found[..] {
        // A straight line through the ends; fastest starts, because what disturbs one only adds.
        let at = |of: fn((f64, f64, f64)) -> f64| {
            of(last) + (100.0 - last.0) * (of(last) - of(first)) / (last.0 - first.0)
        };
        rows.push(Row {
            measured: format!("{:.2} s, {:.0} MiB", at(|it| it.1), at(|it| it.2)),
            what: "the same for 100 GB, extrapolated".into(),
            ..row(0, "away", 0.0, 0.0)
        });
    }
    rows
}

/// Fills the log up to a size, and kills its owner.
fn grow(bench: &Bench<'_>, setup: &Setup<'_>, size: u64) {
    let gateway = gateway::start(bench, setup);
    let load = gateway::endless(bench, &gateway, "batch50");
    while gateway.metric("forebay_spill_backlog_bytes") < size as f64 * 1e9 {
        std::thread::sleep(Duration::from_millis(100));
    }
    drop((gateway, load));
}

/// Time until ready, the slowest and the fastest of three starts, and the peak of memory within a second.
fn ready(bench: &Bench<'_>, setup: &Setup<'_>) -> (f64, f64, f64) {
    let starts = (0..3).map(|_| {
        let gateway = gateway::start(bench, setup);
        std::thread::sleep(Duration::from_secs(1));
        let seconds = gateway.ready_after.as_secs_f64();
        (seconds, seconds, peak_mib(gateway.pid()))
    });
    let (slowest, fastest, resident) = starts
        .reduce(|one, other| (one.0.max(other.0), one.1.min(other.1), one.2.max(other.2)))
        .expect("three starts");
    eprintln!("  ready after {fastest:.2} to {slowest:.2} s, {resident:.0} MiB");
    (slowest, fastest, resident)
}

fn row(size: u64, kafka: &str, seconds: f64, resident: f64) -> Row {
    let has_bar = size == BAR.0;
    Row {
        case: "start",
        what: format!("time until ready with {size} GB, Kafka {kafka}"),
        measured: format!("{seconds:.2} s, {resident:.0} MiB"),
        against: String::new(),
        ratio: String::new(),
        bar: if has_bar {
            format!("≤ {} s", BAR.1)
        } else {
            String::new()
        },
        is_met: has_bar.then_some(seconds <= BAR.1),
        note: String::new(),
    }
}
