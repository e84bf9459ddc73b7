//! Classes of addresses that stay recognisable.

use crate::decode::IpVersion;
use crate::privacy::network::Network;

/// Addresses with a prefix in common, and how many of their leading bits never change.
///
/// Bits are counted from the highest of 128, of an IPv4 address as of an IPv6 one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    prefix: u128,
    length: u32,
    /// At least `length`; all of them for addresses that tell of no host.
    kept: u32,
}

impl Class {
    /// A network of which `kept` bits stay, at least those of its prefix.
    pub(super) fn of(network: Network, kept: u32) -> Self {
        let length = network.length().into();
        Self { prefix: network.bits(), length, kept: kept.max(length) }
    }

    const fn v4(first: [u8; 2], length: u32, kept: u32) -> Self {
        let [a, b] = first;
        Self { prefix: (a as u128) << 120 | (b as u128) << 112, length, kept }
    }

    const fn v6(prefix: u128, length: u32, kept: u32) -> Self {
        Self { prefix, length, kept }
    }
}

/// Classes of one IP version.
#[derive(Clone, Debug)]
pub(super) struct Classes(Vec<Class>);

impl Classes {
    /// Those of the registries, and others.
    pub(super) fn new(version: IpVersion, others: impl IntoIterator<Item = Class>) -> Self {
        let registered = match version {
            IpVersion::V4 => V4,
            IpVersion::V6 => V6,
        };
        Self(registered.iter().copied().chain(others).collect())
    }

    /// How many leading bits of `address` its class keeps; 0 if it is of none.
    ///
    /// Where classes lie in one another the smallest counts.
    pub(super) fn kept(&self, address: u128) -> u32 {
        let around = self.0.iter().filter(|class| common(address, class) == class.length);
        let smallest = around.max_by_key(|class| (class.length, class.kept));
        smallest.map_or(0, |class| class.kept)
    }

    /// From which bit on `address` may change without leaving its class or entering one, if every
    /// other address does as this says.
    ///
    /// Seen as a tree of prefixes: no node above a class, and none that a class keeps, exchanges
    /// what is below it. All others may, and as that depends on the node alone, prefixes are kept.
    /// The cost is that an address keeps the bits that it shares with the nearest class, and the
    /// first one in which they differ.
    pub(super) fn free_from(&self, address: u128) -> u32 {
        let shared = self.0.iter().map(|class| (common(address, class), class.length));
        let beside =
            shared.filter(|(common, length)| common < length).map(|(common, _)| common + 1);
        self.kept(address).max(beside.max().unwrap_or(0))
    }
}

/// Leading bits of the prefix of `class` that `address` has.
fn common(address: u128, class: &Class) -> u32 {
    (address ^ class.prefix).leading_zeros().min(class.length)
}

/// IANA IPv4 Special-Purpose Address Registry, and RFC 5771 for multicast.
///
/// Private networks are none of these: an address of one is that of somebody's machine.
const V4: &[Class] = &[
    // "This network", the unspecified address with it (RFC 791 §3.2).
    Class::v4([0, 0], 8, 32),
    // Loopback (RFC 1122 §3.2.1.3).
    Class::v4([127, 0], 8, 32),
    // Link-local (RFC 3927): the host is drawn from its MAC address.
    Class::v4([169, 254], 16, 16),
    // Multicast.
    Class::v4([224, 0], 4, 32),
    // Multicast by unicast prefix (RFC 6034): the prefix is that of a network.
    Class::v4([234, 0], 8, 8),
    // Reserved, limited broadcast with it (RFC 1112 §4).
    Class::v4([240, 0], 4, 32),
];

/// IANA IPv6 Special-Purpose Address Registry, and RFC 4291 §2.7 for multicast.
const V6: &[Class] = &[
    // Unspecified and loopback (RFC 4291 §2.5.2, §2.5.3).
    Class::v6(0, 127, 128),
    // Link-local (RFC 4291 §2.5.6): the host may be its MAC address.
    Class::v6(0xfe80 << 112, 10, 10),
    // Multicast: flags and scope stay, the group may name a network (RFC 3306) or a host.
    Class::v6(0xff00 << 112, 8, 16),
    // Groups that are assigned for good.
    Class::v6(0xff00 << 112, 12, 128),
    // But not solicited nodes: three octets of a host's address (RFC 4291 §2.7.1).
    Class::v6(0xff02_0000_0000_0000_0000_0001_ff00_0000, 104, 104),
];

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn what_tells_of_no_host_is_kept_whole() {
        let classes = Classes::new(IpVersion::V4, []);
        for (address, kept, free_from) in [
            ("0.0.0.0", 32, 32),
            ("127.0.0.1", 32, 32),
            ("224.0.0.251", 32, 32),
            ("239.255.255.250", 32, 32),
            ("255.255.255.255", 32, 32),
            ("169.254.7.7", 16, 16),
            ("234.192.0.2", 8, 8),
            // Five bits as 0.0.0.0/8 has them but for the last; two as 169.254.0.0/16.
            ("10.0.0.1", 0, 5),
            ("192.168.1.1", 0, 3),
            ("172.16.0.1", 0, 6),
            ("8.8.8.8", 0, 5),
            ("203.0.113.9", 0, 3),
            // Next to a class little is left: this is the price.
            ("1.1.1.1", 0, 8),
            ("169.255.0.1", 0, 16),
        ] {
            let bits = u128::from(address.parse::<Ipv4Addr>().unwrap().to_bits()) << 96;
            assert_eq!(
                (classes.kept(bits), classes.free_from(bits)),
                (kept, free_from),
                "{address}"
            );
        }
        let classes = Classes::new(IpVersion::V6, []);
        for (address, kept, free_from) in [
            ("::", 128, 128),
            ("::1", 128, 128),
            ("fe80::1", 10, 10),
            ("ff02::1", 128, 128),
            ("ff02::1:ff12:3456", 104, 104),
            ("ff3e:30:2001:db8::1", 16, 16),
            // Global unicast stays global unicast (2000::/3), and local stays local (fc00::/7).
            ("2001:db8::1", 0, 3),
            ("fd00::1", 0, 7),
        ] {
            let bits = address.parse::<Ipv6Addr>().unwrap().to_bits();
            assert_eq!(
                (classes.kept(bits), classes.free_from(bits)),
                (kept, free_from),
                "{address}"
            );
        }
    }
}
