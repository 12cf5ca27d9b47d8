//! The run: all subjects of all cases, interleaved, so that what disturbs the machine disturbs all alike.

use std::time::Instant;

use super::options::Options;
use super::subjects::Subjects;
use super::{estimate, results, table};
use crate::endtoend::bench::{Bench, noted};
use crate::endtoend::cases::{CASES, Case, OTHERS};
use crate::endtoend::child::allow_files;
use crate::endtoend::meter::Sample;

/// All samples of one case, one of each round.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) bare: Vec<Sample>,
    pub(crate) held: Vec<Sample>,
    pub(crate) gateway: Vec<Sample>,
    /// Another build of the gateway.
    pub(crate) other: Vec<Sample>,
    pub(crate) raw: Vec<Sample>,
    /// The raw producer with one partition.
    pub(crate) joined: Vec<Sample>,
    pub(crate) toy: Vec<Sample>,
    /// What somebody might use instead.
    pub(crate) peer: Vec<Sample>,
    pub(crate) parse: Vec<f64>,
}

impl Found {
    /// What the parts cost together, in each round: HTTP, parsing, and Kafka.
    pub(crate) fn limits(&self) -> Vec<f64> {
        self.parts(&self.bare, &self.raw)
    }

    /// The same with held answers.
    pub(crate) fn held_limits(&self) -> Vec<f64> {
        self.parts(&self.held, &self.raw)
    }

    /// The limits, if all partitions went in one request.
    pub(crate) fn joined_limits(&self) -> Vec<f64> {
        self.parts(&self.bare, &self.joined)
    }

    fn parts(&self, http: &[Sample], raw: &[Sample]) -> Vec<f64> {
        let parts = http.iter().zip(&self.parse).zip(raw);
        parts
            .map(|((http, parse), raw)| http.cpu() + parse + raw.cpu())
            .collect()
    }
}

/// CPU per event in each round.
pub(crate) fn cpus(samples: &[Sample]) -> Vec<f64> {
    samples.iter().map(Sample::cpu).collect()
}

/// Ratios are taken within each round, because the machine is another one in the next.
pub(crate) fn ratios(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of / to).collect()
}

/// Measures what the options ask for and prints the table.
pub(crate) fn run(options: &Options) {
    if options.cases == "list" {
        for case in CASES {
            println!("{:18} {}", case.name, case.describe());
        }
        println!("\nnot in the table:");
        for case in OTHERS {
            println!("{:18} {}", case.name, case.describe());
        }
        return;
    }
    let cases = options.cases();
    let connections = cases.iter().map(|case| case.connections).max();
    allow_files(connections.unwrap_or_default() as u64 + 1000);
    eprintln!("{}", estimate::of(options, &cases));
    let begun = Instant::now();
    let subjects = Subjects {
        bench: Bench::new(&options.common),
        options,
    };
    if subjects.bench.owns_kafka() {
        // A broker that has just started compiles itself while it works.
        subjects.raw(&cases[0], 20_000.0);
    }
    let mut found: Vec<_> = cases.iter().map(|_| Found::default()).collect();
    for round in 1..=options.common.rounds {
        for index in 0..cases.len() {
            let name = cases[index].name;
            eprintln!("round {round} of {}: {name}", options.common.rounds);
            measure(&subjects, &cases, &mut found, index);
        }
    }
    table::print(options, &cases, &found);
    if let Some(file) = &options.table {
        let text = results::text(options, &cases, &found, begun.elapsed());
        std::fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        eprintln!("the table is in {}", file.display());
    }
}

/// One round of one case. What another has measured in this round, and is alike, isn't measured again.
fn measure(subjects: &Subjects<'_>, cases: &[Case], found: &mut [Found], index: usize) {
    let (case, options) = (&cases[index], subjects.options);
    let rate = case.offered.map(|(part, like)| {
        let like = cases.iter().zip(&*found).find(|(it, _)| it.name == like);
        let (_, like) = like.expect("a case with a rate comes after the one it is a part of");
        let like = like.gateway.last().expect("the gateway's rate");
        // One that came to a standstill mustn't end the run.
        (like.events_per_second * part).max(100.0)
    });
    let before = || cases.iter().zip(&*found).take(index);
    let alike = before().find(|(it, _)| it.has_http_of(case));
    let alike = alike.map(|(_, found)| (found.bare.last().cloned(), found.held.last().cloned()));
    let (bare, held) = alike.unwrap_or_default();
    let parse = before().find(|(it, _)| it.has_bodies_of(case));
    let parse = parse.and_then(|(_, found)| found.parse.last().copied());
    let found = &mut found[index];
    if options.wants("bare") {
        let measured = || noted("bare", subjects.bare(case, rate, false));
        found.bare.push(bare.unwrap_or_else(measured));
    }
    if options.wants("held") {
        let measured = || noted("held", subjects.bare(case, rate, true));
        found.held.push(held.unwrap_or_else(measured));
    }
    if options.wants("bare") || options.wants("held") {
        found
            .parse
            .push(parse.unwrap_or_else(|| subjects.parse(case)));
    }
    if options.wants("gateway") {
        let sample = noted("gateway", subjects.gateway(case, rate, None));
        let reached = sample.events_per_second;
        found.gateway.push(sample);
        if options.wants("raw") {
            found.raw.push(noted("raw", subjects.raw(case, reached)));
        }
        if options.wants("joined") && case.has_joined {
            let sample = subjects.joined(case, reached);
            found.joined.push(noted("joined", sample));
        }
    }
    if let Some(program) = &options.against {
        let sample = subjects.gateway(case, rate, Some(program));
        found.other.push(noted("other", sample));
    }
    if let Some(script) = &options.peer
        && case.has_toy
    {
        let sample = subjects.peer(case, rate, script);
        found.peer.push(noted("peer", sample));
    }
    if options.wants("toy") && case.has_toy {
        found.toy.push(noted("toy", subjects.toy(case, rate)));
    }
}
