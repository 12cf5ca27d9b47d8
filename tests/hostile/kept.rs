//! What the allocator keeps: after surges of events of all sizes through an outage and back, and again.

use std::sync::atomic::{AtomicBool, Ordering::*};

use super::*;

const MIB: u64 = 1 << 20;

/// Sends events of 64 B to 128 KiB, until told to stop.
fn send_all_sizes(gateway: &Gateway, number: usize, stop: &AtomicBool) {
    let mut client = gateway.client();
    let mut random = number as u64 + 1;
    let pad = "x".repeat(128 << 10);
    while !stop.load(Acquire) {
        let events: Vec<_> = (0..8)
            .map(|_| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let bytes = 64_usize << (random >> 60).min(11);
                let bytes = bytes - (random >> 33) as usize % (bytes / 2);
                format!(
                    r#"{{"user":"{}","id":"1","x":"{}"}}"#,
                    random >> 40,
                    &pad[..bytes]
                )
            })
            .collect();
        let body = format!("[{}]", events.join(","));
        let answer = client.post_json("events", &body);
        assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
        if answer.header("connection") == Some("close") {
            client = gateway.client();
        }
    }
}

/// The highest resident memory since the last call, in MiB.
fn peak_since(gateway: &Gateway) -> u64 {
    let peak = gateway.peak() / MIB;
    // proc(5): 5 resets the peak to what is resident now.
    std::fs::write(format!("/proc/{}/clear_refs", gateway.pid()), "5").unwrap();
    peak
}

/// Three outages with a budget of so many MiB, and what is left behind.
fn check_outages(budget: u64) {
    let mock = Mock::start(1, &[("events", 12)]);
    let folder = tempfile::tempdir().unwrap();
    let more = format!(
        "[memory]\nbudget = \"{budget}MiB\"\n[http]\nmax_connections = 500\n[spill]\ndir = \"{}\"\nmin_free = \"1MiB\"\nquota = \"4GiB\"\n",
        folder.path().display()
    );
    let gateway = Gateway::ready(&config(mock.bootstrap(), &more));
    let mut peaks = Vec::new();
    for _ in 0..3 {
        mock.with(|cluster| cluster.broker_down(1).unwrap());
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (gateway, stop) = (&gateway, &stop);
                scope.spawn(move || send_all_sizes(gateway, number, stop));
            }
            std::thread::sleep(2000 * MS);
            mock.with(|cluster| cluster.broker_up(1).unwrap());
            std::thread::sleep(1000 * MS);
            stop.store(true, Release);
        });
        eventually("all is in kafka", 12 * SOON, || {
            gateway.status()["spill"]["backlog_events"] == 0
        });
        peaks.push(peak_since(&gateway));
    }
    println!("{budget} MiB: peaks of {peaks:?} MiB");
    assert!(peaks.iter().all(|peak| *peak <= budget + 64), "{peaks:?}");
    assert!(peaks[2] <= peaks[0].max(peaks[1]) + 24, "{peaks:?}");
    eventually("the memory is given back", SOON, || {
        gateway.resident() <= 80 * MIB
    });
    gateway.stop();
}

#[test]
fn outages_leave_no_more_behind_than_a_small_budget_and_do_not_creep() {
    check_outages(64);
}

#[test]
fn outages_leave_no_more_behind_than_a_usual_budget_and_do_not_creep() {
    check_outages(128);
}

#[test]
fn outages_leave_no_more_behind_than_a_large_budget_and_do_not_creep() {
    check_outages(512);
}
