//! The books of a live run while they are open, for whoever wants to look.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::capture::Drops;
use crate::flow::FlowRecord;
use crate::pipeline::arrivals::{self, Received, SizeCounts};
use crate::pipeline::departures::{Departures, Due};
use crate::pipeline::ledger::Ledger;
use crate::pipeline::symptoms::{Suspects, SymptomCounts};
use crate::time::Timestamp;

/// What workers have published so far: each its own, a few times a second. Nobody waits for anybody who
/// reads.
#[derive(Debug, Default)]
pub struct OpenBooks {
    shares: Vec<Mutex<Share>>,
    /// What is left in the cache when the workers have gone.
    flushed: Mutex<Page>,
    flows: AtomicUsize,
    peak_flows: AtomicUsize,
    begun_flows: AtomicU64,
    ended: AtomicU64,
}

/// What one worker has published, and how often: of one that stands still that stays the same.
#[derive(Debug, Default)]
struct Share {
    turns: u64,
    page: Page,
}

/// The books at one moment, of all workers or of one.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The ledger, with flows that are still in the cache metered and not exported.
    pub ledger: Ledger,
    /// What each interface received, by its number.
    pub points: Vec<(u32, Received)>,
    /// What was dropped of each interface before it was received, by its number.
    pub drops: Vec<(u32, Drops)>,
    /// Frames by size.
    pub sizes: SizeCounts,
    /// Flow Records by what they tell of.
    pub departures: Departures,
    /// Flows in the cache.
    pub flows: usize,
    /// Flows that have begun.
    pub begun_flows: u64,
    /// Workers that have ended: they have failed, or the run is ending.
    pub ended_workers: u64,
}

impl Page {
    /// Adds a share.
    fn add(&mut self, share: &Self) {
        self.ledger.merge(&share.ledger);
        for &(interface, received) in &share.points {
            arrivals::add(&mut self.points, interface, received);
        }
        for &(interface, drops) in &share.drops {
            match self.drops.iter_mut().find(|(known, _)| *known == interface) {
                Some((_, sum)) => *sum += drops,
                None => self.drops.push((interface, drops)),
            }
        }
        self.sizes.iter_mut().zip(share.sizes).for_each(|(sum, count)| *sum += count);
        self.departures.merge(&share.departures);
    }

    /// What the counts tell of mirror and box.
    pub fn symptoms(&self) -> SymptomCounts {
        SymptomCounts {
            received_packets: self.ledger.received_packets,
            kernel_dropped_packets: self.ledger.drops.kernel,
            interface_dropped_packets: self.ledger.drops.interface,
            ..self.departures.symptoms
        }
    }
}

impl OpenBooks {
    /// Books of so many workers.
    pub fn new(workers: usize) -> Self {
        let mut shares = Vec::new();
        shares.resize_with(workers, Mutex::default);
        Self { shares, ..Self::default() }
    }

    /// The books of all workers.
    pub fn read(&self) -> Page {
        let mut sum = Page::default();
        self.shares.iter().for_each(|share| sum.add(&lock(share).page));
        sum.add(&lock(&self.flushed));
        sum.flows = self.flows.load(Ordering::Relaxed);
        sum.begun_flows = self.begun_flows.load(Ordering::Relaxed);
        sum.ledger.peak_flows = self.peak_flows.load(Ordering::Relaxed) as u64;
        sum.ended_workers = self.ended.load(Ordering::Relaxed);
        sum
    }

    /// How often each worker has written.
    pub fn turns(&self) -> Vec<u64> {
        self.shares.iter().map(|share| lock(share).turns).collect()
    }

    /// Lets `write` bring the share of a worker up to date.
    pub fn write(&self, worker: usize, write: impl FnOnce(&mut Page)) {
        if let Some(share) = self.shares.get(worker) {
            let mut share = lock(share);
            share.turns += 1;
            write(&mut share.page);
        }
    }

    /// Tells how full the cache is, and was, and how many Flows have begun.
    pub fn tell_flows(&self, flows: usize, peak: usize, begun: u64) {
        self.flows.store(flows, Ordering::Relaxed);
        self.peak_flows.store(peak, Ordering::Relaxed);
        // Several workers tell, and an older number may come later.
        self.begun_flows.fetch_max(begun, Ordering::Relaxed);
    }

    /// Counts records that leave when the workers have gone.
    pub(super) fn count_flushed(
        &self,
        records: &[FlowRecord],
        clock: Timestamp,
        due: &Due,
        suspects: &Suspects,
    ) {
        let mut page = lock(&self.flushed);
        page.ledger.count_exported(records);
        page.departures.count(records, clock, due, suspects);
    }

    /// A worker begins; it ends, however it does, where what is returned is dropped.
    pub(super) const fn at_work(&self) -> AtWork<'_> {
        AtWork(self)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A worker at work.
#[derive(Debug)]
pub(super) struct AtWork<'a>(&'a OpenBooks);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_all_workers_add_up() {
        let books = OpenBooks::new(2);
        for worker in [0, 1, 1, 2] {
            books.write(worker, |page| {
                page.ledger.received_packets = 5;
                page.points = vec![(7, Received { packets: 5, octets: 500 })];
                page.drops = vec![(7, Drops { kernel: 2, interface: 1 })];
                page.sizes[1] = 5;
            });
        }
        books.tell_flows(3, 9, 20);
        books.tell_flows(3, 9, 19);
        let guard = books.at_work();
        let page = books.read();
        assert_eq!((page.ledger.received_packets, page.sizes[1]), (10, 10), "a third one has none");
        assert_eq!(books.turns(), [1, 2]);
        assert_eq!(page.points, [(7, Received { packets: 10, octets: 1000 })]);
        assert_eq!(page.drops, [(7, Drops { kernel: 4, interface: 2 })]);
        assert_eq!((page.flows, page.ledger.peak_flows, page.ended_workers), (3, 9, 0));
        assert_eq!(page.begun_flows, 20);
        drop(guard);
        assert_eq!(books.read().ended_workers, 1);
    }
}
