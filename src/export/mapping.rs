//! Flow Record → Information Elements: the only place that knows both.
//!
//! One function, [`visit`], names every field of every layout once, in order. A visitor makes of it
//! a Template, the octets of a Data Record, or names and values for people, so these cannot
//! disagree.

use std::borrow::Cow;
use std::sync::Arc;

use crate::decode::{Address, IpVersion, MacAddresses, MplsLabels, Tunnel, TunnelKind, VlanTags};
use crate::export::layout::{Layout, Sides, Transport, TunnelFields, TunnelIdField, VlanLevels};
use crate::flow::{Direction, FlowEndReason, FlowRecord};
use crate::ipfix::element::InformationElement;
use crate::ipfix::exported as element;
use crate::ipfix::template::{FieldSpecifier, Template};
use crate::time::Timestamp;

/// One Data Record to be: a Flow Record whose forward direction has packets, and its layout.
#[derive(Clone, Debug)]
pub(crate) struct DataRecord<'a> {
    pub(crate) record: Cow<'a, FlowRecord>,
    pub(crate) layout: Layout,
    direction: BiflowDirection,
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
pub(crate) fn data_records(
    record: &FlowRecord,
    biflow: bool,
) -> impl Iterator<Item = DataRecord<'_>> {
    let forward = record.forward.packets > 0;
    let reverse = record.reverse.packets > 0;
    let one = |record, sides, direction| {
        let record: Cow<'_, FlowRecord> = record;
        let layout = Layout::of(&record, sides);
        DataRecord { record, layout, direction }
    };
    let turned = || Cow::Owned(turned_around(record));
    use BiflowDirection::{Initiator, ReverseInitiator};
    let (first, second) = match (biflow, forward, reverse) {
        (true, true, true) => (one(Cow::Borrowed(record), Sides::Biflow, Initiator), None),
        (true, false, true) => (one(turned(), Sides::HalfBiflow, ReverseInitiator), None),
        (true, _, false) => (one(Cow::Borrowed(record), Sides::HalfBiflow, Initiator), None),
        (false, false, true) => (one(turned(), Sides::Uniflow, Initiator), None),
        (false, _, reverse) => (
            one(Cow::Borrowed(record), Sides::Uniflow, Initiator),
            reverse.then(|| one(turned(), Sides::Uniflow, Initiator)),
        ),
    };
    std::iter::once(first).chain(second)
}

impl DataRecord<'_> {
    /// Packets that this Data Record tells of.
    #[inline]
    pub(crate) fn packets(&self) -> u64 {
        let reverse = if self.is_biflow() { self.record.reverse.packets } else { 0 };
        self.record.forward.packets.saturating_add(reverse)
    }

    /// Octets that this Data Record tells of.
    #[inline]
    pub(crate) fn octets(&self) -> u64 {
        let reverse = if self.is_biflow() { self.record.reverse.octets } else { 0 };
        self.record.forward.octets.saturating_add(reverse)
    }

    /// Appends the octets of the record.
    #[inline]
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.visit(&mut RecordOctets(out));
    }

    /// Shows every field to `visitor`.
    #[inline]
    pub(crate) fn visit<'a>(&'a self, visitor: &mut impl FieldVisitor<'a>) {
        visit(self.layout, &self.record, self.direction, visitor);
    }

    /// The same with a record of its own.
    pub(crate) fn into_owned(self) -> DataRecord<'static> {
        let Self { record, layout, direction } = self;
        DataRecord { record: Cow::Owned(record.into_owned()), layout, direction }
    }

    fn is_biflow(&self) -> bool {
        self.layout.sides == Sides::Biflow
    }
}

/// The Template of `layout`.
pub(crate) fn template(layout: Layout) -> Template {
    let mut fields = TemplateFields(Vec::new());
    visit(layout, &BLANK, BiflowDirection::Initiator, &mut fields);
    Template::new(layout.template_id(), fields.0)
        .expect("a test makes the template of every layout there is")
}

/// The Templates of the layouts that occurred, made once each.
#[derive(Debug)]
pub(crate) struct Templates(Vec<Option<Arc<Template>>>);

impl Templates {
    pub(crate) fn new() -> Self {
        Self(vec![None; Layout::COUNT])
    }

    /// The Template of `layout`.
    #[inline]
    pub(crate) fn template(&mut self, layout: Layout) -> &Arc<Template> {
        let slot = self
            .0
            .get_mut(usize::from(layout.number()))
            .expect("there is a slot for every number below the count");
        slot.get_or_insert_with(|| Arc::new(template(layout)))
    }
}

/// Takes the fields of a record, one after the other; which call it is tells how long the field is.
pub(crate) trait FieldVisitor<'a> {
    fn unsigned8(&mut self, element: &'static InformationElement, value: u8);
    fn unsigned16(&mut self, element: &'static InformationElement, value: u16);
    fn unsigned32(&mut self, element: &'static InformationElement, value: u32);
    fn unsigned64(&mut self, element: &'static InformationElement, value: u64);
    fn milliseconds(&mut self, element: &'static InformationElement, value: Timestamp);
    fn ipv4_address(&mut self, element: &'static InformationElement, value: [u8; 4]);
    fn ipv6_address(&mut self, element: &'static InformationElement, value: [u8; 16]);
    fn mac_address(&mut self, element: &'static InformationElement, value: [u8; 6]);
    fn label_section(&mut self, element: &'static InformationElement, value: &'a [u8; 3]);
}

/// Shows the fields of a record with this layout to `visitor`, in the order of the Template.
///
/// All Flow Keys stand within the first 64 fields (RFC 7011 §4.4). No counter is shorter than four
/// octets and none has an odd size, because collectors misread those.
#[inline]
fn visit<'a>(
    layout: Layout,
    record: &'a FlowRecord,
    direction: BiflowDirection,
    visitor: &mut impl FieldVisitor<'a>,
) {
    let Layout { version, sides, transport, mac, vlan_tags, mpls_labels, tunnel, fragments } =
        layout;
    let FlowRecord { forward, reverse, .. } = record;

    addresses(version, record.source, record.destination, visitor);
    if matches!(transport, Transport::Ports | Transport::Tcp) {
        visitor.unsigned16(&element::SOURCE_TRANSPORT_PORT, record.source_port);
        visitor.unsigned16(&element::DESTINATION_TRANSPORT_PORT, record.destination_port);
    }
    visitor.unsigned8(&element::PROTOCOL_IDENTIFIER, record.protocol);
    visitor.unsigned8(&element::IP_VERSION, version as u8);
    visitor.unsigned32(&element::INGRESS_INTERFACE, record.interface);
    visitor.unsigned64(&element::FLOW_ID, record.flow_id);
    visitor.unsigned8(&element::FLOW_END_REASON, record.end_reason as u8);
    if sides != Sides::Uniflow {
        visitor.unsigned8(&element::BIFLOW_DIRECTION, direction as u8);
    }
    if mac {
        let MacAddresses { source, destination } = record.mac.unwrap_or(NO_MAC_ADDRESSES);
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
        tunnel_fields(fields, values, visitor);
    }

    one_direction(layout, forward, &FORWARD, visitor);
    if sides == Sides::Biflow {
        one_direction(layout, reverse, &REVERSE, visitor);
    }
    if fragments {
        let element = &element::FLOWTAP_FRAGMENT_DELTA_COUNT;
        visitor.unsigned64(element, forward.fragments.into());
        if sides == Sides::Biflow {
            let element = &element::REVERSE_FLOWTAP_FRAGMENT_DELTA_COUNT;
            visitor.unsigned64(element, reverse.fragments.into());
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
fn tunnel_fields<'a>(fields: TunnelFields, tunnel: Tunnel, visitor: &mut impl FieldVisitor<'a>) {
    let id = tunnel.id.unwrap_or(0);
    visitor.unsigned8(&element::FLOWTAP_TUNNEL_TYPE, tunnel.kind as u8);
    visitor.unsigned32(&element::FLOWTAP_TUNNEL_ID, id);
    let Tunnel { source, destination, .. } = tunnel;
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
fn one_direction<'a>(
    layout: Layout,
    direction: &Direction,
    elements: &'static DirectionElements,
    visitor: &mut impl FieldVisitor<'a>,
) {
    visitor.unsigned64(&elements.octets, direction.octets);
    visitor.unsigned64(&elements.packets, direction.packets);
    visitor.milliseconds(&elements.start, direction.first);
    visitor.milliseconds(&elements.end, direction.last);
    visitor.unsigned32(&elements.minimum_length, direction.minimum_length);
    visitor.unsigned32(&elements.maximum_length, direction.maximum_length);
    visitor.unsigned8(&elements.minimum_ttl, direction.minimum_ttl);
    visitor.unsigned8(&elements.maximum_ttl, direction.maximum_ttl);
    visitor.unsigned8(&elements.class_of_service, direction.tos);
    if layout.version == IpVersion::V6 {
        visitor.unsigned32(&elements.flow_label, direction.flow_label & 0x000f_ffff);
    }
    match layout.transport {
        Transport::None | Transport::Ports => {}
        Transport::Tcp => {
            // RFC 9565 §3: the top four bits are zero.
            visitor.unsigned16(&elements.tcp_flags, direction.tcp_flags & 0x0fff);
            visitor.unsigned32(&elements.tcp_sequence, direction.tcp_sequence);
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

/// The elements of [`one_direction`], forward or reverse.
struct DirectionElements {
    octets: InformationElement,
    packets: InformationElement,
    start: InformationElement,
    end: InformationElement,
    minimum_length: InformationElement,
    maximum_length: InformationElement,
    minimum_ttl: InformationElement,
    maximum_ttl: InformationElement,
    class_of_service: InformationElement,
    flow_label: InformationElement,
    tcp_flags: InformationElement,
    tcp_sequence: InformationElement,
    tcp_window: InformationElement,
    icmp_v4: InformationElement,
    icmp_v6: InformationElement,
}

static FORWARD: DirectionElements = DirectionElements {
    octets: element::OCTET_DELTA_COUNT,
    packets: element::PACKET_DELTA_COUNT,
    start: element::FLOW_START_MILLISECONDS,
    end: element::FLOW_END_MILLISECONDS,
    minimum_length: element::MINIMUM_IP_TOTAL_LENGTH,
    maximum_length: element::MAXIMUM_IP_TOTAL_LENGTH,
    minimum_ttl: element::MINIMUM_TTL,
    maximum_ttl: element::MAXIMUM_TTL,
    class_of_service: element::IP_CLASS_OF_SERVICE,
    flow_label: element::FLOW_LABEL_IPV6,
    tcp_flags: element::TCP_CONTROL_BITS,
    tcp_sequence: element::TCP_SEQUENCE_NUMBER,
    tcp_window: element::TCP_WINDOW_SIZE,
    icmp_v4: element::ICMP_TYPE_CODE_IPV4,
    icmp_v6: element::ICMP_TYPE_CODE_IPV6,
};

static REVERSE: DirectionElements = DirectionElements {
    octets: element::REVERSE_OCTET_DELTA_COUNT,
    packets: element::REVERSE_PACKET_DELTA_COUNT,
    start: element::REVERSE_FLOW_START_MILLISECONDS,
    end: element::REVERSE_FLOW_END_MILLISECONDS,
    minimum_length: element::REVERSE_MINIMUM_IP_TOTAL_LENGTH,
    maximum_length: element::REVERSE_MAXIMUM_IP_TOTAL_LENGTH,
    minimum_ttl: element::REVERSE_MINIMUM_TTL,
    maximum_ttl: element::REVERSE_MAXIMUM_TTL,
    class_of_service: element::REVERSE_IP_CLASS_OF_SERVICE,
    flow_label: element::REVERSE_FLOW_LABEL_IPV6,
    tcp_flags: element::REVERSE_TCP_CONTROL_BITS,
    tcp_sequence: element::REVERSE_TCP_SEQUENCE_NUMBER,
    tcp_window: element::REVERSE_TCP_WINDOW_SIZE,
    icmp_v4: element::REVERSE_ICMP_TYPE_CODE_IPV4,
    icmp_v6: element::REVERSE_ICMP_TYPE_CODE_IPV6,
};

static MPLS_ELEMENTS: [InformationElement; 3] = [
    element::MPLS_TOP_LABEL_STACK_SECTION,
    element::MPLS_LABEL_STACK_SECTION2,
    element::MPLS_LABEL_STACK_SECTION3,
];

/// Priority Code Point of a VLAN tag.
const fn priority(tag: u16) -> u8 {
    (tag >> 13) as u8
}

/// The record with source and destination, and all that goes with them, exchanged.
fn turned_around(record: &FlowRecord) -> FlowRecord {
    FlowRecord {
        source: record.destination,
        destination: record.source,
        source_port: record.destination_port,
        destination_port: record.source_port,
        forward: record.reverse,
        reverse: record.forward,
        mac: record.mac.map(|MacAddresses { source, destination }| MacAddresses {
            source: destination,
            destination: source,
        }),
        tunnel: record.tunnel.map(|tunnel| Tunnel {
            source: tunnel.destination,
            destination: tunnel.source,
            ..tunnel
        }),
        ..*record
    }
}

/// Collects what a Template says of the fields.
struct TemplateFields(Vec<FieldSpecifier>);

impl TemplateFields {
    fn push(&mut self, element: &'static InformationElement, length: u16) {
        self.0.push(FieldSpecifier { element: *element, length });
    }
}

impl FieldVisitor<'_> for TemplateFields {
    fn unsigned8(&mut self, element: &'static InformationElement, _: u8) {
        self.push(element, 1);
    }

    fn unsigned16(&mut self, element: &'static InformationElement, _: u16) {
        self.push(element, 2);
    }

    fn unsigned32(&mut self, element: &'static InformationElement, _: u32) {
        self.push(element, 4);
    }

    fn unsigned64(&mut self, element: &'static InformationElement, _: u64) {
        self.push(element, 8);
    }

    fn milliseconds(&mut self, element: &'static InformationElement, _: Timestamp) {
        self.push(element, 8);
    }

    fn ipv4_address(&mut self, element: &'static InformationElement, _: [u8; 4]) {
        self.push(element, 4);
    }

    fn ipv6_address(&mut self, element: &'static InformationElement, _: [u8; 16]) {
        self.push(element, 16);
    }

    fn mac_address(&mut self, element: &'static InformationElement, _: [u8; 6]) {
        self.push(element, 6);
    }

    fn label_section(&mut self, element: &'static InformationElement, _: &[u8; 3]) {
        self.push(element, 3);
    }
}

/// Appends the values, big-endian (RFC 7011 §6.1).
struct RecordOctets<'a>(&'a mut Vec<u8>);

impl FieldVisitor<'_> for RecordOctets<'_> {
    #[inline]
    fn unsigned8(&mut self, _: &'static InformationElement, value: u8) {
        self.0.push(value);
    }

    #[inline]
    fn unsigned16(&mut self, _: &'static InformationElement, value: u16) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    fn unsigned32(&mut self, _: &'static InformationElement, value: u32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    fn unsigned64(&mut self, _: &'static InformationElement, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    fn milliseconds(&mut self, _: &'static InformationElement, value: Timestamp) {
        self.0.extend_from_slice(&value.as_millis().to_be_bytes());
    }

    #[inline]
    fn ipv4_address(&mut self, _: &'static InformationElement, value: [u8; 4]) {
        self.0.extend_from_slice(&value);
    }

    #[inline]
    fn ipv6_address(&mut self, _: &'static InformationElement, value: [u8; 16]) {
        self.0.extend_from_slice(&value);
    }

    #[inline]
    fn mac_address(&mut self, _: &'static InformationElement, value: [u8; 6]) {
        self.0.extend_from_slice(&value);
    }

    #[inline]
    fn label_section(&mut self, _: &'static InformationElement, value: &[u8; 3]) {
        self.0.extend_from_slice(value);
    }
}

const NO_MAC_ADDRESSES: MacAddresses = MacAddresses { source: [0; 6], destination: [0; 6] };

/// A record with every optional part, for what does not depend on values.
const BLANK: FlowRecord = FlowRecord {
    flow_id: 0,
    interface: 0,
    version: IpVersion::V4,
    protocol: 0,
    end_reason: FlowEndReason::IdleTimeout,
    source: Address([0; 16]),
    destination: Address([0; 16]),
    source_port: 0,
    destination_port: 0,
    forward: NOTHING,
    reverse: NOTHING,
    mac: Some(NO_MAC_ADDRESSES),
    vlan: VlanTags { outer: 0, inner: 0, count: 0 },
    mpls: MplsLabels { sections: [[0; 3]; 3], count: 0 },
    tunnel: Some(Tunnel {
        kind: TunnelKind::IpInIp,
        version: IpVersion::V4,
        source: Address([0; 16]),
        destination: Address([0; 16]),
        id: None,
    }),
};

const NOTHING: Direction = Direction {
    packets: 0,
    octets: 0,
    first: Timestamp::EPOCH,
    last: Timestamp::EPOCH,
    minimum_length: 0,
    maximum_length: 0,
    tcp_flags: 0,
    minimum_ttl: 0,
    maximum_ttl: 0,
    tos: 0,
    tcp_window: 0,
    tcp_sequence: 0,
    icmp_type_code: 0,
    flow_label: 0,
    fragments: 0,
};

#[cfg(test)]
mod tests;
