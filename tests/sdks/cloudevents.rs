//! CloudEvents' SDKs: for JavaScript, Python, Go and Java, in the binary and in the structured mode.

use std::collections::BTreeSet;
use std::process::Command;

use super::*;
use crate::kafka;

/// The attribute of a record in the binary mode.
fn attribute(record: &Record, name: &str) -> String {
    let mut headers = record.headers.iter();
    let found = headers.find(|(found, _)| found == name);
    let (_, value) = found.unwrap_or_else(|| panic!("{name}: {:?}", record.headers));
    String::from_utf8(value.clone().unwrap()).unwrap()
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
