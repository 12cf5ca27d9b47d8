//! Real file systems without room, on devices without room, and slow ones.

use std::time::{Duration, Instant};

use super::{
    MIB, SECOND, assert_alive, assert_all_comes_back, assert_answered, assert_refused,
    clients_without_patience, under_fire_or_skip,
};
use crate::support::bounds::{ANSWERS, HEALS, NOTICES, SPILLS, STARTS};
use crate::support::eventually;
use crate::support::outage::{Outage, assert_kept};
use crate::support::sender::{Plan, Senders};
use crate::support::volume::{Throttle, Volume, run};

#[test]
fn a_full_file_system_is_503_and_heals_when_there_is_room() {
    let Some(volume) = Volume::or_skip(48) else {
        return;
    };
    let dir = volume.path().join("spill");
    let Some((mut outage, senders)) = under_fire_or_skip("enospc", &dir, |config| config) else {
        return;
    };
    volume.fill();
    outage.wait_for_state("full", NOTICES);
    std::thread::sleep(2 * SECOND);
    assert_alive(&outage.gateway);
    assert_refused(&outage.gateway);
    volume.make_room();
    outage.wait_for_state("healthy", HEALS);
    senders.wait_for_acks(300, SPILLS);
    let (sent, latencies) = senders.stop();
    assert_answered(&latencies, ANSWERS, 503);
    // A start without room is a start, and chooses the same way to write.
    volume.fill();
    outage.crash();
    let before = disk_mode(&outage.gateway.log());
    outage.start_again();
    assert_eq!(disk_mode(&outage.gateway.log()), before);
    assert_alive(&outage.gateway);
    volume.make_room();
    outage.gate.open();
    outage.gateway.wait_ready(STARTS);
    assert_kept(&outage.end(sent));
}

/// How the log writes, from the parentheses in `spill log opened disk="/path (direct I/O)"`.
fn disk_mode(log: &str) -> String {
    let opened = log.lines().find(|line| line.contains("spill log opened"));
    let (_, mode) = opened.unwrap().split_once('(').unwrap();
    mode.split_once(')').unwrap().0.to_owned()
}

/// The device under the file system has no room for what the file system promised: a write fails that has its place, and a
/// second sync of it would say that all is well. What was acknowledged must be on the device, not in the page cache.
#[test]
fn a_device_without_room_loses_nothing_that_was_acknowledged() {
    let Some(mut volume) = Volume::thin_or_skip(96, 24) else {
        return;
    };
    let dir = volume.path().join("spill");
    let Some((mut outage, senders)) = under_fire_or_skip("thin", &dir, |config| config) else {
        return;
    };
    volume.fill();
    let failed = Instant::now();
    while outage.spill("state") == "healthy" && failed.elapsed() < 30 * SECOND {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_ne!(outage.spill("state"), "healthy");
    std::thread::sleep(2 * SECOND);
    assert_alive(&outage.gateway);
    let (sent, latencies) = senders.stop();
    assert_answered(&latencies, ANSWERS, 503);
    outage.crash();
    // Only what is on the device comes back.
    volume.make_room();
    volume.reopen();
    assert_all_comes_back(outage, sent);
}

/// The test above means nothing on a device that says that all is well of a write that it took in part.
#[test]
fn a_device_without_room_takes_no_part_of_a_write_for_the_whole() {
    let Some(volume) = Volume::thin_or_skip(96, 24) else {
        return;
    };
    let file = volume.path().join("file").display().to_string();
    run(&format!("fallocate -l 1M {file}\nsync -f {file}")).unwrap();
    volume.fill();
    volume.make_room_for_a_page();
    let write = format!("dd if=/dev/zero of={file} bs=16k count=1 oflag=direct conv=notrunc");
    let written = run(&write).expect_err("four pages found room for one");
    assert!(written.contains("No space left"), "{written}");
}

/// 2 MB/s under clients who bring ten times as much: they wait or are refused, and memory stays within its bound.
#[test]
fn a_slow_disk_is_back_pressure_and_not_memory() {
    const BUDGET: u64 = 64 * MIB;
    let Some(volume) = Volume::or_skip(192) else {
        return;
    };
    let dir = volume.path().join("spill");
    let small = |config| {
        format!("[memory]\nbudget = \"64MiB\"\n[http]\nmax_connections = 200\n{config}")
            .replace("min_free", "queue = \"16MiB\"\nmin_free")
    };
    let Some(outage) = Outage::prepare_or_skip("slow", &dir, small) else {
        return;
    };
    let gateway = &outage.gateway;
    let plan = Plan {
        connections: 48,
        keys: 50,
        batch: 500,
        pause: Duration::ZERO,
        patience: 10 * SECOND,
        tries: 1,
    };
    let senders = Senders::start("slow", gateway.data, "events", &plan);
    outage.begin(&senders);
    let Some(throttle) = Throttle::or_skip(&volume, gateway.pid(), 2_000_000) else {
        return;
    };
    std::thread::sleep(SECOND);
    let (mut peak, begun, before) = (0, Instant::now(), senders.acked());
    while begun.elapsed() < 7 * SECOND {
        peak = peak.max(gateway.resident());
        std::thread::sleep(Duration::from_millis(50));
    }
    // An event has 260 bytes.
    let rate = (senders.acked() - before) as f64 * 260.0 / begun.elapsed().as_secs_f64();
    println!(
        "{:.1} MB/s acknowledged, peak resident {} MiB",
        rate / 1e6,
        peak / MIB
    );
    assert_alive(gateway);
    assert!(peak <= BUDGET + 64 * MIB, "{} MiB resident", peak / MIB);
    assert!(rate < 4e6, "the disk was not slow: {rate} bytes/s");
    let (sent, latencies) = senders.stop();
    drop(throttle);
    assert_answered(&latencies, 7 * SECOND, 200);
    assert_kept(&outage.crash_and_end(sent));
}

/// 20 kB/s, and clients who bring far more: the log and readiness name the disk, and while events are refused no time is left.
#[test]
fn a_disk_that_takes_next_to_nothing_is_named_and_leaves_no_time() {
    let Some(volume) = Volume::or_skip(64) else {
        return;
    };
    let dir = volume.path().join("spill");
    let Some(outage) = Outage::prepare_or_skip("crawls", &dir, |config| config) else {
        return;
    };
    let gateway = &outage.gateway;
    let plan = Plan {
        connections: 24,
        batch: 200,
        ..clients_without_patience()
    };
    let senders = Senders::start("crawls", gateway.data, "events", &plan);
    outage.begin(&senders);
    let Some(throttle) = Throttle::or_skip(&volume, gateway.pid(), 20_000) else {
        return;
    };
    let named = "the spill log's disk";
    eventually("the log names the disk", NOTICES, || {
        let log = gateway.log();
        log.lines()
            .any(|line| line.contains("WARN") && line.contains(named))
    });
    let answers = |what: &str| {
        let status = gateway.status();
        let count = status["streams"]["events"]["answers"][what].as_u64();
        (status["time_to_loss_seconds"].clone(), count.unwrap())
    };
    eventually("no time is left", NOTICES, || {
        answers("unavailable").0 == 0 && gateway.get("/readyz").1.contains(named)
    });
    // As long as it refuses.
    let begun = Instant::now();
    while begun.elapsed() < 8 * SECOND {
        let (_, before) = answers("unavailable");
        eventually("more is refused", ANSWERS, || {
            answers("unavailable").1 > before
        });
        assert_eq!(answers("unavailable").0, 0);
        assert!(gateway.get("/readyz").1.contains(named));
    }
    assert_alive(gateway);
    drop(throttle);
    let (sent, latencies) = senders.stop();
    assert_answered(&latencies, 8 * SECOND, 503);
    outage.wait_for_state("healthy", HEALS);
    assert_kept(&outage.crash_and_end(sent));
}
