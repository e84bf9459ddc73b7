//! Networks that the operator tells apart, and none besides.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::decode::{Address, IpVersion};
use crate::privacy::network::{Network, prefix_mask};

/// Which configured network an address is in. It is a place in their list and cannot hold an address.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NetworkClass(u8);

impl NetworkClass {
    /// In none of them.
    pub const OTHER: Self = Self(0);
}

/// The networks by which Flows are told apart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConfiguredNetworks {
    /// As they were given.
    networks: Vec<Network>,
    /// The longest prefix first.
    v4: Vec<Search>,
    v6: Vec<Search>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Search {
    bits: u128,
    mask: u128,
    class: NetworkClass,
}

impl ConfiguredNetworks {
    /// Of the first 255 of these networks.
    pub fn new(networks: &[Network]) -> Self {
        let mut found = Self { networks: networks.to_vec(), ..Self::default() };
        let mut by_length: Vec<_> = networks.iter().zip(1_u8..=u8::MAX).collect();
        by_length.sort_by_key(|(network, _)| u8::MAX - network.length());
        for (network, number) in by_length {
            let (bits, mask) = (network.bits(), prefix_mask(network.length().into()));
            let search = Search { bits, mask, class: NetworkClass(number) };
            match network.version() {
                IpVersion::V4 => found.v4.push(search),
                IpVersion::V6 => found.v6.push(search),
            }
        }
        found
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// The class of an address: the longest prefix that it has.
    #[inline]
    pub(super) fn class(&self, version: IpVersion, address: Address) -> NetworkClass {
        let (networks, bits) = match version {
            IpVersion::V4 if self.v4.is_empty() => return NetworkClass::OTHER,
            IpVersion::V6 if self.v6.is_empty() => return NetworkClass::OTHER,
            IpVersion::V4 => (&self.v4, u128::from(u32::from_be_bytes(address.to_v4())) << 96),
            IpVersion::V6 => (&self.v6, u128::from_be_bytes(address.0)),
        };
        let found = networks.iter().find(|network| bits & network.mask == network.bits);
        found.map_or(NetworkClass::OTHER, |network| network.class)
    }

    /// The prefix of a class and its length, as the operator gave it; that of all addresses for those
    /// in no network.
    pub fn prefix(&self, version: IpVersion, class: NetworkClass) -> (IpAddr, u8) {
        let place = usize::from(class.0).checked_sub(1);
        match place.and_then(|place| self.networks.get(place)) {
            Some(network) => (network.address(), network.length()),
            None => (
                match version {
                    IpVersion::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                    IpVersion::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                },
                0,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_the_longest_prefix_it_has() {
        let given = ["10.0.0.0/8", "2001:db8::/32", "10.1.0.0/16", "192.0.2.0/24"];
        let given: Vec<Network> = given.iter().map(|text| text.parse().unwrap()).collect();
        let networks = ConfiguredNetworks::new(&given);
        let of = |address: IpAddr| {
            let (version, octets) = match address {
                IpAddr::V4(address) => (IpVersion::V4, Address::v4(address.octets())),
                IpAddr::V6(address) => (IpVersion::V6, Address(address.octets())),
            };
            let (address, length) = networks.prefix(version, networks.class(version, octets));
            format!("{address}/{length}")
        };
        for (address, network) in [
            ("10.1.2.3", "10.1.0.0/16"),
            ("10.2.2.3", "10.0.0.0/8"),
            ("192.0.2.255", "192.0.2.0/24"),
            ("192.0.3.0", "0.0.0.0/0"),
            ("2001:db8::1", "2001:db8::/32"),
            ("2001:db9::1", "::/0"),
        ] {
            assert_eq!(of(address.parse().unwrap()), network, "{address}");
        }
        assert!(ConfiguredNetworks::new(&[]).is_empty());
    }
}
