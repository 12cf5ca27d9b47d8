//! How processes end, and that nothing is left in one that rests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::Duration;

use super::gateway::{OnDisk, Run, World};
use super::kafka::FINE;
use crate::budget::Budget;
use crate::lane::{Cluster, TopicOf, Wanted, admit};
use crate::produce;
use crate::receipt::Parcels;
use crate::spill::tests::hand::Trouble;

impl World {
    /// The process is killed, or the machine loses power; another one begins.
    pub(super) fn crash(&mut self, loses_power: bool, is_known: bool) {
        self.kafka().forget_client();
        self.disk.crash();
        (self.run, self.log) = (None, None);
        self.open.clear();
        self.hesitating.clear();
        self.disk.crashed(loses_power);
        (self.may_double, self.has_restarted) = (true, true);
        self.begin(is_known);
    }

    /// The process is told to stop, and does; another one begins.
    pub(super) fn restart(&mut self, is_known: bool) {
        self.stop();
        self.disk.trouble(Trouble::None);
        (self.may_double, self.has_restarted) = (true, true);
        self.begin(is_known);
    }

    /// The process is told to stop, and does.
    pub(super) fn stop(&mut self) {
        let mut run = self.run.take().unwrap();
        let is_finished = AtomicBool::new(false);
        let disk = &mut self.disk;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_finished.load(Acquire) {
                    disk.write();
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
            run.worker.finish();
            is_finished.store(true, Release);
        });
        self.push_too_late(&run);
        self.tell_finished();
        assert_eq!(self.open.len(), 0, "requests without an answer at the end");
        let ledger = run.cluster.topics()[0].ledger();
        assert_eq!((ledger.in_flight(), ledger.lost.load(Acquire)), (0, 0));
        drop(run);
        self.log = None;
        self.disk.close();
        self.kafka().forget_client();
        assert_eq!(self.budget.used(), 0);
    }

    /// What comes after the end is refused.
    fn push_too_late(&mut self, run: &Run) {
        self.hesitating.clear();
        let lanes = run.cluster.topics()[0].unrouted();
        let wanted = Wanted {
            lane: &lanes[0],
            events: 1,
            bytes: 1,
        };
        let limits = run.cluster.lane_settings();
        assert!(admit(&run.cluster, &limits, &[wanted], Parcels::new).is_err());
    }

    /// Whether all lanes send directly.
    pub(super) fn is_direct(&self) -> bool {
        let works = self
            .run
            .as_ref()
            .unwrap()
            .worker
            .lines
            .works
            .iter()
            .flatten();
        works.into_iter().all(|work| work.life.is_direct())
    }

    /// The topic's stream is taken away, or comes back. Who looked before goes on sending.
    pub(super) fn retire(&mut self, is_retired: bool) {
        let cluster = &self.run.as_ref().unwrap().cluster;
        if is_retired {
            cluster.retire_topic(0);
        } else {
            let of = TopicOf {
                is_over_log: self.is_over_log,
                ..TopicOf::new("stream", "topic")
            };
            let topic = cluster.add_topic(of, |_| panic!("all of it is known"));
            assert!(Arc::ptr_eq(&topic, &cluster.topics()[0]));
        }
        assert_eq!(cluster.topics()[0].is_retired(), is_retired);
    }

    /// A topic that is called drained may be forgotten: nothing of it waits anywhere.
    pub(super) fn assert_drained_is_empty(&self) {
        let cluster = &self.run.as_ref().unwrap().cluster;
        if cluster.is_drained(&cluster.topics()[0]) {
            assert_eq!((self.waiting(), self.backlog()), (0, 0), "it isn't drained");
            let held = self.run.as_ref().unwrap().worker.lines.in_flight_events;
            assert_eq!(held, 0, "the client holds events of a drained topic");
        }
    }

    /// Nothing is left anywhere in memory.
    pub(super) fn assert_rested(&self) {
        let Run {
            worker, cluster, ..
        } = self.run.as_ref().unwrap();
        let held = (
            worker.lines.in_flight_events,
            worker.lines.in_flight_bytes,
            worker.port.reading,
        );
        assert_eq!(held, (0, 0, 0), "in the client's hands, or being read");
        for work in worker.lines.works.iter().flatten() {
            assert!(
                work.backlog.is_empty() && work.window.is_empty(),
                "{:?}",
                work.lane
            );
            assert_eq!((work.lane.bytes(), work.lane.events()), (0, 0));
        }
        assert_eq!(self.budget.used(), 0, "bytes of memory");
        let topic = &cluster.topics()[0];
        assert!(cluster.is_drained(topic), "it never drains");
        let ledger = topic.ledger();
        assert_eq!((ledger.in_flight(), ledger.lost.load(Acquire)), (0, 0));
        if !self.has_restarted {
            let (replayed, dead) = (ledger.replayed.load(Acquire), ledger.dead.load(Acquire));
            let to_go = ledger.spilled.load(Acquire) + ledger.redriven.load(Acquire);
            // What is read again to be sorted anew counts again.
            let is_right = to_go == replayed + dead || self.has_resized && to_go < replayed + dead;
            assert!(is_right, "{ledger:?}");
        }
    }
}

/// The probe asks for a topic as soon as it's on the list, and tells of its partitions on a thread of its own.
#[test]
fn a_topic_that_comes_is_seen_when_its_lanes_are_found() {
    let mut world = World::new(17, true, true);
    for _ in 0..5 {
        world.send(&[(0, FINE, 20), (1, FINE, 20), (2, FINE, 20), (3, FINE, 20)]);
        world.turn(1);
        world.write(10);
    }
    assert!(world.backlog() > 0);
    let (log, budget) = (world.log.clone(), Budget::new(8 << 20));
    let client = produce::Settings::new("nowhere");
    let cluster = Cluster::new("cluster", client, Default::default(), [], &budget, log);
    cluster.remember_in(Arc::<OnDisk>::default());
    let topic = cluster.add_topic(TopicOf::new("stream", "topic"), |topic| {
        assert!(cluster.topics().is_empty(), "it's seen too early");
        let found = topic.all_lanes();
        assert!(!found.is_empty() && found.iter().all(|lane| lane.partition() < 2));
        Some(2)
    });
    assert_eq!((cluster.topics().len(), topic.lanes().len()), (1, 2));
    assert_eq!(topic.all_lanes().len(), 2, "one lane for each of the log");
    // Kafka knows better than an earlier run, and a reload recalls nothing.
    cluster.set_partitions(0, 3);
    cluster.recall_partitions(0, 2);
    assert_eq!(topic.routing.wanted.load(Acquire), 3);
    let again = cluster.add_topic(TopicOf::new("stream", "topic"), |_| Some(2));
    assert!(Arc::ptr_eq(&again, &topic));
    assert_eq!(topic.routing.wanted.load(Acquire), 3);
    drop((cluster, topic, again));
    world.finish_and_audit(true);
}
