//! Which Messages of a byte stream have arrived.
//!
//! TCP tells what the *host* of the peer has, by its acknowledgements. What its Collecting Process
//! has read of that it does not tell, and if the process dies, what lies unread in the receive
//! buffer dies with it. So an acknowledged Message may still be lost, and has to be kept. There are
//! two proofs that it was read:
//!
//! - **The buffer would have overflowed.** What is unread fits into the receive buffer of the peer.
//!   With a capacity of C octets, all but the last C octets acknowledged have been read.
//! - **The peer closed with a FIN.** Linux and the BSDs answer with a RST in place of the FIN if a
//!   process ends or closes while octets are unread (RFC 2525 §2.17 calls everything else a
//!   failure; RFC 9293 §3.6.1), and with a RST what arrives after the close. So all that was
//!   acknowledged when the FIN came had been read, and nothing is acknowledged after it, unless
//!   only one side was closed.
//!
//! # The capacity of a receive buffer
//!
//! No peer tells it. The receive window is the part of it that is free, as its owner sees it, so
//! the largest window is a lower bound. It is not an upper one:
//!
//! - Linux opens the window by two octets for each that arrives (`rcv_ssthresh`), while what
//!   arrives unread fills the buffer: with nothing read the two meet after a third, and the largest
//!   window is two thirds of the capacity.
//! - A buffer that is tuned to the speed of its reader grows as it is read: a window of long ago is
//!   one of a smaller buffer, and a buffer that is never less than half full shows half of itself.
//!   Together with the first this makes a third.
//! - The window is computed for packets of typical size. Where octets are packed more densely, more
//!   of them fit.
//!
//! Windows are looked at when a Message is sent, and larger ones may have come and gone in between.
//! But the right edge of the window never moves back (RFC 9293 §3.8.6.2.1), so none of them was
//! larger than the distance from what was acknowledged at the look before to the right edge now;
//! that is taken for the window.
//!
//! Readers of many kinds over loopback, with packets of 1,500 and of 65,536 octets, left up to
//! twice this window unread (and up to fourteen times the largest window looked at).
//! [`BUFFER_TO_WINDOW`] is four. Besides, a peer chooses its window scale by the largest buffer
//! that it may ever have (RFC 7323 §2.2), which makes 65,535 shifted by the scale an upper bound of
//! its own, give or take the packet that overflows it. The smaller of both counts; where the kernel
//! tells neither, [`USUAL_CAPACITY`] does.
//!
//! Octets in flight need no term of their own: what is not acknowledged is not delivered.
//!
//! # What remains
//!
//! After a reset the last C octets acknowledged are sent again, though some of them may have been
//! read: over TCP these duplicates cannot be avoided. A device that ends TCP on the way (a proxy)
//! acknowledges in the name of a Collector that may not have the octets; nothing can be known then.

use std::collections::VecDeque;
use std::net::TcpStream;

use crate::sys::transport::{self, PeerWindow};

/// Which Messages of a byte stream have arrived.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    /// Octets given to the socket.
    written: u64,
    /// Octets of them that the host of the peer has.
    acknowledged: u64,
    /// Where Messages end that have not been delivered, in order.
    ends: VecDeque<u64>,
    /// Messages delivered for good.
    delivered: u64,
    /// No window was larger.
    window: Option<u64>,
    /// What its buffer may hold at most, as far as the peer has told.
    announced: u64,
    /// The end of the stream was given to the socket, and counts as an octet there.
    finished: bool,
    /// The FIN of the peer was seen.
    input_end: Option<InputEnd>,
}

/// What was acknowledged when the FIN of the peer was seen.
#[derive(Clone, Copy, Debug)]
struct InputEnd {
    /// As of the last time that it had not come.
    before: u64,
    /// As of the first time that it had.
    after: u64,
}

/// What a peer says of its receive buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buffer {
    /// Octets that it takes beyond those acknowledged.
    pub(super) window: u64,
    /// Octets that it may ever hold.
    pub(super) announced: u64,
}

impl Buffer {
    fn of_tcp(peer: PeerWindow) -> Option<Self> {
        // Without scaling no window is larger than 65,535, however large the buffer is.
        let scale = peer.scale?.min(LARGEST_SCALE);
        let announced = (LARGEST_UNSCALED_WINDOW << scale) + LARGEST_PACKET;
        Some(Self { window: peer.octets.into(), announced })
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// By a FIN of the peer before any reset.
    Finished,
    /// By a reset, for want of answers, or because we gave it up.
    Broken,
    /// By us, in order, and everything was acknowledged.
    Closed,
}

impl Delivery {
    /// Of a new session.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A whole Message was given to the socket; it ends `octets` further in the stream (for TLS:
    /// octets of TLS records).
    pub(crate) fn written(&mut self, octets: u64) {
        self.written_besides(octets);
        self.message_ended();
    }

    /// Octets were given to the socket that make no Message: a part of one, or alerts and
    /// handshakes of TLS.
    pub(crate) const fn written_besides(&mut self, octets: u64) {
        self.written += octets;
    }

    /// What was given to the socket so far ends with a whole Message.
    pub(crate) fn message_ended(&mut self) {
        self.ends.push_back(self.written);
    }

    /// Our FIN was given to the socket (`shutdown`).
    pub(crate) fn finish(&mut self) {
        self.finished = true;
    }

    /// Asks the kernel; also after the session has broken, when it still knows what was
    /// acknowledged.
    pub(crate) fn update(&mut self, stream: &TcpStream) {
        // Where the kernel cannot be asked, what it took counts as acknowledged.
        let outstanding = transport::unacknowledged_octets(stream).unwrap_or(0);
        // The window after the acknowledgement: both only grow in what they allow.
        let buffer = transport::peer_window(stream).ok().and_then(Buffer::of_tcp);
        self.observe(outstanding, buffer);
    }

    /// The FIN of the peer has come. To be told at once, before the next [`Self::update`], so that
    /// what was acknowledged before it and what came after it can be told apart.
    pub(crate) fn input_ended(&mut self, stream: &TcpStream) {
        if self.input_end.is_some() {
            return;
        }
        let before = self.acknowledged;
        self.update(stream);
        self.input_end = Some(InputEnd { before, after: self.acknowledged });
    }

    /// Whether the peer took octets after its FIN: it closed one side only, and goes on reading.
    pub(crate) fn is_half_open(&self) -> bool {
        self.input_end.is_some_and(|end| self.acknowledged > end.after)
    }

    /// Messages that were read by the peer, or would be if it lived: they never have to be sent
    /// again.
    pub(crate) const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Messages that need not be sent again after an `end`.
    pub(crate) fn delivered_at_end(&self, end: End) -> u64 {
        let certain = match (end, self.input_end) {
            // A peer that went on reading after its FIN may have died with octets unread.
            (End::Finished, Some(input_end)) if self.is_half_open() => input_end.before,
            (End::Finished | End::Closed, _) => self.acknowledged,
            (End::Broken, _) => 0,
        };
        self.delivered.max(self.ended_by(certain))
    }

    /// Messages that the host of the peer has: all that counts when we end the session in order.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.ended_by(self.acknowledged)
    }

    /// Octets given to the socket that the host of the peer does not have.
    pub(crate) const fn outstanding_octets(&self) -> u64 {
        self.written - self.acknowledged
    }

    /// What the transport knows: octets that the host of the peer does not have, and its buffer.
    pub(super) fn observe(&mut self, outstanding: u64, buffer: Option<Buffer>) {
        let before = self.acknowledged;
        let sent = self.written + u64::from(self.finished);
        let acknowledged = sent.saturating_sub(outstanding).min(self.written);
        self.acknowledged = self.acknowledged.max(acknowledged);
        if let Some(Buffer { window, announced }) = buffer {
            self.window = self.window.max(Some(self.acknowledged - before + window));
            self.announced = announced;
        }
        let read = self.acknowledged.saturating_sub(self.capacity());
        while self.ends.front().is_some_and(|&end| end <= read) {
            self.ends.pop_front();
            self.delivered += 1;
        }
    }

    /// Octets that the peer may have and not have read, at most.
    fn capacity(&self) -> u64 {
        self.window.map_or(USUAL_CAPACITY, |window| {
            window.saturating_mul(BUFFER_TO_WINDOW).min(self.announced).min(LARGEST_CAPACITY)
        })
    }

    /// Messages that end within the first `octets` of the stream.
    fn ended_by(&self, octets: u64) -> u64 {
        self.delivered + self.ends.partition_point(|&end| end <= octets) as u64
    }
}

/// How much larger a receive buffer may be than the largest window seen.
const BUFFER_TO_WINDOW: u64 = 4;

/// RFC 9293 §3.1.
const LARGEST_UNSCALED_WINDOW: u64 = 65_535;

/// The last packet may be more than what was free.
const LARGEST_PACKET: u64 = 65_535;

/// RFC 7323 §2.3.
const LARGEST_SCALE: u8 = 14;

/// 6 MiB: the largest receive buffer of Linux as it comes (`tcp_rmem`).
const USUAL_CAPACITY: u64 = 6 << 20;

/// 32 MiB: no more is kept for one session. Collectors that are given larger receive buffers may
/// lose what is beyond this when they are killed.
const LARGEST_CAPACITY: u64 = 32 << 20;

#[cfg(test)]
mod tests;
