//! Owners come, change and go with traffic flowing; and streams that are gone.

use std::sync::atomic::{AtomicBool, Ordering::*};

use std::collections::BTreeMap;

use super::*;
use crate::support::gateway::config;
use crate::support::sender::{Plan, Senders};

const EVENT: &str = r#"{"id":"1","user":"u"}"#;

/// One stream under traffic and one beside it, both of the owner that is given; with what is said of owners.
fn with_owners(bootstrap: &str, calm: &str, owners: &str) -> String {
    format!(
        "[clusters.main]\nowner = \"first\"\nbootstrap = \"{bootstrap}\"\n\
         [streams.calm]\ncluster = \"main\"\ntopic = \"events\"\nkey = \"/user\"\nid = \"/id\"\n{calm}\n\
         [streams.flood]\ncluster = \"main\"\ntopic = \"events\"\nkey = \"/user\"\nid = \"/id\"\n{owners}"
    )
}

#[track_caller]
fn reload(gateway: &Gateway, config: &str) -> Vec<String> {
    gateway.rewrite(config);
    let (status, answer) = gateway.reload("");
    assert_eq!(status, 200, "{answer:#}");
    let changes = answer["changes"].as_array().unwrap().iter();
    let keys = changes.map(|change| change["key"].as_str().unwrap().to_owned());
    keys.collect()
}

/// Events and refusals of all owners, as the metrics have them.
fn counters(gateway: &Gateway) -> BTreeMap<String, f64> {
    let (_, metrics) = gateway.get("/metrics");
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("forebay_owner_"));
    let counted = lines.filter_map(|line| line.rsplit_once(' '));
    let counters = counted.filter(|(name, _)| name.contains("_total{"));
    counters
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

#[test]
fn shares_change_and_streams_move_under_traffic_and_no_counter_jumps_back() {
    let kafka = Mock::start(1, &[("events", 4)]);
    let both = "[owners.first]\n[owners.second]\n";
    let start = with_owners(kafka.bootstrap(), "", both);
    let gateway = Gateway::ready(&start);
    let plan = Plan {
        connections: 4,
        tries: 1,
        ..Plan::default()
    };
    let senders = Senders::start("calm", gateway.data, "calm", &plan);
    senders.wait_for_acks(100, STARTS);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut before = BTreeMap::new();
            let mut looks = 0;
            while !done.load(Acquire) {
                let now = counters(&gateway);
                assert!(!now.is_empty(), "owners have no counters");
                for (name, last) in &before {
                    let value = now.get(name).copied();
                    assert!(value >= Some(*last), "{name} was {last} and is {value:?}");
                }
                before = now;
                looks += 1;
            }
            looks
        });
        let moved = "owner = \"second\"";
        for round in 0..6 {
            let share = format!(
                "[owners.first]\nrate = {{ events = {} }}\n[owners.second]\nmemory = \"{}MiB\"\nspill = \"1GiB\"\n",
                100_000 + round,
                64 + round
            );
            let config = with_owners(kafka.bootstrap(), moved, &share);
            let keys = reload(&gateway, &config);
            assert!(keys.contains(&"streams.calm.owner".into()), "{keys:?}");
            assert!(
                keys.contains(&"owners.first.rate.events".into()),
                "{keys:?}"
            );
            senders.wait_for_acks(50, STARTS);
            reload(&gateway, &start);
            senders.wait_for_acks(50, STARTS);
        }
        done.store(true, Release);
        assert!(watcher.join().unwrap() > 10);
    });
    let (_, latencies) = senders.stop();
    let failed = latencies.iter().filter(|it| it.2 != 200).count();
    assert_eq!(failed, 0);
    // Nothing is counted twice, and nothing is left out.
    let count = |owner: &str| {
        metric(
            &gateway,
            &format!("forebay_owner_events_total{{owner=\"{owner}\"}}"),
        ) as i64
    };
    assert!(count("second") >= 300, "{}", count("second"));
    assert_eq!(
        count("first") + count("second"),
        gateway.events("calm", "accepted")
    );
    assert_eq!(owner(&gateway, "second")["memory_bytes"], 0);
    gateway.stop();
}

#[test]
fn a_raised_share_is_in_force_at_once_and_an_owner_that_comes_back_counts_on() {
    let kafka = Mock::start(1, &[("events", 4)]);
    let share =
        |events: u32| format!("[owners.first]\nrate = {{ events = {events}, events_burst = 2 }}\n");
    let with = |owners: &str| with_owners(kafka.bootstrap(), "", owners);
    let gateway = Gateway::ready(&with(&share(1)));
    let post = || gateway.client().post_json("flood", EVENT).status;
    let refused = || (0..5).filter(|_| post() == 429).count();
    assert!(refused() >= 2);
    // The burst is used up, and stays so.
    reload(&gateway, &with(&share(2)));
    assert!(refused() >= 3);
    reload(&gateway, &with(&share(1_000)));
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!((post(), post()), (200, 200));
    // Without owners the cluster's is a name, and has no share.
    let keys = reload(&gateway, &with(""));
    assert!(
        keys.iter().all(|key| key.starts_with("owners.first")),
        "{keys:?}"
    );
    assert_eq!(refused(), 0);
    let before = owner(&gateway, "first")["refusals"]["rate"]
        .as_u64()
        .unwrap();
    assert!(before >= 5);

    // It goes with its streams, and comes back.
    let other = with("[owners.other]\n").replace("owner = \"first\"", "owner = \"other\"");
    reload(&gateway, &other);
    assert!(owner(&gateway, "first").is_null());
    assert_eq!(
        owner(&gateway, "other")["streams"],
        serde_json::json!(["calm", "flood"])
    );
    reload(&gateway, &with(&share(1)));
    assert_eq!(owner(&gateway, "first")["refusals"]["rate"], before);

    // One that nobody has is a mistake, once there are owners.
    gateway.rewrite(&with("[owners.frist]\n"));
    let (status, answer) = gateway.reload("");
    assert_eq!(status, 422, "{answer:#}");
    let text = answer.to_string();
    assert!(text.contains("did you mean \\\"frist\\\"?"), "{text}");
    gateway.stop();
}

#[test]
fn a_stream_that_is_gone_is_410_and_what_it_took_drains() {
    let kafka = Mock::start(1, &[("events", 2)]);
    let dir = tempfile::tempdir().unwrap();
    let more = format!(
        "{}[admin]\nwait_for_all = \"0s\"\n",
        log_in(dir.path(), "1MiB")
    );
    let start = config(kafka.bootstrap(), &more);
    let beside = "[streams.beside]\ncluster = \"main\"\ntopic = \"events\"\n";
    let gateway = Gateway::ready(&format!("{start}{beside}"));
    let post = |gateway: &Gateway, stream: &str| gateway.client().post_json(stream, EVENT);
    // The first ones may go over the log, while the client isn't warm.
    eventually("it goes to kafka directly", STARTS, || {
        post(&gateway, "events").json()["acked"] == 1
            && gateway.status()["spill"]["backlog_events"] == 0
    });
    kafka.set_broker(false);
    for _ in 0..5 {
        assert_eq!(post(&gateway, "events").json()["spilled"], 1);
    }
    let gone = format!("{start}gone = true\n{beside}");
    let keys = reload(&gateway, &gone);
    assert_eq!(keys, ["streams.events.gone"]);
    let answer = post(&gateway, "events");
    assert_eq!(answer.status, 410);
    assert_eq!(answer.json()["type"], "urn:forebay:gone");
    assert_eq!(post(&gateway, "unknown").status, 404);
    let status = gateway.status();
    let why = status["streams"]["events"]["reason"].as_str().unwrap();
    assert!(why.contains("configured as gone"), "{why}");

    // Also after a restart, which finds it gone, with a backlog.
    gateway.stop();
    let gateway = Gateway::start(&gone);
    eventually("it answers", STARTS, || {
        post(&gateway, "events").status == 410
    });
    assert_eq!(gateway.status()["spill"]["backlog_events"], 5);
    kafka.set_broker(true);
    eventually(
        "all of it is in kafka, and nothing is left",
        DRAINED,
        || gateway.status()["streams"].get("events").is_none(),
    );
    assert_eq!(gateway.status()["spill"]["backlog_events"], 0);
    assert_eq!(post(&gateway, "events").status, 410);
    // A reload of something else doesn't show it again; and it may come back.
    reload(&gateway, &format!("{gone}quota = 1000\n"));
    assert!(gateway.status()["streams"].get("events").is_none());
    reload(&gateway, &format!("{start}{beside}"));
    assert_eq!(post(&gateway, "events").status, 200);
    gateway.stop();
}
