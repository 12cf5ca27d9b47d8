//! Reading lanes back from the spill log, on a thread of its own: a disk that hangs must not hold the worker. The thread is there
//! while there is something to read, and a moment longer: clusters that are in order have none.
//!
//! The thread has the readers; the worker asks for a read, with memory that is already charged, and gets an [`Answer`]. At most
//! one read per lane is under way, and all of them are bounded by the worker's window and the memory budget.
//!
//! **Memory.** What is read back has shares of the budget of its own, and may fill half of the client's bytes: a backlog takes
//! all that it gets, and new events need room as well. One topic may hold four times as much of that as is left, and a topic that
//! holds nothing always gets one read, so that topics that stand still leave room to the others. One lane may hold at most as
//! much as is left, so that a partition without a leader leaves room to the others. A lane that may not send reads nothing.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;

use super::cluster::Cluster;
use super::readers::{Answer, Ask, Job, Readers};
use super::topic::Topic;
use super::window::Window;
use crate::budget::Held;
use crate::spill::Log;

/// Bytes that one read of the log brings, and so the memory of one step of a replay. Tiny in tests of the lanes, so that
/// every limit is met all the time.
pub(super) const READ_BYTES: usize = if cfg!(test) { 1 << 10 } else { 256 << 10 };
/// Bytes that may be on their way from the log to one cluster at once: as much as its thread reads in some milliseconds.
pub(super) const MOST_READING: u64 = 16 * READ_BYTES as u64;
/// How long the thread stays without work.
const LINGER: Duration = if cfg!(test) {
    Duration::from_millis(100)
} else {
    Duration::from_secs(5)
};
/// Memory for a byte that is to be read, before it's known what the read brings: as much as bytes and their bookkeeping are if
/// they are events of about a hundred bytes. What it really is, is charged when they are read.
const MEMORY_OF_BYTE: u64 = 4;

/// Bytes that one read of a cluster brings. Less than [`READ_BYTES`] where the client may not hold two of these, or where the
/// memory for it would be more than an eighth of the budget: a lane that never found room would never be read.
pub(super) fn read_bytes(max_in_flight: u64, budget: u64) -> u64 {
    let of_budget = budget / (8 * MEMORY_OF_BYTE);
    (READ_BYTES as u64)
        .min(max_in_flight / 2)
        .min(of_budget)
        .max(1)
}

/// Memory for the next read, of so many `bytes`, of a lane that has sent what is in `window`; none if it has to wait for it.
pub(super) fn hold_for_read(
    topic: &Topic,
    window: &Window,
    max_in_flight: u64,
    bytes: u64,
) -> Option<Held> {
    let account = topic.replays();
    let left = (max_in_flight / 2).saturating_sub(account.cluster.used());
    let own = account.stream.used();
    let is_too_much = own > 0 && own + bytes > 4 * left;
    if is_too_much || window.outstanding_bytes() > account.room().min(left) {
        return None;
    }
    account.hold_one(MEMORY_OF_BYTE * bytes)
}

/// The reading thread of one cluster, which comes and goes.
pub(super) struct Replay {
    desk: Arc<Desk>,
    cluster: Arc<Cluster>,
}

/// Where work is left for the thread, and what came of it for the worker.
struct Desk {
    state: Mutex<State>,
    arrived: Condvar,
    /// The thread's. They stay when it goes.
    readers: Mutex<Readers>,
    answers: SegQueue<Answer>,
}

/// What is on it. Reads are bounded by their memory, and each lane has at most one reader to close.
#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    has_thread: bool,
    /// Nothing more will come.
    is_closed: bool,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; none if the thread is to end.
    fn next(&self) -> Option<Job> {
        let is_idle = |state: &mut State| state.jobs.is_empty() && !state.is_closed;
        let waited = (self.arrived).wait_timeout_while(self.state(), LINGER, is_idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let job = state.jobs.pop_front().filter(|_| !state.is_closed);
        state.has_thread = job.is_some();
        job
    }

    fn work(&self, job: Job, now: Instant) -> Option<Answer> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.work(job, now)
    }
}

impl Replay {
    /// The thread's place. It comes with the first read, and ends when this is dropped, after the read that is under way.
    pub(super) fn new(log: &Arc<Log>, cluster: &Arc<Cluster>) -> Replay {
        Replay {
            desk: Arc::new(Desk {
                state: Mutex::default(),
                arrived: Condvar::new(),
                readers: Mutex::new(Readers::of(log)),
                answers: SegQueue::new(),
            }),
            cluster: Arc::clone(cluster),
        }
    }

    /// Has the thread do a job. False if there is none and can be none now.
    fn leave(&self, job: Job) -> bool {
        let mut state = self.desk.state();
        if !state.has_thread {
            if let Err(error) = self.start_thread() {
                let cluster = self.cluster.name();
                tracing::warn!(cluster, %error, "there is no thread that could read lanes back");
                return false;
            }
            state.has_thread = true;
        }
        state.jobs.push_back(job);
        self.desk.arrived.notify_one();
        true
    }

    fn start_thread(&self) -> std::io::Result<()> {
        let (desk, cluster) = (Arc::clone(&self.desk), Arc::clone(&self.cluster));
        let crew = Arc::clone(&cluster.crew);
        let thread = std::thread::Builder::new().name(format!("replay-{}", cluster.name()));
        let spawned = thread.spawn(move || {
            while let Some(job) = desk.next() {
                let Ok(answer) = catch_unwind(AssertUnwindSafe(|| desk.work(job, Instant::now())))
                else {
                    // The lane would wait for its reader for ever. Nothing acknowledged is lost by ending here.
                    tracing::error!(
                        cluster = cluster.name(),
                        "the thread that reads lanes back panicked; this is a bug, and forebay ends"
                    );
                    std::process::abort();
                };
                if let Some(answer) = answer {
                    desk.answers.push(answer);
                    cluster.signal.wake();
                }
            }
            drop(crew);
        });
        spawned.map(drop)
    }

    /// Has something read. False if that can't be done now.
    pub(super) fn ask(&self, ask: Ask) -> bool {
        self.leave(Job::Read(ask))
    }

    /// The reader of a lane is of no more use.
    pub(super) fn close(&self, lane: u32) {
        // At worst it keeps a file open until its lane is read again.
        self.leave(Job::Close(lane));
    }

    /// The next thing that was read.
    pub(super) fn next(&self) -> Option<Answer> {
        self.desk.answers.pop()
    }

    /// Without the thread: a test does its work by hand.
    #[cfg(test)]
    pub(super) fn by_hand(log: &Arc<Log>, cluster: &Arc<Cluster>) -> (Replay, Hand) {
        let replay = Replay::new(log, cluster);
        replay.desk.state().has_thread = true;
        let hand = Hand(Arc::clone(&replay.desk));
        (replay, hand)
    }
}

/// What the thread has, in the hand of a test.
#[cfg(test)]
pub(super) struct Hand(Arc<Desk>);

#[cfg(test)]
impl Hand {
    /// Does all that is asked for now.
    pub(super) fn work(&self, now: Instant) {
        loop {
            let job = self.0.state().jobs.pop_front();
            let Some(job) = job else { return };
            if let Some(answer) = self.0.work(job, now) {
                self.0.answers.push(answer);
            }
        }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.desk.state().is_closed = true;
        self.desk.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::lane::TopicOf;
    use crate::produce;

    fn cluster(budget: u64) -> Arc<Cluster> {
        let topics = ["a", "b", "c"].map(|name| TopicOf::new(name, name));
        let (client, budget) = (produce::Settings::new("nowhere"), Budget::new(budget));
        Cluster::new("cluster", client, Default::default(), topics, &budget, None)
    }

    #[test]
    fn a_topic_that_stands_still_leaves_a_read_to_each_other_one() {
        let (cluster, window) = (cluster(1 << 30), Window::default());
        let (topics, most, bytes) = (cluster.topics(), 256 << 10, 1 << 10);
        let read = |topic: usize| hold_for_read(&topics[topic], &window, most, bytes);
        let of_a: Vec<_> = std::iter::from_fn(|| read(0)).collect();
        let held: u64 = of_a.iter().map(Held::bytes).sum();
        assert!(held > most / 4 && held < most / 2 - bytes, "{held}");
        let of_b: Vec<_> = std::iter::from_fn(|| read(1)).collect();
        assert!(of_b.len() > 1, "there is room for the next one");
        assert!(read(2).is_some(), "one read at least");
        drop(of_b);
        assert!(read(0).is_none() && read(1).is_some());
    }

    #[test]
    fn however_little_may_be_held_one_read_has_room() {
        let (max_in_flight, budget) = (200, 4 << 10);
        let (cluster, window) = (cluster(budget), Window::default());
        let bytes = read_bytes(max_in_flight, budget);
        assert!(2 * bytes <= max_in_flight, "{bytes}");
        assert!(hold_for_read(&cluster.topics()[0], &window, max_in_flight, bytes).is_some());
        assert_eq!(read_bytes(64 << 20, 1 << 30), READ_BYTES as u64);
        // Bounds of which the log could never give a byte would leave a lane in it for ever.
        assert_eq!(read_bytes(1, 1), 1);
    }
}
