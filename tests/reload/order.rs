//! A stream moves to another cluster: what it left at the former one goes first, whatever happens meanwhile.

use super::moved::on_log;
use super::*;
use crate::kafka::Evidence;
use crate::support::bounds::DIES;
use crate::support::outage::start_again;
use crate::support::sender::{Plan, Senders, key_and_id};
use rdkafka::Message;

/// A stream `beside` that moves from a cluster that is away to one that is there.
struct Moving {
    main: Mock,
    away: Mock,
    folder: tempfile::TempDir,
}

impl Moving {
    fn new() -> Moving {
        let kafka = || Mock::start(1, &[("events", 4), ("third", 4)]);
        let (main, away) = (kafka(), kafka());
        away.set_broker(false);
        let folder = tempfile::tempdir().unwrap();
        Moving { main, away, folder }
    }

    /// With the stream in this cluster, and more settings of it.
    fn text(&self, cluster: &str, more: &str) -> String {
        let head = "[streams.beside]\ncluster = ";
        let text = on_log(&self.folder, &self.away) + &Parts::new().text(self.main.bootstrap());
        text.replace(
            &format!("{head}\"main\"\n"),
            &format!("{head}\"{cluster}\"\n{more}\n"),
        )
    }

    /// Three events wait in the log for the cluster that is away, and then the stream moves and gets two more.
    fn begin(&self) -> Gateway {
        let gateway = Gateway::ready(&self.text("away", ""));
        for _ in 0..3 {
            assert_eq!(post(&gateway, "beside"), 200);
        }
        eventually("three wait on disk", 10 * SECOND, || spilled(&gateway) == 3);
        self.go_on(&gateway);
        gateway
    }

    /// The stream moves and gets two more.
    fn go_on(&self, gateway: &Gateway) {
        gateway.rewrite(&self.text("main", ""));
        reloads(gateway);
        for _ in 0..2 {
            assert_eq!(post(gateway, "beside"), 200);
        }
    }

    /// Killed, and started again with the other configuration. What was configured meanwhile gets one event.
    fn kill(&self, mut gateway: Gateway, text: &str) -> Gateway {
        gateway.signal("KILL");
        gateway.wait(DIES);
        let gateway = start_again(text, gateway.data);
        gateway.wait_ready(STARTS);
        assert_eq!(post(&gateway, "beside"), 200);
        gateway
    }

    /// The cluster that was away comes back, and all goes.
    fn end(&self, gateway: Gateway) {
        self.away.set_broker(true);
        eventually("all is in kafka", 60 * SECOND, || spilled(&gateway) == 0);
        eventually("it has moved", 10 * SECOND, || {
            stream(&gateway)["moving"].is_null()
        });
        gateway.stop();
    }

    fn found(&self) -> [usize; 2] {
        [&self.away, &self.main].map(|kafka| {
            let mut found = 0;
            consume_each(kafka.bootstrap(), "events", 30 * SECOND, |_| found += 1);
            found
        })
    }
}

fn stream(gateway: &Gateway) -> Value {
    gateway.status()["streams"]["beside"].clone()
}

fn spilled(gateway: &Gateway) -> u64 {
    stream(gateway)["spill_events"].as_u64().unwrap()
}

fn for_a_while(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + 3 * SECOND;
    while Instant::now() < until {
        assert!(holds(), "{what}");
        std::thread::sleep(SECOND / 10);
    }
}

#[test]
fn new_events_wait_until_the_former_cluster_has_those_before() {
    let moving = Moving::new();
    let gateway = moving.begin();
    for_a_while("all five wait", || spilled(&gateway) == 5);
    let told = stream(&gateway)["moving"].clone();
    assert_eq!(told["waits_for"][0]["cluster"], "away", "{told:#}");
    assert_eq!(told["waits_for"][0]["spill_events"], 3, "{told:#}");
    assert!(told["seconds"].as_f64().unwrap() > 2.0, "{told:#}");

    // Of a second move nobody could say what goes first.
    gateway.rewrite(&moving.text("away", ""));
    let (status, answer) = gateway.reload("");
    assert_eq!(status, 422, "{answer:#}");
    let error = answer["error"].as_str().unwrap();
    assert!(error.contains("streams.beside: it still moves"), "{error}");

    moving.away.set_broker(true);
    eventually("all five are in kafka", 60 * SECOND, || {
        spilled(&gateway) == 0
    });
    eventually("it has moved", 10 * SECOND, || {
        stream(&gateway)["moving"].is_null()
    });
    eventually("events go to kafka directly", 10 * SECOND, || {
        let before = gateway.events("beside", "spilled");
        post(&gateway, "beside") == 200 && gateway.events("beside", "spilled") == before
    });
    let log = gateway.stop();
    let position = |words: &str| log.find(words).unwrap();
    assert!(position("a stream moves") < position("a stream has moved"));
    let [away, main] = moving.found();
    assert!(away == 3 && main >= 3, "{away} {main}");
}

#[test]
fn who_gives_up_the_order_waits_no_longer() {
    let moving = Moving::new();
    let gateway = moving.begin();
    for_a_while("all five wait", || spilled(&gateway) == 5);
    gateway.rewrite(&moving.text("main", "drain = \"beside\""));
    assert_eq!(keys(&reloads(&gateway)), ["streams.beside.drain"]);
    eventually("the new ones are in kafka", 10 * SECOND, || {
        spilled(&gateway) == 3
    });
    assert!(stream(&gateway)["moving"].is_null());
    moving.away.set_broker(true);
    eventually("so are the others", 60 * SECOND, || spilled(&gateway) == 0);
    gateway.stop();
    assert_eq!(moving.found(), [3, 2]);
}

#[test]
fn a_move_goes_on_after_a_kill() {
    let moving = Moving::new();
    let gateway = moving.kill(moving.begin(), &moving.text("main", ""));
    for_a_while("all six wait", || spilled(&gateway) == 6);
    assert_eq!(
        stream(&gateway)["moving"]["waits_for"][0]["spill_events"],
        3
    );
    moving.end(gateway);
    assert_eq!(moving.found(), [3, 3]);
}

/// The second place's events wait for those of the first one, and new events for both.
#[test]
fn a_move_that_was_killed_and_goes_on_to_a_third_place_keeps_its_order() {
    let moving = Moving::new();
    let third = moving.text("main", "").replace("\"events\"", "\"third\"");
    let gateway = moving.kill(moving.begin(), &third);
    for_a_while("all six wait", || spilled(&gateway) == 6);
    moving.end(gateway);
    assert_eq!(moving.found(), [3, 2]);
}

/// What is at the first place goes first, what is at the second one follows, and new events at the first place wait for that.
#[test]
fn a_move_that_was_killed_and_is_taken_back_keeps_its_order() {
    let moving = Moving::new();
    moving.away.set_broker(true);
    let gateway = Gateway::ready(&moving.text("away", ""));
    let mut first = 0;
    eventually("its partitions are known", 20 * SECOND, || {
        let before = gateway.events("beside", "spilled");
        first += 1;
        post(&gateway, "beside") == 200 && gateway.events("beside", "spilled") == before
    });
    moving.away.set_broker(false);
    for _ in 0..3 {
        assert_eq!(post(&gateway, "beside"), 200);
    }
    eventually("three wait on disk", 10 * SECOND, || spilled(&gateway) == 3);
    moving.go_on(&gateway);
    let gateway = moving.kill(gateway, &moving.text("away", ""));
    for_a_while("all six wait", || spilled(&gateway) == 6);
    moving.end(gateway);
    let [away, main] = moving.found();
    assert!(away >= first + 4 && main == 2, "{away} {main}");
}

#[test]
fn an_adopted_directory_keeps_the_order_of_a_move() {
    let moving = Moving::new();
    let mut gateway = moving.begin();
    gateway.signal("KILL");
    gateway.wait(DIES);
    drop(gateway);
    let own = tempfile::tempdir().unwrap();
    let path = moving.folder.path().to_str().unwrap();
    let config = moving.text("main", "");
    let config = config.replace(path, own.path().to_str().unwrap());
    let gateway = Gateway::start_with(&config, &["--adopt", path], &[]);
    gateway.wait_ready(STARTS);
    let left = || gateway.status()["adopted"][0]["backlog_events"].clone();
    eventually("it's looked at", 10 * SECOND, || left() == 5);
    for_a_while("all five wait", || left() == 5);
    moving.away.set_broker(true);
    eventually("all five are in kafka", 60 * SECOND, || left() == 0);
    gateway.stop();
    assert_eq!(moving.found(), [3, 2]);
}

/// Both clusters are in order: to and fro, again and again, and no request fails.
#[test]
fn a_stream_that_moves_under_traffic_keeps_its_order() {
    let moving = Moving::new();
    moving.away.set_broker(true);
    let gateway = Gateway::ready(&moving.text("main", "key = \"/user\""));
    let plan = Plan {
        connections: 4,
        pause: Duration::from_millis(4),
        ..Plan::default()
    };
    let senders = Senders::start("move", gateway.data, "beside", &plan);
    for round in 0..8 {
        senders.wait_for_acks(200, STARTS);
        let cluster = ["away", "main"][round % 2];
        let text = moving.text(cluster, "key = \"/user\"");
        gateway.rewrite(&text);
        reloads(&gateway);
        eventually("it has moved", 20 * SECOND, || {
            stream(&gateway)["moving"].is_null()
        });
    }
    let (mut sent, latencies): (Evidence, _) = senders.stop();
    let failed = latencies
        .iter()
        .filter(|(_, _, status)| *status != 200)
        .count();
    assert_eq!(failed, 0);
    eventually("all is in kafka", 30 * SECOND, || spilled(&gateway) == 0);
    gateway.stop();
    let mut last = std::collections::HashMap::new();
    for (cluster, kafka) in [("away", &moving.away), ("main", &moving.main)] {
        consume_each(kafka.bootstrap(), "events", 60 * SECOND, |message| {
            let (key, id) = key_and_id(message.key(), message.payload().unwrap());
            let before = last.insert((cluster, key.clone()), id).unwrap_or(0);
            assert!(before < id, "{cluster}: {before} before {id}");
            sent.found(&key, id, message.partition());
        });
    }
    let audit = sent.audit();
    println!("{}", audit.report());
    assert!(
        audit.lost.is_empty() && audit.strangers == 0,
        "{}",
        audit.report()
    );
}

/// Nothing can wait on disk: new events wait in memory, and are refused if that takes too long.
#[test]
fn without_a_log_a_move_is_over_when_no_client_waits_any_more() {
    let moving = Moving::new();
    let text = |cluster: &str| {
        let text = moving.text(cluster, "");
        let (_, clusters) = text.split_once("[clusters.away]").unwrap();
        format!("[clusters.away]{clusters}")
    };
    moving.away.set_broker(true);
    let gateway = Gateway::ready(&text("away"));
    assert_eq!(post(&gateway, "beside"), 200);
    moving.away.set_broker(false);
    // Its client is told that nobody knows, and Kafka may have it later.
    assert_eq!(post(&gateway, "beside"), 503);
    gateway.rewrite(&text("main"));
    reloads(&gateway);
    eventually("events are taken again", 10 * SECOND, || {
        post(&gateway, "beside") == 200
    });
    assert!(
        gateway
            .log()
            .contains("without a spill log nothing can wait longer")
    );
    moving.away.set_broker(true);
    gateway.stop();
}
