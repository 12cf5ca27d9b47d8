//! Processes that the benchmark starts: pinned, spoken with by lines, read for their CPU, and ended with their handle.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::ops::Sub;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kernel ticks per second, as `/proc` counts CPU; the same on every Linux of the last decades.
const TICKS: f64 = 100.0;

/// CPU seconds of a process or a thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Cpu {
    pub(crate) fn total(self) -> f64 {
        self.user + self.system
    }
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, before: Cpu) -> Cpu {
        Cpu {
            user: self.user - before.user,
            system: self.system - before.system,
        }
    }
}

/// What a process and its threads have used since its start.
pub(crate) fn cpu(pid: u32) -> Cpu {
    cpu_of(&format!("/proc/{pid}/stat")).unwrap_or_default()
}

/// The same for each thread, by name; librdkafka's and ours have names.
pub(crate) fn cpu_by_thread(pid: u32) -> Vec<(String, f64)> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| {
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            let cpu = cpu_of(task.path().join("stat").to_str()?)?;
            let thread = task.file_name().to_string_lossy().into_owned();
            Some((format!("{}/{thread}", name.trim()), cpu.total()))
        })
        .collect()
}

fn cpu_of(stat: &str) -> Option<Cpu> {
    let text = fs::read_to_string(stat).ok()?;
    // The name, in parentheses, may hold anything; the fields after it are numbers.
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| Some(fields.get(index)?.parse::<f64>().ok()? / TICKS);
    Some(Cpu {
        user: ticks(11)?,
        system: ticks(12)?,
    })
}

/// What one CPU of the machine has worked since its start, for whomever.
pub(crate) fn cpu_worked(number: usize) -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let name = format!("cpu{number}");
    let line = text
        .lines()
        .find(|line| line.split_whitespace().next() == Some(&name));
    let ticks = line.map(|line| line.split_whitespace().skip(1).map(str::parse::<f64>));
    let ticks: Vec<_> = ticks.into_iter().flatten().flatten().collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of user.
    let idle = |index: &usize| matches!(index, 3 | 4);
    let worked = ticks.iter().take(8).enumerate();
    let worked = worked.filter(|(index, _)| !idle(index));
    worked.map(|(_, ticks)| ticks).sum::<f64>() / TICKS
}

/// Resident memory in MB.
pub(crate) fn resident_mb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1024.0
}

/// Allows this process, and those that it starts, so many open files.
pub(crate) fn allow_files(count: u64) {
    let limits = getrlimit(Resource::Nofile);
    if limits.current.is_none_or(|current| current >= count) {
        return;
    }
    let raised = Rlimit {
        current: Some(count),
        ..limits
    };
    let error = setrlimit(Resource::Nofile, raised).err();
    assert!(
        error.is_none(),
        "so many connections need {count} open files, but the hard limit is {:?} (`ulimit -Hn`): {error:?}",
        limits.maximum
    );
}

/// Where a process runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Cpu(usize),
    Anywhere,
}

impl Place {
    /// A command that runs there.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Place::Anywhere => Command::new(program),
            Place::Cpu(number) => {
                let mut command = Command::new("taskset");
                command.arg("-c").arg(number.to_string()).arg(program);
                command
            }
        }
    }

    /// Moves a running process there, with all its threads.
    pub(crate) fn take(self, pid: u32) {
        if let Place::Cpu(number) = self {
            let moved = Command::new("taskset")
                .args(["-acp", &number.to_string(), &pid.to_string()])
                .stdout(Stdio::null())
                .status();
            assert!(
                moved.is_ok_and(|status| status.success()),
                "taskset moves process {pid}"
            );
        }
    }
}

/// A process; killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts another process of this program, in a role.
    pub(crate) fn role(place: Place, arguments: &[String]) -> Process {
        let program = std::env::current_exe().expect("the path of this program");
        let mut command = place.command(program);
        command.args(arguments);
        Process::start(command)
    }

    /// Starts a command. Its standard input stays open as long as this lives.
    pub(crate) fn start(mut command: Command) -> Process {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Process { child, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the line that begins with `word`; what follows it, as words.
    pub(crate) fn expect(&mut self, word: &str) -> Vec<String> {
        let line = match self.lines.next() {
            Some(Ok(line)) => line,
            ended => panic!("a process ended instead of saying `{word}`: {ended:?}"),
        };
        let mut words = line.split_whitespace().map(str::to_owned);
        assert_eq!(words.next().as_deref(), Some(word), "{line}");
        words.collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
