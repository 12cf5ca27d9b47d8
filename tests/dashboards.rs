//! What `deploy/grafana` shows, tried with Prometheus itself and a gateway with traffic: each query has an answer.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::support::gateway::{Gateway, config};
use crate::support::http::Client;
use crate::support::mock::Mock;
use crate::support::{Program, eventually, program_or_skip};

const BOARDS: [&str; 4] = ["fleet", "owner", "cluster", "node"];

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(deploy().join(path)).unwrap()
}

fn board(name: &str) -> Value {
    serde_json::from_str(&read(&format!("grafana/{name}.json"))).unwrap()
}

/// A query of a panel.
struct Query {
    at: String,
    expression: String,
    legend: String,
}

/// All queries of a board, with each choice at "All" and the range of a rate at one minute.
fn queries(name: &str) -> Vec<Query> {
    let board = board(name);
    let mut all = Vec::new();
    for panel in board["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().unwrap() {
            let mut expression = target["expr"].as_str().unwrap().to_owned();
            for (choice, value) in [
                ("$__rate_interval", "1m"),
                ("$owner", ".*"),
                ("$cluster", ".*"),
                ("$instance", ".*"),
            ] {
                expression = expression.replace(choice, value);
            }
            assert!(
                !expression.contains('$'),
                "{name}, {title}: what is chosen in {expression}"
            );
            all.push(Query {
                at: format!("{name}, {title}"),
                expression,
                legend: target["legendFormat"].as_str().unwrap().to_owned(),
            });
        }
    }
    all
}

/// The words of an expression that name a metric of ours: `forebay_…` as it's scraped, `forebay:…` as it's recorded.
fn named(text: &str) -> BTreeSet<&str> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
    let words = text.split(|letter| !is_of_name(letter));
    words
        .filter(|word| word.starts_with("forebay_") || word.starts_with("forebay:"))
        .collect()
}

fn recorded(rules: &str) -> BTreeSet<&str> {
    let lines = rules.lines();
    lines
        .filter_map(|line| line.trim().strip_prefix("- record: "))
        .collect()
}

#[test]
fn boards_name_what_there_is_and_those_of_a_fleet_read_only_its_sums() {
    let (rules, metrics) = (
        read("prometheus/forebay.rules.yaml"),
        read("prometheus/metrics.md"),
    );
    let recorded = recorded(&rules);
    let exists = |name: &str| {
        let base = name.strip_suffix("_bucket").unwrap_or(name);
        recorded.contains(name) || metrics.contains(&format!("| `{base}` |"))
    };
    let mut used = BTreeSet::new();
    for name in BOARDS {
        for Query { at, expression, .. } in queries(name) {
            for metric in named(&expression) {
                assert!(exists(metric), "{at}: there is no {metric}");
                let is_sum = metric.starts_with("forebay:") || metric.ends_with("_info");
                assert!(
                    is_sum || name == "node",
                    "{at}: {metric} has a series for each gateway; record a sum of it"
                );
                used.insert(metric.to_owned());
            }
        }
    }
    let expressions = rules.lines().filter(|line| !line.contains("- record:"));
    let rules_use: String = expressions.flat_map(|line| [line, "\n"]).collect();
    used.extend(named(&rules_use).into_iter().map(str::to_owned));
    let unused: Vec<_> = recorded
        .iter()
        .filter(|name| !used.contains(**name))
        .collect();
    assert!(unused.is_empty(), "recorded and never read: {unused:?}");
}

#[test]
fn boards_are_those_that_their_script_writes() {
    let Some(python) = program_or_skip("python3", &["python3-minimal"]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("make.py");
    std::fs::copy(deploy().join("grafana/make.py"), &script).unwrap();
    let status = Command::new(python).arg(&script).status().unwrap();
    assert!(status.success());
    for name in BOARDS {
        let written = std::fs::read_to_string(folder.path().join(format!("{name}.json"))).unwrap();
        assert!(
            written == read(&format!("grafana/{name}.json")),
            "{name}.json isn't what deploy/grafana/make.py writes: run it"
        );
    }
}

/// Prometheus, which asks a gateway each second and records each second.
struct Prometheus {
    address: SocketAddr,
    _program: Program,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(program: &str, gateway: SocketAddr) -> Prometheus {
        let folder = tempfile::tempdir().unwrap();
        let quick = read("prometheus/forebay.rules.yaml")
            .replace("interval: 15s", "interval: 1s")
            .replace("interval: 30s", "interval: 1s");
        std::fs::write(folder.path().join("rules.yaml"), quick).unwrap();
        let asks = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yaml]\n\
             scrape_configs: [{{job_name: forebay, static_configs: [{{targets: ['{gateway}']}}]}}]\n"
        );
        let file = folder.path().join("prometheus.yaml");
        std::fs::write(&file, asks).unwrap();
        let mut child = Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let program = Program(child);
        let mut said = String::new();
        let address = loop {
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("it ended: {said}"))
                .unwrap();
            let listens = line.contains("Listening on") || line.contains("Start listening");
            let address = line.split("address=").nth(1).filter(|_| listens);
            let port = address.and_then(|it| it.trim().rsplit(':').next()?.parse::<u16>().ok());
            if let Some(port) = port.filter(|port| *port > 0) {
                break SocketAddr::from(([127, 0, 0, 1], port));
            }
            said += &line;
        };
        // It goes on writing.
        std::thread::spawn(move || lines.for_each(drop));
        eventually("prometheus is ready", Duration::from_secs(60), || {
            Client::connect(address).get("/-/ready").status == 200
        });
        Prometheus {
            address,
            _program: program,
            _folder: folder,
        }
    }

    fn ask(&self, path: &str) -> Value {
        // By HTTP/1.0, which knows no chunks.
        let mut client = Client::connect(self.address);
        let head = format!("GET {path} HTTP/1.0\r\nhost: prometheus\r\n\r\n");
        client.write(head.as_bytes()).unwrap();
        let answer = client.until_closed(Duration::from_secs(30)).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{path}: {answer}");
        serde_json::from_str::<Value>(body).unwrap()["data"].clone()
    }

    /// The labels of what a query finds now.
    fn query(&self, expression: &str) -> Vec<Value> {
        let expression = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let data = self.ask(&format!("/api/v1/query?query={expression}"));
        let series = data["result"].as_array().cloned().unwrap_or_default();
        // A number alone has no labels.
        series.into_iter().map(|it| it["metric"].clone()).collect()
    }

    fn has_label(&self, metric: &str, label: &str) -> bool {
        let metric = utf8_percent_encode(metric, NON_ALPHANUMERIC);
        let path = format!("/api/v1/label/{label}/values?match[]={metric}");
        self.ask(&path).as_array().is_some_and(|it| !it.is_empty())
    }
}

/// The labels that a legend names.
fn labels(legend: &str) -> impl Iterator<Item = &str> {
    let parts = legend.split("{{").skip(1);
    parts.filter_map(|part| part.split_once("}}").map(|(label, _)| label))
}

#[test]
fn each_query_of_the_boards_finds_something_of_a_gateway_at_work_and_its_legend_has_its_labels() {
    let Some(program) = program_or_skip("prometheus", &["prometheus"]) else {
        return;
    };
    let mock = Mock::start(1, &[("events", 2)]);
    let spill = tempfile::tempdir().unwrap();
    let more = format!(
        "[http]\nauth = [\"bearer\"]\n[spill]\ndir = {:?}\n[sources.shop]\nkeys = [\"a-key-of-the-shop\"]\n\
         [owners.tests]\ncontact = \"tests\"\nrunbook = \"https://tests.example\"\n",
        spill.path()
    );
    let gateway = Gateway::ready(&config(mock.bootstrap(), &more));
    // A reload that fails is an alert, and so something for the tables of alerts.
    let good = std::fs::read_to_string(gateway.file()).unwrap();
    gateway.rewrite("[[[");
    assert_ne!(gateway.reload("").0, 200);
    gateway.rewrite(&good);
    let prometheus = Prometheus::start(&program, gateway.admin);
    let mut client = gateway.client();
    for name in BOARDS {
        for Query {
            at,
            expression,
            legend,
        } in queries(name)
        {
            let mut found = Vec::new();
            eventually(
                &format!("{at}: {expression}"),
                Duration::from_secs(60),
                || {
                    let headers = [("authorization", "Bearer a-key-of-the-shop")];
                    let sent = client.post(
                        "/v1/events/events",
                        &headers,
                        b"{\"id\":\"1\",\"user\":\"a\"}",
                    );
                    assert_eq!(sent.status, 200, "{}", sent.text());
                    found = prometheus.query(&expression);
                    !found.is_empty()
                },
            );
            for label in labels(&legend) {
                let all_have_it = found.iter().all(|metric| metric[label].is_string());
                assert!(all_have_it, "{at}: {legend} of {found:?}");
            }
        }
        let choices = board(name)["templating"]["list"]
            .as_array()
            .unwrap()
            .clone();
        for choice in choices.iter().filter(|choice| choice["type"] == "query") {
            let query = choice["definition"].as_str().unwrap();
            let inner = query.strip_prefix("label_values(").unwrap();
            let (metric, label) = inner.strip_suffix(')').unwrap().split_once(", ").unwrap();
            assert!(prometheus.has_label(metric, label), "{name}: {query}");
        }
    }
    gateway.stop();
}
