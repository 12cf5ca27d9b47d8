//! What Kafka would refuse later is refused at the door, or sent so that it's taken: sizes, keys of compacted topics,
//! timestamps; with a real Kafka, whose topics are set for it.

use std::path::Path;
use std::time::Duration;

use crate::kafka::{self, Kafka, consume_all};
use crate::support::eventually;
use crate::support::faketime::Clock;
use crate::support::gateway::{Gateway, config};
use crate::support::guarded::{MENDED_WITHIN, dead_letters, throughout};
use crate::support::http::Answer;

const SECOND: Duration = Duration::from_secs(1);
/// What a record has beside key and value, at most, as `src/produce/topic_limits.rs` has it.
const OVERHEAD: usize = 61 + 36 + 84;

/// A cluster whose topics are asked for only at the start, so that what is learned later is learned otherwise; and the stream
/// `events` for `topic`, without ids, so that records have the header `event-id`.
fn asked_once(bootstrap: &str, topic: &str, more: &str) -> String {
    let once = "\nmetadata_refresh = \"1h\"\n[streams.events]";
    let stream = format!("[streams.events]\ntopic = \"{topic}\"");
    config(bootstrap, more)
        .replace("[streams.events]", once)
        .replace("[streams.events]", &stream)
        .replace("id = \"/id\"\n", "")
}

fn on_log(dir: &Path) -> String {
    format!(
        "[spill]\ndir = \"{}\"\nquota = \"1GiB\"\nmin_free = \"1MiB\"\nsegment = \"4MiB\"\n",
        dir.display()
    )
}

/// An event whose key and value have so many bytes together.
fn event_of(bytes: usize) -> String {
    let frame = r#"{"user":"u","x":""}"#.len() + "u".len();
    format!(r#"{{"user":"u","x":"{}"}}"#, "x".repeat(bytes - frame))
}

/// Whether an event was refused at the door, which says how much the topic takes; Kafka itself says less.
#[track_caller]
fn is_refused_at_the_door(answer: &Answer, topic: &str, bytes: usize) -> bool {
    assert_eq!(answer.status, 413, "{}", answer.text());
    let error = &answer.json()["errors"][0];
    assert_eq!(error["code"], "too_large_for_kafka", "{error}");
    let detail = error["detail"].as_str().unwrap();
    detail.ends_with(&format!(
        "topic {topic} takes {bytes} bytes of both together"
    ))
}

#[track_caller]
fn learns(gateway: &Gateway, topic: &str, limit: usize) {
    let takes = limit - OVERHEAD;
    let is_refused = |bytes| {
        let answer = gateway.client().post_json("events", &event_of(bytes));
        is_refused_at_the_door(&answer, topic, takes)
    };
    // So large that Kafka refuses it as well, before the door does.
    eventually("the door knows the topic's limit", 20 * SECOND, || {
        is_refused(limit)
    });
    assert!(is_refused(takes + 1));
    let answer = gateway.client().post_json("events", &event_of(takes));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn what_passes_the_door_is_taken_by_the_topic_and_a_lower_limit_is_learned_soon() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    for limit in [2_000_000, 20_000] {
        let config = [("max.message.bytes", &*limit.to_string())];
        let topic = kafka.fresh_topic("limit", 1, 1, &config);
        // More than librdkafka takes by default, where the topic does.
        let folder = tempfile::tempdir().unwrap();
        let more =
            on_log(folder.path()) + "[decode]\nmax_event = \"4MiB\"\n[http]\nmax_body = \"4MiB\"\n";
        let gateway = Gateway::ready(&asked_once(kafka.bootstrap(), &topic, &more));
        learns(&gateway, &topic, limit);
        let record = &consume_all(kafka.bootstrap(), &topic)[0];
        assert_eq!(record.headers[0].0, "event-id");

        kafka.configure_topic(&topic, "max.message.bytes", "10000");
        // The first one that Kafka refuses is enough.
        let refused = gateway.client().post_json("events", &event_of(15_000));
        assert_eq!(refused.status, 413, "{}", refused.text());
        learns(&gateway, &topic, 10_000);
        eventually("the limit is remembered", 20 * SECOND, || {
            let known = std::fs::read_to_string(folder.path().join("limits.json"));
            known.is_ok_and(|known| known.contains("10000"))
        });
        gateway.stop();
        // Kafka can't be asked, and what it said counts.
        let gateway = Gateway::start(&asked_once("127.0.0.1:1", &topic, &more));
        let refused = gateway.client().post_json("events", &event_of(15_000));
        assert!(is_refused_at_the_door(&refused, &topic, 10_000 - OVERHEAD));
    }
}

#[test]
fn a_compacted_topic_takes_no_event_without_a_key() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("compact", 2, 1, &[("cleanup.policy", "compact")]);
    let more = format!(
        "[streams.keyless]\ncluster = \"main\"\ntopic = \"{topic}\"\n[streams.events]\non_missing_key = \"null\""
    );
    let text = asked_once(kafka.bootstrap(), &topic, "").replace("[streams.events]", &more);
    let gateway = Gateway::ready(&text);
    let mut client = gateway.client();
    eventually(
        "the door knows that the topic is compacted",
        20 * SECOND,
        || {
            let answer = client.post_json("events", r#"[{"user":"u"},{"x":1}]"#);
            let detail = answer.json()["errors"][0]["detail"].to_string();
            answer.status == 207 && detail.contains("compacted")
        },
    );
    let answer = client.post_json("events", r#"{"x":1}"#);
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(answer.json()["errors"][0]["code"], "key_missing");
    // No client can mend a stream without a key.
    eventually(
        "a stream without a key says why it takes nothing",
        20 * SECOND,
        || {
            let answer = client.post_json("keyless", r#"{"x":1}"#);
            answer.status == 503
                && answer
                    .text()
                    .contains("is compacted and takes only events with a key")
        },
    );
    assert!(
        consume_all(kafka.bootstrap(), &topic)
            .iter()
            .all(|record| record.key.is_some())
    );
}

/// With Kafka out of reach nothing is known, and the careful default counts: nothing is acknowledged that is buried later.
#[test]
fn a_key_that_no_record_has_room_for_is_not_acknowledged_while_kafka_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&config("127.0.0.1:1", &on_log(folder.path())));
    let mut client = gateway.client();
    // With its key the event is larger than 1,048,588 bytes, and smaller than what may be sent.
    let long = format!(r#"{{"user":"{}","id":"1"}}"#, "k".repeat(600_000));
    let answer = client.post_json("events", &long);
    assert_eq!(answer.status, 413, "{}", answer.text());
    let answer = client.post_json("events", r#"{"user":"u","id":"2"}"#);
    assert_eq!(
        (answer.status, answer.json()["spilled"].as_u64()),
        (200, Some(1))
    );
}

/// What waited longer than the topic allows timestamps to be old arrives all the same, with the present as its timestamp and
/// its arrival in a header, also where the topic can't be asked.
#[test]
fn events_older_than_the_topic_takes_timestamps_arrive_with_their_arrival_in_a_header() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    for may_ask in [true, false] {
        let config = [("message.timestamp.before.max.ms", "1500")];
        let topic = kafka.fresh_topic("stamps", 3, 1, &config);
        let mut rights = kafka::Right::to_produce(&topic);
        rights.truncate(if may_ask { 3 } else { 2 });
        replay_late(kafka, &topic, &rights);
    }
}

fn replay_late(kafka: &Kafka, topic: &str, rights: &[kafka::Right]) {
    let user = kafka.fresh_user();
    kafka.set_rights(&user, rights);
    let folder = tempfile::tempdir().unwrap();
    let text = |bootstrap: &str| {
        let user = format!("[clusters.main.kafka]\n{}", user.properties());
        asked_once(bootstrap, topic, &(on_log(folder.path()))) + &user
    };
    let gateway = Gateway::start(&text("127.0.0.1:1"));
    let mut client = gateway.client();
    for number in 0..100 {
        let event = format!(r#"{{"user":"u{}","number":{number}}}"#, number % 10);
        let answer = client.post_json("events", &event);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    gateway.stop();
    let spilled = std::time::Instant::now();
    eventually("the events are too old", 10 * SECOND, || {
        spilled.elapsed() > 3 * SECOND
    });

    let gateway = Gateway::ready(&text(kafka.guarded_bootstrap()));
    eventually("all are in kafka", 30 * SECOND, || {
        gateway.events("events", "replayed") == 100
    });
    assert_eq!(gateway.events("events", "dead"), 0);
    gateway.stop();
    let records = consume_all(kafka.bootstrap(), topic);
    assert_eq!(records.len(), 100);
    let mut last = [-1_i64; 10];
    for record in &records {
        let event: serde_json::Value = serde_json::from_slice(record.payload()).unwrap();
        let number = event["number"].as_i64().unwrap();
        let before = std::mem::replace(&mut last[number as usize % 10], number);
        assert!(before < number, "{number} stands behind {before}");
        let received = record
            .headers
            .iter()
            .find(|(name, _)| name == "forebay-received");
        let received = received.unwrap().1.as_deref().unwrap();
        let received: i64 = std::str::from_utf8(received).unwrap().parse().unwrap();
        let late = record.timestamp.unwrap() - received;
        assert!((1_000..60_000).contains(&late), "{late} ms");
    }
}

/// The gateway's clock is ten minutes slow, and its topic takes no timestamp that is older than a minute: nothing that is sent now can
/// be taken, and nothing is given up for it.
#[test]
fn events_of_a_topic_that_refuses_the_present_wait_for_a_right_clock() {
    let (Some(kafka), Some(clock)) = (kafka::one_or_skip(), Clock::or_skip()) else {
        return;
    };
    let config = [("message.timestamp.before.max.ms", "60000")];
    let topic = kafka.fresh_topic("clock", 3, 1, &config);
    let folder = tempfile::tempdir().unwrap();
    let text = asked_once(kafka.bootstrap(), &topic, &on_log(folder.path()));
    let gateway = Gateway::start_with_env(&text, &clock.env());
    gateway.wait_ready(30 * SECOND);
    let mut client = gateway.client();
    let mut send = |numbers: std::ops::Range<i64>| {
        for number in numbers {
            let event = format!(r#"{{"user":"u{}","number":{number}}}"#, number % 10);
            let answer = client.post_json("events", &event);
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    };
    send(0..10);
    assert_eq!(gateway.events("events", "acked"), 10);
    clock.step("-600s");
    send(10..40);
    let says_why = |gateway: &Gateway| {
        let lines = gateway.log();
        let lines = lines.lines().filter(|line| {
            line.contains("WARN") && line.contains("refuses the present as a timestamp")
        });
        lines.count()
    };
    eventually("the log says why", 20 * SECOND, || says_why(&gateway) > 0);
    throughout("they wait", 8 * SECOND, || {
        let backlog = gateway.status()["spill"]["backlog_events"].as_u64();
        dead_letters(&gateway) == 0 && backlog == Some(30)
    });
    assert_eq!(says_why(&gateway), 1, "once");
    clock.step("+0s");
    eventually("all are in kafka", MENDED_WITHIN, || {
        gateway.events("events", "replayed") == 30
    });
    send(40..50);
    assert_eq!(dead_letters(&gateway), 0);
    gateway.stop();
    let records = consume_all(kafka.bootstrap(), &topic);
    assert_eq!(records.len(), 50);
    let mut last = [-1_i64; 10];
    for record in &records {
        let event: serde_json::Value = serde_json::from_slice(record.payload()).unwrap();
        let number = event["number"].as_i64().unwrap();
        let before = std::mem::replace(&mut last[number as usize % 10], number);
        assert!(before < number, "{number} stands behind {before}");
        // The slow clock is forgotten with the last that had to wait for it.
        let names = record.headers.iter().map(|(name, _)| name.as_str());
        let is_late = names.into_iter().any(|name| name == "forebay-received");
        assert_eq!(is_late, (10..40).contains(&number), "{number}");
    }
}
