//! One owner's clients that flood, and another's that are to notice nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::bounds::STARTS;
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::http::Client;
use crate::support::sender::{Plan, Senders, p99};

const SECOND: Duration = Duration::from_secs(1);

/// Answers by status and code: how many there were, and the last of them.
pub type Answers = BTreeMap<(u16, String), (u64, String, Duration)>;

/// Clients that send as fast as they can, and come again at once when they are refused.
pub struct Flood {
    stop: Arc<AtomicBool>,
    answers: Arc<Mutex<Answers>>,
    threads: Vec<JoinHandle<()>>,
}

impl Flood {
    pub fn start(gateway: &Gateway, connections: usize, events: usize, pad: usize) -> Flood {
        let pad = "x".repeat(pad);
        let event = |id: usize| format!(r#"{{"id":"f{id}","user":"u{}","pad":"{pad}"}}"#, id % 50);
        let body = format!("[{}]", (0..events).map(event).collect::<Vec<_>>().join(","));
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let threads = (0..connections).map(|_| {
            let (stop, answers, body) = (Arc::clone(&stop), Arc::clone(&answers), body.clone());
            let address = gateway.data;
            std::thread::spawn(move || send(address, &body, &stop, &answers))
        });
        let threads = threads.collect();
        Flood {
            stop,
            answers,
            threads,
        }
    }

    /// How often it was answered so.
    pub fn count(&self, status: u16, code: &str) -> u64 {
        let answers = self.answers.lock().unwrap();
        let key = (status, code.to_owned());
        answers.get(&key).map_or(0, |(count, ..)| *count)
    }

    /// Waits until it was answered so, some more times.
    #[track_caller]
    pub fn wait_for(&self, status: u16, code: &str, more: u64, within: Duration) {
        let target = self.count(status, code) + more;
        eventually(&format!("{status} {code}"), within, || {
            self.count(status, code) >= target
        });
    }

    pub fn stop(self) -> Answers {
        self.stop.store(true, Release);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let answers = std::mem::take(&mut *self.answers.lock().unwrap());
        for ((status, code), (count, text, slowest)) in &answers {
            println!("{count} x {status} {code}, at most {slowest:?}: {text:.300}");
        }
        answers
    }
}

fn send(address: std::net::SocketAddr, body: &str, stop: &AtomicBool, answers: &Mutex<Answers>) {
    let mut client = None;
    while !stop.load(Acquire) {
        let mut connection: Client = match client.take() {
            Some(connection) => connection,
            None => match Client::try_connect(address) {
                Some(connection) => connection,
                None => continue,
            },
        };
        let begun = Instant::now();
        let json = [("content-type", "application/json")];
        let sent = connection.send("/v1/events/flood", &json, body.as_bytes());
        let Ok(answer) = sent.and_then(|()| connection.answer()) else {
            continue;
        };
        let text = if answer.status == 200 {
            String::new()
        } else {
            answer.text()
        };
        let its_type = serde_json::from_str::<Value>(&text).unwrap_or_default();
        let code = its_type["type"].as_str().unwrap_or_default();
        let code = code.trim_start_matches("urn:forebay:").to_owned();
        {
            let mut answers = answers.lock().unwrap();
            let entry = answers.entry((answer.status, code)).or_default();
            entry.0 += 1;
            let wait = answer.header("retry-after").unwrap_or_default();
            entry.1 = format!("{text} (retry-after {wait})");
            entry.2 = entry.2.max(begun.elapsed());
        }
        if answer.header("connection") != Some("close") {
            client = Some(connection);
        }
        // One core for all: whoever is refused at once would leave none to the others.
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Clients of the stream `calm`, who come evenly and are to notice nothing.
pub struct Calm {
    senders: Senders,
    begun: Instant,
}

impl Calm {
    pub fn start(gateway: &Gateway) -> Calm {
        let plan = Plan {
            connections: 4,
            pause: Duration::from_millis(4),
            tries: 1,
            ..Plan::default()
        };
        let senders = Senders::start("calm", gateway.data, "calm", &plan);
        senders.wait_for_acks(200, STARTS);
        Calm {
            senders,
            begun: Instant::now(),
        }
    }

    /// Looks at them for some seconds, and then, while `flood` does its worst, for as long again.
    #[track_caller]
    pub fn notice_nothing(self, flood: impl FnOnce()) {
        std::thread::sleep(4 * SECOND);
        let flooded = Instant::now();
        flood();
        std::thread::sleep((4 * SECOND).saturating_sub(flooded.elapsed()));
        let end = Instant::now();
        let (_, latencies) = self.senders.stop();
        let failed: Vec<_> = latencies.iter().filter(|it| it.2 != 200).collect();
        assert!(failed.is_empty(), "{failed:?}");
        let (before, after) = (
            p99(&latencies, self.begun, flooded),
            p99(&latencies, flooded, end),
        );
        println!("p99 {before:?} without the flood, {after:?} with it");
        // The noise of a busy machine: some milliseconds, whatever the p99. The flood's clients have their part of its cores.
        assert!(
            after <= before * 2 + Duration::from_millis(15),
            "{before:?} {after:?}"
        );
    }
}
