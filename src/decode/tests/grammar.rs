//! What JSON is, and what it isn't, after the manner of the JSONTestSuite.

use super::super::BodyError;
use super::{decode, decode_lines};

/// Texts that every parser has to accept.
const VALID: &[&str] = &[
    "[[]   ]",
    "[]",
    "{}",
    "[\"\"]",
    "{\"\":0}",
    "[1 ]",
    "[true,false,null]",
    " [1] ",
    "[1,null,null,2]",
    "[0]",
    "[-0]",
    "[-123]",
    "[20e1]",
    "[1E22]",
    "[1e-2]",
    "[1E+2]",
    "[123.456e78]",
    "[0e+1]",
    "[0.5]",
    "[123456789012345678901234567890]",
    "[1e999]",
    "[0.0000000000000000000000000000000000000000000000001]",
    "[-1.0e-00]",
    "{\"asd\":\"sdf\",\"dfg\":\"fgh\"}",
    "{\"a\":\"b\",\"a\":\"c\"}",
    "{\"foo\\u0000bar\":42}",
    "{\"min\":-1.0e+28,\"max\":1.0e+28}",
    "{\"a\":[]}",
    "{\n\"a\": \"b\"\n}",
    "{\"x\":[{\"id\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}],\"id\":\"x\"}",
    "[\"\\u0060\\u012a\\u12AB\"]",
    "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
    "[\"\\\\u0000\"]",
    "[\"\\uD800\"]",
    "[\"\\ud83d\\ude39\\ud83d\\udc8d\"]",
    "[\"\u{7f}\"]",
    "[\"a/*b*/c\"]",
    "[\"€𝄞\u{2028}\"]",
    "[\"\\uFFFF\"]",
    "[\"new\\u000Aline\"]",
    "\"\"",
    "42",
    "-0.1",
    "null",
    "true",
    "\"asd\"",
    "\t{\r\n\"a\"\t:\r1 ,\n\"b\" :2\r}\n",
];

/// Texts that every parser has to refuse.
const INVALID: &[&str] = &[
    "[1 true]",
    "[\"\": 1]",
    "[\"\"],",
    "[,1]",
    "[1,,2]",
    "[\"x\"]]",
    "[\"\",]",
    "[\"x\"",
    "[3[4]]",
    "[1:2]",
    "[,]",
    "[-]",
    "[   , \"\"]",
    "[1,]",
    "[1,,]",
    "[\"\\u000b\"\"",
    "[*]",
    "[\"\"",
    "[1,",
    "[nul]",
    "[tru]",
    "[fals]",
    "[True]",
    "[truee]",
    "[nulll]",
    "[-01]",
    "[-2.]",
    "[.2e-3]",
    "[0.e1]",
    "[0.3e+]",
    "[0.3e]",
    "[0E]",
    "[0E+]",
    "[1.0e+]",
    "[1.0e-]",
    "[1eE2]",
    "[2.e+3]",
    "[012]",
    "[1a]",
    "[+1]",
    "[++1]",
    "[1+2]",
    "[0x1]",
    "[Infinity]",
    "[-Infinity]",
    "[NaN]",
    "[- 1]",
    "[1.]",
    "[1 000]",
    "[-foo]",
    "[.1]",
    "[0.1.2]",
    "[1e1.5]",
    "[--1]",
    "[00]",
    "[\u{FF11}]",
    "[123\u{e5}]",
    "{\"x\", null}",
    "{\"x\"::\"b\"}",
    "{\"a\":\"a\" 123}",
    "{key: 'value'}",
    "{\"a\" b}",
    "{:\"b\"}",
    "{\"a\" \"b\"}",
    "{\"a\":",
    "{\"a\"",
    "{1:1}",
    "{null:null}",
    "{\"id\":0,,,,,}",
    "{'a':0}",
    "{\"id\":0,}",
    "{\"a\":\"b\"}/**/",
    "{\"a\":\"b\"}//",
    "{\"a\":/*c*/\"b\"}",
    "{\"a\":\"b\",,\"c\":\"d\"}",
    "{a:\"b\"}",
    "{\"a\":\"a",
    "{ \"foo\" : \"bar\", \"a\" }",
    "{\"a\":\"b\"}#",
    "{\"a\":}",
    "{\"a\":1 \"b\":2}",
    "[\"\\uD800\\\"]",
    "[\"\\u00A\"]",
    "[\"\\u\"]",
    "[\"\\u123g\"]",
    "[\"\\x00\"]",
    "[\"\\\\\\\"]",
    "[\"\\\u{9}\"]",
    "[\"\\🌀\"]",
    "[\"\\\"]",
    "[\"\\a\"]",
    "[\"\\U0041\"]",
    "[\"a\u{0}a\"]",
    "[\"new\nline\"]",
    "[\"\t\"]",
    "[\"\u{1f}\"]",
    "['single']",
    "\"",
    "[\"asd]",
    "[\\n]",
    "[\\u0020\"asd\"]",
    "<.>",
    "[<null>]",
    "[1]x",
    "[1]]",
    "]",
    "}",
    "{}}",
    "[}",
    "{]",
    "[{]}",
    "{\"a\":[}]",
    "[\u{c}]",
    "[\u{2060}]",
    "[\u{a0}1]",
    "{\"a\": true} \"x\"",
    "[\"a\",\n4\n,1,",
    "2@",
    "{\"\":[{\"\":[",
    "{,",
    "{",
    "[",
    "[{",
    "[\"",
    "[\"a",
    "{\"",
    "{[",
    "{\"a\":1,",
    "{\"a\":1,\"",
    "tru",
    "nul",
    "fals",
    "-",
    "[\u{FEFF}]",
    "\u{0}",
    "[1,\n1\n,1",
    "aå",
    "*",
    "{\"a\":[1,2}",
    "{\"a\":{\"b\":1]}",
];

fn is_valid(text: &str) -> bool {
    match decode(text.as_bytes()) {
        Ok(_) | Err(BodyError::NotObjectOrArray) => true,
        Err(BodyError::Malformed { offset, .. }) => {
            assert!(offset <= text.len(), "{text}");
            false
        }
        Err(other) => panic!("{text}: {other}"),
    }
}

/// `text` as the last and as another member of an event.
fn as_member(text: &str) -> [String; 3] {
    [
        format!(r#"{{"a":{text}}}"#),
        format!(r#"{{"a":{text},"b":"long enough for whole words"}}"#),
        format!(r#"[{{"a":[0,{text}]}},{{"b":"long enough for whole words"}}]"#),
    ]
}

#[test]
fn valid_texts_are_accepted() {
    for text in VALID {
        assert!(is_valid(text), "{text}");
        for wrapped in as_member(text) {
            assert!(is_valid(&wrapped), "{wrapped}");
        }
    }
}

#[test]
fn invalid_texts_are_refused() {
    for text in INVALID {
        assert!(!is_valid(text), "{text}");
        for wrapped in as_member(text) {
            assert!(!is_valid(&wrapped), "{wrapped}");
        }
    }
}

#[test]
fn no_part_of_a_valid_text_is_valid() {
    for text in VALID.iter().filter(|text| text.starts_with(['[', '{'])) {
        for wrapped in as_member(text) {
            for (end, _) in wrapped.char_indices().skip(1) {
                assert!(!is_valid(&wrapped[..end]), "{}", &wrapped[..end]);
            }
        }
    }
}

#[test]
fn a_quote_is_found_wherever_it_stands() {
    for length in 0..70 {
        let plain = "x".repeat(length);
        for filler in ["", "y", "0123456789abcdef0123456789abcdef"] {
            assert!(is_valid(&format!(
                r#"{{"{plain}":"{plain}","z":"{filler}"}}"#
            )));
            for bad in ["\u{0}", "\u{1f}", "\n", "\\", "\\x"] {
                let text = format!(r#"{{"a":"{plain}{bad}","z":"{filler}"}}"#);
                assert!(!is_valid(&text), "{text}");
            }
            for good in [
                "\\\"", "\\\\", "\\u00e4", "ä", "\u{7f}", " ", "!", "#", "[", "]",
            ] {
                let text = format!(r#"{{"a":"{plain}{good}{plain}","z":"{filler}"}}"#);
                assert!(is_valid(&text), "{text}");
            }
        }
    }
}

#[test]
fn a_number_ends_wherever_it_ends() {
    for length in 1..40 {
        let digits = "1".repeat(length);
        for (number, valid) in [
            (digits.clone(), true),
            (format!("-{digits}.{digits}"), true),
            (format!("{digits}e{digits}"), true),
            (format!("{digits}."), false),
            (format!("{digits}:"), false),
            (format!("{digits}/"), false),
            (format!("{digits}ä"), false),
        ] {
            for text in as_member(&number) {
                assert_eq!(is_valid(&text), valid, "{text}");
            }
        }
    }
}

#[test]
fn lines_keep_to_the_same_grammar() {
    for (texts, valid) in [(VALID, true), (INVALID, false)] {
        for text in texts.iter().filter(|text| !text.contains(['\n', '\r'])) {
            let body = format!("{text}\n{{}}");
            let out = decode_lines(body.as_bytes()).expect("lines");
            let malformed = out.rejected.iter().any(|r| r.code.as_str() == "malformed");
            assert_eq!(malformed, !valid, "{text}");
            assert_eq!(
                out.events.last().map(|event| event.index),
                Some(1),
                "{text}"
            );
        }
    }
}
