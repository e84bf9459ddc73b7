//! What keeps a session over TLS from being, in words that tell what to change.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

use crate::export::error::is_unusable;

/// Why there is no session over TLS. Every message is one line and names what is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// An Exporting Process presents a certificate (RFC 7011 §11.2).
    #[error(
        "`{missing}` is not given: TLS needs a certificate and its key (RFC 7011 §11.2), \
         cert=FILE and key=FILE"
    )]
    NotGiven {
        /// `cert` or `key`.
        missing: &'static str,
    },
    /// What the Collector should be called is no name of a host.
    #[error(
        "`{text}` is no host name and no address that a certificate could be for: use name=NAME"
    )]
    Name {
        /// The host of the target, or `name`.
        text: String,
    },
    /// The system has no list of authorities.
    #[error("this system has no list of certificate authorities: use ca=FILE")]
    NoAuthorities,
    /// A file cannot be read.
    #[error("cannot read the {what} {}: {source}", path.display())]
    File {
        /// What the file is for.
        what: FileUse,
        /// Its path.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A file does not hold what it is for.
    #[error("the {what} {} {problem}", path.display())]
    Content {
        /// What the file is for.
        what: FileUse,
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Certificate and key do not belong together.
    #[error("the key {} does not match the certificate {}", key.display(), cert.display())]
    KeyMismatch {
        /// The path of the key.
        key: PathBuf,
        /// The path of the certificate.
        cert: PathBuf,
    },

    /// The Collector's certificate is for somebody else (RFC 7011 §11.3).
    #[error("the collector's certificate is for {presented}, not for {expected}")]
    WrongName {
        /// The name it had to have.
        expected: String,
        /// The names it has.
        presented: String,
    },
    /// The Collector is not on the list (RFC 7011 §11.3).
    #[error(
        "the collector is {presented}, which is none of the peers that may be exported to ({allowed})"
    )]
    NotAuthorised {
        /// The names its certificate has.
        presented: String,
        /// The list.
        allowed: String,
    },
    /// The Collector's certificate is too old.
    #[error("the collector's certificate has expired on {not_after}")]
    Expired {
        /// Its last moment.
        not_after: String,
    },
    /// The Collector's certificate is too young, or our clock is slow.
    #[error("the collector's certificate is not valid before {not_before}; here it is {now}")]
    NotYetValid {
        /// Its first moment.
        not_before: String,
        /// Our time.
        now: String,
    },
    /// Nobody we trust vouches for the Collector.
    #[error(
        "the collector's certificate is from {issuer}, which is not among the authorities in {authorities}"
    )]
    UnknownAuthority {
        /// Who issued it.
        issuer: String,
        /// Where those we trust are from.
        authorities: String,
    },
    /// Only the Collector vouches for itself.
    #[error("the collector's certificate is self-signed and not in {authorities}")]
    SelfSigned {
        /// Where those we trust are from.
        authorities: String,
    },
    /// Another rule that the Collector's certificate breaks.
    #[error("the collector's certificate {0}")]
    Certificate(String),

    /// The Collector does not accept our certificate, or none of what we offer.
    #[error("the collector refused us: {reason} (alert {alert})")]
    Refused {
        /// The alert, by the name that the standard gives it.
        alert: String,
        /// What it means here.
        reason: String,
    },
    /// No common version.
    #[error("the collector speaks neither TLS 1.2 nor TLS 1.3, and older versions are not safe")]
    Version,
    /// The peer says something that is not TLS.
    #[error("the collector does not speak TLS at this port")]
    NotTls,
    /// The peer says nothing, or not enough.
    #[error(
        "the TLS handshake was not complete after {0} s; does the collector speak TLS at this port?"
    )]
    Timeout(f64),
    /// The peer ended the connection without a word.
    #[error(
        "the collector closed the connection during the TLS handshake; does it speak TLS at this port?"
    )]
    Closed,
    /// The peer knew our certificate, and then ended the connection without a word.
    #[error("the collector closed the connection when it had our certificate, without saying why")]
    Dropped,
    /// The connection broke.
    #[error("the connection broke during the TLS handshake: {0}")]
    Io(io::Error),
    /// The peer does not keep to the protocol.
    #[error("TLS: {0}")]
    Protocol(String),
}

/// What a file is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileUse {
    /// Those who may vouch for a Collector.
    Authorities,
    /// Who we are.
    Certificate,
    /// The proof of it.
    Key,
}

impl std::fmt::Display for FileUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Authorities => "authorities (ca)",
            Self::Certificate => "certificate (cert)",
            Self::Key => "private key (key)",
        })
    }
}

impl TlsError {
    /// Whether one side did not accept the other (RFC 7011 §11.6), which is not the network's fault.
    pub(crate) const fn is_refusal(&self) -> bool {
        !matches!(self, Self::Timeout(_) | Self::Closed | Self::Dropped | Self::Io(_))
    }

    /// Whether our own files and names are wrong, and not the Collector.
    pub(crate) fn is_configuration(&self) -> bool {
        match self {
            Self::NotGiven { .. }
            | Self::Name { .. }
            | Self::NoAuthorities
            | Self::Content { .. }
            | Self::KeyMismatch { .. } => true,
            Self::File { source, .. } => is_unusable(source),
            _ => false,
        }
    }

    /// What rustls said during a handshake; `silent` while the peer has said nothing in TLS yet.
    pub(super) fn of_handshake(error: &rustls::Error, silent: bool) -> Self {
        use rustls::Error;
        match error {
            Error::AlertReceived(alert) => Self::of_alert(*alert),
            Error::InvalidCertificate(problem) => Self::of_certificate(problem),
            Error::NoCertificatesPresented => Self::Certificate("is missing".to_owned()),
            Error::PeerIncompatible(problem) => Self::of_incompatibility(problem),
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge
                | InvalidMessage::InvalidEmptyPayload,
            ) if silent => Self::NotTls,
            Error::PeerSentOversizedRecord if silent => Self::NotTls,
            other => Self::Protocol(other.to_string()),
        }
    }

    /// What a fatal alert tells (RFC 8446 §6.2).
    pub(super) fn of_alert(alert: AlertDescription) -> Self {
        let (alert, reason) = match alert {
            AlertDescription::ProtocolVersion => return Self::Version,
            AlertDescription::UnknownCA => {
                ("unknown_ca", "it does not know the authority that issued our certificate")
            }
            AlertDescription::BadCertificate => ("bad_certificate", "our certificate is not good"),
            AlertDescription::UnsupportedCertificate => (
                "unsupported_certificate",
                "our certificate is of a kind or for a use it does not take",
            ),
            AlertDescription::CertificateRevoked => {
                ("certificate_revoked", "our certificate is revoked")
            }
            AlertDescription::CertificateExpired => {
                ("certificate_expired", "our certificate has expired")
            }
            AlertDescription::CertificateUnknown => {
                ("certificate_unknown", "it does not accept our certificate")
            }
            AlertDescription::CertificateRequired => {
                ("certificate_required", "it wants a certificate and ours did not do")
            }
            AlertDescription::AccessDenied => {
                ("access_denied", "our certificate is valid, but may not export to it")
            }
            AlertDescription::HandshakeFailure => (
                "handshake_failure",
                "no cipher suite in common, or a certificate it does not take",
            ),
            AlertDescription::InsufficientSecurity => {
                ("insufficient_security", "what we offer is too weak for it")
            }
            AlertDescription::UnrecognisedName => {
                ("unrecognized_name", "it does not answer to this name")
            }
            AlertDescription::DecryptError => {
                ("decrypt_error", "it could not verify the signature of our key")
            }
            AlertDescription::InternalError => ("internal_error", "something failed on its side"),
            other => {
                let reason = "it ended the handshake".to_owned();
                return Self::Refused { alert: format!("{}", u8::from(other)), reason };
            }
        };
        Self::Refused { alert: alert.to_owned(), reason: reason.to_owned() }
    }

    fn of_incompatibility(problem: &PeerIncompatible) -> Self {
        match problem {
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled => Self::Version,
            other => Self::Protocol(format!("the collector is incompatible: {other:?}")),
        }
    }

    /// What webpki found; the verifier knows better for what is common.
    fn of_certificate(problem: &CertificateError) -> Self {
        Self::Certificate(format!("is not acceptable: {problem}"))
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotGiven { .. } | Self::Name { .. } | Self::NoAuthorities => {
                ErrorKind::InvalidInput
            }
            Self::File { source, .. } | Self::Io(source) => source.kind(),
            Self::Timeout(_) => ErrorKind::TimedOut,
            Self::Closed | Self::Dropped => ErrorKind::UnexpectedEof,
            Self::Refused { .. } => ErrorKind::PermissionDenied,
            _ => ErrorKind::InvalidData,
        }
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(error.kind(), error)
    }
}
