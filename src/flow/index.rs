//! Where in the shard a Flow Key's entry is: a hash index made to be looked up ahead.
//!
//! A general hash table hides its memory, so a batch cannot ask for the cache lines of its next
//! look-ups; memory latency is then paid packet by packet (measured: 6.5 M look-ups/s with
//! hashbrown at 100,000 and more Flows, against two to three times that with prefetch). Hence an
//! index of our own: eight octets an entry, linear probing, removal by shifting back, so there are
//! no tombstones and no rehash, ever.

use crate::sys::memory;

/// A slot of the shard's tables.
pub(super) type Slot = u32;

/// Hash bits kept in the index: they place the entry and tell most other keys from it.
pub(super) type Tag = u32;

/// The index of one shard; its size is fixed.
#[derive(Debug)]
pub(super) struct Index {
    /// `tag << 32 | slot + 1`, or 0 for a free bucket.
    buckets: Vec<u64>,
    mask: usize,
}

impl Index {
    /// An index for up to `capacity` entries, three quarters full at most.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        let size = (capacity + capacity / 3 + 2).next_power_of_two();
        let buckets = vec![0; size];
        memory::advise_huge_pages(&buckets);
        Self { buckets, mask: size - 1 }
    }

    /// Fetches the line on which the search for `tag` begins.
    #[inline]
    pub(super) fn prefetch(&self, tag: Tag) {
        memory::prefetch(&self.buckets, self.home(tag));
    }

    /// The first slot filed under `tag`: most often the right one, to be fetched ahead.
    #[inline]
    pub(super) fn candidate(&self, tag: Tag) -> Option<Slot> {
        self.find(tag, |_| true)
    }

    /// The slot filed under `tag` for which `is_it` holds.
    #[inline]
    pub(super) fn find(&self, tag: Tag, mut is_it: impl FnMut(Slot) -> bool) -> Option<Slot> {
        let mut position = self.home(tag);
        loop {
            let (found, slot) = unpack(self.bucket(position))?;
            if found == tag && is_it(slot) {
                return Some(slot);
            }
            position = (position + 1) & self.mask;
        }
    }

    /// Files `slot` under `tag`. The caller holds no more entries than the capacity.
    pub(super) fn insert(&mut self, tag: Tag, slot: Slot) {
        let mut position = self.home(tag);
        while self.bucket(position) != FREE {
            position = (position + 1) & self.mask;
        }
        self.set(position, pack(tag, slot));
    }

    /// Takes out the entry of `slot` under `tag`, and moves later ones back into the gap.
    pub(super) fn remove(&mut self, tag: Tag, slot: Slot) {
        let mut gap = self.home(tag);
        let sought = pack(tag, slot);
        loop {
            let bucket = self.bucket(gap);
            if bucket == FREE {
                return;
            }
            if bucket == sought {
                break;
            }
            gap = (gap + 1) & self.mask;
        }
        let mut position = gap;
        loop {
            position = (position + 1) & self.mask;
            let bucket = self.bucket(position);
            let Some((tag, _)) = unpack(bucket) else { break };
            // It may fill the gap unless its own search starts behind the gap.
            let displacement = position.wrapping_sub(self.home(tag)) & self.mask;
            let distance = position.wrapping_sub(gap) & self.mask;
            if displacement >= distance {
                self.set(gap, bucket);
                gap = position;
            }
        }
        self.set(gap, FREE);
    }

    #[inline]
    const fn home(&self, tag: Tag) -> usize {
        tag as usize & self.mask
    }

    #[inline]
    fn bucket(&self, position: usize) -> u64 {
        // The mask keeps every position inside; a free bucket ends any search.
        self.buckets.get(position).copied().unwrap_or(FREE)
    }

    fn set(&mut self, position: usize, value: u64) {
        if let Some(bucket) = self.buckets.get_mut(position) {
            *bucket = value;
        }
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

        /// Few distinct tags, so that clusters, wrap-around and equal tags all occur.
        #[test]
        fn behaves_as_a_map_under_inserts_and_removals(
            steps in proptest::collection::vec((any::<bool>(), 0_u32..24, 0_u32..40), 1..400),
        ) {
            let mut index = Index::with_capacity(40);
            let mut model: HashMap<u32, u32> = HashMap::new(); // slot → tag
            for (insert, tag, slot) in steps {
                let tag = tag.wrapping_mul(5).wrapping_sub(8); // some at the very end of the table
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
                prop_assert_eq!(
                    index.buckets.iter().filter(|&&bucket| bucket != FREE).count(),
                    model.len()
                );
            }
        }
    }
}
