//! What an earlier forebay left on disk is brought to Kafka by this one, event by event and in order: lanes of partitions, unrouted events, a
//! stream that moved, and what is remembered beside the log.
//!
//! `tests/versions/NAME.tar.gz` is a spill directory as the forebay of commit NAME left it. `FOREBAY_TEST_KEEP=NAME
//! FOREBAY_TEST_KEEP_OF=PROGRAM` has another one written by a program of that commit, for each release. The program also has to read what this
//! forebay leaves.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kafka::{self, Kafka};
use crate::support::bounds::{DRAINED, STARTS};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::outage::log_in;

const AWAY: &str = "127.0.0.1:1";
/// Topics, and how many events of them are kept.
const TOPICS: [(&str, i32, usize); 3] =
    [("kept", 2, 6), ("kept-moved", 2, 3), ("kept-first", 1, 3)];

fn config(bootstrap: &str, dir: &Path, topic: &str) -> String {
    let log = log_in(dir, "1MiB");
    format!(
        "{log}[clusters.main]\nbootstrap = \"{bootstrap}\"\n\
         [streams.events]\ncluster = \"main\"\ntopic = \"{topic}\"\nkey = \"/user\"\nid = \"/id\"\n\
         [streams.first]\ncluster = \"main\"\ntopic = \"kept-first\"\n"
    )
}

/// A gateway of another program, if one is named. The first ones knew fewer settings.
fn start(program: Option<&str>, config: &str) -> Gateway {
    let exec = program.map(|it| format!("unset FOREBAY__SHUTDOWN__IDLE; shift; exec {it} \"$@\""));
    let by: Vec<&str> = match &exec {
        Some(exec) => vec!["sh", "-c", exec, "sh"],
        None => Vec::new(),
    };
    let gateway = Gateway::try_start(&by, config, &[], &[]).unwrap();
    gateway.wait_ready(STARTS);
    gateway
}

fn post(gateway: &Gateway, stream: &str, events: impl IntoIterator<Item = usize>) {
    let mut client = gateway.client();
    for id in events {
        let user = id % 3;
        let event = format!("{{\"id\":\"{id}\",\"user\":\"u{user}\"}}");
        assert_eq!(client.post_json(stream, &event).json()["spilled"], 1);
    }
}

/// Has a program leave a directory in which there is one of each.
fn leave(program: Option<&str>, dir: &Path) {
    std::fs::write(dir.join("partitions.json"), "{\"main/events/kept\": 2}").unwrap();
    let gateway = start(program, &config(AWAY, dir, "kept"));
    post(&gateway, "events", 1..=6);
    post(&gateway, "first", 1..=3);
    gateway.stop();
    let gateway = start(program, &config(AWAY, dir, "kept-moved"));
    post(&gateway, "events", 7..=9);
    gateway.stop();
}

/// Brings it all to Kafka.
fn bring(kafka: &Kafka, dir: &Path) {
    for (topic, partitions, _) in TOPICS {
        kafka.create_topic(topic, partitions, 1, &[]);
    }
    let gateway = start(None, &config(kafka.bootstrap(), dir, "kept-moved"));
    eventually("the log is empty", DRAINED, || {
        gateway.status()["spill"]["backlog_events"] == 0
    });
    gateway.stop();
    for (topic, _, count) in TOPICS {
        let found = kafka::consume_all(kafka.bootstrap(), topic);
        assert_eq!(found.len(), count, "{topic}");
        let mut last = [0; 3];
        for record in found {
            let event: serde_json::Value = serde_json::from_slice(record.payload()).unwrap();
            let id: usize = event["id"].as_str().unwrap().parse().unwrap();
            assert_eq!(event["user"], format!("u{}", id % 3));
            assert!(id > last[id % 3], "{topic}: {id} behind {}", last[id % 3]);
            last[id % 3] = id;
        }
        kafka.delete_topic(topic);
    }
}

fn tar(arguments: &[&str], file: &Path, dir: &Path) {
    let mut tar = Command::new("tar");
    tar.args(arguments).arg(file).arg("-C").arg(dir);
    if arguments.contains(&"-czf") {
        tar.arg(".");
    }
    assert!(tar.status().unwrap().success());
}

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/versions")
}

#[test]
fn what_earlier_versions_left_on_disk_is_brought_to_kafka() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    if let Ok(name) = std::env::var("FOREBAY_TEST_KEEP") {
        let program = std::env::var("FOREBAY_TEST_KEEP_OF").unwrap();
        let [theirs, ours] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        leave(Some(&program), theirs.path());
        let file = kept().join(format!("{name}.tar.gz"));
        tar(&["--sparse", "-czf"], &file, theirs.path());
        leave(None, ours.path());
        let mut cat = Command::new(&program);
        let shown = cat.args(["spill", "cat"]).arg(ours.path()).output();
        let shown = shown.unwrap();
        assert_eq!(String::from_utf8(shown.stdout).unwrap().lines().count(), 12);
    }
    let mut count = 0;
    for file in std::fs::read_dir(kept()).unwrap() {
        let dir = tempfile::tempdir().unwrap();
        tar(&["-xzf"], &file.unwrap().path(), dir.path());
        bring(kafka, dir.path());
        count += 1;
    }
    assert!(count > 0);
}
