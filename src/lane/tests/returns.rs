//! The way back to direct: new events wait for it only when it's near.

use super::gateway::World;
use super::kafka::FINE;

#[test]
fn new_events_do_not_wait_for_a_return_while_much_is_in_the_log() {
    let mut world = World::new(2, false, true);
    let event = [(0, FINE, 200)];
    world.send(&event);
    world.turn(600);
    for _ in 0..100 {
        world.send(&event);
        world.turn(1);
        world.write(10);
    }
    world.flow(5, 1);
    for _ in 0..10 {
        assert!(!world.is_direct(), "the log holds more");
        world.send(&event);
        world.turn(1);
        world.write(10);
        world.turn(1);
        assert_eq!(world.waiting(), 0, "it's durable, and nobody was told");
        world.flow(1, 1);
    }
    world.finish_and_audit(false);
}

/// What it read would be held until its topic is mended, and others would find no room.
#[test]
fn a_lane_that_may_not_send_reads_nothing_back() {
    let mut world = World::new(4, true, true);
    let event = [(0, FINE, 200)];
    for _ in 0..20 {
        world.send(&event);
        world.turn(1);
        world.write(10);
    }
    world.restart(true);
    let worker = &mut world.run.as_mut().unwrap().worker;
    worker.meet_topic(0);
    let now = worker.now;
    worker.lines.pauses[0].fails(now);
    world.turn(1);
    let reading = |world: &World| world.run.as_ref().unwrap().worker.port.reading;
    assert_eq!(reading(&world), 0, "its topic is paused");
    world.turn(1_000);
    assert!(reading(&world) > 0, "it's tried again");
    world.finish_and_audit(true);
}
