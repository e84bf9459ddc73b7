//! How Flow Records are told to one Collector.

mod mapping;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::export::target::nearest;

pub use mapping::{Mapping, MappingError, TimeUnit};
pub(crate) use mapping::{is_on, switch};
pub use rules::{
    InterfaceScope, OptionsDomain, OptionsRules, ProfileRules, Reason, SamplingElements,
};

/// What a kind of Collector can read, by the name of the program.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Profile {
    /// Everything that is known of a Flow, as the standards say it.
    #[default]
    Standard,
    /// nfdump's nfcapd.
    Nfdump,
    /// pmacct's nfacctd.
    Pmacct,
    /// goflow2.
    Goflow2,
    /// Akvorado.
    Akvorado,
    /// Elastic's Filebeat and Logstash.
    Elastic,
    /// CESNET's IPFIXcol2.
    Ipfixcol2,
    /// Flowmon.
    Flowmon,
}

/// How often what describes the records is sent again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refresh {
    /// RFC 7011 §8.4: Templates over UDP (`templateRefreshTimeout`).
    pub templates: Duration,
    /// Options Templates over UDP, and options records over every transport
    /// (`optionsTemplateRefreshTimeout`).
    pub options: Duration,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 8] = [
        Self::Standard,
        Self::Nfdump,
        Self::Pmacct,
        Self::Goflow2,
        Self::Akvorado,
        Self::Elastic,
        Self::Ipfixcol2,
        Self::Flowmon,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Nfdump => "nfdump",
            Self::Pmacct => "pmacct",
            Self::Goflow2 => "goflow2",
            Self::Akvorado => "akvorado",
            Self::Elastic => "elastic",
            Self::Ipfixcol2 => "ipfixcol2",
            Self::Flowmon => "flowmon",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        let mut profiles = Self::ALL.into_iter();
        profiles
            .find(|profile| profile.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownProfile(text.to_owned()))
    }
}

/// A name that no [`Profile`] has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownProfile(String);

impl std::error::Error for UnknownProfile {}

impl fmt::Display for UnknownProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Profile::ALL.map(Profile::name).join(", ");
        match nearest(&self.0, Profile::ALL.map(Profile::name)) {
            Some(meant) => write!(f, "`{}` is no profile: did you mean `{meant}`?", self.0),
            None => write!(f, "`{}` is no profile: use one of {names}", self.0),
        }
    }
}
