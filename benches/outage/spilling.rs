//! Cases in which Kafka is dead and events go to the spill log, and the one that shows what the log costs meanwhile.

use std::time::Duration;

use super::bench::{Bench, noted};
use super::disk;
use super::gateway::{Gateway, Setup, peak_mib};
use super::table::{Row, median, spread, thousands};
use crate::endtoend::meter::Sample;
use crate::endtoend::work::Pace;

/// Durable events per second against the disk and against the CPU.
pub(crate) fn disk(bench: &Bench<'_>) -> Vec<Row> {
    let topic = bench.topic();
    let mut found = Vec::new();
    for round in 0..bench.options.rounds {
        eprintln!(" round {}", round + 1);
        let healthy = bench.forebay(
            &Setup {
                topic: &topic.name,
                ..Setup::default()
            },
            "batch50",
        );
        bench.kill_kafka();
        let (bare, parse) = bench.http_parts("batch50");
        let spill = bench.spill("spill", &topic.name);
        let setup = Setup {
            topic: &topic.name,
            spill: Some(&spill),
            ..Setup::default()
        };
        let gateway = Gateway::start(bench, &setup);
        let pace = bench.pace();
        let before = disk::write(bench.folder(), bench.options.seconds / 2.0);
        let ours = bench.loaded(gateway.pid(), gateway.port, "batch50", &pace, None);
        let ours = noted("spilled", ours);
        let bytes = gateway.metric("forebay_spill_backlog_bytes")
            / gateway.metric("forebay_spill_backlog_events");
        drop(gateway);
        let after = disk::write(bench.folder(), bench.options.seconds / 2.0);
        eprintln!("  write + fdatasync: {before:.0} and {after:.0} MB/s");
        let disk = f64::midpoint(before, after) * 1e6 / bytes;
        let cpu = bench.cores() * 1e6 / (bare.cpu() + parse);
        found.push((ours, disk, cpu, healthy));
        std::fs::remove_dir_all(spill).expect("the log goes");
        bench.start_kafka();
    }
    let of = |value: fn(&(Sample, f64, f64, Sample)) -> f64| median(found.iter().map(value));
    let to_disk = of(|it| it.0.events_per_second / it.1);
    let to_cpu = of(|it| it.0.events_per_second / it.2);
    let to_healthy = of(|it| it.0.events_per_second / it.3.events_per_second);
    let ratios: Vec<_> = found
        .iter()
        .map(|it| it.0.events_per_second / it.1.min(it.2))
        .collect();
    let limit = if to_cpu > to_disk {
        "the CPU"
    } else {
        "the disk"
    };
    let busy = of(|it| it.0.events_per_second * it.0.cpu() / 1e4) / bench.cores();
    let row = |against: &str, number: f64, ratio: f64, bar: &str, is_met, note: String| Row {
        case: "disk",
        what: "durable events/s, batches of 50".into(),
        measured: thousands(of(|it| it.0.events_per_second)),
        against: format!("{against}: {}", thousands(number)),
        ratio: format!("{ratio:.2}"),
        bar: bar.into(),
        is_met,
        note,
    };
    let nearest = median(ratios.iter().copied());
    vec![
        row(
            "write + fdatasync",
            of(|it| it.1),
            to_disk,
            "",
            None,
            String::new(),
        ),
        row(
            "CPU of bare HTTP and parsing",
            of(|it| it.2),
            to_cpu,
            "≥ 0.80 of the lower limit",
            Some(nearest >= 0.8),
            format!(
                "lower limit: {limit}; {}; {:.2} µs/event, CPU {busy:.0} % busy",
                spread(&ratios),
                of(|it| it.0.cpu())
            ),
        ),
        row(
            "forebay with a healthy Kafka",
            of(|it| it.3.events_per_second),
            to_healthy,
            "",
            None,
            format!("{:.2} µs/event there", of(|it| it.3.cpu())),
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
        found.push(bench.forebay(&setup, "single64"));
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
            "p99 {}; {} events/s",
            spread(&p99s),
            thousands(median(found.iter().map(|it| it.events_per_second)))
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
                let cpu = bench.forebay(&setup, case).cpu();
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
pub(crate) fn memory(bench: &Bench<'_>) -> Vec<Row> {
    let topic = bench.topic();
    bench.kill_kafka();
    let spill = bench.spill("spill", &topic.name);
    let (quota, budget) = (bench.options.quota_gb, bench.options.budget_mib);
    let setup = Setup {
        topic: &topic.name,
        spill: Some(&spill),
        quota: Some(format!("{quota}GB")),
        budget: Some(format!("{budget}MiB")),
    };
    let gateway = Gateway::start(bench, &setup);
    let fresh = peak_mib(gateway.pid());
    let pace = Pace {
        warm_up: Duration::from_secs(1),
        window: Duration::from_secs(100_000),
        skewed: false,
    };
    let load = bench.load(gateway.port, "batch50", &pace, None);
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
