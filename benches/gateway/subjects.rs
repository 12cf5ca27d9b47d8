//! What is measured, one after the other: each is started, warmed up, measured over the window, audited, and ended.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::options::Options;
use crate::endtoend::bench::{Bench, Load, Outcome};
use crate::endtoend::cases::{Ack, Case, KEY};
use crate::endtoend::child::{Process, cpu};
use crate::endtoend::forebay::Gateway;
use crate::endtoend::meter::Sample;
use crate::endtoend::ports::{free_ports, port_of, wait_until_open};
use crate::endtoend::topics::Topic;
use crate::endtoend::work::{Pace, Target};

/// How long events may need to Kafka after clients had their answers, where that isn't what an answer says.
const DRAINED_WITHIN: Duration = Duration::from_secs(120);

/// More warm-up than the options say: 5 s with 256 partitions.
pub(crate) fn settling(case: &Case) -> Duration {
    let partitions = case.partitions.unwrap_or_default().saturating_sub(16);
    Duration::from_millis(20) * partitions as u32
}

/// The run and what it was told.
pub(crate) struct Subjects<'a> {
    pub(crate) bench: Bench<'a>,
    pub(crate) options: &'a Options,
}

impl Subjects<'_> {
    fn target(&self, topics: &[Topic], case: &Case) -> Target {
        let names: Vec<_> = topics.iter().map(|topic| topic.name.as_str()).collect();
        Target {
            bootstrap: self.bench.kafka.bootstrap().into(),
            topic: names.join(","),
            partitions: topics[0].partitions,
            linger_ms: self.options.linger.as_secs_f64() * 1000.0,
            compression: case.compression.into(),
            headers: case.routed,
        }
    }

    /// One for each cluster.
    fn topics(&self, case: &Case) -> Vec<Topic> {
        let partitions = case.partitions.unwrap_or(self.options.common.partitions);
        (0..case.clusters)
            .map(|_| Topic::new(self.bench.kafka, partitions))
            .collect()
    }

    pub(crate) fn bare(&self, case: &Case, rate: Option<f64>, is_held: bool) -> Sample {
        let held = is_held.then(|| self.options.linger.into());
        self.bench.bare(case, rate, held)
    }

    /// With a longer warm-up for many partitions, as the broker stands still for seconds when a producer is new to them.
    fn pace(&self, case: &Case) -> Pace {
        let mut pace = self.options.common.pace();
        pace.warm_up += settling(case);
        pace
    }

    pub(crate) fn parse(&self, case: &Case) -> f64 {
        self.bench.parse(case)
    }

    /// The raw producer, at the rate that the gateway reached.
    pub(crate) fn raw(&self, case: &Case, rate: f64) -> Sample {
        let topics = self.topics(case);
        let target = self.target(&topics, case);
        let pace = self.pace(case);
        let (sample, acked) = self.bench.raw(&target, &pace, rate, None);
        audit(&topics, &Outcome { acked, unknown: 0 }, "raw");
        sample
    }

    /// The same with a single partition, and so with as few requests as a client could do with that sends what it has for all
    /// partitions of a broker in one.
    pub(crate) fn joined(&self, case: &Case, rate: f64) -> Sample {
        let single = Case {
            partitions: Some(1),
            ..*case
        };
        self.raw(&single, rate)
    }

    pub(crate) fn toy(&self, case: &Case, rate: Option<f64>) -> Sample {
        let topics = self.topics(case);
        let mut arguments = vec!["toy".to_owned()];
        arguments.extend(self.target(&topics, case).arguments());
        let mut server = Process::role(self.bench.server, &arguments);
        let load = Load {
            port: port_of(&server.expect("ready")),
            case: case.name,
            pace: self.pace(case),
            rate,
            note: None,
        };
        let (sample, outcome) = self.bench.loaded(server.pid(), &load);
        audit(&topics, &outcome, "toy");
        sample
    }

    /// What somebody might use instead, started by a script that is told what to do by its environment.
    pub(crate) fn peer(&self, case: &Case, rate: Option<f64>, script: &Path) -> Sample {
        let topics = self.topics(case);
        let folder = tempfile::tempdir_in(self.bench.folder()).expect("a folder");
        let [port] = free_ports();
        let target = self.target(&topics, case);
        let mut command = self.bench.server.command(script);
        command
            .env("LISTEN", format!("127.0.0.1:{port}"))
            .env("STREAM", case.stream(0))
            .env("BOOTSTRAP", &target.bootstrap)
            .env("TOPIC", &target.topic)
            .env("LINGER_MS", target.linger_ms.to_string())
            .env("FOLDER", folder.path());
        let server = Process::start(command);
        wait_until_open(port);
        let load = Load {
            port,
            case: case.name,
            pace: self.pace(case),
            rate,
            note: None,
        };
        let (sample, outcome) = self.bench.loaded(server.pid(), &load);
        audit(&topics, &outcome, "peer");
        sample
    }

    /// A build of the gateway.
    pub(crate) fn gateway(&self, case: &Case, rate: Option<f64>, program: Option<&Path>) -> Sample {
        let topics = self.topics(case);
        let spill = tempfile::tempdir_in(self.bench.folder()).expect("a folder");
        let config = self.config(case, &topics, spill.path());
        let server = Gateway::start(&self.bench, program, &config);
        let ids = self.bench.folder().join("ids");
        let load = Load {
            port: server.port,
            case: case.name,
            pace: self.pace(case),
            rate,
            // Partition 0 is as good as any; its ids are checked one by one.
            note: Some(format!("0/{}:{}", topics[0].partitions, ids.display())),
        };
        let before = cpu(server.pid());
        let (mut sample, outcome) = self.bench.loaded(server.pid(), &load);
        sample.inside_p99_ms = server.quantile_ms(0.99, "forebay_request_duration_seconds");
        let ack_ms =
            |quantile| server.quantile_ms(quantile, "forebay_cluster_ack_duration_seconds");
        (sample.ack_p99_ms, sample.ack_p999_ms) = (ack_ms(0.99), ack_ms(0.999));
        if case.ack != Ack::Durable {
            // Answers come before the work is done: the CPU is that of all events, until the last is in Kafka.
            drained(&topics, outcome.acked);
            let spent = cpu(server.pid()) - before;
            let per_event = 1e6 / outcome.acked as f64;
            (sample.user, sample.system) = (spent.user * per_event, spent.system * per_event);
        }
        audit(&topics, &outcome, case.name);
        audit_ids(&topics[0], &ids, outcome.unknown);
        sample
    }

    fn config(&self, case: &Case, topics: &[Topic], spill: &Path) -> String {
        let mut text = format!(
            "lane.linger = \"{}\"\nlog.filter = \"warn\"\n",
            self.options.linger
        );
        let ack = match case.ack {
            Ack::Durable => "durable",
            Ack::Disk => "disk",
            Ack::Memory => "memory",
        };
        if case.ack == Ack::Disk {
            writeln!(text, "spill.dir = \"{}\"", spill.display())
                .expect("a string takes everything");
        }
        for (number, topic) in topics.iter().enumerate() {
            write!(
                text,
                "clusters.bench{number} = {{ bootstrap = \"{}\", kafka = {{ \"compression.type\" = \"{}\" }} }}\n\
                 streams.{} = {{ cluster = \"bench{number}\", topic = \"{}\", key = \"/user\", id = \"/id\", ack = \"{ack}\" }}\n",
                self.bench.kafka.bootstrap(),
                case.compression,
                case.stream(number),
                topic.name,
            )
            .expect("a string takes everything");
            if case.routed {
                write!(text, "{}", route(&case.stream(number))).expect("a string takes everything");
            }
        }
        text
    }
}

/// A route to a stream, and a source for it.
fn route(stream: &str) -> String {
    format!(
        "sources.{stream} = {{ keys = [\"{KEY}\"] }}\n\
         routes.{stream} = {{ paths = [\"/sdk/{stream}/v1/{{t|track}}\"], stream = \"{stream}\", key = [\"/userId\", \"/user\"], \
         time = [\"/timestamp\", \"/time\"], timestamp = \"event\", auth = [\"basic\"], \
         headers = {{ sent-by = [\"header:user-agent\"], kind = [\"/type\"] }} }}\n"
    )
}

fn records(topics: &[Topic]) -> u64 {
    topics.iter().map(Topic::records).sum()
}

/// Waits until everything that was acknowledged is in Kafka, or no more comes; the audit tells which.
fn drained(topics: &[Topic], acked: u64) {
    let deadline = Instant::now() + DRAINED_WITHIN;
    while records(topics) < acked && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Acknowledged events are in the topics, each once, and others only if nobody knows what became of them.
fn audit(topics: &[Topic], outcome: &Outcome, what: &str) {
    let Outcome { acked, unknown } = outcome;
    let records = records(topics);
    assert!(
        records >= *acked && records <= acked + unknown,
        "{what}: {acked} events acknowledged and {unknown} without an answer, but {records} in the topic"
    );
}

/// The same for the ids of one partition: those that were acknowledged are there, as often as they were sent.
fn audit_ids(topic: &Topic, noted: &Path, unknown: u64) {
    let bytes = std::fs::read(noted).expect("the noted ids");
    let ids = bytes
        .chunks_exact(8)
        .map(|id| u64::from_le_bytes(id.try_into().expect("chunks of eight")));
    let mut acked: Vec<_> = ids.collect();
    acked.sort_unstable();
    let stored = topic.ids(0);
    let surplus = stored.len().saturating_sub(acked.len()) as u64;
    let mut others = stored.iter();
    let is_complete = acked.iter().all(|id| others.any(|other| other == id));
    assert!(
        is_complete && surplus <= unknown,
        "partition 0 holds the acknowledged events: {} acknowledged, {} stored, {unknown} without an answer",
        acked.len(),
        stored.len()
    );
}
