//! CloudEvents' SDKs: for JavaScript, Python, Go and Java, in the binary and in the structured mode.

use std::collections::BTreeSet;
use std::process::Command;

use super::faults::{Faults, lost};
use super::*;
use crate::kafka;

/// The attribute of a record in the binary mode.
fn attribute(record: &Record, name: &str) -> String {
    let mut headers = record.headers.iter();
    let found = headers.find(|(found, _)| found == name);
    let (_, value) = found.unwrap_or_else(|| panic!("{name}: {:?}", record.headers));
    String::from_utf8(value.clone().unwrap()).unwrap()
}

/// The program of an SDK.
fn program(set: &str, folder: &Path) -> Command {
    let mut command = match set {
        "node" => Command::new("node"),
        "python" => Command::new(folder.join("venv/bin/python")),
        "go" => Command::new(folder.join("cloudevents")),
        _ => Command::new("java"),
    };
    match set {
        "node" => command.arg(folder.join("cloudevents.mjs")),
        "python" => command.arg("-P").arg(drivers().join("cloudevents.py")),
        "go" => &mut command,
        _ => command
            .arg("-cp")
            .arg(folder.join("lib").join("*"))
            .arg(drivers().join("CloudEvents.java")),
    };
    command
}

/// What an SDK sends in both modes is in Kafka as its binding says: `user` is its key, `subject` arrives as it was given.
#[track_caller]
fn delivers(set: &str, name: &str, subject: &str) {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let Some(folder) = folder_or_skip(set) else {
        return;
    };
    let preset = Preset::ready(kafka, "cloudevents", "cloudevents", "");
    let url = format!("http://{}/ce", preset.gateway.data);
    for mode in ["binary", "structured"] {
        let mut command = program(set, &folder);
        let said = end(start(command.args([&url, mode, "20"])));
        assert!(said.failed.is_empty(), "{said:?}");
    }
    let records = consume_all(kafka.bootstrap(), &preset.topic);
    let mut seen = BTreeSet::new();
    for record in &records {
        let value: serde_json::Value = serde_json::from_slice(record.payload()).unwrap();
        let is_structured =
            attribute(record, "content-type").starts_with("application/cloudevents+json");
        let (id, of, data) = match is_structured {
            true => {
                let text = |name: &str| value[name].as_str().unwrap().to_owned();
                (text("id"), text("subject"), &value["data"])
            }
            false => (
                attribute(record, "ce_id"),
                attribute(record, "ce_subject"),
                &value,
            ),
        };
        let number: usize = id.rsplit('-').next().unwrap().parse().unwrap();
        assert_eq!(data["number"], number, "{value}");
        assert_eq!(of, format!("{subject}{}", number % 7));
        let key = format!("user-{}", number % 7);
        assert_eq!(record.key.as_deref(), Some(key.as_bytes()), "{value}");
        if !is_structured {
            assert_eq!(attribute(record, "ce_source"), "/app/shop");
            assert_eq!(attribute(record, "ce_type"), "com.example.purchase");
            assert_eq!(attribute(record, "ce_specversion"), "1.0");
            assert_eq!(attribute(record, "ce_partitionkey"), key);
        }
        assert!(seen.insert(id.clone()), "{id} came twice");
    }
    let modes = ["binary", "structured"].iter();
    let all: BTreeSet<_> = modes
        .flat_map(|mode| ids(&format!("{name}-{mode}"), 20))
        .collect();
    assert_eq!(seen, all);
    preset.gateway.stop();
}

#[test]
fn what_the_sdk_for_javascript_sends_is_in_kafka() {
    delivers("node", "js", "user-");
}

#[test]
fn what_the_sdk_for_python_sends_is_in_kafka() {
    delivers("python", "python", "käufer ");
}

#[test]
fn what_the_sdk_for_go_sends_is_in_kafka() {
    delivers("go", "go", "käufer ");
}

#[test]
fn what_the_sdk_for_java_sends_is_in_kafka() {
    delivers("java", "java", "käufer ");
}

/// Refusals with 429 and 503, a lost answer, a closed connection, a stop and a kill in the middle: these SDKs send nothing again. What they
/// tell the application is all that is lost, or all of it but what was `refused` if the SDK looks at no status.
#[track_caller]
fn tells_what_is_lost(set: &str, looks_at_statuses: bool) {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let Some(folder) = folder_or_skip(set) else {
        return;
    };
    let preset = Preset::ready(kafka, "cloudevents", "cloudevents", "quota = 20\n");
    let mut faults = Faults::before(
        preset,
        "[routes.cloudevents.answers.overloaded]\nstatus = 503\n",
    );
    let url = format!("http://{}/ce", faults.relay.address);
    let program = start(program(set, &folder).args([&url, "binary", "0"]));
    faults.happen(true);
    let said = end(program);
    let records = consume_all(kafka.bootstrap(), &faults.preset.topic);
    let stored: BTreeSet<_> = records.iter().map(|it| attribute(it, "ce_id")).collect();
    let lost = lost(&said, &stored, |failed| {
        failed.split(' ').next().unwrap().to_owned()
    });
    let (too_many, unavailable) = faults.relay.refused();
    match looks_at_statuses {
        true => assert!(lost.is_empty(), "lost and not told: {lost:?}"),
        false => assert_eq!(
            lost.len(),
            too_many + unavailable,
            "{lost:?}, {:?}",
            said.failed
        ),
    }
    assert!(
        !said.failed.is_empty(),
        "the application was told of nothing"
    );
    faults.preset.gateway.stop();
}

#[test]
fn what_the_sdk_for_go_loses_it_tells() {
    tells_what_is_lost("go", true);
}

#[test]
fn what_the_sdk_for_python_loses_is_told() {
    tells_what_is_lost("python", true);
}

#[test]
fn what_the_sdk_for_java_loses_is_told() {
    tells_what_is_lost("java", true);
}

/// Any answer is a good one for it: the documentation says so.
#[test]
fn what_is_refused_the_sdk_for_javascript_loses_and_tells_nobody() {
    tells_what_is_lost("node", false);
}
