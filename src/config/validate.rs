//! What must hold across keys before anything starts. Refuses, never repairs, and says everything at once.
//!
//! Nothing here does I/O: whether a cluster can be reached or a port is free shows later.

mod listeners;
mod owners;
mod problems;
mod routes;
mod sources;
mod streams;

use std::time::Duration;

use bytesize::ByteSize;

use super::Config;
use super::check::dotted;
use super::print::size;
use super::properties;
use super::syntax::{bootstrap, cluster_name};

pub use self::problems::Problem;
use self::problems::Problems;

/// Smallest and largest bound of a request's head.
const HEAD_MIN: ByteSize = ByteSize::kib(8);
const HEAD_MAX: ByteSize = ByteSize::mib(1);

/// Most events that a cluster's client may hold.
const IN_FLIGHT_EVENTS_MAX: u32 = 1_000_000;

/// Most open connections, and most HTTP/2 streams on one.
const CONNECTIONS_MAX: usize = 1_000_000;
const HEADERS_MAX: usize = 1_000;
const CONNECTION_STREAMS_MAX: u32 = 10_000;

/// Most events in one request, and in one lane.
const EVENTS_MAX: u32 = 1_000_000;
const LANE_EVENTS_MAX: u32 = 10_000_000;

/// Most threads that serve connections.
const THREADS_MAX: usize = 1024;

/// The shortest time that the runtime's timers know.
const TICK: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

impl Config {
    /// Whether the gateway can run with this; if not, every reason.
    pub fn validate(&self) -> Result<(), Vec<Problem>> {
        let mut problems = Problems::default();
        listeners::check(self, &mut problems);
        counts(self, &mut problems);
        sizes(self, &mut problems);
        memory(self, &mut problems);
        durations(self, &mut problems);
        owners::check(self, &mut problems);
        clusters(self, &mut problems);
        streams::check(self, &mut problems);
        sources::check_all(self, &mut problems);
        routes::check(self, &mut problems);
        problems.into_result()
    }
}

fn counts(config: &Config, problems: &mut Problems) {
    let Config {
        http, decode, lane, ..
    } = config;
    problems.within("http.threads", http.threads, 0, THREADS_MAX);
    problems.within(
        "http.max_connections",
        http.connections(config.memory.budget.0),
        1,
        CONNECTIONS_MAX,
    );
    problems.within(
        "http.max_streams",
        http.max_streams,
        1,
        CONNECTION_STREAMS_MAX,
    );
    problems.within("http.max_headers", http.max_headers, 1, HEADERS_MAX);
    problems.within("decode.max_events", decode.max_events, 1, EVENTS_MAX);
    problems.within("decode.max_depth", decode.max_depth, 1, u16::MAX);
    problems.within("lane.max_events", lane.max_events, 1, LANE_EVENTS_MAX);
}

fn sizes(config: &Config, problems: &mut Problems) {
    let Config {
        http,
        decode,
        lane,
        memory,
        ..
    } = config;
    let given = [
        ("http.max_body", http.max_body),
        ("http.max_decompressed", http.max_decompressed),
        ("http.linger_bytes", http.linger_bytes),
        ("decode.max_event", decode.max_event),
        ("lane.max_bytes", lane.max_bytes),
        ("lane.batch", lane.batch),
        ("memory.budget", memory.budget),
        ("spill.quota", config.spill.quota),
        ("spill.min_free", config.spill.min_free),
        ("spill.segment", config.spill.segment),
        ("spill.queue", config.spill.queue),
    ];
    for (key, value) in given {
        if value.0 == 0 {
            problems.add(key, "0 lets nothing through; give a size like \"4MiB\"");
        }
    }
    if http.max_head < HEAD_MIN || http.max_head > HEAD_MAX {
        let [given, least, most] = [http.max_head, HEAD_MIN, HEAD_MAX].map(size);
        problems.add(
            "http.max_head",
            format!("{given} is out of range; give {least} to {most}"),
        );
    }
    problems.at_most(
        "spill.segment",
        config.spill.segment,
        config.spill.quota,
        "spill.quota",
    );
    problems.at_most(
        "http.max_body",
        http.max_body,
        http.max_decompressed,
        "http.max_decompressed",
    );
    problems.at_most(
        "decode.max_event",
        decode.max_event,
        http.max_decompressed,
        "http.max_decompressed",
    );
    problems.at_most(
        "decode.max_event",
        decode.max_event,
        lane.max_bytes,
        "lane.max_bytes",
    );
    problems.at_most("lane.batch", lane.batch, lane.max_bytes, "lane.max_bytes");
}

fn memory(config: &Config, problems: &mut Problems) {
    let Config {
        http, lane, memory, ..
    } = config;
    let budget = memory.budget;
    let quarter = ByteSize(budget.0 / 4);
    problems.at_most(
        "http.max_body",
        http.max_body,
        quarter,
        "a quarter of memory.budget",
    );
    problems.at_most(
        "http.max_decompressed",
        http.max_decompressed,
        budget,
        "memory.budget",
    );
    problems.at_most("lane.max_bytes", lane.max_bytes, budget, "memory.budget");

    let connections = http.connections(budget.0);
    let all = ByteSize((connections as u64).saturating_mul(http.dearest_bytes()));
    let room = ByteSize(budget.0 - budget.0.div_ceil(4));
    if all > room {
        let beside = ByteSize(http.dearest_bytes() - http.max_head.0);
        let (count, head, connection) = (connections, size(http.max_head), size(beside));
        let budget = size(budget);
        problems.add(
            "http.max_connections",
            format!(
                "{count} connections x ({head} of http.max_head + {connection}) = {all}, more than three quarters of \
                 memory.budget, {room} of {budget}; lower http.max_connections or http.max_head, or raise memory.budget"
            ),
        );
    }
}

fn durations(config: &Config, problems: &mut Problems) {
    let Config {
        http,
        lane,
        admin,
        shutdown,
        ..
    } = config;
    problems.lasts("http.head_timeout", http.head_timeout, TICK, 5 * MINUTE);
    problems.lasts("http.body_timeout", http.body_timeout, TICK, 10 * MINUTE);
    let refused = http.refused_timeout;
    problems.lasts("http.refused_timeout", refused, Duration::ZERO, 10 * MINUTE);
    problems.lasts("http.send_timeout", http.send_timeout, TICK, 10 * MINUTE);
    problems.lasts("http.linger", http.linger, TICK, 5 * MINUTE);
    problems.lasts("http.idle_timeout", http.idle_timeout, TICK, HOUR);
    problems.lasts(
        "http.answer_within",
        http.answer_within,
        TICK,
        MINUTE - TICK,
    );
    problems.lasts("lane.linger", lane.linger, TICK, SECOND);
    problems.lasts("lane.stalled_after", lane.stalled_after, TICK, MINUTE);
    problems.lasts(
        "admin.wait_for_all",
        admin.wait_for_all,
        Duration::ZERO,
        10 * MINUTE,
    );
    problems.lasts("lane.spill_after", lane.spill_after, TICK, MINUTE);
    problems.lasts("lane.pause", lane.pause, 10 * TICK, MINUTE);
    problems.lasts("lane.longest_pause", lane.longest_pause, lane.pause, HOUR);
    let log_stalled = config.spill.stalled_after;
    problems.lasts("spill.stalled_after", log_stalled, TICK, MINUTE);
    problems.lasts("shutdown.grace", shutdown.grace, Duration::ZERO, 5 * MINUTE);
    problems.lasts("shutdown.idle", shutdown.idle, TICK, MINUTE);
    problems.lasts("shutdown.drain", shutdown.drain, TICK, 10 * MINUTE);

    let [stalled, linger, answer] =
        [lane.stalled_after, lane.linger, http.answer_within].map(humantime::format_duration);
    if lane.stalled_after <= lane.linger {
        let what = "so that every lane would count as stalled; raise it";
        problems.add(
            "lane.stalled_after",
            format!("{stalled} isn't longer than lane.linger, {linger}, {what}"),
        );
    }
    if lane.stalled_after >= http.answer_within {
        let what = "so that clients of a stalled lane would wait in vain; lower it";
        problems.add(
            "lane.stalled_after",
            format!("{stalled} isn't shorter than http.answer_within, {answer}, {what}"),
        );
    }
}

fn clusters(config: &Config, problems: &mut Problems) {
    for (name, cluster) in &config.clusters {
        let key = |field: &str| dotted(&["clusters", name, field]);
        problems.unless(&dotted(&["clusters", name]), cluster_name(name));
        for what in bootstrap(&cluster.bootstrap) {
            problems.add(key("bootstrap"), what);
        }
        problems.within(
            &key("max_in_flight_events"),
            cluster.max_in_flight_events,
            1,
            IN_FLIGHT_EVENTS_MAX,
        );
        if cluster.max_in_flight < config.decode.max_event {
            let [given, event] = [cluster.max_in_flight, config.decode.max_event].map(size);
            let what = format!(
                "{given} can't hold the largest event, decode.max_event, {event}; raise it"
            );
            problems.add(key("max_in_flight"), what);
        }
        let assumed = cluster.assumed_max_message.0;
        problems.within(&key("assumed_max_message"), assumed, 1_024, 1_000_000_000);
        let refresh = cluster.metadata_refresh;
        problems.lasts(&key("metadata_refresh"), refresh, 100 * TICK, HOUR);
        problems.lasts(&key("probe"), cluster.probe, 100 * TICK, MINUTE);
        let progress_within = cluster.progress_within;
        problems.lasts(&key("progress_within"), progress_within, SECOND, HOUR);
        let (pause, longest) = (cluster.client_pause, cluster.longest_client_pause);
        problems.lasts(&key("client_pause"), pause, 100 * TICK, MINUTE);
        problems.lasts(&key("longest_client_pause"), longest, pause, HOUR);
        for property in cluster.kafka.keys() {
            if let Some(reason) = properties::refused(property) {
                let key = dotted(&["clusters", name, "kafka", property]);
                problems.add(key, format!("this property can't be set; {reason}"));
            }
        }
    }
}
