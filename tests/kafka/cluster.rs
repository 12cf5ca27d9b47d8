//! The handle that tests hold: a running cluster, and what can be done to it.

use std::{
    fs,
    path::Path,
    sync::{Condvar, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    broker::Node,
    eventually,
    java::{self, Jars},
    rights::Administrator,
};

/// Longer than any start that was seen, on a machine that does other things.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A cluster, killed on drop, or kept for the next test that wants one.
pub(crate) struct Kafka {
    bootstrap: String,
    guarded_bootstrap: String,
    /// Started by the first who asks for what only it can do.
    pub(super) administrator: OnceLock<Administrator>,
    /// Empty for a cluster that was not started here. Dropped before the folder.
    nodes: Vec<Node>,
    folder: Option<TempDir>,
    slot: Option<Slot>,
    /// Whether another test may have it after this one.
    is_plain: bool,
}

/// A cluster of three that its test left in order. Its start takes longer than many a test: three JVMs and an election.
static KEPT: Mutex<Option<Kafka>> = Mutex::new(None);

/// For a cluster that was left to be in order again. One that isn't is thrown away.
const REVIVE_TIMEOUT: Duration = Duration::from_secs(60);

impl Kafka {
    /// Whether [`Kafka::one`] can be had, and if not, why.
    pub(crate) fn available() -> Result<(), String> {
        if external().is_some() {
            return Ok(());
        }
        Jars::get().map(drop).map_err(str::to_owned)
    }

    /// The single broker that the tests of this process share, started by the
    /// first that asks. Statics are not dropped: it dies with the process.
    pub(crate) fn one() -> &'static Kafka {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| match external() {
            Some(bootstrap) => Kafka {
                bootstrap,
                guarded_bootstrap: String::new(),
                administrator: OnceLock::new(),
                nodes: Vec::new(),
                folder: None,
                slot: None,
                is_plain: false,
            },
            None => Kafka::launch(1, &[], None),
        })
    }

    /// A fresh cluster of three nodes: replication factor 3, two in sync, no
    /// unclean election; `settings` are broker settings that override those of
    /// the harness. Waits while another test of this process has one. Without
    /// settings it may be the one that the test before left, without its topics.
    pub(crate) fn three(settings: &[(&str, &str)]) -> Kafka {
        let slot = Slot::take();
        let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).take();
        if settings.is_empty()
            && let Some(mut kept) = kept
            && kept.revive()
        {
            kept.slot = Some(slot);
            return kept;
        }
        Kafka::launch(3, settings, Some(slot))
    }

    /// Brings a cluster that was left in order, empty; false if that takes too long.
    fn revive(&self) -> bool {
        for node in &self.nodes {
            node.thaw_if_frozen();
            node.start();
        }
        let is_back = eventually(REVIVE_TIMEOUT, || {
            self.nodes.iter().all(|node| node.exit().is_none()) && self.is_ready()
        });
        is_back && {
            self.delete_all_topics();
            true
        }
    }

    fn launch(size: i32, settings: &[(&str, &str)], slot: Option<Slot>) -> Kafka {
        ensure_archive();
        let kafka = Kafka::format(size, settings, slot);
        kafka.start_all();
        kafka.wait_ready(START_TIMEOUT);
        kafka
    }

    fn format(size: i32, settings: &[(&str, &str)], slot: Option<Slot>) -> Kafka {
        let folder = fresh_folder();
        let node = |id: i32| Node::new(id, folder.path().join(id.to_string()));
        let nodes: Vec<Node> = (1..=size).map(node).collect();
        std::thread::scope(|scope| {
            for node in &nodes {
                scope.spawn(|| node.format(&nodes, settings));
            }
        });
        let join = |address: fn(&Node) -> String| {
            let addresses: Vec<_> = nodes.iter().map(address).collect();
            addresses.join(",")
        };
        Kafka {
            bootstrap: join(Node::address),
            guarded_bootstrap: join(Node::guarded_address),
            administrator: OnceLock::new(),
            nodes,
            folder: Some(folder),
            slot,
            is_plain: settings.is_empty(),
        }
    }

    /// `host:port` of all nodes, running or not, with commas between.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// As [`Kafka::bootstrap`], where clients have to say who they are and may do
    /// what they have a right to. Those that come by the other way may do all.
    pub(crate) fn guarded_bootstrap(&self) -> &str {
        &self.guarded_bootstrap
    }

    /// The ids of all nodes.
    pub(crate) fn nodes(&self) -> Vec<i32> {
        self.nodes.iter().map(|node| node.id).collect()
    }

    /// The process id of a node, while it has a process.
    pub(crate) fn pid(&self, node: i32) -> Option<u32> {
        self.node(node).pid()
    }

    /// SIGKILL. The others notice after the session timeout.
    pub(crate) fn kill(&self, node: i32) {
        self.node(node).kill();
    }

    /// SIGTERM, and waits for the end: leadership is handed over first.
    pub(crate) fn stop(&self, node: i32) {
        self.node(node).stop();
    }

    /// SIGSTOP: the node keeps its connections and answers nothing.
    pub(crate) fn freeze(&self, node: i32) {
        self.node(node).freeze();
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self, node: i32) {
        self.node(node).thaw();
    }

    /// Starts a node that was killed or stopped. Returns at once.
    pub(crate) fn start(&self, node: i32) {
        self.node(node).start();
    }

    /// SIGKILL if it runs, and start. Returns at once, see [`Kafka::wait_ready`].
    pub(crate) fn restart(&self, node: i32) {
        self.kill(node);
        self.start(node);
    }

    /// SIGKILL for every node.
    pub(crate) fn kill_all(&self) {
        self.nodes.iter().for_each(Node::kill);
    }

    /// Starts every node that does not run. Returns at once.
    pub(crate) fn start_all(&self) {
        self.nodes.iter().for_each(Node::start);
    }

    /// Waits until every running node answers, every partition has a leader,
    /// and all replicas on running nodes are in sync. Panics with the ends of
    /// the logs if that takes too long or a node exits.
    pub(crate) fn wait_ready(&self, timeout: Duration) {
        let mut exited = None;
        let ready = eventually(timeout, || {
            exited = self
                .nodes
                .iter()
                .find_map(|node| Some((node.id, node.exit()?)));
            exited.is_some() || self.is_ready()
        });
        if let Some((id, status)) = exited {
            panic!("node {id} exited by itself: {status}\n{}", self.log_tails());
        }
        assert!(
            ready,
            "the cluster was not ready within {timeout:?}\n{}",
            self.log_tails()
        );
    }

    /// The ends of all nodes' logs.
    pub(crate) fn log_tails(&self) -> String {
        self.nodes.iter().map(Node::log_tail).collect()
    }

    /// Every running node is asked by itself: a node that came back just now is
    /// known to the others from before, and a stale answer would pass for new.
    fn is_ready(&self) -> bool {
        let running = self.running();
        let ids: Vec<i32> = running.iter().map(|node| node.id).collect();
        running.iter().all(|node| {
            super::topics::view_of(&node.address()).is_some_and(|view| {
                ids.iter().all(|id| view.brokers.contains(id))
                    && view
                        .partitions
                        .iter()
                        .all(|partition| partition.is_healthy(&ids))
            })
        })
    }

    /// The addresses to ask, one by one: those of the running nodes, or all
    /// that are known of a cluster of others.
    pub(super) fn answering(&self) -> Vec<String> {
        if self.nodes.is_empty() {
            return vec![self.bootstrap.clone()];
        }
        self.running().into_iter().map(Node::address).collect()
    }

    fn running(&self) -> Vec<&Node> {
        self.nodes.iter().filter(|node| node.is_running()).collect()
    }

    fn node(&self, id: i32) -> &Node {
        let node = self.nodes.iter().find(|node| node.id == id);
        node.unwrap_or_else(|| panic!("no node {id} was started here, only {:?}", self.nodes()))
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // After a failure nobody knows what state it is in. One that is kept already has no slot.
        let Some(slot) = self.slot.take() else { return };
        if self.is_plain && !std::thread::panicking() {
            let left = Kafka {
                bootstrap: std::mem::take(&mut self.bootstrap),
                guarded_bootstrap: std::mem::take(&mut self.guarded_bootstrap),
                administrator: std::mem::take(&mut self.administrator),
                nodes: std::mem::take(&mut self.nodes),
                folder: self.folder.take(),
                slot: None,
                is_plain: true,
            };
            *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
        }
        drop(slot);
    }
}

fn external() -> Option<String> {
    std::env::var("FOREBAY_TEST_KAFKA")
        .ok()
        .filter(|bootstrap| !bootstrap.is_empty())
}

/// Runs a broker once per checkout and JVM to get its class archive. Without
/// one everything works, slower; so failure is not an error.
fn ensure_archive() {
    static ONCE: Mutex<bool> = Mutex::new(false);
    let mut done = ONCE.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(jars) = Jars::get() else { return };
    let archive = jars.archive();
    if std::mem::replace(&mut *done, true) || archive.exists() {
        return;
    }
    let kafka = Kafka::format(1, &[], None);
    let node = &kafka.nodes[0];
    // Written beside its place and moved there: another process may do the same.
    let written = archive.with_extension(format!("{}.new", std::process::id()));
    node.start_to_archive(&written);
    kafka.wait_ready(START_TIMEOUT);
    node.stop();
    if fs::rename(&written, &archive).is_err() {
        drop(fs::remove_file(&written));
    }
}

/// A folder for a cluster, named after this process. The shared broker cannot
/// remove its own, so the folders of dead processes are removed here.
pub(super) fn fresh_folder() -> TempDir {
    // A folder of ours in any case: what is in it and isn't a living process's is removed.
    let parent = match std::env::var_os("FOREBAY_TEST_KAFKA_DATA") {
        Some(folder) => Path::new(&folder).join("forebay-kafka"),
        None => java::work_folder().join("run"),
    };
    fs::create_dir_all(&parent).expect("the parent of the cluster folders");
    for entry in fs::read_dir(&parent)
        .expect("the cluster folders")
        .flatten()
    {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.split('-').next())
            .unwrap_or_default();
        let dead = Path::new("/proc/self").exists() && !Path::new("/proc").join(owner).exists();
        if dead {
            // Another process may be removing it as well.
            drop(fs::remove_dir_all(entry.path()));
        }
    }
    let prefix = format!("{}-", std::process::id());
    tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(&parent)
        .expect("a folder for a cluster")
}

/// The right to run a cluster of three. Tests run side by side; more than three
/// JVMs and the shared one on a small machine would measure its scheduler.
struct Slot(());

static SLOT_TAKEN: Mutex<bool> = Mutex::new(false);
static SLOT_FREED: Condvar = Condvar::new();

impl Slot {
    fn take() -> Slot {
        let patience = Duration::from_secs(1_200);
        let started = Instant::now();
        let mut taken = SLOT_TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            let left = patience.checked_sub(started.elapsed());
            let left = left.expect("the other cluster of three goes away within 20 minutes");
            let waited = SLOT_FREED.wait_timeout(taken, left);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken = true;
        Slot(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *SLOT_TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
        SLOT_FREED.notify_one();
    }
}
