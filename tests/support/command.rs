//! The other commands of the command line, as child processes with an end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::eventually;

/// A running command. Dropping it kills it.
pub struct Running {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it complained about.
    pub err: String,
}

/// Starts `forebay` with arguments.
pub fn start(arguments: &[&str], env: &[(&str, &str)]) -> Running {
    let mut child = Command::new(env!("CARGO_BIN_EXE_forebay"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = collect(child.stdout.take().unwrap());
    let err = collect(child.stderr.take().unwrap());
    Running { child, out, err }
}

/// Runs `forebay` with arguments to its end.
#[track_caller]
pub fn run(arguments: &[&str], env: &[(&str, &str)]) -> Ended {
    start(arguments, env).wait(Duration::from_secs(30))
}

fn collect(pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let written = Arc::clone(&text);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            *written.lock().unwrap() += &(line + "\n");
        }
    });
    text
}

impl Running {
    /// What it has printed so far.
    pub fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    /// Sends a signal, by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self, within: Duration) -> Ended {
        let mut ended = None;
        eventually("the command ends", within, || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        // Both threads end with their pipes, which end with the process.
        eventually("its last words", within, || {
            Arc::strong_count(&self.out) + Arc::strong_count(&self.err) == 2
        });
        let err = self.err.lock().unwrap().clone();
        Ended {
            code: ended.unwrap().code(),
            out: self.out(),
            err,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
