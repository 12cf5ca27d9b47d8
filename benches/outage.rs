//! An outage of Kafka, measured against what disk and CPU of the same machine give in the same run:
//!
//! ```text
//! cargo bench --bench outage
//! cargo bench --bench outage -- --cases disk,single,replay --rounds 3 --seconds 6
//! FOREBAY_TEST_KAFKA_DATA=/dev/shm cargo bench --bench outage -- --cases traffic --rounds 6
//! ```
//!
//! | case | what is measured | bar |
//! | --- | --- | --- |
//! | disk | Kafka is dead, 64 connections with batches of 50: durable events per second | 80 % of a plain write and fdatasync of the same bytes, or of what one CPU can take over HTTP, whichever is less |
//! | single | Kafka is dead, 64 connections with single events: latency | p99 of 10 ms |
//! | replay | Kafka is back: the backlog's rate into Kafka | 80 % of a raw librdkafka producer of the same events |
//! | traffic | the same, with new events at half of capacity: their p99 | twice the p99 without a replay |
//! | healthy | CPU per event with a spill log, against without | 3 % more |
//! | memory | Kafka is dead until the quota is full: peak of resident memory | `memory.budget` and 64 MiB |
//! | start | time until ready and memory, with backlogs of several sizes | 2 s with 5 GB |
//!
//! forebay is its release build, a process of its own, with the settings that users have unless the table says otherwise.
//! It runs on CPU 0, load and broker on CPU 1. Ratios are taken within a round, and medians are printed.
//! Kafka is one real broker on loopback, from `tests/kafka`; it is killed, so it can't be one of yours. It shares the disk
//! with the spill log, which no deployment does: what the kernel writes for the broker (400 MB/s during a replay) then makes
//! each fdatasync wait, up to hundreds of milliseconds, with a replay and without. So latencies need a broker whose files are
//! elsewhere: the variable above puts them into memory, 2 GB for each round.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints"
)]

mod endtoend;
#[path = "../tests/kafka/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "made for tests, which use all of it"
)]
mod kafka;
#[path = "outage/mod.rs"]
mod outage;
mod support;
mod yardsticks;

use clap::Parser as _;
use outage::options::Options;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let options = Options::parse();
    options.common.play_or("outage", || outage::run(&options));
}
