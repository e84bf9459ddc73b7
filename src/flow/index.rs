//! Where in the shard a Flow Key's entry is: a hash index made to be looked up ahead.
//!
//! A general hash table hides its memory, so a batch cannot ask for the cache lines of its next
//! look-ups; memory latency is then paid packet by packet (measured: 6.5 M look-ups/s with
//! hashbrown at 100,000 and more Flows, against two to three times that with prefetch). Hence an
//! index of our own: eight octets an entry, linear probing, removal by shifting back, so there are
//! no tombstones and no rehash, ever. hashbrown keeps the datagrams in [`fragments`], which are few.
//!
//! The buckets of all shards lie in one allocation: that is large enough for huge pages, where those
//! of one shard are not, and a packet's line can be asked for before its shard is locked.
//!
//! [`fragments`]: crate::flow::fragments

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::memory;
use crate::sys::table::Table;

/// A slot of the shard's tables.
pub(super) type Slot = u32;

/// Hash bits kept in the index: they place the entry and tell most other keys from it.
pub(super) type Tag = u32;

/// The buckets of all shards.
///
/// Atomic because one shard's thread must not need `&mut` of the others; relaxed, because each
/// bucket is written under the lock of its shard and read under it. Both are plain loads and stores.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    /// `tag << 32 | slot + 1`, or 0 for a free bucket.
    all: Arc<Table<AtomicU64>>,
    /// Buckets of one shard.
    size: usize,
}

/// The index of one shard; its size is fixed.
#[derive(Debug)]
pub(super) struct Index {
    buckets: Buckets,
    /// Where its part of the buckets begins.
    start: usize,
}

impl Buckets {
    /// Buckets for `shards` shards of up to `capacity` entries each, three quarters full at most.
    ///
    /// # Errors
    ///
    /// No room in the address space.
    pub(super) fn new(shards: usize, capacity: usize) -> io::Result<Self> {
        let size = capacity + capacity / 3 + 2;
        let mut all = Table::with_capacity(size * shards)?;
        (0..size * shards).for_each(|_| all.push(AtomicU64::new(FREE)));
        Ok(Self { all: Arc::new(all), size })
    }

    /// Fetches the line on which the search for `tag` in the index of `shard` begins.
    #[inline]
    pub(super) fn prefetch(&self, shard: usize, tag: Tag) {
        memory::prefetch(&self.all, shard * self.size + self.home(tag));
    }

    /// The index of `shard`.
    pub(super) fn index(&self, shard: usize) -> Index {
        Index { buckets: self.clone(), start: shard * self.size }
    }

    /// Where the search for `tag` begins: tags in order are spread over the buckets in order.
    #[inline]
    const fn home(&self, tag: Tag) -> usize {
        ((tag as u64 * self.size as u64) >> 32) as usize
    }
}

impl Index {
    /// The first slot filed under `tag`: most often the right one, to be fetched ahead.
    #[inline]
    pub(super) fn candidate(&self, tag: Tag) -> Option<Slot> {
        self.find(tag, |_| true)
    }

    /// The slot filed under `tag` for which `is_it` holds.
    #[inline]
    pub(super) fn find(&self, tag: Tag, mut is_it: impl FnMut(Slot) -> bool) -> Option<Slot> {
        let buckets = self.buckets();
        let mut position = self.buckets.home(tag);
        loop {
            let (found, slot) = unpack(load(buckets, position))?;
            if found == tag && is_it(slot) {
                return Some(slot);
            }
            position = self.after(position);
        }
    }

    /// Files `slot` under `tag`. The caller holds no more entries than the capacity.
    pub(super) fn insert(&mut self, tag: Tag, slot: Slot) {
        let buckets = self.buckets();
        let mut position = self.buckets.home(tag);
        while load(buckets, position) != FREE {
            position = self.after(position);
        }
        store(buckets, position, pack(tag, slot));
    }

    /// Takes out the entry of `slot` under `tag`, and moves later ones back into the gap.
    pub(super) fn remove(&mut self, tag: Tag, slot: Slot) {
        let buckets = self.buckets();
        let mut gap = self.buckets.home(tag);
        let sought = pack(tag, slot);
        loop {
            let bucket = load(buckets, gap);
            if bucket == FREE {
                return;
            }
            if bucket == sought {
                break;
            }
            gap = self.after(gap);
        }
        let mut position = gap;
        loop {
            position = self.after(position);
            let bucket = load(buckets, position);
            let Some((tag, _)) = unpack(bucket) else { break };
            // It may fill the gap unless its own search starts behind the gap.
            let displacement = self.distance(self.buckets.home(tag), position);
            if displacement >= self.distance(gap, position) {
                store(buckets, gap, bucket);
                gap = position;
            }
        }
        store(buckets, gap, FREE);
    }

    /// Takes out everything.
    pub(super) fn clear(&mut self) {
        self.buckets().iter().for_each(|bucket| bucket.store(FREE, Ordering::Relaxed));
    }

    #[inline]
    fn buckets(&self) -> &[AtomicU64] {
        self.buckets.all.get(self.start..self.start + self.buckets.size).unwrap_or_default()
    }

    /// The bucket behind `position`, around the end.
    #[inline]
    const fn after(&self, position: usize) -> usize {
        if position + 1 == self.buckets.size { 0 } else { position + 1 }
    }

    /// Steps from one bucket to another, around the end.
    const fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.buckets.size - from }
    }
}

#[inline]
fn load(buckets: &[AtomicU64], position: usize) -> u64 {
    // Every position is inside; a free bucket ends any search.
    buckets.get(position).map_or(FREE, |bucket| bucket.load(Ordering::Relaxed))
}

#[inline]
fn store(buckets: &[AtomicU64], position: usize, value: u64) {
    if let Some(bucket) = buckets.get(position) {
        bucket.store(value, Ordering::Relaxed);
    }
}

const FREE: u64 = 0;

const fn pack(tag: Tag, slot: Slot) -> u64 {
    (tag as u64) << 32 | (slot as u64 + 1)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of a bucket")]
const fn unpack(bucket: u64) -> Option<(Tag, Slot)> {
    if bucket == FREE { None } else { Some(((bucket >> 32) as Tag, bucket as Slot - 1)) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Few distinct tags, so that clusters, wrap-around and equal tags all occur; and a neighbour
        /// on each side that must not notice.
        #[test]
        fn behaves_as_a_map_under_inserts_and_removals(
            steps in proptest::collection::vec((any::<bool>(), 0_u32..24, 0_u32..40), 1..400),
        ) {
            let buckets = Buckets::new(3, 40).unwrap();
            let mut index = buckets.index(1);
            let mut model: HashMap<u32, u32> = HashMap::new(); // slot → tag
            for (insert, tag, slot) in steps {
                let tag = (tag << 27).wrapping_sub(1 << 28); // some at the very end of the table
                match (insert, model.get(&slot).copied()) {
                    (true, None) => {
                        index.insert(tag, slot);
                        model.insert(slot, tag);
                    }
                    (false, Some(tag)) => {
                        index.remove(tag, slot);
                        model.remove(&slot);
                    }
                    _ => {}
                }
                for (&slot, &tag) in &model {
                    prop_assert_eq!(index.find(tag, |candidate| candidate == slot), Some(slot));
                }
                let held = |index: &Index| {
                    index.buckets().iter().filter(|b| b.load(Ordering::Relaxed) != FREE).count()
                };
                prop_assert_eq!(held(&index), model.len());
                prop_assert_eq!(held(&buckets.index(0)) + held(&buckets.index(2)), 0);
            }
        }
    }
}
