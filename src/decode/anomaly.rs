//! Broken and suspicious packets, counted by kind (requirement U3).

/// A kind of trouble in a packet that is metered all the same.
///
/// The order is that of the ledger; [`Self::name`] is what users see.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum PacketAnomaly {
    /// The IP packet ends with its header: nothing follows.
    HeaderOnly,
    /// The IP length field says more than the frame had on the wire.
    IpLengthBeyondFrame,
    /// A transport header's own length field is impossible (TCP data offset, UDP length, …).
    TransportLengthImpossible,
    /// The IP packet ends, by its own length, before its transport header does.
    TransportHeaderCut,
    /// Source and destination address are equal.
    SourceEqualsDestination,
    /// A source address that no sender can have: multicast, limited broadcast or loopback.
    SourceImpossible,
    /// TCP flags that no implementation sends: none at all, SYN with FIN or RST, FIN with RST,
    /// FIN/URG/PSH without ACK.
    TcpFlagsImpossible,
    /// A fragment that covers octets already covered by another one.
    FragmentOverlap,
    /// A first fragment too small for its transport header, or a middle one that ends too early
    /// (RFC 1858, RFC 8200 §4.5).
    TinyFragment,
    /// The IPv4 header checksum does not match the header.
    Ipv4ChecksumBad,
    /// Headers nest deeper than the decoder follows; metered at the depth it reached.
    NestingTooDeep,
    /// A tunnel whose inner packet could not be decoded; metered as its outer flow.
    TunnelUndecodable,
}

impl PacketAnomaly {
    /// Every kind, in the order of the ledger.
    pub const ALL: [Self; 12] = [
        Self::HeaderOnly,
        Self::IpLengthBeyondFrame,
        Self::TransportLengthImpossible,
        Self::TransportHeaderCut,
        Self::SourceEqualsDestination,
        Self::SourceImpossible,
        Self::TcpFlagsImpossible,
        Self::FragmentOverlap,
        Self::TinyFragment,
        Self::Ipv4ChecksumBad,
        Self::NestingTooDeep,
        Self::TunnelUndecodable,
    ];

    /// The name in summaries and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeaderOnly => "header_only",
            Self::IpLengthBeyondFrame => "ip_length_beyond_frame",
            Self::TransportLengthImpossible => "transport_length_impossible",
            Self::TransportHeaderCut => "transport_header_cut",
            Self::SourceEqualsDestination => "source_equals_destination",
            Self::SourceImpossible => "source_impossible",
            Self::TcpFlagsImpossible => "tcp_flags_impossible",
            Self::FragmentOverlap => "fragment_overlap",
            Self::TinyFragment => "tiny_fragment",
            Self::Ipv4ChecksumBad => "ipv4_checksum_bad",
            Self::NestingTooDeep => "nesting_too_deep",
            Self::TunnelUndecodable => "tunnel_undecodable",
        }
    }
}

/// The kinds of trouble one packet showed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AnomalySet(u16);

impl AnomalySet {
    /// No trouble at all.
    pub const NONE: Self = Self(0);

    /// Adds one kind.
    #[inline]
    pub const fn insert(&mut self, anomaly: PacketAnomaly) {
        self.0 |= 1 << anomaly as u16;
    }

    /// Notes that the packet has IP options. They are no trouble, and the packet goes the same slow way.
    #[inline]
    pub const fn note_options(&mut self) {
        self.0 |= OPTIONS;
    }

    /// Whether the packet has IP options: in IPv4, or in a Hop-by-Hop or Destination Options header.
    #[inline]
    pub const fn has_options(self) -> bool {
        self.0 & OPTIONS != 0
    }

    /// Whether nothing was seen, neither trouble nor options.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `anomaly` was seen.
    #[inline]
    pub const fn contains(self, anomaly: PacketAnomaly) -> bool {
        self.0 & (1 << anomaly as u16) != 0
    }

    /// The kinds seen, in the order of the ledger.
    pub fn iter(self) -> impl Iterator<Item = PacketAnomaly> {
        PacketAnomaly::ALL.into_iter().filter(move |&anomaly| self.contains(anomaly))
    }
}

/// A bit that is no kind's.
const OPTIONS: u16 = 1 << 15;
const _: () = assert!(PacketAnomaly::ALL.len() <= 15, "a bit for each kind, and one for options");
