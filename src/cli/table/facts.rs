//! What is known of a flow, drawn from the fields of whatever record tells of it.
//!
//! The one place that says which elements are the source, the packets or the beginning of a flow:
//! the table shows them, and expressions and groups of `show` speak of them.

use std::net::IpAddr;

use super::names;
use crate::ipfix::date_time::DateTime;
use crate::ipfix::field::Field;
use crate::ipfix::value::Value;

/// Seconds since 1970, and nanoseconds within the second.
pub type Moment = (i64, u32);

/// What times within a record may be relative to.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeBase {
    /// Export Time of the message, for `flowStartDeltaMicroseconds` (IE 158) and its like.
    pub export_time: Option<u32>,
    /// `systemInitTimeMilliseconds` (IE 160), which an exporter that sends `flowStartSysUpTime`
    /// (IE 22) sends in options records.
    pub system_init_milliseconds: Option<i64>,
}

/// Everything of interest that was met in a record.
///
/// Made to be filled again and again, so that reading a record allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// From the source, which is the initiator of a biflow (RFC 5103 §2).
    pub forward: Side,
    /// From the destination.
    pub reverse: Side,
    /// `protocolIdentifier` (IE 4).
    pub protocol: Option<u64>,
    /// The innermost addresses.
    pub source: Option<IpAddr>,
    /// The innermost addresses.
    pub destination: Option<IpAddr>,
    /// Of whatever transport protocol.
    pub source_port: Option<u64>,
    /// Of whatever transport protocol.
    pub destination_port: Option<u64>,
    /// `sourceMacAddress` (IE 56).
    pub source_mac: Option<[u8; 6]>,
    /// `destinationMacAddress` (IE 80).
    pub destination_mac: Option<[u8; 6]>,
    /// `ingressInterface` (IE 10), or the physical one.
    pub ingress: Option<u64>,
    /// `egressInterface` (IE 14), or the physical one.
    pub egress: Option<u64>,
    /// `flowEndReason` (IE 136).
    pub end_reason: Option<u64>,
    /// The outermost VLAN id.
    pub vlan: Option<u64>,
    /// The customer's VLAN id.
    pub inner_vlan: Option<u64>,
    /// When the first packet was observed, in either direction.
    pub start: Option<Moment>,
    /// When the last one was.
    pub end: Option<Moment>,
    /// From the first packet to the last.
    pub duration_nanoseconds: Option<u64>,
    pub(super) ip_version: Option<u64>,
    pub(super) sources: Vec<IpAddr>,
    pub(super) destinations: Vec<IpAddr>,
    pub(super) ethernet_type: Option<u64>,
    pub(super) icmp_type_code: Option<u64>,
    pub(super) icmp_type: Option<u64>,
    pub(super) icmp_code: Option<u64>,
    pub(super) mpls_labels: Vec<u32>,
    pub(super) tunnel_type: Option<u64>,
    pub(super) tunnel_id: Option<u64>,
    pub(super) fragments: u64,
    /// Of a class of Flows (RFC 7015), where a record is not of one alone.
    pub(super) class: FlowClass,
}

/// What the Flows of an aggregate have in common, and how many they are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlowClass {
    /// `originalFlowsPresent` (IE 375).
    pub(super) flows: Option<u64>,
    /// `deltaFlowCount` (IE 3).
    pub(super) flows_counted_once: Option<u64>,
    /// `biflowDirection` (IE 239).
    pub(super) sender: Option<u64>,
    pub(super) source_prefix: (Option<IpAddr>, Option<u64>),
    pub(super) destination_prefix: (Option<IpAddr>, Option<u64>),
    /// `portRangeStart` and `portRangeEnd` (IE 361, 362).
    pub(super) ports: (Option<u64>, Option<u64>),
    /// `flowtapPacketSizeClass` (32473/8).
    pub(super) size: Option<u64>,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Side {
    /// `ipClassOfService` (IE 5).
    pub class_of_service: Option<u64>,
    pub(super) tcp_flags: Option<u64>,
    pub(super) start: Option<Moment>,
    pub(super) end: Option<Moment>,
    packets: Option<u64>,
    packets_total: Option<u64>,
    octets: Option<u64>,
    octets_total: Option<u64>,
}

impl Facts {
    /// Draws the facts from the fields of a record, in their order, in place of earlier ones.
    pub fn read<'a>(
        &mut self,
        fields: impl IntoIterator<Item = (Field, Value<'a>)>,
        time_base: TimeBase,
    ) {
        let mut sources = std::mem::take(&mut self.sources);
        let mut destinations = std::mem::take(&mut self.destinations);
        let mut mpls_labels = std::mem::take(&mut self.mpls_labels);
        sources.clear();
        destinations.clear();
        mpls_labels.clear();
        *self = Self { sources, destinations, mpls_labels, ..Self::default() };
        for (field, value) in fields {
            self.take(field, &value, &time_base);
        }
        self.conclude();
    }

    /// Whether this is an Aggregated Flow (RFC 7015), and not one alone.
    pub fn is_aggregate(&self) -> bool {
        self.class.flows.is_some()
    }

    /// Flows that it stands for, such that a sum counts none twice (`deltaFlowCount`, IE 3, of RFC 7015): one
    /// that goes on over several intervals is counted in one of them.
    pub fn flows(&self) -> u64 {
        self.class.flows_counted_once.or(self.class.flows).unwrap_or(1)
    }

    /// Packets in both directions.
    pub fn packets(&self) -> Option<u64> {
        sum(self.forward.packets(), self.reverse.packets())
    }

    /// Octets in both directions.
    pub fn octets(&self) -> Option<u64> {
        sum(self.forward.octets(), self.reverse.octets())
    }

    /// IP version, 4 or 6.
    pub fn version(&self) -> Option<u64> {
        let of_address = |address: IpAddr| if address.is_ipv4() { 4 } else { 6 };
        self.ip_version.or_else(|| self.source.or(self.destination).map(of_address))
    }

    /// `tcpControlBits` (IE 6) of one direction of a TCP connection, if it has packets.
    pub fn tcp_flags(&self, side: &Side) -> Option<u64> {
        let has_flags = matches!(self.protocol, Some(6) | None);
        // A direction without packets has no flags, whatever its field holds.
        side.tcp_flags.filter(|_| has_flags && side.packets() != Some(0))
    }

    fn take(&mut self, field: Field, value: &Value<'_>, time_base: &TimeBase) {
        let number = value.as_unsigned();
        let Some((id, is_reverse)) = field.iana() else {
            return self.take_enterprise(field, value, number);
        };
        let side = if is_reverse { &mut self.reverse } else { &mut self.forward };
        match id {
            1 => side.octets = number,
            2 => side.packets = number,
            5 => side.class_of_service = number,
            6 => side.tcp_flags = number,
            85 => side.octets_total = number,
            86 => side.packets_total = number,
            150 | 152 | 154 | 156 => side.start = moment(value),
            151 | 153 | 155 | 157 => side.end = moment(value),
            21 | 22 | 158 | 159 => {
                let time = number.and_then(|number| time_base.absolute(id, number));
                *if matches!(id, 22 | 158) { &mut side.start } else { &mut side.end } = time;
            }
            _ if is_reverse => {}
            161 => self.duration_nanoseconds = number.map(|n| n.saturating_mul(1_000_000)),
            162 => self.duration_nanoseconds = number.map(|n| n.saturating_mul(1_000)),
            // The two directions as some vendors count them.
            231 => self.forward.octets = number,
            232 => self.reverse.octets = number,
            298 => self.forward.packets = number,
            299 => self.reverse.packets = number,
            4 => self.protocol = number,
            60 => self.ip_version = number,
            7 | 180 | 182 => self.source_port = number,
            11 | 181 | 183 => self.destination_port = number,
            8 | 27 => self.sources.extend(address(value)),
            12 | 28 => self.destinations.extend(address(value)),
            10 => self.ingress = number,
            14 => self.egress = number,
            252 => self.ingress = self.ingress.or(number),
            253 => self.egress = self.egress.or(number),
            56 => self.source_mac = mac(value),
            80 => self.destination_mac = mac(value),
            256 => self.ethernet_type = number,
            32 | 139 => self.icmp_type_code = number,
            176 | 178 => self.icmp_type = number,
            177 | 179 => self.icmp_code = number,
            136 => self.end_reason = number,
            3 => self.class.flows_counted_once = number,
            375 => self.class.flows = number,
            239 => self.class.sender = number,
            44 | 170 => self.class.source_prefix.0 = address(value),
            9 | 29 => self.class.source_prefix.1 = number,
            45 | 169 => self.class.destination_prefix.0 = address(value),
            13 | 30 => self.class.destination_prefix.1 = number,
            361 => self.class.ports.0 = number,
            362 => self.class.ports.1 = number,
            58 | 243 => self.vlan = number,
            245 => self.inner_vlan = number,
            70..=79 => self.mpls_labels.extend(mpls_label(value)),
            296 => {
                self.tunnel_type.get_or_insert(names::TUNNEL_GRE);
                self.tunnel_id = number;
            }
            351 => {
                // The registry: the top octet says whose identifier the lower three are.
                let kind = match number.map(|number| number >> 56) {
                    Some(1) => names::TUNNEL_VXLAN,
                    Some(2) => names::TUNNEL_NVGRE,
                    _ => return,
                };
                self.tunnel_type.get_or_insert(kind);
                self.tunnel_id = number.map(|number| number & 0xff_ffff);
            }
            507 => {
                self.tunnel_type.get_or_insert(names::TUNNEL_GTP_U);
                self.tunnel_id = number;
            }
            _ => {}
        }
    }

    fn take_enterprise(&mut self, field: Field, value: &Value<'_>, number: Option<u64>) {
        let side = if field.reverse { &mut self.reverse } else { &mut self.forward };
        match (field.element.enterprise, field.element.id, number) {
            (FLOWTAP, 1, _) => self.tunnel_type = number,
            // Zero where the tunnel has none; a standard element may have told it already.
            (FLOWTAP, 2, Some(1..)) => self.tunnel_id = number,
            (FLOWTAP, 3, Some(fragments)) => {
                self.fragments = self.fragments.saturating_add(fragments);
            }
            (FLOWTAP, 8, _) => self.class.size = number,
            // The outermost addresses, which others give by a second pair of the standard ones.
            (FLOWTAP, 4 | 6, _) => drop(self.sources.splice(..0, address(value))),
            (FLOWTAP, 5 | 7, _) => drop(self.destinations.splice(..0, address(value))),
            // YAF: flags of the first packet, and of all others.
            (CERT, 14 | 15, Some(flags)) => {
                side.tcp_flags = Some(side.tcp_flags.unwrap_or(0) | flags);
            }
            _ => {}
        }
    }

    /// Puts together what several fields tell.
    fn conclude(&mut self) {
        self.source = self.pick(&self.sources);
        self.destination = self.pick(&self.destinations);
        // Some exporters give one pair of times for both directions.
        self.start =
            earliest(self.forward.time(|side| side.start), self.reverse.time(|side| side.start))
                .or(self.forward.start);
        self.end = self
            .forward
            .time(|side| side.end)
            .max(self.reverse.time(|side| side.end))
            .or(self.forward.end);
        if let (Some(start), Some(end)) = (self.start, self.end) {
            self.duration_nanoseconds = nanoseconds_between(start, end);
        }
    }

    /// Of several addresses the innermost, which is the last (RFC 7011 §8), but none that only
    /// fills the field of the other IP version.
    fn pick(&self, addresses: &[IpAddr]) -> Option<IpAddr> {
        let of_version = |address: &&IpAddr| match self.ip_version {
            Some(4) => address.is_ipv4(),
            Some(6) => address.is_ipv6(),
            _ => !address.is_unspecified(),
        };
        addresses.iter().rfind(of_version).or_else(|| addresses.last()).copied()
    }
}

impl Side {
    /// Packets since the record before, or else since the flow began.
    pub fn packets(&self) -> Option<u64> {
        self.packets.or(self.packets_total)
    }

    /// Octets likewise.
    pub fn octets(&self) -> Option<u64> {
        self.octets.or(self.octets_total)
    }

    /// A time of this direction, unless it fills the field for a direction without packets.
    fn time(&self, which: fn(&Self) -> Option<Moment>) -> Option<Moment> {
        let is_idle = self.packets() == Some(0);
        which(self).filter(|&moment| !is_idle && moment != (0, 0))
    }
}

impl TimeBase {
    fn absolute(&self, id: u16, number: u64) -> Option<Moment> {
        let number = i64::try_from(number).ok()?;
        match id {
            // Milliseconds since the exporter started.
            21 | 22 => split(self.system_init_milliseconds?.checked_add(number)?, 1_000, 1_000_000),
            // Microseconds before the Export Time.
            _ => split(i64::from(self.export_time?) * 1_000_000 - number, 1_000_000, 1_000),
        }
    }
}

fn split(time: i64, units_per_second: i64, nanoseconds_per_unit: u32) -> Option<Moment> {
    let rest = u32::try_from(time.rem_euclid(units_per_second)).ok()?;
    Some((time.div_euclid(units_per_second), rest * nanoseconds_per_unit))
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

fn moment(value: &Value<'_>) -> Option<Moment> {
    match *value {
        Value::DateTime(DateTime { seconds, nanoseconds, .. }) => Some((seconds, nanoseconds)),
        _ => None,
    }
}

fn address(value: &Value<'_>) -> Option<IpAddr> {
    match *value {
        Value::Ipv4(address) => Some(address.into()),
        Value::Ipv6(address) => Some(address.into()),
        _ => None,
    }
}

fn mac(value: &Value<'_>) -> Option<[u8; 6]> {
    if let Value::Mac(address) = *value { Some(address) } else { None }
}

/// The 20 bits of the label; no label is none.
fn mpls_label(value: &Value<'_>) -> Option<u32> {
    let Value::Octets(&[a, b, c]) = *value else { return None };
    let entry = u32::from_be_bytes([0, a, b, c]);
    (entry != 0).then_some(entry >> 4)
}

pub(super) fn earliest(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn nanoseconds_between(start: Moment, end: Moment) -> Option<u64> {
    let nanoseconds = |(seconds, nanoseconds): Moment| {
        i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
    };
    u64::try_from(nanoseconds(end) - nanoseconds(start)).ok()
}

/// Private Enterprise Number of our own elements.
const FLOWTAP: u32 = 32473;
/// Private Enterprise Number of CERT, whose YAF has TCP flags of its own.
const CERT: u32 = 6871;
