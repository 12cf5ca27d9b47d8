//! Many clusters in one gateway, some of them dead: it's ready soon, and while nothing happens it does next to nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::gateway::{Alone, Gateway};
use crate::support::mock::Mock;

const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1024 * 1024;

/// A gateway with `living` clusters, each with a stream, and `dead` ones whose brokers refuse connections. Its log is in `dir`.
fn gateway(kafka: &Mock, dir: &Path, living: usize, dead: usize) -> Gateway {
    let mut config = format!("[memory]\nbudget = \"64MiB\"\n[spill]\ndir = {dir:?}\n");
    for number in 0..living + dead {
        let (name, bootstrap) = if number < living {
            (format!("living{number}"), kafka.bootstrap().to_owned())
        } else {
            (format!("dead{number}"), "127.0.0.1:1".to_owned())
        };
        config += &format!(
            "[clusters.{name}]\nbootstrap = \"{bootstrap}\"\n\
             [streams.{name}]\ncluster = \"{name}\"\ntopic = \"events\"\nkey = \"/user\"\n"
        );
    }
    Gateway::start(&config)
}

/// Threads, and how often they were switched so far.
fn threads(gateway: &Gateway) -> (usize, u64) {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", gateway.pid())).unwrap();
    let switches = tasks.flatten().filter_map(|task| {
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
        let counts = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        Some(counts.sum::<u64>())
    });
    let switches: Vec<_> = switches.collect();
    (switches.len(), switches.iter().sum())
}

/// What a gateway costs while nothing happens.
#[derive(Debug)]
struct Idle {
    ready_after: Duration,
    threads: usize,
    switches_per_second: u64,
    cpu_percent: f64,
    /// Lines about clusters that are dead, from the start.
    lines: usize,
    resident: u64,
}

fn idle(living: usize, dead: usize) -> Idle {
    let alone = Alone::on_the_machine();
    let kafka = Mock::start(1, &[("events", 2)]);
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let gateway = gateway(&kafka, folder.path(), living, dead);
    gateway.wait_ready(30 * SECOND);
    let ready_after = start.elapsed();
    // Workers are calm 5 s after their last event.
    std::thread::sleep(10 * SECOND);
    let (began, cpu, before) = (Instant::now(), gateway.cpu(), threads(&gateway));
    std::thread::sleep(5 * SECOND);
    let seconds = began.elapsed().as_secs_f64();
    let (used, after) = (gateway.cpu() - cpu, threads(&gateway));
    let log = gateway.log();
    let idle = Idle {
        ready_after,
        threads: after.0,
        switches_per_second: (after.1.saturating_sub(before.1) as f64 / seconds) as u64,
        cpu_percent: used.as_secs_f64() / seconds * 100.0,
        lines: log.lines().filter(|line| line.contains("=\"dead")).count(),
        resident: gateway.resident(),
    };
    println!("{living} living, {dead} dead: {idle:?}");
    gateway.stop();
    drop(alone);
    idle
}

#[test]
fn dead_clusters_neither_turn_in_circles_nor_fill_the_log() {
    let idle = idle(15, 10);
    assert!(idle.ready_after < 10 * SECOND, "{idle:?}");
    assert!(idle.threads <= 25 * 6 + 20, "{idle:?}");
    // Each dead one was switched 500 times a second when the probe waited for it.
    assert!(idle.switches_per_second < 2_000, "{idle:?}");
    assert!(idle.cpu_percent < 8.0, "{idle:?}");
    assert!((10..=2 * 10).contains(&idle.lines), "{idle:?}");
}

#[test]
fn two_hundred_clusters_of_which_fifty_are_dead_rest_and_are_ready_soon() {
    let idle = idle(150, 50);
    assert!(idle.ready_after < 10 * SECOND, "{idle:?}");
    assert!(idle.threads <= 200 * 6 + 20, "{idle:?}");
    assert!(idle.switches_per_second < 6_000, "{idle:?}");
    // Twice of what it is in a build that isn't optimised; it was 44.
    assert!(idle.cpu_percent < 16.0, "{idle:?}");
    assert!((50..=2 * 50).contains(&idle.lines), "{idle:?}");
    assert!(idle.resident <= (64 + 64) * MIB, "{idle:?}");
}
