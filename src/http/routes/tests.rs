//! Tables of routes, and what is wrong with some.

mod fuzz_tests;

use std::sync::LazyLock;

use hyper::Method;

use super::endpoint::{Endpoint, Fault, Streams};
use super::settings::Settings;
use super::table::{Endpoints, Matched};

fn streams() -> Streams {
    let text = r#"
        [installs]
        cluster = "c"
        key = "/device/id"
        id = "/event_id"
        [clicks]
        cluster = "c"
        key = "path"
        [raw]
        cluster = "c"
    "#;
    toml::from_str(text).unwrap()
}

fn settings(text: &str) -> Settings {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(super) fn endpoint(name: &str, text: &str) -> Result<Endpoint, Vec<Fault>> {
    Endpoint::new(name, &settings(text), &streams())
}

/// A route with nothing but one path. What it's made of is read once: tests want very many.
pub(super) fn bare(name: &str) -> Endpoint {
    static PARTS: LazyLock<(Settings, Streams)> =
        LazyLock::new(|| (settings("paths = [\"/a\"]\nstream = \"raw\""), streams()));
    let (settings, streams) = &*PARTS;
    Endpoint::new(name, settings, streams).unwrap()
}

fn table(routes: &[(&str, &str)]) -> Endpoints {
    let routes = routes.iter().map(|(name, paths)| {
        let text = format!("paths = {paths}\nstream = \"raw\"");
        endpoint(name, &text).unwrap()
    });
    Endpoints::new(routes).unwrap()
}

/// The route that a request for the path finds, and what is captured.
fn found(table: &Endpoints, path: &str) -> String {
    match table.find(path, &Method::POST) {
        None => "-".into(),
        Some(Matched::Others(_)) => "other".into(),
        Some(Matched::Route(endpoint, captures)) => {
            let captures = captures.iter();
            let shown = captures.map(|(name, value)| format!(" {name}={value}"));
            format!("{}{}", endpoint.name, shown.collect::<String>())
        }
    }
}

#[test]
fn a_path_finds_its_route_as_it_was_sent() {
    let table = table(&[
        ("batch", r#"["/v1/batch", "/v1/import/", "/v1/b"]"#),
        ("single", r#"["/v1/{kind:t|i|p}"]"#),
        (
            "c2s",
            r#"["/v1.0/c2s/{kind:session|inapp}/app/{platform}/{app_id}"]"#,
        ),
        ("link", r#"["/{app_id}"]"#),
        ("pixel", r#"["/p.gif"]"#),
        ("deep", r#"["/{a}/{b}/x", "/y/{b}/{a}"]"#),
    ]);
    for (path, expected) in [
        ("/v1/batch", "batch"),
        ("/v1/batch/", "-"),
        ("/v1/import/", "batch"),
        ("/v1/import", "-"),
        ("/v1/i", "single kind=i"),
        ("/v1/x", "-"),
        (
            "/v1.0/c2s/inapp/app/vidaa/com.example.tv",
            "c2s platform=vidaa app_id=com.example.tv kind=inapp",
        ),
        ("/v1.0/c2s/other/app/vidaa/x", "-"),
        ("/p.gif", "pixel"),
        ("/id123", "link app_id=id123"),
        ("/id%2F..%2Fv1", "link app_id=id%2F..%2Fv1"),
        ("/%70.gif", "link app_id=%70.gif"),
        ("/..", "link app_id=.."),
        ("/v1/%62atch", "-"),
        ("/v1//batch", "-"),
        ("//", "-"),
        ("/", "-"),
        ("", "-"),
        ("*", "-"),
        ("/m/n/x", "deep a=m b=n"),
        ("/y/n/m", "deep b=n a=m"),
        ("/y/n/x", "deep b=n a=x"),
        ("/{0}", "link app_id={0}"),
    ] {
        assert_eq!(found(&table, path), expected, "{path}");
    }
    let other = table.find("/p.gif", &Method::GET);
    assert!(matches!(other, Some(Matched::Others(methods)) if methods == [&Method::POST]));
}

#[test]
fn routes_in_each_others_way_are_named() {
    let route = |name: &str, paths: &str, methods: &str| {
        let text = format!("paths = {paths}\nmethods = {methods}\nstream = \"raw\"");
        endpoint(name, &text).unwrap()
    };
    let both = Endpoints::new([
        route("one", r#"["/a/{x}"]"#, r#"["GET"]"#),
        route("two", r#"["/a/{y}"]"#, r#"["POST"]"#),
    ]);
    assert_eq!(found(&both.unwrap(), "/a/1"), "two y=1");
    for paths in [r#"["/a/{y}"]"#, r#"["/b", "/a/{y}"]"#] {
        let conflict = Endpoints::new([
            route("one", r#"["/a/{x}"]"#, r#"["GET", "POST"]"#),
            route("two", paths, r#"["POST"]"#),
        ]);
        let conflicts = conflict.unwrap_err();
        assert_eq!(conflicts.len(), 1);
        assert_eq!(conflicts[0].route, "two");
        assert!(conflicts[0].what.contains("route \"one\""), "{conflicts:?}");
    }
    let twice = Endpoints::new([route("one", r#"["/a", "/{a|b}"]"#, r#"["POST"]"#)]);
    assert!(twice.is_err());
}

/// The key, and a part of the words, of each thing that is wrong.
#[track_caller]
fn check(text: &str, expected: &[(&str, &str)]) {
    let faults = endpoint("r", text).err().unwrap_or_default();
    let fits =
        |((key, what), (of, part)): (&Fault, &(&str, &str))| key == of && what.contains(part);
    let all = faults.len() == expected.len() && faults.iter().zip(expected).all(fits);
    assert!(all, "{text}: {faults:#?}");
}

#[test]
fn what_is_wrong_with_a_route_is_said_by_key() {
    let with = |more: &str| format!("paths = [\"/a/{{app}}\"]\nstream = \"installs\"\n{more}");
    check(&with(""), &[]);
    check(
        "paths = []\nstream = \"raw\"",
        &[("paths", "there is none")],
    );
    check(
        "paths = [\"/v1/events/x\"]\nstream = \"raw\"",
        &[("paths", "where streams are")],
    );
    check("paths = [\"/a\"]", &[("stream", "name a stream")]);
    check(&with("methods = []"), &[("methods", "there is none")]);
    check(&with("methods = [\"post\"]"), &[("methods", "no method")]);
    check(&with("key = [\"userId\"]"), &[("key", "no source")]);
    check(
        &with("key = [\"path:application\"]"),
        &[("key", "known are app")],
    );
    check(&with("key = [\"path:app\"]"), &[]);
    check(&with("key = [\"envelope:/a\"]"), &[("key", "no envelope")]);
    check(&with("events = \"/b\"\nkey = [\"envelope:/a\"]"), &[]);
    check(&with("body = \"raw\"\nid = []"), &[("key", "raw")]);
    check(
        &with("body = \"query\"\nid = []"),
        &[("key", "a field has no members")],
    );
    check(
        &with("body = \"query\"\nkey = [\"/clickid\"]\nid = []"),
        &[],
    );
    check(
        &with("body = \"ndjson\"\nevents = \"/b\""),
        &[("events", "\"json\"")],
    );
    check(&with("time = [\"/t\"]"), &[("time", "goes nowhere")]);
    check(&with("timestamp = \"event\""), &[("time", "missing")]);
    check(
        &with("time = [\"/t\"]\ntime_header = \"t\"\nheaders.t = [\"/t\"]"),
        &[("time_header", "as well")],
    );
    check(&with("headers.x = []"), &[("headers.x", "no source")]);
    check(
        &with("stream_by = [\"/t\", \"address\"]\nkey = []\nid = []"),
        &[("stream_by", "can't choose the stream")],
    );
    check(
        &with("time = [\"address\"]\ntime_header = \"t\""),
        &[("time", "no time")],
    );
}

#[test]
fn what_is_wrong_with_headers_and_answers_is_said_by_key() {
    let with = |more: &str| format!("paths = [\"/a/{{app}}\"]\nstream = \"installs\"\n{more}");
    check(
        &with("headers.event-id = [\"/x\"]"),
        &[("headers.event-id", "itself")],
    );
    check(&with("headers.\"ce_*\" = [\"header:ce-*\"]"), &[]);
    check(
        &with("headers.\"ce_*\" = [\"query:ce-*\"]"),
        &[("headers.ce_*", "header:ce-*")],
    );
    check(
        &with("secrets = [\"/writeKey\"]"),
        &[("secrets", "no envelope")],
    );
    check(
        &with("events = \"/b\"\nsecrets = [\"/a/key\"]\nheaders.x = [\"envelope:/a\"]"),
        &[("headers.x", "secrets")],
    );
    check(
        &with("answers.bad.status = 200"),
        &[("answers.bad", "400 to 499")],
    );
    check(
        &with("answers.accepted.redirect = [\"/to\"]\nanswers.accepted.allowed = [\"https://a/\"]"),
        &[("answers.accepted.redirect", "in the head")],
    );
    check(
        &with(
            "answers.accepted.redirect = [\"address\"]\nanswers.accepted.allowed = [\"https://a/\"]",
        ),
        &[("answers.accepted.redirect", "where the client is")],
    );
    check(
        "paths = [\"/m\"]\nfixed = true\nstream = \"raw\"\nkey = []",
        &[("stream", "fixed"), ("key", "fixed")],
    );
    check("paths = [\"/m\"]\nfixed = true", &[]);
}

#[test]
fn what_decides_must_be_there_once() {
    let text = "paths = [\"/a\"]\nstream = \"raw\"\nkey = [\"basic\", \"header:x-key\"]\nid = [\"header:x-key\"]";
    let route = endpoint("r", text).unwrap();
    assert_eq!(route.single, ["authorization", "x-key"]);
}

#[test]
fn a_route_has_the_key_of_its_stream_unless_its_streams_differ() {
    let route = endpoint("r", "paths = [\"/a\"]\nstream = \"installs\"").unwrap();
    assert_eq!(
        (&*route.key_text, route.key.len(), route.id.len()),
        ("/device/id", 1, 1)
    );
    check(
        "paths = [\"/a\"]\nstream = \"installs\"\nstream_by = [\"/t\"]\nstreams.x = \"raw\"",
        &[("key", "none in common"), ("id", "none in common")],
    );
    check(
        "paths = [\"/a\"]\nstream = \"clicks\"",
        &[("key", "none in common")],
    );
    check(
        "paths = [\"/a\"]\nstream = \"clicks\"\nkey = [\"/a\"]\nstream_by = [\"/t\"]",
        &[("id", "none in common")],
    );
}
