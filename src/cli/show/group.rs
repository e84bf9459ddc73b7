//! Records summed up by what they have in common.
//!
//! Memory is bounded: beyond a number of groups, or of octets in their keys, records of further
//! groups are summed in one row that is called others.

mod key;
mod output;

use std::cmp::Ordering;

use hashbrown::HashMap;

use super::measure::{Measure, nanoseconds};
use super::subject::Subject;
use crate::cli::table::Moment;
pub(super) use key::KeyValue;
use key::Side;
pub use key::{Key, Unit, Which};

/// Groups of records by the values of keys.
#[derive(Debug)]
pub(super) struct Groups<'k> {
    keys: &'k [Key],
    by: Measure,
    most: usize,
    groups: HashMap<Box<[KeyValue]>, Sums, ahash::RandomState>,
    /// Octets of the keys that are text.
    text: usize,
    /// What there was no room for.
    others: Sums,
    all: Sums,
    /// Room for the values of a record, of either end.
    source: Vec<KeyValue>,
    destination: Vec<KeyValue>,
}

/// What records have together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    /// More than there are records where some are Aggregated Flows (RFC 7015).
    pub(super) flows: u64,
    pub(super) packets: u64,
    pub(super) octets: u64,
    /// Of the element that groups are compared by, if it is one.
    pub(super) element: i128,
    pub(super) first: Option<Moment>,
    pub(super) last: Option<Moment>,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.flows = self.flows.saturating_add(other.flows);
        self.packets = self.packets.saturating_add(other.packets);
        self.octets = self.octets.saturating_add(other.octets);
        self.element = self.element.saturating_add(other.element);
        self.first = match (self.first, other.first) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.last = self.last.max(other.last);
    }

    fn of(subject: &Subject<'_, '_>, by: Measure) -> Self {
        let facts = subject.facts;
        let element = if let Measure::Element(_) = by { by.of(subject) } else { None };
        Self {
            flows: facts.flows(),
            packets: facts.packets().unwrap_or(0),
            octets: facts.octets().unwrap_or(0),
            element: element.unwrap_or(0),
            first: facts.start,
            last: facts.end.or(facts.start),
        }
    }

    /// By what groups are compared; `None` if unknown.
    pub(super) fn measure(&self, by: Measure) -> Option<i128> {
        match by {
            Measure::Octets => Some(self.octets.into()),
            Measure::Packets => Some(self.packets.into()),
            Measure::Flows => Some(self.flows.into()),
            Measure::Duration => Some(nanoseconds(self.last?) - nanoseconds(self.first?)),
            Measure::Start => self.first.map(nanoseconds),
            Measure::End => self.last.map(nanoseconds),
            Measure::Element(_) => Some(self.element),
        }
    }
}

impl<'k> Groups<'k> {
    /// At most `most` groups.
    pub(super) fn new(keys: &'k [Key], by: Measure, most: usize) -> Self {
        Self {
            keys,
            by,
            most,
            groups: HashMap::default(),
            text: 0,
            others: Sums::default(),
            all: Sums::default(),
            source: Vec::new(),
            destination: Vec::new(),
        }
    }

    /// Counts a record in; for keys of either end, once for each end that it has.
    pub(super) fn add(&mut self, subject: &Subject<'_, '_>) {
        let sums = Sums::of(subject, self.by);
        self.all.add(&sums);
        let mut source = std::mem::take(&mut self.source);
        let mut destination = std::mem::take(&mut self.destination);
        let has_source = self.read(subject, Side::Source, &mut source);
        let has_destination = self.read(subject, Side::Destination, &mut destination);
        if has_source || !has_destination {
            self.add_to(&source, &sums);
        }
        if has_destination && source != destination {
            self.add_to(&destination, &sums);
        }
        (self.source, self.destination) = (source, destination);
    }

    /// The values of all keys, those of either end taken from `side`; whether that end has some.
    fn read(&self, subject: &Subject<'_, '_>, side: Side, values: &mut Vec<KeyValue>) -> bool {
        values.clear();
        let mut has_side = false;
        for key in self.keys {
            let value = key.value(subject, side);
            has_side |= key.is_of_either_end() && value != KeyValue::Absent;
            values.push(value);
        }
        has_side
    }

    fn add_to(&mut self, values: &[KeyValue], sums: &Sums) {
        if let Some(group) = self.groups.get_mut(values) {
            return group.add(sums);
        }
        let text: usize = values.iter().map(KeyValue::text).sum();
        if self.groups.len() >= self.most || self.text + text > MOST_TEXT {
            return self.others.add(sums);
        }
        self.text += text;
        self.groups.insert(values.into(), *sums);
    }

    /// The largest groups by the measure, or the smallest, and what is in none of them.
    pub(super) fn rank(self, is_reversed: bool, most: Option<usize>) -> Ranking<'k> {
        let Self { keys, by, groups, mut others, all, .. } = self;
        let is_ascending = by.is_ascending() != is_reversed;
        let number = groups.len();
        let is_complete = others == Sums::default();
        let mut rows: Vec<_> = groups.into_iter().collect();
        rows.sort_unstable_by(|(values, sums), (other_values, other_sums)| {
            let order = match (sums.measure(by), other_sums.measure(by)) {
                // What is not known comes last either way.
                (None, other) => other.is_some().cmp(&false),
                (Some(_), None) => Ordering::Less,
                (one, other) if is_ascending => one.cmp(&other),
                (one, other) => other.cmp(&one),
            };
            order.then_with(|| values.cmp(other_values))
        });
        for (_, sums) in rows.iter().skip(most.unwrap_or(usize::MAX)) {
            others.add(sums);
        }
        rows.truncate(most.unwrap_or(usize::MAX));
        Ranking { keys, by, rows, number, is_complete, others, all }
    }
}

/// Groups in their order.
#[derive(Debug)]
pub(super) struct Ranking<'k> {
    pub(super) keys: &'k [Key],
    pub(super) by: Measure,
    rows: Vec<(Box<[KeyValue]>, Sums)>,
    /// Groups there were, shown or not.
    number: usize,
    /// Whether there was room for all groups.
    is_complete: bool,
    /// All that is in no row.
    others: Sums,
    /// All records, each counted once.
    all: Sums,
}

/// Octets of text in keys: room for a million of the usual kind.
const MOST_TEXT: usize = 256 << 20;

#[cfg(test)]
mod tests;
