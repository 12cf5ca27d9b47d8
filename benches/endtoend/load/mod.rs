//! The clients: a closed loop on keep-alive connections, in one thread. Each connection has its own bodies, in which only
//! the ids are written anew, so that the load costs less than any server; compressed ones are sent as they are, again and
//! again. Every acknowledged event is counted, and the ids of one partition are kept for the audit.
//!
//! Reading order: [`request`] → here (counts, the window) → [`http1`], [`http2`] (connections).

mod http1;
mod http2;
pub(crate) mod request;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use self::request::Request;
use super::cases::Case;
use super::figures::percentiles_ms;
use super::work::Pace;
use crate::support::Numbers;
use crate::yardsticks::threads::say;

/// Different events that all connections together send.
const EVENTS: usize = 12_800;

/// What all connections count.
struct Counts {
    case: Case,
    /// Time between two requests of all connections together.
    every: Option<Duration>,
    begun: Cell<Instant>,
    next_due: Cell<u32>,
    stop: Cell<bool>,
    in_window: Cell<bool>,
    next_id: Cell<u64>,
    acked: Cell<u64>,
    others: Cell<u64>,
    /// Events whose request was never answered.
    unknown: Cell<u64>,
    window_events: Cell<u64>,
    latencies: RefCell<Vec<u32>>,
    noted: RefCell<Vec<u64>>,
}

/// The audit's sample: which partition of the first topic, and the file for its ids.
struct Note {
    partition: usize,
    partitions: usize,
    file: PathBuf,
}

impl Note {
    fn parse(text: &str) -> Option<Note> {
        let (numbers, file) = text.split_once(':')?;
        let (partition, partitions) = numbers.split_once('/')?;
        Some(Note {
            partition: partition.parse().ok()?,
            partitions: partitions.parse().ok()?,
            file: file.into(),
        })
    }
}

impl Counts {
    /// The first of so many ids that nobody has had.
    fn new_ids(&self, count: usize) -> u64 {
        let first = self.next_id.get();
        self.next_id.set(first + count as u64);
        first
    }

    /// Waits until a request is due, if there is a pace; the time from which its latency counts.
    async fn due(&self) -> Option<Instant> {
        let every = self.every?;
        let number = self.next_due.get();
        self.next_due.set(number + 1);
        let due = self.begun.get() + every * number;
        tokio::time::sleep_until(due.into()).await;
        Some(due)
    }

    fn answered(&self, request: &Request, first: u64, sent: Instant, status: u16) {
        let events = request.events.len() as u64;
        if !(200..300).contains(&status) || status == 207 {
            self.others.set(self.others.get() + 1);
            self.unknown.set(self.unknown.get() + events);
            return;
        }
        self.acked.set(self.acked.get() + events);
        let wanted = (first..).zip(&request.events);
        self.noted
            .borrow_mut()
            .extend(wanted.filter(|(_, (_, wanted))| *wanted).map(|(id, _)| id));
        if self.in_window.get() {
            self.window_events.set(self.window_events.get() + events);
            let elapsed = sent.elapsed().as_micros();
            self.latencies
                .borrow_mut()
                .push(u32::try_from(elapsed).unwrap_or(u32::MAX));
        }
    }
}

/// Loads `port` as `case` says, and tells the parent when the window begins and ends, and what was acknowledged in all.
pub(crate) fn run(port: u16, case: Case, pace: &Pace, rate: Option<f64>, note: Option<&str>) {
    let note = note.map(|text| Note::parse(text).expect("PARTITION/PARTITIONS:FILE"));
    let counts = Rc::new(Counts {
        case,
        every: rate.map(|rate| Duration::from_secs_f64(case.events as f64 / rate)),
        begun: Cell::new(Instant::now()),
        next_due: Cell::new(0),
        stop: Cell::new(false),
        in_window: Cell::new(false),
        next_id: Cell::new(1),
        acked: Cell::new(0),
        others: Cell::new(0),
        unknown: Cell::new(0),
        window_events: Cell::new(0),
        latencies: RefCell::default(),
        noted: RefCell::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, drive(port, pace, &counts, note.as_ref()));
    if let Some(note) = note {
        let bytes: Vec<u8> = counts
            .noted
            .borrow()
            .iter()
            .flat_map(|id| id.to_le_bytes())
            .collect();
        std::fs::write(&note.file, bytes).expect("the file of noted ids");
    }
    say(&format!(
        "done {} {} {}",
        counts.acked.get(),
        counts.others.get(),
        counts.unknown.get()
    ));
}

async fn drive(port: u16, pace: &Pace, counts: &Rc<Counts>, note: Option<&Note>) {
    let case = counts.case;
    // All before the first request, so that the warm-up is one of requests.
    let mut sockets = Vec::with_capacity(case.connections);
    for _ in 0..case.connections {
        sockets.push(connect(port).await);
    }
    let mut numbers = Numbers::new(5);
    let each = (EVENTS / case.events / case.connections).max(case.depth + 1);
    let connections: Vec<_> = sockets
        .into_iter()
        .enumerate()
        .map(|(number, socket)| {
            let stream = case.stream(number);
            let note = note.filter(|_| number % case.clusters == 0);
            let requests = (0..each)
                .map(|_| Request::new(counts, &stream, &mut numbers, pace.skewed, note))
                .collect();
            (socket, requests)
        })
        .collect();
    counts.begun.set(Instant::now());
    let connections: Vec<_> = connections
        .into_iter()
        .map(|(socket, requests)| {
            let counts = Rc::clone(counts);
            tokio::task::spawn_local(async move {
                if case.http2 {
                    http2::run(socket, requests, counts).await
                } else {
                    http1::run(socket, requests, counts).await
                }
            })
        })
        .collect();
    tokio::time::sleep(pace.warm_up).await;
    say("begin");
    let begun = Instant::now();
    counts.in_window.set(true);
    tokio::time::sleep(pace.window).await;
    counts.in_window.set(false);
    let seconds = begun.elapsed().as_secs_f64();
    counts.stop.set(true);
    let latencies = std::mem::take(&mut *counts.latencies.borrow_mut());
    say(&format!("end {} {seconds:.6}", counts.window_events.get()));
    let (p50, p99) = percentiles_ms(latencies);
    say(&format!("latency {p50:.3} {p99:.3}"));
    for connection in connections {
        connection.await.expect("a connection's task");
    }
}

async fn connect(port: u16) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", port)).await;
    let socket = socket.expect("the server listens");
    socket.set_nodelay(true).expect("a socket's mode");
    socket
}
