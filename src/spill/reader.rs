//! Reads a lane back, in order, from its first unacknowledged record on.
//!
//! Only what was published is read. What can't be read is skipped and counted, and the watermark steps over it when
//! everything before it is acknowledged, so that damage pins no segment.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::acks::Watermark;
use super::index::Next;
use super::pieces::Pieces;
use super::runs::{OpenSegment, RunAt};
use super::shared::Shared;
use super::stats::Counters;
use super::{LaneId, Lsn, Position};

/// So often an unreadable place is reported to the caller before it's skipped. Lanes wait longer each time, a second to a
/// minute: a disk that is back within some seven minutes costs nothing, and a dead sector holds its lane no longer.
const PATIENCE: u32 = 12;

/// A record as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where it stands.
    pub position: Position,
    /// When it was stored, in milliseconds since 1970.
    pub stored_ms: u64,
    /// What was stored beside the payload.
    pub meta: Bytes,
    /// The payload.
    pub payload: Bytes,
}

/// The disk didn't give back what it has; trying again later may help. After some attempts the place is skipped.
#[derive(Debug, thiserror::Error)]
#[error("can't read segment {segment:016x}: {source}")]
pub struct ReadError {
    /// The segment.
    pub segment: u64,
    /// What the disk said.
    pub source: io::Error,
}

/// Reads one lane. What it has read is remembered here; what was acknowledged, in the log.
pub struct LaneReader {
    shared: Arc<Shared>,
    lane: LaneId,
    name: Arc<[u8]>,
    /// Everything up to here was read or skipped.
    after: Lsn,
    /// The ordinal that comes next if nothing is missing.
    expected: u64,
    /// The last record that was given out, or the watermark.
    given: Lsn,
    /// The rest of a piece that was more than the last call wanted.
    rest: VecDeque<Stored>,
    /// The run that it's of, if more of it is to come; what stands in it up to there isn't given.
    run: Option<Box<(Pieces, Lsn)>>,
    failures: u32,
    is_at_end: bool,
}

impl std::fmt::Debug for LaneReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            lane,
            after,
            expected,
            ..
        } = self;
        f.debug_struct("LaneReader")
            .field("lane", lane)
            .field("after", after)
            .field("expected", expected)
            .finish_non_exhaustive()
    }
}

impl LaneReader {
    pub(super) fn new(shared: &Arc<Shared>, lane: LaneId) -> Option<LaneReader> {
        let index = shared.index();
        let name = index.name(lane)?;
        let watermark = index.watermark(lane);
        drop(index);
        Some(LaneReader {
            shared: Arc::clone(shared),
            lane,
            name,
            after: watermark.lsn,
            expected: watermark.events,
            given: watermark.lsn,
            rest: VecDeque::new(),
            run: None,
            failures: 0,
            is_at_end: false,
        })
    }

    /// The lane.
    pub fn lane(&self) -> LaneId {
        self.lane
    }

    /// The next records, in order: about `max_bytes` of payload and metadata, at least one record if there is one; none
    /// when everything stored was read. Reads the disk, so it belongs on a thread that may wait.
    pub fn read(&mut self, max_bytes: usize) -> Result<Vec<Stored>, ReadError> {
        let mut batch = Vec::new();
        let mut room = max_bytes;
        self.is_at_end = false;
        loop {
            if !self.give(&mut batch, &mut room) {
                return Ok(batch);
            }
            match self.read_run() {
                Ok(true) => self.failures = 0,
                Ok(false) => {
                    self.is_at_end = true;
                    return Ok(batch);
                }
                // The records that are there go first; the error comes again.
                Err(_) if !batch.is_empty() => return Ok(batch),
                Err(error) => {
                    self.failures += 1;
                    return Err(error);
                }
            }
        }
    }

    /// Where the next record stands, or what is damaged there, without reading it; `None` if everything stored was read.
    pub fn next_lsn(&mut self) -> Result<Option<Lsn>, ReadError> {
        if let Some(next) = self.rest.front() {
            return Ok(Some(next.position.lsn));
        }
        if let Some((pieces, seen)) = self.run.as_deref()
            && pieces.records() < pieces.run().count
        {
            let next = pieces.run().first_lsn + u64::from(pieces.records());
            return Ok(Some(next.max(seen + 1)));
        }
        let index = self.shared.index();
        let after = self.after.max(index.watermark(self.lane).lsn);
        let next = index.next(self.lane, after);
        drop(index);
        let Some(next) = next else {
            return Ok(None);
        };
        let segment = next.span.segment;
        let open = self.open(&next);
        let open = open.map_err(|source| ReadError { segment, source })?;
        let run = open.next_run(&self.name, after);
        Ok(Some(run.map_or(next.span.last_lsn, |run| {
            run.first_lsn.max(after + 1)
        })))
    }

    /// Whether nothing more was stored when the last read ended. Its size doesn't tell: it ends a little before its limit.
    pub fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Bytes that were read and not given out yet.
    pub fn kept_bytes(&self) -> usize {
        let rest = |record: &Stored| record.meta.len() + record.payload.len();
        let carried = self.run.as_ref().map_or(0, |run| run.0.carried());
        carried + self.rest.iter().map(rest).sum::<usize>()
    }

    /// Goes back to the first unacknowledged record: what was read and not acknowledged is read again.
    pub fn rewind(&mut self) {
        let watermark = self.shared.index().watermark(self.lane);
        self.rest.clear();
        self.run = None;
        (self.after, self.given) = (watermark.lsn, watermark.lsn);
        self.expected = watermark.events;
    }

    /// Moves records into the batch; true if it may take more.
    fn give(&mut self, batch: &mut Vec<Stored>, room: &mut usize) -> bool {
        while let Some(record) = self.rest.front() {
            let len = record.meta.len() + record.payload.len();
            if len > *room && !batch.is_empty() {
                return false;
            }
            *room = room.saturating_sub(len);
            self.given = record.position.lsn;
            batch.extend(self.rest.pop_front());
        }
        *room > 0 || batch.is_empty()
    }

    /// Reads more of the lane's next run, or steps over what can't be read; false if there is nothing more.
    fn read_run(&mut self) -> Result<bool, ReadError> {
        if let Some(run) = self.run.take() {
            let (pieces, seen) = *run;
            return self.take_piece(pieces, seen).map(|()| true);
        }
        let (watermark, next) = {
            let index = self.shared.index();
            let watermark = index.watermark(self.lane);
            (
                watermark,
                index.next(self.lane, self.after.max(watermark.lsn)),
            )
        };
        if watermark.lsn > self.after {
            self.after = watermark.lsn;
            self.given = self.given.max(watermark.lsn);
            self.expected = self.expected.max(watermark.events);
        }
        let Some(next) = next else {
            return Ok(false);
        };
        let segment = next.span.segment;
        let failed = |source| ReadError { segment, source };
        let opened = self.open(&next);
        let open = match opened {
            Err(error) if self.failures < PATIENCE && self.is_needed(segment) => {
                Counters::add(&self.shared.counters.read_errors, 1);
                return Err(failed(error));
            }
            Err(_) => None,
            Ok(open) => Some(open),
        };
        let run = open
            .as_ref()
            .and_then(|open| open.next_run(&self.name, self.after));
        match (open, run.filter(|run| run.first_lsn <= next.span.last_lsn)) {
            (Some(open), Some(run)) => self.take_run(&open, &run).map_err(failed)?,
            _ if self.is_needed(segment) => self.end_span(&next),
            // Released meanwhile: everything in it was acknowledged.
            _ => {}
        }
        Ok(true)
    }

    fn open(&self, next: &Next) -> io::Result<Arc<OpenSegment>> {
        let shared = &self.shared;
        let open = shared.open_segments.get(&*shared.disk, next.span.segment)?;
        open.look_up_to(next.end, shared.log_id, self.failures >= PATIENCE)?;
        Ok(open)
    }

    fn is_needed(&self, segment: u64) -> bool {
        self.shared.index().segment(segment).is_some()
    }

    /// Begins a run, if it's sound.
    fn take_run(&mut self, open: &OpenSegment, run: &RunAt) -> io::Result<()> {
        let pieces = match Pieces::check(open, run) {
            Err(error) if self.failures < PATIENCE && self.is_needed(open.id) => {
                Counters::add(&self.shared.counters.read_errors, 1);
                return Err(error);
            }
            pieces => pieces.ok().flatten(),
        };
        if pieces.is_none() && !self.is_needed(open.id) {
            return Ok(());
        }
        self.note_gap(run.ordinal, open.id, run.written_ms);
        let seen = (self.after + 1)
            .saturating_sub(run.first_lsn)
            .min(run.count.into());
        match pieces {
            Some(pieces) => self.run = Some(Box::new((pieces, self.after))),
            None => self.lose_run(run, seen, open.id),
        }
        self.after = run.last_lsn();
        self.expected = self.expected.max(run.end());
        Ok(())
    }

    /// The records of a run's next piece are the next to be given out.
    fn take_piece(&mut self, mut pieces: Pieces, seen: Lsn) -> Result<(), ReadError> {
        let (segment, before) = (pieces.segment(), pieces.records());
        let run = *pieces.run();
        match pieces.next() {
            Ok(None) => {}
            Ok(Some(records)) => {
                let stored = (u64::from(before)..).zip(records);
                let stored = stored.map(|(at, (meta, payload))| Stored {
                    position: Position {
                        lsn: run.first_lsn + at,
                        ordinal: run.ordinal + at,
                    },
                    stored_ms: run.written_ms,
                    meta,
                    payload,
                });
                self.rest
                    .extend(stored.filter(|record| record.position.lsn > seen));
                self.run = Some(Box::new((pieces, seen)));
            }
            Err(source) if self.failures < PATIENCE && self.is_needed(segment) => {
                Counters::add(&self.shared.counters.read_errors, 1);
                self.run = Some(Box::new((pieces, seen)));
                return Err(ReadError { segment, source });
            }
            Err(_) if self.is_needed(segment) => {
                let seen = u64::from(before).max((seen + 1).saturating_sub(run.first_lsn));
                self.lose_run(&run, seen, segment);
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// What is left of a run behind its first `seen` records can't be read.
    fn lose_run(&mut self, run: &RunAt, seen: u64, segment: u64) {
        Counters::add(&self.shared.counters.bad_runs, 1);
        let from = (run.ordinal + seen).min(run.end());
        self.lose(from, run.end(), segment, run.written_ms);
        let to = Watermark {
            lsn: run.last_lsn(),
            events: run.end(),
        };
        self.skip_to(to, segment);
    }

    /// The segment holds no more runs of the lane, though it may have held some.
    fn end_span(&mut self, next: &Next) {
        let span = next.span;
        self.note_gap(span.end, span.segment, span.since_ms);
        self.skip_to(
            Watermark {
                lsn: span.last_lsn,
                events: span.end,
            },
            span.segment,
        );
        self.after = span.last_lsn;
        self.expected = self.expected.max(span.end);
    }

    /// Records before `ordinal` that didn't come are lost.
    fn note_gap(&mut self, ordinal: u64, segment: u64, before_ms: u64) {
        if ordinal > self.expected {
            self.lose(self.expected, ordinal, segment, before_ms);
        }
    }

    /// Records from this ordinal on are lost. They were stored at that time, or before.
    fn lose(&self, from: u64, to: u64, segment: u64, stored_ms: u64) {
        let news = self.shared.index().lose(self.lane, from, to, stored_ms);
        if news == 0 {
            // Known since an earlier look.
            return;
        }
        self.shared.bell.ring();
        let lane = String::from_utf8_lossy(&self.name);
        tracing::error!(%lane, events = news, segment, from, to, stored_ms, "stored events can't be read back and are lost");
    }

    fn skip_to(&self, to: Watermark, segment: u64) {
        let from = self
            .rest
            .back()
            .map_or(self.given, |record| record.position.lsn);
        self.shared.index().skip(self.lane, from, to, segment);
        self.shared.bell.ring();
    }
}
