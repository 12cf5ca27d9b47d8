//! One node, broker and controller in one JVM: its settings, its storage, its
//! process. Nothing here talks to it.

use std::{
    fmt::Write as _,
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};

use super::java::{self, Jars};

/// The same for all nodes of all clusters: they never meet.
const CLUSTER_ID: &str = "Zm9yZWJheS1rYWZrYS1pZA";

/// How a cluster notices a dead broker: its session ends after this silence.
/// Kafka's own default is 9 s. Six heartbeats fit, so that a busy machine does
/// not end sessions of the living.
const SESSION_TIMEOUT_MS: u32 = 3_000;
const HEARTBEAT_INTERVAL_MS: u32 = 500;

/// A node of a cluster, running or not.
pub(super) struct Node {
    /// 1, 2, 3.
    pub(super) id: i32,
    port: u16,
    /// Where users with a name and a password come in.
    guarded_port: u16,
    controller_port: u16,
    folder: PathBuf,
    process: Mutex<Option<Process>>,
}

struct Process {
    child: Child,
    frozen: bool,
}

impl Node {
    /// A node with its ports chosen, nothing started.
    pub(super) fn new(id: i32, folder: PathBuf) -> Node {
        Node {
            id,
            port: free_port(),
            guarded_port: free_port(),
            controller_port: free_port(),
            folder,
            process: Mutex::new(None),
        }
    }

    /// Where clients find it.
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where clients find it that say who they are.
    pub(super) fn guarded_address(&self) -> String {
        format!("127.0.0.1:{}", self.guarded_port)
    }

    /// Writes the settings and formats the storage; `overrides` win over the
    /// settings of the harness.
    pub(super) fn format(&self, cluster: &[Node], overrides: &[(&str, &str)]) {
        fs::create_dir_all(&self.folder).expect("the folder of a node");
        fs::write(self.settings_file(), self.settings(cluster, overrides))
            .expect("the settings of a node");
        let mut command = jars().java();
        command.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]);
        let output = command
            .arg(self.settings_file())
            .output()
            .expect("java runs");
        assert!(
            output.status.success(),
            "storage of node {} not formatted: {}\n{}{}",
            self.id,
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Starts the process and returns at once; does nothing if it runs.
    pub(super) fn start(&self) {
        self.start_with(jars().java());
    }

    /// Runs the node once to write the class archive, and stops it.
    pub(super) fn start_to_archive(&self, archive: &std::path::Path) {
        let mut java = jars().java_without_archive();
        java.arg(format!("-XX:ArchiveClassesAtExit={}", archive.display()));
        self.start_with(java);
    }

    fn start_with(&self, mut java: Command) {
        let mut process = self.process();
        if process.is_some() {
            return;
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file());
        let log = log.expect("the log of a node");
        java.arg("kafka.Kafka").arg(self.settings_file());
        java.stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        let child = java::spawn(java).expect("java starts");
        *process = Some(Process {
            child,
            frozen: false,
        });
    }

    /// SIGKILL; returns when the process is gone. Does nothing if none runs.
    pub(super) fn kill(&self) {
        if let Some(mut process) = self.process().take() {
            process.child.kill().expect("kill -KILL");
            process.child.wait().expect("the end of a killed process");
        }
    }

    /// SIGTERM: the broker hands its partitions over first. Returns when the
    /// process is gone.
    pub(super) fn stop(&self) {
        if let Some(mut process) = self.process().take() {
            send_signal("TERM", process.child.id());
            process.child.wait().expect("the end of a stopped process");
        }
    }

    /// SIGSTOP: connections stay open and nobody answers.
    pub(super) fn freeze(&self) {
        self.signal_running("STOP", true);
    }

    /// SIGCONT.
    pub(super) fn thaw(&self) {
        self.signal_running("CONT", false);
    }

    /// SIGCONT, where it's needed.
    pub(super) fn thaw_if_frozen(&self) {
        if self
            .process()
            .as_ref()
            .is_some_and(|process| process.frozen)
        {
            self.thaw();
        }
    }

    fn signal_running(&self, signal: &str, frozen: bool) {
        let mut process = self.process();
        let process = process
            .as_mut()
            .unwrap_or_else(|| panic!("node {} does not run", self.id));
        send_signal(signal, process.child.id());
        process.frozen = frozen;
    }

    /// Whether it should answer: started, not killed, not frozen.
    pub(super) fn is_running(&self) -> bool {
        self.process()
            .as_ref()
            .is_some_and(|process| !process.frozen)
    }

    /// The process id, while there is a process.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(|process| process.child.id())
    }

    /// How it ended, if it did so on its own.
    pub(super) fn exit(&self) -> Option<String> {
        let status = self
            .process()
            .as_mut()?
            .child
            .try_wait()
            .expect("the state of a child")?;
        Some(status.to_string())
    }

    /// The end of its log, for a panic message.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let tail = java::last_lines(&String::from_utf8_lossy(&log), 40);
        format!(
            "--- node {} at {}, end of its log\n{tail}\n",
            self.id,
            self.address()
        )
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings_file(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn settings(&self, cluster: &[Node], overrides: &[(&str, &str)]) -> String {
        let Node {
            id,
            port,
            guarded_port,
            controller_port,
            ..
        } = self;
        let data = self.folder.join("data");
        let voter = |node: &Node| format!("{}@127.0.0.1:{}", node.id, node.controller_port);
        let voters: Vec<_> = cluster.iter().map(voter).collect();
        let replicas = cluster.len().min(3);
        let in_sync = replicas.div_ceil(2);
        let mut text = String::new();
        let settings: &[(&str, &dyn std::fmt::Display)] = &[
            ("process.roles", &"broker,controller"),
            ("node.id", id),
            ("controller.quorum.voters", &voters.join(",")),
            (
                "listeners",
                &format!(
                    "PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{guarded_port},\
                     CONTROLLER://127.0.0.1:{controller_port}"
                ),
            ),
            (
                "advertised.listeners",
                &format!("PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{guarded_port}"),
            ),
            ("controller.listener.names", &"CONTROLLER"),
            (
                "listener.security.protocol.map",
                &"CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
            ),
            ("log.dirs", &data.display()),
            // Tests create their topics; a misspelt one has to fail.
            ("auto.create.topics.enable", &false),
            ("default.replication.factor", &replicas),
            ("min.insync.replicas", &in_sync),
            ("unclean.leader.election.enable", &false),
            ("broker.session.timeout.ms", &SESSION_TIMEOUT_MS),
            ("broker.heartbeat.interval.ms", &HEARTBEAT_INTERVAL_MS),
            // Internal topics as small as they get.
            ("offsets.topic.num.partitions", &1),
            ("offsets.topic.replication.factor", &replicas),
            ("transaction.state.log.num.partitions", &1),
            ("transaction.state.log.replication.factor", &replicas),
            ("transaction.state.log.min.isr", &in_sync),
            ("group.initial.rebalance.delay.ms", &0),
            // 128 MB of heap by default, touched at the start.
            ("log.cleaner.dedupe.buffer.size", &2_097_152),
            // Removed topics give their room back at once, not after a minute: benchmarks write a gigabyte each.
            ("log.segment.delete.delay.ms", &1_000),
        ];
        for (name, value) in settings {
            writeln!(text, "{name}={value}").expect("writing to a string");
        }
        text += &super::rights::broker_settings();
        // Of two lines with one name, Java takes the last.
        for (name, value) in overrides {
            writeln!(text, "{name}={value}").expect("writing to a string");
        }
        text
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn jars() -> &'static Jars {
    Jars::get().unwrap_or_else(|why| panic!("Apache Kafka cannot be had: {why}"))
}

/// By the shell, which has `kill` built in: no unsafe code and no package.
pub(super) fn send_signal(signal: &str, pid: u32) {
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -{signal} {pid}"))
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "kill -{signal} {pid} failed"
    );
}

/// A port that nobody listens on. Below the range that the kernel takes for
/// outgoing connections: a killed broker has to get its port back later.
pub(super) fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Spreads concurrent test processes over the range.
    let start = std::process::id().wrapping_mul(61) % u32::from(COUNT);
    let start = u16::try_from(start).expect("less than COUNT");
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT)
}
