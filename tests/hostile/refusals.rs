//! A refusal reaches its client, also one that writes its whole body before it reads; and who abuses that is cut off.

use std::process::Command;

use super::*;
use crate::support::{h2, program_or_skip};

const MIB: usize = 1 << 20;

/// A request with a body of 5 MiB: more than the limit, and more than the kernel holds for a reader that doesn't read.
fn large(head: &str) -> Vec<u8> {
    let body = "x".repeat(5 * MIB);
    if head.contains("chunked") {
        return format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).into_bytes();
    }
    format!("{head}{body}").into_bytes()
}

fn sized(path: &str, more: &str) -> String {
    let length = 5 * MIB;
    format!("POST {path} HTTP/1.1\r\nhost: test\r\n{more}content-length: {length}\r\n\r\n")
}

#[test]
fn who_writes_all_before_it_reads_hears_the_refusal() {
    let (_mock, gateway) = started("[http]\nbody_timeout = \"300ms\"\n");
    let endless = "x".repeat(5 * MIB);
    for (request, status) in [
        (large(&sized(EVENTS, "")), 413),
        (large(&head("transfer-encoding: chunked\r\n")), 413),
        (large(&sized("/v1/events/nobody", "")), 404),
        (large(&sized("/v2", "")), 404),
        (large(&sized(EVENTS, "content-type: image/png\r\n")), 415),
        (large(&sized(EVENTS, "content-encoding: lzma\r\n")), 415),
        (large(&sized(EVENTS, "host: again\r\n")), 400),
        (large(&sized(EVENTS, "upgrade: h2c\r\n")), 413),
        (large(&sized(EVENTS, "").replace("POST", "PUT")), 405),
        (large(&head("transfer-encoding: gzip, chunked\r\n")), 501),
        (large(&head(&format!("x: {endless}\r\n"))), 431),
        (large(&head("no header\r\n")), 400),
    ] {
        let mut client = gateway.client();
        // Each write must succeed: a reset would be an error here, or take the answer away below.
        client.write(&request).unwrap();
        let answer = client.answer().unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(client.until_closed(SOON), Some(vec![]), "{status}");
    }
    // One that was too slow, and goes on all the same.
    let mut client = gateway.client();
    let slow = large(&sized(EVENTS, "").replace("5242880", "4194304"));
    client.write(&slow[..MIB]).unwrap();
    let answer = client.answer().unwrap();
    assert_eq!(answer.status, 408, "{}", answer.text());
    client.write(&slow[MIB..]).unwrap();
    assert_eq!(client.until_closed(SOON), Some(vec![]));
    drop(client);
    eventually("nothing is left", SOON, || {
        gateway.status()["connections"] == 0
    });
    check_good_client(&gateway);
}

#[test]
fn who_never_stops_sending_is_cut_off() {
    let limits = "[http]\nlinger = \"4s\"\nlinger_bytes = \"1MiB\"\nmax_lingering = 2\n";
    let (_mock, gateway) = started(limits);
    let refused = |client: &mut Client| {
        let head = sized("/v1/events/nobody", "");
        client.write(head.as_bytes()).unwrap();
        assert_eq!(client.answer().unwrap().status, 404);
    };
    // In bytes.
    let mut endless = gateway.client();
    refused(&mut endless);
    let piece = vec![b'x'; MIB];
    assert!(
        (0..64).any(|_| endless.write(&piece).is_err()),
        "64 MiB were taken"
    );
    // In time, whether it sends or not. And in number: one of three is closed at once, which it sees as a reset once it writes. It's
    // the one whose refusal was written last, and that needn't be the one that asked last.
    let begun = Instant::now();
    let mut silent: Vec<_> = (0..3).map(|_| gateway.client()).collect();
    silent.iter_mut().for_each(refused);
    let cut = Instant::now();
    assert!(
        cut < begun + 3_500 * MS,
        "the machine is too slow for this test"
    );
    eventually("one is cut off", SOON, || {
        silent.retain_mut(|client| client.write(b"x").is_ok());
        silent.len() < 3
    });
    assert!(cut.elapsed() < 3_500 * MS, "{:?}", cut.elapsed());
    assert_eq!(silent.len(), 2, "only one is too many");
    eventually("the others are cut off", 2 * SOON, || {
        silent.retain_mut(|client| client.write(b"x").is_ok());
        silent.is_empty()
    });
    assert!(begun.elapsed() >= 3_900 * MS, "{:?}", begun.elapsed());
    eventually("nothing is left", SOON, || {
        gateway.status()["connections"] == 0
    });
    check_good_client(&gateway);
}

#[test]
fn a_connection_that_owes_nothing_does_not_linger() {
    let (_mock, gateway) = started("");
    let mut client = gateway.client();
    let last = head(&format!(
        "connection: close\r\ncontent-length: {}\r\n",
        EVENT.len()
    ));
    client.write((last + EVENT).as_bytes()).unwrap();
    assert_eq!(client.answer().unwrap().status, 200);
    // Our side is still open.
    eventually("it's gone", SOON, || gateway.status()["connections"] == 0);
}

#[test]
fn an_answer_repeats_little_of_what_its_client_wrote() {
    let (_mock, gateway) = started("");
    let long = "\\".repeat(12 * 1024);
    let post = |more: &str| head(&format!("{more}content-length: 2\r\n")) + "{}";
    let two = format!("content-type: a/b\r\ncontent-type: a/{long}\r\n");
    let method = "M".repeat(12 * 1024);
    let requests = [
        (404, sized(&format!("/v1/events/{long}"), "")),
        (405, post("").replacen("POST", &method, 1)),
        (415, post(&format!("content-type: a/{long}\r\n"))),
        (415, post(&format!("content-encoding: {long}\r\n"))),
        (400, post(&two)),
    ];
    for (status, request) in requests {
        let mut client = gateway.client();
        client.write(request.as_bytes()).unwrap();
        let answer = client.answer().unwrap();
        let len = answer.body.len();
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(len < 1024, "{len} bytes: {request:.40}");
        assert!(answer.text().contains('…'), "{}", answer.text());
    }
}

#[test]
fn over_http2_a_refusal_ends_its_stream_and_no_other() {
    let (_mock, gateway) = started("");
    h2::connected(gateway.data, async |connection| {
        for (path, kind, status) in [
            (EVENTS, "image/png", 415),
            ("/v1/events/nobody", "application/json", 404),
        ] {
            let (found, reset) = connection.refused(path, kind).await.unwrap();
            assert_eq!((found, reset), (status, h2::NO_ERROR), "{path}");
        }
        let (status, _, body) = connection.post(EVENTS, EVENT).await.unwrap();
        assert_eq!(status, 200, "{body}");
        let large = "x".repeat(5 * MIB);
        let (status, _, body) = connection.post(EVENTS, &large).await.unwrap();
        assert_eq!(status, 413, "{body}");
        let (status, _, body) = connection.post(EVENTS, EVENT).await.unwrap();
        assert_eq!(status, 200, "{body}");
    });
}

/// The clients that people have, each sending 5 MB to a stream that takes 4 MiB, eight times.
#[test]
fn the_usual_clients_hear_that_they_send_too_much() {
    let (_mock, gateway) = started("");
    let url = format!("http://{}{EVENTS}", gateway.data);
    let clients = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    for (program, package, arguments) in [
        ("python3", "python3", &["large.py"][..]),
        ("node", "nodejs", &["large.mjs"]),
        ("java", "default-jdk-headless", &["Large.java"]),
        ("go", "golang-go", &["run", "large.go"]),
    ] {
        let Some(found) = program_or_skip(program, &[package]) else {
            continue;
        };
        let mut command = Command::new(found);
        let output = command
            .current_dir(&clients)
            .args(arguments)
            .arg(&url)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let statuses: Vec<_> = text.split_whitespace().collect();
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert_eq!(statuses, ["413"; 8], "{program}: {text}{wrong}");
    }
}
