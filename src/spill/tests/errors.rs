//! A disk that refuses, fails, hangs or is full: answers are quick and true, and the log heals by itself.

use std::time::Duration;

use bytesize::ByteSize;

use super::super::{AppendError, State};
use super::sim_disk::{EIO, ENOSPC, Faults};
use super::world::{Missing, World};

fn failing(errno: i32) -> Faults {
    Faults {
        write: 100,
        errno,
        ..Faults::default()
    }
}

fn opened() -> World {
    let mut world = World::new(1, 2);
    world.open().unwrap();
    world.tend();
    world
}

/// Appends and writes; whether it was stored.
fn store(world: &mut World, lane: usize) -> bool {
    let before = world.stored();
    world.append(lane, 2, 500).is_ok() && world.write() && world.stored() == before + 2
}

#[test]
fn a_write_that_fails_once_is_repeated_in_a_new_segment() {
    for nth in 0..12 {
        let mut world = World::new(nth, 2);
        world.open().unwrap();
        world.tend();
        for at in 0..6 {
            if at == nth / 2 {
                world.disk.fail_next_write(nth % 2 == 0);
            }
            assert!(store(&mut world, at as usize % 2), "write {at} of {nth}");
        }
        assert_eq!(world.log().stats().state, State::Healthy);
        assert_eq!(world.check(), Missing::default());
        assert_eq!(world.log().stats().lost_events, 0);
        world.power_cut();
        world.open_and_check();
    }
}

#[test]
fn a_frame_that_was_written_twice_is_read_once() {
    let mut world = opened();
    assert!(store(&mut world, 0));
    // The sync fails although everything reached the disk.
    world.disk.fail_next_write(true);
    assert!(store(&mut world, 0));
    assert_eq!(world.log().stats().write_errors, 1);
    let copies = world
        .disk
        .names()
        .iter()
        .filter(|name| name.ends_with(".seg"))
        .count();
    assert_eq!(copies, 2);
    world.power_cut();
    // The check refuses anything that comes twice.
    world.open_and_check();
}

/// Whoever is told "no room" tells its client that the event certainly won't arrive.
#[test]
fn a_frame_that_may_have_reached_the_disk_is_never_called_refused() {
    let mut world = opened();
    assert!(store(&mut world, 0));
    // The sync fails although everything reached the disk, and there is no room for another segment.
    world.disk.set_capacity(0);
    world.disk.fail_next_write(true);
    assert!(!store(&mut world, 0));
    assert_eq!(world.log().stats().state, State::Full);
    let answer = world.last_error.unwrap();
    assert!(matches!(answer, AppendError::Failed(_)), "{answer}");
    world.power_cut();
    world.open().unwrap();
    assert_eq!(world.read(0, 10_000), 4, "and it did reach the disk");
}

#[test]
fn a_disk_that_fails_makes_the_log_degraded_and_it_heals_by_itself() {
    let mut world = opened();
    assert!(store(&mut world, 0));
    world.disk.fail(failing(EIO));
    assert!(!store(&mut world, 0));
    let state = |world: &World| world.log().stats().state;
    assert_eq!(state(&world), State::Degraded);
    let writes = world.disk.writes();
    for _ in 0..100 {
        assert!(matches!(
            world.append(1, 1, 10),
            Err(AppendError::Degraded { .. })
        ));
        assert!(!world.write());
    }
    assert_eq!(
        world.disk.writes(),
        writes,
        "nothing is tried before the pause is over"
    );
    // What is stored is read meanwhile.
    assert_eq!(world.read(0, 10_000), 2);
    for _ in 0..5 {
        world.advance(70_000);
        world.tend();
        assert_eq!(state(&world), State::Degraded);
    }
    world.disk.fail(Faults::default());
    world.advance(61_000);
    world.tend();
    assert_eq!(state(&world), State::Healthy);
    assert!(store(&mut world, 1));
    world.power_cut();
    world.open_and_check();
}

#[test]
fn nothing_that_failed_is_trusted_after_a_later_write_succeeds() {
    let mut world = opened();
    for _ in 0..5 {
        store(&mut world, 0);
        // The page cache shows what isn't on disk: reading it back proves nothing.
        world.disk.fail_next_write(false);
        store(&mut world, 0);
        store(&mut world, 1);
    }
    world.power_cut();
    world.open_and_check();
}

#[test]
fn a_full_disk_refuses_at_once_and_takes_again_when_room_returns() {
    let mut world = opened();
    world.disk.set_capacity(300 << 10);
    while store(&mut world, 0) {}
    assert_eq!(world.log().stats().state, State::Full);
    let refused = world.append(1, 1, 10).unwrap_err();
    assert!(
        matches!(refused, AppendError::Full { retry_in } if retry_in <= Duration::from_secs(1))
    );
    world.disk.set_capacity(1 << 30);
    world.advance(1_000);
    world.tend();
    assert!(store(&mut world, 1));
    world.power_cut();
    world.open_and_check();
}

#[test]
fn the_quota_is_kept_and_acknowledging_makes_room() {
    let mut world = World::new(3, 2);
    world.settings.quota = ByteSize::kib(5 * 64);
    world.open().unwrap();
    for round in 0..20 {
        while store(&mut world, 0) {
            assert!(world.log().stats().used_bytes <= 5 << 16);
            world.tend();
        }
        assert_eq!(world.log().stats().state, State::Full, "round {round}");
        while world.read(0, 100_000) > 0 {
            world.ack(0, usize::MAX);
        }
        world.tend();
        assert_eq!(world.log().stats().state, State::Healthy, "round {round}");
    }
    let segments = world
        .disk
        .names()
        .iter()
        .filter(|name| name.ends_with(".seg") || name.ends_with("tmp"))
        .count();
    assert!(segments <= 5 && world.log().stats().recycled > 0);
    world.power_cut();
    world.open_and_check();
}

#[test]
fn the_space_that_others_need_is_left_free() {
    let mut world = World::new(3, 1);
    world.settings.min_free = ByteSize::mib(1);
    world.disk.set_capacity((1 << 20) + (5 << 16));
    world.open().unwrap();
    while store(&mut world, 0) {
        world.tend();
    }
    let used: u64 = world
        .disk
        .names()
        .iter()
        .map(|name| world.disk.content(name).len() as u64)
        .sum();
    assert!(used <= 5 << 16, "{used}");
    assert_eq!(world.log().stats().state, State::Full);
}

#[test]
fn no_room_at_any_operation_loses_nothing_and_heals() {
    for errno in [ENOSPC, EIO] {
        for start in 0..40 {
            let mut world = World::new(start, 2);
            world.open().unwrap();
            world.disk.fail_after(start, 3, errno);
            for at in 0..30 {
                store(&mut world, at % 2);
                world.read(0, 4_000);
                world.ack(0, 3);
                world.advance(400);
                world.tend();
            }
            world.advance(70_000);
            world.tend();
            assert!(
                store(&mut world, 0),
                "{errno} from {start}: {:?}",
                world.log().stats()
            );
            world.power_cut();
            world.open().unwrap();
            assert_eq!(world.check(), Missing::default());
        }
    }
}

#[test]
fn a_directory_that_fails_makes_no_segment() {
    let mut world = opened();
    assert!(store(&mut world, 0));
    world.disk.fail(Faults {
        directory: 100,
        ..Faults::default()
    });
    while store(&mut world, 0) {}
    assert_eq!(world.log().stats().state, State::Degraded);
    world.disk.fail(Faults::default());
    world.advance(2_000);
    world.tend();
    assert!(store(&mut world, 0));
    world.power_cut();
    world.open_and_check();
}

#[test]
fn a_write_that_hangs_is_noticed() {
    let mut world = opened();
    let now_ms = world.now_ms;
    let shared = std::sync::Arc::clone(&world.running().shared);
    shared.intake.begins(now_ms);
    assert!(world.append(0, 1, 10).is_ok());
    world.advance(2_000);
    let refused = world.append(0, 1, 10).unwrap_err();
    assert_eq!(
        refused,
        AppendError::Stalled {
            since: Duration::from_secs(2)
        }
    );
    assert_eq!(world.log().stats().state, State::Stalled);
    shared.intake.rests();
    world.write_all();
    assert!(store(&mut world, 0));
}

#[test]
fn a_large_append_is_taken_beside_small_ones_that_keep_coming() {
    let mut world = opened();
    while world.log().stats().queued_bytes < 60_000 {
        assert!(world.append(0, 1, 100).is_ok());
    }
    assert!(world.append(0, 4, 3_000).is_ok(), "there is room");
    let refused = world.append(0, 1, 100).unwrap_err();
    assert!(matches!(refused, AppendError::Busy { queued, .. } if queued > 70_000));
    world.write_all();
    world.close();
}

#[test]
fn the_queue_is_bounded_and_says_so() {
    let mut world = opened();
    while world.append(0, 4, 3_000).is_ok() {}
    let refused = world.append(0, 4, 3_000).unwrap_err();
    assert!(matches!(refused, AppendError::Busy { queued, limit: 65_536 } if queued > 50_000));
    assert!(matches!(
        world.append(0, 6, 3_000),
        Err(AppendError::TooLarge { limit: 16_384, .. })
    ));
    world.write_all();
    assert_eq!(world.log().stats().queued_bytes, 0);
    assert!(store(&mut world, 0));
    world.close();
    world.open_and_check();
}

#[test]
fn numbers_are_never_used_twice() {
    let mut world = opened();
    let mut last = 0;
    for life in 0..6 {
        store(&mut world, 0);
        world.disk.fail(failing(EIO));
        store(&mut world, 0);
        world.disk.fail(Faults::default());
        world.advance(70_000);
        world.tend();
        let shared = &world.running().shared;
        let next = shared.index().next_lsn;
        assert!(next > last, "life {life}");
        last = next;
        world.power_cut();
        // Everything is gone, as after the disk was replaced; numbers go on.
        if life == 3 {
            world
                .disk
                .names()
                .iter()
                .for_each(|name| world.disk.delete(name));
        }
        world.open().unwrap();
        assert!(world.running().shared.index().next_lsn > last);
        world.tend();
    }
}
