//! Templates as received, and the store of them that each Observation Domain has.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::Fault;
use crate::ipfix::element::DataType;
use crate::ipfix::field::Field;

/// A Template or Options Template (RFC 7011 §3.4.1, §3.4.2).
#[derive(Debug, Eq, PartialEq)]
pub struct Template {
    id: u16,
    scope_field_count: u16,
    fields: Vec<TemplateField>,
    /// Octets of the shortest record.
    minimum_length: usize,
    /// Whether every record has that length.
    is_fixed: bool,
    has_flow_keys: bool,
}

/// One field of a Template.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TemplateField {
    /// What it holds.
    pub field: Field,
    /// Octets, or [`VARIABLE_LENGTH`].
    pub length: u16,
}

/// RFC 7011 §7: the field begins with its length.
pub const VARIABLE_LENGTH: u16 = u16::MAX;

impl Template {
    /// Template ID.
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// Whether its records tell of the Metering or Exporting Process rather than of a Flow.
    pub const fn is_options(&self) -> bool {
        self.scope_field_count != 0
    }

    /// All fields in their order.
    pub fn fields(&self) -> &[TemplateField] {
        &self.fields
    }

    /// The fields that say what an options record applies to; none in a Template.
    pub fn scope(&self) -> &[TemplateField] {
        self.fields.get(..usize::from(self.scope_field_count)).unwrap_or_default()
    }

    /// Fields with a length that their type cannot have (RFC 7011 §6.2). Their octets are
    /// delivered as they are.
    pub fn illegal_lengths(&self) -> usize {
        let illegal = |field: &&TemplateField| {
            field.length != VARIABLE_LENGTH
                && !field.field.element.data_type.permits(field.length)
                // Zero octets of nothing known are not worth a warning.
                && field.field.element.data_type != DataType::OctetArray
        };
        self.fields.iter().filter(illegal).count()
    }

    /// The record at the front of `octets`, and what comes after it.
    pub(in crate::ipfix) fn split_record<'a>(
        &self,
        octets: &'a [u8],
    ) -> Option<(&'a [u8], &'a [u8])> {
        if self.is_fixed {
            return octets.split_at_checked(self.minimum_length);
        }
        let mut rest = octets;
        for field in &self.fields {
            rest = take_field(field.length, rest)?.1;
        }
        octets.split_at_checked(octets.len() - rest.len())
    }

    /// Whether its records tell the Flow Keys of a Template (RFC 7011 §4.4).
    pub(super) const fn has_flow_keys(&self) -> bool {
        self.has_flow_keys
    }

    pub(super) const fn minimum_length(&self) -> usize {
        self.minimum_length
    }
}

/// One record of a Template Set or Options Template Set.
pub(super) enum TemplateRecord {
    /// A Template.
    Definition(Template),
    /// RFC 7011 §8.1: no fields. 2 and 3 stand for all Templates or all Options Templates.
    Withdrawal(u16),
}

impl TemplateRecord {
    /// Splits a record off the front of `octets`, which are at least four.
    pub(super) fn split(octets: &[u8], is_options: bool) -> Result<(Self, &[u8]), Fault> {
        let (Some(id), Some(field_count)) = (u16_at(octets, 0), u16_at(octets, 2)) else {
            return Err(Fault::TemplateTruncated(0));
        };
        let rest = octets.get(4..).unwrap_or_default();
        if field_count == 0 {
            return Ok((Self::Withdrawal(id), rest));
        }
        if id < FIRST_TEMPLATE_ID {
            return Err(Fault::TemplateId(id));
        }
        let (scope_field_count, mut rest) = if is_options {
            let scope = u16_at(rest, 0).ok_or(Fault::TemplateTruncated(id))?;
            if scope == 0 || scope > field_count {
                return Err(Fault::ScopeFieldCount { template: id, scope, fields: field_count });
            }
            (scope, rest.get(2..).unwrap_or_default())
        } else {
            (0, rest)
        };
        // A field takes four octets at least: no room is made for more than there can be.
        if rest.len() / 4 < usize::from(field_count) {
            return Err(Fault::TemplateTruncated(id));
        }
        let mut fields = Vec::with_capacity(usize::from(field_count));
        for _ in 0..field_count {
            let (specifier, after) =
                take_field_specifier(rest).ok_or(Fault::TemplateTruncated(id))?;
            let field = Field::look_up(specifier.enterprise, specifier.id);
            fields.push(TemplateField { field, length: specifier.length });
            rest = after;
        }
        let is_variable = |field: &TemplateField| field.length == VARIABLE_LENGTH;
        let octets =
            |field: &TemplateField| if is_variable(field) { 1 } else { usize::from(field.length) };
        let minimum_length = fields.iter().map(octets).sum();
        if minimum_length == 0 {
            return Err(Fault::EmptyTemplate(id));
        }
        let is_fixed = !fields.iter().any(is_variable);
        let has = |element| {
            is_options && fields.iter().any(|field| field.field.iana() == Some((element, false)))
        };
        let has_flow_keys = has(FLOW_KEY_INDICATOR) && has(TEMPLATE_ID);
        let template =
            Template { id, scope_field_count, fields, minimum_length, is_fixed, has_flow_keys };
        Ok((Self::Definition(template), rest))
    }
}

/// The Templates of one Observation Domain.
#[derive(Debug, Default)]
pub(in crate::ipfix) struct Templates(HashMap<u16, Arc<Template>>);

impl Templates {
    pub(in crate::ipfix) fn find(&self, id: u16) -> Option<&Template> {
        self.0.get(&id).map(Arc::as_ref)
    }

    pub(super) fn share(&self, id: u16) -> Option<Arc<Template>> {
        self.0.get(&id).map(Arc::clone)
    }

    /// Puts a Template in the place of the one that had its number.
    pub(super) fn define(&mut self, template: Template) -> Option<Arc<Template>> {
        self.0.insert(template.id, Arc::new(template))
    }

    /// Drops the Template of this number if it is of this kind.
    pub(super) fn withdraw(&mut self, id: u16, is_options: bool) -> Option<Arc<Template>> {
        if self.0.get(&id)?.is_options() == is_options { self.0.remove(&id) } else { None }
    }

    /// Drops all Templates of one kind; returns how many fields they had.
    pub(super) fn withdraw_all(&mut self, is_options: bool) -> usize {
        let mut fields = 0;
        self.0.retain(|_, template| {
            let stays = template.is_options() != is_options;
            fields += if stays { 0 } else { template.fields.len() };
            stays
        });
        fields
    }
}

/// A Field Specifier (RFC 7011 §3.2).
#[derive(Clone, Copy, Debug)]
pub(in crate::ipfix) struct FieldSpecifier {
    pub(in crate::ipfix) enterprise: u32,
    pub(in crate::ipfix) id: u16,
    pub(in crate::ipfix) length: u16,
}

/// The Field Specifier at the front of `octets`, and what comes after it.
pub(in crate::ipfix) fn take_field_specifier(octets: &[u8]) -> Option<(FieldSpecifier, &[u8])> {
    let (id, length) = (u16_at(octets, 0)?, u16_at(octets, 2)?);
    let rest = octets.get(4..)?;
    let (enterprise, rest) = if id & ENTERPRISE_BIT == 0 {
        (0, rest)
    } else {
        let (enterprise, rest) = rest.split_first_chunk()?;
        (u32::from_be_bytes(*enterprise), rest)
    };
    Some((FieldSpecifier { enterprise, id: id & !ENTERPRISE_BIT, length }, rest))
}

/// The content of the field at the front of `octets`, without a length prefix, and what comes
/// after it.
#[inline]
pub(in crate::ipfix) fn take_field(length: u16, octets: &[u8]) -> Option<(&[u8], &[u8])> {
    if length != VARIABLE_LENGTH {
        return octets.split_at_checked(usize::from(length));
    }
    // RFC 7011 §7: one octet of length, or 255 and two more.
    match *octets {
        [255, high, low, ref rest @ ..] => {
            rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))
        }
        [255, ..] | [] => None,
        [length, ref rest @ ..] => rest.split_at_checked(usize::from(length)),
    }
}

pub(super) fn u16_at(octets: &[u8], offset: usize) -> Option<u16> {
    let octets = octets.get(offset..)?.first_chunk()?;
    Some(u16::from_be_bytes(*octets))
}

/// RFC 7011 §3.4.1: lower numbers are those of Sets.
pub(super) const FIRST_TEMPLATE_ID: u16 = 256;
/// IE 145.
pub(super) const TEMPLATE_ID: u16 = 145;
/// IE 173.
pub(super) const FLOW_KEY_INDICATOR: u16 = 173;
/// RFC 7011 §3.2: an enterprise number follows.
const ENTERPRISE_BIT: u16 = 0x8000;
