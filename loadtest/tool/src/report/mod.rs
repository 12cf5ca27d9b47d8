//! Draws a run as one HTML file without scripts: ledgers, samples and marks go in, and the audit's numbers.

mod chart;
mod histogram;
mod page;
mod series;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

pub(crate) use histogram::Histogram;

use crate::audit::Verdict;
use series::Series;

/// What to draw.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Ledgers of the run, also those of `watch`.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    ledger: Vec<PathBuf>,
    /// What happened during it, a line each: Unix time in seconds, a space, words.
    #[arg(long, value_name = "FILE")]
    marks: Option<PathBuf>,
    /// What `audit --json` wrote.
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// The heading.
    #[arg(long)]
    title: Option<String>,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
}

/// Draws it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut series = Series::from_ledgers(&args.ledger)?;
    if let Some(path) = &args.marks {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("can't read {}", path.display()))?;
        series.mark(&text);
    }
    let audit = args.audit.as_ref().map(|path| -> Result<Verdict> {
        let text = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| {
            format!(
                "{} wasn't written by `loadtest audit --json`",
                path.display()
            )
        })
    });
    let audit = audit.transpose()?;
    let title = args.title.as_deref().unwrap_or(&series.title);
    let page = page::render(title, &series, audit.as_ref())?;
    std::fs::write(&args.out, page).with_context(|| format!("can't write {}", args.out.display()))
}
