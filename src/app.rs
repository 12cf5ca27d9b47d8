//! The composition: the only file that names every stage. Build first, spawn later: building can fail, spawning hardly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::admin::{self, View};
use crate::budget::Budget;
use crate::config::Config;
use crate::http::{Port, Server, Stream, Streams, listener};
use crate::lane::{Cluster, worker};
use crate::lifecycle::{Life, Phase, Watch};
use crate::produce::probe::{self, Probe, SharedClient};
use crate::spill::Log;

/// Everything, wired and bound, with nothing running yet.
pub struct App {
    config: Config,
    life: Life,
    budget: Arc<Budget>,
    spill: Option<Arc<Log>>,
    clusters: Vec<Arc<Cluster>>,
    port: Arc<Port>,
    data: std::net::TcpListener,
    admin: std::net::TcpListener,
}

/// Everything, running.
pub struct Running {
    config: Config,
    life: Life,
    view: Arc<View>,
    workers: Vec<(Arc<Cluster>, JoinHandle<()>)>,
    probes: Vec<Probe>,
    server: Arc<Server>,
    data: SocketAddr,
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
    /// Never resolved: zero.
    pub lost: u64,
    /// `accepted` minus all of these except `late` and `replayed`: zero.
    pub residual: i64,
}

impl App {
    /// Wires all stages and binds both ports.
    pub fn build(config: Config) -> Result<App> {
        let budget = Budget::new(config.memory.budget.as_u64());
        let limits = config.decode.limits().context("decode")?;
        let spill = open_spill(&config.spill)?;
        let mut clusters = Vec::new();
        let mut streams = Streams::new();
        for (name, settings) in &config.clusters {
            let mine: Vec<_> = config
                .streams
                .iter()
                .filter(|(_, stream)| stream.cluster == *name)
                .collect();
            let topics = mine.iter().map(|(stream, settings)| {
                let topic = settings.topic.as_ref().unwrap_or(stream);
                ((*stream).clone(), topic.clone())
            });
            let (settings, lane) = (settings.clone(), config.lane.clone());
            let cluster = Cluster::new(name, settings, lane, topics, spill.clone());
            for ((stream, settings), topic) in mine.iter().zip(cluster.topics()) {
                let wired = Stream::new(stream, settings, &cluster, topic, &budget)
                    .map_err(|error| anyhow!(error))?;
                streams.insert((*stream).clone(), Arc::new(wired));
            }
            clusters.push(cluster);
        }
        let port = Port {
            settings: config.http.clone(),
            limits,
            streams,
            budget: Arc::clone(&budget),
            start: Instant::now(),
        };
        Ok(App {
            data: listener::bind(config.http.listen)?,
            admin: listener::bind(config.admin.listen)?,
            life: Life::default(),
            budget,
            spill,
            clusters,
            port: Arc::new(port),
            config,
        })
    }

    /// Starts all threads. Must be called within the control runtime, which also serves the admin port.
    pub fn spawn(self) -> Result<Running> {
        let App {
            config,
            life,
            budget,
            spill,
            clusters,
            port,
            data,
            admin,
        } = self;
        let (data_address, admin_address) = (data.local_addr()?, admin.local_addr()?);
        let (workers, probes) = spawn_clusters(&clusters)?;
        let server = Arc::new(Server::spawn(&port, &life.watch())?);
        let mut streams: Vec<_> = port.streams.values().cloned().collect();
        streams.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let view = Arc::new(View {
            start: Instant::now(),
            wait_for_all: config.admin.wait_for_all,
            phase: life.watch(),
            budget: Arc::clone(&budget),
            server: Arc::clone(&server),
            spill,
            clusters,
            streams,
        });
        let dealer = Arc::clone(&server);
        tokio::spawn(listener::accept(
            data,
            config.http.clone(),
            budget,
            life.watch(),
            move |it| dealer.deal(it),
        ));
        tokio::spawn(admin::server::serve(admin, Arc::clone(&view)));
        life.enter(Phase::Running);
        Ok(Running {
            config,
            life,
            view,
            workers,
            probes,
            server,
            data: data_address,
            admin: admin_address,
        })
    }
}

impl Running {
    /// Where the data port listens.
    pub fn data(&self) -> SocketAddr {
        self.data
    }

    /// Where the admin port listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What the admin port shows.
    pub fn view(&self) -> &Arc<View> {
        &self.view
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
            workers,
            probes,
            server,
            ..
        } = self;
        let mut hurry = std::pin::pin!(hurry);
        let mut hurried = false;
        life.enter(Phase::Grace);
        hurried |= unless(
            &mut hurry,
            hurried,
            tokio::time::sleep(config.shutdown.grace),
        )
        .await;
        life.enter(Phase::Closing);
        let finished = wait_for(
            || server.is_finished(),
            config.http.answer_within + Duration::from_secs(2),
        );
        hurried |= unless(&mut hurry, hurried, finished).await;
        life.enter(Phase::Draining);
        // In a hurry HTTP threads end here, with their clients unanswered; nothing may be pushed while lanes drain.
        wait_for(|| server.is_finished(), Duration::from_secs(1)).await;
        let drain_for = |at_most| {
            for (cluster, _) in &workers {
                cluster.drain(at_most);
            }
        };
        let all_ended = || workers.iter().all(|(_, worker)| worker.is_finished());
        drain_for(if hurried {
            Duration::ZERO
        } else {
            config.shutdown.drain
        });
        let drained = wait_for(all_ended, config.shutdown.drain);
        if unless(&mut hurry, hurried, drained).await {
            drain_for(Duration::ZERO);
        }
        // Past their deadline the workers give up by themselves, and that takes them a moment.
        wait_for(all_ended, Duration::from_secs(4)).await;
        drop(probes);
        life.enter(Phase::Stopped);
        account(&view.streams)
    }
}

type Workers = Vec<(Arc<Cluster>, JoinHandle<()>)>;

fn spawn_clusters(clusters: &[Arc<Cluster>]) -> Result<(Workers, Vec<Probe>)> {
    let (mut workers, mut probes) = (Vec::new(), Vec::new());
    for cluster in clusters {
        let client = SharedClient::default();
        let topics = cluster
            .topics()
            .iter()
            .map(|topic| topic.name().to_owned())
            .collect();
        let known = Arc::clone(cluster);
        let on_partitions = move |topic: usize, count| known.set_partitions(topic as u32, count);
        let health = Arc::clone(cluster.health());
        probes.push(probe::spawn(
            cluster.name(),
            cluster.settings(),
            client.clone(),
            health,
            topics,
            on_partitions,
        )?);
        workers.push((
            Arc::clone(cluster),
            worker::spawn(Arc::clone(cluster), client)?,
        ));
    }
    Ok((workers, probes))
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

/// Opens the spill log, if there is to be one.
fn open_spill(settings: &crate::spill::Settings) -> Result<Option<Arc<Log>>> {
    if settings.dir.as_os_str().is_empty() {
        return Ok(None);
    }
    let (log, recovered) = Log::open(settings.clone())
        .with_context(|| format!("can't open the spill log in {}", settings.dir.display()))?;
    let events: u64 = recovered.lanes.iter().map(|lane| lane.events).sum();
    tracing::info!(dir = %settings.dir.display(), disk = recovered.disk, lanes = recovered.lanes.len(), events, "spill log opened");
    Ok(Some(Arc::new(log)))
}

async fn wait_for(done: impl Fn() -> bool, at_most: Duration) {
    let deadline = Instant::now() + at_most;
    while !done() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn account(streams: &[Arc<Stream>]) -> Account {
    let mut sum = Account::default();
    for ledger in streams.iter().map(|stream| &stream.ledger) {
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
