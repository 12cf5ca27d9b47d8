//! What all measurements of a run share: the broker, where things run, the folder, the load, and the yardsticks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cases::Case;
use super::child::{Place, Process};
use super::meter::{Meter, Sample};
use super::options::Options;
use super::ports::{number, port_of};
use super::topics::{self, Topic};
use super::work::{Pace, Target};
use crate::kafka::Kafka;

/// How long a broker may take to start.
const START_WITHIN: Duration = Duration::from_secs(90);

/// Everything that a measurement needs to know of the run.
pub(crate) struct Bench<'a> {
    pub(crate) options: &'a Options,
    pub(crate) kafka: &'static Kafka,
    pub(crate) server: Place,
    pub(crate) load: Place,
    folder: tempfile::TempDir,
}

/// What the clients are to do, and where.
pub(crate) struct Load<'a> {
    pub(crate) port: u16,
    pub(crate) case: &'a str,
    pub(crate) pace: Pace,
    /// Events per second, instead of as many as are answered.
    pub(crate) rate: Option<f64>,
    /// Where ids go for the audit, as the role takes it.
    pub(crate) note: Option<String>,
}

/// What became of all events that clients sent, the warm-up's too.
pub(crate) struct Outcome {
    pub(crate) acked: u64,
    /// Events of requests with another answer than 2xx or without one: nobody knows what became of them.
    pub(crate) unknown: u64,
}

impl Bench<'_> {
    pub(crate) fn new(options: &Options) -> Bench<'_> {
        let (server, load) = if options.unpinned {
            (Place::Anywhere, Place::Anywhere)
        } else {
            (Place::Cpu(0), Place::Cpu(1))
        };
        let folder = match &options.folder {
            Some(folder) => tempfile::tempdir_in(folder),
            None => tempfile::tempdir(),
        };
        let bench = Bench {
            options,
            kafka: topics::broker(),
            server,
            load,
            folder: folder.expect("a folder"),
        };
        bench.place_kafka();
        bench
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether the broker was started here, and may be killed.
    pub(crate) fn owns_kafka(&self) -> bool {
        !self.kafka.nodes().is_empty()
    }

    fn place_kafka(&self) {
        for node in self.kafka.nodes() {
            self.load
                .take(self.kafka.pid(node).expect("a running broker"));
        }
    }

    pub(crate) fn kill_kafka(&self) {
        self.kafka.kill_all();
    }

    pub(crate) fn start_kafka(&self) {
        self.kafka.start_all();
        self.place_kafka();
        self.kafka.wait_ready(START_WITHIN);
    }

    pub(crate) fn topic(&self) -> Topic {
        Topic::new(self.kafka, self.options.partitions)
    }

    /// A new directory for a spill log, that knows the topic's partitions as after a run with a healthy Kafka.
    pub(crate) fn spill(&self, name: &str, topic: &str) -> PathBuf {
        let dir = self.folder().join(name);
        std::fs::create_dir(&dir).expect("a directory");
        let known = format!("{{\"bench/{topic}\": {}}}", self.options.partitions);
        std::fs::write(dir.join("partitions.json"), known).expect("the partitions' file");
        dir
    }

    /// Starts the clients.
    pub(crate) fn load(&self, load: &Load<'_>) -> Process {
        let mut arguments = vec![
            "load".to_owned(),
            format!("--port={}", load.port),
            format!("--case={}", load.case),
        ];
        arguments.extend(load.pace.arguments());
        arguments.extend(load.rate.map(|rate| format!("--rate={rate:.1}")));
        arguments.extend(load.note.as_ref().map(|note| format!("--note={note}")));
        Process::role(self.load, &arguments)
    }

    /// Loads a server and measures it.
    pub(crate) fn loaded(&self, pid: u32, load: &Load<'_>) -> (Sample, Outcome) {
        let mut load = self.load(load);
        load.expect("begin");
        let meter = Meter::start(self.kafka, self.server, pid);
        let end = load.expect("end");
        let mut sample = meter.stop(number(&end[0]), number(&end[1]));
        let latency = load.expect("latency");
        (sample.p50_ms, sample.p99_ms) = (number(&latency[0]), number(&latency[1]));
        let done = load.expect("done");
        let count = |index: usize| number(&done[index]) as u64;
        sample.others = count(1);
        let outcome = Outcome {
            acked: count(0),
            unknown: count(2),
        };
        (sample, outcome)
    }

    /// Bare hyper; with its answers held for about as long as Kafka takes, or at once.
    pub(crate) fn bare(&self, case: &Case, rate: Option<f64>, held: Option<Duration>) -> Sample {
        let mut arguments = vec!["bare".to_owned()];
        arguments.extend(case.http2.then(|| "--http2-only".to_owned()));
        arguments.extend(held.map(|held| format!("--held={}", humantime::format_duration(held))));
        let mut server = Process::role(self.server, &arguments);
        let load = Load {
            port: port_of(&server.expect("ready")),
            case: case.name,
            pace: self.options.pace(),
            rate,
            note: None,
        };
        self.loaded(server.pid(), &load).0
    }

    /// CPU per event of finding events in bodies.
    pub(crate) fn parse(&self, case: &Case) -> f64 {
        let arguments = ["parse".to_owned(), format!("--case={}", case.name)];
        let mut process = Process::role(self.server, &arguments);
        number(&process.expect("parse")[0])
    }

    /// The raw producer at a rate, holding at most `queue`; and how many events it sent in all.
    pub(crate) fn raw(
        &self,
        target: &Target,
        pace: &Pace,
        rate: f64,
        queue: Option<u32>,
    ) -> (Sample, u64) {
        let mut arguments = vec!["raw".to_owned()];
        arguments.extend(target.arguments());
        arguments.extend(pace.arguments());
        arguments.push(format!("--rate={rate:.1}"));
        arguments.extend(queue.map(|queue| format!("--queue={queue}")));
        let mut producer = Process::role(self.server, &arguments);
        producer.expect("begin");
        let meter = Meter::start(self.kafka, self.server, producer.pid());
        let end = producer.expect("end");
        let mut sample = meter.stop(number(&end[0]), number(&end[1]));
        let latency = producer.expect("latency");
        (sample.p50_ms, sample.p99_ms) = (number(&latency[0]), number(&latency[1]));
        let done = producer.expect("done");
        assert_eq!(done[1], "0", "no event of the raw producer failed");
        (sample, number(&done[0]) as u64)
    }
}

/// Says on the way what was found; the table comes only at the end.
#[expect(clippy::print_stderr, reason = "for the one who waits")]
pub(crate) fn noted(what: &str, sample: Sample) -> Sample {
    eprintln!(
        "  {what:8} {:>9.0} events/s {:>8.3} us/event  p50 {:.2} ms  p99 {:.2} ms  {:.0} MB  {} refused  others {:.0} %",
        sample.events_per_second,
        sample.cpu(),
        sample.p50_ms,
        sample.p99_ms,
        sample.resident_mb,
        sample.others,
        sample.disturbed
    );
    sample
}
