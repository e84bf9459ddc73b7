//! The elements of fields that differ by direction or by place only.

use crate::ipfix::element::InformationElement;
use crate::ipfix::exported as element;

/// The elements that exist once for each direction, forward or reverse.
pub(super) struct DirectionElements {
    pub(super) octets: InformationElement,
    pub(super) packets: InformationElement,
    pub(super) minimum_length: InformationElement,
    pub(super) maximum_length: InformationElement,
    pub(super) minimum_ttl: InformationElement,
    pub(super) maximum_ttl: InformationElement,
    pub(super) class_of_service: InformationElement,
    pub(super) flow_label: InformationElement,
    pub(super) tcp_flags: InformationElement,
    pub(super) tcp_sequence: InformationElement,
    pub(super) tcp_window: InformationElement,
    pub(super) icmp_v4: InformationElement,
    pub(super) icmp_v6: InformationElement,
}

pub(super) static FORWARD: DirectionElements = DirectionElements {
    octets: element::OCTET_DELTA_COUNT,
    packets: element::PACKET_DELTA_COUNT,
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

pub(super) static REVERSE: DirectionElements = DirectionElements {
    octets: element::REVERSE_OCTET_DELTA_COUNT,
    packets: element::REVERSE_PACKET_DELTA_COUNT,
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

pub(super) static MPLS_ELEMENTS: [InformationElement; 3] = [
    element::MPLS_TOP_LABEL_STACK_SECTION,
    element::MPLS_LABEL_STACK_SECTION2,
    element::MPLS_LABEL_STACK_SECTION3,
];
