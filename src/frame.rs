//! The packet while it is still octets: what capture lends to decode, and to nobody else.
//!
//! A [`Frame`] borrows from a capture ring or a file and dies with the call that received it. It is
//! the only type of the probe that can reach packet octets; [`crate::decode`] turns it into
//! [`Headers`](crate::decode::Headers), which cannot. `tests/layering.rs` holds that wall: only
//! `capture`, `decode` and the loop that joins them may name this module.

use crate::time::Timestamp;

/// One captured frame, lent for the length of one call.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The octets that were captured, from the first octet of the link-layer header.
    pub bytes: &'a [u8],
    /// Octets the frame had on the wire, a stripped VLAN tag included; at least `bytes.len()` in an
    /// honest capture.
    pub wire_length: u32,
    /// When the frame was observed.
    pub at: Timestamp,
    /// How `bytes` begins.
    pub link_type: LinkType,
    /// The Observation Point: the interface index (live), or 1 + the interface id (files).
    pub interface: u32,
    /// The outermost VLAN tag, when the kernel took it out of the frame before we saw it.
    pub stripped_vlan: Option<StrippedVlan>,
}

/// A VLAN tag that the kernel moved from the frame into metadata.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StrippedVlan {
    /// Tag Protocol Identifier, 0x8100 or 0x88a8 as a rule.
    pub tpid: u16,
    /// Tag Control Information: priority, DEI and VLAN id.
    pub tci: u16,
}

/// The link-layer header type of a frame, by its number in the LINKTYPE_ registry of tcpdump.org.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LinkType {
    /// BSD loopback: a four-octet address family, byte order of the capturing host, or big-endian
    /// (LINKTYPE_NULL 0, LINKTYPE_LOOP 108).
    BsdLoopback,
    /// Ethernet II or IEEE 802.3 (LINKTYPE_ETHERNET 1).
    Ethernet,
    /// PPP, with or without HDLC address and control octets (LINKTYPE_PPP 9).
    Ppp,
    /// PPP in HDLC-like framing (LINKTYPE_PPP_HDLC 50).
    PppHdlc,
    /// PPPoE session without the Ethernet header (LINKTYPE_PPP_ETHER 51).
    PppEther,
    /// An IP packet and nothing else (LINKTYPE_RAW 101, DLT_RAW 12 and 14, LINKTYPE_IPV4 228,
    /// LINKTYPE_IPV6 229).
    RawIp,
    /// Cisco HDLC (LINKTYPE_C_HDLC 104).
    CiscoHdlc,
    /// IEEE 802.11 without a radio header (LINKTYPE_IEEE802_11 105).
    Ieee80211,
    /// Frame Relay, Q.922 address first (LINKTYPE_FRELAY 107).
    FrameRelay,
    /// Linux "cooked" capture v1 (LINKTYPE_LINUX_SLL 113).
    LinuxSll,
    /// IEEE 802.11 behind a radiotap header (LINKTYPE_IEEE802_11_RADIOTAP 127).
    Radiotap,
    /// Linux "cooked" capture v2 (LINKTYPE_LINUX_SLL2 276).
    LinuxSll2,
    /// A link type we do not decode.
    Other(u16),
}

impl LinkType {
    /// The link type behind a LINKTYPE_ or DLT_ number.
    pub const fn from_number(number: u16) -> Self {
        match number {
            0 | 108 => Self::BsdLoopback,
            1 => Self::Ethernet,
            9 => Self::Ppp,
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            50 => Self::PppHdlc,
            51 => Self::PppEther,
            104 => Self::CiscoHdlc,
            105 => Self::Ieee80211,
            107 => Self::FrameRelay,
            113 => Self::LinuxSll,
            127 => Self::Radiotap,
            276 => Self::LinuxSll2,
            other => Self::Other(other),
        }
    }
}

/// How deep headers may nest and still be followed.
///
/// One table for the decoder and for the cut in front of it (`capture::truncation`): what the one
/// follows the other lets through. The cut is also a program without loops for the kernel, each turn of
/// which is written out, so the depths are what networks have and not more. A frame that goes deeper is
/// metered at the depth reached, or ignored, and counted as such either way.
pub mod nesting {
    /// What is followed of the headers of one IP packet, those in front of it included.
    #[derive(Clone, Copy, Debug)]
    pub struct Level {
        /// VLAN tags in a row.
        pub vlan_tags: usize,
        /// Encapsulations in front of the IP header, VLAN tags aside: LLC, PPP with or without PPPoE,
        /// a label stack, an Ethernet frame by EtherType.
        pub encapsulations: usize,
        /// IPv6 extension headers.
        pub extension_headers: usize,
    }

    /// The outermost packet, then those inside one tunnel, two, and three. Of the first as many
    /// extension headers as RFC 8200 §4.1 lists.
    pub const LEVELS: [Level; 4] = [
        Level { vlan_tags: 4, encapsulations: 2, extension_headers: 7 },
        Level { vlan_tags: 2, encapsulations: 1, extension_headers: 2 },
        Level { vlan_tags: 2, encapsulations: 0, extension_headers: 2 },
        Level { vlan_tags: 2, encapsulations: 0, extension_headers: 2 },
    ];
    /// Entries of one MPLS label stack.
    pub const LABELS: usize = 8;
    /// Extension headers of one GTP-U header.
    pub const GTP_EXTENSION_HEADERS: usize = 2;
    /// Tunnels inside each other.
    pub const TUNNELS: usize = LEVELS.len() - 1;
}
