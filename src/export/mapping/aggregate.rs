//! Aggregated Flow → Information Elements (RFC 7015), where no Flow Record leaves.

use std::net::IpAddr;

use crate::decode::IpVersion;
use crate::export::fields::{FieldVisitor, TemplateFields};
use crate::export::layout::{Layout, template_id_of};
use crate::export::mapping::Content;
use crate::export::mapping::time::{Microseconds, Milliseconds, Nanoseconds, Unit};
use crate::export::profile::{Mapping, TimeUnit};
use crate::ipfix::element::InformationElement;
use crate::ipfix::exported as element;
use crate::ipfix::template::Template;
use crate::privacy::statistics::{AggregatedFlow, ConfiguredNetworks, Key, Level};
use crate::time::Timestamp;

/// One Data Record to be: an Aggregated Flow of an interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AggregateRecord<'a> {
    flow: AggregatedFlow,
    networks: &'a ConfiguredNetworks,
    /// Begin and end of the interval (RFC 7015 §6.1).
    interval: [Timestamp; 2],
    mapping: Mapping,
}

/// The features of an Aggregated Flow that decide about its Template.
///
/// Its numbers are those that no [`Layout`] has, and they never change either.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AggregateLayout {
    pub(crate) level: Level,
    pub(crate) version: IpVersion,
    pub(crate) networks: bool,
}

impl AggregateLayout {
    fn of(key: &Key, has_networks: bool) -> Self {
        let networks = has_networks && key.level < Level::WithoutNetworks;
        Self { level: key.level, version: key.version, networks }
    }

    /// Below [`Layout::COUNT`].
    pub(crate) fn number(self) -> u16 {
        let Self { level, version, networks } = self;
        MARK | u16::from(version == IpVersion::V6) | (level as u16) << 3 | u16::from(networks) << 6
    }

    /// The layout with this number, if there is one.
    pub(crate) fn from_number(number: u16) -> Option<Self> {
        let layout = Self {
            level: *Level::ALL.get(usize::from(number >> 3 & 7))?,
            version: if number & 1 == 0 { IpVersion::V4 } else { IpVersion::V6 },
            networks: number >> 6 & 1 == 1,
        };
        (layout.number() == number).then_some(layout)
    }

    /// Every layout that records may have under `mapping`.
    pub(crate) fn all(mapping: Mapping, has_networks: bool) -> impl Iterator<Item = Self> {
        (0..u16::MAX).take(Layout::COUNT).filter_map(Self::from_number).filter(
            move |&Self { level, version, networks }| {
                let has_version = level < Level::Total || version == IpVersion::V4;
                let with_networks = has_networks && level < Level::WithoutNetworks;
                has_version
                    && networks == with_networks
                    && (mapping.enterprise_elements || level > Level::Finest)
            },
        )
    }

    /// The Template of this layout.
    pub(crate) fn template(self, mapping: Mapping) -> Template {
        let mut fields = TemplateFields(Vec::new());
        let Self { level, version, networks: _ } = self;
        let networks = ConfiguredNetworks::default();
        let flow = AggregatedFlow::blank(level, version);
        let interval = [Timestamp::EPOCH; 2];
        let record = AggregateRecord { flow, networks: &networks, interval, mapping };
        record.show(self, &mut fields);
        Template::new(template_id_of(self.number(), mapping.time), fields.0)
            .expect("a test makes the template of every layout there is, under every mapping")
    }
}

impl<'a> AggregateRecord<'a> {
    pub(crate) const fn new(
        flow: AggregatedFlow,
        networks: &'a ConfiguredNetworks,
        interval: [Timestamp; 2],
        mapping: Mapping,
    ) -> Self {
        Self { flow, networks, interval, mapping }
    }

    fn layout(&self) -> AggregateLayout {
        AggregateLayout::of(&self.flow.key, !self.networks.is_empty())
    }

    /// Shows the fields of this layout: the interval, what the Flows have in common, and the sums.
    fn show<'v>(&self, layout: AggregateLayout, visitor: &mut impl FieldVisitor<'v>) {
        match self.mapping.time {
            TimeUnit::Milliseconds => self.show_interval::<Milliseconds>(visitor),
            TimeUnit::Microseconds => self.show_interval::<Microseconds>(visitor),
            TimeUnit::Nanoseconds => self.show_interval::<Nanoseconds>(visitor),
        }
        let AggregatedFlow { key, packets, octets, flows_present, flows_ended, records: _ } =
            self.flow;
        let AggregateLayout { level, version, networks } = layout;
        if level < Level::WithoutInterface {
            visitor.unsigned32(&element::INGRESS_INTERFACE, key.interface);
        }
        if level < Level::Total {
            visitor.unsigned8(&element::IP_VERSION, version as u8);
        }
        if level < Level::WithoutProtocol {
            visitor.unsigned8(&element::PROTOCOL_IDENTIFIER, key.protocol);
        }
        if level < Level::WithoutSender {
            visitor.unsigned8(&element::BIFLOW_DIRECTION, key.sender as u8);
        }
        if networks {
            let ends = match version {
                IpVersion::V4 => &IPV4_PREFIXES,
                IpVersion::V6 => &IPV6_PREFIXES,
            };
            for ([prefix, length], class) in ends.iter().zip([key.source, key.destination]) {
                let (address, bits) = self.networks.prefix(version, class);
                match address {
                    IpAddr::V4(address) => visitor.ipv4_address(prefix, address.octets()),
                    IpAddr::V6(address) => visitor.ipv6_address(prefix, address.octets()),
                }
                visitor.unsigned8(length, bits);
            }
        }
        if level < Level::WithoutPorts {
            let (first, last) = key.ports.range();
            visitor.unsigned16(&element::PORT_RANGE_START, first);
            visitor.unsigned16(&element::PORT_RANGE_END, last);
        }
        if level < Level::WithoutSize && self.mapping.enterprise_elements {
            visitor.unsigned16(&element::FLOWTAP_PACKET_SIZE_CLASS, key.size.largest_mean());
        }
        visitor.unsigned64(&element::OCTET_DELTA_COUNT, octets);
        visitor.unsigned64(&element::PACKET_DELTA_COUNT, packets);
        visitor.unsigned64(&element::DELTA_FLOW_COUNT, flows_ended);
        visitor.unsigned64(&element::ORIGINAL_FLOWS_PRESENT, flows_present);
    }

    /// RFC 7015 §6.1: the times of an Aggregated Flow are those of its interval.
    fn show_interval<'v, T: Unit>(&self, visitor: &mut impl FieldVisitor<'v>) {
        for (element, time) in T::FORWARD.iter().zip(self.interval) {
            T::show(visitor, element, time);
        }
    }
}

impl<'a> Content<'a> for AggregateRecord<'_> {
    fn number(&self) -> u16 {
        self.layout().number()
    }

    fn packets(&self) -> u64 {
        self.flow.packets
    }

    fn octets(&self) -> u64 {
        self.flow.octets
    }

    fn period(&self) -> (Timestamp, Timestamp) {
        let [begin, end] = self.interval;
        (begin, end)
    }

    fn visit(&self, visitor: &mut impl FieldVisitor<'a>) {
        self.show(self.layout(), visitor);
    }
}

/// Prefix and its length, of source and destination.
static IPV4_PREFIXES: [[InformationElement; 2]; 2] = [
    [element::SOURCE_IPV4_PREFIX, element::SOURCE_IPV4_PREFIX_LENGTH],
    [element::DESTINATION_IPV4_PREFIX, element::DESTINATION_IPV4_PREFIX_LENGTH],
];
static IPV6_PREFIXES: [[InformationElement; 2]; 2] = [
    [element::SOURCE_IPV6_PREFIX, element::SOURCE_IPV6_PREFIX_LENGTH],
    [element::DESTINATION_IPV6_PREFIX, element::DESTINATION_IPV6_PREFIX_LENGTH],
];

/// In the place where a [`Layout`] says which directions there are: a value that none has.
const MARK: u16 = 3 << 1;

#[cfg(test)]
mod tests;
