//! What a worker makes of its client's reports: windows move on, receipts are resolved, requests are finished.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use rdkafka::error::RDKafkaErrorCode::{
    self, AllBrokersDown, InvalidDifferentRecord, PurgeInflight, PurgeQueue,
};

use tracing::Level;

use super::carried::Client;
use super::dead::{Dead, Reason};
use super::learn::{cause_of, learn};
use super::send::Refused;
use super::work::Work;
use super::worker::Worker;
use crate::produce::verdict::{EventFault, Fault, TopicFault, fault};
use crate::produce::{Failure, Report};
use crate::receipt::{Cause, Parcel};

/// Reports of the client that are read in one turn, at most: one report holds the acknowledgements of one request.
const REPORTS_PER_TURN: usize = 4_096;

impl<P: Client> Worker<P> {
    /// Reads what the client has to report; returns how much it was.
    pub(super) fn read_reports(&mut self) -> usize {
        let Some(mut client) = self.client.take() else {
            return 0;
        };
        let reports = client.poll(REPORTS_PER_TURN, |report| self.take_report(report));
        self.client = Some(client);
        reports
    }

    pub(super) fn take_report(&mut self, report: Report<'_, Parcel>) {
        match report {
            Report::Acked {
                group: parcel,
                count,
            } => {
                let work = work_of(&mut self.works, parcel.lane());
                let bytes = work.map_or(0, |work| work.window.acked(parcel, count));
                self.in_flight_events = self.in_flight_events.saturating_sub(count);
                self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
                self.acked_bytes += bytes;
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
                    self.log.write(if fatal { 3 } else { 4 }, text);
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
                    self.replace_client = true;
                }
            }
            Report::Log {
                level,
                facility,
                text,
            } => match note(facility, text) {
                Note::ProducerId(has_id) => self.cluster.health().set_warm(has_id),
                Note::NewEpoch => {
                    self.cluster.gauges.new_epochs.fetch_add(1, Relaxed);
                    tracing::warn!(
                        cluster = self.cluster.name(),
                        reason = text,
                        "the producer's batches are numbered anew; those that were under way may be stored twice"
                    );
                }
                Note::Other => self.log.write(level, text),
            },
        }
    }

    /// Notes what became of appends to the spill log; returns how many there were.
    pub(super) fn take_appended(&mut self) -> usize {
        let Some(spiller) = &self.spiller else {
            return 0;
        };
        let (mut count, now) = (0, Instant::now());
        while let Some(appended) = spiller.next_appended() {
            count += 1;
            if let Some((events, since)) = appended.newest() {
                self.replay_pace.stored(events, now.duration_since(since));
            }
            let to = appended.appended_to();
            if let Some(work) = to.and_then(|lane| work_of(&mut self.works, lane)) {
                work.append_ended(appended.is_copy(), now);
            }
            if let Some(work) = work_of(&mut self.works, appended.lane()) {
                for parcel in appended.settle(work, &spiller.log) {
                    self.outbox.finished(&parcel);
                }
            }
        }
        count
    }

    /// Takes what was read back from the spill log; returns how often.
    pub(super) fn take_reads(&mut self, now: Instant) -> usize {
        let Some(spiller) = &self.spiller else {
            return 0;
        };
        let mut count = 0;
        while let Some(answer) = spiller.next_read() {
            count += 1;
            self.reading = self.reading.saturating_sub(answer.asked);
            if let Some(work) = work_of(&mut self.works, answer.lane)
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
            let failure = Failure {
                code,
                is_named: true,
                is_unstored: true,
                batch_bytes: 0,
            };
            self.not_delivered(&parcel, position, failure);
        }
    }

    /// Notes that Kafka took an event of a lane, or judged it: what was wrong with the lane or its topic is mended.
    fn note_progress(&mut self, lane: u32) {
        let Some(work) = work_of(&mut self.works, lane) else {
            return;
        };
        let Some(pause) = self.pauses.get_mut(work.lane.topic as usize) else {
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
            && let Some(Some(work)) = self.works.get(lane as usize)
        {
            self.suspects.refused(work.lane.topic);
        }
    }

    /// Notes that an event wasn't delivered. Only its own fault can cost it, and only if it was alone or named by Kafka. Whether it
    /// may be stored all the same is another question.
    fn not_delivered(&mut self, parcel: &Arc<Parcel>, position: u32, failure: Failure) {
        let code = failure.code;
        let Some(work) = work_of(&mut self.works, parcel.lane()) else {
            return;
        };
        self.in_flight_events = self.in_flight_events.saturating_sub(1);
        let topic = self.cluster.topics().get(work.lane.topic as usize);
        let was_alone = failure.is_named || work.window.was_alone();
        let batch = (!was_alone).then_some(failure.batch_bytes);
        let fault = topic.map_or(fault(code), |topic| {
            learn(topic, parcel, position, fault(code), batch)
        });
        if matches!(fault, Fault::Event(_) | Fault::Stamp) {
            self.shared_client.nudge();
        }
        let bytes = match fault {
            Fault::Event(fault) if was_alone => {
                return self.gone_for_good(parcel, position, fault, code);
            }
            Fault::Event(_) => work.window.came_back_suspect(parcel, position),
            _ if failure.is_unstored => work.window.came_back_unstored(parcel, position),
            _ => work.window.came_back(parcel, position),
        };
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
        parcel.came_back();
        let topic = self.cluster.topics().get(work.lane.topic as usize);
        match fault {
            Fault::Topic(fault) => {
                // A partition that is missing concerns no other lane.
                match self.pauses.get_mut(work.lane.topic as usize) {
                    Some(pause) if fault != TopicFault::PartitionMissing => pause.fails(self.now),
                    _ => work.pause.fails(self.now),
                }
                self.shared_client.ask(work.lane.topic);
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
                self.replace_client = true;
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
        let Some(work) = work_of(&mut self.works, parcel.lane()) else {
            return;
        };
        if !parcel.is_spilled() {
            let bytes = work.window.failed(parcel, position);
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
            self.log.say(
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
        let spiller = self.spiller.as_ref();
        let bytes = if spiller.is_some_and(|spiller| spiller.bury(&self.cluster, work, &dead)) {
            work.window.bury(parcel, position)
        } else {
            // A spilled event can't be given up: without a grave it's sent again.
            work.pause.fails(self.now);
            parcel.came_back();
            work.window.came_back(parcel, position)
        };
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
    }

    /// As [`Worker::take_report`], but nothing is sent again.
    pub(super) fn take_last_report(&mut self, report: Report<'_, Parcel>) {
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
                let window = work_of(&mut self.works, parcel.lane()).map(|work| &mut work.window);
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
            report => self.take_report(report),
        }
    }
}

/// What the worker does for a lane. It borrows no more of the worker than that.
fn work_of(works: &mut [Option<Box<Work>>], lane: u32) -> Option<&mut Work> {
    works.get_mut(lane as usize)?.as_deref_mut()
}

/// What a line of librdkafka's log means to us.
#[derive(Debug, PartialEq, Eq)]
enum Note {
    /// The idempotent producer has its id, or has not.
    ProducerId(bool),
    /// The brokers' view of the sequence of a partition's batches doesn't fit ours, so librdkafka begins a new one. What
    /// was under way and stored can't be recognised then, and is stored once more: seen after kills of all brokers at once.
    NewEpoch,
    Other,
}

fn note(facility: &str, line: &str) -> Note {
    match facility {
        "IDEMPSTATE" => Note::ProducerId(line.ends_with("-> Assigned")),
        // A gap is what a refused batch leaves; nothing behind it was stored.
        "DRAIN" if line.ends_with("message sequence gap") => Note::Other,
        "DRAIN" if line.contains("Beginning partition drain") => Note::NewEpoch,
        _ => Note::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_producers_state_is_told_by_its_log() {
        let line = |to| format!("[thrd:main]: Idempotent producer state change WaitPID -> {to}");
        let note_of = |to| note("IDEMPSTATE", &line(to));
        assert_eq!(note_of("Assigned"), Note::ProducerId(true));
        assert_eq!(note_of("DrainBump"), Note::ProducerId(false));
        let drain = "Beginning partition drain in state Assigned for PID{Id:1,Epoch:0} epoch bump for 2 partition(s) with in-flight requests: skipped sequence numbers";
        assert_eq!(note("DRAIN", drain), Note::NewEpoch);
        let refused = drain.replace("skipped sequence numbers", "message sequence gap");
        assert_eq!(note("DRAIN", &refused), Note::Other);
        assert_eq!(note("FAIL", "connection refused"), Note::Other);
    }
}
