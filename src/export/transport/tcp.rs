//! Sessions over TCP: Messages one after the other (RFC 7011 §10.4).

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use crate::export::clock::Clock;
use crate::export::transport::stream::Stream;
use crate::export::transport::{Patience, SendError, Session};

/// A session over TCP.
///
/// Its Messages are cut by their length alone (RFC 7011 §10.4.2.2); nothing is ever withdrawn from
/// the octets once given, so the session is over when one Message cannot be given whole.
#[derive(Debug)]
pub(crate) struct TcpSession {
    stream: Stream,
    message_size: usize,
}

impl TcpSession {
    /// Begins a session on a connection; a peer that answers nothing for `dead_after` is gone.
    pub(crate) fn new(
        stream: TcpStream,
        message_size: usize,
        dead_after: Duration,
    ) -> io::Result<Self> {
        Ok(Self { stream: Stream::new(stream, dead_after)?, message_size })
    }
}

impl Session for TcpSession {
    fn send(&mut self, message: &[u8], patience: Patience<'_>) -> Result<(), SendError> {
        look(&mut self.stream)
            .and_then(|()| self.stream.write(message, patience))
            .and_then(|()| self.stream.message_ended(patience.clock))
            .map_err(SendError::Broken)
    }

    fn look(&mut self) -> io::Result<()> {
        look(&mut self.stream)
    }

    fn delivered(&mut self) -> u64 {
        self.stream.delivered()
    }

    fn delivered_at_end(&mut self) -> u64 {
        self.stream.delivered_at_end()
    }

    fn close(&mut self, patience: Duration, clock: &dyn Clock) -> io::Result<()> {
        self.stream.close(patience, clock, look)
    }

    fn message_size(&self) -> usize {
        self.message_size
    }
}

/// Collectors have nothing to say; what they say is read, so that closing does not reset.
fn look(stream: &mut Stream) -> io::Result<()> {
    let mut octets = [0; 1_024];
    for _ in 0..READS {
        if matches!(stream.receive(&mut octets)?, None | Some(0)) {
            break;
        }
    }
    stream.look()
}

/// A Collector that talks without end does not keep us from sending.
const READS: usize = 16;

#[cfg(test)]
mod tests;
