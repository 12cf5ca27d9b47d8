//! `forebay check`, `tail` and `dev`.

use super::*;
use crate::support::command;
use crate::support::http::Client;

#[test]
fn check_says_what_is_wrong_before_traffic_does() {
    let mock = mock();
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let away = written("away.toml", &config("127.0.0.1:1", ""));
    let asking = command::start(&["check", "--connect", "--config", &away], &[]);

    let good = written("good.toml", &config(mock.bootstrap(), ""));
    let ended = command::run(&["check", "--config", &good], &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended
            .out
            .ends_with("good.toml is good: 1 clusters, 1 streams\n"),
        "{ended:?}"
    );
    let ended = command::run(&["check", "--connect", "--config", &good], &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended
            .out
            .contains("topic events: 1 partitions on 1 brokers"),
        "{ended:?}"
    );

    let secret = "[clusters.main.kafka]\n\"sasl.password\" = \"hunter2\"\n";
    let secret = written("secret.toml", &(config("127.0.0.1:1", "") + secret));
    let ended = command::run(&["check", "--print", "--config", &secret], &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.out.contains("sasl.password") && !ended.out.contains("hunter2"),
        "{ended:?}"
    );
    assert!(
        ended.out.contains("max_connections"),
        "defaults are shown: {ended:?}"
    );

    let several =
        "[http]\nmax_head = \"1KiB\"\nmax_body = \"1GiB\"\n[clusters.main.kafka]\nacks = \"1\"\n";
    let several = written("several.toml", &config("127.0.0.1:1", several));
    let nonsense = written(
        "nonsense.toml",
        &(config("127.0.0.1:1", "") + "[clusters.main.kafka]\n\"linger.mss\" = \"1\"\n"),
    );
    for (file, words) in [
        (&several, &["http.max_head", "http.max_body", "acks"][..]),
        (&nonsense, &["linger.mss"]),
    ] {
        let ended = command::run(&["check", "--config", file], &[]);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(
            words.iter().all(|word| ended.err.contains(word)),
            "{ended:?}"
        );
    }
    let ended = asking.wait(4 * SOON);
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert!(
        ended.err.contains("cluster main doesn't answer"),
        "{ended:?}"
    );
}

#[test]
fn tail_shows_events_as_consumers_see_them() {
    let mock = mock();
    let text = config(mock.bootstrap(), "");
    let gateway = Gateway::ready(&text);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("forebay.toml");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    for id in 1..=4 {
        let event = format!(
            r#"{{"user":"u{id}", "id":{}}}"#,
            if id == 2 { "null" } else { "1" }
        );
        assert_eq!(gateway.client().post_json("events", &event).status, 200);
    }
    let ended = command::run(
        &[
            "tail",
            "events",
            "--config",
            file,
            "--from-beginning",
            "-n",
            "3",
        ],
        &[],
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<_> = ended.out.lines().collect();
    assert_eq!(
        (lines.len(), lines[0]),
        (3, r#"events:0@0 key=u1 {"user":"u1", "id":1}"#)
    );
    assert!(
        lines[1].starts_with("events:0@1 key=u2 event-id=")
            && lines[1].ends_with(r#" {"user":"u2", "id":null}"#)
    );
    assert_eq!(lines[2], r#"events:0@2 key=u3 {"user":"u3", "id":1}"#);

    let ended = command::run(&["tail", "nobody", "--config", file], &[]);
    assert_eq!(ended.code, Some(64), "{ended:?}");
    assert!(ended.err.contains("there is events"), "{ended:?}");
}

#[test]
fn dev_runs_everything_and_its_curl_line_works() {
    let running = command::start(
        &["dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
        &[],
    );
    eventually("it tells what to send", 4 * SOON, || {
        running.out().contains("ctrl-c ends it")
    });
    let out = running.out();
    let command = out
        .split_once("curl ")
        .expect("a curl line")
        .1
        .split_once("\n\n")
        .unwrap()
        .0
        .replace("\\\n", " ");
    let url = command
        .split_whitespace()
        .find_map(|word| word.strip_prefix("http://"))
        .expect("a url");
    let (address, path) = url.split_once('/').unwrap();
    let quoted: Vec<_> = command.split('\'').skip(1).step_by(2).collect();
    let (name, value) = quoted[0].split_once(": ").expect("a header");
    let body = quoted[1];
    assert!(
        command.contains("-H '") && command.contains("-d '") && quoted.len() == 2,
        "{command}"
    );
    let answer = Client::connect(address.parse().unwrap()).post(
        &format!("/{path}"),
        &[(name, value)],
        body.as_bytes(),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    eventually("the event is shown", SOON, || {
        running.out().contains(&format!("key=u1 {body}\n"))
    });

    let admin = out
        .split_once("how it is at http://")
        .unwrap()
        .1
        .split('/')
        .next()
        .unwrap();
    assert_eq!(
        Client::connect(admin.parse().unwrap())
            .get("/readyz")
            .status,
        200
    );
    running.signal("INT");
    let ended = running.wait(2 * SOON);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.err.contains("every event is accounted for"),
        "{ended:?}"
    );
}

#[test]
fn dev_tries_a_configuration_without_its_kafka() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("forebay.toml");
    // A cluster that isn't there, whose client would need what isn't there either, and a log that isn't begun.
    let spill = folder.path().join("spill");
    let config = format!(
        "include = [\"{}/deploy/presets/segment.toml\"]\n[clusters.far]\nbootstrap = \"127.0.0.1:1\"\n\
         [clusters.far.kafka]\n\"security.protocol\" = \"sasl_ssl\"\n\"sasl.mechanism\" = \"PLAIN\"\n\
         [streams.segment]\ncluster = \"far\"\ntopic = \"seg\"\nack = \"disk\"\n[spill]\ndir = {spill:?}\n",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::write(&file, config).unwrap();
    let any = "127.0.0.1:0";
    let file = file.to_str().unwrap();
    let running = command::start(
        &["dev", "--config", file, "--listen", any, "--admin", any],
        &[],
    );
    eventually("it tells where to send", 4 * SOON, || {
        running.out().contains("ctrl-c ends it")
    });
    let out = running.out();
    for part in [
        "POST /v1/events/segment\n",
        "POST /v1/import/   (route segment)\n",
        "GET /v1/projects/{write_key}/settings",
    ] {
        assert!(out.contains(part), "{part:?} isn't in {out}");
    }
    let address = out
        .split_once("takes events at http://")
        .unwrap()
        .1
        .lines()
        .next()
        .unwrap();
    let body = br#"{"batch":[{"userId":"u1","messageId":"m1"}]}"#;
    let answer = Client::connect(address.parse().unwrap()).post("/v1/batch", &[], body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    eventually("the event is shown", SOON, || {
        let out = running.out();
        out.contains("seg:") && out.contains(r#"{"userId":"u1","messageId":"m1"}"#)
    });
    assert!(!spill.exists());
    running.signal("INT");
    assert_eq!(running.wait(2 * SOON).code, Some(0));
}
