//! Random lives of a cluster's lanes, shrunk to the smallest that fails.

use proptest::collection::vec;
use proptest::prelude::*;

use super::gateway::{KEYS, MOST_PARTITIONS, New, World};
use super::kafka::{FINE, LARGE, LARGE_FOR_CLIENT};
use crate::spill::tests::hand::Trouble;

#[derive(Clone, Debug)]
enum Step {
    /// A client sends a request.
    Send(Vec<New>),
    /// A client sends a request, and an HTTP thread hesitates between looking up the lanes and pushing.
    Look(Vec<New>),
    Push,
    /// The worker turns, so many milliseconds later.
    Turn(u64),
    /// The disk writes so many frames.
    Write(usize),
    /// The replay thread reads.
    Read,
    /// Kafka answers for a batch.
    Answer(i32, usize),
    /// All that the client holds of a partition comes back.
    SendBack(i32),
    /// Some is stored unheard; the client fails, with or without reports of what it held.
    Kill(usize, bool),
    /// Everything goes well for so many turns.
    Flow(usize),
    /// Clients' deadlines pass.
    GiveUp(usize),
    Disk(Trouble),
    /// The right to write to the topic goes, or comes back.
    Deny(bool),
    /// The right to use the cluster goes, and with it the client; or it comes back.
    DenyClients(bool),
    /// A reload wants another client, when the present one holds nothing any more.
    Renew,
    /// The stream is taken away, and clients that don't know it yet go on sending; or it comes back.
    Retire(bool),
    /// The partitions become known.
    Learn,
    /// The topic has another number of partitions.
    Resize(usize),
    /// Another number of partitions is believed, though wrongly: a stale broker said so.
    Hear(usize),
    /// Some is stored unheard; the process is gone, perhaps with the power, and what it knew of the partitions.
    Crash(usize, bool, bool),
    /// Some is stored unheard; the process stops in order, and the next one knows the partitions or not.
    Restart(usize, bool),
}

fn new() -> impl Strategy<Value = New> {
    let mark = prop_oneof![60 => Just(FINE), 1 => Just(LARGE), 1 => Just(LARGE_FOR_CLIENT)];
    let bytes = prop_oneof![20 => Just(10usize), 3 => Just(300), 1 => Just(6_000)];
    (0..KEYS, mark, bytes)
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        3 => Just(Trouble::None),
        1 => Just(Trouble::Writes(100)),
        1 => Just(Trouble::Writes(40)),
        1 => Just(Trouble::Full),
        1 => any::<bool>().prop_map(Trouble::OneWrite),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let partition = || 0..MOST_PARTITIONS as i32;
    let count = || 1..=MOST_PARTITIONS;
    prop_oneof![
        16 => vec(new(), 1..6).prop_map(Step::Send),
        2 => vec(new(), 1..3).prop_map(Step::Look),
        2 => Just(Step::Push),
        16 => prop_oneof![4 => Just(1u64), 3 => Just(6), 2 => Just(110), 2 => Just(600), 1 => Just(1_100)]
            .prop_map(Step::Turn),
        6 => (1..4usize).prop_map(Step::Write),
        4 => Just(Step::Read),
        6 => (partition(), 1..8usize).prop_map(|(partition, count)| Step::Answer(partition, count)),
        1 => partition().prop_map(Step::SendBack),
        1 => (0..6usize, any::<bool>()).prop_map(|(stored, loses)| Step::Kill(stored, loses)),
        3 => (1..30usize).prop_map(Step::Flow),
        2 => (1..4usize).prop_map(Step::GiveUp),
        2 => trouble().prop_map(Step::Disk),
        2 => prop::bool::weighted(0.6).prop_map(Step::Deny),
        1 => prop::bool::weighted(0.6).prop_map(Step::DenyClients),
        1 => Just(Step::Renew),
        1 => any::<bool>().prop_map(Step::Retire),
        2 => Just(Step::Learn),
        1 => count().prop_map(Step::Resize),
        1 => count().prop_map(Step::Hear),
        1 => (0..6usize, any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(stored, power, known)| Step::Crash(stored, power, known)),
        1 => (0..6usize, prop::bool::weighted(0.8))
            .prop_map(|(stored, known)| Step::Restart(stored, known)),
    ]
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Send(news) => self.send(&news),
            Step::Look(news) => self.look(&news),
            Step::Push => self.push(),
            Step::Turn(after_ms) => self.turn(after_ms),
            Step::Write(frames) => self.write(frames),
            Step::Read => self.read(),
            Step::Answer(partition, count) => self.kafka().answer(partition, count),
            Step::SendBack(partition) => self.kafka().send_back(partition),
            Step::Kill(stored, loses) => {
                let mut kafka = self.kafka();
                kafka.store_silently(stored);
                kafka.loses_reports = loses;
                kafka.kill_client();
                drop(kafka);
                self.may_double = true;
                self.turn(1);
            }
            Step::Flow(turns) => self.flow(turns, 2),
            Step::GiveUp(count) => self.give_up(count),
            Step::Disk(trouble) => self.disk.trouble(trouble),
            Step::Deny(is_denied) => self.kafka().is_denied = is_denied,
            Step::DenyClients(is_denied) => {
                let mut kafka = self.kafka();
                kafka.denies_clients = is_denied;
                if is_denied {
                    kafka.kill_client();
                    drop(kafka);
                    self.may_double = true;
                }
            }
            Step::Renew => self.run.as_ref().unwrap().cluster.renew_client(),
            Step::Retire(is_retired) => self.retire(is_retired),
            Step::Learn => self.learn(),
            Step::Resize(count) => {
                self.kafka().resize(count);
                (self.may_double, self.has_resized) = (true, true);
            }
            Step::Hear(count) => {
                self.hear(count);
                (self.may_double, self.has_resized) = (true, true);
            }
            Step::Crash(stored, loses_power, is_known) => {
                self.kafka().store_silently(stored);
                self.crash(loses_power, is_known);
            }
            Step::Restart(stored, is_known) => {
                self.kafka().store_silently(stored);
                self.restart(is_known);
            }
        }
    }
}

proptest! {
    #[test]
    fn clients_were_told_the_truth_and_kafka_has_it_in_order(
        seed in any::<u64>(),
        is_over_log in prop::bool::weighted(0.2),
        is_known in prop::bool::weighted(0.7),
        steps in vec(step(), 1..100),
    ) {
        let mut world = World::new(seed, is_over_log, is_known);
        for step in steps {
            world.step(step);
            world.assert_drained_is_empty();
        }
        world.finish_and_audit(is_over_log);
    }
}
