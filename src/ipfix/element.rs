//! Information Elements (RFC 7012) by number, name and abstract data type.

use super::element_table::ELEMENTS;

/// One Information Element.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InformationElement {
    /// Private Enterprise Number; 0 for IANA elements.
    pub enterprise: u32,
    /// Element number, 1 to 32767.
    pub id: u16,
    /// Name as the registry spells it, or as the enterprise published it.
    pub name: &'static str,
    /// Abstract data type.
    pub data_type: DataType,
}

/// RFC 5103 §6.1: the enterprise number that marks the reverse direction of an IANA element.
pub const REVERSE_ENTERPRISE: u32 = 29305;

impl InformationElement {
    /// The element with this number, if it is in the table; a binary search.
    ///
    /// Reverse elements are not in it: [`Field::look_up`](super::field::Field::look_up) finds the
    /// element they reverse.
    pub fn look_up(enterprise: u32, id: u16) -> Option<&'static Self> {
        let index = ELEMENTS
            .binary_search_by_key(&(enterprise, id), |element| (element.enterprise, element.id))
            .ok()?;
        ELEMENTS.get(index)
    }

    /// Every element in the table.
    pub fn all() -> &'static [Self] {
        ELEMENTS
    }

    /// The element with this name, as the registry spells it; walks the whole table.
    ///
    /// Where an enterprise took a name that IANA gave as well, IANA's element is found.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        ELEMENTS.iter().find(|element| element.name == name)
    }
}

/// Abstract data types (RFC 7012 §3.1), with the codes of `informationElementDataType` (IE 339).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
#[expect(missing_docs, reason = "each variant is the data type of that name in RFC 7012 §3.1")]
pub enum DataType {
    OctetArray = 0,
    Unsigned8 = 1,
    Unsigned16 = 2,
    Unsigned32 = 3,
    Unsigned64 = 4,
    Signed8 = 5,
    Signed16 = 6,
    Signed32 = 7,
    Signed64 = 8,
    Float32 = 9,
    Float64 = 10,
    Boolean = 11,
    MacAddress = 12,
    String = 13,
    DateTimeSeconds = 14,
    DateTimeMilliseconds = 15,
    DateTimeMicroseconds = 16,
    DateTimeNanoseconds = 17,
    Ipv4Address = 18,
    Ipv6Address = 19,
    BasicList = 20,
    SubTemplateList = 21,
    SubTemplateMultiList = 22,
    /// IE 520 and later (RFC 9740 §3).
    Unsigned256 = 23,
}

impl DataType {
    /// Whether a field of this type may be `length` octets long (RFC 7011 §6.1, §6.2).
    ///
    /// Integers and float64 may be sent shorter than they are (reduced-size encoding), nothing
    /// may be sent longer, and octets, strings and lists may have any length.
    pub const fn permits(self, length: u16) -> bool {
        match self {
            Self::OctetArray
            | Self::String
            | Self::BasicList
            | Self::SubTemplateList
            | Self::SubTemplateMultiList => true,
            Self::Unsigned8 | Self::Signed8 | Self::Boolean => length == 1,
            Self::Unsigned16 | Self::Signed16 => length >= 1 && length <= 2,
            Self::Unsigned32 | Self::Signed32 => length >= 1 && length <= 4,
            Self::Unsigned64 | Self::Signed64 => length >= 1 && length <= 8,
            Self::Unsigned256 => length >= 1 && length <= 32,
            Self::Float32 | Self::DateTimeSeconds | Self::Ipv4Address => length == 4,
            Self::Float64 => length == 4 || length == 8,
            Self::MacAddress => length == 6,
            Self::DateTimeMilliseconds | Self::DateTimeMicroseconds | Self::DateTimeNanoseconds => {
                length == 8
            }
            Self::Ipv6Address => length == 16,
        }
    }
}

/// One line of the table.
pub(super) const fn entry(
    enterprise: u32,
    id: u16,
    name: &'static str,
    data_type: DataType,
) -> InformationElement {
    InformationElement { enterprise, id, name, data_type }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_ascending_order_without_repetition() {
        let keys: Vec<_> =
            ELEMENTS.iter().map(|element| (element.enterprise, element.id)).collect();
        assert!(keys.is_sorted_by(|a, b| a < b));
        let in_registry = keys.iter().filter(|(enterprise, _)| *enterprise == 0);
        assert_eq!(in_registry.count(), 498, "IANA elements up to number 529");
    }

    #[test]
    fn every_element_is_found_by_number() {
        for element in ELEMENTS {
            assert_eq!(
                InformationElement::look_up(element.enterprise, element.id),
                Some(element),
                "{}",
                element.name
            );
        }
    }

    /// Numbers that are often mistaken, and types that changed or are easily taken for others.
    #[test]
    fn registry_traps_are_as_iana_has_them() {
        for (id, name, data_type) in [
            (1, "octetDeltaCount", DataType::Unsigned64),
            (6, "tcpControlBits", DataType::Unsigned16),
            (56, "sourceMacAddress", DataType::MacAddress),
            (57, "postDestinationMacAddress", DataType::MacAddress),
            (70, "mplsTopLabelStackSection", DataType::OctetArray),
            (80, "destinationMacAddress", DataType::MacAddress),
            (81, "postSourceMacAddress", DataType::MacAddress),
            (89, "forwardingStatus", DataType::Unsigned32),
            (138, "observationPointId", DataType::Unsigned64),
            (154, "flowStartMicroseconds", DataType::DateTimeMicroseconds),
            (158, "flowStartDeltaMicroseconds", DataType::Unsigned32),
            (206, "isMulticast", DataType::Unsigned8),
            (276, "dataRecordsReliability", DataType::Boolean),
            (289, "tunnelTechnology", DataType::String),
            (291, "basicList", DataType::BasicList),
            (351, "layer2SegmentId", DataType::Unsigned64),
            (388, "dot1qDEI", DataType::Boolean),
            (507, "gtpuTEid", DataType::Unsigned32),
            (520, "tcpOptionsFull", DataType::Unsigned256),
            (529, "udpUnsafeExIDList", DataType::BasicList),
        ] {
            let expected = InformationElement { enterprise: 0, id, name, data_type };
            assert_eq!(InformationElement::look_up(0, id), Some(&expected));
            assert_eq!(InformationElement::by_name(name), Some(&expected));
        }
        // Withdrawn duplicates of 352 and 417, and numbers never given.
        for id in [0, 65, 416, 419, 530] {
            assert_eq!(InformationElement::look_up(0, id), None, "{id}");
        }
    }

    #[test]
    fn reduced_size_encoding_is_for_numbers_only() {
        // RFC 7011 §6.2.
        assert!(DataType::Unsigned64.permits(3) && !DataType::Unsigned64.permits(9));
        assert!(DataType::Signed16.permits(1) && !DataType::Signed16.permits(0));
        assert!(DataType::Float64.permits(4) && !DataType::Float64.permits(6));
        assert!(!DataType::Float32.permits(2) && !DataType::Ipv4Address.permits(3));
        assert!(!DataType::DateTimeMilliseconds.permits(4) && !DataType::MacAddress.permits(8));
        assert!(DataType::String.permits(0) && DataType::BasicList.permits(u16::MAX - 1));
    }
}
