//! SIGTERM and SIGINT: the first asks for an orderly stop, the second for one at once. SIGHUP asks for a reload. Signals that
//! mean something to other programs are logged and end nothing.

use std::time::Instant;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A stop, by the signal of this name.
    Stop(&'static str),
    /// The configuration is to be read again.
    Reload,
}

/// The signals, from the moment on when this is made.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user1: Signal,
    user2: Signal,
    /// When one that ends nothing was logged last.
    logged: Option<Instant>,
}

impl Signals {
    /// Begins to listen.
    pub fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            // By default each of these ends a process. A terminal that closes, a `logrotate` and a service manager's
            // "reload" send them. SIGPIPE does nothing already: Rust's start-up code sees to that.
            hang_up: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            logged: None,
        })
    }

    /// The name of the next signal that asks for a stop.
    pub async fn stop(&mut self) -> &'static str {
        loop {
            if let Wish::Stop(signal) = self.next().await {
                return signal;
            }
        }
    }

    /// What the next signal asks for, if it's something that we know.
    pub async fn next(&mut self) -> Wish {
        loop {
            let ignored = tokio::select! {
                _ = self.terminate.recv() => return Wish::Stop("SIGTERM"),
                _ = self.interrupt.recv() => return Wish::Stop("SIGINT"),
                _ = self.hang_up.recv() => return Wish::Reload,
                _ = self.user1.recv() => "SIGUSR1",
                _ = self.user2.recv() => "SIGUSR2",
            };
            self.ignore(ignored);
        }
    }

    fn ignore(&mut self, signal: &'static str) {
        // Whoever may send signals must not be able to fill the log.
        let now = Instant::now();
        let is_recent = |at: Instant| now.duration_since(at).as_millis() < 1_000;
        if self.logged.is_some_and(is_recent) {
            return;
        }
        self.logged = Some(now);
        tracing::warn!(signal, "ignored: it means nothing to forebay");
    }
}
