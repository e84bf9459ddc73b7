//! A Flow in memory: what every packet touches, what only the first one does, and the record of both.
//!
//! 96 octets [`Hot`], 64 octets [`Cold`], and for IPv6 32 octets of addresses. With 8 octets in the
//! wheel and some 11 in the index a Flow takes 179 octets, or 211.

use std::time::Duration;

use crate::decode::{Headers, IpVersion, MacAddresses, MplsLabels, Tunnel, VlanTags};
use crate::flow::icmp;
use crate::flow::key::{Endpoints, FlowKey, Sender};
use crate::flow::record::{Direction, FlowEndReason, FlowRecord};
use crate::time::Timestamp;

/// What each packet of a Flow reads and writes: two cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(super) struct Hot {
    pub(super) key: FlowKey,
    /// When this slice began; meaningless while it holds no packet.
    pub(super) slice_start: Timestamp,
    /// Where the rare parts are, or [`NO_EXTRA`].
    pub(super) extra: u32,
    pub(super) state: State,
    pub(super) vlan_count: u8,
    /// From the lower endpoint, from the upper one.
    pub(super) directions: [HotDirection; 2],
}

const _: () = assert!(size_of::<Hot>() == 96);

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

/// What only the first packet of a Flow, or of a direction in a slice, has to say: one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Cold {
    flow_id: u64,
    /// When each direction of the slice began; as the arrays below, the lower endpoint's first.
    pub(super) first: [Timestamp; 2],
    tcp_sequence: [u32; 2],
    /// Flow label and `ipClassOfService`, 20 and 8 bits.
    label_and_tos: [u32; 2],
    /// TCP window; type and code of ICMP, which has none.
    window_or_type: [u16; 2],
    interface: u32,
    /// Meaningful with [`State::HAS_MAC`]; source is the lower endpoint's.
    mac: MacAddresses,
    /// Tag Control Information of the outermost tags, as far as [`Hot::vlan_count`] goes.
    vlan: [u16; 2],
}

const _: () = assert!(size_of::<Cold>() == 64);

/// Rare parts of a Flow, stored apart. The tunnel's source is the side of the lower endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extra {
    pub(super) mpls: MplsLabels,
    pub(super) tunnel: Option<Tunnel>,
    /// Packets of each direction of the slice that were fragments.
    pub(super) fragments: [u32; 2],
}

/// Says that a Flow has no rare parts.
pub(super) const NO_EXTRA: u32 = u32::MAX;

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
    /// There is a Flow in this slot.
    pub(super) const IN_USE: u8 = 32;
    /// Its first packet had MAC addresses.
    pub(super) const HAS_MAC: u8 = 64;

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
    #[inline]
    pub(super) const fn has_ended(self, biflow: bool) -> bool {
        let fins = self.0 & (Self::FIN_FROM_LOWER | Self::FIN_FROM_UPPER);
        self.0 & Self::RST != 0
            || fins == Self::FIN_FROM_LOWER | Self::FIN_FROM_UPPER
            // A uniflow sees one side only; its FIN is the end of it.
            || (!biflow && fins != 0)
    }

    /// Whether there is a Flow in this slot.
    #[inline]
    pub(super) const fn is_in_use(self) -> bool {
        self.0 & Self::IN_USE != 0
    }
}

impl Hot {
    /// A Flow that begins with this packet, before the packet is accounted to it.
    pub(super) const fn open(key: FlowKey, initiator: Sender, headers: &Headers) -> Self {
        let mut state = State::IN_USE;
        if matches!(initiator, Sender::Upper) {
            state |= State::INITIATOR_IS_UPPER;
        }
        if headers.mac.is_some() {
            state |= State::HAS_MAC;
        }
        const NOTHING: HotDirection = HotDirection {
            octets: 0,
            last: Timestamp::EPOCH,
            packets: 0,
            minimum_length: 0,
            maximum_length: 0,
            tcp_flags: 0,
            minimum_ttl: 0,
            maximum_ttl: 0,
        };
        Self {
            key,
            slice_start: headers.at,
            extra: NO_EXTRA,
            state: State(state),
            vlan_count: headers.vlan.count,
            directions: [NOTHING; 2],
        }
    }

    /// When the latest packet of the Flow came.
    #[inline]
    pub(super) fn last(&self) -> Timestamp {
        let [lower, upper] = &self.directions;
        lower.last.max(upper.last)
    }

    /// Whether the current slice holds no packet.
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        let [lower, upper] = &self.directions;
        lower.packets | upper.packets == 0
    }

    /// Whether `now` is so long before the Flow's latest packet that the clock was set back.
    #[inline]
    pub(super) fn is_ahead_of(&self, now: Timestamp) -> bool {
        now.saturating_add(CLOCK_STEP) < self.last()
    }
}

impl HotDirection {
    /// A direction that begins at `at`, before its first packet is counted.
    #[inline]
    pub(super) const fn begin(at: Timestamp) -> Self {
        Self {
            octets: 0,
            last: at,
            packets: 0,
            minimum_length: u32::MAX,
            maximum_length: 0,
            tcp_flags: 0,
            minimum_ttl: u8::MAX,
            maximum_ttl: 0,
        }
    }
}

impl Cold {
    /// What the first packet of a Flow says of it.
    pub(super) fn open(flow_id: u64, sender: Sender, headers: &Headers) -> Self {
        let mac = headers.mac.map(|mac| seen_from_lower_mac(sender, mac));
        Self {
            flow_id,
            first: [Timestamp::EPOCH; 2],
            tcp_sequence: [0; 2],
            label_and_tos: [0; 2],
            window_or_type: [0; 2],
            interface: headers.interface,
            mac: mac.unwrap_or(MacAddresses { source: [0; 6], destination: [0; 6] }),
            vlan: [headers.vlan.outer, headers.vlan.inner],
        }
    }

    /// Takes down what the first packet of a direction says of it.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "there are two sides, and two of each")]
    pub(super) fn begin(&mut self, side: Sender, headers: &Headers) {
        let is_icmp = icmp::is_icmp(headers.version, headers.protocol);
        let side = side as usize;
        self.first[side] = headers.at;
        self.tcp_sequence[side] = headers.tcp_sequence;
        self.label_and_tos[side] = headers.flow_label << 8 | u32::from(headers.tos);
        self.window_or_type[side] =
            if is_icmp { headers.icmp_type_code } else { headers.tcp_window };
    }
}

/// The parts of a Flow that a record is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    pub(super) hot: &'a Hot,
    pub(super) cold: &'a Cold,
    /// The addresses of an IPv6 Flow.
    pub(super) endpoints: Option<&'a Endpoints>,
    pub(super) extra: Option<&'a Extra>,
}

impl Parts<'_> {
    /// The record of the current slice.
    pub(super) fn record(&self, end_reason: FlowEndReason) -> FlowRecord {
        let Hot { key, state, vlan_count, .. } = *self.hot;
        let initiator = state.initiator();
        let Endpoints([lower, upper]) = match self.endpoints {
            Some(endpoints) if key.version() == IpVersion::V6 => *endpoints,
            _ => key.endpoints_v4(),
        };
        let (lower_port, upper_port) = key.ports();
        let (source, source_port, destination, destination_port) = match initiator {
            Sender::Lower => (lower, lower_port, upper, upper_port),
            Sender::Upper => (upper, upper_port, lower, lower_port),
        };
        let has_ports = !icmp::is_icmp(key.version(), key.protocol());
        let mac = (state.0 & State::HAS_MAC != 0).then_some(self.cold.mac);
        let [outer, inner] = self.cold.vlan;
        let (mpls, tunnel) = match self.extra {
            Some(extra) => (extra.mpls, extra.tunnel),
            None => (MplsLabels::default(), None),
        };
        FlowRecord {
            flow_id: self.cold.flow_id,
            interface: self.cold.interface,
            version: key.version(),
            protocol: key.protocol(),
            end_reason,
            source,
            destination,
            source_port: if has_ports { source_port } else { 0 },
            destination_port: if has_ports { destination_port } else { 0 },
            forward: self.direction(initiator),
            reverse: self.direction(initiator.other()),
            mac: mac.map(|mac| seen_from_lower_mac(initiator, mac)),
            vlan: VlanTags { outer, inner, count: vlan_count },
            mpls,
            tunnel: tunnel.map(|tunnel| seen_from_lower_tunnel(initiator, tunnel)),
        }
    }

    #[expect(clippy::indexing_slicing, reason = "there are two sides, and two of each")]
    fn direction(&self, side: Sender) -> Direction {
        let key = self.hot.key;
        let is_icmp = icmp::is_icmp(key.version(), key.protocol());
        let side = side as usize;
        let (hot, cold) = (&self.hot.directions[side], self.cold);
        if hot.packets == 0 {
            return Direction::default();
        }
        let [flow_label @ .., tos] = cold.label_and_tos[side].to_be_bytes();
        let [a, b, c] = flow_label;
        Direction {
            packets: u64::from(hot.packets),
            octets: hot.octets,
            first: cold.first[side],
            last: hot.last,
            minimum_length: hot.minimum_length,
            maximum_length: hot.maximum_length,
            tcp_flags: hot.tcp_flags,
            minimum_ttl: hot.minimum_ttl,
            maximum_ttl: hot.maximum_ttl,
            tos,
            tcp_window: if is_icmp { 0 } else { cold.window_or_type[side] },
            tcp_sequence: cold.tcp_sequence[side],
            icmp_type_code: if is_icmp { cold.window_or_type[side] } else { 0 },
            flow_label: u32::from_be_bytes([0, a, b, c]),
            fragments: self.extra.map_or(0, |extra| extra.fragments[side]),
        }
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
