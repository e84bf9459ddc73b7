//! Classes of ports and of sizes.

use crate::flow::{Direction, FlowRecord};

/// A class of Flows by the port of their service. It is a place in a table, and cannot hold a port.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PortClass(u8);

impl PortClass {
    /// No ports: another protocol, or its header was not seen.
    pub const NONE: Self = Self(0);

    /// The class of a Flow: of its two ports the one that says more, which is the port of a service of
    /// the table, then a System Port, then a registered one (RFC 6335 §6). If both say as much it is
    /// the destination's. It is the same for both directions.
    #[inline]
    pub(super) fn of(record: &FlowRecord) -> Self {
        let has_ports = matches!(record.protocol, TCP | UDP | DCCP | SCTP | UDP_LITE);
        if !has_ports || record.source_port == 0 && record.destination_port == 0 {
            return Self::NONE;
        }
        let (source, destination) =
            (Self::of_port(record.source_port), Self::of_port(record.destination_port));
        if source.rank() < destination.rank() { source } else { destination }
    }

    /// Its first and its last port; 0 and 0 without ports. A range of several ports does not have
    /// those of the table.
    pub fn range(self) -> (u16, u16) {
        CLASSES.get(usize::from(self.0)).copied().unwrap_or((0, 0))
    }

    #[inline]
    fn of_port(port: u16) -> Self {
        let services = CLASSES.get(1..REGISTERED_PLACE - 1).unwrap_or_default();
        if let Ok(place) = services.binary_search_by_key(&port, |&(first, _)| first) {
            return Self::at(place + 1);
        }
        Self::at(match port {
            0..1_024 => REGISTERED_PLACE - 1,
            1_024..49_152 => REGISTERED_PLACE,
            49_152.. => REGISTERED_PLACE + 1,
        })
    }

    const fn at(place: usize) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a test has far fewer classes than 256"
        )]
        Self(place as u8)
    }

    /// Services come first, and are all alike.
    const fn rank(self) -> usize {
        let place = self.0 as usize;
        if place < REGISTERED_PLACE - 1 { 0 } else { place }
    }
}

/// A class of Flows by the mean length of their packets in one direction, as in RFC 2819 §5
/// (`etherStatsPkts64Octets` and so on), but of IP packets.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SizeClass(u8);

impl SizeClass {
    /// Where sizes do not count.
    pub(super) const ANY: Self = Self(0);

    #[inline]
    pub(super) fn of(direction: &Direction) -> Self {
        let packets = u128::from(direction.packets.max(1));
        let octets = u128::from(direction.octets);
        let larger = |bound: &&u16| octets > u128::from(**bound) * packets;
        let place = LARGEST_MEANS.iter().take_while(larger).count().min(LARGEST_MEANS.len() - 1);
        #[expect(clippy::cast_possible_truncation, reason = "there are seven")]
        Self(place as u8)
    }

    /// The largest mean length of the class, in octets; 65535 for all that are larger than the others.
    pub fn largest_mean(self) -> u16 {
        LARGEST_MEANS.get(usize::from(self.0)).copied().unwrap_or(u16::MAX)
    }

    /// The largest mean length of every class.
    pub const LARGEST_MEANS: &[u16] = &LARGEST_MEANS;
}

const LARGEST_MEANS: [u16; 7] = [64, 127, 255, 511, 1_023, 1_518, u16::MAX];

/// First and last port of every class: none, services in the order of their ports, and three ranges
/// for the rest.
const CLASSES: [(u16, u16); 46] = [
    (0, 0),
    (20, 20),       // FTP data
    (21, 21),       // FTP
    (22, 22),       // SSH
    (23, 23),       // Telnet
    (25, 25),       // SMTP
    (53, 53),       // DNS
    (67, 67),       // DHCP server
    (68, 68),       // DHCP client
    (69, 69),       // TFTP
    (80, 80),       // HTTP
    (88, 88),       // Kerberos
    (110, 110),     // POP3
    (111, 111),     // ONC RPC
    (123, 123),     // NTP
    (137, 137),     // NetBIOS names
    (138, 138),     // NetBIOS datagrams
    (139, 139),     // NetBIOS sessions
    (143, 143),     // IMAP
    (161, 161),     // SNMP
    (162, 162),     // SNMP notifications
    (179, 179),     // BGP
    (389, 389),     // LDAP
    (443, 443),     // HTTPS
    (445, 445),     // SMB
    (465, 465),     // SMTP submission over TLS
    (500, 500),     // IKE
    (514, 514),     // syslog
    (546, 546),     // DHCPv6 client
    (547, 547),     // DHCPv6 server
    (587, 587),     // SMTP submission
    (636, 636),     // LDAP over TLS
    (853, 853),     // DNS over TLS
    (993, 993),     // IMAP over TLS
    (995, 995),     // POP3 over TLS
    (1_433, 1_433), // SQL Server
    (1_812, 1_812), // RADIUS
    (2_049, 2_049), // NFS
    (3_306, 3_306), // MySQL
    (3_389, 3_389), // RDP
    (4_500, 4_500), // IKE through NAT
    (5_060, 5_060), // SIP
    (5_432, 5_432), // PostgreSQL
    // RFC 6335 §6: System Ports, User Ports, Dynamic Ports.
    (1, 1_023),
    (1_024, 49_151),
    (49_152, u16::MAX),
];

const REGISTERED_PLACE: usize = CLASSES.len() - 2;

const TCP: u8 = 6;
const UDP: u8 = 17;
const DCCP: u8 = 33;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

#[cfg(test)]
mod tests {
    use super::*;

    fn class(protocol: u8, source_port: u16, destination_port: u16) -> (u16, u16) {
        let record = FlowRecord { protocol, source_port, destination_port, ..FlowRecord::BLANK };
        PortClass::of(&record).range()
    }

    #[test]
    fn a_flow_is_of_the_class_of_its_service() {
        for (ports, range) in [
            ((40_000, 443), (443, 443)),
            ((443, 40_000), (443, 443)),
            ((50_000, 6_881), (1_024, 49_151)),
            ((6_881, 50_000), (1_024, 49_151)),
            ((50_000, 60_000), (49_152, 65_535)),
            ((33_000, 1_022), (1, 1_023)),
            ((53, 123), (123, 123)),
            ((0, 7), (1, 1_023)),
            ((0, 0), (0, 0)),
        ] {
            assert_eq!(class(TCP, ports.0, ports.1), range, "{ports:?}");
            assert_eq!(class(UDP, ports.0, ports.1), range, "{ports:?}");
        }
        assert_eq!(class(47, 443, 443), (0, 0), "GRE has no ports");
    }

    #[test]
    fn services_stand_in_the_order_of_their_ports_and_one_range_has_every_other_port() {
        let services = &CLASSES[1..REGISTERED_PLACE - 1];
        assert!(services.is_sorted_by(|one, other| one.0 < other.0));
        assert!(services.iter().all(|(first, last)| first == last));
        for port in 1..=u16::MAX {
            let (first, last) = PortClass::of_port(port).range();
            assert!((first..=last).contains(&port), "{port} in {first}-{last}");
        }
        assert!(CLASSES.len() < 256);
    }

    #[test]
    fn sizes_are_means_of_packets() {
        let class = |packets, octets| {
            let direction = Direction { packets, octets, ..Direction::default() };
            SizeClass::of(&direction).largest_mean()
        };
        assert_eq!(class(1, 40), 64);
        assert_eq!(class(10, 640), 64);
        assert_eq!(class(10, 641), 127, "64.1 octets a packet are more than 64");
        assert_eq!(class(2, 3_036), 1_518);
        assert_eq!(class(2, 3_037), 65_535);
        assert_eq!(class(1, u64::MAX), 65_535);
        assert_eq!(class(u64::MAX, u64::MAX), 64);
        assert_eq!(class(0, 0), 64);
    }
}
