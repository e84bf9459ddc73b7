//! What describes the records: Templates, and what the probe tells of itself.

use std::sync::Arc;

use crate::export::collector::link::{Failure, Link, later};
use crate::export::collector::running::Kind;
use crate::export::config::Pace;
use crate::export::options::{Exported, OptionsRecord};
use crate::ipfix::message::{MessageWriter, Refused};
use crate::ipfix::template::Template;

impl Link {
    /// The start of a session: what tells of the probe, ahead of everything that tells of Flows.
    pub(super) fn announce(&mut self) -> Result<(), Failure> {
        if let Some(running) = &mut self.session {
            running.announced = true;
        }
        self.send_options(true, self.config.pace == Pace::Live)
    }

    /// Sends options records, and their Templates if they are wanted.
    ///
    /// A record that a datagram does not take is left for the next time: nothing else must suffer.
    pub(super) fn send_options(
        &mut self,
        with_templates: bool,
        with_statistics: bool,
    ) -> Result<(), Failure> {
        let Some(running) = &mut self.session else { return Ok(()) };
        running.options_at = self.clock.monotonic();
        running.options_at_once = false;
        if with_templates {
            for template in self.options.templates() {
                self.fill(Kind::Options, |messages| messages.add_template(&template))?;
            }
            self.end_message(Kind::Options)?;
        }
        let interfaces = self.config.metering.points.len();
        if let Some(running) = &mut self.session {
            running.interfaces = interfaces;
        }
        let standing = self.options.standing(interfaces);
        self.send_records(&standing)?;
        if with_statistics { self.send_statistics() } else { Ok(()) }
    }

    /// A Message of their own: they tell of all Messages before the one that they are in.
    pub(super) fn send_statistics(&mut self) -> Result<(), Failure> {
        let full = self.watch.queue_full.totals();
        let before = std::mem::replace(&mut self.queue_full_counted, full);
        self.store.count_not_sent(full.less(before), self.now());
        let not_sent = self.store.not_sent();
        let exported = Exported {
            not_sent: not_sent.totals,
            first_not_sent: not_sent.first,
            last_not_sent: not_sent.last,
            ..self.exported.get(self.members.active()).copied().unwrap_or_default()
        };
        let records = self.options.statistics(&exported, self.now());
        self.send_records(&records)
    }

    pub(super) fn send_records(&mut self, records: &[OptionsRecord]) -> Result<(), Failure> {
        for OptionsRecord { template, octets } in records {
            self.fill(Kind::Options, |messages| match messages.add_octets(template, octets) {
                // Without its Template, which did not leave, it is sent again with it.
                Err(Refused::UndefinedTemplate(_)) => Ok(()),
                added => added,
            })?;
        }
        self.end_message(Kind::Options)
    }

    /// Adds to the Message in hand, or to the next one if it is full.
    fn fill(
        &mut self,
        kind: Kind,
        mut add: impl FnMut(&mut MessageWriter) -> Result<(), Refused>,
    ) -> Result<(), Failure> {
        while let Some(running) = &mut self.session {
            match add(running.writer(kind)) {
                Err(Refused::MessageFull) => self.end_message(kind)?,
                added => return Ok(added?),
            }
        }
        Ok(())
    }

    /// RFC 7011 §8.4: sends every Template of the session again, in Messages of their own.
    pub(super) fn refresh_templates(&mut self) -> Result<(), Failure> {
        let Some(running) = &mut self.session else { return Ok(()) };
        running.refresh_at_once = false;
        running.templates_at = self.clock.monotonic();
        let templates: Vec<_> = running.templates.values().cloned().collect();
        for template in &templates {
            self.fill(Kind::Flows, |messages| messages.add_template(template))?;
        }
        self.end_message(Kind::Flows)?;
        let about: Vec<_> = templates.iter().flat_map(|t| self.options.about(t)).collect();
        self.send_records(&about)?;
        if let Some(running) = &mut self.session {
            running.messages_since_templates = 0;
            // The path may have changed.
            running.limit_size();
            self.store.set_message_size(running.session.message_size());
        }
        Ok(())
    }

    /// RFC 7011 §8: a Template goes ahead of its data, and over UDP twice (§8.4); with it goes what is
    /// to be told of its fields.
    pub(super) fn announce_template(&mut self, template: &Arc<Template>) -> Result<(), Failure> {
        let copies = match &self.session {
            Some(running) if running.is_datagrams => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let Some(running) = &mut self.session else { return Ok(()) };
            running.messages.add_template(template)?;
            self.end_message(Kind::Flows)?;
            // Only now: what did not leave is tried again with the next Body.
            if let Some(running) = &mut self.session {
                running.templates.insert(template.id().get(), Arc::clone(template));
            }
        }
        let sent = self.send_records(&self.options.about(template));
        if let (Err(_), Some(running)) = (&sent, &mut self.session) {
            running.refresh_at_once = true;
        }
        later(sent)
    }
}
