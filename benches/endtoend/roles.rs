//! Processes that a benchmark starts of itself: yardsticks and the load.

use clap::Subcommand;

use super::cases::Case;
use super::load;
use super::work::{Pace, Target};
use crate::yardsticks::{bare_hyper, parse, raw_producer, toy};

/// What a process of the benchmark is.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
pub(crate) enum Role {
    Bare {
        #[arg(long)]
        http2_only: bool,
        /// Answer only at the beats of a clock, which are this far apart.
        #[arg(long)]
        held: Option<humantime::Duration>,
    },
    Toy {
        #[command(flatten)]
        target: Target,
    },
    Raw {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        pace: Pace,
        #[arg(long)]
        rate: f64,
        /// Most messages that librdkafka may hold; its own default, unless said.
        #[arg(long)]
        queue: Option<u32>,
    },
    Parse {
        #[arg(long)]
        case: String,
    },
    Load {
        #[arg(long)]
        port: u16,
        #[arg(long)]
        case: String,
        #[command(flatten)]
        pace: Pace,
        /// Events per second, of all connections; else each sends as soon as it has its answer.
        #[arg(long)]
        rate: Option<f64>,
        /// Write the ids of all acknowledged events of a partition: `PARTITION/PARTITIONS:FILE`.
        #[arg(long)]
        note: Option<String>,
    },
}

impl Role {
    /// Does what the role is.
    pub(crate) fn run(&self) {
        let case = |name: &str| Case::named(name).expect("the parent knows the case");
        match self {
            Role::Bare { http2_only, held } => {
                bare_hyper::run(*http2_only, held.map(Into::into));
            }
            Role::Toy { target } => toy::run(target),
            Role::Raw {
                target,
                pace,
                rate,
                queue,
            } => raw_producer::run(target, pace, *rate, *queue),
            Role::Parse { case: name } => parse::run(&case(name)),
            Role::Load {
                port,
                case: name,
                pace,
                rate,
                note,
            } => load::run(*port, case(name), pace, *rate, note.as_deref()),
        }
    }
}
