//! What the decoder promises, rule by rule.

mod block;
mod capture;
mod encoding;
mod grammar;
mod pick;
mod properties;

use super::{
    BodyError, Decoded, Limits, Pointer, PointerError, RejectCode, Settings, SettingsError, Wanted,
    json, ndjson,
};
use bytesize::ByteSize;

fn limits(max_events: u32, max_event: u64, max_depth: u16) -> Limits {
    let settings = Settings {
        max_events,
        max_event: ByteSize::b(max_event),
        max_depth,
    };
    settings.limits().expect("limits within the range")
}

fn roomy() -> Limits {
    limits(1_000_000, 1 << 30, 128)
}

fn wanted(key: &str, id: &str) -> Wanted {
    let pointer = |text: &str| Pointer::parse(text).expect("a valid pointer");
    Wanted {
        key: Some(pointer(key)),
        id: Some(pointer(id)),
    }
}

fn decode(body: &[u8]) -> Result<Decoded, BodyError> {
    let mut out = Decoded::default();
    json(body, &Wanted::default(), &roomy(), &mut out).map(|()| out)
}

fn decode_lines(body: &[u8]) -> Result<Decoded, BodyError> {
    let mut out = Decoded::default();
    ndjson(body, &Wanted::default(), &roomy(), &mut out).map(|()| out)
}

fn sources<'b>(out: &Decoded, body: &'b [u8]) -> Vec<&'b str> {
    let source = |event: &super::Event| {
        std::str::from_utf8(event.bytes(body).expect("within the body")).expect("utf-8")
    };
    out.events.iter().map(source).collect()
}

fn codes(out: &Decoded) -> Vec<(u32, &'static str)> {
    let code = |rejected: &super::Rejected| (rejected.index, rejected.code.as_str());
    out.rejected.iter().map(code).collect()
}

#[test]
fn an_event_is_the_bytes_as_sent_without_the_space_around() {
    let body = b" \r\n\t{ \"a\" : [ 1 , { } ] }  \n";
    let out = decode(body).expect("an event");
    assert_eq!(sources(&out, body), [r#"{ "a" : [ 1 , { } ] }"#]);
    assert_eq!((out.total, out.events[0].index), (1, 0));

    let body = b"[ {} , {\"a\":1},{} ]";
    let out = decode(body).expect("events");
    assert_eq!(sources(&out, body), ["{}", r#"{"a":1}"#, "{}"]);
    assert_eq!(out.total, 3);
}

#[test]
fn an_empty_array_is_no_error_but_nothing_is() {
    assert_eq!(decode(b"[ ]").expect("no events").total, 0);
    assert_eq!(decode(b"").expect_err("empty"), BodyError::Empty);
    assert_eq!(decode(b" \n").expect_err("empty"), BodyError::Empty);
    assert_eq!(
        decode_lines(b"\n \r\n").expect_err("empty"),
        BodyError::Empty
    );
}

#[test]
fn other_values_than_objects_are_rejected_one_by_one() {
    let body = br#"[1,{"a":1},"x",null,true,[{}],{"b":2},-0.5e3]"#;
    let out = decode(body).expect("a valid array");
    assert_eq!(sources(&out, body), [r#"{"a":1}"#, r#"{"b":2}"#]);
    assert_eq!(out.events[1].index, 6);
    let expected: Vec<_> = [0, 2, 3, 4, 5, 7].map(|at| (at, "not_an_object")).into();
    assert_eq!(codes(&out), expected);
    assert_eq!(
        out.rejected[4].detail,
        "the event is an array; send a json object"
    );
    for body in ["1", " \"x\" ", "null", "true", "-1.5"] {
        let error = decode(body.as_bytes()).expect_err(body);
        assert_eq!(error, BodyError::NotObjectOrArray, "{body}");
    }
}

#[test]
fn large_events_are_rejected_and_the_limit_itself_is_allowed() {
    let body = br#"[{"a":1},{"a":12},{}]"#;
    let mut out = Decoded::default();
    json(body, &Wanted::default(), &limits(9, 7, 9), &mut out).expect("a valid array");
    assert_eq!(sources(&out, body), [r#"{"a":1}"#, "{}"]);
    assert_eq!(codes(&out), [(1, "event_too_large")]);
    assert!(out.rejected[0].detail.contains("8 bytes, 7 are allowed"));
}

#[test]
fn deep_events_are_rejected_and_what_follows_is_found() {
    let limits = limits(9, 1000, 3);
    let mut out = Decoded::default();
    let deep = br#"[{"a":[[1]]},{"a":[[[1,"]}\"",{"b":[]}]]],"c":{}},{"z":[{}]}]"#;
    json(deep, &Wanted::default(), &limits, &mut out).expect("a valid array");
    assert_eq!(sources(&out, deep), [r#"{"a":[[1]]}"#, r#"{"z":[{}]}"#]);
    assert_eq!(codes(&out), [(1, "too_deep")]);

    let lines = b"{\"a\":[[[]]]}\n{}\n{\"a\":[[[]]]} x\n";
    ndjson(lines, &Wanted::default(), &limits, &mut out).expect("lines");
    assert_eq!(codes(&out), [(0, "too_deep"), (2, "malformed")]);
    assert_eq!(out.total, 3);

    let endless = b"{\"a\":[[[[";
    let error = json(endless, &Wanted::default(), &limits, &mut out).expect_err("no end");
    assert!(matches!(error, BodyError::Malformed { offset: 9, .. }));
}

#[test]
fn all_128_levels_can_be_used() {
    let nested = |levels: usize| {
        let inner = levels - 1;
        let open: String = (0..inner)
            .map(|at| if at % 3 == 0 { "[" } else { r#"{"a":"# })
            .collect();
        let close: String = (0..inner)
            .rev()
            .map(|at| if at % 3 == 0 { "]" } else { "}" })
            .collect();
        // The innermost container has to hold something, or `{"a":}` would be the result.
        format!(r#"{{"a":{open}1{close}}}"#)
    };
    assert_eq!(
        decode(nested(128).as_bytes()).expect("valid").events.len(),
        1
    );
    let out = decode(nested(129).as_bytes()).expect("valid");
    assert_eq!(codes(&out), [(0, "too_deep")]);
    let hostile = "[".repeat(1_000_000);
    assert!(decode(hostile.as_bytes()).is_err());
}

#[test]
fn too_many_events_stop_the_decoding() {
    let limits = limits(2, 100, 9);
    let mut out = Decoded::default();
    let error = BodyError::TooManyEvents { limit: 2 };
    // What stands behind the limit isn't even looked at.
    let body = b"[{},1,{} oops";
    assert_eq!(
        json(body, &Wanted::default(), &limits, &mut out),
        Err(error.clone())
    );
    assert_eq!((out.events.len(), out.rejected.len(), out.total), (0, 0, 0));
    let body = b"{}\n\nx\n{}\n";
    assert_eq!(
        ndjson(body, &Wanted::default(), &limits, &mut out),
        Err(error)
    );
    json(b"[{},{}]", &Wanted::default(), &limits, &mut out).expect("two are allowed");
}

#[test]
fn a_grammar_error_refuses_the_body_with_its_offset() {
    let offset = |body: &[u8]| match decode(body).expect_err("malformed") {
        BodyError::Malformed { offset, .. } => offset,
        other => panic!("{other}"),
    };
    assert_eq!(offset(br#"[{"a":1},{"a":01}]"#), 15);
    assert_eq!(offset(br#"[{"a":1} {}]"#), 9);
    assert_eq!(offset(br#"{} {}"#), 3);
    assert_eq!(offset(b"\xEF\xBB\xBF {} x"), 7);
    assert_eq!(offset(br#"{"a""#), 4);
    assert_eq!(offset(b"{\"a\":\"0123456789\x01\"}"), 16);
    assert_eq!(offset(b"hello"), 0);
    assert_eq!(offset(b"1 2"), 2);
    assert_eq!(
        decode(b"{\xEF\xBB\xBF}").expect_err("a mark").to_string(),
        "the body is malformed at byte 1: a byte order mark; send the body without it"
    );
}

#[test]
fn bytes_that_are_no_utf8_refuse_the_body_but_only_their_line() {
    let body = b"{\"a\":\"\xC3\x28\"}";
    assert_eq!(
        decode(body).expect_err("no utf-8"),
        BodyError::NotUtf8 { offset: 6 }
    );
    let body = b"{\"a\":1}\n{\"a\":\"\xC3\x28\"}\n{\"a\":\"\xC3\xA4\"}";
    let out = decode_lines(body).expect("lines");
    assert_eq!(
        out.events.iter().map(|e| e.index).collect::<Vec<_>>(),
        [0, 2]
    );
    assert_eq!(out.rejected[0].code, RejectCode::Malformed);
    assert_eq!(
        out.rejected[0].detail,
        "line 2 is malformed at its byte 6: not utf-8; send json in utf-8"
    );
}

#[test]
fn lines_stand_for_themselves() {
    let body = b"{\"a\":1}\r\n\n  \n {\"b\":\n}\n[{}]\n{} {}\n\t{\"c\":2} \r\nnull\n{\"d\":3}";
    let out = decode_lines(body).expect("lines");
    assert_eq!(
        sources(&out, body),
        [r#"{"a":1}"#, r#"{"c":2}"#, r#"{"d":3}"#]
    );
    assert_eq!(
        out.events.iter().map(|e| e.index).collect::<Vec<_>>(),
        [0, 5, 7]
    );
    let expected = [
        (1, "malformed"),
        (2, "malformed"),
        (3, "not_an_object"),
        (4, "malformed"),
        (6, "not_an_object"),
    ];
    assert_eq!(codes(&out), expected);
    assert_eq!(
        out.rejected[0].detail,
        "line 4 is malformed at its byte 6: the text ends too early"
    );
    assert_eq!(out.total, 8);
}

#[test]
fn a_line_is_not_read_beyond_its_end() {
    let out = decode_lines(b"{\"a\":\"x\n\"}\n{\"a\":tr\nue}").expect("lines");
    assert_eq!((out.events.len(), out.rejected.len()), (0, 4));
}

#[test]
fn pointers_are_checked() {
    assert_eq!(Pointer::parse(""), Err(PointerError::WholeEvent));
    let no_slash = Pointer::parse("id").expect_err("no slash");
    assert_eq!(
        no_slash.to_string(),
        r#"the pointer "id" doesn't start with a slash; write "/id""#
    );
    for tilde in ["/a~", "/~2", "/~01~"] {
        let error = PointerError::Tilde(tilde.to_owned());
        assert_eq!(Pointer::parse(tilde), Err(error));
    }
    for same in ["/", "/a/b", "/a~1b/~0", "//0/01/-", "/~01"] {
        assert_eq!(Pointer::parse(same).expect(same).to_string(), same);
    }
    let pointer: Pointer = serde_json::from_str(r#""/a/b""#).expect("from a string");
    assert_eq!(
        serde_json::to_string(&pointer).expect("a string"),
        r#""/a/b""#
    );
    assert!(serde_json::from_str::<Pointer>(r#""a""#).is_err());
}

#[test]
fn settings_are_checked() {
    let settings: Settings = serde_json::from_str("{}").expect("the defaults");
    assert_eq!(settings, Settings::default());
    assert!(settings.max_event.as_u64() < 1_000_000);
    assert!(serde_json::from_str::<Settings>(r#"{"max_evnets":1}"#).is_err());
    let with = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.limits()
    };
    assert_eq!(with(|s| s.max_events = 0), Err(SettingsError::NoEvents));
    assert_eq!(with(|s| s.max_depth = 0), Err(SettingsError::Depth(0)));
    assert_eq!(with(|s| s.max_depth = 129), Err(SettingsError::Depth(129)));
    assert_eq!(
        with(|s| s.max_event = ByteSize::b(1)),
        Err(SettingsError::EventSize(1))
    );
    let huge = ByteSize::gib(4);
    assert_eq!(
        with(|s| s.max_event = ByteSize::gib(4)),
        Err(SettingsError::EventSize(huge.as_u64()))
    );
    assert!(with(|s| s.max_depth = 128).is_ok());
}

#[test]
fn what_was_decoded_before_is_forgotten() {
    let mut out = decode(b"[{},1]").expect("valid");
    json(b"{}", &Wanted::default(), &roomy(), &mut out).expect("valid");
    assert_eq!((out.events.len(), out.rejected.len(), out.total), (1, 0, 1));
    assert!(json(b"[{},1,", &Wanted::default(), &roomy(), &mut out).is_err());
    assert_eq!((out.events.len(), out.rejected.len(), out.total), (0, 0, 0));
}
