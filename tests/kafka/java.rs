//! Java processes: where the jars are, how a JVM is started so that it cannot
//! outlive the tests, and the class archive that makes it start twice as fast.
//! Nothing here knows brokers.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{LazyLock, OnceLock, mpsc},
};

/// Flags of every JVM. Only the first compiler: measured on two cores a broker
/// is up in half the processor time (2.0 s against 3.9 s). It costs throughput
/// that no test of correctness needs.
const FLAGS: [&str; 6] = [
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    // Six lists of several hundred settings at every start.
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn",
];

/// The folder `tests/kafka`, where the scripts are.
pub(super) fn harness_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka")
}

/// The folder under `target` that all of this works in.
pub(super) fn work_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/kafka")
}

/// The jars of one Apache Kafka release.
pub(super) struct Jars {
    lib: PathBuf,
}

impl Jars {
    /// Resolved once per process by `fetch.sh`; the error says what is missing.
    pub(super) fn get() -> Result<&'static Jars, &'static str> {
        static JARS: OnceLock<Result<Jars, String>> = OnceLock::new();
        JARS.get_or_init(|| run_script("fetch.sh", &[]).map(|lib| Jars { lib: lib.into() }))
            .as_ref()
            .map_err(String::as_str)
    }

    /// Those of another release.
    pub(super) fn of_release(release: &str) -> Result<Jars, String> {
        run_script("fetch.sh", &[release]).map(|lib| Jars { lib: lib.into() })
    }

    /// `java`, its flags and the class path; bound to this process (see
    /// [`bound`]), and with the class archive if there is one.
    pub(super) fn java(&self) -> Command {
        let archive = self.archive();
        let mut command = self.java_without_archive();
        if archive.exists() {
            command.arg(format!("-XX:SharedArchiveFile={}", archive.display()));
        }
        command
    }

    /// As [`Jars::java`], for the run that makes the archive.
    pub(super) fn java_without_archive(&self) -> Command {
        let mut command = bound("java");
        command.args(FLAGS).arg("-cp").arg(self.lib.join("*"));
        command
    }

    /// Where the class archive of these jars and this JVM belongs. It holds the
    /// loaded classes of a broker ready to map: half the processor time at the
    /// start, and 65 MB less resident. A JVM that it does not fit ignores it.
    pub(super) fn archive(&self) -> PathBuf {
        static VERSION: LazyLock<String> = LazyLock::new(|| {
            let output = Command::new("java").arg("-version").output();
            let text = output.map(|output| output.stderr).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let version = text.split('"').nth(1).unwrap_or("unknown");
            version.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
        });
        self.lib.with_file_name(format!("classes-{}.jsa", *VERSION))
    }
}

/// Runs a script of the harness; its last line, or what it said on stderr.
pub(super) fn run_script(name: &str, arguments: &[&str]) -> Result<String, String> {
    let output = bound("bash")
        .arg(harness_folder().join(name))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("bash {name}: {error}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    match stdout.lines().last() {
        Some(line) if output.status.success() => Ok(line.to_owned()),
        _ => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let status = output.status;
            Err(format!("{name}: {status}\n{}", last_lines(&stderr, 15)))
        }
    }
}

/// The end of a long text.
pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// A command whose process is killed by the kernel when the *thread* that
/// spawned it ends. Long-lived ones go through [`spawn`] for that reason.
pub(super) fn bound(program: &str) -> Command {
    static SETPRIV: LazyLock<bool> = LazyLock::new(|| {
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "true"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    });
    if !*SETPRIV {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

/// Spawns from a thread that lives as long as the process, since a test's own
/// thread ends with the test.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (orders, queue) = mpsc::channel::<Order>();
        std::thread::Builder::new()
            .name("kafka-spawner".into())
            .spawn(move || {
                for (mut command, reply) in queue {
                    // Nobody waits any more if this fails, so nothing is lost.
                    drop(reply.send(command.spawn()));
                }
            })
            .expect("a thread for spawning brokers");
        orders
    });
    let (reply, answer) = mpsc::channel();
    SPAWNER
        .send((command, reply))
        .expect("the spawner lives as long as the process");
    answer.recv().expect("the spawner answers every order")
}
