//! Handshakes that stall, and connections that rest: what they cost others, and how much memory they hold.

use std::io::Write;
use std::net::TcpStream;

use super::*;
use crate::support::machine::Alone;

/// The beginning of a handshake: a record that says it has 512 bytes, and some of them.
const BEGUN: [u8; 9] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc];

fn stalled(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(bytes).unwrap();
    socket
}

#[test]
fn handshakes_that_stall_end_after_their_time_and_keep_nobody_waiting() {
    let world = World::new("handshake_timeout = \"2s\"\nmax_handshakes = 10000");
    let client = secure::client(&world.authority, None);
    let stalled: Vec<_> = (0..600)
        .map(|number| stalled(world.address(), if number % 2 == 0 { &BEGUN } else { &[] }))
        .collect();
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(world.post(&client).unwrap(), 200);
        longest = longest.max(begun.elapsed());
    }
    assert!(longest < SOON / 5, "{longest:?}");
    eventually("all of them are ended", 2 * SOON, || {
        world.refused("tls_timeout") == 600
    });
    let open = || world.gateway.status()["connections"].as_u64();
    eventually("none of them is open", SOON, || open() == Some(0));
    drop(stalled);
}

#[test]
fn with_too_many_handshakes_the_eldest_is_ended_and_a_new_one_has_its_turn() {
    let world = World::with(
        "[http]\nthreads = 1",
        "handshake_timeout = \"30s\"\nmax_handshakes = 20",
    );
    let client = secure::client(&world.authority, None);
    let stalled: Vec<_> = (0..100).map(|_| stalled(world.address(), &BEGUN)).collect();
    eventually("the eldest are ended", SOON, || {
        world.refused("too_many_handshakes") == 80
    });
    assert_eq!(world.post(&client).unwrap(), 200);
    assert_eq!(world.refused("too_many_handshakes"), 81);
    drop(stalled);
}

#[test]
fn a_handshake_that_is_too_large_is_counted_as_such() {
    let world = World::new("");
    // Records of a ClientHello of 60 KiB, one behind the other: the library would take it.
    let record = [&[0x16, 3, 1, 0x40, 0][..], &[0; 0x4000]].concat();
    let mut first = record.clone();
    first[5..9].copy_from_slice(&[1, 0, 0xf0, 0]);
    let mut socket = stalled(world.address(), &first);
    // It may be closed before all of it is written.
    for _ in 0..3 {
        socket.write_all(&record).unwrap_or_default();
    }
    eventually("it's counted", SOON, || world.refused("tls_too_large") == 1);
    assert_eq!(world.refused("tls_broken_off"), 0);
}

/// A record of the largest size that never ends: 16 KiB that can't be decrypted.
fn record() -> Vec<u8> {
    [&[0x17, 3, 3, 0x41, 0][..], &[7; 16_000]].concat()
}

#[test]
fn records_that_never_end_are_held_within_what_their_connections_are_charged() {
    let _alone = Alone::on_the_machine();
    let world = World::with(
        "[memory]\nbudget = \"64MiB\"",
        "handshake_timeout = \"60s\"\nmax_handshakes = 10000",
    );
    let client = secure::client(&world.authority, None);
    let before = world.gateway.resident();
    let mut open = Vec::new();
    // As many as there may be, a few left for a good one.
    for _ in 0..530 {
        let mut connection = secure::connect(world.address(), &client, "localhost").unwrap();
        connection.socket.sock.write_all(&record()).unwrap();
        open.push(connection.socket.sock);
    }
    assert_eq!(world.post(&client).unwrap(), 200);
    let each = world.gateway.resident().saturating_sub(before) / open.len() as u64;
    println!("{each} bytes for each connection with a record that doesn't end");
    assert!(each < 76 * 1024, "{each} bytes each");
    let resident = world.gateway.resident();
    assert!(resident < (64 + 64) << 20, "{resident} bytes resident");
}

#[test]
fn ten_thousand_connections_that_rest_hold_less_than_they_are_charged() {
    let _alone = Alone::on_the_machine();
    let wanted = most_files().saturating_sub(500).min(10_000) as usize;
    if wanted < 10_000 {
        println!("only {wanted} connections: this process may open no more files");
    }
    let world = World::with(
        "[http]\nmax_connections = 10100\nidle_timeout = \"10m\"\n[memory]\nbudget = \"1GiB\"",
        "",
    );
    let client = secure::client(&world.authority, None);
    let before = world.gateway.resident();
    let open: Vec<_> = std::thread::scope(|scope| {
        let some = |count: usize| {
            let connect = || secure::connect(world.address(), &client, "localhost").unwrap();
            (0..count)
                .map(|_| connect().socket.sock)
                .collect::<Vec<_>>()
        };
        let halves =
            [wanted / 2, wanted - wanted / 2].map(|count| scope.spawn(move || some(count)));
        halves
            .into_iter()
            .flat_map(|half| half.join().unwrap())
            .collect()
    });
    assert_eq!(world.post(&client).unwrap(), 200);
    let each = world.gateway.resident().saturating_sub(before) / open.len() as u64;
    println!(
        "{each} bytes for each of {} connections that rest",
        open.len()
    );
    assert!(each < 32 * 1024, "{each} bytes each");
}

/// How many files this process may open, after asking for as many as it can get.
fn most_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap_or_default();
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
