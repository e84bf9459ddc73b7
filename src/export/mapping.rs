//! Flow Record → Information Elements: the only place that knows both.
//!
//! One function, [`visit`], names every field of every layout once, in order. A visitor makes of it
//! a Template, the octets of a Data Record, or names and values for people, so these cannot
//! disagree.
//!
//! The privacy policy of a target is applied here, before a single octet is encoded: only a
//! [`Disclosure`] makes Data Records, so no sink can get around it.

mod aggregate;
mod disclosure;
mod elements;
mod templates;
mod time;

use crate::decode::{Address, IpVersion, MacAddresses, Tunnel, TunnelKind};
use crate::export::fields::FieldVisitor;
use crate::export::layout::{Layout, Sides, Transport, TunnelFields, TunnelIdField, VlanLevels};
use crate::export::profile::{Mapping, TimeUnit};
use crate::flow::{Direction, FlowRecord};
use crate::ipfix::element::InformationElement;
use crate::ipfix::exported as element;
use crate::time::Timestamp;

pub(crate) use aggregate::{AggregateLayout, AggregateRecord};
pub(crate) use disclosure::{DisclosedRecord, Disclosure};
use elements::{DirectionElements, FORWARD, MPLS_ELEMENTS, REVERSE};
pub(crate) use templates::{Templates, template, template_by_id};
use time::{Microseconds, Milliseconds, Nanoseconds, Unit};

/// What becomes one Data Record.
pub(crate) trait Content<'a> {
    /// Of the layout, which is below [`Layout::COUNT`]: tells the Template.
    fn number(&self) -> u16;

    /// Packets that it tells of.
    fn packets(&self) -> u64;

    /// Octets that it tells of.
    fn octets(&self) -> u64;

    /// The earliest and the latest time that it tells.
    fn period(&self) -> (Timestamp, Timestamp);

    /// Shows every field to `visitor`.
    fn visit(&self, visitor: &mut impl FieldVisitor<'a>);
}

/// One Data Record to be: what it tells of a Flow Record, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataRecord<'a> {
    pub(crate) record: &'a FlowRecord,
    pub(crate) shape: Shape,
}

/// How a Data Record tells of a Flow Record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Shape {
    pub(crate) layout: Layout,
    /// Source and destination are exchanged, and all that goes with them.
    turned: bool,
    mapping: Mapping,
}

/// `biflowDirection` (IE 239): how source and destination were told apart (RFC 5103 §6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
enum BiflowDirection {
    /// The source is the initiator.
    Initiator = 1,
    /// The destination is the initiator: in this slice only the other side spoke.
    ReverseInitiator = 2,
}

/// The Data Records that tell of `record`.
///
/// With biflows it is one. If only the far side spoke it is turned around, because a record without
/// reverse elements tells of its source (RFC 5103 §4), and says so. Without biflows it is one for
/// each direction with packets.
#[inline]
fn records_of(record: &FlowRecord, mapping: Mapping) -> impl Iterator<Item = DataRecord<'_>> {
    let forward = record.forward.packets > 0;
    let reverse = record.reverse.packets > 0;
    let (sides, turned, again) = match (mapping.biflow, forward, reverse) {
        (true, true, true) => (Sides::Biflow, false, false),
        (true, forward, reverse) => (Sides::HalfBiflow, reverse && !forward, false),
        (false, forward, reverse) => (Sides::Uniflow, reverse && !forward, reverse && forward),
    };
    let one = move |turned| DataRecord { record, shape: Shape::of(record, sides, turned, mapping) };
    std::iter::once(one(turned)).chain(again.then(|| one(true)))
}

/// The Data Records of a record that is told as it is.
#[cfg(test)]
pub(crate) fn data_records(
    record: &FlowRecord,
    mapping: Mapping,
) -> impl Iterator<Item = DataRecord<'_>> {
    records_of(record, mapping)
}

impl Shape {
    #[inline]
    fn of(record: &FlowRecord, sides: Sides, turned: bool, mapping: Mapping) -> Self {
        Self { layout: Layout::of(record, sides, turned).under(mapping), turned, mapping }
    }
}

impl<'a> Content<'a> for DataRecord<'a> {
    #[inline]
    fn number(&self) -> u16 {
        self.shape.layout.number()
    }

    #[inline]
    fn packets(&self) -> u64 {
        let reverse = if self.is_biflow() { self.record.reverse.packets } else { 0 };
        self.near().packets.saturating_add(reverse)
    }

    #[inline]
    fn octets(&self) -> u64 {
        let reverse = if self.is_biflow() { self.record.reverse.octets } else { 0 };
        self.near().octets.saturating_add(reverse)
    }

    /// Of both directions, whichever it tells. A capture may go back in time within a Flow.
    #[inline]
    fn period(&self) -> (Timestamp, Timestamp) {
        let FlowRecord { forward, reverse, .. } = self.record;
        let of = |direction: &Direction| {
            let &Direction { first, last, .. } = direction;
            (first.min(last), first.max(last))
        };
        match (forward.packets > 0, reverse.packets > 0) {
            (true, true) => {
                let (one, other) = (of(forward), of(reverse));
                (one.0.min(other.0), one.1.max(other.1))
            }
            (_, false) => of(forward),
            (false, true) => of(reverse),
        }
    }

    #[inline]
    fn visit(&self, visitor: &mut impl FieldVisitor<'a>) {
        // Once a record, not once a time.
        match self.shape.mapping.time {
            TimeUnit::Milliseconds => visit::<Milliseconds>(self.shape, self.record, visitor),
            TimeUnit::Microseconds => visit::<Microseconds>(self.shape, self.record, visitor),
            TimeUnit::Nanoseconds => visit::<Nanoseconds>(self.shape, self.record, visitor),
        }
    }
}

impl<'a> DataRecord<'a> {
    fn near(&self) -> &'a Direction {
        if self.shape.turned { &self.record.reverse } else { &self.record.forward }
    }

    fn is_biflow(&self) -> bool {
        self.shape.layout.sides == Sides::Biflow
    }
}

/// Shows the fields of a record with this layout to `visitor`, in the order of the Template.
///
/// All Flow Keys stand within the first 64 fields (RFC 7011 §4.4). No counter is shorter than four
/// octets and none has an odd size, because collectors misread those.
#[inline]
fn visit<'a, T: Unit>(shape: Shape, record: &'a FlowRecord, visitor: &mut impl FieldVisitor<'a>) {
    let Shape { layout, turned, mapping } = shape;
    let Layout { version, sides, transport, mac, vlan_tags, mpls_labels, tunnel, fragments } =
        layout;
    let (near, far) = in_order(turned, &record.forward, &record.reverse);

    let (source, destination) = in_order(turned, record.source, record.destination);
    addresses(version, source, destination, visitor);
    if matches!(transport, Transport::Ports | Transport::Tcp) && !mapping.withheld.ports {
        let ports = in_order(turned, record.source_port, record.destination_port);
        visitor.unsigned16(&element::SOURCE_TRANSPORT_PORT, ports.0);
        visitor.unsigned16(&element::DESTINATION_TRANSPORT_PORT, ports.1);
    }
    visitor.unsigned8(&element::PROTOCOL_IDENTIFIER, record.protocol);
    visitor.unsigned8(&element::IP_VERSION, version as u8);
    visitor.unsigned32(&element::INGRESS_INTERFACE, record.interface);
    if !mapping.withheld.flow_id {
        visitor.unsigned64(&element::FLOW_ID, record.flow_id);
    }
    visitor.unsigned8(&element::FLOW_END_REASON, record.end_reason as u8);
    if sides != Sides::Uniflow {
        let direction =
            if turned { BiflowDirection::ReverseInitiator } else { BiflowDirection::Initiator };
        visitor.unsigned8(&element::BIFLOW_DIRECTION, direction as u8);
    }
    if mac {
        let MacAddresses { source, destination } = record.mac.unwrap_or(NO_MAC_ADDRESSES);
        let (source, destination) = in_order(turned, source, destination);
        visitor.mac_address(&element::SOURCE_MAC_ADDRESS, source);
        visitor.mac_address(&element::DESTINATION_MAC_ADDRESS, destination);
    }
    if vlan_tags != VlanLevels::None {
        // 58 says the same as 243, for collectors that know only that.
        visitor.unsigned16(&element::VLAN_ID, record.vlan.outer_id());
        visitor.unsigned16(&element::DOT1Q_VLAN_ID, record.vlan.outer_id());
        visitor.unsigned8(&element::DOT1Q_PRIORITY, priority(record.vlan.outer));
    }
    if vlan_tags == VlanLevels::OuterAndInner {
        visitor.unsigned16(&element::DOT1Q_CUSTOMER_VLAN_ID, record.vlan.inner_id());
        visitor.unsigned8(&element::DOT1Q_CUSTOMER_PRIORITY, priority(record.vlan.inner));
    }
    let sections = MPLS_ELEMENTS.iter().zip(&record.mpls.sections);
    for (element, section) in sections.take(usize::from(mpls_labels)) {
        visitor.label_section(element, section);
    }
    if let (Some(fields), Some(values)) = (tunnel, record.tunnel) {
        if mapping.enterprise_elements {
            tunnel_headers(shape, fields, values, visitor);
        }
        tunnel_id(fields, values, visitor);
    }

    one_direction::<T>(shape, near, (&FORWARD, T::FORWARD), visitor);
    if sides == Sides::Biflow {
        one_direction::<T>(shape, far, (&REVERSE, T::REVERSE), visitor);
    }
    if fragments {
        let element = &element::FLOWTAP_FRAGMENT_DELTA_COUNT;
        visitor.unsigned64(element, near.fragments.into());
        if sides == Sides::Biflow {
            let element = &element::REVERSE_FLOWTAP_FRAGMENT_DELTA_COUNT;
            visitor.unsigned64(element, far.fragments.into());
        }
    }
}

#[inline]
fn addresses<'a>(
    version: IpVersion,
    source: Address,
    destination: Address,
    visitor: &mut impl FieldVisitor<'a>,
) {
    match version {
        IpVersion::V4 => {
            visitor.ipv4_address(&element::SOURCE_IPV4_ADDRESS, source.to_v4());
            visitor.ipv4_address(&element::DESTINATION_IPV4_ADDRESS, destination.to_v4());
        }
        IpVersion::V6 => {
            visitor.ipv6_address(&element::SOURCE_IPV6_ADDRESS, source.0);
            visitor.ipv6_address(&element::DESTINATION_IPV6_ADDRESS, destination.0);
        }
    }
}

/// The tunnel, under elements of our own.
///
/// RFC 7011 §8 would let the address elements stand twice, outer header first. But a record with
/// the elements of both IP versions makes nfdump mix its addresses up, and a repeated element turns
/// a plain value into a list for every reader of JSON.
fn tunnel_headers<'a>(
    shape: Shape,
    fields: TunnelFields,
    tunnel: Tunnel,
    visitor: &mut impl FieldVisitor<'a>,
) {
    visitor.unsigned8(&element::FLOWTAP_TUNNEL_TYPE, tunnel.kind as u8);
    if !shape.mapping.withheld.identifiers {
        visitor.unsigned32(&element::FLOWTAP_TUNNEL_ID, tunnel.id.unwrap_or(0));
    }
    let (source, destination) = in_order(shape.turned, tunnel.source, tunnel.destination);
    match fields.version {
        IpVersion::V4 => {
            visitor.ipv4_address(&element::FLOWTAP_TUNNEL_SOURCE_IPV4_ADDRESS, source.to_v4());
            let element = &element::FLOWTAP_TUNNEL_DESTINATION_IPV4_ADDRESS;
            visitor.ipv4_address(element, destination.to_v4());
        }
        IpVersion::V6 => {
            visitor.ipv6_address(&element::FLOWTAP_TUNNEL_SOURCE_IPV6_ADDRESS, source.0);
            let element = &element::FLOWTAP_TUNNEL_DESTINATION_IPV6_ADDRESS;
            visitor.ipv6_address(element, destination.0);
        }
    }
}

/// The tunnel's id under a standard element, if there is one.
fn tunnel_id<'a>(fields: TunnelFields, tunnel: Tunnel, visitor: &mut impl FieldVisitor<'a>) {
    let id = tunnel.id.unwrap_or(0);
    match fields.id {
        TunnelIdField::None => {}
        TunnelIdField::GreKey => visitor.unsigned32(&element::GRE_KEY, id),
        TunnelIdField::Layer2SegmentId => {
            // The top octet says whose number it is: 1 VXLAN, 2 NVGRE.
            let kind = if tunnel.kind == TunnelKind::Nvgre { 2 } else { 1 };
            let segment = u64::from(id & 0x00ff_ffff);
            visitor.unsigned64(&element::LAYER2_SEGMENT_ID, kind << 56 | segment);
        }
    }
}

/// The fields that exist once for each direction.
#[inline]
fn one_direction<'a, T: Unit>(
    Shape { layout, mapping, .. }: Shape,
    direction: &Direction,
    (elements, [start, end]): (&'static DirectionElements, &'static [InformationElement; 2]),
    visitor: &mut impl FieldVisitor<'a>,
) {
    visitor.unsigned64(&elements.octets, direction.octets);
    visitor.unsigned64(&elements.packets, direction.packets);
    T::show(visitor, start, direction.first);
    T::show(visitor, end, direction.last);
    visitor.unsigned32(&elements.minimum_length, direction.minimum_length);
    visitor.unsigned32(&elements.maximum_length, direction.maximum_length);
    visitor.unsigned8(&elements.minimum_ttl, direction.minimum_ttl);
    visitor.unsigned8(&elements.maximum_ttl, direction.maximum_ttl);
    visitor.unsigned8(&elements.class_of_service, direction.tos);
    if layout.version == IpVersion::V6 && !mapping.withheld.identifiers {
        visitor.unsigned32(&elements.flow_label, direction.flow_label & 0x000f_ffff);
    }
    match layout.transport {
        Transport::None | Transport::Ports => {}
        Transport::Tcp => {
            // RFC 9565 §3: the top four bits are zero.
            visitor.unsigned16(&elements.tcp_flags, direction.tcp_flags & 0x0fff);
            if !mapping.withheld.identifiers {
                visitor.unsigned32(&elements.tcp_sequence, direction.tcp_sequence);
            }
            visitor.unsigned16(&elements.tcp_window, direction.tcp_window);
        }
        Transport::Icmp => {
            let element = match layout.version {
                IpVersion::V4 => &elements.icmp_v4,
                IpVersion::V6 => &elements.icmp_v6,
            };
            visitor.unsigned16(element, direction.icmp_type_code);
        }
    }
}

/// Priority Code Point of a VLAN tag.
const fn priority(tag: u16) -> u8 {
    (tag >> 13) as u8
}

/// Two values that belong to source and destination, in the order of the Data Record.
#[inline]
fn in_order<T>(turned: bool, source: T, destination: T) -> (T, T) {
    if turned { (destination, source) } else { (source, destination) }
}

const NO_MAC_ADDRESSES: MacAddresses = MacAddresses { source: [0; 6], destination: [0; 6] };

/// A record with every optional part, for what does not depend on values.
const FULL: FlowRecord = FlowRecord {
    mac: Some(NO_MAC_ADDRESSES),
    tunnel: Some(Tunnel {
        kind: TunnelKind::IpInIp,
        version: IpVersion::V4,
        source: Address([0; 16]),
        destination: Address([0; 16]),
        id: None,
    }),
    ..FlowRecord::BLANK
};

#[cfg(test)]
mod tests;
