//! The paths that code names: `use` trees written out, and `a::b` wherever it stands.

use super::source::tokens;

/// Every path of two words and more; `use a::{b, c::d}` gives `a::b` and `a::c::d`, `as` names are dropped.
pub(super) fn paths(text: &str) -> Vec<Vec<&str>> {
    let mut all = Vec::new();
    let tokens = tokens(text);
    let mut at = 0;
    while at < tokens.len() {
        let begins = is_name(tokens[at]) && (at == 0 || tokens[at - 1] != "::");
        if begins && tokens.get(at + 1) == Some(&"::") {
            at = tree(&tokens, at, &[], &mut all);
        } else {
            at += 1;
        }
    }
    all.retain(|path| path.len() > 1);
    all
}

/// Reads one path, with the tree behind it, from `at` on; where it ends.
fn tree<'a>(
    tokens: &[&'a str],
    at: usize,
    before: &[&'a str],
    all: &mut Vec<Vec<&'a str>>,
) -> usize {
    let mut path = before.to_vec();
    let mut at = at;
    while tokens
        .get(at)
        .is_some_and(|token| is_name(token) || *token == "*")
    {
        path.push(tokens[at]);
        at += 1;
        if tokens.get(at) != Some(&"::") {
            break;
        }
        at += 1;
    }
    if tokens.get(at) != Some(&"{") || tokens.get(at - 1) != Some(&"::") {
        all.push(path);
        return at;
    }
    at += 1;
    while tokens.get(at).is_some_and(|token| *token != "}") {
        at = tree(tokens, at, &path, all);
        // `as name`, and the comma.
        while tokens
            .get(at)
            .is_some_and(|token| !matches!(*token, "," | "}"))
        {
            at += 1;
        }
        if tokens.get(at) == Some(&",") {
            at += 1;
        }
    }
    at + 1
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[test]
fn trees_are_written_out() {
    let text = "use super::{a, b::{self, C}, d::E as F}; fn g() { crate::h::i::<u8>(j) }";
    let paths: Vec<_> = paths(text).iter().map(|path| path.join("::")).collect();
    let expected = [
        "super::a",
        "super::b::self",
        "super::b::C",
        "super::d::E",
        "crate::h::i",
    ];
    assert_eq!(paths, expected);
}
