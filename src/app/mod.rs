//! The composition: the only file that names every stage. Build first, spawn later: building can fail, spawning hardly.

mod adopting;
mod backend;
mod beside;
mod certificates;
mod chain;
pub mod drain;
mod limits;
mod listeners;
mod moves;
mod owners;
mod partitions;
mod reload;
mod routes;
mod unit;
mod vital;
mod wait;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use anyhow::{Context, Result, anyhow};

use self::adopting::adopt;
use self::backend::Backend;
use self::certificates::Certificates;
use self::chain::Chain;
use self::drain::Drain;
use self::listeners::Listeners;
use self::owners::Owners;
use self::reload::Reloader;
pub use self::reload::Source;
use self::unit::END_WITHIN;
use self::vital::Door;
use self::wait::wait_for;
use crate::admin::{Adopted, Guard, History, Redriver, Reloads, Sampler, Trend, View};
use crate::budget::{self, Budget, Share};
use crate::config::Config;
use crate::http::{Port, Server, Snapshot, linger};
use crate::lifecycle::{Life, Phase, Vitals, Watch};
use crate::service::Sockets;
use crate::tls;

/// Everything, wired and bound, with nothing running yet.
pub struct App {
    config: Config,
    life: Life,
    budget: Arc<Budget>,
    backend: Backend,
    owners: Owners,
    adopting: Vec<Drain>,
    chain: Arc<Chain>,
    port: Arc<Port>,
    source: Source,
    listeners: Listeners,
    admin_tls: Option<Arc<tls::Server>>,
}

/// Everything, running.
pub struct Running {
    config: Arc<ArcSwap<Config>>,
    life: Life,
    view: Arc<View>,
    backend: Arc<Backend>,
    adopting: Vec<JoinHandle<()>>,
    server: Arc<Server>,
    data: Option<SocketAddr>,
    secure: Option<SocketAddr>,
    admin: SocketAddr,
}

/// What became of every event, for the last line of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Events admitted.
    pub accepted: u64,
    /// Acknowledged by Kafka.
    pub acked: u64,
    /// Durable in the spill log.
    pub spilled: u64,
    /// Spilled before, and acknowledged by Kafka since the start.
    pub replayed: u64,
    /// Given up before they were sent.
    pub refused: u64,
    /// Refused by Kafka for good.
    pub failed: u64,
    /// In Kafka's hands without an answer at the end.
    pub unknown: u64,
    /// Acknowledged after the client was told that their fate is unknown.
    pub late: u64,
    /// Dead letters that the spill log holds at the end, of this run and earlier ones.
    pub dead_letters: u64,
    /// Stored events that damage of the disk has cost, as far as it was found in this run.
    pub damaged: u64,
    /// Never resolved: zero.
    pub lost: u64,
    /// `accepted` minus all of these except `late` and `replayed`: zero.
    pub residual: i64,
}

impl App {
    /// Wires all stages and opens both ports: on `sockets`, and where there are none on what is configured.
    pub fn build(config: Config, sockets: Sockets) -> Result<App> {
        let budget = Budget::new(config.memory.budget.as_u64());
        let limits = config.decode.limits().context("decode")?;
        let backend = Backend::build(&config, &config.spill, &budget)?;
        let mut owners = Owners::default();
        let terms = owners.terms(&config, &[], Duration::ZERO);
        let routes = routes::first(&config, &backend.clusters(), &terms);
        let routes = routes.map_err(|error| anyhow!(error))?;
        let tls = Certificates::first(&config)?;
        let (http, idle) = (config.http.clone(), config.shutdown.idle);
        let mut snapshot = Snapshot::first(http, idle, limits, config.lane.clone(), routes);
        snapshot.wait_for_all = config.admin.wait_for_all;
        let access = routes::access(&config, None, Duration::ZERO);
        snapshot.access = access.map_err(|error| anyhow!(error))?;
        snapshot.endpoints = Arc::new(routes::endpoints(&config).map_err(|error| anyhow!(error))?);
        let (routes, streams) = (&snapshot.routes, &snapshot.streams);
        let log = backend.spill.as_deref();
        owners.put_in_force(&config, &terms, routes, streams, log);
        snapshot.owners = terms;
        let snapshot = snapshot.without(config.gone());
        for route in snapshot.leaving() {
            route.cluster.retire_topic(route.topic.number());
        }
        let listeners = Listeners::open(&config, sockets)?;
        let port = Port {
            is_kept: listeners.data.iter().all(|it| it.is_kept),
            snapshot: ArcSwap::from_pointee(snapshot),
            replaced: watch::Sender::default(),
            lingering: linger::Lingering::default(),
            refusals: Arc::default(),
            budget: Arc::clone(&budget),
            framed: Share::of_streams(),
            answers: Share::of_answers(),
            unsorted: budget::Account::of_nobody(&budget),
            tls: ArcSwapOption::from(tls.data),
            addresses: Arc::default(),
            start: Instant::now(),
        };
        Ok(App {
            listeners,
            admin_tls: tls.admin,
            life: Life::default(),
            budget,
            backend,
            owners,
            adopting: Vec::new(),
            chain: Arc::default(),
            port: Arc::new(port),
            source: Arc::new(|| Err("this process has no configuration file".into())),
            config,
        })
    }

    /// Where the configuration is read again when somebody asks for a reload.
    pub fn reload_from(&mut self, source: Source) {
        self.source = source;
    }

    /// Takes over the spill directory of a gateway that is gone: what it holds goes to Kafka before our own events.
    pub fn adopt(&mut self, dir: &Path) -> Result<()> {
        let drain = Drain::start(&self.config, dir, &self.budget, &self.chain)?;
        self.adopting.push(drain);
        Ok(())
    }

    /// Starts all threads. Must be called within the control runtime, which also serves the admin port.
    pub fn spawn(self) -> Result<Running> {
        let App {
            config,
            life,
            budget,
            backend,
            owners,
            adopting,
            chain,
            port,
            source,
            listeners,
            admin_tls,
        } = self;
        let (config, backend) = (Arc::new(ArcSwap::from_pointee(config)), Arc::new(backend));
        let admin_address = listeners.admin.local_addr()?;
        let [data_address, secure] = listeners.addresses()?;
        let moves = moves::unfinished(&backend.clusters(), &port.now().shown, &chain);
        let order = (moves, chain);
        backend.spawn()?;
        let vitals = Vitals::new(&life.watch());
        let server = Arc::new(Server::spawn(&port, &life.watch(), &vitals)?);
        let (sampler, wishes) = Sampler::new();
        let (reloads, asks) = Reloads::new(reload::loaded(&config.load(), 1));
        let view = Arc::new(View {
            start: Instant::now(),
            phase: life.watch(),
            budget: Arc::clone(&budget),
            server: Arc::clone(&server),
            spill: backend.spill.clone(),
            clusters: Arc::clone(backend.list()),
            port: Arc::clone(&port),
            reloads,
            adopted: Adopted::default(),
            redriver: Redriver::default(),
            trend: Trend::default(),
            history: History::default(),
            sampler,
            vitals,
            guard: Guard::new(&config.load().admin),
            tls: ArcSwapOption::from(admin_tls),
        });
        let adopting = adopting.into_iter();
        let adopting = adopting
            .map(|drain| tokio::spawn(adopt(drain, Arc::clone(&view), life.watch())))
            .collect();
        let door = Door::new(listeners, &port, life.watch(), &server);
        vital::spawn(door, &view, wishes)?;
        vital::certificates(config.clone(), port.clone(), &view, life.watch());
        let reloader = Reloader::new(source, &config, &backend, owners, port, &view, order);
        vital::reload(reloader, asks, &view, life.watch());
        life.enter(Phase::Running);
        Ok(Running {
            config,
            life,
            view,
            backend,
            adopting,
            server,
            data: data_address,
            secure,
            admin: admin_address,
        })
    }
}

impl Running {
    /// Where the data port listens without TLS, if it does.
    pub fn data(&self) -> Option<SocketAddr> {
        self.data
    }

    /// Where the data port listens for TLS, if it does.
    pub fn secure(&self) -> Option<SocketAddr> {
        self.secure
    }

    /// Where the admin port listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What the admin port shows.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Has the configuration read again and put in force; `by` is who wants it. Ends when that is over. The log and the admin port
    /// tell the outcome.
    pub fn reload(&self, by: &'static str) -> impl Future<Output = ()> + use<> {
        let view = Arc::clone(&self.view);
        async move { view.reloads.ask_by_signal(by).await }
    }

    /// How it is, in one line for whoever manages the process.
    pub fn status(&self) -> String {
        let readiness = self.view.readiness();
        let word = if readiness.ready {
            "ready"
        } else {
            "not ready"
        };
        let mut status = word.to_owned();
        if let [first, more @ ..] = &readiness.reasons[..] {
            status += &format!(": {first}");
            if !more.is_empty() {
                status += &format!(" (and {} more)", more.len());
            }
        }
        if let Some((_, why)) = &self.view.reloads.loaded().failed {
            status += &format!("; the last reload failed: {why}");
        }
        status
    }

    /// Waits until a part has failed that the process can't do without.
    pub fn fails(&self) -> impl Future<Output = String> + use<> {
        let vitals = self.view.vitals.clone();
        async move { vitals.fails().await }
    }

    /// The phase, for tests and for those who wait for the end.
    pub fn watch(&self) -> Watch {
        self.life.watch()
    }

    /// Stops: not ready, grace, no new connections, requests finished, lanes to Kafka, account. When `hurry` completes,
    /// what is left of this is skipped, except the account.
    pub async fn stop(self, hurry: impl Future<Output = ()>) -> Account {
        let Running {
            config,
            life,
            view,
            backend,
            adopting,
            server,
            ..
        } = self;
        let config = config.load_full();
        let mut hurry = std::pin::pin!(hurry);
        let mut hurried = false;
        life.enter(Phase::Grace);
        let grace = config.shutdown.grace(view.port.is_kept);
        hurried |= unless(&mut hurry, hurried, tokio::time::sleep(grace)).await;
        life.enter(Phase::Closing);
        let finished = wait_for(
            || server.is_finished(),
            config.http.answer_within + config.shutdown.idle + Duration::from_secs(2),
        );
        hurried |= unless(&mut hurry, hurried, finished).await;
        life.enter(Phase::Draining);
        // In a hurry HTTP threads end here, with their clients unanswered; nothing may be pushed while lanes drain.
        wait_for(|| server.is_finished(), Duration::from_secs(1)).await;
        let at_most = config.shutdown.drain;
        backend.drain(if hurried { Duration::ZERO } else { at_most });
        if unless(&mut hurry, hurried, backend.ended(at_most)).await {
            backend.drain(Duration::ZERO);
            backend.ended(Duration::ZERO).await;
        }
        backend.close_log().await;
        drop(backend);
        for task in adopting {
            drop(tokio::time::timeout(END_WITHIN, task).await);
        }
        life.enter(Phase::Stopped);
        account(&view)
    }
}

/// Runs `step` unless there's a hurry; true if there was.
async fn unless(
    hurry: &mut std::pin::Pin<&mut impl Future<Output = ()>>,
    hurried: bool,
    step: impl Future<Output = ()>,
) -> bool {
    if hurried {
        return true;
    }
    tokio::select! {
        () = step => false,
        () = hurry => true,
    }
}

fn account(view: &View) -> Account {
    let dead = view.dead_letters();
    let (damaged, before) = view.lost_by_damage();
    let mut sum = Account {
        damaged: damaged.saturating_sub(before),
        dead_letters: dead.iter().map(|it| it.events).sum(),
        ..Account::default()
    };
    for ledger in view.port.now().streams.iter().map(|stream| &stream.ledger) {
        sum.accepted += ledger.accepted.load(Acquire);
        sum.acked += ledger.acked.load(Acquire);
        sum.spilled += ledger.spilled.load(Acquire);
        sum.replayed += ledger.replayed.load(Acquire);
        sum.refused += ledger.refused.load(Acquire);
        sum.failed += ledger.failed.load(Acquire);
        sum.unknown += ledger.unknown.load(Acquire);
        sum.late += ledger.late.load(Acquire);
        sum.lost += ledger.lost.load(Acquire);
        sum.residual += ledger.in_flight();
    }
    sum
}
