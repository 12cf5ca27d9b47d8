//! `forebay try`: what a route would store and answer, without Kafka.

use crate::support::command::{self, Ended};

/// Tries a request against a preset, with nothing to connect to.
fn tried(preset: &str, route: &[&str], request: &str) -> Ended {
    let text = format!(
        "include = [\"{}/deploy/presets/{preset}.toml\"]\n[streams.{preset}]\ncluster = \"c\"\n",
        env!("CARGO_MANIFEST_DIR")
    );
    tried_with(&text, route, request)
}

/// Tries a request against this configuration and a cluster that isn't there.
fn tried_with(config: &str, route: &[&str], request: &str) -> Ended {
    let text = format!("{config}[clusters.c]\nbootstrap = \"127.0.0.1:1\"\n");
    let folder = tempfile::tempdir().unwrap();
    let (config, file) = (folder.path().join("f.toml"), folder.path().join("request"));
    std::fs::write(&config, text).unwrap();
    std::fs::write(&file, request).unwrap();
    let (config, file) = (config.to_str().unwrap(), file.to_str().unwrap());
    let arguments = ["try", "--config", config, "--request", file];
    command::run(&[&arguments, route].concat(), &[])
}

#[test]
fn what_would_be_stored_and_answered_is_shown_without_kafka() {
    let request = "POST /v1/batch HTTP/1.1\nHost: x\n\n{\"batch\":[{\"userId\":null,\"anonymousId\":\"anon-1\",\"messageId\":\"m\",\"timestamp\":\"2026-11-26T21:56:58.952199224Z\"},7],\"sentAt\":\"now\",\"writeKey\":\"SECRET\"}";
    let ended = tried("segment", &["--route", "segment"], request);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for part in [
        "route \"segment\"",
        "record 0: stream \"segment\", bytes 10 to 109 of the body",
        "key        anon-1",
        "id         m\n",
        "time       2026-11-26T21:56:58.952Z (1795730218952)",
        "header     sent-at: now",
        "header     event-time: 1795730218952",
        "value      {\"userId\":null",
        "event 1 is refused (not_an_object)",
        "answer, once all of this is durable: 207",
        "answer, if there's no room: 429",
        "retry-after: 1",
        "\"title\":\"Too Many Requests\",\"status\":429",
    ] {
        assert!(ended.out.contains(part), "{part:?} isn't in {}", ended.out);
    }
    assert!(!ended.out.contains("SECRET"), "{}", ended.out);
    let link =
        "GET /id1?clickid=c&af_r=https%3A%2F%2Fplay.google.com%2Fstore%2Fapps%2Fx HTTP/1.1\n\n";
    let ended = tried("appsflyer", &[], link);
    assert!(
        ended
            .out
            .contains("location: https://play.google.com/store/apps/x"),
        "{ended:?}"
    );
    assert!(
        ended.out.contains("value      clickid=c&af_r="),
        "{ended:?}"
    );
}

#[test]
fn a_request_that_is_no_route_s_is_told_so() {
    for (route, request, part) in [
        (
            &["--route", "segmnt"][..],
            "POST /v1/batch HTTP/1.1\n\n{}",
            "known are: segment",
        ),
        (
            &["--route", "segment"],
            "POST /v1/t HTTP/1.1\n\n{}",
            "belong to route \"segment-single\"",
        ),
        (
            &[],
            "POST /v1/batches HTTP/1.1\n\n{}",
            "no route has the path",
        ),
        (&[], "GET /v1/batch HTTP/1.1\n\n{}", "it takes POST"),
        (&[], "{}", "no first line of a request"),
        (&[], "POST /v1/batch HTTP/1.1\n{}", "no header"),
    ] {
        let ended = tried("segment", route, request);
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert!(ended.err.contains(part), "{part:?}: {ended:?}");
    }
}

const OWN: &str = r#"
[routes.own]
paths = ["/own/{name}"]
stream_by = ["path:name"]
streams = { a = "a", gone = "gone" }
key = ["address"]
id = []
headers.agent = ["header:user-agent"]
[routes.around]
paths = ["/around"]
events = "/batch"
stream = "a"
key = ["envelope:/key"]
id = []
[streams.a]
cluster = "c"
[streams.gone]
cluster = "c"
gone = true
[http]
max_body = "20KiB"
max_decompressed = "64KiB"
[decode]
max_event = "10KiB"
"#;

#[test]
fn it_says_what_the_gateway_would_say() {
    let ended = tried_with(OWN, &[], "POST /own/a HTTP/1.1\n\n{}");
    assert!(ended.out.contains("key        192.0.2.1"), "{ended:?}");
    let large = "x".repeat(10_500);
    let agent = format!("POST /own/a HTTP/1.1\nUser-Agent: {large}\n\n{{}}");
    let event = format!("POST /own/a HTTP/1.1\n\n{{\"x\":\"{large}\"}}");
    let body = format!("POST /own/a HTTP/1.1\n\n{{\"x\":\"{large}{large}\"}}");
    let batch = vec!["{}"; 20].join(",");
    let key = &large[..9_000];
    let around = format!("POST /around HTTP/1.1\n\n{{\"key\":\"{key}\",\"batch\":[{batch}]}}");
    for (request, status, part) in [
        ("POST /own/b HTTP/1.1\n\n{}", 404, "unknown_stream"),
        ("POST /own/gone HTTP/1.1\n\n{}", 410, "gone"),
        (&agent, 413, "event_too_large"),
        (&event, 413, "event_too_large"),
        (&body, 413, "body_too_large"),
        (&around, 413, "body_too_large"),
    ] {
        let ended = tried_with(OWN, &[], request);
        let told = format!("answer, once all of this is durable: {status}");
        assert!(
            ended.out.contains(&told) && ended.out.contains(part),
            "{status}: {ended:?}"
        );
    }
    let batch = "POST /ce HTTP/1.1\nContent-Type: application/cloudevents-batch+json\n\n[]";
    let ended = tried("cloudevents", &[], batch);
    assert!(ended.out.contains("durable: 200"), "{ended:?}");
    let pixel = "GET /web/pixel.gif?user_id=u HTTP/1.1\n\nuser_id=v";
    let ended = tried("web", &[], pixel);
    assert!(ended.out.contains("unexpected_body"), "{ended:?}");
}

#[test]
fn who_may_not_send_is_told_so() {
    let keys = "[routes.segment]\nauth = [\"basic\", \"body:/writeKey\"]\nheaders.source = [\"source\"]\n\
        [routes.signed]\npaths = [\"/signed/{app}\"]\nauth = [\"hmac:x-sign id=path:app\"]\nstream = \"segment\"\nkey = []\n\
        [sources.shop]\nkeys = [\"the-key-of-the-shop\"]\nsecrets = [\"secret-1\"]\nids = [\"app-1\"]\n\
        [sources.other]\nkeys = [\"the-key-of-another\"]\nstreams = [\"spare\"]\n[streams.spare]\ncluster = \"c\"\n";
    let text = format!(
        "include = [\"{}/deploy/presets/segment.toml\"]\n[streams.segment]\ncluster = \"c\"\n{keys}",
        env!("CARGO_MANIFEST_DIR")
    );
    let batch = |key: &str| {
        format!(
            "POST /v1/batch HTTP/1.1\n\n{{\"batch\":[{{\"userId\":\"u\"}}],\"writeKey\":{key}}}"
        )
    };
    let ended = tried_with(&text, &[], &batch("\"the-key-of-the-shop\""));
    for part in [
        "source \"shop\"\n",
        "header     source: shop\n",
        "durable: 200",
    ] {
        assert!(ended.out.contains(part), "{part:?}: {ended:?}");
    }
    let signed = |sign: &str| format!("POST /signed/app-1 HTTP/1.1\nx-sign: {sign}\n\n{{}}");
    let good = "feb9ae264e118fc825bff12078db9ff101e1f8bcffda1c6ea69d2dc74c617a98";
    let ended = tried_with(&text, &[], &signed(good));
    assert!(ended.out.contains("durable: 200"), "{ended:?}");
    for (request, status, code) in [
        (batch("null"), 401, "no_key"),
        (batch("\"another\""), 401, "unknown_key"),
        (batch("\"the-key-of-another\""), 403, "source_not_allowed"),
        (signed(&good.replace('7', "8")), 401, "bad_signature"),
        (signed(good).replace("app-1", "app-2"), 401, "unknown_key"),
    ] {
        let ended = tried_with(&text, &[], &request);
        let told = format!("durable: {status}");
        assert!(
            ended.out.contains(&told) && ended.out.contains(code),
            "{code}: {ended:?}"
        );
        assert!(!ended.out.contains("record 0"), "{ended:?}");
    }
}
