//! Marks as the kernel has them, on sockets of this machine.

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use super::*;

const METADATA: i16 = 3;

/// A connection, and the socket that it's about.
fn connection(sockets: &Sockets) -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut connection = Connection::new(sockets.add());
    connection.requested(stream.as_raw_fd(), API_VERSIONS);
    connection.answered(API_VERSIONS, Some(300));
    (connection, stream)
}

/// As the kernel has it.
fn mark(stream: &TcpStream) -> c_int {
    let (mut mark, mut length) = (0, size_of::<c_int>() as libc::socklen_t);
    // SAFETY: value and length live during the call.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw mut mark).cast(),
            &raw mut length,
        )
    };
    assert_eq!(result, 0);
    mark
}

fn produce(connection: &mut Connection, stream: &TcpStream, requests: u32) {
    for _ in 0..requests {
        connection.requested(stream.as_raw_fd(), PRODUCE);
    }
}

#[test]
fn the_kernel_tells_of_answers_when_all_are_there() {
    let (mut connection, stream) = connection(&Sockets::default());
    // Nothing is known of an answer's size yet.
    produce(&mut connection, &stream, 4);
    assert_eq!(mark(&stream), 1);
    connection.answered(PRODUCE, Some(60 - 8));
    assert_eq!(mark(&stream), 3 * 60);
    produce(&mut connection, &stream, 13);
    assert_eq!(mark(&stream), 16 * 60);
    // While they are read it falls, by halves, and never stands above what is left for long.
    for left in (0..16).rev() {
        connection.answered(PRODUCE, Some(70 - 8));
        assert!(mark(&stream) < (2 * left * 60).max(2), "{left}");
    }
    assert_eq!(mark(&stream), 1);
}

#[test]
fn other_requests_and_errors_take_the_mark_away() {
    let (mut connection, stream) = connection(&Sockets::default());
    produce(&mut connection, &stream, 1);
    connection.answered(PRODUCE, Some(52));
    produce(&mut connection, &stream, 8);
    assert_eq!(mark(&stream), 8 * 60);
    connection.requested(stream.as_raw_fd(), METADATA);
    assert_eq!(mark(&stream), 1);
    produce(&mut connection, &stream, 8);
    assert_eq!(mark(&stream), 1);
    connection.answered(METADATA, Some(1_000));
    assert_eq!(mark(&stream), 16 * 60);
    connection.answered(PRODUCE, None);
    assert_eq!(mark(&stream), 1);
}

#[test]
fn the_worker_fetches_what_is_less_than_expected() {
    let sockets = Sockets::default();
    let (mut connection, stream) = connection(&sockets);
    produce(&mut connection, &stream, 1);
    connection.answered(PRODUCE, Some(52));
    sockets.fetch();
    produce(&mut connection, &stream, 4);
    // They have just been sent.
    sockets.fetch();
    assert_eq!(mark(&stream), 4 * 60);
    sockets.fetch();
    assert_eq!(mark(&stream), 1);
    // Two were there; the mark is for the others.
    connection.answered(PRODUCE, Some(52));
    connection.answered(PRODUCE, Some(52));
    assert_eq!(mark(&stream), 3 * 60);
    sockets.fetch();
    sockets.fetch();
    assert_eq!(mark(&stream), 1);
    connection.answered(PRODUCE, Some(52));
    assert_eq!(mark(&stream), 60);
    sockets.switch_off();
    assert_eq!(mark(&stream), 1);
}

#[test]
fn what_two_threads_set_at_once_is_what_we_believe() {
    let sockets = Sockets::default();
    let (connection, stream) = connection(&sockets);
    let socket = &connection.socket;
    for round in 0..2_000 {
        let begin = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                begin.wait();
                socket.set_mark(480 + round);
            });
            begin.wait();
            socket.set_mark(NO_MARK);
        });
        assert_eq!(mark(&stream), socket.mark.load(Acquire), "round {round}");
        // Nothing comes: the worker takes it away, whoever was last.
        sockets.fetch();
        sockets.fetch();
        assert_eq!(mark(&stream), NO_MARK, "round {round}");
    }
}

#[test]
fn a_thread_that_ended_is_forgotten() {
    let sockets = Sockets::default();
    drop(connection(&sockets));
    sockets.fetch();
    assert_eq!(sockets.all.lock().unwrap().len(), 0);
}

/// How late threads of this name may wake, in nanoseconds, of those that have a client's settings.
fn slacks(name: &str) -> Vec<u64> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let read = |number: &str, file: &str| {
        let path = format!("/proc/{number}/{file}");
        std::fs::read_to_string(path).unwrap_or_default()
    };
    let found = tasks.filter_map(|task| {
        let number = task.file_name().into_string().unwrap();
        (read(&number, "comm").trim() == name).then(|| read(&number, "timerslack_ns"))
    });
    found.filter_map(|text| text.trim().parse().ok()).collect()
}

#[test]
fn the_two_threads_of_a_client_that_only_look_at_the_time_may_wake_late() {
    use crate::produce::{Native, NoMessages, client, settings::Settings};
    let settings = Settings::new("127.0.0.1:1");
    let producer = client::producer("slack", &settings);
    let _client = Native::<NoMessages>::new(&producer).unwrap();
    let start = std::time::Instant::now();
    // Threads begin when they like, and those of other tests' clients count as well.
    let some = |name, is_late| {
        slacks(name)
            .iter()
            .any(|slack| (*slack == SLACK_NS) == is_late)
    };
    while !(some("rdk:main", true) && some("rdk:broker-1", true) && some("rdk:broker-1", false)) {
        assert!(
            start.elapsed().as_secs() < 20,
            "{:?}",
            slacks("rdk:broker-1")
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
