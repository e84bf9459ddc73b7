//! A TCP connection to a Collector: what TCP and TLS sessions have in common.

use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::export::clock::Clock;
use crate::export::transport::Patience;
use crate::export::transport::delivery::{Delivery, End};
use crate::sys::transport;

/// A TCP connection, and what is known of the arrival of the Messages on it.
///
/// After the first error the connection is over; only [`Self::delivered_at_end`] is of use then.
#[derive(Debug)]
pub(crate) struct Stream {
    stream: TcpStream,
    delivery: Delivery,
    /// The Collector closed its side. It may still read: it has nothing to say to us.
    input_ended: bool,
    /// It did read after that, or at least did not refuse to.
    half_open: bool,
    /// How it ended, if it did.
    end: Option<End>,
}

impl Stream {
    /// Takes over a connection.
    ///
    /// A peer that answers nothing is given up after `dead_after`: at once if octets are on their
    /// way to it, and on an idle connection by probes of the kernel.
    pub(crate) fn new(stream: TcpStream, dead_after: Duration) -> io::Result<Self> {
        // Messages are as large as they should be; nothing is gained by waiting for more.
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        keep_alive(&stream, dead_after)?;
        let mut delivery = Delivery::new();
        delivery.update(&stream);
        Ok(Self { stream, delivery, input_ended: false, half_open: false, end: None })
    }

    /// Gives octets to the socket, and waits while it takes none, as long as `patience` lets.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TimedOut`] when patience ended, and what the socket says; the session is over
    /// then, because nobody knows where the next Message would begin.
    pub(crate) fn write(&mut self, octets: &[u8], patience: Patience<'_>) -> io::Result<()> {
        let outcome = self.write_all(octets, patience);
        self.note(outcome)
    }

    fn write_all(&mut self, octets: &[u8], patience: Patience<'_>) -> io::Result<()> {
        let Patience { running, over, ending, clock } = patience;
        let mut rest = octets;
        let mut progress_at = clock.monotonic();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    self.delivery.written_besides(count as u64);
                    progress_at = clock.monotonic();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Not `TimedOut`: that is the kernel's word for a peer that answers nothing.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let limit = if ending.is_over() { over } else { running };
                    let waited = clock.monotonic().saturating_sub(progress_at);
                    if ending.is_abandoned() || waited >= limit {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What was written so far ends with a whole Message.
    ///
    /// If the Collector has closed its side this waits until it acknowledges or resets: the end of
    /// input is either a Collector that is gone, and its host answers the first octet with a reset,
    /// or one that only closed the side it does not use. Without this the first Message after a
    /// Collector's restart would be on its way to nobody.
    ///
    /// # Errors
    ///
    /// That the Collector is gone; the Message does not count then.
    pub(crate) fn message_ended(&mut self, clock: &dyn Clock) -> io::Result<()> {
        if self.input_ended && !self.half_open {
            let outcome = self.prove_half_open(clock);
            self.note(outcome)?;
        }
        self.delivery.message_ended();
        self.delivery.update(&self.stream);
        Ok(())
    }

    fn prove_half_open(&mut self, clock: &dyn Clock) -> io::Result<()> {
        let begin = clock.monotonic();
        while clock.monotonic().saturating_sub(begin) < HALF_OPEN_PATIENCE {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            self.delivery.update(&self.stream);
            // Even one octet acknowledged is proof.
            if self.delivery.is_half_open() {
                break;
            }
            clock.sleep(POLL_INTERVAL);
        }
        self.half_open = true;
        Ok(())
    }

    /// Reads what has come, without waiting; `None` if nothing has, and 0 octets at the end of
    /// input, which does not end the session.
    ///
    /// # Errors
    ///
    /// Why the session has ended.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if self.input_ended {
            return Ok(Some(0));
        }
        let outcome = transport::receive_now(&self.stream, buffer);
        let received = self.note(outcome)?;
        if received == Some(0) {
            self.input_ended = true;
            self.delivery.input_ended(&self.stream);
        }
        Ok(received)
    }

    /// Notices the end of the session, and what has arrived.
    ///
    /// Input has to be read before: in the order in which they came, a FIN is found there, and a
    /// reset here.
    ///
    /// # Errors
    ///
    /// Why the session has ended.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        let outcome = self.stream.take_error().and_then(|error| error.map_or(Ok(()), Err));
        self.note(outcome)?;
        self.delivery.update(&self.stream);
        Ok(())
    }

    /// Says how the session ended, where the protocol on top knows better than the socket does;
    /// without effect once we have ended it in order.
    pub(crate) fn end_as(&mut self, end: End) {
        if self.end != Some(End::Closed) {
            self.end = Some(end);
        }
    }

    /// Ends the session in order: sends a FIN, and waits until everything was acknowledged, as long
    /// as there is progress within `patience`, and then a moment for the FIN of the Collector, by
    /// which it says that it has read everything. However it goes on, six times `patience` is the
    /// end: a run has to end, too.
    ///
    /// `look` is called again and again in the meantime to read input and to look after the session.
    ///
    /// # Errors
    ///
    /// Why not everything has arrived.
    pub(crate) fn close(
        &mut self,
        patience: Duration,
        clock: &dyn Clock,
        mut look: impl FnMut(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.end.is_some() {
            return Err(ErrorKind::NotConnected.into());
        }
        look(self)?;
        let outcome = self.stream.shutdown(Shutdown::Write);
        self.note(outcome)?;
        self.delivery.finish();
        let mut before = u64::MAX;
        let begin = clock.monotonic();
        let mut progress_at = begin;
        loop {
            look(self)?;
            let outstanding = self.delivery.outstanding_octets();
            let now = clock.monotonic();
            let waited = now.saturating_sub(progress_at);
            let is_late = now.saturating_sub(begin) >= patience.saturating_mul(6);
            if outstanding < before && !is_late {
                before = outstanding;
                progress_at = now;
            } else if outstanding == 0 {
                // Some collectors keep a session as long as its peer; they have had their time.
                if self.input_ended || waited >= patience.min(FAREWELL) {
                    break;
                }
                clock.sleep(POLL_INTERVAL);
            } else if waited >= patience || is_late {
                return self.note(Err(ErrorKind::TimedOut.into()));
            } else {
                clock.sleep(POLL_INTERVAL);
            }
        }
        self.end = Some(End::Closed);
        Ok(())
    }

    /// Messages that have arrived for good.
    ///
    /// As of the last Message or look.
    pub(crate) const fn delivered(&self) -> u64 {
        self.delivery.delivered()
    }

    /// Messages that need not be sent again, now that the session is over.
    pub(crate) fn delivered_at_end(&mut self) -> u64 {
        // What was acknowledged is known also after a reset.
        self.delivery.update(&self.stream);
        self.delivery.delivered_at_end(self.end.unwrap_or(End::Broken))
    }

    /// How the session ended, if it did.
    pub(crate) const fn end(&self) -> Option<End> {
        self.end
    }

    /// Octets given to the socket that the host of the Collector does not have.
    #[cfg(test)]
    pub(crate) const fn outstanding_octets(&self) -> u64 {
        self.delivery.outstanding_octets()
    }

    /// The Collector closed its side.
    pub(crate) const fn input_ended(&self) -> bool {
        self.input_ended
    }

    /// Remembers how the session ended.
    fn note<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &outcome
            && self.end.is_none()
        {
            // Linux says EPIPE of a reset after a FIN, and ECONNRESET of one without.
            let after_fin = self.input_ended || error.kind() == ErrorKind::BrokenPipe;
            self.end = Some(if after_fin { End::Finished } else { End::Broken });
        }
        outcome
    }
}

/// Lets the kernel notice a peer that is gone without a word.
fn keep_alive(stream: &TcpStream, dead_after: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    // A third of the time in silence, the rest for probes; the kernel counts in whole seconds.
    let second = Duration::from_secs(1);
    let idle = (dead_after / 3).max(second);
    let interval = (dead_after / 6).max(second);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(PROBES),
    )?;
    // RFC 5482; Linux ends an idle connection by it, too, and one whose window stays shut.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(dead_after))?;
    Ok(())
}

/// After which a write that makes no progress looks whether it should go on.
const WRITE_TIMEOUT: Duration = Duration::from_millis(100);

/// Between two looks at what is acknowledged.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// How long the first Message after the end of input may remain unanswered.
const HALF_OPEN_PATIENCE: Duration = Duration::from_secs(1);

/// How long the FIN of a Collector is waited for that has acknowledged everything.
const FAREWELL: Duration = Duration::from_secs(1);

/// Probes without an answer after which an idle peer is dead.
const PROBES: u32 = 4;
