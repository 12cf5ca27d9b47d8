//! A run as numbers over time: at most some 300 slices, each with its counts and latencies.

use std::path::PathBuf;

use anyhow::Result;

use super::Histogram;
use crate::ledger::{Entry, Reader, Sample};
use crate::outcome::Outcome;

const MAX_SLICES: u64 = 300;
const OUTCOMES: usize = Outcome::ALL.len();

/// Part of the time.
#[derive(Clone, Debug, Default)]
pub(super) struct Slice {
    /// Events due in it, of each outcome.
    pub(super) events: [u64; OUTCOMES],
    /// Events due in it and never sent.
    pub(super) shed: u64,
    /// Latencies of requests due in it, in µs, by their worst event.
    pub(super) latency: [Histogram; OUTCOMES],
}

/// The whole run.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// What ran.
    pub(super) title: String,
    /// Unix time of the beginning, µs.
    pub(super) start_us: u64,
    /// Length of a slice, µs.
    pub(super) slice_us: u64,
    /// By time.
    pub(super) slices: Vec<Slice>,
    /// All slices together.
    pub(super) total: Slice,
    /// How the gateway was: µs after the beginning, values in the order of [`Sample::NAMES`].
    pub(super) samples: Vec<Sample>,
    /// What happened: µs after the beginning, and words.
    pub(super) marks: Vec<(u64, String)>,
}

impl Series {
    /// Reads ledgers, twice: the first time for when the run was.
    pub(super) fn from_ledgers(paths: &[PathBuf]) -> Result<Series> {
        let mut span = Span::default();
        read(paths, |at_us, entry| span.include(at_us, entry))?;
        let (start_us, end_us) = (span.first.unwrap_or(0), span.last);
        // A second, or a multiple of it.
        let seconds = end_us.saturating_sub(start_us).div_ceil(1_000_000).max(1);
        let slice_us = seconds.div_ceil(MAX_SLICES) * 1_000_000;
        let count = end_us.saturating_sub(start_us) / slice_us + 1;
        let mut series = Series {
            title: span.title,
            start_us,
            slice_us,
            slices: vec![Slice::default(); count as usize],
            ..Series::default()
        };
        read(paths, |at_us, entry| series.add(at_us, entry))?;
        series.samples.sort_by_key(|sample| sample.at_us);
        Ok(series)
    }

    fn add(&mut self, at_us: u64, entry: Entry) {
        let Some(after) = at_us.checked_sub(self.start_us) else {
            return;
        };
        let place = (after / self.slice_us) as usize;
        match entry {
            Entry::Request(request) => {
                let worst = request.fates.worst().index();
                for slice in [self.slices.get_mut(place), Some(&mut self.total)]
                    .into_iter()
                    .flatten()
                {
                    for (outcome, count) in request.fates.runs() {
                        slice.events[outcome.index()] += u64::from(*count);
                    }
                    slice.latency[worst].add(request.latency_us);
                }
            }
            Entry::Shed { events, .. } => {
                self.total.shed += events;
                if let Some(slice) = self.slices.get_mut(place) {
                    slice.shed += events;
                }
            }
            Entry::Sample(sample) => self.samples.push(Sample {
                at_us: after,
                ..sample
            }),
            Entry::Start { .. } | Entry::Source { .. } | Entry::End => {}
        }
    }

    /// Adds what happened: lines of Unix time in seconds, a space, words. Others are skipped.
    pub(super) fn mark(&mut self, lines: &str) {
        for line in lines.lines() {
            let Some((time, words)) = line.split_once(' ') else {
                continue;
            };
            let Ok(seconds) = time.parse::<f64>() else {
                continue;
            };
            let at = ((seconds * 1e6) as u64).saturating_sub(self.start_us);
            self.marks.push((at, words.to_owned()));
        }
    }

    /// Length of the run, µs.
    pub(super) fn length_us(&self) -> u64 {
        self.slice_us * self.slices.len() as u64
    }
}

/// When something was sent. Samples before and after don't count, unless there is nothing else.
#[derive(Default)]
struct Span {
    title: String,
    first: Option<u64>,
    last: u64,
}

impl Span {
    fn include(&mut self, at_us: u64, entry: Entry) {
        match entry {
            Entry::Start { title, .. } => {
                if self.title.is_empty() || self.title == "watch" {
                    self.title = title;
                }
            }
            Entry::Request(_) | Entry::Shed { .. } => {
                self.first = Some(self.first.map_or(at_us, |first| first.min(at_us)));
                self.last = self.last.max(at_us);
            }
            Entry::Sample(_) => self.last = self.last.max(at_us),
            Entry::Source { .. } | Entry::End => {}
        }
    }
}

/// Calls `each` with every entry and its Unix time in µs.
fn read(paths: &[PathBuf], mut each: impl FnMut(u64, Entry)) -> Result<()> {
    for path in paths {
        let mut start = 0;
        for entry in Reader::open(path)? {
            let entry = entry?;
            let after = match &entry {
                Entry::Start { unix_us, .. } => {
                    start = *unix_us;
                    0
                }
                Entry::Request(request) => request.due_us,
                Entry::Shed { due_us, .. } => *due_us,
                Entry::Sample(sample) => sample.at_us,
                Entry::Source { .. } | Entry::End => 0,
            };
            each(start + after, entry);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Request, Run, Writer};
    use crate::outcome::Fates;

    #[test]
    fn ledgers_with_different_beginnings_meet_on_one_time_line() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [10_000_000, 12_000_000].map(|unix_us: u64| {
            let path = folder.path().join(unix_us.to_string());
            let mut writer = Writer::create(&path).unwrap();
            let title = "t".into();
            writer.append(&Entry::Start { unix_us, title }).unwrap();
            let request = Request {
                source: 0,
                due_us: 500_000,
                sent_after_us: 0,
                latency_us: 1_000,
                status: 200,
                runs: vec![Run {
                    key: 0,
                    first: 0,
                    count: 2,
                }],
                fates: Fates::all(Outcome::Acked, 2),
            };
            writer.append(&Entry::Request(request)).unwrap();
            writer.close().unwrap();
            path
        });
        let mut series = Series::from_ledgers(&paths).unwrap();
        let acked: Vec<u64> = series.slices.iter().map(|slice| slice.events[0]).collect();
        assert_eq!((series.start_us, acked), (10_500_000, vec![2, 0, 2]));
        series.mark("11.5 brokers killed\nnonsense\n");
        assert_eq!(series.marks, [(1_000_000, "brokers killed".to_owned())]);
    }
}
