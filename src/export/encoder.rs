//! Data Records into the Messages of one Transport Session.

use std::collections::VecDeque;

use crate::export::account::Totals;
use crate::export::layout::Layout;
use crate::export::mapping::{DataRecord, Shape, Templates};
use crate::export::profile::Mapping;
use crate::flow::FlowRecord;
use crate::ipfix::message::{MessageWriter, Refused};

/// Writes Data Records, and before the first one of a layout its Template.
#[derive(Debug)]
pub(crate) struct Encoder {
    templates: Templates,
    messages: MessageWriter,
    pending: Totals,
}

/// A complete Message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) octets: &'a [u8],
    /// The records in it.
    pub(crate) totals: Totals,
}

impl Encoder {
    /// An Encoder of records under `mapping`.
    pub(crate) fn new(observation_domain: u32, message_size: usize, mapping: Mapping) -> Self {
        Self {
            templates: Templates::new(mapping),
            messages: MessageWriter::new(observation_domain, message_size),
            pending: Totals::default(),
        }
    }

    /// Begins a new Transport Session; what was not finished is forgotten, and returned.
    #[must_use = "these records are lost unless they are given again"]
    pub(crate) fn restart(&mut self) -> Totals {
        self.messages.restart();
        std::mem::take(&mut self.pending)
    }

    pub(crate) fn limit_message_size(&mut self, size: usize) {
        self.messages.limit_size(size);
    }

    /// Whether the Template of `layout` was sent in this session.
    #[inline]
    pub(crate) fn knows_template(&mut self, layout: Layout) -> bool {
        self.messages.defines(self.templates.template(layout))
    }

    /// Writes the Template of `layout`, again if it is known.
    ///
    /// # Errors
    ///
    /// As [`MessageWriter::add_template`].
    pub(crate) fn add_template(&mut self, layout: Layout) -> Result<(), Refused> {
        self.messages.add_template(self.templates.template(layout))
    }

    /// Writes `record`, and its Template if this is the first of its kind.
    ///
    /// # Errors
    ///
    /// As [`MessageWriter::add_record`]; after [`Refused::MessageFull`] the Message is to be
    /// finished and the record tried again.
    #[inline]
    pub(crate) fn add(&mut self, record: &DataRecord<'_>) -> Result<(), Refused> {
        let template = self.templates.template(record.shape.layout);
        if !self.messages.defines(template) {
            self.messages.add_template(template)?;
        }
        self.messages.add_record(template, |octets| record.visit(octets))?;
        self.pending += Totals::of_data(record);
        Ok(())
    }

    /// Whether nothing waits in an unfinished Message.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Completes the Message, if anything is in it.
    pub(crate) fn finish(&mut self, export_seconds: u64) -> Option<Message<'_>> {
        let totals = std::mem::take(&mut self.pending);
        self.messages.finish(export_seconds).map(|octets| Message { octets, totals })
    }

    /// As [`MessageWriter::renumber`].
    pub(crate) fn renumber(&mut self) {
        self.messages.renumber();
    }

    /// Template number `index` of this session, in the order of their definition.
    ///
    /// # Errors
    ///
    /// As [`MessageWriter::add_template`]; `Ok(false)` if there is no such Template.
    pub(crate) fn add_template_again(&mut self, index: usize) -> Result<bool, Refused> {
        let Some(template) = self.messages.templates().get(index).cloned() else {
            return Ok(false);
        };
        self.messages.add_template(&template).map(|()| true)
    }
}

/// Records on their way into Messages, kept until the Message that holds them was sent.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Not in a Message yet; in order.
    waiting: VecDeque<(FlowRecord, Shape)>,
    /// In the Message that is being written; in order.
    in_message: Vec<(FlowRecord, Shape)>,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.in_message.is_empty()
    }

    /// Puts a record at the end.
    pub(crate) fn push(&mut self, DataRecord { record, shape }: DataRecord<'_>) {
        self.waiting.push_back((*record, shape));
    }

    /// The record to be written next.
    pub(crate) fn next(&self) -> Option<DataRecord<'_>> {
        self.waiting.front().map(|(record, shape)| DataRecord { record, shape: *shape })
    }

    /// The next record was written to the Message.
    pub(crate) fn next_is_written(&mut self) {
        self.in_message.extend(self.waiting.pop_front());
    }

    /// The Message was sent, or its records are lost.
    pub(crate) fn message_is_done(&mut self) {
        self.in_message.clear();
    }

    /// The Message was not sent and its records are to be written again.
    pub(crate) fn take_message_back(&mut self) {
        for record in self.in_message.drain(..).rev() {
            self.waiting.push_front(record);
        }
    }
}
