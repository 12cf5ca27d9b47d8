//! CloudEvents 1.0 over HTTP: in which of its three modes a request is, and what its attributes are.
//!
//! | mode | by | the record |
//! | --- | --- | --- |
//! | binary | no content type of CloudEvents | the body is the value; each header `ce-NAME` becomes `ce_NAME`, decoded, and the content type `content-type`. Without a body the value is null |
//! | structured | `application/cloudevents+json` | the body is the value, and its content type the header `content-type` |
//! | batch | `application/cloudevents-batch+json` | each element as it would be by itself |
//!
//! So says the Kafka binding, and no payload is rewritten. In a structured event the body says all: `ce-` headers beside it are left out.
//!
//! **Tolerance.** The HTTP binding has senders percent-encode what isn't printable ASCII; of four SDKs one does. So a value is
//! unquoted and percent-decoded once where it has escapes that are some, else it stays. Bytes that are no UTF-8 were sent as
//! Latin-1. What only decoding makes invalid is refused, as the binding says.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;

use crate::http::answer::Problem;
use crate::http::shown::shown;

/// What begins the headers of attributes.
const PREFIX: &str = "ce-";
/// What begins their names in a record.
const RECORD_PREFIX: &str = "ce_";
/// What every event has.
pub(super) const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];
/// The content types of events, and what is between them and their format.
const EVENT: &str = "application/cloudevents";
const BATCH: &str = "-batch";
const JSON: &str = "+json";

/// How a request holds its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Attributes in headers, data in the body.
    Binary,
    /// The body is an event.
    Structured,
    /// The body is an array of events.
    Batch,
}

/// What the head of a request says of its events.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) mode: Mode,
    /// The record's content type.
    content_type: Option<Vec<u8>>,
    /// The attributes in binary mode: names without the prefix, in lower case.
    attributes: Vec<(String, Vec<u8>)>,
}

impl Said {
    /// Reads a head.
    pub(super) fn of(headers: &HeaderMap) -> Result<Said, Problem> {
        if headers.get_all(CONTENT_TYPE).iter().nth(1).is_some() {
            let detail = "header content-type is there more than once; send it once";
            return Err(bad("key_doubled", detail.into()));
        }
        let content_type = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
        let (mode, content_type) = mode_of(content_type)?;
        let mut attributes = Vec::new();
        let names = headers.keys().filter(|_| mode == Mode::Binary);
        for name in names {
            let Some(attribute) = name.as_str().strip_prefix(PREFIX) else {
                continue;
            };
            // The content type says it; readers take both. And an attribute has a name.
            if attribute == "datacontenttype" || attribute.is_empty() {
                continue;
            }
            let mut lines = headers.get_all(name).iter();
            let first = lines.next().map_or(&b""[..], |value| value.as_bytes());
            if lines.next().is_some() {
                return Err(bad(
                    "key_doubled",
                    format!("header {name} is there more than once; send it once"),
                ));
            }
            let value = decoded(first).ok_or_else(|| {
                bad(
                    "not_a_cloudevent",
                    format!("header {name} is not utf-8 once its escapes are undone"),
                )
            })?;
            attributes.push((attribute.to_owned(), value));
        }
        Ok(Said {
            mode,
            content_type,
            attributes,
        })
    }

    /// An attribute of an event in binary mode.
    pub(super) fn attribute(&self, name: &str) -> Option<&[u8]> {
        let mut all = self.attributes.iter();
        let (_, value) = all.find(|(known, value)| known == name && !value.is_empty())?;
        Some(value)
    }

    /// The record headers that each of its events has.
    pub(super) fn headers(&self) -> impl Iterator<Item = (Cow<'_, str>, &[u8])> {
        let content_type = self.content_type.as_deref();
        let content_type = content_type.map(|value| (Cow::Borrowed("content-type"), value));
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|(name, value)| {
            (
                Cow::Owned(format!("{RECORD_PREFIX}{name}")),
                value.as_slice(),
            )
        });
        content_type.into_iter().chain(attributes)
    }

    /// What it holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let content_type = self.content_type.as_ref().map_or(0, Vec::len);
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|(name, value)| name.len() + value.len() + 64);
        content_type + attributes.sum::<usize>()
    }
}

fn bad(code: &'static str, detail: String) -> Problem {
    Problem {
        close: true,
        ..Problem::new(StatusCode::BAD_REQUEST, code, detail)
    }
}

/// The mode by the content type, and the content type that records get.
fn mode_of(content_type: Option<&[u8]>) -> Result<(Mode, Option<Vec<u8>>), Problem> {
    let given = content_type.unwrap_or_default();
    let is_event = given
        .get(..EVENT.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(EVENT.as_bytes()));
    if !is_event {
        return Ok((Mode::Binary, content_type.map(<[u8]>::to_vec)));
    }
    let rest = &given[EVENT.len()..];
    let is_batch = rest
        .get(..BATCH.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(BATCH.as_bytes()));
    let (mode, format) = match is_batch {
        true => (Mode::Batch, &rest[BATCH.len()..]),
        false => (Mode::Structured, rest),
    };
    let is_json = format
        .get(..JSON.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(JSON.as_bytes()));
    let ends = format
        .get(JSON.len())
        .is_none_or(|byte| matches!(byte, b';' | b' ' | b'\t'));
    if !(is_json && ends) {
        let shown = shown(&String::from_utf8_lossy(given));
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let detail =
            format!("content type {shown} is not taken; send events as json, or in binary mode");
        return Err(Problem {
            close: true,
            ..Problem::new(status, "unsupported_media_type", detail)
        });
    }
    Ok((mode, Some([&given[..EVENT.len()], format].concat())))
}

/// The text of an attribute's header; none if only decoding made it invalid.
fn decoded(value: &[u8]) -> Option<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(value) else {
        return Some(
            value
                .iter()
                .copied()
                .map(char::from)
                .collect::<String>()
                .into(),
        );
    };
    let inside = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let text = match inside {
        Some(inside) if text.len() > 1 => Cow::Owned(unquoted(inside)),
        _ => Cow::Borrowed(text),
    };
    let plain: Vec<u8> = percent_encoding::percent_decode_str(&text).collect();
    String::from_utf8(plain).ok().map(String::into_bytes)
}

/// The text within quotes, where a backslash stands before what is meant as it is.
fn unquoted(inside: &str) -> String {
    let mut chars = inside.chars();
    let mut text = String::with_capacity(inside.len());
    while let Some(char) = chars.next() {
        match char {
            '\\' => text.extend(chars.next()),
            char => text.push(char),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn said(lines: &[(&str, &[u8])]) -> Result<Said, Problem> {
        let lines = lines.iter().map(|(name, value)| {
            (
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value).unwrap(),
            )
        });
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        Said::of(&headers)
    }

    #[test]
    fn the_mode_is_the_content_type_s_beginning() {
        for (given, mode, of_record) in [
            ("application/json", Mode::Binary, "application/json"),
            (
                "application/cloudevents+json",
                Mode::Structured,
                "application/cloudevents+json",
            ),
            (
                "Application/CloudEvents+JSON; charset=utf-8",
                Mode::Structured,
                "Application/CloudEvents+JSON; charset=utf-8",
            ),
            (
                "application/cloudevents-batch+json",
                Mode::Batch,
                "application/cloudevents+json",
            ),
            (
                "application/cloudevents-Batch+json;charset=UTF-8",
                Mode::Batch,
                "application/cloudevents+json;charset=UTF-8",
            ),
        ] {
            let said = said(&[("content-type", given.as_bytes())]).unwrap();
            let of_said = said.content_type.as_deref().map(String::from_utf8_lossy);
            assert_eq!(
                (said.mode, of_said.as_deref()),
                (mode, Some(of_record)),
                "{given}"
            );
        }
        assert_eq!(said(&[]).unwrap().mode, Mode::Binary);
        for other in [
            "application/cloudevents",
            "application/cloudevents+avro",
            "application/cloudevents-batch+jsonx",
        ] {
            let problem = said(&[("content-type", other.as_bytes())]).unwrap_err();
            assert_eq!(problem.status, 415, "{other}");
        }
    }

    #[test]
    fn what_sdks_send_as_attributes_is_understood() {
        for (sent, meant) in [
            (&b"user-1"[..], Some("user-1")),
            (b"K%C3%B6ln", Some("K\u{f6}ln")),
            ("K\u{f6}ln".as_bytes(), Some("K\u{f6}ln")),
            (b"K\xf6ln", Some("K\u{f6}ln")),
            (b"5%", Some("5%")),
            (b"\"a%20b \\\"c\\\"\"", Some("a b \"c\"")),
            (b"\"", Some("\"")),
            (b"%25", Some("%")),
            (b"%2541", Some("%41")),
            (b"%ff", None),
        ] {
            let found = decoded(sent).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(found.as_deref(), meant, "{sent:?}");
        }
        let said = said(&[
            ("Ce-Id", b"1"),
            ("ce-DataContentType", b"x"),
            ("x-ce-id", b"2"),
            ("ce-", b"3"),
        ])
        .unwrap();
        let headers: Vec<_> = said.headers().collect();
        assert_eq!(headers, [(Cow::Borrowed("ce_id"), &b"1"[..])]);
    }

    #[test]
    fn attributes_beside_a_body_that_says_all_are_left_out_and_none_is_there_twice() {
        let json = ("content-type", &b"application/cloudevents+json"[..]);
        let structured = said(&[json, ("ce-id", b"1")]).unwrap();
        assert_eq!(structured.headers().count(), 1);
        for name in ["ce-id", "content-type"] {
            let twice = said(&[(name, b"1"), (name, b"2")]).unwrap_err();
            assert_eq!(twice.code, "key_doubled", "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_by_the_binding_comes_back(text in "[ -~\u{e4}\u{20ac}\u{1f980}]{0,20}") {
            let mut encoded = String::new();
            for char in text.chars() {
                match char {
                    ' ' | '"' | '%' => encoded += &format!("%{:02X}", char as u32),
                    '!'..='~' => encoded.push(char),
                    char => char.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| encoded += &format!("%{byte:02X}")),
                }
            }
            prop_assert_eq!(decoded(encoded.as_bytes()), Some(text.into_bytes()));
        }

        #[test]
        fn any_bytes_are_utf8_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            if let Some(text) = decoded(&bytes) {
                prop_assert!(String::from_utf8(text).is_ok());
            }
        }
    }
}
