//! What a record may have beside a value, a key and the time of arrival: headers, a time of its own, and no value at all. It reaches
//! Kafka as it was, whichever way it goes: at once, over the log through kill -9, and as a dead letter that is sent again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay::budget::Budget;
use forebay::event::headers::Block;
use forebay::event::{Event, Extra, Key, wire};
use forebay::lane::{self, Cluster, TopicOf, Wanted, admit};
use forebay::produce::{self, probe::SharedClient};
use forebay::receipt::{self, Arrival, Request, Slot};
use forebay::spill::{self, Batch, Log};

use crate::kafka::{self, Record, consume_all};
use crate::support::bounds::DIES;
use crate::support::command;
use crate::support::eventually;
use crate::support::gateway::{Gateway, config_to};
use crate::support::http::Client;
use crate::support::outage::log_in;

const SECOND: Duration = Duration::from_secs(1);
const HOUR_MS: i64 = 3_600_000;
/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

/// What is sent, and should be in the topic.
#[derive(Clone, Default)]
struct Case {
    key: Option<&'static str>,
    value: Option<&'static [u8]>,
    headers: Vec<(&'static str, Option<Vec<u8>>)>,
    time_ms: Option<i64>,
}

/// All kinds, nulls and empty values among them more than once. `now_ms` is close to the present.
fn cases(now_ms: i64) -> Vec<Case> {
    let any_bytes: Vec<u8> = (0..=255).collect();
    let full = Case {
        key: Some("k1"),
        value: Some(b"{\"full\":1}"),
        headers: vec![
            ("bytes", Some(any_bytes)),
            ("null", None),
            ("empty", Some(Vec::new())),
            ("twice", Some(b"1".into())),
            ("twice", Some(b"2".into())),
            ("", Some(b"without a name".into())),
            ("n\u{e4}me \u{1f980}", Some(b"utf-8".into())),
        ],
        time_ms: Some(now_ms - 20 * HOUR_MS),
    };
    let plain = Case {
        value: Some(b"{\"plain\":1}"),
        ..Case::default()
    };
    let timed = Case {
        time_ms: Some(now_ms - 1_234),
        ..plain.clone()
    };
    let null = Case {
        key: Some("gone"),
        ..Case::default()
    };
    let empty = Case {
        value: Some(b""),
        ..null.clone()
    };
    let null_with_headers = Case {
        headers: vec![("why", Some(b"deleted".into()))],
        ..null.clone()
    };
    vec![
        full,
        plain,
        null.clone(),
        empty.clone(),
        null,
        null_with_headers,
        empty,
        timed,
    ]
}

impl Case {
    /// The event whose value is put to the end of `body`.
    fn event(&self, index: usize, body: &mut Vec<u8>) -> Event {
        let mut block = Block::default();
        for (name, value) in &self.headers {
            block.push(name, value.as_deref());
        }
        let extra = Extra {
            headers: block.finish(),
            timestamp_ms: self.time_ms,
            is_null: self.value.is_none(),
        };
        let start = body.len() as u32;
        body.extend_from_slice(self.value.unwrap_or_default());
        Event {
            index: index as u32,
            start,
            end: body.len() as u32,
            key: self
                .key
                .map_or(Key::None, |key| Key::Apart(key.as_bytes().into())),
            header_id: None,
            extra: (extra != Extra::default()).then(|| Arc::new(extra)),
        }
    }

    /// Checks its record. `received_ms` is when the event arrived; none if the record may have any time.
    #[track_caller]
    fn check(&self, record: &Record, received_ms: Option<i64>) {
        assert_eq!(record.key.as_deref(), self.key.map(str::as_bytes));
        assert_eq!(record.value.as_deref(), self.value);
        let headers = record
            .headers
            .iter()
            .map(|(name, value)| (&name[..], value.clone()));
        let headers: Vec<_> = headers.collect();
        assert_eq!(headers, self.headers);
        if let Some(time_ms) = self.time_ms.or(received_ms) {
            assert_eq!(record.timestamp, Some(time_ms));
        }
    }
}

fn now_ms() -> i64 {
    Arrival::now(Instant::now()).unix_ms
}

/// Sends events of one request through the lanes of this process.
fn send_directly(bootstrap: &str, topic: &str, cases: &[Case]) {
    let budget = Budget::new(64 << 20);
    let topics = [TopicOf::new("events", topic)];
    let settings = produce::Settings::new(bootstrap);
    let cluster = Cluster::new(
        "main",
        settings,
        lane::Settings::default(),
        topics,
        &budget,
        None,
    );
    cluster.set_partitions(0, 1);
    let worker = lane::worker::spawn(Arc::clone(&cluster), SharedClient::default()).unwrap();
    let topic = &cluster.topics()[0];
    let mut body = Vec::new();
    let events = (0..).zip(cases).map(|(at, case)| case.event(at, &mut body));
    let events: Vec<_> = events.collect();
    let lane = Arc::clone(&topic.lanes()[0]);
    let slot = Slot {
        lane: lane.number(),
        partition: 0,
        first: 0,
        count: events.len() as u32,
    };
    let wanted = Wanted {
        lane: &lane,
        events: slot.count,
        bytes: events.iter().map(Event::weight).sum(),
    };
    let held = topic.account().hold(1 << 20).unwrap();
    let (arrival, ledger) = (Arrival::now(Instant::now()), Arc::clone(topic.ledger()));
    let build = || {
        let body = Bytes::from(body);
        Request::into_parcels(body, events.into(), &[slot], arrival, None, ledger, held)
    };
    let parcels = admit(&cluster, &cluster.lane_settings(), &[wanted], build).unwrap();
    let request = parcels[0].request();
    eventually("all is acknowledged", 30 * SECOND, || request.is_finished());
    assert_eq!(receipt::settle(&parcels).acked as usize, cases.len());
    cluster.drain(5 * SECOND);
    worker.join().unwrap();
    assert_eq!(topic.ledger().in_flight(), 0);
}

#[test]
fn headers_times_and_nulls_reach_kafka_as_they_were() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("direct", 1, 1, &[]);
    let cases = cases(now_ms());
    send_directly(kafka.bootstrap(), &topic, &cases);
    let records = consume_all(kafka.bootstrap(), &topic);
    assert_eq!(records.len(), cases.len());
    for (case, record) in cases.iter().zip(&records) {
        case.check(record, None);
    }
}

/// What the topic knows of is stamped so from the beginning; what nobody told forebay it learns, of the guilty event alone.
#[test]
fn a_time_that_the_topic_refuses_is_in_a_header_and_costs_its_neighbours_nothing() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let limit = [("message.timestamp.before.max.ms", "3600000")];
    let topic = kafka.fresh_topic("refused-time", 1, 1, &limit);
    let now_ms = now_ms();
    let timed = |time_ms| Case {
        value: Some(b"{}"),
        headers: vec![("mine", Some(b"1".into()))],
        time_ms: Some(time_ms),
        ..Case::default()
    };
    let plain = Case {
        value: Some(b"{}"),
        ..Case::default()
    };
    let old_ms = now_ms - 5 * HOUR_MS;
    let cases = [
        plain.clone(),
        timed(old_ms),
        plain,
        timed(-1),
        timed(now_ms - 5),
    ];
    // Nobody asks for the topic's limits here.
    send_directly(kafka.bootstrap(), &topic, &cases);
    let records = consume_all(kafka.bootstrap(), &topic);
    assert_eq!(records.len(), cases.len());
    for (at, time_ms) in [(1, old_ms), (3, -1)] {
        let time = ("forebay-time".to_owned(), Some(time_ms.to_string().into()));
        assert_eq!(records[at].headers.last(), Some(&time));
        assert_eq!(records[at].headers.len(), 2);
        assert!(records[at].timestamp.unwrap() >= now_ms);
    }
    for at in [0, 2] {
        cases[at].check(&records[at], None);
    }
    cases[4].check(&records[4], None);
}

fn on_log(bootstrap: &str, topic: &str, dir: &Path) -> String {
    let log = log_in(dir, "4MiB");
    config_to(bootstrap, &log, topic, "ack = \"disk\"\n")
}

/// Stores the events as a gateway does whose Kafka is away.
fn store(topic: &str, dir: &Path, cases: &[Case], received_ms: i64) {
    let settings = spill::Settings {
        dir: dir.into(),
        min_free: "1MiB".parse().unwrap(),
        segment: "4MiB".parse().unwrap(),
        ..spill::Settings::default()
    };
    let (log, _) = Log::open(settings).unwrap();
    let lane = log
        .lane(format!("main/events/{topic}/0").as_bytes())
        .unwrap();
    let mut batch = Batch::with_capacity(1 << 16);
    for case in cases {
        let mut body = Vec::new();
        let event = case.event(0, &mut body);
        batch.push(|out| wire::encode(&event, &body, received_ms, out));
    }
    let (tell, told) = std::sync::mpsc::channel();
    let done = move |stored: Result<_, _>| tell.send(stored.map(drop)).unwrap();
    log.append_batch(lane, batch, done).unwrap();
    told.recv_timeout(10 * SECOND).unwrap().unwrap();
    log.close(10 * SECOND).unwrap();
}

#[test]
fn headers_times_and_nulls_survive_the_log_kill_9_and_death_by_the_topic() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("stored", 1, 1, &[("max.message.bytes", "2000")]);
    let dir = tempfile::tempdir().unwrap();
    let received_ms = now_ms() - 60_000;
    let mut cases = cases(received_ms);
    // Too large for its headers alone.
    let large = Case {
        key: Some("large"),
        headers: vec![("large", Some(vec![b'x'; 3_000])), ("null", None)],
        time_ms: Some(received_ms - 1),
        ..Case::default()
    };
    cases.insert(3, large.clone());
    store(&topic, dir.path(), &cases, received_ms);
    // One gateway after the other has them, and is killed.
    for _ in 0..2 {
        let mut gateway = Gateway::ready(&on_log(NOWHERE, &topic, dir.path()));
        gateway.signal("KILL");
        gateway.wait(DIES);
    }
    let shown = command::run(&["spill", "cat", dir.path().to_str().unwrap()], &[]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for part in [
        "twice=1 twice=2",
        "null=(null)",
        "why=deleted (null)",
        "key=gone",
    ] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }

    let gateway = Gateway::ready(&on_log(kafka.bootstrap(), &topic, dir.path()));
    eventually("all but one are in kafka", 30 * SECOND, || {
        gateway.status()["dead_letters"][0]["events"] == 1
            && gateway.events("events", "replayed") + 1 == cases.len() as i64
    });
    cases.remove(3);
    let records = consume_all(kafka.bootstrap(), &topic);
    assert_eq!(records.len(), cases.len());
    for (case, record) in cases.iter().zip(&records) {
        case.check(record, Some(received_ms));
    }

    kafka.configure_topic(&topic, "max.message.bytes", "1000000");
    let sent = Client::connect(gateway.admin).post("/dead/redrive", &[], b"");
    assert_eq!(sent.status, 202);
    eventually("the dead letter is in kafka", 30 * SECOND, || {
        gateway.events("events", "replayed") == cases.len() as i64 + 1
    });
    gateway.stop();
    let records = consume_all(kafka.bootstrap(), &topic);
    large.check(records.last().unwrap(), Some(received_ms));
}
