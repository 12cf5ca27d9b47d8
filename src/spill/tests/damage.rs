//! Rot, truncation, foreign and missing files: never a panic or a refusal, never garbage, and no more lost than was hit.

use bytesize::ByteSize;

use super::sim_disk::{Faults, Random};
use super::world::{Missing, World};

/// Three lanes, many frames of one run per lane, closed.
fn filled(seed: u64, ends_cleanly: bool) -> World {
    let mut world = World::new(seed, 3);
    world.open().unwrap();
    for _ in 0..12 {
        for lane in 0..3 {
            world.append(lane, 2, 1_500).unwrap();
        }
        world.write();
        world.tend();
    }
    if ends_cleanly {
        world.close();
    }
    world.power_cut();
    world
}

fn segments(world: &World) -> Vec<String> {
    world
        .disk
        .names()
        .into_iter()
        .filter(|name| name.ends_with(".seg"))
        .collect()
}

/// Damages a sector; returns what is missing then, and what was counted as lost.
fn damage(ends_cleanly: bool, at: usize, kind: u64) -> (Missing, u64) {
    let mut world = filled(9, ends_cleanly);
    let file = &segments(&world)[0];
    world.disk.edit(file, |bytes| match kind {
        0 => bytes[at] ^= 1,
        1 => bytes[at..at + 512].fill(0),
        _ => {
            let mut random = Random(at as u64);
            bytes[at..at + 512]
                .iter_mut()
                .for_each(|byte| *byte = random.next() as u8);
        }
    });
    world.open().unwrap();
    let missing = world.check();
    let lost = world.log().stats().lost_events;
    (missing, lost)
}

#[test]
fn damage_of_any_sector_costs_its_frame_at_most_and_is_counted() {
    let size = 64 << 10;
    let (mut hit, mut unnoticed) = (0, 0);
    for ends_cleanly in [true, false] {
        for kind in 0..3 {
            for at in (0..size).step_by(512) {
                let (missing, counted) = damage(ends_cleanly, at, kind);
                assert!(missing.turns.len() <= 1, "{at}: {missing:?}");
                assert_eq!(counted, missing.events, "{at}: {missing:?}");
                hit += missing.events;
                unnoticed += u64::from(missing.events == 0);
            }
        }
    }
    assert!(hit > 0 && unnoticed > 0);
}

#[test]
fn a_rotten_body_costs_its_run_only() {
    let world = filled(9, true);
    let file = &segments(&world)[0];
    let content = world.disk.content(file);
    // In the middle of the first frame's second body.
    let offset = 8192 + 64 + 3 * (32 + 6) + 3_000 + 1_500;
    assert_ne!(content[offset], 0);
    let (missing, counted) = damage(true, offset, 0);
    assert_eq!((missing.events, counted), (2, 2));
}

#[test]
fn the_last_frame_of_a_sealed_segment_is_missed_even_without_its_seal() {
    let mut world = filled(10, true);
    let file = segments(&world)[0].clone();
    let content = world.disk.content(&file);
    let last = content
        .chunks(4096)
        .rposition(|page| page.starts_with(b"SFRM") && page[4] == 1);
    let last = last.unwrap() * 4096;
    world.disk.edit(&file, |bytes| {
        let end = bytes.len();
        bytes[end - 512..].fill(0);
        bytes[last..last + 512].fill(0);
    });
    world.open().unwrap();
    let damage = world.recovered.damage.clone();
    assert_eq!(
        (damage.bad_stretches, damage.lost_events),
        (1, 6),
        "{damage:?}"
    );
    let missing = world.check();
    assert_eq!((missing.events, missing.turns.len()), (6, 1));
    assert_eq!(world.log().stats().lost_events, 6);
}

#[test]
fn rot_at_the_very_end_after_a_crash_counts_as_a_torn_tail() {
    let mut world = filled(11, false);
    let file = segments(&world).pop().unwrap();
    let content = world.disk.content(&file);
    let last = content
        .chunks(4096)
        .rposition(|page| page.starts_with(b"SFRM"))
        .unwrap()
        * 4096;
    world.disk.edit(&file, |bytes| bytes[last + 1_000] ^= 1);
    world.open().unwrap();
    assert_eq!(world.recovered.damage.torn_tails, 1);
    assert_eq!(world.check().turns.len(), 1);
}

#[test]
fn files_that_are_missing_cut_foreign_or_not_ours_cost_only_themselves() {
    for case in 0..7 {
        let mut world = filled(12, true);
        let names = segments(&world);
        assert!(names.len() >= 3);
        let (file, other) = (&names[1], &names[2]);
        match case {
            0 => world.disk.delete(file),
            1 => world.disk.edit(file, Vec::clear),
            2 => world.disk.edit(file, |bytes| bytes.truncate(30_000)),
            3 => world.disk.edit(file, |bytes| bytes.fill(0xaa)),
            4 => {
                let content = world.disk.content(other);
                world.disk.put(file, content);
            }
            5 => {
                let content = filled(13, true);
                let content = content.disk.content(&segments(&content)[1]);
                world.disk.put(file, content);
            }
            _ => {
                world.disk.put("lost+found", vec![1, 2, 3]);
                world.disk.put("zz.seg", vec![1, 2, 3]);
                world.disk.put("ffffffffffffff00.seg", vec![0; 10]);
            }
        }
        world.open().unwrap();
        let missing = world.check();
        let lost = world.log().stats().lost_events;
        let per_segment = 4 * 6;
        assert!(missing.events <= per_segment, "case {case}: {missing:?}");
        assert_eq!(lost, missing.events, "case {case}");
        assert_eq!(missing.events == 0, case == 6, "case {case}");
        assert_eq!(
            world.recovered.damage.lost_events, missing.events,
            "case {case}"
        );
        // It goes on working, and a segment put aside isn't found again.
        world.tend();
        world.append(0, 1, 10).unwrap();
        world.write();
        world.close();
        world.open().unwrap();
        assert_eq!(world.check(), missing, "case {case}");
        assert_eq!(world.recovered.damage.bad_headers, 0, "case {case}");
    }
}

#[test]
fn watermarks_that_are_damaged_make_duplicates_only() {
    for damaged in [&["acks-0"][..], &["acks-1"], &["acks-0", "acks-1"]] {
        let mut world = filled(14, true);
        world.open().unwrap();
        for _ in 0..3 {
            for lane in 0..3 {
                world.read(lane, 5_000);
                world.ack(lane, 3);
            }
            world.advance(1_000);
            world.tend();
        }
        world.close();
        for file in damaged
            .iter()
            .filter(|file| world.disk.names().contains(&file.to_string()))
        {
            world.disk.edit(file, |bytes| bytes[40] ^= 1);
        }
        world.open().unwrap();
        assert!(world.recovered.damage.bad_watermarks > 0);
        assert_eq!(world.check(), Missing::default());
        world.append(0, 1, 10).unwrap();
        world.write();
        world.power_cut();
        world.open().unwrap();
        assert_eq!(world.check(), Missing::default());
    }
}

#[test]
fn reads_that_fail_now_and_then_lose_nothing() {
    let mut world = filled(15, true);
    world.open().unwrap();
    world.disk.fail(Faults {
        read: 30,
        stale: 20,
        ..Faults::default()
    });
    let mut read = 0;
    for _ in 0..2_000 {
        for lane in 0..3 {
            read += world.read(lane, 4_000);
        }
    }
    assert_eq!((read, world.log().stats().lost_events), (72, 0));
    assert!(world.log().stats().read_errors > 0);
}

#[test]
fn what_can_never_be_read_is_skipped_and_pins_nothing() {
    let mut world = filled(16, true);
    let files = segments(&world);
    for file in &files {
        world.disk.edit(file, |bytes| {
            bytes[8192..50_000]
                .iter_mut()
                .step_by(700)
                .for_each(|byte| *byte ^= 0x55)
        });
    }
    world.open().unwrap();
    for lane in 0..3 {
        while world.read(lane, 4_000) > 0 {
            world.ack(lane, usize::MAX);
        }
        world.ack(lane, usize::MAX);
    }
    let stats = world.log().stats();
    assert!(stats.lost_events > 0);
    assert_eq!((stats.backlog_events, stats.segments), (0, 0), "{stats:?}");
    world.tend();
    assert!(segments(&world).is_empty());
    let kept = world
        .disk
        .names()
        .iter()
        .filter(|name| name.ends_with(".bad"))
        .count();
    assert_eq!(
        kept, 2,
        "damaged segments are kept for a look, within bounds"
    );
}

#[test]
fn stale_frames_in_a_recycled_file_mean_nothing() {
    let mut world = World::new(17, 1);
    world.settings.quota = ByteSize::kib(3 * 64);
    world.open().unwrap();
    for _ in 0..60 {
        while world.append(0, 4, 3_000).is_ok() && world.write() {}
        while world.read(0, 100_000) > 0 {
            world.ack(0, usize::MAX);
        }
        world.tend();
        world.advance(1_000);
    }
    assert!(world.log().stats().recycled > 10);
    world.append(0, 1, 100).unwrap();
    world.write();
    world.power_cut();
    world.open_and_check();
}
