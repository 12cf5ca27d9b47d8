//! Directories of gateways that are gone: whoever adopts them brings their events to Kafka before newer ones of the same keys, once.

use std::net::SocketAddr;
use std::path::Path;

use crate::kafka;
use crate::support::bounds::{DIES, DRAINED, FLOWS_AGAIN, SPILLS, STARTS};
use crate::support::eventually;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::outage::{assert_kept, audit, log_in, spilling_config, wait_until_delivered};
use crate::support::sender::{Plan, Senders};

/// A gateway where the one was whose clients know `data`, which adopts these directories, in this order.
fn adopting(config: &str, data: SocketAddr, dirs: &[&Path]) -> Gateway {
    let of = |dir: &&Path| ["--adopt".to_owned(), dir.to_str().unwrap().to_owned()];
    let arguments: Vec<_> = dirs.iter().flat_map(of).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let data = data.to_string();
    Gateway::start_with(config, &arguments, &[("FOREBAY__HTTP__LISTEN", &data)])
}

fn left(gateway: &Gateway) -> u64 {
    let adopted = gateway.status()["adopted"].clone();
    let all = adopted.as_array().unwrap().iter();
    all.map(|it| it["backlog_events"].as_u64().unwrap()).sum()
}

fn kill(mut gateway: Gateway) {
    gateway.signal("KILL");
    gateway.wait(DIES);
}

/// Three gateways follow each other at one address while Kafka is away, and the third one is killed when Kafka is back. All that their
/// clients were told is true, and in order.
#[test]
fn what_was_adopted_goes_before_new_events_of_its_keys_through_crashes_and_goes_once() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let Some(gate) = Gate::before_or_skip(kafka) else {
        return;
    };
    let topic = kafka.fresh_topic("adopting", 6, 1, &[]);
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [first, second, third] = dirs.each_ref().map(|dir| dir.path());
    let config = |dir: &Path| spilling_config(gate.bootstrap(), &topic, dir);
    let gateway = Gateway::ready(&config(first));
    let data = gateway.data;
    let senders = Senders::start("adopting", data, "events", &Plan::default());
    senders.wait_for_acks(200, STARTS);
    gate.close();
    senders.wait_for_acks(4_000, SPILLS);
    kill(gateway);

    let gateway = adopting(&config(second), data, &[first]);
    senders.wait_for_acks(2_000, SPILLS);
    kill(gateway);
    let gateway = adopting(&config(third), data, &[first, second]);
    senders.wait_for_acks(1_000, SPILLS);
    let waiting = left(&gateway);
    assert!(waiting > 5_000, "{waiting}");
    // They are one process's.
    let path = first.to_str().unwrap();
    let other = tempfile::tempdir().unwrap();
    let twice = Gateway::try_start(&[], &config(other.path()), &["--adopt", path], &[]);
    let twice = twice.err().expect("the directory belongs to another");
    assert!(twice.contains("can't open the spill log in"), "{twice}");

    gate.open();
    eventually("some is in kafka", FLOWS_AGAIN, || left(&gateway) < waiting);
    kill(gateway);
    let gateway = adopting(&config(third), data, &[first, second]);
    senders.wait_for_acks(1_000, FLOWS_AGAIN);
    eventually("nothing is left", DRAINED, || left(&gateway) == 0);
    eventually("new events go directly again", FLOWS_AGAIN, || {
        gateway.events("events", "acked") > 0
    });
    senders.wait_for_acks(200, STARTS);
    let (sent, _) = senders.stop();
    wait_until_delivered(&gateway);
    gateway.stop();
    let before = kafka::consume_all(kafka.bootstrap(), &topic).len();
    let gateway = adopting(&config(third), data, &[first, second]);
    gateway.wait_ready(STARTS);
    eventually("it's known to be empty", STARTS, || {
        gateway.log().matches("held for kafka is there").count() == 2
    });
    gateway.stop();
    let audit = audit(kafka, &topic, sent);
    assert_kept(&audit);
    assert_eq!(audit.records as usize, before, "nothing goes twice");
}

/// A stream waits for its own older events, whose cluster may be gone for good, and for no other stream's; and not at all if it's told so.
#[test]
fn a_stream_waits_for_its_own_older_events_alone_and_drain_beside_ends_that() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("adopting-others", 2, 1, &[]);
    let [old, own] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let config = |dir: &Path, cluster: &str, drain: &str| {
        let log = log_in(dir, "1MiB");
        let stream = |name: &str, cluster: &str| {
            format!(
                "[streams.{name}]\ncluster = \"{cluster}\"\ntopic = \"{topic}\"\nid = \"/id\"\n"
            )
        };
        format!(
            "{log}[clusters.gone]\nbootstrap = \"127.0.0.1:1\"\n[clusters.main]\nbootstrap = \"{}\"\n{}drain = \"{drain}\"\n{}",
            kafka.bootstrap(),
            stream("events", cluster),
            stream("other", "main"),
        )
    };
    let gone = Gateway::ready(&config(old.path(), "gone", "first"));
    let event = r#"{"id":"1"}"#;
    let answer = gone.client().post_json("events", event);
    assert_eq!(answer.json()["spilled"], 1);
    gone.stop();
    let path = old.path().to_str().unwrap();
    let first = config(own.path(), "main", "first");
    let gateway = Gateway::start_with(&first, &["--adopt", path], &[]);
    gateway.wait_ready(STARTS);
    let goes_directly = |stream: &str| {
        let answer = gateway.client().post_json(stream, r#"{"id":"2"}"#);
        answer.json()["acked"] == 1
    };
    eventually("another stream goes on", FLOWS_AGAIN, || {
        goes_directly("other")
    });
    assert!(!goes_directly("events"), "its older event goes first");
    assert_eq!(
        (left(&gateway), gateway.events("events", "replayed")),
        (1, 0)
    );
    gateway.rewrite(&config(own.path(), "main", "beside"));
    assert_eq!(gateway.reload("").0, 200);
    eventually("nothing is waited for", FLOWS_AGAIN, || {
        goes_directly("events")
    });
    assert_eq!(left(&gateway), 1, "it's kept");
    gateway.stop();
}
