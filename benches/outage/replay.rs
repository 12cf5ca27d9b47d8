//! Cases in which Kafka is back and the backlog goes to it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::gateway::{self, Setup};
use super::table::Row;
use crate::endtoend::bench::{Bench, noted};
use crate::endtoend::child::cpu;
use crate::endtoend::figures::{median, spread, thousands};
use crate::endtoend::forebay::Gateway;
use crate::endtoend::topics::Topic;
use crate::endtoend::work::{Pace, Target};

/// What the raw producer may hold: more only costs it more.
const RAW_QUEUE: u32 = 10_000;
/// Longer than any replay here takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// A backlog on disk, of which each round gets a copy.
struct Backlog {
    dir: PathBuf,
    events: u64,
}

impl Backlog {
    /// Fills a log with Kafka dead, as an outage does.
    fn fill(bench: &Bench<'_>, topic: &Topic, size_mb: u64) -> Backlog {
        bench.kill_kafka();
        let dir = bench.spill("backlog", &topic.name);
        let setup = Setup {
            topic: &topic.name,
            spill: Some(&dir),
            ..Setup::default()
        };
        let gateway = gateway::start(bench, &setup);
        let load = gateway::endless(bench, &gateway, "batch50");
        let bytes = size_mb as f64 * 1e6;
        while gateway.metric("forebay_spill_backlog_bytes") < bytes {
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(load);
        // What was under way gets there.
        std::thread::sleep(Duration::from_millis(500));
        let events = gateway.metric("forebay_spill_backlog_events") as u64;
        drop(gateway);
        bench.start_kafka();
        eprintln!("  a backlog of {events} events");
        Backlog { dir, events }
    }

    /// On the disk like the backlog of an outage: else the kernel would write it while new events are to be written.
    fn copy(&self, bench: &Bench<'_>) -> PathBuf {
        let to = bench.folder().join("copy");
        std::fs::create_dir(&to).expect("a directory");
        for entry in std::fs::read_dir(&self.dir).expect("the backlog") {
            let entry = entry.expect("a file");
            let copy = to.join(entry.file_name());
            std::fs::copy(entry.path(), &copy).expect("a copy");
            let copy = std::fs::File::open(copy).expect("the copy");
            copy.sync_all().expect("a copy on the disk");
        }
        to
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        // The folder around it goes with the benchmark in any case.
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

/// Events per second between the first and the last tenth of a replay, and CPU per event in between.
fn replayed(topic: &Topic, pid: u32, from: u64, events: u64) -> (f64, f64) {
    let until = |part: u64| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let arrived = topic.records() - from;
            if arrived >= events * part / 10 {
                return (Instant::now(), arrived, cpu(pid).total());
            }
            assert!(Instant::now() < deadline, "{arrived} of {events} replayed");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let (first, last) = (until(1), until(9));
    let count = (last.1 - first.1) as f64;
    let seconds = last.0.duration_since(first.0).as_secs_f64();
    until(10);
    (count / seconds, (last.2 - first.2) * 1e6 / count)
}

/// A raw producer as fast as it can: events per second and CPU per event.
fn raw(bench: &Bench<'_>, topic: &Topic) -> (f64, f64) {
    let target = Target {
        bootstrap: bench.kafka.bootstrap().into(),
        topic: topic.name.clone(),
        partitions: topic.partitions,
        linger_ms: 5.0,
        compression: "none".into(),
        headers: false,
    };
    let pace = Pace {
        warm_up: Duration::from_secs(1),
        window: Duration::from_secs_f64(bench.options.seconds / 2.0),
        skewed: false,
    };
    let (sample, _) = bench.raw(&target, &pace, 1e9, Some(RAW_QUEUE));
    let sample = noted("raw", sample);
    (sample.events_per_second, sample.cpu())
}

/// The backlog's rate into Kafka.
pub(crate) fn alone(bench: &Bench<'_>, backlog_mb: u64) -> Vec<Row> {
    let topic = bench.topic();
    let backlog = Backlog::fill(bench, &topic, backlog_mb);
    // A broker that has just started compiles itself while it works.
    raw(bench, &topic);
    let (mut ratios, mut ours, mut raws) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.options.rounds {
        let before = raw(bench, &topic);
        let dir = backlog.copy(bench);
        let from = topic.records();
        let gateway = start(bench, &topic, &dir);
        let (rate, cpu) = replayed(&topic, gateway.pid(), from, backlog.events);
        eprintln!("  replay   {rate:>9.0} events/s {cpu:>7.3} us/event");
        drop(gateway);
        assert_eq!(
            topic.records() - from,
            backlog.events,
            "each event of the backlog arrived once"
        );
        std::fs::remove_dir_all(dir).expect("the copy goes");
        let after = raw(bench, &topic);
        let raw_rate = f64::midpoint(before.0, after.0);
        ratios.push(rate / raw_rate);
        ours.push((rate, cpu));
        raws.push((raw_rate, f64::midpoint(before.1, after.1)));
    }
    let ratio = median(ratios.iter().copied());
    let rate = |found: &[(f64, f64)]| median(found.iter().map(|it| it.0));
    let cpu = |found: &[(f64, f64)]| median(found.iter().map(|it| it.1));
    vec![Row {
        case: "replay",
        what: format!("events/s of a backlog of {backlog_mb} MB"),
        measured: thousands(rate(&ours)),
        against: format!("raw producer: {}", thousands(rate(&raws))),
        ratio: format!("{ratio:.2}"),
        bar: "≥ 0.80".into(),
        is_met: Some(ratio >= 0.8),
        note: format!(
            "{}; CPU {:.2} against {:.2} µs/event",
            spread(&ratios),
            cpu(&ours),
            cpu(&raws)
        ),
    }]
}

fn start(bench: &Bench<'_>, topic: &Topic, dir: &Path) -> Gateway {
    let setup = Setup {
        topic: &topic.name,
        spill: Some(dir),
        ..Setup::default()
    };
    gateway::start(bench, &setup)
}

/// New events during a replay.
pub(crate) fn with_traffic(bench: &Bench<'_>, backlog_mb: u64) -> Vec<Row> {
    let topic = bench.topic();
    let backlog = Backlog::fill(bench, &topic, backlog_mb);
    let spill = bench.spill("spill", &topic.name);
    let setup = Setup {
        topic: &topic.name,
        spill: Some(&spill),
        ..Setup::default()
    };
    let capacity = gateway::fresh(bench, &setup, "batch50").events_per_second;
    std::fs::remove_dir_all(spill).expect("the log goes");
    let pace = Pace {
        warm_up: Duration::from_secs(1),
        window: Duration::from_secs_f64(bench.options.seconds / 2.0),
        skewed: false,
    };
    let rate = Some(capacity / 2.0);
    let (mut ratios, mut during, mut without, mut speeds) =
        <(Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
    for round in 0..bench.options.rounds {
        let spill = bench.spill("calm", &topic.name);
        let gateway = start(bench, &topic, &spill);
        // Until the producer has its id, events would go to the log.
        std::thread::sleep(Duration::from_secs(1));
        let calm = gateway::loaded(bench, &gateway, "batch50", &pace, rate);
        let calm = noted("calm", calm);
        gateway::note_spilled(&gateway);
        drop(gateway);
        std::fs::remove_dir_all(spill).expect("the log goes");
        let dir = backlog.copy(bench);
        let gateway = start(bench, &topic, &dir);
        let (from, begun) = (topic.records(), Instant::now());
        let busy = gateway::loaded(bench, &gateway, "batch50", &pace, rate);
        let busy = noted("replay", busy);
        gateway::note_spilled(&gateway);
        let arrived = (topic.records() - from) as f64 / begun.elapsed().as_secs_f64();
        let left = gateway.metric("forebay_spill_backlog_events");
        eprintln!("  {arrived:.0} events/s to Kafka; {left} left in the log");
        if left == 0.0 {
            eprintln!("  round {round}: the replay was over too soon; use a larger --backlog-mb");
        }
        drop(gateway);
        std::fs::remove_dir_all(dir).expect("the copy goes");
        ratios.push(busy.p99_ms / calm.p99_ms);
        during.push(busy.p99_ms);
        without.push(calm.p99_ms);
        speeds.push(arrived);
    }
    let ratio = median(ratios.iter().copied());
    vec![Row {
        case: "traffic",
        what: format!(
            "p99 of new events ({}/s) during a replay",
            thousands(capacity / 2.0)
        ),
        measured: format!("{:.1} ms", median(during)),
        against: format!("without: {:.1} ms", median(without)),
        ratio: format!("{ratio:.2}"),
        bar: "≤ 2".into(),
        is_met: Some(ratio <= 2.0),
        note: format!(
            "{}; {} events/s to Kafka meanwhile",
            spread(&ratios),
            thousands(median(speeds))
        ),
    }]
}
