//! What is printed at the end of a run.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;

use crate::ledger::Request;
use crate::outcome::Outcome;
use crate::report::Histogram;

/// Counts and latencies of a run.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// Events of each outcome, in the order of [`Outcome::ALL`].
    events: [u64; Outcome::ALL.len()],
    /// Latency of requests, by their worst event.
    latency: [Histogram; Outcome::ALL.len()],
    /// Events that were due and never sent.
    pub(super) shed: u64,
}

impl Summary {
    /// Counts a request.
    pub(super) fn add(&mut self, request: &Request) {
        for (outcome, count) in request.fates.runs() {
            self.events[outcome.index()] += u64::from(*count);
        }
        self.latency[request.fates.worst().index()].add(request.latency_us);
    }

    /// Prints it.
    pub(super) fn print(&self, title: &str, elapsed: Duration) -> Result<()> {
        let mut out = std::io::stdout();
        let sent: u64 = self.events.iter().sum();
        let seconds = elapsed.as_secs_f64();
        writeln!(
            out,
            "{title}: {sent} events in {seconds:.1} s, {:.0}/s",
            sent as f64 / seconds
        )?;
        writeln!(out, "\n{:<10}{:>12}", "", "events")?;
        for outcome in Outcome::ALL {
            let events = self.events[outcome.index()];
            if events > 0 || outcome == Outcome::Acked {
                writeln!(out, "{:<10}{events:>12}", outcome.word())?;
            }
        }
        writeln!(
            out,
            "{:<10}{:>12}   shed by the generator",
            "shed", self.shed
        )?;
        write!(out, "\n{:<10}{:>12}", "ms", "requests")?;
        for name in Histogram::NAMES {
            write!(out, "{name:>10}")?;
        }
        writeln!(out, "   from when they were due")?;
        for outcome in Outcome::ALL {
            let latency = &self.latency[outcome.index()];
            if latency.count() > 0 {
                write!(out, "{:<10}{:>12}", outcome.word(), latency.count())?;
                for value in latency.percentiles() {
                    write!(out, "{:>10.1}", value as f64 / 1_000.0)?;
                }
                writeln!(out)?;
            }
        }
        writeln!(out)?;
        Ok(())
    }
}
