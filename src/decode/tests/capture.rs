//! Values that are wanted, and what is found of them.

use super::super::{Captured, Decoded, json};
use super::{roomy, wanted};

/// What is at `pointer` in the one event of `body`, and its text.
fn capture(body: &str, pointer: &str) -> (Captured, Option<String>) {
    let mut out = Decoded::default();
    // As the key and as the id: they mustn't get into each other's way.
    let wanted = wanted(pointer, pointer);
    json(body.as_bytes(), &wanted, &roomy(), &mut out).expect(body);
    let event = out.events[0];
    assert_eq!(event.key, event.id, "{body} {pointer}");
    let text = event.key.text(body.as_bytes());
    let text = text.map(|text| String::from_utf8(text.into_owned()).expect("utf-8"));
    (event.key, text)
}

fn captured_text(body: &str, pointer: &str) -> Option<String> {
    capture(body, pointer).1
}

#[test]
fn values_are_captured_as_they_are() {
    let body = r#"{"s":"x y","e":"a\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00","n":-1.50e+3,
        "t":true,"f":false,"z":null,"o":{},"a":[1],"":"empty","u":"ä","q":""}"#;
    let text = |pointer| captured_text(body, pointer);
    assert_eq!(text("/s").as_deref(), Some("x y"));
    assert_eq!(text("/e").as_deref(), Some("a\"\\/\u{8}\u{c}\n\r\tä😀"));
    assert_eq!(text("/n").as_deref(), Some("-1.50e+3"));
    assert_eq!(text("/t").as_deref(), Some("true"));
    assert_eq!(text("/f").as_deref(), Some("false"));
    assert_eq!(text("/").as_deref(), Some("empty"));
    assert_eq!(text("/u").as_deref(), Some("ä"));
    assert_eq!(text("/q").as_deref(), Some(""));
    assert_eq!(capture(body, "/z"), (Captured::Null, None));
    assert_eq!(capture(body, "/o"), (Captured::Composite, None));
    assert_eq!(capture(body, "/a"), (Captured::Composite, None));
    assert_eq!(capture(body, "/a/1"), (Captured::Missing, None));
    assert_eq!(capture(body, "/s/x"), (Captured::Missing, None));
    assert!(matches!(capture(body, "/e").0, Captured::Escaped(_)));
    assert!(matches!(capture(body, "/s").0, Captured::Plain(_)));
}

#[test]
fn surrogates_without_their_other_half_become_replacement_characters() {
    let text = |inside: &str| captured_text(&format!(r#"{{"a":"{inside}"}}"#), "/a");
    assert_eq!(text(r"\ud83d").as_deref(), Some("\u{FFFD}"));
    assert_eq!(text(r"\ude00").as_deref(), Some("\u{FFFD}"));
    assert_eq!(text(r"\ud83dx\ude00").as_deref(), Some("\u{FFFD}x\u{FFFD}"));
    assert_eq!(text(r"\ud83d\u0041").as_deref(), Some("\u{FFFD}A"));
    assert_eq!(text(r"\ud83d\ud83d\ude00").as_deref(), Some("\u{FFFD}😀"));
    assert_eq!(text(r"\uD83D\uDE00").as_deref(), Some("😀"));
    assert_eq!(text(r"\u0000").as_deref(), Some("\0"));
}

#[test]
fn pointers_lead_through_objects_and_arrays() {
    let body = r#"{"a":{"x":0,"b":[10,[],{"c":"deep"},[1,2,[3]]]},"b":1,"0":"zero"}"#;
    let text = |pointer| captured_text(body, pointer);
    assert_eq!(text("/a/b/0").as_deref(), Some("10"));
    assert_eq!(text("/a/b/2/c").as_deref(), Some("deep"));
    assert_eq!(text("/a/b/3/2/0").as_deref(), Some("3"));
    assert_eq!(text("/b").as_deref(), Some("1"));
    assert_eq!(text("/0").as_deref(), Some("zero"));
    for nowhere in [
        "/a/b/4",
        "/a/b/00",
        "/a/b/-",
        "/a/b/2/c/d",
        "/x",
        "/c",
        "/a/b/1/0",
    ] {
        assert_eq!(text(nowhere), None, "{nowhere}");
    }
}

#[test]
fn the_key_and_the_id_are_told_apart() {
    let body = br#"[{"device":{"id":"d1","x":1},"id":"e1"},{"id":"e2","device":{"id":7}},{}]"#;
    let mut out = Decoded::default();
    json(body, &wanted("/device/id", "/id"), &roomy(), &mut out).expect("events");
    let text = |captured: Captured| captured.text(body).map(|text| text.into_owned());
    let pairs: Vec<_> = out
        .events
        .iter()
        .map(|e| (text(e.key), text(e.id)))
        .collect();
    let some = |text: &str| Some(text.as_bytes().to_vec());
    assert_eq!(
        pairs,
        [
            (some("d1"), some("e1")),
            (some("7"), some("e2")),
            (None, None)
        ]
    );
}

#[test]
fn the_last_of_duplicate_members_counts() {
    let text = |body, pointer| captured_text(body, pointer);
    assert_eq!(text(r#"{"a":1,"a":2}"#, "/a").as_deref(), Some("2"));
    assert_eq!(
        text(r#"{"a":{"b":1},"a":{"b":2}}"#, "/a/b").as_deref(),
        Some("2")
    );
    assert_eq!(text(r#"{"a":{"b":1},"a":{}}"#, "/a/b"), None);
    assert_eq!(text(r#"{"a":{"b":1},"a":3}"#, "/a/b"), None);
    assert_eq!(text(r#"{"a":[1],"a":[]}"#, "/a/0"), None);
    assert_eq!(capture(r#"{"a":1,"a":null}"#, "/a").0, Captured::Null);
}

#[test]
fn keys_are_compared_unescaped_and_to_their_end() {
    let text = |body, pointer| captured_text(body, pointer);
    assert_eq!(text(r#"{"\u0061\/b":1}"#, "/a~1b").as_deref(), Some("1"));
    assert_eq!(
        text(r#"{"m~n":1,"m~1n":2}"#, "/m~01n").as_deref(),
        Some("2")
    );
    assert_eq!(text(r#"{"a\"b":1}"#, "/a\"b").as_deref(), Some("1"));
    let long = r#"{"device_i":1,"device_id":2,"device_idfa":3,"devic":4}"#;
    assert_eq!(text(long, "/device_id").as_deref(), Some("2"));
    assert_eq!(text(long, "/device_").as_deref(), None);
    assert_eq!(text(long, "/devic").as_deref(), Some("4"));
    assert_eq!(
        text(r#"{"idfa_0":1,"id":2,"i":3}"#, "/id").as_deref(),
        Some("2")
    );
    assert_eq!(
        text(r#"{"sevens7":1,"eights_8":2}"#, "/sevens7").as_deref(),
        Some("1")
    );
    assert_eq!(
        text(r#"{"sevens7":1,"eights_8":2}"#, "/eights_8").as_deref(),
        Some("2")
    );
}
