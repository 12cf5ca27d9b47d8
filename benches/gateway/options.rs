//! What the benchmark can be told.

use std::path::PathBuf;

use clap::Parser;

use crate::endtoend::cases::{CASES, Case};
use crate::endtoend::options::Options as Common;

/// The gateway end to end, beside yardsticks that are measured in the same run.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Cases, separated by commas; `all` are those of the table, and `list` lists them.
    #[arg(long, default_value = "single64,batch50")]
    pub(crate) cases: String,
    /// Which of bare,held,gateway,raw,joined,toy to measure. The last two only run in cases that have them.
    #[arg(long, default_value = "bare,held,gateway,raw,joined,toy")]
    pub(crate) subjects: String,
    /// Write the table to this file, with machine, commit and date.
    #[arg(long)]
    pub(crate) table: Option<PathBuf>,
    /// How long a batch may be waited for, in the gateway, the toy and the raw producer.
    #[arg(long, default_value = "5ms")]
    pub(crate) linger: humantime::Duration,
    /// Measure another build of the gateway beside it.
    #[arg(long)]
    pub(crate) against: Option<PathBuf>,
    /// Measure what somebody might use instead, in the cases that the toy takes: a script of `benches/peers`.
    #[arg(long)]
    pub(crate) peer: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Options {
    pub(crate) fn cases(&self) -> Vec<Case> {
        if self.cases == "all" {
            return CASES.to_vec();
        }
        let named =
            |name| Case::named(name).unwrap_or_else(|| panic!("no case `{name}`; try `list`"));
        self.cases.split(',').map(named).collect()
    }

    pub(crate) fn wants(&self, subject: &str) -> bool {
        self.subjects.split(',').any(|it| it == subject)
    }
}
