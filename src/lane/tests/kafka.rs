//! A Kafka that does as it's told, and the client that the worker has of it.
//!
//! It keeps what the client was handed, in order per partition; the test says when how much of the front is answered, when
//! the client dies, and what was stored although nobody heard of it. A batch that contains an event marked
//! [`LARGE`] is refused as a whole; the partition is paused then, and what is behind it stays in the client's hands until the
//! client is settled. An event marked [`LARGE_FOR_CLIENT`] isn't even taken by the client.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rdkafka::client::Client;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode as Code};

use super::events::check_extra;
pub(super) use super::events::{FINE, LARGE, LARGE_FOR_CLIENT, REFUSED, id_of, value};
use crate::lane::Cluster;
use crate::produce::topic_limits::Stamp;
use crate::produce::{Context, Failure, Producer, Report};
use crate::receipt::Parcel;

/// What a client says of events for a partition that isn't there, or not for now: none of them is at fault.
const GONE: Code = Code::NotLeaderForPartition;

struct Message {
    parcel: Arc<Parcel>,
    position: u32,
}

impl Message {
    fn value(&self) -> &[u8] {
        let event = &self.parcel.events()[self.position as usize];
        event.value(self.parcel.request().body())
    }

    fn mark(&self) -> u8 {
        self.value()[8]
    }
}

enum Told {
    Acked(Arc<Parcel>, u32),
    Failed(Message, Code),
    Fatal(Code),
}

/// The cluster, and what its client holds.
pub(super) struct Kafka {
    hands: BTreeMap<i32, VecDeque<Message>>,
    /// How many partitions the topic has at present.
    partitions: i32,
    /// Partitions that send nothing until the client holds nothing.
    paused: BTreeSet<i32>,
    /// The numbers of the events that are stored, by partition.
    pub(super) topic: BTreeMap<i32, Vec<usize>>,
    /// The same in the order in which they were stored, of all partitions.
    pub(super) stored: Vec<usize>,
    reports: Vec<Told>,
    /// We may not write to the topic, or not use the cluster: then clients fail as soon as they are made.
    pub(super) is_denied: bool,
    pub(super) denies_clients: bool,
    /// How many batches were answered for, and how many clients made.
    pub(super) batches: usize,
    pub(super) clients: usize,
    /// So many of each partition are on the wire when the client is closed; nobody can tell what became of them.
    pub(super) on_wire: usize,
    /// The topic's limit was raised: nothing is too large any more.
    pub(super) takes_large: bool,
    /// The client says of so many events that their topic is gone, and takes what comes after them.
    pub(super) refuses: usize,
    /// When it's closed, the client doesn't report what it held.
    pub(super) loses_reports: bool,
}

thread_local! {
    static KAFKA: RefCell<Arc<Mutex<Kafka>>> = RefCell::new(new_cluster(0));
}

fn new_cluster(partitions: usize) -> Arc<Mutex<Kafka>> {
    Arc::new(Mutex::new(Kafka {
        hands: BTreeMap::new(),
        partitions: partitions as i32,
        paused: BTreeSet::new(),
        topic: BTreeMap::new(),
        stored: Vec::new(),
        takes_large: false,
        is_denied: false,
        denies_clients: false,
        batches: 0,
        clients: 0,
        reports: Vec::new(),
        on_wire: 0,
        refuses: 0,
        loses_reports: false,
    }))
}

/// Makes the Kafka of this thread, an empty one, whose topic has so many partitions.
pub(super) fn new_kafka(partitions: usize) -> Arc<Mutex<Kafka>> {
    let kafka = new_cluster(partitions);
    KAFKA.set(Arc::clone(&kafka));
    kafka
}

/// A client of the Kafka of this thread.
pub(super) fn new_client(_: &Cluster) -> KafkaResult<FakeClient> {
    let kafka = KAFKA.with_borrow(Arc::clone);
    let mut it = kafka.lock().unwrap();
    (it.reports, it.clients) = (Vec::new(), it.clients + 1);
    if it.denies_clients {
        let denied = Told::Fatal(Code::ClusterAuthorizationFailed);
        it.reports.push(denied);
    }
    drop(it);
    Ok(FakeClient {
        kafka,
        batch: Vec::new(),
        is_closed: false,
        hangs_at: None,
    })
}

impl Kafka {
    /// Partitions whose events the client holds.
    pub(super) fn held(&self) -> Vec<i32> {
        let held = self.hands.iter().filter(|(_, hand)| !hand.is_empty());
        held.map(|(partition, _)| *partition).collect()
    }

    /// How many partitions the topic has.
    pub(super) fn partitions(&self) -> usize {
        self.partitions as usize
    }

    /// From now on the topic has so many partitions. What is in those that are gone counts as delivered.
    pub(super) fn resize(&mut self, partitions: usize) {
        self.partitions = partitions as i32;
        for gone in self.held() {
            if gone >= self.partitions {
                self.send_back(gone);
            }
        }
    }

    fn store(&mut self, partition: i32, ids: Vec<usize>) {
        self.stored.extend(&ids);
        self.topic.entry(partition).or_default().extend(ids);
    }

    /// The broker answers for a batch: the first `count` events that the client holds of a partition.
    pub(super) fn answer(&mut self, partition: i32, count: usize) {
        let Some(hand) = self.hands.get_mut(&partition) else {
            return;
        };
        if self.paused.contains(&partition) {
            return;
        }
        if partition >= self.partitions {
            return self.send_back(partition);
        }
        let batch: Vec<_> = hand.drain(..count.min(hand.len())).collect();
        self.batches += usize::from(!batch.is_empty());
        let is_large = |message: &Message| !self.takes_large && message.mark() == LARGE;
        let is_refused = |message: &Message| message.mark() == REFUSED;
        let code = if self.is_denied && !batch.is_empty() {
            Some(Code::TopicAuthorizationFailed)
        } else if batch.iter().any(is_refused) {
            Some(Code::InvalidRecord)
        } else {
            let too_large = Code::MessageSizeTooLarge;
            batch.iter().any(is_large).then_some(too_large)
        };
        if let Some(code) = code {
            self.paused.insert(partition);
            let refused = batch.into_iter().map(|it| Told::Failed(it, code));
            return self.reports.extend(refused);
        }
        let ids = batch.iter().map(|message| id_of(message.value()));
        self.store(partition, ids.collect());
        for message in batch {
            match self.reports.last_mut() {
                Some(Told::Acked(parcel, count)) if Arc::ptr_eq(parcel, &message.parcel) => {
                    *count += 1;
                }
                _ => self.reports.push(Told::Acked(message.parcel, 1)),
            }
        }
    }

    /// The broker answers for all that the client holds, in batches.
    pub(super) fn answer_all(&mut self, batch: usize) {
        for partition in self.held() {
            while !self.paused.contains(&partition)
                && self
                    .hands
                    .get(&partition)
                    .is_some_and(|hand| !hand.is_empty())
            {
                self.answer(partition, batch);
            }
        }
    }

    /// All that the client holds of a partition comes back, unstored.
    pub(super) fn send_back(&mut self, partition: i32) {
        let hand = self.hands.get_mut(&partition);
        for message in hand.into_iter().flat_map(|hand| hand.drain(..)) {
            self.reports.push(Told::Failed(message, GONE));
        }
    }

    /// The first `count` events of each partition are stored, and nobody hears of it. Behind a refused batch nothing is.
    pub(super) fn store_silently(&mut self, count: usize) {
        for partition in self.held() {
            let is_there = partition < self.partitions && !self.is_denied;
            if self.paused.contains(&partition) || !is_there {
                continue;
            }
            let fine = self.hands[&partition].iter().take(count);
            let fine = fine.take_while(|message| message.mark() != LARGE);
            let ids = fine.map(|message| id_of(message.value())).collect();
            self.store(partition, ids);
        }
        self.on_wire = self.on_wire.max(count);
    }

    /// The client reports that it's of no more use.
    pub(super) fn kill_client(&mut self) {
        self.reports
            .push(Told::Fatal(Code::OutOfOrderSequenceNumber));
    }

    /// The process of the client is gone.
    pub(super) fn forget_client(&mut self) {
        self.hands.clear();
        self.paused.clear();
        self.reports.clear();
        (self.on_wire, self.loses_reports) = (0, false);
    }
}

/// The worker's client.
pub(super) struct FakeClient {
    kafka: Arc<Mutex<Kafka>>,
    batch: Vec<Message>,
    /// What Kafka holds belongs to the next client from here on.
    is_closed: bool,
    /// Closing it waits here.
    pub(super) hangs_at: Option<Arc<std::sync::Barrier>>,
}

impl FakeClient {
    fn kafka(&self) -> MutexGuard<'_, Kafka> {
        self.kafka.lock().unwrap()
    }
}

impl Producer for FakeClient {
    type Group = Parcel;

    fn shared(&self) -> Option<Arc<Client<Context>>> {
        None
    }

    fn open_topic(&mut self, _: u32, name: &str) {
        assert_eq!(name, "topic");
    }

    fn add(&mut self, parcel: &Arc<Parcel>, position: u32) {
        let parcel = Arc::clone(parcel);
        self.batch.push(Message { parcel, position });
    }

    fn flush(&mut self, _: u32, partition: i32, mut refused: impl FnMut(&Arc<Parcel>, u32, Code)) {
        for message in std::mem::take(&mut self.batch) {
            assert_eq!(message.parcel.partition(), partition);
            let Message { parcel, position } = message;
            if let Err(code) = self.send_stamped(0, partition, &parcel, position, Stamp::Event) {
                refused(&parcel, position, code);
            }
        }
    }

    fn send_stamped(
        &mut self,
        _: u32,
        partition: i32,
        parcel: &Arc<Parcel>,
        position: u32,
        _: Stamp,
    ) -> Result<(), Code> {
        assert!(partition >= 0, "events go to partitions only");
        let parcel = Arc::clone(parcel);
        let message = Message { parcel, position };
        check_extra(&message.parcel, position);
        if message.mark() == LARGE_FOR_CLIENT {
            return Err(Code::MessageSizeTooLarge);
        }
        let mut kafka = self.kafka();
        if kafka.refuses > 0 {
            kafka.refuses -= 1;
            return Err(Code::UnknownTopic);
        }
        kafka.hands.entry(partition).or_default().push_back(message);
        Ok(())
    }

    fn poll(&mut self, _: usize, mut on: impl FnMut(Report<'_, Parcel>)) -> usize {
        let reports = std::mem::take(&mut self.kafka().reports);
        let count = reports.len();
        for report in reports {
            tell(report, &mut on);
        }
        count
    }

    fn is_settling(&self) -> bool {
        !self.kafka().paused.is_empty()
    }

    fn settle(&mut self, _: Instant) {
        let mut kafka = self.kafka();
        let Kafka {
            hands,
            reports,
            paused,
            on_wire,
            ..
        } = &mut *kafka;
        // What is on the wire doesn't come back like this.
        let held = hands.iter_mut().flat_map(|(partition, hand)| {
            let sent = if paused.contains(partition) {
                0
            } else {
                *on_wire
            };
            hand.drain(sent.min(hand.len())..)
        });
        let held: Vec<_> = held.collect();
        if held.is_empty() && reports.is_empty() && hands.values().all(VecDeque::is_empty) {
            paused.clear();
        }
        let held = held.into_iter();
        reports.extend(held.map(|message| Told::Failed(message, Code::PurgeQueue)));
    }

    fn close(&mut self, _: Duration, mut on: impl FnMut(Report<'_, Parcel>)) -> bool {
        if let Some(gate) = self.hangs_at.take() {
            gate.wait();
        }
        if std::mem::replace(&mut self.is_closed, true) {
            return true;
        }
        self.poll(usize::MAX, &mut on);
        let (hands, on_wire, loses) = {
            let mut kafka = self.kafka();
            let hands = std::mem::take(&mut kafka.hands);
            kafka.paused.clear();
            let loses = std::mem::take(&mut kafka.loses_reports);
            (hands, std::mem::take(&mut kafka.on_wire), loses)
        };
        if loses {
            return false;
        }
        for (at, message) in hands.into_values().flat_map(|hand| (0..).zip(hand)) {
            let code = if at < on_wire {
                Code::PurgeInflight
            } else {
                Code::PurgeQueue
            };
            tell(Told::Failed(message, code), &mut on);
        }
        true
    }
}

fn tell(report: Told, on: &mut impl FnMut(Report<'_, Parcel>)) {
    match &report {
        Told::Acked(parcel, count) => on(Report::Acked {
            group: parcel,
            count: *count,
        }),
        Told::Failed(Message { parcel, position }, code) => on(Report::Failed {
            group: parcel,
            position: *position,
            failure: Failure {
                code: *code,
                is_named: false,
                is_unstored: !matches!(code, Code::PurgeQueue | Code::PurgeInflight),
                batch_bytes: u64::MAX,
            },
        }),
        Told::Fatal(code) => on(Report::Trouble {
            code: *code,
            fatal: true,
            text: "killed by the test",
        }),
    }
}
