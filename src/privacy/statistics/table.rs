//! The cells of an interval, and what of them leaves at its end.

use ahash::RandomState;
use hashbrown::HashMap;

use crate::decode::IpVersion;
use crate::flow::{FlowEndReason, FlowRecord};
use crate::privacy::policy::Aggregation;
use crate::privacy::statistics::cell::{Cell, Slice};
use crate::privacy::statistics::key::{Key, Level, Sender};
use crate::privacy::statistics::networks::ConfiguredNetworks;

/// An Aggregated Flow (RFC 7015 §2): sums over at least k Flows. It has no place for anything that
/// tells of one of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AggregatedFlow {
    /// What these Flows have in common.
    pub key: Key,
    /// `packetDeltaCount` (IE 2).
    pub packets: u64,
    /// `octetDeltaCount` (IE 1).
    pub octets: u64,
    /// `originalFlowsPresent` (IE 375): distinct Flows; never more than there were.
    pub flows_present: u64,
    /// `deltaFlowCount` (IE 3): those of them that ended, so each Flow once (RFC 7015 §5.1.1, End
    /// Interval).
    pub flows_ended: u64,
    /// Directions of Flow Records that are in it.
    pub records: u64,
}

impl AggregatedFlow {
    /// Of nothing: for what does not depend on values.
    pub const fn blank(level: Level, version: IpVersion) -> Self {
        let key = Key { level, version, ..Key::TOTAL };
        Self { key, packets: 0, octets: 0, flows_present: 0, flows_ended: 0, records: 0 }
    }
}

/// What waits, or was kept back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Waiting {
    /// Directions of Flow Records.
    pub records: u64,
    /// Their packets.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
}

/// Sums up Flow Records, in bounded memory.
#[derive(Debug)]
pub struct AggregationTable {
    networks: ConfiguredNetworks,
    k: usize,
    finest: Level,
    has_initiators: bool,
    most_cells: usize,
    cells: HashMap<Key, Cell, RandomState>,
    /// Flows that may still be remembered.
    room: usize,
    coarsened: u64,
}

impl AggregationTable {
    /// A table for Flows that were metered with both directions if it `has_initiators`. Sizes count
    /// only if they can be told.
    pub fn new(aggregation: &Aggregation, has_initiators: bool, with_sizes: bool) -> Self {
        let k = usize::from(aggregation.k).max(2);
        Self {
            networks: ConfiguredNetworks::new(&aggregation.networks),
            k,
            finest: if with_sizes { Level::Finest } else { Level::WithoutSize },
            has_initiators,
            most_cells: MOST_CELLS.min(MOST_FEW / k),
            cells: HashMap::with_hasher(RandomState::new()),
            room: MOST_ONGOING,
            coarsened: 0,
        }
    }

    /// The networks by which Flows are told apart.
    pub const fn networks(&self) -> &ConfiguredNetworks {
        &self.networks
    }

    /// Adds a record: each direction with packets to its cell, as
    /// [`Self::records_of`] counts them.
    #[inline]
    pub fn add(&mut self, record: &FlowRecord) {
        let key = Key::of(record, &self.networks);
        let is_last = record.end_reason != FlowEndReason::ActiveTimeout;
        let slice = Slice { flow: record.flow_id, is_last };
        let (initiator, responder) = match self.has_initiators {
            true => (Sender::Initiator, Sender::Responder),
            false => (Sender::Unknown, Sender::Unknown),
        };
        let mut before = None;
        if record.forward.packets > 0 || record.reverse.packets == 0 {
            let key = key.sent(initiator, &record.forward, self.finest);
            let (packets, octets) = (record.forward.packets, record.forward.octets);
            before = Some(self.count(key, packets, octets, slice, None));
        }
        if record.reverse.packets > 0 {
            let key = key.sent(responder, &record.reverse, self.finest);
            let (packets, octets) = (record.reverse.packets, record.reverse.octets);
            self.count(key, packets, octets, slice, before);
        }
    }

    /// Directions that count, of a record.
    pub const fn records_of(record: &FlowRecord) -> u64 {
        if record.forward.packets > 0 && record.reverse.packets > 0 { 2 } else { 1 }
    }

    /// Counts one direction, and its Flow unless that was counted in the same cell just before.
    #[inline]
    fn count(
        &mut self,
        key: Key,
        packets: u64,
        octets: u64,
        slice: Slice,
        before: Option<Key>,
    ) -> Key {
        let mut key = key;
        if self.cells.len() >= self.most_cells && !self.cells.contains_key(&key) {
            key = self.coarser(key);
        }
        let Self { cells, k, room, .. } = self;
        let cell = cells.entry(key).or_insert_with(Cell::new);
        cell.count(packets, octets);
        if before != Some(key) {
            cell.count_flow(slice, *k, room);
        }
        key
    }

    /// Where there is no room for another cell: by interface, protocol and side as long as there is
    /// some room for that, and then all in one.
    #[cold]
    fn coarser(&mut self, key: Key) -> Key {
        self.coarsened += 1;
        let coarse = key.at(Level::WithoutNetworks);
        let has_room = self.cells.len() < self.most_cells + RESERVED_CELLS;
        if has_room || self.cells.contains_key(&coarse) { coarse } else { Key::TOTAL }
    }

    /// Ends an interval: what may leave, in an order of its own. The rest waits.
    pub fn close(&mut self) -> Vec<AggregatedFlow> {
        let mut published = Vec::new();
        let mut few = Vec::new();
        for (key, cell) in self.cells.drain() {
            if cell.is_published() {
                published.push(aggregated(key, &cell));
            } else {
                few.push((key, cell));
            }
        }
        self.room = MOST_ONGOING;
        for level in Level::ALL.into_iter().filter(|level| *level > Level::Finest) {
            if few.is_empty() {
                break;
            }
            self.merge(level, &mut few, &mut published);
        }
        // Whatever waits, waits as it was: with more like it, it may be told better.
        self.cells.extend(few);
        published.sort_unstable_by_key(|flow| (flow.key.order(), flow.packets, flow.octets));
        published
    }

    /// Puts cells together that are alike at `level`, and takes those out that make k Flows together.
    fn merge(&self, level: Level, few: &mut Vec<(Key, Cell)>, published: &mut Vec<AggregatedFlow>) {
        let mut groups: HashMap<Key, Cell, RandomState> = HashMap::with_hasher(RandomState::new());
        for (key, cell) in few.iter().filter(|(key, _)| key.level <= level) {
            groups.entry(key.at(level)).or_insert_with(Cell::new).merge_few(cell);
        }
        groups.retain(|_, cell| {
            cell.settle();
            cell.flows().0 >= self.k as u64
        });
        few.retain(|(key, _)| key.level > level || !groups.contains_key(&key.at(level)));
        published.extend(groups.iter().map(|(key, cell)| aggregated(*key, cell)));
    }

    /// What is in cells that have not left.
    pub fn waiting(&self) -> Waiting {
        let mut waiting = Waiting::default();
        for cell in self.cells.values() {
            waiting.records += cell.records;
            waiting.packets = waiting.packets.saturating_add(cell.packets);
            waiting.octets = waiting.octets.saturating_add(cell.octets);
        }
        waiting
    }

    /// Directions of Flow Records that are in coarser cells than they should be, since the last call:
    /// there were too many.
    pub const fn take_coarsened(&mut self) -> u64 {
        std::mem::replace(&mut self.coarsened, 0)
    }
}

fn aggregated(key: Key, cell: &Cell) -> AggregatedFlow {
    let (flows_present, flows_ended) = cell.flows();
    let &Cell { packets, octets, records, .. } = cell;
    AggregatedFlow { key, packets, octets, flows_present, flows_ended, records }
}

/// Cells at most.
const MOST_CELLS: usize = 65_536;
/// Flows at most that are remembered in cells of fewer than k: 64 MiB of them.
const MOST_FEW: usize = 4 << 20;
/// Coarser cells at most beside these.
const RESERVED_CELLS: usize = 4_096;
/// Flows at most that are remembered in larger cells because they go on.
const MOST_ONGOING: usize = 1 << 20;

#[cfg(test)]
mod tests;
