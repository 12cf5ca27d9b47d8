//! What arrives in a real Kafka: the same bytes, key, headers, time and partition, in order, for any consumer.

mod first;
mod old;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::kafka::{self, Audit, consume_all};
use crate::support::eventually;
use crate::support::gateway::{Gateway, config_to};
use crate::support::sender::{Plan, Senders, key_and_id};

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64
}

/// A configuration with streams for one topic that differ in what they key by.
fn streams(bootstrap: &str, topic: &str) -> String {
    format!(
        "[clusters.main]\nbootstrap = \"{bootstrap}\"\n\
         [streams.pointer]\ncluster = \"main\"\ntopic = \"{topic}\"\nkey = \"/device/id\"\nid = \"/id\"\n\
         [streams.path]\ncluster = \"main\"\ntopic = \"{topic}\"\nkey = \"path\"\n\
         [streams.blob]\ncluster = \"main\"\ntopic = \"{topic}\"\nformat = \"raw\"\nkey = \"header:x-key\"\n\
         [streams.free]\ncluster = \"main\"\ntopic = \"{topic}\"\nid = \"/id\"\n"
    )
}

#[test]
fn records_are_what_was_sent_byte_for_byte() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("bytes", 4, 1, &[]);
    let gateway = Gateway::ready(&streams(kafka.bootstrap(), &topic));
    let before = now_ms();
    let odd = "{ \"id\" : \"e\\u0031\",\t\"device\":{\"id\":\"d\\\"1\"} ,\"näme\":\"🦀\", \"n\":1.50e+3 }";
    let mut client = gateway.client();
    assert_eq!(
        client
            .post_json(
                "pointer",
                &format!("[\n {odd} , {{\"device\":{{\"id\":7}}}}]")
            )
            .status,
        200
    );
    let blob = [0_u8, 255, 10, 13, 34];
    assert_eq!(
        client
            .post("/v1/events/blob", &[("x-key", "k e y")], &blob)
            .status,
        200
    );
    assert_eq!(client.post("/v1/events/path/a%2Fb", &[], b"{}").status, 200);
    let records = consume_all(kafka.bootstrap(), &topic);
    let by_value: BTreeMap<_, _> = records
        .iter()
        .map(|record| (record.payload().to_vec(), record))
        .collect();
    assert_eq!(by_value.len(), 4);
    let (odd, plain) = (
        &by_value[odd.as_bytes()],
        &by_value[&b"{\"device\":{\"id\":7}}"[..]],
    );
    let (blob, path) = (&by_value[&blob[..]], &by_value[&b"{}"[..]]);
    assert_eq!(
        odd.key.as_deref(),
        Some(&b"d\"1"[..]),
        "the text of the key, without quotes and escapes"
    );
    assert_eq!(plain.key.as_deref(), Some(&b"7"[..]));
    assert_eq!(blob.key.as_deref(), Some(&b"k e y"[..]));
    assert_eq!(path.key.as_deref(), Some(&b"a/b"[..]));
    assert!(
        odd.headers.is_empty(),
        "an event with its own id needs no header"
    );
    for record in [plain, blob, path] {
        let [(name, Some(id))] = &record.headers[..] else {
            panic!("{:?}", record.headers)
        };
        let id = uuid::Uuid::parse_str(std::str::from_utf8(id).unwrap()).unwrap();
        assert_eq!((name.as_str(), id.get_version_num()), ("event-id", 7));
    }
    for record in &records {
        let timestamp = record.timestamp.unwrap();
        assert!(
            (before..=now_ms()).contains(&timestamp),
            "{timestamp} is the time of arrival"
        );
    }
    gateway.stop();
}

#[test]
fn an_empty_key_is_a_key_and_a_missing_one_is_null() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("keys", 4, 1, &[]);
    let gateway = Gateway::ready(&streams(kafka.bootstrap(), &topic));
    let mut client = gateway.client();
    assert_eq!(
        client
            .post_json("pointer", r#"{"id":1,"device":{"id":""}}"#)
            .status,
        200
    );
    assert_eq!(client.post_json("free", r#"{"id":2}"#).status, 200);
    let answer = client.post_json(
        "pointer",
        r#"[{"id":3,"device":{"id":"x"}},{"id":4,"device":{"id":null}},{"id":5}]"#,
    );
    assert_eq!(answer.status, 207);
    assert_eq!(answer.json()["errors"][0]["code"], "key_missing");
    assert_eq!(answer.json()["errors"][1]["index"], 2);
    let records = consume_all(kafka.bootstrap(), &topic);
    let key = |value: &str| {
        records
            .iter()
            .find(|record| record.payload() == value.as_bytes())
            .unwrap()
            .key
            .clone()
    };
    assert_eq!(key(r#"{"id":1,"device":{"id":""}}"#), Some(Vec::new()));
    assert_eq!(key(r#"{"id":2}"#), None);
    assert_eq!(records.len(), 3);
    gateway.stop();
}

#[test]
fn the_partition_is_the_one_that_the_java_client_chooses() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let keys: Vec<String> = (0..300)
        .map(|number| "kä".repeat(number % 9) + &number.to_string())
        .chain([String::new()])
        .collect();
    let bytes: Vec<Vec<u8>> = keys.iter().map(|key| key.clone().into_bytes()).collect();
    for partitions in [1, 7, 16] {
        let Some(java) = kafka::java_partitions_or_skip(&bytes, partitions) else {
            return;
        };
        let topic = kafka.fresh_topic("java", partitions, 1, &[]);
        let gateway = Gateway::ready(&streams(kafka.bootstrap(), &topic));
        let events: Vec<_> = keys
            .iter()
            .map(|key| format!(r#"{{"id":1,"device":{{"id":"{key}"}}}}"#))
            .collect();
        assert_eq!(
            gateway
                .client()
                .post_json("pointer", &format!("[{}]", events.join(",")))
                .status,
            200
        );
        let found: BTreeMap<_, _> = consume_all(kafka.bootstrap(), &topic)
            .into_iter()
            .map(|record| (record.key.unwrap(), record.partition))
            .collect();
        let expected: BTreeMap<_, _> = bytes.iter().cloned().zip(java).collect();
        assert_eq!(found, expected);
        gateway.stop();
    }
}

#[test]
fn a_consumer_that_nobody_here_wrote_reads_the_same() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let Some(foreign) = kafka::foreign_consumer_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("foreign", 3, 1, &[]);
    let gateway = Gateway::ready(&streams(kafka.bootstrap(), &topic));
    let events: Vec<_> = (0..500)
        .map(|id| {
            format!(
                r#"{{"id":{id},"device":{{"id":"d{}"}},"t":"ü\n"}}"#,
                id % 50
            )
        })
        .collect();
    assert_eq!(
        gateway
            .client()
            .post_json("pointer", &format!("[{}]", events.join(",")))
            .status,
        200
    );
    let mut theirs = foreign.consume(kafka.bootstrap(), &topic);
    let mut ours: Vec<_> = consume_all(kafka.bootstrap(), &topic)
        .into_iter()
        .map(|record| (record.partition, record.key, record.value))
        .collect();
    theirs.sort();
    ours.sort();
    assert_eq!(theirs.len(), 500);
    assert_eq!(theirs, ours);
    gateway.stop();
}

#[test]
fn under_load_everything_arrives_once_and_in_order() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("load", 16, 1, &[]);
    let gateway = Gateway::ready(&config_to(kafka.bootstrap(), "", &topic, ""));
    let single = Senders::start(
        "single",
        gateway.data,
        "events",
        &Plan {
            pause: Duration::ZERO,
            ..Plan::default()
        },
    );
    let batches = Senders::start(
        "batch",
        gateway.data,
        "events",
        &Plan {
            batch: 50,
            ..Plan::default()
        },
    );
    batches.wait_for_acks(20_000, Duration::from_secs(60));
    let sent = [single.stop().0, batches.stop().0];
    gateway.stop();
    let records = consume_all(kafka.bootstrap(), &topic);
    let [mut single, batches] = sent;
    single.extend(batches);
    for record in &records {
        let (key, id) = key_and_id(record.key.as_deref(), record.payload());
        single.found(&key, id, record.partition);
    }
    let audit: Audit = single.audit();
    audit.assert_exactly_once();
    assert!(audit.acked > 20_000);
}

#[test]
fn new_partitions_are_used_without_a_restart() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("grow", 2, 1, &[]);
    let config = streams(kafka.bootstrap(), &topic).replace(
        "[clusters.main]",
        "[clusters.main]\nmetadata_refresh = \"300ms\"",
    );
    let gateway = Gateway::ready(&config);
    kafka.grow_topic(&topic, 5);
    eventually("the partitions are known", Duration::from_secs(20), || {
        gateway.status()["streams"]["pointer"]["partitions"] == 5
    });
    let events: Vec<_> = (0..200)
        .map(|id| format!(r#"{{"id":{id},"device":{{"id":"d{id}"}}}}"#))
        .collect();
    assert_eq!(
        gateway
            .client()
            .post_json("pointer", &format!("[{}]", events.join(",")))
            .status,
        200
    );
    let partitions: std::collections::BTreeSet<_> = consume_all(kafka.bootstrap(), &topic)
        .iter()
        .map(|record| record.partition)
        .collect();
    assert_eq!(partitions.len(), 5);
    gateway.stop();
}

#[test]
fn an_event_that_the_topic_does_not_take_is_the_clients_to_shorten() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("small", 1, 1, &[("max.message.bytes", "2000")]);
    let gateway = Gateway::ready(&streams(kafka.bootstrap(), &topic));
    let large = format!(
        r#"{{"id":1,"device":{{"id":"a"}},"pad":"{}"}}"#,
        "x".repeat(5_000)
    );
    let mut client = gateway.client();
    let answer = client.post_json("pointer", &large);
    assert_eq!(
        (answer.status, answer.json()["errors"][0]["code"].as_str()),
        (413, Some("too_large_for_kafka"))
    );
    assert_eq!(
        client
            .post_json("pointer", r#"{"id":2,"device":{"id":"a"}}"#)
            .status,
        200,
        "it blocks nobody"
    );
    gateway.stop();
}

/// Kafka refuses batches, not events, and several batches of a partition are under way at once.
#[test]
fn what_the_topic_does_not_take_costs_its_neighbours_neither_their_place_nor_their_delivery() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("mixed", 2, 1, &[("max.message.bytes", "4000")]);
    let gateway = Gateway::ready(&streams(kafka.bootstrap(), &topic).replace(
        "[streams.pointer",
        "[clusters.main.kafka]\n\"batch.size\" = \"6000\"\n[streams.pointer",
    ));
    const EVENTS: usize = 100;
    let send = |key: usize| {
        let mut client = gateway.client();
        for round in 0..4 {
            let large = (round * 37 + key) % EVENTS;
            let events: Vec<_> = (0..EVENTS)
                .map(|at| {
                    let pad = "x".repeat(if at == large { 4_500 } else { 150 });
                    let id = round * EVENTS + at;
                    format!(r#"{{"id":{id},"device":{{"id":"{key}"}},"pad":"{pad}"}}"#)
                })
                .collect();
            let answer = client.post_json("pointer", &format!("[{}]", events.join(",")));
            let errors = answer.json()["errors"].clone();
            assert_eq!(errors.as_array().map(Vec::len), Some(1), "{errors}");
            assert_eq!(errors[0]["index"], large, "{errors}");
        }
    };
    std::thread::scope(|scope| {
        for key in 0..4 {
            let send = &send;
            scope.spawn(move || send(key));
        }
    });
    let mut arrived = BTreeMap::<_, Vec<_>>::new();
    for record in consume_all(kafka.bootstrap(), &topic) {
        let event: serde_json::Value = serde_json::from_slice(record.payload()).unwrap();
        let id = event["id"].as_u64().unwrap() as usize;
        arrived
            .entry(event["device"]["id"].as_str().unwrap().to_owned())
            .or_default()
            .push(id);
    }
    assert_eq!(arrived.len(), 4);
    for (key, ids) in arrived {
        let key: usize = key.parse().unwrap();
        let fine = (0..4 * EVENTS).filter(|id| id % EVENTS != (id / EVENTS * 37 + key) % EVENTS);
        assert_eq!(ids, fine.collect::<Vec<_>>(), "of key {key}");
    }
    gateway.stop();
}
