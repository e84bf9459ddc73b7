//! Whether the peer is the Collector that was asked for (RFC 7011 §11.3).

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::error::TlsError;
use super::names::{Expected, Subject};

/// Verifies the chain by webpki, and the names by the rules of IPFIX, which know Common Names.
///
/// It is made for one connection and remembers why it refused, in more words than rustls has.
#[derive(Debug)]
pub(super) struct CollectorVerifier {
    expected: Expected,
    authorities: Arc<RootCertStore>,
    /// Where they are from.
    authorities_from: String,
    algorithms: WebPkiSupportedAlgorithms,
    refusal: Mutex<Option<TlsError>>,
}

impl CollectorVerifier {
    pub(super) fn new(
        expected: Expected,
        authorities: Arc<RootCertStore>,
        authorities_from: String,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        Self { expected, authorities, authorities_from, algorithms, refusal: Mutex::new(None) }
    }

    /// Why the certificate was refused, if it was.
    pub(super) fn take_refusal(&self) -> Option<TlsError> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn refuse(&self, error: Error, reason: Option<TlsError>) -> Error {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = reason;
        error
    }

    /// Why webpki does not take a certificate, where it can be said better than it does.
    fn reason(&self, error: &Error, subject: Option<&Subject>) -> Option<TlsError> {
        let Error::InvalidCertificate(problem) = error else { return None };
        let authorities = self.authorities_from.clone();
        Some(match problem {
            CertificateError::ExpiredContext { not_after, .. } => {
                TlsError::Expired { not_after: date(*not_after) }
            }
            CertificateError::NotValidYetContext { time, not_before } => {
                TlsError::NotYetValid { not_before: date(*not_before), now: date(*time) }
            }
            CertificateError::UnknownIssuer => match subject {
                Some(subject) if subject.is_self_issued => TlsError::SelfSigned { authorities },
                Some(subject) => TlsError::UnknownAuthority {
                    issuer: format!("`{}`", subject.issuer),
                    authorities,
                },
                None => TlsError::UnknownAuthority { issuer: "somebody".to_owned(), authorities },
            },
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                TlsError::Certificate("is not for servers (extended key usage)".to_owned())
            }
            _ if subject.is_some_and(|subject| subject.is_old) => TlsError::Certificate(
                "is of an X.509 version before 3: issue it with a subjectAltName".to_owned(),
            ),
            _ if subject.is_some_and(|subject| subject.is_authority) => TlsError::Certificate(
                "is that of an authority (CA:TRUE), which no server may use: issue one without"
                    .to_owned(),
            ),
            _ => return None,
        })
    }
}

impl ServerCertVerifier for CollectorVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let subject = Subject::of(end_entity);
        let subject = subject.as_ref();
        let certificate = ParsedCertificate::try_from(end_entity).map_err(|error| {
            let reason = self.reason(&error, subject);
            self.refuse(error, reason)
        })?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.authorities,
            intermediates,
            now,
            self.algorithms.all,
        )
        .map_err(|error| {
            let reason = self.reason(&error, subject);
            self.refuse(error, reason)
        })?;

        // RFC 7011 §11.3: not one Message goes to a Collector that is not who it should be.
        let presented = || subject.map_or_else(|| "somebody".to_owned(), Subject::to_string);
        if !self.expected.is_name_of(&certificate, subject) {
            let expected = format!("`{}`", self.expected.name.to_str());
            let reason = TlsError::WrongName { expected, presented: presented() };
            return Err(self.refuse(CertificateError::NotValidForName.into(), Some(reason)));
        }
        if !self.expected.is_listed(&certificate, subject) {
            let allowed = self.expected.peers.join(", ");
            let reason = TlsError::NotAuthorised { presented: presented(), allowed };
            let error = CertificateError::ApplicationVerificationFailure.into();
            return Err(self.refuse(error, Some(reason)));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A moment as people read it.
fn date(time: UnixTime) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| "a day far away".to_owned(), |time| time.to_string())
}
