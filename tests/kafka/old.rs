//! A broker from before there were idempotent producers: Kafka 0.10.2 with its ZooKeeper, owned by the test. Whoever asks
//! for a topic has it created.

use std::{
    fs::{self, File},
    process::{Child, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::{
    broker::{free_port, send_signal},
    cluster::fresh_folder,
    eventually,
    java::{self, Jars},
    topics::view_of,
};

const RELEASE: &str = "0.10.2.2";

/// Two JVMs, on a machine that does other things.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What such old code looks into, of a JDK that has closed it since.
const OPENED: [&str; 4] = ["java.lang", "java.nio", "sun.nio.ch", "java.util"];

/// A running old broker, killed on drop.
pub(crate) struct OldKafka {
    bootstrap: String,
    zookeeper: Child,
    broker: Child,
    folder: TempDir,
}

/// An old broker, or `None` where the test is to be skipped.
pub(crate) fn old_or_skip() -> Option<OldKafka> {
    match Jars::of_release(RELEASE) {
        Ok(jars) => Some(OldKafka::start(&jars)),
        Err(why) => super::skip("an old Kafka", &why),
    }
}

impl OldKafka {
    fn start(jars: &Jars) -> OldKafka {
        let folder = fresh_folder();
        let (port, keeper_port) = (free_port(), free_port());
        let bootstrap = format!("127.0.0.1:{port}");
        let path = folder.path().display();
        let keeper = format!(
            "dataDir={path}/zookeeper\nclientPort={keeper_port}\nclientPortAddress=127.0.0.1\n"
        );
        let broker = format!(
            "broker.id=1\nlisteners=PLAINTEXT://{bootstrap}\nzookeeper.connect=127.0.0.1:{keeper_port}\n\
             log.dirs={path}/data\nnum.partitions=4\nauto.create.topics.enable=true\n\
             offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
             log.cleaner.dedupe.buffer.size=2097152\n"
        );
        let spawn = |name: &str, class: &str, settings: &str| {
            let file = folder.path().join(format!("{name}.properties"));
            fs::write(&file, settings).expect("the settings of an old broker");
            let log = File::create(folder.path().join(format!("{name}.log")));
            let log = log.expect("the log of an old broker");
            let mut java = jars.java_without_archive();
            for package in OPENED {
                java.arg("--add-opens")
                    .arg(format!("java.base/{package}=ALL-UNNAMED"));
            }
            java.arg("-Dzookeeper.jmx.log4j.disable=true")
                .arg(class)
                .arg(file);
            java.stdin(Stdio::null())
                .stdout(log.try_clone().expect("a second handle"))
                .stderr(log);
            java::spawn(java).expect("java starts")
        };
        let main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
        let old = OldKafka {
            zookeeper: spawn("zookeeper", main, &keeper),
            broker: spawn("broker", "kafka.Kafka", &broker),
            bootstrap,
            folder,
        };
        let answers = eventually(START_TIMEOUT, || {
            view_of(&old.bootstrap).is_some_and(|view| view.brokers == [1])
        });
        assert!(answers, "no old broker:\n{}", old.log_tail());
        old
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// SIGSTOP: it keeps its connections and answers nothing.
    pub(crate) fn freeze(&self) {
        send_signal("STOP", self.broker.id());
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        send_signal("CONT", self.broker.id());
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("broker.log"));
        java::last_lines(&log.unwrap_or_default(), 40)
    }
}

impl Drop for OldKafka {
    fn drop(&mut self) {
        for child in [&mut self.broker, &mut self.zookeeper] {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
