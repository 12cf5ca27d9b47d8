//! The gateway as a child process: `forebay serve` with a configuration of the test's own, on ports that are free.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::eventually;
use super::http::Client;
use super::machine::Place;

/// A running gateway. Dropping it stops it, in order if that is soon done, and fails where events aren't accounted for.
pub struct Gateway {
    child: Child,
    log: Arc<Mutex<String>>,
    /// Where events go.
    pub data: SocketAddr,
    /// Where events go over TLS, if it's spoken.
    pub tls: Option<SocketAddr>,
    /// Where health and metrics are.
    pub admin: SocketAddr,
    folder: TempDir,
    _place: Place,
}

impl Gateway {
    /// Starts it with `config`, to which free ports and a short grace are added. Doesn't wait for readiness.
    pub fn start(config: &str) -> Gateway {
        Gateway::start_with_env(config, &[])
    }

    /// As [`Gateway::start`], with environment variables.
    pub fn start_with_env(config: &str, env: &[(&str, &str)]) -> Gateway {
        Gateway::start_with(config, &[], env)
    }

    /// As [`Gateway::start`], with more arguments, and with environment variables.
    pub fn start_with(config: &str, arguments: &[&str], env: &[(&str, &str)]) -> Gateway {
        Gateway::try_start(&[], config, arguments, env)
            .unwrap_or_else(|log| panic!("the gateway ended at its start:\n{log}"))
    }

    /// As [`Gateway::start_with`], by a command that becomes the gateway, such as a tracer or one that sets limits. Its
    /// log, if it ends instead.
    pub fn try_start(
        by: &[&str],
        config: &str,
        arguments: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Gateway, String> {
        let given = [Stdio::null(), Stdio::null()];
        Gateway::try_start_given(given, by, config, arguments, env)
    }

    /// As [`Gateway::try_start`], with something as standard input and output.
    pub fn try_start_given(
        [stdin, stdout]: [Stdio; 2],
        by: &[&str],
        config: &str,
        arguments: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Gateway, String> {
        let place = Place::take();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("forebay.toml");
        std::fs::write(&file, config).unwrap();
        let forebay = env!("CARGO_BIN_EXE_forebay");
        let mut command = Command::new(by.first().copied().unwrap_or(forebay));
        if let [_, more @ ..] = by {
            command.args(more).arg(forebay);
        }
        let child = command
            .args(["serve", "--config"])
            .arg(&file)
            .args(arguments)
            .env("FOREBAY__HTTP__LISTEN", "127.0.0.1:0")
            .env("FOREBAY__ADMIN__LISTEN", "127.0.0.1:0")
            .env("FOREBAY__SHUTDOWN__GRACE", "0s")
            .env("FOREBAY__SHUTDOWN__IDLE", "200ms")
            .env("NO_COLOR", "1")
            .envs(env.iter().copied())
            .stdin(stdin)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn();
        Gateway::listening(child.unwrap(), folder, place)
    }

    /// Waits until the process listens, and learns where.
    fn listening(mut child: Child, folder: TempDir, place: Place) -> Result<Gateway, String> {
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap());
        let written = Arc::clone(&log);
        let reading = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut log = written.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        let listens = loop {
            let text = log.lock().unwrap().clone();
            if let Some(line) = text.lines().find(|line| line.contains("forebay listens")) {
                break line.to_owned();
            }
            if let Some(status) = child.try_wait().unwrap() {
                // Its last words may still be on their way; they end with the process.
                reading.join().unwrap();
                return Err(format!("{status}\n{}", log.lock().unwrap()));
            }
            assert!(
                Instant::now() < deadline,
                "the gateway doesn't listen:\n{text}"
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        let address = |name: &str| {
            // As text, or as JSON.
            let found = listens.split_once(&format!("{name}="));
            let found = found.or_else(|| listens.split_once(&format!("\"{name}\":\"")));
            let rest = found?.1.split([' ', '"']).next();
            rest.unwrap().parse().ok()
        };
        Ok(Gateway {
            log,
            data: address("data").unwrap_or(([0, 0, 0, 0], 0).into()),
            tls: address("tls"),
            admin: address("admin").unwrap(),
            child,
            folder,
            _place: place,
        })
    }

    /// Starts it and waits until it is ready.
    pub fn ready(config: &str) -> Gateway {
        let gateway = Gateway::start(config);
        gateway.wait_ready(Duration::from_secs(30));
        gateway
    }

    /// Waits until `/readyz` says yes.
    #[track_caller]
    pub fn wait_ready(&self, within: Duration) {
        eventually("ready", within, || self.get("/readyz").0 == 200);
    }

    /// Status and body of an admin path.
    pub fn get(&self, path: &str) -> (u16, String) {
        let answer = Client::connect(self.admin).get(path);
        (answer.status, answer.text())
    }

    /// `/status`.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status").1).unwrap()
    }

    /// One count of a stream's ledger.
    pub fn events(&self, stream: &str, count: &str) -> i64 {
        self.status()["streams"][stream]["events"][count]
            .as_i64()
            .unwrap()
    }

    /// How often something was refused before its stream was known, for this reason.
    pub fn refused(&self, reason: &str) -> u64 {
        self.status()["refusals"][reason].as_u64().unwrap()
    }

    /// The same for all reasons together.
    pub fn refused_in_all(&self) -> u64 {
        let refusals = self.status()["refusals"].clone();
        let counts = refusals.as_object().unwrap().values();
        counts.filter_map(Value::as_u64).sum()
    }

    /// A connection to the data port.
    pub fn client(&self) -> Client {
        Client::connect(self.data)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its configuration file.
    pub fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("forebay.toml")
    }

    /// Writes another configuration into its file, which it doesn't know before a reload.
    pub fn rewrite(&self, config: &str) {
        std::fs::write(self.file(), config).unwrap();
    }

    /// Asks for a reload; status and answer.
    pub fn reload(&self, query: &str) -> (u16, Value) {
        let answer = Client::connect(self.admin).post(&format!("/reload{query}"), &[], b"");
        (answer.status, answer.json())
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let mut ended = None;
        eventually("the gateway ends", within, || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }

    /// Stops it in order, checks that every event is accounted for, and returns its log.
    #[track_caller]
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.wait(Duration::from_secs(30));
        eventually("the last line", Duration::from_secs(2), || {
            self.log().contains("stopped;")
        });
        let log = self.log();
        assert!(status.success(), "{status}:\n{log}");
        assert!(log.contains("every event is accounted for"), "{log}");
        log
    }

    /// Kills it, with -9.
    pub fn kill(mut self) {
        self.end();
    }

    /// What it has logged until its end. Its last line may be on its way for a moment, and isn't written with each filter.
    fn last_log(&self) -> String {
        let deadline = Instant::now() + Duration::from_millis(300);
        while !self.log().contains("stopped;") && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.log()
    }

    fn end(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Whether it ends for a signal, or for a second one, which hurries it.
    fn hurry_to_an_end(&mut self) -> bool {
        [Duration::from_secs(1), Duration::from_secs(20)]
            .into_iter()
            .any(|within| {
                self.signal("TERM");
                let deadline = Instant::now() + within;
                while !self.has_ended() && Instant::now() < deadline {
                    std::thread::sleep(Duration::from_millis(5));
                }
                self.has_ended()
            })
    }

    /// Resident memory in bytes, now.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Resident memory in bytes, at its highest.
    pub fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    /// CPU time used so far.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<_> = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        // utime and stime in ticks of 10 ms (proc(5); USER_HZ is 100 on Linux).
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.end();
            eprintln!("--- the gateway's log ---\n{}", self.log());
        } else if !self.has_ended() {
            let ends = self.hurry_to_an_end();
            self.end();
            let log = self.last_log();
            assert!(ends, "the gateway doesn't end:\n{log}");
            assert!(!log.contains("not accounted for"), "{log}");
        }
    }
}

/// A configuration with one cluster and one stream `events` (key `/user`, id `/id`) for a topic of the same name.
pub fn config(bootstrap: &str, more: &str) -> String {
    format!(
        "{more}\n[clusters.main]\nowner = \"tests\"\nbootstrap = \"{bootstrap}\"\n\
         [streams.events]\ncluster = \"main\"\nkey = \"/user\"\nid = \"/id\"\n"
    )
}

/// As [`config`], with the topic of the stream, and `of_stream` behind it.
pub fn config_to(bootstrap: &str, more: &str, topic: &str, of_stream: &str) -> String {
    let stream = format!("[streams.events]\ntopic = \"{topic}\"\n{of_stream}");
    config(bootstrap, more).replace("[streams.events]", &stream)
}
