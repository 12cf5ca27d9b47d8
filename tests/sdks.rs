//! Published SDKs, as they are published, against the real gateway and a real Kafka: what they say is sent is in the topic.
//!
//! `tests/sdks/fetch.sh` installs them; the programs beside it send with them. Where they can't be had a test says so, and fails with `CI`
//! set. What isn't run: native mobile SDKs.

mod browser;
mod cloudevents;
mod faults;
mod readme;
mod relay;
mod segment;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::kafka::{Kafka, Record, consume_all, say_skipped};
use crate::support::gateway::Gateway;

/// How long one program may take, its retries included.
const SENDS_WITHIN: Duration = Duration::from_secs(150);

/// The folder of a set of SDKs: `python`, `node`, `java`, `go` or `browser`.
pub fn folder_or_skip(set: &str) -> Option<PathBuf> {
    let script = drivers().join("fetch.sh");
    let output = Command::new(script).arg(set).output().unwrap();
    if output.status.success() {
        let text = String::from_utf8(output.stdout).unwrap();
        return Some(text.lines().last().unwrap().into());
    }
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_required = std::env::var_os("CI").is_some();
    assert!(!is_required, "the SDKs of {set} can't be had: {why}");
    say_skipped(&format!("the SDKs of {set}"), &why);
    None
}

/// Where the programs are.
fn drivers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdks")
}

/// What a program said at its end.
#[derive(Debug)]
struct Said {
    /// The ids that it named as sent, if the SDK chooses them.
    sent: Vec<String>,
    /// What the SDK gave up, and why.
    failed: Vec<String>,
}

/// Starts a program that sends with an SDK; it may be waited for with [`end`]. One that goes on until its standard input ends has one
/// until then.
fn start(command: &mut Command) -> std::process::Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a program's end, which has to come by itself.
#[track_caller]
fn end(mut child: std::process::Child) -> Said {
    drop(child.stdin.take());
    let deadline = std::time::Instant::now() + SENDS_WITHIN;
    while child.try_wait().unwrap().is_none() {
        if std::time::Instant::now() > deadline {
            child.kill().unwrap();
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(out.lines().any(|line| line == "done"), "{out}\n{err}");
    let after = |word: &str| {
        let lines = out.lines().filter_map(|line| line.strip_prefix(word));
        lines.map(|rest| rest.trim().to_owned()).collect()
    };
    Said {
        sent: after("sent "),
        failed: after("failed "),
    }
}

/// A gateway with a preset of `deploy/presets`, whose events go to a topic of their own.
struct Preset {
    gateway: Gateway,
    config: String,
    stream: String,
    topic: String,
}

impl Preset {
    /// The preset `name` with its stream of that name, on four partitions; `more` stands behind the stream's settings.
    fn ready(kafka: &Kafka, name: &str, stream: &str, more: &str) -> Preset {
        let topic = kafka.fresh_topic(name, 4, 1, &[]);
        let presets = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/presets");
        let config = format!(
            "include = [\"{}/{name}.toml\"]\n[clusters.main]\nbootstrap = \"{}\"\n\
             [streams.{stream}]\ncluster = \"main\"\ntopic = \"{topic}\"\n{more}",
            presets.display(),
            kafka.bootstrap(),
        );
        Preset {
            gateway: Gateway::ready(&config),
            config,
            stream: stream.to_owned(),
            topic,
        }
    }

    /// What is in the topic, by the id that `id` finds in a record's value.
    fn records(&self, kafka: &Kafka, pointer: &str) -> BTreeMap<String, Vec<Record>> {
        let mut by_id: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for record in consume_all(kafka.bootstrap(), &self.topic) {
            let value: serde_json::Value = serde_json::from_slice(record.payload()).unwrap();
            let id = value
                .pointer(pointer)
                .and_then(|id| id.as_str())
                .unwrap_or_default();
            by_id.entry(id.to_owned()).or_default().push(record);
        }
        by_id
    }
}

impl Preset {
    /// The numbers that `pointer` finds in the topic's values.
    fn numbers(&self, kafka: &Kafka, pointer: &str) -> BTreeSet<u64> {
        let records = consume_all(kafka.bootstrap(), &self.topic);
        let values = records.iter().map(|record| {
            let value: serde_json::Value = serde_json::from_slice(record.payload()).unwrap();
            value
                .pointer(pointer)
                .and_then(|number| number.as_u64())
                .unwrap()
        });
        values.collect()
    }
}

/// The ids `NAME-0` to `NAME-(count - 1)`.
fn ids(name: &str, count: usize) -> BTreeSet<String> {
    (0..count)
        .map(|number| format!("{name}-{number}"))
        .collect()
}
