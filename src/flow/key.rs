//! The Flow Key (RFC 7011 §2): which packets belong together.

use std::hash::{Hash, Hasher};

use crate::decode::{Address, Headers, IpVersion};
use crate::flow::icmp;

/// Addresses, ports, protocol and VLAN of a Flow, the same for both of its directions.
///
/// With biflows the endpoint that sorts first is `lower`, whoever sent the packet; [`Sender`] says
/// which of the two did. Without, `lower` is always the source. For ICMP the ports hold
/// type and code of either direction ([`icmp::normalise`]). The interface is not part of the key: the two
/// directions of a TAP arrive on two interfaces and meet in one Flow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C)]
pub(super) struct FlowKey {
    pub(super) lower: Address,
    pub(super) upper: Address,
    pub(super) lower_port: u16,
    pub(super) upper_port: u16,
    pub(super) vlan: u16,
    pub(super) protocol: u8,
    pub(super) version: IpVersion,
}

/// The endpoint of a [`FlowKey`] that sent a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sender {
    Lower,
    Upper,
}

impl Sender {
    /// The other endpoint.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Lower => Self::Upper,
            Self::Upper => Self::Lower,
        }
    }
}

impl FlowKey {
    /// The key of nothing.
    pub(super) const BLANK: Self = Self {
        lower: Address([0; 16]),
        upper: Address([0; 16]),
        lower_port: 0,
        upper_port: 0,
        vlan: 0,
        protocol: 0,
        version: IpVersion::V4,
    };

    /// The key of a packet, and which endpoint of it sent the packet.
    #[inline]
    pub(super) fn of(headers: &Headers, biflow: bool, vlan_key: bool) -> (Self, Sender) {
        let (source_port, destination_port) = if icmp::is_icmp(headers.version, headers.protocol) {
            let normal = icmp::normalise(headers.version, headers.icmp_type_code);
            (normal.source, normal.destination)
        } else {
            (headers.source_port, headers.destination_port)
        };
        let key = Self {
            lower: headers.source,
            upper: headers.destination,
            lower_port: source_port,
            upper_port: destination_port,
            vlan: if vlan_key { headers.vlan.outer_id() } else { 0 },
            protocol: headers.protocol,
            version: headers.version,
        };
        // As numbers: two comparisons each, where arrays would go through memcmp.
        let [source, destination] =
            [headers.source, headers.destination].map(|address| u128::from_be_bytes(address.0));
        let in_order =
            source < destination || (source == destination && source_port <= destination_port);
        if in_order || !biflow { (key, Sender::Lower) } else { (key.swapped(), Sender::Upper) }
    }

    const fn swapped(self) -> Self {
        Self {
            lower: self.upper,
            upper: self.lower,
            lower_port: self.upper_port,
            upper_port: self.lower_port,
            ..self
        }
    }
}

impl Hash for FlowKey {
    /// Feeds five words: what a byte-wise derive would feed in a dozen pieces.
    fn hash<H: Hasher>(&self, state: &mut H) {
        for address in [self.lower, self.upper] {
            let number = u128::from_ne_bytes(address.0);
            #[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
            let (low, high) = (number as u64, (number >> 64) as u64);
            state.write_u64(low);
            state.write_u64(high);
        }
        state.write_u64(
            u64::from(self.lower_port) << 48
                | u64::from(self.upper_port) << 32
                | u64::from(self.vlan) << 16
                | u64::from(self.protocol) << 8
                | self.version as u64,
        );
    }
}
