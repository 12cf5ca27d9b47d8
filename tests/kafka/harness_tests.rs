//! The harness tested against itself: a cluster that does not fail on demand
//! proves nothing about what is in front of it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::{
    Audit, Kafka, Outcome, Record, Sent, consume_all, consume_each, eventually,
    foreign_consumer_or_skip, java_partitions_or_skip, old_or_skip, one_or_skip, three_or_skip,
};

/// For the cluster to get over a fault.
const FAILOVER: Duration = Duration::from_secs(60);

/// Set for the process that is started in order to be killed.
const VICTIM: &str = "FOREBAY_HARNESS_VICTIM";

fn producer(bootstrap: &str) -> BaseProducer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("socket.timeout.ms", "5000")
        .create()
        .expect("a producer")
}

/// Key and value.
type Event = (Option<Vec<u8>>, Option<Vec<u8>>);

fn produce(kafka: &Kafka, topic: &str, events: &[Event]) {
    let producer = producer(kafka.bootstrap());
    for (key, value) in events {
        let header = Header {
            key: "length",
            value: Some(&length(value.as_ref())),
        };
        let mut record = BaseRecord::to(topic).headers(OwnedHeaders::new().insert(header));
        record.key = key.as_ref();
        record.payload = value.as_ref();
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("room in the queue");
    }
    producer
        .flush(FAILOVER * 2)
        .expect("every record acknowledged");
}

fn length(value: Option<&Vec<u8>>) -> [u8; 1] {
    [value.map_or(255, |value| {
        u8::try_from(value.len()).expect("a short value")
    })]
}

/// Keys and values with everything in them that breaks a careless format.
fn awkward_events() -> Vec<Event> {
    let keys: [&[u8]; 6] = [
        b"",
        b"plain",
        b"two\nlines",
        b"\0\xff\xfe",
        b"%p %K\t",
        "\u{e9}".as_bytes(),
    ];
    let event = |number: u8| {
        let key = keys[usize::from(number) % keys.len()].to_vec();
        (
            Some(key),
            Some([&[number, b'\n', 0, b' ', 0xff][..], &[b'x'; 40]].concat()),
        )
    };
    let mut events: Vec<_> = (0..240).map(event).collect();
    events.push((Some(b"empty value".to_vec()), Some(Vec::new())));
    events.push((Some(b"tombstone".to_vec()), None));
    events.push((None, Some(b"no key".to_vec())));
    events
}

#[test]
fn one_broker_gives_back_what_was_produced() {
    let Some(kafka) = one_or_skip() else { return };
    let topic = kafka.fresh_topic("round-trip", 3, 1, &[("retention.ms", "-1")]);
    let events = awkward_events();
    produce(kafka, &topic, &events);

    let records = consume_all(kafka.bootstrap(), &topic);
    assert_eq!(records.len(), events.len());
    let mut next = [0; 3];
    for record in &records {
        let Record {
            partition,
            offset,
            timestamp,
            headers,
            ..
        } = record;
        let partition = usize::try_from(*partition).expect("a partition");
        assert_eq!(
            *offset, next[partition],
            "by partition and offset, without gaps"
        );
        next[partition] += 1;
        assert!(timestamp.is_some());
        let length = length(record.value.as_ref()).to_vec();
        assert_eq!(*headers, [("length".to_owned(), Some(length))]);
    }
    let pairs = |record: &Record| (record.key.clone(), record.value.clone());
    let mut found: Vec<_> = records.iter().map(pairs).collect();
    let mut expected = events.clone();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let count = consume_each(kafka.bootstrap(), &topic, FAILOVER, |_| {});
    assert_eq!(count, events.len() as u64);
    assert_eq!(kafka.partitions_without_leader(), Some(Vec::new()));
}

#[test]
fn a_foreign_consumer_sees_the_same_records() {
    let Some(kafka) = one_or_skip() else { return };
    let Some(consumer) = foreign_consumer_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("foreign", 3, 1, &[]);
    produce(kafka, &topic, &awkward_events());

    let ours = consume_all(kafka.bootstrap(), &topic);
    let theirs = consumer.consume(kafka.bootstrap(), &topic);
    assert_eq!(theirs.len(), ours.len());
    for partition in 0..3 {
        let ours = ours.iter().filter(|record| record.partition == partition);
        let theirs = theirs.iter().filter(|record| record.0 == partition);
        for (ours, (_, key, value)) in ours.zip(theirs) {
            assert_eq!(
                (&ours.key, &ours.value),
                (key, value),
                "at offset {}",
                ours.offset
            );
        }
    }
}

#[test]
fn the_java_partitioner_agrees_with_where_librdkafka_put_the_records() {
    let Some(kafka) = one_or_skip() else { return };
    let topic = kafka.fresh_topic("partitioner", 2, 1, &[]);
    kafka.grow_topic(&topic, 7);
    let events: Vec<_> = (0..500)
        .map(|n| (Some(format!("user-{n}").into_bytes()), None))
        .collect();
    produce(kafka, &topic, &events);

    let records = consume_all(kafka.bootstrap(), &topic);
    let keys: Vec<_> = records
        .iter()
        .map(|record| record.key.clone().expect("a key"))
        .collect();
    let placed: Vec<_> = records.iter().map(|record| record.partition).collect();
    let Some(expected) = java_partitions_or_skip(&keys, 7) else {
        return;
    };
    assert_eq!(placed, expected);
    kafka.delete_topic(&topic);
    assert_eq!(kafka.leader(&topic, 0), None);
}

#[test]
fn three_brokers_fail_over_and_come_back() {
    let Some(kafka) = three_or_skip(&[]) else {
        return;
    };
    let t0 = std::time::Instant::now();
    let topic = kafka.fresh_topic("failover", 3, 3, &[]);
    let mut sent = Vec::new();
    let mut send_round = |round: u64| {
        let ids = round * 100..(round + 1) * 100;
        let key = |id: u64| format!("key-{}", id % 10).into_bytes();
        let event = |id: u64| (Some(key(id)), Some(id.to_be_bytes().to_vec()));
        produce(&kafka, &topic, &ids.clone().map(event).collect::<Vec<_>>());
        sent.extend(ids.map(|id| Sent {
            key: key(id),
            id,
            outcome: Outcome::Acked,
        }));
    };
    let another_leads = |old: i32| {
        eventually(FAILOVER, || {
            kafka.leader(&topic, 0).is_some_and(|leader| leader != old)
        })
    };
    send_round(0);
    println!("{:?} send_round(0);", t0.elapsed());

    let killed = kafka.leader(&topic, 0).expect("a leader");
    kafka.kill(killed);
    println!("{:?} kafka.kill(killed);", t0.elapsed());
    send_round(1);
    println!("{:?} send_round(1);", t0.elapsed());
    assert!(
        another_leads(killed),
        "nobody took over from the killed leader {killed}"
    );
    kafka.restart(killed);
    println!("{:?} kafka.restart(killed);", t0.elapsed());
    kafka.wait_ready(FAILOVER);
    println!("{:?} kafka.wait_ready(FAILOVER);", t0.elapsed());

    let frozen = kafka.leader(&topic, 0).expect("a leader");
    kafka.freeze(frozen);
    println!("{:?} kafka.freeze(frozen);", t0.elapsed());
    assert!(
        another_leads(frozen),
        "nobody took over from the frozen leader {frozen}"
    );
    send_round(2);
    println!("{:?} send_round(2);", t0.elapsed());
    kafka.thaw(frozen);
    println!("{:?} kafka.thaw(frozen);", t0.elapsed());
    kafka.wait_ready(FAILOVER);
    println!("{:?} kafka.wait_ready(FAILOVER);", t0.elapsed());

    let stopped = kafka.leader(&topic, 0).expect("a leader");
    kafka.stop(stopped);
    println!("{:?} kafka.stop(stopped);", t0.elapsed());
    assert!(
        another_leads(stopped),
        "nobody took over from the stopped leader {stopped}"
    );
    kafka.start(stopped);
    println!("{:?} kafka.start(stopped);", t0.elapsed());
    kafka.wait_ready(FAILOVER);
    println!("{:?} kafka.wait_ready(FAILOVER);", t0.elapsed());
    send_round(3);
    println!("{:?} send_round(3);", t0.elapsed());

    kafka.kill_all();
    println!("{:?} kafka.kill_all();", t0.elapsed());
    assert_eq!(kafka.leader(&topic, 0), None);
    kafka.start_all();
    println!("{:?} kafka.start_all();", t0.elapsed());
    kafka.wait_ready(FAILOVER);
    println!("{:?} kafka.wait_ready(FAILOVER);", t0.elapsed());
    send_round(4);
    println!("{:?} send_round(4);", t0.elapsed());

    let records = consume_all(kafka.bootstrap(), &topic);
    let id = |record: &Record| u64::from_be_bytes(record.payload().try_into().expect("8 bytes"));
    let audit = Audit::of(sent, &records, id);
    assert_eq!(audit.acked, 500);
    audit.assert_exactly_once();
}

#[test]
fn an_old_broker_has_no_idempotent_producers() {
    let Some(kafka) = old_or_skip() else { return };
    let make = |idempotence: &str| -> BaseProducer {
        ClientConfig::new()
            .set("bootstrap.servers", kafka.bootstrap())
            .set("enable.idempotence", idempotence)
            .create()
            .expect("a producer")
    };
    let plain = make("false");
    for _ in 0..10 {
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to("old").payload(b"event");
        plain
            .send(record)
            .map_err(|(error, _)| error)
            .expect("room in the queue");
    }
    plain.flush(FAILOVER).expect("every record acknowledged");
    assert_eq!(consume_all(kafka.bootstrap(), "old").len(), 10);
    kafka.freeze();
    let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to("old").payload(b"event");
    plain
        .send(record)
        .map_err(|(error, _)| error)
        .expect("room in the queue");
    let soon = plain.flush(Duration::from_millis(500));
    assert!(soon.is_err(), "a frozen broker acknowledges nothing");
    kafka.thaw();
    plain.flush(FAILOVER).expect("it goes on");
    let new = make("true");
    let is_told = eventually(FAILOVER, || {
        new.poll(Duration::from_millis(100));
        new.client().fatal_error().is_some()
    });
    assert!(
        is_told,
        "an idempotent producer is told that it can't be one"
    );
}

/// Runs as two processes: the outer one starts this test once more as the
/// victim, which starts a broker and waits for its end.
#[test]
fn no_broker_outlives_a_test_process_that_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        let kafka = Kafka::one();
        write_pid(kafka.pid(1).expect("a running broker"));
        std::thread::park();
    }
    if let Err(why) = super::java::Jars::get() {
        return super::skip("real Kafka", why).unwrap_or_default();
    }
    if super::java::bound("java").get_program() == "java" || !Path::new("/proc/self").exists() {
        let why = "setpriv of util-linux and /proc are needed";
        return super::skip("an end of the brokers with the tests", why).unwrap_or_default();
    }
    let name = std::thread::current()
        .name()
        .expect("the name of the test")
        .to_owned();
    let mut victim = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", &name, "--nocapture"])
        .env(VICTIM, "1")
        .env_remove("FOREBAY_TEST_KAFKA")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the victim");
    let lines = BufReader::new(victim.stdout.take().expect("piped")).lines();
    let pid = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("broker ")?.parse().ok());
    let pid: u32 = pid.expect("the victim starts a broker");
    let alive = || is_java(pid);
    assert!(alive(), "the broker runs");
    victim.kill().expect("kill -KILL");
    victim.wait().expect("the end of the victim");
    assert!(
        eventually(Duration::from_secs(10), || !alive()),
        "broker {pid} lives on"
    );
}

#[expect(
    clippy::print_stdout,
    reason = "read by the process that started this one"
)]
fn write_pid(pid: u32) {
    // A line of its own, also behind what the test runner has printed.
    println!("\nbroker {pid}");
}

/// A process that is dead and not yet reaped has an empty command line.
fn is_java(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"java"))
}
