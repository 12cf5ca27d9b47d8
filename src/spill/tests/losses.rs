//! What damage of the disk costs is counted, lane by lane: once, exactly where the files tell, also after restarts; and what
//! nobody was promised isn't.

use std::time::Duration;

use super::world::{Missing, World};

/// Three lanes in several segments, each second's watermarks on disk; ended by a close or by kill -9.
fn filled(seed: u64, ends_cleanly: bool) -> World {
    let mut world = World::new(seed, 3);
    world.open().unwrap();
    for _ in 0..16 {
        for lane in 0..3 {
            world.append(lane, 2, 1_500).unwrap();
        }
        world.write();
        world.advance(1_000);
        world.tend();
    }
    if ends_cleanly {
        world.close();
    }
    world.power_cut();
    world
}

fn segments(world: &World) -> Vec<String> {
    let names = world.disk.names().into_iter();
    names.filter(|name| name.ends_with(".seg")).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hit {
    BitFlips,
    ZeroedPages,
    Cut,
    Missing,
}

fn hit(world: &World, file: &str, hit: Hit) {
    match hit {
        Hit::BitFlips => world.disk.edit(file, |bytes| {
            let mut some = bytes[8_192..50_000].iter_mut().step_by(9_000);
            some.by_ref().for_each(|byte| *byte ^= 4);
        }),
        Hit::ZeroedPages => world.disk.edit(file, |bytes| bytes[16_384..32_768].fill(0)),
        Hit::Cut => world.disk.edit(file, |bytes| bytes.truncate(20_000)),
        Hit::Missing => world.disk.delete(file),
    }
}

fn lost(world: &World) -> u64 {
    let lanes = world.log().lost();
    let sum = lanes.iter().map(|lane| lane.events).sum();
    assert_eq!(world.log().stats().lost_events, sum);
    for lane in lanes {
        let since = lane.since.expect("since when");
        assert!(since < Duration::from_secs(3_600), "{since:?}");
    }
    sum
}

#[test]
fn every_loss_is_counted_once_whatever_was_hit_and_however_the_log_ended() {
    for (ends_cleanly, is_read_late) in [(true, false), (true, true), (false, false)] {
        for kind in [Hit::BitFlips, Hit::ZeroedPages, Hit::Cut, Hit::Missing] {
            for place in 0..3 {
                let case = format!(
                    "{kind:?} of segment {place}, closed: {ends_cleanly}, read after a restart: {is_read_late}"
                );
                let mut world = filled(21 + place as u64, ends_cleanly);
                let files = segments(&world);
                assert!(files.len() >= 3);
                let file = [0, files.len() / 2, files.len() - 1][place];
                hit(&world, &files[file], kind);
                world.open().unwrap();
                let (at_start, waits) = (lost(&world), world.log().stats().backlog_events);
                assert_eq!(world.log().stats().lost_before, 0, "{case}");
                let cut = world.recovered.damage.cut_segments;
                assert_eq!(cut, u32::from(kind == Hit::Cut), "{case}");
                if is_read_late {
                    // What nobody has read up to is no news to the next start either.
                    world.close();
                    world.open().unwrap();
                    let known = (lost(&world), world.log().stats().lost_before);
                    assert_eq!(known, (at_start, at_start), "{case}");
                }
                let missing = world.check();
                let counted = lost(&world);
                assert!(missing.events > 0, "{case}");
                assert_eq!(counted, missing.events, "{case}");
                // Whole files, and their ends, are missed before anything is read.
                if matches!(kind, Hit::Cut | Hit::Missing) {
                    assert_eq!(at_start, missing.events, "{case}");
                    assert_eq!(waits + at_start, world.stored() as u64, "{case}");
                }
                // The next starts know it, and find no more.
                for _ in 0..2 {
                    world.close();
                    world.open().unwrap();
                    assert_eq!(lost(&world), counted, "{case}, after a restart");
                    assert_eq!(world.log().stats().lost_before, counted, "{case}");
                    assert_eq!(world.check(), missing, "{case}");
                    assert_eq!(lost(&world), counted, "{case}, read again");
                    // What comes now stands behind the gap.
                    for lane in 0..3 {
                        world.append(lane, 2, 100).unwrap();
                    }
                    world.write();
                    assert_eq!(world.check(), missing, "{case}");
                }
            }
        }
    }
}

#[test]
fn losses_are_known_when_everything_else_has_gone_and_its_files_with_it() {
    let mut world = filled(30, true);
    let files = segments(&world);
    hit(&world, &files[1], Hit::Missing);
    world.open().unwrap();
    let counted = lost(&world);
    for lane in 0..3 {
        while world.read(lane, 4_000) > 0 {
            world.ack(lane, usize::MAX);
        }
        world.ack(lane, usize::MAX);
    }
    world.advance(1_000);
    world.tend();
    assert_eq!(
        (lost(&world), world.log().stats().backlog_events),
        (counted, 0)
    );
    world.close();
    world.open().unwrap();
    assert_eq!((lost(&world), counted > 0), (counted, true));
    assert_eq!(world.log().stats().lost_before, counted);
    assert_eq!(world.recovered.damage.lost_events, 0, "nothing new");
}

/// Records of lanes that were never acknowledged begin with their first one.
#[test]
fn without_any_watermarks_the_beginning_is_missed_too() {
    let mut world = World::new(31, 2);
    world.open().unwrap();
    for _ in 0..30 {
        world.append(0, 2, 1_500).unwrap();
        world.append(1, 2, 1_500).unwrap();
        world.write();
    }
    world.power_cut();
    let files = segments(&world);
    assert!(
        !world
            .disk
            .names()
            .iter()
            .any(|name| name.starts_with("acks-"))
    );
    hit(&world, &files[0], Hit::Missing);
    world.open().unwrap();
    let missing = world.check();
    assert!(missing.events > 0);
    assert_eq!(lost(&world), missing.events);
}

#[test]
fn rot_in_the_last_frame_is_a_loss_once_it_is_on_record() {
    let mut world = filled(32, false);
    let file = segments(&world).pop().unwrap();
    let content = world.disk.content(&file);
    let mut pages = content.chunks(4_096);
    let last = pages.rposition(|page| page.starts_with(b"SFRM")).unwrap() * 4_096;
    world.disk.edit(&file, |bytes| bytes[last + 1_000] ^= 1);
    world.open().unwrap();
    assert_eq!(world.recovered.damage.torn_tails, 1);
    let missing = world.check();
    assert_eq!((missing.events, lost(&world)), (6, 6));
}

/// What was being written when the process was killed was promised to nobody.
#[test]
fn a_torn_tail_is_no_loss() {
    for seed in 0..60 {
        let mut world = World::new(seed, 3);
        world.open().unwrap();
        world.disk.crash_in(3 + seed * 2);
        for _ in 0..40 {
            for lane in 0..3 {
                world.append(lane, 2, 700).unwrap_or_default();
            }
            world.write();
            world.advance(400);
            world.tend();
        }
        world.power_cut();
        world.open_and_check();
        assert_eq!((lost(&world), world.check()), (0, Missing::default()));
    }
}

#[test]
fn damaged_watermarks_make_no_loss_of_what_is_there() {
    let mut world = filled(33, true);
    for name in world
        .disk
        .names()
        .iter()
        .filter(|name| name.starts_with("acks-"))
    {
        world.disk.edit(name, |bytes| bytes[40] ^= 1);
    }
    world.open().unwrap();
    assert_eq!((world.check(), lost(&world)), (Missing::default(), 0));
}

#[test]
fn a_lane_may_have_the_longest_name_that_three_topics_make() {
    let mut world = filled(34, true);
    world.open().unwrap();
    let name = [b'x'; 800];
    let lane = world.log().lane(&name).unwrap();
    assert_eq!(world.log().lane(&[b'x'; 801]), None);
    let record = super::world::record(b"", vec![7; 1_000].into());
    for _ in 0..60 {
        let stored = world.log().append(lane, vec![record.clone()], |answer| {
            answer.unwrap();
        });
        stored.unwrap();
        world.write();
    }
    world.close();
    world.open().unwrap();
    let lane = world.log().lane(&name).unwrap();
    assert_eq!(world.log().lane_backlog(lane).events, 60);
    assert_eq!(lost(&world), 0);
}
