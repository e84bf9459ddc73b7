//! What a policy comes to, element by element.
//!
//! [`SUBJECTS`] names every Information Element that a Flow Record may have, once, by what it tells
//! of. What becomes of it is [`Policy::treatment`], how that is said to a Collector (RFC 6235)
//! [`Treatment::technique`] and [`Policy::anonymization_flags`].

use std::fmt;
use std::time::Duration;

use crate::ipfix::element::InformationElement;
use crate::ipfix::exported as element;
use crate::privacy::policy::{AddressTreatment, MacTreatment, Policy, PortTreatment};

/// What an element tells of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Subject {
    /// An IP address, of a Flow or of the tunnel around it.
    Address,
    /// A MAC address.
    MacAddress,
    /// A port.
    Port,
    /// A time.
    Time,
    /// Which Flow a record is of.
    FlowId,
    /// A number that was drawn for one communication or one subscriber. It is in packets and in what
    /// others keep of them, and finds a Flow there whatever it is called here.
    Identifier,
    /// How much, how, and where in the network: no person by itself.
    Measure,
}

/// What becomes of an element.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Treatment {
    /// It leaves as it was metered.
    AsIs,
    /// Addresses have pseudonyms that keep prefixes; classes stay recognisable.
    Pseudonym,
    /// Of addresses the prefix is left.
    Prefix,
    /// Addresses of own networks are treated in one way, all others in another.
    ByNetwork {
        /// Those of own networks.
        own: AddressTreatment,
        /// All others.
        others: AddressTreatment,
    },
    /// Of MAC addresses the vendor is left.
    Vendor,
    /// Ports of services are left, others are 0.
    Services,
    /// A multiple of a step is left of a time.
    Steps(Duration),
    /// Another number, one for each.
    Permuted,
    /// It is that of a class of Flows, in a table of classes.
    Class,
    /// Of addresses the network is left, of those that the operator gave.
    Network,
    /// A sum over Flows.
    Sum,
    /// No record has it.
    Withheld,
}

/// Every element of Flow Records, by subject.
pub const SUBJECTS: &[(Subject, &[InformationElement])] = &[
    (
        Subject::Address,
        &[
            element::SOURCE_IPV4_ADDRESS,
            element::DESTINATION_IPV4_ADDRESS,
            element::SOURCE_IPV6_ADDRESS,
            element::DESTINATION_IPV6_ADDRESS,
            element::FLOWTAP_TUNNEL_SOURCE_IPV4_ADDRESS,
            element::FLOWTAP_TUNNEL_DESTINATION_IPV4_ADDRESS,
            element::FLOWTAP_TUNNEL_SOURCE_IPV6_ADDRESS,
            element::FLOWTAP_TUNNEL_DESTINATION_IPV6_ADDRESS,
        ],
    ),
    (Subject::MacAddress, &[element::SOURCE_MAC_ADDRESS, element::DESTINATION_MAC_ADDRESS]),
    (Subject::Port, &[element::SOURCE_TRANSPORT_PORT, element::DESTINATION_TRANSPORT_PORT]),
    (
        Subject::Time,
        &[
            element::FLOW_START_MILLISECONDS,
            element::FLOW_END_MILLISECONDS,
            element::FLOW_START_MICROSECONDS,
            element::FLOW_END_MICROSECONDS,
            element::FLOW_START_NANOSECONDS,
            element::FLOW_END_NANOSECONDS,
            element::REVERSE_FLOW_START_MILLISECONDS,
            element::REVERSE_FLOW_END_MILLISECONDS,
            element::REVERSE_FLOW_START_MICROSECONDS,
            element::REVERSE_FLOW_END_MICROSECONDS,
            element::REVERSE_FLOW_START_NANOSECONDS,
            element::REVERSE_FLOW_END_NANOSECONDS,
        ],
    ),
    (Subject::FlowId, &[element::FLOW_ID]),
    (
        Subject::Identifier,
        &[
            element::TCP_SEQUENCE_NUMBER,
            element::REVERSE_TCP_SEQUENCE_NUMBER,
            element::FLOW_LABEL_IPV6,
            element::REVERSE_FLOW_LABEL_IPV6,
            element::FLOWTAP_TUNNEL_ID,
            element::GRE_KEY,
            element::LAYER2_SEGMENT_ID,
        ],
    ),
    (
        Subject::Measure,
        &[
            element::PROTOCOL_IDENTIFIER,
            element::IP_VERSION,
            element::INGRESS_INTERFACE,
            element::FLOW_END_REASON,
            element::BIFLOW_DIRECTION,
            element::VLAN_ID,
            element::DOT1Q_VLAN_ID,
            element::DOT1Q_PRIORITY,
            element::DOT1Q_CUSTOMER_VLAN_ID,
            element::DOT1Q_CUSTOMER_PRIORITY,
            element::MPLS_TOP_LABEL_STACK_SECTION,
            element::MPLS_LABEL_STACK_SECTION2,
            element::MPLS_LABEL_STACK_SECTION3,
            element::FLOWTAP_TUNNEL_TYPE,
            element::OCTET_DELTA_COUNT,
            element::REVERSE_OCTET_DELTA_COUNT,
            element::PACKET_DELTA_COUNT,
            element::REVERSE_PACKET_DELTA_COUNT,
            element::MINIMUM_IP_TOTAL_LENGTH,
            element::REVERSE_MINIMUM_IP_TOTAL_LENGTH,
            element::MAXIMUM_IP_TOTAL_LENGTH,
            element::REVERSE_MAXIMUM_IP_TOTAL_LENGTH,
            element::MINIMUM_TTL,
            element::REVERSE_MINIMUM_TTL,
            element::MAXIMUM_TTL,
            element::REVERSE_MAXIMUM_TTL,
            element::IP_CLASS_OF_SERVICE,
            element::REVERSE_IP_CLASS_OF_SERVICE,
            element::TCP_CONTROL_BITS,
            element::REVERSE_TCP_CONTROL_BITS,
            element::TCP_WINDOW_SIZE,
            element::REVERSE_TCP_WINDOW_SIZE,
            element::ICMP_TYPE_CODE_IPV4,
            element::REVERSE_ICMP_TYPE_CODE_IPV4,
            element::ICMP_TYPE_CODE_IPV6,
            element::REVERSE_ICMP_TYPE_CODE_IPV6,
            element::FLOWTAP_FRAGMENT_DELTA_COUNT,
            element::REVERSE_FLOWTAP_FRAGMENT_DELTA_COUNT,
        ],
    ),
];

/// Every element of Aggregated Flows, where no Flow Record leaves, and what it is. Times are those of
/// the interval, and not here.
pub const AGGREGATED: &[(Treatment, &[InformationElement])] = &[
    (
        Treatment::AsIs,
        &[
            element::INGRESS_INTERFACE,
            element::IP_VERSION,
            element::PROTOCOL_IDENTIFIER,
            element::BIFLOW_DIRECTION,
        ],
    ),
    (
        Treatment::Network,
        &[
            element::SOURCE_IPV4_PREFIX,
            element::SOURCE_IPV4_PREFIX_LENGTH,
            element::DESTINATION_IPV4_PREFIX,
            element::DESTINATION_IPV4_PREFIX_LENGTH,
            element::SOURCE_IPV6_PREFIX,
            element::SOURCE_IPV6_PREFIX_LENGTH,
            element::DESTINATION_IPV6_PREFIX,
            element::DESTINATION_IPV6_PREFIX_LENGTH,
        ],
    ),
    (
        Treatment::Class,
        &[element::PORT_RANGE_START, element::PORT_RANGE_END, element::FLOWTAP_PACKET_SIZE_CLASS],
    ),
    (
        Treatment::Sum,
        &[
            element::OCTET_DELTA_COUNT,
            element::PACKET_DELTA_COUNT,
            element::DELTA_FLOW_COUNT,
            element::ORIGINAL_FLOWS_PRESENT,
        ],
    ),
];

/// What `element` tells of; `None` if no Flow Record has it.
pub fn subject(element: &InformationElement) -> Option<Subject> {
    let mut subjects = SUBJECTS.iter();
    subjects.find(|(_, elements)| elements.contains(element)).map(|&(subject, _)| subject)
}

impl Policy {
    /// What becomes of elements that tell of `subject`.
    pub fn treatment(&self, subject: Subject) -> Treatment {
        if self.is_as_is() {
            return Treatment::AsIs;
        }
        if self.is_statistical() {
            return Treatment::Withheld;
        }
        match subject {
            Subject::Address => self.address_treatment(),
            Subject::MacAddress => match self.macs {
                MacTreatment::AsIs => Treatment::AsIs,
                MacTreatment::Vendor => Treatment::Vendor,
                MacTreatment::Drop => Treatment::Withheld,
            },
            Subject::Port => match self.ports {
                PortTreatment::AsIs => Treatment::AsIs,
                PortTreatment::Service => Treatment::Services,
                PortTreatment::Drop => Treatment::Withheld,
            },
            Subject::Time => self.time_step.map_or(Treatment::AsIs, Treatment::Steps),
            Subject::FlowId if self.withheld().flow_id => Treatment::Withheld,
            Subject::FlowId => Treatment::Permuted,
            Subject::Identifier => Treatment::Withheld,
            Subject::Measure => Treatment::AsIs,
        }
    }

    /// What `element` of an Aggregated Flow is under this policy; `None` if none has it.
    pub fn aggregated(&self, element: &InformationElement) -> Option<Treatment> {
        if subject(element) == Some(Subject::Time) {
            return Some(Treatment::Steps(self.aggregation.interval));
        }
        let mut all = AGGREGATED.iter();
        all.find(|(_, elements)| elements.contains(element)).map(|&(treatment, _)| treatment)
    }

    fn address_treatment(&self) -> Treatment {
        let (own, others) = (self.own.addresses, self.addresses);
        if !self.own.networks.is_empty() && own != others {
            return Treatment::ByNetwork { own, others };
        }
        match others {
            AddressTreatment::AsIs => Treatment::AsIs,
            AddressTreatment::Pseudonym => Treatment::Pseudonym,
            AddressTreatment::Prefix => Treatment::Prefix,
        }
    }

    /// Every element of Flow Records and what becomes of it, in the order of [`SUBJECTS`].
    pub fn elements(&self) -> impl Iterator<Item = (&'static InformationElement, Treatment)> {
        SUBJECTS.iter().flat_map(|&(subject, elements)| {
            let treatment = self.treatment(subject);
            elements.iter().map(move |element| (element, treatment))
        })
    }

    /// `anonymizationFlags` (IE 285) of what has this treatment: its Stability Class (RFC 6235
    /// §5.1), and no other bit.
    ///
    /// With rotation nothing is promised: a Transport Session may be longer than a period; nor with a
    /// key in memory: what an earlier run left in the spool may be in the same session. Otherwise
    /// pseudonyms hold over sessions and restarts for this Collector; whether another one has the
    /// same key is not for it to know. What needs no key is the same everywhere.
    pub fn anonymization_flags(&self, treatment: Treatment) -> u16 {
        if !treatment.has_pseudonyms() {
            STABLE
        } else if self.rotation.is_some() || self.key_file.is_none() {
            UNDEFINED
        } else {
            EXPORTER_COLLECTOR_PAIR
        }
    }
}

impl Treatment {
    /// `anonymizationTechnique` (IE 286, RFC 6235 §6.2); `None` for what is as it was, or not there.
    pub fn technique(self) -> Option<u16> {
        match self {
            Self::AsIs | Self::Sum | Self::Withheld => None,
            Self::Pseudonym => Some(STRUCTURED_PERMUTATION),
            Self::Prefix | Self::Network | Self::Vendor | Self::Steps(_) => {
                Some(PRECISION_DEGRADATION)
            }
            Self::Services | Self::Class => Some(BINNING),
            Self::Permuted => Some(PERMUTATION),
            // There is one number for an element. Where some addresses are true, it is that of the
            // others: a Collector must not take those for true.
            Self::ByNetwork { own, others } => Some(match (technique(own), technique(others)) {
                (None, Some(technique)) | (Some(technique), None) => technique,
                (Some(one), Some(other)) if one == other => one,
                _ => UNDEFINED_TECHNIQUE,
            }),
        }
    }

    /// Whether it takes a key.
    const fn has_pseudonyms(self) -> bool {
        match self {
            Self::Pseudonym | Self::Permuted => true,
            Self::ByNetwork { own, others } => {
                matches!(own, AddressTreatment::Pseudonym)
                    || matches!(others, AddressTreatment::Pseudonym)
            }
            _ => false,
        }
    }
}

const fn technique(treatment: AddressTreatment) -> Option<u16> {
    match treatment {
        AddressTreatment::AsIs => None,
        AddressTreatment::Pseudonym => Some(STRUCTURED_PERMUTATION),
        AddressTreatment::Prefix => Some(PRECISION_DEGRADATION),
    }
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsIs => f.write_str("as it is"),
            Self::Pseudonym => f.write_str("pseudonym that keeps prefixes"),
            Self::Prefix => f.write_str("prefix"),
            Self::ByNetwork { own, others } => {
                write!(f, "own networks {own}, others {others}")
            }
            Self::Vendor => f.write_str("vendor"),
            Self::Services => f.write_str("services, 0 for others"),
            Self::Steps(step) => write!(f, "steps of {}", humantime::format_duration(*step)),
            Self::Permuted => f.write_str("another number"),
            Self::Class => f.write_str("class"),
            Self::Network => f.write_str("configured networks, all zero for others"),
            Self::Sum => f.write_str("sum over flows"),
            Self::Withheld => f.write_str("withheld"),
        }
    }
}

// IANA "IPFIX anonymizationTechnique" (RFC 6235 §6.2).
const UNDEFINED_TECHNIQUE: u16 = 0;
const PRECISION_DEGRADATION: u16 = 2;
const BINNING: u16 = 3;
const PERMUTATION: u16 = 5;
const STRUCTURED_PERMUTATION: u16 = 6;

// Stability Classes, the lowest two bits of `anonymizationFlags` (RFC 6235 §5.1).
const UNDEFINED: u16 = 0;
const EXPORTER_COLLECTOR_PAIR: u16 = 2;
const STABLE: u16 = 3;
