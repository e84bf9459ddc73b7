//! Templates: the layout of Data Records (RFC 7011 §3.4.1).

use crate::ipfix::element::{DataType, InformationElement, REVERSE_ENTERPRISE};

/// The number of a Template, and of the Sets that carry its records: 256 to 65535 by construction
/// (RFC 7011 §3.4.1).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TemplateId(u16);

impl TemplateId {
    /// The smallest Template ID; Set IDs below it are not those of Data Sets.
    pub const FIRST: u16 = 256;

    /// A Template ID, or `None` below 256.
    pub const fn new(id: u16) -> Option<Self> {
        if id >= Self::FIRST { Some(Self(id)) } else { None }
    }

    /// The number.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// One field of a Template: an Information Element and the octets it takes in a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FieldSpecifier {
    /// What the field means.
    pub element: InformationElement,
    /// Octets of the field in every record.
    pub length: u16,
}

/// A Template of fixed-length fields, with its encoded Template Record.
///
/// Fields of variable length are not supported: a record of ours is always as long as
/// [`Self::record_length`] says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    id: TemplateId,
    fields: Box<[FieldSpecifier]>,
    record_length: usize,
    definition: Box<[u8]>,
}

impl Template {
    /// A Template with these fields, in this order.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] for everything RFC 7011 and RFC 5103 forbid, whatever a caller asks for.
    pub fn new(id: TemplateId, fields: Vec<FieldSpecifier>) -> Result<Self, TemplateError> {
        // RFC 7011 §8.1: a Field Count of zero would be a withdrawal.
        if fields.is_empty() {
            return Err(TemplateError::NoFields);
        }
        let field_count =
            u16::try_from(fields.len()).map_err(|_| TemplateError::TooManyFields(fields.len()))?;
        let mut definition = Vec::with_capacity(4 + 8 * fields.len());
        definition.extend_from_slice(&id.get().to_be_bytes());
        definition.extend_from_slice(&field_count.to_be_bytes());
        for &FieldSpecifier { element, length } in &fields {
            check_field(element, length)?;
            let InformationElement { enterprise, id, .. } = element;
            if enterprise == 0 {
                definition.extend_from_slice(&id.to_be_bytes());
                definition.extend_from_slice(&length.to_be_bytes());
            } else {
                definition.extend_from_slice(&(id | ENTERPRISE_BIT).to_be_bytes());
                definition.extend_from_slice(&length.to_be_bytes());
                definition.extend_from_slice(&enterprise.to_be_bytes());
            }
        }
        // RFC 5103 §4: reverse elements need a directional key to be the reverse of.
        let reverse = fields.iter().any(|field| field.element.enterprise == REVERSE_ENTERPRISE);
        let directional = fields.iter().any(|field| {
            field.element.enterprise == 0 && DIRECTIONAL_KEYS.contains(&field.element.id)
        });
        if reverse && !directional {
            return Err(TemplateError::ReverseWithoutDirection);
        }
        let record_length = fields.iter().map(|field| usize::from(field.length)).sum();
        Ok(Self {
            id,
            fields: fields.into_boxed_slice(),
            record_length,
            definition: definition.into_boxed_slice(),
        })
    }

    /// The Template ID.
    #[inline]
    pub const fn id(&self) -> TemplateId {
        self.id
    }

    /// The fields in order.
    pub const fn fields(&self) -> &[FieldSpecifier] {
        &self.fields
    }

    /// Octets of every Data Record of this Template.
    #[inline]
    pub const fn record_length(&self) -> usize {
        self.record_length
    }

    /// The Template Record: ID, Field Count and Field Specifiers.
    #[inline]
    pub const fn definition(&self) -> &[u8] {
        &self.definition
    }
}

/// Why a Template cannot be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A Template has at least one field (RFC 7011 §3.4.1).
    #[error("a template needs at least one field")]
    NoFields,
    /// Field Count is a 16-bit number.
    #[error("{0} fields do not fit a template")]
    TooManyFields(usize),
    /// Element numbers run from 1 to 32767 (RFC 7012 §4).
    #[error("{name} has the impossible element number {id}")]
    ElementId {
        /// Name of the element.
        name: &'static str,
        /// Its number.
        id: u16,
    },
    /// The type of the element cannot be encoded in this many octets (RFC 7011 §6.1, §6.2).
    #[error("{name} cannot be encoded in {length} octets")]
    Length {
        /// Name of the element.
        name: &'static str,
        /// The length asked for.
        length: u16,
    },
    /// The element has no reverse (RFC 5103 §6.1).
    #[error("{0} has no reverse")]
    NotReversible(&'static str),
    /// Reverse elements without a source or destination (RFC 5103 §4).
    #[error("reverse elements need a directional key field")]
    ReverseWithoutDirection,
}

fn check_field(element: InformationElement, length: u16) -> Result<(), TemplateError> {
    let InformationElement { enterprise, id, name, data_type } = element;
    if id == 0 || id & ENTERPRISE_BIT != 0 {
        return Err(TemplateError::ElementId { name, id });
    }
    if enterprise == REVERSE_ENTERPRISE && NOT_REVERSIBLE.contains(&id) {
        return Err(TemplateError::NotReversible(name));
    }
    let possible = match data_type {
        DataType::BasicList | DataType::SubTemplateList | DataType::SubTemplateMultiList => false,
        // The registry binds the length of these.
        DataType::OctetArray if enterprise == 0 && MPLS_SECTIONS.contains(&id) => length == 3,
        // A field of no octets makes collectors loop; 65535 would mean variable length.
        _ => data_type.permits(length) && (1..VARIABLE_LENGTH).contains(&length),
    };
    if possible { Ok(()) } else { Err(TemplateError::Length { name, length }) }
}

const ENTERPRISE_BIT: u16 = 0x8000;

/// RFC 7011 §7.
const VARIABLE_LENGTH: u16 = 65535;

/// `mplsTopLabelStackSection` and the nine below it.
const MPLS_SECTIONS: std::ops::RangeInclusive<u16> = 70..=79;

/// Source and destination addresses and ports, of which a biflow needs one (RFC 5103 §4).
const DIRECTIONAL_KEYS: [u16; 8] = [7, 8, 11, 12, 27, 28, 56, 80];

/// RFC 5103 §6.1, as flagged in libfixbuf's registry, and those that by the same reasoning have no
/// second direction: properties of the probe or of the Flow as a whole.
const NOT_REVERSIBLE: [u16; 41] = [
    40, 41, 42, 61, 130, 131, 136, 137, 138, 143, 144, 145, 148, 149, 163, 164, 165, 166, 167, 168,
    173, 210, 211, 212, 213, 214, 215, 216, 217, 239, 263, 267, 285, 286, 287, 301, 302, 303, 304,
    305, 306,
];

#[cfg(test)]
mod tests {
    use super::*;

    const fn iana(id: u16, data_type: DataType) -> InformationElement {
        InformationElement { enterprise: 0, id, name: "element", data_type }
    }

    fn template(fields: &[(InformationElement, u16)]) -> Result<Template, TemplateError> {
        let fields =
            fields.iter().map(|&(element, length)| FieldSpecifier { element, length }).collect();
        Template::new(TemplateId::new(256).unwrap(), fields)
    }

    #[test]
    fn template_ids_begin_at_256() {
        assert_eq!(TemplateId::new(255), None);
        assert_eq!(TemplateId::new(256).map(TemplateId::get), Some(256));
        assert_eq!(TemplateId::new(65535).map(TemplateId::get), Some(65535));
    }

    #[test]
    fn enterprise_fields_carry_the_bit_and_the_number() {
        let reverse =
            InformationElement { enterprise: REVERSE_ENTERPRISE, ..iana(1, DataType::Unsigned64) };
        let template = template(&[(iana(8, DataType::Ipv4Address), 4), (reverse, 8)]).unwrap();

        #[rustfmt::skip]
        assert_eq!(template.definition(), [
            1, 0,  0, 2,                            // Template ID 256, 2 fields
            0, 8,  0, 4,                            // sourceIPv4Address
            0x80, 1,  0, 8,  0, 0, 0x72, 0x79,      // octetDeltaCount, PEN 29305
        ]);
        assert_eq!(template.record_length(), 12);
    }

    #[test]
    fn a_template_without_fields_is_refused() {
        // RFC 7011 §8.1: it would be a withdrawal.
        assert_eq!(template(&[]), Err(TemplateError::NoFields));
    }

    #[test]
    fn reduced_size_is_for_integers_only() {
        // RFC 7011 §6.2.
        for (data_type, length) in [
            (DataType::Ipv4Address, 3),
            (DataType::Ipv6Address, 8),
            (DataType::MacAddress, 4),
            (DataType::DateTimeMilliseconds, 4),
            (DataType::DateTimeSeconds, 2),
            (DataType::Boolean, 2),
            (DataType::Unsigned8, 2),
            (DataType::Unsigned64, 9),
            (DataType::Unsigned64, 0),
            (DataType::OctetArray, 0),
            (DataType::String, 65535),
        ] {
            let refused = template(&[(iana(300, data_type), length)]);
            assert_eq!(refused, Err(TemplateError::Length { name: "element", length }));
        }
        assert!(template(&[(iana(1, DataType::Unsigned64), 4)]).is_ok());
    }

    #[test]
    fn mpls_sections_are_three_octets() {
        assert!(template(&[(iana(70, DataType::OctetArray), 3)]).is_ok());
        assert!(template(&[(iana(70, DataType::OctetArray), 4)]).is_err());
    }

    #[test]
    fn element_numbers_are_one_to_32767() {
        // RFC 7012 §4.
        for id in [0, 0x8000, 0xffff] {
            let refused = template(&[(iana(id, DataType::Unsigned8), 1)]);
            assert_eq!(refused, Err(TemplateError::ElementId { name: "element", id }));
        }
    }

    #[test]
    fn reverse_elements_need_a_direction_and_a_reverse() {
        // RFC 5103 §4 and §6.1.
        let reverse = |id, data_type| InformationElement {
            enterprise: REVERSE_ENTERPRISE,
            ..iana(id, data_type)
        };
        let source = (iana(8, DataType::Ipv4Address), 4);
        assert_eq!(
            template(&[(reverse(1, DataType::Unsigned64), 8)]),
            Err(TemplateError::ReverseWithoutDirection)
        );
        for id in [148, 239, 136, 149] {
            assert_eq!(
                template(&[source, (reverse(id, DataType::Unsigned8), 1)]),
                Err(TemplateError::NotReversible("element"))
            );
        }
    }
}
