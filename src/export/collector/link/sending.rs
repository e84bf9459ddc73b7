//! Bodies into Messages, Messages to the session, and what comes back.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::export::account::LossReason;
use crate::export::body::Body;
use crate::export::collector::context::Context;
use crate::export::collector::link::{Failure, Link, later};
use crate::export::collector::running::{Done, Kind, Running};
use crate::export::collector::store::Waiting;
use crate::export::config::Pace;
use crate::export::error::ExportError;
use crate::export::mapping::template_by_id;
use crate::export::transport::{Patience, SendError};
use crate::ipfix::message::MESSAGE_HEADER_LENGTH;
use crate::ipfix::sets::{set_ids, split_sets};

/// What became of a part of a Body.
enum Tried {
    Sent,
    /// It is larger than a Message may be, and is to be sent as these.
    Divided(Vec<(Vec<u8>, u32)>),
    /// It is not what its Templates say.
    Unreadable,
}

impl Link {
    /// Sends one Body, or gives it up; it is in the store until the session knows more.
    pub(super) fn send_body(&mut self, waiting: &Waiting) -> Result<(), Failure> {
        let Some(running) = &self.session else { return Ok(()) };
        if *running.context_text != *waiting.context {
            return self.change_context(&waiting.context);
        }
        let is_announced = running.announced;
        self.export_seconds = Some(waiting.export_seconds);
        if !is_announced {
            later(self.announce())?;
        }
        match self.send_parts(&waiting.body) {
            // The records keep their sequence numbers, so that the Collector sees the gap
            // (RFC 7011 §10.2.2).
            Err(Failure::NotSent(source)) => {
                self.give_up(LossReason::NotSent);
                if !std::mem::replace(&mut self.failing, true) {
                    self.trouble(|target| ExportError::Send { target, source });
                }
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// RFC 7011 §8.1: an ID keeps its meaning as long as the session lasts, so what is encoded
    /// otherwise, by an earlier run, is sent in another session.
    fn change_context(&mut self, context: &str) -> Result<(), Failure> {
        if context.parse::<Context>().is_err() {
            // Of another version. It must not stand before everything else for ever.
            self.give_up(LossReason::SpoolDamaged);
            return Ok(());
        }
        self.close_session()?;
        let now = self.now();
        self.store.take_back(now);
        self.store.set_away(true, now);
        Ok(())
    }

    /// Sends Data Sets in one Message, or in several if the path does not take them in one.
    ///
    /// What has left does not leave again, however the path changes in between.
    fn send_parts(&mut self, body: &Body) -> Result<(), Failure> {
        let records = u32::try_from(body.totals.records).unwrap_or(u32::MAX);
        let mut part = (Cow::Borrowed(body.sets.as_slice()), records);
        // The next one is the last.
        let mut rest: Vec<(Cow<'_, [u8]>, u32)> = Vec::new();
        loop {
            let kind = if rest.is_empty() { Kind::EndOfBody } else { Kind::Flows };
            match self.send_part(&part.0, part.1, kind) {
                Ok(Tried::Sent) => {}
                Ok(Tried::Divided(parts)) => {
                    let parts = parts.into_iter().rev();
                    rest.extend(parts.map(|(sets, records)| (Cow::Owned(sets), records)));
                }
                Ok(Tried::Unreadable) => {
                    // Nothing that could be misread is ever sent.
                    self.give_up(LossReason::SpoolDamaged);
                    return Ok(());
                }
                // Again, in smaller Messages.
                Err(Failure::Resized) => {
                    later(self.refresh_templates())?;
                    continue;
                }
                Err(failure) => return Err(failure),
            }
            match rest.pop() {
                Some(next) => part = next,
                None => return Ok(()),
            }
        }
    }

    /// Sends Data Sets, and before them the Templates that this session does not know yet.
    fn send_part(&mut self, sets: &[u8], records: u32, kind: Kind) -> Result<Tried, Failure> {
        let Some(running) = &self.session else { return Ok(Tried::Unreadable) };
        let mapping = running.context.mapping;
        // Several Sets of a Body may have one Template.
        let mut unknown = BTreeMap::new();
        for id in set_ids(sets).filter(|id| !running.templates.contains_key(id)) {
            match template_by_id(id, mapping) {
                Some(template) => drop(unknown.insert(id, Arc::new(template))),
                None => return Ok(Tried::Unreadable),
            }
        }
        for template in unknown.into_values() {
            self.announce_template(&template)?;
        }
        let Some(running) = &mut self.session else { return Ok(Tried::Unreadable) };
        let size = running.messages.maximum_size();
        if MESSAGE_HEADER_LENGTH + sets.len() > size {
            let length = |id| running.templates.get(&id).map(|template| template.record_length());
            let parts = split_sets(sets, size, length).filter(|parts| !parts.is_empty());
            return Ok(parts.map_or(Tried::Unreadable, Tried::Divided));
        }
        if running.messages.add_sets(sets, records).is_err() {
            return Ok(Tried::Unreadable);
        }
        self.end_message(kind).map(|()| Tried::Sent)
    }

    /// A Body is lost. It leaves the store in its turn.
    fn give_up(&mut self, reason: LossReason) {
        if let Some(running) = &mut self.session {
            running.unsettled.push_back(Done::GivenUp(reason));
        }
        self.settle();
    }

    /// Sends the Message in hand, if anything is in it.
    pub(super) fn end_message(&mut self, kind: Kind) -> Result<(), Failure> {
        let export_seconds = match (self.config.pace, self.export_seconds) {
            (Pace::Replay, Some(seconds)) => seconds,
            _ => self.clock.wall().as_secs(),
        };
        let has_alternative = self.has_alternative();
        let Some(running) = &mut self.session else { return Ok(()) };
        let Running { session, messages, options, .. } = running;
        let messages = match (kind, options) {
            (Kind::Options, Some(options)) => options,
            _ => messages,
        };
        let before = messages.sequence();
        let Some(octets) = messages.finish(export_seconds) else { return Ok(()) };
        let size = octets.len();
        self.pacer.wait(&*self.clock);
        let patience = Patience {
            running: self.config.tcp.stall_timeout,
            over: self.config.drain_timeout,
            ending: &self.ending,
            clock: &*self.clock,
        };
        match session.send(octets, patience) {
            Ok(()) => {}
            Err(SendError::TooLarge) => {
                messages.renumber();
                running.limit_size();
                running.repeat(kind);
                self.store.set_message_size(running.session.message_size());
                return Err(Failure::Resized);
            }
            Err(SendError::NotSent(error)) if !has_alternative => {
                running.repeat(kind);
                return Err(Failure::NotSent(error));
            }
            Err(SendError::NotSent(error)) => return Err(Failure::Broken(error)),
            Err(SendError::Broken(error)) => return Err(Failure::Broken(error)),
        }
        let records = messages.sequence().wrapping_sub(before);
        let ends_body = kind == Kind::EndOfBody;
        if ends_body {
            self.last_written = Some(self.clock.wall());
        }
        running.unsettled.push_back(if ends_body { Done::Body } else { Done::Message });
        running.messages_since_templates = running.messages_since_templates.saturating_add(1);
        if let Some(exported) = self.exported.get_mut(self.members.active()) {
            exported.messages += 1;
            exported.octets += size as u64;
            if kind != Kind::Options {
                exported.flow_records += u64::from(records);
            }
        }
        self.account.messages(1, size);
        if std::mem::take(&mut self.failing) {
            self.account.recovered(&self.target);
        }
        self.listen()
    }

    /// Hears what the network says that does not end a session by itself.
    pub(super) fn listen(&mut self) -> Result<(), Failure> {
        let Some(running) = &mut self.session else { return Ok(()) };
        if running.is_datagrams || running.unsettled.len() >= SETTLE_AFTER {
            self.settle();
        }
        let Some(running) = &mut self.session else { return Ok(()) };
        if let Some(advice) = running.session.advice() {
            self.account.advice(&self.target, &advice.to_string());
        }
        match running.session.trouble() {
            Some(error) if self.has_alternative() => Err(Failure::Broken(error)),
            Some(source) => {
                self.trouble(|target| ExportError::Send { target, source });
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn look(&mut self) -> Result<(), Failure> {
        let Some(running) = &mut self.session else { return Ok(()) };
        running.session.look().map_err(Failure::Broken)?;
        self.listen()
    }

    /// Accounts for what has arrived.
    pub(super) fn settle(&mut self) {
        let Some(running) = &mut self.session else { return };
        let delivered = running.session.delivered();
        self.settle_up_to(delivered);
    }

    pub(super) fn settle_up_to(&mut self, delivered: u64) {
        let Some(running) = &mut self.session else { return };
        let (mut bodies, mut given_up) = (0, Vec::new());
        while let Some(&done) = running.unsettled.front() {
            match done {
                Done::GivenUp(reason) => given_up.push((bodies, reason)),
                Done::Message | Done::Body if running.settled < delivered => {
                    running.settled += 1;
                    bodies += usize::from(done == Done::Body);
                }
                Done::Message | Done::Body => break,
            }
            running.unsettled.pop_front();
        }
        let mut before = 0;
        for (sent, reason) in given_up {
            self.sent(sent - before);
            before = sent;
            let totals = self.store.delivered(1);
            self.account.lost(reason, totals);
            self.store.count_not_sent(totals, self.clock.wall());
        }
        self.sent(bodies - before);
    }

    fn sent(&mut self, bodies: usize) {
        if bodies > 0 {
            let totals = self.store.delivered(bodies);
            self.account.sent(totals);
        }
    }
}

/// Messages that may wait before the transport is asked what has arrived.
const SETTLE_AFTER: usize = 8;
