//! The audit on a synthetic run, without Kafka: a ledger on disk and records made up in memory, as many as asked for.
//! Shows that the memory is bounded, and that one lost, one swapped and one repeated event among them are found.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::{Book, Verdict};
use crate::ledger::{Entry, Request, Run, Writer};
use crate::outcome::{Fates, Outcome};

const SOURCE: u64 = 0xfeed;
/// So many keys as a busy run has.
const KEYS: u64 = 1_000_000;
const BATCH: u64 = 50;
/// Rounds over the keys, beside a rest: an event's sequence number is its round.
const FEWEST_EVENTS: u64 = 10 * KEYS / 1_000;

/// Runs it; true if exactly what was planted is found.
pub(super) fn run(events: u64) -> Result<bool> {
    if events < FEWEST_EVENTS {
        bail!("a self-test needs {FEWEST_EVENTS} events or more");
    }
    let path = std::env::temp_dir().join(format!("loadtest-selftest-{}", std::process::id()));
    let result = audit(&path, events);
    drop(std::fs::remove_file(&path));
    let verdict = result?;
    let expected = (events, events - 1, 1, 1, 1);
    let got = (
        verdict.sent,
        verdict.found,
        verdict.lost,
        verdict.duplicated,
        verdict.out_of_order,
    );
    let mut out = std::io::stdout();
    write!(out, "{}", verdict.text())?;
    writeln!(
        out,
        "planted: 1 lost, 1 repeated, 1 swapped; found exactly those: {}\npeak resident memory: {}",
        got == expected,
        peak_memory()
    )?;
    Ok(got == expected)
}

fn audit(path: &Path, events: u64) -> Result<Verdict> {
    let keys = KEYS.min(events / 10);
    write_ledger(path, events, keys)?;
    let mut book = Book::from_ledgers(&[path.to_owned()], &[])?;
    let (lost, repeated, swapped) = (events / 2, events / 3, events / 4);
    let mut value = Vec::with_capacity(400);
    let mut record = |book: &mut Book, number: u64| -> Result<()> {
        value.clear();
        let (key, seq) = (number % keys, number / keys);
        write!(
            value,
            r#"{{"id":"lt-{SOURCE:x}-{key}-{seq}","name":"install""#
        )?;
        book.found((key % 64) as u32, None, &value);
        Ok(())
    };
    for number in 0..events {
        if number == lost || number == swapped {
            continue;
        }
        record(&mut book, number)?;
        if number == repeated {
            record(&mut book, number)?;
        }
        if number == swapped + keys {
            record(&mut book, swapped)?;
        }
    }
    Ok(book.verdict())
}

fn write_ledger(path: &Path, events: u64, keys: u64) -> Result<()> {
    let mut writer = Writer::create(path)?;
    writer.append(&Entry::Source {
        index: 0,
        id: SOURCE,
        stream: "selftest".into(),
    })?;
    for first in (0..events).step_by(BATCH as usize) {
        let count = BATCH.min(events - first);
        let run = |number: u64| Run {
            key: (number % keys) as u32,
            first: (number / keys) as u32,
            count: 1,
        };
        writer.append(&Entry::Request(Request {
            source: 0,
            due_us: first,
            sent_after_us: 0,
            latency_us: 1_000,
            status: 200,
            runs: (first..first + count).map(run).collect(),
            fates: Fates::all(Outcome::Acked, count as u32),
        }))?;
    }
    writer.close()
}

fn peak_memory() -> String {
    std::fs::read_to_string("/proc/self/status")
        .context("no /proc")
        .ok()
        .and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))?;
            Some(line.trim().to_owned())
        })
        .unwrap_or_else(|| "not told by this system".into())
}
