//! Counts that never show a single communication.
//!
//! A counter that is read every second and grows by one flow tells when that flow ended, how, and how
//! large it was. So whatever is counted of flows that have left is shown in steps of [`FEWEST`] flows at
//! least: what is less waits until others have come to it.
//!
//! No two sums that are shown overlap, so nothing smaller is found by subtraction: a total is that of the
//! parts that are shown, be they records by reason, or packets and octets by protocol and service. It stays
//! behind the books until the parts have caught up, by fewer than [`FEWEST`] flows each.
//!
//! Shown at once, and exactly:
//!
//! - what is counted of frames and packets as they arrive, for the interface counts them for every user of
//!   the machine;
//! - packets dropped and records lost: that something is missing must never wait;
//! - how many flows there are, and how many have begun: a bare number, with nothing of any of them.

mod targets;

use crate::flow::FlowEndReason;
use crate::pipeline::{Departures, PROTOCOLS, Page, Sums};

pub(super) use targets::HeldBackTargets;

/// What is shown of flows that have left.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    /// With sums by protocol, service and symptom.
    departures: Departures,
    /// Records by [`FlowEndReason`].
    expired: [Records; FlowEndReason::ALL.len()],
    long_packets: Records,
    both_directions: Records,
    one_direction: Records,
    /// Flows that had ended when what is counted over all of them was last shown.
    ended: u64,
}

/// Records of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Records {
    shown: u64,
    /// Flows that had ended when they were last shown: a flow may have any number of records.
    ended: u64,
}

impl HeldBack {
    /// The page as it may be shown.
    pub(super) fn show(&mut self, counted: &Page) -> Page {
        let ended = counted.departures.protocols.iter().map(|sums| sums.flows).sum();
        self.step_sums(&counted.departures);
        self.step_records(counted, ended);
        if ended.saturating_sub(self.ended) >= FEWEST {
            self.ended = ended;
            let Departures { fragments, late, lateness, symptoms, .. } = &counted.departures;
            let shown = &mut self.departures;
            (shown.fragments, shown.late, shown.lateness) = (*fragments, *late, *lateness);
            shown.symptoms.flows = symptoms.flows;
            shown.symptoms.collector_packets = symptoms.collector_packets;
        }
        self.page(counted)
    }

    /// Classes that do not overlap, and what is the sum of such.
    fn step_sums(&mut self, counted: &Departures) {
        step(&mut self.departures.tcp, &counted.tcp);
        step(&mut self.departures.udp, &counted.udp);
        let protocols = self.departures.protocols.iter_mut().zip(&counted.protocols);
        for (place, (shown, counted)) in protocols.enumerate() {
            match PROTOCOLS.get(place) {
                Some((_, "tcp")) => *shown = total(&self.departures.tcp),
                Some((_, "udp")) => *shown = total(&self.departures.udp),
                _ => step(std::slice::from_mut(shown), std::slice::from_ref(counted)),
            }
        }
    }

    fn step_records(&mut self, counted: &Page, ended: u64) {
        for (shown, &count) in self.expired.iter_mut().zip(&counted.ledger.expired) {
            shown.step(count, ended);
        }
        let symptoms = &counted.departures.symptoms;
        let one_direction = symptoms.one_direction_tcp_flows;
        self.long_packets.step(symptoms.long_packet_flows, ended);
        self.one_direction.step(one_direction, ended);
        self.both_directions.step(symptoms.tcp_flows.saturating_sub(one_direction), ended);
        let shown = &mut self.departures.symptoms;
        shown.long_packet_flows = self.long_packets.shown;
        shown.one_direction_tcp_flows = self.one_direction.shown;
        shown.tcp_flows = self.both_directions.shown + self.one_direction.shown;
    }

    fn page(&self, counted: &Page) -> Page {
        let mut page = Page { departures: self.departures.clone(), ..counted.clone() };
        page.ledger.expired = self.expired.map(|records| records.shown);
        page.ledger.exported_flows = page.ledger.expired.iter().sum();
        let exported = total(&self.departures.protocols);
        page.ledger.exported_packets = exported.packets;
        page.ledger.exported_octets = exported.octets;
        page
    }
}

impl Records {
    fn step(&mut self, counted: u64, ended: u64) {
        let enough = |now: u64, then: u64| now.saturating_sub(then) >= FEWEST;
        if enough(counted, self.shown) && enough(ended, self.ended) {
            *self = Self { shown: counted, ended };
        }
    }
}

fn step(shown: &mut [Sums], counted: &[Sums]) {
    for (shown, counted) in shown.iter_mut().zip(counted) {
        if counted.flows.saturating_sub(shown.flows) >= FEWEST {
            *shown = *counted;
        }
    }
}

fn total(parts: &[Sums]) -> Sums {
    let mut total = Sums::default();
    parts.iter().for_each(|part| total.add(*part));
    total
}

/// Flows that are shown together.
pub(super) const FEWEST: u64 = 10;

#[cfg(test)]
mod tests;
