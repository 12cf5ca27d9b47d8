//! Instructions per event: a regression of a percent shows, on however busy a machine.
//!
//! ```text
//! cargo bench --bench instructions                     # all cases; takes some minutes, and needs valgrind
//! cargo bench --bench instructions -- single h2c       # some
//! cargo bench --bench instructions -- --check          # fails if a case takes more than what is committed
//! cargo bench --bench instructions -- --save           # commits what it takes now, after a change that is worth it
//! ```
//!
//! Run `--check` with each change to `http`, `decode`, `route` or `lane::admit`. Its measure is
//! `benches/instructions/reference.toml`, which says what each case took when it was last saved. A case may take 3 % more. hyper
//! alone is measured beside it, and what hyper takes more or less today is added, so that a new compiler or library isn't
//! taken for a fault. A case that is worse is measured again, twice at most, because noise only adds.
//!
//! Each case runs twice under valgrind's callgrind, with different numbers of requests; the difference is what the
//! requests cost, without what starting costs. Counted is what one HTTP thread does outside the kernel: hyper, tokio, the
//! path of an event up to the lanes, and the answer. The lanes' worker and librdkafka's mock cluster are real, and run on
//! threads of their own that don't count; so do the clients.
//!
//! How often the thread wakes depends on those threads, and how many requests it finds then. So there are three pairs of runs, of which
//! the middle one counts: two such counts of a case over HTTP/1.1 differ by less than 1 %, of `h2c` by 5 % on a machine that is
//! busy. The decoder's are exact, and there's one pair.
//!
//! If there is a folder `target/callgrind`, callgrind's files are kept there.
//!
//! What instructions don't show: system calls, cache misses, contention. Those need `--bench gateway`.
//!
//! | case | is |
//! | --- | --- |
//! | decode, decode50 | finding the events of a body: one event, an array of 50 |
//! | bare, bareh2c | hyper alone: read the body, answer 202 |
//! | single | one event per POST, 32 connections of HTTP/1.1 |
//! | pipelined | the same, 4 requests in one write |
//! | batch50 | an array of 50 per POST, 32 connections |
//! | h2c | one event per POST, 4 connections with 8 streams each |
//! | bearer, bearer10k | `single` with a bearer's key, of 10 keys that there are, and of 10,000 |
//! | stranger | the same with a key that nobody has: each is refused, and its connection goes on; `--bench cpu` compares the two |
//! | route, route1k | `single` through a route, of 10, and of 1,000 (and 10,000 keys): Basic, a list of keys, a time, two headers |
//! | route50 | `batch50` through it |
//! | signed50, hash50 | `batch50` with an HMAC of the body, and that HMAC alone |

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints"
)]

#[path = "instructions/callgrind.rs"]
mod callgrind;
#[path = "instructions/clients.rs"]
mod clients;
#[path = "instructions/reference.rs"]
mod reference;
#[path = "instructions/servers.rs"]
mod servers;
mod support;

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use clients::Asks;
use forebay::decode::{self, Decoded, Pointer, Settings, Wanted};
use reference::{Reference, is_worse, percent_above};
use servers::What;
use support::{Numbers, Shape};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a case measures, and how many events each of its requests has.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    kind: Kind,
    events: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Decode,
    Hash,
    /// HTTP/1.1, with so many requests in one write.
    Http1 {
        depth: usize,
        what: What,
        asks: Asks,
    },
    Http2 {
        what: What,
    },
}

impl Case {
    /// Whether it has nothing of ours.
    fn is_yardstick(&self) -> bool {
        match self.kind {
            Kind::Decode => false,
            Kind::Hash => true,
            Kind::Http1 { what, .. } | Kind::Http2 { what } => what == What::Bare,
        }
    }

    /// hyper alone by the same protocol.
    fn yardstick(&self) -> Option<&'static Case> {
        let is_http2 = matches!(self.kind, Kind::Http2 { .. });
        let alike = |it: &&Case| match it.kind {
            Kind::Http1 { what, .. } => what == What::Bare && !is_http2,
            Kind::Http2 { what } => what == What::Bare && is_http2,
            Kind::Decode | Kind::Hash => false,
        };
        let has_one = !self.is_yardstick() && self.kind != Kind::Decode;
        CASES.iter().find(alike).filter(|_| has_one)
    }
}

const fn http1(name: &'static str, depth: usize, what: What, events: usize) -> Case {
    let asks = Asks::Native;
    let kind = Kind::Http1 { depth, what, asks };
    Case { name, kind, events }
}

const fn guarded(
    name: &'static str,
    asks: Asks,
    keys: usize,
    routes: usize,
    events: usize,
) -> Case {
    let (depth, what) = (1, What::Guarded { keys, routes });
    let kind = Kind::Http1 { depth, what, asks };
    Case { name, kind, events }
}

const fn of(name: &'static str, kind: Kind, events: usize) -> Case {
    Case { name, kind, events }
}

const CASES: [Case; 16] = [
    of("decode", Kind::Decode, 1),
    of("decode50", Kind::Decode, 50),
    http1("bare", 1, What::Bare, 1),
    of("bareh2c", Kind::Http2 { what: What::Bare }, 1),
    http1("single", 1, What::Native, 1),
    http1("pipelined", 4, What::Native, 1),
    http1("batch50", 1, What::Native, 50),
    of("h2c", Kind::Http2 { what: What::Native }, 1),
    guarded("bearer", Asks::Bearer, 10, 10, 1),
    guarded("bearer10k", Asks::Bearer, 10_000, 10, 1),
    guarded("stranger", Asks::Stranger, 10, 10, 1),
    guarded("route", Asks::Route, 10, 10, 1),
    guarded("route1k", Asks::Route, 10_000, 1_000, 1),
    guarded("route50", Asks::Route, 10, 10, 50),
    guarded("signed50", Asks::Signed, 10, 10, 50),
    of("hash50", Kind::Hash, 50),
];

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [role, name, times] if role == "run" => {
            let case = CASES.iter().find(|case| case.name == name);
            run(
                case.expect("the parent knows the case"),
                times.parse().expect("a number"),
            );
        }
        // `cargo test --all-targets` runs benchmarks too, to see that they start.
        arguments if !arguments.iter().any(|it| it == "--bench") => {
            eprintln!("this takes minutes; run it by `cargo bench --bench instructions`");
        }
        wanted => {
            let asks = |what: &str| wanted.iter().any(|it| it == what);
            let some_named = CASES.iter().any(|case| asks(case.name));
            let is_wanted = |case: &&Case| !some_named || asks(case.name);
            let cases: Vec<_> = CASES.iter().filter(is_wanted).collect();
            if !compare(&cases, asks("--save")) && asks("--check") {
                eprintln!(
                    "more instructions than what is committed; see the head of benches/instructions.rs"
                );
                std::process::exit(1);
            }
        }
    }
}

/// Measures the cases and prints the table. True if none is worse than what is committed, or if this is to be committed.
fn compare(cases: &[&Case], save: bool) -> bool {
    println!(
        "| case | instructions per request | per event | expected | more |\n| --- | --- | --- | --- | --- |"
    );
    let (reference, mut found) = (Reference::load(), BTreeMap::new());
    let mut all_good = true;
    for case in cases {
        let yardstick = case.yardstick().filter(|_| !save).map(|bare| {
            let now = found.entry(bare.name).or_insert_with(|| measure(bare));
            (bare.name, *now)
        });
        let mut each = *found.entry(case.name).or_insert_with(|| measure(case));
        if save {
            println!(
                "| {} | {each:.0} | {:.0} | | |",
                case.name,
                each / case.events as f64
            );
            continue;
        }
        let expected = reference.expected(case.name, yardstick);
        for _ in 0..2 {
            if is_worse(each, expected) {
                each = each.min(measure(case));
            }
        }
        println!(
            "| {} | {each:.0} | {:.0} | {expected:.0} | {:+.1} % |",
            case.name,
            each / case.events as f64,
            percent_above(each, expected)
        );
        all_good &= case.is_yardstick() || !is_worse(each, expected);
    }
    if save {
        reference.save(found);
    }
    all_good
}

/// Instructions per request of a case: the middle one of some pairs of runs.
fn measure(case: &Case) -> f64 {
    let pairs = match case.kind {
        Kind::Decode | Kind::Hash => 1,
        Kind::Http1 { .. } | Kind::Http2 { .. } => 3,
    };
    let mut found: Vec<_> = (0..pairs).map(|_| measure_once(case)).collect();
    found.sort_by(f64::total_cmp);
    found[pairs / 2]
}

fn measure_once(case: &Case) -> f64 {
    let (few, many) = match case.kind {
        // A body of many events takes so much that fewer tell as much.
        Kind::Http1 { depth: 1, .. } | Kind::Http2 { .. } if case.events == 1 => (4, 24),
        _ => (2, 7),
    };
    let thread = match case.kind {
        Kind::Decode => "instructions::decode",
        Kind::Hash => "instructions::hash",
        _ => servers::MARK,
    };
    let counted = |times| callgrind::count(case.name, times, thread);
    let requests = requests(case, many) - requests(case, few);
    // The larger run last, because its files are the ones that are kept.
    let fewer = counted(few);
    (counted(many) - fewer) as f64 / requests as f64
}

/// How many requests a run of `times` is.
fn requests(case: &Case, times: usize) -> usize {
    times
        * match case.kind {
            Kind::Decode | Kind::Hash => 100,
            Kind::Http1 { depth, .. } => clients::CONNECTIONS * depth * 4,
            Kind::Http2 { .. } => clients::CONNECTIONS * 4,
        }
}

fn run(case: &Case, times: usize) {
    match case.kind {
        Kind::Decode => decode(case.events, requests(case, times)),
        Kind::Hash => hash(case.events, requests(case, times)),
        Kind::Http1 { depth, what, asks } => {
            servers::with(what, false, None, |address| {
                clients::http1(address, None, asks, case.events, depth, times * 4)
            });
        }
        Kind::Http2 { what } => {
            servers::with(what, true, None, |address| {
                clients::http2(address, case.events, times * 4)
            });
        }
    }
}

#[inline(never)]
fn hash(events: usize, times: usize) {
    let body = support::body(&mut Numbers::new(7), Shape::Json, events, 0, false);
    let key = hmac::Key::new(hmac::HMAC_SHA256, servers::SECRET.as_bytes());
    for _ in 0..times {
        std::hint::black_box(hmac::sign(&key, std::hint::black_box(&body)));
    }
}

#[inline(never)]
fn decode(events: usize, times: usize) {
    let body = support::body(&mut Numbers::new(7), Shape::Json, events, 0, false);
    let pointer = |text| Some(Pointer::parse(text).expect("a pointer"));
    let wanted = Wanted {
        key: pointer("/user"),
        id: pointer("/id"),
    };
    let limits = Settings::default().limits().expect("the default limits");
    let mut decoded = Decoded::default();
    for _ in 0..times {
        decoded.clear();
        decode::json(std::hint::black_box(&body), &wanted, &limits, &mut decoded)
            .expect("the body is well-formed");
        assert_eq!(decoded.events.len(), events, "every event is found");
    }
}
