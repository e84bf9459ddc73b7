//! Information Elements (RFC 7012) by number, name and abstract data type.

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
