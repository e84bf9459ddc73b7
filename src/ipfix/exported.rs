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
    PROTOCOL_IDENTIFIER = 4 "protocolIdentifier" Unsigned8;
    IP_CLASS_OF_SERVICE = 5 "ipClassOfService" Unsigned8,
        reverse REVERSE_IP_CLASS_OF_SERVICE "reverseIpClassOfService";
    TCP_CONTROL_BITS = 6 "tcpControlBits" Unsigned16,
        reverse REVERSE_TCP_CONTROL_BITS "reverseTcpControlBits";
    SOURCE_TRANSPORT_PORT = 7 "sourceTransportPort" Unsigned16;
    SOURCE_IPV4_ADDRESS = 8 "sourceIPv4Address" Ipv4Address;
    INGRESS_INTERFACE = 10 "ingressInterface" Unsigned32;
    DESTINATION_TRANSPORT_PORT = 11 "destinationTransportPort" Unsigned16;
    DESTINATION_IPV4_ADDRESS = 12 "destinationIPv4Address" Ipv4Address;
    MINIMUM_IP_TOTAL_LENGTH = 25 "minimumIpTotalLength" Unsigned64,
        reverse REVERSE_MINIMUM_IP_TOTAL_LENGTH "reverseMinimumIpTotalLength";
    MAXIMUM_IP_TOTAL_LENGTH = 26 "maximumIpTotalLength" Unsigned64,
        reverse REVERSE_MAXIMUM_IP_TOTAL_LENGTH "reverseMaximumIpTotalLength";
    SOURCE_IPV6_ADDRESS = 27 "sourceIPv6Address" Ipv6Address;
    DESTINATION_IPV6_ADDRESS = 28 "destinationIPv6Address" Ipv6Address;
    FLOW_LABEL_IPV6 = 31 "flowLabelIPv6" Unsigned32,
        reverse REVERSE_FLOW_LABEL_IPV6 "reverseFlowLabelIPv6";
    ICMP_TYPE_CODE_IPV4 = 32 "icmpTypeCodeIPv4" Unsigned16,
        reverse REVERSE_ICMP_TYPE_CODE_IPV4 "reverseIcmpTypeCodeIPv4";
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
    FLOW_END_REASON = 136 "flowEndReason" Unsigned8;
    ICMP_TYPE_CODE_IPV6 = 139 "icmpTypeCodeIPv6" Unsigned16,
        reverse REVERSE_ICMP_TYPE_CODE_IPV6 "reverseIcmpTypeCodeIPv6";
    FLOW_ID = 148 "flowId" Unsigned64;
    FLOW_START_MILLISECONDS = 152 "flowStartMilliseconds" DateTimeMilliseconds,
        reverse REVERSE_FLOW_START_MILLISECONDS "reverseFlowStartMilliseconds";
    FLOW_END_MILLISECONDS = 153 "flowEndMilliseconds" DateTimeMilliseconds,
        reverse REVERSE_FLOW_END_MILLISECONDS "reverseFlowEndMilliseconds";
    TCP_SEQUENCE_NUMBER = 184 "tcpSequenceNumber" Unsigned32,
        reverse REVERSE_TCP_SEQUENCE_NUMBER "reverseTcpSequenceNumber";
    TCP_WINDOW_SIZE = 186 "tcpWindowSize" Unsigned16,
        reverse REVERSE_TCP_WINDOW_SIZE "reverseTcpWindowSize";
    BIFLOW_DIRECTION = 239 "biflowDirection" Unsigned8;
    DOT1Q_VLAN_ID = 243 "dot1qVlanId" Unsigned16;
    DOT1Q_PRIORITY = 244 "dot1qPriority" Unsigned8;
    DOT1Q_CUSTOMER_VLAN_ID = 245 "dot1qCustomerVlanId" Unsigned16;
    DOT1Q_CUSTOMER_PRIORITY = 246 "dot1qCustomerPriority" Unsigned8;
    GRE_KEY = 296 "greKey" Unsigned32;
    LAYER2_SEGMENT_ID = 351 "layer2SegmentId" Unsigned64;
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
    REVERSE_FLOWTAP_FRAGMENT_DELTA_COUNT,
];

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

    #[test]
    fn no_element_carries_payload_or_an_identity() {
        for element in IANA_ELEMENTS.iter().chain(FLOWTAP_ELEMENTS) {
            let iana = element.enterprise != FLOWTAP_ENTERPRISE;
            assert!(!(iana && FORBIDDEN.contains(&element.id)), "{element:?}");
            assert!(
                !matches!(element.data_type, DataType::String),
                "{element:?}: text is not a thing we measure"
            );
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
