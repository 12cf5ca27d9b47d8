//! What a restart finds after a clean end, a crash, or a crash while starting.

use super::super::{Lsn, OpenError};
use super::world::{Missing, World};

fn filled(seed: u64) -> World {
    let mut world = World::new(seed, 3);
    world.open().unwrap();
    for at in 0..60 {
        world.append(at % 3, 3, 600).unwrap();
        world.write();
        world.tend();
    }
    world
}

fn lanes(world: &World) -> Vec<(Vec<u8>, Lsn, Lsn, u64, u64)> {
    let lanes = world.recovered.lanes.iter();
    lanes
        .map(|lane| {
            (
                lane.name.to_vec(),
                lane.first,
                lane.last,
                lane.events,
                lane.bytes,
            )
        })
        .collect()
}

#[test]
fn a_restart_tells_exactly_what_each_lane_holds() {
    let mut world = filled(1);
    world.read(1, 5_000);
    world.ack(1, 4);
    let before = (0..3).map(|lane| {
        let id = world.log().lane(format!("lane/{lane}").as_bytes()).unwrap();
        world.log().lane_backlog(id)
    });
    let before: Vec<_> = before.collect();
    assert_eq!(
        before.iter().map(|lane| lane.events).collect::<Vec<_>>(),
        [60, 56, 60]
    );
    world.close();
    world.now_ms += 60_000;
    world.open_and_check();
    assert_eq!(world.recovered.lanes.len(), 3);
    for (lane, before) in world.recovered.lanes.iter().zip(before) {
        assert_eq!((lane.events, lane.bytes), (before.events, before.bytes));
        assert_eq!(lane.oldest.as_secs(), 60);
    }
    assert_eq!(world.recovered.damage.scanned_segments, 0, "all are sealed");
}

#[test]
fn seals_and_scans_say_the_same() {
    let mut world = filled(2);
    world.close();
    world.open_and_check();
    let sealed = lanes(&world);
    world.running = None;
    for name in world
        .disk
        .names()
        .iter()
        .filter(|name| name.ends_with(".seg"))
    {
        world.disk.edit(name, |bytes| {
            let end = bytes.len();
            bytes[end - 512..].fill(0);
        });
    }
    world.open_and_check();
    assert_eq!(lanes(&world), sealed);
    assert!(world.recovered.damage.scanned_segments > 0);
}

#[test]
fn after_a_clean_end_with_nothing_pending_nothing_comes_twice() {
    let mut world = filled(3);
    for lane in 0..3 {
        while world.read(lane, 10_000) > 0 {}
        world.ack(lane, usize::MAX);
    }
    world.close();
    let names = world.disk.names();
    assert!(
        names.iter().all(|name| !name.ends_with(".seg")),
        "{names:?}"
    );
    assert!(
        names
            .iter()
            .filter(|name| name.starts_with("spare"))
            .count()
            <= 2,
        "{names:?}"
    );
    world.open_and_check();
    assert!(world.recovered.lanes.is_empty());
    // The watermarks are far ahead of a fresh log's LSNs; what is stored now must be above them.
    world.append(0, 1, 10).unwrap();
    world.write();
    world.power_cut();
    world.open_and_check();
    assert_eq!(world.recovered.lanes.len(), 1);
}

#[test]
fn a_crash_between_acknowledging_and_writing_it_down_makes_duplicates_only() {
    let mut world = filled(4);
    while world.read(0, 10_000) > 0 {}
    world.ack(0, 40);
    world.power_cut();
    world.open_and_check();
    assert_eq!(world.recovered.lanes[0].events, 60);
}

#[test]
fn crashes_while_starting_change_nothing() {
    let mut world = filled(5);
    world.disk.crash_in(3);
    world.append(0, 3, 3_000).unwrap();
    world.write();
    world.power_cut();
    world.open().unwrap();
    let found = lanes(&world);
    let contents = |world: &World| -> Vec<_> {
        let names = world
            .disk
            .names()
            .into_iter()
            .filter(|name| name.ends_with(".seg"));
        names
            .map(|name| (world.disk.content(&name), name))
            .collect()
    };
    let before = contents(&world);
    for crash in 1..11 {
        world.running = None;
        world.disk.crash_in(crash);
        world.open().unwrap_or_default();
        world.power_cut();
        world.open().unwrap();
        assert_eq!(lanes(&world), found);
        assert_eq!(world.check(), Missing::default());
        assert!(contents(&world) == before, "old segments were written");
    }
}

#[test]
fn a_segment_that_comes_back_is_not_read_again() {
    let mut world = filled(6);
    let names = world.disk.names();
    let first = names
        .iter()
        .find(|name| name.ends_with(".seg"))
        .unwrap()
        .clone();
    let content = world.disk.content(&first);
    for lane in 0..3 {
        while world.read(lane, 10_000) > 0 {}
        world.ack(lane, 30);
    }
    world.tend();
    assert!(!world.disk.names().contains(&first));
    world.power_cut();
    world.disk.put(&first, content);
    world.open_and_check();
    assert_eq!(
        world
            .recovered
            .lanes
            .iter()
            .map(|lane| lane.events)
            .sum::<u64>(),
        90
    );
    world.tend();
    assert!(!world.disk.names().contains(&first), "it is removed again");
}

#[test]
fn a_second_owner_is_refused_and_a_newer_format_left_alone() {
    let mut world = filled(7);
    let first = world.running.take();
    assert!(matches!(world.open(), Err(OpenError::Locked)));
    drop(first);
    world.open_and_check();
    world.running = None;
    let names = world.disk.names();
    let last = names.iter().rfind(|name| name.ends_with(".seg")).unwrap();
    world.disk.edit(last, |bytes| {
        for copy in [0, 4096] {
            bytes[copy + 8..copy + 10].copy_from_slice(&2u16.to_le_bytes());
            let crc = crc32c::crc32c(&bytes[copy..copy + 124]);
            bytes[copy + 124..copy + 128].copy_from_slice(&crc.to_le_bytes());
        }
    });
    let operations = world.disk.operations();
    assert!(matches!(
        world.open(),
        Err(OpenError::NewerFormat { version: 2, .. })
    ));
    assert_eq!(world.disk.operations(), operations, "nothing was changed");
    assert_eq!(world.disk.names(), names);
}

#[test]
fn one_stuck_lane_holds_only_its_own_segments() {
    let mut world = World::new(8, 3);
    world.open().unwrap();
    world.append(2, 2, 600).unwrap();
    world.write();
    for _ in 0..300 {
        for lane in 0..2 {
            world.append(lane, 3, 600).unwrap();
        }
        world.write();
        for lane in 0..2 {
            while world.read(lane, 10_000) > 0 {}
            world.ack(lane, usize::MAX);
        }
        world.tend();
        let stats = world.log().stats();
        assert!(
            stats.segments <= 3 && stats.used_bytes <= 6 << 16,
            "{stats:?}"
        );
    }
    assert_eq!(world.read(2, 10_000), 2);
    world.ack(2, 2);
    world.tend();
    assert_eq!(world.log().stats().segments, 1);
}
