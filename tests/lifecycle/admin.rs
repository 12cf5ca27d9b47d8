//! The admin port: metrics that monitoring systems can read, status as JSON, a page for people.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::support::http::Client;

/// Every metric, without the prefix; users' dashboards and alerts stand on these names.
const METRICS: &[(&str, &str)] = &[
    ("body_bytes", "counter"),
    ("cluster_ack_duration_seconds", "histogram"),
    ("cluster_drain_rate_bytes_per_second", "gauge"),
    ("cluster_in_flight_bytes", "gauge"),
    ("cluster_in_flight_events", "gauge"),
    ("cluster_last_ack_age_seconds", "gauge"),
    ("cluster_memory_bytes", "gauge"),
    ("cluster_new_epochs", "counter"),
    ("cluster_replaced_clients", "counter"),
    ("cluster_stalled_lanes", "gauge"),
    ("cluster_up", "gauge"),
    ("config_generation", "gauge"),
    ("config_reload_failed", "gauge"),
    ("connections", "gauge"),
    ("dead_letters", "gauge"),
    ("dead_letters_bytes", "gauge"),
    ("dead_letters_oldest_age_seconds", "gauge"),
    ("events_accepted", "counter"),
    ("events_acked", "counter"),
    ("events_dead", "counter"),
    ("events_failed", "counter"),
    ("events_in_flight", "gauge"),
    ("events_late", "counter"),
    ("events_lost", "counter"),
    ("events_redriven", "counter"),
    ("events_refused", "counter"),
    ("events_rejected", "counter"),
    ("events_replayed", "counter"),
    ("events_residual", "gauge"),
    ("events_spilled", "counter"),
    ("events_unknown", "counter"),
    ("events_waiting", "gauge"),
    ("key_files_failed", "gauge"),
    ("lanes_direct", "gauge"),
    ("lanes_replaying", "gauge"),
    ("lanes_spilling", "gauge"),
    ("memory_budget_bytes", "gauge"),
    ("memory_resident_bytes", "gauge"),
    ("memory_used_bytes", "gauge"),
    ("oldest_event_age_seconds", "gauge"),
    ("ready", "gauge"),
    ("refusals", "counter"),
    ("request_duration_seconds", "histogram"),
    ("requests", "counter"),
    ("source_body_bytes", "counter"),
    ("source_events", "counter"),
    ("source_refused_requests", "counter"),
    ("source_requests", "counter"),
    ("spill_backlog_bytes", "gauge"),
    ("spill_backlog_events", "gauge"),
    ("spill_damaged_events", "counter"),
    ("owner_body_bytes", "counter"),
    ("owner_events", "counter"),
    ("owner_info", "gauge"),
    ("owner_memory_limit_bytes", "gauge"),
    ("owner_memory_used_bytes", "gauge"),
    ("owner_refusals", "counter"),
    ("owner_spill_limit_bytes", "gauge"),
    ("owner_spill_used_bytes", "gauge"),
    ("spill_quota_bytes", "gauge"),
    ("spill_takes", "gauge"),
    ("spill_used_bytes", "gauge"),
    ("stream_info", "gauge"),
    ("stream_spill_events", "gauge"),
    ("stream_takes", "gauge"),
    ("time_to_loss_seconds", "gauge"),
    ("waiting_bytes", "gauge"),
];

/// Reads an exposition as OpenMetrics has it: families by name, with kind and samples. Panics on what the format forbids.
fn families(text: &str) -> BTreeMap<String, (String, Vec<(String, f64)>)> {
    let lines = text.strip_suffix("# EOF\n").expect("the end is marked");
    let mut families: BTreeMap<String, (String, Vec<_>)> = BTreeMap::new();
    let mut current = String::new();
    for line in lines.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let (word, rest) = rest.split_once(' ').unwrap();
            let (name, value) = rest.split_once(' ').unwrap();
            match word {
                "TYPE" => {
                    let before = families.insert(name.into(), (value.into(), vec![]));
                    assert!(before.is_none(), "{name} twice");
                    current = name.into();
                }
                "HELP" => assert!(!value.is_empty()),
                "UNIT" => assert!(name.ends_with(&format!("_{value}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let name = sample.split('{').next().unwrap();
        let (kind, samples) = families
            .get_mut(&current)
            .expect("a type before its samples");
        let suffixes: &[_] = match kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => panic!("{kind}"),
        };
        let suffix = name
            .strip_prefix(current.as_str())
            .expect("samples follow their type");
        assert!(suffixes.contains(&suffix), "{line}");
        samples.push((
            sample.trim_end_matches("{}").to_owned(),
            value.parse().unwrap(),
        ));
    }
    families
}

/// The keys of `/status`.
const TOP: [&str; 19] = [
    "adopted",
    "clusters",
    "configuration",
    "connections",
    "damage",
    "dead_letters",
    "memory",
    "owners",
    "phase",
    "ready",
    "reasons",
    "redrive",
    "refusals",
    "spill",
    "streams",
    "time_to_loss_seconds",
    "troubles",
    "uptime_seconds",
    "version",
];

#[test]
fn metrics_are_openmetrics_and_complete() {
    let mock = mock();
    let gateway = Gateway::ready(&config(mock.bootstrap(), ""));
    for _ in 0..3 {
        assert_eq!(gateway.client().post_json("events", EVENT).status, 200);
    }
    assert_eq!(gateway.client().post_json("events", "[{}]").status, 422);
    let answer = Client::connect(gateway.admin).get("/metrics");
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text; version=1.0.0")
    );
    let families = families(&answer.text());
    let found: BTreeMap<_, _> = families
        .iter()
        .map(|(name, (kind, _))| (name.as_str(), kind.as_str()))
        .collect();
    let prefixed: Vec<_> = METRICS
        .iter()
        .map(|(name, kind)| (format!("forebay_{name}"), *kind))
        .collect();
    assert_eq!(
        found,
        prefixed
            .iter()
            .map(|(name, kind)| (name.as_str(), *kind))
            .collect()
    );
    // Without a log there are no dead letters, and no damage of one, to have a sample of; without sources none of them.
    let has_samples = |(name, (_, samples)): (&String, &(String, Vec<_>))| {
        let off = ["dead_letters", "spill_damaged_events", "source_"];
        let is_off = |begun| name.starts_with(&format!("forebay_{begun}"));
        !samples.is_empty() || off.into_iter().any(is_off)
    };
    assert!(families.iter().all(has_samples));

    let value = |sample: &str| {
        let samples = families.values().flat_map(|(_, samples)| samples);
        samples
            .into_iter()
            .find(|(name, _)| name == sample)
            .unwrap_or_else(|| panic!("{sample}"))
            .1
    };
    let labels = r#"{stream="events",cluster="main"}"#;
    assert_eq!(value(&format!("forebay_events_acked_total{labels}")), 3.0);
    assert_eq!(
        value(&format!("forebay_events_rejected_total{labels}")),
        1.0
    );
    assert_eq!(
        value(r#"forebay_requests_total{stream="events",answer="ok"}"#),
        3.0
    );
    assert_eq!(
        value(r#"forebay_requests_total{stream="events",answer="client_error"}"#),
        1.0
    );
    assert_eq!(
        value(r#"forebay_cluster_up{cluster="main",owner="tests"}"#),
        1.0
    );
    assert_eq!(value("forebay_ready"), 1.0);

    let (_, samples) = &families["forebay_request_duration_seconds"];
    let buckets: Vec<_> = samples
        .iter()
        .filter(|(name, _)| name.contains("_bucket"))
        .map(|(_, count)| *count)
        .collect();
    assert!(buckets.is_sorted(), "buckets are cumulative: {buckets:?}");
    let last = samples
        .iter()
        .find(|(name, _)| name.contains(r#"le="+Inf""#))
        .expect("the last bucket");
    assert_eq!(
        (
            last.1,
            value(r#"forebay_request_duration_seconds_count{stream="events"}"#)
        ),
        (4.0, 4.0)
    );
}

#[test]
fn status_and_the_page_show_every_cluster_and_stream() {
    let mock = mock();
    let gateway = Gateway::ready(&config(mock.bootstrap(), ""));
    assert_eq!(gateway.client().post_json("events", EVENT).status, 200);
    let status = gateway.status();
    let keys = |value: &serde_json::Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let mut top = keys(&status);
    top.sort_unstable();
    assert_eq!(top, TOP);
    assert_eq!(
        (&status["phase"], &status["ready"]),
        (&"running".into(), &true.into())
    );
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["memory"]["budget_bytes"], 512 << 20);
    let resident = status["memory"]["resident_bytes"].as_u64().unwrap();
    assert!((1 << 20..576 << 20).contains(&resident), "{resident}");
    let cluster = &status["clusters"]["main"];
    assert_eq!(
        (&cluster["owner"], &cluster["condition"]),
        (&"tests".into(), &"up".into())
    );
    // An owner that is only named has no shares, and is counted all the same.
    let owner = &status["owners"]["tests"];
    assert_eq!(owner["streams"], json!(["events"]));
    assert_eq!(
        (&owner["events"], &owner["memory_limit_bytes"]),
        (&json!(1), &json!(null))
    );
    let stream = &status["streams"]["events"];
    assert_eq!(
        (
            &stream["topic"],
            &stream["partitions"],
            &stream["answers"]["ok"]
        ),
        (&"events".into(), &1.into(), &1.into())
    );
    let mut events = keys(&stream["events"]);
    events.sort_unstable();
    let expected = [
        "accepted",
        "acked",
        "dead",
        "failed",
        "in_flight",
        "late",
        "lost",
        "redriven",
        "refused",
        "rejected",
        "replayed",
        "spilled",
        "unknown",
    ];
    assert_eq!(events, expected);

    let page = Client::connect(gateway.admin).get("/");
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    assert!(page.header("content-security-policy").is_some() && page.text().contains("/status"));
    assert_eq!(gateway.get("/nothing").0, 404);
    assert_eq!(gateway.get("/v1/events/events").0, 404);
    assert_eq!(
        Client::connect(gateway.admin)
            .post("/livez", &[], b"")
            .status,
        405
    );
    assert_eq!(
        gateway.client().get("/livez").status,
        404,
        "the data port shows nothing of it"
    );
}
