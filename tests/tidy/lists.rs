//! Each test of this program is in one list, by decision: `tests/lists.txt` has them, and `.ci/run` runs them.

use std::collections::BTreeMap;
use std::process::Command;

use super::source::{none, root};

/// What the short list must have a test of: the promises of README and `src/lib.rs`.
const PROMISES: &[&str] = &[
    "contract",
    "routes",
    "access",
    "owners",
    "tls",
    "order",
    "no-loss",
    "refused",
    "memory",
    "disk",
    "dead-letters",
    "rights",
    "restart",
    "stop",
    "hostile",
    "redrive",
    "isolation",
    "told",
    "reload",
    "proof",
];

/// A line of the file: the list, the promise if the list is short, and the test.
fn lines(text: &str) -> Vec<(&str, Option<&str>, &str)> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(
            |line| match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["short", promise, test] => ("short", Some(promise), test),
                ["full", test] => ("full", None, test),
                _ => panic!(
                    "tests/lists.txt: {line:?} is neither `short PROMISE TEST` nor `full TEST`"
                ),
            },
        )
        .collect()
}

#[test]
fn each_test_is_in_one_list() {
    let text = std::fs::read_to_string(root().join("tests/lists.txt")).unwrap();
    let lines = lines(&text);
    let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, _, test) in &lines {
        *listed.entry(*test).or_default() += 1;
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).arg("--list").output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let mut problems = Vec::new();
    for test in output
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
    {
        match listed.remove(test) {
            Some(1) => {}
            Some(times) => problems.push(format!("{test} is there {times} times")),
            None => problems.push(format!("{test} is in no list: decide, in tests/lists.txt")),
        }
    }
    problems.extend(listed.keys().map(|test| format!("there is no test {test}")));
    for (_, promise, test) in &lines {
        if promise.is_some_and(|promise| !PROMISES.contains(&promise)) {
            problems.push(format!(
                "{test}: there is no such promise; there are {PROMISES:?}"
            ));
        }
    }
    for promise in PROMISES {
        if !lines.iter().any(|(_, kept, _)| *kept == Some(*promise)) {
            problems.push(format!("the short list has no test of {promise}"));
        }
    }
    none(problems);
}
