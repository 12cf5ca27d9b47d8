//! Headers against a slow and simple way to find them: for each event, each header by itself, the first value first.

use hyper::HeaderMap;

use super::*;
use crate::decode::{self, Picked};
use crate::http::routes::{Asked, Settings, read};
use crate::route::privacy::Addresses;

/// All ways to mix places of the request and of the event.
const ROUTE: &str = r#"
    paths = ["/x"]
    stream = "all"
    events = "/batch"
    key = []
    id = []
    [headers]
    a = ["header:x-a", "/a"]
    b = ["/b", "header:x-b"]
    c = ["header:x-c", "envelope:/c"]
    d = ["envelope:/d", "/d", "address"]
    e = ["/e/f"]
    f = ["source"]
    g = ["address"]
"#;

const EVENTS: [&str; 5] = [
    r#"{"a":"1","b":"2","d":"3","e":{"f":"4"}}"#,
    r#"{}"#,
    r#"{"a":null,"b":"\u0041","e":{"f":{"g":[]}}}"#,
    r#"{"d":7,"e":{"f":""}}"#,
    r#"{"b":"22222","a":true}"#,
];

fn endpoint() -> Endpoint {
    let settings: Settings = toml::from_str(ROUTE).unwrap();
    let streams = toml::from_str("[all]\ncluster = \"c\"").unwrap();
    Endpoint::new("r", &settings, &streams).unwrap()
}

/// The headers that the event at `position` should have.
fn simply(read: &Read<'_>, privacy: &Privacy, position: usize) -> Vec<(String, Vec<u8>)> {
    let headers = read.endpoint.headers.iter();
    let found = headers.filter_map(|header| {
        let kept = |place: &Place| keeps(read.endpoint, privacy, *place);
        let kept: Vec<_> = header.places.iter().copied().filter(kept).collect();
        let found = read.first(&kept, position, Some("192.0.2.1"))?;
        Some((header.name.to_string(), found.bytes(read.body).to_vec()))
    });
    found.collect()
}

/// Checks all events of a request; how many were too large.
fn check(request: &[(&'static str, &str)], around: &str, drops: &[&str], most: u64) -> usize {
    let endpoint = endpoint();
    let mut headers = HeaderMap::new();
    for (name, value) in request {
        headers.append(*name, value.parse().unwrap());
    }
    let asked = Asked {
        headers: &headers,
        query: "",
        captures: SmallVec::new(),
        address: None,
    };
    let head = crate::http::routes::head::Head::of(&endpoint, &asked, || [192, 0, 2, 1].into());
    let head = head.unwrap();
    let body = format!("{{{around}\"batch\":[{}]}}", EVENTS.join(","));
    let limits = decode::Settings::default().limits().unwrap();
    let mut picked = Picked::default();
    read::decode(&endpoint, &head, body.as_bytes(), &limits, &mut picked).unwrap();
    let around = read::around(&endpoint, body.as_bytes(), &picked, |_| Ok::<_, ()>(())).unwrap();
    let read = Read {
        endpoint: &endpoint,
        head: &head,
        body: body.as_bytes(),
        picked: &picked,
        around: &around,
        sender: Some("shop"),
    };
    let drops: Vec<_> = drops.iter().map(|name| (*name).to_owned()).collect();
    let privacy = Privacy::new(Addresses::Full, &drops, "");
    let mut extras = Extras::of(&read, &privacy, 0, most, EVENTS.len());
    let mut too_large = 0;
    for position in 0..EVENTS.len() {
        let expected = simply(&read, &privacy, position);
        let sizes = expected.iter();
        let bytes: u64 = sizes
            .map(|(name, value)| headers::bytes_of(name, value))
            .sum();
        match extras.event(position, position as u32) {
            Ok((_, extra)) => {
                assert!(bytes <= most);
                let extra = extra.expect("each event has headers");
                let found = headers::iter(extra.headers.block(&[]));
                let found = found.map(|(name, value)| (name.to_owned(), value.unwrap().to_vec()));
                assert_eq!(
                    found.collect::<Vec<_>>(),
                    expected,
                    "{request:?} {position}"
                );
            }
            Err(large) => {
                assert!(bytes > most);
                assert_eq!(large.bytes, bytes);
                too_large += 1;
            }
        }
    }
    too_large
}

#[test]
fn headers_are_the_first_value_that_is_there_wherever_it_stands() {
    let of_request = [("x-a", "A"), ("x-b", "B"), ("x-c", "C")];
    for around in [
        "",
        r#""c":1,"#,
        r#""d":"\u0042","#,
        r#""c":null,"d":{"x":1},"#,
    ] {
        for chosen in 0..8 {
            let is_chosen = |(at, one)| (chosen >> at & 1 == 1).then_some(one);
            let request: Vec<_> = { of_request.into_iter().enumerate() }
                .filter_map(is_chosen)
                .collect();
            for drops in [&[][..], &["x-a"], &["x-a", "x-b", "x-c"]] {
                assert_eq!(check(&request, around, drops, 1 << 20), 0);
            }
        }
    }
}

#[test]
fn headers_that_are_too_large_are_counted_and_the_next_event_has_its_own() {
    let long = "x".repeat(300);
    assert_eq!(check(&[("x-a", &long)], "", &[], 200), EVENTS.len());
    let few = check(&[("x-b", &long)], "", &[], 200);
    assert!(0 < few && few < EVENTS.len(), "{few}");
}
