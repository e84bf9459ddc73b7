//! Sums over records.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::export::mapping::Content;
use crate::flow::FlowRecord;

/// Sums over records.
///
/// `records` are Data Records: as many as Flow Records with biflows; without, one for each
/// direction of a Flow Record that has packets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Data Records.
    pub records: u64,
    /// Packets they tell of, both directions.
    pub packets: u64,
    /// Octets they tell of, both directions.
    pub octets: u64,
}

impl Totals {
    /// What some Flow Records come to as Data Records.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a FlowRecord>, biflow: bool) -> Self {
        let mut totals = Self::default();
        for record in records {
            let both = record.forward.packets > 0 && record.reverse.packets > 0;
            totals += Self {
                records: if both && !biflow { 2 } else { 1 },
                packets: record.forward.packets.saturating_add(record.reverse.packets),
                octets: record.forward.octets.saturating_add(record.reverse.octets),
            };
        }
        totals
    }

    /// What is left of this after `other` was taken from it.
    pub(crate) const fn less(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            packets: self.packets.saturating_sub(other.packets),
            octets: self.octets.saturating_sub(other.octets),
        }
    }

    /// This, but of nothing more than `other` has.
    pub(super) const fn at_most(self, other: Self) -> Self {
        self.less(self.less(other))
    }

    /// Whether there is nothing in it.
    pub const fn is_zero(&self) -> bool {
        self.records == 0 && self.packets == 0 && self.octets == 0
    }

    /// The totals of one Data Record.
    #[inline]
    pub(crate) fn of_data<'a>(record: &impl Content<'a>) -> Self {
        Self { records: 1, packets: record.packets(), octets: record.octets() }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.records = self.records.saturating_add(other.records);
        self.packets = self.packets.saturating_add(other.packets);
        self.octets = self.octets.saturating_add(other.octets);
    }
}

/// [`Totals`] that several threads add to.
#[derive(Debug, Default)]
pub(crate) struct SharedTotals {
    records: AtomicU64,
    packets: AtomicU64,
    octets: AtomicU64,
}

impl SharedTotals {
    pub(crate) fn add(&self, totals: Totals) {
        self.records.fetch_add(totals.records, Ordering::Relaxed);
        self.packets.fetch_add(totals.packets, Ordering::Relaxed);
        self.octets.fetch_add(totals.octets, Ordering::Relaxed);
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            records: self.records.load(Ordering::Relaxed),
            packets: self.packets.load(Ordering::Relaxed),
            octets: self.octets.load(Ordering::Relaxed),
        }
    }
}
