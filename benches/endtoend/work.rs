//! The work that benchmarks give to servers and producers: how long, into which topic.

use std::time::Duration;

use clap::Args;

/// The topic that a process writes to, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    #[arg(long)]
    pub(crate) bootstrap: String,
    /// Or several, separated by commas; each is then of a cluster of its own.
    #[arg(long)]
    pub(crate) topic: String,
    #[arg(long)]
    pub(crate) partitions: usize,
    #[arg(long)]
    pub(crate) linger_ms: f64,
    #[arg(long)]
    pub(crate) compression: String,
    /// Records have a time of their own and two headers.
    #[arg(long)]
    pub(crate) headers: bool,
}

impl Target {
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Target {
            bootstrap,
            topic,
            partitions,
            linger_ms,
            compression,
            headers,
        } = self;
        let mut arguments = vec![
            format!("--bootstrap={bootstrap}"),
            format!("--topic={topic}"),
            format!("--partitions={partitions}"),
            format!("--linger-ms={linger_ms}"),
            format!("--compression={compression}"),
        ];
        arguments.extend(headers.then(|| "--headers".to_owned()));
        arguments
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
