//! Where records go, as users write it.

mod collector;
mod error;
mod file;
mod group;
mod key;
mod nearest;
mod options;
mod query;
mod table;
#[cfg(test)]
mod tests;
mod units;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use collector::{Collector, DEFAULT_PORT, DEFAULT_TLS_PORT, Transport};
pub use error::{OptionError, TargetError};
pub use file::FileTarget;
pub use group::{Group, GroupMode};
pub use options::{CollectorOptions, TlsOptions};
pub(crate) use units::parse_size;

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

/// Where JSON goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum JsonOutput {
    /// Standard output.
    Standard,
    /// A file.
    File(PathBuf),
}

impl Target {
    /// One IPFIX File.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(FileTarget { path: path.into(), ..FileTarget::default() })
    }

    /// What it is called in logs and reports: where it is, without its options.
    pub fn name(&self) -> String {
        match self {
            Self::File(file) => format!("file:{}", file.path.display()),
            Self::Group(Group { mode, members }) => {
                let members: Vec<_> = members.iter().map(|m| m.address().to_string()).collect();
                format!("{}:{}", mode.name(), members.join(","))
            }
            Self::Collector(collector) => collector.address().to_string(),
            Self::Json(_) | Self::Null => self.to_string(),
        }
    }

    /// The Collectors of this target.
    pub fn collectors(&self) -> &[Collector] {
        match self {
            Self::Collector(collector) => std::slice::from_ref(collector),
            Self::Group(group) => &group.members,
            Self::File(_) | Self::Json(_) | Self::Null => &[],
        }
    }

    /// Whether what is asked for goes together: to be asked of a target that was not read from
    /// text.
    ///
    /// # Errors
    ///
    /// [`TargetError`] says what would.
    pub fn check(&self) -> Result<(), TargetError> {
        match self {
            Self::File(file) => file.check(),
            Self::Collector(collector) => collector.check(),
            Self::Group(group) => group.check(),
            Self::Json(_) | Self::Null => Ok(()),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let Some((kind, rest)) = text.split_once(':') else {
            return Err(TargetError::NoKind(text.to_owned()));
        };
        match kind {
            "file" => FileTarget::parse(rest).map(Self::File),
            "json" => match rest {
                "" => Err(TargetError::NoPath { kind: "json" }),
                "-" => Ok(Self::Json(JsonOutput::Standard)),
                _ if key::ends_in_options(rest) => {
                    Err(TargetError::JsonWithOptions(rest.to_owned()))
                }
                _ => Ok(Self::Json(JsonOutput::File(rest.into()))),
            },
            "null" => match rest {
                "" => Ok(Self::Null),
                _ => Err(TargetError::NullWithArgument(rest.to_owned())),
            },
            "balance" => Group::parse(GroupMode::Balance, rest).map(Self::Group),
            "failover" => Group::parse(GroupMode::Failover, rest).map(Self::Group),
            _ => text.parse().map(Self::Collector),
        }
    }
}

/// Writes what can be typed again. It holds no secret: a private key is told by its path.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Collector(collector) => collector.fmt(f),
            Self::Group(group) => group.fmt(f),
            Self::Json(JsonOutput::Standard) => f.write_str("json:-"),
            Self::Json(JsonOutput::File(path)) => write!(f, "json:{}", path.display()),
            Self::Null => f.write_str("null:"),
        }
    }
}
