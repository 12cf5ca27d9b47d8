//! `forebay check --connect` finds what would go wrong: each finding with a cluster that has the fault, beside one without.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::kafka::{self, Right, User};
use crate::support::command::{self, Ended};
use crate::support::gateway::{config, config_to};
use crate::support::mock::Mock;

/// Checks a configuration, and whether it says all of `words`.
#[track_caller]
fn check(text: &str, code: i32, words: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("forebay.toml");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let arguments = ["check", "--connect", "--config", file];
    let ended = command::start(&arguments, &[]).wait(std::time::Duration::from_secs(60));
    assert_eq!(ended.code, Some(code), "{ended:?}");
    for word in words {
        let all = format!("{}{}", ended.out, ended.err);
        assert!(all.contains(word), "{word:?} isn't in {ended:?}");
    }
    ended
}

/// One stream for `topic`, as `user`.
fn of_topic(bootstrap: &str, user: &User, topic: &str, more: &str) -> String {
    let text = config_to(bootstrap, "", topic, more);
    format!("{text}[clusters.main.kafka]\n{}", user.properties())
}

#[test]
fn each_fault_of_a_topic_is_named() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let fresh = |settings: &[_]| kafka.fresh_topic("checked", 2, 1, settings);
    let (good, denied) = (fresh(&[]), fresh(&[]));
    let small = fresh(&[("max.message.bytes", "50000")]);
    let young = fresh(&[("message.timestamp.before.max.ms", "5000")]);
    let compacted = fresh(&[("cleanup.policy", "compact")]);
    let lonely = fresh(&[("min.insync.replicas", "2")]);
    let unasked = fresh(&[]);
    let missing = "nobody-made-it";
    let user = kafka.fresh_user();
    let mut rights = [
        Right::to_look(&denied),
        vec![Right::topic(missing, "DESCRIBE")],
    ]
    .concat();
    for topic in [&good, &small, &young, &compacted, &lonely] {
        rights.extend(Right::to_produce(topic));
    }
    rights.extend(Right::to_produce(&unasked).into_iter().take(2));
    kafka.set_rights(&user, &rights);
    let text = |topic: &str, more| of_topic(kafka.guarded_bootstrap(), &user, topic, more);

    let ended = check(
        &text(&good, ""),
        0,
        &["2 partitions on 1 brokers", "one replica"],
    );
    assert!(!ended.err.contains("too_large"), "{ended:?}");
    check(
        &text(&small, ""),
        0,
        &["warning:", "less than decode.max_event"],
    );
    check(&text(&young, ""), 0, &["warning:", "at most 5000 ms old"]);
    check(
        &text(&unasked, ""),
        0,
        &["warning:", "allow DESCRIBE_CONFIGS"],
    );
    check(&text(&denied, ""), 69, &["denied; allow WRITE on it"]);
    check(
        &text("not-even-seen", ""),
        69,
        &["denied; allow WRITE, DESCRIBE"],
    );
    check(&text(missing, ""), 69, &["it doesn't exist; create it"]);
    check(
        &text(&lonely, ""),
        69,
        &["min.insync.replicas is 2 and it has 1 replicas"],
    );
    let keyless = text(&compacted, "").replace("key = \"/user\"\n", "");
    check(&keyless, 78, &["it is compacted", "set streams.events.key"]);
    let null = "on_missing_key = \"null\"\n";
    check(
        &text(&compacted, null),
        0,
        &["warning:", "counts as \"reject\""],
    );
}

/// Brokers that answer at one address and tell another one.
#[test]
fn a_broker_that_cannot_be_resolved_or_reached_is_named() {
    behind_another_name("x.invalid", "x.invalid can't be resolved");
    behind_another_name("127.0.0.9", "can't be reached at 127.0.0.9:");
}

#[track_caller]
fn behind_another_name(told: &'static str, why: &str) {
    let mock = Mock::start(1, &[("events", 1)]);
    let gate = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gate.local_addr().unwrap();
    let broker = mock.bootstrap().to_owned();
    let port = broker.rsplit_once(':').unwrap().1.to_owned();
    std::thread::spawn(move || {
        for client in gate.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(&broker).unwrap();
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || pass(from, to, None));
            std::thread::spawn(move || pass(server, client, Some(told)));
        }
    });
    let words = format!("cluster main, broker {told}:{port}: {why}");
    check(&config(&address.to_string(), ""), 69, &[&words]);
}

/// Passes bytes on, with another host of the same length in them.
fn pass(mut from: TcpStream, mut to: TcpStream, told: Option<&str>) {
    let mut buffer = [0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let bytes = &mut buffer[..count];
        let host = b"127.0.0.1";
        // Two answers may come at once.
        while let Some(told) = told
            && let Some(at) = bytes.windows(host.len()).position(|part| part == host)
        {
            bytes[at..at + host.len()].copy_from_slice(told.as_bytes());
        }
        if to.write_all(bytes).is_err() {
            return;
        }
    }
}
