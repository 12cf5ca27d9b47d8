//! The unrouted lane of a topic: events whose partition isn't known for now, and their way to Kafka.
//!
//! Two kinds of events come here. On the very first start Kafka may be out of reach, and nobody knows how many partitions a topic
//! has. And while the number of partitions changes, new events wait for what is under way (see [`super::routing`]). Both go into
//! one lane of the log per topic, `…/unrouted`. Its replay sorts what it reads by partition, and makes a parcel for each.
//! Otherwise it's a replay like any other.
//!
//! **Order.** There are three ages of events, and the older go first:
//!
//! 1. What the real lanes hold in the log or have sent. It is from an earlier run that knew the partitions, from before their
//!    number changed, or from before a late push.
//! 2. What is unrouted.
//! 3. New events. They go to the unrouted lane until it is nearly empty. Then the real lanes come into use.
//!
//! A real lane is *held* as long as anything of its topic is unrouted: it sends nothing new. If that takes long, its new events go
//! into the log behind the unrouted ones, and never into its own part of it.
//!
//! A *late push* is one of an HTTP thread that looked at the topic before the real lanes came into use. It can't break the order,
//! for a client sends the next event of a key when it has the answer for the one before. That answer comes from this worker, which
//! has seen the late event by then. The worker looks at the real lanes first and at the unrouted one second, so it finds the next
//! event of the key no earlier than the late one.
//!
//! **While a topic is held**, because its stream moved here and left something at another topic, nothing unrouted is sent. While it's
//! *behind*, because older events of its stream are in another log, the real lanes send nothing either.
//!
//! **While lanes are closing** it's the other way round: what is in the real lanes' rings is older than what is pushed to the
//! unrouted lane. So the worker puts the rings behind what the unrouted lane has in the log, at once. The unrouted lane's own
//! ring waits for that.

use std::sync::Arc;
use std::time::Instant;

use super::appended::What;
use super::carried::Client;
use super::send::Sending;
use super::store::unstored_for;
use super::turn::{Turn, whose_turn};
use super::work::Work;
use super::worker::Worker;
use crate::receipt::Parcel;

/// Bytes of unrouted events below which the real lanes come into use: sent within a moment.
const NEARLY_EMPTY: u64 = if cfg!(test) { 1 << 10 } else { 4 << 20 };

impl<P: Client> Sending<'_, P> {
    /// Stores the events of an unrouted lane, and sends what is stored as soon as the partitions are known, unless it
    /// has to wait for older events of the real lanes.
    pub(super) fn send_unrouted(&mut self, work: &mut Work, turn: Turn) {
        let has_to_wait = turn != Turn::Only(work.lane.number());
        let topic = self.cluster.topics().get(work.lane.topic as usize);
        let (Some(spiller), Some(topic), Some(lane)) = (self.spiller, topic, work.lane.spill)
        else {
            return;
        };
        spiller.note_arrivals(work, self.now);
        let routing = &topic.routing;
        if work.life.is_direct() && (routing.is_closing() || !work.backlog.is_empty()) {
            spiller.enter(work, false, self.now);
        }
        if routing.is_closing() {
            return;
        }
        self.finished
            .extend(spiller.append_backlog(work, self.cluster, self.now));
        if !has_to_wait
            && routing.is_changing()
            && !routing.is_held()
            && spiller.log.lane_backlog(lane).bytes < NEARLY_EMPTY
        {
            self.cluster.publish(topic, self.now);
        }
        let sorting = routing.sorting(&work.lane);
        if self.client.is_some() && spiller.turns_to(work, sorting, &mut self.finished, self.now) {
            self.send_again(work);
            if !has_to_wait && !routing.is_held() && !self.cluster.is_behind(&work.lane) {
                self.replay(work, spiller);
            }
        }
    }

    /// Sends nothing of a lane whose stream has older events in another log; and stores what it has in memory.
    pub(super) fn send_behind(&mut self, work: &mut Work) {
        let Some(spiller) = self.spiller else {
            return;
        };
        spiller.note_arrivals(work, self.now);
        if work.life.is_direct() && !work.backlog.is_empty() {
            spiller.enter(work, true, self.now);
        }
        self.finished
            .extend(spiller.append_backlog(work, self.cluster, self.now));
    }

    /// Sends what a held lane has in the log or in its window: that is older than what is unrouted.
    pub(super) fn send_held(&mut self, work: &mut Work, turn: Turn) {
        let topic = self.cluster.topics().get(work.lane.topic as usize);
        let (Some(spiller), Some(topic)) = (self.spiller, topic) else {
            return;
        };
        spiller.note_arrivals(work, self.now);
        let sorting = topic.routing.sorting(&work.lane);
        let is_gone = sorting != Ok(None);
        let has_turn = match turn {
            Turn::Own => !is_gone,
            Turn::Only(lane) => lane == work.lane.number(),
        };
        let is_late = is_gone || work.is_late(self.settings, self.now);
        if work.life.is_direct()
            && !work.window.is_empty()
            && is_late
            && spiller.takes_of(&work.lane)
        {
            spiller.enter(work, true, self.now);
        }
        self.finished
            .extend(spiller.append_begun(work, self.cluster, self.now));
        // What it has read for a partition that is gone is read again in its turn: until then others need the memory.
        let holds_memory = is_gone && !work.queues.read.is_empty();
        let is_ready = (has_turn || holds_memory)
            && self.client.is_some()
            && spiller.turns_to(work, sorting, &mut self.finished, self.now);
        if is_ready && has_turn {
            self.send_again(work);
            self.replay(work, spiller);
        }
    }
}

impl<P: Client> Worker<P> {
    /// By topic, for those of which something is unrouted: which lanes may send.
    pub(super) fn turns(&self) -> Vec<(u32, Turn)> {
        let topics = (0..).zip(self.cluster.topics());
        let turns = topics.filter_map(|(number, topic)| {
            let unrouted = topic.unrouted.as_ref().filter(|lane| lane.is_open())?;
            Some((number, whose_turn(&self.lines.works, topic, unrouted)))
        });
        turns.collect()
    }

    /// The events that wait in a held lane go behind the unrouted ones of their topic, in the log.
    pub(super) fn go_behind_unrouted(&mut self, number: u32) {
        let Some(spiller) = &self.port.spiller else {
            return;
        };
        let held = self
            .lines
            .works
            .get(number as usize)
            .and_then(Option::as_deref);
        let unrouted = held.and_then(|held| self.cluster.unrouted_before(&held.lane));
        let Some(unrouted) = unrouted.map(|lane| lane.number()) else {
            return;
        };
        let both = [number as usize, unrouted as usize];
        let Ok([Some(held), Some(front)]) = self.lines.works.get_disjoint_mut(both) else {
            return;
        };
        let append = |parcel: &Arc<Parcel>, lane| {
            let (all, what) = (0..parcel.count(), What::Behind { unrouted });
            spiller.append(&self.cluster, lane, parcel, all, what)
        };
        let has_room = |parcel: &Parcel| spiller.log.has_room(2 * parcel.bytes());
        let refused = behind(held, front, has_room, append, self.now);
        refused.iter().for_each(|it| self.outbox.finished(it));
    }
}

/// Appends the backlog of `held` to the lane of `front`, as much as may wait for the disk; returns the parcels whose requests
/// are finished by a refusal.
fn behind(
    held: &mut Work,
    front: &mut Work,
    has_room: impl Fn(&Parcel) -> bool,
    append: impl Fn(&Arc<Parcel>, crate::spill::LaneId) -> Result<(), crate::spill::AppendError>,
    now: Instant,
) -> Vec<Arc<Parcel>> {
    let mut refused = Vec::new();
    let Some(lane) = front.lane.spill.filter(|_| !front.life.is_direct()) else {
        return refused;
    };
    while held.backlog.front().is_some_and(|next| has_room(next))
        && let Some(parcel) = held.backlog.pop_front()
    {
        held.lane.ring.release(parcel.bytes(), parcel.count());
        if !parcel.claim() {
            continue;
        }
        match append(&parcel, lane) {
            Ok(()) => front.append_begun(false, now),
            Err(why) if parcel.not_stored(unstored_for(&why)) => refused.push(parcel),
            Err(_) => {}
        }
    }
    refused
}
