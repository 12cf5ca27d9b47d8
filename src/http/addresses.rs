//! How many connections each address has, for `http.max_connections_per_address`. One of IPv6 is counted by its network of 64 bits.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::auth::addresses::counted;

/// Open connections by their clients' addresses.
#[derive(Debug, Default)]
pub struct Addresses(Mutex<HashMap<IpAddr, usize>>);

/// A connection's place among those of its address.
#[derive(Debug)]
pub(super) struct AddressTicket {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    /// A place for one more of `address`, of which there may be `limit`.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr, limit: usize) -> Option<AddressTicket> {
        let address = counted(address);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(AddressTicket {
            addresses: Arc::clone(self),
            address,
        })
    }
}

impl Drop for AddressTicket {
    fn drop(&mut self) {
        let mut open = self
            .addresses
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv6_is_its_network_and_a_mapped_one_is_of_ipv4() {
        let addresses = Arc::new(Addresses::default());
        let enter = |text: &str| addresses.enter(text.parse().unwrap(), 2);
        let first = enter("2001:db8:1:2::1").unwrap();
        let _second = enter("2001:db8:1:2:ffff::9").unwrap();
        assert!(enter("2001:db8:1:2:3::4").is_none());
        let _other = enter("2001:db8:1:3::1").unwrap();
        drop(first);
        let _third = enter("2001:db8:1:2:3::4").unwrap();
        let _four = [
            enter("192.0.2.1").unwrap(),
            enter("::ffff:192.0.2.1").unwrap(),
        ];
        assert!(enter("192.0.2.1").is_none());
        assert!(enter("::ffff:192.0.2.2").is_some());
    }
}
