//! The Flow Cache: shards behind locks, and the batches that make the locks cheap.
//!
//! A worker collects a batch of packets, sorts it by shard and takes each lock once. Inside the
//! lock the batch is looked up in phases, so that the processor fetches the lines of all its
//! packets at the same time and not one after the other.
//!
//! This is the only file of the Metering Process that locks.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use ahash::RandomState;

use crate::decode::{Headers, PacketAnomaly};
use crate::flow::config::{Config, Seed};
use crate::flow::fragments::{Fate, FragmentTable};
use crate::flow::key::FlowKey;
use crate::flow::record::FlowRecord;
use crate::flow::shard::{Packet, Shard};
use crate::time::Timestamp;

/// The Flow Cache of one Metering Process, shared by its workers.
#[derive(Debug)]
pub struct FlowCache {
    config: Config,
    hash: RandomState,
    shards: Box<[Turnstile<Shard>]>,
    fragments: Turnstile<FragmentTable>,
    /// The sum over all shards; each changes it under its own lock.
    flows: AtomicUsize,
    peak_flows: AtomicUsize,
    closed: AtomicBool,
}

/// The packets of one worker on their way into the cache; reused from batch to batch.
#[derive(Debug, Default)]
pub struct Batch {
    packets: Packets,
    /// The other half of a swap, when fragments have to be resolved.
    spare: Packets,
    /// Positions in `packets`, grouped by shard.
    order: Vec<u32>,
    /// Where each shard's group ends in `order`.
    ends: Vec<u32>,
    released: Vec<Headers>,
    has_fragments: bool,
}

/// In which order batches of several workers enter the cache.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// Whoever comes: live capture, or a single worker.
    Any,
    /// In the order of these numbers, counted from 0 without gaps over all workers. Several workers
    /// may thus read one file, and each shard still sees its packets in the order of the capture.
    Ticket(u64),
}

/// A lock that can also keep an order.
#[derive(Debug)]
struct Turnstile<T> {
    state: Mutex<(u64, T)>,
    passed: Condvar,
}

impl FlowCache {
    /// A cache for `config.max_flows` Flows. All memory for them is allocated here.
    pub fn new(config: Config) -> Self {
        let max_flows = config.max_flows.clamp(1, MAX_FLOWS);
        let config = Config { max_flows, ..config };
        let shards = shard_count(max_flows, config.live_workers);
        let (hash, first_flow_id) = match config.seed {
            Seed::Fixed => (RandomState::with_seeds(0x666c_6f77, 0x7461_7020, 0x6b65_7973, 0), 1),
            Seed::Random { first_flow_id } => (RandomState::new(), first_flow_id),
        };
        let shard = |number: usize| {
            // The remainder goes to the first shards, so that the sum is what was asked for.
            let capacity = max_flows / shards + usize::from(number < max_flows % shards);
            let id = first_flow_id.wrapping_add(number as u64);
            Turnstile::new(Shard::new(config, capacity, id, shards as u64))
        };
        Self {
            config,
            fragments: Turnstile::new(FragmentTable::new(hash.clone())),
            hash,
            shards: (0..shards).map(shard).collect(),
            flows: AtomicUsize::new(0),
            peak_flows: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Puts the headers of one packet into `batch`.
    pub fn enqueue(&self, headers: &Headers, batch: &mut Batch) {
        let Ok(_) = self.enqueue_with(batch, |place| {
            *place = *headers;
            Ok::<_, Infallible>(())
        });
    }

    /// Lets `write` put the headers of one packet into `batch`, in the place where they are read,
    /// and returns them; unless it fails, then the batch is as it was.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    #[inline]
    pub fn enqueue_with<'b, E>(
        &self,
        batch: &'b mut Batch,
        write: impl FnOnce(&mut Headers) -> Result<(), E>,
    ) -> Result<&'b Headers, E> {
        let place = batch.packets.next_place();
        write(&mut place.headers)?;
        self.file(place);
        batch.has_fragments |= place.headers.fragment.is_some();
        Ok(&batch.packets.keep().headers)
    }

    /// Accounts all packets of `batch` to their Flows and empties it; what ends thereby is appended
    /// to `expired`. Returns the anomalies that only showed here (fragment overlaps).
    ///
    /// With `sweep`, everything whose deadline has come at that time is exported as well, up to the
    /// budget per shard; this also is where a ticket's turn ends, so with tickets the
    /// last call for a ticket, and only that, sweeps.
    pub fn meter(
        &self,
        batch: &mut Batch,
        turn: Turn,
        sweep: Option<Sweep>,
        expired: &mut Vec<FlowRecord>,
    ) -> u64 {
        let overlaps = self.resolve_fragments(batch, turn, sweep);
        batch.sort_by_shard(self.shards.len());
        let mut start = 0;
        for (shard, &end) in self.shards.iter().zip(&batch.ends) {
            let group = batch.order.get(start as usize..end as usize).unwrap_or_default();
            start = end;
            if group.is_empty() && sweep.is_none() {
                continue;
            }
            let mut entered = shard.enter(turn, &self.closed);
            let shard_state = &mut entered.1;
            let before = shard_state.flows();
            observe_group(shard_state, batch.packets.as_slice(), group, expired);
            if let Some(Sweep { now, budget }) = sweep {
                shard_state.sweep(now, budget, expired);
            }
            // Under the lock: counted later, what one worker adds would meet what another has not yet
            // taken off, and the sum could exceed what the cache can hold.
            let added = shard_state.flows().wrapping_sub(before);
            if added != 0 {
                self.flows.fetch_add(added, Ordering::Relaxed);
            }
            shard.leave(entered, turn, sweep.is_some());
        }
        batch.packets.clear();
        batch.has_fragments = false;
        self.peak_flows.fetch_max(self.flows.load(Ordering::Relaxed), Ordering::Relaxed);
        overlaps
    }

    /// Exports every Flow: the Metering Process is stopping. `hand_over` gets the records in parts,
    /// so that a full cache does not need room for all of them at once.
    pub fn flush(&self, now: Timestamp, mut hand_over: impl FnMut(Vec<FlowRecord>)) {
        let mut batch = Batch::default();
        self.fragments.lock().1.flush(&mut batch.released);
        for headers in std::mem::take(&mut batch.released) {
            self.enqueue(&headers, &mut batch);
        }
        batch.has_fragments = false;
        let mut expired = Vec::new();
        self.meter(&mut batch, Turn::Any, None, &mut expired);
        hand_over(expired);
        for shard in &self.shards {
            let shard = &mut shard.lock().1;
            for first in (0..shard.slots()).step_by(SLOTS_AT_ONCE) {
                let mut expired = Vec::new();
                shard.flush(first..first + SLOTS_AT_ONCE, now, &mut expired);
                hand_over(expired);
            }
        }
        self.flows.store(0, Ordering::Relaxed);
    }

    /// Flows in the cache now.
    pub fn flows(&self) -> usize {
        self.flows.load(Ordering::Relaxed)
    }

    /// The most Flows there were after any batch.
    pub fn peak_flows(&self) -> usize {
        self.peak_flows.load(Ordering::Relaxed)
    }

    /// Lets nobody wait for a turn any more: a worker has died and its turn will not come.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.fragments.wake_all();
        self.shards.iter().for_each(Turnstile::wake_all);
    }

    /// Derives from the headers of a packet where in the cache it belongs.
    #[inline]
    fn file(&self, packet: &mut Packet) {
        let (key, sender) = FlowKey::of(&packet.headers, self.config.biflow, self.config.vlan_key);
        let hash = self.hash.hash_one(key);
        packet.key = key;
        packet.sender = sender;
        #[expect(clippy::cast_possible_truncation, reason = "the low half, and less than shards")]
        {
            packet.tag = hash as u32;
            packet.shard = ((hash >> 32) as usize & (self.shards.len() - 1)) as u32;
        }
    }

    #[cfg(test)]
    pub(super) fn packet(&self, headers: &Headers) -> Packet {
        let mut packet = Packet { headers: *headers, ..Packet::BLANK };
        self.file(&mut packet);
        packet
    }

    /// Sends the fragments of the batch through the table: some get ports, some wait, some that
    /// waited come back.
    fn resolve_fragments(&self, batch: &mut Batch, turn: Turn, sweep: Option<Sweep>) -> u64 {
        let ends_turn = sweep.is_some() && turn != Turn::Any;
        if !batch.has_fragments && !ends_turn && sweep.is_none() {
            return 0;
        }
        let mut entered = self.fragments.enter(turn, &self.closed);
        let table = &mut entered.1;
        let Batch { packets, spare, released, has_fragments, .. } = batch;
        let put = |headers: &Headers, packets: &mut Packets| {
            let place = packets.next_place();
            place.headers = *headers;
            self.file(place);
            packets.keep();
        };
        let mut overlaps = 0;
        if *has_fragments {
            std::mem::swap(packets, spare);
            packets.clear();
            for packet in spare.as_slice() {
                let mut headers = packet.headers;
                if headers.fragment.is_none() {
                    put(&headers, packets);
                    continue;
                }
                let fate = table.observe(&mut headers, released);
                overlaps += u64::from(headers.anomalies.contains(PacketAnomaly::FragmentOverlap));
                // What waited follows its first fragment at once: the order in which a Flow meets
                // its packets must not depend on where batches end.
                let first = (fate == Fate::Account).then_some(&headers);
                first.into_iter().chain(&*released).for_each(|headers| put(headers, packets));
                released.clear();
            }
        }
        if let Some(Sweep { now, .. }) = sweep {
            table.expire(now, released);
        }
        self.fragments.leave(entered, turn, sweep.is_some());
        released.drain(..).for_each(|headers| put(&headers, packets));
        overlaps
    }
}

/// When and how much to sweep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sweep {
    /// The clock of the Metering Process.
    pub now: Timestamp,
    /// Records that one shard may export at most: live, a burst of deadlines is spread over
    /// several calls and not thrown at the collectors at once.
    pub budget: usize,
}

impl Batch {
    /// Packets in the batch.
    pub const fn len(&self) -> usize {
        self.packets.length
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.packets.length == 0
    }

    /// A counting sort: positions by shard, in order within each.
    fn sort_by_shard(&mut self, shards: usize) {
        let Self { packets, order, ends, .. } = self;
        let packets = packets.as_slice();
        ends.clear();
        ends.resize(shards, 0);
        for packet in packets {
            if let Some(count) = ends.get_mut(packet.shard as usize) {
                *count += 1;
            }
        }
        let mut start = 0;
        for end in ends.iter_mut() {
            let count = *end;
            *end = start;
            start += count;
        }
        order.clear();
        order.resize(packets.len(), 0);
        for (position, packet) in (0_u32..).zip(packets) {
            if let Some(next) = ends.get_mut(packet.shard as usize) {
                if let Some(place) = order.get_mut(*next as usize) {
                    *place = position;
                }
                *next += 1;
            }
        }
    }
}

/// Packets in places that are used again and again: a packet is written where it is read.
#[derive(Debug, Default)]
struct Packets {
    places: Vec<Packet>,
    length: usize,
}

impl Packets {
    /// The place behind the last packet, with whatever was there before.
    #[inline]
    fn next_place(&mut self) -> &mut Packet {
        if self.length == self.places.len() {
            self.places.push(Packet::BLANK);
        }
        self.places.get_mut(self.length).expect("there is one place more than packets")
    }

    /// Makes a packet of the next place.
    #[inline]
    fn keep(&mut self) -> &Packet {
        let kept = self.places.get(self.length).expect("the place was written");
        self.length += 1;
        kept
    }

    #[inline]
    fn as_slice(&self) -> &[Packet] {
        self.places.get(..self.length).unwrap_or_default()
    }

    const fn clear(&mut self) {
        self.length = 0;
    }
}

/// The look-ups of one shard's share of a batch, in three phases: fetch the lines of the index,
/// fetch the Flows they point to, account.
fn observe_group(
    shard: &mut Shard,
    packets: &[Packet],
    group: &[u32],
    expired: &mut Vec<FlowRecord>,
) {
    let members = || group.iter().filter_map(|&position| packets.get(position as usize));
    members().for_each(|packet| shard.prefetch_index(packet));
    members().for_each(|packet| shard.prefetch_flow(packet));
    members().for_each(|packet| shard.observe(packet, expired));
}

impl<T> Turnstile<T> {
    const fn new(inner: T) -> Self {
        Self { state: Mutex::new((0, inner)), passed: Condvar::new() }
    }

    /// A panic elsewhere is reported by whoever joins that thread; the state of a shard is sound
    /// between any two packets, and its records shall still leave.
    fn lock(&self) -> MutexGuard<'_, (u64, T)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, turn: Turn, closed: &AtomicBool) -> MutexGuard<'_, (u64, T)> {
        let mut state = self.lock();
        if let Turn::Ticket(ticket) = turn {
            while state.0 != ticket && !closed.load(Ordering::SeqCst) {
                state = self.passed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        state
    }

    /// Wakes who waits for a turn. The lock stands between a waiter's last look at `closed` and its
    /// sleep: without it the call could fall between the two and be lost.
    fn wake_all(&self) {
        let state = self.lock();
        self.passed.notify_all();
        drop(state);
    }

    fn leave(&self, mut state: MutexGuard<'_, (u64, T)>, turn: Turn, ends_turn: bool) {
        if turn != Turn::Any && ends_turn {
            state.0 += 1;
            drop(state);
            self.passed.notify_all();
        }
    }
}

/// Some 32 packets of a batch for each shard, and look-ups to fetch ahead. Measured: 64 shards with
/// batches of 128 halve the rate.
const SHARDS: usize = 16;
/// A shard with fewer Flows than this is not worth its lock.
const MIN_FLOWS_PER_SHARD: usize = 64;
/// Slots flushed together.
const SLOTS_AT_ONCE: usize = 1024;
/// Slots are numbered with 31 bits.
const MAX_FLOWS: usize = 1 << 31;

fn shard_count(max_flows: usize, live_workers: usize) -> usize {
    let wanted = SHARDS.max(live_workers.saturating_mul(8).next_power_of_two()).min(1024);
    let affordable = (max_flows / MIN_FLOWS_PER_SHARD).max(1);
    if affordable >= wanted { wanted } else { 1 << affordable.ilog2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_flows_never_exceeds_the_cache_whoever_counts() {
        use crate::flow::tests::{A, At as _, B, udp};

        let cache = FlowCache::new(Config { max_flows: 100, ..Config::default() });
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    let mut batch = Batch::default();
                    for port in 0..2_000 {
                        let mut headers = udp(A, B).at(1.0);
                        (headers.source_port, headers.destination_port) = (port, worker);
                        cache.enqueue(&headers, &mut batch);
                        cache.meter(&mut batch, Turn::Any, None, &mut Vec::new());
                        assert!(cache.flows() <= 100, "{} flows", cache.flows());
                    }
                });
            }
        });
        assert_eq!((cache.flows(), cache.peak_flows()), (100, 100));
    }

    #[test]
    fn closing_wakes_whoever_waits_for_a_turn_that_will_not_come() {
        for _ in 0..200 {
            let cache = FlowCache::new(Config { max_flows: 1, ..Config::default() });
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let sweep = Some(Sweep { now: Timestamp::EPOCH, budget: 1 });
                    cache.meter(&mut Batch::default(), Turn::Ticket(1), sweep, &mut Vec::new());
                });
                cache.close();
            });
        }
    }
}
