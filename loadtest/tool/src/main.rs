//! A load generator for forebay that knows what became of each event, and the audit that proves it.
//!
//! ```text
//! load ──▶ ledger ──▶ audit ◀── Kafka        k6's lines ──▶ from-k6 ──▶ ledger
//!            └──────▶ report ◀── watch ◀── the gateway's admin port
//! ```
//!
//! What clients were told goes into a ledger, what the topic holds is read by a plain consumer, and the two are
//! compared, event by event. Nothing here shares code with the gateway: a mistake of the gateway's can't hide itself.
//!
//! Exit codes: 0; 1 if the audit found a loss or an inversion; 2 for a wrong command line; 70 if anything else went wrong.

mod audit;
mod event;
mod hostile;
mod k6;
mod ledger;
mod load;
mod outcome;
mod random;
mod report;
mod topics;
mod watch;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Sends attribution events at a fixed rate, and proves what became of each.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends events at a rate that doesn't depend on the answers, and notes the fate of each in a ledger.
    Load(load::Args),
    /// Holds badly behaved connections open beside other traffic: slow heads, slow bodies, hang-ups.
    Hostile(hostile::Args),
    /// Compares ledgers with what the topics hold: lost, duplicated, out of order.
    Audit(audit::Args),
    /// Draws ledgers, samples and an audit as one HTML file.
    Report(report::Args),
    /// Makes a ledger of the lines that the k6 scenarios print.
    FromK6(k6::Args),
    /// Samples the gateway's admin port once a second, until it is stopped.
    Watch(watch::Args),
    /// Creates a topic, and waits until each partition has a leader.
    Topic(topics::CreateArgs),
    /// Writes the end offsets of topics, from which a later audit can begin.
    Offsets(topics::OffsetsArgs),
}

/// For what went wrong beside the gateway, as in sysexits(3).
const EX_SOFTWARE: u8 = 70;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // A closed standard error is nobody's loss.
            drop(writeln!(std::io::stderr(), "loadtest: {error:#}"));
            ExitCode::from(EX_SOFTWARE)
        }
    }
}

/// False if the audit failed.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::Load(args) => load::run(&args)?,
        Command::Hostile(args) => hostile::run(&args)?,
        Command::Audit(args) => return audit::run(&args),
        Command::Report(args) => report::run(&args)?,
        Command::FromK6(args) => k6::run(&args)?,
        Command::Watch(args) => watch::run(&args)?,
        Command::Topic(args) => topics::create(&args)?,
        Command::Offsets(args) => topics::offsets(&args)?,
    }
    Ok(true)
}
