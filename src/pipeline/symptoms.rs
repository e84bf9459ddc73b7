//! What flow records tell of the mirror and of the box: plain counts, made where records leave the
//! cache, so that no packet is looked at once more.

use std::net::IpAddr;

use crate::decode::{Address, IpVersion};
use crate::flow::{Direction, FlowRecord};

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Suspects {
    /// The MTU of each interface by its number, in octets of an IP packet.
    pub mtus: Vec<(u32, u32)>,
    /// Addresses and ports of Collectors: our own export has no place in the observed traffic.
    pub collectors: Vec<(IpAddr, u16)>,
    /// Both directions of a Flow are in one record; otherwise one direction tells nothing.
    pub biflow: bool,
}

/// What was found, and in how much.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SymptomCounts {
    /// Packets received.
    pub received_packets: u64,
    /// Packets dropped by the kernel, and by the interface.
    pub kernel_dropped_packets: u64,
    /// Packets dropped by the interface or its driver.
    pub interface_dropped_packets: u64,
    /// Flow Records looked at.
    pub flows: u64,
    /// Those with an IP packet longer than the MTU of their interface.
    pub long_packet_flows: u64,
    /// TCP connections that are under way: an acknowledgement was seen, and some packets.
    pub tcp_flows: u64,
    /// Those of which one direction only was seen.
    pub one_direction_tcp_flows: u64,
    /// Packets from or to a Collector of ours.
    pub collector_packets: u64,
}

impl SymptomCounts {
    /// What came since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.with(earlier, u64::saturating_sub)
    }

    /// Adds another worker's share.
    pub(super) fn merge(&mut self, other: &Self) {
        *self = self.with(other, u64::saturating_add);
    }

    /// Each count joined to that of `other`.
    fn with(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let of = |count: fn(&Self) -> u64| join(count(self), count(other));
        Self {
            received_packets: of(|it| it.received_packets),
            kernel_dropped_packets: of(|it| it.kernel_dropped_packets),
            interface_dropped_packets: of(|it| it.interface_dropped_packets),
            flows: of(|it| it.flows),
            long_packet_flows: of(|it| it.long_packet_flows),
            tcp_flows: of(|it| it.tcp_flows),
            one_direction_tcp_flows: of(|it| it.one_direction_tcp_flows),
            collector_packets: of(|it| it.collector_packets),
        }
    }

    /// Looks at a record.
    pub(super) fn look_at(&mut self, record: &FlowRecord, suspects: &Suspects) {
        self.flows += 1;
        let directions = [&record.forward, &record.reverse];
        let mtu = suspects.mtus.iter().find(|(index, _)| *index == record.interface);
        let is_long = |direction: &&Direction, mtu: u32| {
            direction.packets > 0 && direction.maximum_length > mtu
        };
        if mtu.is_some_and(|&(_, mtu)| directions.iter().any(|it| is_long(it, mtu))) {
            self.long_packet_flows += 1;
        }
        if suspects.biflow && record.protocol == TCP {
            self.look_at_tcp(directions);
        }
        if suspects.collectors.iter().any(|collector| is_of(record, *collector)) {
            self.collector_packets += record.packets();
        }
    }

    /// Who is scanned answers nothing, or once: an attempt is no connection.
    fn look_at_tcp(&mut self, directions: [&Direction; 2]) {
        let seen = |direction: &Direction| direction.packets > 0;
        let [is_forward, is_reverse] = directions.map(seen);
        if is_forward && is_reverse {
            self.tcp_flows += 1;
            return;
        }
        let under_way = directions.iter().any(|it| {
            it.packets >= FEWEST_OF_A_CONNECTION
                && it.tcp_flags & ACK != 0
                && it.tcp_flags & RST == 0
        });
        if under_way {
            self.tcp_flows += 1;
            self.one_direction_tcp_flows += 1;
        }
    }
}

fn is_of(record: &FlowRecord, (address, port): (IpAddr, u16)) -> bool {
    let (version, address) = match address {
        IpAddr::V4(address) => (IpVersion::V4, Address::v4(address.octets())),
        IpAddr::V6(address) => (IpVersion::V6, Address(address.octets())),
    };
    let ends = [(record.source, record.source_port), (record.destination, record.destination_port)];
    record.version == version && ends.contains(&(address, port))
}

const TCP: u8 = 6;
const ACK: u16 = 0x10;
const RST: u16 = 0x04;
/// What comes after the end of a connection is less.
const FEWEST_OF_A_CONNECTION: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Address = Address::v4([192, 0, 2, 1]);
    const SERVER: Address = Address::v4([192, 0, 2, 2]);

    fn direction(packets: u64, tcp_flags: u16, maximum_length: u32) -> Direction {
        Direction { packets, tcp_flags, maximum_length, ..Direction::default() }
    }

    fn tcp(forward: Direction, reverse: Direction) -> FlowRecord {
        FlowRecord {
            interface: 3,
            protocol: TCP,
            source: CLIENT,
            destination: SERVER,
            source_port: 40_000,
            destination_port: 4739,
            forward,
            reverse,
            ..FlowRecord::BLANK
        }
    }

    fn counts(record: &FlowRecord, suspects: &Suspects) -> SymptomCounts {
        let mut counts = SymptomCounts::default();
        counts.look_at(record, suspects);
        counts
    }

    #[test]
    fn a_connection_of_one_direction_is_told_from_scans_and_endings() {
        let suspects = Suspects { biflow: true, ..Suspects::default() };
        let none = direction(0, 0, 0);
        for (forward, reverse, expected) in [
            (direction(5, 0x1b, 60), direction(4, 0x1b, 60), (1, 0)),
            (direction(5, 0x1b, 60), none, (1, 1)),
            (none, direction(5, 0x18, 60), (1, 1)),
            // SYN and no answer, however often; a reset; what comes after the end.
            (direction(7, 0x02, 60), none, (0, 0)),
            (direction(4, 0x14, 60), none, (0, 0)),
            (direction(2, 0x10, 60), none, (0, 0)),
        ] {
            let found = counts(&tcp(forward, reverse), &suspects);
            let told = (found.tcp_flows, found.one_direction_tcp_flows);
            assert_eq!(told, expected, "{forward:?} {reverse:?}");
        }
        // Of uniflows each has one direction.
        let uniflows = Suspects::default();
        assert_eq!(counts(&tcp(direction(5, 0x1b, 60), none), &uniflows).tcp_flows, 0);
    }

    #[test]
    fn packets_above_the_mtu_are_those_of_the_interface_they_came_by() {
        let suspects = Suspects { mtus: vec![(3, 1500)], ..Suspects::default() };
        let long = |length, interface| {
            let record = tcp(direction(1, 0x10, 60), direction(1, 0x10, length));
            counts(&FlowRecord { interface, ..record }, &suspects).long_packet_flows
        };
        assert_eq!([long(1500, 3), long(1501, 3), long(1501, 4)], [0, 1, 0]);
        let stale = tcp(direction(1, 0x10, 60), direction(0, 0, 9000));
        assert_eq!(counts(&stale, &suspects).long_packet_flows, 0, "no packet, no length");
    }

    #[test]
    fn own_export_is_known_by_address_and_port_at_either_end() {
        let mapped = "::ffff:192.0.2.2".parse().unwrap();
        for (address, port, expected) in [
            ("192.0.2.2".parse().unwrap(), 4739, 9),
            ("192.0.2.1".parse().unwrap(), 40_000, 9),
            ("192.0.2.2".parse().unwrap(), 4740, 0),
            ("192.0.2.3".parse().unwrap(), 4739, 0),
            (mapped, 4739, 0),
        ] {
            let suspects = Suspects { collectors: vec![(address, port)], ..Suspects::default() };
            let record = tcp(direction(5, 0x1b, 60), direction(4, 0x1b, 60));
            assert_eq!(counts(&record, &suspects).collector_packets, expected, "{address} {port}");
        }
    }

    #[test]
    fn counts_add_up_and_are_told_since_the_last_time() {
        let suspects = Suspects { biflow: true, ..Suspects::default() };
        let found = counts(&tcp(direction(5, 0x1b, 60), direction(0, 0, 0)), &suspects);
        let mut before = found;
        before.merge(&found);
        let mut now = before;
        let arrived = SymptomCounts {
            received_packets: 15,
            kernel_dropped_packets: 2,
            interface_dropped_packets: 1,
            ..found
        };
        now.merge(&arrived);
        assert_eq!((now.flows, now.one_direction_tcp_flows, now.received_packets), (3, 3, 15));
        assert_eq!(now.since(&before), arrived);
        assert_eq!(before.since(&now), SymptomCounts::default(), "never less than nothing");
    }
}
