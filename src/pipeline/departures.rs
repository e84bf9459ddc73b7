//! What a live run counts of Flow Records beyond the books: protocols, services, lateness, and what
//! they tell of mirror and box.
//!
//! Counted when a record leaves, so that no packet pays for it.

use std::time::Duration;

use crate::export::Metering;
use crate::flow::{FlowEndReason, FlowRecord};
use crate::pipeline::symptoms::{Suspects, SymptomCounts};
use crate::time::Timestamp;

/// Flow Records of one worker by protocol and service, how late they left, and what they show.
#[derive(Clone, Debug)]
pub struct Departures {
    /// By protocol, in the order of [`PROTOCOLS`], and those of others.
    pub protocols: [Sums; PROTOCOLS.len() + 1],
    /// TCP by service, in the order of [`SERVICES`] and then [`PORT_RANGES`].
    pub tcp: Services,
    /// The same of UDP.
    pub udp: Services,
    /// Packets that were fragments.
    pub fragments: u64,
    /// How late records left, by [`LATENESS`]; the last are later than all of it.
    pub late: [u64; LATENESS.len() + 1],
    /// How late they were together.
    pub lateness: Duration,
    /// What they tell of mirror and box; nothing of arrivals.
    pub symptoms: SymptomCounts,
}

/// Sums by service.
pub type Services = [Sums; SERVICES.len() + PORT_RANGES.len()];

/// Sums over Flow Records.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sums {
    /// Flows that ended: a Flow of several records counts with the last.
    pub flows: u64,
    /// Packets, both directions.
    pub packets: u64,
    /// Octets of IP, both directions.
    pub octets: u64,
}

/// Protocols that are told apart, by number and name.
pub const PROTOCOLS: [(u8, &str); 14] = [
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipv4"),
    (6, "tcp"),
    (17, "udp"),
    (41, "ipv6"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (89, "ospf"),
    (103, "pim"),
    (112, "vrrp"),
    (132, "sctp"),
];

/// Services that are told apart, by port and name (IANA Service Name registry). A list that does not
/// depend on the traffic: a port that only one program uses must not show that it is used.
pub const SERVICES: [(u16, &str); 25] = [
    (20, "ftp-data"),
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (53, "domain"),
    (67, "bootps"),
    (80, "http"),
    (110, "pop3"),
    (123, "ntp"),
    (143, "imap"),
    (161, "snmp"),
    (179, "bgp"),
    (389, "ldap"),
    (443, "https"),
    (445, "microsoft-ds"),
    (465, "submissions"),
    (500, "isakmp"),
    (514, "syslog"),
    (587, "submission"),
    (853, "domain-s"),
    (993, "imaps"),
    (1194, "openvpn"),
    (3389, "ms-wbt-server"),
    (4500, "ipsec-nat-t"),
];

/// Ranges for all other ports (RFC 6335 §6): the first port of each, and its name.
pub const PORT_RANGES: [(u16, &str); 3] = [(0, "system"), (1024, "user"), (49_152, "dynamic")];

/// Bounds of lateness, in milliseconds.
pub const LATENESS: [u64; 8] = [50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000];

impl Default for Departures {
    fn default() -> Self {
        Self {
            protocols: Default::default(),
            tcp: [Sums::default(); _],
            udp: [Sums::default(); _],
            fragments: 0,
            late: Default::default(),
            lateness: Duration::ZERO,
            symptoms: SymptomCounts::default(),
        }
    }
}

impl Departures {
    /// Counts records that leave at `now`, by the clock of the packets.
    pub(super) fn count(
        &mut self,
        records: &[FlowRecord],
        now: Timestamp,
        due: &Due,
        suspects: &Suspects,
    ) {
        for record in records {
            self.symptoms.look_at(record, suspects);
            let sums = Sums {
                flows: u64::from(record.end_reason != FlowEndReason::ActiveTimeout),
                packets: record.packets(),
                octets: record.octets(),
            };
            let place = PROTOCOLS.binary_search_by_key(&record.protocol, |&(number, _)| number);
            add(&mut self.protocols, place.unwrap_or(PROTOCOLS.len()), sums);
            match record.protocol {
                TCP => add(&mut self.tcp, service(record), sums),
                UDP => add(&mut self.udp, service(record), sums),
                _ => {}
            }
            for direction in [&record.forward, &record.reverse] {
                if direction.packets > 0 {
                    self.fragments += u64::from(direction.fragments);
                }
            }
            if let Some(at) = due.of(record) {
                self.count_lateness(now.since(at));
            }
        }
    }

    fn count_lateness(&mut self, late: Duration) {
        let within = |&bound: &u64| late <= Duration::from_millis(bound);
        let place = LATENESS.iter().position(within).unwrap_or(LATENESS.len());
        if let Some(count) = self.late.get_mut(place) {
            *count += 1;
        }
        self.lateness = self.lateness.saturating_add(late);
    }

    /// Adds another worker's share.
    pub(super) fn merge(&mut self, other: &Self) {
        let Self { protocols, tcp, udp, fragments, late, lateness, symptoms } = other;
        for (sums, more) in
            [(&mut self.protocols[..], &protocols[..]), (&mut self.tcp, tcp), (&mut self.udp, udp)]
        {
            sums.iter_mut().zip(more).for_each(|(sum, more)| sum.add(*more));
        }
        self.fragments += fragments;
        self.late.iter_mut().zip(late).for_each(|(sum, count)| *sum += count);
        self.lateness = self.lateness.saturating_add(*lateness);
        self.symptoms.merge(symptoms);
    }
}

impl Sums {
    /// Adds `more`.
    pub const fn add(&mut self, more: Self) {
        self.flows = self.flows.saturating_add(more.flows);
        self.packets = self.packets.saturating_add(more.packets);
        self.octets = self.octets.saturating_add(more.octets);
    }
}

/// When records are due: what is later than that is late.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) active: Duration,
    pub(super) idle: Duration,
}

impl Due {
    /// By the timeouts that are in force.
    pub(super) fn now(metering: &Metering) -> Self {
        let (active, idle) = metering.timeouts();
        Self { active, idle }
    }

    /// When a timeout let the record leave; other ends have no time at which they are due.
    fn of(&self, record: &FlowRecord) -> Option<Timestamp> {
        let directions = [&record.forward, &record.reverse];
        let seen = directions.into_iter().filter(|direction| direction.packets > 0);
        match record.end_reason {
            FlowEndReason::IdleTimeout => {
                Some(seen.map(|it| it.last).max()?.saturating_add(self.idle))
            }
            FlowEndReason::ActiveTimeout => {
                Some(seen.map(|it| it.first).min()?.saturating_add(self.active))
            }
            _ => None,
        }
    }
}

fn add(sums: &mut [Sums], place: usize, more: Sums) {
    if let Some(sum) = sums.get_mut(place) {
        sum.add(more);
    }
}

/// Where in [`Services`] a record belongs: by the port that the initiator asked for, or by its own
/// where only that is known, as in half of a Flow that began before the probe did.
fn service(record: &FlowRecord) -> usize {
    let known = |port| SERVICES.binary_search_by_key(&port, |&(known, _)| known).ok();
    known(record.destination_port).or_else(|| known(record.source_port)).unwrap_or_else(|| {
        let port = record.destination_port.min(record.source_port);
        SERVICES.len() + PORT_RANGES.iter().rposition(|&(first, _)| first <= port).unwrap_or(0)
    })
}

const TCP: u8 = 6;
const UDP: u8 = 17;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Direction;

    fn record(protocol: u8, ports: [u16; 2], end_reason: FlowEndReason) -> FlowRecord {
        let [source_port, destination_port] = ports;
        let at = |seconds| Timestamp::from_parts(seconds, 0);
        let seen = Direction {
            packets: 2,
            octets: 100,
            first: at(10),
            last: at(20),
            ..FlowRecord::BLANK.forward
        };
        let forward = Direction { fragments: 1, ..seen };
        let reverse = Direction { last: at(25), ..seen };
        FlowRecord {
            protocol,
            source_port,
            destination_port,
            end_reason,
            forward,
            reverse,
            ..FlowRecord::BLANK
        }
    }

    const DUE: Due = Due { active: Duration::from_secs(60), idle: Duration::from_secs(15) };

    #[test]
    fn services_are_in_order_and_ports_that_are_none_are_ranges() {
        assert!(SERVICES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(PROTOCOLS.is_sorted_by(|a, b| a.0 < b.0));
        let class = |ports| {
            let place = service(&record(TCP, ports, FlowEndReason::IdleTimeout));
            SERVICES.iter().chain(&PORT_RANGES).nth(place).unwrap().1
        };
        assert_eq!(class([40_000, 443]), "https");
        assert_eq!(class([443, 40_000]), "https");
        assert_eq!(class([40_000, 31_337]), "user");
        assert_eq!(class([60_000, 50_000]), "dynamic");
        assert_eq!(class([60_000, 7]), "system");
    }

    #[test]
    fn a_flow_of_several_records_is_one_flow() {
        let mut departures = Departures::default();
        let records = [FlowEndReason::ActiveTimeout, FlowEndReason::IdleTimeout]
            .map(|reason| record(UDP, [5000, 53], reason));
        let now = Timestamp::from_parts(70, 0);
        let suspects = Suspects::default();
        departures.count(&records, now, &DUE, &suspects);
        let other = record(200, [0, 0], FlowEndReason::ForcedEnd);
        departures.count(&[other], now, &DUE, &suspects);
        let domain = SERVICES.iter().position(|&(port, _)| port == 53).unwrap();
        assert_eq!(departures.udp[domain], Sums { flows: 1, packets: 8, octets: 400 });
        assert_eq!(departures.protocols[PROTOCOLS.len()].flows, 1);
        assert_eq!(departures.fragments, 3);
        let mut twice = departures.clone();
        twice.merge(&departures);
        assert_eq!(twice.udp[domain], Sums { flows: 2, packets: 16, octets: 800 });
        assert_eq!((departures.symptoms.flows, twice.symptoms.flows), (3, 6));
    }

    #[test]
    fn lateness_is_measured_from_when_a_timeout_was_due() {
        let mut departures = Departures::default();
        let now = Timestamp::from_parts(70, 300_000_000);
        let reasons = [FlowEndReason::ActiveTimeout, FlowEndReason::IdleTimeout];
        for reason in reasons.into_iter().chain([FlowEndReason::ForcedEnd]) {
            let record = record(TCP, [5000, 80], reason);
            departures.count(&[record], now, &DUE, &Suspects::default());
        }
        // 0.3 s behind the active timeout, 30.3 s behind the idle one; the third was never due.
        assert_eq!(departures.late, [0, 0, 0, 1, 0, 0, 0, 1, 0]);
        assert_eq!(departures.lateness, Duration::from_millis(30_600));
    }
}
