//! The source as the tidy tests read it: files, code without comments and strings, words.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the repository.
pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All `.rs` files below a folder of the repository: path from that folder, and text.
pub(super) fn files_of(folder: &str) -> Vec<(String, String)> {
    let folder = root().join(folder);
    let mut files = Vec::new();
    collect(&folder, &folder, &mut files);
    files.sort();
    files
}

fn collect(top: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            collect(top, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(top).unwrap().to_string_lossy();
            files.push((name.into_owned(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The product: `src` without its tests, wherever they stand.
pub(super) fn sources() -> Vec<(String, String)> {
    files_of("src")
        .into_iter()
        .filter(|(name, _)| !is_test(name))
        .map(|(name, text)| (name, production(&text).to_owned()))
        .collect()
}

/// Whether a file of `src` holds tests and nothing else.
fn is_test(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/")
}

/// The source without its inline tests, which stand at the end of a file.
fn production(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {")
        .map_or(text, |at| &text[..at])
}

/// The stage that a file of `src` belongs to.
pub(super) fn stage_of(file: &str) -> &str {
    file.split_once('/')
        .map_or(file.trim_end_matches(".rs"), |(stage, _)| stage)
}

/// Code as words and signs; `::` is one of them. Comments, strings and characters are left out.
pub(super) fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let first = rest.chars().next().unwrap_or_default();
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(length) = string(rest) {
            length
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(&rest[..length]);
            length
        } else {
            let length = if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if !first.is_whitespace() {
                tokens.push(&rest[..length]);
            }
            length
        };
        at += length;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the string or character that the code begins with.
fn string(rest: &str) -> Option<usize> {
    if let Some(raw) = rest.strip_prefix("r#\"").or(rest.strip_prefix("br#\"")) {
        let begin = rest.len() - raw.len();
        return raw.find("\"#").map(|end| begin + end + 2);
    }
    if rest.starts_with('"') {
        return Some(quoted(rest, '"'));
    }
    // A lifetime has no second quote.
    let mut chars = rest.strip_prefix('\'')?.chars();
    let (first, second) = (chars.next()?, chars.next()?);
    (first == '\\' || second == '\'').then(|| quoted(rest, '\''))
}

/// The length of what stands between two quotes, with them.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Fails with all problems at once.
#[track_caller]
pub(super) fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn words_are_found_and_strings_are_not() {
    let text =
        "use a::{b, c}; // d\nlet e = \"f \\\" g\"; let h: &'i str = r#\"j \" k\"#; '\\'' 'l'";
    let words: Vec<_> = tokens(text)
        .into_iter()
        .filter(|token| token.chars().all(is_word))
        .collect();
    assert_eq!(
        words,
        ["use", "a", "b", "c", "let", "e", "let", "h", "i", "str"]
    );
}
