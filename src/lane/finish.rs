//! The end of a worker: what is only in memory goes to the spill log, or is refused; nothing is left without an answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::carried::Client;
use super::clients::CLOSE_WITHIN;
use super::cluster::Cluster;
use super::spilling::Spiller;
use super::topic::Topic;
use super::work::Work;
use super::worker::Worker;
use super::{Lane, UNROUTED};
use crate::receipt::{Cause, Parcel};

/// How long the spill log may take to store what is left at the end.
const STORE_WITHIN: Duration = Duration::from_secs(3);

impl<P: Client> Worker<P> {
    /// The end: what waits goes to the spill log or is refused, what the client holds is copied to it and given up.
    pub(super) fn finish(&mut self) {
        self.cluster.stop.close();
        self.spill_all();
        self.refuse_waiting();
        if let Some(mut client) = self.clients.current.take() {
            self.notes.shared.set(None);
            let (_, mut reports) = self.client_and_reports();
            client.close(CLOSE_WITHIN, |report| reports.take_last(report));
            self.clients.burials.bury_or_leak(client);
        }
        let unresolved: Vec<_> = self
            .lines
            .works
            .iter_mut()
            .flatten()
            .flat_map(|work| work.window.drain())
            .collect();
        for parcel in unresolved.iter().filter(|parcel| parcel.abandon()) {
            self.outbox.finished(parcel);
        }
        // What was being admitted while the door closed.
        self.refuse_waiting();
        self.outbox.knock();
    }

    /// Brings all that is only in memory to the spill log, if there is one.
    fn spill_all(&mut self) {
        self.collect_ready();
        // Of a topic whose lanes are closing it's the other way round.
        self.enter_unrouted();
        self.put_held_behind(|cluster, lane| cluster.is_closing(lane));
        self.spill_unrouted();
        self.put_held_behind(|_, _| true);
        let Some(spiller) = &self.port.spiller else {
            return;
        };
        for work in self.lines.works.iter_mut().flatten() {
            let waits = !self.cluster.holds(&work.lane) && !work.backlog.is_empty()
                || !work.window.is_empty();
            if work.life.is_direct() && waits {
                spiller.enter(work, true, self.now);
            }
            if work.lane.partition() != UNROUTED {
                let refused = append_last(spiller, &self.cluster, work, self.now);
                refused.iter().for_each(|it| self.outbox.finished(it));
            }
        }
        let deadline = Instant::now() + STORE_WITHIN;
        while (self.is_appending() || self.is_behind()) && Instant::now() < deadline {
            self.take_appended();
            self.put_held_behind(|_, _| true);
            self.spill_unrouted();
            // What the log was too busy to take is tried again.
            if let Some(spiller) = &self.port.spiller {
                let works = self.lines.works.iter_mut().flatten();
                for work in works.filter(|work| work.lane.partition() != UNROUTED) {
                    let refused = append_last(spiller, &self.cluster, work, self.now);
                    refused.iter().for_each(|it| self.outbox.finished(it));
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What waits in held lanes goes behind what is unrouted, which goes first, also after the next start.
    fn put_held_behind(&mut self, concerns: impl Fn(&Cluster, &Lane) -> bool) {
        for number in 0..self.lines.works.len() as u32 {
            let Some(work) = self.lines.works[number as usize].as_mut() else {
                continue;
            };
            work.pull();
            if self.cluster.holds(&work.lane) && concerns(&self.cluster, &work.lane) {
                self.go_behind_unrouted(number);
            }
        }
    }

    /// Takes unrouted lanes off their direct way, so that something can go behind what they have.
    fn enter_unrouted(&mut self) {
        let Some(spiller) = &self.port.spiller else {
            return;
        };
        for work in self.lines.works.iter_mut().flatten() {
            let is_open = work.lane.partition() == UNROUTED && work.lane.is_open();
            work.pull();
            if is_open && work.life.is_direct() {
                spiller.enter(work, false, self.now);
            }
        }
    }

    /// Brings what is unrouted to the log, before anything that has to go behind it, and behind what is older: what waits in
    /// lanes that are closing.
    fn spill_unrouted(&mut self) {
        let topics = self.cluster.topics().iter();
        let is_ready = |topic: &Topic| !topic.routing.is_closing() || self.is_empty(topic, false);
        let ready: Vec<bool> = topics.map(|topic| is_ready(topic)).collect();
        let Some(spiller) = &self.port.spiller else {
            return;
        };
        let works = self.lines.works.iter_mut().flatten();
        for work in works.filter(|work| work.lane.partition() == UNROUTED) {
            work.pull();
            if ready.get(work.lane.topic as usize) == Some(&true) {
                let refused = spiller.append_backlog(work, &self.cluster, self.now);
                refused.iter().for_each(|it| self.outbox.finished(it));
            }
        }
    }

    /// Whether nothing waits in memory alone, or with the client. What waits in the spill log can go on waiting. What the client has of it
    /// is waited for, or it would be sent twice, but not if Kafka has answered nothing for so long that new events wouldn't wait either.
    pub(super) fn is_idle(&self) -> bool {
        let is_silent = |work: &Work| {
            let silent_for = |sent_at| self.now.duration_since(sent_at);
            let silence = work.sent_at.map(silent_for);
            silence.is_none_or(|silence| silence >= self.settings.spill_after)
        };
        let is_done = |work: &Work| {
            let window = &work.window;
            let is_stored = window.is_only_stored() || window.is_stored() && is_silent(work);
            work.backlog.is_empty() && is_stored && !work.is_appending()
        };
        self.lines.active.iter().all(|number| {
            let work = self.lines.works[*number as usize].as_deref();
            work.is_none_or(is_done)
        })
    }

    /// Whether lanes that go over the log, or behind what is unrouted, have more for it.
    fn is_behind(&self) -> bool {
        let mut works = self.lines.works.iter().flatten();
        works.any(|work| {
            let has_way = !work.life.is_direct() || self.cluster.holds(&work.lane);
            has_way && !work.backlog.is_empty()
        })
    }

    fn is_appending(&self) -> bool {
        self.lines
            .works
            .iter()
            .flatten()
            .any(|work| work.is_appending())
    }

    fn refuse_waiting(&mut self) {
        self.collect_ready();
        let mut waiting = Vec::new();
        for work in self.lines.works.iter_mut().flatten() {
            work.pull();
            for parcel in work.backlog.drain(..) {
                work.lane.ring.release(parcel.bytes(), parcel.count());
                waiting.push(parcel);
            }
        }
        for parcel in waiting
            .iter()
            .filter(|parcel| parcel.refuse(Cause::Draining))
        {
            self.outbox.finished(parcel);
        }
    }
}

/// Appends what a lane has for its own part of the log: all, or what is older than the unrouted events, if there are any.
fn append_last(
    spiller: &Spiller,
    cluster: &Arc<Cluster>,
    work: &mut Work,
    now: Instant,
) -> Vec<Arc<Parcel>> {
    if cluster.holds(&work.lane) {
        spiller.append_begun(work, cluster, now)
    } else {
        spiller.append_backlog(work, cluster, now)
    }
}
