//! A cluster that is away has no client, and its events are kept for when it's back.

use super::gateway::{Told, World};
use super::kafka::FINE;

const EVENT: [super::gateway::New; 1] = [(0, FINE, 200)];

impl World {
    fn has_client(&self) -> bool {
        let run = self.run.as_ref().unwrap();
        run.worker.clients.current.is_some()
    }

    fn cluster(&self) -> std::sync::Arc<crate::lane::Cluster> {
        std::sync::Arc::clone(&self.run.as_ref().unwrap().cluster)
    }
}

#[test]
fn a_client_is_given_up_when_it_holds_nothing_and_what_comes_meanwhile_is_stored_and_sent() {
    let mut world = World::new(21, false, true);
    world.send(&EVENT);
    world.turn(1);
    world.cluster().goes_away();
    world.turn(100);
    assert!(world.has_client(), "it alone knows what it has sent");
    world.flow(5, 1);
    assert!(!world.has_client() && world.waiting() == 0);
    let before = world.kafka().clients;
    world.send(&EVENT);
    world.turn(600);
    world.write(10);
    world.turn(1);
    let told = world.facts.last().unwrap().answer;
    assert!(matches!(told, Some((_, Told::Durable))), "{told:?}");
    world.turn(60_000);
    assert_eq!(world.kafka().clients, before, "nobody is there");
    world.cluster().comes_back(None);
    world.turn(1);
    assert!(world.has_client(), "at once");
    world.flow(20, 10);
    assert_eq!(world.kafka().stored, [0, 1]);
    world.finish_and_audit(false);
}

#[test]
fn until_its_first_client_can_send_what_comes_is_stored_at_once_and_goes_to_kafka_first() {
    let mut world = World::new(22, false, true);
    world.stop();
    world.is_cold = true;
    world.begin(true);
    world.send(&EVENT);
    world.turn(1);
    world.write(10);
    world.turn(1);
    assert_eq!(world.waiting(), 0, "nobody waits for kafka");
    world.cluster().health().set_warm(true);
    world.finish_and_audit(false);
}
