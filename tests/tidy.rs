//! The written rules about the source, run as tests: who may import whom, sizes, docs, banned words.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The import table of `src/lib.rs`. A stage may import itself and what stands here.
const IMPORTS: &[(&str, &[&str])] = &[
    ("cli", &[]),
    (
        "commands",
        &[
            "app",
            "cli",
            "config",
            "event",
            "lifecycle",
            "produce",
            "route",
            "spill",
            "telemetry",
        ],
    ),
    (
        "app",
        &[
            "admin",
            "budget",
            "config",
            "http",
            "lane",
            "lifecycle",
            "produce",
            "route",
            "spill",
        ],
    ),
    (
        "admin",
        &[
            "budget",
            "http",
            "lane",
            "lifecycle",
            "produce",
            "spill",
            "telemetry",
        ],
    ),
    (
        "http",
        &[
            "budget",
            "decode",
            "event",
            "lane",
            "lifecycle",
            "produce",
            "receipt",
            "route",
            "telemetry",
        ],
    ),
    (
        "config",
        &[
            "admin",
            "decode",
            "http",
            "lane",
            "lifecycle",
            "produce",
            "route",
            "spill",
            "telemetry",
        ],
    ),
    (
        "lane",
        &[
            "budget",
            "event",
            "produce",
            "receipt",
            "route",
            "spill",
            "telemetry",
        ],
    ),
    ("spill", &[]),
    ("produce", &["receipt", "telemetry"]),
    ("route", &["decode"]),
    ("decode", &[]),
    ("receipt", &["budget", "event"]),
    ("budget", &[]),
    ("event", &[]),
    ("telemetry", &[]),
    ("lifecycle", &[]),
];

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The source without its inline tests, which stand at the end of a file.
fn production(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {")
        .map_or(text, |at| &text[..at])
}

fn sources() -> Vec<(String, String)> {
    let folder = root().join("src");
    let name = |path: &Path| {
        path.strip_prefix(&folder)
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    let is_test = |name: &str| name.ends_with("tests.rs") || name.contains("/tests/");
    rust_files(&folder)
        .iter()
        .map(|path| (name(path), fs::read_to_string(path).unwrap()))
        .filter(|(name, _)| !is_test(name))
        .map(|(name, text)| (name, production(&text).to_owned()))
        .collect()
}

#[track_caller]
fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

fn stage_of(file: &str) -> &str {
    file.split_once('/')
        .map_or(file.trim_end_matches(".rs"), |(stage, _)| stage)
}

/// The stages that a source names by `crate::`.
fn imports(text: &str) -> Vec<&str> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or_default()
        })
        .filter(|stage| !stage.is_empty())
        .collect()
}

#[test]
fn stages_import_only_what_the_table_allows() {
    let table: BTreeMap<_, _> = IMPORTS.iter().copied().collect();
    let mut problems = Vec::new();
    for (file, text) in sources() {
        let stage = stage_of(&file);
        if matches!(stage, "lib" | "main") {
            continue;
        }
        let Some(allowed) = table.get(stage) else {
            problems.push(format!(
                "src/{file}: stage {stage} isn't in the import table"
            ));
            continue;
        };
        // `use crate::{produce, route}` names several at once.
        for group in text.split("use crate::{").skip(1) {
            let names = group.split('}').next().unwrap_or_default().split(',');
            let stages = names
                .map(|name| name.trim().split("::").next().unwrap_or_default())
                .filter(|name| !name.is_empty());
            problems.extend(
                stages
                    .filter(|name| *name != stage && !allowed.contains(name))
                    .map(|name| format!("src/{file} imports {name}")),
            );
        }
        for import in imports(&text) {
            if import != stage && !allowed.contains(&import) {
                problems.push(format!("src/{file} imports {import}"));
            }
        }
    }
    none(problems);
}

#[test]
fn settings_are_all_that_the_configuration_takes_from_stages() {
    let config: Vec<_> = sources()
        .into_iter()
        .filter(|(file, _)| file.starts_with("config/"))
        .collect();
    let mut problems = Vec::new();
    for (file, text) in config {
        for stage in imports(&text)
            .into_iter()
            .filter(|stage| *stage != "config")
        {
            let marker = format!("crate::{stage}::");
            for rest in text.split(&marker).skip(1) {
                let word = rest
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap_or_default();
                let allowed = [
                    "Settings",
                    "settings",
                    "Format",
                    "OnMissingKey",
                    "Ack",
                    "KeySource",
                    "Pointer",
                    "SettingsError",
                    "key",
                ];
                if !word.is_empty() && !allowed.contains(&word) {
                    problems.push(format!("src/{file} takes {stage}::{word}"));
                }
            }
        }
    }
    none(problems);
}

#[test]
fn files_are_short_and_begin_with_what_they_promise() {
    let mut problems = Vec::new();
    for (file, text) in sources() {
        let lines = text.lines().count();
        if lines > FILE_LINES {
            problems.push(format!(
                "src/{file} has {lines} lines, {FILE_LINES} are enough"
            ));
        }
        if !text.starts_with("//! ") {
            problems.push(format!(
                "src/{file} doesn't begin with `//! ` and what it is"
            ));
        }
    }
    none(problems);
}

#[test]
fn functions_fit_on_a_page() {
    let mut problems = Vec::new();
    for (file, text) in sources() {
        let mut open: Option<(usize, usize, String)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let code = line.trim_start();
            let begins = code.contains("fn ")
                && !code.starts_with("//")
                && (code.starts_with("fn ")
                    || code.starts_with("pub")
                    || code.starts_with("async fn")
                    || code.starts_with("unsafe fn")
                    || code.starts_with("const fn"));
            if open.is_none() && begins && !code.ends_with(';') {
                open = Some((number, indent, code.to_owned()));
            }
            if let Some((start, at, name)) = &open
                && indent == *at
                && (code == "}" || code.ends_with(" }") && number == *start)
            {
                let lines = number - start + 1;
                if lines > FUNCTION_LINES {
                    problems.push(format!(
                        "src/{file}:{} has {lines} lines: {name}",
                        start + 1
                    ));
                }
                open = None;
            }
        }
    }
    none(problems);
}

#[test]
fn words_that_have_no_place_in_the_product() {
    let banned = [
        ("unbounded_channel", "every queue has a bound"),
        (".unwrap()", "say what must hold, or return an error"),
        ("dbg!(", "a left-over"),
        ("todo!(", "unfinished"),
        ("unimplemented!(", "unfinished"),
        (
            "std::env::var(",
            "only `commands` reads the environment, for `config::load`",
        ),
        ("RD_KAFKA_MSG_F_FREE |", "another allocator's memory"),
    ];
    let mut problems = Vec::new();
    for (file, text) in sources() {
        for (word, why) in banned {
            if text.contains(word) {
                problems.push(format!("src/{file} has {word:?}: {why}"));
            }
        }
    }
    none(problems);
}

#[test]
fn unsafe_code_is_in_one_folder() {
    let with = sources()
        .into_iter()
        .filter(|(_, text)| text.contains("unsafe {") || text.contains("unsafe impl"));
    none(
        with.map(|(file, _)| file)
            .filter(|file| !file.starts_with("produce/native/"))
            .collect(),
    );
}

#[test]
fn metric_names_stand_in_one_file() {
    let mut problems = Vec::new();
    for (file, text) in sources() {
        // `telemetry::encode` writes what it is given.
        let mut encoded = text.split("encode_descriptor(").skip(1);
        let names =
            encoded.any(|call| file != "telemetry/encode.rs" || call.trim_start().starts_with('"'));
        if file != "telemetry/metrics.rs" && (names || text.contains("\"forebay_")) {
            problems.push(format!("src/{file} names a metric"));
        }
    }
    none(problems);
}
