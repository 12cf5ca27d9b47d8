//! Keys, the ways to show them, signatures, origins, addresses; what others publish as vectors, and anything at all.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::kind::Kind;
use super::*;

pub(crate) mod dice;
mod doors;
mod origins;
mod parsers;
mod signatures;

/// A head of a request.
#[derive(Debug, Default)]
struct Head {
    headers: HeaderMap,
    query: Vec<(String, String)>,
    captures: HashMap<String, String>,
    subjects: Vec<String>,
}

impl Head {
    fn of(headers: &[(&str, &str)]) -> Head {
        let mut head = Head::default();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            head.headers
                .append(name, HeaderValue::from_str(value).unwrap());
        }
        head
    }
}

impl View for Head {
    fn header(&self, name: &HeaderName) -> Found<'_> {
        let lines = self.headers.get_all(name).iter();
        Found::of(lines.map(|value| Cow::Borrowed(value.as_bytes())))
    }

    fn query(&self, name: &str) -> Found<'_> {
        let all = self.query.iter().filter(|(known, _)| known == name);
        Found::of(all.map(|(_, value)| Cow::Borrowed(value.as_bytes())))
    }

    fn capture(&self, name: &str) -> Found<'_> {
        let found = self.captures.get(name).into_iter();
        Found::of(found.map(|value| Cow::Borrowed(value.as_bytes())))
    }

    fn subjects(&self) -> &[String] {
        &self.subjects
    }
}

/// Why somebody isn't let in.
fn why<T>(judged: Result<T, Refused>) -> Result<T, Refusal> {
    judged.map_err(|refused| refused.why)
}

const NOW: u64 = 1_800_000_000;

fn now() -> u64 {
    NOW
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Sources `shop`, with two keys, a secret and an id, and `other`.
fn keys() -> Keys {
    let mut keys = Keys::default();
    let shop = Settings {
        keys: texts(&["shop-key-1", "shop-key-2 until 2027-01-15T08:00:01Z"]),
        secrets: texts(&["an old secret", "a new secret"]),
        ids: texts(&["id1234"]),
        subjects: texts(&["CN=shop"]),
        streams: texts(&["installs", "click*"]),
        ..Settings::default()
    };
    let other = Settings {
        keys: texts(&["other-key until 2027-01-15T08:00:00Z"]),
        ..Settings::default()
    };
    for (name, settings) in [("shop", shop), ("other", other)] {
        let source = Arc::new(Source::new(name, &settings, Arc::default(), None).unwrap());
        let parsed = settings.keys.iter().map(|text| Key::parse(text).unwrap());
        keys.add(&source, parsed.collect(), &settings.ids, &settings.subjects)
            .unwrap();
    }
    keys
}

#[test]
fn a_key_is_the_same_hashed_and_in_the_clear() {
    let plain = Key::parse("a key of mine? until 2027-01-31T00:00:00Z");
    assert!(plain.is_err(), "behind a key there is its end or nothing");
    let plain = Key::parse(" a-key-of-mine until 2027-01-31T00:00:00Z ").unwrap();
    let hashed = Key::parse(&plain.written()).unwrap();
    assert_eq!(plain, hashed);
    assert!(
        plain.written().starts_with("sha256:"),
        "{}",
        plain.written()
    );
    assert!(plain.written().ends_with(" until 2027-01-31T00:00:00Z"));
    assert_eq!(format!("{:?}", plain.digest), "***");
}

#[test]
fn what_is_no_key_is_refused_without_being_repeated() {
    for text in [
        "",
        "hunter2",
        "sha256:12ab",
        "sha256:zz25d8a1b0e6a8a1a3e1b7a44d2c2f2d4a54cb8e0c6f4a9b3e1d2c3b4a5f6e7d",
        "hunter2hunter2 until tomorrow",
        "hunter2hunter2 till 2027-01-31T00:00:00Z",
        "hunter2hunter2 until 2027-01-31T00:00:00Z hunter3",
    ] {
        let error = Key::parse(text).unwrap_err();
        assert!(!error.contains("hunter"), "{error}");
    }
    assert!(Key::parse(&"x".repeat(settings::KEY_BYTES + 1)).is_err());
}

#[test]
fn a_key_finds_its_source_until_it_expires() {
    let keys = keys();
    let find = |key: &str, now: u64| {
        let found = keys.find(key.as_bytes(), || now);
        why(found).map(|source| source.name.to_string())
    };
    assert_eq!(find("shop-key-1", NOW), Ok("shop".into()));
    assert_eq!(find("shop-key-2", NOW), Ok("shop".into()));
    assert_eq!(find("shop-key-2", NOW + 1), Err(Refusal::KeyExpired));
    assert_eq!(find("other-key", NOW), Err(Refusal::KeyExpired));
    assert_eq!(find("other-key", NOW - 1), Ok("other".into()));
    for wrong in ["", "shop-key-3", "SHOP-KEY-1", "shop-key-1 "] {
        assert_eq!(find(wrong, NOW), Err(Refusal::UnknownKey), "{wrong}");
    }
    assert_eq!(find(&"x".repeat(10_000), NOW), Err(Refusal::UnknownKey));
    let counts = &keys.by_name("shop").unwrap().counts;
    assert_eq!(counts.refused.load(Relaxed), 1);
}

#[test]
fn a_key_an_id_and_a_subject_belong_to_one_source() {
    let mut keys = keys();
    let source =
        Arc::new(Source::new("third", &Settings::default(), Arc::default(), None).unwrap());
    let key = |text: &str| vec![Key::parse(text).unwrap()];
    let same = Digest::of(b"shop-key-1");
    for (keys_of, ids, subjects) in [
        (key("shop-key-1"), vec![], vec![]),
        (key(&format!("sha256:{same}")), vec![], vec![]),
        (vec![], texts(&["id1234"]), vec![]),
        (vec![], vec![], texts(&["CN=shop"])),
    ] {
        let error = keys.add(&source, keys_of, &ids, &subjects).unwrap_err();
        assert!(error.contains("source shop has"), "{error}");
    }
}

#[test]
fn keys_whose_digests_are_alike_have_places_of_their_own() {
    let source = Source::new("shop", &Settings::default(), Arc::default(), None).unwrap();
    let source = Arc::new(source);
    for part in 0..4 {
        let mut keys = Keys::default();
        let alike = |number: u64| {
            let mut digest = [7; 32];
            digest[part * 8..][..8].copy_from_slice(&number.to_be_bytes());
            Key {
                digest: Digest::from_bytes(&digest).unwrap(),
                until: None,
            }
        };
        let all = (0..1_000).map(alike).collect();
        keys.add(&source, all, &[], &[]).unwrap();
        assert_eq!(keys.most_in_a_place(), 1);
    }
}

#[test]
fn a_source_uses_what_it_may() {
    let keys = keys();
    let shop = keys.by_name("shop").unwrap();
    for stream in ["installs", "click", "clicks", "click-2"] {
        assert_eq!(why(shop.may_use(stream, None)), Ok(()), "{stream}");
    }
    for stream in ["install", "installs2", "clic", ""] {
        assert_eq!(
            why(shop.may_use(stream, None)),
            Err(Refusal::NotAllowed),
            "{stream}"
        );
    }
    assert_eq!(why(shop.may_use_route("any")), Ok(()));
    let other = keys.by_name("other").unwrap();
    assert_eq!(
        why(other.may_use("installs", Some(b"https://a.example"))),
        Ok(())
    );
}

#[test]
fn an_address_has_its_rate_and_others_have_theirs() {
    let addresses = Addresses::default();
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let at = Duration::from_millis;
    let (one, two) = (ip("192.0.2.1"), ip("192.0.2.2"));
    for _ in 0..10 {
        assert_eq!(addresses.take(one, 10, at(5)), Ok(()));
    }
    assert_eq!(addresses.take(one, 10, at(5)), Err(at(100)));
    assert_eq!(addresses.check(one, 10, at(5)), Err(at(100)));
    assert_eq!(addresses.check(two, 10, at(5)), Ok(()));
    assert_eq!(addresses.take(two, 10, at(5)), Ok(()));
    assert_eq!(addresses.take(one, 10, at(105)), Ok(()));
    assert_eq!(
        addresses.take(ip("::ffff:192.0.2.1"), 10, at(105)),
        Err(at(100))
    );
    // One client has all addresses that begin so.
    for last in 1..=10 {
        assert_eq!(
            addresses.take(ip(&format!("2001:db8::{last}")), 10, at(5)),
            Ok(())
        );
    }
    assert!(addresses.take(ip("2001:db8::ffff"), 10, at(5)).is_err());
    assert_eq!(addresses.take(ip("2001:db8:0:1::1"), 10, at(5)), Ok(()));
}

#[test]
fn very_many_addresses_cost_no_memory_and_bind_nobody() {
    let addresses = Addresses::default();
    for number in 0..100_000_u32 {
        let address = IpAddr::from(number.to_be_bytes());
        assert_eq!(
            addresses.take(address, 1_000, Duration::from_secs(1)),
            Ok(())
        );
    }
}
