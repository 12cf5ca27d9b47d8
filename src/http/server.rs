//! The HTTP threads: each runs its own connections, and wakes the requests that lanes have finished.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio::time::{Instant, Sleep, sleep_until};

use super::deadlines::Deadlines;
use super::ending::Ending;
use super::handshakes::Handshakes;
use super::heads;
use super::ingest;
use super::linger;
use super::listener::{Accepted, LAST_CALL, Ticket, Way};
use super::peer::Peer;
use super::port::{Local, Port};
use super::protocols;
use super::secure::Secure;
use super::settings::Settings;
use super::unread;
use super::watch::{Activity, Times};
use super::watched::{Transport, Watched};
use crate::lifecycle::{Phase, Vital, Vitals, Watch, reached};

/// The running HTTP threads.
#[derive(Debug)]
pub struct Server {
    threads: Vec<Thread>,
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
        let threads = (0..count)
            .map(|number| Thread::spawn((number, count), port, watch, vitals))
            .collect::<io::Result<_>>()?;
        Ok(Server { threads })
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
        watch: &Watch,
        vitals: &Vitals,
    ) -> io::Result<Thread> {
        let local = Arc::new(Local {
            port: Arc::clone(port),
            mailbox: Arc::default(),
            is_stopping: AtomicBool::new(false),
            deadlines: Deadlines::default(),
            handshakes: Handshakes::of_one_in(count),
        });
        Thread::start(format!("http-{number}"), local, watch, vitals)
    }

    fn start(
        name: String,
        local: Arc<Local>,
        watch: &Watch,
        vitals: &Vitals,
    ) -> io::Result<Thread> {
        let (sender, receiver) = mpsc::channel(super::listener::DEALT);
        let connections = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (watch, open) = (watch.clone(), Arc::clone(&connections));
        let vital = vitals.guard(name.as_str());
        let handle = std::thread::Builder::new()
            .name(name)
            .spawn(move || runtime.block_on(run(local, receiver, open, watch, vital)))?;
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
    mut watch: Watch,
    vital: Vital,
) {
    let mailbox = Arc::clone(&local.mailbox);
    let mut delivering = tokio::spawn(async move { mailbox.deliver().await });
    let waiting = Arc::clone(&local);
    let mut sweeping = tokio::spawn(async move {
        let port = &waiting.port;
        let shortest = || port.snapshot.load().settings.answer_within;
        let replaced = port.replaced.subscribe();
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
            () = reached(&mut hurrying, Phase::Draining) => {}
        }
    });
    loop {
        tokio::select! {
            next = accepted.recv() => {
                let Some(next) = next else { break };
                let ending = Ending::new(&watching, local.port.snapshot.load().idle_at_end);
                begin(next, Arc::clone(&local), Open(Arc::clone(&open)), ending);
            }
            () = &mut stopping, if !local.is_stopping.load(Relaxed) => local.is_stopping.store(true, Relaxed),
            () = &mut closing => break,
            // Nobody would wake the requests that wait here. The thread ends, and their connections with it: clients send
            // again what they have no answer for.
            ended = &mut delivering => return vital.fail(how(ended)),
            ended = &mut sweeping => return vital.fail(how(ended)),
        }
    }
    // What was dealt and not begun goes back uncounted; its client connects elsewhere.
    accepted.close();
    while accepted.try_recv().is_ok() {
        open.fetch_sub(1, AcqRel);
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

/// Starts a connection's task. One that needs a handshake has another task than one that doesn't, which thus is no larger for it.
fn begin(accepted: Accepted, local: Arc<Local>, open: Open, ending: Ending) {
    let Accepted {
        socket,
        peer,
        way,
        settings,
        ticket,
    } = accepted;
    let Ok(socket) = TcpStream::from_std(socket) else {
        return;
    };
    let connection = Connection {
        local,
        open,
        ending,
        settings,
        ticket,
    };
    let peer = Peer::at(peer);
    match way {
        Way::Plain => drop(tokio::spawn(connection.serve(socket, peer))),
        Way::Tls => drop(tokio::spawn(connection.begin(socket, peer))),
    }
}

/// Counts a connection for as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, AcqRel);
    }
}

struct Connection {
    local: Arc<Local>,
    open: Open,
    ending: Ending,
    settings: Arc<Settings>,
    ticket: Ticket,
}

impl Connection {
    /// Does what comes before the first request, and serves.
    async fn begin(self, socket: TcpStream, peer: Peer) {
        let (local, settings) = (Arc::clone(&self.local), Arc::clone(&self.settings));
        let Some(server) = local.port.tls.load_full() else {
            return;
        };
        match Secure::shake(socket, &server, &settings.tls, &local.handshakes).await {
            Ok((secure, certificate)) => {
                self.serve(
                    secure,
                    Peer {
                        certificate,
                        ..peer
                    },
                )
                .await
            }
            Err(failed) => {
                if let Some(reason) = failed.reason {
                    local.port.refusals.count(reason);
                }
                if let Some(socket) = failed.socket {
                    linger::close(socket, true, &local.port.lingering, &settings).await;
                }
            }
        }
    }

    /// Serves requests that come over `transport`.
    async fn serve<T: Transport>(self, transport: T, peer: Peer) {
        let Connection {
            local,
            open: _open,
            mut ending,
            settings,
            ticket: _ticket,
        } = self;
        let activity = Activity::new(peer);
        let builder = protocols::builder(&settings);
        let service = service_fn({
            let (local, activity) = (Arc::clone(&local), Arc::clone(&activity));
            move |request| ingest::handle(Arc::clone(&local), activity.request(), request)
        });
        let is_slow = {
            let mut connection = pin!(builder.serve_connection(
                TokioIo::new(Watched::new(transport, &activity, &local.port.refusals)),
                service
            ));
            let mut is_new = true;
            let mut framed = heads::Framed::default();
            let times = times(&settings);
            let a_request = settings.body_timeout + settings.answer_within;
            let first_look = times.head.min(times.idle).min(times.send);
            let mut look = pin!(sleep_until(Instant::now() + first_look));
            let mut told_to_close = false;
            std::future::poll_fn(|cx| {
                if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                    if let Err(error) = result {
                        note_end(&local, &*error);
                    }
                    return Poll::Ready(false);
                }
                activity.stamp();
                if activity.is_framed() && !framed.charge(&local.port, &activity, a_request) {
                    return Poll::Ready(true);
                }
                if ending.is_due(&activity, cx) || (!told_to_close && activity.is_ending()) {
                    told_to_close = true;
                    connection.as_mut().graceful_shutdown();
                    cx.waker().wake_by_ref();
                }
                if is_too_slow(look.as_mut(), &mut is_new, &activity, &times, &local, cx) {
                    return Poll::Ready(true);
                }
                Poll::Pending
            })
            .await
        };
        // A client that is too slow isn't waited for once more.
        if !is_slow && let Some(socket) = activity.take_socket() {
            linger::close(
                socket,
                activity.may_be_sending(),
                &local.port.lingering,
                &settings,
            )
            .await;
        }
    }
}

/// Says how a connection ended, and counts it if that was a refusal of hyper's own.
fn note_end(local: &Local, error: &(dyn std::error::Error + Send + Sync + 'static)) {
    if let Some(code) = unread::code_of(error) {
        local.port.refusals.count(code);
    }
    tracing::debug!(%error, "a connection ended with an error");
}

/// Whether it's time to look at a connection, and it's too slow then.
fn is_too_slow(
    mut look: Pin<&mut Sleep>,
    is_new: &mut bool,
    activity: &Activity,
    times: &Times,
    local: &Local,
    cx: &mut Context<'_>,
) -> bool {
    // A timer that was polled once wakes this task by itself.
    if !*is_new && !look.is_elapsed() {
        return false;
    }
    *is_new = false;
    while look.as_mut().poll(cx).is_ready() {
        match activity.check(times) {
            Ok(wait) => look.as_mut().reset(Instant::now() + wait),
            Err(slow) => {
                tracing::debug!(?slow, "a connection was too slow");
                if let Some(code) = slow.code() {
                    local.port.refusals.count(code);
                }
                return true;
            }
        }
    }
    false
}

fn times(settings: &Settings) -> Times {
    Times {
        head: settings.head_timeout,
        idle: settings.idle_timeout,
        send: settings.send_timeout,
    }
}

#[cfg(test)]
mod tests;
