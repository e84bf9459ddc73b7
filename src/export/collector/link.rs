//! The thread that talks to a Collector: sessions, Templates, options records, and what comes back.

mod describing;
mod sending;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::export::account::{Account, Totals};
use crate::export::clock::Clock;
use crate::export::collector::context::Context;
use crate::export::collector::members::{Members, Opened};
use crate::export::collector::running::Running;
use crate::export::collector::store::{Next, Store};
use crate::export::config::{Config, Pace};
use crate::export::ending::Ending;
use crate::export::error::ExportError;
use crate::export::high_water::HighWater;
use crate::export::options::{Exported, Options};
use crate::export::pacing::Pacer;
use crate::export::profile::Refresh;
use crate::export::spool::PushError;
use crate::export::watch::{SessionState, Watch};
use crate::ipfix::message::{MessageWriter, Refused};
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
    /// Where it is shown how it goes.
    watch: Arc<Watch>,
    /// What of that which was lost before it came to the store the Collector is told.
    queue_full_counted: Totals,
    config: Config,
    clock: Arc<dyn Clock>,
    account: Account,
    /// What each member was sent.
    exported: Vec<Exported>,
    session: Option<Running>,
    /// Replay: the Export Time of the last Body.
    export_seconds: Option<u64>,
    /// When a Body was last written to a session.
    last_written: Option<Timestamp>,
    ticked_at: Duration,
    /// When the end of the run was seen.
    over_since: Option<Duration>,
    /// The Collector was missed, and that was said.
    missed: bool,
    /// A datagram could not be sent, and that was said.
    failing: bool,
    spool_mark: HighWater,
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
    /// Knows what was lost before it came to the store.
    pub(super) watch: Arc<Watch>,
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
            watch,
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
            watch,
            queue_full_counted: Totals::default(),
            clock: Arc::clone(&config.clock),
            account: Account::new(config.observer.clone()),
            session: None,
            export_seconds: None,
            last_written: None,
            ticked_at: config.clock.monotonic(),
            over_since: None,
            missed: false,
            failing: false,
            spool_mark: HighWater::default(),
            config,
        }
    }

    /// The first attempt of a replay.
    pub(super) fn open(&mut self) -> Result<(), ExportError> {
        let opened = match self.reconnect() {
            Ok(_) => Ok(()),
            Err(Failure::Fatal(error)) => Err(error),
            Err(Failure::Broken(error)) => self.session_broke(error),
            Err(Failure::Resized | Failure::NotSent(_)) => Ok(()),
        };
        self.show();
        opened
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
                let refused = error.is_refusal();
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
            self.show();
        }
    }

    /// Shows how it goes.
    pub(super) fn show(&self) {
        let running = self.session.as_ref();
        let session = SessionState {
            is_open: running.is_some(),
            is_refused: running.is_some_and(|running| running.session.is_refused()),
            member: self.members.active() + 1,
            unconfirmed: running.map_or(0, |running| self.store.unconfirmed(running.written())),
            last_written: self.last_written,
        };
        self.watch.tell_link(self.account.books(), session, self.now());
        self.watch.tell_waiting(self.store.queue(), self.store.spool());
    }

    fn tick_store(&mut self) {
        let (losses, trouble) = self.store.tick(self.now());
        for (reason, totals) in losses {
            self.account.lost(reason, totals);
        }
        if let Some(spool) = self.store.spool() {
            let (filled, bound) = spool.fill();
            if self.spool_mark.look(filled, bound) {
                self.account.spool_nearly_full(&self.target, &spool);
            }
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

/// How long the network has to say that nobody listens at a port.
const OBJECTION_TIME: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
