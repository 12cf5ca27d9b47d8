//! Forms, queries and cookies.

use crate::auth::tests::dice::{Dice, trimmed};
use crate::http::routes::fields::{cookie, field};

/// Undoes escapes, one byte after the other.
pub(super) fn plain(text: &[u8], is_form: bool) -> Vec<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let (mut all, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                all.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) if is_form => all.push(b' '),
            (byte, ..) => all.push(byte),
        }
        at += 1;
    }
    all
}

/// All fields, in their order.
fn all(fields: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for field in fields.split(|byte| *byte == b'&') {
        let mut parts = field.splitn(2, |byte| *byte == b'=');
        let mut part = || plain(parts.next().unwrap_or_default(), true);
        all.push((part(), part()));
    }
    all
}

const NAMES: [&str; 5] = ["a", "b c", "\u{e4}", "a[]", ""];

#[test]
fn a_field_is_the_first_that_a_slow_reader_finds() {
    let pieces: [&[u8]; 20] = [
        b"a", b"b+c", b"b%20c", b"%c3%a4", b"%C3%A4", b"a[]", b"a%5B%5d", b"=", b"=", b"=", b"&",
        b"&", b"&&", b"%", b"%2", b"%zz", b"%2541", b"1", b"\xff", b"%00",
    ];
    Dice::try_inputs(
        "fields",
        |dice| dice.pieces(&pieces, 12),
        |fields| {
            let all = all(fields);
            let mut is_good = false;
            for name in NAMES {
                let mut named = all.iter().filter(|(known, _)| known == name.as_bytes());
                let expected = named.find(|(_, value)| !value.is_empty());
                let expected = expected.map(|(_, value)| &value[..]);
                let found = field(fields, name);
                assert_eq!(
                    found.as_deref(),
                    expected,
                    "{name}: {}",
                    fields.escape_ascii()
                );
                is_good |= found.is_some();
            }
            is_good
        },
    );
}

/// The first cookie of this name that isn't empty, without quotes around it.
fn first_cookie(line: &[u8], name: &str) -> Option<Vec<u8>> {
    for pair in line.split(|byte| *byte == b';') {
        let pair = trimmed(pair);
        let Some(at) = pair.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let mut value = pair[at + 1..].to_vec();
        if value.len() >= 2 && value[0] == b'"' && value[value.len() - 1] == b'"' {
            value = value[1..value.len() - 1].to_vec();
        }
        if pair[..at] == *name.as_bytes() && !value.is_empty() {
            return Some(value);
        }
    }
    None
}

#[test]
fn a_cookie_is_the_first_that_a_slow_reader_finds() {
    let pieces: [&[u8]; 12] = [
        b"sid", b"sid=", b"asid=", b"=", b";", b"; ", b"; ", b"\"", b"\"\"", b"1", b"a b", b"\xff",
    ];
    Dice::try_inputs(
        "cookies",
        |dice| dice.pieces(&pieces, 12),
        |line| {
            let found = cookie(line, "sid").map(<[u8]>::to_vec);
            assert_eq!(found, first_cookie(line, "sid"), "{}", line.escape_ascii());
            found.is_some()
        },
    );
}
