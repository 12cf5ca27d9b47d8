//! What requests of the data port need, of all threads and of one.

use std::ops::Deref;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption, Cache};
use tokio::sync::watch;

use super::addresses::Addresses;
use super::deadlines::Deadlines;
use super::ending;
use super::handshakes::Handshakes;
use super::linger::Lingering;
use super::snapshot::Snapshot;
use crate::budget::{Account, Budget, Share};
use crate::receipt::Mailbox;
use crate::telemetry::Refusals;
use crate::tls;

/// What all requests of the data port need.
#[derive(Debug)]
pub struct Port {
    /// The configuration that is in force.
    pub snapshot: ArcSwap<Snapshot>,
    /// Tells those who wait that there is another.
    pub replaced: watch::Sender<()>,
    /// When the process started, for quotas.
    pub start: Instant,
    /// The connections whose refused clients may still be sending.
    pub lingering: Lingering,
    /// What was refused before its stream was known.
    pub refusals: Arc<Refusals>,
    /// The memory that everything is charged to.
    pub budget: Arc<Budget>,
    /// The part of it that connections and requests of HTTP/2 may hold beside events.
    pub framed: Arc<Share>,
    /// The part of it that the lists in answers may hold.
    pub answers: Arc<Share>,
    /// What bodies are charged to until it's known which stream they're for.
    pub unsorted: Arc<Account>,
    /// Somebody else holds all its sockets open: when this process stops, clients wait there for the next one.
    pub is_kept: bool,
    /// What connections over TLS begin with; nothing if none is configured. Beside the snapshot, because certificates are renewed
    /// without another configuration.
    pub tls: ArcSwapOption<tls::Server>,
    /// Open connections by their clients' addresses.
    pub addresses: Arc<Addresses>,
}

impl Port {
    /// The configuration that is in force now, for as long as the caller wants it.
    pub fn now(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Open connections at once, as configured now.
    pub fn connections(&self) -> usize {
        let settings = &self.snapshot.load().settings;
        settings.connections(self.budget.total())
    }

    /// How long a connection may rest once no more are accepted.
    pub(super) fn rest_at_end(&self) -> Duration {
        ending::rest(self.snapshot.load().idle_at_end, self.is_kept)
    }

    /// Puts another configuration in force, for the requests whose heads come from now on.
    pub fn replace(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
        self.replaced.send_replace(());
    }
}

/// What the requests of one HTTP thread need.
#[derive(Debug)]
pub struct Local {
    /// What all threads share.
    pub port: Arc<Port>,
    /// Where lanes put this thread's finished requests.
    pub mailbox: Arc<Mailbox>,
    /// The process will stop: each connection ends with its next answer.
    pub is_stopping: AtomicBool,
    /// When its waiting requests have to be answered.
    pub deadlines: Deadlines,
    /// The handshakes that are under way on it.
    pub handshakes: Handshakes,
    /// The configuration as this thread saw it last. Only this thread uses it, so the lock is always free.
    known: Mutex<Cache<InForce, Arc<Snapshot>>>,
}

impl Local {
    /// What one of `threads` of the port needs.
    pub fn new(port: &Arc<Port>, threads: usize) -> Local {
        Local {
            port: Arc::clone(port),
            mailbox: Arc::default(),
            is_stopping: AtomicBool::new(false),
            deadlines: Deadlines::default(),
            handshakes: Handshakes::of_one_in(threads),
            known: Mutex::new(Cache::new(InForce(Arc::clone(port)))),
        }
    }

    /// The configuration that is in force now, for as long as the caller wants it. While it's the one that this thread saw last,
    /// asking costs a look and a count.
    pub fn now(&self) -> Arc<Snapshot> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.load())
    }
}

/// Where the configuration is that is in force.
#[derive(Debug)]
struct InForce(Arc<Port>);

impl Deref for InForce {
    type Target = ArcSwap<Snapshot>;

    fn deref(&self) -> &ArcSwap<Snapshot> {
        &self.0.snapshot
    }
}
