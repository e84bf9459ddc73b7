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

mod expiry;

use std::io;

use ahash::RandomState;

use crate::decode::{Headers, IpVersion};
use crate::flow::Config;
use crate::flow::entry::{Cold, Extra, Hot, HotDirection, NO_EXTRA, State, seen_from_lower_tunnel};
use crate::flow::icmp;
use crate::flow::index::{Index, Slot, Tag};
use crate::flow::key::{Endpoints, FlowKey, Sender};
use crate::flow::record::FlowRecord;
use crate::flow::shard::expiry::{after, nanos_of};
use crate::flow::timers::Wheel;
use crate::sys::memory;
use crate::sys::table::Table;
use crate::time::Timestamp;

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

    /// Goes on by the step of `flowId`s with each Flow that begins.
    #[inline]
    pub(super) const fn next_flow_id(&self) -> u64 {
        self.next_flow_id
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
    /// that is [`CLOCK_STEP`](crate::flow::entry::CLOCK_STEP) older tells of a clock that was set back,
    /// and ends what came before.
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

    /// Fetches both lines that packets touch of a Flow.
    #[inline]
    fn prefetch_flow(&self, slot: usize) {
        if let Some(hot) = self.hot.get(slot) {
            memory::prefetch(&self.hot, slot);
            memory::prefetch(&hot.directions, 1);
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
}

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
    use crate::flow::record::FlowEndReason;
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
