//! forebay as a child process, and what its admin port tells.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::bench::Bench;
use crate::endtoend::child::Process;
use crate::endtoend::ports::{free_port, get, wait_until_ready};

/// What differs from case to case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup<'a> {
    pub(crate) topic: &'a str,
    /// The spill log's directory, if there is one.
    pub(crate) spill: Option<&'a Path>,
    pub(crate) quota: Option<String>,
    pub(crate) budget: Option<String>,
}

/// A running forebay; killed when this is dropped.
pub(crate) struct Gateway {
    process: Process,
    pub(crate) port: u16,
    admin: u16,
    /// From the start of the process until it was ready.
    pub(crate) ready_after: Duration,
}

impl Gateway {
    pub(crate) fn start(bench: &Bench<'_>, setup: &Setup<'_>) -> Gateway {
        let (port, admin) = (free_port(), free_port());
        let file = bench.folder().join("forebay.toml");
        let config = config(bench, setup, port, admin);
        std::fs::write(&file, config).expect("the configuration's file");
        let ours = PathBuf::from(env!("CARGO_BIN_EXE_forebay"));
        let program = bench.options.gateway.as_ref().unwrap_or(&ours);
        let mut command = bench.server.command(program);
        command.arg("serve").arg("--config").arg(&file);
        let begun = Instant::now();
        let process = Process::start(command);
        wait_until_ready(admin);
        Gateway {
            process,
            port,
            admin,
            ready_after: begun.elapsed(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A metric without labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = get(self.admin, "/metrics").expect("the metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|rest| rest.trim_start_matches("{}").trim().parse().ok());
        value.unwrap_or_else(|| panic!("no metric `{name}`"))
    }
}

fn config(bench: &Bench<'_>, setup: &Setup<'_>, port: u16, admin: u16) -> String {
    let mut text = format!(
        "http.listen = \"127.0.0.1:{port}\"\nadmin.listen = \"127.0.0.1:{admin}\"\n\
         shutdown.grace = \"0s\"\nlog.filter = \"error\"\nclusters.bench.bootstrap = \"{}\"\n\
         streams.events = {{ cluster = \"bench\", topic = \"{}\", key = \"/user\", id = \"/id\" }}\n",
        bench.kafka.bootstrap(),
        setup.topic,
    );
    let mut line = |key: &str, value: &dyn std::fmt::Display| {
        writeln!(text, "{key} = \"{value}\"").expect("a string takes everything");
    };
    if let Some(dir) = setup.spill {
        line("spill.dir", &dir.display());
    }
    if let Some(quota) = &setup.quota {
        line("spill.quota", quota);
    }
    if let Some(budget) = &setup.budget {
        line("memory.budget", budget);
    }
    for line in &bench.options.set {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Peak of resident memory in MiB.
pub(crate) fn peak_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}
