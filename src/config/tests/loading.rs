//! Files and the environment: what wins, and what mistakes look like.

use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;

use super::super::load::load;
use super::*;
use crate::route::settings::Format;

#[test]
fn without_file_and_variables_everything_is_default() {
    let config = load(None, std::iter::empty()).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_defaults() {
    let text = "[http]\nlisten = \"127.0.0.1:1\"\nmax_streams = 7\n";
    let env = [
        ("FOREBAY__HTTP__LISTEN", "127.0.0.1:2"),
        ("PATH", "/bin"),
        ("FOREBAY_CONFIG", "x"),
    ];
    let http = load_text(text, &env).unwrap().http;
    assert_eq!(http.listen, SocketAddr::from(([127, 0, 0, 1], 2)));
    assert_eq!(http.max_streams, 7);
    assert_eq!(http.max_head, ByteSize::kib(16));
}

#[test]
fn a_variable_is_parsed_to_the_type_of_its_key() {
    let env = [
        ("FOREBAY__HTTP__MAX_BODY", "1MiB"),
        ("FOREBAY__HTTP__MAX_DECOMPRESSED", "2097152"),
        ("FOREBAY__HTTP__HEAD_TIMEOUT", "250ms"),
        ("FOREBAY__HTTP__MAX_CONNECTIONS", "20_000"),
        ("FOREBAY__STREAMS__CLICKS__FORMAT", "raw"),
        ("FOREBAY__STREAMS__CLICKS__TOPIC", "0042"),
        ("FOREBAY__CLUSTERS__ADS__OWNER", "true"),
    ];
    let config = load_text(SMALL, &env).unwrap();
    assert_eq!(config.http.max_body, ByteSize::mib(1));
    assert_eq!(config.http.max_decompressed, ByteSize::mib(2));
    assert_eq!(config.http.head_timeout, Duration::from_millis(250));
    assert_eq!(config.http.max_connections, Some(20_000));
    assert_eq!(config.streams["clicks"].format, Format::Raw);
    assert_eq!(config.streams["clicks"].topic.as_deref(), Some("0042"));
    assert_eq!(config.clusters["ads"].owner, "true");
}

#[test]
fn a_variable_finds_a_name_whatever_its_case_and_dashes() {
    let text = "[clusters.Ads-EU]\nbootstrap = \"k:1\"\n[streams.\"in.app-Clicks\"]\ncluster = \"Ads-EU\"\n";
    let env = [
        ("FOREBAY__STREAMS__IN_APP_CLICKS__TOPIC", "t"),
        ("FOREBAY__CLUSTERS__ADS_EU__KAFKA__SECURITY_PROTOCOL", "ssl"),
    ];
    let config = load_text(text, &env).unwrap();
    assert_eq!(config.streams.len(), 1);
    assert_eq!(config.streams["in.app-Clicks"].topic.as_deref(), Some("t"));
    assert_eq!(config.clusters["Ads-EU"].kafka["security.protocol"], "ssl");
}

#[test]
fn a_name_with_two_underscores_is_found_before_it_is_split() {
    let text = "[clusters.ads]\nbootstrap = \"k:1\"\n[streams.a__b]\ncluster = \"ads\"\n[streams.a]\ncluster = \"ads\"\n";
    let env = [
        ("FOREBAY__STREAMS__A__B__TOPIC", "t"),
        ("FOREBAY__STREAMS__A__TOPIC", "u"),
    ];
    let config = load_text(text, &env).unwrap();
    assert_eq!(config.streams["a__b"].topic.as_deref(), Some("t"));
    assert_eq!(config.streams["a"].topic.as_deref(), Some("u"));
}

#[test]
fn the_environment_alone_makes_clusters_and_streams() {
    let env = [
        ("FOREBAY__CLUSTERS__ADS__BOOTSTRAP", "k:9092"),
        ("FOREBAY__STREAMS__AD_CLICKS__CLUSTER", "ads"),
        ("FOREBAY__STREAMS__AD_CLICKS__ID", "/id"),
    ];
    let config = load_text("", &env).unwrap();
    assert_eq!(config.streams["ad_clicks"].id.as_deref(), Some("/id"));
    assert_eq!(config.validate(), Ok(()));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
    let text = "[http]\nthreads = 2\n  lisen = \"0.0.0.0:1\"\n";
    assert_eq!(
        mistakes(text, &[]),
        ["unknown key \"lisen\" in [http] (line 3, column 3); did you mean \"listen\"?"]
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = "[htpp]\nx = 1\n[http]\nmax_body_size = 1\nhead_timeout = 5\n[streams.installs]\ntopik = \"a\"\n\
                [clusters.\"a b\"]\nbotstrap = \"k:1\"\n";
    let env = [
        ("FOREBAY__HTTP__LISEN", "x"),
        ("FOREBAY__ADMIN__LISTEN", "9090"),
    ];
    assert_eq!(
        mistakes(text, &env),
        [
            "unknown environment variable FOREBAY__HTTP__LISEN; did you mean FOREBAY__HTTP__LISTEN?",
            "wrong value \"9090\" for admin.listen (environment variable FOREBAY__ADMIN__LISTEN): give an address with \
             its port, like \"0.0.0.0:8080\"",
            "unknown key \"botstrap\" in [clusters.\"a b\"] (line 9, column 1); did you mean \"bootstrap\"?",
            "key \"bootstrap\" is missing in [clusters.\"a b\"] (line 8, column 11): add bootstrap = \"…\"",
            "unknown key \"htpp\" at the top level (line 1, column 2); did you mean \"http\"?",
            "wrong value 5 for http.head_timeout (line 5, column 16): give a duration with its unit, like \"5s\" or \
             \"250ms\"",
            "unknown key \"max_body_size\" in [http] (line 4, column 1); did you mean \"max_body\"?",
            "unknown key \"topik\" in [streams.installs] (line 7, column 1); did you mean \"topic\"?",
            "key \"cluster\" is missing in [streams.installs] (line 6, column 10): add cluster = \"…\"",
        ]
    );
}

#[test]
fn a_name_that_resembles_none_gets_the_list() {
    assert_eq!(
        mistakes("[log]\nzzz = 1\n", &[("FOREBAY__LOG__QQQ", "1")]),
        [
            "unknown environment variable FOREBAY__LOG__QQQ; known after FOREBAY__LOG__: FILTER, FORMAT",
            "unknown key \"zzz\" in [log] (line 2, column 1); known here: filter, format",
        ]
    );
}

#[test]
fn a_wrong_value_is_shown_beside_a_good_one() {
    let check = |line: &str, expected: &str| {
        let (section, line) = line.split_once(' ').unwrap();
        let all = mistakes(&format!("{SMALL}[{section}]\n{line}\n"), &[]);
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(
            all[0].ends_with(expected),
            "{} doesn't end with {expected}",
            all[0]
        );
    };
    check("http head_timeout = \"5\"", "\"5s\" or \"250ms\"");
    check(
        "http head_timeout = \"5 parsecs\"",
        "give a duration with its unit, like \"5s\" or \"250ms\"",
    );
    check("http head_timeout = \"-5s\"", "like \"5s\" or \"250ms\"");
    check(
        "memory budget = \"64 apples\"",
        "give a size with its unit, like \"64MiB\" or \"900KiB\"",
    );
    check("memory budget = -1", "like \"64MiB\" or \"900KiB\"");
    check(
        "memory budget = 99999999999999999999",
        "like \"64MiB\" or \"900KiB\"",
    );
    check(
        "http max_streams = -1",
        "give a whole number from 0 to 4294967295, like 128",
    );
    check(
        "http max_streams = 4294967296",
        "give a whole number from 0 to 4294967295, like 128",
    );
    check(
        "http max_streams = \"128\"",
        "give a whole number from 0 to 4294967295, like 128",
    );
    check(
        "http max_streams = 1.5",
        "give a whole number from 0 to 4294967295, like 128",
    );
    check(
        "http listen = \"localhost:80\"",
        "give an address with its port, like \"0.0.0.0:8080\"",
    );
    check(
        "http listen = [1, 2]",
        "give an address with its port, like \"0.0.0.0:8080\"",
    );
    check(
        "http.listen port = 1",
        "wrong value (a section) for http.listen (line 5, column 7): give an address with its port, like \
         \"0.0.0.0:8080\"",
    );
    check(
        "log format = \"JSON\"",
        "give one of \"text\", \"json\"; did you mean \"json\"?",
    );
    check("log format = \"xml\"", "give one of \"text\", \"json\"");
    check("log filter = 3", "give text in quotes: \"3\"");
    check(
        "streams.x cluster = 3",
        "for streams.x.cluster (line 6, column 11): give text in quotes: \"3\"",
    );
}

#[test]
fn a_value_where_a_section_belongs_is_named() {
    assert_eq!(
        mistakes("http = 8080\n", &[("FOREBAY__HTTP__THREADS", "1")]),
        ["wrong value 8080 for http (line 1, column 8): give a section, [http]"]
    );
    assert_eq!(mistakes("[[streams]]\ncluster = \"a\"\n", &[]).len(), 1);
}

#[test]
fn variables_that_name_no_single_key_are_refused() {
    let text = "[clusters.ads]\nbootstrap = \"k:1\"\n[streams.a-b]\ncluster = \"ads\"\n[streams.a_b]\ncluster = \"ads\"\n";
    let env = [
        ("FOREBAY__HTTP", "1"),
        ("FOREBAY__HTTP__LISTEN__PORT", "1"),
        ("FOREBAY__HTTP__THREADS", "1"),
        ("FOREBAY__STREAMS__A_B__TOPIC", "x"),
        ("FOREBAY__STREAMS__", "x"),
        ("FOREBAY__CLUSTERS__ADS__KAFKA__", "x"),
        ("FOREBAY__", "x"),
        ("FOREBAY__http__threads", "2"),
    ];
    let all = mistakes(text, &env).join("\n");
    for expected in [
        "unknown environment variable FOREBAY__HTTP; [http] is a section; add FOREBAY__HTTP__KEY",
        "unknown environment variable FOREBAY__HTTP__LISTEN__PORT; http.listen is a value, not a section",
        "variable FOREBAY__STREAMS__A_B__TOPIC could mean \"a-b\" or \"a_b\"; set the key in the file",
        "unknown environment variable FOREBAY__STREAMS__;",
        "unknown environment variable FOREBAY__CLUSTERS__ADS__KAFKA__;",
        "unknown environment variable FOREBAY__;",
        "http.threads is given twice, by the environment variables FOREBAY__HTTP__THREADS and FOREBAY__http__threads",
    ] {
        assert!(all.contains(expected), "{expected} isn't in\n{all}");
    }
    assert_eq!(all.lines().count(), 7, "{all}");
}

#[test]
fn a_variable_with_a_mistyped_stream_asks_which_one_was_meant() {
    assert_eq!(
        mistakes(SMALL, &[("FOREBAY__STREAMS__CLIKS__TOPIC", "t")]),
        [
            "key \"cluster\" is missing in [streams.cliks] (environment variable FOREBAY__STREAMS__CLIKS__TOPIC): set it \
          too; or did the variable mean \"clicks\"?"
        ]
    );
}

#[test]
fn properties_without_quotes_are_explained() {
    let text = format!(
        "{SMALL}[clusters.ads.kafka]\nsecurity.protocol = \"ssl\"\n\"socket.timeout.ms\" = 500\n"
    );
    assert_eq!(
        mistakes(&text, &[]),
        [
            "librdkafka property security.protocol in [clusters.ads.kafka] (line 6, column 1) needs quotes: write \
             \"security.protocol\" = \"…\"",
            "wrong value 500 for clusters.ads.kafka.\"socket.timeout.ms\" (line 7, column 23): give text in quotes: \
             \"500\"",
        ]
    );
}

#[test]
fn the_heading_says_where_to_look() {
    let heading = |text: &str, env: &[(&str, &str)]| {
        load_text(text, env)
            .unwrap_err()
            .lines()
            .next()
            .unwrap()
            .to_string()
    };
    let bad = "[log]\nzzz = 1\n";
    let env = [("FOREBAY__X", "1")];
    assert_eq!(heading(bad, &[]), "1 mistake in forebay.toml:");
    assert_eq!(
        heading(bad, &env),
        "2 mistakes in forebay.toml and the environment:"
    );
    assert_eq!(heading("", &env), "1 mistake in the environment:");
}

#[test]
fn a_file_that_is_no_toml_is_named_with_the_line_but_not_its_text() {
    let error = load_text("[http]\n\n\"x\" = \"hunter2\n", &[]).unwrap_err();
    assert!(
        error.starts_with("forebay.toml isn't valid TOML (line 3, column "),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
    let error = load_text("[http]\nthreads = 1\nthreads = 2\n", &[]).unwrap_err();
    assert_eq!(
        error,
        "forebay.toml isn't valid TOML (line 3, column 1): duplicate key"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = load(Some("/no/such/forebay.toml".as_ref()), std::iter::empty())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("can't read the configuration file /no/such/forebay.toml: "),
        "{error}"
    );
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    assert_eq!(
        load_text("\u{feff}[http]\nthreads = 3\n", &[])
            .unwrap()
            .http
            .threads,
        3
    );
}
