//! The decoder beside `serde_json`, on texts that nobody thought of.
//!
//! They differ in two ways, neither of which comes up here: `serde_json` as used below has
//! no limit of depth, and ours is 128, more than is generated. Both leave surrogates and
//! the size of numbers alone, as only the grammar is checked.

use super::super::{BodyError, Captured, Decoded, Pointer, Wanted, json, ndjson};
use super::{decode, roomy};
use proptest::prelude::*;
use proptest::sample::Index;
use serde::de::IgnoredAny;
use serde_json::Value;

/// Any value; with few different keys, so that pointers find something.
fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e6..1e6).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z\"\\\\ä😀\n]{0,24}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        3 => "[abc]",
        1 => Just("campaign_id".to_owned()),
        1 => Just("0".to_owned()),
        1 => "[a-c\"\\\\/~ä]{0,12}",
    ];
    proptest::collection::btree_map(key, inner, 0..6)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// Choices that are the same for the same seed.
struct Whims(u64);

impl Whims {
    fn one_in(&mut self, n: u64) -> bool {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).is_multiple_of(n)
    }

    fn space(&mut self, out: &mut String) {
        while self.one_in(4) {
            let space = [' ', '\t', '\r', '\n'][(self.0 >> 40) as usize % 4];
            out.push(space);
        }
    }

    /// A string, some of whose characters are escaped without need.
    fn string(&mut self, text: &str, out: &mut String) {
        out.push('"');
        for character in text.chars() {
            if self.one_in(12) {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            } else {
                let quoted = serde_json::to_string(&character).expect("a string");
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
        }
        out.push('"');
    }

    fn render(&mut self, value: &Value, out: &mut String) {
        match value {
            Value::String(text) => self.string(text, out),
            Value::Array(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    self.separate(at, out);
                    self.render(element, out);
                }
                self.space(out);
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                // Now and then, a member comes twice; the values of the last pass count.
                let members: Vec<_> = members.iter().collect();
                let twice = if self.one_in(8) {
                    members.clone()
                } else {
                    Vec::new()
                };
                let early = twice
                    .into_iter()
                    .rev()
                    .map(|(key, value)| (key, value, true));
                let late = members.into_iter().map(|(key, value)| (key, value, false));
                for (at, (key, value, early)) in early.chain(late).enumerate() {
                    self.separate(at, out);
                    self.string(key, out);
                    self.space(out);
                    out.push(':');
                    self.space(out);
                    if early && self.one_in(2) {
                        out.push_str(r#"{"a":{"b":"early"},"0":["early",[1]]}"#);
                    } else {
                        self.render(value, out);
                    }
                }
                self.space(out);
                out.push('}');
            }
            other => out.push_str(&other.to_string()),
        }
    }

    fn separate(&mut self, at: usize, out: &mut String) {
        self.space(out);
        if at > 0 {
            out.push(',');
            self.space(out);
        }
    }
}

fn rendered(value: &Value, seed: u64) -> String {
    let mut text = String::new();
    Whims(seed).render(value, &mut text);
    text
}

/// All the pointers that lead somewhere in `value`, and some that don't.
fn pointers(value: &Value, path: &str, out: &mut Vec<String>) {
    out.push(format!("{path}/a"));
    out.push(format!("{path}/0"));
    match value {
        Value::Object(members) => {
            for (key, inner) in members {
                let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                out.push(path.clone());
                pointers(inner, &path, out);
            }
        }
        Value::Array(elements) => {
            for (at, inner) in elements.iter().enumerate() {
                let path = format!("{path}/{at}");
                out.push(path.clone());
                pointers(inner, &path, out);
            }
        }
        _ => {}
    }
}

fn pick(value: &Value, which: &Index) -> String {
    let mut all = Vec::new();
    pointers(value, "", &mut all);
    which.get(&all).clone()
}

/// Whether `captured` is what `serde_json` found.
fn same(captured: Captured, body: &str, expected: Option<&Value>) -> bool {
    let text = captured.text(body.as_bytes());
    let text = text.map(|text| String::from_utf8(text.into_owned()).expect("utf-8"));
    match (expected, captured, text) {
        (None, Captured::Missing, None) | (Some(Value::Null), Captured::Null, None) => true,
        (Some(Value::Array(_) | Value::Object(_)), Captured::Composite, None) => true,
        (Some(Value::String(expected)), _, Some(text)) => text == *expected,
        // Read again rather than written: serde_json reads some fractions one digit off, so
        // that writing its value doesn't give the text it came from.
        (Some(expected), Captured::Plain(_), Some(text)) => {
            serde_json::from_str::<Value>(&text).is_ok_and(|value| value == *expected)
        }
        _ => false,
    }
}

/// Whether `body` is JSON as far as we are concerned.
fn accepted(body: &[u8]) -> bool {
    matches!(decode(body), Ok(_) | Err(BodyError::NotObjectOrArray))
}

fn accepted_by_serde(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Bytes that matter to JSON, and others.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => proptest::sample::select(&b"{}[]:,\"\\ \n\t0123456789-+.eEtrufalsn/bx"[..]),
        1 => any::<u8>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_survived(body in proptest::collection::vec(byte(), 0..200)) {
        let pointer = |text| Pointer::parse(text).ok();
        let wanted = Wanted { key: pointer("/a/0"), id: pointer("/e") };
        let mut out = Decoded::default();
        for decode in [json, ndjson] {
            if decode(&body, &wanted, &roomy(), &mut out).is_ok() {
                prop_assert_eq!(out.events.len() + out.rejected.len(), out.total as usize);
                for event in &out.events {
                    let source = event.bytes(&body).expect("within the body");
                    let braces = source.starts_with(b"{") && source.ends_with(b"}");
                    prop_assert!(braces);
                    prop_assert!(accepted_by_serde(source));
                }
            }
        }
        prop_assert_eq!(accepted(&body), accepted_by_serde(&body));
    }

    #[test]
    fn values_are_found_as_by_serde(
        event in object(value()),
        seed: u64,
        key: Index,
        id: Index,
    ) {
        let text = rendered(&event, seed);
        let event: Value = serde_json::from_str(&text).expect("valid json");
        let (key, id) = (pick(&event, &key), pick(&event, &id));
        let wanted = super::wanted(&key, &id);
        let mut out = Decoded::default();
        let padded = format!(" {text}\n");
        json(padded.as_bytes(), &wanted, &roomy(), &mut out).expect("valid json");
        let found = out.events[0];
        prop_assert_eq!(found.bytes(padded.as_bytes()), Some(text.as_bytes()));
        prop_assert!(same(found.key, &padded, event.pointer(&key)), "{key} {:?}", found.key);
        prop_assert!(same(found.id, &padded, event.pointer(&id)), "{id} {:?}", found.id);
    }

    #[test]
    fn arrays_and_lines_are_taken_apart(
        values in proptest::collection::vec(prop_oneof![object(value()), value()], 0..8),
        seed: u64,
    ) {
        let texts: Vec<String> = values.iter().map(|value| rendered(value, seed)).collect();
        let objects = || texts.iter().zip(&values).filter(|(_, value)| value.is_object());
        let mut out = Decoded::default();

        let body = format!("[ {}\n]", texts.join(" ,"));
        json(body.as_bytes(), &Wanted::default(), &roomy(), &mut out).expect("valid json");
        prop_assert_eq!(out.total as usize, values.len());
        let expected: Vec<&str> = objects().map(|(text, _)| text.as_str()).collect();
        prop_assert_eq!(super::sources(&out, body.as_bytes()), expected);

        let one_line = |text: &String| text.replace(['\n', '\r'], " ");
        let lines: Vec<String> = texts.iter().map(one_line).collect();
        let body = lines.join("\r\n");
        if !lines.is_empty() {
            ndjson(body.as_bytes(), &Wanted::default(), &roomy(), &mut out).expect("lines");
            prop_assert_eq!(out.total as usize, values.len());
            let expected: Vec<String> = objects().map(|(text, _)| one_line(text)).collect();
            prop_assert_eq!(super::sources(&out, body.as_bytes()), expected);
        }
    }

    #[test]
    fn mutations_are_judged_as_by_serde(
        event in object(value()),
        seed: u64,
        changes in proptest::collection::vec((any::<Index>(), 0..4_u8, byte(), any::<Index>()), 1..4),
    ) {
        let mut body = rendered(&event, seed).into_bytes();
        for (at, kind, byte, other) in changes {
            if body.is_empty() {
                break;
            }
            let at = at.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                2 => drop(body.remove(at)),
                _ => {
                    let other = other.index(body.len());
                    body.swap(at, other);
                }
            }
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        prop_assert_eq!(accepted(&body), accepted_by_serde(&body), "{}", text);
    }
}
