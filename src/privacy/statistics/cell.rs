//! What is counted of one class of Flows.

use ahash::RandomState;
use hashbrown::HashSet;

/// Sums over the Flow Records of a class, and how many Flows these are of.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) packets: u64,
    pub(super) octets: u64,
    /// Directions of Flow Records that were added.
    pub(super) records: u64,
    flows: Flows,
}

/// Distinct Flows. A Flow of several records, by active timeout, is one.
#[derive(Debug)]
enum Flows {
    /// Fewer than k: which they are, and whether each is over.
    Few(Vec<(u64, bool)>),
    /// How many, how many of them are over, and which of them may be heard of again.
    Many { present: u64, ended: u64, ongoing: HashSet<u64, RandomState> },
}

/// What a record tells a cell of its Flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    /// `flowId`.
    pub(super) flow: u64,
    /// It is the last record of the Flow.
    pub(super) is_last: bool,
}

impl Cell {
    pub(super) const fn new() -> Self {
        Self { packets: 0, octets: 0, records: 0, flows: Flows::Few(Vec::new()) }
    }

    #[inline]
    pub(super) fn count(&mut self, packets: u64, octets: u64) {
        self.packets = self.packets.saturating_add(packets);
        self.octets = self.octets.saturating_add(octets);
        self.records += 1;
    }

    /// Counts the Flow of a record. `room` is for Flows that are to be remembered in all cells: where
    /// there is none, a Flow is counted when it ends, so that never more are told than there were.
    #[inline]
    pub(super) fn count_flow(&mut self, slice: Slice, k: usize, room: &mut usize) {
        let Slice { flow, is_last } = slice;
        match &mut self.flows {
            Flows::Few(known) => {
                match known.iter_mut().find(|(other, _)| *other == flow) {
                    Some((_, is_over)) => *is_over |= is_last,
                    None => known.push((flow, is_last)),
                }
                if known.len() >= k {
                    self.become_many(room);
                }
            }
            Flows::Many { present, ended, ongoing } => {
                let was_counted = !ongoing.is_empty() && ongoing.contains(&flow);
                match (is_last, was_counted) {
                    (true, true) => {
                        ongoing.remove(&flow);
                        *room += 1;
                        *ended += 1;
                    }
                    (true, false) => {
                        *present += 1;
                        *ended += 1;
                    }
                    (false, true) => {}
                    (false, false) if *room > 0 => {
                        *room -= 1;
                        ongoing.insert(flow);
                        *present += 1;
                    }
                    (false, false) => {}
                }
            }
        }
    }

    #[cold]
    fn become_many(&mut self, room: &mut usize) {
        let Flows::Few(known) = &self.flows else { return };
        let mut ongoing = HashSet::with_hasher(RandomState::new());
        for &(flow, _) in known.iter().filter(|(_, is_over)| !is_over) {
            // These were counted: if they are forgotten they might be counted again.
            ongoing.insert(flow);
        }
        let present = known.len() as u64;
        let ended = present - ongoing.len() as u64;
        *room = room.saturating_sub(ongoing.len());
        self.flows = Flows::Many { present, ended, ongoing };
    }

    /// Distinct Flows, if they are at least k.
    pub(super) const fn is_published(&self) -> bool {
        matches!(self.flows, Flows::Many { .. })
    }

    /// Distinct Flows, and how many of them are over.
    pub(super) fn flows(&self) -> (u64, u64) {
        match &self.flows {
            Flows::Few(known) => {
                let ended = known.iter().filter(|(_, is_over)| *is_over).count();
                (known.len() as u64, ended as u64)
            }
            Flows::Many { present, ended, .. } => (*present, *ended),
        }
    }

    /// Adds another cell of fewer than k Flows, without going over to another way of counting.
    pub(super) fn merge_few(&mut self, other: &Self) {
        self.packets = self.packets.saturating_add(other.packets);
        self.octets = self.octets.saturating_add(other.octets);
        self.records += other.records;
        if let (Flows::Few(all), Flows::Few(known)) = (&mut self.flows, &other.flows) {
            all.extend_from_slice(known);
        }
    }

    /// After [`Self::merge_few`]: each Flow once.
    pub(super) fn settle(&mut self) {
        if let Flows::Few(all) = &mut self.flows {
            // A Flow that is over in one cell is over.
            all.sort_unstable_by_key(|&(flow, is_over)| (flow, !is_over));
            all.dedup_by_key(|(flow, _)| *flow);
        }
    }
}
