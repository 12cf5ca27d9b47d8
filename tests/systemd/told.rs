//! The datagrams of sd_notify(3), as they come out of a socket.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::*;

/// What systemd would read.
struct Notified {
    socket: UnixDatagram,
    path: String,
    _folder: tempfile::TempDir,
}

impl Notified {
    fn new() -> Notified {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Notified {
            socket,
            path: path.to_str().unwrap().to_owned(),
            _folder: folder,
        }
    }

    /// The next datagram as its assignments.
    #[track_caller]
    fn next(&self) -> Vec<(String, String)> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("a datagram");
        let text = std::str::from_utf8(&bytes[..length]).unwrap();
        let pair = |line: &str| {
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        };
        text.lines().map(pair).collect()
    }

    /// The next datagram that isn't a status alone: the names in it, and the value of the last.
    #[track_caller]
    fn step(&self) -> (String, String) {
        loop {
            let pairs = self.next();
            if pairs[0].0 == "STATUS" {
                continue;
            }
            let names: Vec<_> = pairs.iter().map(|(name, _)| name.as_str()).collect();
            return (names.join(" "), pairs.last().unwrap().1.clone());
        }
    }

    /// Waits for a status, whatever else comes.
    #[track_caller]
    fn status(&self, wanted: &str) {
        eventually(wanted, SOON, || {
            let pairs = self.next();
            assert_eq!(pairs[0].0, "STATUS", "{pairs:?}");
            pairs[0].1.contains(wanted)
        });
    }
}

/// Microseconds since the machine was started, as systemd counts them.
fn monotonic() -> i128 {
    let now = sd_notify::NotifyState::monotonic_usec_now().unwrap();
    let now = now.to_string();
    now.strip_prefix("MONOTONIC_USEC=")
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_start_reloads_and_a_stop_are_told_in_their_order() {
    let (mock, notified) = (mock(), Notified::new());
    let good = config(mock.bootstrap(), "");
    let env = [("NOTIFY_SOCKET", notified.path.as_str())];
    let gateway = Gateway::start_with_env(&good, &env);
    assert_eq!(notified.step().0, "READY STATUS");
    // Readiness of Kafka is a status, and no condition of the start.
    gateway.wait_ready(2 * SOON);
    for (text, outcome) in [("[http]\nlisten = 3\n", true), (&good, false)] {
        gateway.rewrite(text);
        let asked = monotonic();
        gateway.signal("HUP");
        let (names, at) = notified.step();
        assert_eq!(names, "RELOADING MONOTONIC_USEC");
        let at: i128 = at.parse().unwrap();
        assert!((asked..=monotonic()).contains(&at), "{asked} {at}");
        let (names, status) = notified.step();
        assert_eq!(names, "READY STATUS");
        let has_failed = status.contains("the last reload failed: ");
        assert_eq!(has_failed, outcome, "{status}");
        assert!(status.starts_with("ready"), "{status}");
    }
    gateway.signal("TERM");
    assert_eq!(notified.step().0, "STOPPING STATUS");
    notified.status("answering what is under way");
    let mut gateway = gateway;
    assert!(gateway.wait(2 * SOON).success());
}

#[test]
fn why_it_is_not_ready_is_its_status_while_that_is_so() {
    let (mock, notified) = (mock(), Notified::new());
    mock.set_broker(false);
    let env = [("NOTIFY_SOCKET", notified.path.as_str())];
    let gateway = Gateway::start_with_env(&config(mock.bootstrap(), ""), &env);
    let (names, status) = notified.step();
    assert_eq!(names, "READY STATUS");
    assert!(status.starts_with("not ready: "), "{status}");
    mock.set_broker(true);
    eventually("ready", 2 * SOON, || notified.next()[0].1 == "ready");
    gateway.stop();
}

#[test]
fn a_watchdog_is_told_in_time_by_the_process_that_it_watches_and_by_no_other() {
    let (mock, notified) = (mock(), Notified::new());
    let start = |pid: &str| {
        let env = [
            ("NOTIFY_SOCKET", notified.path.as_str()),
            ("WATCHDOG_USEC", "300000"),
            ("WATCHDOG_PID", pid),
        ];
        // What systemd would set is the number of a process that isn't there yet.
        let by = "test -z \"$WATCHDOG_PID\" && WATCHDOG_PID=$$; export WATCHDOG_PID; exec \"$@\"";
        let by = ["sh", "-c", by, "sh"];
        Gateway::try_start(&by, &config(mock.bootstrap(), ""), &[], &env).unwrap()
    };
    let watched = start("");
    assert_eq!(notified.step().0, "READY STATUS");
    for _ in 0..5 {
        assert_eq!(notified.step().0, "WATCHDOG");
    }
    watched.signal("TERM");
    eventually("it stops", SOON, || notified.step().0 == "STOPPING STATUS");
    drop(watched);
    while notified.socket.set_nonblocking(true).is_ok() && notified.socket.recv(&mut [0]).is_ok() {}
    notified.socket.set_nonblocking(false).unwrap();
    let other = start("1");
    assert_eq!(notified.step().0, "READY STATUS");
    other.wait_ready(2 * SOON);
    other.signal("TERM");
    assert_eq!(notified.step().0, "STOPPING STATUS");
}

#[test]
fn a_manager_that_takes_nothing_holds_nobody_up() {
    let (mock, notified) = (mock(), Notified::new());
    // The socket's queue is full before the gateway comes: whoever sends to it waits.
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender
        .send_to(b"STATUS=full", Path::new(&notified.path))
        .is_ok()
    {}
    let env = [("NOTIFY_SOCKET", notified.path.as_str())];
    let gateway = Gateway::start_with_env(&config(mock.bootstrap(), ""), &env);
    gateway.wait_ready(2 * SOON);
    gateway.signal("HUP");
    assert_eq!(gateway.client().post_json("events", EVENT).status, 200);
    gateway.stop();
}
