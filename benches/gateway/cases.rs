//! The run: all subjects of all cases, interleaved, so that what disturbs the machine disturbs all alike.

use std::path::PathBuf;

use super::options::Options;
use super::subjects::Bench;
use super::table;
use crate::endtoend::child::Place;
use crate::endtoend::meter::Sample;
use crate::endtoend::topics;
use crate::endtoend::work::{CASES, Case};

/// All samples of one case.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) bare: Vec<Sample>,
    pub(crate) held: Vec<Sample>,
    pub(crate) gateway: Vec<Sample>,
    /// Another build of the gateway.
    pub(crate) other: Vec<Sample>,
    pub(crate) raw: Vec<Sample>,
    pub(crate) toy: Vec<Sample>,
    pub(crate) parse: Vec<f64>,
}

/// Measures what the options ask for and prints the table.
pub(crate) fn run(options: &Options) {
    if options.cases == "list" {
        for case in CASES {
            println!("{:14} {}", case.name, super::subjects::describe(case));
        }
        return;
    }
    let cases: Vec<Case> = options
        .cases
        .split(',')
        .map(|name| Case::named(name).unwrap_or_else(|| panic!("no case `{name}`; try `list`")))
        .collect();
    let (server, load) = if options.unpinned {
        (Place::Anywhere, Place::Anywhere)
    } else {
        (Place::Cpu(0), Place::Cpu(1))
    };
    let kafka = topics::broker();
    for node in kafka.nodes() {
        load.take(kafka.pid(node).expect("a running broker"));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench {
        options,
        kafka,
        server,
        load,
        folder: folder.path().into(),
    };
    if !kafka.nodes().is_empty() {
        // A broker that has just started compiles itself while it works.
        bench.raw(20_000.0);
    }
    let mut found: Vec<_> = cases.iter().map(|_| Found::default()).collect();
    for round in 1..=options.rounds {
        for (case, found) in cases.iter().zip(&mut found) {
            eprintln!("round {round} of {}: {}", options.rounds, case.name);
            measure(&bench, case, found);
        }
    }
    table::print(options, &cases, &found);
}

fn measure(bench: &Bench<'_>, case: &Case, found: &mut Found) {
    let wanted = |name| bench.options.subjects.split(',').any(|it| it == name);
    if wanted("bare") {
        found.bare.push(noted("bare", bench.bare(case, false)));
        found.parse.push(bench.parse(case));
    }
    if wanted("held") {
        found.held.push(noted("held", bench.bare(case, true)));
    }
    if wanted("gateway") {
        let ours = PathBuf::from(env!("CARGO_BIN_EXE_forebay"));
        let program = bench.options.gateway.as_ref().unwrap_or(&ours);
        let sample = noted("gateway", bench.gateway(case, program));
        let rate = sample.events_per_second;
        found.gateway.push(sample);
        if wanted("raw") {
            found.raw.push(noted("raw", bench.raw(rate)));
        }
    }
    if let Some(program) = &bench.options.against {
        found
            .other
            .push(noted("other", bench.gateway(case, program)));
    }
    if wanted("toy") {
        found.toy.push(noted("toy", bench.toy(case)));
    }
}

/// Says on the way what was found; the table comes only at the end.
fn noted(what: &str, sample: Sample) -> Sample {
    eprintln!(
        "  {what:8} {:>9.0} events/s {:>8.3} us/event  p50 {:.2} ms  p99 {:.2} ms  others {:.0} %",
        sample.events_per_second,
        sample.cpu(),
        sample.p50_ms,
        sample.p99_ms,
        sample.disturbed
    );
    sample
}
