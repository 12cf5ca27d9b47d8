//! What a reload of a large configuration takes, step by step: ten thousand keys of a thousand sources, and a thousand routes. The time
//! is CPU's, which on a machine that does nothing else is the time that passes: nothing here waits.
//!
//! ```text
//! cargo bench --bench reload              # each step's shortest time of five, in milliseconds
//! cargo bench --bench reload -- --check   # fails if all steps together take longer than 200 ms
//! ```
//!
//! The steps are those of `app::reload` that grow with the configuration. Each is done as often as a reload does it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use forebay::config::load::load;
use forebay::config::plan::Plan;
use forebay::config::{Config, print};
use forebay::http::access::{self, Access};
use forebay::http::routes::check::make;

const SOURCES: usize = 1_000;
const KEYS_OF_EACH: usize = 10;
const ROUTES: usize = 1_000;
/// How long a reload may take.
const MOST: Duration = Duration::from_millis(200);

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs benchmarks too, to see that they start.
    if !arguments.iter().any(|it| it == "--bench") {
        return eprintln!("run it by `cargo bench --bench reload`");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, changed| {
        let path = folder.path().join(name);
        std::fs::write(&path, text(changed)).expect("a file");
        path
    };
    let (before, after) = (file("before.toml", false), file("after.toml", true));
    let read = |path: &Path| load(Some(path), std::iter::empty()).expect("a configuration");
    let (old, new) = (read(&before), read(&after));
    let steps: [(&str, &dyn Fn()); 6] = [
        ("read", &|| drop(black_box(read(&after)))),
        ("validate", &|| {
            new.validate().expect("a good configuration")
        }),
        ("plan", &|| {
            let plan = Plan::new(&old, &new);
            assert_eq!(plan.changes.len(), 2, "{:?}", plan.changes);
            black_box(serde_json::to_value(plan).expect("a plan"));
        }),
        ("text and hash", &|| {
            drop(black_box(print::hash(&print::effective(&new))));
        }),
        ("endpoints, twice", &|| {
            for _ in 0..2 {
                black_box(make(&new.routes, &new.streams).expect("routes"));
            }
        }),
        ("access", &|| drop(black_box(access(&new)))),
    ];
    let mut all = Duration::ZERO;
    println!("| step | ms |\n| --- | --- |");
    for (name, step) in steps {
        let once = || {
            let begun = cpu();
            step();
            cpu() - begun
        };
        let shortest = (0..5).map(|_| once()).min().unwrap_or_default();
        println!("| {name} | {:.1} |", shortest.as_secs_f64() * 1e3);
        all += shortest;
    }
    println!("| all | {:.1} |", all.as_secs_f64() * 1e3);
    if all > MOST && arguments.iter().any(|it| it == "--check") {
        eprintln!("a reload takes {all:?}, and may take {MOST:?}");
        std::process::exit(1);
    }
}

/// The CPU time of this thread so far.
fn cpu() -> Duration {
    let read = std::fs::read_to_string("/proc/thread-self/schedstat").expect("proc(5)");
    let spent_ns = read.split(' ').next().and_then(|it| it.parse().ok());
    Duration::from_nanos(spent_ns.expect("nanoseconds"))
}

fn access(config: &Config) -> Access {
    let parts = access::Parts {
        sources: &config.sources,
        cors: &config.cors,
        http: &config.http,
        streams: &config.streams,
        routes: &config.routes,
    };
    let access = Access::new(&parts, None, Duration::ZERO).expect("sources");
    std::sync::Arc::into_inner(access.expect("keys are asked for")).expect("nobody else has it")
}

/// A key as `forebay key hash` prints it.
fn hashed(key: usize) -> String {
    let digest = digest(&SHA256, format!("key-of-the-bench-{key}").as_bytes());
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// A configuration. Changed means: one source has another key, and one route another header.
fn text(changed: bool) -> String {
    let mut text = String::from("[clusters.main]\nbootstrap = \"127.0.0.1:1\"\n");
    for stream in 0..10 {
        text += &format!("[streams.s{stream}]\ncluster = \"main\"\nkey = \"/user\"\n");
    }
    for source in 0..SOURCES {
        let first = source * KEYS_OF_EACH + usize::from(changed && source == 7) * 1_000_000;
        let keys = (first..first + KEYS_OF_EACH).map(|key| format!("\"{}\"", hashed(key)));
        let keys = keys.collect::<Vec<_>>().join(", ");
        text +=
            &format!("[sources.source-{source}]\nkeys = [{keys}]\nrate = {{ events = 1000 }}\n");
    }
    for route in 0..ROUTES {
        let kind = if changed && route == 7 {
            "kind"
        } else {
            "type"
        };
        text += &format!(
            "[routes.route-{route}]\npaths = [\"/sdk/{route}/v1/{{t|track}}\"]\nstream = \"s{}\"\nkey = [\"/userId\", \"/user\"]\n\
             time = [\"/timestamp\"]\ntimestamp = \"event\"\nauth = [\"basic\", \"header:x-key\"]\nheaders.sent-by = [\"header:user-agent\"]\n\
             headers.kind = [\"/{kind}\"]\n",
            route % 10
        );
    }
    text
}
