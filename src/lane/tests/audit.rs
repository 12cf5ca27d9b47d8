//! The end of a run, when everything works again: all drains, lanes are direct under steady traffic, and what is in Kafka's
//! topic is compared with what clients were told.

use std::collections::{BTreeMap, BTreeSet};

use super::gateway::{Fact, KEYS, MOST_PARTITIONS, New, Told, World, key};
use super::kafka::{FINE, LARGE, LARGE_FOR_CLIENT, id_of};
use crate::event::wire;
use crate::receipt::Cause;
use crate::route::partition_of;
use crate::spill::tests::hand::Trouble;

/// Turns in which steady traffic has to find all lanes direct.
const STEADY_TURNS: usize = 600;
/// Turns in which everything has to drain.
const TURNS: usize = 3_000;

impl World {
    /// Kafka answers, the disk works, the partitions are known.
    pub(super) fn heal(&mut self) {
        self.push();
        {
            let mut kafka = self.kafka();
            (kafka.is_denied, kafka.denies_clients) = (false, false);
        }
        self.disk.trouble(Trouble::None);
        self.learn();
        for _ in 0..3 {
            self.flow(3, 1);
            self.flow(1, 61_000);
        }
    }

    /// Steady traffic flows until all lanes are direct; false if they never are.
    pub(super) fn becomes_direct(&mut self) -> bool {
        let news: Vec<New> = (0..KEYS).map(|key| (key, FINE, 20)).collect();
        for turn in 0..STEADY_TURNS {
            self.send(&news);
            self.flow(1, 2);
            if turn > 5 && self.is_direct() {
                return true;
            }
        }
        false
    }

    /// Everything works until nothing waits.
    pub(super) fn drain(&mut self) {
        for turn in 0..TURNS {
            self.flow(1, if turn % 100 == 99 { 1_000 } else { 5 });
            if self.waiting() == 0 && self.backlog() == 0 && self.is_direct() {
                self.flow(3, 5);
                return;
            }
        }
        let (waiting, backlog) = (self.waiting(), self.backlog());
        panic!("it doesn't drain: {waiting} requests and {backlog} stored events wait");
    }

    /// Stored events that wait for Kafka.
    pub(super) fn backlog(&self) -> u64 {
        let backlogs = self.log.as_ref().unwrap().backlogs();
        let alive = backlogs
            .iter()
            .filter(|(name, _)| !name.starts_with(b"dead/"));
        alive.map(|(_, backlog)| backlog.events).sum()
    }

    /// The numbers of the events that are kept as dead letters.
    pub(super) fn dead(&self) -> BTreeSet<usize> {
        let log = self.log.as_ref().unwrap();
        let mut dead = BTreeSet::new();
        for (name, _) in log.backlogs() {
            if !name.starts_with(b"dead/") {
                continue;
            }
            let mut reader = log.reader(log.lane(&name).unwrap()).unwrap();
            loop {
                let records = reader.read(4_096).unwrap();
                if records.is_empty() {
                    break;
                }
                dead.extend(records.iter().filter_map(|stored| {
                    let body = &stored.payload;
                    // A test may have put something there that a later version would write.
                    let (event, _) = wire::decode(body, 0, body.len() as u32, 0).ok()?;
                    Some(id_of(event.value(body)))
                }));
            }
        }
        dead
    }

    /// Lets everything become well, and compares.
    pub(super) fn finish_and_audit(&mut self, is_over_log: bool) {
        self.heal();
        let is_direct = self.becomes_direct();
        assert!(is_direct || is_over_log, "not direct under steady traffic");
        self.drain();
        self.assert_rested();
        self.audit();
        self.stop();
    }

    fn audit(&self) {
        let first = self.firsts();
        let dead = self.dead();
        for (id, fact) in self.facts.iter().enumerate() {
            let (is_there, is_dead) = (first.contains_key(&id), dead.contains(&id));
            let is_large = matches!(fact.mark, LARGE | LARGE_FOR_CLIENT);
            assert!(
                !is_dead || is_large,
                "{id} is fine, and a dead letter: {fact:?}"
            );
            match fact.answer {
                Some((_, Told::Durable)) => assert!(is_there || is_dead, "{id} is lost: {fact:?}"),
                Some((_, Told::Not(Cause::TooLargeForKafka))) => {
                    assert!(is_large, "{id} was refused: {fact:?}");
                }
                Some((_, Told::Not(Cause::Timeout | Cause::NoRoom | Cause::Draining))) => {
                    assert!(!is_there, "{id} is a ghost: {fact:?}");
                }
                _ => {}
            }
        }
        for key in 0..KEYS {
            self.audit_order(key, &first);
        }
    }

    /// When each event came first, with a look at partitions and duplicates.
    fn firsts(&self) -> BTreeMap<usize, usize> {
        let kafka = self.kafka();
        for (partition, ids) in &kafka.topic {
            for id in ids {
                let key = key(self.facts[*id].key);
                let mut counts = 1..=MOST_PARTITIONS;
                let is_right = counts.any(|count| partition_of(&key, count) as i32 == *partition);
                assert!(is_right, "{id} went astray, to {partition}");
            }
        }
        let mut first = BTreeMap::new();
        for (at, id) in kafka.stored.iter().enumerate() {
            let is_first = !first.contains_key(id);
            assert!(is_first || self.may_double, "{id} came twice");
            first.entry(*id).or_insert(at);
        }
        first
    }

    /// What was sent after the answer to another event of its key comes after that, whatever partitions they are in.
    fn audit_order(&self, key: usize, first: &BTreeMap<usize, usize>) {
        let here = first.iter().map(|(id, at)| (*id, *at, &self.facts[*id]));
        let here: Vec<(usize, usize, &Fact)> =
            here.filter(|(_, _, fact)| fact.key == key).collect();
        for (one, at, fact) in &here {
            let Some((answered, Told::Durable)) = fact.answer else {
                continue;
            };
            let late = here
                .iter()
                .find(|(_, other_at, other)| other.sent > answered && other_at < at);
            assert!(late.is_none(), "{one} {fact:?} came after {late:?}");
        }
    }
}
