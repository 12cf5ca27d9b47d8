//! A lane whose events can't go to Kafka in time, on their way over the spill log.
//!
//! ```text
//!            oldest event waits for spill_after, or the ring is half full,
//!            or the log holds older events, or the stream always goes over it
//!   direct ───────────────────────────────────────────────────────────────▶ spilling
//!      ▲                                                                        │ nothing is left in the window
//!      │                                                                        ▼ of what was sent before
//!      └──────── all that the log holds of the lane is in the window ────── replaying
//! ```
//!
//! While spilling and replaying, every event that comes goes into the log, behind those that are there, and its receipt
//! is resolved when it's durable. What was sent before stays in the client's hands, where it can't be called back; a copy goes
//! into the log too, so that its clients can be released. As soon as the window is empty, the log is read back through
//! it, in order, and what arrives is acknowledged to the log. So at any time the lane's order is: window, log, ring.
//!
//! **The way back.** Under steady traffic there is always one more event on its way into the log. So a lane whose events
//! arrive, and which has read all there was a moment ago, *returns*: new events wait in memory for the moment that the last append and the
//! last read take, and then go directly, behind the window. If that takes too long they go into the log after all.
//!
//! A log that takes nothing (full, failing) keeps lanes on the direct way, where events wait for Kafka and are refused at
//! their clients' deadline. A lane that is on its way over the log then refuses new events at once.
//!
//! An event that Kafka refuses for good, after its client was told that it's durable, becomes a dead letter: a record of a
//! lane `dead/…` of the log, which nobody replays until somebody asks for it. It blocks nothing. See [`super::dead`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;

use super::Way;
use super::cluster::Cluster;
use super::dead::Told;
use super::replay::{Answer, Ask, Fault, Replay, Replayed};
use super::store::{Appended, Group};
use super::work::Work;
use crate::receipt::Parcel;
use crate::spill::{LaneId, LaneReader, Log, State};

/// Bytes that one read of the log brings, and so the memory of one step of a replay. Tiny in tests of the lanes, so that
/// every limit is met all the time.
pub(super) const READ_BYTES: usize = if cfg!(test) { 1 << 10 } else { 256 << 10 };
/// Events of one lane's replay that the client may hold: enough for full requests, little enough to leave room.
pub(super) const REPLAY_EVENTS: u32 = if cfg!(test) { 12 } else { 2_000 };
/// How long new events may wait for a lane to return: a few writes and reads of a disk that is busy.
const RETURN_WITHIN: Duration = Duration::from_millis(200);
/// Pause after a read that failed, doubled with each one that fails again, up to a minute.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// How a lane sends.
#[derive(Debug, Default)]
pub(super) enum Mode {
    /// Ring, window, Kafka.
    #[default]
    Direct,
    /// Over the log.
    OverLog(Box<OverLog>),
}

/// A lane's way over the log.
#[derive(Debug)]
pub(super) struct OverLog {
    pub(super) lane: LaneId,
    /// Appends under way.
    pub(super) appending: u32,
    /// Those of them that copy what was in the window.
    pub(super) copying: u32,
    /// Parcels of the window that are to be copied, in order, because more waited for the disk than may.
    pub(super) to_copy: VecDeque<Arc<Parcel>>,
    /// Taken from the ring and not yet in the log, for the same reason; behind those.
    pub(super) next: VecDeque<Group>,
    pub(super) reading: Reading,
    /// Read back, and not yet sent.
    pub(super) read: VecDeque<Replayed>,
    /// The log may hold something that wasn't read.
    pub(super) is_fresh: bool,
    /// By how many partitions what is read is sorted; by none if it goes to the lane's own.
    pub(super) sorted_by: Option<usize>,
    /// That is about to change, as soon as what was read before has been sent.
    pub(super) is_turning: bool,
    /// The next record isn't understood, so that nothing can be replayed.
    is_blocked: bool,
    /// After a read that failed: when to try again, and how long the pause was.
    pause: Option<(Instant, Duration)>,
    /// The last read brought all that the log had of the lane then.
    has_caught_up: bool,
    /// Events of the log have arrived in Kafka since the lane went over it, or since it last failed to return.
    has_arrivals: bool,
    /// Since when new events wait, so that the lane can be direct again.
    returning: Option<Instant>,
}

#[derive(Debug)]
pub(super) enum Reading {
    /// What was sent before is still in the window.
    NotYet,
    /// The reader rests.
    Here(LaneReader),
    /// The reader is at work.
    Away,
}

impl OverLog {
    fn is_resting(&self) -> bool {
        matches!(self.reading, Reading::Here(_))
    }

    /// Whether a read is under way.
    pub(super) fn is_reading(&self) -> bool {
        matches!(self.reading, Reading::Away)
    }

    /// Whether something waits to be appended.
    pub(super) fn has_more(&self) -> bool {
        !self.to_copy.is_empty() || !self.next.is_empty()
    }
}

impl Mode {
    /// Whether appends are under way, or have to be made.
    pub(super) fn is_appending(&self) -> bool {
        matches!(self, Mode::OverLog(way) if way.appending > 0 || way.has_more())
    }

    pub(super) fn is_direct(&self) -> bool {
        matches!(self, Mode::Direct)
    }

    /// Whether the log holds something that this forebay doesn't understand.
    pub(super) fn is_blocked(&self) -> bool {
        matches!(self, Mode::OverLog(way) if way.is_blocked)
    }

    pub(super) fn way(&self) -> Way {
        match self {
            Mode::Direct => Way::Direct,
            Mode::OverLog(way) if matches!(way.reading, Reading::NotYet) => Way::Spilling,
            Mode::OverLog(_) => Way::Replaying,
        }
    }
}

/// The log, and where it tells the worker what became of its appends and reads.
pub(super) struct Spiller {
    pub(super) log: Arc<Log>,
    pub(super) appended: Arc<SegQueue<Appended>>,
    pub(super) replay: Replay,
    /// Which dead letters were spoken of.
    pub(super) told: Told,
}

impl Spiller {
    pub(super) fn start(log: &Arc<Log>, cluster: &Arc<Cluster>) -> std::io::Result<Spiller> {
        Ok(Spiller {
            log: Arc::clone(log),
            appended: Arc::default(),
            replay: Replay::start(cluster)?,
            told: Told::default(),
        })
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

    /// Takes a lane off its direct way. Copies of what is in the window go to the log, if all that it holds of the lane is in
    /// the window too; else what arrives would seem to be behind these.
    pub(super) fn enter(&self, work: &mut Work, is_all_in_window: bool) {
        let Some(lane) = work.lane.spill else { return };
        let to_copy = if is_all_in_window {
            work.window.not_stored().collect()
        } else {
            VecDeque::new()
        };
        let way = OverLog {
            lane,
            appending: 0,
            copying: 0,
            to_copy,
            next: VecDeque::new(),
            reading: Reading::NotYet,
            read: VecDeque::new(),
            is_fresh: true,
            sorted_by: None,
            is_turning: false,
            is_blocked: false,
            pause: None,
            has_caught_up: false,
            has_arrivals: false,
            returning: None,
        };
        work.mode = Mode::OverLog(Box::new(way));
    }

    /// Acknowledges to the log what arrived.
    pub(super) fn note_arrivals(&self, work: &mut Work) {
        if let (Some(position), Some(lane)) = (work.window.take_arrived(), work.lane.spill) {
            self.log.acked(lane, position);
            if let Mode::OverLog(way) = &mut work.mode {
                way.has_arrivals = true;
            }
        }
    }

    /// Whether new events are to wait because the lane is about to be direct again; makes it so when it can be.
    pub(super) fn is_returning(
        &self,
        work: &mut Work,
        spill_after: Duration,
        now: Instant,
    ) -> bool {
        let since_sent = work.window.oldest().map_or(Duration::ZERO, |parcel| {
            now.duration_since(parcel.request().received_at())
        });
        let Mode::OverLog(way) = &mut work.mode else {
            return false;
        };
        let has_read_all = way.read.is_empty() && !way.is_fresh && way.is_resting();
        if has_read_all && way.appending == 0 && !way.has_more() && way.has_arrivals {
            work.mode = Mode::Direct;
            return false;
        }
        match way.returning {
            // Not only when all is read: under steady traffic there is something new each time.
            None if way.has_caught_up && way.has_arrivals && since_sent < spill_after / 2 => {
                way.returning = Some(now);
            }
            None => {}
            Some(since) if now.duration_since(since) < RETURN_WITHIN => {}
            Some(_) => (way.returning, way.has_arrivals) = (None, false),
        }
        way.returning.is_some()
    }

    /// Has more read if there may be more, the lane needs it and it `may_ask`. Returns the bytes that are on their way.
    pub(super) fn read_on(
        &self,
        work: &mut Work,
        cluster: &Cluster,
        may_ask: bool,
        now: Instant,
    ) -> u64 {
        let Mode::OverLog(way) = &mut work.mode else {
            return 0;
        };
        // Copies of what has arrived are acknowledged to the log when they're known to be there; read before, they would be
        // sent again.
        let has_copies = way.copying > 0 || !way.to_copy.is_empty();
        if matches!(way.reading, Reading::NotYet) && work.window.is_empty() && !has_copies {
            way.reading = self
                .log
                .reader(way.lane)
                .map_or(Reading::NotYet, Reading::Here);
        }
        let may_read = may_ask
            && way.is_resting()
            && way.is_fresh
            && !way.is_blocked
            && !way.is_turning
            && way.read.is_empty()
            && !work.window.is_rewinding()
            && way.pause.is_none_or(|(until, _)| now >= until);
        if !may_read {
            return 0;
        }
        let Some(topic) = cluster.topics().get(work.lane.topic as usize) else {
            return 0;
        };
        let Ok(held) = topic.account().hold(2 * READ_BYTES as u64) else {
            return 0;
        };
        let Reading::Here(reader) = std::mem::replace(&mut way.reading, Reading::Away) else {
            return 0;
        };
        let ask = Ask {
            lane: work.lane.number,
            reader,
            bytes: READ_BYTES,
            partitions: way.sorted_by,
            partition: work.lane.partition,
            ledger: Arc::clone(topic.ledger()),
            held,
        };
        // What is stored from now on is news again.
        way.is_fresh = false;
        match self.replay.ask(ask) {
            Ok(()) => READ_BYTES as u64,
            Err(reader) => {
                (way.reading, way.is_fresh) = (Reading::Here(reader), true);
                0
            }
        }
    }

    /// Back to direct if nothing of the lane is left on the way. True if so.
    pub(super) fn leave_if_done(&self, work: &mut Work) -> bool {
        let Mode::OverLog(way) = &work.mode else {
            return false;
        };
        let is_at_end = way.appending == 0
            && !way.has_more()
            && way.read.is_empty()
            && !way.is_reading()
            && work.window.is_empty();
        let is_done = is_at_end && self.log.lane_backlog(way.lane).is_empty();
        if is_done {
            work.mode = Mode::Direct;
        } else if is_at_end && let Mode::OverLog(way) = &mut work.mode {
            // Somebody else has put something there: dead letters that are sent again.
            way.is_fresh = true;
        }
        is_done
    }
}

impl Work {
    /// The reader is back, with what it read.
    pub(super) fn take_read(&mut self, answer: Answer, now: Instant) -> Option<Fault> {
        let Mode::OverLog(way) = &mut self.mode else {
            return None;
        };
        way.reading = Reading::Here(answer.reader);
        way.has_caught_up = answer.is_all && answer.fault.is_none();
        way.is_fresh |= !answer.read.is_empty() || answer.fault.is_some();
        way.read.extend(answer.read);
        match &answer.fault {
            None => way.pause = None,
            Some(Fault::Wire(_)) => way.is_blocked = true,
            Some(Fault::Read(_)) => {
                let pause = way.pause.map_or(READ_PAUSE, |(_, pause)| {
                    (pause * 2).min(Duration::from_secs(60))
                });
                way.pause = Some((now + pause, pause));
            }
        }
        answer.fault
    }

    /// An append to the lane's part of the log is under way.
    pub(super) fn append_begun(&mut self) {
        if let Mode::OverLog(way) = &mut self.mode {
            way.appending += 1;
        }
    }

    /// An append has its answer; there may be something new to read.
    pub(super) fn append_ended(&mut self, is_copy: bool) {
        if let Mode::OverLog(way) = &mut self.mode {
            way.copying = way.copying.saturating_sub(u32::from(is_copy));
            way.appending = way.appending.saturating_sub(1);
            way.is_fresh = true;
        }
    }
}
