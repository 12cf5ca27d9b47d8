//! A gateway with a spill log that loses its Kafka, crashes and comes back at the same address, and the audit of all that
//! it promised in its lives.

use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::Message;

use super::bounds::{DIES, DRAINED, SPILLS, STARTS};
use super::eventually;
use super::gate::Gate;
use super::gateway::{Gateway, config_to};
use super::sender::{Senders, key_and_id};
use crate::kafka::{Audit, Evidence, Kafka, consume_each};

const SECOND: Duration = Duration::from_secs(1);

/// A configuration with a spill log of small segments.
pub fn spilling_config(bootstrap: &str, topic: &str, dir: &Path) -> String {
    config_to(bootstrap, &log_in(dir, "1MiB"), topic, "")
}

/// The section of a spill log with segments of this size.
pub fn log_in(dir: &Path, segment: &str) -> String {
    format!(
        "[spill]\ndir = \"{}\"\nquota = \"1GiB\"\nmin_free = \"1MiB\"\nsegment = \"{segment}\"\n",
        dir.display()
    )
}

/// Starts a gateway where the one was whose clients know `data`.
pub fn start_again(config: &str, data: std::net::SocketAddr) -> Gateway {
    Gateway::start_with_env(config, &[("FOREBAY__HTTP__LISTEN", &data.to_string())])
}

/// What the senders were told against what the topic holds.
pub fn audit(kafka: &Kafka, topic: &str, mut sent: Evidence) -> Audit {
    let within = SECOND * 180;
    consume_each(kafka.bootstrap(), topic, within, |message| {
        let (key, id) = key_and_id(message.key(), message.payload().unwrap());
        sent.found(&key, id, message.partition());
    });
    let audit = sent.audit();
    println!("{}", audit.report());
    audit
}

/// Stops a gateway that never crashed and audits its topic. An event is there twice only if the gateway says why: brokers that
/// were killed have forgotten which batches they hold, or the client was replaced.
#[track_caller]
pub fn stop_and_audit(gateway: Gateway, kafka: &Kafka, topic: &str, sent: Evidence) -> Audit {
    let count = |name: &str| gateway.status()["clusters"]["main"][name].as_u64().unwrap();
    let (new_epochs, replaced) = (count("new_epochs"), count("replaced_clients"));
    let log = gateway.stop();
    let audit = audit(kafka, topic, sent);
    println!("new epochs: {new_epochs}, replaced clients: {replaced}\n{log}");
    if new_epochs + replaced == 0 {
        audit.assert_clean();
    } else {
        assert_kept(&audit);
    }
    audit
}

/// What holds through crashes: they make duplicates, and nothing else.
#[track_caller]
pub fn assert_kept(audit: &Audit) {
    let kept = audit.lost.is_empty()
        && audit.inversions.is_empty()
        && audit.split_keys.is_empty()
        && (audit.ghosts_refused, audit.strangers) == (0, 0);
    assert!(kept, "{}", audit.report());
}

/// Waits until nothing is left to be brought to Kafka; says how things are if that takes too long.
#[track_caller]
pub fn wait_until_delivered(gateway: &Gateway) {
    wait_until_delivered_within(gateway, DRAINED);
}

/// As [`wait_until_delivered`], with another bound.
#[track_caller]
pub fn wait_until_delivered_within(gateway: &Gateway, within: Duration) {
    let deadline = Instant::now() + within;
    let delivered = || {
        gateway.events("events", "in_flight") == 0
            && gateway.status()["spill"]["backlog_events"] == 0
    };
    eventually("everything is in kafka", within + 10 * SECOND, || {
        let done = delivered();
        let status = || format!("{:#}", gateway.status());
        assert!(
            done || Instant::now() < deadline,
            "not in kafka: {}",
            status()
        );
        done
    });
}

/// A gateway behind a gate, with its stream `events` going to a topic of the test's own.
pub struct Outage {
    kafka: &'static Kafka,
    /// Between the gateway and Kafka.
    pub gate: Gate,
    topic: String,
    config: String,
    /// The gateway in its present life.
    pub gateway: Gateway,
}

impl Outage {
    /// A gateway that is ready, with its log in `dir`; `None` where there is no Kafka. `with` changes the configuration.
    pub fn prepare_or_skip(
        name: &str,
        dir: &Path,
        with: impl FnOnce(String) -> String,
    ) -> Option<Outage> {
        let kafka = crate::kafka::one_or_skip()?;
        let gate = Gate::before_or_skip(kafka)?;
        let topic = kafka.fresh_topic(name, 6, 1, &[]);
        let config = with(spilling_config(gate.bootstrap(), &topic, dir));
        Some(Outage {
            kafka,
            gateway: Gateway::ready(&config),
            gate,
            topic,
            config,
        })
    }

    /// The gateway's configuration.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// Kafka is away from now on; returns when the senders are served by the log.
    #[track_caller]
    pub fn begin(&self, senders: &Senders) {
        senders.wait_for_acks(100, STARTS);
        self.gate.close();
        eventually("events are spilled", SPILLS, || {
            self.gateway.events("events", "spilled") > 0
        });
        senders.wait_for_acks(100, SPILLS);
    }

    /// kill -9.
    pub fn crash(&mut self) {
        self.gateway.signal("KILL");
        self.gateway.wait(DIES);
    }

    /// Another life at the same address.
    pub fn start_again(&mut self) {
        let data = self.gateway.data;
        self.gateway = start_again(&self.config, data);
    }

    /// What the log says of itself.
    pub fn spill(&self, what: &str) -> serde_json::Value {
        self.gateway.status()["spill"][what].clone()
    }

    /// Waits for a state of the log.
    #[track_caller]
    pub fn wait_for_state(&self, state: &str, within: Duration) {
        eventually(&format!("the log is {state}"), within, || {
            self.spill("state") == state
        });
    }

    /// Kafka is back: everything is delivered, the gateway stops in order, and the topic is audited.
    #[track_caller]
    pub fn end(self, sent: Evidence) -> Audit {
        self.gate.open();
        wait_until_delivered(&self.gateway);
        let log = self.gateway.stop();
        println!("{log}");
        audit(self.kafka, &self.topic, sent)
    }

    /// kill -9, restart, and [`Outage::end`].
    #[track_caller]
    pub fn crash_and_end(mut self, sent: Evidence) -> Audit {
        self.crash();
        self.gate.open();
        self.start_again();
        self.gateway.wait_ready(STARTS);
        self.end(sent)
    }
}
