//! The result: one markdown table of medians, and under it the ratios that have bars.

use super::options::Options;
use super::run::{Found, cpus, ratios};
use crate::endtoend::cases::Case;
use crate::endtoend::figures::median;
use crate::endtoend::meter::Sample;

/// What the gateway may cost at most, as a multiple of the prototype.
const TOY_BAR: f64 = 0.8;

pub(crate) fn print(options: &Options, cases: &[Case], found: &[Found]) {
    println!(
        "\nMedians of {} rounds of {} s; {} partitions, acks=all, linger {}, {}. CPU is that of the whole process, in µs per event.\n",
        options.common.rounds,
        options.common.seconds,
        options.common.partitions,
        options.linger,
        if options.common.unpinned {
            "nothing pinned"
        } else {
            "server on CPU 0, load and broker on CPU 1"
        },
    );
    println!(
        "| case | subject | events/s | user | system | CPU | min..max | p50 ms | p99 ms | RSS MB | broker CPU | not 2xx | others on CPU 0 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (case, found) in cases.iter().zip(found) {
        let subjects = [
            ("bare hyper", &found.bare),
            ("held hyper", &found.held),
            ("raw producer", &found.raw),
            ("raw, 1 partition", &found.joined),
            ("toy", &found.toy),
            ("peer", &found.peer),
            ("other build", &found.other),
            ("forebay", &found.gateway),
        ];
        for (name, samples) in subjects {
            if !samples.is_empty() {
                row(case.name, name, samples);
            }
        }
        if !found.parse.is_empty() {
            let parse = median(found.parse.iter().copied());
            println!("| {} | parse | | | | {parse:.3} | | | | | | | |", case.name);
        }
    }
    for (case, found) in cases.iter().zip(found) {
        println!("\n**{}** ({})", case.name, case.describe());
        print_ratios(case, found);
        if options.common.threads {
            threads("forebay", &found.gateway);
            threads("the other build", &found.other);
            threads("toy", &found.toy);
            threads("raw producer", &found.raw);
        }
    }
}

fn row(case: &str, subject: &str, samples: &[Sample]) {
    let middle = |of: fn(&Sample) -> f64| median(samples.iter().map(of));
    let (least, most) = samples
        .iter()
        .fold((f64::MAX, 0.0_f64), |(least, most), it| {
            (least.min(it.cpu()), most.max(it.cpu()))
        });
    let latency = |of: fn(&Sample) -> f64| match middle(of) {
        0.0 => String::new(),
        ms => format!("{ms:.2}"),
    };
    println!(
        "| {case} | {subject} | {:.0} | {:.3} | {:.3} | {:.3} | {least:.3}..{most:.3} | {} | {} | {:.0} | {:.3} | {} | {:.0} % |",
        middle(|it| it.events_per_second),
        middle(|it| it.user),
        middle(|it| it.system),
        middle(Sample::cpu),
        latency(|it| it.p50_ms),
        latency(|it| it.p99_ms),
        middle(|it| it.resident_mb),
        middle(|it| it.broker),
        samples.iter().map(|it| it.others).sum::<u64>(),
        middle(|it| it.disturbed),
    );
}

fn print_ratios(case: &Case, found: &Found) {
    let gateway = cpus(&found.gateway);
    let toy_bar = format!(" (bar: {TOY_BAR})");
    let bar = case.bar.map(|bar| format!(" (bar: {bar})"));
    let of = [
        (
            "(bare hyper + parse + raw producer)",
            found.limits(),
            bar.as_deref(),
        ),
        (
            "(held hyper + parse + raw producer)",
            found.held_limits(),
            None,
        ),
        (
            "(bare hyper + parse + raw producer with 1 partition)",
            found.joined_limits(),
            None,
        ),
        ("other build", cpus(&found.other), None),
        ("toy", cpus(&found.toy), Some(toy_bar.as_str())),
        ("peer", cpus(&found.peer), None),
    ];
    for (name, cpus, bar) in of {
        let ratios = ratios(&gateway, &cpus);
        if !ratios.is_empty() {
            let bar = bar.unwrap_or_default();
            println!("- forebay / {name} = {:.2}{bar}", median(ratios));
        }
    }
}

/// CPU per event of a subject's threads, those of one name together, from its last measurement.
fn threads(subject: &str, samples: &[Sample]) {
    let Some(sample) = samples.last() else { return };
    let mut sums: Vec<(String, f64)> = Vec::new();
    for (name, cpu) in &sample.threads {
        match sums.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += cpu,
            None => sums.push((name.clone(), *cpu)),
        }
    }
    sums.retain(|(_, cpu)| *cpu >= 0.001);
    let words: Vec<_> = sums
        .iter()
        .map(|(name, cpu)| format!("{name} {cpu:.3}"))
        .collect();
    println!("- threads of {subject}: {}", words.join(", "));
}
