//! What the benchmark can be told, and what it tells the processes that it starts of itself.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::support::Shape;

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
        /// Write the ids of all acknowledged events of a partition: `PARTITION/PARTITIONS:FILE`.
        #[arg(long)]
        note: Option<String>,
    },
}

/// The topic that a process writes to, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    #[arg(long)]
    pub(crate) bootstrap: String,
    #[arg(long)]
    pub(crate) topic: String,
    #[arg(long)]
    pub(crate) partitions: usize,
    #[arg(long)]
    pub(crate) linger_ms: f64,
}

impl Target {
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Target {
            bootstrap,
            topic,
            partitions,
            linger_ms,
        } = self;
        vec![
            format!("--bootstrap={bootstrap}"),
            format!("--topic={topic}"),
            format!("--partitions={partitions}"),
            format!("--linger-ms={linger_ms}"),
        ]
    }
}

/// How long a process measures, and on which users.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Pace {
    #[arg(long, value_parser = seconds)]
    pub(crate) warm_up: Duration,
    #[arg(long, value_parser = seconds)]
    pub(crate) window: Duration,
    #[arg(long)]
    pub(crate) skewed: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl Pace {
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--warm-up={}", self.warm_up.as_secs_f64()),
            format!("--window={}", self.window.as_secs_f64()),
        ];
        arguments.extend(self.skewed.then(|| "--skewed".to_owned()));
        arguments
    }
}

/// One kind of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    /// Requests under way at once on each connection: pipelined, or streams of HTTP/2.
    pub(crate) depth: usize,
    pub(crate) http2: bool,
    pub(crate) shape: Shape,
    /// Events of each request.
    pub(crate) events: usize,
    /// What the gateway may cost, as a multiple of its bare parts.
    pub(crate) bar: Option<f64>,
}

const SINGLE: Case = Case {
    name: "single64",
    connections: 64,
    depth: 1,
    http2: false,
    shape: Shape::Json,
    events: 1,
    bar: Some(1.6),
};

const BATCH: Case = Case {
    name: "batch50",
    events: 50,
    ..SINGLE
};

/// All that can be asked for.
pub(crate) const CASES: &[Case] = &[
    SINGLE,
    Case {
        name: "single256",
        connections: 256,
        bar: None,
        ..SINGLE
    },
    Case {
        name: "single1024",
        connections: 1024,
        bar: None,
        ..SINGLE
    },
    Case {
        name: "single10000",
        connections: 10_000,
        bar: None,
        ..SINGLE
    },
    Case {
        name: "pipelined",
        depth: 8,
        bar: None,
        ..SINGLE
    },
    Case {
        name: "h2c",
        connections: 8,
        depth: 32,
        http2: true,
        bar: None,
        ..SINGLE
    },
    BATCH,
    Case {
        name: "batch50x128",
        connections: 128,
        bar: None,
        ..BATCH
    },
    Case {
        name: "ndjson50",
        shape: Shape::Ndjson,
        bar: None,
        ..BATCH
    },
    Case {
        name: "batch50h2c",
        connections: 4,
        depth: 16,
        http2: true,
        bar: None,
        ..BATCH
    },
    Case {
        name: "batch1000",
        connections: 8,
        events: 1000,
        bar: None,
        ..BATCH
    },
];

impl Case {
    pub(crate) fn named(name: &str) -> Option<Case> {
        CASES.iter().find(|case| case.name == name).copied()
    }
}
