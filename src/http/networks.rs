//! Networks that are trusted: addresses with how much of them counts.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Networks, such as those of load balancers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Networks(Vec<Network>);

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl Networks {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the address is in one of them.
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.has(address))
    }
}

impl Network {
    fn has(&self, address: IpAddr) -> bool {
        cut(address, self.bits) == self.address
    }
}

/// The address with only its first `bits` left.
pub(super) fn cut(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32)));
            IpAddr::V4((address.to_bits() & mask.unwrap_or(0)).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128)));
            IpAddr::V6((address.to_bits() & mask.unwrap_or(0)).into())
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong = |why: &str| format!("\"{text}\" is no network: {why}, like \"10.0.0.0/8\"");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong("give an address"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse);
        let bits = bits.map_err(|_| wrong("give a number of bits behind the slash"))?;
        if bits > most {
            return Err(wrong("it has more bits than an address"));
        }
        if cut(address, bits) != address {
            return Err(wrong("it has bits behind those that count"));
        }
        Ok(Network { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Network { address, bits } = self;
        write!(f, "{address}/{bits}")
    }
}

impl TryFrom<Vec<String>> for Networks {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Networks, String> {
        let all = texts.iter().map(|text| text.parse());
        Ok(Networks(all.collect::<Result<_, _>>()?))
    }
}

impl From<Networks> for Vec<String> {
    fn from(networks: Networks) -> Vec<String> {
        networks.0.iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_network_by_its_first_bits() {
        let networks = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "0.0.0.0/32"];
        let networks = Networks::try_from(networks.map(String::from).to_vec()).unwrap();
        let has = |text: &str| networks.has(text.parse().unwrap());
        for inside in [
            "10.1.2.3",
            "192.0.2.7",
            "2001:db8::1",
            "::ffff:10.0.0.1",
            "0.0.0.0",
        ] {
            assert!(has(inside), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "2001:db9::1", "::1", "0.0.0.1"] {
            assert!(!has(outside), "{outside}");
        }
        let all = Networks::try_from(vec!["0.0.0.0/0".into(), "::/0".into()]).unwrap();
        assert!(all.has([1, 2, 3, 4].into()) && all.has("ffff::1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused_with_a_reason() {
        for text in [
            "",
            "10",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "::/129",
            "a/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
        ] {
            let error = Networks::try_from(vec![text.to_owned()]).unwrap_err();
            assert!(error.contains("is no network"), "{error}");
        }
    }
}
