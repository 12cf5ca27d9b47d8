//! File systems that stand still, break down or go away, and a process that may open no more files.

use std::time::Instant;

use super::{
    SECOND, assert_alive, assert_all_comes_back, assert_answered, assert_refused,
    clients_without_patience, under_fire_or_skip,
};
use crate::support::bounds::{ANSWERS, DRAINED, HEALS, NOTICES, SPILLS, STARTS};
use crate::support::command;
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::mock::Mock;
use crate::support::outage::{Outage, assert_kept, spilling_config};
use crate::support::program_or_skip;
use crate::support::sender::{Plan, Senders};
use crate::support::tracer::{Tracer, tracer_or_skip};
use crate::support::volume::{Volume, run};

/// Ten seconds without any write. The stream whose Kafka is away gets its 503s in time; the other stream, whose Kafka is
/// there, doesn't need the disk and notices nothing.
#[test]
fn a_frozen_disk_is_503_in_time_and_other_clusters_go_on() {
    let Some(volume) = Volume::or_skip(64) else {
        return;
    };
    let dir = volume.path().join("spill");
    let Some(kafka) = crate::kafka::one_or_skip() else {
        return;
    };
    let healthy = kafka.fresh_topic("healthy", 6, 1, &[]);
    let two = |config| {
        format!(
            "{config}[clusters.healthy]\nbootstrap = \"{}\"\n\
             [streams.healthy]\ncluster = \"healthy\"\ntopic = \"{healthy}\"\nkey = \"/user\"\nid = \"/id\"\n",
            kafka.bootstrap()
        )
    };
    let Some(outage) = Outage::prepare_or_skip("frozen", &dir, two) else {
        return;
    };
    let gateway = &outage.gateway;
    let others = Plan {
        tries: usize::MAX,
        ..clients_without_patience()
    };
    let others = Senders::start("healthy", gateway.data, "healthy", &others);
    let senders = Senders::start(
        "frozen",
        gateway.data,
        "events",
        &clients_without_patience(),
    );
    others.wait_for_acks(100, STARTS);
    outage.begin(&senders);
    let frozen = volume.freeze();
    let begun = Instant::now();
    outage.wait_for_state("stalled", NOTICES);
    assert_refused(gateway);
    while begun.elapsed() < 10 * SECOND {
        assert_alive(gateway);
        others.wait_for_acks(20, 2 * SECOND);
    }
    drop(frozen);
    outage.wait_for_state("healthy", HEALS);
    senders.wait_for_acks(300, SPILLS);
    let (sent, latencies) = senders.stop();
    assert_answered(&latencies, ANSWERS, 503);
    let (healthy_sent, latencies) = others.stop();
    assert_answered(&latencies, 2 * SECOND, 200);
    assert_kept(&outage.crash_and_end(sent));
    assert_kept(&crate::support::outage::audit(
        kafka,
        &healthy,
        healthy_sent,
    ));
}

/// As ext4 does on its own when it finds an error: every write is refused from then on.
#[test]
fn a_file_system_that_becomes_read_only_is_503_and_loses_nothing() {
    let Some(mut volume) = Volume::or_skip(64) else {
        return;
    };
    let dir = volume.path().join("spill");
    let Some((mut outage, senders)) = under_fire_or_skip("erofs", &dir, |config| config) else {
        return;
    };
    volume.break_down();
    outage.wait_for_state("degraded", NOTICES);
    std::thread::sleep(2 * SECOND);
    assert_alive(&outage.gateway);
    assert_refused(&outage.gateway);
    let (sent, latencies) = senders.stop();
    assert_answered(&latencies, ANSWERS, 503);
    outage.crash();
    volume.reopen();
    assert_all_comes_back(outage, sent);
}

/// No new file can be opened when a segment is full.
#[test]
fn a_process_without_file_descriptors_is_503_and_heals() {
    if program_or_skip("prlimit", &["util-linux"]).is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let small = |config: String| config.replace("segment = \"1MiB\"", "segment = \"64KiB\"");
    let Some((outage, senders)) = under_fire_or_skip("nofile", dir.path(), small) else {
        return;
    };
    let gateway = &outage.gateway;
    let limit = |how: &str| run(&format!("prlimit --pid {} {how}", gateway.pid()));
    let before = limit("--nofile --raw --noheadings --output SOFT").unwrap();
    limit("--nofile=1:").unwrap();
    // Nobody new can ask it: a connection is a file descriptor too.
    eventually("the log takes nothing", NOTICES, || {
        gateway.log().contains("the spill log takes nothing new")
    });
    std::thread::sleep(2 * SECOND);
    limit(&format!("--nofile={}:", before.trim())).unwrap();
    assert_alive(gateway);
    outage.wait_for_state("healthy", HEALS);
    senders.wait_for_acks(300, SPILLS);
    let (sent, latencies) = senders.stop();
    assert_answered(&latencies, ANSWERS, 503);
    assert_kept(&outage.crash_and_end(sent));
}

/// Somebody removes the directory of a gateway that runs, while nothing waits in it. The file that is being written can be
/// written on, and nobody would ever find it again.
#[test]
fn a_directory_that_goes_away_acknowledges_nothing_that_is_lost() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("spill");
    let Some((mut outage, senders)) = under_fire_or_skip("removed", &dir, |config| config) else {
        return;
    };
    outage.gate.open();
    eventually("the log is empty", DRAINED, || {
        outage.spill("backlog_events") == 0
    });
    std::fs::remove_dir_all(&dir).unwrap();
    outage.gate.close();
    outage.wait_for_state("degraded", NOTICES);
    assert_refused(&outage.gateway);
    assert_alive(&outage.gateway);
    assert!(!outage.gateway.has_ended());
    let (sent, _) = senders.stop();
    assert_kept(&outage.crash_and_end(sent));
}

/// A start without a directory that can be written says which, and why, and ends.
#[test]
fn a_start_without_a_directory_says_so() {
    let Some(volume) = Volume::or_skip(16) else {
        return;
    };
    volume.remount("ro");
    let file = tempfile::NamedTempFile::new().unwrap();
    let cases = [
        (volume.path(), "Read-only file system"),
        (volume.path().join("below"), "Read-only file system"),
        (file.path().to_owned(), "exists"),
        (file.path().join("below"), "Not a directory"),
    ];
    for (dir, why) in cases {
        let config = tempfile::NamedTempFile::new().unwrap();
        let text = spilling_config("127.0.0.1:1", "events", &dir);
        std::fs::write(config.path(), text).unwrap();
        let begun = Instant::now();
        let listen = [
            ("FOREBAY__HTTP__LISTEN", "127.0.0.1:0"),
            ("FOREBAY__ADMIN__LISTEN", "127.0.0.1:0"),
        ];
        let ended = command::run(
            &["serve", "--config", config.path().to_str().unwrap()],
            &listen,
        );
        let said = &ended.err;
        assert!(
            matches!(ended.code, Some(1..=78)),
            "{:?} {said}",
            ended.code
        );
        assert!(said.contains(dir.to_str().unwrap()), "{said}");
        assert!(said.contains(why), "{said}");
        assert!(begun.elapsed() < 5 * SECOND);
    }
    volume.remount("rw");
}

/// A network disk that hangs even when it's only asked for its free space. It holds the thread that asks, and nobody else:
/// connections are accepted, events go to Kafka, the admin port answers, and SIGTERM ends the process in time.
#[test]
fn a_disk_that_does_not_even_tell_its_free_space_holds_nobody_up() {
    if tracer_or_skip().is_none() {
        return;
    }
    let (mock, dir) = (
        Mock::start(1, &[("events", 6)]),
        tempfile::tempdir().unwrap(),
    );
    let mut gateway = Gateway::ready(&spilling_config(mock.bootstrap(), "events", dir.path()));
    let hung = Tracer::attach_everywhere(&gateway, &["statfs:delay_enter=60000000"]);
    let begun = Instant::now();
    eventually("the hang is seen", 30 * SECOND, || {
        // Alive all the time, and open to new clients.
        assert_alive(&gateway);
        let asked = Instant::now();
        let answer = gateway
            .client()
            .post_json("events", r#"{"id":"1","user":"a"}"#);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(asked.elapsed() < 3 * SECOND, "{:?}", asked.elapsed());
        let spill = &gateway.status()["spill"];
        spill["room_age_seconds"].as_f64().unwrap() > 6.0
    });
    assert!(begun.elapsed() >= 5 * SECOND);
    // Kafka takes events without the disk; that the log wouldn't is told.
    assert_eq!(gateway.get("/readyz").0, 200);
    let metrics = gateway.get("/metrics").1;
    let takes = metrics
        .lines()
        .find(|line| line.starts_with("forebay_spill_takes"));
    assert_eq!(takes, Some("forebay_spill_takes{} 0.0"));
    gateway.signal("TERM");
    eventually("it has stopped", 15 * SECOND, || {
        gateway
            .log()
            .contains("stopped; every event is accounted for")
    });
    drop(hung);
    let status = gateway.wait(20 * SECOND);
    assert!(status.success(), "{status}: {}", gateway.log());
}
