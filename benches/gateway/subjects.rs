//! What is measured, one after the other: each is started, warmed up, measured over the window, audited, and ended.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::options::Options;
use crate::endtoend::child::{Place, Process};
use crate::endtoend::meter::{Meter, Sample};
use crate::endtoend::ports::{free_port, number, port_of, wait_until_ready};
use crate::endtoend::topics::Topic;
use crate::endtoend::work::{Case, Pace, Target};
use crate::kafka::Kafka;
use crate::support::Shape;

/// Everything that a measurement needs to know of the run.
pub(crate) struct Bench<'a> {
    pub(crate) options: &'a Options,
    pub(crate) kafka: &'static Kafka,
    pub(crate) server: Place,
    pub(crate) load: Place,
    pub(crate) folder: PathBuf,
}

impl Bench<'_> {
    fn pace(&self) -> Pace {
        Pace {
            warm_up: Duration::from_secs_f64(self.options.warm_up),
            window: Duration::from_secs_f64(self.options.seconds),
            skewed: self.options.skewed,
        }
    }

    fn target(&self, topic: &Topic) -> Target {
        Target {
            bootstrap: self.kafka.bootstrap().into(),
            topic: topic.name.clone(),
            partitions: topic.partitions,
            linger_ms: self.options.linger.as_secs_f64() * 1000.0,
        }
    }

    fn topic(&self) -> Topic {
        Topic::new(self.kafka, self.options.partitions)
    }

    /// Bare hyper; with its answers held for about as long as Kafka takes, or at once.
    pub(crate) fn bare(&self, case: &Case, is_held: bool) -> Sample {
        let mut arguments = vec!["bare".to_owned()];
        arguments.extend(case.http2.then(|| "--http2-only".to_owned()));
        arguments.extend(is_held.then(|| format!("--held={}", self.options.linger)));
        let mut server = Process::role(self.server, &arguments);
        let port = port_of(&server.expect("ready"));
        self.loaded(case, server.pid(), port, None)
    }

    pub(crate) fn toy(&self, case: &Case) -> Sample {
        let topic = self.topic();
        let mut arguments = vec!["toy".to_owned()];
        arguments.extend(self.target(&topic).arguments());
        let mut server = Process::role(self.server, &arguments);
        let port = port_of(&server.expect("ready"));
        self.loaded(case, server.pid(), port, Some((&topic, false)))
    }

    pub(crate) fn gateway(&self, case: &Case, program: &Path) -> Sample {
        let topic = self.topic();
        let (port, admin) = (free_port(), free_port());
        let file = self.folder.join("forebay.toml");
        let mut config = format!(
            "http.listen = \"127.0.0.1:{port}\"\nadmin.listen = \"127.0.0.1:{admin}\"\nlane.linger = \"{}\"\n\
             shutdown.grace = \"0s\"\nlog.filter = \"warn\"\nclusters.bench.bootstrap = \"{}\"\n\
             streams.events = {{ cluster = \"bench\", topic = \"{}\", key = \"/user\", id = \"/id\" }}\n",
            self.options.linger,
            self.kafka.bootstrap(),
            topic.name,
        );
        for line in &self.options.set {
            config.push_str(line);
            config.push('\n');
        }
        std::fs::write(&file, config).expect("the configuration's file");
        let mut command = self.server.command(program);
        command.arg("serve").arg("--config").arg(&file);
        let server = Process::start(command);
        wait_until_ready(admin);
        self.loaded(case, server.pid(), port, Some((&topic, true)))
    }

    /// The raw producer, at the rate that the gateway reached.
    pub(crate) fn raw(&self, rate: f64) -> Sample {
        let topic = self.topic();
        let mut arguments = vec!["raw".to_owned()];
        arguments.extend(self.target(&topic).arguments());
        arguments.extend(self.pace().arguments());
        arguments.push(format!("--rate={rate:.1}"));
        let mut producer = Process::role(self.server, &arguments);
        producer.expect("begin");
        let meter = Meter::start(self.kafka, self.server, producer.pid());
        let end = producer.expect("end");
        let sample = meter.stop(number(&end[0]), number(&end[1]));
        let done = producer.expect("done");
        assert_eq!(done[1], "0", "no event of the raw producer failed");
        audit(&topic, number(&done[0]) as u64, 0, "raw");
        sample
    }

    /// CPU per event of finding events in bodies.
    pub(crate) fn parse(&self, case: &Case) -> f64 {
        let arguments = ["parse".to_owned(), format!("--case={}", case.name)];
        let mut process = Process::role(self.server, &arguments);
        number(&process.expect("parse")[0])
    }

    /// Loads a server and measures it; then compares what it acknowledged with what is in its topic.
    fn loaded(&self, case: &Case, pid: u32, port: u16, into: Option<(&Topic, bool)>) -> Sample {
        let mut arguments = vec![
            "load".to_owned(),
            format!("--port={port}"),
            format!("--case={}", case.name),
        ];
        arguments.extend(self.pace().arguments());
        let noted = self.folder.join("ids");
        if let Some((topic, true)) = into {
            // Partition 0 is as good as any; its ids are checked one by one.
            arguments.push(format!("--note=0/{}:{}", topic.partitions, noted.display()));
        }
        let mut load = Process::role(self.load, &arguments);
        load.expect("begin");
        let meter = Meter::start(self.kafka, self.server, pid);
        let end = load.expect("end");
        let mut sample = meter.stop(number(&end[0]), number(&end[1]));
        let latency = load.expect("latency");
        (sample.p50_ms, sample.p99_ms) = (number(&latency[0]), number(&latency[1]));
        let done: Vec<_> = load
            .expect("done")
            .iter()
            .map(|word| number(word) as u64)
            .collect();
        sample.others = done[1];
        if let Some((topic, check_ids)) = into {
            audit(topic, done[0], done[2], case.name);
            if check_ids && done[2] == 0 {
                let bytes = std::fs::read(&noted).expect("the noted ids");
                let ids = bytes
                    .chunks_exact(8)
                    .map(|id| u64::from_le_bytes(id.try_into().expect("chunks of eight")));
                let mut ids: Vec<_> = ids.collect();
                ids.sort_unstable();
                assert!(
                    ids == topic.ids(0),
                    "partition 0 holds exactly the acknowledged events"
                );
            }
        }
        sample
    }
}

/// Acknowledged events are in the topic, each once, and others only if nobody knows what became of them.
fn audit(topic: &Topic, acked: u64, unknown: u64, what: &str) {
    let records = topic.records();
    assert!(
        records >= acked && records <= acked + unknown,
        "{what}: {acked} events acknowledged and {unknown} without an answer, but {records} in the topic"
    );
}

/// How the case's bodies look, for the table.
pub(crate) fn describe(case: &Case) -> String {
    let format = match (case.shape, case.events) {
        (_, 1) => "one event".to_owned(),
        (Shape::Json, events) => format!("JSON array of {events}"),
        (Shape::Ndjson, events) => format!("{events} lines"),
    };
    let protocol = match (case.http2, case.depth) {
        (true, streams) => format!(", h2c with {streams} streams each"),
        (false, 1) => String::new(),
        (false, depth) => format!(", {depth} pipelined"),
    };
    format!(
        "{format} per POST, {} connections{protocol}",
        case.connections
    )
}
