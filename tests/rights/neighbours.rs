//! Who is refused beside who isn't: a client that Kafka has declared dead is no hot loop and costs another cluster nothing,
//! and a stream that its topic refuses costs another stream of its cluster next to nothing.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::kafka::Right;
use crate::support::bounds::{SPILLS, STARTS};
use crate::support::eventually;
use crate::support::gateway::{Alone, Gateway};
use crate::support::guarded::{Guarded, MENDED_WITHIN, dead_letters};
use crate::support::outage::{assert_kept, audit};
use crate::support::sender::{Plan, Senders, p99, rate};

const SECOND: Duration = Duration::from_secs(1);

/// How long to look, unless the variable says so.
fn seconds(variable: &str, default: u32) -> Duration {
    SECOND * std::env::var(variable).map_or(default, |seconds| seconds.parse().unwrap())
}

/// What a process has, and has used.
#[derive(Clone, Copy, Debug)]
struct Use {
    threads: usize,
    files: usize,
    cpu: Duration,
    at: Instant,
}

impl Use {
    fn of(gateway: &Gateway) -> Use {
        let count = |what: &str| {
            let entries = fs::read_dir(format!("/proc/{}/{what}", gateway.pid())).unwrap();
            entries.count()
        };
        Use {
            threads: count("task"),
            files: count("fd"),
            cpu: gateway.cpu(),
            at: Instant::now(),
        }
    }

    /// The share of one core that was used since then.
    fn load_since(&self, before: &Use) -> f64 {
        (self.cpu - before.cpu).as_secs_f64() / (self.at - before.at).as_secs_f64()
    }
}

/// Looks four times a second.
fn watch(gateway: &Gateway, time: Duration) -> Vec<Use> {
    let begun = Instant::now();
    let mut seen = vec![Use::of(gateway)];
    while begun.elapsed() < time {
        std::thread::sleep(Duration::from_millis(250));
        seen.push(Use::of(gateway));
    }
    seen
}

fn most(seen: &[Use], what: fn(&Use) -> usize) -> usize {
    seen.iter().map(what).max().unwrap()
}

/// 20 seconds are several replacements of the client, were they not to wait for each other; `FOREBAY_TEST_DENIED_SECONDS=600`
/// makes them ten minutes.
#[test]
fn a_client_that_kafka_declared_dead_is_no_hot_loop() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut guarded) = Guarded::prepare_or_skip("denied", 6, &[], Some(dir.path())) else {
        return;
    };
    let other_topic = guarded.kafka.fresh_topic("other", 6, 1, &[]);
    let other = format!(
        "[clusters.other]\nbootstrap = \"{}\"\n\
         [streams.other]\ncluster = \"other\"\ntopic = \"{other_topic}\"\nkey = \"/user\"\nid = \"/id\"\n",
        guarded.kafka.bootstrap()
    );
    guarded.configure(|config| config + &other);
    let gateway = Gateway::ready(guarded.config());
    let plan = Plan {
        connections: 4,
        keys: 5,
        pause: Duration::from_millis(20),
        ..Plan::default()
    };
    let denied = Senders::start("denied", gateway.data, "events", &plan);
    let other = Senders::start("other", gateway.data, "other", &plan);
    denied.wait_for_acks(200, STARTS);
    other.wait_for_acks(200, STARTS);
    let normal = watch(&gateway, 5 * SECOND);
    guarded.deny_cluster();
    eventually("events are spilled", SPILLS, || {
        gateway.events("events", "spilled") > 100
    });
    let from = Instant::now();
    let lines = gateway.log().lines().count();
    let time = seconds("FOREBAY_TEST_DENIED_SECONDS", 20);
    let seen = watch(&gateway, time);
    let until = Instant::now();
    let lines = gateway.log().lines().count() - lines;
    let replaced = &gateway.status()["clusters"]["main"]["replaced_clients"];
    let load = [&normal, &seen].map(|seen| seen.last().unwrap().load_since(&seen[0]));
    let counts = [&normal[..], &seen, &seen[seen.len() / 2..]]
        .map(|seen| (most(seen, |it| it.threads), most(seen, |it| it.files)));
    println!(
        "load {load:.2?}; threads and files {counts:?}; {lines} lines, {replaced} clients replaced, in {time:?}"
    );
    assert_eq!(dead_letters(&gateway), 0);
    // One core's tenth: what retries of some lanes, and clients with seconds between them, may cost in a build like this.
    assert!(load[1] <= load[0] * 1.5 + 0.1, "{load:?}");
    // An old client and a new one side by side, with their threads and sockets for each broker.
    assert!(counts[1].0 <= counts[0].0 + 16, "{counts:?}");
    assert!(counts[1].1 <= counts[0].1 + 48, "{counts:?}");
    // It doesn't grow: in the second half it's no more than in all of it before, but for a client that is on its way out.
    assert!(counts[2].0 <= most(&seen[..seen.len() / 2], |it| it.threads) + 8);
    assert!(counts[2].1 <= most(&seen[..seen.len() / 2], |it| it.files) + 16);
    assert!(lines as u64 <= 20 + time.as_secs() * 3, "{lines} lines");
    guarded.allow();
    eventually("the backlog is in Kafka", MENDED_WITHIN + time / 10, || {
        gateway.status()["spill"]["backlog_events"] == 0
    });
    let (of_other, latencies) = other.stop();
    let slowest = latencies
        .iter()
        .filter(|(begun, ..)| (from..until).contains(begun))
        .map(|(_, took, status)| {
            assert_eq!(*status, 200, "the other cluster takes all");
            *took
        });
    let slowest = slowest.max().unwrap();
    assert!(slowest < 2 * SECOND, "{slowest:?}");
    let (sent, _) = denied.stop();
    let kafka = guarded.kafka;
    let of_denied = guarded.end(gateway, sent);
    audit(kafka, &other_topic, of_other).assert_exactly_once();
    assert_kept(&of_denied);
}

/// A stream that is refused beside one that isn't, in one cluster.
struct Poison {
    name: &'static str,
    log: bool,
    /// Bytes of an event.
    event: usize,
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
        println!("p99 and rate {before:.1?}, poisoned {after:.1?}; the poisonous stream: {events}");
        // Else nothing was poisoned, and the rest proves nothing. What is refused at the door isn't accepted, so it shows as less.
        let grown = |what: &str| events[what].as_u64().unwrap() - was[what].as_u64().unwrap();
        let sent = time.as_secs_f64() / self.pause.as_secs_f64() * 16.0;
        assert!(
            (grown("acked") as f64) < sent / 4.0,
            "it went on to Kafka: {was}, then {events}"
        );
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
                    let body = format!(r#"{{"user":"{number}","pad":"{pad}"}}"#);
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
