//! A stream that its topic refuses costs another stream of its cluster next to nothing.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::seconds;
use crate::kafka::Right;
use crate::support::bounds::STARTS;
use crate::support::gateway::Gateway;
use crate::support::guarded::Guarded;
use crate::support::machine::Alone;
use crate::support::sender::{Plan, Senders, p99, rate};

const SECOND: Duration = Duration::from_secs(1);

/// A stream that is refused beside one that isn't, in one cluster.
struct Poison {
    name: &'static str,
    log: bool,
    /// Bytes of an event.
    event: usize,
    /// Events in a request.
    batch: usize,
    /// Kafka takes them all the same, in other batches.
    goes_on: bool,
    /// What each of sixteen clients waits after an answer.
    pause: Duration,
    /// The line of its stream's configuration.
    key: &'static str,
    rights: fn(&str) -> Vec<Right>,
}

/// 50 events per second, of a client with all rights.
const SOME: Poison = Poison {
    name: "beside-denied",
    log: false,
    event: 100,
    batch: 1,
    goes_on: false,
    pause: Duration::from_millis(320),
    key: "key = \"/user\"",
    rights: Right::to_produce,
};

impl Poison {
    /// `poison` makes Kafka refuse the stream's events, or the door.
    ///
    /// The bounds are those of a busy machine. `FOREBAY_TEST_POISON_SECONDS=60` looks longer and asks for what was promised: 95 %
    /// of the rate, and 1.5 times the p99.
    fn costs_its_neighbour_nothing(self, poison: impl FnOnce(&Guarded, &str)) {
        let dir = tempfile::tempdir().unwrap();
        let log = self.log.then_some(dir.path());
        let Some(mut guarded) = Guarded::prepare_or_skip(self.name, 6, &[], log) else {
            return;
        };
        let _alone = Alone::on_the_machine();
        let topic = guarded.kafka.fresh_topic("poison", 6, 1, &[]);
        let mut rights = Right::to_produce(&guarded.topic);
        rights.extend((self.rights)(&topic));
        guarded.kafka.set_rights(&guarded.user, &rights);
        let key = self.key;
        let stream = format!("[streams.poison]\ncluster = \"main\"\ntopic = \"{topic}\"\n{key}\n");
        // What the topic takes is learnt at the start, and then not before the test is over.
        guarded.configure(|config| {
            config.replace("metadata_refresh = \"1s\"", "metadata_refresh = \"10m\"") + &stream
        });
        let gateway = Gateway::ready(guarded.config());
        let plan = Plan {
            pause: Duration::from_millis(4),
            ..Plan::default()
        };
        let senders = Senders::start("healthy", gateway.data, "events", &plan);
        senders.wait_for_acks(1_000, STARTS);
        let time = seconds("FOREBAY_TEST_POISON_SECONDS", 8);
        let poisoned = || gateway.status()["streams"]["poison"]["events"].clone();
        let mut before_it = None;
        let [normal, since, end] = self.send(&gateway, time, || {
            poison(&guarded, &topic);
            before_it = Some(poisoned());
        });
        let (_, latencies) = senders.stop();
        let seen = |from, to| (p99(&latencies, from, to), rate(&latencies, from, to));
        let (before, after) = (seen(normal, since), seen(since, end));
        let (events, was) = (poisoned(), before_it.unwrap());
        let settlings = settlings(&gateway);
        println!(
            "p99 and rate {before:.1?}, poisoned {after:.1?}; {settlings} settlings; the poisonous stream: {events}"
        );
        // Else nothing was poisoned, and the rest proves nothing. What is refused at the door isn't accepted, so it shows as less.
        let grown = |what: &str| events[what].as_u64().unwrap() - was[what].as_u64().unwrap();
        let sent = time.as_secs_f64() / self.pause.as_secs_f64() * 16.0;
        if self.goes_on {
            let least = sent * self.batch as f64 / 4.0;
            assert!(grown("acked") as f64 > least, "{was}, then {events}");
            // Some to find out what the topic takes, and those of batches that were under way meanwhile.
            assert!(settlings <= 30, "{settlings} times all lanes waited");
        } else {
            let most = sent / 4.0;
            assert!((grown("acked") as f64) < most, "{was}, then {events}");
        }
        let (slack, p99_factor, rate_factor) = if time >= 30 * SECOND {
            (Duration::from_millis(2), 1.5, 0.95)
        } else {
            (Duration::from_millis(15), 2.0, 0.8)
        };
        assert!(after.0 <= before.0.mul_f64(p99_factor) + slack);
        assert!(after.1 >= before.1 * rate_factor);
    }

    /// The stream works for some time, and is poisoned for as long. Returns when that began and ended. Of sixteen connections
    /// some wait for their answers.
    fn send(&self, gateway: &Gateway, time: Duration, poison: impl FnOnce()) -> [Instant; 3] {
        let (stop, pad) = (&AtomicBool::new(false), &"x".repeat(self.event));
        std::thread::scope(|scope| {
            for number in 0..16 {
                scope.spawn(move || {
                    let event = format!(r#"{{"user":"{number}","pad":"{pad}"}}"#);
                    let body = match self.batch {
                        1 => event,
                        batch => format!("[{}]", vec![event; batch].join(",")),
                    };
                    let mut client = gateway.client();
                    while !stop.load(Relaxed) {
                        let answer = client.post_json("poison", &body);
                        if answer.header("connection") == Some("close") {
                            client = gateway.client();
                        }
                        std::thread::sleep(self.pause);
                    }
                });
            }
            let normal = Instant::now();
            std::thread::sleep(time);
            poison();
            let since = Instant::now();
            std::thread::sleep(time);
            stop.store(true, Relaxed);
            [normal, since, Instant::now()]
        })
    }
}

/// How often all lanes waited because Kafka had refused a batch.
fn settlings(gateway: &Gateway) -> u64 {
    let settlings = &gateway.status()["clusters"]["main"]["settlings"];
    settlings.as_u64().unwrap()
}

fn denied(guarded: &Guarded, _: &str) {
    let rights = Right::to_produce(&guarded.topic);
    guarded.kafka.set_rights(&guarded.user, &rights);
}

#[test]
fn a_stream_without_a_right_costs_its_neighbour_nothing() {
    SOME.costs_its_neighbour_nothing(denied);
}

#[test]
fn a_stream_without_a_right_and_with_a_log_costs_its_neighbour_nothing() {
    Poison { log: true, ..SOME }.costs_its_neighbour_nothing(denied);
}

#[test]
fn a_stream_of_events_that_are_too_large_costs_its_neighbour_nothing() {
    let large = Poison {
        name: "beside-large",
        event: 2_000,
        ..SOME
    };
    large.costs_its_neighbour_nothing(|guarded, topic| {
        guarded
            .kafka
            .configure_topic(topic, "max.message.bytes", "1000");
    });
}

/// We may not ask what the topic takes, so the door can't know that events without keys are refused: each is, by Kafka itself.
const BLIND: Poison = Poison {
    name: "beside-refused",
    key: "",
    rights: |topic| {
        ["WRITE", "DESCRIBE"]
            .map(|it| Right::topic(topic, it))
            .into()
    },
    ..SOME
};

fn compacted(guarded: &Guarded, topic: &str) {
    let kafka = guarded.kafka;
    kafka.configure_topic(topic, "cleanup.policy", "compact");
}

#[test]
fn a_stream_of_events_that_only_kafka_can_refuse_costs_its_neighbour_next_to_nothing() {
    BLIND.costs_its_neighbour_nothing(compacted);
}

#[test]
fn a_stream_of_events_that_only_kafka_can_refuse_and_a_log_cost_the_neighbour_next_to_nothing() {
    Poison { log: true, ..BLIND }.costs_its_neighbour_nothing(compacted);
}

/// 50 events in a request, of 130 bytes each with its head: the topic takes some fifteen of them at once.
#[test]
fn a_stream_of_batches_that_are_too_large_together_costs_its_neighbour_nothing() {
    let together = Poison {
        name: "beside-together",
        key: "key = \"/user\"",
        batch: 50,
        goes_on: true,
        ..BLIND
    };
    together.costs_its_neighbour_nothing(|guarded, topic| {
        guarded
            .kafka
            .configure_topic(topic, "max.message.bytes", "2000");
    });
}
