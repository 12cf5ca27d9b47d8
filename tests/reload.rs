//! The configuration changes while traffic flows: all of it comes into force, or none; nobody's request fails for it, and no
//! event is lost or overtaken.

mod live;
mod moved;
mod order;
mod refused;
mod traffic;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kafka::consume_each;
use crate::support::bounds::STARTS;
use crate::support::command::run;
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::mock::Mock;

const SECOND: Duration = Duration::from_secs(1);

/// A configuration in parts, each of which a reload may change.
#[derive(Clone)]
struct Parts {
    http: String,
    kafka: String,
    quota: u32,
    more: String,
}

impl Parts {
    fn new() -> Parts {
        Parts {
            http: String::new(),
            kafka: String::new(),
            quota: 0,
            more: String::new(),
        }
    }

    /// The text, with the stream `events` under traffic in the cluster `main`.
    fn text(&self, bootstrap: &str) -> String {
        let Parts {
            http,
            kafka,
            quota,
            more,
        } = self;
        format!(
            "[http]\n{http}\n[clusters.main]\nbootstrap = \"{bootstrap}\"\n[clusters.main.kafka]\n{kafka}\n\
             [streams.events]\ncluster = \"main\"\nkey = \"/user\"\nid = \"/id\"\n\
             [streams.beside]\ncluster = \"main\"\ntopic = \"events\"\nquota = {quota}\n{more}"
        )
    }
}

#[track_caller]
fn reloads(gateway: &Gateway) -> Value {
    let (status, answer) = gateway.reload("");
    assert_eq!(status, 200, "{answer:#}");
    answer
}

fn keys(answer: &Value) -> Vec<&str> {
    let changes = answer["changes"].as_array().unwrap().iter();
    changes
        .map(|change| change["key"].as_str().unwrap())
        .collect()
}

fn post(gateway: &Gateway, stream: &str) -> u16 {
    let event = r#"{"id":"1","user":"u"}"#;
    gateway.client().post_json(stream, event).status
}

#[test]
fn streams_and_limits_change_and_what_was_taken_counts_on() {
    let kafka = Mock::start(1, &[("events", 4), ("views", 4)]);
    let mut parts = Parts::new();
    let gateway = Gateway::ready(&parts.text(kafka.bootstrap()));
    assert_eq!(gateway.status()["configuration"]["generation"], 1);
    assert_eq!(
        (post(&gateway, "views"), post(&gateway, "beside")),
        (404, 200)
    );

    parts.more = "[streams.views]\ncluster = \"main\"\n".into();
    parts.http = "max_body = \"100B\"".into();
    gateway.rewrite(&parts.text(kafka.bootstrap()));
    let (status, plan) = gateway.reload("?dry_run=true");
    assert_eq!(
        (status, keys(&plan)),
        (200, vec!["http.max_body", "streams.views"])
    );
    assert_eq!(post(&gateway, "views"), 404, "a dry run changes nothing");
    reloads(&gateway);
    assert_eq!(gateway.status()["configuration"]["generation"], 2);
    assert_eq!(post(&gateway, "views"), 200);
    let large = format!(r#"{{"id":"2","pad":"{:0>100}"}}"#, 1);
    assert_eq!(gateway.client().post_json("views", &large).status, 413);

    // It goes, and what it took is counted until all is settled; then it's put back.
    gateway.rewrite(&Parts::new().text(kafka.bootstrap()));
    let answer = reloads(&gateway);
    assert_eq!(keys(&answer), ["http.max_body", "streams.views"]);
    assert_eq!(post(&gateway, "views"), 404);
    eventually("nothing of it is left", 10 * SECOND, || {
        gateway.status()["streams"].get("views").is_none()
    });
    gateway.rewrite(&parts.text(kafka.bootstrap()));
    reloads(&gateway);
    assert_eq!(gateway.events("views", "accepted"), 1, "its counters go on");
    assert_eq!(post(&gateway, "views"), 200);
    assert_eq!(gateway.events("views", "acked"), 2);
    let (_, metrics) = gateway.get("/metrics");
    assert!(
        metrics.contains("forebay_config_generation{} 4.0"),
        "{metrics}"
    );
    assert_eq!(
        gateway.status()["configuration"]["last_reload_failed"],
        false
    );
    gateway.stop();
}

/// Configurations that can't be in force, each with the status and some words of the answer.
fn wrong_ones(parts: &Parts, bootstrap: &str) -> Vec<(String, u16, &'static str)> {
    let good = parts.text(bootstrap);
    let with = |http: &str| {
        let http = format!("{http}\nmax_body = \"50B\"");
        Parts {
            http,
            ..parts.clone()
        }
        .text(bootstrap)
    };
    let of_kafka = |properties: &str| {
        let properties = properties.to_owned();
        Parts {
            kafka: properties,
            ..parts.clone()
        }
        .text(bootstrap)
    };
    vec![
        (with("thread = 3"), 422, "unknown key \"thread\""),
        (with("threads = 3"), 409, "http.threads needs a restart"),
        (
            with("idle_timeout = \"0s\""),
            422,
            "http.idle_timeout: 0s is out of range",
        ),
        (
            good.replace("\"main\"\nkey", "\"mane\"\nkey"),
            422,
            "there is no cluster \"mane\"",
        ),
        (good[..40].into(), 422, "isn't valid TOML"),
        (format!("{good}[log]\nfilter = \"==\"\n"), 422, "log.filter"),
        (
            format!("[spill]\ndir = \"/tmp/elsewhere\"\n{good}"),
            409,
            "spill.dir needs a restart",
        ),
        (
            of_kafka("\"sasl.passwrd\" = \"hunter2\""),
            422,
            "clusters.main.kafka: there is no property \"sasl.passwrd\"",
        ),
        (
            of_kafka(
                "\"security.protocol\" = \"ssl\"\n\"ssl.ca.location\" = \"/nobody/has/this.pem\"",
            ),
            422,
            "ssl.ca.location",
        ),
    ]
}

#[test]
fn a_reload_that_cannot_be_is_refused_as_a_whole_and_says_why() {
    let kafka = Mock::start(1, &[("events", 4)]);
    let parts = Parts::new();
    let good = parts.text(kafka.bootstrap());
    let gateway = Gateway::ready(&good);
    for (text, status, why) in wrong_ones(&parts, kafka.bootstrap()) {
        gateway.rewrite(&text);
        assert_eq!(gateway.reload("?dry_run=true").0, status, "{text}");
        let (found, answer) = gateway.reload("");
        assert_eq!(found, status, "{answer:#}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(why), "{error}");
        let now = gateway.status()["configuration"].clone();
        assert_eq!(now["generation"], 1);
        assert!(now["last_reload_error"].as_str().unwrap().contains(why));
        assert!(
            gateway
                .get("/metrics")
                .1
                .contains("forebay_config_reload_failed{} 1")
        );
        assert_eq!(post(&gateway, "events"), 200, "50 bytes are not the limit");
        assert!(!gateway.log().contains("replacing"), "{}", gateway.log());
        for shown in [answer.to_string(), gateway.log(), gateway.get("/status").1] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
    std::fs::remove_file(gateway.file()).unwrap();
    assert_eq!(gateway.reload("").0, 422);
    assert_eq!(gateway.reload("?dryrun=true").0, 400);
    gateway.rewrite(&good);
    assert_eq!(reloads(&gateway)["generation"], 2);
    assert_eq!(
        gateway.status()["configuration"]["last_reload_error"],
        Value::Null
    );
    gateway.stop();
}

#[test]
fn a_hang_up_reloads_and_the_commands_show_and_do_it() {
    let kafka = Mock::start(1, &[("events", 4)]);
    let mut parts = Parts::new();
    let gateway = Gateway::ready(&parts.text(kafka.bootstrap()));
    let generation = || {
        gateway.status()["configuration"]["generation"]
            .as_u64()
            .unwrap()
    };
    parts.quota = 7;
    gateway.rewrite(&parts.text(kafka.bootstrap()));
    gateway.signal("HUP");
    eventually("it's in force", 10 * SECOND, || generation() == 2);
    // One event a second; the second one has to wait.
    parts.quota = 1;
    parts.kafka = "\"sasl.password\" = \"hunter2-only-here\"".into();
    gateway.rewrite(&parts.text(kafka.bootstrap()));
    let (file, admin) = (gateway.file(), format!("http://{}", gateway.admin));
    let file = file.to_str().unwrap();
    let diff = run(&["config", "diff", file, "--admin", &admin], &[]);
    assert!(
        diff.out
            .contains("streams.beside.quota: 7 -> 1 [for new requests]"),
        "{diff:?}"
    );
    let dry = run(&["reload", "--admin", &admin, "--dry-run"], &[]);
    assert!(
        dry.out.contains("2 changes; nothing was changed"),
        "{dry:?}"
    );
    for shown in [&dry.out, &dry.err, &diff.out, &diff.err] {
        assert!(!shown.contains("hunter2"), "no secret is shown: {shown}");
    }
    assert_eq!(generation(), 2);
    let done = run(&["reload", "--admin", &admin], &[]);
    assert!(done.out.contains("configuration 3"), "{done:?}");
    assert_eq!(generation(), 3);
    let refused = (0..3).filter(|_| post(&gateway, "beside") == 429).count();
    assert!(refused >= 1, "the quota is in force");
    gateway.rewrite("[http]\nlisten = 3\n");
    let wrong = run(&["reload", "--admin", &admin], &[]);
    assert_eq!(wrong.code, Some(78), "{wrong:?}");
    assert!(wrong.err.contains("nothing has changed"), "{wrong:?}");
    gateway.stop();
}

#[test]
fn a_cluster_comes_and_goes_with_its_threads_and_a_stream_moves_to_it() {
    let (main, other) = (
        Mock::start(1, &[("events", 4)]),
        Mock::start(1, &[("events", 2)]),
    );
    let before = Parts::new().text(main.bootstrap());
    let gateway = Gateway::ready(&before);
    assert_eq!(post(&gateway, "beside"), 200);
    // But those that ask clusters: they are all clusters' together, and one that has nothing to do goes when it likes.
    let threads = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", gateway.pid())).unwrap();
        let names =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.trim_end() != "probe").count()
    };
    let at_first = threads();
    let cluster = format!("[clusters.other]\nbootstrap = \"{}\"\n", other.bootstrap());
    let moved = format!("{cluster}{before}").replace(
        "[streams.beside]\ncluster = \"main\"",
        "[streams.beside]\ncluster = \"other\"",
    );
    gateway.rewrite(&moved);
    let answer = reloads(&gateway);
    assert_eq!(keys(&answer), ["clusters.other", "streams.beside.cluster"]);
    assert_eq!(post(&gateway, "beside"), 200);
    assert_eq!(gateway.events("beside", "acked"), 2, "of both clusters");
    assert!(threads() > at_first);
    gateway.rewrite(&before);
    reloads(&gateway);
    assert_eq!(post(&gateway, "beside"), 200);
    eventually("the cluster is gone", 20 * SECOND, || {
        gateway.status()["clusters"].get("other").is_none()
    });
    eventually("so are its threads", 20 * SECOND, || threads() <= at_first);
    let mut found = 0;
    consume_each(other.bootstrap(), "events", 30 * SECOND, |_| found += 1);
    assert_eq!(found, 1);
    gateway.stop();
}
