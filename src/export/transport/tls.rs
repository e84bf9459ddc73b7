//! `tls://HOST:PORT`: Messages over TLS over TCP, both sides authenticated (RFC 7011 §11).
//!
//! # What counts as arrived
//!
//! As over TCP, by the acknowledgements of the peer's host, counted in octets of TLS records
//! ([`Delivery`](super::delivery::Delivery)); and when the session ends:
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
mod ends;
mod error;
mod handshake;
mod names;
mod renewal;
mod verifier;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, ProtocolVersion};

use self::credentials::Files;
pub use self::ends::CertificateEnd;
pub(crate) use self::ends::ends;
pub use self::error::{FileUse, TlsError};
use self::handshake::{Agreed, Handshake, provider};
use self::names::Expected;
use self::renewal::Renewal;
use crate::export::clock::Clock;
use crate::export::ending::Ending;
use crate::export::target::{Collector, TlsOptions};
use crate::export::transport::connect::Settings;
use crate::export::transport::delivery::End;
use crate::export::transport::stream::Stream;
use crate::export::transport::{Patience, SendError, Session};

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
    /// A peer that answers nothing for so long is gone.
    pub(crate) dead_after: Duration,
    /// Octets of a Message at most.
    pub(crate) message_size: usize,
}

impl TlsSettings {
    pub(crate) const fn new(settings: &Settings) -> Self {
        Self {
            handshake_timeout: settings.connect_timeout,
            confirmation: Duration::from_millis(500),
            renewal_interval: Duration::from_secs(10),
            dead_after: settings.dead_after,
            message_size: settings.message_size,
        }
    }
}

/// Which files a session with these options reads; none without certificates.
pub(crate) fn files(options: &TlsOptions) -> Vec<PathBuf> {
    Files::of(options).map(|files| files.paths().map(Path::to_owned).into()).unwrap_or_default()
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

/// The part of [`check`] that is so on every machine: what is said, and no file.
///
/// # Errors
///
/// What has to be changed.
pub(crate) fn check_options(collector: &Collector) -> Result<(), TlsError> {
    expected(collector)?;
    Files::own(&collector.options.tls).map(drop)
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
    // One Message is encrypted at a time, and a Message has 65,535 octets at most.
    connection.set_buffer_limit(None);
    let mut advice = VecDeque::new();
    if credentials.key_is_exposed {
        let path = files.key().display();
        let text = format!("every user can read the private key {path}: chmod o-r");
        advice.push_back(io::Error::new(ErrorKind::PermissionDenied, text));
    }
    if !knows_us {
        // RFC 7011 §11.2 wants both sides to. What we send is safe; what it receives may be from
        // anybody.
        let text = "the collector did not ask for our certificate: anybody can export to it";
        advice.push_back(io::Error::other(text));
    }
    let (digest, now) = (credentials.digest(), clock.monotonic());
    Ok(TlsSession {
        stream: Stream::new(stream, settings.dead_after).map_err(TlsError::Io)?,
        conversation: Conversation { connection, has_ended: false, is_over: false },
        records: Vec::new(),
        records_sent: 0,
        renewal: Renewal::new(files, digest, stamps, settings.renewal_interval, now),
        advice,
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
    stream: Stream,
    conversation: Conversation,
    /// TLS records of the Message in hand.
    records: Vec<u8>,
    /// Since the keys were agreed on.
    records_sent: u64,
    renewal: Renewal,
    /// To be told.
    advice: VecDeque<io::Error>,
    message_size: usize,
    clock: Arc<dyn Clock>,
}

/// What is said inside of TLS.
#[derive(Debug)]
struct Conversation {
    connection: ClientConnection,
    /// The peer has said `close_notify`.
    has_ended: bool,
    /// No Message can be sent any more.
    is_over: bool,
}

impl Conversation {
    /// Takes in what the peer says, without waiting for it.
    ///
    /// # Errors
    ///
    /// Why the session has ended, if not by `close_notify`.
    fn listen(&mut self, stream: &mut Stream) -> io::Result<()> {
        let mut buffer = [0; 4_096];
        // A peer that never stops talking does not keep us from sending.
        for _ in 0..MOST_READS {
            match stream.receive(&mut buffer)? {
                None => break,
                Some(0) if self.has_ended => {
                    stream.end_as(End::Finished);
                    break;
                }
                Some(0) => {
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "the collector is gone: the connection ended before TLS did",
                    ));
                }
                Some(count) => self.take_in(buffer.get(..count).unwrap_or_default())?,
            }
        }
        stream.look()
    }

    /// Decrypts. Collectors have nothing to say but what TLS does.
    fn take_in(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() && !self.has_ended {
            self.connection.read_tls(&mut octets)?;
            let state = self.connection.process_new_packets().map_err(|error| match error {
                rustls::Error::AlertReceived(alert) => TlsError::of_alert(alert),
                other => TlsError::Protocol(other.to_string()),
            })?;
            let mut said = vec![0; state.plaintext_bytes_to_read()];
            let _ = self.connection.reader().read(&mut said);
            self.has_ended = state.peer_has_closed();
        }
        Ok(())
    }

    /// Moves what is to be written to `records`.
    fn take_records(&mut self, records: &mut Vec<u8>) -> io::Result<()> {
        records.clear();
        while self.connection.wants_write() {
            self.connection.write_tls(records)?;
        }
        Ok(())
    }

    fn encrypt(&mut self, message: &[u8], records: &mut Vec<u8>) -> io::Result<()> {
        self.connection.writer().write_all(message)?;
        self.take_records(records)?;
        // What TLS 1.2 may encrypt by one key is limited. At the limit rustls takes what it is
        // given and sends `close_notify` in its place.
        if records.len() < message.len() {
            return Err(io::Error::new(ErrorKind::ConnectionAborted, "the keys are used up"));
        }
        Ok(())
    }
}

impl TlsSession {
    /// Notices the end of the session.
    fn listen(&mut self) -> io::Result<()> {
        if self.conversation.is_over {
            return Err(ended());
        }
        if let Err(error) = self.conversation.listen(&mut self.stream) {
            return Err(self.broke(error));
        }
        if self.conversation.has_ended {
            self.conversation.is_over = true;
            return Err(ended());
        }
        Ok(())
    }

    /// The session is over, and not in order.
    fn broke(&mut self, error: io::Error) -> io::Error {
        if !std::mem::replace(&mut self.conversation.is_over, true) {
            self.send_alert();
        }
        error
    }

    /// Tells the peer what it did wrong, if it did and can be told at once.
    fn send_alert(&mut self) {
        if self.conversation.take_records(&mut self.records).is_ok() && !self.records.is_empty() {
            let ending = Ending::default();
            let patience = impatient(&ending, &*self.clock);
            let _ = self.stream.write(&self.records, patience);
        }
    }

    fn write(&mut self, message: &[u8], patience: Patience<'_>) -> io::Result<()> {
        self.conversation.encrypt(message, &mut self.records)?;
        self.stream.write(&self.records, patience)?;
        self.records_sent += message.len().div_ceil(LARGEST_RECORD) as u64;
        self.stream.message_ended(patience.clock)
    }

    /// What the peer said before it went is a better reason than that it is gone.
    fn better_reason(&mut self, error: io::Error) -> io::Error {
        match self.conversation.listen(&mut self.stream) {
            Err(said) if said.get_ref().is_some_and(|inner| inner.is::<TlsError>()) => said,
            _ if self.conversation.has_ended => ended(),
            _ => error,
        }
    }

    /// Waits for the FIN that follows `close_notify`, or a RST, if something was left unread.
    fn await_end(&mut self) {
        let ending = Ending::default();
        let begin = self.clock.monotonic();
        let mut is_answered = false;
        while self.stream.end().is_none() {
            if self.conversation.listen(&mut self.stream).is_err() || self.stream.end().is_some() {
                break;
            }
            if !std::mem::replace(&mut is_answered, true) {
                // Some servers wait for ours (RFC 5246 §7.2.1).
                self.conversation.connection.send_close_notify();
                let patience = impatient(&ending, &*self.clock);
                if self.conversation.take_records(&mut self.records).is_err()
                    || self.stream.write(&self.records, patience).is_err()
                {
                    break;
                }
            }
            if self.clock.monotonic().saturating_sub(begin) >= LAST_WORD_PATIENCE {
                self.stream.end_as(End::Broken);
            }
            self.clock.sleep(POLL_INTERVAL);
        }
    }
}

impl Session for TlsSession {
    fn send(&mut self, message: &[u8], patience: Patience<'_>) -> Result<(), SendError> {
        self.listen().map_err(SendError::Broken)?;
        self.write(message, patience).map_err(|error| {
            self.conversation.is_over = true;
            SendError::Broken(self.better_reason(error))
        })
    }

    fn look(&mut self) -> io::Result<()> {
        self.listen()?;
        if let Some(error) = self.renewal.look(self.clock.monotonic(), &provider()) {
            let text = format!("new certificates cannot be used, the old ones stay: {error}");
            self.advice.push_back(io::Error::new(ErrorKind::InvalidData, text));
        }
        Ok(())
    }

    fn delivered(&mut self) -> u64 {
        self.stream.delivered()
    }

    fn delivered_at_end(&mut self) -> u64 {
        self.conversation.is_over = true;
        if self.conversation.has_ended {
            self.await_end();
        } else {
            // Whatever TCP thinks of it.
            self.stream.end_as(End::Broken);
        }
        self.stream.delivered_at_end()
    }

    fn close(&mut self, patience: Duration, clock: &dyn Clock) -> io::Result<()> {
        self.listen()?;
        self.conversation.is_over = true;
        self.conversation.connection.send_close_notify();
        self.conversation.take_records(&mut self.records)?;
        let ending = Ending::default();
        let limits = Patience { running: patience, over: patience, ending: &ending, clock };
        self.stream.write(&self.records, limits)?;
        let conversation = &mut self.conversation;
        self.stream.close(patience, clock, |stream| match conversation.listen(stream) {
            // The peer has ended as well. Many do without `close_notify` once they have ours.
            Err(_) if stream.input_ended() && stream.end().is_none() => stream.look(),
            other => other,
        })
    }

    fn message_size(&self) -> usize {
        self.message_size
    }

    fn advice(&mut self) -> Option<io::Error> {
        self.advice.pop_front()
    }

    fn wants_renewal(&self) -> bool {
        let version = self.conversation.connection.protocol_version();
        let is_limited = version == Some(ProtocolVersion::TLSv1_2);
        self.renewal.is_wanted() || is_limited && self.records_sent >= RECORDS_OF_TLS_1_2
    }
}

/// For what is only polite.
fn impatient<'a>(ending: &'a Ending, clock: &'a dyn Clock) -> Patience<'a> {
    Patience { running: Duration::ZERO, over: Duration::ZERO, ending, clock }
}

fn ended() -> io::Error {
    io::Error::new(ErrorKind::ConnectionAborted, "the collector has ended the session")
}

/// Between two looks at what has come.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// How long the end of TCP is waited for when that of TLS has come.
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
