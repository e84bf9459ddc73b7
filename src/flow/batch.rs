//! The packets of one worker on their way into the cache.

use crate::decode::Headers;
use crate::flow::shard::{Mark, Packet};

/// Packets that enter the cache together; reused from batch to batch, so that after the first ones
/// nothing is allocated.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) packets: Packets,
    /// The other half of a swap, when fragments have to be resolved.
    pub(super) spare: Packets,
    pub(super) groups: Groups,
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
    marks: Vec<Mark>,
    length: usize,
}

impl Packets {
    /// The place behind the last packet, with whatever was there before.
    #[inline]
    pub(super) fn next_place(&mut self) -> (&mut Headers, &mut Mark) {
        if self.length == self.headers.len() {
            self.headers.push(Headers::BLANK);
            self.marks.push(Mark::default());
        }
        self.headers
            .get_mut(self.length)
            .zip(self.marks.get_mut(self.length))
            .expect("there is one place more than packets")
    }

    /// Makes a packet of the next place.
    #[inline]
    pub(super) fn keep(&mut self) -> &Headers {
        let kept = self.headers.get(self.length).expect("the place was written");
        self.length += 1;
        kept
    }

    #[inline]
    pub(super) fn headers(&self) -> &[Headers] {
        self.headers.get(..self.length).unwrap_or_default()
    }

    #[inline]
    pub(super) fn marks(&self) -> &[Mark] {
        self.marks.get(..self.length).unwrap_or_default()
    }

    /// The packets at these positions.
    #[inline]
    pub(super) fn at<'a>(&'a self, positions: &'a [u32]) -> impl Iterator<Item = Packet<'a>> {
        let (headers, marks) = (self.headers(), self.marks());
        positions.iter().filter_map(move |&position| {
            let position = position as usize;
            Some(Packet { mark: marks.get(position)?, headers: headers.get(position)? })
        })
    }

    pub(super) const fn clear(&mut self) {
        self.length = 0;
    }
}

/// The packets of a batch by shard.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Positions in the batch, grouped by shard, in order within each.
    order: Vec<u32>,
    /// Where each shard's group ends in `order`.
    ends: Vec<u32>,
}

impl Groups {
    /// Sorts by counting.
    pub(super) fn sort(&mut self, marks: &[Mark], shards: usize) {
        let Self { order, ends } = self;
        ends.clear();
        ends.resize(shards, 0);
        for mark in marks {
            if let Some(count) = ends.get_mut(usize::from(mark.shard)) {
                *count += 1;
            }
        }
        let mut start = 0;
        for end in ends.iter_mut() {
            let count = *end;
            *end = start;
            start += count;
        }
        order.resize(marks.len(), 0);
        for (position, mark) in (0_u32..).zip(marks) {
            if let Some(next) = ends.get_mut(usize::from(mark.shard)) {
                if let Some(place) = order.get_mut(*next as usize) {
                    *place = position;
                }
                *next += 1;
            }
        }
    }

    /// The positions of the packets of one shard.
    #[inline]
    pub(super) fn of(&self, shard: usize) -> &[u32] {
        let end = |shard: usize| self.ends.get(shard).copied().unwrap_or_default() as usize;
        let start = if shard == 0 { 0 } else { end(shard - 1) };
        self.order.get(start..end(shard)).unwrap_or_default()
    }
}
