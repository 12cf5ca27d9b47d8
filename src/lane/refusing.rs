//! What is refused for certain: events of a topic, or a cluster, that takes nothing, where there is no spill log to wait in.
//!
//! Kafka said no, and the events are certainly not stored. So their clients are told that they don't arrive, and why, instead of being
//! left in doubt at their deadline.
//!
//! - A fault of a moment is waited out: an event that came back is sent again until it's as old as `lane.stalled_after`.
//! - When the fault has lasted for as long, and while forebay stops, events are refused as soon as they come back, or wait in a pause.
//!   What comes when a pause is over is tried.
//! - Whoever waits for no answer (`ack = "memory"`) has its events tried for as long as forebay runs.
//!
//! What may be stored, of an earlier try whose answer was lost, is left alone: its client is told `unknown`.

use std::time::Instant;

use super::carried::Client;
use super::worker::Worker;
use crate::receipt::{Cause, Parcel};

impl<P: Client> Worker<P> {
    /// Refuses what can be refused for certain.
    pub(super) fn refuse_hopeless(&mut self, now: Instant) {
        if self.port.spiller.is_some() {
            return;
        }
        let client = self.cluster.health().client().get();
        let is_stopping = self.cluster.stop.deadline().is_some();
        let long = self.settings.stalled_after;
        for &number in &self.lines.active {
            let Some(work) = self.lines.works[number as usize].as_mut() else {
                continue;
            };
            let topic = self.cluster.topics().get(work.lane.topic as usize);
            let topic = topic.and_then(|topic| topic.fault()).map(|it| it.since);
            let Some(since) = topic.or(client.as_ref().map(|it| it.since)) else {
                continue;
            };
            let is_lasting = is_stopping || now.saturating_duration_since(since) >= long;
            let is_hopeless = |parcel: &Parcel| {
                let age = now.saturating_duration_since(parcel.request().received_at());
                let is_waited_for = parcel.request().mailbox().is_some();
                is_waited_for && (is_lasting || age >= long)
            };
            for (parcel, position) in work.window.take_unstored(is_hopeless) {
                if parcel.given_up(position, Cause::NotTaken) {
                    self.outbox.finished(&parcel);
                }
            }
            while work.backlog.front().is_some_and(|it| is_hopeless(it))
                && let Some(parcel) = work.backlog.pop_front()
            {
                work.lane.ring.release(parcel.bytes(), parcel.count());
                if parcel.refuse(Cause::NotTaken) {
                    self.outbox.finished(&parcel);
                }
            }
        }
    }
}
