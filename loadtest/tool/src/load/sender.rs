//! One sending thread: a pacer that makes requests due, and a task for each connection that takes them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep_until;

use super::connection::{Address, Connection, Reply};
use super::keys::Keys;
use super::{Format, Run};
use crate::event;
use crate::ledger::{self, Entry};
use crate::outcome::{Fates, Outcome, judge};

/// A request that is due, or was.
#[derive(Clone, Copy)]
struct Due {
    /// µs after the start.
    at_us: u64,
    /// Place of its stream.
    stream: usize,
}

/// What the tasks of a thread share.
struct Thread {
    run: Arc<Run>,
    queue: RefCell<VecDeque<Due>>,
    queued: Notify,
    /// Due, and not answered.
    outstanding: Cell<usize>,
    no_more: Cell<bool>,
    keys: Vec<RefCell<Keys>>,
    freed: Notify,
    paths: Vec<String>,
    /// Index of the first stream's source in the ledger.
    first_source: u32,
    events: RefCell<event::Writer>,
}

/// Sends this thread's share until the end, and waits for the last answers.
pub(super) fn run_thread(run: &Arc<Run>, address: &Address, number: usize) -> Result<()> {
    let args = &run.args;
    let streams = args.streams.len();
    let first_source = u32::try_from(number * streams).context("too many threads and streams")?;
    let mut keys = Vec::new();
    for (index, stream) in (first_source..).zip(&args.streams) {
        let id = run.run_id << 16 | u64::from(index);
        run.note(&Entry::Source {
            index,
            id,
            stream: stream.clone(),
        })?;
        keys.push(RefCell::new(Keys::new(id, args.keys, args.zipf)));
    }
    let path = |stream: &String| format!("/v1/events/{stream}");
    let thread = Rc::new(Thread {
        run: Arc::clone(run),
        queue: RefCell::default(),
        queued: Notify::new(),
        outstanding: Cell::new(0),
        no_more: Cell::new(false),
        keys,
        freed: Notify::new(),
        paths: args.streams.iter().map(path).collect(),
        first_source,
        events: RefCell::new(event::Writer::new(args.bytes)),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start a runtime")?;
    LocalSet::new().block_on(&runtime, thread.work(address, number))
}

impl Thread {
    async fn work(self: Rc<Self>, address: &Address, number: usize) -> Result<()> {
        let args = &self.run.args;
        let connections =
            args.connections / args.threads + usize::from(number < args.connections % args.threads);
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let h2 = args.h2.is_some();
            let connection = Rc::new(Connection::new(address.clone(), h2, *args.patience));
            for _ in 0..args.h2.unwrap_or(1).max(1) {
                tasks.spawn_local(Rc::clone(&self).send_all(Rc::clone(&connection)));
            }
        }
        tasks.spawn_local(Rc::clone(&self).pace(number));
        let thread = Rc::clone(&self);
        // The first ctrl-c ends the arrivals; what is under way gets its answers and its place in the ledger.
        let interrupted = tokio::task::spawn_local(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                thread.no_more.set(true);
            }
        });
        while let Some(ended) = tasks.join_next().await {
            ended.context("a sending task panicked; its message is above")??;
        }
        interrupted.abort();
        Ok(())
    }

    /// Makes requests due.
    async fn pace(self: Rc<Self>, number: usize) -> Result<()> {
        let args = &self.run.args;
        // A request of this thread is due for each so many events of all threads.
        let share = f64::from(args.batch) * args.threads as f64;
        let offset = f64::from(args.batch) * number as f64;
        let mut next = self.run.profile.next(0.0, offset);
        let mut stream = number;
        let limit = args.max_outstanding.div_ceil(args.threads);
        while let Some(at) = next {
            let due = self.run.start + Duration::from_secs_f64(at);
            if due > Instant::now() {
                sleep_until(due.into()).await;
            }
            if self.no_more.get() {
                break;
            }
            let due = Due {
                at_us: (at * 1e6) as u64,
                stream: stream % args.streams.len(),
            };
            stream += 1;
            if self.outstanding.get() >= limit {
                let events = u64::from(args.batch);
                self.run.summary().shed += events;
                self.run.note(&Entry::Shed {
                    due_us: due.at_us,
                    events,
                })?;
                // Who is behind must let the answers in.
                tokio::task::yield_now().await;
            } else {
                self.outstanding.set(self.outstanding.get() + 1);
                self.queue.borrow_mut().push_back(due);
                self.queued.notify_one();
            }
            next = self.run.profile.next(at, share);
        }
        self.no_more.set(true);
        self.queued.notify_waiters();
        self.queued.notify_one();
        Ok(())
    }

    /// The next request; `None` when there will be none.
    async fn next(&self) -> Option<Due> {
        loop {
            if let Some(due) = self.queue.borrow_mut().pop_front() {
                return Some(due);
            }
            if self.no_more.get() {
                // Wakes the next one, who does the same.
                self.queued.notify_one();
                return None;
            }
            self.queued.notified().await;
        }
    }

    async fn send_all(self: Rc<Self>, connection: Rc<Connection>) -> Result<()> {
        let mut body = Vec::new();
        while let Some(due) = self.next().await {
            let runs = loop {
                let taken = self.keys[due.stream].borrow_mut().take(self.run.args.batch);
                match taken {
                    Some(runs) => break runs,
                    None => self.freed.notified().await,
                }
            };
            self.send(&connection, due, runs, &mut body).await?;
            self.outstanding.set(self.outstanding.get() - 1);
        }
        Ok(())
    }

    async fn send(
        &self,
        connection: &Connection,
        due: Due,
        runs: Vec<ledger::Run>,
        body: &mut Vec<u8>,
    ) -> Result<()> {
        let run = &self.run;
        let content_type = self.write_body(due.stream, &runs, body);
        let bytes = Bytes::copy_from_slice(body);
        let sent = run.start.elapsed();
        let reply = connection
            .send(&self.paths[due.stream], content_type, bytes)
            .await;
        let answered = run.start.elapsed();
        let count = run.args.batch;
        let (status, fates) = match &reply {
            Reply::Answer(status, body) => (*status, judge(*status, body, count)),
            Reply::None => (0, Fates::all(Outcome::Unknown, count)),
            Reply::Unsent => (0, Fates::all(Outcome::Unsent, count)),
        };
        self.keys[due.stream].borrow_mut().release(&runs);
        self.freed.notify_one();
        let request = ledger::Request {
            source: self.first_source + due.stream as u32,
            due_us: due.at_us,
            sent_after_us: (sent.as_micros() as u64).saturating_sub(due.at_us),
            latency_us: (answered.as_micros() as u64).saturating_sub(due.at_us),
            status,
            runs,
            fates,
        };
        run.summary().add(&request);
        run.note(&Entry::Request(request))
    }

    /// Fills `body`; returns its type.
    fn write_body(&self, stream: usize, runs: &[ledger::Run], body: &mut Vec<u8>) -> &'static str {
        let run = &self.run;
        let source = self.keys[stream].borrow().source();
        let at_ms = (run.start_unix + run.start.elapsed()).as_millis() as u64;
        let array = run.args.format == Format::Array && run.args.batch > 1;
        let separator = if array { b',' } else { b'\n' };
        body.clear();
        if array {
            body.push(b'[');
        }
        for (number, identity) in Keys::identities(source, runs).enumerate() {
            if number > 0 {
                body.push(separator);
            }
            self.events.borrow_mut().append(body, identity, at_ms);
        }
        if array {
            body.push(b']');
        }
        match run.args.format {
            Format::Array => "application/json",
            Format::Ndjson => "application/x-ndjson",
        }
    }
}
