//! What the benchmark can be told.

use std::path::PathBuf;

use clap::Parser;

use crate::endtoend::roles::Role;

/// The gateway end to end, beside yardsticks that are measured in the same run.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Cases, separated by commas; `list` lists them.
    #[arg(long, default_value = "single64,batch50")]
    pub(crate) cases: String,
    /// Which of bare,held,gateway,raw,toy to measure.
    #[arg(long, default_value = "bare,gateway,raw,toy")]
    pub(crate) subjects: String,
    /// How often everything is measured; the table has medians.
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
    /// How long a batch may be waited for, in the gateway, the toy and the raw producer.
    #[arg(long, default_value = "5ms")]
    pub(crate) linger: humantime::Duration,
    /// A few users get most events, instead of all alike.
    #[arg(long)]
    pub(crate) skewed: bool,
    /// Let everything run on all cores, instead of servers on CPU 0, load and broker on CPU 1.
    #[arg(long)]
    pub(crate) unpinned: bool,
    /// Print the CPU of each of the gateway's threads.
    #[arg(long)]
    pub(crate) threads: bool,
    /// Measure another build of the gateway instead.
    #[arg(long)]
    pub(crate) gateway: Option<PathBuf>,
    /// Measure another build of the gateway beside it.
    #[arg(long)]
    pub(crate) against: Option<PathBuf>,
    /// One more line for the gateway's configuration, in TOML, as `http.threads = 1`; may be repeated.
    #[arg(long)]
    pub(crate) set: Vec<String>,
    /// Given by cargo; without it nothing is measured.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}
