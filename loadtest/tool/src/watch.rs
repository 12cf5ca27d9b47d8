//! Samples what the gateway says of itself: `/status` of its admin port, once a second. A sample that can't be had is
//! missing in the report, and no error: the gateway may be the one that is being restarted.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::ledger::{Entry, Sample, Writer};
use crate::load::Address;

const EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_millis(900);

/// What to watch.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The gateway's admin port: http://HOST:PORT.
    #[arg(long, env = "FOREBAY_ADMIN_URL")]
    admin: String,
    /// The ledger to write the samples to.
    #[arg(long, value_name = "FILE")]
    ledger: PathBuf,
}

/// Watches until SIGINT or SIGTERM.
pub(crate) fn run(args: &Args) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let mut writer = Writer::create(&args.ledger)?;
    writer.append(&Entry::Start {
        unix_us: now.as_micros() as u64,
        title: "watch".into(),
    })?;
    writer.flush()?;
    let ledger = Arc::new(Mutex::new(writer));
    let watcher = Watcher::start(&args.admin, Instant::now(), Arc::clone(&ledger))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate())?;
        tokio::select! {
            ended = tokio::signal::ctrl_c() => ended,
            _ = term.recv() => Ok(()),
        }
    })?;
    watcher.stop();
    let ledger = Arc::into_inner(ledger).and_then(|ledger| ledger.into_inner().ok());
    ledger.context("the samples can't be completed")?.close()
}

/// A thread that samples.
pub(crate) struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watcher {
    /// Starts it. `start` is time 0 of the ledger.
    pub(crate) fn start(url: &str, start: Instant, ledger: Arc<Mutex<Writer>>) -> Result<Watcher> {
        let address = Address::parse(url)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("watch".into())
            .spawn(move || {
                while !stopped.load(Relaxed) {
                    let at = Instant::now();
                    if let Some(values) = status(&address).as_ref().and_then(values_of) {
                        let sample = Sample {
                            at_us: at.duration_since(start).as_micros() as u64,
                            values,
                        };
                        if let Ok(mut ledger) = ledger.lock() {
                            // The run itself meets the same error and reports it.
                            drop(
                                ledger
                                    .append(&Entry::Sample(sample))
                                    .and_then(|()| ledger.flush()),
                            );
                        }
                    }
                    std::thread::park_timeout(EVERY.saturating_sub(at.elapsed()));
                }
            })
            .context("can't start a thread")?;
        Ok(Watcher { stop, thread })
    }

    /// Ends it.
    pub(crate) fn stop(self) {
        self.stop.store(true, Relaxed);
        self.thread.thread().unpark();
        // If it panicked, samples are missing and its message was printed.
        drop(self.thread.join());
    }
}

/// `GET /status`, on a connection of its own.
fn status(address: &Address) -> Option<Value> {
    let to = address.host().to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let host = address.host();
    write!(
        stream,
        "GET /status HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    serde_json::from_slice(&answer[body..]).ok()
}

/// In the order of [`Sample::NAMES`].
fn values_of(status: &Value) -> Option<[u64; Sample::NAMES.len()]> {
    let sum = |group: &str, name: &str| -> u64 {
        let members = status[group].as_object().into_iter().flatten();
        members
            .filter_map(|(_, member)| member[name].as_u64())
            .sum()
    };
    status.get("uptime_seconds")?;
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    Some([
        sum("streams", "waiting_events"),
        sum("clusters", "in_flight_events"),
        number(&status["spill"]["backlog_events"]),
        number(&status["spill"]["backlog_bytes"]),
        number(&status["memory"]["used_bytes"]),
        number(&status["connections"]),
        number(&status["memory"]["resident_bytes"]),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_becomes_numbers() {
        let status = serde_json::json!({
            "uptime_seconds": 1,
            "connections": 3,
            "memory": { "used_bytes": 4, "resident_bytes": 9 },
            "spill": null,
            "clusters": { "a": { "in_flight_events": 1 }, "b": { "in_flight_events": 2 } },
            "streams": { "s": { "waiting_events": 7 } },
        });
        assert_eq!(values_of(&status), Some([7, 3, 0, 0, 4, 3, 9]));
        assert_eq!(values_of(&serde_json::json!({"error": 1})), None);
    }
}
