//! What Kafka said a definite no to, with no log to wait in, is told for certain: it doesn't arrive, and why.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kafka::consume_all;
use crate::support::bounds::STARTS;
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::guarded::{Guarded, MENDED_WITHIN};
use crate::support::http::Client;

const SECOND: Duration = Duration::from_secs(1);

/// What clients were told, and of which events.
#[derive(Default)]
struct Told {
    next: AtomicUsize,
    acked: Mutex<HashSet<usize>>,
    refused: Mutex<HashSet<usize>>,
    /// Codes of events and words of answers that aren't 200.
    words: Mutex<Vec<(String, String)>>,
}

impl Told {
    /// Three events, each for a partition of its own.
    fn post(&self, address: std::net::SocketAddr, client: &mut Option<Client>) {
        let ids: Vec<_> = (0..3).map(|_| self.next.fetch_add(1, Relaxed)).collect();
        let events = ids
            .iter()
            .map(|id| format!(r#"{{"id":"{id}","user":"u{id}"}}"#));
        let body = format!("[{}]", events.collect::<Vec<_>>().join(","));
        let connection = client.get_or_insert_with(|| Client::connect(address));
        let answer = connection.post_json("events", &body);
        if answer.header("connection") == Some("close") {
            *client = None;
        }
        if answer.status == 200 {
            return self.acked.lock().unwrap().extend(ids);
        }
        assert_eq!(answer.status, 503, "{}", answer.text());
        let told = answer.json();
        let detail = told["detail"].as_str().unwrap();
        let listed = told["errors"].as_array().cloned().unwrap_or_default();
        let mut words = self.words.lock().unwrap();
        for (at, id) in ids.iter().enumerate() {
            let of_it = |error: &&Value| error["index"].as_u64() == Some(at as u64);
            let code = match listed.iter().find(of_it) {
                Some(error) => error["code"].as_str().unwrap(),
                // Without a list none was taken.
                None if listed.is_empty() => "none",
                None => {
                    self.acked.lock().unwrap().insert(*id);
                    continue;
                }
            };
            self.refused.lock().unwrap().insert(*id);
            words.push((code.to_owned(), detail.to_owned()));
        }
    }
}

/// `limits` are lines of the configuration, before all sections. Returns the gateway when `deny` has been in force for a while.
fn denied<'a>(
    guarded: &mut Guarded,
    limits: &str,
    told: &Arc<Told>,
    stop: &'a AtomicBool,
    scope: &'a std::thread::Scope<'a, '_>,
) -> Gateway {
    guarded.configure(|config| format!("{limits}{config}"));
    let gateway = Gateway::ready(guarded.config());
    for _ in 0..16 {
        let (told, address) = (Arc::clone(told), gateway.data);
        scope.spawn(move || {
            let mut client = None;
            while !stop.load(Acquire) {
                told.post(address, &mut client);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
    }
    eventually("events are in Kafka", STARTS, || {
        told.acked.lock().unwrap().len() > 1_000
    });
    guarded.deny_topic();
    gateway
}

#[test]
fn what_a_denied_topic_refused_is_told_for_certain_and_with_its_reason() {
    let Some(mut guarded) = Guarded::prepare_or_skip("certain", 6, &[], None) else {
        return;
    };
    let (told, stop) = (Arc::new(Told::default()), AtomicBool::new(false));
    // A client whose deadline comes while its event is being tried is told that nobody knows: no try takes so long.
    let limits =
        "[http]\nanswer_within = \"15s\"\n[lane]\nstalled_after = \"1s\"\nlongest_pause = \"2s\"\n";
    let (gateway, before_allowed) = std::thread::scope(|scope| {
        let gateway = denied(&mut guarded, limits, &told, &stop, scope);
        let refused = || told.refused.lock().unwrap().len();
        eventually("events are refused", 20 * SECOND, || refused() > 100);
        std::thread::sleep(5 * SECOND);
        let before_allowed = told.words.lock().unwrap().len();
        guarded.allow();
        let before = told.acked.lock().unwrap().len();
        eventually("events are in Kafka again", MENDED_WITHIN, || {
            told.acked.lock().unwrap().len() > before + 500
        });
        stop.store(true, Release);
        (gateway, before_allowed)
    });
    gateway.stop();
    let words = told.words.lock().unwrap();
    for (at, (code, detail)) in words.iter().enumerate() {
        assert_ne!(code, "unknown", "{detail}");
        // Who is refused in the moment in which it's mended may hear no reason any more.
        let is_mended = at >= before_allowed;
        assert!(
            is_mended || detail.contains("is denied: the right WRITE"),
            "{code}: {detail}"
        );
    }
    println!("{} events refused", words.len());
    let records = consume_all(guarded.kafka.bootstrap(), &guarded.topic);
    let there = records.iter().map(|record| {
        let event: Value = serde_json::from_slice(record.payload()).unwrap();
        event["id"].as_str().unwrap().parse().unwrap()
    });
    let there: HashSet<usize> = there.collect();
    let (acked, refused) = (told.acked.lock().unwrap(), told.refused.lock().unwrap());
    assert!(there.is_disjoint(&refused), "what was refused arrived");
    assert!(acked.is_subset(&there), "what was acknowledged is lost");
}

/// Nothing that Kafka refused waits for the end of `shutdown.drain`, 10 s by default.
#[test]
fn a_stop_waits_for_no_event_that_its_topic_refused() {
    let Some(mut guarded) = Guarded::prepare_or_skip("certain-stop", 6, &[], None) else {
        return;
    };
    let (told, stop) = (Arc::new(Told::default()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let mut gateway = denied(
            &mut guarded,
            "[http]\nanswer_within = \"15s\"\n",
            &told,
            &stop,
            scope,
        );
        let refused = || told.words.lock().unwrap().len();
        eventually("events are refused", 20 * SECOND, || refused() > 48);
        stop.store(true, Release);
        let begun = Instant::now();
        gateway.signal("TERM");
        assert!(gateway.wait(40 * SECOND).success());
        let took = begun.elapsed();
        assert!(took < 4 * SECOND, "{took:?}\n{}", gateway.log());
        eventually("the last line", 2 * SECOND, || {
            gateway.log().contains("every event is accounted for")
        });
    });
    for (code, detail) in &*told.words.lock().unwrap() {
        assert_ne!(code, "unknown", "{detail}");
    }
}
