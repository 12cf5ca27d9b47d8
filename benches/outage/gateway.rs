//! forebay as these cases set it up, and what they all measure of it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::endtoend::bench::{Bench, Load, noted};
use crate::endtoend::cases::Case;
use crate::endtoend::child::Process;
use crate::endtoend::forebay::Gateway;
use crate::endtoend::meter::Sample;
use crate::endtoend::work::Pace;

/// What differs from case to case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup<'a> {
    pub(crate) topic: &'a str,
    /// The spill log's directory, if there is one.
    pub(crate) spill: Option<&'a Path>,
    pub(crate) quota: Option<String>,
    pub(crate) budget: Option<String>,
}

pub(crate) fn start(bench: &Bench<'_>, setup: &Setup<'_>) -> Gateway {
    let mut text = format!(
        "log.filter = \"error\"\nclusters.bench.bootstrap = \"{}\"\n\
         streams.events = {{ cluster = \"bench\", topic = \"{}\", key = \"/user\", id = \"/id\" }}\n",
        bench.kafka.bootstrap(),
        setup.topic,
    );
    let mut line = |key: &str, value: &dyn std::fmt::Display| {
        writeln!(text, "{key} = \"{value}\"").expect("a string takes everything");
    };
    if let Some(dir) = setup.spill {
        line("spill.dir", &dir.display());
    }
    if let Some(quota) = &setup.quota {
        line("spill.quota", quota);
    }
    if let Some(budget) = &setup.budget {
        line("memory.budget", budget);
    }
    Gateway::start(bench, None, &text)
}

/// The load of a case on a gateway, for as long as it takes, or at a rate.
pub(crate) fn load<'a>(
    gateway: &Gateway,
    case: &'a str,
    pace: &Pace,
    rate: Option<f64>,
) -> Load<'a> {
    Load {
        port: gateway.port,
        case,
        pace: *pace,
        rate,
        note: None,
    }
}

/// Loads a gateway and measures it.
#[expect(clippy::print_stderr, reason = "for the one who waits")]
pub(crate) fn loaded(
    bench: &Bench<'_>,
    gateway: &Gateway,
    case: &str,
    pace: &Pace,
    rate: Option<f64>,
) -> Sample {
    let load = load(gateway, case, pace, rate);
    let (sample, _) = bench.loaded(gateway.pid(), &load);
    if bench.options.threads {
        for (name, cpu) in sample.threads.iter().filter(|(_, cpu)| *cpu > 0.005) {
            eprintln!("    {name:20} {cpu:.3} us/event");
        }
    }
    sample
}

/// The same with a forebay that is started for it.
pub(crate) fn fresh(bench: &Bench<'_>, setup: &Setup<'_>, case: &str) -> Sample {
    let gateway = start(bench, setup);
    // Until the producer has its id, events would go to the log.
    std::thread::sleep(Duration::from_secs(1));
    let pace = bench.options.pace();
    let sample = noted("forebay", loaded(bench, &gateway, case, &pace, None));
    note_spilled(&gateway);
    sample
}

/// Says if new events went over the log.
#[expect(clippy::print_stderr, reason = "for the one who waits")]
pub(crate) fn note_spilled(gateway: &Gateway) {
    let spilled =
        gateway.metric("forebay_events_spilled_total{stream=\"events\",cluster=\"bench\"}");
    if spilled > 0.0 {
        eprintln!("    {spilled} events went over the log");
    }
}

/// Bare hyper under the same load, and CPU per event of parsing: what any gateway pays for HTTP.
pub(crate) fn http_parts(bench: &Bench<'_>, case: &str) -> (Sample, f64) {
    let case = Case::named(case).expect("a case");
    let bare = noted("bare", bench.bare(&case, None, None));
    (bare, bench.parse(&case))
}

/// Starts the clients of a case, to be ended with their handle.
pub(crate) fn endless(bench: &Bench<'_>, gateway: &Gateway, case: &str) -> Process {
    let pace = Pace {
        warm_up: Duration::from_secs(1),
        window: Duration::from_secs(100_000),
        skewed: false,
    };
    bench.load(&load(gateway, case, &pace, None))
}

/// Peak of resident memory in MiB.
pub(crate) fn peak_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}
