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
