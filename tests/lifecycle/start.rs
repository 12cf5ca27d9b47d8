//! Start: alive at once, ready when Kafka is there; and what keeps a process from starting.

use std::net::TcpListener;

use super::*;
use crate::support::command;

#[test]
fn without_kafka_it_lives_and_says_why_it_is_not_ready() {
    let gateway = Gateway::start(&config("127.0.0.1:1", ""));
    assert_eq!(gateway.get("/livez"), (200, "alive\n".to_owned()));
    eventually("the reason is known", SOON, || {
        !gateway.get("/readyz").1.contains("not reached yet")
    });
    let (status, text) = gateway.get("/readyz");
    assert_eq!(status, 503);
    assert!(
        text.starts_with("not ready\ncluster main is starting: "),
        "{text}"
    );
    assert_eq!(gateway.status()["ready"], false);

    // At first connections wait for Kafka, and then for nothing.
    let refused = || {
        let answer = gateway.client().post_json("events", EVENT);
        let problem = answer.json()["type"].as_str().map(str::to_owned);
        assert_eq!(
            (answer.status, problem.as_deref()),
            (503, Some("urn:forebay:not_ready"))
        );
        answer
    };
    refused();
    let begun = Instant::now();
    let answer = refused();
    assert!(begun.elapsed() < 2000 * MS, "there is nothing to wait for");
    let wait: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    // What the client did wrong is its fault also now.
    assert_eq!(
        gateway.client().post("/v1/events/nobody", &[], b"").status,
        404
    );
    check_account(&gateway.stop(), "accepted=0 acked=0");
}

#[test]
fn who_is_first_is_served_and_not_refused_because_kafka_is_just_being_asked() {
    let mock = mock();
    mock.with(|cluster| cluster.broker_round_trip_time(1, 100 * MS).unwrap());
    for _ in 0..3 {
        let gateway = Gateway::start(&config(mock.bootstrap(), ""));
        let answer = gateway.client().post_json("events", EVENT);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[test]
fn it_is_ready_when_kafka_appears_and_while_kafka_is_there() {
    let mock = mock();
    mock.set_broker(false);
    let gateway = Gateway::start(&config(mock.bootstrap(), ""));
    assert_eq!(gateway.get("/readyz").0, 503);
    mock.set_broker(true);
    gateway.wait_ready(4 * SOON);
    assert_eq!(gateway.get("/readyz").1, "ready\n");
    let answer = gateway.client().post_json("events", EVENT);
    assert_eq!(
        answer.status,
        200,
        "ready means that the first event is taken: {}",
        answer.text()
    );
}

#[test]
fn one_cluster_that_is_away_does_not_keep_the_others_from_being_ready() {
    let mock = mock();
    let more = "[admin]\nwait_for_all = \"1500ms\"\n[clusters.away]\nbootstrap = \"127.0.0.1:1\"\n[streams.lost]\ncluster = \"away\"\n";
    let gateway = Gateway::start(&config(mock.bootstrap(), more));
    let begun = Instant::now();
    gateway.wait_ready(4 * SOON);
    assert!(begun.elapsed() >= 1000 * MS, "all are waited for, at first");
    let (_, text) = gateway.get("/readyz");
    assert!(text.contains("cluster away is starting: "), "{text}");
    assert_eq!(gateway.client().post_json("events", EVENT).status, 200);
    assert_eq!(gateway.client().post_json("lost", EVENT).status, 503);
}

#[test]
fn what_keeps_it_from_starting_is_told_with_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let good = written("good.toml", &config("127.0.0.1:1", ""));
    let typo = written(
        "typo.toml",
        &config("127.0.0.1:1", "[http]\nmax_bodi = \"1MiB\"\n"),
    );
    let broken = written("broken.toml", "[http\n");
    let contrary = written(
        "contrary.toml",
        &config("127.0.0.1:1", "[http]\nanswer_within = \"1s\"\n"),
    );
    let missing = folder
        .path()
        .join("missing.toml")
        .to_str()
        .unwrap()
        .to_owned();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let free = [
        ("FOREBAY__HTTP__LISTEN", "127.0.0.1:0"),
        ("FOREBAY__ADMIN__LISTEN", "127.0.0.1:0"),
    ];
    let busy = |name: &'static str| {
        [free[0], free[1]].map(|(key, value)| (key, if key == name { &taken } else { value }))
    };

    for (arguments, env, code, words) in [
        (vec!["serve", "--config", &typo], free, 78, "max_body"),
        (vec!["serve", "--config", &broken], free, 78, "broken.toml"),
        (
            vec!["serve", "--config", &contrary],
            free,
            78,
            "lane.stalled_after",
        ),
        (
            vec!["serve", "--config", &missing],
            free,
            78,
            "missing.toml",
        ),
        (
            vec!["serve", "--config", &good],
            busy("FOREBAY__HTTP__LISTEN"),
            69,
            taken.as_str(),
        ),
        (
            vec!["serve", "--config", &good],
            busy("FOREBAY__ADMIN__LISTEN"),
            69,
            taken.as_str(),
        ),
        (vec!["serve"], free, 64, "--config"),
        (vec!["swerve"], free, 64, "serve"),
        (vec![], free, 64, "Usage"),
    ] {
        let ended = command::run(&arguments, &env);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        assert!(ended.err.contains(words), "{arguments:?}: {ended:?}");
    }
    for arguments in [["--version"], ["--help"]] {
        let ended = command::run(&arguments, &[]);
        assert!(
            ended.code == Some(0) && ended.out.contains("forebay"),
            "{ended:?}"
        );
    }
}

#[test]
fn the_limit_of_open_files_is_raised_to_what_connections_need() {
    let open_files = |gateway: &Gateway| {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let soft = line.and_then(|line| line.split_whitespace().nth(3));
        soft.unwrap().parse::<u64>().unwrap()
    };
    let mock = mock();
    let config = config(mock.bootstrap(), "[http]\nmax_connections = 3000\n");
    let sh = |limit: &str| {
        let command = format!("{limit} && exec \"$@\"");
        Gateway::try_start(&["sh", "-c", &command, "sh"], &config, &[], &[]).unwrap()
    };
    assert_eq!(open_files(&sh("ulimit -Sn 512")), 4024);
    let low = sh("ulimit -n 2000");
    assert_eq!(open_files(&low), 2000);
    assert!(
        low.log().contains("fewer files may be open"),
        "{}",
        low.log()
    );
}
