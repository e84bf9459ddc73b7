//! One shard of the Flow Cache: plain single-threaded state, driven by packets and a clock.
//!
//! # What a packet touches
//! One line of the index, and the two lines of [`Hot`]; in IPv6 also the one of its [`Endpoints`].
//! [`Cold`] is written when a Flow or a direction begins and read when it expires. [`Extra`] exists
//! only for Flows with MPLS labels, a tunnel or fragments.

#![expect(
    clippy::indexing_slicing,
    reason = "slots come from this shard's own index, wheel and free list and are below `hot.len()`"
)]

use std::io;
use std::ops::Range;
use std::time::Duration;

use ahash::RandomState;

use crate::decode::{Headers, IpVersion};
use crate::flow::Config;
use crate::flow::entry::{
    CLOCK_STEP, Cold, Extra, Hot, HotDirection, NO_EXTRA, Parts, State, seen_from_lower_tunnel,
};
use crate::flow::icmp;
use crate::flow::index::{Index, Slot, Tag};
use crate::flow::key::{Endpoints, FlowKey, Sender};
use crate::flow::record::{FlowEndReason, FlowRecord};
use crate::flow::timers::Wheel;
use crate::sys::memory;
use crate::sys::table::Table;
use crate::time::{Timestamp, saturating_nanos};

/// What places a packet in the cache, apart from its headers: small, because a batch is gone through
/// several times by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) key: FlowKey,
    pub(super) tag: Tag,
    /// Where in the batch its headers are.
    pub(super) position: u32,
    /// Most likely the slot of its Flow, once that was looked up ahead.
    pub(super) candidate: Slot,
    pub(super) sender: Sender,
    pub(super) is_fragment: bool,
}

const _: () = assert!(size_of::<Mark>() == 32);

/// A packet, keyed and ready to be accounted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) mark: &'a Mark,
    pub(super) headers: &'a Headers,
}

/// One shard.
#[derive(Debug)]
pub(super) struct Shard {
    config: Config,
    /// The timeouts in nanoseconds.
    idle: u64,
    linger: u64,
    active: u64,
    capacity: usize,
    hash: RandomState,
    index: Index,
    wheel: Wheel,
    /// The clock at the last sweep.
    swept: Timestamp,
    /// Until when Flows may turn up that are from before a step of the clock.
    settled: Timestamp,
    hot: Table<Hot>,
    cold: Table<Cold>,
    /// Addresses of IPv6 Flows, by slot; no longer than the last slot that needed one, so that
    /// a network without IPv6 pays nothing.
    endpoints: Table<Endpoints>,
    extra: Table<Extra>,
    free: Vec<Slot>,
    free_extra: Vec<u32>,
    next_flow_id: u64,
    flow_id_step: u64,
}

/// The memory of a shard.
#[derive(Debug)]
pub(super) struct Tables {
    index: Index,
    hot: Table<Hot>,
    cold: Table<Cold>,
    endpoints: Table<Endpoints>,
    extra: Table<Extra>,
}

impl Tables {
    /// Sets memory aside for shards with these capacities; what is never used of it the system never
    /// has to provide.
    ///
    /// # Errors
    ///
    /// No room in the address space.
    pub(super) fn for_shards(capacities: &[usize], indices: Vec<Index>) -> io::Result<Vec<Self>> {
        let indices = indices.into_iter();
        let hot = Table::side_by_side(capacities)?.into_iter();
        let cold = Table::side_by_side(capacities)?.into_iter();
        let endpoints = Table::side_by_side(capacities)?.into_iter();
        let extra = Table::side_by_side(capacities)?.into_iter();
        let tables = indices.zip(hot.zip(cold).zip(endpoints.zip(extra)));
        let tables = tables.map(|(index, ((hot, cold), (endpoints, extra)))| Self {
            index,
            hot,
            cold,
            endpoints,
            extra,
        });
        Ok(tables.collect())
    }
}

/// When a Flow will be over, or its slice full, and why.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: Timestamp,
    reason: FlowEndReason,
}

impl Shard {
    /// A shard for up to `capacity` Flows whose `flowId`s are `first_flow_id` and every
    /// `flow_id_step`th number after it.
    pub(super) fn new(
        config: Config,
        capacity: usize,
        tables: Tables,
        hash: RandomState,
        first_flow_id: u64,
        flow_id_step: u64,
    ) -> Self {
        let Tables { index, hot, cold, endpoints, extra } = tables;
        let [idle, linger, active] = nanos_of(config.active_timeout, config.idle_timeout);
        Self {
            config,
            idle,
            linger,
            active,
            capacity,
            hash,
            index,
            wheel: Wheel::with_capacity(capacity),
            swept: Timestamp::EPOCH,
            settled: Timestamp::EPOCH,
            hot,
            cold,
            endpoints,
            extra,
            free: Vec::with_capacity(capacity),
            free_extra: Vec::with_capacity(capacity),
            next_flow_id: first_flow_id,
            flow_id_step,
        }
    }

    /// Flows in the cache.
    pub(super) fn flows(&self) -> usize {
        self.hot.len() - self.free.len()
    }

    /// Looks up the Flow that this packet most likely belongs to, and fetches its lines.
    #[inline]
    pub(super) fn prefetch(&self, mark: &mut Mark) {
        let Some(slot) = self.index.candidate(mark.tag) else { return };
        mark.candidate = slot;
        let slot = slot as usize;
        self.prefetch_flow(slot);
        if mark.key.version() == IpVersion::V6 {
            memory::prefetch(&self.endpoints, slot);
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
    pub(super) fn observe(&mut self, packet: Packet<'_>, expired: &mut Vec<FlowRecord>) {
        let Some(slot) = self.find(packet) else { return self.open(packet, expired) };
        let flow = &self.hot[slot as usize];
        if !self.goes_on(flow, packet.headers.at) {
            let deadline = self.deadline(flow);
            let over = packet.headers.at >= deadline.at
                || self.is_new_connection(flow, packet)
                || flow.is_ahead_of(packet.headers.at);
            if over && self.expire_before(slot, packet, deadline, expired) {
                return self.open(packet, expired);
            }
        }
        self.account(slot, packet);
    }

    #[inline]
    fn find(&self, packet: Packet<'_>) -> Option<Slot> {
        let &Mark { key, tag, candidate, sender, .. } = packet.mark;
        let is_it = |slot: Slot| {
            let slot = slot as usize;
            self.hot.get(slot).is_some_and(|flow| flow.key == key && flow.state.is_in_use())
                && (key.version() == IpVersion::V4
                    || self.endpoints.get(slot) == Some(&Endpoints::of(packet.headers, sender)))
        };
        // What was looked up ahead may have changed since, but a Flow with this key is the Flow.
        if is_it(candidate) { Some(candidate) } else { self.index.find(tag, is_it) }
    }

    /// Whether the Flow simply goes on with a packet at `at`: TCP has not ended it, the packet is not
    /// older than its last, and neither timeout has passed. What says no looks closer.
    #[inline]
    fn goes_on(&self, flow: &Hot, at: Timestamp) -> bool {
        let [lower, upper] = &flow.directions;
        let last = flow.last();
        let slice = lower.packets.max(upper.packets);
        slice.wrapping_sub(1) < u32::MAX - 1
            && at >= last
            && at.as_nanos().wrapping_sub(last.as_nanos()) < self.idle
            && at.as_nanos().wrapping_sub(flow.slice_start.as_nanos()) < self.active
            && !flow.state.has_begun_to_end()
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
            self.fetch_upcoming();
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

    /// Changes the timeouts, also of Flows that are in the cache. What thereby is over leaves with
    /// the next sweep, by the timeout that was passed.
    pub(super) fn set_timeouts(&mut self, active: Duration, idle: Duration) {
        (self.config.active_timeout, self.config.idle_timeout) = (active, idle);
        [self.idle, self.linger, self.active] = nanos_of(active, idle);
        for slot in 0..self.hot.len() {
            let flow = &self.hot[slot];
            if flow.state.is_in_use() {
                let deadline = self.deadline(flow);
                #[expect(clippy::cast_possible_truncation, reason = "the capacity is below 2³¹")]
                let slot = slot as Slot;
                self.wheel.disarm(slot);
                self.wheel.arm(slot, deadline.at);
            }
        }
    }

    /// Fetches what it takes to end the Flows that are next on the wheel: of the second one its
    /// lines, by which the place of the first one in the index is known already.
    #[inline]
    fn fetch_upcoming(&self) {
        let [first, second] = self.wheel.upcoming();
        if let Some(flow) = first.and_then(|slot| self.hot.get(slot as usize)) {
            self.index.prefetch(tag_of(self.hash.hash_one(flow.key)));
        }
        if let Some(slot) = second {
            self.prefetch_flow(slot as usize);
            memory::prefetch(&self.cold, slot as usize);
        }
    }

    /// Fetches both lines that packets touch of a Flow.
    #[inline]
    fn prefetch_flow(&self, slot: usize) {
        if let Some(hot) = self.hot.get(slot) {
            memory::prefetch(&self.hot, slot);
            memory::prefetch(&hot.directions, 1);
        }
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
            if self.hot[slot].state.is_in_use() {
                #[expect(clippy::cast_possible_truncation, reason = "the capacity is below 2³¹")]
                let slot = slot as Slot;
                let reason = self.reason_at(slot, now, FlowEndReason::ForcedEnd);
                self.export(slot, reason, expired);
            }
        }
    }

    /// Forgets all Flows, after they were flushed.
    pub(super) fn clear(&mut self) {
        self.index.clear();
        self.wheel.clear();
        self.hot.clear();
        self.cold.clear();
        self.endpoints.clear();
        self.extra.clear();
        self.free.clear();
        self.free_extra.clear();
    }

    /// Handles a packet that comes after `deadline`; says whether it needs a new Flow.
    #[cold]
    fn expire_before(
        &mut self,
        slot: Slot,
        packet: Packet<'_>,
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
    fn is_new_connection(&self, flow: &Hot, packet: Packet<'_>) -> bool {
        flow.state.has_ended(self.config.biflow)
            && packet.headers.tcp_flags & (SYN | ACK | RST) == SYN
            && packet.mark.key.protocol() == TCP
    }

    #[inline]
    fn deadline(&self, flow: &Hot) -> Deadline {
        let (quiet, reason) = if flow.state.has_ended(self.config.biflow) {
            (self.linger, FlowEndReason::EndOfFlowDetected)
        } else {
            (self.idle, FlowEndReason::IdleTimeout)
        };
        let idle = Deadline { at: after(flow.last(), quiet), reason };
        if flow.is_empty() {
            return idle;
        }
        let [lower, upper] = &flow.directions;
        let active = if lower.packets.max(upper.packets) < u32::MAX {
            after(flow.slice_start, self.active)
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

    fn open(&mut self, packet: Packet<'_>, expired: &mut Vec<FlowRecord>) {
        if self.flows() >= self.capacity {
            self.give_up_one(packet.headers.at, expired);
        }
        let Packet { mark: &Mark { key, tag, sender, .. }, headers } = packet;
        let slot = self.free_slot();
        self.hot[slot as usize].open(key, initiator(packet, self.config.biflow), headers);
        self.cold[slot as usize].open(self.next_flow_id, sender, headers);
        self.next_flow_id = self.next_flow_id.wrapping_add(self.flow_id_step);
        if key.version() == IpVersion::V6 {
            self.store_endpoints(slot, Endpoints::of(headers, sender));
        }
        if headers.mpls.count != 0 || headers.tunnel.is_some() {
            let tunnel = headers.tunnel.map(|tunnel| seen_from_lower_tunnel(sender, tunnel));
            let extra = self.extra_of(slot);
            (extra.mpls, extra.tunnel) = (headers.mpls, tunnel);
        }
        self.index.insert(tag, slot);
        self.wheel.arm(slot, after(headers.at, self.active.min(self.idle)));
        self.account(slot, packet);
    }

    /// A slot for a new Flow, with whatever was there before.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the capacity is below 2³¹")]
    fn free_slot(&mut self) -> Slot {
        self.free.pop().unwrap_or_else(|| {
            self.hot.push(Hot::BLANK);
            self.cold.push(Cold::BLANK);
            self.hot.len() as Slot - 1
        })
    }

    fn store_endpoints(&mut self, slot: Slot, endpoints: Endpoints) {
        let slot = slot as usize;
        while self.endpoints.len() <= slot {
            self.endpoints.push(Endpoints::default());
        }
        self.endpoints[slot] = endpoints;
    }

    /// The rare parts of a Flow, which it has from now on.
    #[expect(clippy::cast_possible_truncation, reason = "the capacity is below 2³¹")]
    fn extra_of(&mut self, slot: Slot) -> &mut Extra {
        let place = &mut self.hot[slot as usize].extra;
        if *place == NO_EXTRA {
            *place = if let Some(free) = self.free_extra.pop() {
                self.extra[free as usize] = Extra::default();
                free
            } else {
                self.extra.push(Extra::default());
                self.extra.len() as u32 - 1
            };
        }
        &mut self.extra[*place as usize]
    }

    // Most calls come from one place, and `open` has another, so the compiler would not: some 15
    // instructions a packet (`scripts/bench instructions`).
    #[inline(always)]
    fn account(&mut self, slot: Slot, packet: Packet<'_>) {
        let Packet { mark: &Mark { sender, is_fragment, .. }, headers } = packet;
        let side = sender as usize;
        let flow = &mut self.hot[slot as usize];
        if flow.is_empty() {
            flow.slice_start = headers.at;
        }
        let direction = &mut flow.directions[side];
        if direction.packets == 0 {
            *direction = HotDirection::begin(headers.at);
            self.cold[slot as usize].begin(sender, headers);
        } else if headers.at < direction.last {
            // Out of order; perhaps even before the first.
            let first = &mut self.cold[slot as usize].first[side];
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
        if headers.tcp_flags & (FIN | SYN | RST) != 0 {
            self.note_flags(slot, packet);
        }
        if is_fragment {
            self.note_fragment(slot, sender);
        }
    }

    #[cold]
    fn note_fragment(&mut self, slot: Slot, sender: Sender) {
        let count = &mut self.extra_of(slot).fragments[sender as usize];
        *count = count.saturating_add(1);
    }

    /// Notes who began the Flow, and when TCP thereby ends it, moves its deadline nearer.
    fn note_flags(&mut self, slot: Slot, packet: Packet<'_>) {
        let Packet { mark: &Mark { sender, .. }, headers } = packet;
        let biflow = self.config.biflow;
        let state = &mut self.hot[slot as usize].state;
        if headers.tcp_flags & (SYN | ACK) == SYN {
            state.take_initiator(sender);
        }
        if headers.tcp_flags & (FIN | RST) == 0 {
            return;
        }
        let had_ended = state.has_ended(biflow);
        state.0 |= match (headers.tcp_flags & RST != 0, sender) {
            (true, _) => State::RST,
            (false, Sender::Lower) => State::FIN_FROM_LOWER,
            (false, Sender::Upper) => State::FIN_FROM_UPPER,
        };
        if !had_ended && state.has_ended(biflow) {
            let deadline = self.deadline(&self.hot[slot as usize]);
            self.wheel.disarm(slot);
            self.wheel.arm(slot, deadline.at);
        }
    }

    /// Makes room: of a sample of those whose deadlines come first, the Flow that has been idle
    /// longest leaves.
    ///
    /// In a flood of new Flows the first of the sample has had no packet since it was armed, and
    /// none can have been idle for much longer: then the sample ends with it.
    fn give_up_one(&mut self, now: Timestamp, expired: &mut Vec<FlowRecord>) {
        let Some((first, is_idle)) = self.take_earliest() else { return };
        let oldest = if is_idle { first } else { self.oldest_of_sample(first) };
        let reason = self.reason_at(oldest, now, FlowEndReason::LackOfResources);
        self.export(oldest, reason, expired);
        self.remove(oldest);
    }

    /// Takes the next slot off the wheel; says whether it has had no packet since it was armed.
    #[inline]
    fn take_earliest(&mut self) -> Option<(Slot, bool)> {
        let (slot, due) = self.wheel.pop_earliest()?;
        self.fetch_upcoming();
        let deadline = self.deadline(&self.hot[slot as usize]);
        Some((slot, deadline.at <= due && deadline.reason != FlowEndReason::ActiveTimeout))
    }

    /// Takes more slots off the wheel, and puts all but the one that has been idle longest back.
    #[cold]
    fn oldest_of_sample(&mut self, first: Slot) -> Slot {
        let mut oldest = first;
        let mut others = [first; SAMPLE - 1];
        let mut taken = 0;
        for place in &mut others {
            let Some((slot, is_idle)) = self.take_earliest() else { break };
            let last = |slot: Slot| self.hot[slot as usize].last();
            *place = slot;
            if last(slot) < last(oldest) {
                std::mem::swap(place, &mut oldest);
            }
            taken += 1;
            if is_idle {
                break;
            }
        }
        for &slot in others.iter().take(taken) {
            let deadline = self.deadline(&self.hot[slot as usize]);
            self.wheel.arm(slot, deadline.at);
        }
        oldest
    }

    /// Appends the record of the current slice, if it holds a packet, and begins an empty one.
    fn export(&mut self, slot: Slot, reason: FlowEndReason, expired: &mut Vec<FlowRecord>) {
        let slot = slot as usize;
        let hot = &mut self.hot[slot];
        if hot.is_empty() {
            return;
        }
        let extra = self.extra.get_mut(hot.extra as usize);
        let parts = Parts {
            hot,
            cold: &self.cold[slot],
            endpoints: self.endpoints.get(slot),
            extra: extra.as_deref(),
        };
        expired.push(FlowRecord::BLANK);
        if let Some(record) = expired.last_mut() {
            parts.write(reason, record);
        }
        // All slices of a Flow have the same source.
        hot.state.0 |= State::INITIATOR_IS_KNOWN;
        for direction in &mut hot.directions {
            direction.packets = 0;
        }
        if let Some(extra) = extra {
            extra.fragments = [0; 2];
        }
    }

    /// Frees a slot that is off the wheel.
    fn remove(&mut self, slot: Slot) {
        let flow = &mut self.hot[slot as usize];
        flow.state.0 &= !State::IN_USE;
        self.index.remove(tag_of(self.hash.hash_one(flow.key)), slot);
        if flow.extra != NO_EXTRA {
            self.free_extra.push(flow.extra);
        }
        self.free.push(slot);
    }
}

/// So many nanoseconds after `at`.
/// In nanoseconds: how long a Flow is kept without packets, how long once TCP has ended it, and how
/// long a slice is.
fn nanos_of(active: Duration, idle: Duration) -> [u64; 3] {
    [idle, LINGER.min(idle), active].map(saturating_nanos)
}

#[inline]
const fn after(at: Timestamp, nanoseconds: u64) -> Timestamp {
    Timestamp::from_nanos(at.as_nanos().saturating_add(nanoseconds))
}

/// How long a Flow that TCP has ended waits for late segments, at most: the last ACK of a close
/// comes after both FINs and must not open a new Flow.
const LINGER: Duration = Duration::from_secs(2);
/// Flows compared when one has to leave.
const SAMPLE: usize = 16;
const TCP: u8 = 6;
const FIN: u16 = 0x001;
const SYN: u16 = 0x002;
const RST: u16 = 0x004;
const ACK: u16 = 0x010;

/// The part of a Flow Key's hash that the index keeps.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low half")]
pub(super) const fn tag_of(hash: u64) -> Tag {
    hash as Tag
}

/// Who began the Flow of which this is the first packet seen (RFC 5103 §5): the sender, unless the
/// packet is an answer. A SYN that comes later knows better.
fn initiator(packet: Packet<'_>, biflow: bool) -> Sender {
    let Packet { mark, headers } = packet;
    let is_answer = match headers.protocol {
        TCP => headers.tcp_flags & (SYN | ACK) == SYN | ACK,
        protocol if icmp::is_icmp(headers.version, protocol) => {
            icmp::normalise(headers.version, headers.icmp_type_code).is_reply
        }
        _ => false,
    };
    if is_answer && biflow { mark.sender.other() } else { mark.sender }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::tests::{A, At as _, B, udp};
    use crate::flow::{FlowCache, Seed};

    #[test]
    fn a_packet_counter_that_is_full_ends_the_slice_and_loses_nothing() {
        let config = Config { seed: Seed::Fixed, ..Config::default() };
        let cache = FlowCache::new(config);
        let indices = Index::for_shards(1, 1).unwrap();
        let tables = Tables::for_shards(&[1], indices).unwrap().pop().unwrap();
        let mut shard = Shard::new(config, 1, tables, RandomState::new(), 1, 1);
        let mut expired = Vec::new();
        let mut observe = |shard: &mut Shard, seconds| {
            let headers = udp(A, B).at(seconds);
            let (_, mark) = cache.mark(&headers);
            shard.observe(Packet { mark: &mark, headers: &headers }, &mut expired);
            (mark.sender, expired.len())
        };
        let (sender, _) = observe(&mut shard, 1.0);
        shard.hot[0].directions[sender as usize].packets = u32::MAX - 1;
        assert_eq!(observe(&mut shard, 1.1), (sender, 0), "now it is full");
        observe(&mut shard, 1.2);
        observe(&mut shard, 1.3);
        shard.flush(0..1, udp(A, B).at(1.3).at, &mut expired);
        let counts: Vec<_> = expired.iter().map(|r| (r.packets(), r.end_reason)).collect();
        let full = u64::from(u32::MAX);
        assert_eq!(counts, [(full, FlowEndReason::ActiveTimeout), (2, FlowEndReason::ForcedEnd)]);
        assert_eq!(expired[0].flow_id, expired[1].flow_id);
    }
}
