//! Networks: address prefixes, and sets of them that are quick to search.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::str::FromStr;

use crate::decode::{Address, IpVersion};

/// An IPv4 prefix (RFC 4632 §3.1) or an IPv6 prefix (RFC 4291 §2.3); the bits behind it are zero.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// It is neither an address nor a prefix.
    #[error("is no address and no prefix: write for example 192.0.2.0/24 or 2001:db8::/32")]
    Unreadable,
    /// An address does not have so many bits.
    #[error("has a prefix longer than the {0} bits of its address")]
    TooLong(u8),
    /// Bits are set behind the prefix. To guess which of the two was meant could meter somebody who
    /// was promised not to be.
    #[error("has bits set behind the prefix: the network of this address is {0}")]
    BitsBehind(Network),
}

impl NetworkError {
    /// The same without a word of the address.
    pub fn without_address(&self) -> String {
        match self {
            Self::BitsBehind(_) => "has bits set behind the prefix length".to_owned(),
            Self::Unreadable | Self::TooLong(_) => self.to_string(),
        }
    }
}

impl Network {
    /// The network of `length` bits, at most those of the address, that `address` lies in.
    pub fn of(address: IpAddr, length: u8) -> Self {
        let length = length.min(bits_of(address));
        Self { address: masked(address, length), length }
    }

    /// The first address.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits of the address count.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether an address lies in it. An IPv4 address lies in no IPv6 network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && masked(address, self.length) == self.address
    }
}

impl Display for Network {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// `192.0.2.0/24`, `2001:db8::/32`, or an address, which is a network of its own.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Unreadable)?;
        let most = bits_of(address);
        let length = match length {
            None => most,
            Some(digits) if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) => {
                return Err(NetworkError::Unreadable);
            }
            Some(digits) => match digits.parse() {
                Ok(length) if length <= most => length,
                _ => return Err(NetworkError::TooLong(most)),
            },
        };
        let network = Self::of(address, length);
        if network.address == address {
            Ok(network)
        } else {
            Err(NetworkError::BitsBehind(network))
        }
    }
}

const fn bits_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// An address with all bits but the first `length` zero.
pub fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

/// A set of networks. A search takes as many steps as the number of networks has bits, and touches
/// no memory but that of the addresses where ranges begin, until the last step.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Networks {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    /// As they were given.
    count: usize,
}

impl Networks {
    /// How many were given, those inside another included.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether none was given.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether an address of a packet lies in one of them.
    ///
    /// An IPv4-mapped address in an IPv6 header (RFC 4291 §2.5.5.2) lies in the networks of the IPv4
    /// address as well: it is the same node. An IPv4 address lies in no IPv6 network, so `::/0` is
    /// all of IPv6 and nothing else.
    #[inline]
    pub fn contain(&self, version: IpVersion, address: Address) -> bool {
        match version {
            IpVersion::V4 => self.v4.contain(u32::from_be_bytes(address.to_v4())),
            IpVersion::V6 => {
                let bits = u128::from_be_bytes(address.0);
                let is_mapped = bits >> 32 == 0xffff;
                self.v6.contain(bits)
                    || (is_mapped && self.v4.contain(u32::from_be_bytes(address.to_v4())))
            }
        }
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        let (mut v4, mut v6, mut count) = (Vec::new(), Vec::new(), 0);
        for Network { address, length } in networks {
            count += 1;
            match address {
                IpAddr::V4(address) => {
                    let first = address.to_bits();
                    v4.push((first, first | u32::MAX.checked_shr(length.into()).unwrap_or(0)));
                }
                IpAddr::V6(address) => {
                    let first = address.to_bits();
                    v6.push((first, first | u128::MAX.checked_shr(length.into()).unwrap_or(0)));
                }
            }
        }
        Self { v4: Ranges::of(v4), v6: Ranges::of(v6), count }
    }
}

/// Disjoint ranges of addresses, in order: where each begins, and where it ends.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Ranges<T> {
    first: Box<[T]>,
    last: Box<[T]>,
}

impl<T: Copy + Ord> Ranges<T> {
    fn of(mut ranges: Vec<(T, T)>) -> Self {
        ranges.sort_unstable();
        ranges.dedup_by(|&mut (first, last), (_, before)| {
            let overlaps = first <= *before;
            if overlaps {
                *before = last.max(*before);
            }
            overlaps
        });
        Self {
            first: ranges.iter().map(|&(first, _)| first).collect(),
            last: ranges.iter().map(|&(_, last)| last).collect(),
        }
    }

    #[inline]
    fn contain(&self, address: T) -> bool {
        let begun = self.first.partition_point(|&first| first <= address);
        let last = begun.checked_sub(1).and_then(|range| self.last.get(range));
        last.is_some_and(|&last| address <= last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn address_of(address: IpAddr) -> (IpVersion, Address) {
        match address {
            IpAddr::V4(address) => (IpVersion::V4, Address::v4(address.octets())),
            IpAddr::V6(address) => (IpVersion::V6, Address(address.octets())),
        }
    }

    fn holds(networks: &[&str], address: &str) -> bool {
        let networks: Networks = networks.iter().map(|text| network(text)).collect();
        let (version, address) = address_of(address.parse().unwrap());
        networks.contain(version, address)
    }

    #[test]
    fn the_first_and_the_last_address_of_a_network_lie_in_it_and_their_neighbours_do_not() {
        for (prefix, inside, outside) in [
            ("192.0.2.0/24", ["192.0.2.0", "192.0.2.255"], ["192.0.1.255", "192.0.3.0"]),
            ("192.0.2.1", ["192.0.2.1", "192.0.2.1"], ["192.0.2.0", "192.0.2.2"]),
            (
                "2001:db8::/33",
                ["2001:db8::", "2001:db8:7fff:ffff::1"],
                ["2001:db7::", "2001:db8:8000::"],
            ),
            ("::/0", ["::", "ffff::"], ["0.0.0.0", "255.255.255.255"]),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "ffff::"]),
        ] {
            assert_eq!(inside.map(|address| holds(&[prefix], address)), [true; 2], "{prefix}");
            assert_eq!(outside.map(|address| holds(&[prefix], address)), [false; 2], "{prefix}");
        }
        assert!(!holds(&[], "192.0.2.1"));
    }

    #[test]
    fn a_mapped_address_is_that_of_the_ipv4_node() {
        // RFC 4291 §2.5.5.2.
        assert!(holds(&["192.0.2.0/24"], "::ffff:192.0.2.1"));
        assert!(!holds(&["192.0.2.0/24"], "::ffff:192.0.3.1"));
        assert!(!holds(&["192.0.2.0/24"], "::192.0.2.1"));
        assert!(holds(&["::ffff:0:0/96"], "::ffff:192.0.2.1"));
        assert!(!holds(&["::ffff:0:0/96"], "192.0.2.1"));
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_would_be_one() {
        let error = |text: &str| text.parse::<Network>().unwrap_err();
        for text in ["", "/", "192.0.2.0/", "192.0.2/24", "192.0.2.0/+24", "host", "1/8", "::g/64"]
        {
            assert_eq!(error(text), NetworkError::Unreadable, "{text}");
        }
        assert_eq!(error("192.0.2.0/33"), NetworkError::TooLong(32));
        assert_eq!(error("::/999"), NetworkError::TooLong(128));
        assert_eq!(error("192.0.2.1/24"), NetworkError::BitsBehind(network("192.0.2.0/24")));
        assert!(error("2001:db8::1/64").to_string().ends_with("2001:db8::/64"));
    }

    #[test]
    fn networks_inside_others_change_nothing() {
        let networks = ["10.0.0.0/8", "10.1.0.0/16", "10.255.255.255", "11.0.0.0/32"];
        assert!(holds(&networks, "10.200.0.1"));
        assert!(holds(&networks, "11.0.0.0"));
        assert!(!holds(&networks, "11.0.0.1"));
        let set: Networks = networks.iter().map(|text| network(text)).collect();
        assert_eq!((set.len(), set.v4.first.len()), (4, 2));
    }

    /// Addresses near to each other, so that networks hold them, nest and touch.
    fn any_address() -> impl Strategy<Value = IpAddr> + Clone {
        let near = prop_oneof![Just(0_u32), Just(u32::MAX), 0_u32..1 << 12, any::<u32>()];
        prop_oneof![
            near.clone().prop_map(|bits| IpAddr::V4(bits.into())),
            near.clone().prop_map(|bits| IpAddr::V6((u128::from(bits) | 0xffff << 32).into())),
            near.prop_map(|bits| IpAddr::V6((u128::from(bits) << 96 | 0x2001 << 16).into())),
            any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        ]
    }

    fn any_network() -> impl Strategy<Value = Network> {
        (any_address(), prop_oneof![0_u8..=128, 90_u8..=128, 20_u8..=32])
            .prop_map(|(address, length)| Network::of(address, length))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn a_set_holds_what_one_of_its_networks_holds(
            networks in prop::collection::vec(any_network(), 0..40),
            others in prop::collection::vec(any_address(), 1..40),
        ) {
            let set: Networks = networks.iter().copied().collect();
            // Ends of networks are where a search goes wrong.
            let ends = networks.iter().map(Network::address);
            for address in ends.chain(others.iter().copied()) {
                let (version, octets) = address_of(address);
                let mapped = match address {
                    IpAddr::V6(address) => address.to_ipv4_mapped().map(IpAddr::V4),
                    IpAddr::V4(_) => None,
                };
                let naive = networks.iter().any(|network| {
                    network.contains(address) || mapped.is_some_and(|it| network.contains(it))
                });
                prop_assert_eq!(set.contain(version, octets), naive, "{}", address);
            }
        }

        #[test]
        fn what_a_network_prints_it_reads(network in any_network()) {
            prop_assert_eq!(network.to_string().parse(), Ok(network));
        }
    }
}
