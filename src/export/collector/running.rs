//! A Transport Session in use: what was said in it, and what is to be said again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::export::account::LossReason;
use crate::export::collector::context::Context;
use crate::export::transport::Session;
use crate::ipfix::message::MessageWriter;
use crate::ipfix::template::Template;

/// A session, and what is known of it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) session: Box<dyn Session>,
    /// Of what was sent: sequence number, Templates, Export Time.
    pub(super) messages: MessageWriter,
    /// The same of options records, if they have an Observation Domain of their own.
    pub(super) options: Option<MessageWriter>,
    pub(super) context: Context,
    /// The same as text.
    pub(super) context_text: Arc<str>,
    /// Those that Flow Records need, by their ID.
    pub(super) templates: BTreeMap<u16, Arc<Template>>,
    /// What was done in this session and is not settled; in order.
    pub(super) unsettled: VecDeque<Done>,
    /// Messages that are settled.
    pub(super) settled: u64,
    /// The start of the session was announced.
    pub(super) announced: bool,
    pub(super) is_datagrams: bool,
    pub(super) templates_at: Duration,
    pub(super) messages_since_templates: u32,
    /// A datagram was too large: Templates may have been in it.
    pub(super) refresh_at_once: bool,
    pub(super) options_at: Duration,
    pub(super) options_at_once: bool,
    /// Observation Points that the Collector was told of.
    pub(super) interfaces: usize,
}

impl Running {
    /// RFC 7011 §8.4, and on the clock that the cadence of options records is left to (§4).
    pub(super) fn options_are_due(&self, timeout: Duration, now: Duration) -> bool {
        let age = now.saturating_sub(self.options_at);
        age >= timeout.max(SHORTEST_REFRESH) || age >= SHORTEST_REFRESH && self.options_at_once
    }

    /// A Message did not leave in which there may have been Templates.
    pub(super) fn repeat(&mut self, kind: Kind) {
        match kind {
            Kind::Options => self.options_at_once = true,
            Kind::Flows | Kind::EndOfBody => self.refresh_at_once = true,
        }
    }

    /// Of each Body that was done in this session and is not settled, in order: whether it was sent.
    pub(super) fn written(&self) -> impl Iterator<Item = bool> {
        self.unsettled.iter().filter_map(|done| match done {
            Done::Message => None,
            Done::Body => Some(true),
            Done::GivenUp(_) => Some(false),
        })
    }

    pub(super) fn writer(&mut self, kind: Kind) -> &mut MessageWriter {
        match (kind, &mut self.options) {
            (Kind::Options, Some(options)) => options,
            _ => &mut self.messages,
        }
    }

    /// Follows the transport in how large a Message may be.
    pub(super) fn limit_size(&mut self) {
        let size = self.session.message_size();
        self.messages.limit_size(size);
        if let Some(options) = &mut self.options {
            options.limit_size(size);
        }
    }

    /// RFC 7011 §8.4: whether Templates are to be sent again.
    pub(super) fn templates_are_due(
        &self,
        timeout: Duration,
        messages: u32,
        now: Duration,
    ) -> bool {
        let age = now.saturating_sub(self.templates_at);
        age >= timeout.max(SHORTEST_REFRESH)
            || age >= SHORTEST_REFRESH && self.refresh_at_once
            || self.messages_since_templates >= messages.max(1)
    }
}

/// What a Message is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Templates of Flow Records, or a part of a Body.
    Flows,
    /// Flow Records up to the end of a Body.
    EndOfBody,
    /// Options Templates and options records.
    Options,
}

/// Something that was done in a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Done {
    /// A Message was sent that ends no Body.
    Message,
    /// The last Message of a Body was sent.
    Body,
    /// A Body was given up, and no Message sent in its place.
    GivenUp(LossReason),
}

/// A refresh in every moment would leave no time for anything else.
const SHORTEST_REFRESH: Duration = Duration::from_millis(100);
