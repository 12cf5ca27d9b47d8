//! Random operations against the plain model, shrunk to the smallest that fails.

use proptest::collection::vec;
use proptest::prelude::*;

use super::sim_disk::{EIO, ENOSPC, Faults};
use super::world::{Missing, World};

#[derive(Clone, Debug)]
enum Step {
    Append {
        lane: usize,
        count: usize,
        len: usize,
    },
    Write,
    Tend,
    Read {
        lane: usize,
        bytes: usize,
    },
    Ack {
        lane: usize,
        count: usize,
    },
    Wait {
        ms: u64,
    },
    WritesFail {
        percent: u64,
        no_room: bool,
    },
    PowerCut {
        after: u64,
    },
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3usize, 1..5usize, prop_oneof![Just(10usize), Just(500), Just(3_500)])
            .prop_map(|(lane, count, len)| Step::Append { lane, count, len }),
        6 => Just(Step::Write),
        3 => Just(Step::Tend),
        3 => (0..3usize, 1..9_000usize).prop_map(|(lane, bytes)| Step::Read { lane, bytes }),
        3 => (0..3usize, 1..40usize).prop_map(|(lane, count)| Step::Ack { lane, count }),
        2 => (0..2_000u64).prop_map(|ms| Step::Wait { ms }),
        1 => (prop_oneof![Just(0u64), Just(30), Just(100)], any::<bool>())
            .prop_map(|(percent, no_room)| Step::WritesFail { percent, no_room }),
        1 => (0..20u64).prop_map(|after| Step::PowerCut { after }),
        1 => Just(Step::Close),
    ]
}

fn reopen(world: &mut World) {
    world.open().unwrap();
    assert_eq!(world.check(), Missing::default());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn the_log_keeps_what_the_model_keeps(seed in any::<u64>(), steps in vec(step(), 1..150)) {
        let mut world = World::new(seed, 3);
        world.open().unwrap();
        for step in steps {
            match step {
                Step::Append { lane, count, len } => world.append(lane, count, len).unwrap_or_default(),
                Step::Write => drop(world.write()),
                Step::Tend => world.tend(),
                Step::Read { lane, bytes } => drop(world.read(lane, bytes)),
                Step::Ack { lane, count } => world.ack(lane, count),
                Step::Wait { ms } => world.advance(ms),
                Step::WritesFail { percent, no_room } => {
                    let errno = if no_room { ENOSPC } else { EIO };
                    world.disk.fail(Faults { write: percent, errno, ..Faults::default() });
                }
                Step::PowerCut { after } => {
                    world.disk.crash_in(after);
                    world.write();
                    world.tend();
                    world.power_cut();
                    reopen(&mut world);
                }
                Step::Close => {
                    world.disk.fail(Faults::default());
                    world.close();
                    reopen(&mut world);
                }
            }
            if world.disk.is_crashed() {
                world.power_cut();
                reopen(&mut world);
            }
        }
        world.write_all();
        world.power_cut();
        reopen(&mut world);
    }
}
