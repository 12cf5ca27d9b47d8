//! Batches that a mock cluster refuses, with more behind them: nothing of what is behind may arrive before them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use uuid::Uuid;

use super::{Hold, release};
use crate::produce::messages::Time;
use crate::produce::settings::Idempotence;
use crate::produce::{Context, Messages, Native, Producer, Report, Settings, client};

const SECOND: Duration = Duration::from_secs(1);
/// Messages of a batch.
const BATCH: usize = 10;

/// So many messages of one byte each.
struct Bytes(Vec<u8>);

impl Messages for Bytes {
    fn count(&self) -> u32 {
        self.0.len() as u32
    }

    fn value(&self, position: u32) -> Option<&[u8]> {
        let at = position as usize;
        Some(&self.0[at..=at])
    }

    fn key(&self, _: u32) -> Option<&[u8]> {
        None
    }

    fn id(&self, _: u32) -> Option<Uuid> {
        None
    }

    fn time(&self, _: u32) -> Time {
        Time::Arrival(0)
    }

    fn headers(&self, _: u32) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        std::iter::empty()
    }
}

fn messages(count: u32) -> Arc<Bytes> {
    Arc::new(Bytes(vec![b'x'; count as usize]))
}

/// What became of a group's messages, in the order in which it was reported.
#[derive(Default)]
struct Fate {
    acked: u32,
    failed: Vec<(u32, Code)>,
}

impl Fate {
    fn hear(&mut self, client: &mut Native<Bytes>) {
        client.poll(1_000, |report| match report {
            Report::Acked { count, .. } => self.acked += count,
            Report::Failed {
                position, failure, ..
            } => self.failed.push((position, failure.code)),
            _ => {}
        });
    }

    /// Until all was reported.
    fn settle(&mut self, client: &mut Native<Bytes>, count: u32) {
        let deadline = Instant::now() + 20 * SECOND;
        while self.acked + (self.failed.len() as u32) < count || client.is_settling() {
            assert!(Instant::now() < deadline, "{} acked", self.acked);
            self.hear(client);
            if client.is_settling() {
                client.settle(Instant::now());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn send(client: &mut Native<Bytes>, group: &Arc<Bytes>) {
    (0..group.count()).for_each(|position| client.add(group, position));
    client.flush(0, 0, |_, _, code| panic!("{code}"));
}

/// The first of many batches is refused with `error`; the next ones would be taken. Of batches this large librdkafka has one under
/// way.
fn what_stands_behind_comes_back(idempotence: Idempotence, error: RDKafkaRespErr) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("topic", 3, 1).unwrap();
    let mut settings = Settings {
        idempotence,
        ..Settings::new(cluster.bootstrap_servers())
    };
    // Full batches only: of smaller ones several are under way, and this cluster doesn't look for gaps behind a refused one.
    let full = [("batch.num.messages", BATCH), ("linger.ms", 100)];
    let full = full.map(|(name, value)| (name.to_owned(), value.to_string()));
    settings.kafka.extend(full);
    let mut client = Native::new(&client::producer("test", &settings)).unwrap();
    client.open_topic(0, "topic");
    // It works.
    let (first, mut fate) = (messages(1), Fate::default());
    send(&mut client, &first);
    fate.settle(&mut client, 1);
    assert_eq!(fate.acked, 1, "{:?}", fate.failed);
    cluster
        .broker_round_trip_time(1, Duration::from_millis(20))
        .unwrap();
    cluster.request_errors(RDKafkaApiKey::Produce, &[error]);
    let (second, mut fate) = (messages(40 * BATCH as u32), Fate::default());
    send(&mut client, &second);
    fate.settle(&mut client, second.count());
    assert_eq!(fate.acked, 0, "what stood behind went on");
    // And then it goes on.
    let (third, mut fate) = (messages(40 * BATCH as u32), Fate::default());
    let deadline = Instant::now() + 20 * SECOND;
    while fate.acked < third.count() {
        assert!(Instant::now() < deadline, "it goes on");
        fate = Fate::default();
        (0..third.count()).for_each(|position| client.add(&third, position));
        let mut refused = 0;
        client.flush(0, 0, |_, _, _| refused += 1);
        if refused == 0 {
            fate.settle(&mut client, third.count());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(client.close(SECOND, |_| {}));
}

#[test]
fn nothing_overtakes_events_that_are_refused_for_want_of_a_right() {
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    what_stands_behind_comes_back(Idempotence::On, denied);
}

#[test]
fn nothing_overtakes_events_that_are_refused_for_want_of_a_right_without_idempotence() {
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    what_stands_behind_comes_back(Idempotence::Off, denied);
}

#[test]
fn nothing_overtakes_events_that_are_refused_for_themselves() {
    let large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    what_stands_behind_comes_back(Idempotence::On, large);
    what_stands_behind_comes_back(Idempotence::Off, large);
}

/// While a batch of one topic is refused, more is being handed over for another one, whose partition isn't paused. What comes
/// back of that is all that follows on something: else that would be sent again behind what was stored of the rest.
#[test]
fn what_is_being_handed_over_while_a_batch_fails_leaves_no_gap() {
    const ROUNDS: usize = 10;
    const AT_ONCE: usize = 40_000;
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("topic", 1, 1).unwrap();
    cluster.create_topic("other", 1, 1).unwrap();
    let settings = Settings {
        max_in_flight_events: 1_000_000,
        ..Settings::new(cluster.bootstrap_servers())
    };
    let mut client = Native::new(&client::producer("test", &settings)).unwrap();
    client.open_topic(0, "topic");
    client.open_topic(1, "other");
    let large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    let (first, mut fate) = (messages(1), Fate::default());
    send(&mut client, &first);
    client.add(&first, 0);
    client.flush(1, 0, |_, _, code| panic!("{code}"));
    fate.settle(&mut client, 2);
    cluster
        .broker_round_trip_time(1, Duration::from_millis(20))
        .unwrap();
    for round in 0..ROUNDS {
        let sent: Vec<_> = (0..AT_ONCE).map(|_| messages(1)).collect();
        cluster.request_errors(RDKafkaApiKey::Produce, &[large]);
        send(&mut client, &messages(1));
        // Its request is the first one, and has no answer yet.
        std::thread::sleep(Duration::from_millis(15));
        let mut refused = 0;
        sent.iter().for_each(|it| client.add(it, 0));
        client.flush(1, 0, |_, _, _| refused += 1);
        // The worker's thread may get no turn for so long.
        std::thread::sleep(Duration::from_millis(60));
        let places = sent.iter().map(Arc::as_ptr).enumerate();
        let places: HashMap<_, _> = places.map(|(place, group)| (group, place)).collect();
        let (mut left, mut acked, mut back) = (1 + sent.len() - refused, None, usize::MAX);
        let deadline = Instant::now() + 20 * SECOND;
        while left > 0 || client.is_settling() {
            assert!(Instant::now() < deadline, "{left} left");
            client.poll(1_000, |report| match report {
                Report::Acked { group, .. } => {
                    left -= 1;
                    acked = acked.max(places.get(&Arc::as_ptr(group)).copied());
                }
                Report::Failed { group, .. } => {
                    left -= 1;
                    let place = places.get(&Arc::as_ptr(group)).copied();
                    back = back.min(place.unwrap_or(usize::MAX));
                }
                _ => {}
            });
            client.settle(Instant::now());
            std::thread::sleep(Duration::from_millis(1));
        }
        let all = sent.len() - refused;
        assert!(
            acked.is_none_or(|acked| acked < back),
            "{round}: of {all} the one at {back} came back, that at {acked:?} is stored"
        );
    }
    assert!(client.close(SECOND, |_| {}));
}

/// Bytes that were allocated in C and not given back, in all threads.
fn allocated() -> usize {
    // SAFETY: it only counts.
    unsafe { libc::mallinfo2().uordblks }
}

/// A topic of 100 partitions is denied and comes back, 150 times. Each time one of its partitions is refused.
#[test]
fn a_topic_that_is_denied_again_and_again_leaves_nothing_behind() {
    const NAME: &str = "a_topic_that_is_denied_again_and_again_leaves_nothing_behind";
    // In a process of its own, as other tests allocate as well.
    if std::env::args().all(|argument| argument != "--exact") {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        let alone = alone.args(["--exact", &format!("produce::native::hold::tests::{NAME}")]);
        let output = alone.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        return assert!(
            output.status.success() && told.contains("1 passed"),
            "{told}"
        );
    }
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("topic", 100, 1).unwrap();
    let settings = Settings::new(cluster.bootstrap_servers());
    let mut client = Native::new(&client::producer("test", &settings)).unwrap();
    client.open_topic(0, "topic");
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    let mut refuse = |partition: i32| {
        let begun = Instant::now();
        cluster.request_errors(RDKafkaApiKey::Produce, &[denied]);
        loop {
            let (one, mut fate) = (messages(1), Fate::default());
            client.add(&one, 0);
            // A topic that was denied takes nothing until it was seen again.
            let mut refused = 0;
            client.flush(0, partition, |_, _, _| refused += 1);
            if refused == 0 {
                fate.settle(&mut client, 1);
                if fate.acked == 0 {
                    return;
                }
            }
            let seen = client.client().fetch_metadata(Some("topic"), SECOND);
            assert!(seen.is_ok() && begun.elapsed() < 20 * SECOND);
        }
    };
    (0..100).for_each(&mut refuse);
    // Else it's 100 operations of some hundred bytes each time.
    let before = allocated();
    (0..150).for_each(|round| refuse(round % 100));
    let more = allocated().saturating_sub(before);
    assert!(more < 3 << 20, "{more} bytes");
}

/// Nobody waits for a thread of the client that hangs; and what it does in the end concerns no later hold.
#[test]
fn a_thread_that_hangs_holds_nothing_for_long() {
    fn slow(context: &Context) -> &Hold {
        if std::thread::current().name() == Some("resume") {
            std::thread::sleep(4 * SECOND);
        }
        &context.hold
    }
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("topic", 1, 1).unwrap();
    let settings = Settings::new(cluster.bootstrap_servers());
    let client = Native::<Bytes>::new(&client::producer("test", &settings)).unwrap();
    let hold = &client.client().context().hold;
    let rk = client.client().native_ptr();
    let begun = Instant::now();
    hold.pause(rk, c"topic", 0);
    while hold.is_held() {
        assert!(begun.elapsed() < 3 * SECOND, "it hangs");
        release(client.client(), slow);
        std::thread::sleep(Duration::from_millis(5));
    }
    hold.pause(rk, c"topic", 0);
    let late = begun + 5 * SECOND;
    std::thread::sleep(late.saturating_duration_since(Instant::now()));
    assert!(hold.is_held(), "the late one has let the other one go");
}
