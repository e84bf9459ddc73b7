//! Why a text names no target.

use crate::export::target::nearest;

/// Why a text names no target; each message says what would.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// There is no colon.
    #[error("`{0}` names no kind of target: use {KINDS}")]
    NoKind(String),
    /// The word before the colon means nothing.
    #[error("`{0}:` is no kind of target: {hint}", hint = meant(.0))]
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
    /// A URL without the two slashes.
    #[error("`{kind}:{rest}` lacks the slashes: use {kind}://HOST:PORT")]
    NoSlashes {
        /// `udp`, `tcp`, `tls` or `sctp`.
        kind: &'static str,
        /// What follows the colon.
        rest: String,
    },
    /// A bracket that is never closed.
    #[error("`{authority}` has no closing bracket: use {kind}://[ADDRESS]:PORT")]
    OpenBracket {
        /// `udp`, `tcp`, `tls` or `sctp`.
        kind: &'static str,
        /// What follows the slashes.
        authority: String,
    },
    /// An IPv6 address whose end cannot be told from a port.
    #[error("`{authority}` looks like a bare IPv6 address: use {kind}://[ADDRESS]:PORT")]
    BareIpv6 {
        /// `udp`, `tcp`, `tls` or `sctp`.
        kind: &'static str,
        /// What follows the slashes.
        authority: String,
    },
    /// No host, or none that can be.
    #[error("`{text}` is not a host: use {kind}://HOST:PORT")]
    Host {
        /// `udp`, `tcp`, `tls` or `sctp`.
        kind: &'static str,
        /// What stands where the host should.
        text: String,
    },
    /// No port number.
    #[error(
        "`{text}` is not a port from 1 to 65535: use {kind}://HOST:PORT, or leave it out for {default}"
    )]
    Port {
        /// `udp`, `tcp`, `tls` or `sctp`.
        kind: &'static str,
        /// What stands where the port should.
        text: String,
        /// The port of this kind.
        default: u16,
    },
    /// Something about an option.
    #[error("{target}: {error}")]
    Option {
        /// The target without its options.
        target: String,
        /// What is wrong.
        error: OptionError,
    },
    /// A group of one.
    #[error("`{kind}:` needs two collectors at least: use {kind}:URL,URL")]
    LonelyMember {
        /// `balance` or `failover`.
        kind: &'static str,
    },
    /// A group member that is no Collector.
    #[error(
        "`{member}` is no collector, and `{kind}:` is for collectors: use udp://, tcp://, tls:// or \
         sctp://; a comma within a value is written %2C"
    )]
    NoCollector {
        /// `balance` or `failover`.
        kind: &'static str,
        /// What stands where a URL should.
        member: String,
    },
    /// The same Collector twice in a group.
    #[error("`{kind}:` names {member} twice: name each collector once")]
    RepeatedMember {
        /// `balance` or `failover`.
        kind: &'static str,
        /// The Collector.
        member: String,
    },
    /// Records that wait for one member cannot be sent to another one.
    #[error(
        "`failover:` needs the same `{key}` for each member, because what waits for one may go to \
         another: {first} has {one}, {second} has {other}"
    )]
    UnlikeMembers {
        /// The option.
        key: &'static str,
        /// The first member.
        first: String,
        /// Its value.
        one: String,
        /// The member that differs.
        second: String,
        /// Its value.
        other: String,
    },
}

/// What is wrong with an option; each message names its key and what would be right.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// No `=`.
    #[error("`{0}` is no option: use KEY=VALUE&KEY=VALUE")]
    NoValue(String),
    /// A key that no target has.
    #[error("`{key}` is no option: {hint}")]
    Unknown {
        /// The key.
        key: String,
        /// The nearest key, or all of them.
        hint: String,
    },
    /// A key of other kinds of target.
    #[error("`{key}` means nothing for `{kind}`: {hint}")]
    Inapplicable {
        /// The key.
        key: &'static str,
        /// `udp:`, `file:` and so on, or what else it would have to go with.
        kind: &'static str,
        /// Why, or what to do instead.
        hint: &'static str,
    },
    /// A key that stands twice.
    #[error("`{0}` is given twice: give it once")]
    Repeated(&'static str),
    /// Octets that are no UTF-8 once decoded.
    #[error("`{0}` is no UTF-8 text once its %XX are decoded")]
    Text(&'static str),
    /// A value that cannot be read, or is out of bounds.
    #[error("`{key}={value}` cannot be: use {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value as given.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// A value that goes with nothing else that is given.
    #[error("`{key}={value}` cannot be: {because}")]
    Conflict {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// With what, and what would be right.
        because: String,
    },
    /// One of two that go together.
    #[error("`{given}` needs `{missing}`: give both, or neither")]
    Half {
        /// The key that is there.
        given: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
}

impl OptionError {
    /// The key that is to blame, as URLs have it.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::NoValue(_) => None,
            Self::Unknown { key, .. } => Some(key),
            Self::Inapplicable { key, .. }
            | Self::Repeated(key)
            | Self::Text(key)
            | Self::Value { key, .. }
            | Self::Conflict { key, .. }
            | Self::Half { given: key, .. } => Some(key),
        }
    }
}

/// The kind that was meant, or all.
fn meant(kind: &str) -> String {
    let kinds = KINDS.split(|c: char| !c.is_ascii_alphanumeric());
    let kinds = kinds.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
    match nearest(kind, kinds.filter(|word| *word != "or")) {
        Some(meant) => format!("did you mean `{meant}:`?"),
        None => format!("use {KINDS}"),
    }
}

/// Every form of target, for messages.
const KINDS: &str = "file:PATH, udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT, \
                     sctp://HOST:PORT, balance:URL,URL, failover:URL,URL, json:PATH, json:- or null:";
