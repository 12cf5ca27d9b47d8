//! Reading lanes back from the spill log, on a thread of its own: a disk that hangs must not hold the worker.
//!
//! The worker lends a lane's reader with its memory already charged; reader and records come back as one [`Answer`]. So at
//! most one read per lane is under way, and all of them are bounded by the worker's window and the memory budget.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use bytes::Bytes;
use crossbeam_queue::SegQueue;
use smallvec::SmallVec;

use super::cluster::Cluster;
use crate::budget::Held;
use crate::event::Event;
use crate::event::wire::{self, WireError};
use crate::receipt::{Ledger, Parcel, Request, Slot};
use crate::route::partition_of;
use crate::spill::{LaneReader, Position, ReadError, Stored};

/// A parcel that was read back, and the position up to which the log is read with it: with the last one of a read.
pub(super) type Replayed = (Arc<Parcel>, Option<Position>);

/// What is to be read.
pub(super) struct Ask {
    /// The lane's number within its cluster.
    pub(super) lane: u32,
    pub(super) reader: LaneReader,
    pub(super) bytes: usize,
    pub(super) partition: i32,
    /// How many partitions there are to sort the events by, if the lane is of none.
    pub(super) partitions: Option<usize>,
    pub(super) ledger: Arc<Ledger>,
    /// Memory for twice `bytes`: what is read, and its events' bookkeeping.
    pub(super) held: Held,
}

/// What came of it.
pub(super) struct Answer {
    pub(super) lane: u32,
    pub(super) reader: LaneReader,
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
    asks: Sender<Ask>,
    answers: Arc<SegQueue<Answer>>,
}

impl Replay {
    /// Starts the thread; it ends when this is dropped, after the read that is under way.
    pub(super) fn start(cluster: &Arc<Cluster>) -> std::io::Result<Replay> {
        let (asks, asked) = channel::<Ask>();
        let answers = Arc::<SegQueue<Answer>>::default();
        let (out, cluster) = (Arc::clone(&answers), Arc::clone(cluster));
        let crew = Arc::clone(&cluster.crew);
        std::thread::Builder::new()
            .name(format!("replay-{}", cluster.name()))
            .spawn(move || {
                for ask in asked {
                    let read = || answer(ask, Instant::now());
                    let Ok(answer) = catch_unwind(AssertUnwindSafe(read)) else {
                        // The lane would wait for its reader for ever. Nothing acknowledged is lost by ending here.
                        tracing::error!(
                            cluster = cluster.name(),
                            "the thread that reads lanes back panicked; this is a bug, and forebay ends"
                        );
                        std::process::abort();
                    };
                    out.push(answer);
                    cluster.signal.wake();
                }
                drop(crew);
            })?;
        Ok(Replay { asks, answers })
    }

    /// Without the thread: a test answers by hand.
    #[cfg(test)]
    pub(super) fn by_hand() -> (
        Replay,
        std::sync::mpsc::Receiver<Ask>,
        Arc<SegQueue<Answer>>,
    ) {
        let (asks, asked) = channel();
        let answers = Arc::<SegQueue<Answer>>::default();
        let out = Arc::clone(&answers);
        (Replay { asks, answers }, asked, out)
    }

    /// Has something read; the reader comes back if the thread is gone.
    pub(super) fn ask(&self, ask: Ask) -> Result<(), LaneReader> {
        self.asks.send(ask).map_err(|refused| refused.0.reader)
    }

    /// The next thing that was read.
    pub(super) fn next(&self) -> Option<Answer> {
        self.answers.pop()
    }
}

/// Reads what is asked for, `now`.
pub(super) fn answer(mut ask: Ask, now: Instant) -> Answer {
    let (read, fault) = match ask.reader.read(ask.bytes) {
        Ok(records) => {
            let (found, understood) = Found::gather(records);
            (
                found.parcels(&mut ask, now),
                understood.err().map(Fault::Wire),
            )
        }
        Err(error) => (Vec::new(), Some(Fault::Read(error))),
    };
    Answer {
        lane: ask.lane,
        is_all: ask.reader.is_at_end(),
        reader: ask.reader,
        read,
        fault,
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

    /// As parcels: one, or one per partition if they have to be sorted.
    fn parcels(self, ask: &mut Ask, now: Instant) -> Vec<Replayed> {
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
        let needed = body.len() + events.len() * (size_of::<Event>() + size_of::<i64>());
        let spare = ask.held.bytes().saturating_sub(needed as u64);
        ask.held.shrink(spare);
        let held = ask.held.take();
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
