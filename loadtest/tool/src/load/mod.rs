//! The open-loop generator: requests become due at a rate that the answers don't change.
//!
//! - Latency runs from when a request was due, so that a gateway that stalls is charged for all whom it kept waiting. The
//!   timer has a resolution of 1 ms, which is part of every latency.
//! - What is due while `--max-outstanding` requests wait is shed, counted and never sent: a generator that can't keep up
//!   says so.
//! - Nothing is sent twice. Each attempt has its own fate. The one exception is a request that certainly wasn't sent
//!   because the gateway had closed the idle connection.
//! - A key belongs to one request at a time, and its next event is sent only when the previous answer came; meanwhile
//!   other keys are chosen. If none is free the request waits, with its time running. So the order in which a key's events
//!   must arrive is known. It makes the busiest keys a little less busy than their share.
//! - Each thread has its own connections and keys, and a share of the rate.

mod connection;
mod keys;
mod pace;
mod sender;
mod summary;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::ledger::{Entry, Writer};
use crate::random::Random;
use crate::watch;
pub(crate) use connection::Address;
use pace::Profile;
use summary::Summary;

/// What to send.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// The gateway's data port: http://HOST:PORT.
    #[arg(long, env = "FOREBAY_URL")]
    url: String,
    /// Streams, in turn.
    #[arg(long, value_delimiter = ',', default_value = "events")]
    streams: Vec<String>,
    /// Events per second; FROM..TO rises evenly over the duration.
    #[arg(long, default_value = "1000", value_parser = pace::parse_rate)]
    rate: (f64, f64),
    /// Rise in so many steps instead of evenly.
    #[arg(long, value_name = "STEPS")]
    steps: Option<u32>,
    /// So many times the rate for some time, in the middle: 10x30s.
    #[arg(long, value_parser = pace::parse_spike)]
    spike: Option<pace::Spike>,
    /// How long requests become due.
    #[arg(long, default_value = "30s")]
    duration: humantime::Duration,
    /// Events per request.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// How events become a body.
    #[arg(long, value_enum, default_value = "array")]
    format: Format,
    /// Size of an event in bytes, from some 200 to 32,768; FROM..TO mixes sizes evenly.
    #[arg(long, default_value = "400", value_parser = pace::parse_sizes)]
    bytes: (usize, usize),
    /// Keys of each thread and stream.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    keys: u32,
    /// Exponent of Zipf's law over the keys: 0 makes all equally busy, 1 gives the first 1/ln(keys) of all events.
    #[arg(long, default_value_t = 1.0)]
    zipf: f64,
    /// Connections of all threads together.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// HTTP/2 without TLS, with so many requests at once on each connection.
    #[arg(long, value_name = "STREAMS")]
    h2: Option<usize>,
    /// Threads that send.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Requests that may be due and unanswered; what is due beyond is shed.
    #[arg(long, default_value_t = 4096)]
    max_outstanding: usize,
    /// How long an answer is waited for after a request was sent. Longer than the gateway's http.answer_within.
    #[arg(long, default_value = "15s")]
    patience: humantime::Duration,
    /// The gateway's admin port, to sample once a second: http://HOST:PORT.
    #[arg(long, env = "FOREBAY_ADMIN_URL")]
    admin: Option<String>,
    /// The ledger to write.
    #[arg(long, value_name = "FILE")]
    ledger: PathBuf,
    /// What the report calls the run.
    #[arg(long, default_value = "load")]
    title: String,
}

/// How events become a body.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// A JSON array; a lone event is an object.
    Array,
    /// A line each.
    Ndjson,
}

/// What all threads share.
struct Run {
    args: Args,
    profile: Profile,
    /// Time 0 of the ledger.
    start: Instant,
    start_unix: Duration,
    ledger: Arc<Mutex<Writer>>,
    summary: Mutex<Summary>,
    run_id: u64,
}

impl Run {
    /// Appends to the ledger.
    fn note(&self, entry: &Entry) -> Result<()> {
        let mut ledger = self
            .ledger
            .lock()
            .map_err(|_| anyhow!("another thread failed while writing the ledger"))?;
        ledger.append(entry)
    }

    fn summary(&self) -> std::sync::MutexGuard<'_, Summary> {
        self.summary
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Sends what was asked for and prints what came of it.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.threads == 0 || args.connections < args.threads {
        bail!("--connections must be at least --threads, and that at least 1");
    }
    let address = connection::Address::parse(&args.url)?;
    address.reachable()?;
    let start_unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is before 1970")?;
    let mut writer = Writer::create(&args.ledger)?;
    writer.append(&Entry::Start {
        unix_us: start_unix.as_micros() as u64,
        title: args.title.clone(),
    })?;
    let ledger = Arc::new(Mutex::new(writer));
    let run = Arc::new(Run {
        profile: Profile::new(args.rate, args.steps, args.spike, *args.duration),
        args: args.clone(),
        start: Instant::now(),
        start_unix,
        ledger: Arc::clone(&ledger),
        summary: Mutex::default(),
        // 40 bits, so that a thread and a stream fit below.
        run_id: Random::new().next() >> 24,
    });
    let watcher = args
        .admin
        .as_deref()
        .map(|url| watch::Watcher::start(url, run.start, Arc::clone(&ledger)))
        .transpose()?;
    let threads: Vec<_> = (0..args.threads)
        .map(|number| {
            let (run, address) = (Arc::clone(&run), address.clone());
            std::thread::Builder::new()
                .name(format!("load-{number}"))
                .spawn(move || sender::run_thread(&run, &address, number))
        })
        .collect::<Result<_, _>>()
        .context("can't start a thread")?;
    for thread in threads {
        thread
            .join()
            .map_err(|_| anyhow!("a sending thread panicked; its message is above"))??;
    }
    if let Some(watcher) = watcher {
        watcher.stop();
    }
    let elapsed = run.start.elapsed();
    run.summary().print(&args.title, elapsed)?;
    drop(run);
    let ledger = Arc::into_inner(ledger).context("the ledger is still written to")?;
    ledger
        .into_inner()
        .map_err(|_| anyhow!("a thread failed while writing the ledger"))?
        .close()
}
