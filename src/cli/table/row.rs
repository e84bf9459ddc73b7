//! A flow as the table shows it.

use std::net::IpAddr;

use super::facts::{Facts, FlowClass, Moment, Side, TimeBase};
use super::names;
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

/// What one direction counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counters {
    pub(super) packets: Option<u64>,
    pub(super) octets: Option<u64>,
    pub(super) tcp_flags: Option<u64>,
}

impl FlowRow {
    /// Picks what the table shows out of the fields of a record, in their order.
    pub fn new<'a>(
        fields: impl IntoIterator<Item = (Field, Value<'a>)>,
        time_base: TimeBase,
    ) -> Self {
        let mut facts = Facts::default();
        facts.read(fields, time_base);
        Self::from(&facts)
    }

    /// Adds words to the end of the row, which must be printable.
    #[must_use]
    pub fn with_note(mut self, note: &str) -> Self {
        if !self.extra.is_empty() && !note.is_empty() {
            self.extra.push_str(", ");
        }
        self.extra.push_str(note);
        self
    }

    /// Octets of memory that it takes, or nearly so.
    pub fn memory(&self) -> usize {
        let texts = [&self.protocol, &self.source, &self.destination, &self.extra];
        size_of::<Self>() + texts.iter().map(|text| text.capacity()).sum::<usize>()
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

impl From<&Facts> for FlowRow {
    fn from(facts: &Facts) -> Self {
        let is_icmp = matches!(facts.protocol, Some(1 | 58));
        let has_ports = matches!(facts.protocol, Some(6 | 17 | 33 | 132 | 136) | None);
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
        let counters = |side: &Side| Counters {
            packets: side.packets(),
            octets: side.octets(),
            tcp_flags: facts.tcp_flags(side),
        };
        let mut row = Self {
            start: facts.start,
            end: facts.end,
            duration_nanoseconds: facts.duration_nanoseconds,
            protocol: match (facts.protocol, facts.ethernet_type) {
                (Some(protocol), _) => names::protocol(protocol),
                (None, Some(kind)) => names::ethernet_type(kind),
                (None, None) => String::new(),
            },
            source: with_port(facts.source, facts.source_port),
            destination: with_port(facts.destination, facts.destination_port),
            forward: counters(&facts.forward),
            reverse: counters(&facts.reverse),
            end_reason: facts.end_reason,
            extra: extra(facts, is_icmp),
        };
        if facts.source.is_none() && facts.destination.is_none() {
            let mac = |mac: Option<[u8; 6]>| mac.map(|mac| MacAddress(mac).to_string());
            if let (Some(source), Some(destination)) =
                (mac(facts.source_mac), mac(facts.destination_mac))
            {
                (row.source, row.destination) = (source, destination);
            }
        }
        if facts.class.flows.is_some() {
            row.source = facts.class.network(facts.class.source_prefix);
            row.destination = facts.class.network(facts.class.destination_prefix);
        }
        row
    }
}

impl FlowClass {
    /// The network of an end; nothing if networks do not count.
    fn network(&self, (address, length): (Option<IpAddr>, Option<u64>)) -> String {
        match (address, length) {
            (Some(_), Some(0)) => "other".to_owned(),
            (Some(address), Some(length)) => format!("{address}/{length}"),
            _ => String::new(),
        }
    }

    /// Which Flows, and how many.
    fn words(&self) -> Option<String> {
        let flows = self.flows?;
        let mut words = vec![format!("{flows} flows")];
        match self.ports {
            (Some(0), Some(0)) => words.push("no ports".to_owned()),
            (Some(first), Some(last)) if first == last => words.push(format!("port {first}")),
            (Some(first), Some(last)) => words.push(format!("ports {first}-{last}")),
            _ => {}
        }
        match self.sender {
            Some(1) => words.push("from initiators".to_owned()),
            Some(2) => words.push("from responders".to_owned()),
            _ => {}
        }
        words.extend(self.size.map(|largest| match largest {
            65_535 => "mean above 1518".to_owned(),
            largest => format!("mean up to {largest}"),
        }));
        Some(words.join(", "))
    }
}

fn extra(facts: &Facts, is_icmp: bool) -> String {
    let mut parts: Vec<String> = facts.class.words().into_iter().collect();
    let icmp = facts
        .icmp_type_code
        .or_else(|| Some(facts.icmp_type? << 8 | facts.icmp_code.unwrap_or(0)))
        // As NetFlow has always had it.
        .or_else(|| facts.destination_port.filter(|_| is_icmp));
    if let (true, Some(type_code)) = (is_icmp, icmp) {
        parts.push(names::icmp(facts.protocol == Some(58), type_code));
    }
    match (facts.vlan, facts.inner_vlan) {
        (Some(outer), Some(inner)) => parts.push(format!("vlan {outer}.{inner}")),
        // vlanId (IE 58) is zero in records of frames without a tag.
        (Some(vlan @ 1..), None) | (None, Some(vlan)) => parts.push(format!("vlan {vlan}")),
        _ => {}
    }
    if !facts.mpls_labels.is_empty() {
        let labels: Vec<_> = facts.mpls_labels.iter().map(u32::to_string).collect();
        parts.push(format!("mpls {}", labels.join(".")));
    }
    if let Some(kind) = facts.tunnel_type {
        let id = facts.tunnel_id.map(|id| format!(" {id}")).unwrap_or_default();
        let ends = match (facts.sources.as_slice(), facts.destinations.as_slice()) {
            ([source, _, ..], [destination, _, ..]) => format!(" {source} → {destination}"),
            _ => String::new(),
        };
        parts.push(format!("{}{id}{ends}", names::tunnel(kind)));
    }
    if facts.fragments > 0 {
        parts.push(format!("fragments {}", facts.fragments));
    }
    parts.join(", ")
}
