//! Where records go, as users write it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A place to export to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// `file:PATH`: an IPFIX File (RFC 5655).
    File(PathBuf),
    /// `udp://HOST:PORT`: a Collector over UDP.
    Udp(Collector),
    /// `tcp://HOST:PORT`: a Collector over TCP.
    Tcp(Collector),
    /// `json:PATH` or `json:-`: one JSON object a record.
    Json(JsonOutput),
    /// `null:`: counted, and nothing else.
    Null,
}

/// A Collecting Process by name or address, and port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Collector {
    /// A host name, or an address without brackets.
    pub host: String,
    /// The port; [`DEFAULT_PORT`] where none is given.
    pub port: u16,
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
                _ => Ok(Self::File(rest.into())),
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
            "udp" => Collector::parse("udp", rest).map(Self::Udp),
            "tcp" => Collector::parse("tcp", rest).map(Self::Tcp),
            _ => Err(TargetError::UnknownKind(kind.to_owned())),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Udp(collector) => write!(f, "udp://{collector}"),
            Self::Tcp(collector) => write!(f, "tcp://{collector}"),
            Self::Json(JsonOutput::Standard) => f.write_str("json:-"),
            Self::Json(JsonOutput::File(path)) => write!(f, "json:{}", path.display()),
            Self::Null => f.write_str("null:"),
        }
    }
}

impl Collector {
    /// Reads what follows `udp:` or `tcp:`.
    fn parse(kind: &'static str, text: &str) -> Result<Self, TargetError> {
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
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
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

    fn collector(host: &str, port: u16) -> Collector {
        Collector { host: host.to_owned(), port }
    }

    #[test]
    fn every_form_is_read_and_written() {
        for (text, target) in [
            ("file:/tmp/a:b.ipfix", Target::File("/tmp/a:b.ipfix".into())),
            ("udp://collector.example:9995", Target::Udp(collector("collector.example", 9995))),
            ("tcp://192.0.2.1:1", Target::Tcp(collector("192.0.2.1", 1))),
            ("tcp://[2001:db8::1]:65535", Target::Tcp(collector("2001:db8::1", 65535))),
            ("udp://[fe80::1%eth1]:4739", Target::Udp(collector("fe80::1%eth1", 4739))),
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
        assert_eq!("udp://c".parse(), Ok(Target::Udp(collector("c", 4739))));
        assert_eq!("tcp://[::1]".parse(), Ok(Target::Tcp(collector("::1", 4739))));
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
