//! The books of a target that no Flow Record leaves for.

use std::ops::AddAssign;

use crate::export::account::Totals;

/// How Flow Records became Aggregated Flows (RFC 7015), for a target that no Flow Record leaves for.
///
/// Packets and octets of Aggregated Flows are those of the records in them; what is sent or lost then
/// counts Aggregated Flows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Aggregation {
    /// Data Records that would have been, and are in Aggregated Flows: one for each direction of a
    /// Flow Record that has packets.
    pub records: u64,
    /// Aggregated Flows that were made of them.
    pub aggregates: u64,
    /// Of `records` those in coarser classes than they should be: there were too many classes.
    pub coarsened: u64,
    /// What never left: the Flows were too few.
    pub withheld: Totals,
    /// Intervals that ended with anything to sum up.
    pub intervals: u64,
    /// Aggregated Flows of the interval that had most.
    pub most: u64,
}

impl AddAssign for Aggregation {
    fn add_assign(&mut self, other: Self) {
        let Self { records, aggregates, coarsened, withheld, intervals, most } = other;
        self.records = self.records.saturating_add(records);
        self.aggregates = self.aggregates.saturating_add(aggregates);
        self.coarsened = self.coarsened.saturating_add(coarsened);
        self.withheld += withheld;
        self.intervals = self.intervals.saturating_add(intervals);
        self.most = self.most.max(most);
    }
}

impl Aggregation {
    /// Data Records that need not leave any more: they are in others, or withheld.
    pub(super) fn settled(&self) -> Totals {
        let mut settled = Totals { records: self.records, ..Totals::default() };
        settled += self.withheld;
        settled
    }
}
