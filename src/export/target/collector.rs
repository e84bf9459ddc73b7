//! `udp://HOST:PORT?KEY=VALUE` and its like.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::export::target::error::{OptionError, TargetError};
use crate::export::target::key::{Kind, OptionKey};
use crate::export::target::options::CollectorOptions;
use crate::export::target::query::{self, QueryWriter};

/// A Collecting Process: where it is, how it is reached, and what it can read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Collector {
    /// How it is reached.
    pub transport: Transport,
    /// A host name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The rest.
    pub options: CollectorOptions,
}

/// Transport protocols (RFC 7011 §10).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Transport {
    /// `udp:`
    Udp,
    /// `tcp:`
    Tcp,
    /// `tls:`, which is TLS over TCP
    Tls,
    /// `sctp:`
    Sctp,
}

/// RFC 7011 §10.1: the port of IPFIX without TLS.
pub const DEFAULT_PORT: u16 = 4739;

/// RFC 7011 §10.1: the port of IPFIX over TLS.
pub const DEFAULT_TLS_PORT: u16 = 4740;

impl Collector {
    /// A Collector of which nothing else is said.
    pub fn new(transport: Transport, host: impl Into<String>, port: u16) -> Self {
        Self { transport, host: host.into(), port, options: CollectorOptions::default() }
    }

    /// Where it is, without its options: a name for logs and reports.
    pub fn address(&self) -> impl fmt::Display {
        let Self { transport, host, port, .. } = self;
        let kind = transport.name();
        if host.contains(':') {
            format!("{kind}://[{host}]:{port}")
        } else {
            format!("{kind}://{host}:{port}")
        }
    }

    /// Whether it is reached without leaving this host, as far as its name tells.
    pub fn is_on_this_host(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// The target with those of its options only that say what is told of records and how, not how
    /// that gets there.
    pub(crate) fn as_encoded(&self) -> String {
        let CollectorOptions { profile, biflow, time, observation_domain, .. } = self.options;
        let options = CollectorOptions {
            profile,
            biflow,
            time,
            observation_domain,
            privacy: self.options.privacy.clone(),
            ..CollectorOptions::default()
        };
        let host = self.host.to_ascii_lowercase();
        Self { transport: self.transport, host, port: self.port, options }.to_string()
    }

    /// Whether its options go together: to be asked of a Collector that was not read from text.
    ///
    /// # Errors
    ///
    /// [`TargetError`] says what would.
    pub fn check(&self) -> Result<(), TargetError> {
        self.options
            .check(self.transport.kind(), Some(&self.host))
            .map_err(|error| self.error(error))
    }

    /// Reads what follows the name of the transport and the colon.
    pub(super) fn parse(transport: Transport, text: &str) -> Result<Self, TargetError> {
        let kind = transport.name();
        let Some(rest) = text.strip_prefix("//") else {
            return Err(TargetError::NoSlashes { kind, rest: text.to_owned() });
        };
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        // As URLs of other kinds may end.
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = divide(transport, authority)?;
        let plausible = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if host.is_empty() || !host.chars().all(plausible) {
            return Err(TargetError::Host { kind, text: host.to_owned() });
        }
        let port = match port {
            None => transport.default_port(),
            Some(text) => match text.parse() {
                Ok(port) if port != 0 && text.bytes().all(|b| b.is_ascii_digit()) => port,
                _ => return Err(transport.wrong_port(text)),
            },
        };
        let mut collector = Self::new(transport, host, port);
        collector.take(query).map_err(|error| collector.error(error))?;
        collector.check()?;
        Ok(collector)
    }

    fn take(&mut self, query: &str) -> Result<(), OptionError> {
        let mut seen = Vec::new();
        for pair in query::pairs(query) {
            let (name, value) = pair?;
            let key = OptionKey::read_once(name, self.transport.kind(), &mut seen)?;
            self.options.set(key, value)?;
        }
        Ok(())
    }

    fn error(&self, error: OptionError) -> TargetError {
        TargetError::Option { target: self.address().to_string(), error }
    }
}

/// Host and port.
fn divide(transport: Transport, authority: &str) -> Result<(&str, Option<&str>), TargetError> {
    let kind = transport.name();
    if let Some(bracketed) = authority.strip_prefix('[') {
        let Some((host, after)) = bracketed.split_once(']') else {
            return Err(TargetError::OpenBracket { kind, authority: authority.to_owned() });
        };
        match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(transport.wrong_port(after)),
        }
    } else if authority.matches(':').count() > 1 {
        Err(TargetError::BareIpv6 { kind, authority: authority.to_owned() })
    } else {
        Ok(match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        })
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address())?;
        self.options.write(&mut QueryWriter::new(f))
    }
}

impl Transport {
    /// Every transport.
    pub const ALL: [Self; 4] = [Self::Udp, Self::Tcp, Self::Tls, Self::Sctp];

    /// As it stands in front of a URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Sctp => "sctp",
        }
    }

    /// RFC 7011 §10.1.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp | Self::Sctp => DEFAULT_PORT,
            Self::Tls => DEFAULT_TLS_PORT,
        }
    }

    fn wrong_port(self, text: &str) -> TargetError {
        let (kind, default) = (self.name(), self.default_port());
        TargetError::Port { kind, text: text.to_owned(), default }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Udp => Kind::Udp,
            Self::Tcp => Kind::Tcp,
            Self::Tls => Kind::Tls,
            Self::Sctp => Kind::Sctp,
        }
    }
}

impl FromStr for Collector {
    type Err = TargetError;

    /// Reads a URL.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let Some((kind, rest)) = text.split_once(':') else {
            return Err(TargetError::NoKind(text.to_owned()));
        };
        match Transport::ALL.into_iter().find(|transport| transport.name() == kind) {
            Some(transport) => Self::parse(transport, rest),
            None => Err(TargetError::UnknownKind(kind.to_owned())),
        }
    }
}
