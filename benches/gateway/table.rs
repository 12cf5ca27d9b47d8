//! The result: one markdown table of medians, and under it the ratios that have bars.

use super::cases::Found;
use super::options::Options;
use super::subjects::describe;
use crate::endtoend::meter::Sample;
use crate::endtoend::work::Case;

/// What the gateway may cost at most, as a multiple of the prototype.
const TOY_BAR: f64 = 0.8;

pub(crate) fn print(options: &Options, cases: &[Case], found: &[Found]) {
    println!(
        "\nMedians of {} rounds of {} s; {} partitions, acks=all, linger {}, {}. CPU is that of the whole process, in µs per event.\n",
        options.rounds,
        options.seconds,
        options.partitions,
        options.linger,
        if options.unpinned {
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
            ("toy", &found.toy),
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
        println!("\n**{}** ({})", case.name, describe(case));
        ratios(case, found);
        if options.threads {
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

/// Ratios are taken within each round, because the machine is another one in the next.
fn ratios(case: &Case, found: &Found) {
    let cpus = |samples: &[Sample]| -> Vec<f64> { samples.iter().map(Sample::cpu).collect() };
    let gateway = cpus(&found.gateway);
    let parts = cpus(&found.bare)
        .into_iter()
        .zip(&found.parse)
        .zip(cpus(&found.raw))
        .map(|((bare, parse), raw)| bare + parse + raw);
    let to_parts: Vec<_> = gateway
        .iter()
        .zip(parts)
        .map(|(it, parts)| it / parts)
        .collect();
    let to_toy: Vec<_> = gateway
        .iter()
        .zip(cpus(&found.toy))
        .map(|(it, toy)| it / toy)
        .collect();
    if !to_parts.is_empty() {
        let bar = case
            .bar
            .map_or(String::new(), |bar| format!(" (bar: {bar})"));
        println!(
            "- forebay / (bare hyper + parse + raw producer) = {:.2}{bar}",
            median(to_parts)
        );
    }
    let to_held: Vec<_> = gateway
        .iter()
        .zip(cpus(&found.held))
        .zip(&found.parse)
        .zip(cpus(&found.raw))
        .map(|(((it, held), parse), raw)| it / (held + parse + raw))
        .collect();
    if !to_held.is_empty() {
        println!(
            "- forebay / (held hyper + parse + raw producer) = {:.2}",
            median(to_held)
        );
    }
    let to_other = gateway.iter().zip(cpus(&found.other));
    let to_other: Vec<_> = to_other.map(|(it, other)| it / other).collect();
    if !to_other.is_empty() {
        println!("- forebay / other build = {:.2}", median(to_other));
    }
    if !to_toy.is_empty() {
        println!("- forebay / toy = {:.2} (bar: {TOY_BAR})", median(to_toy));
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

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
