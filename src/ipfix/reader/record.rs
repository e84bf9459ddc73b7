//! A Data Record as it lies in its message.

use super::session::MessageHeader;
use super::template::{Template, take_field};
use crate::ipfix::field::Field;
use crate::ipfix::list::Context;
use crate::ipfix::value::Value;

/// A Data Record: its Template, and octets that were checked against it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    template: &'a Template,
    octets: &'a [u8],
    context: Context<'a>,
}

impl<'a> Record<'a> {
    /// `octets` are what [`Template::split_record`] gave.
    pub(in crate::ipfix) const fn new(
        template: &'a Template,
        octets: &'a [u8],
        context: Context<'a>,
    ) -> Self {
        Self { template, octets, context }
    }

    /// The header of the message it came in; `None` for a record made without one.
    pub const fn header(&self) -> Option<&'a MessageHeader> {
        self.context.header
    }

    /// What describes the record.
    pub const fn template(&self) -> &'a Template {
        self.template
    }

    /// Fields and values in the order of the Template.
    pub fn fields(&self) -> impl Iterator<Item = (Field, Value<'a>)> + use<'a> {
        let Self { template, octets: mut rest, context } = *self;
        template.fields().iter().map_while(move |field| {
            let (octets, after) = take_field(field.length, rest)?;
            rest = after;
            let data_type = field.field.element.data_type;
            Some((field.field, Value::decode(data_type, octets, context)))
        })
    }
}
