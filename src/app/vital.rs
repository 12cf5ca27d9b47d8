//! The threads and tasks in front: accepting, sampling, the admin port. Each has its own way, so that none holds another
//! up, and a guard, so that its end is seen.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use super::certificates;
use super::listeners::Listeners;
use super::reload::Reloader;
use super::wait::wait_for;
use crate::admin::looks;
use crate::admin::reload::Ask;
use crate::admin::sampler::Wishes;
use crate::admin::{self, View};
use crate::config::Config;
use crate::http::listener::{self, Listening};
use crate::http::{Port, Server};
use crate::lifecycle::{Phase, Vital, Vitals, Watch};

/// How long connections wait in their sockets until the process is ready: a client of Kafka needs up to a second at its start, and until
/// then requests would be refused that a restart must not cost. A service manager keeps the socket open, and a balancer without checks
/// sends as soon as a connection is taken. Longer than this Kafka is away, and whoever waits is to be told so.
const READY_WITHIN: Duration = Duration::from_secs(3);

/// How long they wait for Kafka alone in a socket that outlives the process, if there is a log. If Kafka takes longer, the log takes what
/// they bring. They don't wait at all if events of an earlier process are in the log: new ones go behind them anyway. Who comes over a
/// new socket comes from a balancer, which has other gateways: there an event in this log could be overtaken by the next one of its key.
const LOG_AFTER: Duration = Duration::from_millis(100);

/// What accepting needs.
pub(super) struct Door {
    listeners: Listeners,
    port: Arc<Port>,
    watch: Watch,
    server: Arc<Server>,
}

impl Door {
    pub(super) fn new(
        listeners: Listeners,
        port: &Arc<Port>,
        watch: Watch,
        server: &Arc<Server>,
    ) -> Door {
        Door {
            listeners,
            port: Arc::clone(port),
            watch,
            server: Arc::clone(server),
        }
    }
}

/// Starts all of them. Must be called within the control runtime, which serves the admin port.
pub(super) fn spawn(door: Door, view: &Arc<View>, wishes: Wishes) -> io::Result<()> {
    let vitals: &Vitals = &view.vitals;
    looks::spawn(view, wishes, vitals.guard("the sampler's thread"))?;
    let Door {
        listeners: Listeners { data, admin },
        port,
        watch,
        server,
    } = door;
    let door = (data, port, watch, server);
    accept(door, view, vitals.guard("accepting connections"))?;
    let (view, vital) = (Arc::clone(view), vitals.guard("the admin port"));
    tokio::spawn(async move {
        if let Err(error) = admin::server::serve(admin, view).await {
            vital.fail(error);
        }
    });
    Ok(())
}

/// Reloading has a task of its own: it waits for files and threads, which nobody else does.
pub(super) fn reload(
    reloader: Reloader,
    asks: mpsc::Receiver<Ask>,
    view: &Arc<View>,
    watch: Watch,
) {
    let vital = view.vitals.guard("reloading the configuration");
    tokio::spawn(async move {
        reloader.run(asks, watch).await;
        drop(vital);
    });
}

/// Certificates are looked at by a task of their own, which no reload holds up.
pub(super) fn certificates(
    config: Arc<ArcSwap<Config>>,
    port: Arc<Port>,
    view: &Arc<View>,
    watch: Watch,
) {
    let vital = view.vitals.guard("renewing certificates");
    let view = Arc::clone(view);
    tokio::spawn(async move {
        certificates::renew(config, port, view, watch).await;
        drop(vital);
    });
}

/// Accepting has a thread of its own: `http` says why there is one acceptor.
fn accept(
    (data, port, watch, server): (Vec<Listening>, Arc<Port>, Watch, Arc<Server>),
    view: &Arc<View>,
    vital: Vital,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let view = Arc::clone(view);
    let run = move || {
        let accepting = async {
            let begun = Instant::now();
            let stops = || *watch.borrow() > Phase::Running;
            let has_waited = || view.has_backlog() || begun.elapsed() >= LOG_AFTER;
            let is_kept = data.iter().all(|it| it.is_kept);
            let over_log = || is_kept && has_waited() && view.is_ready_over_log();
            let is_open = || stops() || view.readiness().ready || over_log();
            wait_for(is_open, READY_WITHIN).await;
            drop(view);
            let deal = |accepted| server.deal(accepted);
            let accepted = listener::accept(data, port, watch, deal).await;
            server.has_dealt_all();
            accepted
        };
        if let Err(error) = runtime.block_on(accepting) {
            vital.fail(error);
        }
    };
    let name = "accept".to_owned();
    std::thread::Builder::new().name(name).spawn(run)?;
    Ok(())
}
