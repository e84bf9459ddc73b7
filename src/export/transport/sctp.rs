//! Sessions over SCTP: one Message a user message (RFC 7011 §10.2).
//!
//! By the SCTP of the kernel, if it has one, with one association to a socket (RFC 6458 §4). All
//! Messages go over stream 0, ordered and fully reliable. RFC 7011 §8.3 asks for that where there
//! are Templates and allows it everywhere; the partial reliability of RFC 3758 is not used, so no
//! record is given up by the transport.
//!
//! Like TCP, SCTP says what the host of the peer has (see [`super::delivery`]), and like there a
//! Collecting Process that ends with messages unread aborts the association, while one that has
//! read everything shuts it down (RFC 9260 §9). But a host goes on acknowledging after it has begun
//! to shut down, so only what was acknowledged before is certain.

use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::export::clock::Clock;
use crate::export::transport::connect::connect_socket;
use crate::export::transport::delivery::{Buffer, Delivery, End};
use crate::export::transport::{Patience, SendError, Session};
use crate::sys::transport;

/// A session over SCTP.
#[derive(Debug)]
pub(crate) struct SctpSession {
    socket: Socket,
    message_size: usize,
    delivery: Delivery,
    /// Asks the kernel about the association.
    ask: fn(&Socket) -> Option<Association>,
    /// Messages acknowledged before the last time that the peer had not begun to shut down.
    acknowledged_before_end: u64,
    /// How it ended, if it did.
    end: Option<End>,
}

/// What the kernel knows of an association.
#[derive(Clone, Copy, Debug)]
struct Association {
    /// Octets at least that the host of the peer has not acknowledged; 0 if there are none.
    outstanding: u64,
    /// Octets at least that the host of the peer takes beyond those acknowledged.
    window: u64,
}

impl SctpSession {
    /// Opens an association.
    pub(crate) fn connect(
        collector: SocketAddr,
        source: Option<SocketAddr>,
        timeout: Duration,
    ) -> io::Result<Socket> {
        let domain = Domain::for_address(collector);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::SCTP))?;
        connect_socket(&socket, collector, source, timeout)?;
        // Messages are as large as they should be; nothing is gained by waiting for more.
        transport::forbid_sctp_delay(&socket)?;
        Ok(socket)
    }

    /// Begins a session on an association of its own.
    pub(crate) fn new(socket: Socket, message_size: usize) -> io::Result<Self> {
        Self::with(socket, message_size, ask_kernel)
    }

    fn with(
        socket: Socket,
        message_size: usize,
        ask: fn(&Socket) -> Option<Association>,
    ) -> io::Result<Self> {
        socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let mut session = Self {
            socket,
            message_size,
            delivery: Delivery::new(),
            ask,
            acknowledged_before_end: 0,
            end: None,
        };
        session.update();
        Ok(session)
    }

    fn send_whole(&mut self, message: &[u8], patience: Patience<'_>) -> io::Result<()> {
        let Patience { running, over, ending, clock } = patience;
        let begin = clock.monotonic();
        loop {
            match self.socket.send(message) {
                Ok(count) if count == message.len() => break,
                Ok(_) => return Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let limit = if ending.is_over() { over } else { running };
                    let waited = clock.monotonic().saturating_sub(begin);
                    if ending.is_abandoned() || waited >= limit {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        self.delivery.written(message.len() as u64);
        self.update();
        Ok(())
    }

    /// Reads what the Collector says, which is nothing, and notices the end of the association.
    fn read_input(&mut self) -> io::Result<()> {
        let mut octets = [0; 1_024];
        for _ in 0..READS {
            let acknowledged = self.delivery.acknowledged();
            match transport::receive_now(&self.socket, &mut octets)? {
                Some(0) => {
                    self.end = Some(End::Finished);
                    return Err(ErrorKind::ConnectionAborted.into());
                }
                received => {
                    self.acknowledged_before_end = acknowledged;
                    if received.is_none() {
                        break;
                    }
                }
            }
        }
        self.socket.take_error()?.map_or(Ok(()), Err)
    }

    fn update(&mut self) {
        if let Some(Association { outstanding, window }) = (self.ask)(&self.socket) {
            // The buffer of an association has one size (RFC 9260 §3.3.2), not announced by itself.
            let buffer = Buffer { window, announced: u64::MAX };
            self.delivery.observe(outstanding, Some(buffer));
        }
    }

    fn drain(&mut self, patience: Duration, clock: &dyn Clock) -> io::Result<()> {
        self.read_input()?;
        self.socket.shutdown(Shutdown::Write)?;
        let mut before = u64::MAX;
        let begin = clock.monotonic();
        let mut progress_at = begin;
        loop {
            match self.read_input() {
                Ok(()) => self.update(),
                // RFC 9260 §9.2: our own shutdown is over, and with it everything acknowledged.
                Err(_) if self.end == Some(End::Finished) => {
                    if let Some(error) = self.socket.take_error()? {
                        return Err(error);
                    }
                    self.delivery.observe(0, None);
                }
                Err(error) => return Err(error),
            }
            let outstanding = self.delivery.outstanding_octets();
            let now = clock.monotonic();
            if outstanding == 0 {
                return Ok(());
            }
            // However it goes on, a run has to end.
            let is_late = now.saturating_sub(begin) >= patience.saturating_mul(6);
            if outstanding < before && !is_late {
                before = outstanding;
                progress_at = now;
            } else if is_late || now.saturating_sub(progress_at) >= patience {
                return Err(ErrorKind::TimedOut.into());
            }
            clock.sleep(POLL_INTERVAL);
        }
    }

    fn note(&mut self, outcome: io::Result<()>) -> io::Result<()> {
        if outcome.is_err() && self.end.is_none() {
            self.end = Some(End::Broken);
        }
        outcome
    }
}

impl Session for SctpSession {
    fn send(&mut self, message: &[u8], patience: Patience<'_>) -> Result<(), SendError> {
        let outcome = self.read_input().and_then(|()| self.send_whole(message, patience));
        self.note(outcome).map_err(SendError::Broken)
    }

    fn look(&mut self) -> io::Result<()> {
        let outcome = self.read_input();
        self.note(outcome)?;
        self.update();
        Ok(())
    }

    fn delivered(&mut self) -> u64 {
        self.delivery.delivered()
    }

    fn delivered_at_end(&mut self) -> u64 {
        // The kernel forgets an association that is over, and takes its messages for done.
        match self.end {
            Some(End::Closed) => self.delivery.acknowledged(),
            Some(End::Finished) => self.delivery.delivered().max(self.acknowledged_before_end),
            Some(End::Broken) | None => self.delivery.delivered(),
        }
    }

    fn close(&mut self, patience: Duration, clock: &dyn Clock) -> io::Result<()> {
        if self.end.is_some() {
            return Err(ErrorKind::NotConnected.into());
        }
        match self.drain(patience, clock) {
            Ok(()) => {
                self.end = Some(End::Closed);
                Ok(())
            }
            outcome => self.note(outcome),
        }
    }

    fn message_size(&self) -> usize {
        self.message_size
    }
}

/// `sstat_unackdata` of RFC 6458 §8.2.1 is of no use here: Linux counts in it what was sent, and not
/// what waits to be. The memory of the send queue holds both, until they are acknowledged.
fn ask_kernel(socket: &Socket) -> Option<Association> {
    let outstanding = transport::queued_memory(socket).ok()?;
    // When the association ends the queue is emptied, which means nothing then. That the
    // association is still known says that it was when the queue was looked at.
    let free = transport::sctp_window(socket).ok()?;
    Some(Association { outstanding, window: outstanding + u64::from(free) })
}

/// After which a message that does not fit into the send buffer looks whether it should go on.
const WRITE_TIMEOUT: Duration = Duration::from_millis(100);

/// Between two looks at what is acknowledged.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A Collector that talks without end does not keep us from sending.
const READS: usize = 16;

#[cfg(test)]
mod tests;
