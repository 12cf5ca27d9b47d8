//! CPU per request of the thread that serves, the kernel's part included, where a bar is a ratio. It takes half a minute.
//!
//! ```text
//! cargo bench --bench cpu              # what each takes, in microseconds, and the ratios
//! cargo bench --bench cpu -- --check   # fails if a ratio is above its bar
//! ```
//!
//! | ratio | of | to | bar |
//! | --- | --- | --- | --- |
//! | flood | a request whose key nobody has | one whose key is good | 1 |
//! | tls | a single event over TLS 1.3 | the same without TLS, and what TLS adds to hyper: `hyper with rustls - hyper` | 1.25 |
//!
//! The servers and clients are those of `--bench instructions`: 32 connections with keep-alive, one event per request, one thread
//! that serves. All take turns, a ratio is taken within a round, and the median of the rounds is printed. The lanes' worker and the
//! clients have threads of their own, which don't count.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints"
)]

#[path = "instructions/clients.rs"]
#[allow(dead_code, reason = "made for another bench, which uses all of it")]
mod clients;
#[path = "instructions/servers.rs"]
#[allow(dead_code, reason = "made for another bench, which uses all of it")]
mod servers;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clients::{Asks, CONNECTIONS};
use forebay::tls;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use servers::{THREADS, What};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Requests of each connection before it counts, and then.
const WARM_UP: usize = 50;
const TIMES: usize = 400;
const ROUNDS: usize = 7;
/// What TLS may cost beside what it costs hyper.
const MOST_OF_TLS: f64 = 1.25;

/// What is measured: a name, the server, whether it speaks TLS, what is asked.
const SUBJECTS: [(&str, What, bool, Asks); 6] = [
    ("hyper", What::Bare, false, Asks::Native),
    ("hyper with rustls", What::Bare, true, Asks::Native),
    ("single event", What::Native, false, Asks::Native),
    ("single event over TLS", What::Native, true, Asks::Native),
    ("good key", GUARDED, false, Asks::Bearer),
    ("wrong key", GUARDED, false, Asks::Stranger),
];
const GUARDED: What = What::Guarded {
    keys: 10_000,
    routes: 10,
};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs benchmarks too, to see that they start.
    if !arguments.iter().any(|it| it == "--bench") {
        return eprintln!("run it by `cargo bench --bench cpu`");
    }
    let secure = Secure::new();
    let mut all: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let round = SUBJECTS.map(|(name, what, is_secure, asks)| {
            let us = measure(what, asks, Some(&secure).filter(|_| is_secure));
            all.entry(name).or_default().push(us);
            us
        });
        let [bare, bare_tls, ours, ours_tls, good, wrong] = round;
        all.entry("ratio: flood").or_default().push(wrong / good);
        let tls = ours_tls / (ours + bare_tls - bare);
        all.entry("ratio: tls").or_default().push(tls);
    }
    println!("| what | median | least | most |\n| --- | --- | --- | --- |");
    let mut medians = BTreeMap::new();
    for (name, values) in &mut all {
        values.sort_by(f64::total_cmp);
        let (least, median, most) = (values[0], values[ROUNDS / 2], values[ROUNDS - 1]);
        println!("| {name} | {median:.2} | {least:.2} | {most:.2} |");
        medians.insert(*name, median);
    }
    let is_good = medians["ratio: flood"] < 1.0 && medians["ratio: tls"] <= MOST_OF_TLS;
    if !is_good && arguments.iter().any(|it| it == "--check") {
        eprintln!("a ratio is above its bar; see the head of benches/cpu.rs");
        std::process::exit(1);
    }
}

/// Microseconds of CPU per request.
fn measure(what: What, asks: Asks, secure: Option<&Secure>) -> f64 {
    let (mut spent_ns, others) = (0, serving());
    let cpu_ns = || cpu_ns(&others);
    let server = secure.map(|secure| &secure.server);
    servers::with(what, false, server, async |address| {
        let client = secure.map(|secure| &secure.client);
        let load = async |times| clients::http1(address, client, asks, 1, 1, times).await;
        load(1).await;
        // Connections and handshakes are in it twice, and in the difference not at all.
        let before = cpu_ns();
        load(WARM_UP).await;
        let between = cpu_ns();
        load(WARM_UP + TIMES).await;
        spent_ns = (cpu_ns() - between) - (between - before);
    });
    spent_ns as f64 / (CONNECTIONS * TIMES) as f64 / 1e3
}

/// The threads that serve, as proc(5) has them. Those of earlier rounds may still be there, and have no more to do.
fn serving() -> BTreeSet<PathBuf> {
    let tasks = fs::read_dir("/proc/self/task").expect("proc(5)").flatten();
    let tasks = tasks.map(|task| task.path());
    let serves = |task: &PathBuf| {
        let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
        THREADS.contains(&name.trim_end())
    };
    tasks.filter(serves).collect()
}

/// The CPU time of the thread that serves and is none of the `others`, in nanoseconds.
fn cpu_ns(others: &BTreeSet<PathBuf>) -> i64 {
    let serving = serving();
    let mut new = serving.difference(others);
    let task = new.next().expect("a thread that serves");
    let spent = fs::read_to_string(task.join("schedstat")).expect("proc(5)");
    let spent = spent.split(' ').next().and_then(|it| it.parse().ok());
    spent.expect("nanoseconds")
}

/// A certificate, and what a server and a client begin with.
struct Secure {
    server: Arc<tls::Server>,
    client: Arc<ClientConfig>,
}

impl Secure {
    fn new() -> Secure {
        let folder = tempfile::tempdir().expect("a folder");
        let names = vec!["localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("a file");
            path
        };
        let files = tls::settings::Files {
            cert: write("cert.pem", made.cert.pem()),
            key: write("key.pem", made.signing_key.serialize_pem()),
        };
        let settings = tls::Settings {
            certificates: BTreeMap::from([("main".to_owned(), files)]),
            ..tls::Settings::default()
        };
        let server = tls::Server::build(&settings, &[b"http/1.1"], None).expect("a server");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Secure {
            server: Arc::new(server),
            client: Arc::new(client),
        }
    }
}
