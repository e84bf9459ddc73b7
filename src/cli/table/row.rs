//! A flow as the table shows it, drawn from the fields of a record.

use std::net::IpAddr;

use super::names;
use crate::ipfix::date_time::DateTime;
use crate::ipfix::field::Field;
use crate::ipfix::value::{MacAddress, Value};

/// One row of a [`Table`](super::Table), made of whatever of a flow the record tells.
#[derive(Clone, Debug, Default)]
pub struct FlowRow {
    pub(super) start: Option<Moment>,
    pub(super) end: Option<Moment>,
    pub(super) duration_nanoseconds: Option<u64>,
    pub(super) protocol: String,
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) forward: Counters,
    pub(super) reverse: Counters,
    pub(super) end_reason: Option<u64>,
    pub(super) extra: String,
}

/// Seconds since 1970, and nanoseconds within the second.
pub(super) type Moment = (i64, u32);

/// What one direction counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counters {
    pub(super) packets: Option<u64>,
    pub(super) octets: Option<u64>,
    pub(super) tcp_flags: Option<u64>,
}

/// What times within a record may be relative to.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeBase {
    /// Export Time of the message, for `flowStartDeltaMicroseconds` (IE 158) and its like.
    pub export_time: Option<u32>,
    /// `systemInitTimeMilliseconds` (IE 160), which an exporter that sends `flowStartSysUpTime`
    /// (IE 22) sends in options records.
    pub system_init_milliseconds: Option<i64>,
}

impl FlowRow {
    /// Picks what the table shows out of the fields of a record, in their order.
    pub fn new<'a>(
        fields: impl IntoIterator<Item = (Field, Value<'a>)>,
        time_base: TimeBase,
    ) -> Self {
        let mut facts = Facts::default();
        for (field, value) in fields {
            facts.take(field, &value, &time_base);
        }
        facts.into_row()
    }

    /// Packets in both directions.
    pub fn packets(&self) -> u64 {
        self.forward.packets.unwrap_or(0).saturating_add(self.reverse.packets.unwrap_or(0))
    }

    /// Octets in both directions.
    pub fn octets(&self) -> u64 {
        self.forward.octets.unwrap_or(0).saturating_add(self.reverse.octets.unwrap_or(0))
    }
}

/// Everything of interest that was met in a record.
#[derive(Default)]
struct Facts {
    forward: Side,
    reverse: Side,
    duration_nanoseconds: Option<u64>,
    protocol: Option<u64>,
    ip_version: Option<u64>,
    sources: Vec<IpAddr>,
    destinations: Vec<IpAddr>,
    source_port: Option<u64>,
    destination_port: Option<u64>,
    source_mac: Option<[u8; 6]>,
    destination_mac: Option<[u8; 6]>,
    ethernet_type: Option<u64>,
    icmp_type_code: Option<u64>,
    icmp_type: Option<u64>,
    icmp_code: Option<u64>,
    end_reason: Option<u64>,
    vlan: Option<u64>,
    inner_vlan: Option<u64>,
    mpls_labels: Vec<u32>,
    tunnel_type: Option<u64>,
    tunnel_id: Option<u64>,
    fragments: u64,
}

#[derive(Default)]
struct Side {
    start: Option<Moment>,
    end: Option<Moment>,
    packets: Option<u64>,
    packets_total: Option<u64>,
    octets: Option<u64>,
    octets_total: Option<u64>,
    tcp_flags: Option<u64>,
}

impl Facts {
    fn take(&mut self, field: Field, value: &Value<'_>, time_base: &TimeBase) {
        let number = value.as_unsigned();
        let Some((id, is_reverse)) = field.iana() else {
            return self.take_enterprise(field, value, number);
        };
        let side = if is_reverse { &mut self.reverse } else { &mut self.forward };
        match id {
            1 => side.octets = number,
            2 => side.packets = number,
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
            56 => self.source_mac = mac(value),
            80 => self.destination_mac = mac(value),
            256 => self.ethernet_type = number,
            32 | 139 => self.icmp_type_code = number,
            176 | 178 => self.icmp_type = number,
            177 | 179 => self.icmp_code = number,
            136 => self.end_reason = number,
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

    fn into_row(self) -> FlowRow {
        let source = self.pick(&self.sources);
        let destination = self.pick(&self.destinations);
        let is_icmp = matches!(self.protocol, Some(1 | 58));
        let has_ports = matches!(self.protocol, Some(6 | 17 | 33 | 132 | 136) | None);
        let has_flags = matches!(self.protocol, Some(6) | None);
        let with_port = |address: Option<IpAddr>, port: Option<u64>| {
            let port = port.filter(|&port| !is_icmp && (has_ports || port != 0));
            match (address, port) {
                (Some(IpAddr::V6(address)), Some(port)) => format!("[{address}]:{port}"),
                (Some(address), Some(port)) => format!("{address}:{port}"),
                (Some(address), None) => address.to_string(),
                (None, Some(port)) => format!("*:{port}"),
                (None, None) => String::new(),
            }
        };
        let mut row = FlowRow {
            protocol: match (self.protocol, self.ethernet_type) {
                (Some(protocol), _) => names::protocol(protocol),
                (None, Some(kind)) => names::ethernet_type(kind),
                (None, None) => String::new(),
            },
            source: with_port(source, self.source_port),
            destination: with_port(destination, self.destination_port),
            forward: self.forward.counters(has_flags),
            reverse: self.reverse.counters(has_flags),
            end_reason: self.end_reason,
            extra: self.extra(is_icmp),
            ..FlowRow::default()
        };
        if source.is_none() && destination.is_none() {
            let mac = |mac: Option<[u8; 6]>| mac.map(|mac| MacAddress(mac).to_string());
            if let (Some(source), Some(destination)) =
                (mac(self.source_mac), mac(self.destination_mac))
            {
                (row.source, row.destination) = (source, destination);
            }
        }
        // Some exporters give one pair of times for both directions.
        row.start =
            earliest(self.forward.time(|side| side.start), self.reverse.time(|side| side.start))
                .or(self.forward.start);
        row.end = self
            .forward
            .time(|side| side.end)
            .max(self.reverse.time(|side| side.end))
            .or(self.forward.end);
        row.duration_nanoseconds = match (row.start, row.end) {
            (Some(start), Some(end)) => nanoseconds_between(start, end),
            _ => self.duration_nanoseconds,
        };
        row
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

    fn extra(&self, is_icmp: bool) -> String {
        let mut parts = Vec::new();
        let icmp = self
            .icmp_type_code
            .or_else(|| Some(self.icmp_type? << 8 | self.icmp_code.unwrap_or(0)))
            // As NetFlow has always had it.
            .or_else(|| self.destination_port.filter(|_| is_icmp));
        if let (true, Some(type_code)) = (is_icmp, icmp) {
            parts.push(names::icmp(self.protocol == Some(58), type_code));
        }
        match (self.vlan, self.inner_vlan) {
            (Some(outer), Some(inner)) => parts.push(format!("vlan {outer}.{inner}")),
            // vlanId (IE 58) is zero in records of frames without a tag.
            (Some(vlan @ 1..), None) | (None, Some(vlan)) => parts.push(format!("vlan {vlan}")),
            _ => {}
        }
        if !self.mpls_labels.is_empty() {
            let labels: Vec<_> = self.mpls_labels.iter().map(u32::to_string).collect();
            parts.push(format!("mpls {}", labels.join(".")));
        }
        if let Some(kind) = self.tunnel_type {
            let id = self.tunnel_id.map(|id| format!(" {id}")).unwrap_or_default();
            let ends = match (self.sources.as_slice(), self.destinations.as_slice()) {
                ([source, _, ..], [destination, _, ..]) => format!(" {source} → {destination}"),
                _ => String::new(),
            };
            parts.push(format!("{}{id}{ends}", names::tunnel(kind)));
        }
        if self.fragments > 0 {
            parts.push(format!("fragments {}", self.fragments));
        }
        parts.join(", ")
    }
}

impl Side {
    fn counters(&self, has_flags: bool) -> Counters {
        Counters {
            packets: self.packets(),
            octets: self.octets.or(self.octets_total),
            // A direction without packets has no flags, whatever its field holds.
            tcp_flags: self.tcp_flags.filter(|_| has_flags && self.packets() != Some(0)),
        }
    }

    fn packets(&self) -> Option<u64> {
        self.packets.or(self.packets_total)
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

fn earliest(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
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
