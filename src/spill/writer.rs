//! The writer: the only one that writes frames. It takes what waits, makes one frame of it, and answers when that is durable.
//!
//! There is no timer: while one write is under way the next frame gathers, so the disk's own pace sets the batch.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::append::{AppendError, Appended};
use super::disk::{File, is_no_space};
use super::frame::{self, Buffer, NewRun};
use super::inbox::{Bounds, Job};
use super::seal::{self, Seal};
use super::segment::{DATA, End, Header, Name};
use super::shared::Shared;
use super::space::discard;
use super::{LaneId, Lsn, Position};

/// Bytes of records that one frame gathers; a larger single append makes a larger frame.
const FRAME_BYTES: u64 = 4 << 20;
/// Appends that one frame gathers.
const FRAME_JOBS: usize = 8192;

/// The writer's state. It lives on its own thread.
pub(super) struct Writer {
    shared: Arc<Shared>,
    active: Option<Active>,
    previous: End,
    buffer: Buffer,
    batch: Vec<Job>,
}

/// The segment that is being written.
struct Active {
    id: u64,
    file: Box<dyn File>,
    /// Where the next frame goes.
    at: u64,
    frames: u32,
    /// The lanes in it and the sum of their names' lengths, for the room that the seal needs.
    lanes: HashMap<LaneId, usize>,
    names: usize,
}

/// One lane's jobs of a batch: a run of the frame.
struct Planned {
    lane: LaneId,
    name: Arc<[u8]>,
    first: Position,
    jobs: std::ops::Range<usize>,
    count: u64,
    bytes: u64,
}

impl Writer {
    pub(super) fn new(shared: &Arc<Shared>) -> Writer {
        Writer {
            shared: Arc::clone(shared),
            active: None,
            previous: End::default(),
            buffer: Buffer::default(),
            batch: Vec::new(),
        }
    }

    /// Writes one frame of what waits and answers its appends; false if nothing waits.
    pub(super) fn turn(&mut self) -> bool {
        let mut batch = std::mem::take(&mut self.batch);
        // With the header of the segment and rounding, half a segment is what always fits.
        let room = self.shared.space.segment_size() / 2;
        let bounds = Bounds {
            bytes: FRAME_BYTES,
            room,
            jobs: FRAME_JOBS,
        };
        self.shared.inbox.take(&mut batch, &bounds);
        if batch.is_empty() {
            return false;
        }
        self.shared.intake.begins(self.shared.clock.now_ms());
        // Stable: appends of one lane stay in order.
        batch.sort_by_key(|job| job.lane);
        let runs = self.plan(&batch);
        let written = match self.shared.intake.refusal(self.shared.clock.now_ms()) {
            None | Some(AppendError::Stalled { .. }) => self.write(&batch, &runs),
            Some(why) => Err(why),
        };
        self.shared.intake.rests();
        self.shared
            .inbox
            .release(batch.iter().map(Job::bytes).sum());
        answer(&mut batch, &runs, written);
        self.batch = batch;
        true
    }

    /// Writes the seal of the segment: nothing more will come.
    pub(super) fn finish(&mut self) {
        while self.turn() {}
        self.seal();
    }

    /// Gives the batch its runs and LSNs. Whatever becomes of them, these LSNs are used.
    fn plan(&self, batch: &[Job]) -> Vec<Planned> {
        let mut index = self.shared.index();
        let mut runs = Vec::new();
        let mut start = 0;
        for jobs in batch.chunk_by(|one, other| one.lane == other.lane) {
            let count = jobs.iter().map(|job| u64::from(job.batch.count())).sum();
            let lane = jobs[0].lane;
            let first = Position {
                lsn: index.next_lsn,
                ordinal: index.end(lane),
            };
            index.next_lsn += count;
            runs.push(Planned {
                lane,
                name: index.name(lane).unwrap_or_default(),
                first,
                jobs: start..start + jobs.len(),
                count,
                bytes: jobs.iter().map(Job::bytes).sum(),
            });
            start += jobs.len();
        }
        runs
    }

    /// Writes the frame; if that fails, once more into a new segment. Nothing is ever written twice to the same place.
    fn write(&mut self, batch: &[Job], runs: &[Planned]) -> Result<(), AppendError> {
        let now_ms = self.shared.clock.now_ms();
        let base_lsn = runs[0].first.lsn;
        let new_runs: Vec<_> = runs.iter().map(|run| new_run(run, batch)).collect();
        frame::encode(&mut self.buffer, base_lsn, now_ms, &new_runs);
        // Of a write that failed nothing is known: it may be read after a restart, whatever becomes of the second one.
        let mut failed = None;
        for is_last_try in [false, true] {
            let started = Instant::now();
            let error = match self.write_once(runs, base_lsn) {
                Ok(()) => {
                    let len = self.buffer.bytes().len() as u64;
                    let events = runs.iter().map(|run| run.count).sum();
                    self.shared.counters.wrote(len, events, started.elapsed());
                    self.shared.intake.wrote();
                    self.publish(runs, now_ms);
                    return Ok(());
                }
                Err(Failure::NoSegment(error)) if is_last_try || is_no_space(&error) => {
                    let refusal = self.failed(&error);
                    return Err(failed.map_or(refusal, AppendError::Failed));
                }
                Err(Failure::NoSegment(error)) => {
                    tracing::error!(%error, "a segment can't be begun");
                    continue;
                }
                Err(Failure::Write(error)) => error,
            };
            self.abandon(&error);
            failed = Some(error.kind());
            if is_last_try {
                self.failed(&error);
                return Err(AppendError::Failed(error.kind()));
            }
        }
        Err(AppendError::Closed)
    }

    fn failed(&self, error: &io::Error) -> AppendError {
        let answer = self.shared.intake.failed(error, self.shared.clock.now_ms());
        self.shared.bell.ring();
        answer
    }

    fn write_once(&mut self, runs: &[Planned], base_lsn: Lsn) -> Result<(), Failure> {
        let len = self.buffer.bytes().len() as u64;
        if !self.has_room(len, runs) {
            self.roll(base_lsn).map_err(Failure::NoSegment)?;
        }
        let Some(active) = &mut self.active else {
            return Err(Failure::NoSegment(io::ErrorKind::NotFound.into()));
        };
        frame::address(&mut self.buffer, self.shared.log_id, active.id);
        active
            .file
            .write_durable(active.at, self.buffer.bytes())
            .map_err(Failure::Write)?;
        active.at += len;
        active.frames += 1;
        for run in runs {
            if active.lanes.insert(run.lane, run.name.len()).is_none() {
                active.names += run.name.len();
            }
        }
        Ok(())
    }

    /// Whether the frame fits into the active segment together with the seal that will follow.
    fn has_room(&self, len: u64, runs: &[Planned]) -> bool {
        let Some(active) = &self.active else {
            return false;
        };
        let new = runs
            .iter()
            .filter(|run| !active.lanes.contains_key(&run.lane));
        let (lanes, names) = new.fold((0, 0), |(lanes, names), run| {
            (lanes + 1, names + run.name.len())
        });
        let seal = seal::len(active.lanes.len() + lanes, active.names + names) as u64;
        active.at + len + seal <= self.shared.space.segment_size()
    }

    /// The frame is durable: readers may see it, in the index first, then by the answers.
    fn publish(&self, runs: &[Planned], now_ms: u64) {
        let mut index = self.shared.index();
        for run in runs {
            index.publish(run.lane, run.first.lsn, run.count, run.bytes, now_ms);
        }
        if let Some(active) = &self.active {
            index.publish_end(active.at);
        }
        // The steward writes down how far lanes go, once a second: should the last files be lost, it's known how much that is.
        let was_dirty = std::mem::replace(&mut index.is_dirty, true);
        drop(index);
        if !was_dirty {
            self.shared.bell.ring();
        }
    }

    /// Seals the active segment and begins a new one.
    fn roll(&mut self, base_lsn: Lsn) -> io::Result<()> {
        self.seal();
        let shared = Arc::clone(&self.shared);
        let (disk, id) = (&*shared.disk, shared.index().new_id());
        let spare = match shared.space.take() {
            Some(spare) => spare,
            None => shared.space.make(disk, id)?,
        };
        shared.bell.ring();
        let size = shared.space.segment_size();
        let header = Header {
            log_id: shared.log_id,
            id,
            epoch: shared.epoch,
            base_lsn,
            size,
            previous: self.previous,
        };
        let name = Name::Segment(id).file();
        let begun = (spare.file.write_durable(0, header.encode().bytes()))
            .and_then(|()| disk.rename(&spare.name, &name))
            .and_then(|()| disk.sync_dir());
        if let Err(error) = begun {
            discard(disk, &name);
            discard(disk, &spare.name);
            shared.space.gone(size);
            return Err(error);
        }
        shared.index().begin(id, size, DATA);
        let (lanes, names) = (HashMap::new(), 0);
        self.active = Some(Active {
            id,
            file: spare.file,
            at: DATA,
            frames: 0,
            lanes,
            names,
        });
        Ok(())
    }

    /// Ends the active segment with its seal. If that fails it is scanned at the next start.
    fn seal(&mut self) {
        let Some(active) = self.active.take() else {
            return;
        };
        let shared = &self.shared;
        self.previous = End {
            segment: active.id,
            end: active.at,
            frames: active.frames,
        };
        let lanes = shared.index().active_spans();
        let seal = Seal {
            segment: active.id,
            end: active.at,
            frames: active.frames,
            lanes,
        };
        let seal = seal::encode(&seal, shared.log_id, shared.clock.now_ms());
        let size = shared.space.segment_size();
        let at = size.saturating_sub(seal.bytes().len() as u64);
        if at >= active.at
            && let Err(error) = active.file.write_durable(at, seal.bytes())
        {
            tracing::warn!(segment = active.id, %error, "can't write the summary of a segment");
        }
        shared.index().finish();
        shared.bell.ring();
    }

    /// Leaves the active segment after a failed write: nothing more is written to it, and nothing synced.
    fn abandon(&mut self, error: &io::Error) {
        super::stats::Counters::add(&self.shared.counters.write_errors, 1);
        if let Some(active) = self.active.take() {
            tracing::error!(segment = active.id, %error, "a write failed; the segment is left");
            self.previous = End {
                segment: active.id,
                end: active.at,
                frames: active.frames,
            };
            self.shared.index().finish();
            self.shared.bell.ring();
        }
    }
}

enum Failure {
    /// There is no segment to write to.
    NoSegment(io::Error),
    /// The write itself failed.
    Write(io::Error),
}

fn new_run<'a>(run: &'a Planned, batch: &'a [Job]) -> NewRun<'a> {
    NewRun {
        lane: &run.name,
        ordinal: run.first.ordinal,
        batches: batch[run.jobs.clone()]
            .iter()
            .map(|job| &job.batch)
            .collect(),
    }
}

/// Calls what waits for the batch, in order.
fn answer(batch: &mut Vec<Job>, runs: &[Planned], written: Result<(), AppendError>) {
    let mut jobs = batch.drain(..);
    for run in runs {
        let mut first = run.first;
        for job in jobs.by_ref().take(run.jobs.len()) {
            let count = job.batch.count();
            // It's counted as stored now, if it is.
            drop(job.queued);
            (job.done)(written.map(|()| Appended { first, count }));
            first.lsn += u64::from(count);
            first.ordinal += u64::from(count);
        }
    }
}
