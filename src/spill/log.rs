//! The log as others hold it: append, read, acknowledge, look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::append::{AppendError, Appended, Refused};
use super::clock::Clock;
use super::disk::Disk;
use super::inbox::{Done, Job};
use super::lane::NAME_BYTES;
use super::part::{PartOf, Queued};
use super::shared::Shared;
use super::stats::{Backlog, Counters, Stats};
use super::threads::Threads;
use super::{
    Batch, LaneId, LaneReader, LostLane, Lsn, OpenError, Position, Record, Recovered,
    RecoveredLane, Settings,
};

/// An open log. Shared by reference; closes on drop, like [`Log::close`] with a short deadline.
pub struct Log {
    shared: Arc<Shared>,
    threads: Option<Threads>,
    was_closed: AtomicBool,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("disk", &self.shared.disk.describe())
            .finish_non_exhaustive()
    }
}

impl Log {
    /// Opens the log in `settings.dir`, made if it's missing, on the machine's own disk.
    pub fn open(settings: Settings) -> Result<(Log, Recovered), OpenError> {
        let disk = super::RealDisk::new(&settings.dir).map_err(OpenError::Directory)?;
        Log::open_on(Arc::new(disk), settings)
    }

    /// Opens the log on a disk.
    pub fn open_on(disk: Arc<dyn Disk>, settings: Settings) -> Result<(Log, Recovered), OpenError> {
        let (shared, recovered) = super::recover::open(disk, settings, Clock::of_the_machine())?;
        let threads = Threads::start(&shared).map_err(OpenError::Thread)?;
        Ok((
            Log {
                shared,
                threads: Some(threads),
                was_closed: AtomicBool::new(false),
            },
            recovered,
        ))
    }

    /// The log without threads of its own: tests turn writer and steward by hand.
    #[cfg(test)]
    pub(super) fn without_threads(shared: &Arc<Shared>) -> Log {
        Log {
            shared: Arc::clone(shared),
            threads: None,
            was_closed: AtomicBool::new(false),
        }
    }

    /// Takes the settings that may change while the log is open: `quota`, `min_free`, `queue` and `stalled_after`. What is stored
    /// and what waits stays, also if it's more than may be now. A log that was full looks at once whether it still is.
    pub fn change(&self, settings: &Settings) {
        let shared = &*self.shared;
        let (quota, min_free) = (settings.quota.as_u64(), settings.min_free.as_u64());
        shared.space.change(quota, min_free);
        shared.inbox.change(settings.queue.as_u64());
        shared.intake.change(settings.stalled_after);
        shared.bell.ring();
    }

    /// The lane of this name, 1 to 800 bytes; it's made if it's new. Lanes live as long as the log.
    pub fn lane(&self, name: &[u8]) -> Option<LaneId> {
        let fits = (1..=NAME_BYTES).contains(&name.len());
        fits.then(|| self.shared.index().lane(name))
    }

    /// Whether so many more bytes may wait for the disk; always, if nothing does.
    pub fn has_room(&self, bytes: u64) -> bool {
        let queued = self.shared.inbox.queued();
        queued == 0 || queued + bytes <= self.shared.inbox.limit()
    }

    /// Counts lanes by their parts from now on: those that there are, with what waits in them, and those that come.
    pub fn count_by(&self, part_of: PartOf) {
        self.shared.index().count_by(part_of);
    }

    /// Whether the part that a lane is of has room that is worth beginning with.
    pub fn has_part_room(&self, lane: LaneId) -> bool {
        let index = self.shared.index();
        !index.part(lane).is_some_and(|part| part.is_full())
    }

    /// As [`Log::append_anyway`]; what is refused comes back.
    pub fn append<F>(&self, lane: LaneId, records: Vec<Record>, done: F) -> Result<(), Refused>
    where
        F: FnOnce(Result<Appended, AppendError>) + Send + 'static,
    {
        let appended = self.append_anyway(lane, Batch::from(&*records), done);
        appended.map_err(|why| Refused { why, records })
    }

    /// Stores records behind all others of their lane. Never waits: either it's refused at once, or `done` is called, on
    /// the writer's thread and in the order of the appends, when the records are durable or have failed.
    pub fn append_batch<F>(&self, lane: LaneId, batch: Batch, done: F) -> Result<(), AppendError>
    where
        F: FnOnce(Result<Appended, AppendError>) + Send + 'static,
    {
        self.push(lane, batch, Box::new(done), true)
    }

    /// As [`Log::append_batch`], for records that the log has already, in another lane: its part may have no room for them.
    pub fn append_anyway<F>(&self, lane: LaneId, batch: Batch, done: F) -> Result<(), AppendError>
    where
        F: FnOnce(Result<Appended, AppendError>) + Send + 'static,
    {
        self.push(lane, batch, Box::new(done), false)
    }

    fn push(
        &self,
        lane: LaneId,
        batch: Batch,
        done: Done,
        needs_room: bool,
    ) -> Result<(), AppendError> {
        let queued = None;
        let mut job = Job {
            lane,
            batch,
            done,
            queued,
        };
        let pushed = self.refusal(&job).map_or(Ok(()), Err);
        let pushed = pushed.and_then(|()| {
            job.queued = self.enter_part(&job, needs_room)?;
            self.shared.inbox.push(job).map_err(|(why, _)| why)
        });
        if pushed.is_err() {
            Counters::add(&self.shared.counters.refused, 1);
        }
        pushed
    }

    /// Has an append counted by its lane's part, if it has one.
    fn enter_part(&self, job: &Job, needs_room: bool) -> Result<Option<Queued>, AppendError> {
        let Some(part) = self.shared.index().part(job.lane).cloned() else {
            return Ok(None);
        };
        let bytes = job.bytes();
        if needs_room && !part.takes(bytes) {
            return Err(AppendError::PartFull {
                used: part.used(),
                limit: part.limit().unwrap_or(u64::MAX),
            });
        }
        Ok(Some(Queued::new(part, bytes)))
    }

    fn refusal(&self, job: &Job) -> Option<AppendError> {
        let limit = self.shared.append_bytes();
        if !job.batch.is_valid() || !self.shared.index().knows(job.lane) {
            return Some(AppendError::Invalid);
        }
        let bytes = job.bytes();
        if bytes > limit {
            return Some(AppendError::TooLarge { bytes, limit });
        }
        self.shared.intake.refusal(self.shared.clock.now_ms())
    }

    /// Reads a lane from its first unacknowledged record on. One reader per lane is meant; it belongs to who acknowledges.
    pub fn reader(&self, lane: LaneId) -> Option<LaneReader> {
        LaneReader::new(&self.shared, lane)
    }

    /// All records of the lane up to this one are taken care of and won't be needed again.
    pub fn acked(&self, lane: LaneId, up_to: Position) {
        let mut index = self.shared.index();
        let was_dirty = index.is_dirty;
        let released = index.ack(lane, up_to);
        drop(index);
        if released || !was_dirty {
            self.shared.bell.ring();
        }
    }

    /// What waits in a lane.
    pub fn lane_backlog(&self, lane: LaneId) -> Backlog {
        let backlog = self.shared.index().backlog(lane);
        backlog.map_or(Backlog::default(), |waiting| Backlog {
            events: waiting.events,
            bytes: waiting.bytes,
            oldest: Duration::from_millis(
                self.shared.clock.now_ms().saturating_sub(waiting.since_ms),
            ),
        })
    }

    /// The number of a lane's oldest record that isn't acknowledged, if there is one. Numbers grow from record to record of the whole
    /// log.
    pub fn lane_oldest(&self, lane: LaneId) -> Option<Lsn> {
        let index = self.shared.index();
        index.backlog(lane).map(|waiting| waiting.first_lsn)
    }

    /// What waits in each lane, by its number.
    pub fn backlog_by_lane(&self) -> Vec<Backlog> {
        let index = self.shared.index();
        let now_ms = self.shared.clock.now_ms();
        let lanes = index.lanes().map(|lane| {
            let backlog = index.backlog(lane);
            backlog.map_or_else(Backlog::default, |waiting| Backlog {
                events: waiting.events,
                bytes: waiting.bytes,
                oldest: Duration::from_millis(now_ms.saturating_sub(waiting.since_ms)),
            })
        });
        lanes.collect()
    }

    /// What waits in each lane that has ever had a record, by name.
    pub fn backlogs(&self) -> Vec<(Arc<[u8]>, Backlog)> {
        let index = self.shared.index();
        let now_ms = self.shared.clock.now_ms();
        let lanes = index.lanes().filter_map(|lane| {
            let waiting = index.backlog(lane)?;
            let oldest = Duration::from_millis(now_ms.saturating_sub(waiting.since_ms));
            let (events, bytes) = (waiting.events, waiting.bytes);
            Some((
                index.name(lane)?,
                Backlog {
                    events,
                    bytes,
                    oldest,
                },
            ))
        });
        lanes.collect()
    }

    /// The lanes with unacknowledged records, by name.
    pub fn lanes(&self) -> Vec<RecoveredLane> {
        super::recover::lanes(&self.shared.index(), self.shared.clock.now_ms())
    }

    /// The lanes that have lost records to damage of the disk, by name.
    pub fn lost(&self) -> Vec<LostLane> {
        super::recover::lost(&self.shared.index(), self.shared.clock.now_ms())
    }

    /// Whether new records are taken.
    pub fn state(&self) -> super::State {
        self.shared.intake.state(self.shared.clock.now_ms())
    }

    /// The log at this moment. Takes locks of the data path for a moment, and never waits for the disk.
    pub fn stats(&self) -> Stats {
        let shared = &*self.shared;
        let mut stats = shared.counters.report();
        stats.state = shared.intake.state(shared.clock.now_ms());
        stats.used_bytes = shared.space.used();
        stats.quota_bytes = shared.space.quota();
        (stats.room_bytes, stats.room_age) = shared.space.room();
        stats.spares = shared.space.spares() as u64;
        stats.queued_bytes = shared.inbox.queued();
        let index = shared.index();
        stats.segments = index.segments();
        for lane in index.lost() {
            stats.lost_events += lane.lost();
            stats.lost_before += lane.lost_before();
        }
        for backlog in index.lanes().filter_map(|lane| index.backlog(lane)) {
            stats.backlog_events += backlog.events;
            stats.backlog_bytes += backlog.bytes;
        }
        stats
    }

    /// Writes what waits, the seal and the watermarks; waits for at most `within`. What isn't written by then is written later,
    /// or its `done` says that it failed. Nothing is taken any more. The directory is given back when the log is dropped.
    pub fn close(&self, within: Duration) -> Result<(), super::CloseError> {
        self.shared.inbox.close();
        self.was_closed.store(true, Relaxed);
        self.threads
            .as_ref()
            .map_or(Ok(()), |threads| threads.finish(&self.shared, within))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.was_closed.load(Relaxed) {
            // Whoever did it has waited for as long as it wanted to.
            return;
        }
        if let Err(error) = self.close(self.shared.intake.stalled_after()) {
            tracing::warn!(%error, "the spill log was dropped while the disk was busy; nothing acknowledged is lost");
        }
    }
}

impl Backlog {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }
}
