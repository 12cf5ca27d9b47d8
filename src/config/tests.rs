//! What people meet: messages with their places and hints, what wins over what, secrets, and the reference file.

mod bounds;
mod including;
mod loading;
mod planning;
mod reference;
mod routes;
mod secrets;
mod validating;

use std::path::PathBuf;

use super::Config;
use super::load::load;
use super::shape::Kind;

/// A configuration that validates, and nothing more.
const SMALL: &str =
    "[clusters.ads]\nbootstrap = \"k1:9092\"\n[streams.clicks]\ncluster = \"ads\"\n";

/// Loads `text` as a file, under `env`.
fn load_text(text: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("forebay.toml");
    std::fs::write(&file, text).unwrap();
    let env = env
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    let shown_dir = format!("{}/", dir.path().display());
    load(Some(&file), env).map_err(|error| error.to_string().replace(&shown_dir, ""))
}

/// What loading `text` under `env` complains of, line by line.
fn mistakes(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    let error = load_text(text, env).unwrap_err();
    let mut lines = error.lines();
    let heading = lines.next().unwrap();
    assert!(heading.contains(" mistake"), "no heading: {error}");
    let all: Vec<String> = lines.map(|line| line.trim().to_string()).collect();
    let plural = if all.len() == 1 {
        "mistake "
    } else {
        "mistakes "
    };
    assert!(
        heading.starts_with(&format!("{} {plural}", all.len())),
        "wrong count: {error}"
    );
    all
}

/// Every key that a configuration with one cluster and one stream can hold, with its kind. Maps are entered as `any`.
fn leaves() -> Vec<(Vec<&'static str>, Kind)> {
    fn collect(path: &[&'static str], leaves: &mut Vec<(Vec<&'static str>, Kind)>) {
        let inside = |key: &'static str| [path, &[key]].concat();
        match Kind::at(path).unwrap_or_else(|| panic!("{path:?} has no kind")) {
            Kind::Section(fields) => fields
                .iter()
                .for_each(|field| collect(&inside(field), leaves)),
            Kind::Named => collect(&inside("any"), leaves),
            kind => leaves.push((path.to_vec(), kind)),
        }
    }
    let mut leaves = Vec::new();
    collect(&[], &mut leaves);
    leaves
}

/// The reference configuration's path.
fn reference_path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/forebay.toml"))
}

/// What validation of `SMALL` with these lines after it, and under `env`, complains of.
fn problems(more: &str, env: &[(&str, &str)]) -> Vec<String> {
    let config =
        load_text(&format!("{SMALL}{more}"), env).unwrap_or_else(|error| panic!("{error}"));
    match config.validate() {
        Ok(()) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// Setting the one variable must lead to exactly this one problem.
fn refuses(name: &str, value: &str, expected: &str) {
    assert_eq!(
        problems("", &[(&format!("FOREBAY__{name}"), value)]),
        [expected],
        "{name}={value}"
    );
}

/// Setting the one variable must be fine.
fn takes(name: &str, value: &str) {
    assert_eq!(
        problems("", &[(&format!("FOREBAY__{name}"), value)]),
        [""; 0],
        "{name}={value}"
    );
}
