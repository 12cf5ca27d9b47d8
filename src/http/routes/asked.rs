//! What a request's head says, as sources ask for it. Nothing here knows routes or bodies.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderName};
use smallvec::SmallVec;

use super::fields;
use super::source::Source;

/// What the path of a request was captured as: names, and values as they were sent.
pub type Captures<'a> = SmallVec<[(&'a str, &'a str); 4]>;

/// A request's head, as it was matched.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// What stands behind the question mark of its address.
    pub query: &'a str,
    /// What its path was captured as.
    pub captures: Captures<'a>,
    /// The client's address, as it may be stored.
    pub address: Option<String>,
}

impl Asked<'_> {
    /// The value of a source of the head. An empty one is none.
    pub fn value(&self, source: &Source) -> Option<Cow<'_, [u8]>> {
        let value = match source {
            Source::Event(_) | Source::Envelope(_) | Source::Attribute(_) | Source::Sender => None,
            Source::Header(name) => self.header(name),
            Source::Query(name) => self.query(name),
            Source::Path(name) => self.capture(name),
            Source::Cookie(name) => self.cookie(name).map(Cow::Borrowed),
            Source::Basic => self.basic_user().map(Cow::Owned),
            Source::Address => {
                let address = self.address.as_ref();
                address.map(|address| Cow::Borrowed(address.as_bytes()))
            }
        };
        value.filter(|value| !value.is_empty())
    }

    /// A header; of several lines all, as one list (RFC 9110, 5.3).
    pub fn header(&self, name: &HeaderName) -> Option<Cow<'_, [u8]>> {
        let mut lines = self.headers.get_all(name).iter();
        let first = lines.next()?;
        let mut all = Cow::Borrowed(first.as_bytes());
        for line in lines {
            let joined = all.to_mut();
            joined.extend_from_slice(b", ");
            joined.extend_from_slice(line.as_bytes());
        }
        Some(all)
    }

    /// Whether a header has several lines, so that nobody can say which is meant.
    pub fn is_doubled(&self, name: &HeaderName) -> bool {
        self.headers.get_all(name).iter().nth(1).is_some()
    }

    /// A parameter of the query, decoded.
    pub fn query(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        fields::field(self.query.as_bytes(), name)
    }

    /// A capture of the path, decoded.
    pub fn capture(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let mut captures = self.captures.iter();
        let (_, value) = captures.find(|(known, _)| *known == name)?;
        Some(percent_encoding::percent_decode(value.as_bytes()).into())
    }

    /// A cookie.
    pub fn cookie(&self, name: &str) -> Option<&[u8]> {
        let mut lines = self.headers.get_all(COOKIE).iter();
        lines.find_map(|line| fields::cookie(line.as_bytes(), name))
    }

    /// The user's name of Basic authentication.
    pub fn basic_user(&self) -> Option<Vec<u8>> {
        let value = self.headers.get(AUTHORIZATION)?.as_bytes();
        let (scheme, encoded) = value.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return None;
        }
        let mut pair = STANDARD.decode(encoded.trim_ascii()).ok()?;
        let user = pair.iter().position(|byte| *byte == b':')?;
        pair.truncate(user);
        Some(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_of_the_head_is_found() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "basic V1JJVEVLRVk6"),
            ("cookie", "a=1"),
            ("cookie", "sid=2; b=3"),
            ("x-list", "1"),
            ("x-list", "2"),
            ("x-empty", ""),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let asked = Asked {
            headers: &headers,
            query: "c=%2F&d=",
            captures: SmallVec::from_slice(&[("app", "a%2F..%2Fb"), ("odd", "5%4")]),
            address: Some("192.0.2.1".into()),
        };
        for (source, value) in [
            ("basic", Some("WRITEKEY")),
            ("cookie:sid", Some("2")),
            ("header:x-list", Some("1, 2")),
            ("header:x-empty", None),
            ("header:x-none", None),
            ("query:c", Some("/")),
            ("query:d", None),
            ("path:app", Some("a/../b")),
            ("path:odd", Some("5%4")),
            ("path:none", None),
            ("address", Some("192.0.2.1")),
            ("/a", None),
        ] {
            let found = asked.value(&Source::parse(source).unwrap());
            let found = found.map(|value| String::from_utf8(value.into_owned()).unwrap());
            assert_eq!(found.as_deref(), value, "{source}");
        }
        assert!(asked.is_doubled(&HeaderName::from_static("x-list")));
    }

    #[test]
    fn what_is_not_basic_has_no_user() {
        for value in [
            "",
            "Basic",
            "Basic !",
            "Bearer V1JJVEVLRVk6",
            "Basic V1JJVEVLRVk=",
            "Basi\u{e4}",
        ] {
            let mut headers = HeaderMap::new();
            let value = hyper::header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(AUTHORIZATION, value);
            let asked = Asked {
                headers: &headers,
                query: "",
                captures: SmallVec::new(),
                address: None,
            };
            assert_eq!(asked.basic_user(), None);
        }
    }
}
