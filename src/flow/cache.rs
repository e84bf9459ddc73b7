//! The Flow Cache: shards behind locks, and the batches that make the locks cheap.
//!
//! A worker collects a batch of packets, sorts it by shard and takes each lock once. The batch is
//! looked up in phases, so that the processor fetches the lines of many packets at the same time and
//! not one after the other: the line of the index when a packet is put into the batch, those of its
//! Flow while the packets of the shard before are accounted.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ahash::RandomState;

use crate::decode::{Headers, PacketAnomaly};
use crate::flow::batch::{Batch, Packets};
use crate::flow::config::{Config, Seed};
use crate::flow::fragments::{Fate, FragmentTable};
use crate::flow::index::{Home, Index, NO_SLOT};
use crate::flow::key::FlowKey;
use crate::flow::record::FlowRecord;
use crate::flow::shard::{Mark, Packet, Shard, Tables, tag_of};
use crate::flow::turnstile::{Entered, Turn, Turnstile};
use crate::sys::memory;
use crate::time::Timestamp;

/// The Flow Cache of one Metering Process, shared by its workers.
#[derive(Debug)]
pub struct FlowCache {
    config: Config,
    hash: RandomState,
    /// Of the indices.
    homes: Box<[Arc<Home>]>,
    shards: Box<[Turnstile<Shard>]>,
    fragments: Turnstile<FragmentTable>,
    /// The sum over all shards; each changes it under its own lock.
    flows: AtomicUsize,
    peak_flows: AtomicUsize,
    begun_flows: AtomicU64,
    closed: AtomicBool,
}

impl FlowCache {
    /// A cache for `config.max_flows` Flows. All memory for them is set aside here.
    ///
    /// # Panics
    ///
    /// Where the address space has no room for it.
    pub fn new(config: Config) -> Self {
        let max_flows = config.max_flows.clamp(1, MAX_FLOWS);
        let config = Config { max_flows, ..config };
        let shards = shard_count(max_flows, config.live_workers);
        let (hash, first_flow_id) = match config.seed {
            Seed::Fixed => (RandomState::with_seeds(0x666c_6f77, 0x7461_7020, 0x6b65_7973, 0), 1),
            Seed::Random { first_flow_id } => (RandomState::new(), first_flow_id),
        };
        // The remainder goes to the first shards, so that the sum is what was asked for.
        let capacity = |number| max_flows / shards + usize::from(number < max_flows % shards);
        let capacities: Vec<_> = (0..shards).map(capacity).collect();
        let memory = || -> io::Result<_> {
            let indices = Index::for_shards(shards, max_flows.div_ceil(shards))?;
            let homes = indices.iter().map(Index::home).collect();
            Ok((Tables::for_shards(&capacities, indices)?, homes))
        };
        let (tables, homes): (_, Box<[_]>) = memory().expect("there is room in the address space");
        let shard = |(number, (&capacity, tables)): (usize, (&usize, Tables))| {
            let id = first_flow_id.wrapping_add(number as u64);
            Turnstile::new(Shard::new(config, capacity, tables, hash.clone(), id, shards as u64))
        };
        let shards = capacities.iter().zip(tables).enumerate().map(shard).collect();
        Self {
            config,
            fragments: Turnstile::new(FragmentTable::new(hash.clone())),
            shards,
            flows: AtomicUsize::new(0),
            peak_flows: AtomicUsize::new(0),
            begun_flows: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            hash,
            homes,
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
        let headers = batch.packets.next_place();
        write(headers)?;
        let (shard, mark) = self.mark(headers);
        if let Some(home) = self.homes.get(shard) {
            home.prefetch(mark.tag);
        }
        batch.has_fragments |= mark.is_fragment;
        Ok(batch.packets.keep(shard, mark))
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
        let (headers, mut groups) = batch.packets.by_shard(self.shards.len());
        let enter = |number: usize, group: &[Mark]| {
            let is_needed = !group.is_empty() || sweep.is_some();
            let shard = self.shards.get(number).filter(|_| is_needed)?;
            Some(shard.enter(turn, &self.closed))
        };
        // Always one shard ahead: packet by packet, the lines of its Flows are asked for while those
        // of this one are accounted. All at once would be more than the processor can wait for.
        let mut next = None;
        let mut flow_ids = 0_u64;
        if let Some(group) = groups.first_mut() {
            next = enter(0, group);
            group.iter_mut().for_each(|mark| fetch(next.as_deref(), mark, headers));
        }
        for number in 1.. {
            let Some((group, rest)) = groups.split_first_mut() else { break };
            groups = rest;
            let ahead = groups.first_mut().map(Vec::as_mut_slice).unwrap_or_default();
            let shard = std::mem::replace(&mut next, enter(number, ahead));
            let mut ahead = ahead.iter_mut();
            if let Some(mut shard) = shard {
                let before = shard.flows();
                let first_id = shard.next_flow_id();
                for mark in group.iter() {
                    if let Some(mark) = ahead.next() {
                        fetch(next.as_deref(), mark, headers);
                    }
                    if let Some(headers) = headers.get(mark.position as usize) {
                        shard.observe(Packet { mark, headers }, expired);
                    }
                }
                flow_ids = flow_ids.wrapping_add(shard.next_flow_id().wrapping_sub(first_id));
                if let Some(Sweep { now, budget }) = sweep {
                    shard.sweep(now, budget, expired);
                }
                // Under the lock: counted later, what one worker adds would meet what another has
                // not yet taken off, and the sum could exceed what the cache can hold.
                let added = shard.flows().wrapping_sub(before);
                if added != 0 {
                    self.flows.fetch_add(added, Ordering::Relaxed);
                }
                leave(shard, turn, sweep);
            }
            ahead.for_each(|mark| fetch(next.as_deref(), mark, headers));
        }
        batch.packets.clear();
        batch.has_fragments = false;
        // Each shard steps by as many as there are.
        self.begun_flows.fetch_add(flow_ids / self.shards.len() as u64, Ordering::Relaxed);
        self.peak_flows.fetch_max(self.flows.load(Ordering::Relaxed), Ordering::Relaxed);
        overlaps
    }

    /// Exports every Flow: the Metering Process is stopping. `hand_over` gets the records in parts,
    /// so that a full cache does not need room for all of them at once.
    pub fn flush(&self, now: Timestamp, mut hand_over: impl FnMut(Vec<FlowRecord>)) {
        let mut batch = Batch::default();
        self.fragments.lock().flush(&mut batch.released);
        for headers in std::mem::take(&mut batch.released) {
            self.enqueue(&headers, &mut batch);
        }
        batch.has_fragments = false;
        let mut expired = Vec::new();
        self.meter(&mut batch, Turn::Any, None, &mut expired);
        hand_over(expired);
        for shard in &self.shards {
            let mut shard = shard.lock();
            for first in (0..shard.slots()).step_by(SLOTS_AT_ONCE) {
                let mut expired = Vec::new();
                shard.flush(first..first + SLOTS_AT_ONCE, now, &mut expired);
                hand_over(expired);
            }
            shard.clear();
        }
        self.flows.store(0, Ordering::Relaxed);
    }

    /// Changes the timeouts from now on, shard by shard. Each waits as long as it takes to look at
    /// its Flows, some 50 ns for one.
    pub fn set_timeouts(&self, active: Duration, idle: Duration) {
        for shard in &self.shards {
            shard.lock().set_timeouts(active, idle);
        }
    }

    /// Flows in the cache now.
    pub fn flows(&self) -> usize {
        self.flows.load(Ordering::Relaxed)
    }

    /// Shards, each with an equal part of the Flows.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The most Flows there were after any batch.
    pub fn peak_flows(&self) -> usize {
        self.peak_flows.load(Ordering::Relaxed)
    }

    /// Flows that have begun so far.
    pub fn begun_flows(&self) -> u64 {
        self.begun_flows.load(Ordering::Relaxed)
    }

    /// Lets nobody wait for a turn any more: a worker has died and its turn will not come.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.fragments.wake_all();
        self.shards.iter().for_each(Turnstile::wake_all);
    }

    /// Derives from the headers of a packet where in the cache it belongs.
    // Handed back through memory, the mark is read in other pieces than it was written in, for which
    // the processor waits: 1.07 times the CPU time of a replay (`scripts/bench --workloads w1`).
    #[inline(always)]
    pub(super) fn mark(&self, headers: &Headers) -> (usize, Mark) {
        let (key, sender) = FlowKey::of(headers, &self.config, &self.hash);
        let hash = self.hash.hash_one(key);
        let shard = (hash >> 32) as usize & (self.shards.len() - 1);
        let is_fragment = headers.fragment.is_some();
        (
            shard,
            Mark { key, tag: tag_of(hash), position: 0, candidate: NO_SLOT, sender, is_fragment },
        )
    }

    /// Adds a packet that the fragments had to be resolved for.
    fn put(&self, headers: &Headers, packets: &mut Packets) {
        *packets.next_place() = *headers;
        let (shard, mark) = self.mark(headers);
        packets.keep(shard, mark);
    }

    /// Sends the fragments of the batch through the table: some get ports, some wait, some that
    /// waited come back.
    fn resolve_fragments(&self, batch: &mut Batch, turn: Turn, sweep: Option<Sweep>) -> u64 {
        let ends_turn = sweep.is_some() && turn != Turn::Any;
        if !batch.has_fragments && !ends_turn && sweep.is_none() {
            return 0;
        }
        let mut entered = self.fragments.enter(turn, &self.closed);
        let table = &mut *entered;
        let Batch { packets, spare, released, has_fragments, .. } = batch;
        let mut overlaps = 0;
        if *has_fragments {
            std::mem::swap(packets, spare);
            packets.clear();
            for headers in spare.headers() {
                let mut headers = *headers;
                if headers.fragment.is_none() {
                    self.put(&headers, packets);
                    continue;
                }
                let fate = table.observe(&mut headers, released);
                overlaps += u64::from(headers.anomalies.contains(PacketAnomaly::FragmentOverlap));
                // What waited follows its first fragment at once: the order in which a Flow meets
                // its packets must not depend on where batches end.
                let first = (fate == Fate::Account).then_some(&headers);
                first.into_iter().chain(&*released).for_each(|headers| self.put(headers, packets));
                released.clear();
            }
        }
        if let Some(Sweep { now, .. }) = sweep {
            table.expire(now, released);
        }
        leave(entered, turn, sweep);
        released.drain(..).for_each(|headers| self.put(&headers, packets));
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

/// Fetches the lines that will be touched when this packet is accounted.
#[inline]
fn fetch(shard: Option<&Shard>, mark: &mut Mark, headers: &[Headers]) {
    if let Some(shard) = shard {
        shard.prefetch(mark);
    }
    memory::prefetch(headers, mark.position as usize);
}

/// Ends the turn of a ticket, if that is what a sweep does.
fn leave<T>(entered: Entered<'_, T>, turn: Turn, sweep: Option<Sweep>) {
    if turn != Turn::Any && sweep.is_some() {
        entered.pass();
    }
}

/// Some 64 packets of a batch for each shard, and look-ups to fetch ahead. Measured: 64 shards with
/// batches of 128 halve the rate; 16 shards take 35 MiB more where there are few Flows, because each
/// begins a huge page of its own in every table.
const SHARDS: usize = 8;
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
        assert_eq!(cache.begun_flows(), 8_000);
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
