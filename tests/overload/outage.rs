//! Kafka dead or slow: no silence, no ghosts, nothing lost and nothing twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::*;
use crate::support::topic::values;

const WITHIN: Duration = Duration::from_secs(1);
const TIMES: &str = "[http]\nanswer_within = \"1s\"\n[lane]\nstalled_after = \"500ms\"\n";

/// What a client was told about one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Durable,
    Never,
    Unknown,
}

/// Reads off an answer what it says about each of a request's events.
fn told(answer: &Answer, ids: &[String]) -> Vec<(String, Told)> {
    if answer.status == 200 {
        return ids.iter().map(|id| (id.clone(), Told::Durable)).collect();
    }
    let code = check_unavailable(answer);
    let body = answer.json();
    let of_event = |index: usize| {
        let errors = body["errors"].as_array().into_iter().flatten();
        let error = errors.into_iter().find(|error| error["index"] == index)?;
        Some(match error["code"].as_str().unwrap() {
            "timeout" => Told::Never,
            "unknown" => Told::Unknown,
            code => panic!("{code}"),
        })
    };
    let whole = match code.as_str() {
        "stalled" | "full" | "no_memory" => Told::Never,
        "not_durable" => Told::Durable,
        _ => panic!("{code}"),
    };
    (0..)
        .zip(ids)
        .map(|(index, id)| (id.clone(), of_event(index).unwrap_or(whole)))
        .collect()
}

/// Sends batches of three until it's told to stop; what it heard of each event, and the longest wait.
fn send(gateway: &Gateway, name: &str, stop: &AtomicBool) -> (Vec<(String, Told)>, Duration) {
    let (mut heard, mut longest) = (Vec::new(), Duration::ZERO);
    let mut client = gateway.client();
    for batch in 0.. {
        if stop.load(Relaxed) {
            break;
        }
        let ids: Vec<_> = (0..3)
            .map(|number| format!("{name}-{batch}-{number}"))
            .collect();
        let events: Vec<_> = ids.iter().map(|id| event(id, id)).collect();
        let begun = Instant::now();
        let answer = client.post_json("events", &format!("[{}]", events.join(",")));
        longest = longest.max(begun.elapsed());
        heard.extend(told(&answer, &ids));
        if answer.status != 200 {
            std::thread::sleep(5 * MS); // a client that is refused doesn't come back without a pause
        }
    }
    (heard, longest)
}

#[test]
fn an_outage_is_told_in_time_and_what_was_told_is_true() {
    let mock = Mock::start(1, &[("events", 4)]);
    let gateway = Gateway::ready(&config(mock.bootstrap(), TIMES));
    let stop = AtomicBool::new(false);
    let mut heard = HashMap::new();
    std::thread::scope(|scope| {
        let names = ["a", "b", "c", "d", "e", "f"];
        let senders = names.map(|name| {
            let (gateway, stop) = (&gateway, &stop);
            scope.spawn(move || send(gateway, name, stop))
        });
        eventually("events flow", SOON, || {
            gateway.events("events", "acked") > 100
        });
        mock.set_broker(false);
        let unavailable = || {
            gateway.status()["streams"]["events"]["answers"]["unavailable"]
                .as_u64()
                .unwrap()
        };
        eventually("requests are refused", SOON, || unavailable() > 50);
        let refused_at = Instant::now();
        eventually("the outage goes on", SOON, || {
            refused_at.elapsed() > 1500 * MS
        });
        mock.set_broker(true);
        let before = gateway.events("events", "acked");
        eventually("events flow again", 2 * SOON, || {
            gateway.events("events", "acked") > before + 100
        });
        stop.store(true, Relaxed);
        for sender in senders {
            let (told, longest) = sender.join().unwrap();
            assert!(longest < WITHIN + 1000 * MS, "{longest:?}");
            heard.extend(told);
        }
    });
    eventually("nothing is under way", SOON, || {
        gateway.events("events", "in_flight") == 0
    });

    let mut arrived: HashMap<String, u32> = HashMap::new();
    for value in values(mock.bootstrap(), "events") {
        let value: serde_json::Value = serde_json::from_str(&value).unwrap();
        *arrived
            .entry(value["id"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    for (id, told) in &heard {
        let times = arrived.remove(id).unwrap_or(0);
        let good = match told {
            Told::Durable => times == 1,
            Told::Never => times == 0,
            Told::Unknown => times <= 1,
        };
        assert!(
            good,
            "{id} was told to be {told:?} and is there {times} times"
        );
    }
    assert!(arrived.is_empty(), "{arrived:?}");
    let count = |wanted| heard.values().filter(|told| **told == wanted).count();
    assert!(
        count(Told::Durable) > 200 && count(Told::Never) > 50,
        "{} {}",
        count(Told::Durable),
        count(Told::Never)
    );
    gateway.stop();
}

#[test]
fn what_a_slow_kafka_takes_after_the_deadline_is_told_as_unknown_and_counted_as_late() {
    let mock = Mock::start(1, &[("events", 1)]);
    let gateway = Gateway::ready(&config(mock.bootstrap(), TIMES));
    mock.with(|cluster| cluster.broker_round_trip_time(1, 2500 * MS).unwrap());
    let begun = Instant::now();
    let mut clients: Vec<_> = (0..10)
        .map(|id| sent(&gateway, "events", &event("a", &id.to_string())))
        .collect();
    for client in &mut clients {
        let answer = client.answer().unwrap();
        assert_eq!(check_unavailable(&answer), "not_durable");
        let (code, body) = (["timeout", "unknown"], answer.json());
        assert!(
            code.iter().any(|code| body["errors"][0]["code"] == *code),
            "{body}"
        );
    }
    assert!(
        begun.elapsed() >= WITHIN && begun.elapsed() < WITHIN + 1000 * MS,
        "{:?}",
        begun.elapsed()
    );
    eventually("all is resolved", SOON, || {
        gateway.events("events", "in_flight") == 0
    });
    let [late, acked, refused] =
        ["late", "acked", "refused"].map(|count| gateway.events("events", count));
    assert!(
        late > 0 && late == acked && acked + refused == 10,
        "{late} {acked} {refused}"
    );
    mock.with(|cluster| cluster.broker_round_trip_time(1, Duration::ZERO).unwrap());
    assert_eq!(values(mock.bootstrap(), "events").len() as i64, acked);
    let log = gateway.stop();
    assert!(
        log.contains(&format!(
            "accepted=10 acked={acked} spilled=0 replayed=0 refused={refused} failed=0 unknown=0 late={late}"
        )),
        "{log}"
    );
}
