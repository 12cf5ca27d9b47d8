//! Segment's SDKs: for Python, Node, Go and Java.

use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::time::Duration;

use super::relay::Relay;
use super::*;
use crate::kafka;
use crate::support::eventually;
use crate::support::gateway::Gateway;

/// The program of an SDK, sending to a URL.
fn program(set: &str, folder: &Path, url: &str, count: usize) -> Child {
    let mut command = match set {
        "python" => {
            let mut command = Command::new(folder.join("venv/bin/python"));
            // Not from beside the program, whose name is a package's.
            command.arg("-P").arg(drivers().join("segment.py"));
            command
        }
        "node" => {
            let mut command = Command::new("node");
            command.arg(folder.join("segment.mjs"));
            command
        }
        "java" => {
            let mut command = Command::new("java");
            let jars = folder.join("lib").join("*");
            command
                .arg("-cp")
                .arg(jars)
                .arg(drivers().join("Segment.java"));
            command
        }
        "go" => Command::new(folder.join("segment")),
        _ => unreachable!("{set} has no program"),
    };
    start(command.args([url, "writekey", &count.to_string()]))
}

/// What must hold of each event: the key is the first of user and anonymous id that isn't null, what was said stands in the value, and
/// what stood around it in the headers.
#[track_caller]
fn check(by_id: &BTreeMap<String, Vec<Record>>, set: &str) {
    for (id, records) in by_id {
        let number: usize = id.rsplit('-').next().unwrap().parse().unwrap();
        let record = &records[0];
        let value: serde_json::Value = serde_json::from_slice(record.payload()).unwrap();
        assert_eq!(value["properties"]["number"], number, "{value}");
        assert_eq!(value["properties"]["city"], "Köln \"5%41\"", "{value}");
        let who = if number.is_multiple_of(3) {
            "anon"
        } else {
            "user"
        };
        let key = format!("{who}-{}", number % 7);
        assert_eq!(record.key.as_deref(), Some(key.as_bytes()), "{value}");
        let header = |name: &str| record.headers.iter().find(|(found, _)| found == name);
        assert!(header("sent-at").is_some(), "{:?}", record.headers);
        assert!(header("event-time").is_some(), "{:?}", record.headers);
        assert_eq!(
            header("context").is_some(),
            matches!(set, "java" | "go"),
            "{:?}",
            record.headers
        );
        let text = String::from_utf8_lossy(record.payload());
        assert!(
            !text.contains("writekey"),
            "the write key is stored: {text}"
        );
    }
    // One key is in one partition.
    let mut partitions: BTreeMap<&[u8], i32> = BTreeMap::new();
    for record in by_id.values().flatten() {
        let key = record.key.as_deref().unwrap();
        let known = *partitions.entry(key).or_insert(record.partition);
        assert_eq!(known, record.partition);
    }
}

/// All that an SDK says is sent is in Kafka, once.
#[track_caller]
fn delivers(set: &str) {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let Some(folder) = folder_or_skip(set) else {
        return;
    };
    let preset = Preset::ready(kafka, "segment", "segment", "");
    let url = format!("http://{}", preset.gateway.data);
    let said = end(program(set, &folder, &url, 200));
    assert!(said.failed.is_empty(), "{said:?}");
    let by_id = preset.records(kafka, "/messageId");
    assert_eq!(
        by_id.keys().cloned().collect::<BTreeSet<_>>(),
        ids(set, 200)
    );
    assert!(
        by_id.values().all(|records| records.len() == 1),
        "something came twice"
    );
    check(&by_id, set);
    preset.gateway.stop();
}

/// How a gateway ends before the next one takes its place.
enum End {
    Kill,
    Stop,
}

/// What a gateway says from its second start on, where it had said 429.
const UNAVAILABLE: &str = "[routes.segment.answers.overloaded]\nstatus = 503\n";

/// The gateway refuses for a quota, with 429 and later as `later` says, loses answers, stops for good and is killed, while an SDK sends: what the SDK doesn't report as failed
/// is in Kafka. The SDK sees each of the `ends`. `may_drop`: it may report some. `sends_again`: it does so with events whose answer was
/// lost.
#[track_caller]
fn survives(set: &str, ends: &[End], later: &str, may_drop: bool, sends_again: bool) {
    const COUNT: usize = 300;
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let Some(folder) = folder_or_skip(set) else {
        return;
    };
    let spill = tempfile::tempdir().unwrap();
    // A few seconds' worth of events, so that there's something to do while the faults happen.
    let more = format!("quota = 60\n[spill]\ndir = {:?}\n", spill.path());
    let mut preset = Preset::ready(kafka, "segment", "segment", &more);
    let relay = Relay::before(preset.gateway.data);
    relay.swallow(1);
    let program = program(set, &folder, &format!("http://{}", relay.address), COUNT);
    eventually("an answer is swallowed", Duration::from_secs(60), || {
        relay.swallowed() == 1
    });
    for how in ends {
        std::thread::sleep(Duration::from_millis(700));
        relay.turn_to(None);
        match how {
            End::Kill => preset.gateway.kill(),
            End::Stop => drop(preset.gateway.stop()),
        }
        // It's in the middle of its work, and sees that nobody is there.
        let before = relay.turned_away();
        eventually("the SDK is turned away", Duration::from_secs(60), || {
            relay.turned_away() > before
        });
        preset.gateway = Gateway::ready(&format!("{}{later}", preset.config));
        relay.turn_to(Some(preset.gateway.data));
    }
    let said = end(program);
    let (too_many, unavailable) = relay.refused();
    // Who sends all at once sees what the last one says.
    match may_drop {
        true => assert!(too_many + unavailable > 0, "nothing was refused"),
        false => assert!(
            too_many > 0 && unavailable > 0,
            "{too_many}, {unavailable} refused"
        ),
    }
    assert!(may_drop || said.failed.is_empty(), "{said:?}");
    let failed: BTreeSet<_> = said
        .failed
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    eventually("all is in kafka", Duration::from_secs(30), || {
        preset.gateway.status()["spill"]["backlog_events"]
            .as_u64()
            .unwrap_or(0)
            == 0
    });
    let by_id = preset.records(kafka, "/messageId");
    let missing: Vec<_> = ids(set, COUNT)
        .into_iter()
        .filter(|id| !by_id.contains_key(id) && !failed.contains(&**id))
        .collect();
    assert!(missing.is_empty(), "lost: {missing:?}; {said:?}");
    check(&by_id, set);
    let twice = by_id.values().filter(|records| records.len() > 1).count();
    let records: usize = by_id.values().map(Vec::len).sum();
    assert!(
        twice > 0 || !sends_again,
        "no event came twice, though an answer was lost: {records} records, {said:?}"
    );
    preset.gateway.stop();
}

#[test]
fn what_the_sdk_for_python_sends_is_in_kafka() {
    delivers("python");
}

#[test]
fn what_the_sdk_for_node_sends_is_in_kafka() {
    delivers("node");
}

#[test]
fn what_the_sdk_for_java_sends_is_in_kafka() {
    delivers("java");
}

#[test]
fn what_the_sdk_for_go_sends_is_in_kafka() {
    delivers("go");
}

#[test]
fn the_sdk_for_python_loses_nothing_to_refusals_lost_answers_stops_and_kills() {
    survives("python", &[End::Kill, End::Stop], UNAVAILABLE, false, true);
}

/// `closeAndFlush` of this one may end while a batch whose connection was cut still waits for its next try.
#[test]
fn the_sdk_for_node_loses_nothing_to_refusals_lost_answers_stops_and_kills() {
    survives("node", &[End::Kill, End::Stop], UNAVAILABLE, false, false);
}

/// It sends everything again for 43 seconds, which is longer than this takes.
#[test]
fn the_sdk_for_go_loses_nothing_to_refusals_lost_answers_stops_and_kills() {
    survives("go", &[End::Kill, End::Stop], UNAVAILABLE, false, true);
}

/// With its three retries this one may give up; it says so. It waits for 15 seconds before the first, and for more before each other.
#[test]
fn what_the_sdk_for_java_loses_to_refusals_lost_answers_and_a_kill_it_says() {
    survives("java", &[End::Kill], "", true, true);
}

#[test]
fn what_the_sdk_for_java_loses_to_a_gateway_that_has_no_room_it_says() {
    survives("java", &[End::Kill], UNAVAILABLE, true, true);
}
