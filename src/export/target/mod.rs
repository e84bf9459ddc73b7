//! Where records go, as users write it.

mod collector;
mod error;
mod file;
mod group;
mod json;
mod key;
mod nearest;
mod options;
mod privacy;
mod query;
mod table;
#[cfg(test)]
mod tests;
mod units;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use collector::{Collector, DEFAULT_PORT, DEFAULT_TLS_PORT, Transport};
pub use error::{OptionError, TargetError};
pub use file::FileTarget;
pub use group::{Group, GroupMode};
pub use json::{JsonOutput, JsonTarget};
#[cfg(test)]
pub(crate) use key::option_names;
pub(crate) use nearest::nearest;
pub(crate) use options::number_range;
pub use options::{CollectorOptions, TlsOptions};
pub use privacy::PrivacyOptions;
pub(crate) use units::{duration_text, parse_size, size_text};

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
    Json(JsonTarget),
    /// `null:`: counted, and nothing else.
    Null,
}

impl Target {
    /// One IPFIX File.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(FileTarget { path: path.into(), ..FileTarget::default() })
    }

    /// What is said about privacy, for each member.
    pub fn privacy(&self) -> Vec<&PrivacyOptions> {
        match self {
            Self::File(file) => vec![&file.options.privacy],
            Self::Json(json) => vec![&json.privacy],
            Self::Collector(_) | Self::Group(_) => {
                self.collectors().iter().map(|collector| &collector.options.privacy).collect()
            }
            Self::Null => Vec::new(),
        }
    }

    /// Lets those members that say nothing of privacy have `default`.
    pub fn default_privacy(&mut self, default: &PrivacyOptions) {
        let members: Vec<&mut PrivacyOptions> = match self {
            Self::File(file) => vec![&mut file.options.privacy],
            Self::Json(json) => vec![&mut json.privacy],
            Self::Collector(collector) => vec![&mut collector.options.privacy],
            Self::Group(group) => {
                group.members.iter_mut().map(|member| &mut member.options.privacy).collect()
            }
            Self::Null => Vec::new(),
        };
        for privacy in members.into_iter().filter(|it| **it == PrivacyOptions::default()) {
            privacy.clone_from(default);
        }
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
            Self::Json(json) => json.address().to_string(),
            Self::Null => self.to_string(),
        }
    }

    /// The file that records are written to, or the pattern of its name.
    pub fn output_path(&self) -> Option<&Path> {
        match self {
            Self::File(FileTarget { path, .. })
            | Self::Json(JsonTarget { output: JsonOutput::File(path), .. }) => Some(path),
            _ => None,
        }
    }

    /// Whether both write the same file, or their records wait in the same directory of the spool, if
    /// there `is_spool`: then only one of them can be open.
    pub(crate) fn shares_place(&self, other: &Self, is_spool: bool) -> bool {
        let path = self.output_path();
        if path.is_some() && path == other.output_path() {
            return true;
        }
        let standard = |target: &Self| {
            matches!(target, Self::Json(JsonTarget { output: JsonOutput::Standard, .. }))
        };
        if standard(self) && standard(other) {
            return true;
        }
        let encoded = |target: &Self| -> Vec<String> {
            target.collectors().iter().map(Collector::as_encoded).collect()
        };
        match (self, other) {
            _ if !is_spool => false,
            (Self::Collector(_), Self::Collector(_)) => encoded(self) == encoded(other),
            (Self::Group(one), Self::Group(two)) if one.mode != two.mode => false,
            (Self::Group(Group { mode: GroupMode::Failover, .. }), Self::Group(_)) => {
                encoded(self) == encoded(other)
            }
            // Each member has a directory of its own.
            (Self::Group(_), Self::Group(_)) => {
                let other = encoded(other);
                encoded(self).iter().any(|member| other.contains(member))
            }
            _ => false,
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
            Self::Json(json) => json.check(),
            Self::Null => Ok(()),
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
            "json" => JsonTarget::parse(rest).map(Self::Json),
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

/// Writes what can be typed again. It holds no secret: keys are told by their paths.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Collector(collector) => collector.fmt(f),
            Self::Group(group) => group.fmt(f),
            Self::Json(json) => json.fmt(f),
            Self::Null => f.write_str("null:"),
        }
    }
}
