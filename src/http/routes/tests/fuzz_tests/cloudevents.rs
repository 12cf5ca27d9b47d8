//! CloudEvents: what heads say of them, and which bodies are some.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::fields::plain;
use super::reader::{At, Json, document, found};
use crate::auth::tests::dice::Dice;
use crate::decode::{Picked, Settings};
use crate::http::routes::cloudevents::{Mode, REQUIRED, Said};
use crate::http::routes::endpoint::Endpoint;
use crate::http::routes::head::Head;
use crate::http::routes::read::{Read, decode};

/// What a head says, as it's compared: the mode, and the headers of records.
type Shown = Option<(Mode, Vec<(String, Vec<u8>)>)>;

/// The text of an attribute. What is no UTF-8 was sent as Latin-1.
fn text_of(value: &[u8]) -> Option<Vec<u8>> {
    if std::str::from_utf8(value).is_err() {
        let all = value.iter().map(|byte| char::from(*byte));
        return Some(all.collect::<String>().into_bytes());
    }
    let mut text = value.to_vec();
    if text.len() >= 2 && text[0] == b'"' && text[text.len() - 1] == b'"' {
        let inside = &value[1..value.len() - 1];
        text.clear();
        let mut is_escaped = false;
        for byte in inside {
            is_escaped = *byte == b'\\' && !is_escaped;
            if !is_escaped {
                text.push(*byte);
            }
        }
    }
    let text = plain(&text, false);
    std::str::from_utf8(&text).is_ok().then_some(text)
}

/// A content type in lower case, and what it says: nothing if it's one of CloudEvents that isn't taken.
fn mode_of(given: &[u8]) -> Option<(Mode, Vec<u8>)> {
    let lower = given.to_ascii_lowercase();
    if !lower.starts_with(b"application/cloudevents") {
        return Some((Mode::Binary, given.to_vec()));
    }
    let names = [
        (Mode::Structured, "application/cloudevents+json"),
        (Mode::Batch, "application/cloudevents-batch+json"),
    ];
    for (mode, name) in names {
        let Some(rest) = lower.strip_prefix(name.as_bytes()) else {
            continue;
        };
        if rest.is_empty() || b"; \t".contains(&rest[0]) {
            let begin = &given[.."application/cloudevents".len()];
            let end = &given[name.len() - "+json".len()..];
            return Some((mode, [begin, end].concat()));
        }
    }
    None
}

fn slowly(lines: &[(String, Vec<u8>)]) -> Shown {
    let mut types = lines.iter().filter(|(name, _)| name == "content-type");
    let given = types.next();
    if types.next().is_some() {
        return None;
    }
    let (mode, of_record) = match given {
        None => (Mode::Binary, None),
        Some((_, given)) => mode_of(given).map(|(mode, of_record)| (mode, Some(of_record)))?,
    };
    let mut all = Vec::from_iter(of_record.map(|value| ("content-type".to_owned(), value)));
    for (name, value) in lines.iter().filter(|_| mode == Mode::Binary) {
        let Some(attribute) = name.strip_prefix("ce-") else {
            continue;
        };
        if attribute.is_empty() || attribute == "datacontenttype" {
            continue;
        }
        let name = format!("ce_{attribute}");
        if all.iter().any(|(known, _)| *known == name) {
            return None;
        }
        all.push((name, text_of(value)?));
    }
    all.sort();
    Some((mode, all))
}

/// Lines of a head that HTTP would let through.
fn lines(input: &[u8]) -> Vec<(String, Vec<u8>)> {
    let lines = input.split(|byte| *byte == b'\n');
    let pair = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..at]).ok()?;
        HeaderValue::from_bytes(&line[at + 1..]).ok()?;
        Some((name.as_str().to_owned(), line[at + 1..].to_vec()))
    };
    lines.filter_map(pair).collect()
}

fn headers(lines: &[(String, Vec<u8>)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

const TYPES: [&[u8]; 10] = [
    b"application/json",
    b"application/cloudevents+json",
    b"Application/CloudEvents+JSON; charset=utf-8",
    b"application/cloudevents-batch+json",
    b"application/cloudevents-BATCH+json;charset=utf-8",
    b"application/cloudevents",
    b"application/cloudevents+avro",
    b"application/cloudevents+jsonx",
    b"application/cloudevents-batch",
    b"",
];

#[test]
fn a_head_says_what_a_slow_reader_reads_in_it() {
    let names: [&[u8]; 9] = [
        b"ce-id",
        b"Ce-Source",
        b"ce-type",
        b"ce-specversion",
        b"ce-",
        b"ce-datacontenttype",
        b"ce-x",
        b"x-ce-id",
        b"ce-time",
    ];
    let pieces: [&[u8]; 14] = [
        b"a",
        b"1.0",
        b" ",
        b"%20",
        b"%C3%B6",
        b"\xc3\xb6",
        b"\xf6",
        b"%",
        b"%25",
        b"%ff",
        b"\"",
        b"\"",
        b"\\",
        b"\\\"",
    ];
    let make = |dice: &mut Dice| {
        let mut input = Vec::new();
        if !dice.once_in(3) {
            input.extend([&b"content-type:"[..], dice.pick(&TYPES), b"\n"].concat());
        }
        for _ in 0..dice.below(5) {
            let quote = dice.pick(&[&b""[..], b"", b"\""]);
            let value = dice.pieces(&pieces, 6);
            let name = dice.pick(&names);
            input.extend([name, b":", quote, &value, quote, b"\n"].concat());
        }
        input
    };
    Dice::try_inputs("cloudevents_heads", make, |input| {
        let lines = lines(input);
        let found = Said::of(&headers(&lines)).ok().map(|said| {
            let headers = said.headers();
            let headers = headers.map(|(name, value)| (name.into_owned(), value.to_vec()));
            let mut headers: Vec<_> = headers.collect();
            headers.sort();
            (said.mode, headers)
        });
        assert_eq!(found, slowly(&lines), "{}", input.escape_ascii());
        found.is_some()
    });
}

/// Whether an object has what every event has: a text that isn't empty, or a number, as some SDKs write it.
fn is_event(object: &At) -> bool {
    REQUIRED.iter().all(|name| {
        let value = found(object, &format!("/{name}"));
        value.is_some_and(|value| match &value.json {
            Json::Text(text) => !text.is_empty(),
            Json::Bare => true,
            _ => false,
        })
    })
}

/// The places of events of a body, and whether each is one that is taken.
fn events(body: &[u8], mode: Mode) -> Option<Vec<(usize, usize, bool)>> {
    let document = document(body, 0)?;
    let all = match (mode, &document.json) {
        (Mode::Structured, Json::Object(_)) => vec![document],
        (Mode::Batch, Json::Array(all)) => all.clone(),
        _ => return None,
    };
    let objects = all.iter().filter(|it| matches!(it.json, Json::Object(_)));
    let event = |at: &At| (at.start, at.end, is_event(at));
    Some(objects.map(event).collect())
}

/// An event or some, or nearly.
fn some_body(dice: &mut Dice) -> Vec<u8> {
    let values = [
        "\"1.0\"",
        "\"x\"",
        "\"x\"",
        "\"/a\"",
        "\"\"",
        "1",
        "null",
        "{}",
        "[1]",
        "true",
        "\"\\u0000\"",
    ];
    let object = |dice: &mut Dice, out: &mut Vec<u8>| {
        let mut names = REQUIRED.to_vec();
        names.extend(["data", "i\\u0064"]);
        let odd = dice.below(2 * names.len());
        let members = names.iter().enumerate().map(|(number, name)| {
            let value = match number == odd {
                true => dice.pick(&values),
                false => "\"x\"",
            };
            format!("\"{name}\":{value}")
        });
        let mut members: Vec<_> = members.collect();
        if dice.once_in(4) {
            members.remove(dice.below(members.len()));
        }
        out.extend(format!("{{{}}}", members.join(",")).bytes());
    };
    let mut body = Vec::new();
    if dice.once_in(2) {
        object(dice, &mut body);
        return body;
    }
    body.push(b'[');
    for number in 0..dice.below(3) {
        body.extend(if number > 0 { &b","[..] } else { b" " });
        object(dice, &mut body);
    }
    body.push(b']');
    body
}

#[test]
fn a_body_has_the_events_that_a_slow_reader_finds() {
    let text = "paths = [\"/ce\"]\nbody = \"cloudevents\"\nstream = \"raw\"";
    let endpoint: Endpoint = super::super::endpoint("ce", text).unwrap();
    let limits = Settings::default().limits().unwrap();
    let heads = [Mode::Structured, Mode::Batch].map(|mode| {
        let of = if mode == Mode::Batch {
            TYPES[3]
        } else {
            TYPES[1]
        };
        let line = ("content-type".to_owned(), of.to_vec());
        let said = Said::of(&headers(&[line])).ok().unwrap();
        assert_eq!(said.mode, mode);
        let mut head = Head::default();
        head.said = Some(said);
        (mode, head)
    });
    Dice::try_inputs("cloudevents_bodies", some_body, |body| {
        let mut is_good = false;
        for (mode, head) in &heads {
            let mut picked = Picked::default();
            let taken = decode(&endpoint, head, body, &limits, &mut picked);
            let read = Read {
                endpoint: &endpoint,
                head,
                body,
                picked: &picked,
                around: &[],
                sender: None,
            };
            let all = picked.decoded.events.iter().enumerate();
            let all = all.map(|(position, event)| {
                let is_taken = read.fault(position).is_none();
                (event.start as usize, event.end as usize, is_taken)
            });
            let found: Option<Vec<_>> = taken.is_ok().then(|| all.collect());
            assert_eq!(
                found,
                events(body, *mode),
                "{mode:?}: {}",
                body.escape_ascii()
            );
            is_good |= found.is_some_and(|all| all.iter().any(|(.., is_taken)| *is_taken));
        }
        is_good
    });
}
