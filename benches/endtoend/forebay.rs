//! forebay as a child process, and what its admin port tells.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::bench::Bench;
use super::child::Process;
use super::ports::{free_port, get, wait_until_ready};

/// A running forebay; killed when this is dropped.
pub(crate) struct Gateway {
    process: Process,
    pub(crate) port: u16,
    admin: u16,
    /// From the start of the process until it was ready.
    pub(crate) ready_after: Duration,
}

impl Gateway {
    /// Starts the build under test, or another, with these lines of configuration and those of the options.
    pub(crate) fn start(bench: &Bench<'_>, program: Option<&Path>, lines: &str) -> Gateway {
        let (port, admin) = (free_port(), free_port());
        let file = bench.folder().join("forebay.toml");
        let config = format!(
            "http.listen = \"127.0.0.1:{port}\"\nadmin.listen = \"127.0.0.1:{admin}\"\nshutdown.grace = \"0s\"\n{lines}{}\n",
            bench.options.set.join("\n"),
        );
        std::fs::write(&file, config).expect("the configuration's file");
        let ours = PathBuf::from(env!("CARGO_BIN_EXE_forebay"));
        let program = program.or(bench.options.gateway.as_deref());
        let mut command = bench.server.command(program.unwrap_or(&ours));
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
