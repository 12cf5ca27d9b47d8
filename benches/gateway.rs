//! The gateway end to end, beside yardsticks measured in the same run:
//!
//! ```text
//! cargo bench --bench gateway
//! cargo bench --bench gateway -- --cases single64,batch50,ndjson50 --rounds 3 --seconds 6 --partitions 64 --linger 10ms
//! cargo bench --bench gateway -- --cases list
//! ```
//!
//! The table that is committed, which takes the better part of an hour of a machine that does nothing else:
//!
//! ```text
//! cargo bench --bench gateway -- --cases all --rounds 4 --seconds 2 --warm-up 1 --table benches/RESULTS.md
//! cargo bench --bench gateway -- --cases all --rounds 1 --seconds 1 --warm-up 1 --table target/quick.md  # quick: 6 minutes
//! ```
//!
//! What is measured is CPU per event: machines are bought by it, and unlike the rate it doesn't depend on who else wants
//! the cores. Each subject is a process of its own, so that its CPU is all of it, kernel and librdkafka's threads included.
//!
//! | subject | what it shows |
//! | --- | --- |
//! | bare hyper | the HTTP hop: read the body, answer 202 |
//! | held hyper | the same, but answers are held until the next beat of `--linger`, which brings it nearer to forebay's rate |
//! | parse | finding events, keys and ids in the same bodies |
//! | raw producer | the Kafka hop: librdkafka's cheapest path, at the rate that the gateway reached |
//! | toy | a prototype that does all three by the usual means, and answers after Kafka's acknowledgement |
//! | forebay | `forebay serve` with everything on that users get |
//! | peer | what somebody might use instead, if `--peer` names a script of `benches/peers`; installed by you |
//!
//! The first three together are what any gateway on these libraries pays; the bar is a multiple of their sum. Machines
//! differ by the minute, so all subjects take turns, ratios are taken within a round, and medians are printed. Cases that
//! are alike before Kafka share the first two of a round.
//!
//! The numbers are only worth something if the events arrived: after each measurement the topic must hold exactly as many
//! records as were acknowledged, and for forebay one partition is read and compared id by id. With `ack = disk` or `memory`
//! that is after everything has reached Kafka.
//!
//! The broker is a real one, from `tests/kafka`; `FOREBAY_TEST_KAFKA=host:port` names another (its CPU isn't shown then).
//! The yardsticks have the gateway's allocator, so that no ratio is one of allocators.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints"
)]

mod endtoend;
#[path = "gateway/mod.rs"]
mod gateway;
#[path = "../tests/kafka/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "made for tests, which use all of it"
)]
mod kafka;
mod support;
mod yardsticks;

use clap::Parser as _;
use gateway::options::Options;
use gateway::run;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let options = Options::parse();
    options.common.play_or("gateway", || run::run(&options));
}
