//! The Information Elements that we export.
//!
//! Names, numbers and types are those of the IANA registry; a reverse element (RFC 5103 §6.1) is
//! its forward one under [`REVERSE_ENTERPRISE`], and its name that of the forward one behind
//! `reverse`.

use crate::ipfix::element::{DataType, InformationElement, REVERSE_ENTERPRISE};

/// Private Enterprise Number of our own elements.
///
/// 32473 is the number for documentation (RFC 5612), to be replaced once the project has one.
pub const FLOWTAP_ENTERPRISE: u32 = 32473;

/// In our own number space a set bit marks the reverse element (RFC 5103 §6.2).
pub const FLOWTAP_REVERSE_BIT: u16 = 0x4000;

macro_rules! elements {
    ($($constant:ident = $id:literal $name:literal $data_type:ident
        $(, reverse $reverse:ident $reverse_name:literal)?;)*) => {
        $(
            #[doc = concat!("`", $name, "` (IE ", $id, ").")]
            pub const $constant: InformationElement = InformationElement {
                enterprise: 0,
                id: $id,
                name: $name,
                data_type: DataType::$data_type,
            };
            $(
                #[doc = concat!("`", $reverse_name, "` (IE 29305/", $id, ").")]
                pub const $reverse: InformationElement = InformationElement {
                    enterprise: REVERSE_ENTERPRISE,
                    name: $reverse_name,
                    ..$constant
                };
            )?
        )*

        /// Every IANA element that we export, the reverse ones included.
        pub const IANA_ELEMENTS: &[InformationElement] = &[$($constant, $($reverse,)?)*];
    };
}

elements! {
    OCTET_DELTA_COUNT = 1 "octetDeltaCount" Unsigned64,
        reverse REVERSE_OCTET_DELTA_COUNT "reverseOctetDeltaCount";
    PACKET_DELTA_COUNT = 2 "packetDeltaCount" Unsigned64,
        reverse REVERSE_PACKET_DELTA_COUNT "reversePacketDeltaCount";
    DELTA_FLOW_COUNT = 3 "deltaFlowCount" Unsigned64;
    PROTOCOL_IDENTIFIER = 4 "protocolIdentifier" Unsigned8;
    IP_CLASS_OF_SERVICE = 5 "ipClassOfService" Unsigned8,
        reverse REVERSE_IP_CLASS_OF_SERVICE "reverseIpClassOfService";
    TCP_CONTROL_BITS = 6 "tcpControlBits" Unsigned16,
        reverse REVERSE_TCP_CONTROL_BITS "reverseTcpControlBits";
    SOURCE_TRANSPORT_PORT = 7 "sourceTransportPort" Unsigned16;
    SOURCE_IPV4_ADDRESS = 8 "sourceIPv4Address" Ipv4Address;
    SOURCE_IPV4_PREFIX_LENGTH = 9 "sourceIPv4PrefixLength" Unsigned8;
    INGRESS_INTERFACE = 10 "ingressInterface" Unsigned32;
    DESTINATION_TRANSPORT_PORT = 11 "destinationTransportPort" Unsigned16;
    DESTINATION_IPV4_ADDRESS = 12 "destinationIPv4Address" Ipv4Address;
    DESTINATION_IPV4_PREFIX_LENGTH = 13 "destinationIPv4PrefixLength" Unsigned8;
    MINIMUM_IP_TOTAL_LENGTH = 25 "minimumIpTotalLength" Unsigned64,
        reverse REVERSE_MINIMUM_IP_TOTAL_LENGTH "reverseMinimumIpTotalLength";
    MAXIMUM_IP_TOTAL_LENGTH = 26 "maximumIpTotalLength" Unsigned64,
        reverse REVERSE_MAXIMUM_IP_TOTAL_LENGTH "reverseMaximumIpTotalLength";
    SOURCE_IPV6_ADDRESS = 27 "sourceIPv6Address" Ipv6Address;
    DESTINATION_IPV6_ADDRESS = 28 "destinationIPv6Address" Ipv6Address;
    SOURCE_IPV6_PREFIX_LENGTH = 29 "sourceIPv6PrefixLength" Unsigned8;
    DESTINATION_IPV6_PREFIX_LENGTH = 30 "destinationIPv6PrefixLength" Unsigned8;
    FLOW_LABEL_IPV6 = 31 "flowLabelIPv6" Unsigned32,
        reverse REVERSE_FLOW_LABEL_IPV6 "reverseFlowLabelIPv6";
    ICMP_TYPE_CODE_IPV4 = 32 "icmpTypeCodeIPv4" Unsigned16,
        reverse REVERSE_ICMP_TYPE_CODE_IPV4 "reverseIcmpTypeCodeIPv4";
    SAMPLING_INTERVAL = 34 "samplingInterval" Unsigned32;
    SAMPLING_ALGORITHM = 35 "samplingAlgorithm" Unsigned8;
    FLOW_ACTIVE_TIMEOUT = 36 "flowActiveTimeout" Unsigned16;
    FLOW_IDLE_TIMEOUT = 37 "flowIdleTimeout" Unsigned16;
    EXPORTED_OCTET_TOTAL_COUNT = 40 "exportedOctetTotalCount" Unsigned64;
    EXPORTED_MESSAGE_TOTAL_COUNT = 41 "exportedMessageTotalCount" Unsigned64;
    EXPORTED_FLOW_RECORD_TOTAL_COUNT = 42 "exportedFlowRecordTotalCount" Unsigned64;
    SOURCE_IPV4_PREFIX = 44 "sourceIPv4Prefix" Ipv4Address;
    DESTINATION_IPV4_PREFIX = 45 "destinationIPv4Prefix" Ipv4Address;
    MINIMUM_TTL = 52 "minimumTTL" Unsigned8,
        reverse REVERSE_MINIMUM_TTL "reverseMinimumTTL";
    MAXIMUM_TTL = 53 "maximumTTL" Unsigned8,
        reverse REVERSE_MAXIMUM_TTL "reverseMaximumTTL";
    SOURCE_MAC_ADDRESS = 56 "sourceMacAddress" MacAddress;
    VLAN_ID = 58 "vlanId" Unsigned16;
    IP_VERSION = 60 "ipVersion" Unsigned8;
    MPLS_TOP_LABEL_STACK_SECTION = 70 "mplsTopLabelStackSection" OctetArray;
    MPLS_LABEL_STACK_SECTION2 = 71 "mplsLabelStackSection2" OctetArray;
    MPLS_LABEL_STACK_SECTION3 = 72 "mplsLabelStackSection3" OctetArray;
    DESTINATION_MAC_ADDRESS = 80 "destinationMacAddress" MacAddress;
    INTERFACE_NAME = 82 "interfaceName" String;
    INTERFACE_DESCRIPTION = 83 "interfaceDescription" String;
    EXPORTER_IPV4_ADDRESS = 130 "exporterIPv4Address" Ipv4Address;
    EXPORTER_IPV6_ADDRESS = 131 "exporterIPv6Address" Ipv6Address;
    FLOW_END_REASON = 136 "flowEndReason" Unsigned8;
    OBSERVATION_POINT_ID = 138 "observationPointId" Unsigned64;
    ICMP_TYPE_CODE_IPV6 = 139 "icmpTypeCodeIPv6" Unsigned16,
        reverse REVERSE_ICMP_TYPE_CODE_IPV6 "reverseIcmpTypeCodeIPv6";
    METERING_PROCESS_ID = 143 "meteringProcessId" Unsigned32;
    EXPORTING_PROCESS_ID = 144 "exportingProcessId" Unsigned32;
    TEMPLATE_ID = 145 "templateId" Unsigned16;
    FLOW_ID = 148 "flowId" Unsigned64;
    OBSERVATION_DOMAIN_ID = 149 "observationDomainId" Unsigned32;
    FLOW_START_MILLISECONDS = 152 "flowStartMilliseconds" DateTimeMilliseconds,
        reverse REVERSE_FLOW_START_MILLISECONDS "reverseFlowStartMilliseconds";
    FLOW_END_MILLISECONDS = 153 "flowEndMilliseconds" DateTimeMilliseconds,
        reverse REVERSE_FLOW_END_MILLISECONDS "reverseFlowEndMilliseconds";
    FLOW_START_MICROSECONDS = 154 "flowStartMicroseconds" DateTimeMicroseconds,
        reverse REVERSE_FLOW_START_MICROSECONDS "reverseFlowStartMicroseconds";
    FLOW_END_MICROSECONDS = 155 "flowEndMicroseconds" DateTimeMicroseconds,
        reverse REVERSE_FLOW_END_MICROSECONDS "reverseFlowEndMicroseconds";
    FLOW_START_NANOSECONDS = 156 "flowStartNanoseconds" DateTimeNanoseconds,
        reverse REVERSE_FLOW_START_NANOSECONDS "reverseFlowStartNanoseconds";
    FLOW_END_NANOSECONDS = 157 "flowEndNanoseconds" DateTimeNanoseconds,
        reverse REVERSE_FLOW_END_NANOSECONDS "reverseFlowEndNanoseconds";
    SYSTEM_INIT_TIME_MILLISECONDS = 160 "systemInitTimeMilliseconds" DateTimeMilliseconds;
    IGNORED_PACKET_TOTAL_COUNT = 164 "ignoredPacketTotalCount" Unsigned64;
    IGNORED_OCTET_TOTAL_COUNT = 165 "ignoredOctetTotalCount" Unsigned64;
    NOT_SENT_FLOW_TOTAL_COUNT = 166 "notSentFlowTotalCount" Unsigned64;
    NOT_SENT_PACKET_TOTAL_COUNT = 167 "notSentPacketTotalCount" Unsigned64;
    NOT_SENT_OCTET_TOTAL_COUNT = 168 "notSentOctetTotalCount" Unsigned64;
    DESTINATION_IPV6_PREFIX = 169 "destinationIPv6Prefix" Ipv6Address;
    SOURCE_IPV6_PREFIX = 170 "sourceIPv6Prefix" Ipv6Address;
    FLOW_KEY_INDICATOR = 173 "flowKeyIndicator" Unsigned64;
    TCP_SEQUENCE_NUMBER = 184 "tcpSequenceNumber" Unsigned32,
        reverse REVERSE_TCP_SEQUENCE_NUMBER "reverseTcpSequenceNumber";
    TCP_WINDOW_SIZE = 186 "tcpWindowSize" Unsigned16,
        reverse REVERSE_TCP_WINDOW_SIZE "reverseTcpWindowSize";
    FRAGMENT_FLAGS = 197 "fragmentFlags" Unsigned8,
        reverse REVERSE_FRAGMENT_FLAGS "reverseFragmentFlags";
    COLLECTOR_IPV4_ADDRESS = 211 "collectorIPv4Address" Ipv4Address;
    COLLECTOR_IPV6_ADDRESS = 212 "collectorIPv6Address" Ipv6Address;
    EXPORT_PROTOCOL_VERSION = 214 "exportProtocolVersion" Unsigned8;
    EXPORT_TRANSPORT_PROTOCOL = 215 "exportTransportProtocol" Unsigned8;
    COLLECTOR_TRANSPORT_PORT = 216 "collectorTransportPort" Unsigned16;
    EXPORTER_TRANSPORT_PORT = 217 "exporterTransportPort" Unsigned16;
    BIFLOW_DIRECTION = 239 "biflowDirection" Unsigned8;
    DOT1Q_VLAN_ID = 243 "dot1qVlanId" Unsigned16;
    DOT1Q_PRIORITY = 244 "dot1qPriority" Unsigned8;
    DOT1Q_CUSTOMER_VLAN_ID = 245 "dot1qCustomerVlanId" Unsigned16;
    DOT1Q_CUSTOMER_PRIORITY = 246 "dot1qCustomerPriority" Unsigned8;
    MAX_EXPORT_SECONDS = 260 "maxExportSeconds" DateTimeSeconds;
    MAX_FLOW_END_SECONDS = 261 "maxFlowEndSeconds" DateTimeSeconds;
    MESSAGE_MD5_CHECKSUM = 262 "messageMD5Checksum" OctetArray;
    MESSAGE_SCOPE = 263 "messageScope" Unsigned8;
    MIN_EXPORT_SECONDS = 264 "minExportSeconds" DateTimeSeconds;
    MIN_FLOW_START_SECONDS = 265 "minFlowStartSeconds" DateTimeSeconds;
    SESSION_SCOPE = 267 "sessionScope" Unsigned8;
    MAX_FLOW_END_MICROSECONDS = 268 "maxFlowEndMicroseconds" DateTimeMicroseconds;
    MAX_FLOW_END_MILLISECONDS = 269 "maxFlowEndMilliseconds" DateTimeMilliseconds;
    MAX_FLOW_END_NANOSECONDS = 270 "maxFlowEndNanoseconds" DateTimeNanoseconds;
    MIN_FLOW_START_MICROSECONDS = 271 "minFlowStartMicroseconds" DateTimeMicroseconds;
    MIN_FLOW_START_MILLISECONDS = 272 "minFlowStartMilliseconds" DateTimeMilliseconds;
    MIN_FLOW_START_NANOSECONDS = 273 "minFlowStartNanoseconds" DateTimeNanoseconds;
    ANONYMIZATION_FLAGS = 285 "anonymizationFlags" Unsigned16;
    ANONYMIZATION_TECHNIQUE = 286 "anonymizationTechnique" Unsigned16;
    INFORMATION_ELEMENT_INDEX = 287 "informationElementIndex" Unsigned16;
    GRE_KEY = 296 "greKey" Unsigned32;
    OBSERVATION_DOMAIN_NAME = 300 "observationDomainName" String;
    SELECTION_SEQUENCE_ID = 301 "selectionSequenceId" Unsigned64;
    SELECTOR_ID = 302 "selectorId" Unsigned64;
    INFORMATION_ELEMENT_ID = 303 "informationElementId" Unsigned16;
    SELECTOR_ALGORITHM = 304 "selectorAlgorithm" Unsigned16;
    SAMPLING_PACKET_INTERVAL = 305 "samplingPacketInterval" Unsigned32;
    SAMPLING_PACKET_SPACE = 306 "samplingPacketSpace" Unsigned32;
    SELECTOR_ID_TOTAL_PKTS_OBSERVED = 318 "selectorIdTotalPktsObserved" Unsigned64;
    SELECTOR_ID_TOTAL_PKTS_SELECTED = 319 "selectorIdTotalPktsSelected" Unsigned64;
    OBSERVATION_TIME_SECONDS = 322 "observationTimeSeconds" DateTimeSeconds;
    OBSERVATION_TIME_MILLISECONDS = 323 "observationTimeMilliseconds" DateTimeMilliseconds;
    OBSERVATION_TIME_MICROSECONDS = 324 "observationTimeMicroseconds" DateTimeMicroseconds;
    OBSERVATION_TIME_NANOSECONDS = 325 "observationTimeNanoseconds" DateTimeNanoseconds;
    INFORMATION_ELEMENT_DATA_TYPE = 339 "informationElementDataType" Unsigned8;
    INFORMATION_ELEMENT_DESCRIPTION = 340 "informationElementDescription" String;
    INFORMATION_ELEMENT_NAME = 341 "informationElementName" String;
    INFORMATION_ELEMENT_RANGE_BEGIN = 342 "informationElementRangeBegin" Unsigned64;
    INFORMATION_ELEMENT_RANGE_END = 343 "informationElementRangeEnd" Unsigned64;
    INFORMATION_ELEMENT_SEMANTICS = 344 "informationElementSemantics" Unsigned8;
    INFORMATION_ELEMENT_UNITS = 345 "informationElementUnits" Unsigned16;
    PRIVATE_ENTERPRISE_NUMBER = 346 "privateEnterpriseNumber" Unsigned32;
    LAYER2_SEGMENT_ID = 351 "layer2SegmentId" Unsigned64;
    PORT_RANGE_START = 361 "portRangeStart" Unsigned16;
    PORT_RANGE_END = 362 "portRangeEnd" Unsigned16;
    ORIGINAL_FLOWS_PRESENT = 375 "originalFlowsPresent" Unsigned64;
    VALUE_DISTRIBUTION_METHOD = 384 "valueDistributionMethod" Unsigned8;
}

/// `flowtapTunnelType` (32473/1): how the Flow was carried. 1 IP in IP, 2 GRE, 3 NVGRE, 4 ERSPAN,
/// 5 VXLAN, 6 GENEVE, 7 GTP-U, 8 L2TPv2, 9 L2TPv3, 10 Teredo.
pub const FLOWTAP_TUNNEL_TYPE: InformationElement =
    flowtap(1, "flowtapTunnelType", DataType::Unsigned8);

/// `flowtapTunnelId` (32473/2): VNI, TNI, GRE key, TEID or session id; 0 for none.
pub const FLOWTAP_TUNNEL_ID: InformationElement =
    flowtap(2, "flowtapTunnelId", DataType::Unsigned32);

/// `flowtapFragmentDeltaCount` (32473/3): packets of the Flow that were fragments.
pub const FLOWTAP_FRAGMENT_DELTA_COUNT: InformationElement =
    flowtap(3, "flowtapFragmentDeltaCount", DataType::Unsigned64);

/// `flowtapTunnelSourceIPv4Address` (32473/4): source of the outermost header of a tunnel.
pub const FLOWTAP_TUNNEL_SOURCE_IPV4_ADDRESS: InformationElement =
    flowtap(4, "flowtapTunnelSourceIPv4Address", DataType::Ipv4Address);

/// `flowtapTunnelDestinationIPv4Address` (32473/5): destination of it.
pub const FLOWTAP_TUNNEL_DESTINATION_IPV4_ADDRESS: InformationElement =
    flowtap(5, "flowtapTunnelDestinationIPv4Address", DataType::Ipv4Address);

/// `flowtapTunnelSourceIPv6Address` (32473/6): source of the outermost header of a tunnel.
pub const FLOWTAP_TUNNEL_SOURCE_IPV6_ADDRESS: InformationElement =
    flowtap(6, "flowtapTunnelSourceIPv6Address", DataType::Ipv6Address);

/// `flowtapTunnelDestinationIPv6Address` (32473/7): destination of it.
pub const FLOWTAP_TUNNEL_DESTINATION_IPV6_ADDRESS: InformationElement =
    flowtap(7, "flowtapTunnelDestinationIPv6Address", DataType::Ipv6Address);

/// `flowtapPacketSizeClass` (32473/8): class of Flows by the mean length of their packets in octets of
/// IP; the largest that is in it: 64, 127, 255, 511, 1023, 1518, or 65535.
pub const FLOWTAP_PACKET_SIZE_CLASS: InformationElement =
    flowtap(8, "flowtapPacketSizeClass", DataType::Unsigned16);

/// `reverseFlowtapFragmentDeltaCount` (32473/0x4003).
pub const REVERSE_FLOWTAP_FRAGMENT_DELTA_COUNT: InformationElement =
    flowtap(3 | FLOWTAP_REVERSE_BIT, "reverseFlowtapFragmentDeltaCount", DataType::Unsigned64);

/// Every element of our own.
pub const FLOWTAP_ELEMENTS: &[InformationElement] = &[
    FLOWTAP_TUNNEL_TYPE,
    FLOWTAP_TUNNEL_ID,
    FLOWTAP_FRAGMENT_DELTA_COUNT,
    FLOWTAP_TUNNEL_SOURCE_IPV4_ADDRESS,
    FLOWTAP_TUNNEL_DESTINATION_IPV4_ADDRESS,
    FLOWTAP_TUNNEL_SOURCE_IPV6_ADDRESS,
    FLOWTAP_TUNNEL_DESTINATION_IPV6_ADDRESS,
    FLOWTAP_PACKET_SIZE_CLASS,
    REVERSE_FLOWTAP_FRAGMENT_DELTA_COUNT,
];

/// What an options record says of an element of ours, so that Collectors can show it (RFC 5610 §3.9).
#[derive(Clone, Copy, Debug)]
pub struct ElementType {
    /// The element.
    pub element: InformationElement,
    /// `informationElementDataType` (IE 339).
    pub data_type_code: u8,
    /// `informationElementSemantics` (IE 344).
    pub semantics: u8,
    /// `informationElementUnits` (IE 345).
    pub units: u16,
    /// `informationElementRangeBegin` and `informationElementRangeEnd` (IE 342, 343), where not
    /// every value of the type has a meaning.
    pub range: Option<(u64, u64)>,
    /// `informationElementDescription` (IE 340).
    pub description: &'static str,
}

/// The type of every one of [`FLOWTAP_ELEMENTS`], in the same order.
pub const FLOWTAP_ELEMENT_TYPES: &[ElementType] = &[
    ElementType {
        range: Some((1, 10)),
        ..identifier(
            FLOWTAP_TUNNEL_TYPE,
            "How the Flow was carried: 1 IP in IP, 2 GRE, 3 NVGRE, 4 ERSPAN, 5 VXLAN, 6 GENEVE, \
             7 GTP-U, 8 L2TPv2, 9 L2TPv3, 10 Teredo.",
        )
    },
    identifier(
        FLOWTAP_TUNNEL_ID,
        "VNI, TNI, GRE key, TEID or session id of the innermost tunnel; 0 for none.",
    ),
    packets(FLOWTAP_FRAGMENT_DELTA_COUNT, "Packets of the Flow that were IP fragments."),
    address(FLOWTAP_TUNNEL_SOURCE_IPV4_ADDRESS, "Source of the outermost header of a tunnel."),
    address(
        FLOWTAP_TUNNEL_DESTINATION_IPV4_ADDRESS,
        "Destination of the outermost header of a tunnel.",
    ),
    address(FLOWTAP_TUNNEL_SOURCE_IPV6_ADDRESS, "Source of the outermost header of a tunnel."),
    address(
        FLOWTAP_TUNNEL_DESTINATION_IPV6_ADDRESS,
        "Destination of the outermost header of a tunnel.",
    ),
    ElementType {
        range: Some((64, 65_535)),
        ..identifier(
            FLOWTAP_PACKET_SIZE_CLASS,
            "Class of Flows by the mean length of their packets in octets of IP: the largest of it, \
             64, 127, 255, 511, 1023, 1518 or 65535.",
        )
    },
    packets(
        REVERSE_FLOWTAP_FRAGMENT_DELTA_COUNT,
        "Packets of the reverse direction that were IP fragments.",
    ),
];

const fn identifier(element: InformationElement, description: &'static str) -> ElementType {
    ElementType { semantics: SEMANTICS_IDENTIFIER, ..address(element, description) }
}

const fn packets(element: InformationElement, description: &'static str) -> ElementType {
    let (semantics, units) = (SEMANTICS_DELTA_COUNTER, UNITS_PACKETS);
    ElementType { semantics, units, ..address(element, description) }
}

/// Neither a number nor a name of something, as the registry has addresses.
const fn address(element: InformationElement, description: &'static str) -> ElementType {
    ElementType {
        element,
        data_type_code: element.data_type as u8,
        semantics: SEMANTICS_DEFAULT,
        units: UNITS_NONE,
        range: None,
        description,
    }
}

// IANA "IPFIX Information Element Semantics" and "IPFIX Information Element Units".
const SEMANTICS_DEFAULT: u8 = 0;
const SEMANTICS_DELTA_COUNTER: u8 = 3;
const SEMANTICS_IDENTIFIER: u8 = 4;
const UNITS_NONE: u16 = 0;
const UNITS_PACKETS: u16 = 3;

const fn flowtap(id: u16, name: &'static str, data_type: DataType) -> InformationElement {
    InformationElement { enterprise: FLOWTAP_ENTERPRISE, id, name, data_type }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipfix::field::Field;

    /// Elements that carry payload or name a user. None of them may ever leave the probe.
    const FORBIDDEN: [u16; 17] =
        [104, 266, 313, 314, 315, 317, 371, 455, 456, 459, 460, 461, 462, 468, 469, 470, 504];

    /// Text is not a thing we measure: these name interfaces, domains and elements of our own.
    const OUR_OWN_NAMES: [u16; 5] = [82, 83, 300, 340, 341];

    #[test]
    fn no_element_carries_payload_or_an_identity() {
        for element in IANA_ELEMENTS.iter().chain(FLOWTAP_ELEMENTS) {
            let iana = element.enterprise != FLOWTAP_ENTERPRISE;
            assert!(!(iana && FORBIDDEN.contains(&element.id)), "{element:?}");
            assert!(
                element.data_type != DataType::String
                    || element.enterprise == 0 && OUR_OWN_NAMES.contains(&element.id),
                "{element:?}: text is not a thing we measure"
            );
        }
    }

    #[test]
    fn every_element_of_ours_has_its_type_told() {
        // RFC 5610 §3.
        let typed: Vec<_> = FLOWTAP_ELEMENT_TYPES.iter().map(|told| told.element).collect();
        assert_eq!(typed, FLOWTAP_ELEMENTS);
        for told in FLOWTAP_ELEMENT_TYPES {
            let name = told.element.name;
            assert_eq!(told.data_type_code, told.element.data_type as u8, "{name}");
            // RFC 7012 §3.2: addresses are of no other semantics; units belong to counters.
            let is_counter = name.ends_with("DeltaCount");
            assert_eq!(told.semantics == SEMANTICS_DELTA_COUNTER, is_counter, "{name}");
            assert_eq!(told.units == UNITS_PACKETS, is_counter, "{name}");
            assert_eq!(told.semantics == SEMANTICS_DEFAULT, name.ends_with("Address"), "{name}");
            assert!(told.range.is_none_or(|(begin, end)| begin < end), "{name}");
            assert!(told.description.ends_with('.') && told.description.len() < 255, "{name}");
        }
    }

    #[test]
    fn elements_are_those_of_the_registry() {
        for element in IANA_ELEMENTS.iter().chain(FLOWTAP_ELEMENTS) {
            let field = Field::look_up(element.enterprise, element.id);
            assert!(field.is_known(), "{element:?}");
            assert_eq!(field.name(), element.name);
            assert_eq!(field.element.data_type, element.data_type);
        }
    }

    #[test]
    fn elements_are_distinct() {
        let mut numbers: Vec<_> = IANA_ELEMENTS
            .iter()
            .chain(FLOWTAP_ELEMENTS)
            .map(|element| (element.enterprise, element.id))
            .collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }
}
