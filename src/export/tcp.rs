//! `tcp://HOST:PORT`: Messages one after the other (RFC 7011 §10.4).

mod session;

use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use session::{Session, StallLimits};

use crate::export::account::{Account, LossReason};
use crate::export::clock::Clock;
use crate::export::config::{Config, Pace, TcpConfig};
use crate::export::encoder::{Backlog, Encoder};
use crate::export::ending::Ending;
use crate::export::error::ExportError;
use crate::export::exporter::RecordBatch;
use crate::export::mapping::data_records;
use crate::export::pacing::FlushTimer;
use crate::export::profile::Mapping;
use crate::export::sink::RecordSink;
use crate::export::target::Collector;
use crate::ipfix::message::Refused;

/// Exports to one Collector over TCP, in one Transport Session after the other.
///
/// Records count as sent when the Collector's host has acknowledged them. While there is no session
/// the thread waits in here, and the queue before it takes what it can.
#[derive(Debug)]
pub(crate) struct TcpSink {
    target: String,
    collector: Collector,
    encoder: Encoder,
    backlog: Backlog,
    session: Option<Session>,
    mapping: Mapping,
    pace: Pace,
    config: TcpConfig,
    drain_timeout: Duration,
    clock: Arc<dyn Clock>,
    ending: Arc<Ending>,
    flush_timer: FlushTimer,
    export_seconds: u64,
    attempted_at: Duration,
    /// Trouble of the start, which has no account yet.
    early_trouble: Option<ExportError>,
    /// The Collector was missed, and that was said.
    missed: bool,
    /// An error ended this target.
    given_up: bool,
}

impl TcpSink {
    /// Opens the first session. Live, a Collector that is not there is waited for.
    pub(crate) fn connect(
        collector: &Collector,
        target: &str,
        config: &Config,
        ending: Arc<Ending>,
    ) -> Result<Self, ExportError> {
        let size = config.tcp.message_size;
        if size < MINIMUM_MESSAGE_SIZE {
            let (target, minimum) = (target.to_owned(), MINIMUM_MESSAGE_SIZE);
            return Err(ExportError::MessageSize { target, size, minimum });
        }
        let mapping = Mapping { biflow: config.biflow, ..Mapping::default() };
        let mut sink = Self {
            target: target.to_owned(),
            collector: collector.clone(),
            encoder: Encoder::new(config.observation_domain, size, mapping),
            backlog: Backlog::default(),
            session: None,
            mapping,
            pace: config.pace,
            config: config.tcp.clone(),
            drain_timeout: config.drain_timeout,
            clock: Arc::clone(&config.clock),
            ending,
            flush_timer: FlushTimer::new(config.flush_timer()),
            export_seconds: 0,
            attempted_at: Duration::ZERO,
            early_trouble: None,
            missed: false,
            given_up: false,
        };
        match (sink.attempt(), config.pace) {
            (Ok(()), _) => {}
            (Err(error), Pace::Replay) => return Err(error),
            (Err(error), Pace::Live) => {
                sink.early_trouble = Some(error);
                sink.missed = true;
            }
        }
        Ok(sink)
    }

    /// Tries every address of the Collector once.
    fn attempt(&mut self) -> Result<(), ExportError> {
        self.attempted_at = self.clock.monotonic();
        let addresses = (self.collector.host.as_str(), self.collector.port)
            .to_socket_addrs()
            .map_err(|source| ExportError::Resolve { target: self.target.clone(), source })?;
        let mut outcome = Err(io::Error::from(ErrorKind::AddrNotAvailable));
        for address in addresses {
            outcome = TcpStream::connect_timeout(&address, self.config.connect_timeout);
            if outcome.is_ok() {
                break;
            }
        }
        let session = outcome
            .and_then(Session::new)
            .map_err(|source| ExportError::Connect { target: self.target.clone(), source })?;
        // RFC 7011 §8.1: a new session knows no Template and counts from zero.
        let unsent = self.encoder.restart();
        debug_assert!(unsent.is_zero(), "the message of a broken session was taken back");
        self.session = Some(session);
        Ok(())
    }

    /// Waits for a session; an error means that there will be none.
    fn await_session(&mut self, account: &mut Account) -> Result<(), ExportError> {
        while self.session.is_none() {
            let elapsed = self.clock.monotonic().saturating_sub(self.attempted_at);
            let wait = self.config.reconnect_interval.saturating_sub(elapsed);
            // RFC 7011 §10.4.4: not even at the end is there an attempt before its time.
            if !wait.is_zero() && self.ending.wait(wait) {
                return Err(ExportError::Unreachable { target: self.target.clone() });
            }
            self.try_again(account)?;
        }
        Ok(())
    }

    /// One attempt of its time. Live, failing is no error.
    fn try_again(&mut self, account: &mut Account) -> Result<(), ExportError> {
        match (self.attempt(), self.pace) {
            (Ok(()), _) => {
                if std::mem::take(&mut self.missed) {
                    account.recovered(&self.target);
                }
                Ok(())
            }
            (Err(error), Pace::Replay) => Err(error),
            (Err(error), Pace::Live) => {
                if !std::mem::replace(&mut self.missed, true) {
                    account.trouble(error);
                }
                Ok(())
            }
        }
    }

    /// Flushes in time, settles accounts, notices that a session broke, and opens the next one.
    fn look_after_session(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let now = self.clock.monotonic();
        if self.flush_timer.is_due(!self.encoder.is_empty(), now) {
            self.end_message(account)?;
        }
        match &mut self.session {
            Some(session) => {
                session.settle(account);
                if let Err(error) = session.look_at_input() {
                    self.session_broke(error, account)?;
                }
            }
            // The Collector may be back before the next record comes.
            None if now.saturating_sub(self.attempted_at) >= self.config.reconnect_interval => {
                self.try_again(account)?;
            }
            None => {}
        }
        Ok(())
    }

    /// Writes what waits into Messages, and sends those that are full.
    fn drain_backlog(&mut self, account: &mut Account) -> Result<(), ExportError> {
        while self.backlog.next().is_some() {
            self.await_session(account)?;
            let Some(record) = self.backlog.next() else { break };
            match self.encoder.add(&record) {
                Ok(()) => self.backlog.next_is_written(),
                Err(Refused::MessageFull) => self.end_message(account)?,
                Err(source) => {
                    return Err(ExportError::Encode { target: self.target.clone(), source });
                }
            }
        }
        Ok(())
    }

    /// Sends the Message in hand. If the session breaks its records wait for the next one.
    fn end_message(&mut self, account: &mut Account) -> Result<(), ExportError> {
        self.flush_timer.restart();
        let Some(session) = &mut self.session else { return Ok(()) };
        let export_seconds = match self.pace {
            Pace::Replay => self.export_seconds,
            Pace::Live => self.clock.wall().as_secs(),
        };
        let Some(message) = self.encoder.finish(export_seconds) else { return Ok(()) };
        let size = message.octets.len();
        let limits = StallLimits {
            running: self.config.stall_timeout,
            over: self.drain_timeout,
            ending: &self.ending,
        };
        match session.send(message.octets, message.totals, &*self.clock, limits) {
            Ok(()) => {
                account.messages(1, size);
                self.backlog.message_is_done();
                session.settle(account);
                Ok(())
            }
            Err(error) => self.session_broke(error, account),
        }
    }

    /// Closes a broken session. What its Messages told of and the Collector's host has not
    /// acknowledged is lost; the Message in hand is not.
    ///
    /// It is an error only where a replay would wait for a Collector that reads nothing: it would
    /// stand still for the others too, session after session.
    fn session_broke(
        &mut self,
        error: io::Error,
        account: &mut Account,
    ) -> Result<(), ExportError> {
        let Some(mut session) = self.session.take() else { return Ok(()) };
        session.settle(account);
        account.lost(LossReason::SessionBroken, session.rest());
        // Its records are in the backlog.
        let _ = self.encoder.restart();
        self.backlog.take_message_back();
        self.missed = true;
        let target = self.target.clone();
        if error.kind() != ErrorKind::TimedOut {
            account.trouble(ExportError::Session { target, source: error });
            return Ok(());
        }
        let over = self.ending.is_over();
        let limit = if over { self.drain_timeout } else { self.config.stall_timeout };
        let stalled = ExportError::Stalled { target, seconds: limit.as_secs() };
        match self.pace {
            Pace::Replay => Err(stalled),
            Pace::Live => {
                account.trouble(stalled);
                Ok(())
            }
        }
    }
}

impl RecordSink for TcpSink {
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError> {
        if let Some(error) = self.early_trouble.take() {
            account.trouble(error);
        }
        self.export_seconds = batch.clock.as_secs();
        for record in &batch.records {
            for data in data_records(record, self.mapping) {
                self.backlog.push(data);
            }
            self.drain_backlog(account).inspect_err(|_| self.given_up = true)?;
        }
        Ok(())
    }

    fn tick(&mut self, account: &mut Account) -> Result<(), ExportError> {
        if let Some(error) = self.early_trouble.take() {
            account.trouble(error);
        }
        self.look_after_session(account).inspect_err(|_| self.given_up = true)
    }

    fn finish(&mut self, account: &mut Account) -> Result<(), ExportError> {
        if self.given_up {
            return Ok(());
        }
        while !self.backlog.is_empty() {
            self.drain_backlog(account)?;
            self.end_message(account)?;
        }
        self.end_message(account)?;
        let Some(session) = &mut self.session else { return Ok(()) };
        let drained = session.close(self.drain_timeout, &*self.clock);
        session.settle(account);
        if let Err(error) = drained
            && !session.is_settled()
        {
            self.session_broke(error, account)?;
        }
        Ok(())
    }
}

/// Every Template and every record of ours fits.
const MINIMUM_MESSAGE_SIZE: usize = 464;

#[cfg(test)]
mod tests;
