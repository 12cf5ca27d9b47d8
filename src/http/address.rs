//! The address of a request's client, also when a load balancer stands between.
//!
//! A load balancer adds the address from which it got the request to the end of a list. Everything before that may be made up by the
//! client. So the list is read from its end, and the first address that isn't one of the trusted networks is the client's: who is
//! trusted has said it, and nobody who isn't. A list that ends in what can't be understood tells no more than who brought it.
//!
//! Nothing is computed for a request that nobody asks about.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};
use serde::{Deserialize, Serialize};

use super::head::elements;
use super::networks::Networks;
use super::peer::Peer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where the address of a client comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressFrom {
    /// The connection, or the PROXY protocol on it.
    #[default]
    Connection,
    /// The header `X-Forwarded-For`.
    XForwardedFor,
    /// The header `Forwarded` (RFC 7239).
    Forwarded,
}

/// The address of a request's client. It isn't to be shown as such: how it may be stored or logged is each stream's choice
/// ([`crate::route::Privacy`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// Of a request with these headers that came from `peer`, by `http.address_from` and `http.trusted`.
    pub fn of(
        peer: &Peer,
        headers: &HeaderMap,
        from: AddressFrom,
        trusted: &Networks,
    ) -> ClientAddress {
        let own = peer.address.ip().to_canonical();
        ClientAddress(match from {
            AddressFrom::Connection => own,
            AddressFrom::XForwardedFor => {
                last_untrusted(own, headers, X_FORWARDED_FOR, trusted, node)
            }
            AddressFrom::Forwarded => last_untrusted(own, headers, FORWARDED, trusted, node_of),
        })
    }

    /// The address, to count by.
    pub fn ip(self) -> IpAddr {
        self.0
    }
}

impl fmt::Debug for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAddress(…)")
    }
}

fn last_untrusted(
    own: IpAddr,
    headers: &HeaderMap,
    name: HeaderName,
    trusted: &Networks,
    node: impl Fn(&[u8]) -> Option<IpAddr>,
) -> IpAddr {
    if !trusted.has(own) || !headers.contains_key(&name) {
        return own;
    }
    let all: Vec<_> = elements(headers, name).collect();
    let mut address = own;
    for element in all.iter().rev() {
        if !trusted.has(address) {
            break;
        }
        let Some(before) = node(element) else { break };
        address = before;
    }
    address
}

/// The address in an element of `Forwarded`: what stands behind `for=`.
fn node_of(element: &[u8]) -> Option<IpAddr> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let pairs = element.split(|byte| {
        match byte {
            // What is escaped ends nothing: a balancer may quote what a client said.
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_quoted,
            b'"' => is_quoted = !is_quoted,
            b';' => return !is_quoted,
            _ => {}
        }
        false
    });
    let mut found = pairs.filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
        name.eq_ignore_ascii_case(b"for").then_some(value)
    });
    let value = found.next()?;
    // Two of them mean that somebody added one.
    if found.next().is_some() {
        return None;
    }
    let inside = value
        .strip_prefix(b"\"")
        .and_then(|it| it.strip_suffix(b"\""));
    node(inside.unwrap_or(value))
}

/// An address, with a port or without, and one of IPv6 in brackets or not.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit());
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let is_good = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        let address: Ipv6Addr = address.parse().ok()?;
        return is_good.then_some(IpAddr::V6(address).to_canonical());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port) = text.split_once(':')?;
    let address: Ipv4Addr = address.parse().ok()?;
    is_port(port).then_some(IpAddr::V4(address))
}

#[cfg(test)]
mod fuzz_tests;

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn address(from: AddressFrom, peer: &str, lines: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        let name = match from {
            AddressFrom::Forwarded => FORWARDED,
            _ => X_FORWARDED_FOR,
        };
        for line in lines {
            headers.append(&name, HeaderValue::from_bytes(line).unwrap());
        }
        let peer = Peer::at(format!("{peer}:1").parse().unwrap());
        let trusted = vec!["10.0.0.0/8".to_owned(), "fd00::/8".to_owned()];
        let trusted = trusted.try_into().unwrap();
        ClientAddress::of(&peer, &headers, from, &trusted)
            .ip()
            .to_string()
    }

    #[test]
    fn the_last_address_that_nobody_trusted_has_is_the_clients() {
        use AddressFrom::{Connection, XForwardedFor};
        let rows: [(&str, &[&str], &str); 12] = [
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["1.1.1.1, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["1.1.1.1, 192.0.2.1, 10.9.9.9"], "192.0.2.1"),
            (
                "10.0.0.1",
                &["1.1.1.1", "192.0.2.1", "10.9.9.9"],
                "192.0.2.1",
            ),
            ("10.0.0.1", &["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
            ("192.0.2.9", &["192.0.2.1"], "192.0.2.9"),
            ("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["unknown, 10.2.2.2"], "10.2.2.2"),
            ("10.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("[fd00::1]", &["[2001:db8::1]:80,, fd00::2"], "2001:db8::1"),
        ];
        for (peer, lines, expected) in rows {
            let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(address(XForwardedFor, peer, &lines), expected, "{lines:?}");
            let own = peer.trim_matches(['[', ']']);
            assert_eq!(address(Connection, peer, &lines), own);
        }
    }

    #[test]
    fn the_standard_header_says_the_same_with_more_words() {
        let rows = [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"[2001:db8::1]:4711\";proto=https", "2001:db8::1"),
            ("proto=http;by=10.0.0.1 ; for=192.0.2.1", "192.0.2.1"),
            ("for=1.1.1.1, for=192.0.2.1;by=x, for=10.2.2.2", "192.0.2.1"),
            ("for=_hidden, for=10.2.2.2", "10.2.2.2"),
            ("for=unknown", "10.0.0.1"),
            ("by=192.0.2.1", "10.0.0.1"),
            ("for=192.0.2.1;for=192.0.2.2", "10.0.0.1"),
            ("host=\"a;for=1.1.1.1,b\";for=192.0.2.1", "192.0.2.1"),
            (r#"for=192.0.2.1;host="\";for=1.1.1.1;x=\"""#, "192.0.2.1"),
            (r#"proto=http;host="\";for=1.1.1.1;x=\"""#, "10.0.0.1"),
        ];
        for (line, expected) in rows {
            let found = address(AddressFrom::Forwarded, "10.0.0.1", &[line.as_bytes()]);
            assert_eq!(found, expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_before_them_its_balancers_say_who_it_is(
            made_up in proptest::collection::vec(proptest::collection::vec(0x20_u8..0x7f, 0..30), 0..4),
            hops in 0_usize..4,
            client in any::<u32>(),
        ) {
            let client = Ipv4Addr::from(client);
            prop_assume!(client.octets()[0] != 10);
            // Quotes that don't end would make one element of what follows; a balancer begins a line of its own then.
            let made_up: Vec<_> = made_up.into_iter().map(|line| {
                line.into_iter().filter(|byte| *byte != b'"').collect::<Vec<_>>()
            }).collect();
            let by_balancers: Vec<_> = std::iter::once(client.to_string())
                .chain((0..hops).map(|hop| format!("10.0.1.{hop}")))
                .collect();
            let said = by_balancers.join(", ");
            let mut lines: Vec<&[u8]> = made_up.iter().map(|line| &line[..]).collect();
            lines.push(said.as_bytes());
            let found = address(AddressFrom::XForwardedFor, "10.0.0.1", &lines);
            prop_assert_eq!(found, client.to_string());
            let said = by_balancers.iter().map(|it| format!("for={it}")).collect::<Vec<_>>().join(",");
            lines.pop();
            lines.push(said.as_bytes());
            let found = address(AddressFrom::Forwarded, "10.0.0.1", &lines);
            prop_assert_eq!(found, client.to_string());
        }

        #[test]
        fn any_bytes_are_understood_or_not(line in proptest::collection::vec(0x20_u8..0xff, 0..60)) {
            prop_assume!(HeaderValue::from_bytes(&line).is_ok());
            for from in [AddressFrom::XForwardedFor, AddressFrom::Forwarded] {
                address(from, "10.0.0.1", &[&line]);
            }
        }
    }
}
