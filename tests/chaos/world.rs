//! What faults happen to: a gateway, three brokers, a disk, clients, and the book of what the clients were told.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::kafka::{Audit, Evidence, Kafka};
use crate::support::bounds::{BROKERS_READY, DIES, DRAINED, STARTS};
use crate::support::gateway::Gateway;
use crate::support::outage::{
    assert_kept, audit, spilling_config, start_again, wait_until_delivered,
};
use crate::support::sender::{Plan, Senders};
use crate::support::tracer::tracer_or_skip;
use crate::support::volume::{Volume, run};

const SECOND: Duration = Duration::from_secs(1);

/// How a broker fares, and for how many more steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broker {
    Up,
    Killed(u32),
    Frozen(u32),
}

/// The counts of all rounds.
#[derive(Default)]
pub struct Total {
    acked: u64,
    records: u64,
    duplicates: u64,
    unexplained: u64,
    unknown_found: u64,
    crashes: u64,
    stops: u64,
}

pub struct World {
    /// Declared first: what it copies goes when the others are dropped.
    book: Book,
    pub kafka: Kafka,
    brokers: [Broker; 3],
    volume: Option<Volume>,
    /// Steps until there is room again.
    full: u32,
    pub can_trace: bool,
    topic: String,
    config: String,
    pub gateway: Gateway,
    senders: Vec<Senders>,
    pub total: Total,
}

/// A folder for what explains a failure, kept after one.
struct Book {
    folder: Option<TempDir>,
    /// The spill directory, once it's known.
    spill: PathBuf,
}

impl Book {
    fn path(&self) -> PathBuf {
        let folder = self.folder.as_ref();
        folder.map(|folder| folder.path().to_owned()).unwrap()
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            let folder = folder.keep();
            let copied = run(&format!(
                "cp -r {} {}",
                self.spill.display(),
                folder.display()
            ));
            println!("what happened is in {} {copied:?}", folder.display());
        }
    }
}

impl World {
    pub fn new(kafka: Kafka) -> World {
        let mut book = Book {
            folder: Some(tempfile::tempdir().unwrap()),
            spill: PathBuf::new(),
        };
        let volume = Volume::or_skip(96);
        book.spill = volume
            .as_ref()
            .map_or(book.path(), Volume::path)
            .join("spill");
        let topic = kafka.fresh_topic("chaos", 12, 3, &[]);
        let config = spilling_config(kafka.bootstrap(), &topic, &book.spill);
        World {
            brokers: [Broker::Up; 3],
            volume,
            full: 0,
            can_trace: tracer_or_skip().is_some(),
            gateway: Gateway::ready(&config),
            topic,
            config,
            senders: Vec::new(),
            total: Total::default(),
            kafka,
            book,
        }
    }

    /// Clients begin; everybody gets something through.
    pub fn begin_round(&mut self) {
        let patient = Plan {
            pause: Duration::from_millis(20),
            ..Plan::default()
        };
        let impatient = Plan {
            connections: 6,
            patience: SECOND,
            ..patient.clone()
        };
        let batches = Plan {
            connections: 3,
            batch: 15,
            keys: 30,
            pause: Duration::from_millis(60),
            ..patient.clone()
        };
        let groups = [
            ("patient", patient),
            ("impatient", impatient),
            ("batch", batches),
        ];
        let start = |(name, plan)| Senders::start(name, self.gateway.data, "events", &plan);
        self.senders = groups.map(start).into();
        self.flows(STARTS);
    }

    #[track_caller]
    fn flows(&self, within: Duration) {
        for group in &self.senders {
            group.wait_for_acks(50, within);
        }
    }

    /// All is mended, everything delivered and audited; the next round has a fresh topic.
    #[track_caller]
    pub fn end_round(&mut self) {
        self.mend(true);
        self.kafka.wait_ready(BROKERS_READY);
        // With several faults at once some lanes wait behind the others' backlog.
        self.flows(DRAINED);
        let mut sent = Evidence::default();
        for group in self.senders.drain(..) {
            sent.extend(group.stop().0);
        }
        wait_until_delivered(&self.gateway);
        let audit = audit(&self.kafka, &self.topic, sent);
        self.keep_evidence(&audit);
        assert_kept(&audit);
        self.total.add(&audit);
        let next = self.kafka.fresh_topic("chaos", 12, 3, &[]);
        self.config = self.config.replace(&self.topic, &next);
        let old = std::mem::replace(&mut self.topic, next);
        self.stop_gateway();
        self.kafka.delete_topic(&old);
        self.gateway.wait_ready(STARTS);
    }

    /// The last stop, after which every event is accounted for.
    pub fn end(self) {
        self.gateway.stop();
    }

    pub fn broker(&self, id: i32) -> Broker {
        self.brokers[usize::try_from(id - 1).unwrap()]
    }

    pub fn set_broker(&mut self, id: i32, now: Broker) {
        let broker = &mut self.brokers[usize::try_from(id - 1).unwrap()];
        match (std::mem::replace(broker, now), now) {
            (_, Broker::Killed(_)) => self.kafka.kill(id),
            (_, Broker::Frozen(_)) => self.kafka.freeze(id),
            (Broker::Killed(_), Broker::Up) => self.kafka.start(id),
            (Broker::Frozen(_), Broker::Up) => self.kafka.thaw(id),
            (Broker::Up, Broker::Up) => {}
        }
    }

    /// A step has passed: what is due is mended, or everything.
    pub fn mend(&mut self, all: bool) {
        for id in 1..=3 {
            match self.broker(id) {
                Broker::Killed(steps) | Broker::Frozen(steps) if all || steps == 0 => {
                    self.set_broker(id, Broker::Up);
                }
                _ => {}
            }
        }
        for broker in &mut self.brokers {
            if let Broker::Killed(steps) | Broker::Frozen(steps) = broker {
                *steps -= 1;
            }
        }
        if self.full > 0 {
            self.full = if all { 0 } else { self.full - 1 };
            if let (0, Some(volume)) = (self.full, &self.volume) {
                volume.make_room();
            }
        }
    }

    pub fn has_volume(&self) -> bool {
        self.volume.is_some()
    }

    pub fn is_full(&self) -> bool {
        self.full > 0
    }

    pub fn fill_disk(&mut self, steps: u32) {
        if let Some(volume) = &self.volume {
            volume.fill();
            self.full = steps;
        }
    }

    pub fn freeze_disk(&self, time: Duration) {
        let frozen = self.volume.as_ref().map(Volume::freeze);
        std::thread::sleep(time);
        drop(frozen);
    }

    pub fn kill_gateway(&mut self) {
        self.total.crashes += 1;
        if !self.gateway.has_ended() {
            self.gateway.signal("KILL");
            self.gateway.wait(DIES);
        }
        self.restart();
    }

    /// Events may wait in the log at its end, but none may be unaccounted for.
    #[track_caller]
    pub fn stop_gateway(&mut self) {
        self.total.stops += 1;
        self.gateway.signal("TERM");
        let status = self.gateway.wait(30 * SECOND);
        let log = self.gateway.log();
        assert!(status.success(), "{status}\n{log}");
        self.restart();
    }

    fn restart(&mut self) {
        self.keep_log();
        let data = self.gateway.data;
        self.gateway = start_again(&self.config, data);
    }

    fn keep_log(&self) {
        let path = self.book.path().join("gateway.log");
        let mut file = fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, "=== a life\n{}", self.gateway.log()).unwrap();
    }

    fn keep_evidence(&self, audit: &Audit) {
        self.keep_log();
        let book = self.book.path();
        fs::write(book.join("audit.txt"), audit.report()).unwrap();
        fs::write(book.join("brokers.log"), self.kafka.log_tails()).unwrap();
    }
}

impl Total {
    fn add(&mut self, audit: &Audit) {
        self.acked += audit.acked;
        self.records += audit.records;
        self.duplicates += audit.duplicates;
        self.unexplained += audit.unexplained;
        self.unknown_found += audit.unknown_found;
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Total {
            acked,
            records,
            duplicates,
            unexplained,
            unknown_found,
            crashes,
            stops,
        } = self;
        write!(
            f,
            "{acked} events acknowledged, 0 lost, 0 inversions, {records} records, {duplicates} duplicates \
             ({unexplained} that no attempt of a client explains), {unknown_found} of unknown fate found; \
             {crashes} crashes and {stops} stops of the gateway"
        )
    }
}
