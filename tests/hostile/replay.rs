//! What a backlog that is read back may hold: whatever it is, memory stays within the budget, and new events have room.

use std::path::Path;

use super::*;

const MIB: u64 = 1 << 20;

/// A gateway with a budget of 64 MiB whose events all go over the log, so that nothing of them stays in Kafka's client.
fn over_log(mock: &Mock, dir: &Path, cluster: &str) -> Gateway {
    let more = format!(
        "[memory]\nbudget = \"64MiB\"\n[http]\nmax_connections = 500\n[spill]\ndir = \"{}\"\nmin_free = \"1MiB\"\nquota = \"2GiB\"\n",
        dir.display()
    );
    let config = config(mock.bootstrap(), &more) + "ack = \"disk\"\n";
    Gateway::ready(&config.replace("[clusters.main]\n", &format!("[clusters.main]\n{cluster}")))
}

/// Puts 4 MB for one key after the other into the log: one run each time, unless more comes together. How many events.
fn store_large_runs(gateway: &Gateway, keys: usize) -> i64 {
    let event = |key: usize, id: usize| {
        let pad = "x".repeat(100_000);
        format!(r#"{{"user":"{key}","id":"{id}","x":"{pad}"}}"#)
    };
    for key in 0..keys {
        let batch: Vec<_> = (0..38).map(|id| event(key, id)).collect();
        let answer = gateway
            .client()
            .post_json("events", &format!("[{}]", batch.join(",")));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    38 * keys as i64
}

fn delivered(gateway: &Gateway) -> i64 {
    gateway.events("events", "replayed") + gateway.events("events", "acked")
}

#[track_caller]
fn check_peak(gateway: &Gateway) {
    let peak = gateway.peak();
    assert!(peak <= (64 + 64) * MIB, "{} MiB at its peak", peak / MIB);
}

#[test]
fn a_backlog_of_large_runs_is_read_back_in_little_memory() {
    let mock = Mock::start(1, &[("events", 64)]);
    let folder = tempfile::tempdir().unwrap();
    let gateway = over_log(&mock, folder.path(), "max_in_flight = \"32MiB\"\n");
    mock.set_broker(false);
    // Keys enough that nearly all of the 64 partitions have some: 63 of 64 would, with a hash that is fair.
    let events = store_large_runs(&gateway, 96);
    check_peak(&gateway);
    mock.set_broker(true);
    eventually("all is in kafka", 24 * SOON, || {
        delivered(&gateway) >= events
    });
    println!("{} MiB at its peak", gateway.peak() / MIB);
    check_peak(&gateway);
    gateway.stop();
}

#[test]
fn a_backlog_on_its_way_back_leaves_room_for_new_events() {
    let mock = Mock::start(1, &[("events", 64)]);
    let folder = tempfile::tempdir().unwrap();
    let gateway = over_log(&mock, folder.path(), "");
    mock.set_broker(false);
    let events = store_large_runs(&gateway, 24);
    // Kafka is slow, so that the replay fills whatever it gets.
    mock.with(|cluster| cluster.broker_round_trip_time(1, 400 * MS).unwrap());
    mock.set_broker(true);
    eventually("the backlog drains", 4 * SOON, || delivered(&gateway) > 0);
    let mut new = 0;
    let body = format!(r#"{{"user":"a","id":"1","x":"{}"}}"#, "x".repeat(800_000));
    // No more than that, so that the log's quota isn't what refuses.
    while delivered(&gateway) < events / 2 && new < 400 {
        // Four clients at once: as much as one reads takes, and more.
        let mut clients: Vec<_> = (0..4).map(|_| gateway.client()).collect();
        for client in &mut clients {
            client.send(EVENTS, &[], body.as_bytes()).unwrap();
        }
        for client in &mut clients {
            let answer = client.answer().unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            new += 1;
        }
    }
    assert!(new >= 8, "{new}");
    mock.with(|cluster| cluster.broker_round_trip_time(1, Duration::ZERO).unwrap());
    eventually("all is in kafka", 12 * SOON, || {
        delivered(&gateway) >= events + new
    });
    check_peak(&gateway);
    gateway.stop();
}
