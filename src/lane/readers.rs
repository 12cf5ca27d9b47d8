//! From a lane's records in the log to parcels. The thread of [`super::replay`] does it; nothing here knows threads.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::budget::Held;
use crate::event::wire::{self, WireError};
use crate::event::{self, Event};
use crate::receipt::{Ledger, Parcel, Request, Slot};
use crate::route::partition_of;
use crate::spill::{LaneId, LaneReader, Log, Position, ReadError, Stored};

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
    /// See [`super::replay::read_bytes`].
    pub(super) bytes: u64,
    pub(super) partition: i32,
    /// How many partitions there are to sort the events by, if the lane is of none.
    pub(super) partitions: Option<usize>,
    pub(super) ledger: Arc<Ledger>,
    /// See [`super::replay::hold_for_read`].
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
