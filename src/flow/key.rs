//! The Flow Key (RFC 7011 §2): which packets belong together.

use std::hash::{Hash, Hasher};

use ahash::RandomState;

use crate::decode::{Address, Headers, IpVersion};
use crate::flow::config::Config;
use crate::flow::icmp;

/// Addresses, ports, protocol and VLAN of a Flow in two words, the same for both of its directions.
///
/// With biflows the endpoint that sorts first is `lower`, whoever sent the packet; [`Sender`] says
/// which of the two did. Without, `lower` is always the source. For ICMP the ports hold
/// type and code of either direction ([`icmp::normalise`]). The interface is not part of the key: the two
/// directions of a TAP arrive on two interfaces and meet in one Flow.
///
/// IPv6 addresses do not fit, so a hash stands for them: of IPv6 Flows equal keys say only that the
/// [`Endpoints`] must be compared. IPv4, and with it most packets, needs one cache line less.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub(super) struct FlowKey {
    /// IPv4: lower and upper address. IPv6: a hash of the two.
    endpoints: u64,
    /// Lower port, upper port, VLAN, protocol, version; 16, 16, 16, 8 and 8 bits.
    rest: u64,
}

/// The addresses of a Flow: lower, upper.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C, align(32))]
pub(super) struct Endpoints(pub(super) [Address; 2]);

/// The endpoint of a Flow that sent a packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Sender {
    #[default]
    Lower,
    Upper,
}

impl Sender {
    #[inline]
    const fn upper_if(is_upper: bool) -> Self {
        if is_upper { Self::Upper } else { Self::Lower }
    }

    /// The other endpoint.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Lower => Self::Upper,
            Self::Upper => Self::Lower,
        }
    }
}

impl Endpoints {
    /// The addresses of a packet that was sent by `sender`.
    #[inline]
    pub(super) const fn of(headers: &Headers, sender: Sender) -> Self {
        match sender {
            Sender::Lower => Self([headers.source, headers.destination]),
            Sender::Upper => Self([headers.destination, headers.source]),
        }
    }
}

impl Hash for Endpoints {
    /// Feeds four words: what a byte-wise derive would feed in a dozen pieces.
    fn hash<H: Hasher>(&self, state: &mut H) {
        for address in self.0 {
            let (high, low) = halves(u128::from_ne_bytes(address.0));
            state.write_u64(high);
            state.write_u64(low);
        }
    }
}

impl FlowKey {
    /// Of no Flow.
    pub(super) const NONE: Self = Self { endpoints: 0, rest: 0 };

    /// The key of a packet, and which endpoint of it sent the packet.
    // For the reason that `FlowCache::mark` has.
    #[inline(always)]
    pub(super) fn of(headers: &Headers, config: &Config, hash: &RandomState) -> (Self, Sender) {
        let (source_port, destination_port) = if icmp::is_icmp(headers.version, headers.protocol) {
            let normal = icmp::normalise(headers.version, headers.icmp_type_code);
            (normal.source, normal.destination)
        } else {
            (headers.source_port, headers.destination_port)
        };
        let vlan = if config.vlan_key { headers.vlan.outer_id() } else { 0 };
        // Without branches on which endpoint is lower: that is a coin toss, packet by packet.
        let (sender, endpoints) = match headers.version {
            IpVersion::V4 => {
                let [source, destination] = [headers.source, headers.destination]
                    .map(|address| u64::from(u32::from_be_bytes(address.to_v4())));
                let in_order = source << 16 | u64::from(source_port)
                    <= destination << 16 | u64::from(destination_port);
                let sender = Sender::upper_if(config.biflow & !in_order);
                let endpoints = source << 32 | destination;
                (sender, endpoints.rotate_left(32 * sender as u32))
            }
            IpVersion::V6 => {
                // As numbers: two comparisons each, where arrays would go through memcmp.
                let [source, destination] = [headers.source, headers.destination]
                    .map(|address| u128::from_be_bytes(address.0));
                let in_order = (source, source_port) <= (destination, destination_port);
                let sender = Sender::upper_if(config.biflow & !in_order);
                (sender, hash.hash_one(Endpoints::of(headers, sender)))
            }
        };
        let ports = u32::from(source_port) << 16 | u32::from(destination_port);
        let ports = ports.rotate_left(16 * sender as u32);
        let rest = u64::from(ports) << 32
            | u64::from(vlan) << 16
            | u64::from(headers.protocol) << 8
            | headers.version as u64;
        (Self { endpoints, rest }, sender)
    }

    /// Ports of the lower and the upper endpoint; types and codes for ICMP.
    #[inline]
    pub(super) const fn ports(self) -> [u16; 2] {
        let [a, b, c, d, ..] = self.rest.to_be_bytes();
        [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
    }

    /// `protocolIdentifier` (IE 4).
    #[inline]
    pub(super) const fn protocol(self) -> u8 {
        let [.., protocol, _version] = self.rest.to_be_bytes();
        protocol
    }

    /// `ipVersion` (IE 60).
    #[inline]
    pub(super) const fn version(self) -> IpVersion {
        if self.rest & 0xff == IpVersion::V4 as u64 { IpVersion::V4 } else { IpVersion::V6 }
    }

    /// Addresses of the lower and the upper endpoint, if they are those of IPv4.
    #[inline]
    pub(super) const fn addresses_v4(self) -> [[u8; 4]; 2] {
        let [a, b, c, d, e, f, g, h] = self.endpoints.to_be_bytes();
        [[a, b, c, d], [e, f, g, h]]
    }
}

impl Hash for FlowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from(self.endpoints) << 64 | u128::from(self.rest));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
const fn halves(number: u128) -> (u64, u64) {
    ((number >> 64) as u64, number as u64)
}
