//! The packets of one worker on their way into the cache.

use crate::decode::Headers;
use crate::flow::shard::Mark;

/// Packets that enter the cache together; reused from batch to batch, so that after the first ones
/// nothing is allocated.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) packets: Packets,
    /// The other half of a swap, when fragments have to be resolved.
    pub(super) spare: Packets,
    pub(super) released: Vec<Headers>,
    pub(super) has_fragments: bool,
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
}

/// Packets in places that are used again and again: a packet is written where it is read.
#[derive(Debug, Default)]
pub(super) struct Packets {
    headers: Vec<Headers>,
    length: usize,
    /// What places each packet in the cache, by shard, in order within each.
    groups: Vec<Vec<Mark>>,
}

impl Packets {
    /// The place behind the last packet, with whatever was there before.
    #[inline]
    pub(super) fn next_place(&mut self) -> &mut Headers {
        if self.length == self.headers.len() {
            self.headers.push(Headers::BLANK);
        }
        self.headers.get_mut(self.length).expect("there is one place more than packets")
    }

    /// Makes a packet of the next place, for this shard.
    // For the reason that `FlowCache::mark` has.
    #[inline(always)]
    pub(super) fn keep(&mut self, shard: usize, mark: Mark) -> &Headers {
        if shard >= self.groups.len() {
            self.groups.resize_with(shard + 1, Vec::new);
        }
        if let Some(group) = self.groups.get_mut(shard) {
            #[expect(clippy::cast_possible_truncation, reason = "a batch has some thousands")]
            let position = self.length as u32;
            group.push(Mark { position, ..mark });
        }
        let kept = self.headers.get(self.length).expect("the place was written");
        self.length += 1;
        kept
    }

    #[inline]
    pub(super) fn headers(&self) -> &[Headers] {
        self.headers.get(..self.length).unwrap_or_default()
    }

    /// The headers of all, and what places them by shard: `count` groups.
    pub(super) fn by_shard(&mut self, count: usize) -> (&[Headers], &mut [Vec<Mark>]) {
        self.groups.resize_with(count.max(self.groups.len()), Vec::new);
        (self.headers.get(..self.length).unwrap_or_default(), &mut self.groups)
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
        self.groups.iter_mut().for_each(Vec::clear);
    }
}
