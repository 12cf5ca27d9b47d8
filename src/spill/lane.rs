//! One lane in memory: what is stored of it, and how far it is acknowledged. Nothing per record.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Lsn;
use super::acks::{Tally, Watermark};
use super::part::{Counted, Part};
use super::seal::Span;

/// Longest name of a lane: three names that Kafka would take for a topic's, and some words.
pub(super) const NAME_BYTES: usize = 800;

/// One lane.
pub(super) struct Lane {
    pub(super) name: Arc<[u8]>,
    /// What is stored of it, oldest first; popped as segments are acknowledged.
    pub(super) spans: VecDeque<Span>,
    /// Sum of the spans' bytes.
    pub(super) bytes: u64,
    pub(super) watermark: Watermark,
    /// Records stored so far: the ordinal of the next one.
    pub(super) end: u64,
    /// Records that can't be read, to be stepped over once those before them are acknowledged.
    skips: VecDeque<Skip>,
    /// Stored records that are known to be lost: their number, up to which ordinal they are counted, and since when.
    lost: Tally,
    /// Gaps that the start found and no reader has come to: ordinals, from the lowest on.
    gaps: VecDeque<(u64, u64)>,
    counted: Counted,
}

struct Skip {
    from: Lsn,
    to: Watermark,
}

/// What waits in one lane.
pub(super) struct LaneBacklog {
    pub(super) events: u64,
    pub(super) bytes: u64,
    pub(super) since_ms: u64,
    pub(super) first_lsn: Lsn,
    pub(super) last_lsn: Lsn,
}

impl Lane {
    /// A lane with nothing in it.
    pub(super) fn new(name: Arc<[u8]>) -> Lane {
        Lane {
            name,
            spans: VecDeque::new(),
            bytes: 0,
            watermark: Watermark::default(),
            end: 0,
            skips: VecDeque::new(),
            lost: Tally::default(),
            gaps: VecDeque::new(),
            counted: Counted::default(),
        }
    }

    /// The part that the lane is of.
    pub(super) fn part(&self) -> Option<&Arc<Part>> {
        self.counted.part()
    }

    /// The lane is of this part from now on.
    pub(super) fn assign(&mut self, part: Option<Arc<Part>>) {
        let mut counted = std::mem::take(&mut self.counted);
        counted.assign(part, || self.waiting_bytes());
        self.counted = counted;
    }

    /// What waits has changed.
    pub(super) fn count(&mut self) {
        let mut counted = std::mem::take(&mut self.counted);
        counted.set(|| self.waiting_bytes());
        self.counted = counted;
    }

    fn waiting_bytes(&self) -> u64 {
        self.backlog().map_or(0, |waiting| waiting.bytes)
    }

    /// Records after `from` up to `to` can't be read.
    pub(super) fn skip(&mut self, from: Lsn, to: Watermark) {
        self.skips.push_back(Skip { from, to });
        self.advance(self.watermark);
    }

    /// What is remembered beside the watermark.
    pub(super) fn tally(&self) -> Tally {
        Tally {
            end: self.end,
            told: self.lost(),
            ..self.lost
        }
    }

    /// What was remembered beside the watermark. Nothing that was lost at the end is stored again under its ordinals.
    pub(super) fn restore(&mut self, tally: Tally) {
        self.end = self.end.max(tally.end);
        self.lost = tally;
    }

    /// All that a start finds is found: what an earlier process told of is no news. What is there after all isn't lost.
    pub(super) fn note_told(&mut self) {
        self.lost.told = self.lost.told.min(self.lost());
    }

    /// How many of the lost records were known before this start.
    pub(super) fn lost_before(&self) -> u64 {
        self.lost.told
    }

    /// Records from this ordinal on are missing. Behind what is counted already a reader will come to it.
    pub(super) fn foresee(&mut self, from: u64, to: u64, since_ms: u64) {
        let from = from.max(self.lost.counted);
        if from < to {
            self.gaps.push_back((from, to));
            self.note_since(since_ms);
        }
    }

    /// Records from this ordinal on are lost, found in the order of the lane; returns how many of them are news.
    pub(super) fn lose(&mut self, from: u64, to: u64, since_ms: u64) -> u64 {
        let from = from.max(self.lost.counted);
        let news = to.saturating_sub(from);
        if news == 0 {
            return 0;
        }
        self.lost.lost += news;
        self.lost.counted = to;
        self.note_since(since_ms);
        for gap in &mut self.gaps {
            gap.0 = gap.0.max(to.min(gap.1));
        }
        self.gaps.retain(|(from, to)| from < to);
        news
    }

    fn note_since(&mut self, since_ms: u64) {
        let since = &mut self.lost.since_ms;
        *since = if *since == 0 {
            since_ms
        } else {
            since_ms.min(*since)
        };
    }

    /// How many records are known to be lost.
    pub(super) fn lost(&self) -> u64 {
        self.lost.lost + self.missing()
    }

    /// Of these, those that no reader has come to.
    fn missing(&self) -> u64 {
        self.gaps.iter().map(|(from, to)| to - from).sum()
    }

    /// What waits; `None` if nothing does.
    pub(super) fn backlog(&self) -> Option<LaneBacklog> {
        let acked = self.watermark;
        let oldest = self.spans.iter().find(|span| span.last_lsn > acked.lsn)?;
        let begun = self
            .spans
            .iter()
            .take_while(|span| span.first < acked.events);
        let done: u64 = begun
            .map(|span| {
                let stored = span.end - span.first;
                let done = span.end.min(acked.events) - span.first;
                (u128::from(span.bytes) * u128::from(done) / u128::from(stored.max(1))) as u64
            })
            .sum();
        Some(LaneBacklog {
            events: self.end.saturating_sub(acked.events + self.missing()),
            bytes: self.bytes.saturating_sub(done),
            since_ms: oldest.since_ms,
            first_lsn: oldest.first_lsn.max(acked.lsn + 1),
            last_lsn: self.spans.back()?.last_lsn,
        })
    }

    /// Moves the watermark, and over what can't be read.
    pub(super) fn advance(&mut self, to: Watermark) {
        if to.lsn > self.watermark.lsn {
            self.watermark.lsn = to.lsn;
            self.watermark.events = self.watermark.events.max(to.events);
        }
        while let Some(skip) = self.skips.front() {
            if skip.from > self.watermark.lsn {
                break;
            }
            self.watermark.lsn = self.watermark.lsn.max(skip.to.lsn);
            self.watermark.events = self.watermark.events.max(skip.to.events);
            self.skips.pop_front();
        }
    }
}
