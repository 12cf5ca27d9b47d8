//! The worker of one cluster: the only thread that takes parcels out of its lanes, and the only one that talks to its client.
//!
//! It turns on a tick of about 1 ms while anything flows, and sleeps otherwise:
//!
//! ```text
//!  reports ─▶ windows, receipts      what Kafka acknowledged
//!  ready lanes ─▶ backlogs           what HTTP threads pushed
//!  backlogs ─▶ windows ─▶ client     what is due, as long as the client's bounds allow
//!  finished requests ─▶ mailboxes    one knock per HTTP thread and turn
//! ```
//!
//! Working on a tick costs up to a millisecond of latency and saves a wake-up per event and per delivery report, which
//! are what small events would otherwise pay most for.
//!
//! **Bounds.** The client's hands are bounded in events and bytes per cluster. One lane may hold at most as many of these
//! as are still free (the dynamic threshold of [`crate::budget`]), so that partitions without a leader can't take
//! the whole window. A lane that stands still gets nothing more.
//!
//! **Order.** A lane's parcels reach the client in the order in which they came. An event that comes back stops its lane
//! until all others of the lane have come back or were acknowledged; then everything unresolved is sent again in order.
//! A client in which a batch failed gets nothing from any lane until it holds nothing any more: `produce::native::hold`
//! says why.
//! A client that reports a fatal error is replaced, and all windows are sent again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::error::KafkaResult;

use super::carried::Client;
use super::cluster::Cluster;
use super::outbox::Outbox;
use super::pace;
use super::parts::{Clients, Lines, Notes, SpillPort};
use super::send::Sending;
use super::signal::sleep_until_beat;
use super::spilling::Spiller;
use super::turn::turn_of;
use super::work::Work;
use super::{Lane, Settings, UNROUTED};
use crate::produce::settings::Answers;
use crate::produce::{Backoff, Native, client, probe};
use crate::receipt::Parcel;

/// How long an idle worker sleeps before it looks at the log of its client.
const IDLE: Duration = Duration::from_millis(250);
/// A worker that was left alone for so long is calm: it sleeps as long as a cluster that is in order is left alone, twice
/// `probe`. So many clusters cost next to nothing, and its own sign of life is as fresh as theirs.
const CALM_AFTER: Duration = Duration::from_secs(5);
/// The longest sleep of a calm worker.
const CALM: Duration = Duration::from_secs(4);
/// How long an idle worker sleeps until its cluster's first client can send: its log tells it, and nobody wakes the worker for that.
const COLD: Duration = Duration::from_millis(5);
/// For how long it looks so often. A cluster that isn't there by then is waited for as all others are.
const COLD_FOR: Duration = Duration::from_secs(2);
/// After so many turns in which nothing moved, the tick becomes longer: lanes only wait for Kafka.
const QUIET_TURNS: u32 = 20;
/// The tick while nothing moves; a lane that gets work ends it.
const QUIET_TICK: Duration = Duration::from_millis(5);
/// How often ages are looked at: give-ups, standstills, health.
const SWEEP: Duration = Duration::from_millis(100);
/// The worker's state. It lives on its own thread.
pub(super) struct Worker<P> {
    pub(super) cluster: Arc<Cluster>,
    pub(super) settings: Arc<Settings>,
    pub(super) clients: Clients<P>,
    pub(super) notes: Notes,
    pub(super) lines: Lines,
    pub(super) port: SpillPort,
    pub(super) outbox: Outbox,
    /// When the present turn began.
    pub(super) now: Instant,
    pub(super) swept_at: Instant,
}

/// Starts the worker's thread. It ends after [`Cluster::drain`].
pub fn spawn(
    cluster: Arc<Cluster>,
    shared_client: probe::SharedClient,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let spiller = cluster.spill().map(|log| Spiller::new(log, &cluster));
    let crew = Arc::clone(&cluster.crew);
    std::thread::Builder::new()
        .name(format!("lanes-{}", cluster.name()))
        .spawn(move || {
            let mut worker = Worker::new(cluster, shared_client, spiller, new_client);
            if catch_unwind(AssertUnwindSafe(|| worker.run())).is_err() {
                // Half a worker would leave clients without answers. Nothing acknowledged is lost by ending here.
                tracing::error!(
                    cluster = worker.cluster.name(),
                    "the worker of a cluster panicked; this is a bug, and forebay ends"
                );
                std::process::abort();
            }
            drop((worker, crew));
        })
}

fn new_client(cluster: &Cluster) -> KafkaResult<Native<Parcel>> {
    let settings = cluster.away.settings(&cluster.settings());
    let client = Native::new(&client::producer(cluster.name(), &settings))?;
    Ok(match settings.answers {
        Answers::Together => client,
        Answers::Each => client.told_of_each_answer(),
    })
}

impl<P: Client> Worker<P> {
    pub(super) fn new(
        cluster: Arc<Cluster>,
        shared_client: probe::SharedClient,
        spiller: Option<Spiller>,
        make: fn(&Cluster) -> KafkaResult<P>,
    ) -> Worker<P> {
        let now = Instant::now();
        Worker {
            settings: Arc::clone(&cluster.lane_settings()),
            clients: Clients::new(&cluster, make),
            notes: Notes::new(&cluster, shared_client),
            lines: Lines::default(),
            port: SpillPort::new(spiller, now),
            outbox: Outbox::default(),
            now,
            swept_at: now,
            cluster,
        }
    }

    fn run(&mut self) {
        self.cluster.signal.adopt();
        let (mut quiet_turns, mut busy_at) = (0, Instant::now());
        let begun = busy_at;
        loop {
            self.cluster.signal.heed();
            let (now, tick) = (Instant::now(), pace::tick(&self.settings));
            quiet_turns = if self.turn(now) { 0 } else { quiet_turns + 1 };
            if let Some(deadline) = self.cluster.stop.deadline()
                && (now >= deadline || (self.is_idle() && self.cluster.signal.is_quiet()))
            {
                self.finish();
                return;
            }
            if self.lines.active.is_empty() && !self.cluster.is_rerouting.load(Relaxed) {
                let calm = now.duration_since(busy_at) >= CALM_AFTER;
                let pause = match calm {
                    true => (self.cluster.settings().probe * 2).clamp(IDLE, CALM),
                    false if self.is_starting(now - begun) => COLD,
                    false => IDLE,
                };
                if self.cluster.signal.sleep(pause) {
                    busy_at = Instant::now();
                }
                continue;
            }
            busy_at = now;
            if quiet_turns > QUIET_TURNS {
                self.cluster.signal.sleep(QUIET_TICK.max(tick));
            } else {
                sleep_until_beat(tick);
            }
        }
    }

    /// Whether the cluster's first client may be there any moment, for a worker that was begun so long ago.
    fn is_starting(&self, begun: Duration) -> bool {
        begun < COLD_FOR && self.cluster.health().is_cold() && !self.cluster.away.is_on()
    }

    /// One turn. True if anything moved.
    pub(super) fn turn(&mut self, now: Instant) -> bool {
        self.now = now;
        self.keep_client(now);
        let reports = self.read_reports() + self.take_appended() + self.take_reads(now);
        self.settle_client(now);
        self.reroute(now);
        self.collect_ready();
        let sent = self.release_due(now);
        if now.duration_since(self.swept_at) >= SWEEP {
            self.sweep(now);
        }
        self.outbox.knock();
        reports > 0 || sent
    }

    pub(super) fn collect_ready(&mut self) {
        while let Some(lane) = self.cluster.signal.next() {
            self.activate(&lane);
        }
    }

    /// Puts a lane on the list of active ones.
    fn activate(&mut self, lane: &Arc<Lane>) {
        self.meet_topic(lane.topic);
        let number = lane.number() as usize;
        if number >= self.lines.works.len() {
            self.lines.works.resize_with(number + 1, || None);
        }
        let is_new = self.lines.works[number].is_none();
        let work = self.lines.works[number]
            .get_or_insert_with(|| Box::new(Work::new(Arc::clone(lane), &self.settings)));
        // The unrouted lane may get events by the log alone: dead letters that are sent again.
        if (is_new || lane.partition() == UNROUTED)
            && work.life.is_direct()
            && let Some(spiller) = &self.port.spiller
            && self.cluster.has_backlog(lane)
        {
            // An earlier run's events go before all others.
            spiller.enter(work, false, self.now);
        }
        if !work.active {
            work.active = true;
            self.lines.active.push(number as u32);
        }
    }

    /// Sends what is due, lane by lane, beginning at another lane each time. True if anything was sent.
    fn release_due(&mut self, now: Instant) -> bool {
        let turns = self.turns();
        let limits = self.cluster.settings();
        let held_until = self.lines.held_until(&self.settings, now);
        let mut sending = Sending {
            client: self.clients.ready(),
            cluster: &self.cluster,
            settings: &self.settings,
            spiller: self.port.spiller.as_ref(),
            now,
            now_ms: unix_ms(),
            max_events: limits.max_in_flight_events,
            max_bytes: limits.max_in_flight.as_u64(),
            in_flight_events: self.lines.in_flight_events,
            in_flight_bytes: self.lines.in_flight_bytes,
            held_until,
            reading: self.port.reading,
            replays: self.port.pace.turn(now),
            partition: UNROUTED,
            finished: Vec::new(),
            refused: Vec::new(),
            stopped: None,
            pauses: &mut self.lines.pauses,
            suspects: &self.lines.suspects,
            is_stopping: self.cluster.stop.deadline().is_some(),
        };
        if self.lines.active.len() > 1 {
            self.lines.active.rotate_left(1);
        }
        let (mut index, mut lanes_out, mut waits) = (0, 0, Vec::new());
        let mut has_arrivals = false;
        while let Some(&number) = self.lines.active.get(index) {
            let Some(work) = self.lines.works[number as usize].as_mut() else {
                break;
            };
            has_arrivals |= work.pull() && work.life.is_direct();
            if work.lane.partition() == UNROUTED {
                sending.send_unrouted(work, turn_of(&turns, &work.lane));
            } else if self.cluster.waits(&work.lane) {
                sending.send_behind(work);
            } else if self.cluster.unrouted_before(&work.lane).is_none() {
                sending.send_due(work);
            } else {
                sending.send_held(work, turn_of(&turns, &work.lane));
                if self.cluster.is_closing(&work.lane) || sending.waits_long(work) {
                    waits.push(number);
                }
            }
            lanes_out += u32::from(work.life.is_direct() && work.window.outstanding() > 0);
            if self.cluster.may_rest(&work.lane) && work.rest() {
                self.cluster.rested(&work.lane);
                self.lines.active.swap_remove(index);
            } else {
                index += 1;
            }
        }
        self.port.reading = sending.reading;
        self.port.pace.leave(sending.replays);
        let (finished, refused) = (sending.finished, sending.refused);
        let (events, bytes) = (sending.in_flight_events, sending.in_flight_bytes);
        let sent = events > self.lines.in_flight_events;
        (self.lines.in_flight_events, self.lines.in_flight_bytes) = (events, bytes);
        let wave = &mut self.lines.wave;
        wave.sent(events, lanes_out, has_arrivals, now);
        self.note_not_sent(finished, refused);
        for number in waits {
            self.go_behind_unrouted(number);
        }
        sent
    }

    /// Looks at ages: what was given up leaves the backlogs, what stands still is marked, health is told.
    fn sweep(&mut self, now: Instant) {
        let elapsed = now.duration_since(self.swept_at).as_secs_f64();
        self.swept_at = now;
        self.take_changes();
        self.refuse_hopeless(now);
        let (mut stalled, mut oldest_sent) = (0, None::<Duration>);
        let spills = self.port.spiller.as_ref().is_some_and(Spiller::takes);
        self.let_go();
        for &number in &self.lines.active {
            let Some(work) = self.lines.works[number as usize].as_mut() else {
                continue;
            };
            work.drop_given_up();
            let age = work.age(now);
            // A lane that waits for its topic says nothing about the cluster.
            let topic = self.lines.pauses.get(work.lane.topic as usize);
            let is_paused = work.pause.is_on()
                || topic.is_some_and(Backoff::is_on)
                || !self.lines.suspects.may_send(work.lane.topic, now);
            oldest_sent = oldest_sent.max(
                work.window
                    .oldest()
                    .filter(|_| !is_paused)
                    .map(|parcel| now.duration_since(parcel.request().received_at())),
            );
            // With a spill log that takes events nothing stands still: what Kafka doesn't take goes there.
            let is_stalled = !spills && age >= self.settings.stalled_after;
            work.lane.phase.store(work.life.phase() as u8, Relaxed);
            work.lane.age_ms.store(age.as_millis() as u32, Relaxed);
            stalled += u64::from(is_stalled);
            work.lane.stalled_ms.store(
                if is_stalled {
                    age.as_millis() as u32
                } else {
                    0
                },
                Release,
            );
        }
        let gauges = &self.cluster.gauges;
        gauges.stalled_lanes.store(stalled, Relaxed);
        gauges
            .in_flight_events
            .store(u64::from(self.lines.in_flight_events), Relaxed);
        gauges
            .in_flight_bytes
            .store(self.lines.in_flight_bytes, Relaxed);
        // An average over about two seconds; it only moves while something waits or flows.
        if self.lines.acked_bytes > 0 || !self.lines.active.is_empty() {
            let rate = self.lines.acked_bytes as f64 / elapsed;
            let before = gauges.drain_rate.load(Relaxed) as f64;
            gauges.drain_rate.store(
                (before + (rate - before) * (elapsed / 2.0).min(1.0)) as u64,
                Relaxed,
            );
        }
        if self.lines.acked_bytes > 0 {
            self.cluster.health().acked();
            self.clients.pause.succeeds();
        }
        self.lines.acked_bytes = 0;
        self.cluster.health().beat();
        self.cluster.health().waiting(oldest_sent);
        self.notes.log.report_suppressed(now);
    }
}

fn unix_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}
