//! Dead letters that are sent again: in order, once if nothing crashes, never lost, whatever their topic's lane is doing.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::gateway::{KEYS, New, World, key};
use super::kafka::{FINE, LARGE};
use crate::lane::dead::{Destination, Reason};
use crate::lane::redrive::{Choice, Plan, Progress, run};
use crate::route::partition_of;
use crate::spill::Record;

/// Whether the worker turns while dead letters are moved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worker {
    Turns,
    Sleeps,
}

/// Sends the dead letters of these lanes again.
fn redrive(world: &mut World, lane: &str, worker: Worker) -> Progress {
    let log = Arc::clone(world.log.as_ref().unwrap());
    let clusters = [Arc::clone(&world.run.as_ref().unwrap().cluster)];
    let choice = Choice {
        lane: lane.into(),
        reason: None,
    };
    let plan = Plan::new(&log.lanes(), &Destination::of(&clusters), &choice);
    let progress = Progress::default();
    std::thread::scope(|scope| {
        let moving = scope.spawn(|| run(&log, &clusters, &plan, &progress, &|| true));
        while !moving.is_finished() {
            match worker {
                Worker::Turns => world.flow(1, 1),
                Worker::Sleeps => world.write(10),
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    });
    progress
}

/// A world with `count` dead letters, each behind a fine event; their numbers.
fn with_dead(seed: u64, count: usize) -> (World, Vec<usize>) {
    let mut world = World::new(seed, true, true);
    let dead = bury(&mut world, count);
    assert_eq!(world.dead().into_iter().collect::<Vec<_>>(), dead);
    (world, dead)
}

fn bury(world: &mut World, count: usize) -> Vec<usize> {
    let first = world.facts.len();
    for at in 0..count {
        let news: [New; 2] = [(at % KEYS, FINE, 20), (at % KEYS, LARGE, 100)];
        world.send(&news);
        world.flow(3, 1);
    }
    world.drain();
    let facts = world.facts.iter().enumerate().skip(first);
    let large = facts.filter(|(_, fact)| fact.mark == LARGE);
    large.map(|(id, _)| id).collect()
}

/// The numbers of what is in the topic and was dead, partition by partition.
fn arrived(world: &World, dead: &[usize]) -> Vec<Vec<usize>> {
    let kafka = world.kafka();
    let of = |ids: &Vec<usize>| {
        let ids = ids.iter().filter(|id| dead.contains(id));
        ids.copied().collect()
    };
    kafka.topic.values().map(of).collect()
}

#[track_caller]
fn assert_arrived_in_order(world: &World, dead: &[usize]) {
    let arrived = arrived(world, dead);
    let mut all: Vec<_> = arrived.iter().flatten().copied().collect();
    for ids in &arrived {
        assert!(ids.is_sorted_by(|one, other| one < other), "{arrived:?}");
    }
    all.sort_unstable();
    assert_eq!(all, dead, "each once");
    assert!(world.dead().is_empty());
}

#[test]
fn they_arrive_once_and_in_order_whether_their_topic_is_busy_or_at_rest() {
    for worker in [Worker::Turns, Worker::Sleeps] {
        for seed in 0..20 {
            let (mut world, dead) = with_dead(seed, 12);
            world.kafka().takes_large = true;
            if seed % 3 == 0 {
                world.send(&[(0, FINE, 20), (1, FINE, 20)]);
            }
            let progress = redrive(&mut world, "", worker);
            assert_eq!((progress.events(), progress.faults().len()), (12, 0));
            assert!(progress.bytes() > 12 * 100);
            world.drain();
            assert_arrived_in_order(&world, &dead);
            world.assert_rested();
            let ledger = Arc::clone(world.run.as_ref().unwrap().cluster.topics()[0].ledger());
            assert_eq!(ledger.redriven.load(Relaxed), 12);
            // The topic's lanes are what they were.
            bury(&mut world, 2);
            world.stop();
        }
    }
}

/// The lane has read all that it found, and waits for Kafka, when more comes.
#[test]
fn what_comes_while_the_last_are_under_way_is_found_as_well() {
    for seed in 0..10 {
        let (mut world, dead) = with_dead(seed, 12);
        world.kafka().takes_large = true;
        let of_partition = |partition: usize| format!("cluster/stream/topic/{partition}/");
        redrive(&mut world, &of_partition(0), Worker::Sleeps);
        for _ in 0..20 {
            world.write(10);
            world.read();
            world.turn(1);
        }
        let held = world.kafka().held();
        assert_eq!(held, [0], "they wait for Kafka");
        redrive(&mut world, &of_partition(1), Worker::Sleeps);
        world.drain();
        assert_arrived_in_order(&world, &dead);
        world.stop();
    }
}

#[test]
fn what_is_refused_again_is_dead_again_and_does_not_go_round() {
    let (mut world, dead) = with_dead(1, 5);
    let progress = redrive(&mut world, "", Worker::Turns);
    assert_eq!(progress.events(), 5);
    world.drain();
    assert_eq!(world.dead().into_iter().collect::<Vec<_>>(), dead);
    let ledger = Arc::clone(world.run.as_ref().unwrap().cluster.topics()[0].ledger());
    assert_eq!(ledger.dead.load(Relaxed), 10);
    world.stop();
}

#[test]
fn a_crash_at_any_time_doubles_some_and_loses_none() {
    for seed in 0..20 {
        let (mut world, dead) = with_dead(seed, 8);
        world.kafka().takes_large = true;
        let worker = [Worker::Turns, Worker::Sleeps][seed as usize % 2];
        redrive(&mut world, "", worker);
        world.flow(seed as usize % 5, 1);
        world.crash(seed % 3 == 0, true);
        world.heal();
        redrive(&mut world, "", Worker::Turns);
        world.drain();
        let mut all: Vec<_> = arrived(&world, &dead).into_iter().flatten().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all, dead, "seed {seed}");
        world.stop();
    }
}

#[test]
fn what_is_chosen_goes_and_all_else_stays_as_it_was() {
    let (mut world, dead) = with_dead(3, 12);
    let log = Arc::clone(world.log.as_ref().unwrap());
    let known = Destination::of(&[Arc::clone(&world.run.as_ref().unwrap().cluster)]);
    // An earlier version's lane, one of a stream that isn't configured, and a record of a later version.
    let stored = |lane: &str, payload: &[u8]| {
        let record = Record {
            meta: Default::default(),
            payload: payload.to_vec().into(),
        };
        let lane = log.lane(lane.as_bytes()).unwrap();
        log.append(lane, vec![record], |_| {}).unwrap();
    };
    let mut fine = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    fine.extend(super::kafka::value(0, LARGE, 20));
    stored("dead/cluster/topic/0", &fine);
    stored("dead/cluster/gone/topic/0/refused", &fine);
    stored("dead/cluster/stream/topic/9/refused", &fine);
    stored("dead/cluster/stream/topic/9/refused", b"\x09of tomorrow");
    stored("dead/cluster/stream/topic/9/refused", &fine);
    world.write(10);
    let plan = |lane: &str, reason| {
        let choice = Choice {
            lane: lane.into(),
            reason,
        };
        Plan::new(&log.lanes(), &known, &choice)
    };
    let count = |plan: Plan| (plan.sums().0, plan.stays.len());
    assert_eq!(count(plan("", None)), (12 + 4, 1));
    assert_eq!(count(plan("", Some(Reason::TooLarge))), (12, 0));
    assert_eq!(count(plan("", Some(Reason::Unknown))), (1, 0));
    assert_eq!(count(plan("dead/cluster/stream/topic/9", None)), (3, 0));
    assert_eq!(count(plan("cluster/gone", None)), (0, 1));
    assert!(plan("nobody", None).is_empty());
    // A dry run is a plan: nothing was changed.
    let before = world.dead();

    world.kafka().takes_large = true;
    let progress = redrive(&mut world, "cluster/stream/topic/0/too", Worker::Turns);
    world.drain();
    let here = |id: &usize| partition_of(&key(world.facts[*id].key), 2) == 0;
    let (went, stayed): (Vec<_>, Vec<_>) = dead.iter().copied().partition(here);
    assert_eq!(progress.events(), went.len() as u64);
    assert!(!went.is_empty() && !stayed.is_empty());
    let after = world.dead();
    assert!(
        before
            .iter()
            .all(|id| after.contains(id) != went.contains(id))
    );

    let progress = redrive(&mut world, "cluster/stream/topic/9", Worker::Turns);
    assert_eq!((progress.events(), progress.faults().len()), (1, 1));
    assert!(progress.faults()[0].what.contains("version 9"));
    assert_eq!(count(plan("cluster/stream/topic/9", None)), (2, 0), "kept");
    world.drain();
    drop(log);
    world.stop();
}
