//! Sessions over UDP: one Message a datagram (RFC 7011 §10.3).
//!
//! UDP loses datagrams without a word. Only use it where some loss can be borne, and on a path that
//! is yours (RFC 7011 §10.3.2). The checksum is the kernel's and is never switched off (RFC 7011
//! §10.3.2).
//!
//! A session over UDP never breaks, so the name of its Collector is asked again now and then, and as
//! soon as datagrams are refused. Where it leads elsewhere another session begins, with its Templates.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;

use crate::export::clock::Clock;
use crate::export::target::Collector;
use crate::export::transport::connect::{ConnectError, ip_header_length};
use crate::export::transport::{MINIMUM_MESSAGE_SIZE, Patience, SendError, Session};
use crate::sys::transport;

/// A session over UDP.
#[derive(Debug)]
pub(crate) struct UdpSession {
    socket: UdpSocket,
    clock: Arc<dyn Clock>,
    /// Octets of a packet at most, by configuration.
    mtu: Option<usize>,
    /// Octets of a Message at most, by configuration.
    wanted: Option<usize>,
    /// Octets of the headers of IP and UDP.
    headers: usize,
    /// Octets of a Message at most.
    message_size: usize,
    /// When that was last found out.
    sized_at: Duration,
    /// Datagrams sent.
    sent: u64,
    refusals: Refusals,
    /// What [`Session::trouble`] tells next.
    trouble: Option<io::Error>,
    /// Where the Collector has one.
    name: Option<Name>,
}

/// The name of a Collector.
#[derive(Debug)]
struct Name {
    collector: Collector,
    look_up: LookUp,
    asked_at: Duration,
    /// It led somewhere else when last asked.
    has_moved: bool,
}

/// Asks for the addresses of a Collector.
pub(crate) type LookUp = fn(&Collector) -> Result<Vec<SocketAddr>, ConnectError>;

/// What the network says of datagrams sent before, which makes states out of many refusals.
#[derive(Clone, Copy, Debug, Default)]
struct Refusals {
    /// When the last one came, and how many datagrams had been sent by then.
    last: Option<(Duration, u64)>,
}

impl UdpSession {
    /// Begins a session on a connected socket of its own.
    pub(crate) fn new(
        socket: UdpSocket,
        mtu: Option<u16>,
        wanted: Option<usize>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let peer = socket.peer_addr()?;
        let headers = usize::try_from(ip_header_length(peer)).map_err(io::Error::other)?;
        // Where that cannot be set the size limit alone has to do.
        let _ = transport::forbid_fragmentation(&socket);
        // A Message is sent at once; as a burst many wait for the device. The kernel gives as much
        // of that as it lets users have.
        let _ = SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER);
        socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let mut session = Self {
            socket,
            mtu: mtu.map(usize::from),
            wanted,
            headers: headers + UDP_HEADER_LENGTH,
            message_size: 0,
            sized_at: clock.monotonic(),
            clock,
            sent: 0,
            refusals: Refusals::default(),
            trouble: None,
            name: None,
        };
        session.limit_messages(session.path_message_size());
        Ok(session)
    }

    /// Follows the name of `collector`, which led to this peer when `look_up` was last asked.
    pub(crate) fn following(self, collector: &Collector, look_up: LookUp) -> Self {
        let has_name = collector.host.parse::<IpAddr>().is_err();
        let name = has_name.then(|| Name {
            collector: collector.clone(),
            look_up,
            asked_at: self.clock.monotonic(),
            has_moved: false,
        });
        Self { name, ..self }
    }

    /// Asks where the name leads, if that was not done `within` this time.
    fn ask_again(&mut self, within: Duration) {
        let Some(name) = &mut self.name else { return };
        let now = self.clock.monotonic();
        if name.has_moved || now.saturating_sub(name.asked_at) < within {
            return;
        }
        name.asked_at = now;
        // Who gives no answer says nothing against where we are.
        let Ok(addresses) = (name.look_up)(&name.collector) else { return };
        let Ok(peer) = self.socket.peer_addr() else { return };
        name.has_moved = !addresses.is_empty() && !addresses.contains(&peer);
    }

    /// Octets of a Message that IP and UDP headers, the path and the configuration leave (RFC 7011
    /// §10.3.3).
    fn path_message_size(&self) -> usize {
        let packet = match (transport::path_mtu(&self.socket), self.mtu) {
            (Ok(path), wanted) => path.min(wanted.unwrap_or(LARGEST_PACKET)),
            (Err(_), wanted) => wanted.unwrap_or(PACKET_SIZE_WITHOUT_PATH_MTU),
        };
        let size = packet.min(LARGEST_DATAGRAM).saturating_sub(self.headers);
        self.wanted.map_or(size, |wanted| wanted.min(size))
    }

    fn limit_messages(&mut self, size: usize) {
        self.message_size = size.max(MINIMUM_MESSAGE_SIZE);
        self.sized_at = self.clock.monotonic();
    }

    /// The path may have become wider; growing needs no haste.
    fn size_again(&mut self) {
        if self.clock.monotonic().saturating_sub(self.sized_at) >= SIZE_LIFETIME {
            self.limit_messages(self.path_message_size());
        }
    }

    /// A datagram was too large: this one of `size` octets, or one before.
    fn shrink(&mut self, size: usize) {
        let path = self.path_message_size();
        // The kernel may know less than the device does.
        let smaller = if path < size { path } else { size / 2 };
        self.limit_messages(smaller.min(self.message_size));
    }

    /// An error of a datagram sent before.
    fn earlier_error(&mut self, error: io::Error) {
        if is_too_large(&error) {
            let path = self.path_message_size();
            if path < self.message_size {
                self.limit_messages(path);
            }
        } else {
            if self.refusals.begins(self.clock.monotonic(), self.sent) {
                self.trouble = Some(error);
            }
            self.ask_again(ASK_REFUSED);
        }
    }

    /// Sends a datagram.
    ///
    /// On a connected socket most errors tell of a datagram sent before, and the one in hand did
    /// not leave. So it is tried again; only an error that stays is about this one.
    fn transmit(&mut self, octets: &[u8]) -> io::Result<()> {
        for _ in 1..ATTEMPTS {
            let Err(error) = self.socket.send(octets) else { return Ok(()) };
            match error.raw_os_error() {
                // A queue of ours is in the way: that of the device, or that of the socket.
                Some(libc::ENOBUFS) => self.clock.sleep(QUEUE_FULL_DELAY),
                Some(libc::EAGAIN | libc::EINTR) => {}
                _ => self.earlier_error(error),
            }
        }
        self.socket.send(octets).map(drop)
    }
}

impl Session for UdpSession {
    fn send(&mut self, message: &[u8], _patience: Patience<'_>) -> Result<(), SendError> {
        self.size_again();
        match self.transmit(message) {
            Ok(()) => {
                self.sent += 1;
                Ok(())
            }
            Err(error) if is_too_large(&error) && self.message_size > MINIMUM_MESSAGE_SIZE => {
                self.shrink(message.len());
                Err(SendError::TooLarge)
            }
            Err(error) => Err(SendError::NotSent(error)),
        }
    }

    fn look(&mut self) -> io::Result<()> {
        // No error ends a session over UDP: the Collector may be back for the next datagram.
        if let Ok(Some(error)) = self.socket.take_error() {
            self.earlier_error(error);
        }
        self.size_again();
        self.ask_again(ASK);
        Ok(())
    }

    fn delivered(&mut self) -> u64 {
        // Nobody will ever tell more.
        self.sent
    }

    fn delivered_at_end(&mut self) -> u64 {
        self.sent
    }

    fn close(&mut self, _patience: Duration, _clock: &dyn Clock) -> io::Result<()> {
        Ok(())
    }

    fn message_size(&self) -> usize {
        self.message_size
    }

    fn trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    fn is_refused(&self) -> bool {
        !self.refusals.is_calm(self.clock.monotonic(), self.sent)
    }

    fn wants_renewal(&self) -> bool {
        self.name.as_ref().is_some_and(|name| name.has_moved)
    }
}

impl Refusals {
    /// A datagram was refused at `now`, after `sent` of them: whether nobody knows of that yet.
    fn begins(&mut self, now: Duration, sent: u64) -> bool {
        let news = self.is_calm(now, sent);
        self.last = Some((now, sent));
        news
    }

    /// Whether the Collector seems to take datagrams at `now`, after `sent` of them.
    ///
    /// That it does is never said; it seems to, if none was refused for [`CALM`]. To a Collector that is
    /// away each datagram is one more refusal, however rarely there is one: so there must have been two
    /// since.
    fn is_calm(&self, now: Duration, sent: u64) -> bool {
        self.last.is_none_or(|(at, before)| now.saturating_sub(at) >= CALM && sent - before >= 2)
    }
}

fn is_too_large(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

/// A datagram and two errors of others.
const ATTEMPTS: u32 = 3;

/// After which a full queue of the network device has probably moved.
const QUEUE_FULL_DELAY: Duration = Duration::from_millis(1);

/// How long a full buffer of the socket may stop us.
const WRITE_TIMEOUT: Duration = Duration::from_millis(100);

/// Octets that may wait for the device.
const SEND_BUFFER: usize = 1 << 20;

/// How often the name of a Collector is asked at most: a resolver that does not answer takes seconds,
/// in which records wait.
const ASK: Duration = Duration::from_secs(300);

/// The same while datagrams are refused.
const ASK_REFUSED: Duration = Duration::from_secs(10);

/// Without a refusal in this time a Collector is there again.
const CALM: Duration = Duration::from_secs(60);

/// RFC 1191 §6.3: a path that was too narrow is not tried again earlier.
const SIZE_LIFETIME: Duration = Duration::from_secs(600);

/// Every path of IP in practice takes this; larger MTUs are those of one link, and have to be asked
/// for.
const LARGEST_PACKET: usize = 1500;

/// RFC 7011 §10.3.3: 512 octets while the path MTU is unknown.
const PACKET_SIZE_WITHOUT_PATH_MTU: usize = 512;

/// No packet of IPv4 is larger, nor one of IPv6 without an extension.
const LARGEST_DATAGRAM: usize = 65_535;

const UDP_HEADER_LENGTH: usize = 8;

#[cfg(test)]
mod tests;
