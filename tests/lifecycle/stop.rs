//! Stop: the order of its phases, its deadlines, and the account of every event at its end.

use std::net::TcpStream;

use super::*;
use crate::support::http::Client;

/// A request that is under way: its answer is read when the thread is joined; 0 if the connection ended without one.
fn under_way(gateway: &Gateway, event: &str) -> std::thread::JoinHandle<u16> {
    let mut client = gateway.client();
    client.send(EVENTS, &[], event.as_bytes()).unwrap();
    std::thread::spawn(move || client.answer().map_or(0, |answer| answer.status))
}

fn ended(mut gateway: Gateway, within: Duration) -> String {
    let status = gateway.wait(within);
    eventually("the last line", SOON, || gateway.log().contains("stopped;"));
    assert_eq!(status.code(), Some(0), "{}", gateway.log());
    gateway.log()
}

#[test]
fn it_turns_unready_at_once_serves_through_the_grace_and_then_closes_its_port() {
    let mock = mock();
    let gateway = Gateway::start_with_env(
        &config(mock.bootstrap(), ""),
        &[("FOREBAY__SHUTDOWN__GRACE", "1500ms")],
    );
    gateway.wait_ready(4 * SOON);
    let mut kept = gateway.client();
    assert_eq!(kept.post_json("events", EVENT).status, 200);
    gateway.signal("TERM");
    let begun = Instant::now();
    eventually("not ready", SOON, || gateway.get("/readyz").0 == 503);
    let unready = begun.elapsed();
    assert!(gateway.get("/readyz").1.contains("stopping"));
    assert_eq!(
        (gateway.get("/livez").0, gateway.status()["phase"].as_str()),
        (200, Some("grace"))
    );
    // Load balancers that haven't noticed yet send on, also over new connections.
    assert_eq!(kept.post_json("events", EVENT).status, 200);
    assert_eq!(gateway.client().post_json("events", EVENT).status, 200);
    assert!(
        unready < 1000 * MS && begun.elapsed() < 1400 * MS,
        "too slow to tell: {:?}",
        begun.elapsed()
    );

    eventually("the port is closed", SOON, || {
        TcpStream::connect(gateway.data).is_err()
    });
    assert!(begun.elapsed() >= 1400 * MS, "{:?}", begun.elapsed());
    assert_eq!(kept.until_closed(SOON), Some(vec![]));
    check_account(
        &ended(gateway, SOON),
        "accepted=3 acked=3 spilled=0 replayed=0 refused=0 failed=0 unknown=0 late=0",
    );
}

#[test]
fn from_the_grace_on_each_answer_says_that_its_connection_ends() {
    let mock = mock();
    let grace = [
        ("FOREBAY__SHUTDOWN__GRACE", "1500ms"),
        ("FOREBAY__SHUTDOWN__IDLE", "2s"),
    ];
    let gateway = Gateway::start_with_env(&config(mock.bootstrap(), ""), &grace);
    gateway.wait_ready(4 * SOON);
    let mut kept: Vec<_> = (0..3).map(|_| gateway.client()).collect();
    for client in &mut kept {
        let answer = client.post_json("events", EVENT);
        assert_eq!((answer.status, answer.header("connection")), (200, None));
    }
    let [mut in_grace, mut at_the_end, mut silent]: [Client; 3] =
        kept.try_into().unwrap_or_else(|_| unreachable!());
    crate::support::h2::connected(gateway.data, async |connection| {
        assert_eq!(connection.post(EVENTS, EVENT).await.unwrap().0, 200);
        gateway.signal("TERM");
        eventually("not ready", SOON, || gateway.get("/readyz").0 == 503);
        // A load balancer learns it with an answer, never by a broken request.
        for client in [&mut in_grace, &mut gateway.client()] {
            let answer = client.post_json("events", EVENT);
            let header = answer.header("connection");
            assert_eq!((answer.status, header), (200, Some("close")));
            assert_eq!(client.until_closed(SOON), Some(vec![]));
        }
        assert!(connection.is_going_away().await, "HTTP/2 says GOAWAY");
    });
    eventually("the port is closed", SOON, || {
        TcpStream::connect_timeout(&gateway.data, 50 * MS).is_err()
    });
    // One that rested all the time may bring one more.
    let answer = at_the_end.post_json("events", EVENT);
    let header = answer.header("connection");
    assert_eq!((answer.status, header), (200, Some("close")));
    assert_eq!(at_the_end.until_closed(SOON), Some(vec![]));
    assert_eq!(silent.until_closed(2 * SOON), Some(vec![]));
    check_account(&ended(gateway, SOON), "accepted=7 acked=7");
}

#[test]
fn requests_under_way_are_answered_before_it_ends() {
    let mock = mock();
    let gateway = Gateway::ready(&config(mock.bootstrap(), ""));
    mock.with(|cluster| cluster.broker_round_trip_time(1, 1000 * MS).unwrap());
    let mut requests: Vec<_> = (0..20).map(|_| under_way(&gateway, EVENT)).collect();
    eventually("all are taken", SOON, || {
        gateway.events("events", "accepted") == 20
    });
    // One whose body is still on its way, and finishes after the port was closed.
    let mut late = gateway.client();
    late.write(
        format!(
            "POST {EVENTS} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{{",
            EVENT.len()
        )
        .as_bytes(),
    )
    .unwrap();
    eventually("it is accepted", SOON, || {
        gateway.status()["connections"] == 21
    });
    let resting = gateway.client();
    eventually("it is accepted", SOON, || {
        gateway.status()["connections"] == 22
    });
    gateway.signal("INT");
    eventually("the port is closed", SOON, || {
        TcpStream::connect(gateway.data).is_err()
    });
    late.write(&EVENT.as_bytes()[1..]).unwrap();
    requests.push(std::thread::spawn(move || {
        late.answer().map_or(0, |answer| answer.status)
    }));
    let statuses: Vec<_> = requests
        .into_iter()
        .map(|request| request.join().unwrap())
        .collect();
    assert_eq!(statuses, [200; 21]);
    check_account(&ended(gateway, 2 * SOON), "accepted=21 acked=21");
    drop(resting);
}

#[test]
fn with_kafka_dead_it_ends_within_its_deadlines_and_accounts_for_every_event() {
    let mock = mock();
    let limits = "[http]\nanswer_within = \"2s\"\n[lane]\nstalled_after = \"1900ms\"\n[shutdown]\ndrain = \"1s\"\n";
    let gateway = Gateway::ready(&config(mock.bootstrap(), limits));
    assert_eq!(gateway.client().post_json("events", EVENT).status, 200);
    mock.set_broker(false);
    let requests: Vec<_> = (0..20).map(|_| under_way(&gateway, EVENT)).collect();
    eventually("all are taken", SOON, || {
        gateway.events("events", "accepted") == 21
    });
    gateway.signal("TERM");
    let begun = Instant::now();
    for request in requests {
        assert_eq!(request.join().unwrap(), 503);
    }
    let log = ended(gateway, 2 * SOON);
    assert!(begun.elapsed() < 8000 * MS, "{:?}", begun.elapsed());
    check_account(&log, "acked=1 ");
}

#[test]
fn a_second_signal_hurries() {
    let mock = mock();
    let slow = "[http]\nanswer_within = \"30s\"\n[shutdown]\ndrain = \"60s\"\n";
    for grace in ["0s", "60s"] {
        let gateway = Gateway::start_with_env(
            &config(mock.bootstrap(), slow),
            &[("FOREBAY__SHUTDOWN__GRACE", grace)],
        );
        gateway.wait_ready(4 * SOON);
        mock.set_broker(false);
        let waiting = under_way(&gateway, EVENT);
        eventually("it is taken", SOON, || {
            gateway.events("events", "accepted") == 1
        });
        gateway.signal("TERM");
        eventually("it stops", SOON, || {
            gateway.log().contains("once more to hurry")
        });
        gateway.signal("TERM");
        let begun = Instant::now();
        let log = ended(gateway, 3 * SOON);
        assert!(begun.elapsed() < 8000 * MS, "{:?}", begun.elapsed());
        check_account(&log, "accepted=1 acked=0");
        assert_ne!(waiting.join().unwrap(), 200);
        mock.set_broker(true);
    }
}

#[test]
fn events_that_come_while_it_hurries_are_accounted_for() {
    let mock = mock();
    let gateway = Gateway::start_with_env(
        &config(mock.bootstrap(), ""),
        &[("FOREBAY__SHUTDOWN__GRACE", "60s")],
    );
    gateway.wait_ready(4 * SOON);
    mock.with(|cluster| cluster.broker_round_trip_time(1, 300 * MS).unwrap());
    let sending: Vec<_> = (0..8)
        .map(|_| {
            let data = gateway.data;
            std::thread::spawn(move || {
                // Over one connection after another, until the port is gone.
                let (mut sent, mut acked) = (0, 0);
                while let Ok(socket) = TcpStream::connect(data) {
                    let mut client = Client::over(socket);
                    while sent < 100_000 && client.send(EVENTS, &[], EVENT.as_bytes()).is_ok() {
                        sent += 1;
                        let Ok(answer) = client.answer() else { break };
                        acked += u64::from(answer.status == 200);
                    }
                }
                acked
            })
        })
        .collect();
    eventually("events flow", SOON, || {
        gateway.events("events", "acked") > 20
    });
    gateway.signal("TERM");
    eventually("it stops", SOON, || {
        gateway.log().contains("once more to hurry")
    });
    gateway.signal("TERM");
    let log = ended(gateway, 3 * SOON);
    let acked: u64 = sending
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    check_account(&log, "failed=0");
    let (_, counted) = log.rsplit_once(" acked=").unwrap();
    let counted: u64 = counted.split(' ').next().unwrap().parse().unwrap();
    assert!(counted >= acked, "{acked} clients heard 200:\n{log}");
}

#[test]
fn uploads_that_finish_while_it_hurries_are_accounted_for() {
    let mock = mock();
    let grace = [("FOREBAY__SHUTDOWN__GRACE", "60s")];
    let gateway = Gateway::start_with_env(&config(mock.bootstrap(), ""), &grace);
    gateway.wait_ready(4 * SOON);
    let (begin, rest) = EVENT.split_at(5);
    let mut uploads: Vec<_> = (0..400)
        .map(|_| {
            let mut client = gateway.client();
            let head = format!(
                "POST {EVENTS} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n",
                EVENT.len()
            );
            client
                .write(format!("{head}\r\n{begin}").as_bytes())
                .unwrap();
            client
        })
        .collect();
    eventually("all are accepted", SOON, || {
        gateway.status()["connections"] == 400
    });
    gateway.signal("TERM");
    eventually("it stops", SOON, || {
        gateway.log().contains("once more to hurry")
    });
    // Some finish before the signal, some while the lanes end, some too late.
    for (number, upload) in uploads.iter_mut().enumerate() {
        if number == 100 {
            gateway.signal("TERM");
        }
        drop(upload.write(rest.as_bytes()));
    }
    check_account(&ended(gateway, 3 * SOON), "failed=0");
}

/// What a service manager's reload, a closed terminal or a pipe without reader send.
#[test]
fn signals_that_ask_for_no_stop_end_nothing_and_are_logged() {
    let mock = mock();
    let gateway = Gateway::ready(&config(mock.bootstrap(), ""));
    for (name, logged) in [
        ("HUP", true),
        ("USR1", true),
        ("USR2", true),
        ("PIPE", false),
    ] {
        gateway.signal(name);
        let is_logged = || gateway.log().contains(&format!("SIG{name}"));
        if logged {
            eventually("it is logged", SOON, is_logged);
            // More of them within a second aren't.
            std::thread::sleep(1100 * MS);
        }
        assert_eq!(gateway.client().post_json("events", EVENT).status, 200);
        assert_eq!(is_logged(), logged, "{}", gateway.log());
    }
    assert!(gateway.log().contains("the configuration was reloaded"));
    check_account(&gateway.stop(), "accepted=4 acked=4");
}

#[test]
fn a_reload_does_not_hurry_a_stop() {
    let mock = mock();
    let grace = [("FOREBAY__SHUTDOWN__GRACE", "1500ms")];
    let gateway = Gateway::start_with_env(&config(mock.bootstrap(), ""), &grace);
    gateway.wait_ready(4 * SOON);
    gateway.signal("TERM");
    let begun = Instant::now();
    gateway.signal("HUP");
    let log = ended(gateway, SOON);
    assert!(begun.elapsed() >= 1400 * MS, "{:?}", begun.elapsed());
    check_account(&log, "lost=0");
}
