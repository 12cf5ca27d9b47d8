//! What may be known of a stream's clients: how their addresses are shown, and which headers are left out, wherever something is
//! stored or logged.
//!
//! It's asked before anything is stored, so that what is left out is nowhere.

mod written;

use std::borrow::Cow;
use std::net::IpAddr;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

/// How the address of a client is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Addresses {
    /// As it is.
    #[default]
    Full,
    /// Its network alone: the first 24 bits of IPv4, 48 of IPv6.
    Cut,
    /// A keyed hash (HMAC-SHA256, its first 16 bytes as hexadecimal digits): the same for the same address, and nobody without the key
    /// can try out which.
    Hashed,
}

/// What may be known of a stream's clients.
#[derive(Clone, Debug)]
pub struct Privacy {
    addresses: Addresses,
    dropped: Vec<String>,
    key: hmac::Key,
}

impl Privacy {
    /// Of these settings; `key` is that of hashes.
    pub fn new(addresses: Addresses, drop_headers: &[String], key: &str) -> Privacy {
        Privacy {
            addresses,
            dropped: drop_headers
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
            key: hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()),
        }
    }

    /// The address as it may be stored and logged.
    pub fn shown(&self, address: IpAddr) -> String {
        let address = address.to_canonical();
        match self.addresses {
            Addresses::Full => address.to_string(),
            Addresses::Cut => cut(address).to_string(),
            Addresses::Hashed => {
                let hash = match address {
                    IpAddr::V4(address) => hmac::sign(&self.key, &address.octets()),
                    IpAddr::V6(address) => hmac::sign(&self.key, &address.octets()),
                };
                let digits = hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}"));
                digits.collect()
            }
        }
    }

    /// Whether addresses are shown as they are.
    pub fn shows_addresses(&self) -> bool {
        self.addresses == Addresses::Full
    }

    /// A text as it may be stored: each address in it is shown as [`Privacy::shown`] does, wherever the text came from.
    pub fn text<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        if self.shows_addresses() {
            return Cow::Borrowed(text);
        }
        let (mut shown, mut from) = (Vec::new(), 0);
        for (range, address) in written::addresses(text) {
            shown.extend_from_slice(&text[from..range.start]);
            shown.extend_from_slice(self.shown(address).as_bytes());
            from = range.end;
        }
        match from {
            0 => Cow::Borrowed(text),
            _ => {
                shown.extend_from_slice(&text[from..]);
                Cow::Owned(shown)
            }
        }
    }

    /// Whether nothing is left out.
    pub fn keeps_all(&self) -> bool {
        self.dropped.is_empty()
    }

    /// Whether the value of a request's header may be stored and logged. `name` is in lower case.
    pub fn keeps(&self, name: &str) -> bool {
        !self.dropped.iter().any(|dropped| dropped == name)
    }
}

/// The network of an address: its first 24 bits, 48 of IPv6.
pub fn cut(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4((address.to_bits() & 0xffff_ff00).into()),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 80 << 80).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_as_much_as_its_stream_says() {
        let shown = |addresses, text: &str| {
            let privacy = Privacy::new(addresses, &[], "a key");
            privacy.shown(text.parse().unwrap())
        };
        assert_eq!(shown(Addresses::Full, "192.0.2.77"), "192.0.2.77");
        assert_eq!(shown(Addresses::Cut, "192.0.2.77"), "192.0.2.0");
        assert_eq!(shown(Addresses::Cut, "::ffff:192.0.2.77"), "192.0.2.0");
        assert_eq!(shown(Addresses::Cut, "2001:db8:1:2:3::4"), "2001:db8:1::");
        let hashed = shown(Addresses::Hashed, "192.0.2.77");
        assert_eq!(hashed.len(), 32);
        assert_eq!(hashed, shown(Addresses::Hashed, "192.0.2.77"));
        assert_ne!(hashed, shown(Addresses::Hashed, "192.0.2.78"));
        let other = Privacy::new(Addresses::Hashed, &[], "another");
        assert_ne!(hashed, other.shown("192.0.2.77".parse().unwrap()));
    }

    #[test]
    fn headers_that_are_dropped_are_not_kept_however_they_are_written() {
        let privacy = Privacy::new(Addresses::Full, &["Cookie".into()], "");
        assert!(!privacy.keeps("cookie") && privacy.keeps("user-agent"));
    }

    #[test]
    fn addresses_are_shown_so_wherever_they_stand_in_a_text() {
        let shown = |addresses, text: &str| {
            let privacy = Privacy::new(addresses, &[], "a key");
            String::from_utf8(privacy.text(text.as_bytes()).into_owned()).unwrap()
        };
        for (text, cut) in [
            ("192.0.2.77", "192.0.2.0"),
            (
                "203.0.113.9, 192.0.2.77:4711,10.1.2.3",
                "203.0.113.0, 192.0.2.0:4711,10.1.2.0",
            ),
            (
                "for=192.0.2.77;proto=https, for=\"[2001:db8:1:2::7]:80\"",
                "for=192.0.2.0;proto=https, for=\"[2001:db8:1::]:80\"",
            ),
            (
                "{\"ip\":\"203.0.113.7\",\"v\":\"1.2.3\"}",
                "{\"ip\":\"203.0.113.0\",\"v\":\"1.2.3\"}",
            ),
            (
                "a=1; ip=2001%3Adb8%3A1%3A2%3A%3A7; b=%22192.0.2.77%22",
                "a=1; ip=2001:db8:1::; b=%22192.0.2.0%22",
            ),
            (
                "http://192.0.2.77/x?ip=192.0.2.78&y",
                "http://192.0.2.0/x?ip=192.0.2.0&y",
            ),
            ("from 192.0.2.77.", "from 192.0.2.0."),
            ("::ffff:192.0.2.77", "192.0.2.0"),
            ("fe80::1%eth0", "fe80::%eth0"),
            // Versions, times and ids are none.
            (
                "Mozilla/5.0 Chrome/120.0.0.7 Safari/537.36",
                "Mozilla/5.0 Chrome/120.0.0.7 Safari/537.36",
            ),
            (
                "10:20:30 1.2.3 1.2.3.4.5 300.1.1.1 v1.2.3.4",
                "10:20:30 1.2.3 1.2.3.4.5 300.1.1.1 v1.2.3.4",
            ),
            (
                "std::abc 01b2:x 6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                "std::abc 01b2:x 6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            ),
            ("", ""),
        ] {
            assert_eq!(shown(Addresses::Full, text), text);
            assert_eq!(shown(Addresses::Cut, text), cut);
            assert_eq!(shown(Addresses::Cut, cut), cut, "twice is once");
        }
        let hashed = shown(Addresses::Hashed, "192.0.2.77");
        assert_eq!(
            shown(Addresses::Hashed, "192.0.2.77, 192.0.2.77:80"),
            format!("{hashed}, {hashed}:80")
        );
    }

    #[test]
    fn a_long_text_is_looked_through_once() {
        let privacy = Privacy::new(Addresses::Cut, &[], "");
        let (address, times) = ("192.0.2.77%3A", 20_000);
        let begun = std::time::Instant::now();
        let shown = privacy.text(address.repeat(times).as_bytes()).into_owned();
        // A look from each address to the end of the text takes half a minute.
        assert!(begun.elapsed().as_secs() < 10);
        assert!(shown == "192.0.2.0%3A".repeat(times).as_bytes());
    }

    proptest::proptest! {
        #[test]
        fn no_text_hides_an_address_between_these(before in "[ ,;=\"\\[&]", behind in "[ ,;\"\\]&:]?", v4: [u8; 4], v6: [u16; 8]) {
            let privacy = Privacy::new(Addresses::Hashed, &[], "a key");
            for address in [IpAddr::from(v4), IpAddr::from(v6)] {
                let text = format!("x{before}{address}{behind}");
                let found = privacy.text(text.as_bytes());
                let expected = format!("x{before}{}{behind}", privacy.shown(address));
                proptest::prop_assert_eq!(String::from_utf8_lossy(&found), expected);
            }
        }

        #[test]
        fn any_bytes_are_looked_through(bytes: Vec<u8>, text in "[0-9a-f:.%3A/ ]{0,40}") {
            let privacy = Privacy::new(Addresses::Cut, &[], "");
            for text in [&bytes[..], text.as_bytes()] {
                let once = privacy.text(text).into_owned();
                proptest::prop_assert_eq!(&*privacy.text(&once), &once[..]);
            }
        }
    }
}
