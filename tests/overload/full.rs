//! No room: lanes and memory that are full refuse at once, whole requests only, and nobody else suffers.

use super::*;
use crate::support::topic::values;

/// Times that keep the lanes of a dead cluster from being refused as stalled while a test fills them.
const PATIENT: &str = "[http]\nanswer_within = \"40s\"\nmax_connections = 500\nmax_head = \"8KiB\"\n[lane]\nstalled_after = \"30s\"\n";

#[test]
fn a_full_lane_refuses_at_once_and_takes_no_part_of_a_request() {
    let mock = Mock::start(1, &[("events", 4)]);
    let tiny = format!("{PATIENT}max_events = 10\n");
    let config =
        config(mock.bootstrap(), &tiny).replace("[streams.", "max_in_flight_events = 1\n[streams.");
    let gateway = Gateway::ready(&config);
    mock.set_broker(false);
    // One goes to the client, then ten wait in the lane of `a`.
    let mut waiting = vec![sent(&gateway, "events", &event("a", "a0"))];
    eventually("the client has it", SOON, || {
        gateway.status()["clusters"]["main"]["in_flight_events"] == 1
    });
    waiting.extend((1..11).map(|id| sent(&gateway, "events", &event("a", &format!("a{id}")))));
    eventually("the lane is full", SOON, || {
        gateway.status()["streams"]["events"]["waiting_events"] == 10
    });
    let accepted = gateway.events("events", "accepted");

    let begun = Instant::now();
    assert_eq!(
        check_unavailable(&gateway.client().post_json("events", &event("a", "refused"))),
        "full"
    );
    let others: Vec<_> = (0..20)
        .map(|number| event(&format!("other{number}"), "refused"))
        .collect();
    let batch = format!("[{},{}]", others.join(","), event("a", "refused"));
    assert_eq!(
        check_unavailable(&gateway.client().post_json("events", &batch)),
        "full"
    );
    assert!(begun.elapsed() < 2000 * MS, "{:?}", begun.elapsed());
    let status = gateway.status();
    let stream = &status["streams"]["events"];
    assert_eq!(
        (&stream["waiting_events"], &stream["events"]["accepted"]),
        (&10.into(), &accepted.into())
    );
    // Other lanes have room.
    let other = (0..50).map(|number| {
        sent(
            &gateway,
            "events",
            &event(&format!("other{number}"), "other"),
        )
    });
    waiting.extend(other.take(10));
    eventually("they wait", SOON, || {
        gateway.events("events", "accepted") > accepted
    });

    mock.set_broker(true);
    let answers: Vec<_> = waiting
        .iter_mut()
        .map(|client| client.answer().unwrap())
        .collect();
    assert!(
        answers[..11].iter().all(|answer| answer.status == 200),
        "{answers:?}"
    );
    eventually("nothing is under way", SOON, || {
        gateway.events("events", "in_flight") == 0
    });
    let arrived = values(mock.bootstrap(), "events");
    assert!(
        arrived.iter().all(|value| !value.contains("refused")),
        "{arrived:?}"
    );
    assert_eq!(
        gateway
            .client()
            .post_json("events", &event("a", "again"))
            .status,
        200
    );
    gateway.stop();
}

#[test]
fn a_dead_cluster_takes_its_fair_part_of_the_memory_and_gives_it_back() {
    let (dead, alive) = (
        Mock::start(1, &[("events", 1)]),
        Mock::start(1, &[("well", 1)]),
    );
    let budget = "[memory]\nbudget = \"16MiB\"\n";
    let lanes = "max_bytes = \"16MiB\"\n";
    let other =
        "[clusters.alive]\nbootstrap = \"BOOTSTRAP\"\n[streams.well]\ncluster = \"alive\"\n";
    let other = other.replace("BOOTSTRAP", alive.bootstrap());
    let gateway = Gateway::ready(
        &(config(
            dead.bootstrap(),
            &format!("{budget}{PATIENT}{lanes}{other}"),
        )
        .replace("max_head", "max_body = \"1MiB\"\nmax_head")),
    );
    dead.set_broker(false);
    let large = format!(r#"{{"user":"a","id":"1","x":"{}"}}"#, "x".repeat(64 * 1024));
    let mut flood: Vec<_> = (0..250).map(|_| sent(&gateway, "events", &large)).collect();
    let unavailable = || {
        gateway.status()["streams"]["events"]["answers"]["unavailable"]
            .as_u64()
            .unwrap()
    };
    eventually("the flood is refused", SOON, || unavailable() >= 50);
    let status = gateway.status();
    let used = |status: &serde_json::Value| status["memory"]["used_bytes"].as_u64().unwrap();
    assert!(used(&status) <= 16 << 20, "{}", used(&status));
    for _ in 0..30 {
        let begun = Instant::now();
        assert_eq!(gateway.client().post_json("well", &large).status, 200);
        assert!(begun.elapsed() < 1500 * MS, "{:?}", begun.elapsed());
    }

    dead.set_broker(true);
    let answers: Vec<_> = flood
        .iter_mut()
        .map(|client| client.answer().unwrap())
        .collect();
    let (taken, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert!(
        taken.len() > 30 && refused.len() >= 50,
        "{} taken",
        taken.len()
    );
    assert!(
        refused
            .into_iter()
            .all(|answer| check_unavailable(answer) == "no_memory")
    );
    drop(flood);
    eventually("all memory is given back", SOON, || {
        used(&gateway.status()) == 0
    });
    assert_eq!(gateway.client().post_json("events", &large).status, 200);
    gateway.stop();
}
