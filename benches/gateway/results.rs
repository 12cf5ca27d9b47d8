//! The table that is committed: one line for each case, with everything that is needed to judge it.

use std::fmt::Write as _;
use std::time::Duration;

use super::options::Options;
use super::run::{Found, cpus, ratios};
use super::{comparisons, machine};
use crate::endtoend::cases::Case;
use crate::endtoend::figures::{median, spread, thousands};

/// How to read it.
const LEGEND: &str = "\
Each figure is the median of the rounds; ratios are taken within a round. CPU is that of a whole process, kernel and
librdkafka included, in µs per event. *Limits* are what its bare parts cost in the same round: hyper that only reads
bodies, the decoder alone (with decompression), and librdkafka's cheapest path at the rate that forebay reached. Cases
alike over HTTP share the first two. *Same rate* is the ratio to the same parts, if hyper holds its answers until the next
beat of `linger`: one that answers at once serves many more requests on the same connections, and so finds more of them at
each wake-up than forebay, which waits for Kafka, can. Held answers leave all at once, which is still the cheapest way. The *toy* is a prototype by the usual means, where it can do what the case asks.
Saturated means that each connection sends as soon as it has its answer, so p99 is the queue's; `paced` cases are offered a
fixed rate, as are `half` ones, and their p99 is counted from when a request was due; *inside* is the p99 by
forebay's own histogram, without the clients' share (of the warm-up too), and *Kafka's* that of the acknowledgements of its
batches, from when librdkafka had them, with the p99.9 of these: a request of 50 events has events in 15 batches to 16
partitions and is answered with the slowest, so of 100 requests one waits for what one of 1,500 batches takes. With `ack = disk` and `memory` answers come before the
work is done: CPU is that of all events until the last is in Kafka, and no limit counts the disk.

Every case was audited: topics hold exactly the acknowledged events, one partition of them id by id.

| figure | from |
|---|---|
| events/s, p50, p99, not 2xx | the benchmark's own clients (`benches/endtoend/load`): one process, one thread |
| CPU, others | `/proc/PID/stat` and `/proc/stat`; *others* is what else ran on the server's CPU |
| bare, parse, raw, toy | `benches/yardsticks`, each a process of its own |
| Kafka | one real broker on loopback, from `tests/kafka`; its files are in {broker} |
";

/// What stands above [`joined`].
const JOINED: &str = "\
librdkafka sends one request per partition. What a client would need at least that sent what it has for all partitions of a
broker in one: the raw producer at the same rate, with one partition. Its requests are as few as they can be, and without the
head of a batch (61 bytes) for each of the other partitions. Where limits are above forebay, the raw producer pays for not
holding batches back.
";

/// The whole file.
pub(crate) fn text(options: &Options, cases: &[Case], found: &[Found], took: Duration) -> String {
    let common = &options.common;
    let (_, version) = rdkafka::util::get_rdkafka_version();
    let place = if common.unpinned {
        "nothing pinned"
    } else {
        "servers on CPU 0, clients and broker on CPU 1"
    };
    format!(
        "# Results\n\nWritten by `cargo bench --bench gateway -- {}`.\n\n{}\
         - rounds: {} of {} s after {} s of warm-up; {:.0} minutes in all\n\
         - setting: events of 400 bytes, {} partitions unless a case says otherwise, acks=all, idempotent, linger {}, librdkafka {version}, {place}\n\n\
         {}\n## Cases\n\n{}\n## One case over another\n\n\
         Each with the other of the same round, forebay only.\n\n{}\n## One request for all partitions\n\n{JOINED}\n{}",
        std::env::args()
            .skip(1)
            .filter(|argument| argument != "--bench")
            .collect::<Vec<_>>()
            .join(" "),
        machine::describe(),
        common.rounds,
        common.seconds,
        common.warm_up,
        took.as_secs_f64() / 60.0,
        common.partitions,
        options.linger,
        LEGEND.replace("{broker}", &broker_folder()),
        rows(cases, found),
        comparisons::table(cases, found),
        joined(cases, found),
    )
}

/// Where the broker writes: latencies depend on it.
fn broker_folder() -> String {
    std::env::var("FOREBAY_TEST_KAFKA_DATA").map_or_else(
        |_| "the build's folder, on the same disk".to_owned(),
        |folder| format!("`{folder}`"),
    )
}

/// What would be left with one request for all partitions, for the cases that were measured so.
fn joined(cases: &[Case], found: &[Found]) -> String {
    let mut text = "\
        | case | forebay CPU | raw | raw, 1 partition | limits | limits, 1 partition |\n\
        |---|---|---|---|---|---|\n"
        .to_owned();
    for (case, found) in cases.iter().zip(found) {
        if found.joined.is_empty() {
            continue;
        }
        writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            case.name,
            median(cpus(&found.gateway)),
            median(cpus(&found.raw)),
            median(cpus(&found.joined)),
            median(found.limits()),
            median(found.joined_limits()),
        )
        .expect("a string takes everything");
    }
    text
}

fn rows(cases: &[Case], found: &[Found]) -> String {
    let mut text = "\
        | case | what | events/s | p50 ms | p99 ms | inside | Kafka's | its p99.9 | forebay CPU | min..max | bare + parse + raw = limits | forebay / limits | min..max | same rate | min..max | toy CPU | forebay / toy | min..max | not 2xx | others |\n\
        |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for (case, found) in cases.iter().zip(found) {
        let gateway = &found.gateway;
        if gateway.is_empty() {
            continue;
        }
        let cpu = cpus(gateway);
        let limits = if found.limits().is_empty() {
            String::new()
        } else {
            format!(
                "{:.2} + {:.2} + {:.2} = {:.2}",
                median(cpus(&found.bare)),
                median(found.parse.iter().copied()),
                median(cpus(&found.raw)),
                median(found.limits()),
            )
        };
        let toy = match cpus(&found.toy) {
            cpus if cpus.is_empty() => String::new(),
            cpus => format!("{:.2}", median(cpus)),
        };
        writeln!(
            text,
            "| {} | {} | {} | {:.2} | {:.2} | {:.1} | {:.1} | {:.1} | {:.2} | {} | {limits} | {} | {} | {toy} | {} | {} | {:.0} % |",
            case.name,
            case.describe(),
            thousands(median(gateway.iter().map(|it| it.events_per_second))),
            median(gateway.iter().map(|it| it.p50_ms)),
            median(gateway.iter().map(|it| it.p99_ms)),
            median(gateway.iter().map(|it| it.inside_p99_ms)),
            median(gateway.iter().map(|it| it.ack_p99_ms)),
            median(gateway.iter().map(|it| it.ack_p999_ms)),
            median(cpu.iter().copied()),
            spread(&cpu),
            ratio(&cpu, &found.limits()),
            ratio(&cpu, &found.held_limits()),
            ratio(&cpu, &cpus(&found.toy)),
            thousands(gateway.iter().map(|it| it.others).sum::<u64>() as f64),
            median(gateway.iter().map(|it| it.disturbed)),
        )
        .expect("a string takes everything");
    }
    text
}

/// Two cells: the ratio and its spread.
fn ratio(of: &[f64], to: &[f64]) -> String {
    let ratios = ratios(of, to);
    if ratios.is_empty() {
        return " | ".to_owned();
    }
    format!(
        "{:.2} | {}",
        median(ratios.iter().copied()),
        spread(&ratios)
    )
}
