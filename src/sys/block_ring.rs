//! A TPACKET_V3 receive ring: blocks that pass between the kernel and us.
//!
//! The kernel fills the blocks in order and hands each over by setting a bit in its status word;
//! we hand it back by clearing the word. Between the two the block is ours and does not change.

use std::sync::atomic::Ordering;

use super::block::STATUS_OFFSET;
use super::mapping::Mapping;

/// The ring, from the side that reads.
#[derive(Debug)]
pub struct BlockRing {
    mapping: Mapping,
    block_octets: usize,
    block_count: usize,
    next: usize,
}

impl BlockRing {
    /// A ring of `block_count` blocks of `block_octets` each; none unless they fill `mapping`.
    pub fn new(mapping: Mapping, block_octets: usize, block_count: usize) -> Option<Self> {
        let whole = block_octets.checked_mul(block_count)? == mapping.length();
        let usable = block_count > 0
            && block_octets >= STATUS_OFFSET + size_of::<u32>()
            && block_octets.is_multiple_of(align_of::<u64>());
        (whole && usable).then_some(Self { mapping, block_octets, block_count, next: 0 })
    }

    /// How many blocks there are.
    pub const fn count(&self) -> usize {
        self.block_count
    }

    /// The oldest block that the kernel has handed over, or none when we have them all read.
    #[inline]
    pub fn front(&mut self) -> Option<Block<'_>> {
        let status = self.mapping.word(self.offset() + STATUS_OFFSET)?;
        // Acquire: what the kernel wrote into the block before it set the bit is seen after it.
        let ready = status.load(Ordering::Acquire) & libc::TP_STATUS_USER != 0;
        // Not `then_some`: a block made in vain would still be returned when dropped.
        if ready { Some(Block { ring: self }) } else { None }
    }

    const fn offset(&self) -> usize {
        // Below the mapping's length, for `next < block_count`: `new` checked the product.
        self.next * self.block_octets
    }
}

/// A block in our hands. Dropped, it returns to the kernel.
#[derive(Debug)]
pub struct Block<'r> {
    ring: &'r mut BlockRing,
}

impl Block<'_> {
    /// The octets of the block, its descriptor first.
    #[inline]
    pub fn octets(&self) -> &[u8] {
        let BlockRing { mapping, block_octets, .. } = &*self.ring;
        // SAFETY: the kernel leaves a block alone from setting TP_STATUS_USER, which `front` saw,
        // until we clear it, which only `drop` does, when no borrow of `self` is left. Nobody else
        // can reach the mapping: the ring owns it and is borrowed mutably.
        let octets = unsafe { mapping.octets(self.ring.offset(), *block_octets) };
        octets.unwrap_or_default()
    }

    /// Leaves the block in our hands: the next [`BlockRing::front`] finds it again.
    #[inline]
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        let ring = &mut *self.ring;
        if let Some(status) = ring.mapping.word(ring.offset() + STATUS_OFFSET) {
            // Release: our reads of the block happen before the kernel may write it again.
            status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        }
        ring.next = if ring.next + 1 == ring.block_count { 0 } else { ring.next + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::block::Frames;
    use crate::sys::block::tests::block;

    const BLOCK: usize = 4096;

    fn ring() -> BlockRing {
        BlockRing::new(Mapping::anonymous(3 * BLOCK).unwrap(), BLOCK, 3).unwrap()
    }

    /// What the kernel does: fills block `index` and hands it over.
    fn hand_over(ring: &mut BlockRing, index: usize, octets: &[u8]) {
        ring.mapping.write(index * BLOCK, &block(BLOCK, &[(1, octets, None)]));
    }

    fn take(ring: &mut BlockRing) -> Option<Vec<u8>> {
        let block = ring.front()?;
        Some(Frames::begin(block.octets()).next().unwrap().bytes.to_vec())
    }

    #[test]
    fn blocks_are_read_in_order_around_the_ring_and_returned() {
        let mut ring = ring();
        assert!(ring.front().is_none());
        for lap in 0..7_u8 {
            hand_over(&mut ring, usize::from(lap) % 3, &[lap]);
            assert_eq!(take(&mut ring), Some(vec![lap]));
            assert_eq!(
                ring.mapping
                    .word(usize::from(lap) % 3 * BLOCK + 8)
                    .unwrap()
                    .load(Ordering::Relaxed),
                0
            );
        }
        assert!(take(&mut ring).is_none());
    }

    #[test]
    fn a_block_handed_over_out_of_turn_waits_for_the_one_before_it() {
        let mut ring = ring();
        hand_over(&mut ring, 1, b"later");
        assert!(ring.front().is_none());
        hand_over(&mut ring, 0, b"first");
        assert_eq!(take(&mut ring).unwrap(), b"first");
        assert_eq!(take(&mut ring).unwrap(), b"later");
    }

    #[test]
    fn a_kept_block_is_found_again() {
        let mut ring = ring();
        hand_over(&mut ring, 0, b"kept");
        ring.front().unwrap().keep();
        assert_eq!(take(&mut ring).unwrap(), b"kept");
        assert!(ring.front().is_none());
    }

    #[test]
    fn a_block_goes_back_even_when_its_reader_panics() {
        let mut ring = ring();
        hand_over(&mut ring, 0, b"bad");
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _block = ring.front().unwrap();
            panic!("the reader gave up");
        }));
        assert!(read.is_err());
        assert!(ring.front().is_none());
    }

    #[test]
    fn a_ring_that_does_not_fill_its_mapping_is_refused() {
        for (octets, count) in [(BLOCK, 2), (BLOCK, 4), (usize::MAX, 2), (0, 3), (3 * BLOCK, 0)] {
            let mapping = Mapping::anonymous(3 * BLOCK).unwrap();
            assert!(BlockRing::new(mapping, octets, count).is_none(), "{count} × {octets}");
        }
    }
}
