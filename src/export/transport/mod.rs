//! Transport Sessions (RFC 7011 §2, §10): whole Messages in, and what is known of their arrival.

mod connect;
pub(crate) mod delivery;
mod sctp;
pub(crate) mod stream;
mod tcp;
pub(crate) mod tls;
mod udp;

use std::fmt::Debug;
use std::io;
use std::time::Duration;

use crate::export::clock::Clock;
use crate::export::ending::Ending;

pub(crate) use connect::{ConnectError, Settings, connect};

/// One Transport Session with one Collector.
///
/// Messages are counted from the first one of the session.
pub(crate) trait Session: Debug + Send {
    /// Gives one whole Message to the transport; waits while it is busy, as long as `patience` lets.
    fn send(&mut self, message: &[u8], patience: Patience<'_>) -> Result<(), SendError>;

    /// Looks after the session when there is nothing to send: notices its end.
    ///
    /// # Errors
    ///
    /// Why the session has ended.
    fn look(&mut self) -> io::Result<()>;

    /// How many Messages have arrived for good and need not be kept any longer.
    fn delivered(&mut self) -> u64;

    /// How many Messages need not be sent again, now that the session has broken.
    fn delivered_at_end(&mut self) -> u64;

    /// Ends the session in order: waits until everything has arrived, as long as there is progress
    /// within `patience`.
    ///
    /// # Errors
    ///
    /// When it did not; [`Self::delivered_at_end`] tells what did.
    fn close(&mut self, patience: Duration, clock: &dyn Clock) -> io::Result<()>;

    /// Octets that a Message may have at most now.
    fn message_size(&self) -> usize;

    /// What the network said that does not end the session, once for each change: a UDP port that
    /// nobody listens at.
    fn trouble(&mut self) -> Option<io::Error> {
        None
    }

    /// Whether what was sent of late was refused, as far as the network says so (UDP).
    fn is_refused(&self) -> bool {
        false
    }

    /// What an operator should know of the session and put right, which is no failure; each once.
    fn advice(&mut self) -> Option<io::Error> {
        None
    }

    /// Whether this session should be closed in order and followed by another at once, which is no
    /// failure: certificates were replaced, keys have been used enough, or the name of the Collector
    /// leads elsewhere.
    fn wants_renewal(&self) -> bool {
        false
    }
}

/// How long a transport may take nothing before its session counts as broken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience<'a> {
    /// While records may follow.
    pub(crate) running: Duration,
    /// When the run is over.
    pub(crate) over: Duration,
    pub(crate) ending: &'a Ending,
    pub(crate) clock: &'a dyn Clock,
}

/// Why a Message was not taken.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The path does not take a datagram of this size; [`Session::message_size`] knows better now.
    TooLarge,
    /// This Message was not sent, the session goes on (UDP).
    NotSent(io::Error),
    /// The session is over.
    Broken(io::Error),
}

/// Every Template and every record of ours fits: 512 octets, the largest packet on a path of which
/// nothing is known (RFC 7011 §10.3.3), less the headers of IPv6 and UDP.
pub(crate) const MINIMUM_MESSAGE_SIZE: usize = 464;

#[cfg(test)]
mod testing;
