//! What all cases share: the broker that is killed and started again, folders, and the load.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::gateway::{Gateway, Setup};
use super::options::Options;
use crate::endtoend::child::{Place, Process};
use crate::endtoend::meter::{Meter, Sample};
use crate::endtoend::ports::{number, port_of};
use crate::endtoend::topics::{self, Topic};
use crate::endtoend::work::Pace;
use crate::kafka::Kafka;

/// How long a broker may take to start.
const START_WITHIN: Duration = Duration::from_secs(90);

/// Everything that a case needs to know of the run.
pub(crate) struct Bench<'a> {
    pub(crate) options: &'a Options,
    pub(crate) kafka: &'static Kafka,
    pub(crate) server: Place,
    pub(crate) load: Place,
    folder: tempfile::TempDir,
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
        let kafka = topics::broker();
        assert!(
            !kafka.nodes().is_empty(),
            "this benchmark kills Kafka, so it starts its own: unset FOREBAY_TEST_KAFKA"
        );
        let bench = Bench {
            options,
            kafka,
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

    /// CPUs that forebay has for itself.
    pub(crate) fn cores(&self) -> f64 {
        let all = std::thread::available_parallelism().map_or(1, Into::into);
        match self.server {
            Place::Cpu(_) => 1.0,
            // The load needs about as much.
            Place::Anywhere => all as f64 / 2.0,
        }
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

    pub(crate) fn pace(&self) -> Pace {
        Pace {
            warm_up: Duration::from_secs_f64(self.options.warm_up),
            window: Duration::from_secs_f64(self.options.seconds),
            skewed: false,
        }
    }

    /// Starts the clients.
    pub(crate) fn load(&self, port: u16, case: &str, pace: &Pace, rate: Option<f64>) -> Process {
        let mut arguments = vec![
            "load".to_owned(),
            format!("--port={port}"),
            format!("--case={case}"),
        ];
        arguments.extend(pace.arguments());
        arguments.extend(rate.map(|rate| format!("--rate={rate:.1}")));
        Process::role(self.load, &arguments)
    }

    /// Loads a server and measures it.
    pub(crate) fn loaded(
        &self,
        pid: u32,
        port: u16,
        case: &str,
        pace: &Pace,
        rate: Option<f64>,
    ) -> Sample {
        let mut load = self.load(port, case, pace, rate);
        load.expect("begin");
        let meter = Meter::start(self.kafka, self.server, pid);
        let end = load.expect("end");
        let mut sample = meter.stop(number(&end[0]), number(&end[1]));
        let latency = load.expect("latency");
        (sample.p50_ms, sample.p99_ms) = (number(&latency[0]), number(&latency[1]));
        sample.others = number(&load.expect("done")[1]) as u64;
        if self.options.threads {
            for (name, cpu) in sample.threads.iter().filter(|(_, cpu)| *cpu > 0.005) {
                eprintln!("    {name:20} {cpu:.3} us/event");
            }
        }
        sample
    }

    /// The same with a forebay that is started for it.
    pub(crate) fn forebay(&self, setup: &Setup<'_>, case: &str) -> Sample {
        let gateway = Gateway::start(self, setup);
        // Until the producer has its id, events would go to the log.
        std::thread::sleep(Duration::from_secs(1));
        noted(
            "forebay",
            self.loaded(gateway.pid(), gateway.port, case, &self.pace(), None),
        )
    }

    /// Bare hyper under the same load, and CPU per event of parsing: what any gateway pays for HTTP.
    pub(crate) fn http_parts(&self, case: &str) -> (Sample, f64) {
        let mut server = Process::role(self.server, &["bare".to_owned()]);
        let port = port_of(&server.expect("ready"));
        let bare = noted(
            "bare",
            self.loaded(server.pid(), port, case, &self.pace(), None),
        );
        let arguments = ["parse".to_owned(), format!("--case={case}")];
        let mut process = Process::role(self.server, &arguments);
        (bare, number(&process.expect("parse")[0]))
    }
}

/// Says on the way what was found; the table comes only at the end.
pub(crate) fn noted(what: &str, sample: Sample) -> Sample {
    eprintln!(
        "  {what:8} {:>9.0} events/s {:>7.3} us/event  p50 {:.2} ms  p99 {:.2} ms  {:.0} MB  {} refused  others {:.0} %",
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
