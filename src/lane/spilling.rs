//! A lane whose events can't go to Kafka in time, on their way over the spill log.
//!
//! ```text
//!            oldest event waits for spill_after, or the ring is half full
//!   direct ───────────────────────────────────────────────────────────────▶ spilling
//!      ▲                                                                        │
//!      └── nothing of the lane is in the log, in the window or on its way ◀─────┘
//! ```
//!
//! While spilling, every event that comes goes into the log, behind those that are there, and its receipt is resolved
//! when it's durable. What was sent before stays in the client's hands, where it can't be called back; a copy goes into
//! the log too, so that its clients can be released. As soon as the window is empty, the log is replayed through it, in
//! order, and what arrives is acknowledged to the log. So at any time the lane's order is: window, log, ring.
//!
//! An event that Kafka refuses for good, after its client was told that it's durable, becomes a dead letter: a record of a
//! lane `dead/…` of the log, which nobody replays. It blocks nothing.

use std::sync::Arc;

use bytes::Bytes;
use crossbeam_queue::SegQueue;
use smallvec::SmallVec;

use super::cluster::Cluster;
use super::work::Work;
use crate::event::Event;
use crate::event::wire::{self, WireError};
use crate::receipt::{Cause, Ledger, Parcel, Request};
use crate::spill::{AppendError, LaneId, LaneReader, Log, Position, Record};

/// Bytes that one read of the log brings, and so the memory of one step of a replay.
const READ_BYTES: usize = 256 << 10;
/// Events of one lane's replay that the client may hold: enough for full requests, little enough to leave room.
const REPLAY_EVENTS: u32 = 2_000;

/// How a lane sends.
#[derive(Debug, Default)]
pub(super) enum Mode {
    /// Ring, window, Kafka.
    #[default]
    Direct,
    /// Over the log.
    Spilling(Way),
}

impl Mode {
    /// Whether appends are under way.
    pub(super) fn is_appending(&self) -> bool {
        matches!(self, Mode::Spilling(way) if way.appending > 0)
    }
}

/// A lane's way over the log.
#[derive(Debug)]
pub(super) struct Way {
    lane: LaneId,
    /// Appends under way.
    appending: u32,
    /// Made when what was sent before has left the window.
    reader: Option<LaneReader>,
    /// The next record isn't understood, so that nothing can be replayed.
    is_blocked: bool,
}

/// What became of an append.
#[derive(Debug)]
pub(super) struct Stored {
    parcel: Arc<Parcel>,
    what: What,
    result: Result<Position, AppendError>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Events that were never sent.
    Waiting,
    /// A copy of events that are in the window.
    Sent,
    /// The event at this position, which Kafka refused.
    Dead(u32),
}

/// The log, and where it tells the worker what became of its appends.
pub(super) struct Spiller {
    log: Arc<Log>,
    stored: Arc<SegQueue<Stored>>,
}

impl Spiller {
    pub(super) fn new(log: &Arc<Log>) -> Spiller {
        Spiller {
            log: Arc::clone(log),
            stored: Arc::default(),
        }
    }

    /// The next append whose fate is known.
    pub(super) fn next_stored(&self) -> Option<Stored> {
        self.stored.pop()
    }

    /// Takes a lane off its direct way: copies of what is in the window go to the log.
    pub(super) fn enter(&self, work: &mut Work, cluster: &Arc<Cluster>) {
        let Some(lane) = work.lane.spill else { return };
        let mut way = Way {
            lane,
            appending: 0,
            reader: None,
            is_blocked: false,
        };
        for (parcel, positions) in work.window.unresolved() {
            if self
                .append(cluster, lane, &parcel, &positions, What::Sent)
                .is_ok()
            {
                way.appending += 1;
            }
        }
        work.mode = Mode::Spilling(way);
    }

    /// What came since the last turn goes to the log; returns the parcels whose requests are finished by a refusal.
    pub(super) fn append_backlog(
        &self,
        work: &mut Work,
        cluster: &Arc<Cluster>,
    ) -> Vec<Arc<Parcel>> {
        let Mode::Spilling(way) = &mut work.mode else {
            return Vec::new();
        };
        let mut finished = Vec::new();
        while let Some(parcel) = work.backlog.pop_front() {
            work.lane.ring.release(parcel.bytes(), parcel.count());
            if !parcel.claim() {
                continue;
            }
            let all: Vec<u32> = (0..parcel.count()).collect();
            match self.append(cluster, way.lane, &parcel, &all, What::Waiting) {
                Ok(()) => way.appending += 1,
                Err(_) if parcel.not_stored(Cause::NoRoom) => finished.push(parcel),
                Err(_) => {}
            }
        }
        finished
    }

    /// Reads more of the log if the lane may send it, and returns it with the position of each parcel's last record.
    pub(super) fn read(&self, work: &mut Work, cluster: &Cluster) -> Replay {
        if let Some(position) = work.window.take_arrived()
            && let Some(lane) = work.lane.spill
        {
            self.log.acked(lane, position);
        }
        let Mode::Spilling(way) = &mut work.mode else {
            return Vec::new();
        };
        if way.reader.is_none() && work.window.is_empty() {
            way.reader = self.log.reader(way.lane);
        }
        let Some(reader) = &mut way.reader else {
            return Vec::new();
        };
        if work.window.outstanding() >= REPLAY_EVENTS || work.window.is_rewinding() {
            return Vec::new();
        }
        if way.is_blocked {
            return Vec::new();
        }
        match reader.read(READ_BYTES) {
            Ok(records) => {
                let topic = cluster.topics().get(work.lane.topic as usize);
                let ledger = topic
                    .map(|topic| Arc::clone(topic.ledger()))
                    .unwrap_or_default();
                let records = records
                    .into_iter()
                    .map(|stored| (stored.position, stored.payload));
                let (parcels, understood) = parcels(records, work.lane.number, &ledger);
                if let Err(error) = understood {
                    tracing::error!(cluster = cluster.name(), partition = work.lane.partition, %error, "the spill log of a lane can't be replayed; it's kept, and new events go behind it");
                    way.is_blocked = true;
                }
                parcels
            }
            Err(error) => {
                tracing::warn!(%error, "the spill log could not be read; it's tried again");
                Vec::new()
            }
        }
    }

    /// Back to direct if nothing of the lane is left on the way.
    pub(super) fn leave_if_done(&self, work: &mut Work) {
        if let Mode::Spilling(way) = &work.mode
            && way.appending == 0
            && work.window.is_empty()
            && work.backlog.is_empty()
            && self.log.lane_backlog(way.lane).is_empty()
        {
            work.mode = Mode::Direct;
        }
    }

    /// Whether the log holds something of a lane that this process hasn't looked at yet.
    pub(super) fn has_backlog(&self, lane: Option<LaneId>) -> bool {
        lane.is_some_and(|lane| !self.log.lane_backlog(lane).is_empty())
    }

    /// Keeps an event that Kafka refused for good after it was called durable. False if the log doesn't take it now.
    pub(super) fn bury(
        &self,
        cluster: &Arc<Cluster>,
        work: &Work,
        parcel: &Arc<Parcel>,
        position: u32,
    ) -> bool {
        let topic = cluster.topics().get(work.lane.topic as usize);
        let name = topic.map(|topic| {
            format!(
                "dead/{}/{}/{}",
                cluster.name(),
                topic.name(),
                work.lane.partition
            )
        });
        let lane = name.and_then(|name| self.log.lane(name.as_bytes()));
        lane.is_some_and(|lane| {
            self.append(cluster, lane, parcel, &[position], What::Dead(position))
                .is_ok()
        })
    }

    fn append(
        &self,
        cluster: &Arc<Cluster>,
        lane: LaneId,
        parcel: &Arc<Parcel>,
        positions: &[u32],
        what: What,
    ) -> Result<(), AppendError> {
        let request = parcel.request();
        let record = |position: &u32| Record {
            meta: Bytes::new(),
            payload: wire::encode(
                &parcel.events()[*position as usize],
                request.body(),
                request.received_ms(),
            )
            .into(),
        };
        let (stored, cluster, copy) = (
            Arc::clone(&self.stored),
            Arc::clone(cluster),
            Arc::clone(parcel),
        );
        let done = move |result: Result<crate::spill::Appended, AppendError>| {
            let result = result.map(|appended| appended.last());
            stored.push(Stored {
                parcel: copy,
                what,
                result,
            });
            cluster.signal.wake();
        };
        let appended = self
            .log
            .append(lane, positions.iter().map(record).collect(), done);
        appended.map_err(|refused| refused.why)
    }
}

impl Stored {
    /// The number of the lane within its cluster.
    pub(super) fn lane(&self) -> u32 {
        self.parcel.lane()
    }

    /// Notes it. Returns the parcel if its request is finished by that.
    pub(super) fn settle(self, work: &mut Work, log: &Spiller) -> Option<Arc<Parcel>> {
        let Stored {
            parcel,
            what,
            result,
        } = self;
        if let Mode::Spilling(way) = &mut work.mode
            && !matches!(what, What::Dead(_))
        {
            way.appending = way.appending.saturating_sub(1);
        }
        let finished = match (what, result) {
            (What::Waiting, Ok(_)) => parcel.spilled(),
            (What::Waiting, Err(AppendError::Failed(_))) => parcel.not_stored(Cause::Unknown),
            (What::Waiting, Err(_)) => parcel.not_stored(Cause::NoRoom),
            (What::Sent, Ok(position)) => {
                if !work.window.stored(&parcel, position)
                    && let Some(lane) = work.lane.spill
                {
                    // It arrived meanwhile, and so did all before it.
                    log.log.acked(lane, position);
                }
                parcel.spilled()
            }
            // Its clients go on waiting for Kafka.
            (What::Sent, Err(_)) => false,
            (What::Dead(position), Ok(_)) => {
                parcel.dead();
                work.window.failed(&parcel, position);
                false
            }
            (What::Dead(position), Err(_)) => {
                work.window.came_back(&parcel, position);
                false
            }
        };
        finished.then_some(parcel)
    }
}

/// Records as parcels, one per time of arrival, with the position of each one's last record. Ends before a record that
/// this forebay doesn't understand: stepping over it would lose it.
fn parcels(
    records: impl Iterator<Item = (Position, Bytes)>,
    lane: u32,
    ledger: &Arc<Ledger>,
) -> (Replay, Result<(), WireError>) {
    let mut parcels: Vec<Gathered> = Vec::new();
    let mut understood = Ok(());
    for (position, record) in records {
        let received_ms = match wire::decode(&record, 0, record.len() as u32, 0) {
            Ok((_, received_ms)) => received_ms,
            Err(error) => {
                understood = Err(error);
                break;
            }
        };
        if parcels
            .last()
            .is_none_or(|last| last.received_ms != received_ms)
        {
            parcels.push(Gathered {
                body: Vec::new(),
                events: SmallVec::new(),
                received_ms,
                position,
            });
        }
        if let Some(last) = parcels.last_mut() {
            let start = last.body.len() as u32;
            last.body.extend_from_slice(&record);
            let (end, index) = (last.body.len() as u32, last.events.len() as u32);
            if let Ok((event, _)) = wire::decode(&last.body, start, end, index) {
                last.events.push(event);
                last.position = position;
            }
        }
    }
    let parcel = |gathered: Gathered| {
        let Gathered {
            body,
            events,
            received_ms,
            position,
        } = gathered;
        (
            Request::replay(body.into(), events, lane, received_ms, Arc::clone(ledger)),
            position,
        )
    };
    (parcels.into_iter().map(parcel).collect(), understood)
}

/// Parcels to be replayed, each with the position of its last record.
pub(super) type Replay = Vec<(Arc<Parcel>, Position)>;

/// Records of one time of arrival, on their way to be a parcel.
struct Gathered {
    body: Vec<u8>,
    events: SmallVec<[Event; 1]>,
    received_ms: i64,
    position: Position,
}
