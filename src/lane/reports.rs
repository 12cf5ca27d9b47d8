//! What a worker makes of its client's reports: windows move on, receipts are resolved, requests are finished.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use rdkafka::error::RDKafkaErrorCode::{
    self, AllBrokersDown, InvalidDifferentRecord, PurgeInflight, PurgeQueue,
};

use tracing::Level;

use super::carried::Client;
use super::cluster::Cluster;
use super::dead::{Dead, Reason};
use super::learn::{cause_of, learn};
use super::outbox::Outbox;
use super::parts::{Clients, Lines, Notes, SpillPort};
use super::send::Refused;
use super::worker::Worker;
use crate::produce::said::{Said, said};
use crate::produce::verdict::{EventFault, Fault, TopicFault, fault};
use crate::produce::{Failure, Report};
use crate::receipt::{Cause, Parcel};

/// Reports of the client that are read in one turn, at most: one report holds the acknowledgements of one request.
const REPORTS_PER_TURN: usize = 4_096;

impl<P: Client> Worker<P> {
    /// The client's part of the worker, and the one that its reports change.
    pub(super) fn client_and_reports(&mut self) -> (&mut Clients<P>, Reports<'_>) {
        let reports = Reports {
            cluster: &self.cluster,
            lines: &mut self.lines,
            port: &self.port,
            notes: &mut self.notes,
            outbox: &mut self.outbox,
            now: self.now,
        };
        (&mut self.clients, reports)
    }

    /// Reads what the client has to report; returns how much it was.
    pub(super) fn read_reports(&mut self) -> usize {
        let (clients, mut reports) = self.client_and_reports();
        let client = clients.current.as_mut();
        client.map_or(0, |it| {
            it.poll(REPORTS_PER_TURN, |report| reports.take(report))
        })
    }

    /// Notes what became of appends to the spill log; returns how many there were.
    pub(super) fn take_appended(&mut self) -> usize {
        let Some(spiller) = &self.port.spiller else {
            return 0;
        };
        let (mut count, now) = (0, Instant::now());
        while let Some(appended) = spiller.next_appended() {
            count += 1;
            if let Some((events, since)) = appended.newest() {
                self.port.pace.stored(events, now.duration_since(since));
            }
            let to = appended.appended_to();
            if let Some(work) = to.and_then(|lane| self.lines.work(lane)) {
                work.append_ended(appended.is_copy(), now);
            }
            if let Some(work) = self.lines.work(appended.lane()) {
                for parcel in appended.settle(work, &spiller.log) {
                    self.outbox.finished(&parcel);
                }
            }
        }
        count
    }

    /// Takes what was read back from the spill log; returns how often.
    pub(super) fn take_reads(&mut self, now: Instant) -> usize {
        let Some(spiller) = &self.port.spiller else {
            return 0;
        };
        let mut count = 0;
        while let Some(answer) = spiller.next_read() {
            count += 1;
            self.port.reading = self.port.reading.saturating_sub(answer.asked);
            if let Some(work) = self.lines.work(answer.lane)
                && let Some(fault) = spiller.take_read(work, answer, now)
            {
                let partition = work.lane.partition();
                tracing::error!(cluster = self.cluster.name(), partition, %fault, "a lane can't be read back from the spill log now; what it holds is kept, and new events go behind it");
            }
        }
        count
    }

    /// Notes what couldn't be sent: requests that are finished because the log has no room, and events that the client refused.
    pub(super) fn note_not_sent(&mut self, finished: Vec<Arc<Parcel>>, refused: Vec<Refused>) {
        for parcel in finished {
            self.outbox.finished(&parcel);
        }
        for (parcel, position, code) in refused {
            // The client looks at each event by itself.
            let (_, mut reports) = self.client_and_reports();
            let failure = Failure {
                code,
                is_named: true,
                is_unstored: true,
                batch_bytes: 0,
            };
            reports.not_delivered(&parcel, position, failure);
        }
    }
}

/// What a client's reports change.
pub(super) struct Reports<'a> {
    cluster: &'a Arc<Cluster>,
    lines: &'a mut Lines,
    port: &'a SpillPort,
    notes: &'a mut Notes,
    outbox: &'a mut Outbox,
    now: Instant,
}

impl Reports<'_> {
    /// Notes what a report says.
    pub(super) fn take(&mut self, report: Report<'_, Parcel>) {
        match report {
            Report::Acked {
                group: parcel,
                count,
            } => {
                let work = self.lines.work(parcel.lane());
                let bytes = work.map_or(0, |work| work.window.acked(parcel, count));
                self.lines.let_go(count, bytes);
                self.lines.acked_bytes += bytes;
                if parcel.acked(count) {
                    self.outbox.finished(parcel);
                }
                self.note_progress(parcel.lane());
            }
            Report::AckTook(took) => self.cluster.gauges.ack.add(took),
            Report::Failed {
                group: parcel,
                position,
                failure,
            } => {
                if let fault @ (Fault::Event(_) | Fault::Stamp) = fault(failure.code) {
                    self.note_judged(parcel.lane(), fault);
                }
                self.not_delivered(parcel, position, failure);
            }
            Report::Trouble { code, fatal, text } => {
                // That all are down is no reason: the one noted before, of a single broker, says why.
                if code != AllBrokersDown {
                    self.cluster.health().trouble(text);
                    self.notes.log.write(if fatal { 3 } else { 4 }, text);
                }
                if let Fault::Client(fault) = fault(code) {
                    let reason = || format!("{fault}: {text}");
                    self.cluster.health().client().set(fault, self.now, reason);
                }
                if fatal {
                    tracing::error!(
                        cluster = self.cluster.name(),
                        ?code,
                        reason = text,
                        "kafka client failed"
                    );
                    self.notes.is_useless = true;
                }
            }
            Report::Log {
                level,
                facility,
                text,
            } => match said(facility, text) {
                Said::ProducerId(has_id) => self.cluster.health().set_warm(has_id),
                Said::NewEpoch => {
                    self.cluster.gauges.new_epochs.fetch_add(1, Relaxed);
                    tracing::warn!(
                        cluster = self.cluster.name(),
                        reason = text,
                        "the producer's batches are numbered anew; those that were under way may be stored twice"
                    );
                }
                Said::Other => self.notes.log.write(level, text),
            },
        }
    }

    /// Notes that Kafka took an event of a lane, or judged it: what was wrong with the lane or its topic is mended.
    fn note_progress(&mut self, lane: u32) {
        let Some((work, Some(pause))) = self.lines.work_and_pause(lane) else {
            return;
        };
        if !work.pause.is_on() && !pause.is_on() {
            return;
        }
        work.pause.succeeds();
        pause.succeeds();
        let topic = self.cluster.topics().get(work.lane.topic as usize);
        if let Some(topic) = topic
            && let Some(was) = topic.clear_fault()
        {
            if was.fault == TopicFault::Clock {
                topic.limits().forget_stamps();
            }
            let (cluster, seconds) = (self.cluster.name(), (self.now - was.since).as_secs());
            tracing::info!(
                cluster,
                topic = topic.name(),
                seconds,
                was = was.reason,
                "topic takes events again"
            );
        }
    }

    /// Notes that Kafka refused a batch of a lane for what is in it, for which all lanes had to wait. That mustn't be too often, where
    /// the door can't know the reason, or our clock is wrong. What is too large it learns; or the batch was, which is learned as well.
    fn note_judged(&mut self, lane: u32, fault: Fault) {
        // Who judges an event has let us in; a timestamp may be refused for as long as a clock is wrong.
        if fault != Fault::Stamp {
            self.note_progress(lane);
        }
        if fault != Fault::Event(EventFault::TooLarge)
            && let Some(Some(work)) = self.lines.works.get(lane as usize)
        {
            self.lines.suspects.refused(work.lane.topic);
        }
    }

    /// Notes that an event wasn't delivered. Only its own fault can cost it, and only if it was alone or named by Kafka. Whether it
    /// may be stored all the same is another question.
    fn not_delivered(&mut self, parcel: &Arc<Parcel>, position: u32, failure: Failure) {
        let code = failure.code;
        let Some(work) = self.lines.work(parcel.lane()) else {
            return;
        };
        let topic = self.cluster.topics().get(work.lane.topic as usize);
        let was_alone = failure.is_named || work.window.was_alone();
        let batch = (!was_alone).then_some(failure.batch_bytes);
        let fault = topic.map_or(fault(code), |topic| {
            learn(topic, parcel, position, fault(code), batch)
        });
        if matches!(fault, Fault::Event(_) | Fault::Stamp) {
            self.notes.shared.nudge();
        }
        match fault {
            Fault::Event(fault) if was_alone => {
                return self.gone_for_good(parcel, position, fault, code);
            }
            Fault::Event(_) => work.window.suspect(),
            _ => {}
        }
        let bytes = if failure.is_unstored {
            work.window.came_back_unstored(parcel, position)
        } else {
            work.window.came_back(parcel, position)
        };
        self.lines.let_go(1, bytes);
        parcel.came_back();
        self.note_fault(parcel.lane(), fault, code);
    }

    /// Notes who is at fault for an event that came back: who that is has to wait, or to be replaced.
    fn note_fault(&mut self, lane: u32, fault: Fault, code: RDKafkaErrorCode) {
        let Some((work, pause)) = self.lines.work_and_pause(lane) else {
            return;
        };
        let topic = self.cluster.topics().get(work.lane.topic as usize);
        match fault {
            Fault::Topic(fault) => {
                // A partition that is missing concerns no other lane.
                match pause {
                    Some(pause) if fault != TopicFault::PartitionMissing => pause.fails(self.now),
                    _ => work.pause.fails(self.now),
                }
                self.notes.shared.ask(work.lane.topic);
                if let Some(topic) = topic
                    && topic.set_fault(fault, self.now)
                {
                    let (cluster, topic) = (self.cluster.name(), topic.name());
                    tracing::warn!(cluster, topic, %code, "topic {topic} {fault}; its events wait until that is mended");
                }
            }
            Fault::Client(fault) => {
                let reason = || format!("{fault}: {code}");
                self.cluster.health().client().set(fault, self.now, reason);
                self.notes.is_useless = true;
            }
            // These come back because we, or another event, want it so.
            Fault::Passing
                if matches!(code, PurgeQueue | PurgeInflight | InvalidDifferentRecord) => {}
            Fault::Passing => work.pause.fails(self.now),
            Fault::Event(_) | Fault::Stamp => {}
        }
    }

    /// Kafka never takes an event. One that was called durable is kept as a dead letter.
    fn gone_for_good(
        &mut self,
        parcel: &Arc<Parcel>,
        position: u32,
        fault: EventFault,
        code: RDKafkaErrorCode,
    ) {
        let Some(work) = self.lines.work(parcel.lane()) else {
            return;
        };
        if !parcel.is_spilled() {
            let bytes = work.window.failed(parcel, position);
            self.lines.let_go(1, bytes);
            self.notes.log.say(
                Level::WARN,
                &format!("kafka refused an event for good: {code:?}"),
            );
            if parcel.failed(position, cause_of(fault)) {
                self.outbox.finished(parcel);
            }
            return;
        }
        let reason = Reason::of(fault);
        let dead = Dead {
            parcel,
            position,
            reason,
        };
        let spiller = self.port.spiller.as_ref();
        let bytes = if spiller.is_some_and(|spiller| spiller.bury(self.cluster, work, &dead)) {
            work.window.bury(parcel, position)
        } else {
            // A spilled event can't be given up: without a grave it's sent again.
            work.pause.fails(self.now);
            parcel.came_back();
            work.window.came_back(parcel, position)
        };
        self.lines.let_go(1, bytes);
    }

    /// As [`Reports::take`], but nothing is sent again.
    pub(super) fn take_last(&mut self, report: Report<'_, Parcel>) {
        match report {
            Report::Failed { group: parcel, .. } if parcel.is_spilled() => {}
            Report::Failed {
                group: parcel,
                position,
                failure,
            } => {
                let Failure {
                    code,
                    is_named,
                    is_unstored,
                    ..
                } = failure;
                let window = self.lines.work(parcel.lane()).map(|work| &mut work.window);
                let (is_in_doubt, was_alone) = window.map_or((false, false), |window| {
                    (window.is_in_doubt(parcel), is_named || window.was_alone())
                });
                let finished = match fault(code) {
                    Fault::Event(fault) if was_alone => parcel.failed(position, cause_of(fault)),
                    _ if is_unstored && !is_in_doubt => parcel.given_up(position, Cause::Draining),
                    _ => parcel.given_up(position, Cause::Unknown),
                };
                if finished {
                    self.outbox.finished(parcel);
                }
            }
            report => self.take(report),
        }
    }
}
