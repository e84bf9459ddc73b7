//! Why a frame was not metered.

use std::borrow::Cow;

/// Why a frame gave no [`Headers`](crate::decode::Headers).
///
/// Raised once per ignored frame, so it is small, `Copy` and free of allocation; the ledger counts
/// it by value and nothing logs it per packet. Its number of distinct values is bounded: the
/// ledger cannot grow without end.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The capture's link type is none that we decode.
    #[error("link type {0} is not supported")]
    UnsupportedLinkType(u16),
    /// The frame carries no IP packet: ARP, spanning tree, LLDP and the like.
    #[error("no IP packet in the frame")]
    NotIp,
    /// The captured octets end before the fixed part of this header does.
    #[error("{} header cut short", .0.name())]
    Truncated(Layer),
    /// A header's own fields contradict each other or the protocol.
    #[error("{} header malformed", .0.name())]
    Malformed(Layer),
    /// More link-layer headers (VLAN, MPLS, PPPoE …) than the decoder follows.
    #[error("link-layer headers nest too deep")]
    NestingTooDeep,
}

impl DecodeError {
    /// The name in summaries and metrics: `not_ip`, `ipv4_truncated`, `unsupported_link_type_147`.
    pub fn reason(self) -> Cow<'static, str> {
        match self {
            Self::UnsupportedLinkType(number) => format!("unsupported_link_type_{number}").into(),
            Self::NotIp => "not_ip".into(),
            Self::Truncated(layer) => format!("{}_truncated", layer.name()).into(),
            Self::Malformed(layer) => format!("{}_malformed", layer.name()).into(),
            Self::NestingTooDeep => "nesting_too_deep".into(),
        }
    }
}

/// A header that can stop decoding before an IP packet is reached.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Layer {
    /// The link-layer header of the capture, whatever its type.
    Link,
    /// IEEE 802.2 LLC and SNAP.
    Llc,
    /// IEEE 802.1Q or 802.1ad tag.
    Vlan,
    /// MPLS label stack.
    Mpls,
    /// PPPoE (RFC 2516).
    Pppoe,
    /// PPP (RFC 1661).
    Ppp,
    /// IPv4 (RFC 791).
    Ipv4,
    /// IPv6 (RFC 8200).
    Ipv6,
}

impl Layer {
    /// Every layer.
    pub const ALL: [Self; 8] = [
        Self::Link,
        Self::Llc,
        Self::Vlan,
        Self::Mpls,
        Self::Pppoe,
        Self::Ppp,
        Self::Ipv4,
        Self::Ipv6,
    ];

    /// The name in reasons and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Llc => "llc",
            Self::Vlan => "vlan",
            Self::Mpls => "mpls",
            Self::Pppoe => "pppoe",
            Self::Ppp => "ppp",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}
