//! Templates and Options Templates: the layout of Data Records (RFC 7011 §3.4).

use crate::ipfix::element::{DataType, InformationElement, REVERSE_ENTERPRISE};
use crate::ipfix::exported::{FLOWTAP_ENTERPRISE, FLOWTAP_REVERSE_BIT};
use crate::ipfix::reader::take_field;

pub use crate::ipfix::reader::VARIABLE_LENGTH;

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
    /// Octets of the field in every record, or [`VARIABLE_LENGTH`].
    pub length: u16,
}

/// A Template or an Options Template, with its encoded Template Record.
///
/// Templates are never withdrawn and an ID never gets a second meaning while flowtap runs, over
/// whatever transport: a layout has its ID for good. What the standard asks of withdrawals
/// (RFC 7011 §8.1, §8.2, and §8.4 for UDP) thus holds by construction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    id: TemplateId,
    /// Zero for a Template.
    scope_field_count: u16,
    fields: Box<[FieldSpecifier]>,
    record_length: usize,
    has_variable_length: bool,
    definition: Box<[u8]>,
}

impl Template {
    /// A Template with these fields, in this order.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] for everything RFC 7011 and RFC 5103 forbid, whatever a caller asks for;
    /// and for fields of variable length alone.
    pub fn new(id: TemplateId, fields: Vec<FieldSpecifier>) -> Result<Self, TemplateError> {
        Self::build(id, None, fields)
    }

    /// An Options Template with these fields, the scope fields first (RFC 7011 §3.4.2).
    ///
    /// # Errors
    ///
    /// As [`Self::new`]; and if there are no scope fields, or more than there are fields.
    pub fn options(
        id: TemplateId,
        scope_field_count: u16,
        fields: Vec<FieldSpecifier>,
    ) -> Result<Self, TemplateError> {
        Self::build(id, Some(scope_field_count), fields)
    }

    fn build(
        id: TemplateId,
        scope_field_count: Option<u16>,
        fields: Vec<FieldSpecifier>,
    ) -> Result<Self, TemplateError> {
        // RFC 7011 §8.1: a Field Count of zero would be a withdrawal.
        if fields.is_empty() {
            return Err(TemplateError::NoFields);
        }
        let field_count =
            u16::try_from(fields.len()).map_err(|_| TemplateError::TooManyFields(fields.len()))?;
        let mut definition = Vec::with_capacity(6 + 8 * fields.len());
        definition.extend_from_slice(&id.get().to_be_bytes());
        definition.extend_from_slice(&field_count.to_be_bytes());
        if let Some(scope) = scope_field_count {
            // RFC 7011 §3.4.2.2: not zero, and counted among the fields.
            if scope == 0 || scope > field_count {
                return Err(TemplateError::ScopeFieldCount { scope, fields: field_count });
            }
            definition.extend_from_slice(&scope.to_be_bytes());
        }
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
        let directional = fields.iter().any(|field| {
            field.element.enterprise == 0 && DIRECTIONAL_KEYS.contains(&field.element.id)
        });
        if !directional && fields.iter().any(|field| is_reverse(field.element)) {
            return Err(TemplateError::ReverseWithoutDirection);
        }
        // Some Collectors leave fields of variable length out of the smallest record they expect:
        // with no other field, they would see records without end.
        let has_variable_length = fields.iter().any(FieldSpecifier::is_variable);
        if fields.iter().all(FieldSpecifier::is_variable) {
            return Err(TemplateError::OnlyVariableLength);
        }
        let record_length = fields.iter().map(FieldSpecifier::minimum_length).sum();
        Ok(Self {
            id,
            scope_field_count: scope_field_count.unwrap_or(0),
            fields: fields.into_boxed_slice(),
            record_length,
            has_variable_length,
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

    /// Whether this is an Options Template.
    pub const fn is_options(&self) -> bool {
        self.scope_field_count != 0
    }

    /// How many of the fields, from the first, are scope fields; none in a Template.
    pub const fn scope_field_count(&self) -> u16 {
        self.scope_field_count
    }

    /// Octets of every Data Record, or of the shortest if there is a field of variable length.
    #[inline]
    pub const fn record_length(&self) -> usize {
        self.record_length
    }

    /// Whether records differ in length.
    #[inline]
    pub const fn has_variable_length(&self) -> bool {
        self.has_variable_length
    }

    /// The Template Record: ID, Field Count, Scope Field Count if any, and Field Specifiers.
    #[inline]
    pub const fn definition(&self) -> &[u8] {
        &self.definition
    }

    /// `flowKeyIndicator` (IE 173): bit by bit from the lowest, whether a field is a Flow Key, from
    /// the first on (RFC 7011 §4.4). It cannot name a field that is not there.
    ///
    /// `None` if a Flow Key is not among the first 64 fields.
    pub fn flow_key_indicator(&self, is_flow_key: impl Fn(&FieldSpecifier) -> bool) -> Option<u64> {
        let mut keys = self.fields.iter().enumerate().filter(|(_, field)| is_flow_key(field));
        keys.try_fold(0, |indicator, (index, _)| {
            1_u64.checked_shl(u32::try_from(index).ok()?).map(|bit| indicator | bit)
        })
    }

    /// The Data Record at the front of `octets`, and what comes after it; `None` if they end
    /// before the record does.
    pub fn split_record<'a>(&self, octets: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        if !self.has_variable_length {
            return octets.split_at_checked(self.record_length);
        }
        let mut rest = octets;
        for field in &self.fields {
            rest = take_field(field.length, rest)?.1;
        }
        octets.split_at_checked(octets.len() - rest.len())
    }
}

impl FieldSpecifier {
    /// Whether each value tells its length (RFC 7011 §7).
    pub const fn is_variable(&self) -> bool {
        self.length == VARIABLE_LENGTH
    }

    /// Octets that the field takes at least.
    fn minimum_length(&self) -> usize {
        if self.is_variable() { 1 } else { usize::from(self.length) }
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
    /// Scope fields are at least one, and no more than there are fields (RFC 7011 §3.4.2.2).
    #[error("{scope} of {fields} fields cannot be scope fields")]
    ScopeFieldCount {
        /// Scope Field Count.
        scope: u16,
        /// Field Count.
        fields: u16,
    },
    /// Every field has a variable length; widespread Collectors would take padding for records.
    #[error("a template needs at least one field of fixed length")]
    OnlyVariableLength,
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
    if enterprise == REVERSE_ENTERPRISE && !is_reversible(id) {
        return Err(TemplateError::NotReversible(name));
    }
    let possible = match data_type {
        DataType::BasicList | DataType::SubTemplateList | DataType::SubTemplateMultiList => false,
        DataType::OctetArray | DataType::String => match registered_length(enterprise, id) {
            Some(registered) => length == registered,
            // A field of no octets makes Collectors loop.
            None => length != 0,
        },
        _ => data_type.permits(length),
    };
    if possible { Ok(()) } else { Err(TemplateError::Length { name, length }) }
}

/// The length that the registry's description of an octetArray binds it to.
const fn registered_length(enterprise: u32, id: u16) -> Option<u16> {
    match (enterprise, id) {
        // mplsTopLabelStackSection and the nine below it.
        (0 | REVERSE_ENTERPRISE, 70..=79) => Some(3),
        // messageMD5Checksum.
        (0, 262) => Some(16),
        _ => None,
    }
}

const fn is_reverse(element: InformationElement) -> bool {
    match element.enterprise {
        REVERSE_ENTERPRISE => true,
        // RFC 5103 §6.2: in a number space of its own an enterprise marks them itself.
        FLOWTAP_ENTERPRISE => element.id & FLOWTAP_REVERSE_BIT != 0,
        _ => false,
    }
}

/// Whether the IANA element has a reverse (RFC 5103 §6.1).
const fn is_reversible(id: u16) -> bool {
    !matches!(
        id,
        // As flagged in libfixbuf's registry: identifiers, statistics and configuration of the
        // processes, padding, biflowDirection.
        40..=42 | 130 | 131 | 137 | 145 | 148 | 149 | 163..=168 | 173 | 210..=217 | 239
        // By the same reasoning, properties of the probe or of the Flow as a whole: direction,
        // end reason, identifiers.
        | 61 | 136 | 138 | 143 | 144
        // Scopes and times of Messages and files, anonymization, selection, types of elements.
        | 258..=265 | 267..=275 | 285..=287 | 301..=346
        // What Data Records of ours only say in options: timeouts, start, sampling, names.
        | 34..=37 | 82 | 83 | 160 | 300
    )
}

const ENTERPRISE_BIT: u16 = 0x8000;

/// Source and destination addresses and ports, of which a biflow needs one (RFC 5103 §4).
const DIRECTIONAL_KEYS: [u16; 8] = [7, 8, 11, 12, 27, 28, 56, 80];

#[cfg(test)]
mod tests;
