//! What a reload would change, and that nobody forgot a key.

use super::super::plan::{Effect, Plan};
use super::*;

const BASE: &str = "[clusters.ads]\nbootstrap = \"k1:9092\"\n[clusters.ads.kafka]\n\"sasl.password\" = \"old\"\n\
                    [streams.clicks]\ncluster = \"ads\"\n[streams.views]\ncluster = \"ads\"\nquota = 5\n";

/// What changes from `BASE` with `more` before it to `text`.
fn lines(more: &str, text: &str) -> Vec<String> {
    let old = load_text(&format!("{more}{BASE}"), &[]).unwrap();
    let new = load_text(text, &[]).unwrap();
    let plan = Plan::new(&old, &new);
    plan.changes.iter().map(ToString::to_string).collect()
}

#[test]
fn every_key_has_an_effect() {
    let unknown: Vec<_> = leaves()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| Effect::of(path).is_none())
        .collect();
    assert!(unknown.is_empty(), "plan.rs has no effect for {unknown:?}");
    assert_eq!(Effect::of(&["owners", "x"]), None);
}

#[test]
fn only_what_is_bound_at_the_start_needs_a_restart() {
    let all = leaves().into_iter().map(|(path, _)| path);
    let of_restart: Vec<_> = all
        .filter(|path| Effect::of(path) == Some(Effect::Restart))
        .map(|path| path.join("."))
        .collect();
    assert_eq!(
        of_restart,
        [
            "http.listen",
            "http.plain",
            "http.threads",
            "http.tls.listen",
            "spill.dir",
            "spill.segment",
            "admin.listen",
            "log.format"
        ]
    );
    let readme = include_str!("../../../README.md");
    let row = readme
        .lines()
        .find(|line| line.contains("| after a restart"));
    let missing = of_restart
        .iter()
        .filter(|key| !row.unwrap().contains(&format!("`{key}`")));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn the_same_configuration_changes_nothing() {
    assert_eq!(lines("", BASE), [""; 0]);
    let reference = std::fs::read_to_string(reference_path()).unwrap();
    let reference = reference.replace("${file:", "$${file:");
    let one = load_text(&reference, &[]).unwrap();
    assert!(Plan::new(&one, &one).is_empty());
    assert!(!Plan::new(&one, &Config::default()).is_empty());
}

#[test]
fn the_admin_port_gets_another_certificate_or_none_with_the_next_connection() {
    let with = "[admin.tls]\ncert = \"a.pem\"\nkey = \"a.key\"\n";
    assert_eq!(
        lines(with, BASE),
        [
            "admin.tls.cert: \"a.pem\" -> (default) [for new connections]",
            "admin.tls.key: \"a.key\" -> (default) [for new connections]",
        ]
    );
}

#[test]
fn each_change_is_told_with_what_it_means_and_no_secret_is() {
    let new = BASE
        .replace("\"old\"", "\"new\"")
        .replace("quota = 5", "topic = \"seen\"")
        .replace("[streams.clicks]", "[streams.installs]");
    let new = format!("[http]\nmax_body = \"1MiB\"\nthreads = 3\n{new}");
    assert_eq!(
        lines("[http]\nidle_timeout = \"1m\"\n", &new),
        [
            "clusters.ads.kafka.\"sasl.password\": *** -> *** [the cluster gets another client, when the old one holds nothing]",
            "http.idle_timeout: \"1m\" -> \"1m 15s\" [for new connections]",
            "http.max_body: \"4MiB\" -> \"1MiB\" [for new requests]",
            "http.threads: 0 -> 3 [needs a restart]",
            "streams.clicks [it is removed; what it took drains]",
            "streams.installs [it is added]",
            "streams.views.quota: 5 -> 0 [for new requests]",
            "streams.views.topic: (default) -> \"seen\" [new events go to the other topic when earlier ones have drained to the old one, or at once with drain = \"beside\"]",
        ]
    );
}

#[test]
fn what_needs_a_restart_is_named_and_what_is_touched_is_known() {
    let old = load_text(BASE, &[]).unwrap();
    let mut new = old.clone();
    new.spill.dir = "/elsewhere".into();
    new.http.threads = 7;
    new.streams.get_mut("views").unwrap().quota = 6;
    let plan = Plan::new(&old, &new);
    assert_eq!(plan.needs_restart(), ["http.threads", "spill.dir"]);
    assert!(plan.touches("streams", "views") && !plan.touches("streams", "view"));
    assert!(!plan.touches("clusters", "ads"));
}

#[test]
fn a_file_that_has_changed_is_told_once_and_of_its_cluster() {
    let old = load_text(BASE, &[]).unwrap();
    let mut new = old.clone();
    let moved = ("ssl.ca.location".to_owned(), "/elsewhere".to_owned());
    new.clusters.get_mut("ads").unwrap().kafka.extend([moved]);
    let mut plan = Plan::new(&old, &new);
    assert!(!plan.has_files_of("ads"));
    plan.note_file("ads", "ssl.ca.location");
    assert!(!plan.has_files_of("ads"), "its path is another");
    plan.note_file("ads", "ssl.key.location");
    assert!(plan.has_files_of("ads") && !plan.has_files_of("ad"));
    assert!(plan.touches("clusters", "ads"));
    let told: Vec<_> = plan.changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told[1],
        "clusters.ads.kafka.\"ssl.key.location\" [the file has changed; the cluster gets another client, when the old one holds nothing]"
    );
}

#[test]
fn the_hash_tells_configurations_apart_but_no_secrets() {
    use super::super::print::{effective, hash};
    let hash = |config| hash(&effective(config));
    let one = load_text(BASE, &[]).unwrap();
    let other = load_text(&BASE.replace("\"old\"", "\"new\""), &[]).unwrap();
    assert_eq!(hash(&one), hash(&other));
    let other = load_text(&BASE.replace("quota = 5", "quota = 6"), &[]).unwrap();
    assert_ne!(hash(&one), hash(&other));
}
