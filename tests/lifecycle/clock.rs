//! A wall clock that steps back by an hour: whoever measures time by it stands still or spins.

use super::*;
use crate::support::faketime::Clock;
use crate::support::topic::values;

/// CPU time of the threads that are ours. librdkafka's are named `rdk:`. Its timed waits count by the wall clock
/// (`cnd_timedwait_ms`): where the system's clock and the process's differ, as under libfaketime, they spin.
fn own_cpu(gateway: &Gateway) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{}/task", gateway.pid())).unwrap();
    let ticks = threads.flatten().filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).ok()?;
        let (head, fields) = stat.rsplit_once(')')?;
        let (_, name) = head.split_once('(')?;
        let fields: Vec<_> = fields.split_whitespace().collect();
        // A probe waits inside librdkafka.
        let is_ours = !name.starts_with("rdk:") && !name.starts_with("probe-");
        is_ours.then(|| fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
    });
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// libfaketime steps the process's clock and not the kernel's, which is what librdkafka's waits end by: after a step forth
/// they would last an hour. So only the step back can be tried this way.
#[test]
fn a_clock_that_steps_back_by_an_hour_makes_nothing_spin_stand_still_or_change_its_order() {
    let Some(clock) = Clock::or_skip() else {
        return;
    };
    let (mock, dir) = (mock(), tempfile::tempdir().unwrap());
    let spill = format!(
        "[spill]\ndir = \"{}\"\nmin_free = \"1MiB\"\n",
        dir.path().display()
    );
    let gateway = Gateway::start_with_env(&config(mock.bootstrap(), &spill), &clock.env());
    gateway.wait_ready(4 * SOON);
    let mut sent = Vec::new();
    let mut send = |number: u32| {
        let event = format!(r#"{{"user":"a","id":"{number}"}}"#);
        let answer = gateway.client().post_json("events", &event);
        assert_eq!(answer.status, 200, "{}", answer.text());
        sent.push(event);
    };
    // Before the step over Kafka and over the log, after it over the log and over Kafka.
    (0..5).for_each(&mut send);
    mock.set_broker(false);
    (5..10).for_each(&mut send);
    clock.step("-3600s");
    (10..15).for_each(&mut send);
    let before = own_cpu(&gateway);
    std::thread::sleep(3 * SECOND);
    let busy = own_cpu(&gateway) - before;
    assert!(busy < SECOND, "{busy:?} of CPU in 3 s without traffic");
    let status = gateway.status();
    let oldest = status["streams"]["events"]["oldest_seconds"]
        .as_f64()
        .unwrap();
    assert!((0.0..120.0).contains(&oldest), "{oldest}");
    assert!(status["spill"]["backlog_events"].as_u64().unwrap() >= 10);
    mock.set_broker(true);
    eventually("all is in kafka", 8 * SOON, || {
        gateway.status()["spill"]["backlog_events"] == 0
    });
    (15..20).for_each(&mut send);
    assert_eq!(
        values(mock.bootstrap(), "events"),
        sent,
        "in order, and all of it"
    );
    gateway.stop();
}
