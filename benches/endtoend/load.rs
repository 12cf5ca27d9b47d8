//! The clients: a closed loop on keep-alive connections, in one thread. Each connection has its own bodies, in which only
//! the ids are written anew, so that the load costs less than any server; every acknowledged event is counted, and the
//! ids of one partition are kept for the audit.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::Write as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use forebay::route::partition_of;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::work::{Case, Pace};
use crate::support::{self, Numbers};
use crate::yardsticks::threads::say;

/// Different events that all connections together send.
const EVENTS: usize = 12_800;

/// What all connections count.
struct Counts {
    case: Case,
    /// Time between two requests of all connections together.
    every: Option<Duration>,
    begun: Instant,
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

/// The audit's sample: which partition, and the file for its ids.
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

/// A request, ready to be sent but for its ids.
struct Prepared {
    bytes: Vec<u8>,
    body_at: usize,
    /// Position of each event, and whether the audit wants its id.
    events: Vec<(usize, bool)>,
}

impl Prepared {
    fn new(case: &Case, numbers: &mut Numbers, skewed: bool, note: Option<&Note>) -> Prepared {
        let body = support::body(numbers, case.shape, case.events, 0, skewed);
        let kind = match case.shape {
            support::Shape::Json => "application/json",
            support::Shape::Ndjson => "application/x-ndjson",
        };
        let length = body.len();
        let mut bytes = Vec::new();
        write!(
            bytes,
            "POST /v1/events/events HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        )
        .expect("a vector takes everything");
        let body_at = bytes.len();
        let wanted = |start: usize| {
            let key = &body[start..][support::KEY];
            note.is_some_and(|note| partition_of(key, note.partitions) == note.partition)
        };
        let events = support::event_starts(case.shape, case.events)
            .map(|start| (body_at + start, wanted(start)))
            .collect();
        bytes.extend_from_slice(&body);
        Prepared {
            bytes,
            body_at,
            events,
        }
    }

    /// Gives all events new ids; the first of them.
    fn renew(&mut self, counts: &Counts) -> u64 {
        let first = counts.next_id.get();
        counts.next_id.set(first + self.events.len() as u64);
        for (id, (at, _)) in (first..).zip(&self.events) {
            let at = at + support::ID_OFFSET;
            support::write_id(id, &mut self.bytes[at..at + support::ID_DIGITS]);
        }
        first
    }
}

impl Counts {
    /// Waits until a request is due, if there is a pace; the time from which its latency counts.
    async fn due(&self) -> Option<Instant> {
        let every = self.every?;
        let number = self.next_due.get();
        self.next_due.set(number + 1);
        let due = self.begun + every * number;
        tokio::time::sleep_until(due.into()).await;
        Some(due)
    }

    fn answered(&self, request: &Prepared, first: u64, sent: Instant, status: u16) {
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
        begun: Instant::now(),
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
    let mut numbers = Numbers::new(5);
    let each = (EVENTS / case.events / case.connections).max(case.depth + 1);
    let connections: Vec<_> = (0..case.connections)
        .map(|_| {
            let requests = (0..each)
                .map(|_| Prepared::new(&case, &mut numbers, pace.skewed, note))
                .collect();
            let counts = Rc::clone(counts);
            tokio::task::spawn_local(async move {
                if case.http2 {
                    http2(port, requests, counts).await
                } else {
                    http1(port, requests, counts).await
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
    let mut latencies = std::mem::take(&mut *counts.latencies.borrow_mut());
    say(&format!("end {} {seconds:.6}", counts.window_events.get()));
    latencies.sort_unstable();
    let rank = |part: f64| {
        let index = (latencies.len() as f64 * part) as usize;
        let micros = latencies.get(index.min(latencies.len().saturating_sub(1)));
        micros.map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
    };
    say(&format!("latency {:.3} {:.3}", rank(0.5), rank(0.99)));
    for connection in connections {
        connection.await.expect("a connection's task");
    }
}

/// One connection: `depth` requests in one write, then their answers.
async fn http1(port: u16, mut requests: VecDeque<Prepared>, counts: Rc<Counts>) {
    let mut socket = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("the server listens");
    socket.set_nodelay(true).expect("a socket's mode");
    let depth = counts.case.depth;
    let mut burst = Vec::new();
    let mut answers = Answers::default();
    while !counts.stop.get() {
        let due = counts.due().await;
        let ids: Vec<_> = requests
            .iter_mut()
            .take(depth)
            .map(|request| request.renew(&counts))
            .collect();
        let bytes = if depth == 1 {
            &requests[0].bytes
        } else {
            burst.clear();
            for request in requests.iter().take(depth) {
                burst.extend_from_slice(&request.bytes);
            }
            &burst
        };
        let sent = due.unwrap_or_else(Instant::now);
        if socket.write_all(bytes).await.is_err() {
            let lost = (depth * counts.case.events) as u64;
            counts.unknown.set(counts.unknown.get() + lost);
            return;
        }
        for first in ids {
            let Some(status) = answers.next(&mut socket).await else {
                counts
                    .unknown
                    .set(counts.unknown.get() + counts.case.events as u64);
                return;
            };
            counts.answered(&requests[0], first, sent, status);
            requests.rotate_left(1);
            if status >= 500 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// Reads answers of HTTP/1.1 that say their length; enough for the servers here.
#[derive(Default)]
struct Answers {
    read: Vec<u8>,
    at: usize,
}

impl Answers {
    async fn next(&mut self, socket: &mut TcpStream) -> Option<u16> {
        loop {
            if let Some((status, length)) = head(&self.read[self.at..])
                && self.at + length <= self.read.len()
            {
                self.at += length;
                if self.at == self.read.len() {
                    self.read.clear();
                    self.at = 0;
                }
                return Some(status);
            }
            self.read.reserve(16 * 1024);
            if socket.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        }
    }
}

/// Status and whole length of the answer that begins here, if its head is complete.
fn head(bytes: &[u8]) -> Option<(u16, usize)> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let status = std::str::from_utf8(bytes.get(9..12)?).ok()?.parse().ok()?;
    let mut length = 0;
    for line in bytes[..end].split(|byte| *byte == b'\n').skip(1) {
        if line.len() > 15 && line[..15].eq_ignore_ascii_case(b"content-length:") {
            let digits = std::str::from_utf8(&line[15..]).expect("a number");
            length = digits.trim().parse().expect("a length");
        }
    }
    Some((status, end + length))
}

/// One connection of HTTP/2: `depth` streams, each in its own loop.
async fn http2(port: u16, requests: VecDeque<Prepared>, counts: Rc<Counts>) {
    let socket = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("the server listens");
    socket.set_nodelay(true).expect("a socket's mode");
    let (client, connection) = h2::client::handshake(socket)
        .await
        .expect("a server of HTTP/2");
    // Its end is noticed by the streams.
    let connection = tokio::task::spawn_local(async move { drop(connection.await) });
    let depth = counts.case.depth;
    let streams: Vec<_> = requests
        .into_iter()
        .take(depth)
        .map(|request| {
            tokio::task::spawn_local(stream(client.clone(), request, Rc::clone(&counts)))
        })
        .collect();
    for stream in streams {
        stream.await.expect("a stream's task");
    }
    connection.abort();
}

async fn stream(
    mut client: h2::client::SendRequest<bytes::Bytes>,
    mut request: Prepared,
    counts: Rc<Counts>,
) {
    while !counts.stop.get() {
        let first = request.renew(&counts);
        let body = bytes::Bytes::copy_from_slice(&request.bytes[request.body_at..]);
        let sent = Instant::now();
        let Ok(status) = exchange(&mut client, body).await else {
            let lost = request.events.len() as u64;
            counts.unknown.set(counts.unknown.get() + lost);
            return;
        };
        counts.answered(&request, first, sent, status);
    }
}

async fn exchange(
    client: &mut h2::client::SendRequest<bytes::Bytes>,
    body: bytes::Bytes,
) -> Result<u16, h2::Error> {
    std::future::poll_fn(|cx| client.poll_ready(cx)).await?;
    let head = hyper::Request::post("http://127.0.0.1/v1/events/events")
        .header("content-type", "application/json")
        .body(())
        .expect("a request");
    let (answer, mut sending) = client.send_request(head, false)?;
    // h2 waits for the windows by itself.
    sending.send_data(body, true)?;
    let mut answer = answer.await?;
    while let Some(data) = answer.body_mut().data().await {
        let length = data?.len();
        answer.body_mut().flow_control().release_capacity(length)?;
    }
    Ok(answer.status().as_u16())
}
