//! Where in the shard a Flow Key's entry is: a hash index made to be looked up ahead.
//!
//! A general hash table hides its memory, so a batch cannot ask for the cache lines of its next
//! look-ups; memory latency is then paid packet by packet (measured: 6.5 M look-ups/s with
//! hashbrown at 100,000 and more Flows, against two to three times that with prefetch). Hence an
//! index of our own: buckets of one cache line each, which hold eight entries of eight octets.
//! Who finds his bucket full passes on to the next one, and leaves a mark for those who seek; one that
//! is removed is replaced by one that had to go on, so there are no tombstones. A search thus ends with
//! the first line almost always, which is the one that was asked for ahead. hashbrown keeps the
//! datagrams in [`fragments`], which are few.
//!
//! It begins small and doubles: an entry has all that places it, so nothing else is touched, and
//! as the order of the tags is the order of the buckets, old and new ones are gone through from front
//! to back. The buckets of all shards lie in one mapping, which is large enough for huge pages where
//! those of one are not.
//!
//! [`fragments`]: crate::flow::fragments

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sys::lanes::equal;
use crate::sys::memory::{self, Lines};
use crate::sys::table::Table;

/// A slot of the shard's tables.
pub(super) type Slot = u32;

/// Says that there is none.
pub(super) const NO_SLOT: Slot = Slot::MAX;

/// Hash bits kept in the index: they place the entry and tell most other keys from it.
pub(super) type Tag = u32;

/// One cache line: the tags of its entries, then the slots, each plus one, or 0 where none is.
type Bucket = [u32; 2 * ENTRIES];

/// The index of one shard. It grows with what is in it, up to a fixed size.
#[derive(Debug)]
pub(super) struct Index {
    buckets: Table<Bucket>,
    entries: usize,
    /// Room to grow into, the largest first: memory that nobody has touched takes none.
    larger: Vec<Table<Bucket>>,
    /// Where whoever has not locked the shard finds the buckets.
    home: Arc<Home>,
}

/// Where the buckets of a shard are, to be fetched ahead by whoever has not locked it. One who looks
/// while the index grows may fetch a line for nothing.
#[derive(Debug, Default)]
pub(super) struct Home {
    buckets: Lines<Bucket>,
    size: AtomicUsize,
}

impl Home {
    /// Fetches the line on which the search for `tag` begins.
    #[inline]
    pub(super) fn prefetch(&self, tag: Tag) {
        self.buckets.prefetch(home(tag, self.size.load(Ordering::Relaxed)));
    }
}

impl Index {
    /// The indices of `shards` shards of up to `capacity` entries each, five eighths full at most.
    ///
    /// # Errors
    ///
    /// No room in the address space.
    pub(super) fn for_shards(shards: usize, capacity: usize) -> io::Result<Vec<Self>> {
        let mut size = capacity / FILLED + 2;
        let mut tables = Table::zeroed_side_by_side(&vec![size; shards])?;
        let mut larger: Vec<_> = (0..shards).map(|_| Vec::new()).collect();
        while size * shards > FIRST_BUCKETS {
            size = size.div_ceil(2);
            let smaller = Table::zeroed_side_by_side(&vec![size; shards])?;
            let replaced = std::mem::replace(&mut tables, smaller);
            larger.iter_mut().zip(replaced).for_each(|(larger, table)| larger.push(table));
        }
        Ok(tables.into_iter().zip(larger).map(|(first, larger)| Self::new(first, larger)).collect())
    }

    fn new(buckets: Table<Bucket>, larger: Vec<Table<Bucket>>) -> Self {
        let index = Self { buckets, entries: 0, larger, home: Arc::default() };
        index.publish();
        index
    }

    /// Where it is, to be fetched ahead.
    pub(super) fn home(&self) -> Arc<Home> {
        Arc::clone(&self.home)
    }

    fn publish(&self) {
        self.home.buckets.move_to(&self.buckets);
        self.home.size.store(self.buckets.len(), Ordering::Relaxed);
    }

    /// Moves on to twice as many buckets. Both are gone through from front to back.
    #[cold]
    fn grow(&mut self, larger: Table<Bucket>) {
        let smaller = std::mem::replace(&mut self.buckets, larger);
        self.publish();
        for bucket in smaller.iter() {
            let entries = tags(bucket).iter().enumerate();
            let entries = entries.map(|(place, tag)| (*tag, slot_at(bucket, place)));
            entries.filter(|(_, slot)| *slot != FREE).for_each(|(tag, slot)| self.file(tag, slot));
        }
    }

    /// Fetches the line on which the search for `tag` begins.
    #[inline]
    pub(super) fn prefetch(&self, tag: Tag) {
        memory::prefetch(&self.buckets, home(tag, self.buckets.len()));
    }

    /// The first slot filed under `tag`: most often the right one, to be fetched ahead.
    #[inline]
    pub(super) fn candidate(&self, tag: Tag) -> Option<Slot> {
        self.find(tag, |_| true)
    }

    /// The slot filed under `tag` for which `is_it` holds.
    #[inline]
    pub(super) fn find(&self, tag: Tag, mut is_it: impl FnMut(Slot) -> bool) -> Option<Slot> {
        let mut position = home(tag, self.buckets.len());
        loop {
            let bucket = self.buckets.get(position)?;
            let mut places = equal(tags(bucket), tag);
            while places != 0 {
                let slot = slot_at(bucket, places.trailing_zeros() as usize);
                if slot != FREE && is_it(slot - 1) {
                    return Some(slot - 1);
                }
                places &= places - 1;
            }
            if !was_passed(bucket) {
                return None;
            }
            position = self.after(position);
        }
    }

    /// Files `slot` under `tag`. The caller holds no more entries than the capacity.
    pub(super) fn insert(&mut self, tag: Tag, slot: Slot) {
        if self.entries >= self.buckets.len() * FILLED
            && let Some(larger) = self.larger.pop()
        {
            self.grow(larger);
        }
        self.entries += 1;
        self.file(tag, slot + 1);
    }

    fn file(&mut self, tag: Tag, slot: u32) {
        let size = self.buckets.len();
        let mut position = home(tag, size);
        while let Some(bucket) = self.buckets.get_mut(position) {
            if append(bucket, tag, slot) {
                return;
            }
            position = after(position, size);
        }
    }

    /// Takes out the entry of `slot` under `tag`, and moves a later one back into the gap.
    pub(super) fn remove(&mut self, tag: Tag, slot: Slot) {
        let mut position = home(tag, self.buckets.len());
        while let Some(bucket) = self.buckets.get_mut(position) {
            let place = places_of(slot + 1, bucket).trailing_zeros() as usize;
            if place < ENTRIES {
                take(bucket, place);
                self.entries -= 1;
                if was_passed(bucket) {
                    self.fill_gap(position);
                }
                return;
            }
            if !was_passed(bucket) {
                return;
            }
            position = self.after(position);
        }
    }

    /// Moves an entry that had to pass the bucket at `gap` into it, and so on with the gap that this
    /// leaves; where there is none, nobody has to pass that bucket any more.
    #[cold]
    fn fill_gap(&mut self, mut gap: usize) {
        let mut position = gap;
        loop {
            position = self.after(position);
            let Some(bucket) = self.buckets.get(position) else { return };
            let was_passed = was_passed(bucket);
            let distance = self.distance(gap, position);
            let may_move = |(place, tag): (usize, &Tag)| {
                let home = home(*tag, self.buckets.len());
                self.distance(home, position) >= distance && slot_at(bucket, place) != FREE
            };
            let place = tags(bucket).iter().enumerate().position(may_move);
            if let Some(place) = place {
                let Some(bucket) = self.buckets.get_mut(position) else { return };
                let (tag, slot) = take(bucket, place);
                let Some(bucket) = self.buckets.get_mut(gap) else { return };
                append(bucket, tag, slot);
                gap = position;
            }
            if !was_passed {
                if gap != position
                    && let Some([.., last]) = self.buckets.get_mut(gap)
                {
                    *last &= !PASSED;
                }
                return;
            }
        }
    }

    /// Takes out everything.
    pub(super) fn clear(&mut self) {
        self.buckets.fill([FREE; 2 * ENTRIES]);
        self.entries = 0;
    }

    /// The bucket behind `position`, around the end.
    #[inline]
    fn after(&self, position: usize) -> usize {
        after(position, self.buckets.len())
    }

    /// Steps from one bucket to another, around the end.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.buckets.len() - from }
    }
}

/// Where among `size` buckets the search for `tag` begins: tags in order are spread over the buckets
/// in order.
#[inline]
const fn home(tag: Tag, size: usize) -> usize {
    ((tag as u64 * size as u64) >> 32) as usize
}

#[inline]
const fn after(position: usize, size: usize) -> usize {
    if position + 1 == size { 0 } else { position + 1 }
}

/// The tags of a bucket; where there is no entry, whatever was there before.
#[inline]
fn tags(bucket: &Bucket) -> &[Tag; ENTRIES] {
    let (tags, _) = bucket.as_chunks::<ENTRIES>();
    tags.first().unwrap_or(&[0; ENTRIES])
}

/// The slots of a bucket, each plus one, or [`FREE`]; beside the last one stands [`PASSED`].
#[inline]
fn slots(bucket: &Bucket) -> &[u32; ENTRIES] {
    let (_, slots) = bucket.split_at(ENTRIES);
    slots.first_chunk().unwrap_or(&[FREE; ENTRIES])
}

/// Where in a bucket this slot stands, as bits.
#[inline]
fn places_of(slot: u32, bucket: &Bucket) -> u32 {
    let [.., last] = *bucket;
    equal(slots(bucket), slot) | u32::from(last == slot | PASSED) << (ENTRIES - 1)
}

/// What stands in one place of a bucket.
#[inline]
fn slot_at(bucket: &Bucket, place: usize) -> u32 {
    bucket.get(ENTRIES + place).map_or(FREE, |slot| slot & !PASSED)
}

/// Whether an entry had to go on to the next bucket, because this one was full.
#[inline]
const fn was_passed(bucket: &Bucket) -> bool {
    let [.., last] = bucket;
    *last & PASSED != 0
}

/// Adds an entry to a bucket, or marks that it had to pass.
#[inline]
fn append(bucket: &mut Bucket, tag: Tag, slot: u32) -> bool {
    let place = places_of(FREE, bucket).trailing_zeros() as usize;
    if place >= ENTRIES {
        let [.., last] = bucket;
        *last |= PASSED;
        return false;
    }
    set(bucket, place, tag, slot);
    true
}

/// Takes an entry out of a bucket, and fills its place with the last one.
#[inline]
fn take(bucket: &mut Bucket, place: usize) -> (Tag, u32) {
    let free = places_of(FREE, bucket) | 1 << ENTRIES;
    let last = (free.trailing_zeros() as usize).saturating_sub(1);
    let entry = |place: usize| {
        (tags(bucket).get(place).copied().unwrap_or_default(), slot_at(bucket, place))
    };
    let (taken, moved) = (entry(place), entry(last));
    set(bucket, place, moved.0, moved.1);
    set(bucket, last, 0, FREE);
    taken
}

#[inline]
fn set(bucket: &mut Bucket, place: usize, tag: Tag, slot: u32) {
    let (tags, slots) = bucket.split_at_mut(ENTRIES);
    if let Some((tag_place, slot_place)) = tags.get_mut(place).zip(slots.get_mut(place)) {
        *tag_place = tag;
        *slot_place = slot | *slot_place & PASSED;
    }
}

/// What each entry takes of a full index, where every bucket has as many as there are to be.
pub(super) const OCTETS_PER_ENTRY: usize = size_of::<Bucket>().div_ceil(FILLED);

const FREE: u32 = 0;
/// Beside the last slot of a bucket. Slots are numbered with 31 bits.
const PASSED: u32 = 1 << 31;
/// Of a bucket.
const ENTRIES: usize = 8;
/// Entries for each bucket, before there are to be more buckets: that is five eighths.
const FILLED: usize = 5;
/// Buckets of all shards to begin with, at most: 1 MiB. A cache has room for many more Flows than
/// there are as a rule, and an index as large as they need stays in the processor's own cache.
const FIRST_BUCKETS: usize = 1 << 14;

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
            let mut indices = Index::for_shards(3, 40).unwrap();
            let mut index = indices.remove(1);
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
                    let slots = index.buckets.iter().flat_map(|bucket| {
                        (0..ENTRIES).map(|place| slot_at(bucket, place))
                    });
                    slots.filter(|slot| *slot != FREE).count()
                };
                prop_assert_eq!(held(&index), model.len());
                prop_assert_eq!(indices.iter().map(held).sum::<usize>(), 0);
            }
        }
    }

    #[test]
    fn an_index_that_grows_keeps_what_is_in_it() {
        let mut index = Index::for_shards(1, 1 << 20).unwrap().remove(0);
        let tag = |slot: Slot| slot.wrapping_mul(0x9e37_79b9);
        let sizes: Vec<_> = (0..1 << 20)
            .map(|slot| {
                index.insert(tag(slot), slot);
                index.buckets.len()
            })
            .collect();
        assert!(sizes[0] <= FIRST_BUCKETS && sizes[(1 << 20) - 1] > (1 << 20) / ENTRIES);
        assert!(sizes.is_sorted());
        for slot in 0..1 << 20 {
            assert_eq!(index.find(tag(slot), |candidate| candidate == slot), Some(slot));
        }
        (0..1 << 20).for_each(|slot| index.remove(tag(slot), slot));
        assert!(index.buckets.iter().all(|bucket| bucket[ENTRIES..] == [FREE; ENTRIES]));
    }
}
