//! Clusters that come and go.

use std::collections::BTreeMap;

use rdkafka::mocking::MockCluster;

use super::*;
use crate::app::backend::Backend;
use crate::budget::Budget;
use crate::lane::TopicOf;
use crate::produce::health::Condition;

/// Set in the process in which a test is alone: others would have threads and files too.
const ALONE: &str = "FOREBAY_TEST_ALONE";

/// Runs a test of this name again, in a process of its own. True in that process.
fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(
        run.status.success() && words.contains("1 passed"),
        "{words}"
    );
    false
}

/// Threads by name, and open files.
fn held() -> (BTreeMap<String, usize>, usize) {
    let mut threads = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let name = std::fs::read_to_string(task.path().join("comm"));
        *threads.entry(name.unwrap_or_default()).or_default() += 1;
    }
    (threads, std::fs::read_dir("/proc/self/fd").unwrap().count())
}

fn settings(bootstrap: &str) -> Settings {
    Settings {
        probe: Duration::from_millis(200),
        ..Settings::new(bootstrap)
    }
}

async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    wait_for(&is_so, Duration::from_secs(30)).await;
    assert!(is_so(), "{what}");
}

#[tokio::test]
async fn clusters_come_and_go_and_leave_no_thread_and_no_file() {
    if !is_alone("app::unit::tests::clusters_come_and_go_and_leave_no_thread_and_no_file") {
        return;
    }
    let kafka = MockCluster::new(1).unwrap();
    kafka.create_topic("events", 2, 1).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let log = crate::spill::Settings {
        dir: dir.path().to_owned(),
        ..crate::spill::Settings::default()
    };
    let backend = Backend::empty(&log, &Budget::new(64 << 20)).unwrap();
    let add = |name: &str, bootstrap: &str| {
        let (settings, topic) = (settings(bootstrap), TopicOf::new("events", "events"));
        let cluster = backend.add(name, settings, Default::default(), vec![topic]);
        cluster.unwrap()
    };
    let mut before = None;
    for round in 0..20 {
        let dead = add("dead", "127.0.0.1:1");
        let living = add("living", &kafka.bootstrap_servers());
        assert_eq!(backend.clusters().len(), 2);
        eventually("up", || living.health().condition() == Condition::Up).await;
        assert_ne!(dead.health().condition(), Condition::Up);
        for name in ["dead", "living"] {
            let unit = backend.remove(name).unwrap();
            assert!(unit.stop(Duration::from_secs(1)).await, "it hangs");
        }
        assert!(backend.clusters().is_empty());
        // The first round starts what stays: the allocator's, the runtime's and the mock's own.
        if round == 0 {
            eventually("no probe's thread is left", || {
                !held().0.contains_key("probe\n")
            })
            .await;
            before = Some(held());
        }
    }
    let before = before.unwrap();
    eventually("threads and files are as before", || {
        let (threads, files) = held();
        threads == before.0 && files <= before.1
    })
    .await;
}
