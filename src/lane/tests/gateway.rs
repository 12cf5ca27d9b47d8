//! One cluster's worker between clients, a fake Kafka and a log on a simulated disk, all turned by hand; and beside it what
//! clients were told.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use bytesize::ByteSize;

use super::events::extra;
use super::kafka::{FakeClient, Kafka, new_client, new_kafka, value};
use crate::budget::Budget;
use crate::event::{Event, Key};
use crate::lane::replay::{Hand, Replay};
use crate::lane::spilling::Spiller;
use crate::lane::worker::Worker;
use crate::lane::{Cluster, Lane, Memory, Settings, TopicOf, Wanted, admit};
use crate::produce::{self, probe};
use crate::receipt::{Arrival, Cause, Parcels, Request, Slot, settle};
use crate::route::partition_of;
use crate::spill::Log;
use crate::spill::tests::hand::HandLog;

/// Partitions of the topic in the beginning.
pub(super) const PARTITIONS: usize = 2;
/// Partitions that it ever has.
pub(super) const MOST_PARTITIONS: usize = 4;
/// Different keys.
pub(super) const KEYS: usize = 4;

/// What a client was told of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// 2xx.
    Durable,
    /// It won't arrive, or nobody knows.
    Not(Cause),
}

/// An event and its fate.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) key: usize,
    pub(super) mark: u8,
    /// When it was sent, and when what was answered, in steps.
    pub(super) sent: u64,
    pub(super) answer: Option<(u64, Told)>,
}

/// An event that is to be sent: key, mark, length.
pub(super) type New = (usize, u8, usize);

/// A request that was looked at by an HTTP thread.
pub(super) struct Looked {
    lanes: Vec<Arc<Lane>>,
    /// What it holds while it hesitates.
    _known: Arc<Vec<Arc<Lane>>>,
    ids: Vec<usize>,
    news: Vec<New>,
}

/// A process.
pub(super) struct Run {
    pub(super) cluster: Arc<Cluster>,
    pub(super) worker: Worker<FakeClient>,
    reads: Hand,
}

/// A file of partition counts that is written at once.
#[derive(Debug, Default)]
pub(super) struct OnDisk(Mutex<Option<usize>>);

impl Memory for OnDisk {
    fn note(&self, topic: &str, count: usize) {
        assert_eq!(topic, "cluster/stream/topic/");
        *self.0.lock().unwrap() = Some(count);
    }

    fn has(&self, _: &str, count: usize) -> bool {
        *self.0.lock().unwrap() == Some(count)
    }
}

/// Everything.
pub(super) struct World {
    pub(super) disk: HandLog,
    pub(super) log: Option<Arc<Log>>,
    kafka: Arc<Mutex<Kafka>>,
    /// What outlives a process of partition counts.
    memory: Arc<OnDisk>,
    pub(super) budget: Arc<Budget>,
    start: Instant,
    now: Duration,
    pub(super) run: Option<Run>,
    pub(super) is_over_log: bool,
    /// The clients of the next process can't send yet.
    pub(super) is_cold: bool,
    /// What happened so far, as a clock.
    time: u64,
    pub(super) facts: Vec<Fact>,
    pub(super) open: Vec<(Parcels, Vec<usize>)>,
    pub(super) hesitating: Vec<Looked>,
    /// Something happened after which events may be stored twice.
    pub(super) may_double: bool,
    /// The number of partitions changed, or was said to.
    pub(super) has_resized: bool,
    /// A process ended, so that the ledger doesn't know of all events.
    pub(super) has_restarted: bool,
}

fn settings() -> Settings {
    Settings {
        max_bytes: ByteSize::kib(40),
        max_events: 60,
        batch: ByteSize::kib(2),
        ..Settings::default()
    }
}

pub(super) fn key(number: usize) -> Box<[u8]> {
    format!("key-{number}").into_bytes().into()
}

impl World {
    /// With the partitions known or not.
    pub(super) fn new(seed: u64, is_over_log: bool, is_known: bool) -> World {
        let mut world = World {
            disk: HandLog::new(seed),
            log: None,
            kafka: new_kafka(PARTITIONS),
            memory: Arc::default(),
            budget: Budget::new(8 << 20),
            start: Instant::now(),
            now: Duration::ZERO,
            run: None,
            is_over_log,
            is_cold: false,
            time: 0,
            facts: Vec::new(),
            open: Vec::new(),
            hesitating: Vec::new(),
            may_double: false,
            has_resized: false,
            has_restarted: false,
        };
        world.begin(is_known);
        world
    }

    pub(super) fn kafka(&self) -> MutexGuard<'_, Kafka> {
        self.kafka.lock().unwrap()
    }

    /// A process begins.
    pub(super) fn begin(&mut self, is_known: bool) {
        let log = self.disk.open();
        let topic = TopicOf {
            is_over_log: self.is_over_log,
            ..TopicOf::new("stream", "topic")
        };
        let client = produce::Settings {
            max_in_flight_events: 40,
            max_in_flight: ByteSize::kib(32),
            ..produce::Settings::new("nowhere")
        };
        let spill = Some(Arc::clone(&log));
        let cluster = Cluster::new("cluster", client, settings(), [topic], &self.budget, spill);
        let (replay, reads) = Replay::by_hand(&log, &cluster);
        let spiller = Spiller {
            told: Default::default(),
            log: Arc::clone(&log),
            appended: Arc::default(),
            replay,
        };
        let shared = probe::SharedClient::default();
        let mut worker = Worker::new(Arc::clone(&cluster), shared, Some(spiller), new_client);
        worker.swept_at = self.start;
        cluster.health().set_warm(!self.is_cold);
        self.log = Some(Arc::clone(&log));
        let memory = Arc::clone(&self.memory);
        cluster.remember_in(memory);
        if !is_known {
            *self.memory.0.lock().unwrap() = None;
        }
        let remembered = *self.memory.0.lock().unwrap();
        self.run = Some(Run {
            cluster,
            worker,
            reads,
        });
        match remembered {
            Some(count) => self
                .run
                .as_ref()
                .unwrap()
                .cluster
                .recall_partitions(0, count),
            None if is_known => self.learn(),
            None => {}
        }
    }

    /// The partitions become known.
    pub(super) fn learn(&mut self) {
        let count = self.kafka().partitions();
        self.hear(count);
    }

    /// So many partitions are believed to be there.
    pub(super) fn hear(&mut self, count: usize) {
        let run = self.run.as_ref().unwrap();
        run.cluster.set_partitions(0, count);
    }

    /// A client sends a request, and an HTTP thread looks where its events have to go.
    pub(super) fn look(&mut self, news: &[New]) {
        let topic = &self.run.as_ref().unwrap().cluster.topics()[0];
        let known = arc_swap::Guard::into_inner(topic.lanes());
        let lanes: Vec<_> = if known.is_empty() {
            topic.unrouted().to_vec()
        } else {
            known.to_vec()
        };
        self.time += 1;
        let first = self.facts.len();
        self.facts.extend(news.iter().map(|(key, mark, _)| Fact {
            key: *key,
            mark: *mark,
            sent: self.time,
            answer: None,
        }));
        self.hesitating.push(Looked {
            lanes,
            _known: known,
            ids: (first..self.facts.len()).collect(),
            news: news.to_vec(),
        });
    }

    /// The HTTP threads admit what they looked at.
    pub(super) fn push(&mut self) {
        for looked in std::mem::take(&mut self.hesitating) {
            self.admit(&looked);
        }
    }

    /// A client sends a request, which is admitted if there is room.
    pub(super) fn send(&mut self, news: &[New]) {
        self.look(news);
        let looked = self.hesitating.pop().unwrap();
        self.admit(&looked);
    }

    fn admit(&mut self, looked: &Looked) {
        let cluster = Arc::clone(&self.run.as_ref().unwrap().cluster);
        let topic = &cluster.topics()[0];
        let count = looked.lanes.len();
        let lane_of = |new: &New| partition_of(&key(new.0), count);
        let mut order: Vec<usize> = (0..looked.news.len()).collect();
        order.sort_by_key(|at| lane_of(&looked.news[*at]));
        let (mut body, mut events) = (Vec::new(), Vec::new());
        let (mut slots, mut wanted) = (Vec::<Slot>::new(), Vec::<Wanted<'_>>::new());
        for at in order {
            let (number, mark, bytes) = looked.news[at];
            let lane = &looked.lanes[lane_of(&looked.news[at])];
            let start = body.len() as u32;
            body.extend(value(looked.ids[at], mark, bytes));
            let end = body.len() as u32;
            if slots.last().is_none_or(|slot| slot.lane != lane.number()) {
                slots.push(Slot {
                    lane: lane.number(),
                    partition: lane.partition(),
                    first: events.len() as u32,
                    count: 0,
                });
                wanted.push(Wanted {
                    lane,
                    events: 0,
                    bytes: 0,
                });
            }
            let (slot, room) = (slots.last_mut().unwrap(), wanted.last_mut().unwrap());
            (slot.count, room.events) = (slot.count + 1, room.events + 1);
            let event = Event {
                index: at as u32,
                start,
                end,
                key: Key::Apart(key(number).into()),
                header_id: None,
                extra: extra(looked.ids[at]),
            };
            room.bytes += event.weight();
            events.push(event);
        }
        let Ok(held) = topic.account().hold(body.len() as u64 + 64) else {
            return;
        };
        // Some are old, so that they take the client's slower way, and the others never get old.
        let unix_ms = if looked.ids[0].is_multiple_of(3) {
            0
        } else {
            i64::MAX
        };
        let arrival = Arrival {
            unix_ms,
            at: self.start + self.now,
        };
        let (body, ledger) = (Bytes::from(body), Arc::clone(topic.ledger()));
        let build =
            || Request::into_parcels(body, events.into(), &slots, arrival, None, ledger, held);
        if let Ok(parcels) = admit(&cluster, &cluster.lane_settings(), &wanted, build) {
            self.open.push((parcels, looked.ids.clone()));
        }
    }

    /// The worker turns once, after some time.
    pub(super) fn turn(&mut self, after_ms: u64) {
        self.now += Duration::from_millis(after_ms);
        self.disk.advance(after_ms);
        let run = self.run.as_mut().unwrap();
        run.worker.clients.burials.wait();
        run.worker.turn(self.start + self.now);
        self.tell_finished();
    }

    /// The disk takes what waits, `at_most` so many frames.
    pub(super) fn write(&mut self, at_most: usize) {
        for _ in 0..at_most {
            if !self.disk.write() {
                break;
            }
        }
        self.disk.tend();
    }

    /// The disk gives what the worker asked for.
    pub(super) fn read(&mut self) {
        let run = self.run.as_mut().unwrap();
        run.reads.work(self.start + self.now);
    }

    /// Everything goes well for some turns.
    pub(super) fn flow(&mut self, turns: usize, ms: u64) {
        for _ in 0..turns {
            self.kafka().answer_all(5);
            self.write(10);
            self.read();
            self.turn(ms);
        }
    }

    fn tell(&mut self, parcels: &Parcels, ids: &[usize]) {
        let outcome = settle(parcels);
        let count = outcome.acked as usize + outcome.spilled as usize + outcome.not_acked.len();
        assert_eq!(count, ids.len(), "{outcome:?}");
        for (index, id) in ids.iter().enumerate() {
            let failure = outcome
                .not_acked
                .iter()
                .find(|(at, _)| *at as usize == index);
            let told = failure.map_or(Told::Durable, |(_, cause)| Told::Not(*cause));
            self.facts[*id].answer = Some((self.time, told));
        }
    }

    pub(super) fn tell_finished(&mut self) {
        self.time += 1;
        let open = std::mem::take(&mut self.open);
        for (parcels, ids) in open {
            if parcels[0].request().is_finished() {
                self.tell(&parcels, &ids);
            } else {
                self.open.push((parcels, ids));
            }
        }
    }

    /// The deadlines of the oldest `count` open requests pass.
    pub(super) fn give_up(&mut self, count: usize) {
        self.time += 1;
        let count = count.min(self.open.len());
        for (parcels, ids) in self.open.drain(..count).collect::<Vec<_>>() {
            self.tell(&parcels, &ids);
        }
    }

    /// Requests that aren't answered.
    pub(super) fn waiting(&self) -> usize {
        self.open.len()
    }
}
