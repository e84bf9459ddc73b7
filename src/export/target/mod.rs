//! Where records go, as users write it.

mod options;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub use options::{CollectorOptions, TlsOptions};

/// A place to export to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// `file:PATH`: IPFIX Files (RFC 5655).
    File(FileTarget),
    /// `udp://HOST:PORT` and its like: a Collector.
    Collector(Collector),
    /// `balance:URL,URL` and `failover:URL,URL`: Collectors that share the records.
    Group(Group),
    /// `json:PATH` or `json:-`: one JSON object a record.
    Json(JsonOutput),
    /// `null:`: counted, and nothing else.
    Null,
}

/// IPFIX Files by name, and when to begin the next one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FileTarget {
    /// Where the file will be; a pattern for strftime(3) in UTC when files are rotated.
    pub path: PathBuf,
    /// A new file begins after this time.
    pub rotate: Option<Duration>,
    /// A new file begins before one has more octets than this.
    pub size: Option<u64>,
    /// Whether files are compressed by zstd.
    pub compress: bool,
    /// What is said about records; of these options a file has `profile`, `biflow`, `time` and
    /// `observation_domain`.
    pub options: CollectorOptions,
}

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

/// Collectors that share the records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// How they share.
    pub mode: GroupMode,
    /// In order of preference; at least two.
    pub members: Vec<Collector>,
}

/// How Collectors share the records.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum GroupMode {
    /// Each gets a part of the Flows; all records of a Flow go to the same.
    Balance,
    /// One gets all; when it is lost the next one does, until it is back.
    Failover,
}

/// Where JSON goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum JsonOutput {
    /// Standard output.
    Standard,
    /// A file.
    File(PathBuf),
}

/// RFC 7011 §10.1: the port of IPFIX without TLS.
pub const DEFAULT_PORT: u16 = 4739;

impl Target {
    /// One IPFIX File.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(FileTarget { path: path.into(), ..FileTarget::default() })
    }
}

impl Collector {
    /// A Collector of which nothing else is said.
    pub fn new(transport: Transport, host: impl Into<String>, port: u16) -> Self {
        Self { transport, host: host.into(), port, options: CollectorOptions::default() }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let Some((kind, rest)) = text.split_once(':') else {
            return Err(TargetError::NoKind(text.to_owned()));
        };
        match kind {
            "file" => match rest {
                "" => Err(TargetError::NoPath { kind: "file" }),
                "-" => Err(TargetError::FileToStandardOutput),
                _ => Ok(Self::File(FileTarget { path: rest.into(), ..FileTarget::default() })),
            },
            "json" => match rest {
                "" => Err(TargetError::NoPath { kind: "json" }),
                "-" => Ok(Self::Json(JsonOutput::Standard)),
                _ => Ok(Self::Json(JsonOutput::File(rest.into()))),
            },
            "null" => match rest {
                "" => Ok(Self::Null),
                _ => Err(TargetError::NullWithArgument(rest.to_owned())),
            },
            "udp" => Collector::parse(Transport::Udp, "udp", rest).map(Self::Collector),
            "tcp" => Collector::parse(Transport::Tcp, "tcp", rest).map(Self::Collector),
            _ => Err(TargetError::UnknownKind(kind.to_owned())),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(FileTarget { path, .. }) => write!(f, "file:{}", path.display()),
            Self::Collector(collector) => collector.fmt(f),
            Self::Group(Group { members, .. }) => members.iter().try_for_each(|m| m.fmt(f)),
            Self::Json(JsonOutput::Standard) => f.write_str("json:-"),
            Self::Json(JsonOutput::File(path)) => write!(f, "json:{}", path.display()),
            Self::Null => f.write_str("null:"),
        }
    }
}

impl Collector {
    /// Reads what follows `udp:` or `tcp:`.
    fn parse(transport: Transport, kind: &'static str, text: &str) -> Result<Self, TargetError> {
        let Some(authority) = text.strip_prefix("//") else {
            return Err(TargetError::NoSlashes { kind, rest: text.to_owned() });
        };
        let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
            let Some((host, after)) = bracketed.split_once(']') else {
                return Err(TargetError::OpenBracket { kind, authority: authority.to_owned() });
            };
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(TargetError::Port { kind, text: after.to_owned() }),
            }
        } else if authority.matches(':').count() > 1 {
            return Err(TargetError::BareIpv6 { kind, authority: authority.to_owned() });
        } else {
            match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            }
        };
        let plausible = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if host.is_empty() || !host.chars().all(plausible) {
            return Err(TargetError::Host { kind, text: host.to_owned() });
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(text) => match text.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(TargetError::Port { kind, text: text.to_owned() }),
            },
        };
        Ok(Self { transport, host: host.to_owned(), port, options: CollectorOptions::default() })
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transport, host, port, options: _ } = self;
        let kind = transport.name();
        if host.contains(':') {
            write!(f, "{kind}://[{host}]:{port}")
        } else {
            write!(f, "{kind}://{host}:{port}")
        }
    }
}

impl Transport {
    /// As it stands in front of a URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Sctp => "sctp",
        }
    }
}

/// Why a text names no target; each message says what would.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// There is no colon.
    #[error("`{0}` names no kind of target: use {KINDS}")]
    NoKind(String),
    /// The word before the colon means nothing.
    #[error("`{0}:` is no kind of target: use {KINDS}")]
    UnknownKind(String),
    /// Nothing follows the colon.
    #[error("`{kind}:` needs a path: use {kind}:PATH")]
    NoPath {
        /// `file` or `json`.
        kind: &'static str,
    },
    /// An IPFIX File is renamed when it is complete, which standard output cannot be.
    #[error("`file:-` is not supported: use file:PATH, or file:/dev/stdout for standard output")]
    FileToStandardOutput,
    /// `null:` takes nothing.
    #[error("`null:` takes no argument, but `{0}` follows")]
    NullWithArgument(String),
    /// `udp:` or `tcp:` without the two slashes.
    #[error("`{kind}:{rest}` lacks the slashes: use {kind}://HOST:PORT")]
    NoSlashes {
        /// `udp` or `tcp`.
        kind: &'static str,
        /// What follows the colon.
        rest: String,
    },
    /// A bracket that is never closed.
    #[error("`{authority}` has no closing bracket: use {kind}://[ADDRESS]:PORT")]
    OpenBracket {
        /// `udp` or `tcp`.
        kind: &'static str,
        /// What follows the slashes.
        authority: String,
    },
    /// An IPv6 address whose end cannot be told from a port.
    #[error("`{authority}` looks like a bare IPv6 address: use {kind}://[ADDRESS]:PORT")]
    BareIpv6 {
        /// `udp` or `tcp`.
        kind: &'static str,
        /// What follows the slashes.
        authority: String,
    },
    /// No host, or none that can be.
    #[error("`{text}` is not a host: use {kind}://HOST:PORT")]
    Host {
        /// `udp` or `tcp`.
        kind: &'static str,
        /// What stands where the host should.
        text: String,
    },
    /// No port number.
    #[error(
        "`{text}` is not a port from 1 to 65535: use {kind}://HOST:PORT, or leave it out for 4739"
    )]
    Port {
        /// `udp` or `tcp`.
        kind: &'static str,
        /// What stands where the port should.
        text: String,
    },
}

/// Every form of target, for messages.
const KINDS: &str = "file:PATH, udp://HOST:PORT, tcp://HOST:PORT, json:PATH, json:- or null:";

#[cfg(test)]
mod tests {
    use super::*;

    fn collector(transport: Transport, host: &str, port: u16) -> Target {
        let options = CollectorOptions::default();
        Target::Collector(Collector { transport, host: host.to_owned(), port, options })
    }

    #[test]
    fn every_form_is_read_and_written() {
        for (text, target) in [
            (
                "file:/tmp/a:b.ipfix",
                Target::File(FileTarget { path: "/tmp/a:b.ipfix".into(), ..FileTarget::default() }),
            ),
            ("udp://collector.example:9995", collector(Transport::Udp, "collector.example", 9995)),
            ("tcp://192.0.2.1:1", collector(Transport::Tcp, "192.0.2.1", 1)),
            ("tcp://[2001:db8::1]:65535", collector(Transport::Tcp, "2001:db8::1", 65535)),
            ("udp://[fe80::1%eth1]:4739", collector(Transport::Udp, "fe80::1%eth1", 4739)),
            ("json:flows.json", Target::Json(JsonOutput::File("flows.json".into()))),
            ("json:-", Target::Json(JsonOutput::Standard)),
            ("null:", Target::Null),
        ] {
            assert_eq!(text.parse(), Ok(target.clone()), "{text}");
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn the_port_is_4739_when_absent() {
        // RFC 7011 §10.1.
        assert_eq!("udp://c".parse(), Ok(collector(Transport::Udp, "c", 4739)));
        assert_eq!("tcp://[::1]".parse(), Ok(collector(Transport::Tcp, "::1", 4739)));
    }

    #[test]
    fn errors_say_what_would_be_right() {
        for (text, hint) in [
            ("out.ipfix", "use file:PATH"),
            ("http://x", "use file:PATH"),
            ("file:", "use file:PATH"),
            ("file:-", "file:/dev/stdout"),
            ("json:", "use json:PATH"),
            ("null:x", "takes no argument"),
            ("udp:host:1", "use udp://HOST:PORT"),
            ("udp://", "use udp://HOST:PORT"),
            ("udp://:4739", "use udp://HOST:PORT"),
            ("tcp://host:0", "from 1 to 65535"),
            ("tcp://host:65536", "from 1 to 65535"),
            ("tcp://host:", "from 1 to 65535"),
            ("tcp://::1:4739", "use tcp://[ADDRESS]:PORT"),
            ("tcp://[::1", "use tcp://[ADDRESS]:PORT"),
            ("tcp://[::1]4739", "from 1 to 65535"),
            ("udp://host/path:1", "is not a host"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
