//! A Flow in memory: what every packet touches, what only the first one does, and the record of both.
//!
//! 96 octets [`Hot`], 64 octets [`Cold`], and for IPv6 32 octets of addresses. What that is with index and
//! wheel, `memory` adds up.

use std::time::Duration;

use crate::decode::{Address, Headers, IpVersion, MacAddresses, MplsLabels, Tunnel, VlanTags};
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

    /// Whether TCP has said anything of an end.
    #[inline]
    pub(super) const fn has_begun_to_end(self) -> bool {
        self.0 & (Self::FIN_FROM_LOWER | Self::FIN_FROM_UPPER | Self::RST) != 0
    }

    /// Whether there is a Flow in this slot.
    #[inline]
    pub(super) const fn is_in_use(self) -> bool {
        self.0 & Self::IN_USE != 0
    }
}

impl Hot {
    /// What a slot holds before the first Flow.
    pub(super) const BLANK: Self = Self {
        key: FlowKey::NONE,
        slice_start: Timestamp::EPOCH,
        extra: NO_EXTRA,
        state: State(0),
        vlan_count: 0,
        directions: [HotDirection::begin(Timestamp::EPOCH); 2],
    };

    /// Begins a Flow with this packet, before the packet is accounted to it. In place: what is made
    /// elsewhere and moved is read in other pieces than it was written in.
    #[inline]
    pub(super) const fn open(&mut self, key: FlowKey, initiator: Sender, headers: &Headers) {
        let mut state = State::IN_USE;
        if matches!(initiator, Sender::Upper) {
            state |= State::INITIATOR_IS_UPPER;
        }
        if headers.mac.is_some() {
            state |= State::HAS_MAC;
        }
        self.key = key;
        self.slice_start = headers.at;
        self.extra = NO_EXTRA;
        self.state = State(state);
        self.vlan_count = headers.vlan.count;
        let [lower, upper] = &mut self.directions;
        (lower.packets, lower.last) = (0, Timestamp::EPOCH);
        (upper.packets, upper.last) = (0, Timestamp::EPOCH);
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
    /// What a slot holds before the first Flow.
    pub(super) const BLANK: Self = Self {
        flow_id: 0,
        first: [Timestamp::EPOCH; 2],
        tcp_sequence: [0; 2],
        label_and_tos: [0; 2],
        window_or_type: [0; 2],
        interface: 0,
        mac: MacAddresses { source: [0; 6], destination: [0; 6] },
        vlan: [0; 2],
    };

    /// Takes down what the first packet of a Flow says of it. What is of one direction has a meaning
    /// once that [begins](Self::begin).
    #[inline]
    pub(super) const fn open(&mut self, flow_id: u64, sender: Sender, headers: &Headers) {
        self.flow_id = flow_id;
        self.interface = headers.interface;
        if let Some(mac) = headers.mac {
            self.mac = seen_from_lower_mac(sender, mac);
        }
        self.vlan = [headers.vlan.outer, headers.vlan.inner];
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
    /// Writes the record of the current slice over a blank one. In place, because it is large: made
    /// elsewhere and moved there it took 511 instructions and not 188 (`scripts/bench instructions`).
    #[expect(clippy::indexing_slicing, reason = "there are two sides, and two of each")]
    pub(super) fn write(&self, end_reason: FlowEndReason, record: &mut FlowRecord) {
        let (hot, cold) = (self.hot, self.cold);
        let key = hot.key;
        record.flow_id = cold.flow_id;
        record.interface = cold.interface;
        record.version = key.version();
        record.protocol = key.protocol();
        record.end_reason = end_reason;
        let is_icmp = icmp::is_icmp(key.version(), key.protocol());
        let initiator = hot.state.initiator();
        let (source, destination) = (initiator as usize, initiator.other() as usize);
        let addresses = self.endpoints.filter(|_| key.version() == IpVersion::V6);
        // Each from its place to its place: what is chosen among octets first goes octet by octet.
        if let Some(Endpoints(addresses)) = addresses {
            record.source = addresses[source];
            record.destination = addresses[destination];
        } else {
            let addresses = key.addresses_v4();
            record.source = Address::v4(addresses[source]);
            record.destination = Address::v4(addresses[destination]);
        }
        if !is_icmp {
            let ports = key.ports();
            record.source_port = ports[source];
            record.destination_port = ports[destination];
        }
        self.write_direction(initiator, is_icmp, &mut record.forward);
        self.write_direction(initiator.other(), is_icmp, &mut record.reverse);
        if hot.state.0 & State::HAS_MAC != 0 {
            record.mac = Some(seen_from_lower_mac(initiator, cold.mac));
        }
        if hot.vlan_count != 0 {
            let [outer, inner] = cold.vlan;
            record.vlan = VlanTags { outer, inner, count: hot.vlan_count };
        }
        if let Some(extra) = self.extra {
            record.mpls = extra.mpls;
            record.tunnel = extra.tunnel.map(|tunnel| seen_from_lower_tunnel(initiator, tunnel));
        }
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "there are two sides, and two of each")]
    fn write_direction(&self, side: Sender, is_icmp: bool, direction: &mut Direction) {
        let side = side as usize;
        let (hot, cold) = (&self.hot.directions[side], self.cold);
        if hot.packets == 0 {
            return;
        }
        direction.packets = u64::from(hot.packets);
        direction.octets = hot.octets;
        direction.first = cold.first[side];
        direction.last = hot.last;
        direction.minimum_length = hot.minimum_length;
        direction.maximum_length = hot.maximum_length;
        direction.tcp_flags = hot.tcp_flags;
        direction.minimum_ttl = hot.minimum_ttl;
        direction.maximum_ttl = hot.maximum_ttl;
        direction.flow_label = cold.label_and_tos[side] >> 8;
        [.., direction.tos] = cold.label_and_tos[side].to_be_bytes();
        direction.tcp_sequence = cold.tcp_sequence[side];
        if is_icmp {
            direction.icmp_type_code = cold.window_or_type[side];
        } else {
            direction.tcp_window = cold.window_or_type[side];
        }
        if let Some(extra) = self.extra {
            direction.fragments = extra.fragments[side];
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
