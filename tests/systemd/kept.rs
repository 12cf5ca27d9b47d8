//! Sockets that systemd holds open: a restart in place costs a wait and no request.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::*;
use crate::support::http::Client;

/// Requests that were sent, what went wrong, and how long the slowest took.
#[derive(Default)]
struct Book {
    is_over: AtomicBool,
    answered: AtomicU64,
    wrong: Mutex<Vec<String>>,
    longest: Mutex<Duration>,
}

impl Book {
    /// Sends request after request until it's over: each on a connection of its own, or on one that is kept.
    fn send(&self, address: std::net::SocketAddr, keeps: bool) {
        let mut kept = None;
        while !self.is_over.load(Relaxed) {
            let begun = Instant::now();
            let mut client = kept.take().unwrap_or_else(|| Client::connect(address));
            let answer = client
                .send(EVENTS, &[], EVENT.as_bytes())
                .and_then(|()| client.answer());
            match answer {
                Ok(answer) if answer.status == 200 => {
                    let is_kept = keeps && answer.header("connection") != Some("close");
                    kept = is_kept.then_some(client);
                    self.answered.fetch_add(1, Relaxed);
                }
                Ok(answer) => self.wrong.lock().unwrap().push(answer.text()),
                Err(error) => self.wrong.lock().unwrap().push(error.to_string()),
            }
            let mut longest = self.longest.lock().unwrap();
            *longest = begun.elapsed().max(*longest);
            drop(longest);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Ends the senders, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn a_restart_on_sockets_that_are_kept_fails_no_request() {
    let (mock, sockets) = (mock(), Sockets::open());
    let start = || {
        let config = config(mock.bootstrap(), "");
        sockets.start("data:admin", &config, &[]).unwrap()
    };
    let [data, admin] = sockets.0.each_ref().map(|it| it.local_addr().unwrap());
    let first = start();
    assert_eq!((first.data, first.admin), (data, admin));
    let book = Book::default();
    std::thread::scope(|scope| {
        let over = Over(&book.is_over);
        for number in 0..8 {
            let book = &book;
            scope.spawn(move || book.send(data, number % 2 == 0));
        }
        let more = |what: &str| {
            let before = book.answered.load(Relaxed);
            eventually(what, 2 * SOON, || {
                book.answered.load(Relaxed) > before + 100
            });
        };
        let mut gateway = first;
        for _ in 0..3 {
            more("it is used");
            gateway.stop();
            // Nobody accepts now. Who connects waits in the backlog.
            let waiting = Client::connect(data);
            gateway = start();
            drop(waiting);
        }
        more("it is used again");
        drop(over);
        gateway
    })
    .stop();
    let wrong = book.wrong.into_inner().unwrap();
    let (answered, longest) = (
        book.answered.into_inner(),
        book.longest.into_inner().unwrap(),
    );
    let first = wrong.first();
    assert!(
        wrong.is_empty(),
        "{} beside {answered}, the first: {first:?}",
        wrong.len()
    );
    println!("three restarts in place: {answered} requests, the slowest took {longest:?}");
    assert!(longest < SOON, "{longest:?}");
}

#[test]
fn connections_wait_for_kafka_at_the_start_and_are_told_when_it_does_not_come() {
    let (mock, sockets) = (mock(), Sockets::open());
    mock.set_broker(false);
    let mut client = Client::connect(sockets.0[0].local_addr().unwrap());
    client.send(EVENTS, &[], EVENT.as_bytes()).unwrap();
    let begun = Instant::now();
    let config = config(mock.bootstrap(), "");
    let gateway = sockets.start("data:admin", &config, &[]).unwrap();
    assert_eq!(client.answer().unwrap().status, 503);
    assert!(
        begun.elapsed() >= Duration::from_secs(3),
        "it was waited for"
    );
    gateway.stop();
}

#[test]
fn sockets_that_nobody_can_place_end_the_start() {
    let sockets = Sockets::open();
    let away = config("127.0.0.1:1", "");
    for (names, words) in [
        (
            "data:forebay.socket",
            "a socket is called \"forebay.socket\"",
        ),
        ("admin:admin", "there are two sockets \"admin\""),
        ("data:tls", "http.tls.listen isn't set"),
        ("data", "LISTEN_FDNAMES"),
    ] {
        let ended = sockets.start(names, &away, &[]).err().unwrap();
        assert!(ended.contains("exit status: 69"), "{names}: {ended}");
        assert!(ended.contains(words), "{names}: {ended}");
    }
    // What is meant for another process is nobody's.
    let env = [
        ("LISTEN_PID", "1"),
        ("LISTEN_FDS", "2"),
        ("LISTEN_FDNAMES", "data:admin"),
    ];
    Gateway::start_with_env(&away, &env).stop();
}
