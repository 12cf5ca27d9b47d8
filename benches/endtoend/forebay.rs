//! forebay as a child process, and what its admin port tells.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::bench::Bench;
use super::child::Process;
use super::ports::{free_ports, get, wait_until_ready};

/// A running forebay; killed when this is dropped.
pub(crate) struct Gateway {
    process: Process,
    pub(crate) port: u16,
    admin: u16,
    /// From the start of the process until it was ready.
    pub(crate) ready_after: Duration,
}

impl Gateway {
    /// Starts the build under test, or another, with these lines of configuration and those of the options.
    pub(crate) fn start(bench: &Bench<'_>, program: Option<&Path>, lines: &str) -> Gateway {
        let [port, admin] = free_ports();
        let file = bench.folder().join("forebay.toml");
        let config = format!(
            "http.listen = \"127.0.0.1:{port}\"\nadmin.listen = \"127.0.0.1:{admin}\"\nshutdown.grace = \"0s\"\n{lines}{}\n",
            bench.options.set.join("\n"),
        );
        std::fs::write(&file, config).expect("the configuration's file");
        let ours = PathBuf::from(env!("CARGO_BIN_EXE_forebay"));
        let program = program.or(bench.options.gateway.as_deref());
        let mut command = bench.server.command(program.unwrap_or(&ours));
        command.arg("serve").arg("--config").arg(&file);
        let begun = Instant::now();
        let process = Process::start(command);
        wait_until_ready(admin);
        Gateway {
            process,
            port,
            admin,
            ready_after: begun.elapsed(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A metric without labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = get(self.admin, "/metrics").expect("the metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|rest| rest.trim_start_matches("{}").trim().parse().ok());
        value.unwrap_or_else(|| panic!("no metric `{name}`"))
    }

    /// A quantile in milliseconds of all histograms of that name together, as Prometheus' `histogram_quantile` has it: a straight
    /// line through the bucket.
    pub(crate) fn quantile_ms(&self, quantile: f64, name: &str) -> f64 {
        let text = get(self.admin, "/metrics").expect("the metrics");
        quantile_ms(&text, quantile, name)
    }
}

fn quantile_ms(text: &str, quantile: f64, name: &str) -> f64 {
    let mut buckets: Vec<(f64, f64)> = Vec::new();
    for line in text.lines() {
        let rest = line.strip_prefix(name);
        let Some(rest) = rest.and_then(|rest| rest.strip_prefix("_bucket{le=\"")) else {
            continue;
        };
        let (bound, rest) = rest.split_once('"').expect("a bound");
        let bound = bound.parse().unwrap_or(f64::INFINITY);
        let count = rest.rsplit(' ').next().and_then(|count| count.parse().ok());
        let count: f64 = count.expect("a count");
        match buckets.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, sum)) => *sum += count,
            None => buckets.push((bound, count)),
        }
    }
    let rank = buckets.last().map_or(0.0, |(_, all)| all * quantile);
    let mut below = (0.0, 0.0);
    for bucket in buckets {
        if bucket.1 >= rank && bucket.1 > below.1 {
            let part = (rank - below.1) / (bucket.1 - below.1);
            return (below.0 + (bucket.0 - below.0) * part) * 1000.0;
        }
        below = bucket;
    }
    f64::NAN
}
