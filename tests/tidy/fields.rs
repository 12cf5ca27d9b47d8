//! The fields of the log: `deploy/logs.md` has all that are written, and no other.

use std::collections::BTreeSet;

use super::source::{root, sources};

/// What is within the brackets of a call, up to the first text: `file = %it, error` of `info!(file = %it, error, "…")`.
fn before_the_words(call: &str) -> &str {
    let (mut depth, mut is_text) = (0, false);
    for (at, char) in call.char_indices() {
        match char {
            '"' if is_text => is_text = false,
            _ if is_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            ')' => return &call[..at],
            // The words, which no "=" gives to a field.
            '"' if depth == 0 && !call[..at].trim_end().ends_with(['=', ':']) => {
                return &call[..at];
            }
            '"' => is_text = true,
            _ => {}
        }
    }
    call
}

/// The names of fields in the arguments of a call.
fn fields(arguments: &str) -> Vec<&str> {
    let (mut depth, mut from, mut all) = (0, 0, Vec::new());
    for (at, char) in arguments.char_indices() {
        match char {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                all.push(&arguments[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    let names = all.into_iter().map(|argument| {
        let name = argument.split('=').next().unwrap_or_default();
        name.trim().trim_start_matches(['%', '?'])
    });
    names
        .filter(|name| !name.is_empty() && !name.starts_with("target:"))
        .collect()
}

#[test]
fn each_field_of_the_log_is_documented_and_each_documented_one_is_written() {
    let page = std::fs::read_to_string(root().join("deploy/logs.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let documented: BTreeSet<_> = cells
        .flat_map(|it| it.split('`').skip(1).step_by(2))
        .collect();
    let sources = sources();
    let mut written = BTreeSet::from(["timestamp", "level", "target", "message"]);
    for (_, text) in &sources {
        for level in ["error", "warn", "info", "debug", "trace", "$level"] {
            let begun = format!("tracing::{level}!(");
            let calls = text.split(&begun).skip(1);
            written.extend(calls.flat_map(|call| fields(before_the_words(call))));
        }
    }
    let unknown: Vec<_> = written.difference(&documented).collect();
    assert!(unknown.is_empty(), "not in deploy/logs.md: {unknown:?}");
    let stale: Vec<_> = documented.difference(&written).collect();
    assert!(stale.is_empty(), "nobody writes: {stale:?}");
}
