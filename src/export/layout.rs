//! Which fields a Data Record has: one Template for each combination of features.

use crate::decode::{IpVersion, TunnelKind};
use crate::export::profile::{Mapping, TimeUnit};
use crate::flow::{Direction, FlowRecord};
use crate::ipfix::template::TemplateId;
use crate::privacy::Withheld;

/// The features of a Data Record that decide about its Template.
///
/// An absent feature is left out and not filled with zeros, because a zero is a statement
/// (RFC 7011 §8). Every layout has its own number, and that never changes: a collector that kept
/// Templates over our restart still reads our records right.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Layout {
    pub(crate) version: IpVersion,
    pub(crate) sides: Sides,
    pub(crate) transport: Transport,
    pub(crate) mac: bool,
    pub(crate) vlan_tags: VlanLevels,
    pub(crate) mpls_labels: u8,
    pub(crate) tunnel: Option<TunnelFields>,
    pub(crate) fragments: bool,
}

/// Which directions a record tells of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u16)]
pub(crate) enum Sides {
    /// One direction of a Flow that was metered as such: nobody knows who began.
    Uniflow = 0,
    /// The only direction seen of a biflow, with `biflowDirection`.
    HalfBiflow = 1,
    /// Both, by reverse elements (RFC 5103).
    Biflow = 2,
}

/// Fields of the transport header.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u16)]
pub(crate) enum Transport {
    /// None: another protocol, or its header was not seen.
    None = 0,
    /// Ports.
    Ports = 1,
    /// Ports, control bits, sequence number and window.
    Tcp = 2,
    /// Type and code.
    Icmp = 3,
}

/// How many VLAN tags have fields.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u16)]
pub(crate) enum VlanLevels {
    None = 0,
    Outer = 1,
    OuterAndInner = 2,
}

/// Fields of a tunnel.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct TunnelFields {
    /// IP version of the outer addresses.
    pub(crate) version: IpVersion,
    /// The standard element for the tunnel's id, where there is one.
    pub(crate) id: TunnelIdField,
}

/// Standard elements for the id of a tunnel.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u16)]
pub(crate) enum TunnelIdField {
    None = 0,
    /// `greKey` (IE 296).
    GreKey = 1,
    /// `layer2SegmentId` (IE 351).
    Layer2SegmentId = 2,
}

impl Layout {
    /// One more than the largest [`Self::number`].
    pub(crate) const COUNT: usize = NUMBERS as usize;

    /// The layout for `record`, of which both directions are told, or the forward one, or if it is
    /// `turned` the reverse one.
    #[inline]
    pub(crate) fn of(record: &FlowRecord, sides: Sides, turned: bool) -> Self {
        let told = |value: fn(&Direction) -> u32| {
            let (forward, reverse) = (value(&record.forward), value(&record.reverse));
            match sides {
                Sides::Biflow => forward | reverse,
                Sides::Uniflow | Sides::HalfBiflow if turned => reverse,
                Sides::Uniflow | Sides::HalfBiflow => forward,
            }
        };
        let ports = record.source_port != 0 || record.destination_port != 0;
        let transport = match (record.protocol, record.version) {
            // Without ports and flags no transport header was seen: only later fragments, say.
            (TCP, _) if ports || told(|direction| direction.tcp_flags.into()) != 0 => {
                Transport::Tcp
            }
            (UDP | DCCP | SCTP | UDP_LITE, _) if ports => Transport::Ports,
            (ICMP, IpVersion::V4) | (ICMPV6, IpVersion::V6) => Transport::Icmp,
            _ => Transport::None,
        };
        Self {
            version: record.version,
            sides,
            transport,
            mac: record.mac.is_some(),
            vlan_tags: match record.vlan.count {
                0 => VlanLevels::None,
                1 => VlanLevels::Outer,
                _ => VlanLevels::OuterAndInner,
            },
            mpls_labels: record.mpls.count.min(3),
            tunnel: record.tunnel.map(|tunnel| TunnelFields {
                version: tunnel.version,
                id: match (tunnel.kind, tunnel.id) {
                    (TunnelKind::Gre, Some(_)) => TunnelIdField::GreKey,
                    (TunnelKind::Vxlan | TunnelKind::Nvgre, Some(_)) => {
                        TunnelIdField::Layer2SegmentId
                    }
                    _ => TunnelIdField::None,
                },
            }),
            fragments: told(|direction| direction.fragments) != 0,
        }
    }

    /// The number of this layout, below [`Self::COUNT`].
    #[inline]
    pub(crate) fn number(self) -> u16 {
        let Self { version, sides, transport, mac, vlan_tags, mpls_labels, tunnel, fragments } =
            self;
        let tunnel = tunnel.map_or(0, |TunnelFields { version, id }| {
            1 + u16::from(version == IpVersion::V6) + 2 * id as u16
        });
        u16::from(version == IpVersion::V6)
            | (sides as u16) << 1
            | (transport as u16) << 3
            | u16::from(mac) << 5
            | (vlan_tags as u16) << 6
            | u16::from(mpls_labels & 3) << 8
            | tunnel << 10
            | u16::from(fragments) << 13
    }

    /// The ID of this layout's Template with times in `unit`, below 256 + 3 · 2^14.
    ///
    /// It differs by unit, because a Collector may keep Templates over a change of ours; what else
    /// a mapping changes is made before a Collector's first session, and not in between.
    #[inline]
    pub(crate) fn template_id(self, unit: TimeUnit) -> TemplateId {
        template_id_of(self.number(), unit)
    }

    /// This layout without the features that `mapping` has no elements for.
    #[inline]
    pub(crate) fn under(self, mapping: Mapping) -> Self {
        let layout = if mapping.withheld.is_none() { self } else { self.without(mapping.withheld) };
        if mapping.enterprise_elements || (layout.tunnel.is_none() && !layout.fragments) {
            return layout;
        }
        // The addresses of a tunnel have none but ours; its id may have.
        let tunnel = layout
            .tunnel
            .filter(|fields| fields.id != TunnelIdField::None)
            .map(|fields| TunnelFields { version: IpVersion::V4, ..fields });
        Self { tunnel, fragments: false, ..layout }
    }

    /// This layout without the features of which nothing is left.
    fn without(self, withheld: Withheld) -> Self {
        let Withheld { flow_id: _, ports, identifiers, flow_records: _ } = withheld;
        let transport = match self.transport {
            Transport::Ports if ports => Transport::None,
            transport => transport,
        };
        let tunnel = self.tunnel.map(|fields| match identifiers {
            true => TunnelFields { id: TunnelIdField::None, ..fields },
            false => fields,
        });
        Self { transport, tunnel, ..self }
    }

    /// Whether records have this layout under `mapping`.
    pub(crate) fn is_of(self, mapping: Mapping) -> bool {
        self.under(mapping) == self
            && (self.sides == Sides::Uniflow) != mapping.biflow
            && !mapping.withheld.flow_records
    }

    /// The layout with this number, if there is one.
    pub(crate) fn from_number(number: u16) -> Option<Self> {
        let version = |bit| if bit == 0 { IpVersion::V4 } else { IpVersion::V6 };
        let tunnel = match number >> 10 & 7 {
            0 => None,
            n => Some(TunnelFields {
                version: version((n - 1) % 2),
                id: match (n - 1) / 2 {
                    0 => TunnelIdField::None,
                    1 => TunnelIdField::GreKey,
                    2 => TunnelIdField::Layer2SegmentId,
                    _ => return None,
                },
            }),
        };
        (usize::from(number) < Self::COUNT).then_some(())?;
        Some(Self {
            version: version(number & 1),
            sides: match number >> 1 & 3 {
                0 => Sides::Uniflow,
                1 => Sides::HalfBiflow,
                2 => Sides::Biflow,
                _ => return None,
            },
            transport: match number >> 3 & 3 {
                0 => Transport::None,
                1 => Transport::Ports,
                2 => Transport::Tcp,
                _ => Transport::Icmp,
            },
            mac: number >> 5 & 1 == 1,
            vlan_tags: match number >> 6 & 3 {
                0 => VlanLevels::None,
                1 => VlanLevels::Outer,
                2 => VlanLevels::OuterAndInner,
                _ => return None,
            },
            mpls_labels: (number >> 8 & 3) as u8,
            tunnel,
            fragments: number >> 13 & 1 == 1,
        })
    }
}

/// The Template ID of the layout with this number, which is below [`Layout::COUNT`].
#[inline]
pub(crate) fn template_id_of(number: u16, unit: TimeUnit) -> TemplateId {
    TemplateId::new(TemplateId::FIRST + number % NUMBERS + NUMBERS * unit as u16)
        .expect("at least 256")
}

/// The number and the unit of times that [`template_id_of`] gives this ID.
pub(crate) fn number_of(id: TemplateId) -> Option<(u16, TimeUnit)> {
    let number = id.get() - TemplateId::FIRST;
    let unit = *TimeUnit::ALL.get(usize::from(number / NUMBERS))?;
    Some((number % NUMBERS, unit))
}

/// Numbers of layouts, and so the distance between the Template IDs of two units of time.
const NUMBERS: u16 = 1 << 14;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const DCCP: u8 = 33;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;
