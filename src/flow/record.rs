//! A Flow Record: what the Metering Process hands to the Exporting Process when a Flow expires.

use crate::decode::{Address, IpVersion, MacAddresses, MplsLabels, Tunnel, VlanTags};
use crate::time::Timestamp;

/// One expired Flow, or one active-timeout slice of a Flow that goes on (RFC 7011 §2).
///
/// With biflows (RFC 5103) `source` is the initiator and `forward` what it sent. A slice in which
/// only one side spoke has zero packets in the other direction, and that may be `forward`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FlowRecord {
    /// `flowId` (IE 148): the same for all slices of one Flow.
    pub flow_id: u64,
    /// `ingressInterface` (IE 10) of the first packet of the Flow.
    pub interface: u32,
    /// `ipVersion` (IE 60) of `source` and `destination`.
    pub version: IpVersion,
    /// `protocolIdentifier` (IE 4).
    pub protocol: u8,
    /// `flowEndReason` (IE 136).
    pub end_reason: FlowEndReason,
    /// Source of the forward direction.
    pub source: Address,
    /// Destination of the forward direction.
    pub destination: Address,
    /// `sourceTransportPort` (IE 7); 0 for protocols without ports.
    pub source_port: u16,
    /// `destinationTransportPort` (IE 11); 0 for protocols without ports.
    pub destination_port: u16,
    /// From source to destination.
    pub forward: Direction,
    /// From destination to source; no packets for a uniflow.
    pub reverse: Direction,
    /// MAC addresses of the first packet, source being the sender of the forward direction.
    pub mac: Option<MacAddresses>,
    /// VLAN tags of the first packet.
    pub vlan: VlanTags,
    /// MPLS labels of the first packet.
    pub mpls: MplsLabels,
    /// The tunnel of the first packet; source is the side from which the forward direction comes.
    pub tunnel: Option<Tunnel>,
}

/// What was seen in one direction of a Flow since the last record of it (delta counters,
/// RFC 7012 §3.2).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Direction {
    /// `packetDeltaCount` (IE 2). When zero, no other field has a meaning.
    pub packets: u64,
    /// `octetDeltaCount` (IE 1): IP header(s) and payload.
    pub octets: u64,
    /// Time of the earliest packet (`flowStart*`).
    pub first: Timestamp,
    /// Time of the latest packet (`flowEnd*`).
    pub last: Timestamp,
    /// `minimumIpTotalLength` (IE 25).
    pub minimum_length: u32,
    /// `maximumIpTotalLength` (IE 26).
    pub maximum_length: u32,
    /// `tcpControlBits` (IE 6): OR over all packets.
    pub tcp_flags: u16,
    /// `minimumTTL` (IE 52).
    pub minimum_ttl: u8,
    /// `maximumTTL` (IE 53).
    pub maximum_ttl: u8,
    /// `ipClassOfService` (IE 5) of the first packet.
    pub tos: u8,
    /// `tcpWindowSize` (IE 186) of the first packet.
    pub tcp_window: u16,
    /// `tcpSequenceNumber` (IE 184) of the first packet.
    pub tcp_sequence: u32,
    /// `icmpTypeCodeIPv4` (IE 32) or `icmpTypeCodeIPv6` (IE 139) of the first packet.
    pub icmp_type_code: u16,
    /// `flowLabelIPv6` (IE 31) of the first packet.
    pub flow_label: u32,
    /// Packets that were fragments.
    pub fragments: u32,
}

impl Direction {
    /// Without a packet.
    const NONE: Self = Self {
        packets: 0,
        octets: 0,
        first: Timestamp::EPOCH,
        last: Timestamp::EPOCH,
        minimum_length: 0,
        maximum_length: 0,
        tcp_flags: 0,
        minimum_ttl: 0,
        maximum_ttl: 0,
        tos: 0,
        tcp_window: 0,
        tcp_sequence: 0,
        icmp_type_code: 0,
        flow_label: 0,
        fragments: 0,
    };
}

/// `flowEndReason` (IE 136): why a Flow Record was exported (RFC 5102 §5.11.3).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum FlowEndReason {
    /// No packet for the idle timeout.
    IdleTimeout = 1,
    /// The Flow goes on; this is a slice of it.
    ActiveTimeout = 2,
    /// FIN in both directions, or RST.
    EndOfFlowDetected = 3,
    /// The Metering Process was told to stop.
    ForcedEnd = 4,
    /// The cache was full.
    LackOfResources = 5,
}

impl FlowEndReason {
    /// Every reason, in the order of the registry.
    pub const ALL: [Self; 5] = [
        Self::IdleTimeout,
        Self::ActiveTimeout,
        Self::EndOfFlowDetected,
        Self::ForcedEnd,
        Self::LackOfResources,
    ];

    /// The name in summaries and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IdleTimeout => "idle_timeout",
            Self::ActiveTimeout => "active_timeout",
            Self::EndOfFlowDetected => "end_of_flow_detected",
            Self::ForcedEnd => "forced_end",
            Self::LackOfResources => "lack_of_resources",
        }
    }
}

impl FlowRecord {
    /// No Flow at all: what a place for a record holds before it is written.
    pub(crate) const BLANK: Self = Self {
        flow_id: 0,
        interface: 0,
        version: IpVersion::V4,
        protocol: 0,
        end_reason: FlowEndReason::ForcedEnd,
        source: Address([0; 16]),
        destination: Address([0; 16]),
        source_port: 0,
        destination_port: 0,
        forward: Direction::NONE,
        reverse: Direction::NONE,
        mac: None,
        vlan: VlanTags { outer: 0, inner: 0, count: 0 },
        mpls: MplsLabels { sections: [[0; 3]; 3], count: 0 },
        tunnel: None,
    };

    /// Packets in both directions.
    pub const fn packets(&self) -> u64 {
        self.forward.packets + self.reverse.packets
    }

    /// Octets in both directions.
    pub const fn octets(&self) -> u64 {
        self.forward.octets + self.reverse.octets
    }
}
