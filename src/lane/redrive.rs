//! Sending dead letters again.
//!
//! A dead letter goes to the end of its topic's lane for events that are sorted by their keys when they are replayed
//! (`unrouted`). Only when it is durable there, its own lane forgets it: a crash between the two sends it twice, and none is
//! lost. From there on it is an event like any other: if Kafka refuses it again, it becomes a dead letter again.
//!
//! **Order.** Of one topic, the dead letter that was refused first goes first, whatever its partition and reason. Behind events
//! that were sent meanwhile they are anyway.
//!
//! **Bounds.** One batch is in memory, and the part of a frame that it was read from. Dead letters that came after the plan was
//! made are left alone, so that what is refused again doesn't go round for ever.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::dead::{DeadLane, Destination, Reason, dead_lanes, is_dead};
use super::topic::Topic;
use crate::event::wire;
use crate::spill::{AppendError, LaneId, LaneReader, Log, Lsn, Record, RecoveredLane, Stored};

/// Bytes of dead letters that are moved at once: enough that a write of the disk is worth it.
const BATCH_BYTES: usize = if cfg!(test) { 1 << 10 } else { 256 << 10 };
/// How long one batch may take to become durable: a disk that is busy, or full for a moment, has time to recover.
const STORE_WITHIN: Duration = Duration::from_secs(30);
/// Pause before a log that is busy is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Which dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// What the names of their lanes begin with; without `dead/` too. Empty: all.
    pub lane: String,
    /// Why they were refused; none: for any reason.
    pub reason: Option<Reason>,
}

impl Choice {
    fn takes(&self, lane: &DeadLane) -> bool {
        let begins = if is_dead(self.lane.as_bytes()) {
            lane.name.starts_with(&self.lane)
        } else {
            lane.name[5..].starts_with(&self.lane)
        };
        begins && self.reason.is_none_or(|reason| reason == lane.reason)
    }
}

/// What is to be sent again.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The chosen lanes whose stream is configured, by name.
    pub goes: Vec<DeadLane>,
    /// The chosen lanes whose cluster, stream or topic isn't configured: they stay.
    pub stays: Vec<DeadLane>,
}

impl Plan {
    /// What a log holds of what was chosen.
    pub fn new(found: &[RecoveredLane], known: &[Destination], choice: &Choice) -> Plan {
        let lanes = dead_lanes(found, known).into_iter();
        let chosen = lanes.filter(|lane| choice.takes(lane));
        let (goes, stays) = chosen.partition(|lane| lane.goes_to.is_some());
        Plan { goes, stays }
    }

    /// Events and bytes that go.
    pub fn sums(&self) -> (u64, u64) {
        let events = self.goes.iter().map(|lane| lane.events).sum();
        (events, self.goes.iter().map(|lane| lane.bytes).sum())
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.goes.is_empty() && self.stays.is_empty()
    }
}

impl Topic {
    /// The log's lane of events that are sorted by their keys when they are replayed, if there is a log.
    fn sorted(&self) -> Option<LaneId> {
        self.unrouted.as_ref()?.spill
    }
}

impl Cluster {
    /// The worker is to look at a topic's unrouted events: somebody else has put some into the log.
    pub(super) fn wake_sorted(&self, topic: &Topic) {
        if let Some(lane) = &topic.unrouted {
            lane.wake(&self.signal);
        }
    }
}

/// Why dead letters of a topic stay, in spite of the plan; the next redrive goes on there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The lane where it happened.
    pub lane: String,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.lane, self.what)
    }
}

/// How far a redrive is.
#[derive(Debug, Default)]
pub struct Progress {
    events: AtomicU64,
    bytes: AtomicU64,
    faults: Mutex<Vec<Fault>>,
}

impl Progress {
    /// Dead letters that are on their way again.
    pub fn events(&self) -> u64 {
        self.events.load(Relaxed)
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// What went wrong, at most once for each topic.
    pub fn faults(&self) -> Vec<Fault> {
        let faults = self.faults.lock();
        faults.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Moves what is planned; returns when it is on its way, or when `may_go_on` says no. Waits for the disk: it belongs on a
/// thread that may wait. Two at once would send everything twice.
pub fn run(
    log: &Log,
    clusters: &[Arc<Cluster>],
    plan: &Plan,
    progress: &Progress,
    may_go_on: &dyn Fn() -> bool,
) {
    let mut lanes = plan.goes.clone();
    lanes.sort_by(|one, other| one.goes_to.cmp(&other.goes_to));
    for of_topic in lanes.chunk_by(|one, other| one.goes_to == other.goes_to) {
        let to = of_topic[0].goes_to.as_ref();
        let to = to.and_then(|to| find(clusters, to));
        let moved = to.map(|(cluster, topic)| {
            let movers = of_topic.iter().filter_map(|lane| Mover::new(log, lane));
            let redrive = Redrive {
                log,
                cluster,
                topic,
                progress,
            };
            redrive.run(movers.collect(), may_go_on)
        });
        if let Some(Err(fault)) = moved {
            tracing::warn!(lane = fault.lane, reason = fault.what, "dead letters stay");
            let faults = progress.faults.lock();
            faults.unwrap_or_else(PoisonError::into_inner).push(fault);
        }
    }
}

fn find<'a>(
    clusters: &'a [Arc<Cluster>],
    to: &Destination,
) -> Option<(&'a Arc<Cluster>, &'a Arc<Topic>)> {
    let cluster = clusters.iter().find(|it| it.name() == to.cluster)?;
    let mut topics = cluster.topics().iter();
    let topic = topics.find(|it| it.stream() == to.stream && it.name() == to.topic)?;
    Some((cluster, topic))
}

/// One lane of dead letters on its way.
struct Mover<'a> {
    lane: &'a DeadLane,
    reader: LaneReader,
    /// Where its next dead letter stands.
    next: Option<Lsn>,
    /// What stands there can't be understood.
    fault: Option<Fault>,
}

impl<'a> Mover<'a> {
    fn new(log: &Log, lane: &'a DeadLane) -> Option<Mover<'a>> {
        Some(Mover {
            lane,
            reader: log.reader(lane.lane)?,
            next: Some(0),
            fault: None,
        })
    }

    fn fault(&self, what: impl ToString) -> Fault {
        Fault {
            lane: self.lane.name.clone(),
            what: what.to_string(),
        }
    }

    fn look(&mut self) -> Result<(), Fault> {
        let next = self.reader.next_lsn().map_err(|error| self.fault(error))?;
        self.next = next.filter(|lsn| *lsn <= self.lane.last);
        Ok(())
    }

    /// The next dead letters that stand before `before`.
    fn batch(&mut self, before: Lsn) -> Result<Vec<Stored>, Fault> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while self.next.is_some_and(|next| next < before) && bytes < BATCH_BYTES {
            // So little is one record.
            for stored in self.reader.read(1).map_err(|error| self.fault(error))? {
                let payload = &stored.payload;
                if let Err(error) = wire::decode(payload, 0, payload.len() as u32, 0) {
                    // What stands before it goes first; nothing goes behind it, for that would forget it.
                    self.fault = Some(self.fault(error));
                    return Ok(batch);
                }
                bytes += stored.payload.len();
                batch.push(stored);
            }
            self.look()?;
        }
        Ok(batch)
    }
}

/// The dead letters of one topic on their way.
struct Redrive<'a> {
    log: &'a Log,
    cluster: &'a Arc<Cluster>,
    topic: &'a Topic,
    progress: &'a Progress,
}

impl Redrive<'_> {
    fn run(&self, mut movers: Vec<Mover<'_>>, may_go_on: &dyn Fn() -> bool) -> Result<(), Fault> {
        movers.iter_mut().try_for_each(Mover::look)?;
        loop {
            movers.retain(|mover| mover.next.is_some());
            movers.sort_by_key(|mover| mover.next);
            let Some((first, others)) = movers.split_first_mut() else {
                return Ok(());
            };
            if !may_go_on() {
                return Err(
                    first.fault("forebay is stopping; send them again after the next start")
                );
            }
            let before = others.first().and_then(|mover| mover.next);
            let batch = first.batch(before.unwrap_or(Lsn::MAX))?;
            if let Err(what) = self.store(first.lane.lane, batch, may_go_on) {
                return Err(first.fault(what));
            }
        }
    }

    /// Makes a batch durable where it will be sent from, and only then takes it from among the dead letters.
    fn store(
        &self,
        from: LaneId,
        batch: Vec<Stored>,
        may_go_on: &dyn Fn() -> bool,
    ) -> Result<(), String> {
        let (Some(last), Some(to)) = (batch.last().map(|it| it.position), self.topic.sorted())
        else {
            return Ok(());
        };
        let records = batch
            .into_iter()
            .map(|Stored { meta, payload, .. }| Record { meta, payload });
        let records: Vec<_> = records.collect();
        let events = records.len() as u64;
        let bytes = records.iter().map(|it| it.payload.len() as u64).sum();
        self.append(to, records, may_go_on)?;
        self.log.acked(from, last);
        self.cluster.wake_sorted(self.topic);
        self.topic.ledger().redriven.fetch_add(events, Relaxed);
        self.progress.events.fetch_add(events, Relaxed);
        self.progress.bytes.fetch_add(bytes, Relaxed);
        Ok(())
    }

    fn append(
        &self,
        to: LaneId,
        mut records: Vec<Record>,
        may_go_on: &dyn Fn() -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + STORE_WITHIN;
        loop {
            let (tell, told) = sync_channel(1);
            let done = move |result: Result<_, AppendError>| {
                // Nobody listens any more if it took too long; it's sent twice then.
                tell.send(result.map(drop)).unwrap_or_default();
            };
            let refused = match self.log.append(to, records, done) {
                Ok(()) => return wait(&told, deadline),
                Err(refused) => refused,
            };
            let is_busy = matches!(refused.why, AppendError::Busy { .. });
            if !is_busy || Instant::now() >= deadline || !may_go_on() {
                return Err(refused.why.to_string());
            }
            records = refused.records;
            std::thread::sleep(BUSY_PAUSE);
        }
    }
}

fn wait(
    told: &std::sync::mpsc::Receiver<Result<(), AppendError>>,
    deadline: Instant,
) -> Result<(), String> {
    match told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(stored) => stored.map_err(|error| error.to_string()),
        Err(RecvTimeoutError::Timeout) => Err("the disk doesn't answer".into()),
        Err(RecvTimeoutError::Disconnected) => Err("the spill log is closed".into()),
    }
}
