//! Makes a ledger of what the k6 scenarios print, one line a request:
//!
//! ```text
//! F1 SOURCE DUE_MS LATENCY_MS STATUS STREAM KEY:FIRST:COUNT[,…] FATES
//! ```
//!
//! SOURCE is hexadecimal, DUE_MS Unix time, both times with or without a fraction. FATES is a letter for each event, or one
//! for all: a acked, s spilled, r refused, x rejected, u unknown. k6 knows no due time: it's the time at which the
//! iteration began, so that latencies don't show what waited before that.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::ledger::{Entry, Request, Run, Writer};
use crate::outcome::{Fates, Outcome};

/// What to turn into what.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The file that k6 wrote: --console-output FILE --log-format raw.
    #[arg(value_name = "LINES")]
    lines: PathBuf,
    /// The ledger to write.
    #[arg(long, value_name = "FILE")]
    ledger: PathBuf,
    /// What the report calls the run.
    #[arg(long, default_value = "k6")]
    title: String,
}

/// Reads the lines and writes the ledger. Lines of another kind are passed on to standard error.
pub(crate) fn run(args: &Args) -> Result<()> {
    let file =
        File::open(&args.lines).with_context(|| format!("can't open {}", args.lines.display()))?;
    let mut writer = Writer::create(&args.ledger)?;
    let mut bridge = Bridge::default();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.with_context(|| format!("can't read {}", args.lines.display()))?;
        let Some(rest) = line.strip_prefix("F1 ") else {
            // k6's own word for a request without an answer, which has its line.
            if line != "Request Failed" {
                writeln!(std::io::stderr(), "{line}")?;
            }
            continue;
        };
        let Some(parsed) = Line::parse(rest) else {
            bail!(
                "{}:{} isn't a line of the scenarios: {line}",
                args.lines.display(),
                number + 1
            );
        };
        if number == 0 || bridge.start_us == 0 {
            // Requests that end first needn't begin first: leave room before the first line.
            bridge.start_us = parsed.due_us.saturating_sub(60_000_000);
            writer.append(&Entry::Start {
                unix_us: bridge.start_us,
                title: args.title.clone(),
            })?;
        }
        bridge.append(&mut writer, parsed)?;
    }
    writer.close()
}

#[derive(Default)]
struct Bridge {
    start_us: u64,
    sources: HashMap<u64, u32>,
}

impl Bridge {
    fn append(&mut self, writer: &mut Writer, line: Line) -> Result<()> {
        let next = u32::try_from(self.sources.len()).context("too many sources")?;
        let source = match self.sources.get(&line.source) {
            Some(index) => *index,
            None => {
                self.sources.insert(line.source, next);
                writer.append(&Entry::Source {
                    index: next,
                    id: line.source,
                    stream: line.stream,
                })?;
                next
            }
        };
        writer.append(&Entry::Request(Request {
            source,
            due_us: line.due_us.saturating_sub(self.start_us),
            sent_after_us: 0,
            latency_us: line.latency_us,
            status: line.status,
            runs: line.runs,
            fates: line.fates,
        }))
    }
}

struct Line {
    source: u64,
    due_us: u64,
    latency_us: u64,
    status: u16,
    stream: String,
    runs: Vec<Run>,
    fates: Fates,
}

impl Line {
    fn parse(text: &str) -> Option<Line> {
        let mut words = text.split_ascii_whitespace();
        let source = u64::from_str_radix(words.next()?, 16).ok()?;
        let due_us = microseconds(words.next()?)?;
        let latency_us = microseconds(words.next()?)?;
        let status = words.next()?.parse().ok()?;
        let stream = words.next()?.to_owned();
        let runs = words.next()?.split(',').map(keys);
        let runs = runs.collect::<Option<Vec<_>>>()?;
        let count: u32 = runs.iter().map(|run| run.count).sum();
        let letters = words.next()?;
        let fates = match letters.len() {
            1 => Fates::all(fate(letters.chars().next()?)?, count),
            length if length == count as usize => {
                Fates::each(letters.chars().map(fate).collect::<Option<Vec<_>>>()?)
            }
            _ => return None,
        };
        Some(Line {
            source,
            due_us,
            latency_us,
            status,
            stream,
            runs,
            fates,
        })
    }
}

/// From milliseconds with a fraction.
fn microseconds(text: &str) -> Option<u64> {
    let milliseconds: f64 = text.parse().ok()?;
    (milliseconds >= 0.0).then_some((milliseconds * 1_000.0) as u64)
}

fn keys(text: &str) -> Option<Run> {
    let mut numbers = text.split(':').map(|number| number.parse::<u32>().ok());
    Some(Run {
        key: numbers.next()??,
        first: numbers.next()??,
        count: numbers.next()??,
    })
}

fn fate(letter: char) -> Option<Outcome> {
    Some(match letter {
        'a' => Outcome::Acked,
        's' => Outcome::Spilled,
        'r' => Outcome::Refused,
        'x' => Outcome::Rejected,
        'u' => Outcome::Unknown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_request() {
        let line = Line::parse("ab01 1000.5 7.25 503 events 3:10:2,9:0:1 aru").unwrap();
        assert_eq!(
            (line.source, line.due_us, line.latency_us),
            (0xab01, 1_000_500, 7_250)
        );
        assert_eq!((line.status, line.runs.len()), (503, 2));
        let fates: Vec<_> = line.fates.iter().collect();
        assert_eq!(fates, [Outcome::Acked, Outcome::Refused, Outcome::Unknown]);
        let all = Line::parse("1 0 0 200 events 3:10:2 s").unwrap();
        assert_eq!(all.fates, Fates::all(Outcome::Spilled, 2));
    }

    #[test]
    fn other_lines_are_none() {
        for text in [
            "",
            "1 0 0 200 events 3:10:2 aaa",
            "1 0 0 200 events 3:10 a",
            "1 0 0 200 events 3:1:1 z",
        ] {
            assert!(Line::parse(text).is_none(), "{text}");
        }
    }
}
