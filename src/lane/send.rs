//! One turn's handing over: what is due goes from the backlogs through the windows to the client, within its bounds.

use std::sync::Arc;
use std::time::Instant;

use rdkafka::error::RDKafkaErrorCode;

use super::carried::Client;
use super::cluster::Cluster;
use super::pace::{self, Load};
use super::replay::{MOST_READING, read_bytes};
use super::settings::Settings;
use super::spilling::{REPLAY_EVENTS, Spiller};
use super::suspects::Suspects;
use super::window::Window;
use super::work::Work;
use crate::produce::topic_limits::{Stamp, batch_bytes};
use crate::produce::verdict::{Fault, fault};
use crate::produce::{Backoff, TopicLimits};
use crate::receipt::Parcel;
use crate::spill::Position;

/// librdkafka's batch interface stamps records with its own clock. Events older than this get the time of their arrival
/// through the slower interface, or the present where their topic takes no such time.
const STAMP_TOLERANCE_MS: i64 = 50;

/// Events that a lane sends first after a pause.
const TRY_EVENTS: u32 = 16;

/// An event that the client didn't take, by its position in its parcel, and why.
pub(super) type Refused = (Arc<Parcel>, u32, RDKafkaErrorCode);

/// What one turn of a worker hands over, and how much the client may hold.
pub(super) struct Sending<'a, P> {
    pub(super) client: Option<&'a mut P>,
    pub(super) cluster: &'a Arc<Cluster>,
    pub(super) settings: &'a Settings,
    pub(super) spiller: Option<&'a Spiller>,
    pub(super) now: Instant,
    pub(super) now_ms: i64,
    pub(super) max_events: u32,
    pub(super) max_bytes: u64,
    pub(super) in_flight_events: u32,
    pub(super) in_flight_bytes: u64,
    /// Until when the cluster's wave holds back what isn't full.
    pub(super) held_until: Option<Instant>,
    /// Bytes that are being read from the spill log.
    pub(super) reading: u64,
    /// Events of the log that may be sent in this turn.
    pub(super) replays: i64,
    /// The partition of the batch that is being gathered.
    pub(super) partition: i32,
    /// Parcels whose requests are finished because the spill log has no room.
    pub(super) finished: Vec<Arc<Parcel>>,
    pub(super) refused: Vec<Refused>,
    /// The lane of which the client didn't take an event: it gets nothing more in this turn. The next event might be taken,
    /// because its topic has just come back, and go before the one that wasn't.
    pub(super) stopped: Option<u32>,
    /// By topic: when its lanes may try again, after Kafka took nothing of it.
    pub(super) pauses: &'a mut [Backoff],
    /// Topics that wait because their events were refused.
    pub(super) suspects: &'a Suspects,
    /// The worker is told to stop: then nobody waits for the sake of later events.
    pub(super) is_stopping: bool,
}

impl<P: Client> Sending<'_, P> {
    /// Sends what is due of one lane: first what has to be sent again, then what comes next, from the spill log if the lane
    /// is on its way over it, else from the backlog.
    pub(super) fn send_due(&mut self, work: &mut Work) {
        let cluster = self.cluster;
        if let Some(spiller) = self.spiller {
            spiller.note_arrivals(work, self.now);
            if work.life.is_direct() && self.goes_over_log(work) && spiller.takes_of(&work.lane) {
                spiller.enter(work, true, self.now);
            }
            let spill_after = self.settings.spill_after;
            if self.is_over_log(work) || !spiller.holds_new(work, spill_after, self.now) {
                self.finished
                    .extend(spiller.append_backlog(work, cluster, self.now));
            }
        }
        if self.client.is_none() {
            return;
        }
        self.send_again(work);
        match self.spiller {
            Some(spiller) if !work.life.is_direct() => self.replay(work, spiller),
            _ => self.send_backlog(work),
        }
    }

    /// Whether a lane leaves its direct way. Until the cluster's first client can send, nothing waits for it: clients of a process
    /// that was started anew have waited for that already.
    fn goes_over_log(&self, work: &Work) -> bool {
        let waits = !work.backlog.is_empty() || !work.window.is_empty();
        let is_cold = || self.cluster.health().is_cold();
        waits && (self.is_over_log(work) || work.is_late(self.settings, self.now) || is_cold())
    }

    /// Whether the lane's events always go over the log.
    fn is_over_log(&self, work: &Work) -> bool {
        let topic = self.cluster.topics().get(work.lane.topic as usize);
        topic.is_some_and(|topic| topic.is_over_log())
    }

    /// Whether a lane's events have waited for long, or will: there is no client to send them.
    pub(super) fn waits_long(&self, work: &Work) -> bool {
        self.client.is_none() || work.is_late(self.settings, self.now)
    }

    fn open_topic(&mut self, work: &Work) {
        let topic = self.cluster.topics().get(work.lane.topic as usize);
        if let (Some(topic), Some(client)) = (topic, self.client.as_deref_mut()) {
            client.open_topic(work.lane.topic, topic.name());
        }
    }

    /// Whether a lane may send, or has to wait because Kafka took nothing of it or of its topic.
    fn may_try(&self, work: &Work) -> bool {
        let topic = self.pauses.get(work.lane.topic as usize);
        work.pause.is_over(self.now)
            && topic.is_none_or(|pause| pause.is_over(self.now))
            && (self.is_stopping || self.suspects.may_send(work.lane.topic, self.now))
    }

    /// After a pause a lane tries with little, and the topic's other lanes wait for what becomes of it. True if it's so.
    fn tries(&mut self, work: &mut Work) -> bool {
        let topic = self.pauses.get_mut(work.lane.topic as usize);
        let is_tried = work.pause.is_on() || topic.as_ref().is_some_and(|pause| pause.is_on());
        if is_tried {
            work.pause.tries(self.now);
            topic.into_iter().for_each(|pause| pause.tries(self.now));
        }
        is_tried
    }

    pub(super) fn send_again(&mut self, work: &mut Work) {
        if !work.window.has_rewind() || !self.may_try(work) {
            return;
        }
        if self.tries(work) {
            work.window.begin_small(TRY_EVENTS);
        }
        let Some(again) = work.window.take_rewind(self.max_batch(work)) else {
            return;
        };
        self.open_topic(work);
        for (parcel, position) in &again {
            self.in_flight_events += 1;
            self.in_flight_bytes += parcel.events()[*position as usize].weight();
            self.hand_over(work, parcel, *position);
        }
        self.flush(work);
        work.sent_at = Some(self.now);
    }

    pub(super) fn replay(&mut self, work: &mut Work, spiller: &Spiller) {
        let bytes = read_bytes(self.max_bytes, self.cluster.budget.total());
        let reading = self.reading + bytes;
        let has_room = reading <= MOST_READING && self.in_flight_bytes + reading <= self.max_bytes;
        // What a lane reads and can't send would be held until its topic is mended.
        let may_ask = has_room && self.may_try(work);
        self.reading += spiller.read_on(work, self.cluster, may_ask.then_some(bytes), self.now);
        let max_batch = self.max_batch(work);
        while !work.window.is_rewinding()
            && work.window.outstanding() < REPLAY_EVENTS
            && self.allows(&work.window)
            && self.replays > 0
            && self.may_try(work)
            && !self.is_stopped(work)
            && let Some((next, _)) = work.queues.read.front()
            && fits(max_batch, &work.window, next)
            && let Some((parcel, position)) = work.queues.read.pop_front()
        {
            self.replays -= i64::from(parcel.count());
            self.open_topic(work);
            self.tries(work);
            self.send(work, &parcel, position, max_batch);
        }
        self.flush(work);
        spiller.leave_if_done(work, self.now);
    }

    fn send_backlog(&mut self, work: &mut Work) {
        let settings = self.settings;
        let load = Load {
            waiting_bytes: work.lane.bytes(),
            unacked_events: work.window.outstanding(),
            sent_at: work.sent_at,
            held_until: self.held_until,
        };
        if work.backlog.is_empty()
            || work.window.is_rewinding()
            || !pace::may_send(load, settings, self.now)
        {
            return;
        }
        // A lane that stands still gets nothing more: what waits in its backlog can still be refused for certain.
        if work.window.oldest().is_some_and(|parcel| {
            self.now.duration_since(parcel.request().received_at()) >= settings.stalled_after
        }) {
            return;
        }
        if !self.may_try(work) {
            return;
        }
        self.open_topic(work);
        let max_batch = self.max_batch(work);
        while self.allows(&work.window)
            && self.may_try(work)
            && !self.is_stopped(work)
            && let Some(next) = work.backlog.front()
            && fits(max_batch, &work.window, next)
            && let Some(parcel) = work.backlog.pop_front()
        {
            work.lane.ring.release(parcel.bytes(), parcel.count());
            if parcel.claim() {
                self.tries(work);
                self.send(work, &parcel, None, max_batch);
            }
        }
        self.flush(work);
    }

    /// Sends a parcel; or has it sent in the next turns, if its topic takes it in several batches only.
    fn send(
        &mut self,
        work: &mut Work,
        parcel: &Arc<Parcel>,
        stored: Option<Position>,
        max_batch: u64,
    ) {
        let is_several = parcel.count() > 1;
        if is_several && batch_bytes(parcel.count(), parcel.bytes()) > max_batch {
            return work.window.push_waiting(Arc::clone(parcel), stored);
        }
        self.in_flight_events += parcel.count();
        self.in_flight_bytes += parcel.bytes();
        work.window.push(Arc::clone(parcel), stored);
        for position in 0..parcel.count() {
            self.hand_over(work, parcel, position);
        }
        work.sent_at = Some(self.now);
    }

    /// The largest batch of several events that a lane's topic takes.
    fn max_batch(&self, work: &Work) -> u64 {
        let topic = self.cluster.topics().get(work.lane.topic as usize);
        topic.map_or(u64::MAX, |topic| topic.limits().max_batch())
    }

    /// Whether a lane may give the client one more parcel: it may have as many events and bytes there as are still free, so
    /// that a few lanes that stand still leave room for all others.
    fn allows(&self, window: &Window) -> bool {
        let free = self.max_events.saturating_sub(self.in_flight_events);
        let free_bytes = self.max_bytes.saturating_sub(self.in_flight_bytes);
        window.outstanding() < free && window.outstanding_bytes() < free_bytes
    }

    fn hand_over(&mut self, work: &Work, parcel: &Arc<Parcel>, position: u32) {
        let event = &parcel.events()[position as usize];
        let needs_stamp = event.header_id.is_some()
            || event.extra.is_some()
            || self.now_ms - parcel.received_ms(position) > STAMP_TOLERANCE_MS;
        if needs_stamp || parcel.partition() != self.partition {
            self.flush(work);
        }
        self.partition = parcel.partition();
        if self.is_stopped(work) {
            let refused = (Arc::clone(parcel), position, RDKafkaErrorCode::PurgeQueue);
            return self.refused.push(refused);
        }
        let Some(client) = self.client.as_deref_mut() else {
            return;
        };
        if !needs_stamp {
            client.add(parcel, position);
            return;
        }
        let (topic, partition) = (work.lane.topic, parcel.partition());
        let known = self.cluster.topics().get(topic as usize);
        let stamp = known.map_or(Stamp::Event, |it| {
            stamp_of(it.limits(), parcel, position, self.now_ms)
        });
        if let Err(code) = client.send_stamped(topic, partition, parcel, position, stamp) {
            self.refused.push((Arc::clone(parcel), position, code));
            self.stop_after(work, code);
        }
    }

    fn is_stopped(&self, work: &Work) -> bool {
        self.stopped == Some(work.lane.number())
    }

    /// The client didn't take an event of a lane. One that is never taken holds up no other.
    fn stop_after(&mut self, work: &Work, code: RDKafkaErrorCode) {
        if !matches!(fault(code), Fault::Event(_)) {
            self.stopped = Some(work.lane.number());
        }
    }

    fn flush(&mut self, work: &Work) {
        let Some(client) = self.client.as_deref_mut() else {
            return;
        };
        let before = self.refused.len();
        client.flush(work.lane.topic, self.partition, |parcel, position, code| {
            self.refused.push((Arc::clone(parcel), position, code));
        });
        for at in before..self.refused.len() {
            self.stop_after(work, self.refused[at].2);
        }
    }
}

/// What the record of the event at `position` of a parcel is stamped with.
fn stamp_of(limits: &TopicLimits, parcel: &Parcel, position: u32, now_ms: i64) -> Stamp {
    if let Some(own_ms) = parcel.events()[position as usize].timestamp_ms() {
        limits.note_own_time();
        // Kafka knows no time before 1970, and librdkafka takes 0 for the present.
        if own_ms <= 0 {
            return Stamp::Present;
        }
    }
    limits.stamp(parcel.timestamp_ms(position), now_ms)
}

/// Whether a parcel fits into a batch of so many bytes with all that is under way of its lane: librdkafka makes one of what it has. It
/// does, where the client makes no batch that is too large for the topic.
fn fits(max_batch: u64, window: &Window, parcel: &Parcel) -> bool {
    if max_batch == u64::MAX || window.is_empty() {
        return true;
    }
    let events = window.outstanding() + parcel.count();
    let bytes = window.outstanding_bytes() + parcel.bytes();
    !window.is_rewinding() && batch_bytes(events, bytes) <= max_batch
}
