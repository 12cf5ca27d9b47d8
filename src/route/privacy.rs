//! What may be known of a stream's clients: how their addresses are shown, and which headers are left out, wherever something is
//! stored or logged.
//!
//! It's asked before anything is stored, so that what is left out is nowhere.

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

    /// Whether nothing is left out.
    pub fn keeps_all(&self) -> bool {
        self.dropped.is_empty()
    }

    /// Whether the value of a request's header may be stored and logged. `name` is in lower case.
    pub fn keeps(&self, name: &str) -> bool {
        !self.dropped.iter().any(|dropped| dropped == name)
    }
}

fn cut(address: IpAddr) -> IpAddr {
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
}
