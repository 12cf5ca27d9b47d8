//! The HTTP threads: each runs its own connections, and wakes the requests that lanes have finished.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tokio::time::Instant;

use super::connection::{Open, begin};
use super::ending::Ending;
use super::listener::{Accepted, LAST_CALL};
use super::port::{Local, Port};
use crate::lifecycle::{Phase, Vital, Vitals, Watch, reached};

/// The running HTTP threads.
#[derive(Debug)]
pub struct Server {
    threads: Vec<Thread>,
    /// Nothing more is accepted, and all that was is dealt out.
    all_dealt: watch::Sender<bool>,
}

#[derive(Debug)]
struct Thread {
    connections: Arc<AtomicUsize>,
    accepted: mpsc::Sender<Accepted>,
    handle: JoinHandle<()>,
}

impl Server {
    /// Starts the threads. They end when the process closes and their connections have finished, at the latest
    /// `answer_within` plus a second later.
    pub fn spawn(port: &Arc<Port>, watch: &Watch, vitals: &Vitals) -> io::Result<Server> {
        let wanted = port.snapshot.load().settings.threads;
        let count = if wanted > 0 {
            wanted
        } else {
            std::thread::available_parallelism().map_or(1, Into::into)
        };
        let all_dealt = watch::Sender::new(false);
        let threads = (0..count)
            .map(|number| {
                let phases = (watch, all_dealt.subscribe());
                Thread::spawn((number, count), port, phases, vitals)
            })
            .collect::<io::Result<_>>()?;
        Ok(Server { threads, all_dealt })
    }

    /// Nothing more is dealt out: threads needn't wait for it once the process closes.
    pub fn has_dealt_all(&self) {
        self.all_dealt.send_replace(true);
    }

    /// Gives a connection to the thread that has the fewest.
    pub fn deal(&self, accepted: Accepted) {
        let Some(thread) = self
            .threads
            .iter()
            .filter(|thread| !thread.accepted.is_closed())
            .min_by_key(|thread| thread.connections.load(Relaxed))
        else {
            return;
        };
        thread.connections.fetch_add(1, Relaxed);
        if thread.accepted.try_send(accepted).is_err() {
            // The thread is ending, or thousands of connections came at once; the client connects again.
            thread.connections.fetch_sub(1, Relaxed);
        }
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.threads
            .iter()
            .map(|thread| thread.connections.load(Relaxed))
            .sum()
    }

    /// Whether all threads have ended, which they do after [`Phase::Closing`].
    pub fn is_finished(&self) -> bool {
        self.threads
            .iter()
            .all(|thread| thread.handle.is_finished())
    }
}

impl Thread {
    /// The one with this number, of so many.
    fn spawn(
        (number, count): (usize, usize),
        port: &Arc<Port>,
        phases: (&Watch, watch::Receiver<bool>),
        vitals: &Vitals,
    ) -> io::Result<Thread> {
        let local = Arc::new(Local::new(port, count));
        Thread::start(format!("http-{number}"), local, phases, vitals)
    }

    fn start(
        name: String,
        local: Arc<Local>,
        (watch, all_dealt): (&Watch, watch::Receiver<bool>),
        vitals: &Vitals,
    ) -> io::Result<Thread> {
        let (sender, receiver) = mpsc::channel(super::listener::DEALT);
        let connections = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (phases, open) = ((watch.clone(), all_dealt), Arc::clone(&connections));
        let vital = vitals.guard(name.as_str());
        let handle = std::thread::Builder::new()
            .name(name)
            .spawn(move || runtime.block_on(run(local, receiver, open, phases, vital)))?;
        Ok(Thread {
            connections,
            accepted: sender,
            handle,
        })
    }
}

async fn run(
    local: Arc<Local>,
    mut accepted: mpsc::Receiver<Accepted>,
    open: Arc<AtomicUsize>,
    (mut watch, mut all_dealt): (Watch, watch::Receiver<bool>),
    vital: Vital,
) {
    let mailbox = Arc::clone(&local.mailbox);
    let mut delivering = tokio::spawn(async move { mailbox.deliver().await });
    let waiting = Arc::clone(&local);
    let mut sweeping = tokio::spawn(async move {
        // It also lets go of a configuration that was replaced.
        let shortest = || waiting.now().settings.answer_within;
        let replaced = waiting.port.replaced.subscribe();
        waiting.deadlines.sweep(shortest, replaced).await
    });
    let watching = watch.clone();
    let mut stopping = watch.clone();
    let mut stopping = pin!(reached(&mut stopping, Phase::Grace));
    let mut hurrying = watch.clone();
    let mut closing = pin!(async {
        reached(&mut watch, Phase::Closing).await;
        // What the listener has accepted last is still dealt out.
        tokio::select! {
            () = tokio::time::sleep(LAST_CALL * 3 / 2) => {}
            _ = all_dealt.wait_for(|is_so| *is_so) => {}
            () = reached(&mut hurrying, Phase::Draining) => {}
        }
    });
    let start = |next| {
        let ending = Ending::new(&watching, local.port.rest_at_end());
        begin(next, Arc::clone(&local), Open::new(&open), ending);
    };
    loop {
        tokio::select! {
            next = accepted.recv() => {
                let Some(next) = next else { break };
                start(next);
            }
            () = &mut stopping, if !local.is_stopping.load(Relaxed) => local.is_stopping.store(true, Relaxed),
            () = &mut closing => break,
            // Nobody would wake the requests that wait here. The thread ends, and their connections with it: clients send
            // again what they have no answer for.
            ended = &mut delivering => return vital.fail(how(ended)),
            ended = &mut sweeping => return vital.fail(how(ended)),
        }
    }
    accepted.close();
    while let Ok(next) = accepted.try_recv() {
        if *watching.borrow() < Phase::Draining {
            start(next);
        } else {
            // It goes back uncounted; its client connects elsewhere.
            open.fetch_sub(1, AcqRel);
        }
    }
    // Requests under way are answered within their deadline; a second more for what is still being read. In a hurry the
    // lanes are already draining, and then nothing more may come from here.
    let answered = {
        let now = local.port.snapshot.load();
        now.settings.answer_within + now.idle_at_end
    };
    let latest = Instant::now() + answered + Duration::from_secs(1);
    while open.load(Acquire) > 0 && Instant::now() < latest && *watching.borrow() < Phase::Draining
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How a task ended that doesn't end.
fn how(ended: Result<(), JoinError>) -> &'static str {
    match ended {
        Err(error) if error.is_panic() => "the task that wakes its requests panicked",
        _ => "the task that wakes its requests has ended",
    }
}

#[cfg(test)]
mod tests;
