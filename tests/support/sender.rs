//! SDKs under load that remember what they were told: the sender's side of an audit.
//!
//! Each connection owns some keys and sends their events one after the other. A patient sender waits for each answer; an
//! impatient one hangs up after a while, and sends the same events again on a new connection. Both send again what was
//! refused, as a plain SDK does: the whole request, with the same ids. Only when a request was answered with 2xx, or was
//! given up for good, do its keys go on.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::http::{Answer, Client};
use crate::kafka::{Evidence, Outcome};

/// How senders behave.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Connections, each with its own keys.
    pub connections: usize,
    /// Keys of one connection.
    pub keys: usize,
    /// Events per request, over the connection's keys in turn.
    pub batch: usize,
    /// How long an answer is waited for.
    pub patience: Duration,
    /// Pause between requests.
    pub pause: Duration,
    /// How often a request is tried before it is given up.
    pub tries: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            connections: 8,
            keys: 20,
            batch: 1,
            patience: Duration::from_secs(30),
            pause: Duration::from_millis(2),
            tries: usize::MAX,
        }
    }
}

/// Senders at work.
pub struct Senders {
    stop: Arc<AtomicBool>,
    /// Events that got a 2xx so far.
    pub acked: Arc<AtomicU64>,
    evidence: Arc<Mutex<Evidence>>,
    latencies: Arc<Mutex<Vec<(Instant, Duration, u16)>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Senders {
    /// Starts them. `name` goes into the keys, so that several groups can share a topic.
    pub fn start(name: &str, address: SocketAddr, stream: &str, plan: &Plan) -> Senders {
        let stop = Arc::new(AtomicBool::new(false));
        let acked = Arc::new(AtomicU64::new(0));
        let evidence = Arc::new(Mutex::new(Evidence::default()));
        let latencies = Arc::new(Mutex::new(Vec::new()));
        let threads = (0..plan.connections).map(|number| {
            let sender = Sender {
                address,
                path: format!("/v1/events/{stream}"),
                keys: (0..plan.keys)
                    .map(|key| format!("{name}-{number}-{key}"))
                    .collect(),
                plan: plan.clone(),
                stop: Arc::clone(&stop),
                acked: Arc::clone(&acked),
                evidence: Arc::clone(&evidence),
                latencies: Arc::clone(&latencies),
                next: 0,
            };
            std::thread::spawn(move || sender.run())
        });
        Senders {
            threads: threads.collect(),
            stop,
            acked,
            evidence,
            latencies,
        }
    }

    /// Events that got a 2xx so far.
    pub fn acked(&self) -> u64 {
        self.acked.load(Acquire)
    }

    /// Waits until `more` events got a 2xx from now on.
    #[track_caller]
    pub fn wait_for_acks(&self, more: u64, within: Duration) {
        let target = self.acked() + more;
        super::eventually("events are acknowledged", within, || self.acked() >= target);
    }

    /// Ends them and returns what they were told, and their latencies.
    pub fn stop(self) -> (Evidence, Vec<(Instant, Duration, u16)>) {
        self.stop.store(true, Release);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let evidence = std::mem::take(&mut *self.evidence.lock().unwrap());
        let latencies = std::mem::take(&mut *self.latencies.lock().unwrap());
        (evidence, latencies)
    }
}

/// The slowest of the fastest 99 in 100 requests that began within the span.
#[track_caller]
pub fn p99(latencies: &[(Instant, Duration, u16)], from: Instant, to: Instant) -> Duration {
    let within = latencies
        .iter()
        .filter(|(begun, _, status)| (from..to).contains(begun) && *status == 200);
    let mut sorted: Vec<_> = within.map(|(_, took, _)| *took).collect();
    sorted.sort();
    assert!(
        sorted.len() > 100,
        "only {} requests in the span",
        sorted.len()
    );
    sorted[sorted.len() * 99 / 100]
}

/// Requests that got a 200, per second, of those that began within the span.
pub fn rate(latencies: &[(Instant, Duration, u16)], from: Instant, to: Instant) -> f64 {
    let within = latencies
        .iter()
        .filter(|(begun, _, status)| (from..to).contains(begun) && *status == 200);
    within.count() as f64 / to.duration_since(from).as_secs_f64()
}

/// Patient clients, impatient ones, and some that send batches: what most tests of faults are about.
pub fn groups(address: SocketAddr) -> [Senders; 3] {
    let patient = Plan::default();
    let impatient = Plan {
        patience: Duration::from_secs(1),
        pause: Duration::from_millis(5),
        ..Plan::default()
    };
    let batches = Plan {
        connections: 4,
        batch: 30,
        keys: 60,
        pause: Duration::from_millis(20),
        ..Plan::default()
    };
    [
        ("patient", patient),
        ("impatient", impatient),
        ("batch", batches),
    ]
    .map(|(name, plan)| Senders::start(name, address, "events", &plan))
}

struct Sender {
    address: SocketAddr,
    path: String,
    keys: Vec<String>,
    plan: Plan,
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
    evidence: Arc<Mutex<Evidence>>,
    latencies: Arc<Mutex<Vec<(Instant, Duration, u16)>>>,
    /// Ids of this sender's events: one sequence over all its keys.
    next: u64,
}

impl Sender {
    fn run(mut self) {
        let mut client = None;
        while !self.stop.load(Acquire) {
            let events: Vec<_> = (0..self.plan.batch)
                .map(|_| {
                    self.next += 1;
                    (
                        self.keys[self.next as usize % self.keys.len()].clone(),
                        self.next,
                    )
                })
                .collect();
            self.deliver(&mut client, &events);
            std::thread::sleep(self.plan.pause);
        }
    }

    /// Sends the events until they are accepted, or given up.
    fn deliver(&self, client: &mut Option<Client>, events: &[(String, u64)]) {
        let body = body(events);
        for _ in 0..self.plan.tries {
            let begun = Instant::now();
            let answer = self.attempt(client, &body);
            let status = answer.as_ref().map_or(0, |answer| answer.status);
            self.latencies
                .lock()
                .unwrap()
                .push((begun, begun.elapsed(), status));
            self.note(events, answer.as_ref());
            if status == 200 {
                self.acked.fetch_add(events.len() as u64, AcqRel);
                return;
            }
            assert!(matches!(status, 0 | 503), "unexpected answer: {answer:?}");
            if self.stop.load(Acquire) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn attempt(&self, client: &mut Option<Client>, body: &str) -> Option<Answer> {
        let mut connection = match client.take() {
            Some(connection) => connection,
            None => Client::try_connect(self.address)?,
        };
        connection
            .socket
            .set_read_timeout(Some(self.plan.patience))
            .unwrap();
        connection
            .send(
                &self.path,
                &[("content-type", "application/json")],
                body.as_bytes(),
            )
            .ok()?;
        let answer = connection.answer().ok()?;
        if answer.header("connection") != Some("close") {
            *client = Some(connection);
        }
        Some(answer)
    }

    fn note(&self, events: &[(String, u64)], answer: Option<&Answer>) {
        // What is listed as `unknown` may arrive; what is listed otherwise may not; what isn't listed is there, or, if the
        // answer has no list, nothing was taken. Where the list is cut short, nobody knows of the others.
        let is_cut =
            answer.is_some_and(|it| it.status != 200 && !it.json()["errors_omitted"].is_null());
        let listed: Option<Vec<(usize, bool)>> =
            answer.filter(|answer| answer.status != 200).map(|answer| {
                let errors = answer.json()["errors"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                let entry = |error: &serde_json::Value| {
                    (
                        error["index"].as_u64().unwrap() as usize,
                        error["code"] == "unknown",
                    )
                };
                errors.iter().map(entry).collect()
            });
        let mut evidence = self.evidence.lock().unwrap();
        for (index, (key, id)) in events.iter().enumerate() {
            let outcome = match (answer, &listed) {
                (None, _) => Outcome::Unknown,
                (Some(answer), _) if answer.status == 200 => Outcome::Acked,
                (_, Some(listed)) if listed.is_empty() && !is_cut => Outcome::Refused,
                (_, Some(listed)) => match listed.iter().find(|(listed, _)| *listed == index) {
                    Some((_, true)) => Outcome::Unknown,
                    Some((_, false)) => Outcome::Refused,
                    None if is_cut => Outcome::Unknown,
                    None => Outcome::Acked,
                },
                _ => Outcome::Refused,
            };
            evidence.sent(key.as_bytes(), *id, outcome);
        }
    }
}

fn body(events: &[(String, u64)]) -> String {
    let events: Vec<_> = events
        .iter()
        .map(|(key, id)| {
            format!(
                r#"{{"id":"{id}","user":"{key}","name":"purchase","pad":"{:0>200}"}}"#,
                id
            )
        })
        .collect();
    if events.len() == 1 {
        events[0].clone()
    } else {
        format!("[{}]", events.join(","))
    }
}

/// The key and id of a record that a [`Senders`] sent.
pub fn key_and_id(key: Option<&[u8]>, payload: &[u8]) -> (Vec<u8>, u64) {
    let value: serde_json::Value = serde_json::from_slice(payload).unwrap();
    let id = value["id"].as_str().unwrap().parse().unwrap();
    let key = key.unwrap_or_default().to_vec();
    assert_eq!(value["user"].as_str().unwrap().as_bytes(), key);
    (key, id)
}
