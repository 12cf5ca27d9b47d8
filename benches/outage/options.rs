//! What the benchmark can be told.

use clap::Parser;

use crate::endtoend::options::Options as Common;

/// An outage of Kafka, measured against what disk and CPU of the same machine give in the same run.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Cases, separated by commas. Memory and start are measured once, not in each round.
    #[arg(
        long,
        default_value = "disk,single,replay,traffic,healthy,memory,start"
    )]
    pub(crate) cases: String,
    /// The load of the case `disk`: `batch50x1024` shows what the disk takes when more is under way.
    #[arg(long, default_value = "batch50")]
    pub(crate) load: String,
    /// Backlog of the replay, in MB of the log; the case `traffic` has 2.5 times as much, so that it lasts for the window.
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
    #[command(flatten)]
    pub(crate) common: Common,
}
