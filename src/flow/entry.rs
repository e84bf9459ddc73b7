//! A Flow in memory: what every packet touches, what only the first one does, and the record of both.

use std::time::Duration;

use crate::decode::{MacAddresses, MplsLabels, Tunnel, VlanTags};
use crate::flow::icmp;
use crate::flow::index::Tag;
use crate::flow::key::{FlowKey, Sender};
use crate::flow::record::{Direction, FlowEndReason, FlowRecord};
use crate::time::Timestamp;

/// What each packet of a Flow reads and writes: two cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Hot {
    pub(super) key: FlowKey,
    /// When this slice began; meaningless while it holds no packet.
    pub(super) slice_start: Timestamp,
    pub(super) tag: Tag,
    pub(super) state: State,
    pub(super) in_use: bool,
    pub(super) directions: HotDirections,
}

/// From `key.lower`, from `key.upper`; a line of their own, so that one prefetch brings both.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct HotDirections(pub(super) [HotDirection; 2]);

const _: () = assert!(size_of::<Hot>() == 128 && std::mem::offset_of!(Hot, directions) == 64);

/// Counters of one direction in the current slice, but for `last`, which outlives it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct HotDirection {
    pub(super) octets: u64,
    pub(super) last: Timestamp,
    pub(super) packets: u32,
    pub(super) minimum_length: u32,
    pub(super) maximum_length: u32,
    pub(super) tcp_flags: u16,
    pub(super) minimum_ttl: u8,
    pub(super) maximum_ttl: u8,
}

/// What only the first packet of a Flow, or of a direction in a slice, has to say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cold {
    pub(super) flow_id: u64,
    pub(super) interface: u32,
    pub(super) extra: u32,
    pub(super) vlan: VlanTags,
    pub(super) mac: Option<MacAddresses>,
    pub(super) directions: [ColdDirection; 2],
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ColdDirection {
    pub(super) first: Timestamp,
    pub(super) tcp_sequence: u32,
    pub(super) flow_label: u32,
    pub(super) fragments: u32,
    pub(super) tcp_window: u16,
    pub(super) icmp_type_code: u16,
    pub(super) tos: u8,
}

/// Rare parts of a Flow, stored apart. The tunnel's source is the side of `key.lower`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extra {
    pub(super) mpls: MplsLabels,
    pub(super) tunnel: Option<Tunnel>,
}

/// How far a Flow has come, as bits.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct State(pub(super) u8);

impl State {
    pub(super) const INITIATOR_IS_UPPER: u8 = 1;
    pub(super) const FIN_FROM_LOWER: u8 = 2;
    pub(super) const FIN_FROM_UPPER: u8 = 4;
    pub(super) const RST: u8 = 8;
    /// A SYN said who began, or a record has already told it.
    pub(super) const INITIATOR_IS_KNOWN: u8 = 16;

    pub(super) const fn initiator(self) -> Sender {
        if self.0 & Self::INITIATOR_IS_UPPER == 0 { Sender::Lower } else { Sender::Upper }
    }

    /// Takes `sender` for the initiator, unless that is known for certain.
    pub(super) const fn take_initiator(&mut self, sender: Sender) {
        if self.0 & Self::INITIATOR_IS_KNOWN == 0 {
            self.0 &= !Self::INITIATOR_IS_UPPER;
            self.0 |= Self::INITIATOR_IS_KNOWN
                | match sender {
                    Sender::Lower => 0,
                    Sender::Upper => Self::INITIATOR_IS_UPPER,
                };
        }
    }

    /// Whether TCP said that the Flow is over.
    pub(super) const fn has_ended(self, biflow: bool) -> bool {
        let fins = self.0 & (Self::FIN_FROM_LOWER | Self::FIN_FROM_UPPER);
        self.0 & Self::RST != 0
            || fins == Self::FIN_FROM_LOWER | Self::FIN_FROM_UPPER
            // A uniflow sees one side only; its FIN is the end of it.
            || (!biflow && fins != 0)
    }
}

impl Hot {
    /// When the latest packet of the Flow came.
    #[inline]
    pub(super) fn last(&self) -> Timestamp {
        let [lower, upper] = &self.directions.0;
        lower.last.max(upper.last)
    }

    /// Whether `now` is so long before the Flow's latest packet that the clock was set back.
    #[inline]
    pub(super) fn is_ahead_of(&self, now: Timestamp) -> bool {
        now.saturating_add(CLOCK_STEP) < self.last()
    }
}

pub(super) fn record_of(
    flow: &Hot,
    cold: &Cold,
    extra: Option<&Extra>,
    end_reason: FlowEndReason,
) -> FlowRecord {
    let Hot { key, state, directions, .. } = flow;
    let initiator = state.initiator();
    let HotDirections([lower, upper]) = directions;
    let [lower_cold, upper_cold] = &cold.directions;
    let direction = |sender: Sender| match sender {
        Sender::Lower => direction_of(lower, lower_cold),
        Sender::Upper => direction_of(upper, upper_cold),
    };
    let (source, source_port, destination, destination_port) = match initiator {
        Sender::Lower => (key.lower, key.lower_port, key.upper, key.upper_port),
        Sender::Upper => (key.upper, key.upper_port, key.lower, key.lower_port),
    };
    let has_ports = !icmp::is_icmp(key.version, key.protocol);
    FlowRecord {
        flow_id: cold.flow_id,
        interface: cold.interface,
        version: key.version,
        protocol: key.protocol,
        end_reason,
        source,
        destination,
        source_port: if has_ports { source_port } else { 0 },
        destination_port: if has_ports { destination_port } else { 0 },
        forward: direction(initiator),
        reverse: direction(initiator.other()),
        mac: cold.mac.map(|mac| seen_from_lower_mac(initiator, mac)),
        vlan: cold.vlan,
        mpls: extra.map_or_else(MplsLabels::default, |extra| extra.mpls),
        tunnel: extra
            .and_then(|extra| extra.tunnel)
            .map(|tunnel| seen_from_lower_tunnel(initiator, tunnel)),
    }
}

fn direction_of(hot: &HotDirection, cold: &ColdDirection) -> Direction {
    if hot.packets == 0 {
        return Direction::default();
    }
    Direction {
        packets: u64::from(hot.packets),
        octets: hot.octets,
        first: cold.first,
        last: hot.last,
        minimum_length: hot.minimum_length,
        maximum_length: hot.maximum_length,
        tcp_flags: hot.tcp_flags,
        minimum_ttl: hot.minimum_ttl,
        maximum_ttl: hot.maximum_ttl,
        tos: cold.tos,
        tcp_window: cold.tcp_window,
        tcp_sequence: cold.tcp_sequence,
        icmp_type_code: cold.icmp_type_code,
        flow_label: cold.flow_label,
        fragments: cold.fragments,
    }
}

/// Turns the view of `side` into the view of the lower endpoint, or back: for the lower one they
/// are the same, for the upper one source and destination change places.
pub(super) const fn seen_from_lower_mac(side: Sender, mac: MacAddresses) -> MacAddresses {
    match side {
        Sender::Lower => mac,
        Sender::Upper => MacAddresses { source: mac.destination, destination: mac.source },
    }
}

/// As [`seen_from_lower_mac`], for the outer addresses of a tunnel.
pub(super) const fn seen_from_lower_tunnel(side: Sender, tunnel: Tunnel) -> Tunnel {
    match side {
        Sender::Lower => tunnel,
        Sender::Upper => {
            Tunnel { source: tunnel.destination, destination: tunnel.source, ..tunnel }
        }
    }
}

/// A step back of more than this is a clock that was set, not packets out of order. Capture and the
/// live clock draw the line at the same place.
pub(super) const CLOCK_STEP: Duration = Duration::from_secs(60);
