//! One Transport Session over TCP: what was given to it, and what arrived.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::export::account::{Account, Totals};
use crate::export::clock::Clock;
use crate::export::ending::Ending;
use crate::sys::transport;

/// A Transport Session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) stream: TcpStream,
    /// Octets given to the socket.
    written: u64,
    /// Messages given to the socket: where each ends, and what it tells of.
    unacknowledged: VecDeque<(u64, Totals)>,
    /// The Collector closed its side. It may still read: it has nothing to say to us.
    input_ended: bool,
    /// It did read after that.
    half_open: bool,
}

/// How long a session may take nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct StallLimits<'a> {
    /// While records may follow.
    pub(super) running: Duration,
    /// When the run is over.
    pub(super) over: Duration,
    pub(super) ending: &'a Ending,
}

impl Session {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        // Messages are as large as they should be; nothing is gained by waiting for more.
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        Ok(Self {
            stream,
            written: 0,
            unacknowledged: VecDeque::new(),
            input_ended: false,
            half_open: false,
        })
    }

    /// Gives a Message to the socket.
    pub(super) fn send(
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
    pub(super) fn settle(&mut self, account: &mut Account) {
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

    /// Whether everything is accounted for.
    pub(super) fn is_settled(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// What was not acknowledged.
    pub(super) fn rest(&self) -> Totals {
        let mut rest = Totals::default();
        for &(_, totals) in &self.unacknowledged {
            rest += totals;
        }
        rest
    }

    /// Notices a broken session, and the end of input, which may be one.
    pub(super) fn look_at_input(&mut self) -> io::Result<()> {
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
    pub(super) fn close(&mut self, patience: Duration, clock: &dyn Clock) -> io::Result<()> {
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
