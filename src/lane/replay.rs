//! Reading lanes back from the spill log, on a thread of its own: a disk that hangs must not hold the worker.
//!
//! The thread has the readers; the worker asks for a read, with memory that is already charged, and gets an [`Answer`]. At most
//! one read per lane is under way, and all of them are bounded by the worker's window and the memory budget.
//!
//! **Memory.** What is read back has shares of the budget of its own, and may fill half of the client's bytes: a backlog takes
//! all that it gets, and new events need room as well. One topic may hold four times as much of that as is left, and a topic that
//! holds nothing always gets one read, so that topics that stand still leave room to the others. One lane may hold at most as
//! much as is left, so that a partition without a leader leaves room to the others. A lane that may not send reads nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use bytes::Bytes;
use crossbeam_queue::SegQueue;
use smallvec::SmallVec;

use super::cluster::Cluster;
use super::topic::Topic;
use super::window::Window;
use crate::budget::Held;
use crate::event::wire::{self, WireError};
use crate::event::{self, Event};
use crate::receipt::{Ledger, Parcel, Request, Slot};
use crate::route::partition_of;
use crate::spill::{LaneId, LaneReader, Log, Position, ReadError, Stored};

/// Bytes that one read of the log brings, and so the memory of one step of a replay. Tiny in tests of the lanes, so that
/// every limit is met all the time.
pub(super) const READ_BYTES: usize = if cfg!(test) { 1 << 10 } else { 256 << 10 };
/// Bytes that may be on their way from the log to one cluster at once: as much as its thread reads in some milliseconds.
pub(super) const MOST_READING: u64 = 16 * READ_BYTES as u64;
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

/// A parcel that was read back, and the position up to which the log is read with it: with the last one of a read.
pub(super) type Replayed = (Arc<Parcel>, Option<Position>);

/// What is to be read.
pub(super) struct Ask {
    /// The lane's number within its cluster.
    pub(super) lane: u32,
    /// The lane of the log.
    pub(super) log_lane: LaneId,
    /// From the first record on that hasn't arrived, not from where the last read ended.
    pub(super) is_first: bool,
    /// See [`read_bytes`].
    pub(super) bytes: u64,
    pub(super) partition: i32,
    /// How many partitions there are to sort the events by, if the lane is of none.
    pub(super) partitions: Option<usize>,
    pub(super) ledger: Arc<Ledger>,
    /// See [`hold_for_read`].
    pub(super) held: Held,
}

/// What the thread has to do.
pub(super) enum Job {
    Read(Ask),
    /// The reader of the lane of this number is of no more use.
    Close(u32),
}

/// What came of it.
pub(super) struct Answer {
    pub(super) lane: u32,
    /// As many as were asked for.
    pub(super) asked: u64,
    /// Empty if nothing was there.
    pub(super) read: Vec<Replayed>,
    /// Nothing more was there.
    pub(super) is_all: bool,
    pub(super) fault: Option<Fault>,
}

/// Why no more came.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The disk didn't give it; later it may.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A later forebay wrote it.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// The reading thread of one cluster.
pub(super) struct Replay {
    jobs: Sender<Job>,
    answers: Arc<SegQueue<Answer>>,
}

impl Replay {
    /// Starts the thread; it ends when this is dropped, after the read that is under way.
    pub(super) fn start(log: &Arc<Log>, cluster: &Arc<Cluster>) -> std::io::Result<Replay> {
        let (jobs, asked) = channel::<Job>();
        let mut readers = Readers::of(log);
        let answers = Arc::<SegQueue<Answer>>::default();
        let (out, cluster) = (Arc::clone(&answers), Arc::clone(cluster));
        let crew = Arc::clone(&cluster.crew);
        std::thread::Builder::new()
            .name(format!("replay-{}", cluster.name()))
            .spawn(move || {
                for job in asked {
                    let read = || readers.work(job, Instant::now());
                    let Ok(answer) = catch_unwind(AssertUnwindSafe(read)) else {
                        // The lane would wait for its reader for ever. Nothing acknowledged is lost by ending here.
                        tracing::error!(
                            cluster = cluster.name(),
                            "the thread that reads lanes back panicked; this is a bug, and forebay ends"
                        );
                        std::process::abort();
                    };
                    if let Some(answer) = answer {
                        out.push(answer);
                        cluster.signal.wake();
                    }
                }
                drop(crew);
            })?;
        Ok(Replay { jobs, answers })
    }

    /// Without the thread: a test answers by hand.
    #[cfg(test)]
    pub(super) fn by_hand() -> (
        Replay,
        std::sync::mpsc::Receiver<Job>,
        Arc<SegQueue<Answer>>,
    ) {
        let (jobs, asked) = channel();
        let answers = Arc::<SegQueue<Answer>>::default();
        let out = Arc::clone(&answers);
        (Replay { jobs, answers }, asked, out)
    }

    /// Has something read. False if the thread is gone.
    pub(super) fn ask(&self, ask: Ask) -> bool {
        self.jobs.send(Job::Read(ask)).is_ok()
    }

    /// The reader of a lane is of no more use.
    pub(super) fn close(&self, lane: u32) {
        // A thread that is gone has no readers.
        self.jobs.send(Job::Close(lane)).unwrap_or_default();
    }

    /// The next thing that was read.
    pub(super) fn next(&self) -> Option<Answer> {
        self.answers.pop()
    }
}

/// The readers of one cluster's lanes, by the lanes' numbers.
pub(super) struct Readers {
    log: Arc<Log>,
    open: HashMap<u32, LaneReader>,
}

impl Readers {
    /// Of a log; none yet.
    pub(super) fn of(log: &Arc<Log>) -> Readers {
        Readers {
            log: Arc::clone(log),
            open: HashMap::new(),
        }
    }

    /// Does a job, `now`.
    pub(super) fn work(&mut self, job: Job, now: Instant) -> Option<Answer> {
        match job {
            Job::Read(ask) => Some(self.read(ask, now)),
            Job::Close(lane) => {
                self.open.remove(&lane);
                None
            }
        }
    }

    fn read(&mut self, mut ask: Ask, now: Instant) -> Answer {
        if ask.is_first {
            self.open.remove(&ask.lane);
        }
        let reader = match self.open.entry(ask.lane) {
            Entry::Occupied(open) => Some(open.into_mut()),
            Entry::Vacant(none) => {
                let reader = self.log.reader(ask.log_lane);
                reader.map(|reader| none.insert(reader))
            }
        };
        let (read, is_all, fault) = match reader {
            // The log knows its own lanes.
            None => (Vec::new(), false, None),
            Some(reader) => match reader.read(ask.bytes as usize) {
                Ok(records) => {
                    let (found, understood) = Found::gather(records);
                    let read = found.parcels(&mut ask, reader.kept_bytes(), now);
                    (read, reader.is_at_end(), understood.err().map(Fault::Wire))
                }
                Err(error) => (Vec::new(), false, Some(Fault::Read(error))),
            },
        };
        Answer {
            lane: ask.lane,
            asked: ask.bytes,
            read,
            is_all,
            fault,
        }
    }
}

/// Events that were read, with the times of their arrival.
#[derive(Default)]
struct Found {
    body: Vec<u8>,
    events: Vec<(Event, i64)>,
    last: Option<Position>,
}

impl Found {
    /// Ends before a record that this forebay doesn't understand: stepping over it would lose it.
    fn gather(records: Vec<Stored>) -> (Found, Result<(), WireError>) {
        let mut found = Found::default();
        let bytes = records.iter().map(|stored| stored.payload.len()).sum();
        found.body.reserve(bytes);
        for stored in records {
            let start = found.body.len() as u32;
            found.body.extend_from_slice(&stored.payload);
            let (end, index) = (found.body.len() as u32, found.events.len() as u32);
            match wire::decode(&found.body, start, end, index) {
                Ok(event) => found.events.push(event),
                Err(error) => return (found, Err(error)),
            }
            found.last = Some(stored.position);
        }
        (found, Ok(()))
    }

    /// As parcels: one, or one per partition if they have to be sorted. Their memory is charged with what the reader keeps.
    fn parcels(self, ask: &mut Ask, kept: usize, now: Instant) -> Vec<Replayed> {
        let Found {
            body,
            mut events,
            last,
        } = self;
        let keyless = body.len();
        let partition_of = |event: &Event| match ask.partitions {
            None => ask.partition,
            Some(count) => {
                let partition = match event.key.bytes(&body) {
                    Some(key) => partition_of(key, count),
                    None => keyless % count.max(1),
                };
                partition as i32
            }
        };
        // A stable sort: within a partition the order stays.
        events.sort_by_key(|(event, _)| partition_of(event));
        let mut slots = Vec::<Slot>::new();
        for (first, (event, _)) in (0..).zip(&events) {
            let partition = partition_of(event);
            match slots.last_mut() {
                Some(slot) if slot.partition == partition => slot.count += 1,
                _ => slots.push(Slot {
                    lane: ask.lane,
                    partition,
                    first,
                    count: 1,
                }),
            }
        }
        let held = charge(&mut ask.held, &body, kept, &events);
        let (events, stamps): (SmallVec<[Event; 1]>, Vec<i64>) = events.into_iter().unzip();
        let (body, ledger) = (Bytes::from(body), Arc::clone(&ask.ledger));
        let parcels = Request::replay(now, body, events, stamps.into(), &slots, ledger, held);
        let count = parcels.len();
        let parcels = (1..).zip(parcels);
        parcels
            .map(|(number, parcel)| (parcel, last.filter(|_| number == count)))
            .collect()
    }
}

/// What was read is charged as what comes over HTTP is; and with it what the reader keeps until the next read.
fn charge(held: &mut Held, body: &[u8], kept: usize, events: &[(Event, i64)]) -> Held {
    let of_event = |(event, _): &(Event, i64)| {
        let extra = event.extra.as_ref();
        let extra = extra.map_or(0, |extra| extra.overhead_bytes(body));
        event::OVERHEAD_BYTES + event::unusual_bytes(event.key.len() as usize) + extra
    };
    let bytes = (body.len() + kept) as u64;
    let needed = bytes + events.iter().map(of_event).sum::<u64>();
    held.owe(needed.saturating_sub(held.bytes()));
    held.shrink(held.bytes() - needed);
    held.take()
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
