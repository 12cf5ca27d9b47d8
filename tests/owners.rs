//! Owners and their shares: who is over one is refused, with the share's name and an honest wait; nobody else notices.

mod changed;
mod clients;

use std::time::{Duration, Instant};

use serde_json::Value;

use self::clients::{Answers, Calm, Flood};

use crate::support::bounds::{DRAINED, SPILLS, STARTS};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::machine::Alone;
use crate::support::mock::Mock;
use crate::support::outage::log_in;

const SECOND: Duration = Duration::from_secs(1);

/// Two owners, each with a stream of its name in a cluster of its own. `flood` are the settings of the owner `flood`.
fn two_owners(calm: &str, flooded: &str, flood: &str, more: &str) -> String {
    format!(
        "{more}\n[owners.calm]\n[owners.flood]\ncontact = \"#flood\"\nrunbook = \"https://wiki/flood\"\n{flood}\n\
         [clusters.calm]\nowner = \"calm\"\nbootstrap = \"{calm}\"\n\
         [clusters.flooded]\nowner = \"flood\"\nbootstrap = \"{flooded}\"\n\
         [streams.calm]\ncluster = \"calm\"\ntopic = \"events\"\nkey = \"/user\"\nid = \"/id\"\n\
         [streams.flood]\ncluster = \"flooded\"\ntopic = \"events\"\nkey = \"/user\"\nid = \"/id\"\n"
    )
}

/// What the admin port says of an owner.
fn owner(gateway: &Gateway, name: &str) -> Value {
    gateway.status()["owners"][name].clone()
}

/// The value of a metric with these labels.
#[track_caller]
fn metric(gateway: &Gateway, name: &str) -> f64 {
    let (_, metrics) = gateway.get("/metrics");
    let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let value = lines
        .next()
        .unwrap_or_else(|| panic!("no {name}: {metrics}"));
    value.trim().parse().unwrap()
}

/// The problem's detail names the share, and it has a wait that is no longer than `longest`.
#[track_caller]
fn assert_told(answers: &Answers, status: u16, code: &str, share: &str, longest: u64) {
    let (_, text, _) = &answers[&(status, code.to_owned())];
    assert!(text.contains(share), "{text}");
    let wait = text.rsplit("retry-after ").next().unwrap();
    let wait: u64 = wait.trim_end_matches(')').parse().unwrap();
    assert!((1..=longest).contains(&wait), "{text}");
}

#[test]
fn an_owner_over_its_rate_is_refused_and_nobody_else_notices() {
    let _alone = Alone::on_the_machine();
    let (kafka, other) = (
        Mock::start(1, &[("events", 4)]),
        Mock::start(1, &[("events", 4)]),
    );
    let rate = "rate = { events = 100, events_burst = 150 }";
    let gateway = Gateway::ready(&two_owners(kafka.bootstrap(), other.bootstrap(), rate, ""));
    let mut answers = Answers::new();
    let mut took = Duration::ZERO;
    Calm::start(&gateway).notice_nothing(|| {
        let begun = Instant::now();
        let flood = Flood::start(&gateway, 8, 5, 100);
        flood.wait_for(429, "owner_rate", 200, STARTS);
        std::thread::sleep(3 * SECOND);
        answers = flood.stop();
        took = begun.elapsed();
    });
    assert_told(
        &answers,
        429,
        "owner_rate",
        "owners.flood.rate, 100 events",
        1,
    );
    // What was refused used nothing up, and no more was taken than the share is.
    let taken = 5 * answers[&(200, String::new())].0;
    let share = 150.0 + 100.0 * took.as_secs_f64();
    assert!(taken as f64 <= share + 5.0, "{taken} of {share}");
    assert!(taken as f64 >= share - 150.0, "{taken} of {share}");
    let its = owner(&gateway, "flood");
    assert_eq!(
        (its["events"].as_u64(), &its["contact"]),
        (Some(taken), &"#flood".into())
    );
    let refused: u64 = answers
        .iter()
        .filter(|it| it.0.0 == 429)
        .map(|it| it.1.0)
        .sum();
    assert_eq!(its["refusals"]["rate"], refused);
    assert_eq!(
        metric(
            &gateway,
            "forebay_owner_refusals_total{owner=\"flood\",share=\"rate\"}"
        ),
        refused as f64
    );
    let info =
        "forebay_owner_info{owner=\"flood\",contact=\"#flood\",runbook=\"https://wiki/flood\"}";
    assert_eq!(metric(&gateway, info), 1.0);
    let status = gateway.status();
    assert_eq!(status["owners"]["flood"]["runbook"], "https://wiki/flood");
    let log = gateway.stop();
    let lines = log
        .lines()
        .filter(|line| line.contains("an owner has used its share"));
    let lines: Vec<_> = lines.collect();
    assert!(
        lines.len() == 1 && lines[0].contains("https://wiki/flood"),
        "{lines:?}"
    );
}

#[test]
fn an_owner_over_its_memory_is_refused_and_nobody_else_notices() {
    let _alone = Alone::on_the_machine();
    let (kafka, dead) = (
        Mock::start(1, &[("events", 4)]),
        Mock::start(1, &[("events", 4)]),
    );
    // Without a log, what a dead cluster's clients send waits in memory.
    let more = "[http]\nmax_body = \"256KiB\"\nmax_decompressed = \"512KiB\"\n[decode]\nmax_event = \"64KiB\"\n\
                [lane]\nstalled_after = \"4s\"\n\
                [admin]\nwait_for_all = \"0s\"\n";
    let flood = "memory = \"1MiB\"";
    let gateway = Gateway::ready(&two_owners(
        kafka.bootstrap(),
        dead.bootstrap(),
        flood,
        more,
    ));
    let calm = Calm::start(&gateway);
    dead.set_broker(false);
    let mut answers = Answers::new();
    let mut most = 0;
    calm.notice_nothing(|| {
        let flood = Flood::start(&gateway, 16, 100, 1_000);
        flood.wait_for(503, "owner_memory", 100, STARTS);
        let end = Instant::now() + 3 * SECOND;
        while Instant::now() < end {
            most = most.max(owner(&gateway, "flood")["memory_bytes"].as_u64().unwrap());
            std::thread::sleep(Duration::from_millis(50));
        }
        answers = flood.stop();
    });
    assert_told(
        &answers,
        503,
        "owner_memory",
        "owners.flood.memory, 1.0 MiB",
        30,
    );
    assert!((500_000..=1_048_576).contains(&most), "{most}");
    assert_eq!(
        metric(
            &gateway,
            "forebay_owner_memory_limit_bytes{owner=\"flood\"}"
        ),
        1_048_576.0
    );
    assert!(metric(&gateway, "forebay_owner_memory_limit_bytes{owner=\"calm\"}").is_infinite());
    dead.set_broker(true);
    eventually("nothing is held any more", 30 * SECOND, || {
        owner(&gateway, "flood")["memory_bytes"] == 0
    });
    gateway.stop();
}

/// Both owners' events wait on disk, because one cluster is dead; one of them has used its share.
#[test]
fn an_owner_over_its_share_of_the_log_is_refused_and_others_still_spill_also_after_a_restart() {
    let _alone = Alone::on_the_machine();
    let dead = Mock::start(1, &[("events", 4)]);
    let dir = tempfile::tempdir().unwrap();
    let more = format!(
        "{}[admin]\nwait_for_all = \"0s\"\n[decode]\nmax_event = \"64KiB\"\n",
        log_in(dir.path(), "1MiB")
    );
    let with = |share: &str| {
        let spill = format!("spill = \"{share}\"");
        let config = two_owners("127.0.0.1:1", dead.bootstrap(), &spill, &more);
        config.replace(
            "cluster = \"calm\"",
            "cluster = \"flooded\"\nowner = \"calm\"",
        )
    };
    let mut gateway = Gateway::ready(&with("1MiB"));
    dead.set_broker(false);
    let calm = Calm::start(&gateway);
    let mut answers = Answers::new();
    calm.notice_nothing(|| {
        let flood = Flood::start(&gateway, 8, 20, 1_000);
        flood.wait_for(503, "owner_spill", 50, SPILLS);
        std::thread::sleep(2 * SECOND);
        answers = flood.stop();
    });
    assert_told(
        &answers,
        503,
        "owner_spill",
        "owners.flood.spill, 1.0 MiB",
        30,
    );
    let used = || owner(&gateway, "flood")["spill_bytes"].as_u64().unwrap();
    assert!((800_000..=1_048_576).contains(&used()), "{}", used());
    assert!(owner(&gateway, "calm")["spill_bytes"].as_u64() > Some(0));
    assert!(
        metric(&gateway, "forebay_time_to_loss_seconds{}") > 0.0,
        "a share isn't a loss of all"
    );

    let before = used();
    gateway.signal("KILL");
    gateway.wait(STARTS);
    it_is_counted_after_a_restart(&Gateway::start(&with("256KiB")), before, &dead);
}

/// What is found after a crash counts as its owner's: more than its share, which is smaller now.
fn it_is_counted_after_a_restart(gateway: &Gateway, before: u64, dead: &Mock) {
    eventually("its backlog is counted", STARTS, || {
        owner(gateway, "flood")["spill_bytes"].as_u64() == Some(before)
    });
    assert_eq!(
        metric(gateway, "forebay_owner_spill_used_bytes{owner=\"flood\"}"),
        before as f64
    );
    Calm::start(gateway).notice_nothing(|| {
        let flood = Flood::start(gateway, 8, 20, 1_000);
        flood.wait_for(503, "owner_spill", 50, SPILLS);
        let answers = flood.stop();
        assert!(!answers.contains_key(&(200, String::new())));
    });

    // Kafka is back: its events are taken again as soon as those that wait are less than its share.
    dead.set_broker(true);
    eventually("its events are taken", DRAINED, || {
        gateway
            .client()
            .post_json("flood", r#"{"id":"1","user":"u"}"#)
            .status
            == 200
    });
    eventually("nothing of it waits", DRAINED, || {
        owner(gateway, "flood")["spill_bytes"] == 0
    });
}
