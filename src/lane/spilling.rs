//! A lane whose events can't go to Kafka in time, on their way over the spill log: what [`Life`](super::life) says is done here.
//!
//! What was sent before a lane leaves its direct way stays in the client's hands, where it can't be called back; a copy goes
//! into the log too, so that its clients can be released. As soon as the window is empty, the log is read back through
//! it, in order, and what arrives is acknowledged to the log. So at any time the lane's order is: window, log, ring.
//!
//! A log that takes nothing (full, failing) keeps lanes on the direct way, where events wait for Kafka and are refused at
//! their clients' deadline. A lane that is on its way over the log then refuses new events at once.
//!
//! An event that Kafka refuses for good, after its client was told that it's durable, becomes a dead letter: a record of a
//! lane `dead/…` of the log, which nobody replays until somebody asks for it. It blocks nothing. See [`super::dead`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;

use super::Lane;
use super::appended::Appended;
use super::cluster::Cluster;
use super::dead::Told;
use super::life::{Brought, Effect, Input, Sorting};
use super::readers::{Answer, Ask, Fault};
use super::replay::{Replay, hold_for_read};
use super::routing::Unsure;
use super::work::Work;
use crate::receipt::Parcel;
use crate::spill::{Log, State};

/// Events of one lane's replay that the client may hold: enough for full requests, little enough to leave room.
pub(super) const REPLAY_EVENTS: u32 = if cfg!(test) { 12 } else { 2_000 };

/// The log, and where it tells the worker what became of its appends and reads.
pub(super) struct Spiller {
    pub(super) log: Arc<Log>,
    pub(super) appended: Arc<SegQueue<Appended>>,
    pub(super) replay: Replay,
    /// Which dead letters were spoken of.
    pub(super) told: Told,
}

impl Spiller {
    pub(super) fn new(log: &Arc<Log>, cluster: &Arc<Cluster>) -> Spiller {
        Spiller {
            log: Arc::clone(log),
            appended: Arc::default(),
            replay: Replay::new(log, cluster),
            told: Told::default(),
        }
    }

    /// The next append whose fate is known.
    pub(super) fn next_appended(&self) -> Option<Appended> {
        self.appended.pop()
    }

    /// The next thing that was read.
    pub(super) fn next_read(&self) -> Option<Answer> {
        self.replay.next()
    }

    /// Whether the log takes new events at the moment.
    pub(super) fn takes(&self) -> bool {
        self.log.state() == State::Healthy
    }

    /// Whether the log takes new events of a lane at the moment: what the lane is counted with may be full while the log isn't.
    pub(super) fn takes_of(&self, lane: &Lane) -> bool {
        self.takes() && lane.spill.is_some_and(|lane| self.log.has_part_room(lane))
    }

    /// Takes a lane off its direct way. Copies of what is in the window go to the log, if all that it holds of the lane is in
    /// the window too; else what arrives would seem to be behind these.
    pub(super) fn enter(&self, work: &mut Work, is_all_in_window: bool, now: Instant) {
        if work.lane.spill.is_none() {
            return;
        }
        let input = Input::GoOver { is_all_in_window };
        if work.life.step(input, now) == Effect::Copy {
            work.queues.to_copy = work.window.not_stored().collect();
        }
    }

    /// Acknowledges to the log what arrived.
    pub(super) fn note_arrivals(&self, work: &mut Work, now: Instant) {
        if let (Some(position), Some(lane)) = (work.window.take_arrived(), work.lane.spill) {
            self.log.acked(lane, position);
            work.life.step(Input::Arrived, now);
        }
    }

    /// Whether new events are to wait because the lane is about to be direct again; makes it so when it can be.
    pub(super) fn holds_new(&self, work: &mut Work, spill_after: Duration, now: Instant) -> bool {
        if work.life.is_direct() {
            return false;
        }
        let since_sent = work.window.oldest().map_or(Duration::ZERO, |parcel| {
            now.duration_since(parcel.request().received_at())
        });
        let input = Input::New {
            stock: work.stock(),
            is_prompt: since_sent < spill_after / 2,
        };
        let effect = work.life.step(input, now);
        self.close_if(effect, work);
        effect == Effect::Hold
    }

    /// Has so many `bytes` more read, if it may ask for any, there may be more and the lane needs it. Returns the bytes that are
    /// on their way.
    pub(super) fn read_on(
        &self,
        work: &mut Work,
        cluster: &Cluster,
        bytes: Option<u64>,
        now: Instant,
    ) -> u64 {
        let input = Input::Turn {
            stock: work.stock(),
            may_read: bytes.is_some() && !work.window.is_rewinding(),
        };
        let Effect::Read { sorting, is_first } = work.life.step(input, now) else {
            return 0;
        };
        if let Some(bytes) = bytes
            && self.ask(work, cluster, (sorting, is_first), bytes)
        {
            return bytes;
        }
        work.life.step(Input::NotAsked, now);
        0
    }

    /// False if there is no memory for it.
    fn ask(
        &self,
        work: &Work,
        cluster: &Cluster,
        (partitions, is_first): (Sorting, bool),
        bytes: u64,
    ) -> bool {
        let topic = cluster.topics().get(work.lane.topic as usize);
        let (Some(topic), Some(log_lane)) = (topic, work.lane.spill) else {
            return false;
        };
        let most = cluster.settings().max_in_flight.as_u64();
        let Some(held) = hold_for_read(topic, &work.window, most, bytes) else {
            return false;
        };
        self.replay.ask(Ask {
            lane: work.lane.number,
            log_lane,
            is_first,
            bytes,
            partitions,
            partition: work.lane.partition,
            ledger: Arc::clone(topic.ledger()),
            held,
        })
    }

    /// A read has ended, and brought something or nothing. Returns what went wrong.
    pub(super) fn take_read(&self, work: &mut Work, answer: Answer, now: Instant) -> Option<Fault> {
        let brought = match &answer.fault {
            None => Brought::Events {
                has_some: !answer.read.is_empty(),
                is_all: answer.is_all,
            },
            Some(Fault::Read(_)) => Brought::Failure,
            Some(Fault::Wire(_)) => Brought::Unknown,
        };
        work.queues.read.extend(answer.read);
        let effect = work.life.step(Input::Read(brought), now);
        self.close_if(effect, work);
        answer.fault
    }

    /// Back to direct if nothing of the lane is left on the way.
    pub(super) fn leave_if_done(&self, work: &mut Work, now: Instant) {
        let sent = Input::Sent {
            stock: work.stock(),
        };
        if work.life.step(sent, now) == Effect::Look
            && let Some(lane) = work.lane.spill
        {
            let is_empty = self.log.lane_backlog(lane).is_empty();
            let effect = work.life.step(Input::Looked { is_empty }, now);
            self.close_if(effect, work);
        }
    }

    fn close_if(&self, effect: Effect, work: &Work) {
        if effect == Effect::Close {
            self.replay.close(work.lane.number);
        }
    }

    /// Makes a lane read its part of the log for so many partitions, or for its own one. True if it may send what it has.
    /// Adds the parcels whose requests are `finished` because they have nowhere to go.
    pub(super) fn turns_to(
        &self,
        work: &mut Work,
        sorting: Result<Sorting, Unsure>,
        finished: &mut Vec<Arc<Parcel>>,
        now: Instant,
    ) -> bool {
        let Ok(to) = sorting else { return false };
        let input = Input::Sort {
            to,
            partition: work.lane.partition,
            stock: work.stock(),
        };
        match work.life.step(input, now) {
            Effect::Send => true,
            Effect::Recall => self.recall(work, to, finished, now),
            _ => false,
        }
    }

    /// Has all that was sent stored and forgotten, so that it's read again and sorted anew. True if it's so.
    fn recall(
        &self,
        work: &mut Work,
        to: Sorting,
        finished: &mut Vec<Arc<Parcel>>,
        now: Instant,
    ) -> bool {
        // What can't be copied there for now is tried again.
        if work.window.outstanding() == 0 && self.takes() {
            let lost_to_it = work.window.take_unstorable().into_iter();
            finished.extend(lost_to_it.filter(|parcel| parcel.abandon()));
            work.queues.to_copy = work.window.not_stored().collect();
        }
        let is_stored = work.window.is_only_stored();
        if !is_stored || work.life.step(Input::Recalled { to }, now) != Effect::Forget {
            return false;
        }
        work.window.forget();
        work.queues.read.clear();
        true
    }
}
