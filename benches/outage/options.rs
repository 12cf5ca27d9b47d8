//! What the benchmark can be told.

use std::path::PathBuf;

use clap::Parser;

use crate::endtoend::roles::Role;

/// An outage of Kafka, measured against what disk and CPU of the same machine give in the same run.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Cases, separated by commas.
    #[arg(
        long,
        default_value = "disk,single,replay,traffic,healthy,memory,start"
    )]
    pub(crate) cases: String,
    /// How often everything is measured; the table has medians. Memory and start are measured once.
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
    /// Backlog of the replays, in MB of the log.
    #[arg(long, default_value_t = 800)]
    pub(crate) backlog_mb: u64,
    /// The quota that is filled by the case `memory`, in GB.
    #[arg(long, default_value_t = 3)]
    pub(crate) quota_gb: u64,
    /// `memory.budget` in the case `memory`, in MiB.
    #[arg(long, default_value_t = 512)]
    pub(crate) budget_mib: u64,
    /// Backlogs of the case `start`, in GB, rising.
    #[arg(long, default_value = "1,2,5", value_delimiter = ',')]
    pub(crate) start_gb: Vec<u64>,
    /// Where spill logs are written; the file system that is measured. Default: the temporary folder.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// Let everything run on all cores, instead of forebay on CPU 0, load and broker on CPU 1.
    #[arg(long)]
    pub(crate) unpinned: bool,
    /// Measure another build of the gateway instead.
    #[arg(long)]
    pub(crate) gateway: Option<PathBuf>,
    /// One more line for the gateway's configuration, in TOML, as `lane.linger = "10ms"`; may be repeated.
    #[arg(long)]
    pub(crate) set: Vec<String>,
    /// Print the CPU of each of the gateway's threads.
    #[arg(long)]
    pub(crate) threads: bool,
    /// Given by cargo; without it nothing is measured.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}
