//! Structured data (RFC 6313): lists of values, and of records of other Templates.
//!
//! A list is checked as a whole when it is split off its field, so that walking it cannot fail.
//! What is not well formed stays plain octets.

use super::field::Field;
use super::reader::{MessageHeader, Record, Templates, take_field, take_field_specifier};
use super::value::Value;

/// Where a value lies: its message, the Templates of its Observation Domain, and how deep.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    pub(super) header: Option<&'a MessageHeader>,
    pub(super) templates: Option<&'a Templates>,
    pub(super) depth: u8,
}

impl Context<'_> {
    /// One level down; `None` beyond [`MAXIMUM_DEPTH`].
    const fn nested(self) -> Option<Self> {
        if self.depth < MAXIMUM_DEPTH { Some(Self { depth: self.depth + 1, ..self }) } else { None }
    }
}

/// Lists within lists are read this deep; what lies deeper stays octets. A level costs an exporter
/// five octets and a reader a stack frame or several, so there has to be a limit.
pub const MAXIMUM_DEPTH: u8 = 8;

/// `basicList` (RFC 6313 §4.5.1): values of one Information Element.
#[derive(Clone, Copy, Debug)]
pub struct BasicList<'a> {
    /// How the values relate to the flow.
    pub semantic: Semantic,
    /// What the values are.
    pub field: Field,
    length: u16,
    content: &'a [u8],
    context: Context<'a>,
}

impl<'a> BasicList<'a> {
    /// Checks that `octets` are a list header and whole elements.
    pub(super) fn split(octets: &'a [u8], context: Context<'a>) -> Option<Self> {
        let context = context.nested()?;
        let (&semantic, rest) = octets.split_first()?;
        let (specifier, content) = take_field_specifier(rest)?;
        let list = Self {
            semantic: Semantic(semantic),
            field: Field::look_up(specifier.enterprise, specifier.id),
            length: specifier.length,
            content,
            context,
        };
        let mut rest = content;
        while !rest.is_empty() {
            // Elements without octets would go on for ever.
            let after = take_field(specifier.length, rest)?.1;
            if after.len() == rest.len() {
                return None;
            }
            rest = after;
        }
        Some(list)
    }

    /// The values in their order.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let Self { field, length, context, content: mut rest, .. } = *self;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (octets, after) = take_field(length, rest)?;
            rest = after;
            Some(Value::decode(field.element.data_type, octets, context))
        })
    }
}

/// `subTemplateList` (RFC 6313 §4.5.2): records of one Template.
#[derive(Clone, Copy, Debug)]
pub struct SubTemplateList<'a> {
    /// How the records relate to the flow.
    pub semantic: Semantic,
    /// The records.
    pub records: SubRecords<'a>,
}

impl<'a> SubTemplateList<'a> {
    pub(super) fn split(octets: &'a [u8], context: Context<'a>) -> Option<Self> {
        let (&semantic, rest) = octets.split_first()?;
        let (template_id, content) = rest.split_first_chunk()?;
        let records =
            SubRecords::split(u16::from_be_bytes(*template_id), content, context.nested()?)?;
        Some(Self { semantic: Semantic(semantic), records })
    }
}

/// `subTemplateMultiList` (RFC 6313 §4.5.3): records of several Templates.
#[derive(Clone, Copy, Debug)]
pub struct SubTemplateMultiList<'a> {
    /// How the records relate to the flow.
    pub semantic: Semantic,
    content: &'a [u8],
    context: Context<'a>,
}

impl<'a> SubTemplateMultiList<'a> {
    pub(super) fn split(octets: &'a [u8], context: Context<'a>) -> Option<Self> {
        let context = context.nested()?;
        let (&semantic, content) = octets.split_first()?;
        let mut rest = content;
        while !rest.is_empty() {
            rest = Self::take_entry(rest, context)?.1;
        }
        Some(Self { semantic: Semantic(semantic), content, context })
    }

    /// The records, by Template.
    pub fn entries(&self) -> impl Iterator<Item = SubRecords<'a>> + use<'a> {
        let Self { context, content: mut rest, .. } = *self;
        std::iter::from_fn(move || {
            let (entry, after) = Self::take_entry(rest, context)?;
            rest = after;
            Some(entry)
        })
    }

    fn take_entry(octets: &'a [u8], context: Context<'a>) -> Option<(SubRecords<'a>, &'a [u8])> {
        let (header, _) = octets.split_first_chunk::<4>()?;
        let [template_high, template_low, length_high, length_low] = *header;
        // The length counts the four octets of this header.
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let (entry, rest) = octets.split_at_checked(length)?;
        let template_id = u16::from_be_bytes([template_high, template_low]);
        Some((SubRecords::split(template_id, entry.get(header.len()..)?, context)?, rest))
    }
}

/// Records of one Template within a list.
#[derive(Clone, Copy, Debug)]
pub struct SubRecords<'a> {
    /// The Template they belong to.
    pub template_id: u16,
    /// All of their octets.
    pub octets: &'a [u8],
    context: Context<'a>,
}

impl<'a> SubRecords<'a> {
    fn split(template_id: u16, octets: &'a [u8], context: Context<'a>) -> Option<Self> {
        let records = Self { template_id, octets, context };
        // RFC 6313 §9: a list whose Template is unknown is skipped, and the record goes on.
        if let Some(templates) = context.templates
            && let Some(template) = templates.find(template_id)
        {
            let mut rest = octets;
            while !rest.is_empty() {
                rest = template.split_record(rest)?.1;
            }
        }
        Some(records)
    }

    /// The records in their order; `None` if the Template is not known.
    pub fn records(&self) -> Option<impl Iterator<Item = Record<'a>> + use<'a>> {
        let Self { context, octets: mut rest, .. } = *self;
        let template = context.templates?.find(self.template_id)?;
        Some(std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (octets, after) = template.split_record(rest)?;
            rest = after;
            Some(Record::new(template, octets, context))
        }))
    }
}

/// How the elements of a list relate to the flow (RFC 6313 §4.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Semantic(pub u8);

impl Semantic {
    /// The name in the registry "IPFIX Structured Data Types Semantics".
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "noneOf",
            1 => "exactlyOneOf",
            2 => "oneOrMoreOf",
            3 => "allOf",
            4 => "ordered",
            255 => "undefined",
            _ => "unassigned",
        }
    }
}

// Equality is that of what was sent; the Templates around it are no part of a value.

impl PartialEq for BasicList<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.semantic, self.field, self.length, self.content)
            == (other.semantic, other.field, other.length, other.content)
    }
}

impl PartialEq for SubTemplateList<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.semantic, self.records) == (other.semantic, other.records)
    }
}

impl PartialEq for SubTemplateMultiList<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.semantic, self.content) == (other.semantic, other.content)
    }
}

impl PartialEq for SubRecords<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.template_id, self.octets) == (other.template_id, other.octets)
    }
}

#[cfg(test)]
mod tests;
