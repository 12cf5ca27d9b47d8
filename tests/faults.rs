//! Real brokers that are killed, frozen, stopped or without a leader, under load, with an audit of every id: nothing that
//! was acknowledged is missing, each key is in order, what was refused isn't there, duplicates are counted.
//!
//! Patient clients wait for their answers. Impatient ones hang up early and send again what they don't know the fate of,
//! which makes duplicates; they are counted. Each record must be explained by an attempt that got a 2xx, an answer that
//! called the event unknown, or no answer: a second copy that none of these explains fails the audit, unless the gateway
//! told that a broker has forgotten batches.

use std::time::Duration;

use crate::kafka::{self, Audit, Kafka};
use crate::support::bounds::{BROKERS_READY, FAILS_OVER, FLOWS_AGAIN, STARTS};
use crate::support::eventually;
use crate::support::gateway::{Gateway, config_to};
use crate::support::outage::{Outage, assert_kept, stop_and_audit};
use crate::support::sender::{Plan, Senders, groups};
use crate::support::tracer::{Tracer, tracer_or_skip};

const SECOND: Duration = Duration::from_secs(1);

struct Run {
    kafka: Kafka,
    topic: String,
    gateway: Gateway,
    groups: Vec<Senders>,
}

impl Run {
    /// Three brokers, a topic with more partitions than send without waiting for each other, a gateway, and patient, impatient
    /// and batching clients.
    fn start(name: &str) -> Option<Run> {
        let kafka = kafka::three_or_skip(&[])?;
        let topic = kafka.fresh_topic(name, 24, 3, &[]);
        let times = "[http]\nanswer_within = \"4s\"\n";
        let config = config_to(kafka.bootstrap(), times, &topic, "");
        let gateway = Gateway::ready(&config);
        let groups = groups(gateway.data);
        let run = Run {
            kafka,
            topic,
            gateway,
            groups: groups.into(),
        };
        run.flows(STARTS);
        Some(run)
    }

    /// Every group gets events through, so soon.
    #[track_caller]
    fn flows(&self, within: Duration) {
        for group in &self.groups {
            group.wait_for_acks(200, within);
        }
    }

    /// Ends the senders, waits until nothing is in flight, stops the gateway and audits.
    #[track_caller]
    fn audit(self) -> Audit {
        let Run {
            kafka,
            topic,
            gateway,
            groups,
        } = self;
        let mut sent = kafka::Evidence::default();
        for group in groups {
            sent.extend(group.stop().0);
        }
        kafka.wait_ready(BROKERS_READY);
        eventually("nothing is in flight", FLOWS_AGAIN, || {
            gateway.events("events", "in_flight") == 0
        });
        stop_and_audit(gateway, &kafka, &topic, sent)
    }
}

#[test]
fn a_leader_is_killed_and_comes_back() {
    let Some(run) = Run::start("kill") else {
        return;
    };
    let leader = run.kafka.leader(&run.topic, 0).unwrap();
    run.kafka.kill(leader);
    run.flows(FAILS_OVER);
    run.kafka.start(leader);
    run.kafka.wait_ready(BROKERS_READY);
    run.flows(FLOWS_AGAIN);
    run.audit();
}

#[test]
fn a_broker_is_frozen_for_longer_than_any_client_waits() {
    let Some(run) = Run::start("freeze") else {
        return;
    };
    let leader = run.kafka.leader(&run.topic, 0).unwrap();
    run.kafka.freeze(leader);
    std::thread::sleep(15 * SECOND);
    run.flows(FAILS_OVER);
    run.kafka.thaw(leader);
    run.kafka.wait_ready(BROKERS_READY);
    run.flows(FLOWS_AGAIN);
    run.audit();
}

/// Longer than every timeout that is set (the longest is librdkafka's `socket.timeout.ms` of 10 s): clients that give up
/// on records by themselves store some of them twice or out of order in such an outage.
#[test]
fn all_brokers_are_down_for_longer_than_every_timeout() {
    let Some(run) = Run::start("outage") else {
        return;
    };
    run.kafka.kill_all();
    std::thread::sleep(25 * SECOND);
    run.kafka.start_all();
    run.kafka.wait_ready(BROKERS_READY);
    run.flows(FLOWS_AGAIN);
    run.audit();
}

#[test]
fn too_few_replicas_are_in_sync() {
    let Some(run) = Run::start("minisr") else {
        return;
    };
    let leader = run.kafka.leader(&run.topic, 0).unwrap();
    let others: Vec<_> = run
        .kafka
        .nodes()
        .into_iter()
        .filter(|node| *node != leader)
        .collect();
    // One broker of three is left: the controllers have no majority, and no partition two replicas in sync.
    for node in &others {
        run.kafka.kill(*node);
    }
    std::thread::sleep(8 * SECOND);
    for node in &others {
        run.kafka.start(*node);
    }
    run.kafka.wait_ready(BROKERS_READY);
    run.flows(FLOWS_AGAIN);
    run.audit();
}

#[test]
fn some_partitions_have_no_leader_and_the_others_go_on() {
    let Some(kafka) = kafka::three_or_skip(&[]) else {
        return;
    };
    let topic = kafka.fresh_topic("leaderless", 12, 1, &[("min.insync.replicas", "1")]);
    let times = "[http]\nanswer_within = \"2s\"\n[lane]\nstalled_after = \"1s\"\n";
    let config = config_to(kafka.bootstrap(), times, &topic, "");
    let gateway = Gateway::ready(&config);
    let plan = Plan {
        connections: 24,
        keys: 1,
        ..Plan::default()
    };
    let senders = Senders::start("one-key", gateway.data, "events", &plan);
    senders.wait_for_acks(500, STARTS);
    // With one replica, what the dead broker led has no leader until it is back.
    kafka.kill(2);
    eventually("partitions lack a leader", FAILS_OVER, || {
        kafka
            .partitions_without_leader()
            .is_some_and(|lacking| !lacking.is_empty())
    });
    senders.wait_for_acks(1_000, FAILS_OVER);
    let stalled = || {
        gateway.status()["clusters"]["main"]["stalled_lanes"]
            .as_u64()
            .unwrap()
    };
    eventually("only their lanes stand still", FAILS_OVER, || {
        (1..12).contains(&stalled())
    });
    kafka.start(2);
    kafka.wait_ready(BROKERS_READY);
    eventually("all lanes move", FLOWS_AGAIN, || stalled() == 0);
    let (sent, _) = senders.stop();
    eventually("nothing is in flight", FLOWS_AGAIN, || {
        gateway.events("events", "in_flight") == 0
    });
    stop_and_audit(gateway, &kafka, &topic, sent);
}

/// librdkafka has hung before in a cluster that was in order. Here the thread that talks to the broker is held by force.
#[test]
fn a_client_that_hangs_in_a_healthy_cluster_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let patience = |config: String| {
        config.replace(
            "[clusters.main]",
            "[clusters.main]\nprogress_within = \"2s\"",
        )
    };
    let (Some(()), Some(outage)) = (
        tracer_or_skip(),
        Outage::prepare_or_skip("hang", dir.path(), patience),
    ) else {
        return;
    };
    let senders = Senders::start("hang", outage.gateway.data, "events", &Plan::default());
    senders.wait_for_acks(500, STARTS);
    let hang = "poll:delay_enter=60s:when=1";
    let tracer = Tracer::attach(&outage.gateway, &["rdk:broker1"], &[hang]);
    let count = |name: &str| outage.gateway.status()["clusters"]["main"][name].as_u64();
    // `progress_within` is 2 s, and a quarter of it later another client has to find the cluster in order once more. What the
    // old client holds is waited for before the new one begins.
    eventually("the client is replaced", 40 * SECOND, || {
        count("replaced_clients") == Some(1)
    });
    let arrived = || {
        let counts = ["acked", "replayed"].map(|count| outage.gateway.events("events", count));
        counts.iter().sum::<i64>()
    };
    let before = arrived();
    eventually("events flow again", FLOWS_AGAIN, || {
        arrived() > before + 500
    });
    drop(tracer);
    let (sent, _) = senders.stop();
    assert_kept(&outage.end(sent));
}
