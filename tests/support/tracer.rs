//! System calls that fail: strace on a gateway, told to answer some of its calls itself. A call that is answered so isn't
//! made.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::eventually;
use super::gateway::Gateway;

/// The thread of the spill log that writes events.
pub const WRITER: &str = "spill-writer";
/// The one that prepares files and takes them away.
pub const STEWARD: &str = "spill-steward";

/// Whether calls can be tampered with here.
pub fn tracer_or_skip() -> Option<()> {
    if let Err(why) = super::need("type -P strace", &["strace"]) {
        return super::skip("strace", &why);
    }
    let tried = Command::new("strace")
        .args(["-o", "/dev/null", "-e", "inject=getppid:retval=1", "true"])
        .output();
    match tried {
        Ok(output) if output.status.success() => Some(()),
        Ok(output) => super::skip("strace", &String::from_utf8_lossy(&output.stderr)),
        Err(error) => super::skip("strace", &error.to_string()),
    }
}

/// Tampers with calls of some threads of a gateway until it is dropped.
pub struct Tracer {
    strace: Child,
    trace: NamedTempFile,
    /// What ends strace.
    by: &'static str,
}

impl Tracer {
    /// `faults` as strace's `inject` takes them: `pwrite64:error=EIO:when=1`.
    #[track_caller]
    pub fn attach(gateway: &Gateway, threads: &[&str], faults: &[&str]) -> Tracer {
        let trace = NamedTempFile::new().unwrap();
        let mut strace = Command::new("strace");
        strace.arg("-o").arg(trace.path()).args(options(faults));
        let threads: Vec<_> = threads
            .iter()
            .map(|name| thread(gateway.pid(), name))
            .collect();
        for thread in &threads {
            strace.args(["-p", thread]);
        }
        let strace = strace.stderr(Stdio::null()).spawn().unwrap();
        eventually("strace is attached", Duration::from_secs(10), || {
            threads
                .iter()
                .all(|thread| is_traced(gateway.pid(), thread) || is_gone(gateway.pid(), thread))
        });
        // It lets go of the threads before it ends.
        let by = "-TERM";
        Tracer { strace, trace, by }
    }

    /// The same in all threads of a gateway, those to come included.
    #[track_caller]
    pub fn attach_everywhere(gateway: &Gateway, faults: &[&str]) -> Tracer {
        let (trace, pid) = (NamedTempFile::new().unwrap(), gateway.pid().to_string());
        let mut strace = Command::new("strace");
        strace.arg("-f").arg("-o").arg(trace.path());
        strace.args(options(faults)).args(["-p", &pid]);
        let strace = strace.stderr(Stdio::null()).spawn().unwrap();
        let threads = || std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        eventually("strace is attached", Duration::from_secs(10), || {
            threads().all(|thread| {
                let thread = thread.unwrap().file_name().into_string().unwrap();
                is_traced(gateway.pid(), &thread) || is_gone(gateway.pid(), &thread)
            })
        });
        // strace 6.1 forgets its own end while it delays a call of a process that ends; the kernel lets go of the threads.
        let by = "-KILL";
        Tracer { strace, trace, by }
    }

    /// How many calls were answered instead of made.
    pub fn hits(&self) -> usize {
        let mut text = String::new();
        self.trace
            .reopen()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text.matches("(INJECTED").count() + text.matches("(DELAYED").count()
    }

    /// Waits for the first of them.
    #[track_caller]
    pub fn wait_for_a_hit(&self, within: Duration) {
        eventually("a call is tampered with", within, || self.hits() > 0);
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let pid = self.strace.id().to_string();
        drop(Command::new("kill").args([self.by, &pid]).status());
        drop(self.strace.wait());
    }
}

/// A command that starts a gateway with `faults` in all its threads, each with its own count of calls.
pub fn command(faults: &[&str]) -> Vec<String> {
    // Not with `--seccomp-bpf`, which is faster and makes strace 6.1 forget its signals.
    let mut command: Vec<String> = ["strace", "-D", "-f", "-o", "/dev/null"]
        .map(str::to_owned)
        .into();
    command.extend(options(faults));
    command
}

fn options(faults: &[&str]) -> Vec<String> {
    let calls = faults.iter().map(|fault| fault.split(':').next().unwrap());
    let mut options = vec![
        "-e".to_owned(),
        format!("trace={}", calls.collect::<Vec<_>>().join(",")),
    ];
    for fault in faults {
        options.extend(["-e".to_owned(), format!("inject={fault}")]);
    }
    options
}

fn thread(pid: u32, name: &str) -> String {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut threads = threads.map(|thread| thread.unwrap());
    let found = threads.find(|thread| {
        let comm = std::fs::read_to_string(thread.path().join("comm"));
        comm.is_ok_and(|comm| comm.trim_end() == name)
    });
    let found = found.unwrap_or_else(|| panic!("no thread {name}"));
    found.file_name().into_string().unwrap()
}

/// A fault that kills may have struck already.
fn is_gone(pid: u32, thread: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/status"));
    status.map_or(true, |status| status.contains("State:\tZ"))
}

fn is_traced(pid: u32, thread: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/status"));
    status.is_ok_and(|status| {
        let tracer = status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_some_and(|tracer| tracer.trim() != "0")
    })
}
