//! What `deploy/prometheus` says of the gateway: its rules are tried by Prometheus' own tool, and name what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::gateway::{Gateway, config};
use crate::support::mock::Mock;
use crate::support::program_or_skip;

/// Set to 1, `metrics.md` is written anew instead of compared.
const WRITE: &str = "FOREBAY_TEST_WRITE";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// A metric as the gateway shows it.
#[derive(Debug, Default)]
struct Metric {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

/// All metrics of a gateway, by name, as Prometheus stores them: counters end in `_total`.
fn metrics() -> BTreeMap<String, Metric> {
    let mock = Mock::start(1, &[("events", 1)]);
    let spill = tempfile::tempdir().unwrap();
    // With one of all that has metrics of its own.
    let more = format!(
        "[http]\nauth = [\"bearer\"]\n[spill]\ndir = {:?}\n[sources.shop]\nkeys = [\"a-key-of-the-shop\"]\n\
         [owners.tests]\ncontact = \"tests\"\nrate = {{ events = 1000 }}\n",
        spill.path()
    );
    let gateway = Gateway::ready(&config(mock.bootstrap(), &more));
    let text = gateway.get("/metrics").1;
    gateway.stop();
    let mut all: BTreeMap<String, Metric> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                all.entry(name.into()).or_default().help = help.into();
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                all.entry(name.into()).or_default().kind = kind.into();
            }
            (Some(sample), ..) if !sample.starts_with('#') => {
                let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
                let of = all.iter_mut().filter(|(known, _)| name.starts_with(*known));
                let Some((_, metric)) = of.max_by_key(|(known, _)| known.len()) else {
                    panic!("{sample} belongs to no metric");
                };
                let labels = labels
                    .split(',')
                    .filter_map(|label| label.split_once("=\""));
                metric
                    .labels
                    .extend(labels.map(|(name, _)| name.to_owned()));
            }
            _ => {}
        }
    }
    let stored = |(name, metric): (String, Metric)| match &*metric.kind {
        "counter" => (format!("{name}_total"), metric),
        _ => (name, metric),
    };
    all.into_iter().map(stored).collect()
}

/// The names of metrics that stand in a text.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("forebay_")).collect()
}

/// The alerts of the rules: name, and the lines up to the next rule.
fn alerts(rules: &str) -> Vec<(&str, &str)> {
    let parts = rules.split("- alert: ").skip(1);
    parts
        .filter_map(|part| part.split_once('\n'))
        .map(|(name, rest)| (name, rest.split("\n\n").next().unwrap_or(rest)))
        .collect()
}

#[test]
fn rules_name_only_metrics_that_there_are_and_each_metric_is_documented() {
    let metrics = metrics();
    let exists = |name: &str| {
        let parts = ["_bucket", "_sum", "_count"];
        let part_of = parts.iter().find_map(|part| name.strip_suffix(part));
        metrics.contains_key(name) || part_of.is_some_and(|name| metrics.contains_key(name))
    };
    for file in ["forebay.rules.yaml", "forebay.tests.yaml", "runbooks.md"] {
        let text = read(file);
        let unknown: Vec<_> = named(&text)
            .into_iter()
            .filter(|name| !exists(name))
            .collect();
        assert!(
            unknown.is_empty(),
            "{file} names what doesn't exist: {unknown:?}"
        );
    }
    let mut table = String::from(
        "# Metrics\n\nEvery metric of `/metrics`, as Prometheus stores it. `FOREBAY_TEST_WRITE=1 cargo test --test main alerts::` \
         writes this page.\n\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n",
    );
    let sources = &metrics["forebay_source_requests_total"].labels;
    assert!(sources.contains("source"), "{sources:?}");
    for (name, metric) in &metrics {
        let Metric { kind, help, labels } = metric;
        assert!(
            help.split(' ').count() >= 3,
            "{name} isn't explained: {help:?}"
        );
        let labels: Vec<_> = labels
            .iter()
            .filter(|label| *label != "le")
            .map(|label| format!("`{label}`"))
            .collect();
        table += &format!(
            "| `{name}` | {kind} | {} | {} |\n",
            labels.join(" "),
            help.replace('|', "\\|")
        );
    }
    if std::env::var(WRITE).is_ok_and(|value| value == "1") {
        std::fs::write(folder().join("metrics.md"), &table).unwrap();
    }
    assert!(
        table == read("metrics.md"),
        "deploy/prometheus/metrics.md isn't what /metrics shows; {WRITE}=1 writes it"
    );
}

/// `up` is Prometheus' own: only the name of its job says whose it is. Both alerts that read it, and both pages, say the same.
#[test]
fn the_job_is_told_whose_gateways_are_seen() {
    const JOBS: &str = r#"job=~".*forebay.*""#;
    let rules = read("forebay.rules.yaml");
    let expressions = rules
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let of_up: Vec<_> = expressions.filter(|line| line.contains("up{")).collect();
    assert_eq!(of_up.len(), 2, "{of_up:?}");
    assert!(of_up.iter().all(|line| line.contains(JOBS)), "{of_up:?}");
    for file in ["forebay.rules.yaml", "runbooks.md"] {
        let text = read(file);
        assert!(text.contains("`forebay` in the name of the job"), "{file}");
    }
}

#[test]
fn one_alert_pages_and_each_has_a_runbook() {
    let (rules, runbooks, tests) = (
        read("forebay.rules.yaml"),
        read("runbooks.md"),
        read("forebay.tests.yaml"),
    );
    let alerts = alerts(&rules);
    assert!(alerts.len() > 10, "{alerts:?}");
    let pages: Vec<_> = alerts
        .iter()
        .filter(|(_, text)| text.contains("severity: page"))
        .collect();
    assert_eq!(pages.len(), 1, "{pages:?}");
    assert_eq!(pages[0].0, "ForebayTimeToLoss");
    for (name, text) in &alerts {
        let link = format!(
            "runbook: deploy/prometheus/runbooks.md#{}\n",
            name.to_lowercase()
        );
        assert!(
            format!("{text}\n").contains(&link),
            "{name} has no link to its runbook"
        );
        let section = runbooks.split(&format!("\n## {name}\n")).nth(1);
        let section = section.unwrap_or_else(|| panic!("{name} has no runbook"));
        let section = section.split("\n## ").next().unwrap_or_default();
        for part in ["**Means.**", "**By itself.**", "**Do.**", "**Don't.**"] {
            assert!(
                section.contains(part),
                "the runbook of {name} has no {part}"
            );
        }
        assert!(
            tests.contains(&format!("alertname: {name}\n        exp_alerts:\n")),
            "no test has {name} fire"
        );
        assert!(
            tests.contains(&format!("alertname: {name}\n        exp_alerts: []")),
            "no test has {name} be quiet"
        );
    }
    let sections = runbooks.matches("\n## ").count();
    assert_eq!(sections, alerts.len(), "a runbook has no alert");
}

#[test]
fn alerts_fire_stay_quiet_and_resolve_as_prometheus_sees_them() {
    let Some(tool) = program_or_skip("promtool", &["prometheus"]) else {
        return;
    };
    let output = Command::new(tool)
        .args(["test", "rules", "forebay.tests.yaml"])
        .current_dir(folder())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("SUCCESS"),
        "{said}"
    );
}
