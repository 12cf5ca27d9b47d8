//! Routes' bodies against a slow reader of whole documents, serde_json.

use proptest::prelude::*;
use serde_json::{Map, Value as Json};

use super::super::{BodyError, Layout, Limits, Picked, Pointer, Settings, Value};
use super::super::{pick_json, pick_ndjson};

fn limits() -> Limits {
    Settings::default().limits().unwrap()
}

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).unwrap()
}

/// A value as it's compared: its text, or its JSON, or what else it is.
fn shown(value: Value, body: &[u8]) -> String {
    match value {
        Value::Missing => "missing".into(),
        Value::Null => "null".into(),
        Value::Composite(span) => {
            let json: Json = serde_json::from_slice(span.of(body).unwrap()).unwrap();
            format!("json {json}")
        }
        scalar => {
            let text = scalar.text(body).unwrap();
            format!("text {}", String::from_utf8(text.into_owned()).unwrap())
        }
    }
}

/// The same of a whole document.
fn found(document: &Json, pointer: &str) -> String {
    let step = |value: &Json, name: &str| match value {
        Json::Object(members) => members.get(name).cloned(),
        Json::Array(elements) => match name.strip_prefix('-') {
            Some(back) => {
                let at = elements.len().checked_sub(back.parse().ok()?)?;
                elements.get(at).cloned()
            }
            None if name.len() > 1 && name.starts_with('0') => None,
            None => elements.get(name.parse::<usize>().ok()?).cloned(),
        },
        _ => None,
    };
    let mut value = Some(document.clone());
    for name in pointer.split('/').skip(1) {
        value = value.and_then(|value| step(&value, name));
    }
    match value {
        None => "missing".into(),
        Some(Json::Null) => "null".into(),
        Some(Json::String(text)) => format!("text {text}"),
        Some(composite @ (Json::Array(_) | Json::Object(_))) => format!("json {composite}"),
        Some(scalar) => format!("text {scalar}"),
    }
}

#[track_caller]
fn check(body: &str, events: Option<&str>, of_event: &[&str], of_envelope: &[&str]) {
    let mut layout = Layout::new(events.map(pointer));
    let numbers: Vec<_> = of_event
        .iter()
        .map(|text| layout.want_of_event(&pointer(text)).unwrap())
        .collect();
    let outer: Vec<_> = of_envelope
        .iter()
        .map(|text| layout.want_of_envelope(&pointer(text)).unwrap())
        .collect();
    let mut picked = Picked::default();
    pick_json(body.as_bytes(), &layout, &limits(), &mut picked).unwrap();
    let document: Json = serde_json::from_str(body).unwrap();
    let held = events.map_or(Some(&document), |events| document.pointer(events));
    let all = match held.unwrap() {
        Json::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    let objects: Vec<_> = all.iter().filter(|event| event.is_object()).collect();
    assert_eq!(picked.decoded.events.len(), objects.len());
    assert_eq!(picked.decoded.total as usize, all.len());
    for (position, (event, object)) in picked.decoded.events.iter().zip(objects).enumerate() {
        let bytes = event.bytes(body.as_bytes()).unwrap();
        assert_eq!(&serde_json::from_slice::<Json>(bytes).unwrap(), object);
        for (number, text) in numbers.iter().zip(of_event) {
            let value = picked.of_event(&layout, body.as_bytes(), position, *number);
            assert_eq!(shown(value, body.as_bytes()), found(object, text), "{text}");
        }
    }
    for (number, text) in outer.iter().zip(of_envelope) {
        let value = picked.of_envelope(&layout, body.as_bytes(), *number);
        assert_eq!(
            shown(value, body.as_bytes()),
            found(&document, text),
            "{text}"
        );
    }
}

#[test]
fn members_of_the_envelope_are_found_before_and_behind_the_events() {
    let of_event = ["/userId", "/anonymousId", "/context/ip", "/messageId"];
    let of_envelope = ["/sentAt", "/writeKey", "/context", "/context/library/name"];
    for body in [
        r#"{"batch":[{"userId":null,"anonymousId":"a","messageId":"1","context":{"ip":"::1"}},{"userId":7}],"sentAt":"x","writeKey":"W"}"#,
        r#"{"messageId":"2","sentAt":"x","batch":[{"type":"track","context":{"k":["v"]},"userId":"u\n"}],"context":{"library":{"name":"go"}}}"#,
        r#" { "batch" : [ ] , "sentAt" : null } "#,
        r#"{"batch":{"userId":"one"},"writeKey":{"a":1}}"#,
        r#"{"batch":[1,{"userId":"u"},"x",[{}]]}"#,
    ] {
        check(body, Some("/batch"), &of_event, &of_envelope);
    }
}

#[test]
fn elements_are_counted_from_the_end() {
    let body = r#"{"device_ids":[{"type":"vidaaid","value":"1"},{"type":"custom","value":"d9"}],"-1":{"value":2},"e":[]}"#;
    check(
        body,
        None,
        &[
            "/device_ids/-1/value",
            "/device_ids/-2/value",
            "/device_ids/-3/value",
            "/device_ids/0/value",
            "/device_ids/-1",
            "/-1/value",
            "/e/-1",
            "/device_ids/-0",
        ],
        &[],
    );
}

fn refusal(body: &str, events: Option<&str>) -> BodyError {
    let layout = Layout::new(events.map(pointer));
    pick_json(body.as_bytes(), &layout, &limits(), &mut Picked::default()).unwrap_err()
}

#[test]
fn what_has_no_events_where_they_should_be_is_refused() {
    for body in [
        "{}",
        r#"{"batch":null}"#,
        r#"{"batch":7}"#,
        r#"{"data":{"batch":[]}}"#,
        "[]",
        "7",
    ] {
        let error = refusal(body, Some("/batch"));
        assert!(
            matches!(&error, BodyError::NoEvents { pointer } if pointer == "/batch"),
            "{body}: {error}"
        );
    }
    assert_eq!(refusal("7", None), BodyError::NotObjectOrArray);
    assert_eq!(refusal("  ", Some("/batch")), BodyError::Empty);
    for body in [
        r#"{"batch":[{}],"batch":[{}]}"#,
        r#"{"batch":[{}]"#,
        r#"{"batch":[{}],}"#,
        r#"{"batch":[{}]} x"#,
        r#"{"batch":[{},]}"#,
        r#"{"a":[01],"batch":[{}]}"#,
        &format!(
            r#"{{"a":{},"batch":[{{}}]}}"#,
            "[".repeat(200) + &"]".repeat(200)
        ),
    ] {
        let error = refusal(body, Some("/batch"));
        assert!(
            matches!(error, BodyError::Malformed { .. }),
            "{body}: {error}"
        );
    }
}

#[test]
fn a_name_is_another_than_one_that_begins_like_it() {
    let names = [
        "",
        "i",
        "id",
        "idfa",
        "sevenxx",
        "eightxxx",
        "eightxxxx",
        "nine\"xxx:",
    ];
    let pointers: Vec<_> = names.iter().map(|name| format!("/{name}")).collect();
    let pointers: Vec<_> = pointers
        .iter()
        .map(String::as_str)
        .chain(["/a\":\"b"])
        .collect();
    for body in [
        r#"{"":0,"i":1,"id":2,"idfa":3,"sevenxx":4,"eightxxx":5,"eightxxxx":6,"nine\"xxx:":7}"#,
        r#"{"a":"b","idf":1,"sevenx":2,"sevenxxx":3,"eightxx":4,"eightxxxy":5}"#,
        r#"{"\u0069d":1,"":"","a\":\"b":2,"eightxxxx" :3,"i"	:4}"#,
        r#"{"i":1}"#,
        r#"{"":1}"#,
    ] {
        check(body, None, &pointers, &[]);
    }
}

#[test]
fn more_members_than_there_are_bits_are_refused() {
    let mut layout = Layout::default();
    let add = |layout: &mut Layout, at: usize| layout.want_of_event(&pointer(&format!("/m{at}/x")));
    for at in 0..64 {
        assert_eq!(add(&mut layout, at), Ok(at));
    }
    assert!(add(&mut layout, 64).is_err());
    assert_eq!(layout.want_of_event(&pointer("/m3/y")), Ok(64));
    assert_eq!(add(&mut layout, 3), Ok(3));
}

#[test]
fn lines_are_picked_one_by_one() {
    let mut layout = Layout::default();
    let number = layout.want_of_event(&pointer("/a/b")).unwrap();
    let body = b"{\"a\":{\"b\":1}}\n\n[]\n{\"a\"\n{\"a\":{\"b\":\"\\u0041\"}}";
    let mut picked = Picked::default();
    pick_ndjson(body, &layout, &limits(), &mut picked).unwrap();
    let found: Vec<_> = (0..2)
        .map(|position| shown(picked.of_event(&layout, body, position, number), body))
        .collect();
    assert_eq!(found, ["text 1", "text A"]);
    assert_eq!(picked.decoded.rejected.len(), 2);
    assert_eq!(
        pick_ndjson(b"\n", &layout, &limits(), &mut picked),
        Err(BodyError::Empty)
    );
}

/// Documents whose members have few names, so that pointers hit.
fn document() -> impl Strategy<Value = Json> {
    let name = prop::sample::select(vec!["a", "b", "0", "-1", "x~", "longer than eight"]);
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        "[a-z\"\\\\é\n]{0,12}".prop_map(Json::from),
    ];
    scalar.prop_recursive(4, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((name.clone(), inner), 0..5).prop_map(|members| {
                let members = members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Json::from(members.collect::<Map<_, _>>())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_picked_is_what_a_reader_of_the_document_finds(
        event in document(), other in document(), is_pretty in any::<bool>(),
    ) {
        let pointers = ["/a", "/b", "/a/b", "/a/0", "/a/-1", "/b/-2/a", "/0/0", "/-1/a", "/longer than eight/a/b"];
        let mut envelope = Map::new();
        envelope.insert("b".into(), other);
        envelope.insert("data".into(), serde_json::json!({ "batch": [event, {}, 1] }));
        envelope.insert("a".into(), Json::from(vec![1, 2]));
        let document = Json::from(envelope);
        let text = match is_pretty {
            true => serde_json::to_string_pretty(&document).unwrap(),
            false => document.to_string(),
        };
        check(&text, Some("/data/batch"), &pointers, &pointers);
    }

    #[test]
    fn any_bytes_are_picked_or_refused(body in "[\\[\\]{}\",:ab\\\\0-9 \n-]{0,60}", at_root in any::<bool>()) {
        let events = (!at_root).then(|| pointer("/a"));
        let mut layout = Layout::new(events);
        for text in ["/a", "/b/0", "/b/-1/a"] {
            layout.want_of_event(&pointer(text)).unwrap();
            layout.want_of_envelope(&pointer(text)).unwrap();
        }
        let mut picked = Picked::default();
        let is_picked = pick_json(body.as_bytes(), &layout, &limits(), &mut picked).is_ok();
        let is_json = serde_json::from_str::<Json>(&body).is_ok();
        // Numbers that serde_json can't hold are none of ours to refuse.
        prop_assert!(!is_picked || is_json || body.contains(|byte: char| byte.is_ascii_digit()), "{body}");
        for position in 0..picked.decoded.events.len() {
            for number in 0..3 {
                let value = picked.of_event(&layout, body.as_bytes(), position, number);
                drop(value.text_or_json(body.as_bytes()));
            }
        }
        drop(pick_ndjson(body.as_bytes(), &layout, &limits(), &mut picked));
    }
}
