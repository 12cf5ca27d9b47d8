//! How long files and functions are: short enough to be read at one go. That holds for tests, benches and tools, too.

use super::source::{files_of, none, sources};

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;

/// Files that are longer, with the length they may have. The list only gets shorter, and so do the files.
const LONGER_FILES: &[(&str, usize)] = &[];

/// Functions that are longer, in the same way.
const LONGER_FUNCTIONS: &[(&str, &str, usize)] = &[
    (
        "tests/backlog.rs",
        "what_kafka_refuses_for_good_becomes_a_dead_letter",
        84,
    ),
    (
        "tests/kafka/harness_tests.rs",
        "three_brokers_fail_over_and_come_back",
        84,
    ),
    (
        "tests/lifecycle/admin.rs",
        "metrics_are_openmetrics_and_complete",
        85,
    ),
    (
        "tests/lifecycle/admin.rs",
        "status_and_the_page_show_every_cluster_and_stream",
        95,
    ),
    (
        "tests/lifecycle/start.rs",
        "what_keeps_it_from_starting_is_told_with_an_exit_code",
        76,
    ),
    (
        "tests/overload/full.rs",
        "a_full_lane_refuses_at_once_and_takes_no_part_of_a_request",
        77,
    ),
    (
        "tests/redrive.rs",
        "dead_letters_of_a_stopped_gateway_are_sent_again_when_what_was_wrong_is_mended",
        79,
    ),
];

/// All our Rust code, with the folder of the repository in the name.
fn everything() -> Vec<(String, String)> {
    let folders = ["src", "tests", "benches", "loadtest"];
    let of = |folder| {
        let files = files_of(folder).into_iter();
        files.map(move |(name, text)| (format!("{folder}/{name}"), text))
    };
    folders.into_iter().flat_map(of).collect()
}

#[test]
fn files_are_short() {
    let mut problems = Vec::new();
    let mut longer = LONGER_FILES.to_vec();
    for (file, text) in everything() {
        let lines = text.lines().count();
        let known = longer.iter().position(|(name, _)| *name == file);
        let allowed = known.map_or(FILE_LINES, |known| longer.swap_remove(known).1);
        if lines > allowed {
            problems.push(format!("{file} has {lines} lines, {allowed} are enough"));
        } else if known.is_some() && lines <= FILE_LINES {
            problems.push(format!("{file} has {lines} lines: take it out of the list"));
        }
    }
    problems.extend(
        longer
            .iter()
            .map(|(name, _)| format!("{name} is gone: take it out")),
    );
    none(problems);
}

#[test]
fn files_of_the_product_begin_with_what_they_promise() {
    let silent = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "));
    none(
        silent
            .map(|(file, _)| format!("src/{file} doesn't begin with `//! ` and what it is"))
            .collect(),
    );
}

#[test]
fn functions_fit_on_a_page() {
    let mut problems = Vec::new();
    let mut longer = LONGER_FUNCTIONS.to_vec();
    for (file, text) in everything() {
        for (line, name, lines) in functions(&text) {
            let known = longer
                .iter()
                .position(|(at, known, _)| *at == file && *known == name);
            let allowed = known.map_or(FUNCTION_LINES, |known| longer.swap_remove(known).2);
            if lines > allowed {
                problems.push(format!("{file}:{line}: {name} has {lines} lines"));
            } else if known.is_some() && lines <= FUNCTION_LINES {
                problems.push(format!(
                    "{file}:{line}: {name} has {lines} lines: take it out of the list"
                ));
            }
        }
    }
    problems.extend(
        longer
            .iter()
            .map(|(file, name, _)| format!("{file}: {name} is gone")),
    );
    none(problems);
}

/// The functions of a formatted file: the line where one begins, its name, and how many lines it has.
fn functions(text: &str) -> Vec<(usize, &str, usize)> {
    let mut found = Vec::new();
    let lines: Vec<_> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = begun(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let end = format!("{}}}", &line[..indent]);
        let rest = lines[at..].iter();
        // One without a body, or with all of it in a line, ends where it begins.
        let length = rest.take_while(|line| **line != end).count() + 1;
        let has_body = lines[at..]
            .iter()
            .take(length)
            .find(|line| line.ends_with('{') || line.ends_with(';') || line.ends_with('}'))
            .is_some_and(|line| line.ends_with('{'));
        if has_body {
            found.push((at + 1, name, length));
        }
    }
    found
}

/// The name of the function that begins in a line.
fn begun(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let modifiers = ["async", "const", "unsafe", "extern", "\"C\"", "pub"];
    let only_modifiers = before
        .split_whitespace()
        .all(|word| modifiers.contains(&word) || word.starts_with("pub("));
    let name = rest
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()?;
    (only_modifiers && !name.is_empty()).then_some(name)
}

#[test]
fn functions_are_measured() {
    let text = "impl A {\n    pub(crate) fn b(\n        c: u8,\n    ) -> u8 {\n        c\n    }\n\n    fn d() {}\n}\n";
    assert_eq!(functions(text), [(2, "b", 5)]);
}
