//! What is left of a packet behind the first wall: plain values, no octets of it.

use std::mem::offset_of;

use crate::decode::anomaly::AnomalySet;
use crate::time::Timestamp;

/// Everything the Metering Process may know of one packet.
///
/// `Copy`, without lifetime, slice or allocation: payload cannot be represented from here on.
/// Addresses, ports and counters are those of the packet that is metered, which is the innermost
/// one with `--tunnels inner`; `tunnel` then keeps the outermost.
///
/// The order is that of need, in cache lines: what the cache asks of every packet is in the first,
/// what it asks of some, and whether it is there at all, in the second; the third is touched for
/// the addresses of a tunnel only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct Headers {
    /// `sourceIPv4Address` (IE 8) or `sourceIPv6Address` (IE 27).
    pub source: Address,
    /// `destinationIPv4Address` (IE 12) or `destinationIPv6Address` (IE 28).
    pub destination: Address,
    /// When the packet was observed.
    pub at: Timestamp,
    /// Octets of the IP packet by its own length fields: header(s) and payload, never the capture
    /// length. Saturates for a jumbogram of 4 GiB.
    pub ip_length: u32,
    /// `sourceTransportPort` (IE 7); 0 where there is none or its header was not captured.
    pub source_port: u16,
    /// `destinationTransportPort` (IE 11); 0 where there is none or its header was not captured.
    pub destination_port: u16,
    /// `protocolIdentifier` (IE 4): what follows the last IPv6 extension header.
    pub protocol: u8,
    /// `ipVersion` (IE 60).
    pub version: IpVersion,
    /// `ipClassOfService` (IE 5): the whole octet, DSCP and ECN.
    pub tos: u8,
    /// Time to Live or Hop Limit.
    pub ttl: u8,
    /// `tcpControlBits` (IE 6): the low twelve bits of octets 12 and 13 of the TCP header, reserved
    /// bits included (RFC 9565).
    pub tcp_flags: u16,
    /// Window of the TCP header, unscaled.
    pub tcp_window: u16,
    /// Sequence Number of the TCP header.
    pub tcp_sequence: u32,
    /// `icmpTypeCodeIPv4` (IE 32) or `icmpTypeCodeIPv6` (IE 139): type × 256 + code.
    pub icmp_type_code: u16,
    /// Kinds of trouble seen in this packet.
    pub anomalies: AnomalySet,
    /// `ingressInterface` (IE 10): where it was observed.
    pub interface: u32,
    /// `flowLabelIPv6` (IE 31), 20 bits; 0 for IPv4.
    pub flow_label: u32,
    /// VLAN tags outside the metered packet, outermost first.
    pub vlan: VlanTags,
    /// MPLS label stack outside the metered packet, top first.
    pub mpls: MplsLabels,
    /// Present when the metered IP packet is a fragment.
    pub fragment: Option<Fragment>,
    /// MAC addresses of the outermost Ethernet, 802.11 or cooked header, where it has them.
    pub mac: Option<MacAddresses>,
    /// Present when the metered packet was carried in a tunnel.
    pub tunnel: Option<Tunnel>,
}

/// What [`Headers`] promises of cache lines. Of an `Option` only the octets that say whether there
/// is something are sure to be written, so those must not be in the third.
const _: () = {
    assert!(offset_of!(Headers, interface) == 64);
    assert!(offset_of!(Headers, tunnel) + size_of::<Option<u32>>() <= 128);
    // The niche of `Tunnel::id`, which comes first, says whether there is a tunnel.
    assert!(size_of::<Option<Tunnel>>() == size_of::<Tunnel>());
    assert!(offset_of!(Tunnel, id) == 0);
    assert!(size_of::<Headers>() == 192);
};

impl Headers {
    /// No packet at all: what a place for headers holds before the first.
    pub const BLANK: Self = Self {
        source: Address([0; 16]),
        destination: Address([0; 16]),
        at: Timestamp::EPOCH,
        ip_length: 0,
        source_port: 0,
        destination_port: 0,
        protocol: 0,
        version: IpVersion::V4,
        tos: 0,
        ttl: 0,
        tcp_flags: 0,
        tcp_window: 0,
        tcp_sequence: 0,
        icmp_type_code: 0,
        anomalies: AnomalySet::NONE,
        interface: 0,
        flow_label: 0,
        vlan: VlanTags { outer: 0, inner: 0, count: 0 },
        mpls: MplsLabels { sections: [[0; 3]; 3], count: 0 },
        fragment: None,
        mac: None,
        tunnel: None,
    };
}

/// An IPv4 or IPv6 address in sixteen octets; IPv4 as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2).
///
/// Which of the two it is stands beside it ([`Headers::version`]): a mapped address may also occur
/// in a real IPv6 header.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address(pub [u8; 16]);

impl Address {
    /// An IPv4 address from its four octets.
    #[inline]
    pub const fn v4(octets: [u8; 4]) -> Self {
        let [a, b, c, d] = octets;
        let octets = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d];
        // As one number, so that it is written in one piece.
        Self(u128::from_ne_bytes(octets).to_ne_bytes())
    }

    /// The last four octets: the IPv4 address, if it is one.
    #[inline]
    pub const fn to_v4(self) -> [u8; 4] {
        let [.., a, b, c, d] = self.0;
        [a, b, c, d]
    }
}

/// `ipVersion` (IE 60).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum IpVersion {
    /// RFC 791.
    V4 = 4,
    /// RFC 8200.
    V6 = 6,
}

/// What an IPv4 header or an IPv6 Fragment header says of a fragment.
///
/// An IPv6 "atomic" fragment (offset 0, no more fragments; RFC 6946) is not one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fragment {
    /// `fragmentIdentification` (IE 54).
    pub identification: u32,
    /// Offset of this fragment's data in the original, in octets.
    pub offset: u32,
    /// Octets of the original's data in this fragment, by the length fields.
    pub length: u32,
    /// More fragments follow.
    pub more: bool,
}

/// Source and destination MAC address, in the order of an Ethernet header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C)]
pub struct MacAddresses {
    /// `destinationMacAddress` (IE 80).
    pub destination: [u8; 6],
    /// `sourceMacAddress` (IE 56).
    pub source: [u8; 6],
}

/// The two outermost VLAN tags and how many there were.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct VlanTags {
    /// Tag Control Information of the outermost tag; meaningful when `count` > 0.
    pub outer: u16,
    /// Tag Control Information of the second tag; meaningful when `count` > 1.
    pub inner: u16,
    /// Tags seen, those beyond the second included.
    pub count: u8,
}

impl VlanTags {
    /// `dot1qVlanId` (IE 243) of the outermost tag; 0 without one.
    #[inline]
    pub const fn outer_id(self) -> u16 {
        self.outer & 0x0fff
    }

    /// `dot1qCustomerVlanId` (IE 245): the id of the second tag; 0 without one.
    #[inline]
    pub const fn inner_id(self) -> u16 {
        self.inner & 0x0fff
    }
}

/// The top three entries of an MPLS label stack, and how many there were.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MplsLabels {
    /// `mplsTopLabelStackSection` (IE 70) and sections 2 and 3 (IE 71, 72): label (20 bits),
    /// experimental (3 bits), bottom of stack (1 bit), as on the wire, without the TTL.
    pub sections: [[u8; 3]; 3],
    /// Labels seen, those beyond the third included.
    pub count: u8,
}

/// The tunnel around the metered packet: the outermost addresses, the innermost tunnel's id.
///
/// The order matters: see [`Headers`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C)]
pub struct Tunnel {
    /// VNI, TNI, GRE key, ERSPAN session id, TEID or L2TP session id; `None` where the protocol
    /// has none.
    pub id: Option<u32>,
    /// How the metered packet was carried.
    pub kind: TunnelKind,
    /// IP version of `source` and `destination`.
    pub version: IpVersion,
    /// Source address of the outermost IP header.
    pub source: Address,
    /// Destination address of the outermost IP header.
    pub destination: Address,
}

/// Which protocol carries a packet inside another IP packet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum TunnelKind {
    /// IPv4 or IPv6 in IPv4 or IPv6 (RFC 2003, RFC 2473, RFC 4213).
    IpInIp = 1,
    /// GRE (RFC 2784, RFC 2890).
    Gre = 2,
    /// NVGRE (RFC 7637).
    Nvgre = 3,
    /// ERSPAN type I, II or III.
    Erspan = 4,
    /// VXLAN (RFC 7348).
    Vxlan = 5,
    /// GENEVE (RFC 8926).
    Geneve = 6,
    /// GTP-U (3GPP TS 29.281).
    GtpU = 7,
    /// L2TP version 2 (RFC 2661).
    L2tpV2 = 8,
    /// L2TP version 3 (RFC 3931).
    L2tpV3 = 9,
    /// Teredo (RFC 4380).
    Teredo = 10,
}
