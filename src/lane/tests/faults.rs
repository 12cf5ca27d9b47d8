//! Faults that aren't an event's: what is done about them, how often, and what becomes of the events.

use std::time::Duration;

use super::gateway::{Told, World};
use super::kafka::{FINE, LARGE, LARGE_FOR_CLIENT, REFUSED};
use crate::produce::verdict::{ClientFault, TopicFault};
use crate::receipt::Cause;

/// One event for each of two partitions.
const BOTH: [super::gateway::New; 2] = [(0, FINE, 20), (1, FINE, 20)];

impl World {
    /// So many turns of `ms` each, in which Kafka answers at once.
    fn turns(&mut self, count: usize, ms: u64) {
        for _ in 0..count {
            self.turn(ms);
            self.kafka().answer_all(5);
            self.write(10);
            self.read();
        }
    }
}

#[test]
fn a_denied_topic_waits_and_goes_on_by_itself() {
    let mut world = World::new(7, false, true);
    world.kafka().is_denied = true;
    world.send(&BOTH);
    world.turns(5, 1);
    let topic = std::sync::Arc::clone(&world.run.as_ref().unwrap().cluster.topics()[0]);
    let fault = topic.fault().expect("it's denied");
    assert_eq!(fault.fault, TopicFault::Denied);
    assert_eq!(
        fault.reason,
        "topic topic is denied: the right WRITE isn't allowed"
    );
    let before = world.kafka().batches;
    // A minute: tries after 0.2 s, 0.4 s and so on up to 10 s.
    world.turns(6_000, 10);
    let tries = world.kafka().batches - before;
    assert!((6..16).contains(&tries), "{tries} tries in a minute");
    assert_eq!(world.dead().len(), 0);
    assert!(
        world
            .facts
            .iter()
            .all(|fact| matches!(fact.answer, Some((_, Told::Durable))))
    );
    world.kafka().is_denied = false;
    world.turns(1_300, 10);
    assert!(topic.fault().is_none(), "an acknowledgement clears it");
    world.finish_and_audit(false);
}

/// Each refused batch makes all lanes wait until the client has settled. Without a pause of their topic there would be some hundred.
#[test]
fn a_topic_that_refuses_what_nobody_can_know_stops_its_cluster_seldom() {
    let mut world = World::new(13, false, true);
    for _ in 0..2_000 {
        if world.waiting() < 5 {
            world.send(&[(0, REFUSED, 20)]);
        }
        world.turns(1, 1);
    }
    let refused = world.kafka().batches;
    assert!((10..150).contains(&refused), "{refused} in two seconds");
    world.turns(2_000, 5);
    assert_eq!(world.waiting(), 0, "all were judged");
    world.finish_and_audit(false);
}

/// What librdkafka knows of a topic changes while a lane's events are handed over, one by one.
#[test]
fn a_topic_that_comes_back_in_the_middle_of_a_lanes_events_changes_nothing_about_their_order() {
    for refuses in 1..6 {
        let mut world = World::new(12, false, true);
        // The first request is old, so that its events go one by one, each by itself.
        world.send(&[(0, FINE, 20); 6]);
        world.kafka().refuses = refuses;
        // One is refused by each try.
        world.turns(2_000, 5);
        let stored = world.kafka().stored.clone();
        assert_eq!(stored, [0, 1, 2, 3, 4, 5], "{refuses} refused");
        world.finish_and_audit(false);
    }
}

#[test]
fn a_topics_fault_during_a_search_costs_no_event() {
    let mut world = World::new(8, false, true);
    let news = [(0, FINE, 20), (0, LARGE, 20), (0, FINE, 20), (0, FINE, 20)];
    world.send(&news);
    // Refused together, and then, halved.
    world.turns(2, 1);
    world.kafka().is_denied = true;
    world.turns(500, 5);
    world.kafka().is_denied = false;
    world.turns(3_000, 5);
    assert_eq!(world.kafka().topic.values().flatten().count(), 3);
    world.finish_and_audit(false);
}

#[test]
fn clients_that_fail_again_and_again_are_replaced_less_and_less_often() {
    let mut world = World::new(9, false, true);
    world.kafka().denies_clients = true;
    world.send(&BOTH);
    let before = world.kafka().clients;
    // Ten minutes.
    for _ in 0..60_000 {
        world.turn(10);
    }
    let made = world.kafka().clients - before;
    assert!((15..40).contains(&made), "{made} clients in ten minutes");
    let cluster = std::sync::Arc::clone(&world.run.as_ref().unwrap().cluster);
    assert_eq!(
        cluster.health().client().get().unwrap().fault,
        ClientFault::Denied
    );
    world.kafka().denies_clients = false;
    // Its longest pause, and a quarter.
    world.turns(3_800, 10);
    assert!(cluster.health().client().get().is_none());
    world.finish_and_audit(false);
}

#[test]
fn what_is_refused_alone_at_once_costs_no_further_try() {
    let mut world = World::new(10, false, true);
    world.send(&[(0, LARGE, 20)]);
    world.turns(3, 1);
    world.turn(1);
    let told = world.facts[0].answer.unwrap().1;
    assert_eq!(told, Told::Not(Cause::TooLargeForKafka));
    assert_eq!(world.kafka().batches, 1);
    world.finish_and_audit(false);
}

#[test]
fn clients_that_hang_in_their_burial_are_few() {
    use super::kafka::new_client;
    use crate::lane::burial::Burials;
    let world = World::new(11, false, true);
    let cluster = std::sync::Arc::clone(&world.run.as_ref().unwrap().cluster);
    let (burials, gate) = (
        Burials::of(&std::sync::Arc::default()),
        std::sync::Arc::new(std::sync::Barrier::new(5)),
    );
    let client = || {
        let mut client = new_client(&cluster).unwrap();
        client.hangs_at = Some(std::sync::Arc::clone(&gate));
        client
    };
    for _ in 0..4 {
        assert!(burials.bury(client()).is_ok());
    }
    let (fifth, why) = burials.bury(client()).expect_err("four hang");
    assert_eq!(why, "4 others hang");
    gate.wait();
    let mut fifth = Some(fifth);
    for _ in 0..1_000 {
        let Some(mut client) = fifth.take() else {
            return;
        };
        client.hangs_at = None;
        fifth = burials.bury(client).err().map(|(client, _)| client);
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it's never buried");
}

#[test]
fn a_client_that_a_reload_replaces_has_time_for_what_is_on_the_wire() {
    let mut world = World::new(12, false, true);
    world.send(&BOTH);
    (0..3).for_each(|_| world.turn(1));
    let cluster = std::sync::Arc::clone(&world.run.as_ref().unwrap().cluster);
    let before = world.kafka().clients;
    world.kafka().on_wire = 20;
    let mut settings = crate::produce::Settings::clone(&cluster.settings());
    settings.bootstrap = "elsewhere".into();
    cluster.change(settings.clone());
    (0..20).for_each(|_| world.turn(10));
    assert_eq!(world.kafka().clients, before, "it has no answer yet");
    world.kafka().answer_all(5);
    (0..3).for_each(|_| world.turn(1));
    assert_eq!(world.kafka().clients, before + 1);
    settings.metadata_refresh *= 2;
    cluster.change(settings.clone());
    (0..3).for_each(|_| world.turn(1));
    assert_eq!(world.kafka().clients, before + 1, "it would be the same");
    let replaced = || {
        let gauges = cluster.gauges();
        gauges
            .replaced_clients
            .load(std::sync::atomic::Ordering::Relaxed)
    };
    assert_eq!(replaced(), 0, "none of them failed");
    // One that gives no answer is given up all the same.
    world.send(&BOTH);
    (0..3).for_each(|_| world.turn(1));
    world.kafka().on_wire = 20;
    settings.bootstrap = "nowhere".into();
    cluster.change(settings);
    (0..520).for_each(|_| world.turn(10));
    assert_eq!(world.kafka().clients, before + 2);
    world.finish_and_audit(false);
}

/// A stop has a deadline, and what is refused at last can be told, or kept as a dead letter.
#[test]
fn a_stop_does_not_wait_for_the_pause_of_a_topic_that_was_refused() {
    let mut world = World::new(15, false, true);
    let is_paused = |world: &World| {
        let worker = &world.run.as_ref().unwrap().worker;
        !worker
            .lines
            .suspects
            .may_send(0, worker.now + Duration::from_millis(10))
    };
    for _ in 0..2_000 {
        world.send(&[(0, REFUSED, 20); 3]);
        world.turns(1, 1);
        if is_paused(&world) {
            break;
        }
    }
    assert!(is_paused(&world) && world.waiting() > 0);
    let cluster = std::sync::Arc::clone(&world.run.as_ref().unwrap().cluster);
    let before = world.kafka().batches;
    // As if the pause took an hour, of which hardly anything passes.
    cluster.drain(Duration::from_secs(3_600));
    for _ in 0..3 {
        world.turn(0);
        world.kafka().answer_all(5);
    }
    assert!(
        is_paused(&world) && world.kafka().batches > before,
        "it's tried"
    );
    world.stop();
}

#[test]
fn what_a_reload_changes_is_in_force_at_once() {
    let mut world = World::new(16, false, true);
    let cluster = std::sync::Arc::clone(&world.run.as_ref().unwrap().cluster);
    world.kafka().denies_clients = true;
    world.turn(200);
    let mut settings = crate::produce::Settings::clone(&cluster.settings());
    (settings.client_pause, settings.longest_client_pause) =
        (Duration::from_secs(600), Duration::from_secs(600));
    cluster.change(settings);
    for _ in 0..10 {
        world.turn(200);
    }
    // Pauses of clients that fail from now on are ten minutes.
    world.turn(60_000);
    let before = world.kafka().clients;
    (0..400).for_each(|_| world.turn(1_000));
    assert!(world.kafka().clients <= before + 1, "{before}");
}

/// It can be sent after the next start as well.
#[test]
fn a_stop_does_not_wait_for_what_the_log_has_and_the_client_has_not() {
    let mut world = World::new(18, false, true);
    let is_idle = |world: &World| world.run.as_ref().unwrap().worker.is_idle();
    world.kafka().is_denied = true;
    world.send(&BOTH);
    world.turn(1);
    assert!(!is_idle(&world), "the client has it");
    world.turns(200, 10);
    assert_eq!(
        (world.waiting(), world.backlog()),
        (0, 2),
        "it's in the log"
    );
    let worker = &world.run.as_ref().unwrap().worker;
    let mut works = worker.lines.works.iter().flatten();
    assert!(works.any(|work| !work.window.is_empty()));
    assert!(is_idle(&world));
    world.kafka().is_denied = false;
    world.finish_and_audit(false);
}

#[test]
fn an_event_that_is_refused_behind_one_whose_partition_goes_keeps_no_lane_standing() {
    let mut world = World::new(0, false, true);
    world.send(&[(3, FINE, 10)]);
    world.send(&[(3, LARGE_FOR_CLIENT, 10)]);
    // The client refuses the second alone, at once; the first is under way.
    world.turn(1);
    world.kafka().resize(1);
    world.finish_and_audit(false);
}
