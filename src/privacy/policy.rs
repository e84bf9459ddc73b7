//! What was configured of privacy.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};

use crate::privacy::network::Network;

/// A choice of words, written and read the same in URLs and in tables.
macro_rules! choice {
    ($(#[$about:meta])* $name:ident, $what:literal:
        $($(#[$about_variant:meta])* $variant:ident = $word:literal,)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
        pub enum $name {
            $($(#[$about_variant])* $variant,)*
        }

        impl $name {
            /// Every choice.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As it is written.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                let found = Self::ALL.iter().copied().find(|choice| choice.name() == word);
                found.ok_or_else(|| UnknownWord {
                    word: word.to_owned(),
                    what: $what,
                    words: &[$($word),*],
                })
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

choice! {
    /// How much a target is told.
    Level, "level of privacy":
    /// What was metered.
    #[default]
    AsIs = "as-is",
    /// Records of single communications, without what tells whose they are.
    Obfuscated = "obfuscated",
    /// No record of a single communication: sums over classes of Flows.
    Statistical = "statistical",
}

choice! {
    /// What becomes of an IP address.
    AddressTreatment, "treatment of addresses":
    /// It leaves as it is.
    AsIs = "as-is",
    /// A pseudonym that keeps prefixes (Crypto-PAn).
    #[default]
    Pseudonym = "pseudonym",
    /// Its prefix, the rest zero.
    Prefix = "prefix",
}

choice! {
    /// What becomes of MAC addresses.
    MacTreatment, "treatment of MAC addresses":
    /// They leave as they are.
    AsIs = "as-is",
    /// The part that names the vendor, the rest zero.
    Vendor = "vendor",
    /// No record has them.
    #[default]
    Drop = "drop",
}

choice! {
    /// What becomes of ports.
    PortTreatment, "treatment of ports":
    /// They leave as they are.
    AsIs = "as-is",
    /// Those of services; 0 for others.
    #[default]
    Service = "service",
    /// No record has them.
    Drop = "drop",
}

/// The policy of one target.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// How much the target is told; as it is, nothing of the rest counts.
    pub level: Level,
    /// Addresses, but for those of `own`.
    pub addresses: AddressTreatment,
    /// Networks whose addresses are treated otherwise.
    pub own: OwnNetworks,
    /// What [`AddressTreatment::Prefix`] leaves.
    pub prefixes: PrefixLengths,
    /// The key of pseudonyms; made if it is not there. Without it the key is in memory only, and the
    /// next run has other pseudonyms.
    pub key_file: Option<PathBuf>,
    /// After this time every address gets another pseudonym.
    pub rotation: Option<Duration>,
    /// MAC addresses.
    pub macs: MacTreatment,
    /// Ports.
    pub ports: PortTreatment,
    /// Times are cut to a multiple of this, counted from 1970-01-01T00:00:00Z.
    pub time_step: Option<Duration>,
    /// How Flows are summed up, where no record of one leaves.
    pub aggregation: Aggregation,
}

/// How Flow Records become Aggregated Flows (RFC 7015).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Aggregation {
    /// Aggregated Flows leave once in this time, counted from 1970-01-01T00:00:00Z.
    pub interval: Duration,
    /// Distinct Flows that are in each of them at least.
    pub k: u16,
    /// Networks by which Flows are told apart.
    pub networks: Vec<Network>,
}

impl Default for Aggregation {
    fn default() -> Self {
        Self { interval: Duration::from_secs(60), k: 10, networks: Vec::new() }
    }
}

/// Networks that are treated otherwise than the rest.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OwnNetworks {
    /// Which; none for no difference.
    pub networks: Vec<Network>,
    /// What becomes of their addresses.
    pub addresses: AddressTreatment,
}

/// How many leading bits of an address are a prefix that may leave.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PrefixLengths {
    /// Of an IPv4 address.
    pub v4: u8,
    /// Of an IPv6 address.
    pub v6: u8,
}

impl Default for PrefixLengths {
    fn default() -> Self {
        Self { v4: 24, v6: 48 }
    }
}

/// What no Template of a target has, because of its policy. MAC addresses are not in it: records
/// that were metered without them have none either.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Withheld {
    /// `flowId`.
    pub flow_id: bool,
    /// Ports.
    pub ports: bool,
    /// Numbers that were drawn for one communication: see
    /// [`Subject::Identifier`](crate::privacy::Subject::Identifier).
    pub identifiers: bool,
    /// Every Template of Flow Records: there are those of Aggregated Flows only.
    pub flow_records: bool,
}

impl Withheld {
    /// Everything is there.
    pub const NONE: Self =
        Self { flow_id: false, ports: false, identifiers: false, flow_records: false };

    /// Whether everything is there.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl Policy {
    /// Whether records leave as they were metered.
    pub const fn is_as_is(&self) -> bool {
        matches!(self.level, Level::AsIs)
    }

    /// Whether no Flow Record leaves, but sums over them.
    pub const fn is_statistical(&self) -> bool {
        matches!(self.level, Level::Statistical)
    }

    /// Whether some address of a record becomes this.
    pub fn has(&self, treatment: AddressTreatment) -> bool {
        let own = !self.own.networks.is_empty() && self.own.addresses == treatment;
        self.level == Level::Obfuscated && (own || self.addresses == treatment)
    }

    /// What no Template has.
    pub fn withheld(&self) -> Withheld {
        match self.level {
            Level::AsIs => return Withheld::NONE,
            Level::Statistical => return Withheld { flow_records: true, ..Withheld::NONE },
            Level::Obfuscated => {}
        }
        Withheld {
            // Without a key there is no other number for it.
            flow_id: !self.has(AddressTreatment::Pseudonym),
            ports: self.ports == PortTreatment::Drop,
            identifiers: true,
            flow_records: false,
        }
    }
}

/// A word that is none of those there are.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{word}` is no {what}: use {}", words.join(", "))]
pub struct UnknownWord {
    word: String,
    what: &'static str,
    words: &'static [&'static str],
}
