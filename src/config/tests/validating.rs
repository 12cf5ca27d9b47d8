//! What can't be is refused, all of it at once, with what to do.

use super::super::properties::{refused, refused_names};
use super::*;

#[test]
fn the_least_configuration_is_valid() {
    assert_eq!(problems("", &[]), [""; 0]);
}

#[test]
fn without_a_stream_there_is_nothing_to_do() {
    let problems = Config::default().validate().unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "streams: there is none, so every event would be refused; add [streams.NAME] with cluster = \"…\""
    );
    assert_eq!(problems.len(), 1);
}

#[test]
fn all_problems_are_collected() {
    let more = "[streams.\"a b\"]\ncluster = \"abs\"\ntopic = \"..\"\nkey = \"device\"\nid = \"id\"\n\
                [http]\nmax_head = \"1KiB\"\nanswer_within = \"60s\"\n[admin]\nlisten = \"127.0.0.1:8080\"\n\
                [clusters.x]\nbootstrap = \"\"\n[clusters.x.kafka]\nacks = \"1\"\n";
    assert_eq!(
        problems(more, &[]),
        [
            "admin.listen: 127.0.0.1:8080 is the same port as http.listen, 0.0.0.0:8080; give each its own",
            "http.max_head: 1KiB is out of range; give 8KiB to 1MiB",
            "http.answer_within: 1m is out of range; give 1ms to 59s 999ms",
            "clusters.x.bootstrap: it names no broker; give host:port of some, like \"kafka-1:9092,kafka-2:9092\"",
            "clusters.x.kafka.acks: this property can't be set; a 2xx means that all in-sync replicas have the event, \
             so it's always \"all\"",
            "streams.\"a b\": the name \"a b\" holds ' '; use letters, digits, \".\", \"_\" and \"-\" only",
            "streams.\"a b\".cluster: there is no cluster \"abs\"; did you mean \"ads\"?",
            "streams.\"a b\".topic: \"..\" is no name; use letters, digits, \".\", \"_\" and \"-\"",
            "streams.\"a b\".key: \"device\" is no place of a key; give a JSON pointer like \"/device/id\", \
             \"header:NAME\" or \"path\"",
            "streams.\"a b\".id: \"id\" is no JSON pointer; it begins with a slash, like \"/event_id\"",
        ]
    );
}

#[test]
fn names_are_those_that_kafka_takes() {
    takes("STREAMS__CLICKS__TOPIC", &"x".repeat(249));
    takes("STREAMS__CLICKS__TOPIC", "A.b_c-9");
    let too_long = "streams.clicks.topic: the name has 250 characters; give at most 249";
    refuses("STREAMS__CLICKS__TOPIC", &"x".repeat(250), too_long);
    let empty =
        "streams.clicks.topic: \"\" is no name; use letters, digits, \".\", \"_\" and \"-\"";
    refuses("STREAMS__CLICKS__TOPIC", "", empty);
    for bad in [".", "..", "a/b", "ä", "a\n", "a b"] {
        assert_eq!(
            problems("", &[("FOREBAY__STREAMS__CLICKS__TOPIC", bad)]).len(),
            1,
            "{bad:?}"
        );
    }
}

#[test]
fn no_cluster_has_the_name_of_dead_letters() {
    let dead = "[clusters.dead]\nbootstrap = \"k:1\"\n";
    let expected =
        "clusters.dead: the spill log has its dead letters under this name; choose another";
    assert_eq!(problems(dead, &[]), [expected]);
    assert_eq!(
        problems("[clusters.deadly]\nbootstrap = \"k:1\"\n", &[]),
        [""; 0]
    );
}

#[test]
fn a_stream_needs_a_cluster_that_exists() {
    let unlike = "streams.clicks.cluster: there is no cluster \"zzzzzz\"; known here: ads";
    refuses("STREAMS__CLICKS__CLUSTER", "zzzzzz", unlike);
    let config = load_text("[streams.clicks]\ncluster = \"ads\"\n", &[]).unwrap();
    assert_eq!(
        config.validate().unwrap_err()[0].what,
        "there is no cluster \"ads\"; add [clusters.NAME] with bootstrap = \"HOST:PORT\""
    );
}

#[test]
fn the_place_of_a_key_is_checked() {
    for good in [
        "/a",
        "/",
        "/a/0/~0~1",
        "/a//b",
        "header:x-device-id",
        "header:X!#$%&'*+-.^_`|~9",
        "path",
    ] {
        takes("STREAMS__CLICKS__KEY", good);
    }
    for bad in [
        "",
        "a",
        "Path",
        "header:",
        "header:a b",
        "header:a:b",
        "header:ä",
        "/a~",
        "/a~2",
        "/~~0",
        "header",
    ] {
        assert_eq!(
            problems("", &[("FOREBAY__STREAMS__CLICKS__KEY", bad)]).len(),
            1,
            "{bad:?}"
        );
    }
    for bad in ["", "path", "header:x", "a", "/a~b"] {
        assert_eq!(
            problems("", &[("FOREBAY__STREAMS__CLICKS__ID", bad)]).len(),
            1,
            "{bad:?}"
        );
    }
}

#[test]
fn a_raw_stream_is_not_looked_into() {
    let raw = |more: &str| problems(&format!("format = \"raw\"\n{more}"), &[]);
    assert_eq!(raw("key = \"header:x\""), [""; 0]);
    assert_eq!(raw("key = \"path\""), [""; 0]);
    assert_eq!(
        raw("key = \"/a\"\nid = \"/b\""),
        [
            "streams.clicks.key: \"/a\" can't be looked up, because a raw stream's events are opaque; give \
             \"header:NAME\" or \"path\"",
            "streams.clicks.id: \"/b\" can't be looked up, because a raw stream's events are opaque; remove it",
        ]
    );
}

#[test]
fn brokers_are_host_and_port() {
    for good in [
        "k:1",
        "k1.example.com:9092, 10.0.0.1:9092",
        "[::1]:9092",
        "my_host-1:65535",
    ] {
        takes("CLUSTERS__ADS__BOOTSTRAP", good);
    }
    for bad in [
        "k", "k:", ":9092", "k:0", "k:65536", "k:+1", "k:1,", "k:1;j:1", "::1:9092", "k :1",
        "k:1 j:1",
    ] {
        assert_eq!(
            problems("", &[("FOREBAY__CLUSTERS__ADS__BOOTSTRAP", bad)]).len(),
            1,
            "{bad:?}"
        );
    }
    assert_eq!(
        problems("", &[("FOREBAY__CLUSTERS__ADS__BOOTSTRAP", "a,b:1,c")]).len(),
        2
    );
    refuses(
        "CLUSTERS__ADS__BOOTSTRAP",
        "SSL://k:1",
        "clusters.ads.bootstrap: \"SSL://k:1\" has a protocol; give host:port and set \"security.protocol\" in the \
         cluster's kafka section",
    );
}

#[test]
fn the_two_ports_differ() {
    for (http, admin, good) in [
        ("127.0.0.1:8080", "127.0.0.1:8080", false),
        ("0.0.0.0:9090", "127.0.0.1:9090", false),
        ("127.0.0.1:9090", "[::]:9090", false),
        ("10.0.0.1:9090", "127.0.0.1:9090", true),
        ("0.0.0.0:0", "0.0.0.0:0", true),
    ] {
        let env = [
            ("FOREBAY__HTTP__LISTEN", http),
            ("FOREBAY__ADMIN__LISTEN", admin),
        ];
        assert_eq!(problems("", &env).is_empty(), good, "{http} {admin}");
    }
}

/// Derived from the settings, so that a new duration needs a bound.
/// Derived from the settings, so that a new size is thought of.
#[test]
fn properties_on_which_the_promise_rests_are_refused() {
    for property in refused_names() {
        let problems = problems(
            &format!("[clusters.ads.kafka]\n\"{property}\" = \"1\"\n"),
            &[],
        );
        assert_eq!(problems.len(), 1, "{property}: {problems:?}");
        assert!(
            problems[0].contains("this property can't be set; "),
            "{}",
            problems[0]
        );
    }
    for property in [
        "acks",
        "request.required.acks",
        "enable.idempotence",
        "message.timeout.ms",
        "delivery.timeout.ms",
        "message.send.max.retries",
        "retries",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "enable.gapless.guarantee",
        "delivery.report.only.error",
        "queue.buffering.max.messages",
        "queue.buffering.max.kbytes",
        "linger.ms",
        "queue.buffering.max.ms",
        "bootstrap.servers",
        "metadata.broker.list",
        "transactional.id",
        "partitioner",
        "log.queue",
        "statistics.interval.ms",
        "log_level",
        "test.mock.num.brokers",
        "topic.acks",
        "topic.partitioner",
    ] {
        assert!(refused(property).is_some(), "{property}");
    }
    for property in [
        "allow.auto.create.topics",
        "compression.type",
        "security.protocol",
        "message.max.bytes",
        "topic.blacklist",
    ] {
        assert_eq!(refused(property), None, "{property}");
    }
}

#[test]
fn who_may_send_is_checked_as_a_whole() {
    let key = "keys = [\"a-key-of-somebody\"]";
    let asks = "[http]\nauth = [\"bearer\"]\n";
    for (more, expected) in [
        (
            format!("[sources.a]\n{key}\n"),
            "sources: there are sources, but nothing asks for a key",
        ),
        (
            asks.into(),
            "sources: a key is asked for, but there is no source",
        ),
        (
            format!("{asks}[sources.a]\n{key}\n[sources.b]\n{key}\n"),
            "sources.b: source a has one of these keys as well",
        ),
        (
            format!("{asks}[sources.a]\n{key}\nstreams = [\"click\"]\n"),
            "sources.a.streams: there is no stream \"click\"; did you mean \"clicks\"?",
        ),
        (
            format!("{asks}[sources.a]\nsecrets = [\"short\"]\n"),
            "sources.a: a secret must have 8 characters",
        ),
        (
            format!("{asks}[sources.a]\n{key}\norigins = [\"shop.example\"]\n"),
            "sources.a: \"shop.example\" has no scheme",
        ),
        (
            format!("[http]\nauth = [\"basik\"]\n[sources.a]\n{key}\n"),
            "http.auth: \"basik\" is no way to show a key",
        ),
        (
            format!("[http]\nauth = [\"body:/writeKey\"]\n[sources.a]\n{key}\n"),
            "http.auth: a stream's body is its events",
        ),
        (
            format!("[http]\nauth = [\"hmac:x-sig source=b\"]\n[sources.a]\n{key}\n"),
            "http.auth: there is no source \"b\"",
        ),
        (
            "[http]\ncors = \"web\"\n".into(),
            "http.cors: there is no cors \"web\"; add [cors.NAME]",
        ),
        (
            "[http]\ncors = \"wed\"\n[cors.web]\n".into(),
            "http.cors: there is no cors \"wed\"; did you mean \"web\"?",
        ),
        (
            "[cors.web]\norigins = [\"a\"]\n".into(),
            "cors.web: origins: \"a\" has no scheme",
        ),
    ] {
        let found = problems(&more, &[]);
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{more}: {found:?}"
        );
    }
    assert_eq!(
        problems(
            &format!("{asks}[sources.a]\n{key}\nstreams = [\"clicks\", \"c*\"]\n"),
            &[]
        ),
        [""; 0]
    );
}

#[test]
fn a_certificate_of_the_admin_port_has_its_key() {
    let tls = |text: &str| problems(&format!("[admin.tls]\n{text}\n"), &[]);
    let [cert, key] = ["cert = \"a\"\n", "key = \"b\"\n"];
    let wrong = [
        (cert, "admin.tls.key: there is a"),
        (key, "admin.tls.cert: there is a"),
    ];
    for (text, expected) in wrong {
        let found = tls(text);
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{found:?}"
        );
    }
    assert_eq!(tls(&[cert, key].concat()), [""; 0]);
}

#[test]
fn who_may_send_can_do_so_as_it_is_said() {
    let key = "keys = [\"a-key-of-somebody\"]";
    let asks = "[http]\nauth = [\"bearer\"]\n";
    let route =
        "[routes.route]\npaths = [\"/in/{app}\", \"/to/{app}/{more}\"]\nstream = \"clicks\"\n";
    for (more, expected) in [
        (
            format!("{asks}[sources.a]\n{key}\nroutes = [\"rout\"]\n{route}"),
            "sources.a.routes: there is no route \"rout\"; did you mean \"route\"?",
        ),
        (
            format!("{asks}[sources.a]\n{key}\n[sources.b]\n"),
            "sources.b: it has nothing that a request could show",
        ),
        (
            format!("{asks}[sources.a]\n{key}\nids = [\"app\"]\n"),
            "sources.a.ids: they say whose signature it is",
        ),
        (
            format!("{asks}[sources.a]\nsubjects = [\"CN=tv\"]\n"),
            "sources.a.subjects: no client is asked for a certificate",
        ),
        (
            format!("[http]\nauth = [\"mtls\"]\n[sources.a]\n{key}\n"),
            "http.auth: \"mtls\": no client is asked for a certificate",
        ),
        (
            format!("[http]\nauth = [\"hmac:x-sig source=a\"]\n[sources.a]\n{key}\n"),
            "http.auth: source \"a\" is said to sign, and has no secrets",
        ),
        (
            format!("[http]\nauth = [\"hmac:x-sig id=path:app\"]\n[sources.a]\n{key}\n"),
            "http.auth: id=path:app: there is no capture {app}: no route has it",
        ),
        (
            format!("[sources.a]\n{key}\n{route}auth = [\"hmac:x-sig id=path:ap\"]\n"),
            "routes.route.auth: id=path:ap: there is no capture {ap}: not every path of the route has it",
        ),
        (
            format!("[sources.a]\n{key}\n{route}auth = [\"hmac:x-sig id=path:more\"]\n"),
            "routes.route.auth: id=path:more: there is no capture {more}: not every path of the route has it",
        ),
    ] {
        let found = problems(&more, &[]);
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{more}: {found:?}"
        );
    }
    // Where a route says nothing itself, what the port asks for is asked of its paths.
    for good in [
        format!("[http]\nauth = [\"hmac:x-sig id=path:app\"]\n[sources.a]\n{key}\n{route}"),
        format!("[sources.a]\n{key}\n{route}auth = [\"hmac:x-sig id=path:app\"]\n"),
    ] {
        assert_eq!(problems(&good, &[]), [""; 0]);
    }
}
