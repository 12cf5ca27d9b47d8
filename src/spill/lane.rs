//! One lane in memory: what is stored of it, and how far it is acknowledged. Nothing per record.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Lsn;
use super::acks::Watermark;
use super::seal::Span;

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
        }
    }

    /// Records after `from` up to `to` can't be read.
    pub(super) fn skip(&mut self, from: Lsn, to: Watermark) {
        self.skips.push_back(Skip { from, to });
        self.advance(self.watermark);
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
            events: self.end.saturating_sub(acked.events),
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
