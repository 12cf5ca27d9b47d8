//! Where keys may be in a request's head.

use std::borrow::Cow;

use hyper::header::{HeaderMap, HeaderName};
use hyper::{Method, Uri};
use percent_encoding::percent_decode;

use super::routes::{Endpoints, Matched};
use crate::auth::{Found, View};

/// A request's head.
pub(super) struct Head<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) uri: &'a Uri,
    pub(super) method: &'a Method,
    /// The routes, if it came by one of them: its path says what was captured.
    pub(super) endpoints: Option<&'a Endpoints>,
    /// The names of the client's certificate.
    pub(super) names: &'a [String],
}

impl View for Head<'_> {
    fn header(&self, name: &HeaderName) -> Found<'_> {
        let lines = self.headers.get_all(name).iter();
        Found::of(lines.map(|value| Cow::Borrowed(value.as_bytes())))
    }

    fn query(&self, name: &str) -> Found<'_> {
        Found::of(parameters(self.uri.query().unwrap_or_default(), name))
    }

    fn capture(&self, name: &str) -> Found<'_> {
        let found = self
            .endpoints
            .and_then(|all| all.find(self.uri.path(), self.method));
        let Some(Matched::Route(_, captures)) = found else {
            return Found::None;
        };
        let mut captures = captures.into_iter();
        let value = captures.find_map(|(known, value)| (known == name).then_some(value));
        let decoded = |value: &str| Cow::Owned(percent_decode(value.as_bytes()).collect());
        value.map_or(Found::None, |value| Found::One(decoded(value)))
    }

    fn subjects(&self) -> &[String] {
        self.names
    }
}

/// The values that a parameter has in a query, decoded as forms are.
fn parameters<'q>(query: &'q str, name: &str) -> impl Iterator<Item = Cow<'q, [u8]>> {
    let decoded = |text: &'q str| -> Cow<'q, [u8]> {
        match text.contains(['%', '+']) {
            true => {
                let text = text.replace('+', " ");
                Cow::Owned(percent_decode(text.as_bytes()).collect())
            }
            false => Cow::Borrowed(text.as_bytes()),
        }
    };
    query.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (*decoded(key) == *name.as_bytes()).then(|| decoded(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_however_it_is_written() {
        let all = |query: &str, name: &str| -> Vec<String> {
            let values = parameters(query, name);
            values
                .map(|value| String::from_utf8_lossy(&value).into_owned())
                .collect()
        };
        assert_eq!(all("a=1&b=2&a=3", "a"), ["1", "3"]);
        assert_eq!(all("%61=x%20y+z%2B", "a"), ["x y z+"]);
        assert_eq!(all("a&ab=1&b=a=1&=a", "a"), [""]);
        assert_eq!(all("", "a"), [""; 0]);
        assert_eq!(all("a=%", "a"), ["%"]);
    }
}
