//! The work that benchmarks give to servers and producers: kinds of load, how long, into which topic.

use std::time::Duration;

use clap::Args;

use crate::support::Shape;

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
        name: "batch50x1024",
        connections: 1024,
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
