//! Bodies of JSON and NDJSON, and what routes want of them.

use super::reader::{At, Json, document, found};
use crate::auth::tests::dice::Dice;
use crate::decode::{Layout, Limits, Picked, Pointer, Settings, Value, pick_json, pick_ndjson};

/// A value as it's compared.
fn shown(value: Option<&At>, body: &[u8]) -> String {
    let Some(At { start, end, json }) = value else {
        return "missing".into();
    };
    let text = body[*start..*end].escape_ascii();
    match json {
        Json::Null => "null".into(),
        Json::Bare => format!("text {text}"),
        Json::Text(text) => format!("text {}", text.escape_ascii()),
        Json::Array(_) | Json::Object(_) => format!("json {text}"),
    }
}

fn shown_by_us(value: Value, body: &[u8]) -> String {
    match (value, value.text_or_json(body)) {
        (Value::Null, _) => "null".into(),
        (Value::Composite(_), Some(text)) => format!("json {}", text.escape_ascii()),
        (_, Some(text)) => format!("text {}", text.escape_ascii()),
        (_, None) => "missing".into(),
    }
}

/// What a body holds, as it's compared.
#[derive(Debug, Default, PartialEq)]
struct Held {
    /// From where to where each event goes, which one it is, and what is wanted of it.
    events: Vec<(usize, usize, u32, Vec<String>)>,
    rejected: Vec<(u32, &'static str)>,
    of_envelope: Vec<String>,
}

const OF_EVENT: [&str; 9] = [
    "/a",
    "/b",
    "/a/b",
    "/a/0",
    "/a/-1",
    "/b/-2/a",
    "/0/0",
    "/longer than eight/a",
    "/b/a/b",
];
const OF_ENVELOPE: [&str; 4] = ["/a", "/b", "/b/a", "/longer than eight"];

impl Held {
    fn add(&mut self, event: &At, index: u32, body: &[u8]) {
        match &event.json {
            Json::Object(_) => {
                let wanted = OF_EVENT.map(|pointer| shown(found(event, pointer), body));
                let (start, end) = (event.start, event.end);
                self.events.push((start, end, index, wanted.into()));
            }
            _ => self.rejected.push((index, "not_an_object")),
        }
    }

    /// What stands at the places where the events are, of which there must be one.
    fn places<'a>(value: &'a At, names: &[&str], all: &mut Vec<&'a At>) {
        let Some((name, inner)) = names.split_first() else {
            return all.push(value);
        };
        if let Json::Object(members) = &value.json {
            let named = members.iter().filter(|(known, _)| known == name.as_bytes());
            named.for_each(|(_, value)| Held::places(value, inner, all));
        }
    }

    fn of_json(body: &[u8], events: Option<&str>) -> Option<Held> {
        let document = document(body, 0)?;
        let mut held = Held::default();
        let names: Vec<_> = events.unwrap_or_default().split('/').skip(1).collect();
        let mut places = Vec::new();
        Held::places(&document, &names, &mut places);
        let [place] = places[..] else { return None };
        match &place.json {
            Json::Object(_) => held.add(place, 0, body),
            Json::Array(all) => {
                (0..)
                    .zip(all)
                    .for_each(|(index, event)| held.add(event, index, body));
            }
            _ => return None,
        }
        // Without a place for the events there's nothing around them.
        let around = OF_ENVELOPE.map(|pointer| {
            let value = events.and_then(|_| found(&document, pointer));
            shown(value, body)
        });
        held.of_envelope = around.into();
        Some(held)
    }

    fn of_lines(body: &[u8]) -> Option<Held> {
        let (mut held, mut from, mut index) = (Held::default(), 0, 0);
        for line in body.split(|byte| *byte == b'\n') {
            let end = from + line.len();
            let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            if !text.iter().all(|byte| b" \t\r".contains(byte)) {
                match document(&body[..end], from) {
                    Some(event) => held.add(&event, index, body),
                    None => held.rejected.push((index, "malformed")),
                }
                index += 1;
            }
            from = end + 1;
        }
        held.of_envelope = OF_ENVELOPE.map(|_| "missing".into()).into();
        (index > 0).then_some(held)
    }

    fn of_ours(body: &[u8], layout: &Layout, picked: &Picked) -> Held {
        let wanted = |position| {
            let numbers = 0..OF_EVENT.len();
            let values = numbers.map(|number| picked.of_event(layout, body, position, number));
            values.map(|value| shown_by_us(value, body)).collect()
        };
        let events = picked.decoded.events.iter().enumerate();
        let rejected = picked.decoded.rejected.iter();
        let around = (0..OF_ENVELOPE.len()).map(|number| picked.of_envelope(layout, body, number));
        Held {
            events: events
                .map(|(position, event)| {
                    let (start, end) = (event.start as usize, event.end as usize);
                    (start, end, event.index, wanted(position))
                })
                .collect(),
            rejected: rejected.map(|it| (it.index, it.code.as_str())).collect(),
            of_envelope: around.map(|value| shown_by_us(value, body)).collect(),
        }
    }
}

/// Appends some value, or nearly one.
fn write(dice: &mut Dice, depth: usize, out: &mut Vec<u8>) {
    const NAMES: [&str; 8] = [
        "a",
        "b",
        "a",
        "b",
        "0",
        "longer than eight",
        "\\u0061",
        "\\u0062\\n",
    ];
    const SCALARS: [&str; 20] = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "17",
        "1.5e-3",
        "1e999",
        "01",
        "-",
        "\"\"",
        "\"a\"",
        "\"a long text without any escape\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00x\"",
        "\"\u{e4}\u{1f600}\"",
        "\"{[,:\"",
        "123456789012",
    ];
    const SPACE: [&str; 8] = ["", "", "", "", "", " ", "\n", "\r\t "];
    let space = |dice: &mut Dice, out: &mut Vec<u8>| out.extend(dice.pick(&SPACE).bytes());
    let (close, count) = match if depth == 0 { 4 } else { dice.below(5) } {
        0 | 1 => (b'}', dice.below(4)),
        2 => (b']', dice.below(4)),
        _ => return out.extend(dice.pick(&SCALARS).bytes()),
    };
    out.push(close - 2);
    for number in 0..count {
        if number > 0 {
            out.push(b',');
        }
        space(dice, out);
        if close == b'}' {
            out.push(b'"');
            out.extend(dice.pick(&NAMES).bytes());
            out.extend(b"\":");
            space(dice, out);
        }
        write(dice, depth - 1, out);
        space(dice, out);
    }
    out.push(close);
}

fn limits() -> Limits {
    Settings::default().limits().unwrap()
}

fn layout(events: Option<&str>) -> Layout {
    let pointer = |text: &str| Pointer::parse(text).unwrap();
    let mut layout = Layout::new(events.map(pointer));
    for (number, text) in OF_EVENT.iter().enumerate() {
        assert_eq!(layout.want_of_event(&pointer(text)), Ok(number));
    }
    for (number, text) in OF_ENVELOPE.iter().enumerate() {
        assert_eq!(layout.want_of_envelope(&pointer(text)), Ok(number));
    }
    layout
}

#[test]
fn events_and_values_of_a_body_are_those_that_a_slow_reader_finds() {
    let places = [None, Some("/a"), Some("/b/a"), Some("/longer than eight")];
    let layouts = places.map(|events| (events, layout(events)));
    let make = |dice: &mut Dice| {
        let mut body = dice
            .pick(&[&b""[..], b"", b"", b"\xef\xbb\xbf", b" "])
            .to_vec();
        write(dice, 4, &mut body);
        body
    };
    Dice::try_inputs("json", make, |body| {
        let mut is_good = false;
        for (events, layout) in &layouts {
            let mut picked = Picked::default();
            let taken = pick_json(body, layout, &limits(), &mut picked);
            let held = taken.map(|()| Held::of_ours(body, layout, &picked));
            let expected = Held::of_json(body, *events);
            let shown = body.escape_ascii();
            assert_eq!(
                held.as_ref().ok(),
                expected.as_ref(),
                "{events:?} {held:?}: {shown}"
            );
            is_good |= held.is_ok_and(|held| !held.events.is_empty());
        }
        is_good
    });
}

#[test]
fn lines_are_taken_as_a_slow_reader_takes_each() {
    let layout = layout(None);
    let make = |dice: &mut Dice| {
        let mut body = Vec::new();
        for _ in 0..1 + dice.below(4) {
            body.extend(dice.pick(&[&b""[..], b"", b"", b"\xef\xbb\xbf", b" "]));
            write(dice, 3, &mut body);
            body.extend(dice.pick(&[&b"\n"[..], b"\n", b"\r\n", b"\n\n", b""]));
        }
        body
    };
    Dice::try_inputs("ndjson", make, |body| {
        let mut picked = Picked::default();
        let taken = pick_ndjson(body, &layout, &limits(), &mut picked);
        let held = taken.map(|()| Held::of_ours(body, &layout, &picked));
        let expected = Held::of_lines(body);
        let shown = body.escape_ascii();
        assert_eq!(held.as_ref().ok(), expected.as_ref(), "{held:?}: {shown}");
        held.is_ok_and(|held| !held.events.is_empty())
    });
}
