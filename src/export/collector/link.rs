//! The thread that talks to a Collector: sessions, Templates, options records, and what comes back.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::export::account::{Account, LossReason, SharedTotals, Totals};
use crate::export::body::Body;
use crate::export::clock::Clock;
use crate::export::collector::context::Context;
use crate::export::collector::members::{Members, Opened};
use crate::export::collector::running::{Done, Kind, Running};
use crate::export::collector::store::{Next, Store, Waiting};
use crate::export::config::{Config, Pace};
use crate::export::ending::Ending;
use crate::export::error::ExportError;
use crate::export::mapping::template_by_id;
use crate::export::options::{Exported, Options, OptionsRecord};
use crate::export::pacing::Pacer;
use crate::export::profile::Refresh;
use crate::export::spool::PushError;
use crate::export::transport::{ConnectError, Patience, SendError};
use crate::ipfix::message::{MESSAGE_HEADER_LENGTH, MessageWriter, Refused};
use crate::ipfix::sets::{set_ids, split_sets};
use crate::ipfix::template::Template;
use crate::time::Timestamp;

/// Sends what is in a [`Store`], in one Transport Session after the other.
#[derive(Debug)]
pub(super) struct Link {
    target: String,
    members: Members,
    store: Arc<Store>,
    options: Options,
    /// Options records have Observation Domain 0, apart from Flow Records.
    options_apart: bool,
    /// How everything of this run is encoded.
    context: Context,
    refresh: Refresh,
    pacer: Pacer,
    ending: Arc<Ending>,
    queue_full: Arc<SharedTotals>,
    /// What of it the Collector is told.
    queue_full_counted: Totals,
    config: Config,
    clock: Arc<dyn Clock>,
    account: Account,
    /// What each member was sent.
    exported: Vec<Exported>,
    session: Option<Running>,
    /// Replay: the Export Time of the last Body.
    export_seconds: Option<u64>,
    ticked_at: Duration,
    /// When the end of the run was seen.
    over_since: Option<Duration>,
    /// The Collector was missed, and that was said.
    missed: bool,
    /// A datagram could not be sent, and that was said.
    failing: bool,
}

/// What a [`Link`] is made of.
pub(super) struct LinkConfig {
    pub(super) target: String,
    pub(super) members: Members,
    pub(super) store: Arc<Store>,
    pub(super) options: Options,
    pub(super) options_apart: bool,
    pub(super) context: Context,
    pub(super) refresh: Refresh,
    pub(super) pacer: Pacer,
    pub(super) ending: Arc<Ending>,
    /// What was lost before it came to the store.
    pub(super) queue_full: Arc<SharedTotals>,
    pub(super) config: Config,
}

/// Why a Message did not leave.
#[derive(Debug)]
enum Failure {
    /// The session is over.
    Broken(io::Error),
    /// The Message was too large for the path, which is known better now.
    Resized,
    /// It is lost, the session goes on.
    NotSent(io::Error),
    /// Nothing can ever be sent.
    Fatal(ExportError),
}

/// What became of a part of a Body.
enum Tried {
    Sent,
    /// It is larger than a Message may be, and is to be sent as these.
    Divided(Vec<(Vec<u8>, u32)>),
    /// It is not what its Templates say.
    Unreadable,
}

/// What did not leave, and is sent again in its time.
fn later(outcome: Result<(), Failure>) -> Result<(), Failure> {
    match outcome {
        Err(Failure::Resized | Failure::NotSent(_)) => Ok(()),
        other => other,
    }
}

impl From<Refused> for Failure {
    /// What is refused here is refused for ever: everything that can be split was.
    fn from(refused: Refused) -> Self {
        Self::Broken(io::Error::other(refused))
    }
}

impl Link {
    pub(super) fn new(parts: LinkConfig) -> Self {
        let LinkConfig {
            target,
            members,
            store,
            options,
            options_apart,
            context,
            refresh,
            pacer,
            ending,
            queue_full,
            config,
        } = parts;
        Self {
            target,
            exported: vec![Exported::default(); members.len()],
            members,
            store,
            options,
            options_apart,
            context,
            refresh,
            pacer,
            ending,
            queue_full,
            queue_full_counted: Totals::default(),
            clock: Arc::clone(&config.clock),
            account: Account::new(config.observer.clone()),
            session: None,
            export_seconds: None,
            ticked_at: config.clock.monotonic(),
            over_since: None,
            missed: false,
            failing: false,
            config,
        }
    }

    /// The first attempt. Live, a Collector that is not there is waited for.
    pub(super) fn open(&mut self) -> Result<(), ExportError> {
        match self.reconnect() {
            Ok(_) => Ok(()),
            Err(Failure::Fatal(error)) => Err(error),
            Err(Failure::Broken(error)) => self.session_broke(error),
            Err(Failure::Resized | Failure::NotSent(_)) => Ok(()),
        }
    }

    /// Sends until the store ends. What could not be sent stays in the store.
    pub(super) fn run(mut self) -> Account {
        while !self.ending.is_abandoned() && !self.store.is_abandoned() {
            let stepped = if self.is_out_of_time() {
                self.leave()
            } else if self.session.is_some() {
                self.step()
            } else {
                self.reconnect()
            };
            match stepped {
                Ok(true) => {}
                Ok(false) => break,
                Err(Failure::Fatal(error)) => {
                    self.account.trouble(error);
                    break;
                }
                Err(Failure::Broken(error)) => {
                    if let Err(error) = self.session_broke(error) {
                        self.account.trouble(error);
                        break;
                    }
                }
                Err(Failure::Resized | Failure::NotSent(_)) => {}
            }
            self.tick();
        }
        self.store.abandon();
        self.tick_store();
        std::mem::take(&mut self.account)
    }

    /// Whether a Collector that takes what we have, but slowly, has had its time. There is none in a
    /// replay: it takes as long as it takes.
    fn is_out_of_time(&mut self) -> bool {
        if self.session.is_none() || self.config.pace == Pace::Replay || !self.ending.is_over() {
            return false;
        }
        let now = self.clock.monotonic();
        now.saturating_sub(*self.over_since.get_or_insert(now)) >= self.config.drain_limit
    }

    /// Leaves what there is to the next run.
    fn leave(&mut self) -> Result<bool, Failure> {
        self.close_session()?;
        let (target, limit) = (self.target.clone(), self.config.drain_limit);
        Err(Failure::Fatal(ExportError::Slow { target, seconds: limit.as_secs() }))
    }

    /// One look at what there is to do in a session. `Ok(false)` at the end.
    fn step(&mut self) -> Result<bool, Failure> {
        later(self.keep_up())?;
        if self.session.is_none() {
            return Ok(true); // it was closed to be renewed: nothing may be taken from the store
        }
        match self.store.next(TICK) {
            Next::Body(waiting) => self.send_body(&waiting).map(|()| true),
            Next::Nothing => {
                self.settle();
                self.look()?;
                Ok(true)
            }
            Next::End => self.end(),
        }
    }

    /// What a session needs besides Bodies: its announcement, and what is sent again.
    fn keep_up(&mut self) -> Result<(), Failure> {
        let now = self.clock.monotonic();
        let Some(running) = &mut self.session else { return Ok(()) };
        if !running.announced {
            // In a replay Export Time is the capture's, which the first Body tells.
            return match self.config.pace {
                Pace::Live => self.announce(),
                Pace::Replay => Ok(()),
            };
        }
        if running.is_datagrams
            && running.templates_are_due(
                self.refresh.templates,
                self.config.udp.template_refresh_messages,
                now,
            )
        {
            self.refresh_templates()?;
        }
        let Some(running) = &mut self.session else { return Ok(()) };
        let interfaces = self.config.metering.points.len();
        if interfaces > running.interfaces {
            let before = std::mem::replace(&mut running.interfaces, interfaces);
            let records = self.options.interfaces(before, interfaces);
            self.send_records(&records)?;
        }
        let Some(running) = &self.session else { return Ok(()) };
        if running.session.wants_renewal() && self.members.active_is_due() {
            return self.close_session();
        }
        if running.options_are_due(self.refresh.options, now) {
            self.send_options(running.is_datagrams, self.config.pace == Pace::Live)?;
        }
        self.fail_back()
    }

    /// The start of a session: what tells of the probe, ahead of everything that tells of Flows.
    fn announce(&mut self) -> Result<(), Failure> {
        if let Some(running) = &mut self.session {
            running.announced = true;
        }
        self.send_options(true, self.config.pace == Pace::Live)
    }

    /// Sends options records, and their Templates if they are wanted.
    ///
    /// A record that a datagram does not take is left for the next time: nothing else must suffer.
    fn send_options(&mut self, with_templates: bool, with_statistics: bool) -> Result<(), Failure> {
        let Some(running) = &mut self.session else { return Ok(()) };
        running.options_at = self.clock.monotonic();
        running.options_at_once = false;
        if with_templates {
            for template in self.options.templates() {
                while let Some(running) = &mut self.session {
                    match running.writer(Kind::Options).add_template(&template) {
                        Ok(()) => break,
                        Err(Refused::MessageFull) => self.end_message(Kind::Options)?,
                        Err(refused) => return Err(refused.into()),
                    }
                }
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
    fn send_statistics(&mut self) -> Result<(), Failure> {
        let full = self.queue_full.totals();
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

    fn send_records(&mut self, records: &[OptionsRecord]) -> Result<(), Failure> {
        for OptionsRecord { template, octets } in records {
            while let Some(running) = &mut self.session {
                match running.writer(Kind::Options).add_octets(template, octets) {
                    // Without its Template, which did not leave, it is sent again with it.
                    Ok(()) | Err(Refused::UndefinedTemplate(_)) => break,
                    Err(Refused::MessageFull) => self.end_message(Kind::Options)?,
                    Err(refused) => return Err(refused.into()),
                }
            }
        }
        self.end_message(Kind::Options)
    }

    /// RFC 7011 §8.4: sends every Template of the session again, in Messages of their own.
    fn refresh_templates(&mut self) -> Result<(), Failure> {
        let Some(running) = &mut self.session else { return Ok(()) };
        running.refresh_at_once = false;
        running.templates_at = self.clock.monotonic();
        let templates: Vec<_> = running.templates.values().cloned().collect();
        for template in &templates {
            while let Some(running) = &mut self.session {
                match running.messages.add_template(template) {
                    Ok(()) => break,
                    Err(Refused::MessageFull) => self.end_message(Kind::Flows)?,
                    Err(refused) => return Err(refused.into()),
                }
            }
        }
        self.end_message(Kind::Flows)?;
        let keys: Vec<_> = templates.iter().filter_map(|t| self.options.flow_keys(t)).collect();
        self.send_records(&keys)?;
        if let Some(running) = &mut self.session {
            running.messages_since_templates = 0;
            // The path may have changed.
            running.limit_size();
            self.store.set_message_size(running.session.message_size());
        }
        Ok(())
    }

    /// Sends one Body, or gives it up; it is in the store until the session knows more.
    fn send_body(&mut self, waiting: &Waiting) -> Result<(), Failure> {
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

    /// RFC 7011 §8: a Template goes ahead of its data, and over UDP twice (§8.4); with it goes which
    /// of its fields are Flow Keys (§4.4).
    fn announce_template(&mut self, template: &Arc<Template>) -> Result<(), Failure> {
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
        let Some(keys) = self.options.flow_keys(template) else { return Ok(()) };
        let sent = self.send_records(&[keys]);
        if let (Err(_), Some(running)) = (&sent, &mut self.session) {
            running.refresh_at_once = true;
        }
        later(sent)
    }

    /// A Body is lost. It leaves the store in its turn.
    fn give_up(&mut self, reason: LossReason) {
        if let Some(running) = &mut self.session {
            running.unsettled.push_back(Done::GivenUp(reason));
        }
        self.settle();
    }

    /// Sends the Message in hand, if anything is in it.
    fn end_message(&mut self, kind: Kind) -> Result<(), Failure> {
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
    fn listen(&mut self) -> Result<(), Failure> {
        let Some(running) = &mut self.session else { return Ok(()) };
        if running.is_datagrams || running.unsettled.len() >= SETTLE_AFTER {
            self.settle();
        }
        let Some(running) = &mut self.session else { return Ok(()) };
        match running.session.trouble() {
            Some(error) if self.has_alternative() => Err(Failure::Broken(error)),
            Some(source) => {
                self.trouble(|target| ExportError::Send { target, source });
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn look(&mut self) -> Result<(), Failure> {
        let Some(running) = &mut self.session else { return Ok(()) };
        running.session.look().map_err(Failure::Broken)?;
        self.listen()
    }

    /// Accounts for what has arrived.
    fn settle(&mut self) {
        let Some(running) = &mut self.session else { return };
        let delivered = running.session.delivered();
        self.settle_up_to(delivered);
    }

    fn settle_up_to(&mut self, delivered: u64) {
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

    /// Nothing will follow: the last statistics leave, then the session is closed in order.
    fn end(&mut self) -> Result<bool, Failure> {
        if let Some(running) = &self.session
            && !running.announced
        {
            later(self.announce())?;
        }
        // A network that is down does not keep us.
        later(self.send_statistics())?;
        self.close_session()?;
        Ok(false)
    }

    /// Closes the session in order, which is to say that everything in it has arrived.
    fn close_session(&mut self) -> Result<(), Failure> {
        let Some(running) = &mut self.session else { return Ok(()) };
        let patience = match self.config.pace {
            Pace::Live => self.config.drain_timeout,
            Pace::Replay => self.config.drain_timeout.max(self.config.tcp.stall_timeout),
        };
        running.session.close(patience, &*self.clock).map_err(Failure::Broken)?;
        let delivered = running.session.delivered_at_end();
        self.settle_up_to(delivered);
        self.session = None;
        Ok(())
    }

    /// A broken session: what it did not deliver waits again.
    ///
    /// It is an error only where we would wait for a Collector that reads nothing, session after
    /// session: at the end, and in a replay, which would stand still for the others too.
    fn session_broke(&mut self, error: io::Error) -> Result<(), ExportError> {
        let Some(running) = &mut self.session else { return Ok(()) };
        let delivered = running.session.delivered_at_end();
        self.settle_up_to(delivered);
        self.session = None;
        let missed_before = std::mem::replace(&mut self.missed, true);
        let now = self.now();
        self.store.take_back(now);
        self.store.set_away(true, now);
        if error.kind() != io::ErrorKind::TimedOut {
            // One that was missed, and went again before it had proved to be back, is still missed.
            if !missed_before {
                self.trouble(|target| ExportError::Session { target, source: error });
            }
            return Ok(());
        }
        let over = self.ending.is_over();
        let limit = if over { self.config.drain_timeout } else { self.config.tcp.stall_timeout };
        let target = self.target.clone();
        let stalled = ExportError::Stalled { target, seconds: limit.as_secs() };
        if over || self.config.pace == Pace::Replay {
            return Err(stalled);
        }
        self.account.trouble(stalled);
        Ok(())
    }

    /// Waits for a session, for a moment. `Ok(false)` when there will be none.
    fn reconnect(&mut self) -> Result<bool, Failure> {
        // All of it was settled when the last session was closed or broke.
        if self.store.is_ended() {
            return Ok(false);
        }
        let wait = self.members.wait();
        if !wait.is_zero() {
            // RFC 7011 §10.4.4: not even at the end is there an attempt before its time.
            if self.ending.wait(wait.min(TICK)) {
                let target = self.target.clone();
                return Err(Failure::Fatal(ExportError::Unreachable { target }));
            }
            return Ok(true);
        }
        match self.members.open() {
            Ok(opened) => {
                self.begin(opened);
                self.prove()?;
            }
            Err(error) => {
                let refused = matches!(&error, ConnectError::Tls(e) if e.is_refusal());
                self.account.session_failed(refused);
                // Also after a session that was closed to be renewed.
                self.store.set_away(true, self.now());
                let error = error.of(&self.target);
                if self.config.pace == Pace::Replay {
                    return Err(Failure::Fatal(error));
                }
                if !std::mem::replace(&mut self.missed, true) {
                    self.account.trouble(error);
                }
            }
        }
        Ok(true)
    }

    /// A new session: no Template is known and numbers begin at zero (RFC 7011 §8.1, §10).
    pub(super) fn begin(&mut self, opened: Opened) {
        let size = opened.session.message_size();
        let next = self.store.next_context();
        let next = next.and_then(|text| Some((text.parse().ok()?, text)));
        let (context, context_text) =
            next.unwrap_or_else(|| (self.context, self.context.to_string().into()));
        let now = self.clock.monotonic();
        self.store.set_message_size(size);
        self.store.set_away(false, self.now());
        self.account.session_opened();
        self.session = Some(Running {
            session: opened.session,
            messages: MessageWriter::new(context.observation_domain, size),
            // In one Observation Domain there is one sequence (RFC 7011 §3.1).
            options: (self.options_apart && context.observation_domain != 0)
                .then(|| MessageWriter::new(0, size)),
            context,
            context_text,
            templates: BTreeMap::new(),
            unsettled: VecDeque::new(),
            settled: 0,
            announced: false,
            is_datagrams: opened.is_datagrams,
            templates_at: now,
            messages_since_templates: 0,
            refresh_at_once: false,
            options_at: now,
            options_at_once: false,
            interfaces: 0,
        });
    }

    /// Over UDP every Collector seems to be there. Where there is another place for the records, the
    /// first Messages are those that can be spared, and the network has a moment to object.
    fn prove(&mut self) -> Result<(), Failure> {
        let datagrams = self.session.as_ref().is_some_and(|running| running.is_datagrams);
        if datagrams && self.has_alternative() && self.config.pace == Pace::Live {
            later(self.announce())?;
            self.ending.wait(OBJECTION_TIME);
            self.look()?;
        }
        self.is_back();
        Ok(())
    }

    fn is_back(&mut self) {
        if std::mem::take(&mut self.missed) {
            self.account.recovered(&self.target);
        }
    }

    /// Goes back to a Collector that is preferred, if it is there again. The present one is kept until
    /// that is known, or each attempt would cost a session.
    fn fail_back(&mut self) -> Result<(), Failure> {
        let Some(present) = &self.session else { return Ok(()) };
        let size = present.session.message_size();
        let before = self.members.active();
        let Some(opened) = self.members.open_preferred() else { return Ok(()) };
        let Some(present) = self.session.take() else { return Ok(()) };
        self.begin(opened);
        let proved = self.prove();
        let Some(preferred) = self.session.replace(present) else { return Ok(()) };
        if proved.is_err() {
            self.members.set_active(before);
            self.store.set_message_size(size);
            return Ok(());
        }
        match self.close_session() {
            Err(Failure::Broken(error)) => {
                self.session_broke(error).map_err(Failure::Fatal)?;
                self.store.set_away(false, self.now());
            }
            closed => closed?,
        }
        self.session = Some(preferred);
        self.is_back();
        Ok(())
    }

    /// Whether records that cannot be sent now have another place to go.
    fn has_alternative(&self) -> bool {
        self.members.len() > 1 || self.store.has_spool()
    }

    fn tick(&mut self) {
        let now = self.clock.monotonic();
        if now.saturating_sub(self.ticked_at) >= TICK {
            self.ticked_at = now;
            self.tick_store();
        }
    }

    fn tick_store(&mut self) {
        let (losses, trouble) = self.store.tick(self.now());
        for (reason, totals) in losses {
            self.account.lost(reason, totals);
        }
        if let Some(source) = trouble {
            let source = match source {
                PushError::Full => io::Error::other(PushError::Full),
                PushError::Io(source) => source,
            };
            self.trouble(|target| ExportError::SpoolWrite { target, source });
        }
    }

    pub(super) fn trouble(&mut self, error: impl FnOnce(String) -> ExportError) {
        self.account.trouble(error(self.target.clone()));
    }

    fn now(&self) -> Timestamp {
        self.clock.wall()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // However it ends: nobody waits for room any more.
        self.store.abandon();
    }
}

/// How often an idle link looks around.
const TICK: Duration = Duration::from_millis(100);

/// Messages that may wait before the transport is asked what has arrived.
const SETTLE_AFTER: usize = 8;

/// How long the network has to say that nobody listens at a port.
const OBJECTION_TIME: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
