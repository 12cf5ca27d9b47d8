//! Keys that are replaced while traffic flows.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use super::super::support::eventually;
use super::*;

fn config_with(mock: &Mock, keys: &str) -> String {
    let more = format!("[http]\nauth = [\"bearer\"]\n[sources.shop]\nkeys = [{keys}]\n");
    with_others(mock, &more)
}

/// Sends with a key until it's told to end, and checks that every request is taken; how many there were.
fn keep_sending(data: std::net::SocketAddr, key: &str, is_over: &AtomicBool) -> u32 {
    let mut client = Client::connect(data);
    let bearer = format!("Bearer {key}");
    let mut sent = 0;
    while !is_over.load(Relaxed) {
        let answer = client.post(EVENTS, &[JSON, ("authorization", &bearer)], EVENT);
        check(&answer, 200, "");
        sent += 1;
    }
    sent
}

#[test]
fn a_key_is_replaced_under_traffic_and_no_request_fails() {
    let mock = Mock::start(1, &[("events", 2), ("others", 2)]);
    let gateway = Gateway::ready(&config_with(&mock, "\"the-old-key\""));
    let put = |keys: &str| {
        gateway.rewrite(&config_with(&mock, keys));
        let begun = Instant::now();
        let (status, answer) = gateway.reload("");
        assert_eq!(status, 200, "{answer}");
        assert!(!answer.to_string().contains("-key"), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(1));
    };
    let with = |key: &str| {
        let bearer = format!("Bearer {key}");
        told(&post(&gateway, EVENTS, &[JSON, ("authorization", &bearer)])).0
    };
    let data = gateway.data;
    let [old_over, new_over] = [AtomicBool::new(false), AtomicBool::new(false)];
    std::thread::scope(|scope| {
        let old = scope.spawn(|| keep_sending(data, "the-old-key", &old_over));
        assert_eq!(with("the-new-key"), 401);
        std::thread::sleep(Duration::from_millis(200));
        put("\"the-old-key\", \"the-new-key\"");
        let new = scope.spawn(|| keep_sending(data, "the-new-key", &new_over));
        std::thread::sleep(Duration::from_millis(200));
        old_over.store(true, Relaxed);
        let sent_old = old.join().unwrap();
        put("\"the-new-key\"");
        std::thread::sleep(Duration::from_millis(200));
        new_over.store(true, Relaxed);
        let sent_new = new.join().unwrap();
        assert!(sent_old > 1 && sent_new > 1, "{sent_old} {sent_new}");
    });
    assert_eq!((with("the-old-key"), with("the-new-key")), (401, 200));
    gateway.stop();
}

#[test]
fn a_file_of_keys_that_has_changed_is_read_again_by_itself() {
    let mock = Mock::start(1, &[("events", 2), ("others", 2)]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, "# of the shop\nthe-first-key\n").unwrap();
    let reference = format!("\"${{file:{}}}\"", file.display());
    let gateway = Gateway::ready(&config_with(&mock, &reference));
    let with = |key: &str| {
        let bearer = format!("Bearer {key}");
        told(&post(&gateway, EVENTS, &[JSON, ("authorization", &bearer)])).0
    };
    assert_eq!((with("the-first-key"), with("the-second-key")), (200, 401));
    // As secrets are put in place: a new file takes the place of the old one.
    let next = folder.path().join("next");
    std::fs::write(&next, "the-first-key\nthe-second-key\n").unwrap();
    std::fs::rename(&next, &file).unwrap();
    eventually("the new key", Duration::from_secs(3), || {
        with("the-second-key") == 200
    });
    assert_eq!(with("the-first-key"), 200);
    // What is half written changes nothing, and is told.
    std::fs::write(&file, "short").unwrap();
    eventually("it is told", Duration::from_secs(3), || {
        gateway.log().contains("sources.shop.keys")
    });
    assert_eq!((with("the-first-key"), with("the-second-key")), (200, 200));
    std::fs::write(&file, "the-second-key\n").unwrap();
    eventually("the old key is gone", Duration::from_secs(3), || {
        with("the-first-key") == 401
    });
    assert_eq!(with("the-second-key"), 200);
    let log = gateway.stop();
    for key in ["first-key", "second-key", "short"] {
        assert!(!log.contains(key), "{key} in {log}");
    }
}

/// Whether a reload has failed, and whether files of keys can't be taken: as `/status` says, and as the metrics do.
fn facts(gateway: &Gateway) -> [(bool, bool); 2] {
    let configuration = &gateway.status()["configuration"];
    let said = |field: &str| configuration[field].as_bool().unwrap();
    let metrics = gateway.get("/metrics").1;
    let measured = |name: &str| metrics.contains(&format!("forebay_{name}{{}} 1.0\n"));
    [
        (said("last_reload_failed"), said("key_files_failed")),
        (
            measured("config_reload_failed"),
            measured("key_files_failed"),
        ),
    ]
}

#[test]
fn keys_that_are_renewed_make_no_failed_reload_good_and_the_other_way_round() {
    let mock = Mock::start(1, &[("events", 2), ("others", 2)]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, "the-first-key\n").unwrap();
    let reference = format!("\"${{file:{}}}\"", file.display());
    let good = config_with(&mock, &reference);
    let gateway = Gateway::ready(&good);
    let second = [JSON, ("authorization", "Bearer the-second-key")];
    gateway.rewrite(&format!("{good}[nothing]\n"));
    assert_eq!(gateway.reload("").0, 422);
    assert_eq!(facts(&gateway), [(true, false); 2]);
    std::fs::write(&file, "the-first-key\nthe-second-key\n").unwrap();
    eventually("the new key", Duration::from_secs(5), || {
        post(&gateway, EVENTS, &second).status == 200
    });
    assert_eq!(facts(&gateway), [(true, false); 2]);
    // Cut in the middle of a key: half of it is no key.
    std::fs::write(&file, "the-first-key\nthe-secon").unwrap();
    eventually("a file that is cut is told", Duration::from_secs(5), || {
        facts(&gateway) == [(true, true); 2]
    });
    assert_eq!(post(&gateway, EVENTS, &second).status, 200);
    let half = [JSON, ("authorization", "Bearer the-secon")];
    check(&post(&gateway, EVENTS, &half), 401, "unknown_key");
    std::fs::write(&file, "the-second-key\n").unwrap();
    eventually("it's whole", Duration::from_secs(5), || {
        facts(&gateway) == [(true, false); 2]
    });
    gateway.rewrite(&good);
    assert_eq!(gateway.reload("").0, 200);
    assert_eq!(facts(&gateway), [(false, false); 2]);
    let log = gateway.stop();
    assert!(log.contains("may be cut"), "{log}");
}

#[test]
fn a_file_of_keys_that_hangs_holds_up_no_reload() {
    let mock = Mock::start(1, &[("events", 2), ("others", 2)]);
    let folder = tempfile::tempdir().unwrap();
    let [file, pipe] = ["keys", "pipe"].map(|name| folder.path().join(name));
    std::fs::write(&file, "the-first-key\n").unwrap();
    let reference = format!("\"${{file:{}}}\"", file.display());
    let gateway = Gateway::ready(&config_with(&mock, &reference));
    // Who reads it waits for somebody who writes.
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    std::fs::rename(&pipe, &file).unwrap();
    // A look begins within half a second, and reads a moment later.
    std::thread::sleep(Duration::from_millis(1_500));
    gateway.rewrite(&config_with(&mock, "\"the-second-key\""));
    let begun = Instant::now();
    let (status, answer) = gateway.reload("");
    assert_eq!(status, 200, "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{answer}");
    let second = [JSON, ("authorization", "Bearer the-second-key")];
    check(&post(&gateway, EVENTS, &second), 200, "");
    gateway.stop();
}
