//! What every end-to-end benchmark can be told.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::roles::Role;
use super::work::Pace;

/// How long, how often, where, and on which build.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often everything is measured; tables have medians.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Length of each measurement.
    #[arg(long, default_value_t = 6.0)]
    pub(crate) seconds: f64,
    /// Time before each measurement.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) warm_up: f64,
    /// Partitions of the topics.
    #[arg(long, default_value_t = 16)]
    pub(crate) partitions: usize,
    /// Where spill logs are written; the file system that is measured. Default: the temporary folder.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// Let everything run on all cores, instead of servers on CPU 0, load and broker on CPU 1.
    #[arg(long)]
    pub(crate) unpinned: bool,
    /// A few users get most events, instead of all alike.
    #[arg(long)]
    pub(crate) skewed: bool,
    /// Print the CPU of each of the gateway's threads.
    #[arg(long)]
    pub(crate) threads: bool,
    /// Measure another build of the gateway instead.
    #[arg(long)]
    pub(crate) gateway: Option<PathBuf>,
    /// One more line for the gateway's configuration, in TOML, as `lane.linger = "10ms"`; may be repeated.
    #[arg(long)]
    pub(crate) set: Vec<String>,
    /// Given by cargo; without it nothing is measured.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

impl Options {
    pub(crate) fn pace(&self) -> Pace {
        Pace {
            warm_up: Duration::from_secs_f64(self.warm_up),
            window: Duration::from_secs_f64(self.seconds),
            skewed: self.skewed,
        }
    }

    /// Plays the role that this process was started for, or else measures.
    #[expect(clippy::print_stderr, reason = "for the one who started it")]
    pub(crate) fn play_or(&self, name: &str, measure: impl FnOnce()) {
        match &self.role {
            Some(role) => role.run(),
            None if self.bench => measure(),
            // `cargo test --all-targets` runs benchmarks too, to see that they start.
            None => eprintln!("this measures for minutes; run it by `cargo bench --bench {name}`"),
        }
    }
}
