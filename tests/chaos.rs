//! Faults of every kind, at random, one upon the other, in a gateway, three brokers and a disk under load, with an audit of
//! every id.
//!
//! The short run is among the usual tests; `.ci/run` gives it the same seed each time. The long one is for an hour that nobody needs:
//!
//! ```sh
//! FOREBAY_CHAOS_FAULTS=1000 cargo test --test main -- --ignored chaos --nocapture
//! ```
//!
//! It prints its seed; `FOREBAY_CHAOS_SEED` repeats the faults of one, though not their moments. What it leaves behind
//! when it fails (the gateway's logs, the spill directory, the ends of the brokers' logs) is where it says.

mod dice;
mod faults;
mod world;

use std::time::Instant;

use crate::kafka;
use dice::Dice;
use world::World;

/// Faults between two audits, each with a topic of its own: so many records fit into memory and on disk.
const ROUND: u32 = 50;

#[test]
fn some_faults_at_random_lose_nothing() {
    run(25, seed());
}

#[test]
#[ignore = "takes an hour"]
fn many_faults_at_random_lose_nothing() {
    let faults = std::env::var("FOREBAY_CHAOS_FAULTS");
    run(
        faults.map_or(1_000, |faults| faults.parse().unwrap()),
        seed(),
    );
}

fn seed() -> u64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    std::env::var("FOREBAY_CHAOS_SEED").map_or(now, |seed| seed.parse().unwrap())
}

fn run(faults: u32, seed: u64) {
    let Some(kafka) = kafka::three_or_skip(&[]) else {
        return;
    };
    println!("{faults} faults, FOREBAY_CHAOS_SEED={seed}");
    let begun = Instant::now();
    let mut dice = Dice::new(seed);
    let mut world = World::new(kafka);
    let mut done = 0;
    while done < faults {
        world.begin_round();
        let round = ROUND.min(faults - done);
        for _ in 0..round {
            done += 1;
            let fault = world.next(&mut dice);
            println!(
                "{done:5} {:7.1} s  {fault:?}",
                begun.elapsed().as_secs_f32()
            );
            world.inject(fault, &mut dice);
        }
        world.end_round();
        println!(
            "{done} faults in {:.0} s: {}",
            begun.elapsed().as_secs_f32(),
            world.total
        );
    }
    world.end();
}
