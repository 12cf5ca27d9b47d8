//! Many random lives of a log, each of several starts with a crash, errors, or rot between them.
//!
//! A few hundred seeds run with the other tests; `FOREBAY_SPILL_SEEDS=100000` runs more, `FOREBAY_SPILL_SEED=7` one.

use super::sim_disk::{EIO, ENOSPC, Faults, Lie, Random};
use super::world::{Missing, World};

const SEEDS: u64 = 400;

fn seeds() -> std::ops::Range<u64> {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text: String| text.parse().ok())
    };
    match number("FOREBAY_SPILL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FOREBAY_SPILL_SEEDS").unwrap_or(SEEDS),
    }
}

/// One random step.
fn step(world: &mut World, random: &mut Random) {
    let lane = random.below(world.lanes.len() as u64) as usize;
    match random.below(100) {
        0..35 => {
            let len = [10, 100, 400, 3_000][random.below(4) as usize];
            let count = 1 + random.below(4) as usize;
            world.append(lane, count, len).unwrap_or_default();
        }
        35..60 => drop(world.write()),
        60..70 => world.tend(),
        70..80 => drop(world.read(lane, 1 + random.below(8_000) as usize)),
        80..92 => world.ack(lane, 1 + random.below(30) as usize),
        92..96 => world.advance(random.below(1_500)),
        _ => {
            let errno = if random.percent(50) { EIO } else { ENOSPC };
            let percent = [0, 0, 10, 100][random.below(4) as usize];
            let directory = if random.percent(80) { 0 } else { percent };
            world.disk.fail(Faults {
                write: percent,
                directory,
                errno,
                ..Faults::default()
            });
            let full = random.percent(20);
            world
                .disk
                .set_capacity(if full { 400 << 10 } else { u64::MAX / 4 });
        }
    }
}

/// One life of a log; panics if it broke its promise.
fn live(seed: u64, lie: Lie) {
    let mut random = Random(seed ^ 0x5eed);
    let mut world = World::new(seed, 1 + random.below(4) as usize);
    world.disk.lie(lie);
    for _ in 0..3 {
        world.now_ms += random.below(5_000);
        while world.open().is_err() {
            assert!(world.disk.is_crashed(), "refused to open");
            world.power_cut();
        }
        if !world.disk.is_crashed() && !world.troubled {
            assert_eq!(world.recovered.damage.lost_events, 0);
        }
        if random.percent(80) {
            world.disk.crash_in(1 + random.below(120));
        }
        for _ in 0..random.below(250) {
            if world.disk.is_crashed() {
                break;
            }
            step(&mut world, &mut random);
        }
        if !world.disk.is_crashed() && random.percent(50) {
            world.disk.fail(Faults::default());
            world.close();
        }
        world.power_cut();
        world.disk.set_capacity(u64::MAX / 4);
        // A crash while it opens changes nothing of what is found afterwards.
        for _ in 0..random.below(3) {
            world.disk.crash_in(1 + random.below(6));
            world.open().unwrap_or_default();
            world.power_cut();
        }
        world.open().unwrap();
        assert_eq!(
            world.check(),
            Missing::default(),
            "acknowledged events are gone"
        );
        let counted = world.log().stats().lost_events;
        assert!(counted == 0 || world.troubled, "{counted} counted as lost");
        world.running = None;
    }
}

fn broken(seeds: std::ops::Range<u64>, lie: Lie) -> usize {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let breaks = |seed: &u64| std::panic::catch_unwind(|| live(*seed, lie)).is_err();
    let found = seeds.filter(breaks).count();
    std::panic::set_hook(hook);
    found
}

#[test]
fn nothing_acknowledged_is_lost_whatever_the_disk_does() {
    for seed in seeds() {
        let kept = std::panic::catch_unwind(|| live(seed, Lie::None));
        assert!(kept.is_ok(), "again with FOREBAY_SPILL_SEED={seed}");
    }
}

/// Rot of one sector costs no more than one frame, and no other.
#[test]
fn a_rotten_sector_costs_one_frame_at_most() {
    let (mut lost, mut counted) = (0, 0);
    for seed in seeds().map(|seed| seed ^ 0x0707_0000) {
        let mut random = Random(seed);
        let mut world = World::new(seed, 3);
        world.open().unwrap();
        for _ in 0..200 {
            step(&mut world, &mut random);
        }
        world.disk.fail(Faults::default());
        world.disk.set_capacity(u64::MAX / 4);
        world.write_all();
        world.power_cut();
        let names = world.disk.names();
        let files: Vec<_> = names
            .iter()
            .filter(|name| {
                name.ends_with(".seg") || name.starts_with("acks") && !name.ends_with("tmp")
            })
            .collect();
        let file = files.get(random.below(files.len() as u64) as usize);
        if let Some(file) = file {
            world.disk.edit(file, |bytes| {
                let at = random.below(bytes.len() as u64 / 512) as usize * 512;
                bytes[at..at + 512]
                    .iter_mut()
                    .for_each(|byte| *byte = random.next() as u8);
            });
        }
        world.open().unwrap();
        let missing = world.check();
        assert!(missing.turns.len() <= 1, "seed {seed}: {missing:?}");
        lost += missing.events;
        counted += world.log().stats().lost_events.min(missing.events);
        world.running = None;
        // Looking twice finds the same.
        world.open().unwrap();
        assert_eq!(world.check(), missing, "seed {seed}");
    }
    assert!(
        lost == 0 || counted * 10 >= lost * 5,
        "{counted} of {lost} lost events were counted"
    );
}

#[test]
fn a_disk_that_does_not_sync_is_found_out() {
    assert!(broken(0..100, Lie::Sync) > 10);
}

#[test]
fn an_answer_before_the_sync_is_found_out() {
    assert!(broken(0..300, Lie::LateSync) > 0);
}

#[test]
fn a_directory_that_is_not_synced_is_found_out() {
    assert!(broken(0..300, Lie::DirectorySync) > 0);
}
