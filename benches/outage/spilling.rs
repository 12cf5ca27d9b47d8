//! Cases in which Kafka is dead and events go to the spill log, and the one that shows what the log costs meanwhile.

use std::time::Duration;

use super::disk;
use super::gateway::{self, Setup, peak_mib};
use super::table::Row;
use crate::endtoend::bench::{Bench, noted};
use crate::endtoend::child::Place;
use crate::endtoend::figures::{median, spread, thousands};
use crate::endtoend::meter::Sample;

/// Durable events per second against the disk and against the CPU.
pub(crate) fn disk(bench: &Bench<'_>, load: &str) -> Vec<Row> {
    let topic = bench.topic();
    let mut found = Vec::new();
    for round in 0..bench.options.rounds {
        eprintln!(" round {}", round + 1);
        let healthy = gateway::fresh(
            bench,
            &Setup {
                topic: &topic.name,
                ..Setup::default()
            },
            load,
        );
        bench.kill_kafka();
        let (bare, parse) = gateway::http_parts(bench, load);
        let spill = bench.spill("spill", &topic.name);
        let setup = Setup {
            topic: &topic.name,
            spill: Some(&spill),
            ..Setup::default()
        };
        let gateway = gateway::start(bench, &setup);
        let pace = bench.options.pace();
        let before = disk::write(bench.folder(), bench.options.seconds / 2.0);
        let ours = gateway::loaded(bench, &gateway, load, &pace, None);
        let ours = noted("spilled", ours);
        let bytes = gateway.metric("forebay_spill_backlog_bytes")
            / gateway.metric("forebay_spill_backlog_events");
        drop(gateway);
        let after = disk::write(bench.folder(), bench.options.seconds / 2.0);
        eprintln!("  write + fdatasync: {before:.0} and {after:.0} MB/s");
        let disk = f64::midpoint(before, after) * 1e6 / bytes;
        // Others may have used the same CPU meanwhile; nobody can use it twice.
        let cpus = cores(bench) - ours.disturbed / 100.0;
        let limits = Limits {
            disk,
            cpu: cpus * 1e6 / healthy.cpu(),
            bare: cpus * 1e6 / (bare.cpu() + parse),
        };
        found.push((ours, limits, healthy));
        std::fs::remove_dir_all(spill).expect("the log goes");
        bench.start_kafka();
    }
    disk_rows(load, &found)
}

/// CPUs that forebay has for itself.
fn cores(bench: &Bench<'_>) -> f64 {
    let all = std::thread::available_parallelism().map_or(1, Into::into);
    match bench.server {
        Place::Cpu(_) => 1.0,
        // The load needs about as much.
        Place::Anywhere => all as f64 / 2.0,
    }
}

/// What bounds the rate, in events per second.
struct Limits {
    /// A plain large write and fdatasync of the same bytes.
    disk: f64,
    /// The CPU that was free, at what an event costs with a healthy Kafka.
    cpu: f64,
    /// The CPU that was free, at what an event costs bare hyper and the decoder.
    bare: f64,
}

fn disk_rows(load: &str, found: &[(Sample, Limits, Sample)]) -> Vec<Row> {
    let of = |value: &dyn Fn(&(Sample, Limits, Sample)) -> f64| median(found.iter().map(value));
    let ratio = |limit: &dyn Fn(&Limits) -> f64| of(&|it| it.0.events_per_second / limit(&it.1));
    let (to_disk, to_cpu) = (ratio(&|it| it.disk), ratio(&|it| it.cpu));
    let nearest: Vec<_> = found
        .iter()
        .map(|(ours, limits, _)| ours.events_per_second / limits.disk.min(limits.cpu))
        .collect();
    let limit = if to_cpu > to_disk {
        "the CPU"
    } else {
        "the disk"
    };
    let row = |against: &str, limit: f64, ratio: f64| Row {
        case: "disk",
        what: format!("durable events/s, {load}"),
        measured: thousands(of(&|it| it.0.events_per_second)),
        against: format!("{against}: {}", thousands(limit)),
        ratio: format!("{ratio:.2}"),
        bar: String::new(),
        is_met: None,
        note: String::new(),
    };
    let middle = median(nearest.iter().copied());
    vec![
        row("write + fdatasync", of(&|it| it.1.disk), to_disk),
        row("CPU, as with a healthy Kafka", of(&|it| it.1.cpu), to_cpu),
        Row {
            bar: "≥ 0.80".into(),
            is_met: Some(middle >= 0.8),
            note: format!(
                "the limit is {limit}; {}; {:.2} µs/event, healthy {:.2}; forebay used {:.0} % of a CPU and others {:.0} %",
                spread(&nearest),
                of(&|it| it.0.cpu()),
                of(&|it| it.2.cpu()),
                of(&|it| it.0.events_per_second * it.0.cpu() / 1e4),
                of(&|it| it.0.disturbed),
            ),
            ..row("the lower one", of(&|it| it.1.disk.min(it.1.cpu)), middle)
        },
        row(
            "CPU of bare HTTP and parsing",
            of(&|it| it.1.bare),
            ratio(&|it| it.bare),
        ),
    ]
}

/// Latency of single events.
pub(crate) fn single(bench: &Bench<'_>) -> Vec<Row> {
    let topic = bench.topic();
    bench.kill_kafka();
    let mut found = Vec::new();
    for _ in 0..bench.options.rounds {
        let spill = bench.spill("spill", &topic.name);
        let setup = Setup {
            topic: &topic.name,
            spill: Some(&spill),
            ..Setup::default()
        };
        found.push(gateway::fresh(bench, &setup, "single64"));
        std::fs::remove_dir_all(spill).expect("the log goes");
    }
    bench.start_kafka();
    let p99s: Vec<_> = found.iter().map(|it| it.p99_ms).collect();
    let p99 = median(p99s.iter().copied());
    vec![Row {
        case: "single",
        what: "latency of single events, Kafka dead".into(),
        measured: format!(
            "p50 {:.2} ms, p99 {p99:.2} ms",
            median(found.iter().map(|it| it.p50_ms))
        ),
        against: String::new(),
        ratio: String::new(),
        bar: "p99 ≤ 10 ms".into(),
        is_met: Some(p99 <= 10.0),
        note: format!(
            "p99 {}; {} events/s; others used {:.0} % of the CPU",
            spread(&p99s),
            thousands(median(found.iter().map(|it| it.events_per_second))),
            median(found.iter().map(|it| it.disturbed))
        ),
    }]
}

/// What the log costs while Kafka is healthy.
pub(crate) fn healthy(bench: &Bench<'_>) -> Vec<Row> {
    let topic = bench.topic();
    let measure = |case: &'static str| {
        let mut ratios = Vec::new();
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for round in 0..bench.options.rounds {
            let spill = bench.spill("spill", &topic.name);
            let mut setups = [None, Some(spill.as_path())];
            // Each goes first as often as the other.
            if round % 2 == 1 {
                setups.reverse();
            }
            for spill in setups {
                let setup = Setup {
                    topic: &topic.name,
                    spill,
                    ..Setup::default()
                };
                let cpu = gateway::fresh(bench, &setup, case).cpu();
                if spill.is_some() {
                    with.push(cpu);
                } else {
                    without.push(cpu);
                }
            }
            ratios.push(with[round] / without[round]);
            std::fs::remove_dir_all(spill).expect("the log goes");
        }
        let ratio = median(ratios.iter().copied());
        Row {
            case: "healthy",
            what: format!("CPU per event with a spill log, {case}"),
            measured: format!("{:.3} µs", median(with)),
            against: format!("without: {:.3} µs", median(without)),
            ratio: format!("{ratio:.3}"),
            bar: "≤ 1.03".into(),
            is_met: Some(ratio <= 1.03),
            note: spread(&ratios),
        }
    };
    vec![measure("single64"), measure("batch50")]
}

/// Peak memory until the quota is full, and a little longer.
pub(crate) fn memory(bench: &Bench<'_>, quota: u64, budget: u64) -> Vec<Row> {
    let topic = bench.topic();
    bench.kill_kafka();
    let spill = bench.spill("spill", &topic.name);
    let setup = Setup {
        topic: &topic.name,
        spill: Some(&spill),
        quota: Some(format!("{quota}GB")),
        budget: Some(format!("{budget}MiB")),
    };
    let gateway = gateway::start(bench, &setup);
    let fresh = peak_mib(gateway.pid());
    let load = gateway::endless(bench, &gateway, "batch50x1024");
    while gateway.metric("forebay_spill_takes") > 0.0 {
        std::thread::sleep(Duration::from_millis(100));
    }
    let events = gateway.metric("forebay_spill_backlog_events");
    // Refusing is work too.
    std::thread::sleep(Duration::from_secs(3));
    let peak = peak_mib(gateway.pid());
    drop((load, gateway));
    std::fs::remove_dir_all(spill).expect("the log goes");
    bench.start_kafka();
    let limit = (budget + 64) as f64;
    vec![Row {
        case: "memory",
        what: format!(
            "peak resident, quota of {quota} GB filled ({} events)",
            thousands(events)
        ),
        measured: format!("{peak:.0} MiB"),
        against: format!("memory.budget {budget} MiB"),
        ratio: String::new(),
        bar: format!("≤ {limit} MiB"),
        is_met: Some(peak <= limit),
        note: format!("{fresh:.0} MiB after the start"),
    }]
}
