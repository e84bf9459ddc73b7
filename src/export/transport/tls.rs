//! `tls://HOST:PORT`: Messages over TLS over TCP, both sides authenticated (RFC 7011 §11).
//!
//! # What counts as arrived
//!
//! As over TCP, by the acknowledgements of the peer's host, counted in octets of TLS records
//! ([`Delivery`]); and when the session ends:
//!
//! - **Ended by the Collector with `close_notify`, then FIN.** The Collector itself says that it
//!   ends, and its host confirms by the FIN that nothing was left unread: what was acknowledged
//!   has been read.
//! - **FIN without `close_notify`.** The process was killed, or somebody between us cuts the
//!   connection short: that is what `close_notify` is there to tell apart (RFC 8446 §6.1). Nothing
//!   is certain but what could not lie unread any more. Collectors that leave TLS out when they
//!   end receive a few Messages twice.
//! - **RST, an alert, silence.** The same.
//! - **Ended by us.** What the peer's host has acknowledged after our `close_notify`.

mod credentials;
mod error;
mod handshake;
mod names;
mod renewal;
mod verifier;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, ProtocolVersion};
use socket2::SockRef;

use self::credentials::Files;
pub use self::error::{FileUse, TlsError};
use self::handshake::{Agreed, Handshake, provider};
use self::names::Expected;
use self::renewal::Renewal;
use super::delivery::{Delivery, End};
use super::{Patience, SendError, Session};
use crate::export::clock::Clock;
use crate::export::config::TcpConfig;
use crate::export::target::Collector;

/// Settings of sessions over TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TlsSettings {
    /// How long the handshake may take.
    pub(crate) handshake_timeout: Duration,
    /// How long a Collector that sends no session tickets may take to refuse our certificate, after
    /// the handshake and as long again.
    pub(crate) confirmation: Duration,
    /// Between two looks whether the files of certificates were replaced.
    pub(crate) renewal_interval: Duration,
    /// Octets of a Message at most.
    pub(crate) message_size: usize,
}

impl From<&TcpConfig> for TlsSettings {
    fn from(config: &TcpConfig) -> Self {
        Self {
            handshake_timeout: config.connect_timeout,
            confirmation: Duration::from_millis(500),
            renewal_interval: Duration::from_secs(10),
            message_size: config.message_size,
        }
    }
}

/// Whether sessions with this Collector are possible as far as can be told without it, to be asked
/// at start: certificates that are not there are a fault of the configuration.
///
/// # Errors
///
/// What has to be changed.
pub(crate) fn check(collector: &Collector) -> Result<(), TlsError> {
    expected(collector)?;
    Files::of(&collector.options.tls)?.read(&provider()).map(drop)
}

/// Opens a session over a connected stream: reads the certificates, shakes hands, and waits until
/// the Collector has agreed. RFC 7011 §11.3: not one Message goes to anybody else.
///
/// # Errors
///
/// Why there is no session. Nothing was sent but the handshake.
pub(crate) fn open(
    stream: TcpStream,
    collector: &Collector,
    settings: TlsSettings,
    clock: &Arc<dyn Clock>,
) -> Result<TlsSession, TlsError> {
    let expected = expected(collector)?;
    let files = Files::of(&collector.options.tls)?;
    let stamps = files.stamps();
    let credentials = files.read(&provider())?;
    stream.set_nodelay(true).map_err(TlsError::Io)?;
    let authorities_from = files.authorities().display().to_string();
    let handshake = Handshake::new(&stream, &credentials, expected, authorities_from, clock)?;
    let Agreed { mut connection, knows_us } =
        handshake.complete(settings.handshake_timeout, settings.confirmation)?;
    stream.set_read_timeout(None).map_err(TlsError::Io)?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT)).map_err(TlsError::Io)?;
    // One Message is encrypted at a time, and a Message has 65,535 octets at most.
    connection.set_buffer_limit(None);
    let mut trouble = VecDeque::new();
    if credentials.key_is_exposed {
        let path = files.key().display();
        let text = format!("every user can read the private key {path}: chmod o-r");
        trouble.push_back(io::Error::new(ErrorKind::PermissionDenied, text));
    }
    if !knows_us {
        // RFC 7011 §11.2 wants both sides to. What we send is safe; what it receives may be from
        // anybody.
        let text = "the collector did not ask for our certificate: anybody can export to it";
        trouble.push_back(io::Error::other(text));
    }
    let (digest, now) = (credentials.digest(), clock.monotonic());
    Ok(TlsSession {
        stream,
        connection,
        records: Vec::new(),
        records_sent: 0,
        delivery: Delivery::new(),
        ending: None,
        renewal: Renewal::new(files, digest, stamps, settings.renewal_interval, now),
        trouble,
        message_size: settings.message_size,
        clock: Arc::clone(clock),
    })
}

fn expected(collector: &Collector) -> Result<Expected, TlsError> {
    let options = &collector.options.tls;
    let text = options.name.as_deref().unwrap_or(&collector.host);
    Expected::new(text, &options.peers).ok_or_else(|| TlsError::Name { text: text.to_owned() })
}

/// A Transport Session over TLS.
#[derive(Debug)]
pub(crate) struct TlsSession {
    stream: TcpStream,
    connection: ClientConnection,
    /// TLS records of the Message in hand.
    records: Vec<u8>,
    /// Since the keys were agreed on.
    records_sent: u64,
    delivery: Delivery,
    ending: Option<Ending>,
    renewal: Renewal,
    /// To be told.
    trouble: VecDeque<io::Error>,
    message_size: usize,
    clock: Arc<dyn Clock>,
}

/// How the end of a session came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    /// The peer said `close_notify`; its FIN is still to come, or a RST.
    Announced,
    /// `close_notify`, and FIN.
    Finished,
    /// Anything else.
    Broken,
}

impl TlsSession {
    /// Takes in what the peer says, without waiting for it.
    fn receive(&mut self) -> io::Result<()> {
        if let Some(error) = self.stream.take_error()? {
            return Err(self.broke(error));
        }
        // A peer that never stops talking does not keep us from sending.
        for _ in 0..MOST_READS {
            // rustls reads nothing after `close_notify`.
            let read = match self.ending {
                Some(Ending::Announced) => Arrived(&self.stream).read(&mut [0; 512]),
                _ => self.connection.read_tls(&mut Arrived(&self.stream)),
            };
            match read {
                Ok(0) => return Err(self.input_ended()),
                Ok(_) => self.take_in()?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broke(error)),
            }
        }
        Ok(())
    }

    /// Decrypts what was read. Collectors have nothing to say but what TLS does.
    fn take_in(&mut self) -> io::Result<()> {
        match self.connection.process_new_packets() {
            Ok(state) => {
                let mut octets = vec![0; state.plaintext_bytes_to_read()];
                let _ = self.connection.reader().read(&mut octets);
                if state.peer_has_closed() {
                    self.ending = Some(Ending::Announced);
                }
                Ok(())
            }
            Err(error) => {
                // An alert for the peer.
                let _ = self.connection.write_tls(&mut self.stream);
                let error = match error {
                    rustls::Error::AlertReceived(alert) => TlsError::of_alert(alert),
                    other => TlsError::Protocol(other.to_string()),
                };
                Err(self.broke(error.into()))
            }
        }
    }

    /// The FIN of the peer has come.
    fn input_ended(&mut self) -> io::Error {
        if self.ending == Some(Ending::Announced) {
            self.delivery.input_ended(&self.stream);
            self.ending = Some(Ending::Finished);
            return ended();
        }
        self.broke(io::Error::new(
            ErrorKind::UnexpectedEof,
            "the collector is gone: the connection ended before TLS did",
        ))
    }

    /// The same, and the end of the session is an error.
    fn receive_or_end(&mut self) -> io::Result<()> {
        match self.ending {
            Some(Ending::Announced) => {}
            Some(_) => return Err(ended()),
            None => self.receive()?,
        }
        if self.ending.is_some() { Err(ended()) } else { Ok(()) }
    }

    fn broke(&mut self, error: io::Error) -> io::Error {
        self.ending = Some(Ending::Broken);
        error
    }

    /// Encrypts, into `records`.
    fn encrypt(&mut self, message: &[u8]) -> io::Result<()> {
        self.records.clear();
        self.connection.writer().write_all(message)?;
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.records)?;
        }
        // What TLS 1.2 may encrypt by one key is limited. At the limit rustls takes what it is
        // given and sends `close_notify` in its place.
        if self.records.len() < message.len() {
            return Err(io::Error::new(ErrorKind::ConnectionAborted, "the keys are used up"));
        }
        self.records_sent += message.len().div_ceil(LARGEST_RECORD) as u64;
        Ok(())
    }

    /// Gives `records` to the socket.
    fn write(&mut self, limit: impl Fn() -> Option<Duration>) -> io::Result<()> {
        let mut rest = &self.records[..];
        let mut progress_at = self.clock.monotonic();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    progress_at = self.clock.monotonic();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {
                    let waited = self.clock.monotonic().saturating_sub(progress_at);
                    if limit().is_none_or(|limit| waited >= limit) {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What the peer said before it went is a better reason than that it is gone.
    fn better_reason(&mut self, error: io::Error) -> io::Error {
        match self.receive() {
            Err(said) if is_said(&said) => said,
            _ => error,
        }
    }

    /// Says that this is the end, and that nothing follows.
    fn say_goodbye(&mut self, patience: Duration) -> io::Result<()> {
        self.connection.send_close_notify();
        self.records.clear();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.records)?;
        }
        self.write(|| Some(patience))?;
        self.delivery.written_besides(self.records.len() as u64);
        self.stream.shutdown(Shutdown::Write)?;
        self.delivery.finish();
        Ok(())
    }
}

impl Session for TlsSession {
    fn send(&mut self, message: &[u8], patience: Patience<'_>) -> Result<(), SendError> {
        self.receive_or_end().map_err(SendError::Broken)?;
        let written = self.encrypt(message).and_then(|()| {
            self.write(|| {
                let over = patience.ending.is_over();
                let limit = if over { patience.over } else { patience.running };
                (!patience.ending.is_abandoned()).then_some(limit)
            })
        });
        if let Err(error) = written {
            let error = self.better_reason(error);
            return Err(SendError::Broken(self.broke(error)));
        }
        self.delivery.written(self.records.len() as u64);
        self.delivery.update(&self.stream);
        Ok(())
    }

    fn look(&mut self) -> io::Result<()> {
        self.receive_or_end()?;
        self.delivery.update(&self.stream);
        if let Some(error) = self.renewal.look(self.clock.monotonic(), &provider()) {
            let text = format!("new certificates cannot be used, the old ones stay: {error}");
            self.trouble.push_back(io::Error::new(ErrorKind::InvalidData, text));
        }
        Ok(())
    }

    fn delivered(&mut self) -> u64 {
        self.delivery.update(&self.stream);
        self.delivery.delivered()
    }

    fn delivered_at_end(&mut self) -> u64 {
        self.delivery.update(&self.stream);
        if self.ending == Some(Ending::Announced) {
            // The FIN is on its way, or a RST if something was left unread. A server may wait for
            // our `close_notify` (RFC 5246 §7.2.1).
            let began_at = self.clock.monotonic();
            let mut waiting = self.say_goodbye(LAST_WORD_PATIENCE).is_ok();
            while waiting && self.ending == Some(Ending::Announced) {
                let waited = self.clock.monotonic().saturating_sub(began_at);
                waiting = self.receive().is_ok() && waited < LAST_WORD_PATIENCE;
                self.clock.sleep(POLL_INTERVAL);
            }
        }
        let end = match self.ending {
            Some(Ending::Finished) => End::Finished,
            Some(Ending::Announced | Ending::Broken) | None => End::Broken,
        };
        self.delivery.delivered_at_end(end)
    }

    fn close(&mut self, patience: Duration, clock: &dyn Clock) -> io::Result<()> {
        self.receive_or_end()?;
        if let Err(error) = self.say_goodbye(patience) {
            return Err(self.broke(error));
        }
        let mut before = u64::MAX;
        let mut progress_at = clock.monotonic();
        loop {
            let heard = self.receive();
            self.delivery.update(&self.stream);
            let outstanding = self.delivery.outstanding_octets();
            let waited = clock.monotonic().saturating_sub(progress_at);
            match heard {
                // The peer has read our `close_notify` and all before it.
                Err(error) if is_end(&error) && outstanding == 0 => return Ok(()),
                Err(error) => return Err(error),
                Ok(()) if outstanding < before => {
                    before = outstanding;
                    progress_at = clock.monotonic();
                }
                // All is acknowledged. To leave before the peer has read it would do no harm, but
                // what it says on leaving would be answered by a RST.
                Ok(()) if outstanding == 0 && waited >= LAST_WORD_PATIENCE => return Ok(()),
                Ok(()) if waited >= patience => return Err(ErrorKind::TimedOut.into()),
                Ok(()) => {}
            }
            clock.sleep(POLL_INTERVAL);
        }
    }

    fn message_size(&self) -> usize {
        self.message_size
    }

    fn trouble(&mut self) -> Option<io::Error> {
        self.trouble.pop_front()
    }

    fn wants_renewal(&self) -> bool {
        let is_limited = self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_2);
        self.renewal.is_wanted() || is_limited && self.records_sent >= RECORDS_OF_TLS_1_2
    }
}

/// Reads what has arrived, without waiting for more.
struct Arrived<'a>(&'a TcpStream);

impl Read for Arrived<'_> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        SockRef::from(self.0).recv_with_flags(&mut [MaybeUninit::uninit()], flags)?;
        self.0.read(octets)
    }
}

fn ended() -> io::Error {
    io::Error::new(ErrorKind::ConnectionAborted, "the collector has ended the session")
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof)
}

/// Whether an error is what the peer said, and not that it is gone.
fn is_said(error: &io::Error) -> bool {
    is_end(error) || error.get_ref().is_some_and(|inner| inner.is::<TlsError>())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// After which a write that makes no progress looks whether it should go on.
const WRITE_TIMEOUT: Duration = Duration::from_millis(100);

/// Between two looks at what is acknowledged.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// How long the end of a peer that has all is waited for.
const LAST_WORD_PATIENCE: Duration = Duration::from_secs(1);

/// Reads in a row.
const MOST_READS: usize = 16;

/// RFC 8446 §5.1.
const LARGEST_RECORD: usize = 1 << 14;

/// RFC 8446 §5.5 allows AES-GCM 2^24.5 records by one key. TLS 1.3 changes keys on the way, which
/// rustls does by itself; TLS 1.2 has no means to, so a new session comes in time.
const RECORDS_OF_TLS_1_2: u64 = 1 << 23;

#[cfg(test)]
mod tests;
