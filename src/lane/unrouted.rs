//! Events that came before the partitions of their topic were known, and how they get to Kafka.
//!
//! On the very first start with Kafka out of reach nobody knows how many partitions a topic has. Events then go into one
//! lane of the spill log per topic, `…/unrouted`. When the partitions are known, the lane is replayed like any other,
//! but for one thing: what is read is sorted by partition, a parcel for each.
//!
//! **Order.** What real lanes hold in the log, or have sent, is always older than what is unrouted: it's from an earlier run
//! that knew the partitions, or from before a late push. So it goes first, then what is unrouted, then new events. These
//! keep going to the unrouted lane until it is nearly empty; then the real lanes come into use. A real lane is *held* as long
//! as anything of its topic is unrouted: nothing new of it is sent, and if that takes long, its events go
//! behind the unrouted ones in the log, never into its own part. An HTTP thread may still push to the unrouted lane after that, for it has looked at
//! the topic before. But who has an answer for such an event has it from this worker, so anything that was sent after that
//! answer is found in a real lane only after the event was seen here: the worker looks at real lanes first and at the unrouted
//! one second.

use std::sync::Arc;

use super::Lane;
use super::cluster::Cluster;
use super::send::Sending;
use super::store::What;
use super::work::Work;
use super::worker::Worker;
use crate::produce::Producer;
use crate::receipt::{Cause, Parcel};

/// Bytes of unrouted events below which the real lanes come into use: sent within a moment.
const NEARLY_EMPTY: u64 = if cfg!(test) { 1 << 10 } else { 4 << 20 };

impl<P: Producer> Sending<'_, P> {
    /// Stores the events of an unrouted lane, and sends what is stored as soon as the partitions are known, unless it
    /// has to wait for older events of the real lanes.
    pub(super) fn send_unrouted(&mut self, work: &mut Work, has_to_wait: bool) {
        let topic = self.cluster.topics().get(work.lane.topic as usize);
        let (Some(spiller), Some(topic), Some(lane)) = (self.spiller, topic, work.lane.spill)
        else {
            return;
        };
        spiller.note_arrivals(work);
        if work.mode.is_direct() && !work.backlog.is_empty() {
            spiller.enter(work, false);
        }
        self.finished
            .extend(spiller.append_backlog(work, self.cluster));
        if topic.planned().is_empty() {
            return;
        }
        if topic.lanes().is_empty() && spiller.log.lane_backlog(lane).bytes < NEARLY_EMPTY {
            topic.publish();
        }
        if self.client.is_some() {
            self.send_again(work);
            if !has_to_wait {
                self.replay(work, spiller);
            }
        }
    }

    /// Sends what a held lane has in the log or in its window: that is older than what is unrouted.
    pub(super) fn send_held(&mut self, work: &mut Work) {
        let Some(spiller) = self.spiller else {
            return;
        };
        spiller.note_arrivals(work);
        let is_late = work.is_late(self.cluster.lane_settings(), self.now);
        if work.mode.is_direct() && !work.window.is_empty() && is_late && spiller.takes() {
            spiller.enter(work, true);
        }
        self.finished
            .extend(spiller.append_begun(work, self.cluster));
        if self.client.is_some() {
            self.send_again(work);
            self.replay(work, spiller);
        }
    }
}

/// Whether a real lane of the topic has older events than the unrouted ones to send.
pub(super) fn has_older(works: &[Option<Box<Work>>], cluster: &Cluster, unrouted: &Lane) -> bool {
    let Some(topic) = cluster.topics().get(unrouted.topic as usize) else {
        return false;
    };
    let planned = topic.planned();
    planned.iter().any(|lane| {
        let work = works.get(lane.number() as usize);
        match work.and_then(Option::as_ref) {
            Some(work) => !work.mode.is_direct() || !work.window.is_empty(),
            // It was woken, perhaps for what an earlier run stored; the next turn knows.
            None => lane.is_open(),
        }
    })
}

impl<P: Producer + Send + 'static> Worker<P> {
    /// The events that wait in a held lane go behind the unrouted ones of their topic, in the log.
    pub(super) fn go_behind_unrouted(&mut self, number: u32) {
        let Some(spiller) = self.spiller.take() else {
            return;
        };
        let held = self.works[number as usize].take();
        if let Some(mut held) = held {
            let unrouted = self.cluster.unrouted_before(&held.lane);
            let refused = unrouted.map(|unrouted| {
                let unrouted = unrouted.number();
                let front = self.works.get_mut(unrouted as usize);
                let front = front.and_then(Option::as_deref_mut);
                front.map(|front| {
                    let append = |parcel: &Arc<Parcel>, lane| {
                        let (all, what) = (0..parcel.count(), What::Behind { unrouted });
                        spiller.append(&self.cluster, lane, parcel, all, what)
                    };
                    let has_room = |parcel: &Parcel| spiller.log.has_room(2 * parcel.bytes());
                    behind(&mut held, front, has_room, append)
                })
            });
            for parcel in refused.flatten().unwrap_or_default() {
                self.finished(&parcel);
            }
            self.works[number as usize] = Some(held);
        }
        self.spiller = Some(spiller);
    }
}

/// Appends the backlog of `held` to the lane of `front`, as much as may wait for the disk; returns the parcels whose requests
/// are finished by a refusal.
fn behind(
    held: &mut Work,
    front: &mut Work,
    has_room: impl Fn(&Parcel) -> bool,
    append: impl Fn(&Arc<Parcel>, crate::spill::LaneId) -> Result<(), crate::spill::AppendError>,
) -> Vec<Arc<Parcel>> {
    let mut refused = Vec::new();
    let Some(lane) = front.lane.spill.filter(|_| !front.mode.is_direct()) else {
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
            Ok(()) => front.append_begun(),
            Err(_) if parcel.not_stored(Cause::NoRoom) => refused.push(parcel),
            Err(_) => {}
        }
    }
    refused
}
