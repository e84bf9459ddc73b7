//! From a connected socket to a session that the Collector has agreed to.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, SignatureScheme};

use super::credentials::Credentials;
use super::error::TlsError;
use super::names::Expected;
use super::verifier::CollectorVerifier;
use crate::export::clock::Clock;

/// A connection on its way to a session.
#[derive(Debug)]
pub(super) struct Handshake<'a> {
    stream: &'a TcpStream,
    connection: ClientConnection,
    verifier: Arc<CollectorVerifier>,
    own: Arc<OwnCertificate>,
    clock: &'a dyn Clock,
}

/// A connection that both sides have agreed to.
#[derive(Debug)]
pub(super) struct Agreed {
    pub(super) connection: ClientConnection,
    /// The Collector knows who we are.
    pub(super) knows_us: bool,
}

impl<'a> Handshake<'a> {
    pub(super) fn new(
        stream: &'a TcpStream,
        credentials: &Credentials,
        expected: Expected,
        authorities_from: String,
        clock: &'a Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let protocol = |error: rustls::Error| TlsError::Protocol(error.to_string());
        let provider = provider();
        let name = expected.name.clone();
        let verifier = Arc::new(CollectorVerifier::new(
            expected,
            Arc::clone(&credentials.authorities),
            authorities_from,
            provider.signature_verification_algorithms,
        ));
        // RFC 7011 §11.1 would go down to TLS 1.1, which RFC 8996 and RFC 9325 §3.1.1 forbid.
        // RFC 7011 §11.3: rustls has no cipher suite without encryption or authentication.
        let own = Arc::new(OwnCertificate {
            certificate: Arc::clone(&credentials.own),
            was_asked_for: AtomicBool::new(false),
        });
        let mut config = ClientConfig::builder_with_details(
            Arc::new(provider),
            Arc::new(WallTime(Arc::clone(clock))),
        )
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(protocol)?
        .dangerous() // The verifier is our own; it asks webpki first.
        .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<_>)
        .with_client_cert_resolver(Arc::clone(&own) as Arc<_>);
        // A resumed session would be one whose certificates nobody has looked at again.
        config.resumption = Resumption::disabled();
        let connection = ClientConnection::new(Arc::new(config), name).map_err(protocol)?;
        Ok(Self { stream, connection, verifier, own, clock: &**clock })
    }

    /// Shakes hands, within `timeout` altogether, and waits until the Collector has agreed.
    ///
    /// A TLS 1.3 client is ready before the server has seen its certificate. What it sends then
    /// to a server that refuses is acknowledged by the server's host, and lost. So we wait for what
    /// servers send when they have agreed, a session ticket (RFC 8446 §4.6.1), or an alert. A
    /// server that sends no tickets is taken to agree by its silence: for as long as the handshake
    /// took, which is two round trips, and `confirmation` on top.
    pub(super) fn complete(
        mut self,
        timeout: Duration,
        confirmation: Duration,
    ) -> Result<Agreed, TlsError> {
        let began_at = self.clock.monotonic();
        let deadline = began_at + timeout;
        loop {
            self.write(deadline, timeout)?;
            if !self.connection.is_handshaking() {
                break;
            }
            match self.read(deadline)? {
                Heard::Something => {}
                Heard::Nothing => return Err(TlsError::Timeout(timeout.as_secs_f64())),
                Heard::End => return Err(TlsError::Closed),
            }
        }
        if self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3) {
            let now = self.clock.monotonic();
            let deadline = now + now.saturating_sub(began_at) + confirmation;
            while self.connection.tls13_tickets_received() == 0 {
                match self.read(deadline)? {
                    Heard::Something => {}
                    Heard::Nothing => break,
                    Heard::End => return Err(TlsError::Dropped),
                }
            }
        }
        let knows_us = self.own.was_asked_for.load(Ordering::Relaxed);
        Ok(Agreed { connection: self.connection, knows_us })
    }

    /// Writes what is to be written.
    fn write(&mut self, deadline: Duration, timeout: Duration) -> Result<(), TlsError> {
        while self.connection.wants_write() {
            let Some(rest) = self.rest(deadline) else {
                return Err(TlsError::Timeout(timeout.as_secs_f64()));
            };
            self.stream.set_write_timeout(Some(rest)).map_err(TlsError::Io)?;
            match self.connection.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {
                    return Err(TlsError::Timeout(timeout.as_secs_f64()));
                }
                // The peer may have said why before it went.
                Err(error) => match self.read(deadline)? {
                    Heard::Something => {}
                    Heard::Nothing | Heard::End => return Err(TlsError::Io(error)),
                },
            }
        }
        Ok(())
    }

    /// Waits for something from the peer, and takes it in.
    fn read(&mut self, deadline: Duration) -> Result<Heard, TlsError> {
        loop {
            let Some(rest) = self.rest(deadline) else { return Ok(Heard::Nothing) };
            self.stream.set_read_timeout(Some(rest)).map_err(TlsError::Io)?;
            match self.connection.read_tls(&mut self.stream) {
                Ok(0) => return Ok(Heard::End),
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Ok(Heard::Nothing),
                Err(error) => return Err(TlsError::Io(error)),
            }
        }
        let silent = self.connection.protocol_version().is_none();
        match self.connection.process_new_packets() {
            Ok(state) if state.peer_has_closed() => Ok(Heard::End),
            Ok(state) => {
                // Collectors have nothing to say.
                let mut octets = vec![0; state.plaintext_bytes_to_read()];
                let _ = io::Read::read(&mut self.connection.reader(), &mut octets);
                Ok(Heard::Something)
            }
            Err(error) => {
                // The alert that tells the peer; what matters is our own error.
                let _ = self.connection.write_tls(&mut self.stream);
                let refusal = match error {
                    rustls::Error::InvalidCertificate(_) => self.verifier.take_refusal(),
                    _ => None,
                };
                Err(refusal.unwrap_or_else(|| TlsError::of_handshake(&error, silent)))
            }
        }
    }

    /// Time until `deadline`; none is no timeout to a socket.
    fn rest(&self, deadline: Duration) -> Option<Duration> {
        deadline.checked_sub(self.clock.monotonic()).filter(|rest| !rest.is_zero())
    }
}

/// The cryptography that all of this rests on.
pub(super) fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

/// What came from the peer in time.
#[derive(Clone, Copy, Debug)]
enum Heard {
    Something,
    Nothing,
    End,
}

/// Our certificate, and whether the Collector wanted to see it.
#[derive(Debug)]
struct OwnCertificate {
    certificate: Arc<CertifiedKey>,
    was_asked_for: AtomicBool,
}

impl ResolvesClientCert for OwnCertificate {
    /// We have one, whatever authorities the Collector names: it tells what it does not like.
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.was_asked_for.store(true, Ordering::Relaxed);
        Some(Arc::clone(&self.certificate))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// By which certificates are valid or not.
#[derive(Debug)]
struct WallTime(Arc<dyn Clock>);

impl TimeProvider for WallTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.wall().as_secs())))
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
