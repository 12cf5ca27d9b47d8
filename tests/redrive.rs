//! Dead letters are not a grave: what Kafka refused for good after it was acknowledged is sent again, from the directory of a
//! stopped gateway or by the admin port of one that runs, when what was wrong is mended; and nobody says "all is in kafka" before.
//! What damage of the disk has cost is told as well.

use std::path::Path;
use std::time::Duration;

use crate::kafka::{self, Kafka, consume_all};
use crate::support::command;
use crate::support::eventually;
use crate::support::gateway::{Gateway, config_to};
use crate::support::http::Client;
use crate::support::mock::Mock;
use crate::support::outage::log_in;

const SECOND: Duration = Duration::from_secs(1);
/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

fn on_log(bootstrap: &str, topic: &str, dir: &Path) -> String {
    let log = log_in(dir, "4MiB");
    config_to(bootstrap, &log, topic, "ack = \"disk\"\n")
}

/// Ten events are acknowledged while Kafka is away; every third will be too large for its topic.
fn acknowledged(topic: &str, dir: &Path) {
    let gateway = Gateway::ready(&on_log(NOWHERE, topic, dir));
    let mut client = gateway.client();
    for id in 0..10 {
        let filler = "x".repeat(if id % 3 == 1 { 5_000 } else { 10 });
        let event = format!(
            "{{\"user\":\"u{}\",\"id\":{id},\"filler\":\"{filler}\"}}",
            id % 2
        );
        assert_eq!(client.post_json("events", &event).json()["spilled"], 1);
    }
    gateway.stop();
}

fn ids(kafka: &Kafka, topic: &str) -> Vec<u64> {
    let records = consume_all(kafka.bootstrap(), topic);
    let ids = records.iter().map(|record| {
        let event: serde_json::Value = serde_json::from_slice(record.payload()).unwrap();
        event["id"].as_u64().unwrap()
    });
    ids.collect()
}

fn raise_limit(kafka: &Kafka, topic: &str) {
    kafka.configure_topic(topic, "max.message.bytes", "1000000");
}

#[test]
fn dead_letters_of_a_stopped_gateway_are_sent_again_when_what_was_wrong_is_mended() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("offline", 1, 1, &[("max.message.bytes", "2000")]);
    let [dir, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    acknowledged(&topic, dir.path());
    let file = other.path().join("forebay.toml");
    let written = |text: &str| std::fs::write(&file, text).unwrap();
    let right = on_log(kafka.bootstrap(), &topic, dir.path());
    written(&right);
    let path = dir.path().to_str().unwrap();
    let spill = |what: &str, more: &[&str]| {
        let mut arguments = vec!["spill", what, path];
        if what != "ls" {
            arguments.extend(["--config", file.to_str().unwrap()]);
        }
        arguments.extend(more);
        command::start(&arguments, &[]).wait(60 * SECOND)
    };
    let lane = format!("dead/main/events/{topic}/0/too_large");

    // A drain that leaves something says so.
    let drained = spill("drain", &[]);
    assert_eq!(drained.code, Some(65), "{drained:?}");
    assert!(
        drained.out.contains(&format!("3 events stay in {lane}")),
        "{drained:?}"
    );
    assert!(!drained.out.contains("all is in kafka") && drained.err.contains("3 events stay"));
    assert_eq!(ids(kafka, &topic), [0, 2, 3, 5, 6, 8, 9]);
    assert!(spill("ls", &[]).out.contains(&lane));

    // A dry run says what would be sent, and changes nothing.
    let dry = spill("redrive", &["--dry-run"]);
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(
        dry.out.contains(&lane) && dry.out.contains("3 events, 15"),
        "{dry:?}"
    );
    let none = spill("redrive", &["--dry-run", "--reason", "refused"]);
    assert_eq!(none.code, Some(64), "{none:?}");
    let wrong = spill("redrive", &["--reason", "large"]);
    assert_eq!(wrong.code, Some(64), "{wrong:?}");
    assert!(spill("ls", &[]).out.contains(&lane));

    // What is refused again comes back.
    let again = spill("redrive", &[]);
    assert_eq!(again.code, Some(65), "{again:?}");
    assert!(
        again.out.contains("3 dead letters were sent again"),
        "{again:?}"
    );
    assert!(
        again.out.contains("3 events were refused for good"),
        "{again:?}"
    );

    // What has nowhere to go stays.
    written(&right.replace("streams.events", "streams.others"));
    let strange = spill("redrive", &[]);
    assert_eq!(strange.code, Some(65), "{strange:?}");
    assert!(strange.out.contains("isn't configured"), "{strange:?}");
    written(&right);

    raise_limit(kafka, &topic);
    let sent = spill(
        "redrive",
        &[&format!("main/events/{topic}"), "--reason", "too_large"],
    );
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert!(
        sent.out.contains("3 dead letters were sent again"),
        "{sent:?}"
    );
    assert!(sent.out.contains("all is in kafka"), "{sent:?}");
    assert_eq!(ids(kafka, &topic), [0, 2, 3, 5, 6, 8, 9, 1, 4, 7]);
    assert!(!spill("ls", &[]).out.contains("dead/"));
}

#[test]
fn dead_letters_of_a_running_gateway_are_sent_again_by_its_admin_port() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("online", 1, 1, &[("max.message.bytes", "2000")]);
    let dir = tempfile::tempdir().unwrap();
    acknowledged(&topic, dir.path());
    let gateway = Gateway::ready(&on_log(kafka.bootstrap(), &topic, dir.path()));
    let dead = || {
        let dead = gateway.status()["dead_letters"].clone();
        dead[0]["events"].as_u64().unwrap_or(0)
    };
    eventually("three are dead", 30 * SECOND, || dead() == 3);
    let redrive = |query: &str| {
        let path = format!("/dead/redrive{query}");
        let answer = Client::connect(gateway.admin).post(&path, &[], b"");
        (answer.status, answer.json())
    };
    assert_eq!(gateway.get("/dead/redrive").0, 405);
    for wrong in ["?dryrun=true", "?reason=large"] {
        assert_eq!(redrive(wrong).0, 400, "{wrong}");
    }
    assert_eq!(redrive("?lane=main/nobody").0, 404);
    let (status, would) = redrive("?dry_run=true");
    assert_eq!((status, &would["events"]), (200, &3.into()), "{would}");
    assert_eq!(would["lanes"][0]["reason"], "too_large");
    assert_eq!(dead(), 3);
    assert_eq!(gateway.events("events", "redriven"), 0);

    // New events flow meanwhile.
    raise_limit(kafka, &topic);
    let mut client = gateway.client();
    let mut send = |id: u64| {
        let event = format!("{{\"user\":\"u\",\"id\":{id}}}");
        assert_eq!(client.post_json("events", &event).status, 200);
    };
    (100..120).for_each(&mut send);
    let (status, answer) = redrive("");
    assert_eq!(
        (status, &answer["redrive"]["planned_events"]),
        (202, &3.into()),
        "{answer}"
    );
    (120..140).for_each(&mut send);
    eventually("it is over", 20 * SECOND, || {
        let redrive = gateway.status()["redrive"].clone();
        redrive["running"] == false && redrive["events"] == 3
    });
    eventually("all are in kafka", 30 * SECOND, || {
        ids(kafka, &topic).len() == 50
    });
    let ids = ids(kafka, &topic);
    let redriven: Vec<_> = ids.iter().filter(|id| [1, 4, 7].contains(*id)).collect();
    assert_eq!(redriven, [&1, &4, &7], "in order among themselves");
    let fresh: Vec<_> = ids.iter().copied().filter(|id| *id >= 100).collect();
    assert_eq!(fresh, (100..140).collect::<Vec<_>>());
    assert_eq!(dead(), 0);
    assert_eq!(gateway.events("events", "redriven"), 3);
    assert!(
        gateway
            .get("/metrics")
            .1
            .contains("forebay_events_redriven_total{")
    );
    assert_eq!(redrive("").0, 404, "nothing is left");
    assert!(gateway.stop().contains("dead_letters=0"));
}

/// Damage of the disk is told in numbers, everywhere.
#[test]
fn what_a_damaged_log_has_lost_is_told_wherever_people_look() {
    let dir = tempfile::tempdir().unwrap();
    let text = on_log(NOWHERE, "nowhere", dir.path()).replace("4MiB", "64KiB");
    let mut gateway = Gateway::ready(&text);
    let mut client = gateway.client();
    let filler = "x".repeat(5_000);
    for id in 0..40 {
        let event = format!("{{\"user\":\"u\",\"id\":{id},\"filler\":\"{filler}\"}}");
        assert_eq!(client.post_json("events", &event).json()["spilled"], 1);
    }
    gateway.signal("KILL");
    gateway.wait(5 * SECOND);
    let path = dir.path().to_str().unwrap();
    let ls = |more: &[&str]| {
        let arguments: Vec<_> = ["spill", "ls", path].iter().chain(more).copied().collect();
        command::run(&arguments, &[]).out
    };
    let waits = |shown: &str| -> u64 {
        let lane = shown
            .lines()
            .find(|line| line.ends_with("main/events/nowhere/unrouted"));
        let events = lane.map_or("0", |lane| lane.split_whitespace().next().unwrap());
        events.parse().unwrap()
    };
    let clean = ls(&["--verify"]);
    assert!(
        waits(&clean) == 40 && !clean.contains("lost to damage"),
        "{clean}"
    );
    let mut files: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "seg"))
        .collect();
    files.sort();
    assert!(files.len() >= 3);
    // One file is gone, and in another one a bit is wrong, in the body of its first frame.
    std::fs::remove_file(&files[1]).unwrap();
    let mut bytes = std::fs::read(&files[0]).unwrap();
    bytes[8_192 + 2_000] ^= 1;
    std::fs::write(&files[0], bytes).unwrap();
    let shown = ls(&["--verify"]);
    let gone = 40 - waits(&shown);
    assert!(gone > 5, "{shown}");
    assert!(shown.contains(&format!(
        "{gone} events at least of main/events/nowhere/unrouted are lost"
    )));
    assert!(
        shown.contains("1 events more can't be read back"),
        "{shown}"
    );

    let gateway = Gateway::ready(&text);
    let (status, ready) = gateway.get("/readyz");
    let words = format!("lost at least {gone} events of stream events");
    assert!(status == 200 && ready.contains(&words), "{ready}");
    let troubles = gateway.status()["troubles"].to_string();
    assert!(troubles.contains(&words), "{troubles}");
    assert_eq!(gateway.status()["damage"][0]["events"], gone);
    let metric = "forebay_spill_damaged_events_total{cluster=\"main\",stream=\"events\"}";
    assert!(
        gateway
            .get("/metrics")
            .1
            .contains(&format!("{metric} {gone}\n"))
    );
    check_last_words(gateway, gone);
    check_told_again(&text, dir.path(), gone);
}

/// The last line of the log says what was lost in this run.
fn check_last_words(gateway: Gateway, gone: u64) {
    let log = gateway.stop();
    let last = log.lines().last().unwrap();
    assert!(
        last.contains("ERROR") && last.contains(&format!("damaged={gone}")),
        "{last}"
    );
    assert!(last.contains("lost=0"), "no bug of ours: {last}");
}

/// A loss that was told is no news; what a drain finds itself is.
fn check_told_again(text: &str, dir: &Path, gone: u64) {
    // The next run knows, and has nothing new to tell.
    let gateway = Gateway::ready(text);
    assert!(!gateway.get("/readyz").1.contains("lost at least"));
    assert_eq!(gateway.status()["damage"][0]["events"], gone);
    let log = gateway.stop();
    assert!(log.lines().last().unwrap().contains("damaged=0"), "{log}");

    // A drain comes to the wrong bit, says so with its exit code, and after that only in words.
    let mock = Mock::start(1, &[("nowhere", 1)]);
    let file = dir.join("forebay.toml");
    std::fs::write(&file, text.replace(NOWHERE, mock.bootstrap())).unwrap();
    let path = dir.to_str().unwrap();
    let arguments = ["spill", "drain", path, "--config", file.to_str().unwrap()];
    let first = command::start(&arguments, &[]).wait(60 * SECOND);
    assert_eq!(first.code, Some(65), "{first:?}");
    assert!(first.err.contains("found just now"), "{first:?}");
    let again = command::start(&arguments, &[]).wait(60 * SECOND);
    assert_eq!(again.code, Some(0), "{again:?}");
    let words = format!(
        "{} events at least of main/events/nowhere/unrouted are lost",
        gone + 1
    );
    for drained in [first, again] {
        assert!(drained.out.contains(&words), "{drained:?}");
    }
}
