//! The largest records, or all in their order, held until the input has ended.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use anyhow::bail;

use super::measure::Measure;
use super::subject::Subject;

/// Records in what form they are printed, by their measure; at most so many of them.
///
/// Of equal ones the earlier stays and comes first.
#[derive(Debug)]
pub(super) struct Ranked<T> {
    by: Measure,
    is_ascending: bool,
    most: Option<usize>,
    /// The last in the order is on top.
    heap: BinaryHeap<Entry<T>>,
    met: u64,
    memory: usize,
}

#[derive(Debug)]
struct Entry<T> {
    rank: Rank,
    memory: usize,
    record: T,
}

/// Comes first the less it is: what does not tell its measure is last.
type Rank = (Reverse<bool>, i128, u64);

impl<T> Ranked<T> {
    /// Keeps at most `most` records, or all.
    pub(super) const fn new(by: Measure, is_reversed: bool, most: Option<usize>) -> Self {
        let is_ascending = by.is_ascending() != is_reversed;
        Self { by, is_ascending, most, heap: BinaryHeap::new(), met: 0, memory: 0 }
    }

    /// Holds a record if it is among the first so far; only then `print` is called, which tells
    /// its memory as well.
    ///
    /// # Errors
    ///
    /// If records take more memory than they may.
    pub(super) fn add(
        &mut self,
        subject: &Subject<'_, '_>,
        print: impl FnOnce() -> anyhow::Result<(T, usize)>,
    ) -> anyhow::Result<()> {
        let measure = self.by.of(subject);
        let number = measure.unwrap_or(0);
        let rank = (
            Reverse(measure.is_some()),
            if self.is_ascending { number } else { number.saturating_neg() },
            self.met,
        );
        self.met += 1;
        if self.most.is_some_and(|most| self.heap.len() >= most) {
            if self.heap.peek().is_none_or(|last| last.rank <= rank) {
                return Ok(());
            }
            if let Some(last) = self.heap.pop() {
                self.memory -= last.memory;
            }
        }
        let (record, memory) = print()?;
        self.memory += memory;
        if self.memory > MOST_MEMORY {
            bail!(
                "{} records are more than can be sorted in memory; use --top N, or --where to choose",
                self.heap.len()
            );
        }
        self.heap.push(Entry { rank, memory, record });
        Ok(())
    }

    /// The records in their order.
    pub(super) fn into_sorted(self) -> impl Iterator<Item = T> {
        self.heap.into_sorted_vec().into_iter().map(|entry| entry.record)
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

const MOST_MEMORY: usize = 2 << 30;
