//! The ways to show a key, one after the other.

use super::*;

fn policy(kinds: &[&str]) -> Policy {
    Policy::parse(&texts(kinds)).unwrap_or_else(|error| panic!("{error}"))
}

/// Who is let in, what the body has to show, or why not.
fn enter(policy: &Policy, head: &Head) -> Result<String, Refusal> {
    let passed = why(policy.before_body(head, &keys(), now))?;
    Ok(match passed {
        Passed::Anybody => "anybody".into(),
        Passed::Source(source) => source.name.to_string(),
        Passed::Later(Pending::Member(number)) => format!("member {number}"),
        Passed::Later(Pending::Signed(number, source, _)) => {
            format!("signature {number} of {}", source.name)
        }
    })
}

fn basic(text: &str) -> String {
    use base64::Engine as _;
    let coded = base64::engine::general_purpose::STANDARD.encode(text);
    format!("Basic {coded}")
}

#[test]
fn each_way_finds_its_key() {
    let rows: [(&str, &str, &str); 8] = [
        ("basic", "authorization", &basic("shop-key-1:")),
        ("basic", "authorization", &basic("shop-key-1:a:b")),
        (
            "basic",
            "authorization",
            &basic("shop-key-1:").replace("Basic", "bASIC  "),
        ),
        ("bearer", "authorization", "Bearer shop-key-1"),
        ("bearer", "authorization", "bearer  shop-key-1 "),
        ("header:authorization", "authorization", "shop-key-1"),
        ("header:X-API-Key", "x-api-key", "shop-key-1"),
        ("header:authentication", "authentication", "shop-key-1"),
    ];
    for (kind, name, value) in rows {
        let head = Head::of(&[(name, value)]);
        assert_eq!(
            enter(&policy(&[kind]), &head),
            Ok("shop".into()),
            "{kind} {value}"
        );
    }
    let mut head = Head::default();
    head.query
        .push(("access_token".into(), "shop-key-1".into()));
    assert_eq!(
        enter(&policy(&["query:access_token"]), &head),
        Ok("shop".into())
    );
    head.subjects = texts(&["CN=somebody", "CN=shop"]);
    assert_eq!(enter(&policy(&["mtls"]), &head), Ok("shop".into()));
    head.subjects = texts(&["CN=shop2"]);
    assert_eq!(enter(&policy(&["mtls"]), &head), Err(Refusal::UnknownKey));
}

#[test]
fn the_first_way_whose_credential_is_there_decides_and_the_body_comes_last() {
    let all = policy(&[
        "body:/writeKey",
        "basic",
        "bearer",
        "query:key",
        "body:/key",
    ]);
    let enter = |head: &Head| enter(&all, head);
    assert_eq!(enter(&Head::default()), Ok("member 0".into()));
    let good = basic("shop-key-1:");
    assert_eq!(
        enter(&Head::of(&[("authorization", &good)])),
        Ok("shop".into())
    );
    let bearer = [("authorization", "Bearer shop-key-1")];
    assert_eq!(enter(&Head::of(&bearer)), Ok("shop".into()));
    // A wrong one isn't tried further.
    let mut head = Head::of(&[("authorization", "Bearer wrong")]);
    head.query.push(("key".into(), "shop-key-1".into()));
    assert_eq!(enter(&head), Err(Refusal::UnknownKey));
    // Another scheme, or an empty value, is no credential of these.
    let digest = Head::of(&[("authorization", "Digest username=\"shop-key-1\"")]);
    assert_eq!(enter(&digest), Ok("member 0".into()));
    let open = policy(&[]).before_body(&head, &keys(), now);
    assert!(matches!(open, Ok(Passed::Anybody)));
}

#[test]
fn two_credentials_of_a_kind_are_none() {
    let good = basic("shop-key-1:");
    let twice = Head::of(&[("authorization", &good), ("authorization", &good)]);
    assert_eq!(enter(&policy(&["basic"]), &twice), Err(Refusal::Doubled));
    let mixed = Head::of(&[("authorization", "Bearer x"), ("authorization", &good)]);
    assert_eq!(
        enter(&policy(&["bearer", "basic"]), &mixed),
        Err(Refusal::Doubled)
    );
    let mut query = Head::default();
    for key in ["shop-key-1", "shop-key-2"] {
        query.query.push(("key".into(), key.into()));
    }
    assert_eq!(
        enter(&policy(&["query:key"]), &query),
        Err(Refusal::Doubled)
    );
}

#[test]
fn what_is_malformed_is_unknown() {
    let basics = [
        "Basic",
        "Basic !",
        "Basic c2hvcC1rZXktMQ==",
        "Basic \u{e9}",
        &format!("Basic {}", "A".repeat(9_000)),
    ];
    for value in basics {
        let head = Head::of(&[("authorization", value)]);
        assert_eq!(
            enter(&policy(&["basic"]), &head),
            Err(Refusal::UnknownKey),
            "{value}"
        );
    }
    for value in ["Bearer", "Bearer ", "Bearer shop-key-1 x"] {
        let head = Head::of(&[("authorization", value)]);
        assert_eq!(
            enter(&policy(&["bearer"]), &head),
            Err(Refusal::UnknownKey),
            "{value}"
        );
    }
    assert_eq!(
        enter(&policy(&["basic"]), &Head::default()),
        Err(Refusal::NoKey)
    );
}

#[test]
fn members_are_tried_in_their_order() {
    let policy = policy(&["body:/writeKey", "body:/context/key"]);
    let judge = |found: &[(&'static str, Found<'static>)]| {
        let member = |pointer: &crate::decode::Pointer| {
            let text = pointer.to_string();
            let known = found.iter().find(|(name, _)| *name == text);
            known.map_or(Found::None, |(_, found)| found.clone())
        };
        let judged = policy.member(&Pending::Member(0), &keys(), now, member);
        why(judged.unwrap()).map(|source| source.name.to_string())
    };
    let one = |text: &'static str| Found::One(Cow::Borrowed(text.as_bytes()));
    assert_eq!(
        judge(&[("/writeKey", one("shop-key-1"))]),
        Ok("shop".into())
    );
    assert_eq!(
        judge(&[("/context/key", one("shop-key-1"))]),
        Ok("shop".into())
    );
    let wrong_first = [
        ("/writeKey", one("wrong")),
        ("/context/key", one("shop-key-1")),
    ];
    assert_eq!(judge(&wrong_first), Err(Refusal::UnknownKey));
    assert_eq!(
        judge(&[("/writeKey", Found::Several)]),
        Err(Refusal::Doubled)
    );
    assert_eq!(judge(&[]), Err(Refusal::NoKey));
}

#[test]
fn a_challenge_tells_each_way_once() {
    let all = policy(&[
        "basic",
        "bearer",
        "header:x-key",
        "body:/a",
        "body:/b",
        "query:k\"k",
        "mtls",
    ]);
    let told: Vec<_> = all
        .challenges()
        .iter()
        .map(|it| it.to_str().unwrap())
        .collect();
    let expected = [
        "Basic realm=\"forebay\", charset=\"UTF-8\"",
        "Bearer realm=\"forebay\"",
        "Key realm=\"forebay\", header=\"x-key\"",
        "Key realm=\"forebay\", in=\"body\"",
        "Key realm=\"forebay\", query=\"kk\"",
        "Certificate realm=\"forebay\"",
    ];
    assert_eq!(told, expected);
}

#[test]
fn ways_that_dont_exist_are_named() {
    for (text, what) in [
        ("basik", "there are basic"),
        ("basic:x", "there are basic"),
        ("header:", "not a header's name"),
        ("header:a b", "not a header's name"),
        ("query:", "no place"),
        ("body:writeKey", "\"/writeKey\""),
        ("hmac:", "not a header's name"),
        ("hmac:x-sig", "say whose secret"),
        ("hmac:x-sig id=app", "no place"),
        (
            "hmac:x-sig source=a encoding=b64",
            "\"encoding=b64\" isn't known",
        ),
        ("hmac:x-sig source=a time=x-time", "belong together"),
        ("hmac:x-sig source=a time=x-time within=5", "within=5"),
        (
            "hmac:x-sig source=a time=x-time within=5m signed={body}",
            "protects nobody",
        ),
        (
            "hmac:x-sig source=a signed={time}{body}",
            "say which header",
        ),
        ("hmac:x-sig source=a signed={body}x", "must end in {body}"),
    ] {
        let error = Kind::parse(text).unwrap_err();
        assert!(error.contains(what), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn no_head_makes_it_panic(value in proptest::collection::vec(any::<u8>(), 0..200), query in ".*", scheme in "(Basic |bearer |Bearer|basic|)") {
        let all = policy(&["basic", "bearer", "hmac:authorization id=query:k encoding=base64 prefix=v1= time=x-t within=5m", "header:authorization", "query:k"]);
        let mut head = Head::default();
        let value: Vec<_> = scheme.bytes().chain(value).collect();
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            head.headers.insert("x-t", value.clone());
            head.headers.insert("authorization", value);
        }
        head.query.push(("k".into(), query));
        drop(all.before_body(&head, &keys(), now));
    }

    #[test]
    fn no_setting_makes_it_panic(text in ".*", kind in "(hmac:|body:|header:|query:|)") {
        drop(Kind::parse(&format!("{kind}{text}")));
        drop(Key::parse(&text));
        drop(Origins::parse(&[text]));
    }
}
