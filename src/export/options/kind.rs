//! The Options Templates: one for each kind of record, always under the same ID.

use std::sync::Arc;

use crate::ipfix::element::{DataType, InformationElement};
use crate::ipfix::exported as element;
use crate::ipfix::template::{FieldSpecifier, Template, TemplateId, VARIABLE_LENGTH};

/// A kind of options record. Its number never changes: a Collector that kept Templates over our
/// restart still reads our records right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u16)]
pub(super) enum Kind {
    /// RFC 7011 §4.1.
    MeteringStatistics = 0,
    /// RFC 7011 §4.2.
    MeteringReliability = 1,
    /// RFC 7011 §4.3.
    ExportingReliability = 2,
    /// RFC 7011 §4.4.
    FlowKeys = 3,
    /// Name and description of an Observation Point.
    Interface = 4,
    /// Timeouts of the Flow Cache, of a replay.
    Timeouts = 5,
    /// Timeouts of the Flow Cache, and when metering began.
    TimeoutsAndStart = 6,
    /// RFC 5103 §6.3: how source and destination are told apart.
    BiflowMethod = 7,
    /// RFC 5610 §3: type of an element of our own.
    ElementType = 8,
    /// The same of an element that does not have all values of its type.
    ElementTypeAndRange = 9,
    /// RFC 5476 §6.5.2: how packets are selected.
    Selector = 10,
    /// The same for Collectors that know only the elements of NetFlow v9.
    LegacySampling = 11,
    /// Description of an Observation Point, for Collectors that do not look into scopes.
    DomainInterface = 12,
    /// RFC 6235 §6.1: what became of a field under a privacy policy.
    Anonymization = 13,
    /// RFC 5476 §6.5.3: how many packets a filter was asked of, and how many it took.
    SelectionStatistics = 14,
    /// RFC 7015 §6.4: how counters of Flows were spread over intervals.
    ValueDistribution = 15,
}

impl Kind {
    pub(super) const ALL: [Self; 16] = [
        Self::MeteringStatistics,
        Self::MeteringReliability,
        Self::ExportingReliability,
        Self::FlowKeys,
        Self::Interface,
        Self::Timeouts,
        Self::TimeoutsAndStart,
        Self::BiflowMethod,
        Self::ElementType,
        Self::ElementTypeAndRange,
        Self::Selector,
        Self::LegacySampling,
        Self::DomainInterface,
        Self::Anonymization,
        Self::SelectionStatistics,
        Self::ValueDistribution,
    ];

    fn id(self) -> TemplateId {
        TemplateId::new(FIRST_ID + self as u16).expect("far above 256")
    }

    /// Scope fields, then the others.
    ///
    /// Every field has the size of its type: pmacct takes sampling only so, and no value can ever
    /// be too large. The names of interfaces have a fixed length, because nfdump refuses an Options
    /// Template that goes on behind a field of variable length. Those of elements have not: what
    /// stands on libfixbuf 2.4 dies of a fixed one, and learns the element only if name and
    /// description are both there.
    fn fields(self) -> (Vec<FieldSpecifier>, Vec<FieldSpecifier>) {
        let (scope, rest) = self.elements();
        (scope.iter().map(specifier).collect(), rest.iter().map(specifier).collect())
    }

    const fn elements(self) -> (&'static [InformationElement], &'static [InformationElement]) {
        match self {
            Self::MeteringStatistics => (
                &[element::OBSERVATION_DOMAIN_ID, element::METERING_PROCESS_ID],
                &[
                    element::EXPORTED_MESSAGE_TOTAL_COUNT,
                    element::EXPORTED_FLOW_RECORD_TOTAL_COUNT,
                    element::EXPORTED_OCTET_TOTAL_COUNT,
                ],
            ),
            // The same element twice: the first packet, then the last.
            Self::MeteringReliability => (
                &[element::OBSERVATION_DOMAIN_ID, element::METERING_PROCESS_ID],
                &[
                    element::IGNORED_PACKET_TOTAL_COUNT,
                    element::IGNORED_OCTET_TOTAL_COUNT,
                    element::OBSERVATION_TIME_MILLISECONDS,
                    element::OBSERVATION_TIME_MILLISECONDS,
                ],
            ),
            // Not scoped by an address of ours: pmacct takes exporterIPv4Address (IE 130) in
            // whatever options record as the origin of all Flows that follow.
            Self::ExportingReliability => (
                &[element::EXPORTING_PROCESS_ID],
                &[
                    element::NOT_SENT_FLOW_TOTAL_COUNT,
                    element::NOT_SENT_PACKET_TOTAL_COUNT,
                    element::NOT_SENT_OCTET_TOTAL_COUNT,
                    element::OBSERVATION_TIME_MILLISECONDS,
                    element::OBSERVATION_TIME_MILLISECONDS,
                ],
            ),
            Self::FlowKeys => (&[element::TEMPLATE_ID], &[element::FLOW_KEY_INDICATOR]),
            // pmacct reads the name only, nfdump the description only.
            Self::Interface => (
                &[element::INGRESS_INTERFACE],
                &[element::INTERFACE_NAME, element::INTERFACE_DESCRIPTION],
            ),
            Self::Timeouts => (
                &[element::OBSERVATION_DOMAIN_ID, element::METERING_PROCESS_ID],
                &[element::FLOW_ACTIVE_TIMEOUT, element::FLOW_IDLE_TIMEOUT],
            ),
            Self::TimeoutsAndStart => (
                &[element::OBSERVATION_DOMAIN_ID, element::METERING_PROCESS_ID],
                &[
                    element::FLOW_ACTIVE_TIMEOUT,
                    element::FLOW_IDLE_TIMEOUT,
                    element::SYSTEM_INIT_TIME_MILLISECONDS,
                ],
            ),
            Self::BiflowMethod => (&[element::EXPORTING_PROCESS_ID], &[element::BIFLOW_DIRECTION]),
            Self::ElementType => (
                &[element::INFORMATION_ELEMENT_ID, element::PRIVATE_ENTERPRISE_NUMBER],
                &[
                    element::INFORMATION_ELEMENT_DATA_TYPE,
                    element::INFORMATION_ELEMENT_SEMANTICS,
                    element::INFORMATION_ELEMENT_UNITS,
                    element::INFORMATION_ELEMENT_NAME,
                    element::INFORMATION_ELEMENT_DESCRIPTION,
                ],
            ),
            Self::ElementTypeAndRange => (
                &[element::INFORMATION_ELEMENT_ID, element::PRIVATE_ENTERPRISE_NUMBER],
                &[
                    element::INFORMATION_ELEMENT_DATA_TYPE,
                    element::INFORMATION_ELEMENT_SEMANTICS,
                    element::INFORMATION_ELEMENT_UNITS,
                    element::INFORMATION_ELEMENT_RANGE_BEGIN,
                    element::INFORMATION_ELEMENT_RANGE_END,
                    element::INFORMATION_ELEMENT_NAME,
                    element::INFORMATION_ELEMENT_DESCRIPTION,
                ],
            ),
            Self::Selector => (
                &[element::SELECTOR_ID],
                &[
                    element::SELECTOR_ALGORITHM,
                    element::SAMPLING_PACKET_INTERVAL,
                    element::SAMPLING_PACKET_SPACE,
                ],
            ),
            Self::LegacySampling => (
                &[element::OBSERVATION_DOMAIN_ID],
                &[element::SAMPLING_INTERVAL, element::SAMPLING_ALGORITHM],
            ),
            Self::DomainInterface => (
                &[element::OBSERVATION_DOMAIN_ID],
                &[element::INGRESS_INTERFACE, element::INTERFACE_DESCRIPTION],
            ),
            Self::Anonymization => (
                &[
                    element::TEMPLATE_ID,
                    element::INFORMATION_ELEMENT_ID,
                    element::PRIVATE_ENTERPRISE_NUMBER,
                    element::INFORMATION_ELEMENT_INDEX,
                ],
                &[element::ANONYMIZATION_FLAGS, element::ANONYMIZATION_TECHNIQUE],
            ),
            Self::SelectionStatistics => (
                &[element::SELECTION_SEQUENCE_ID],
                &[
                    element::SELECTOR_ID_TOTAL_PKTS_OBSERVED,
                    element::SELECTOR_ID_TOTAL_PKTS_SELECTED,
                ],
            ),
            Self::ValueDistribution => {
                (&[element::TEMPLATE_ID], &[element::VALUE_DISTRIBUTION_METHOD])
            }
        }
    }
}

/// The Options Template of every kind, made once.
#[derive(Clone, Debug)]
pub(super) struct OptionsTemplates([Arc<Template>; Kind::ALL.len()]);

impl OptionsTemplates {
    pub(super) fn new() -> Self {
        Self(Kind::ALL.map(|kind| {
            let (scope, mut fields) = kind.fields();
            let scope_field_count = u16::try_from(scope.len()).expect("four at most");
            fields.splice(0..0, scope);
            let template = Template::options(kind.id(), scope_field_count, fields);
            Arc::new(template.expect("a test makes the template of every kind"))
        }))
    }

    pub(super) fn of(&self, kind: Kind) -> &Arc<Template> {
        let Self(templates) = self;
        templates.get(kind as usize).expect("there is one for every kind, in their order")
    }
}

const fn specifier(element: &InformationElement) -> FieldSpecifier {
    let length = match element.data_type {
        DataType::Unsigned8 => 1,
        DataType::Unsigned16 => 2,
        DataType::Unsigned32 => 4,
        DataType::Unsigned64 | DataType::DateTimeMilliseconds => 8,
        _ => text_length(element),
    };
    FieldSpecifier { element: *element, length }
}

const fn text_length(element: &InformationElement) -> u16 {
    match element.id {
        id if id == element::INTERFACE_NAME.id => INTERFACE_NAME_LENGTH,
        id if id == element::INTERFACE_DESCRIPTION.id => INTERFACE_DESCRIPTION_LENGTH,
        _ => VARIABLE_LENGTH,
    }
}

/// Room for any name of an interface on Linux (15 octets) and for what other systems call theirs.
const INTERFACE_NAME_LENGTH: u16 = 32;
const INTERFACE_DESCRIPTION_LENGTH: u16 = 64;

/// Kinds are counted from here; Templates for Flow Records stay far below.
const FIRST_ID: u16 = 65_000;
