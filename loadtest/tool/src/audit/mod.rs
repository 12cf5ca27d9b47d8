//! Compares what clients were told with what the topics hold, event by event.
//!
//! The consumer is librdkafka without a group, from given offsets or the beginning. It reads until the ends that the
//! partitions have at its start, and on until each event that got a 2xx was found, or the deadline passed.
//!
//! Memory: one byte per event sent and 16 per key, beside some 75 MB of the consumer's. An event is known by its source,
//! key and sequence number, which index dense arrays; nothing of a record is kept.

mod book;
mod consumer;
mod selftest;
mod verdict;

#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

pub(crate) use book::Book;
pub(crate) use verdict::Verdict;

/// What to compare.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Ledgers of the run. All that was sent to the topics by it must be in one of them.
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "selftest")]
    ledger: Vec<PathBuf>,
    /// Brokers to read from: host:port, separated by commas.
    #[arg(long, required_unless_present = "selftest", default_value = "")]
    bootstrap: String,
    /// Topics that the events went to.
    #[arg(long, num_args = 1.., required_unless_present = "selftest")]
    topic: Vec<String>,
    /// Only what was sent to these streams: the topics hold nothing of others.
    #[arg(long, num_args = 1.., value_name = "NAME")]
    stream: Vec<String>,
    /// Begin at the offsets in this file, written by `loadtest offsets` before the run; otherwise at the beginning.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// How long to wait for events with a 2xx that aren't there yet: what was spilled needs time.
    #[arg(long, default_value = "60s")]
    wait: humantime::Duration,
    /// A property of librdkafka, for clusters that ask who we are: security.protocol=ssl.
    #[arg(long, value_name = "NAME=VALUE")]
    property: Vec<String>,
    /// The stream has no key, or another one: order is counted but isn't judged.
    #[arg(long)]
    unordered: bool,
    /// Fail also on duplicates, and on refused or rejected events that are there.
    #[arg(long)]
    strict: bool,
    /// Write the numbers to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Without Kafka: make a ledger and records of so many events, audit them, and print the peak memory.
    #[arg(long, value_name = "EVENTS", conflicts_with_all = ["bootstrap", "ledger"])]
    selftest: Option<u64>,
}

/// Runs the audit; true if nothing is lost or out of order.
pub(crate) fn run(args: &Args) -> Result<bool> {
    if let Some(events) = args.selftest {
        return selftest::run(events);
    }
    let mut book = Book::from_ledgers(&args.ledger, &args.stream)?;
    if book.sent() == 0 {
        bail!(
            "the ledgers have no events: nothing was sent, they are those of another run, or `--stream` names another stream"
        );
    }
    consumer::read(
        &mut book,
        &consumer::Plan {
            bootstrap: &args.bootstrap,
            topics: &args.topic,
            properties: &args.property,
            from: args.from.as_deref(),
            wait: args.wait.into(),
        },
    )?;
    let verdict = book.verdict();
    let passed = verdict.passes(args.unordered, args.strict);
    let word = if passed {
        "audit passed: every event with a 2xx is in the topic, and in the order of its key"
    } else {
        "audit FAILED: the gateway did not keep its word; the ids above are those of the events"
    };
    writeln!(std::io::stdout(), "{}{word}", verdict.text())?;
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&verdict)?;
        std::fs::write(path, format!("{text}\n"))
            .with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(passed)
}
