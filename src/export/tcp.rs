//! `tcp://HOST:PORT`: Messages one after the other (RFC 7011 §10.4).

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;

use crate::export::account::{Account, LossReason, Totals};
use crate::export::clock::Clock;
use crate::export::config::{Config, Pace, TcpConfig};
use crate::export::encoder::{Backlog, Encoder};
use crate::export::ending::Ending;
use crate::export::error::ExportError;
use crate::export::exporter::RecordBatch;
use crate::export::mapping::data_records;
use crate::export::pacing::FlushTimer;
use crate::export::sink::RecordSink;
use crate::export::target::Collector;
use crate::ipfix::message::Refused;
use crate::sys::transport;

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
    biflow: bool,
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
}

/// A Transport Session.
#[derive(Debug)]
struct Session {
    stream: TcpStream,
    /// Octets given to the socket.
    written: u64,
    /// Messages given to the socket: where each ends, and what it tells of.
    unacknowledged: VecDeque<(u64, Totals)>,
    /// The Collector closed its side. It may still read: it has nothing to say to us.
    input_ended: bool,
    /// It did read after that.
    half_open: bool,
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
        let mut sink = Self {
            target: target.to_owned(),
            collector: collector.clone(),
            encoder: Encoder::new(config.observation_domain, size),
            backlog: Backlog::default(),
            session: None,
            biflow: config.biflow,
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
        let stream = outcome
            .and_then(|stream| {
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
                Ok(stream)
            })
            .map_err(|source| ExportError::Connect { target: self.target.clone(), source })?;
        // RFC 7011 §8.1: a new session knows no Template and counts from zero.
        let unsent = self.encoder.restart();
        debug_assert!(unsent.is_zero(), "the message of a broken session was taken back");
        self.session = Some(Session {
            stream,
            written: 0,
            unacknowledged: VecDeque::new(),
            input_ended: false,
            half_open: false,
        });
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

    /// Writes what waits into Messages, and sends those that are full.
    fn drain_backlog(&mut self, account: &mut Account) -> Result<(), ExportError> {
        while self.backlog.next().is_some() {
            self.await_session(account)?;
            let Some(record) = self.backlog.next() else { break };
            match self.encoder.add(record) {
                Ok(()) => self.backlog.next_is_written(),
                Err(Refused::MessageFull) => self.end_message(account),
                Err(source) => {
                    return Err(ExportError::Encode { target: self.target.clone(), source });
                }
            }
        }
        Ok(())
    }

    /// Sends the Message in hand. If the session breaks its records wait for the next one.
    fn end_message(&mut self, account: &mut Account) {
        self.flush_timer.restart();
        let Some(session) = &mut self.session else { return };
        let export_seconds = match self.pace {
            Pace::Replay => self.export_seconds,
            Pace::Live => self.clock.wall().as_secs(),
        };
        let Some(message) = self.encoder.finish(export_seconds) else { return };
        let size = message.octets.len();
        let limits = StallLimits {
            running: self.config.stall_timeout,
            over: self.drain_timeout,
            ending: &self.ending,
        };
        match session.send(message.octets, message.totals, &*self.clock, limits) {
            Ok(()) => {
                account.message(size);
                self.backlog.message_is_done();
                session.settle(account);
            }
            Err(error) => self.session_broke(error, account),
        }
    }

    /// Closes a broken session. What its Messages told of and the Collector's host has not
    /// acknowledged is lost; the Message in hand is not.
    fn session_broke(&mut self, error: io::Error, account: &mut Account) {
        let Some(mut session) = self.session.take() else { return };
        session.settle(account);
        account.lost(LossReason::SessionBroken, session.rest());
        // Its records are in the backlog.
        let _ = self.encoder.restart();
        self.backlog.take_message_back();
        self.missed = true;
        let target = self.target.clone();
        account.trouble(match error.kind() {
            ErrorKind::TimedOut => {
                let limit = if self.ending.is_over() {
                    self.drain_timeout
                } else {
                    self.config.stall_timeout
                };
                ExportError::Stalled { target, seconds: limit.as_secs() }
            }
            _ => ExportError::Session { target, source: error },
        });
    }
}

impl RecordSink for TcpSink {
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError> {
        if let Some(error) = self.early_trouble.take() {
            account.trouble(error);
        }
        self.export_seconds = batch.clock.as_secs();
        for record in &batch.records {
            for data in data_records(record, self.biflow) {
                self.backlog.push(data);
            }
            self.drain_backlog(account)?;
        }
        Ok(())
    }

    fn tick(&mut self, account: &mut Account) -> Result<(), ExportError> {
        if let Some(error) = self.early_trouble.take() {
            account.trouble(error);
        }
        let now = self.clock.monotonic();
        if self.flush_timer.is_due(!self.encoder.is_empty(), now) {
            self.end_message(account);
        }
        match &mut self.session {
            Some(session) => {
                session.settle(account);
                if let Err(error) = session.look_at_input() {
                    self.session_broke(error, account);
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

    fn finish(&mut self, account: &mut Account) -> Result<(), ExportError> {
        while !self.backlog.is_empty() {
            self.drain_backlog(account)?;
            self.end_message(account);
        }
        self.end_message(account);
        let Some(session) = &mut self.session else { return Ok(()) };
        let drained = session.close(self.drain_timeout, &*self.clock);
        session.settle(account);
        if let Err(error) = drained
            && !session.unacknowledged.is_empty()
        {
            self.session_broke(error, account);
        }
        Ok(())
    }
}

/// How long a session may take nothing.
#[derive(Clone, Copy, Debug)]
struct StallLimits<'a> {
    running: Duration,
    over: Duration,
    ending: &'a Ending,
}

impl Session {
    /// Gives a Message to the socket.
    fn send(
        &mut self,
        octets: &[u8],
        totals: Totals,
        clock: &dyn Clock,
        limits: StallLimits<'_>,
    ) -> io::Result<()> {
        self.look_at_input()?;
        let mut rest = octets;
        let mut progress_at = clock.monotonic();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    progress_at = clock.monotonic();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {
                    let over = limits.ending.is_over();
                    let limit = if over { limits.over } else { limits.running };
                    if limits.ending.is_abandoned()
                        || clock.monotonic().saturating_sub(progress_at) >= limit
                    {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        if self.input_ended && !self.half_open {
            self.prove_half_open(octets.len(), clock)?;
        }
        self.written += octets.len() as u64;
        self.unacknowledged.push_back((self.written, totals));
        Ok(())
    }

    /// Accounts for what the Collector's host has acknowledged.
    fn settle(&mut self, account: &mut Account) {
        // Where the kernel cannot be asked, what it took counts as sent.
        let outstanding = transport::unacknowledged_octets(&self.stream).unwrap_or(0);
        let acknowledged = self.written.saturating_sub(outstanding);
        while let Some(&(end, totals)) = self.unacknowledged.front()
            && end <= acknowledged
        {
            account.sent(totals);
            self.unacknowledged.pop_front();
        }
    }

    /// What was not acknowledged.
    fn rest(&self) -> Totals {
        let mut rest = Totals::default();
        for &(_, totals) in &self.unacknowledged {
            rest += totals;
        }
        rest
    }

    /// Notices a broken session, and the end of input, which may be one.
    fn look_at_input(&mut self) -> io::Result<()> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        if self.input_ended {
            return Ok(());
        }
        // Collectors have nothing to say; what they say is read so that closing does not reset.
        let mut octets = [MaybeUninit::uninit(); 512];
        match SockRef::from(&self.stream).recv_with_flags(&mut octets, libc::MSG_DONTWAIT) {
            Ok(0) => self.input_ended = true,
            Ok(_) => {}
            Err(error) if is_timeout(&error) || error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Waits until the peer acknowledges or resets the Message just written.
    ///
    /// The end of input is either a Collector that is gone, and its host resets the session at the
    /// first octet, or one that only closed the side it does not use. Without this the first
    /// Message after a Collector's restart would be lost each time.
    fn prove_half_open(&mut self, message: usize, clock: &dyn Clock) -> io::Result<()> {
        let begin = clock.monotonic();
        while clock.monotonic().saturating_sub(begin) < HALF_OPEN_PATIENCE {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            // Even one octet acknowledged is proof.
            if transport::unacknowledged_octets(&self.stream).unwrap_or(0) < message as u64 {
                break;
            }
            clock.sleep(POLL_INTERVAL);
        }
        self.half_open = true;
        Ok(())
    }

    /// Ends the session in order: waits until all is acknowledged, as long as there is progress.
    fn close(&mut self, patience: Duration, clock: &dyn Clock) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        let mut before = u64::MAX;
        let mut progress_at = clock.monotonic();
        loop {
            let outstanding = transport::unacknowledged_octets(&self.stream).unwrap_or(0);
            if outstanding == 0 {
                return Ok(());
            }
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            let now = clock.monotonic();
            if outstanding < before {
                before = outstanding;
                progress_at = now;
            } else if now.saturating_sub(progress_at) >= patience {
                return Err(ErrorKind::TimedOut.into());
            }
            clock.sleep(POLL_INTERVAL);
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// After which a write that makes no progress looks whether it should go on.
const WRITE_TIMEOUT: Duration = Duration::from_millis(100);

/// Between two looks at what is acknowledged.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// How long the first Message after the end of input may remain unanswered.
const HALF_OPEN_PATIENCE: Duration = Duration::from_secs(1);

/// Every Template and every record of ours fits.
const MINIMUM_MESSAGE_SIZE: usize = 464;

#[cfg(test)]
mod tests;
