//! One shard of the Flow Cache: plain single-threaded state, driven by packets and a clock.
//!
//! # What a packet touches
//! One line of the index, and the two lines of [`Hot`]; [`Cold`] is written when a Flow or a
//! direction begins and read when it expires. [`Extra`] exists only for Flows with MPLS labels or a
//! tunnel.

#![expect(
    clippy::indexing_slicing,
    reason = "slots come from this shard's own index, wheel and free list and are below `hot.len()`"
)]

use std::ops::Range;
use std::time::Duration;

use crate::decode::Headers;
use crate::flow::Config;
use crate::flow::entry::{
    CLOCK_STEP, Cold, ColdDirection, Extra, Hot, HotDirection, HotDirections, State, record_of,
    seen_from_lower_mac, seen_from_lower_tunnel,
};
use crate::flow::icmp;
use crate::flow::index::{Index, Slot, Tag};
use crate::flow::key::{FlowKey, Sender};
use crate::flow::record::{FlowEndReason, FlowRecord};
use crate::flow::timers::Wheel;
use crate::sys::memory;
use crate::time::Timestamp;

/// A packet, keyed and ready to be accounted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) headers: Headers,
    pub(super) key: FlowKey,
    pub(super) sender: Sender,
    pub(super) tag: Tag,
    pub(super) shard: u32,
}

impl Packet {
    /// What a place for a packet holds before the first.
    pub(super) const BLANK: Self = Self {
        headers: Headers::BLANK,
        key: FlowKey::BLANK,
        sender: Sender::Lower,
        tag: 0,
        shard: 0,
    };
}

/// One shard.
#[derive(Debug)]
pub(super) struct Shard {
    config: Config,
    capacity: usize,
    index: Index,
    wheel: Wheel,
    /// The clock at the last sweep.
    swept: Timestamp,
    /// Until when Flows may turn up that are from before a step of the clock.
    settled: Timestamp,
    hot: Vec<Hot>,
    cold: Vec<Cold>,
    extra: Vec<Extra>,
    free: Vec<Slot>,
    free_extra: Vec<u32>,
    /// Where the next search for a Flow to give up begins.
    sample_cursor: usize,
    next_flow_id: u64,
    flow_id_step: u64,
}

/// When a Flow will be over, or its slice full, and why.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: Timestamp,
    reason: FlowEndReason,
}

impl Shard {
    /// A shard for up to `capacity` Flows whose `flowId`s are `first_flow_id` and every
    /// `flow_id_step`th number after it. All memory is allocated here.
    pub(super) fn new(
        config: Config,
        capacity: usize,
        first_flow_id: u64,
        flow_id_step: u64,
    ) -> Self {
        let shard = Self {
            config,
            capacity,
            index: Index::with_capacity(capacity),
            wheel: Wheel::with_capacity(capacity),
            swept: Timestamp::EPOCH,
            settled: Timestamp::EPOCH,
            hot: Vec::with_capacity(capacity),
            cold: Vec::with_capacity(capacity),
            extra: Vec::with_capacity(capacity),
            free: Vec::with_capacity(capacity),
            free_extra: Vec::with_capacity(capacity),
            sample_cursor: 0,
            next_flow_id: first_flow_id,
            flow_id_step,
        };
        memory::advise_huge_pages(&shard.hot);
        memory::advise_huge_pages(&shard.cold);
        shard
    }

    /// Flows in the cache.
    pub(super) fn flows(&self) -> usize {
        self.hot.len() - self.free.len()
    }

    /// Fetches the line on which the search for this packet's Flow begins.
    #[inline]
    pub(super) fn prefetch_index(&self, packet: &Packet) {
        self.index.prefetch(packet.tag);
    }

    /// Fetches the lines of the Flow that this packet most likely belongs to.
    #[inline]
    pub(super) fn prefetch_flow(&self, packet: &Packet) {
        if let Some(slot) = self.index.candidate(packet.tag) {
            memory::prefetch(&self.hot, slot as usize);
            if let Some(hot) = self.hot.get(slot as usize) {
                memory::prefetch(&hot.directions.0, 0);
            }
        }
    }

    /// Accounts one packet to its Flow, and puts into `expired` what this ends.
    ///
    /// A packet that arrives after its Flow's deadline opens a new slice or a new Flow, and the old
    /// one is exported. For packets in time order the records are thus a function of the packets
    /// alone, however rarely [`sweep`](Self::sweep) runs (RFC 5470 §5.1.1).
    ///
    /// A packet a little older than its Flow's last is out of order and counts with the others; one
    /// that is [`CLOCK_STEP`] older tells of a clock that was set back, and ends what came before.
    #[inline]
    pub(super) fn observe(&mut self, packet: &Packet, expired: &mut Vec<FlowRecord>) {
        let hot = &self.hot;
        let found = self.index.find(packet.tag, |slot| {
            hot.get(slot as usize).is_some_and(|flow| flow.key == packet.key)
        });
        let Some(slot) = found else { return self.open(packet, expired) };
        let flow = &self.hot[slot as usize];
        let deadline = self.deadline(flow);
        let over = packet.headers.at >= deadline.at
            || self.is_new_connection(flow, packet)
            || flow.is_ahead_of(packet.headers.at);
        if over && self.expire_before(slot, packet, deadline, expired) {
            return self.open(packet, expired);
        }
        self.account(slot, packet);
    }

    /// Exports everything whose deadline has come at `now`, up to `budget` records; returns
    /// whether that was all.
    pub(super) fn sweep(
        &mut self,
        now: Timestamp,
        budget: usize,
        expired: &mut Vec<FlowRecord>,
    ) -> bool {
        if now.saturating_add(CLOCK_STEP) < self.swept {
            self.settled = now.saturating_add(Wheel::TURN);
        }
        self.swept = now;
        let limit = expired.len().saturating_add(budget);
        while expired.len() < limit {
            let Some(slot) = self.wheel.pop(now) else { return true };
            let flow = &self.hot[slot as usize];
            let deadline = self.deadline(flow);
            if now < self.settled && flow.is_ahead_of(now) {
                // Its deadline belongs to a clock that is no more.
                let reason = self.reason_at(slot, now, FlowEndReason::ForcedEnd);
                self.export(slot, reason, expired);
                self.remove(slot);
            } else if deadline.at > now {
                self.wheel.arm(slot, deadline.at);
            } else if deadline.reason == FlowEndReason::ActiveTimeout {
                self.export(slot, deadline.reason, expired);
                let next = self.deadline(&self.hot[slot as usize]);
                self.wheel.arm(slot, next.at);
            } else {
                self.export(slot, deadline.reason, expired);
                self.remove(slot);
            }
        }
        false
    }

    /// Slots that hold a Flow, or have held one.
    pub(super) fn slots(&self) -> usize {
        self.hot.len()
    }

    /// Exports what is in these `slots`: the Metering Process is stopping.
    pub(super) fn flush(
        &mut self,
        slots: Range<usize>,
        now: Timestamp,
        expired: &mut Vec<FlowRecord>,
    ) {
        for slot in slots.start..slots.end.min(self.hot.len()) {
            if self.hot[slot].in_use {
                #[expect(clippy::cast_possible_truncation, reason = "the capacity is below 2³¹")]
                let slot = slot as Slot;
                let reason = self.reason_at(slot, now, FlowEndReason::ForcedEnd);
                self.export(slot, reason, expired);
                self.wheel.disarm(slot);
                self.remove(slot);
            }
        }
    }

    /// Handles a packet that comes after `deadline`; says whether it needs a new Flow.
    #[cold]
    fn expire_before(
        &mut self,
        slot: Slot,
        packet: &Packet,
        deadline: Deadline,
        expired: &mut Vec<FlowRecord>,
    ) -> bool {
        if packet.headers.at < deadline.at {
            // The ports are being used again before the linger is over, or the clock was set back.
            let reason = self.reason_at(slot, packet.headers.at, FlowEndReason::ForcedEnd);
            self.export(slot, reason, expired);
            self.wheel.disarm(slot);
            self.remove(slot);
            return true;
        }
        self.export(slot, deadline.reason, expired);
        if deadline.reason == FlowEndReason::ActiveTimeout {
            // The slice is out; is the Flow itself still alive?
            let rest = self.deadline(&self.hot[slot as usize]);
            if packet.headers.at < rest.at {
                return false;
            }
        }
        self.wheel.disarm(slot);
        self.remove(slot);
        true
    }

    /// A SYN on a Flow that TCP has ended is a new connection between the same ports.
    #[inline]
    fn is_new_connection(&self, flow: &Hot, packet: &Packet) -> bool {
        flow.state.has_ended(self.config.biflow)
            && packet.headers.tcp_flags & (SYN | ACK | RST) == SYN
            && packet.key.protocol == TCP
    }

    #[inline]
    fn deadline(&self, flow: &Hot) -> Deadline {
        let [lower, upper] = &flow.directions.0;
        let last = flow.last();
        let (quiet, reason) = if flow.state.has_ended(self.config.biflow) {
            (LINGER.min(self.config.idle_timeout), FlowEndReason::EndOfFlowDetected)
        } else {
            (self.config.idle_timeout, FlowEndReason::IdleTimeout)
        };
        let idle = Deadline { at: last.saturating_add(quiet), reason };
        if lower.packets | upper.packets == 0 {
            return idle;
        }
        let active = if lower.packets.max(upper.packets) < u32::MAX {
            flow.slice_start.saturating_add(self.config.active_timeout)
        } else {
            Timestamp::EPOCH // the counter is full: the slice ends with the next packet
        };
        if active < idle.at {
            Deadline { at: active, reason: FlowEndReason::ActiveTimeout }
        } else {
            idle
        }
    }

    /// The reason for a Flow to leave now: its deadline's if that has come, else `otherwise`.
    fn reason_at(&self, slot: Slot, now: Timestamp, otherwise: FlowEndReason) -> FlowEndReason {
        let flow = &self.hot[slot as usize];
        let deadline = self.deadline(flow);
        if deadline.at <= now {
            deadline.reason
        } else if flow.state.has_ended(self.config.biflow) {
            FlowEndReason::EndOfFlowDetected
        } else {
            otherwise
        }
    }

    fn open(&mut self, packet: &Packet, expired: &mut Vec<FlowRecord>) {
        if self.flows() >= self.capacity {
            self.give_up_one(packet.headers.at, expired);
        }
        let headers = &packet.headers;
        let extra = self.store_extra(packet);
        let hot = Hot {
            key: packet.key,
            slice_start: headers.at,
            tag: packet.tag,
            state: State(match initiator(packet, self.config.biflow) {
                Sender::Lower => 0,
                Sender::Upper => State::INITIATOR_IS_UPPER,
            }),
            in_use: true,
            directions: HotDirections::default(),
        };
        let cold = Cold {
            flow_id: self.next_flow_id,
            interface: headers.interface,
            extra,
            vlan: headers.vlan,
            mac: headers.mac.map(|mac| seen_from_lower_mac(packet.sender, mac)),
            directions: [ColdDirection::default(); 2],
        };
        self.next_flow_id = self.next_flow_id.wrapping_add(self.flow_id_step);
        let slot = self.store(hot, cold);
        self.index.insert(packet.tag, slot);
        let first_visit = self.config.active_timeout.min(self.config.idle_timeout);
        self.wheel.arm(slot, headers.at.saturating_add(first_visit));
        self.account(slot, packet);
    }

    #[expect(clippy::cast_possible_truncation, reason = "the capacity is below 2³¹")]
    fn store(&mut self, hot: Hot, cold: Cold) -> Slot {
        if let Some(slot) = self.free.pop() {
            self.hot[slot as usize] = hot;
            self.cold[slot as usize] = cold;
            slot
        } else {
            self.hot.push(hot);
            self.cold.push(cold);
            self.hot.len() as Slot - 1
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the capacity is below 2³¹")]
    fn store_extra(&mut self, packet: &Packet) -> u32 {
        let Headers { mpls, tunnel, .. } = packet.headers;
        if mpls.count == 0 && tunnel.is_none() {
            return NO_EXTRA;
        }
        let tunnel = tunnel.map(|tunnel| seen_from_lower_tunnel(packet.sender, tunnel));
        let extra = Extra { mpls, tunnel };
        if let Some(place) = self.free_extra.pop() {
            self.extra[place as usize] = extra;
            place
        } else {
            self.extra.push(extra);
            self.extra.len() as u32 - 1
        }
    }

    #[inline]
    fn account(&mut self, slot: Slot, packet: &Packet) {
        let headers = &packet.headers;
        let flow = &mut self.hot[slot as usize];
        if flow.directions.0[0].packets | flow.directions.0[1].packets == 0 {
            flow.slice_start = headers.at;
        }
        let side = packet.sender as usize;
        let direction = &mut flow.directions.0[side];
        if direction.packets == 0 {
            *direction = HotDirection {
                last: headers.at,
                minimum_length: u32::MAX,
                minimum_ttl: u8::MAX,
                ..HotDirection::default()
            };
            self.cold[slot as usize].directions[side] = ColdDirection {
                first: headers.at,
                tcp_sequence: headers.tcp_sequence,
                flow_label: headers.flow_label,
                fragments: 0,
                tcp_window: headers.tcp_window,
                icmp_type_code: headers.icmp_type_code,
                tos: headers.tos,
            };
        } else if headers.at < direction.last {
            // Out of order; perhaps even before the first.
            let first = &mut self.cold[slot as usize].directions[side].first;
            *first = headers.at.min(*first);
        } else {
            direction.last = headers.at;
        }
        direction.packets += 1;
        direction.octets += u64::from(headers.ip_length);
        direction.minimum_length = direction.minimum_length.min(headers.ip_length);
        direction.maximum_length = direction.maximum_length.max(headers.ip_length);
        direction.minimum_ttl = direction.minimum_ttl.min(headers.ttl);
        direction.maximum_ttl = direction.maximum_ttl.max(headers.ttl);
        direction.tcp_flags |= headers.tcp_flags;
        if headers.fragment.is_some() {
            let fragments = &mut self.cold[slot as usize].directions[side].fragments;
            *fragments = fragments.saturating_add(1);
        }
        if headers.tcp_flags & (FIN | SYN | RST) != 0 {
            if headers.tcp_flags & (SYN | ACK) == SYN {
                flow.state.take_initiator(packet.sender);
            }
            if headers.tcp_flags & (FIN | RST) != 0 {
                self.note_end(slot, packet);
            }
        }
    }

    /// Notes a FIN or RST, and when TCP thereby ends the Flow, moves its deadline nearer.
    #[cold]
    fn note_end(&mut self, slot: Slot, packet: &Packet) {
        let biflow = self.config.biflow;
        let flow = &mut self.hot[slot as usize];
        let had_ended = flow.state.has_ended(biflow);
        flow.state.0 |= match (packet.headers.tcp_flags & RST != 0, packet.sender) {
            (true, _) => State::RST,
            (false, Sender::Lower) => State::FIN_FROM_LOWER,
            (false, Sender::Upper) => State::FIN_FROM_UPPER,
        };
        if !had_ended && flow.state.has_ended(biflow) {
            let deadline = self.deadline(&self.hot[slot as usize]);
            self.wheel.disarm(slot);
            self.wheel.arm(slot, deadline.at);
        }
    }

    /// Makes room: of a sample, the Flow that has been idle longest leaves.
    #[cold]
    fn give_up_one(&mut self, now: Timestamp, expired: &mut Vec<FlowRecord>) {
        let mut oldest: Option<(Timestamp, usize)> = None;
        for step in 0..SAMPLE.min(self.hot.len()) {
            let slot = (self.sample_cursor + step) % self.hot.len();
            let flow = &self.hot[slot];
            let last = flow.last();
            if flow.in_use && oldest.is_none_or(|(earliest, _)| last < earliest) {
                oldest = Some((last, slot));
            }
        }
        self.sample_cursor = (self.sample_cursor + SAMPLE) % self.hot.len().max(1);
        if let Some((_, slot)) = oldest {
            #[expect(clippy::cast_possible_truncation, reason = "the capacity is below 2³¹")]
            let slot = slot as Slot;
            let reason = self.reason_at(slot, now, FlowEndReason::LackOfResources);
            self.export(slot, reason, expired);
            self.wheel.disarm(slot);
            self.remove(slot);
        }
    }

    /// Appends the record of the current slice, if it holds a packet, and begins an empty one.
    fn export(&mut self, slot: Slot, reason: FlowEndReason, expired: &mut Vec<FlowRecord>) {
        let flow = &mut self.hot[slot as usize];
        if flow.directions.0[0].packets | flow.directions.0[1].packets == 0 {
            return;
        }
        let cold = &self.cold[slot as usize];
        let extra = self.extra.get(cold.extra as usize);
        expired.push(record_of(flow, cold, extra, reason));
        // All slices of a Flow have the same source.
        flow.state.0 |= State::INITIATOR_IS_KNOWN;
        for direction in &mut flow.directions.0 {
            direction.packets = 0;
        }
    }

    /// Frees a slot that is off the wheel.
    fn remove(&mut self, slot: Slot) {
        let flow = &mut self.hot[slot as usize];
        flow.in_use = false;
        self.index.remove(flow.tag, slot);
        let extra = self.cold[slot as usize].extra;
        if extra != NO_EXTRA {
            self.free_extra.push(extra);
        }
        self.free.push(slot);
    }
}

/// How long a Flow that TCP has ended waits for late segments, at most: the last ACK of a close
/// comes after both FINs and must not open a new Flow.
const LINGER: Duration = Duration::from_secs(2);
/// Flows compared when one has to leave: one page's worth of [`Hot`] read in a row.
const SAMPLE: usize = 16;
const NO_EXTRA: u32 = u32::MAX;
const TCP: u8 = 6;
const FIN: u16 = 0x001;
const SYN: u16 = 0x002;
const RST: u16 = 0x004;
const ACK: u16 = 0x010;

/// Who began the Flow of which this is the first packet seen (RFC 5103 §5): the sender, unless the
/// packet is an answer. A SYN that comes later knows better.
fn initiator(packet: &Packet, biflow: bool) -> Sender {
    let headers = &packet.headers;
    let is_answer = match packet.key.protocol {
        TCP => headers.tcp_flags & (SYN | ACK) == SYN | ACK,
        protocol if icmp::is_icmp(headers.version, protocol) => {
            icmp::normalise(headers.version, headers.icmp_type_code).is_reply
        }
        _ => false,
    };
    if is_answer && biflow { packet.sender.other() } else { packet.sender }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::tests::{A, At as _, B, udp};
    use crate::flow::{FlowCache, Seed};

    #[test]
    fn a_packet_counter_that_is_full_ends_the_slice_and_loses_nothing() {
        let config = Config { seed: Seed::Fixed, ..Config::default() };
        let mut shard = Shard::new(config, 1, 1, 1);
        let mut expired = Vec::new();
        let packet = |seconds| FlowCache::new(config).packet(&udp(A, B).at(seconds));
        shard.observe(&packet(1.0), &mut expired);
        shard.hot[0].directions.0[packet(1.0).sender as usize].packets = u32::MAX - 1;
        shard.observe(&packet(1.1), &mut expired);
        assert!(expired.is_empty(), "now it is full");
        shard.observe(&packet(1.2), &mut expired);
        shard.observe(&packet(1.3), &mut expired);
        shard.flush(0..1, packet(1.3).headers.at, &mut expired);
        let counts: Vec<_> = expired.iter().map(|r| (r.packets(), r.end_reason)).collect();
        let full = u64::from(u32::MAX);
        assert_eq!(counts, [(full, FlowEndReason::ActiveTimeout), (2, FlowEndReason::ForcedEnd)]);
        assert_eq!(expired[0].flow_id, expired[1].flow_id);
    }
}
