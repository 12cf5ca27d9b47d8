//! Appends on their way to the writer: bounded in bytes, never waits for room. The bound is what may wait, and one append more.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::append::{AppendError, Appended};
use super::lane::NAME_BYTES;
use super::part::Queued;
use super::{Batch, LaneId};

/// What is called when an append is durable or has failed.
pub(super) type Done = Box<dyn FnOnce(Result<Appended, AppendError>) + Send>;

/// One append.
pub(super) struct Job {
    pub(super) lane: LaneId,
    pub(super) batch: Batch,
    pub(super) done: Done,
    /// What its lane's part counts meanwhile.
    pub(super) queued: Option<Queued>,
}

impl Job {
    /// Bytes of the records as they are stored.
    pub(super) fn bytes(&self) -> u64 {
        self.batch.bytes()
    }
}

/// What an append may need beside its records: entries in the run directory and in the seal, with the lane's name.
const JOB_ROOM: u64 = 100 + 2 * NAME_BYTES as u64;

/// How much is taken at once.
pub(super) struct Bounds {
    pub(super) bytes: u64,
    /// The same with what the frame and the seal need beside.
    pub(super) room: u64,
    pub(super) jobs: usize,
}

/// The queue between those who append and the writer.
pub(super) struct Inbox {
    state: Mutex<State>,
    arrived: Condvar,
    /// In bytes.
    limit: AtomicU64,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Bytes of the jobs here and in the writer's hands.
    bytes: u64,
    is_closed: bool,
    /// The writer sleeps.
    is_awaited: bool,
}

impl Inbox {
    pub(super) fn new(limit: u64) -> Inbox {
        Inbox {
            state: Mutex::default(),
            arrived: Condvar::new(),
            limit: AtomicU64::new(limit),
        }
    }

    /// From so many bytes on nothing more may wait.
    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// So many bytes may wait from now on. What waits stays.
    pub(super) fn change(&self, limit: u64) {
        self.limit.store(limit, Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a job, or gives it back with the reason.
    pub(super) fn push(&self, job: Job) -> Result<(), (AppendError, Job)> {
        let mut state = self.state();
        if state.is_closed {
            return Err((AppendError::Closed, job));
        }
        let (queued, limit) = (state.bytes, self.limit());
        // As long as there is room one more goes, however large it is: else a large one would wait for good beside small ones that keep
        // coming, and its lane with it.
        if queued > 0 && queued >= limit {
            return Err((AppendError::Busy { queued, limit }, job));
        }
        state.bytes += job.bytes();
        state.jobs.push_back(job);
        if state.is_awaited {
            state.is_awaited = false;
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Moves jobs into `batch`: at least one if there is one, else as many as fit into the bounds.
    pub(super) fn take(&self, batch: &mut Vec<Job>, bounds: &Bounds) {
        let mut state = self.state();
        let (mut bytes, mut room) = (0, 0);
        while let Some(job) = state.jobs.front() {
            bytes += job.bytes();
            room += job.bytes() + JOB_ROOM;
            let is_too_much =
                bytes > bounds.bytes || room > bounds.room || batch.len() >= bounds.jobs;
            if is_too_much && !batch.is_empty() {
                break;
            }
            batch.extend(state.jobs.pop_front());
        }
    }

    /// Waits until there is a job; false when there is none and the inbox is closed.
    pub(super) fn wait(&self) -> bool {
        let mut state = self.state();
        loop {
            if !state.jobs.is_empty() {
                return true;
            }
            if state.is_closed {
                return false;
            }
            state.is_awaited = true;
            state = self
                .arrived
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Jobs of `bytes` were answered.
    pub(super) fn release(&self, bytes: u64) {
        self.state().bytes -= bytes;
    }

    /// Bytes that wait.
    pub(super) fn queued(&self) -> u64 {
        self.state().bytes
    }

    /// Takes nothing new; what is here is still written.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.arrived.notify_all();
    }
}
