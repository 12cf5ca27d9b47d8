//! Who may import whom. The table stands in `src/lib.rs`, where people read it; here it is held.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::paths;
use super::source::{none, root, sources, stage_of};

/// The table of `src/lib.rs`: a stage, and what it may import beside itself.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let page = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let (_, section) = page.split_once("//! # Who may import whom\n").unwrap();
    let section = section.split("\n//! # ").next().unwrap();
    let rows = section
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `"));
    let row = |row: &str| {
        let mut names = row.split('`').step_by(2).map(str::trim);
        let stage = names.next().unwrap().to_owned();
        (
            stage,
            row.split('`')
                .skip(2)
                .step_by(2)
                .map(str::to_owned)
                .collect(),
        )
    };
    rows.map(row).collect()
}

#[test]
fn the_table_has_each_stage_once_and_no_circle() {
    let page = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let stages: BTreeSet<_> = page
        .lines()
        .filter_map(|line| {
            line.trim_start_matches("pub ")
                .strip_prefix("mod ")?
                .strip_suffix(';')
        })
        .map(str::to_owned)
        .collect();
    let mut left = table();
    assert_eq!(left.keys().cloned().collect::<BTreeSet<_>>(), stages);
    // What imports nothing of the rest goes first, again and again.
    loop {
        let names: BTreeSet<_> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, imports| !imports.is_disjoint(&names));
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "circles of stages among {left:?}");
}

#[test]
fn stages_import_only_what_the_table_allows() {
    let table = table();
    let mut problems = Vec::new();
    for (file, text) in sources() {
        let stage = stage_of(&file);
        let Some(allowed) = table.get(stage) else {
            continue;
        };
        for path in paths(&text) {
            if let ["crate", import, ..] = path[..]
                && import != stage
                && !allowed.contains(import)
            {
                problems.push(format!("src/{file} imports {}", path.join("::")));
            }
        }
    }
    none(problems);
}

#[test]
fn settings_are_all_that_the_configuration_takes_from_stages() {
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
        // What a stage says of its settings.
        "check",
    ];
    let mut problems = Vec::new();
    for (file, text) in sources() {
        if stage_of(&file) != "config" {
            continue;
        }
        for path in paths(&text) {
            if let ["crate", stage, word, ..] = path[..]
                && stage != "config"
                && !allowed.contains(&word)
            {
                problems.push(format!("src/{file} takes {}", path.join("::")));
            }
        }
    }
    none(problems);
}
