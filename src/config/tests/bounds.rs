//! Limits have bounds, and don't contradict each other.

use super::*;

#[test]
fn limits_do_not_contradict_each_other() {
    refuses(
        "HTTP__MAX_HEAD",
        "8191",
        "http.max_head: 8191B is out of range; give 8KiB to 1MiB",
    );
    takes("HTTP__MAX_HEAD", "8KiB");
    refuses(
        "DECODE__MAX_EVENT",
        "17MiB",
        "decode.max_event: 17MiB is more than http.max_decompressed, 16MiB; lower the one or raise the other",
    );
    refuses(
        "HTTP__MAX_BODY",
        "17MiB",
        "http.max_body: 17MiB is more than http.max_decompressed, 16MiB; lower the one or raise the other",
    );
    let env = [
        ("FOREBAY__HTTP__MAX_BODY", "129MiB"),
        ("FOREBAY__HTTP__MAX_DECOMPRESSED", "129MiB"),
    ];
    assert_eq!(
        problems("", &env),
        [
            "http.max_body: 129MiB is more than a quarter of memory.budget, 128MiB; lower the one or raise the other"
        ]
    );
    refuses(
        "LANE__MAX_BYTES",
        "513MiB",
        "lane.max_bytes: 513MiB is more than memory.budget, 512MiB; lower the one or raise the other",
    );
    refuses(
        "LANE__BATCH",
        "33MiB",
        "lane.batch: 33MiB is more than lane.max_bytes, 32MiB; lower the one or raise the other",
    );
    refuses(
        "CLUSTERS__ADS__MAX_IN_FLIGHT",
        "1KiB",
        "clusters.ads.max_in_flight: 1KiB can't hold the largest event, decode.max_event, 900KiB; raise it",
    );
}

#[test]
fn connections_leave_room_for_events() {
    // 14,043 x 28 KiB is just below three quarters of 512 MiB, 14,044 x 28 KiB just above.
    takes("HTTP__MAX_CONNECTIONS", "14043");
    refuses(
        "HTTP__MAX_CONNECTIONS",
        "50000",
        "http.max_connections: 50000 connections x (16KiB of http.max_head + 12KiB) = 1.3 GiB, more than three \
         quarters of memory.budget, 384.0 MiB of 512MiB; lower http.max_connections or http.max_head, or raise \
         memory.budget",
    );
    assert_eq!(
        problems("", &[("FOREBAY__HTTP__MAX_CONNECTIONS", "14044")]).len(),
        1
    );
    // A smaller budget alone contradicts nothing.
    takes("MEMORY__BUDGET", "128MiB");
    takes("MEMORY__BUDGET", "64MiB");
}

#[test]
fn counts_have_bounds() {
    refuses(
        "CLUSTERS__ADS__MAX_IN_FLIGHT_EVENTS",
        "1000001",
        "clusters.ads.max_in_flight_events: 1000001 is out of range; give 1 to 1000000",
    );
    for name in [
        "CLUSTERS__ADS__MAX_IN_FLIGHT_EVENTS",
        "HTTP__MAX_CONNECTIONS",
        "HTTP__MAX_STREAMS",
        "DECODE__MAX_EVENTS",
        "DECODE__MAX_DEPTH",
        "LANE__MAX_EVENTS",
    ] {
        assert_eq!(
            problems("", &[(&format!("FOREBAY__{name}"), "0")]).len(),
            1,
            "{name}"
        );
    }
    takes("HTTP__THREADS", "0");
    takes("HTTP__MAX_CONNECTIONS_PER_ADDRESS", "0");
}

#[test]
fn every_duration_has_bounds() {
    let may_be_zero = [
        "admin.wait_for_all",
        "admin.tls.check_files",
        "cors.ads.max_age",
        "http.refused_timeout",
        "http.tls.check_files",
        "shutdown.grace",
    ];
    let durations: Vec<_> = leaves()
        .into_iter()
        .filter(|(_, kind)| *kind == Kind::Duration)
        .collect();
    assert!(durations.len() >= 10);
    for (path, _) in durations {
        let name =
            format!("FOREBAY__{}", path.join("__").to_uppercase()).replace("__ANY__", "__ADS__");
        let key = path.join(".").replace(".any.", ".ads.");
        let out_of_range = |value: &str| {
            problems("", &[(&name, value)]).iter().any(|problem| {
                problem.starts_with(&format!("{key}: ")) && problem.contains("out of range")
            })
        };
        assert!(out_of_range("1day"), "{key} has no upper bound");
        assert_eq!(
            out_of_range("0s"),
            !may_be_zero.contains(&key.as_str()),
            "{key} = 0s"
        );
    }
}

#[test]
fn no_size_may_be_zero() {
    for (path, kind) in leaves() {
        // Of a rate and of an owner's share, 0 means none.
        if kind == Kind::Size && !path.contains(&"rate") && path[0] != "owners" {
            let name = format!("FOREBAY__{}", path.join("__").to_uppercase())
                .replace("__ANY__", "__ADS__");
            assert!(
                !problems("", &[(&name, "0")]).is_empty(),
                "{path:?} may be 0"
            );
        }
    }
}

#[test]
fn a_rate_is_said_once_and_a_burst_belongs_to_one() {
    let with = |more: &str| {
        let loaded = load_text(&format!("{SMALL}{more}\n"), &[]).unwrap();
        let checked = loaded.validate();
        checked.map_or_else(
            |problems| problems.iter().map(ToString::to_string).collect(),
            |()| vec![],
        )
    };
    let none: [String; 0] = [];
    assert_eq!(
        with("rate = { events = 10, events_burst = 50, bytes = \"1MiB\" }"),
        none
    );
    assert_eq!(
        with("quota = 10\nrate = { bytes = \"1MiB\", bytes_burst = \"2MiB\" }"),
        none
    );
    assert_eq!(
        with("quota = 10\nrate = { events = 10 }"),
        ["streams.clicks.quota: rate.events says the same; give one of them"]
    );
    assert_eq!(
        with("rate = { events_burst = 5, bytes = \"1KiB\", bytes_burst = \"4MiB\" }"),
        [
            "streams.clicks.rate.events_burst: there is no rate for it; set events as well",
            "streams.clicks.rate.bytes_burst: 4194304 is more than an hour's worth of bytes, 1024; lower it"
        ]
    );
}

#[test]
fn an_owners_shares_are_worth_something_and_part_of_what_there_is() {
    let with = |text: &str, more: &str| {
        let text = format!("{text}{more}\n");
        let checked = load_text(&text, &[]).unwrap().validate();
        let problems = checked.err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let named = SMALL.replace(
        "[clusters.ads]",
        "[clusters.ads]\nowner = \"Ads, all of us\"",
    );
    // Without owners it's a name, as it always was.
    assert_eq!(with(&named, ""), [""; 0]);
    assert_eq!(
        with(&named, "[owners.ads-team]"),
        ["clusters.ads.owner: there is no owner \"Ads, all of us\"; known here: ads-team"]
    );
    assert_eq!(
        with(SMALL, "owner = \"ad-team\"\n[owners.ads-team]"),
        ["streams.clicks.owner: there is no owner \"ad-team\"; did you mean \"ads-team\"?"]
    );
    let right = "owner = \"a\"\n[owners.a]\ncontact = \"#a\"\nrunbook = \"https://wiki/a\"\nmemory = \"64MiB\"\n\
                 spill = \"1GiB\"\nrate = { events = 5 }";
    assert_eq!(with(SMALL, right), [""; 0]);
    let wrong = "[owners.a]\nrunbook = \"javascript:alert(1)\"\nmemory = \"1MiB\"\nspill = \"1KiB\"\n\
                 rate = { bytes_burst = \"1KiB\" }\n[owners.b]\nmemory = \"1GiB\"\nspill = \"1TiB\"";
    assert_eq!(
        with(SMALL, wrong),
        [
            "owners.a.rate.bytes_burst: there is no rate for it; set bytes as well",
            "owners.a.runbook: \"javascript:alert(1)\" is no link; give one that begins with http:// or https://",
            "owners.a.memory: 1MiB can't hold the largest request, http.max_body and http.max_decompressed together, \
             20MiB; raise it",
            "owners.a.spill: 1KiB can't hold the largest event, decode.max_event, 900KiB; raise it",
            "owners.b.memory: 1GiB is more than memory.budget, 512MiB; lower the one or raise the other",
            "owners.b.spill: 1TiB is more than spill.quota, 50GiB; lower the one or raise the other",
        ]
    );
}

#[test]
fn a_stalled_lane_is_noticed_between_linger_and_answer() {
    let late = "lane.stalled_after: 5s isn't shorter than http.answer_within, 5s, so that clients of a stalled lane \
                would wait in vain; lower it";
    refuses("LANE__STALLED_AFTER", "5s", late);
    let early = "lane.stalled_after: 5ms isn't longer than lane.linger, 5ms, so that every lane would count as stalled; \
                 raise it";
    refuses("LANE__STALLED_AFTER", "5ms", early);
}

#[test]
fn a_token_for_looking_needs_one_for_changes_and_both_are_no_guess() {
    let said = |admin: &str| problems(&format!("[admin]\n{admin}"), &[]);
    let (long, other) = ("a token of some length", "another of some length");
    let right = format!("token = \"{long}\"\nread_token = \"{other}\"\n");
    assert_eq!(said(&right), [""; 0]);
    for (admin, what) in [
        (
            format!("read_token = \"{long}\"\n"),
            "admin.read_token: there is none for changes",
        ),
        (
            format!("token = \"{long}\"\nread_token = \"{long}\\n\"\n"),
            "admin.read_token: it's that of admin.token",
        ),
        (
            format!("token = \"{long}\"\nread_token = \"short\"\n"),
            "admin.read_token: it's shorter than 16",
        ),
        (
            "token = \"short\"\n".to_owned(),
            "admin.token: it's shorter than 16",
        ),
        (
            "token_for = \"all\"\n".to_owned(),
            "admin.token_for: there is no token",
        ),
    ] {
        let said = said(&admin);
        assert!(
            said.len() == 1 && said[0].starts_with(what),
            "{admin}: {said:?}"
        );
    }
}
