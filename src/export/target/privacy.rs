//! What is said about the privacy policy of a target.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::export::target::error::OptionError;
use crate::export::target::key::OptionKey;
use crate::export::target::options::{out_of_bounds, parsed};
use crate::export::target::query::{self, QueryWriter};
use crate::export::target::table;
use crate::export::target::units::{duration_text, parse_duration};
use crate::privacy::{
    AddressTreatment, Level, MacTreatment, Network, OwnNetworks, Policy, PortTreatment,
    PrefixLengths,
};

/// Options of privacy: of a URL, or of the table `privacy` of a target in a configuration file. What
/// is `None` is left to the defaults of [`Policy`].
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct PrivacyOptions {
    /// How much the target is told; without it records leave as they are. `privacy` in a URL.
    pub level: Option<Level>,
    /// What becomes of addresses, but for those of `own`.
    pub addresses: Option<AddressTreatment>,
    /// Networks whose addresses are treated otherwise.
    pub own: Vec<Network>,
    /// What becomes of their addresses.
    pub own_addresses: Option<AddressTreatment>,
    /// Leading bits of an IPv4 address that are a prefix.
    pub prefix4: Option<u8>,
    /// Leading bits of an IPv6 address that are a prefix.
    pub prefix6: Option<u8>,
    /// File of the key of pseudonyms.
    pub pseudonym_key: Option<PathBuf>,
    /// After this time every address gets another pseudonym.
    #[serde(deserialize_with = "table::duration")]
    pub pseudonym_rotation: Option<Duration>,
    /// What becomes of MAC addresses.
    pub macs: Option<MacTreatment>,
    /// What becomes of ports.
    pub ports: Option<PortTreatment>,
    /// Times are cut to a multiple of this.
    #[serde(deserialize_with = "table::duration")]
    pub time_step: Option<Duration>,
}

impl PrivacyOptions {
    /// The policy that is asked for.
    pub fn policy(&self) -> Policy {
        let default = PrefixLengths::default();
        Policy {
            level: self.level.unwrap_or_default(),
            addresses: self.addresses.unwrap_or_default(),
            own: OwnNetworks {
                networks: self.own.clone(),
                addresses: self.own_addresses.unwrap_or_default(),
            },
            prefixes: PrefixLengths {
                v4: self.prefix4.unwrap_or(default.v4),
                v6: self.prefix6.unwrap_or(default.v6),
            },
            key_file: self.pseudonym_key.clone(),
            rotation: self.pseudonym_rotation,
            macs: self.macs.unwrap_or_default(),
            ports: self.ports.unwrap_or_default(),
            time_step: self.time_step,
        }
    }

    /// Takes one option of a URL; `value` is percent-encoded.
    pub(super) fn set(&mut self, key: OptionKey, value: &str) -> Result<(), OptionError> {
        let name = key.name();
        let text = query::text(name, value)?;
        let wrong = |expected: &str| out_of_bounds(key, value.to_owned(), expected);
        let bits = |expected: &str| text.parse().map_err(|_| wrong(expected)).map(Some);
        let duration = |example: &str| {
            let expected = format!("a time with its unit, as in {name}={example}");
            parse_duration(&text).ok_or_else(|| wrong(&expected)).map(Some)
        };
        match key {
            OptionKey::Privacy => self.level = Some(parsed(name, &text)?),
            OptionKey::Addresses => self.addresses = Some(parsed(name, &text)?),
            OptionKey::Own => self.own.push(parsed(name, &text)?),
            OptionKey::OwnAddresses => self.own_addresses = Some(parsed(name, &text)?),
            OptionKey::Prefix4 => self.prefix4 = bits(PREFIX4_RANGE)?,
            OptionKey::Prefix6 => self.prefix6 = bits(PREFIX6_RANGE)?,
            OptionKey::PseudonymKey => self.pseudonym_key = Some(query::path(value)),
            OptionKey::PseudonymRotation => self.pseudonym_rotation = duration("1d")?,
            OptionKey::Macs => self.macs = Some(parsed(name, &text)?),
            OptionKey::Ports => self.ports = Some(parsed(name, &text)?),
            OptionKey::TimeStep => self.time_step = duration("1m")?,
            // Not ours.
            _ => {}
        }
        Ok(())
    }

    /// Whether this goes together.
    pub(super) fn check(&self) -> Result<(), OptionError> {
        let policy = self.policy();
        let needless = |kind: &'static str, hint: &'static str, key: OptionKey| {
            Err(OptionError::Inapplicable { key: key.name(), kind, hint })
        };
        if policy.is_as_is() {
            return match self.given().find(|key| *key != OptionKey::Privacy) {
                Some(key) => needless("privacy=as-is", "use privacy=obfuscated", key),
                None => Ok(()),
            };
        }
        let half = |given: OptionKey, missing: OptionKey| {
            Err(OptionError::Half { given: given.name(), missing: missing.name() })
        };
        match (self.own.is_empty(), self.own_addresses) {
            (true, Some(_)) => return half(OptionKey::OwnAddresses, OptionKey::Own),
            (false, None) => return half(OptionKey::Own, OptionKey::OwnAddresses),
            _ => {}
        }
        let has = |keys: &[OptionKey]| self.given().find(|key| keys.contains(key));
        let prefix_keys = [OptionKey::Prefix4, OptionKey::Prefix6];
        if let Some(key) = has(&prefix_keys).filter(|_| !policy.has(AddressTreatment::Prefix)) {
            return needless(
                "addresses",
                "no address is cut to its prefix: use addresses=prefix",
                key,
            );
        }
        let key_keys = [OptionKey::PseudonymKey, OptionKey::PseudonymRotation];
        if let Some(key) = has(&key_keys).filter(|_| !policy.has(AddressTreatment::Pseudonym)) {
            return needless("addresses", "no address has a pseudonym: leave it out", key);
        }
        self.check_bounds()
    }

    fn check_bounds(&self) -> Result<(), OptionError> {
        if let Some(bits) = self.prefix4.filter(|bits| !(8..32).contains(bits)) {
            return Err(out_of_bounds(OptionKey::Prefix4, bits.to_string(), PREFIX4_RANGE));
        }
        if let Some(bits) = self.prefix6.filter(|bits| !(16..128).contains(bits)) {
            return Err(out_of_bounds(OptionKey::Prefix6, bits.to_string(), PREFIX6_RANGE));
        }
        for (key, value, range, expected) in [
            (OptionKey::PseudonymRotation, self.pseudonym_rotation, ROTATIONS, "1m to 366days"),
            (OptionKey::TimeStep, self.time_step, TIME_STEPS, "1ms to 1day"),
        ] {
            if let Some(value) = value.filter(|value| !range.contains(value)) {
                return Err(out_of_bounds(key, duration_text(value), expected));
            }
        }
        if self.pseudonym_key.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err(out_of_bounds(
                OptionKey::PseudonymKey,
                String::new(),
                "the path of a file",
            ));
        }
        if self.own.len() > MOST_NETWORKS {
            let networks = self.own.len().to_string() + " networks";
            return Err(out_of_bounds(OptionKey::Own, networks, "256 networks at most"));
        }
        Ok(())
    }

    /// What is said.
    pub(super) fn given(&self) -> impl Iterator<Item = OptionKey> {
        let Self {
            level,
            addresses,
            own,
            own_addresses,
            prefix4,
            prefix6,
            pseudonym_key,
            pseudonym_rotation,
            macs,
            ports,
            time_step,
        } = self;
        [
            (OptionKey::Privacy, level.is_some()),
            (OptionKey::Addresses, addresses.is_some()),
            (OptionKey::Own, !own.is_empty()),
            (OptionKey::OwnAddresses, own_addresses.is_some()),
            (OptionKey::Prefix4, prefix4.is_some()),
            (OptionKey::Prefix6, prefix6.is_some()),
            (OptionKey::PseudonymKey, pseudonym_key.is_some()),
            (OptionKey::PseudonymRotation, pseudonym_rotation.is_some()),
            (OptionKey::Macs, macs.is_some()),
            (OptionKey::Ports, ports.is_some()),
            (OptionKey::TimeStep, time_step.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
    }

    /// Writes what is said, as it is typed.
    pub(super) fn write(&self, out: &mut QueryWriter<'_, '_>) -> fmt::Result {
        let Self {
            level,
            addresses,
            own,
            own_addresses,
            prefix4,
            prefix6,
            pseudonym_key,
            pseudonym_rotation,
            macs,
            ports,
            time_step,
        } = self;
        out.text(OptionKey::Privacy.name(), level.as_ref())?;
        out.text(OptionKey::Addresses.name(), addresses.as_ref())?;
        for network in own {
            out.text(OptionKey::Own.name(), Some(network))?;
        }
        out.text(OptionKey::OwnAddresses.name(), own_addresses.as_ref())?;
        out.text(OptionKey::Prefix4.name(), prefix4.as_ref())?;
        out.text(OptionKey::Prefix6.name(), prefix6.as_ref())?;
        out.path(OptionKey::PseudonymKey.name(), pseudonym_key.as_deref())?;
        out.text(OptionKey::PseudonymRotation.name(), pseudonym_rotation.map(duration_text))?;
        out.text(OptionKey::Macs.name(), macs.as_ref())?;
        out.text(OptionKey::Ports.name(), ports.as_ref())?;
        out.text(OptionKey::TimeStep.name(), time_step.map(duration_text))
    }
}

/// As a URL has it, to be compared by people.
impl fmt::Display for PrivacyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut QueryWriter::new(f))
    }
}

/// Shorter prefixes would be taken for the unspecified address, all bits for a true one.
const PREFIX4_RANGE: &str = "leading bits, 8 to 31";
const PREFIX6_RANGE: &str = "leading bits, 16 to 127";

const ROTATIONS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(366 * 86_400);
const TIME_STEPS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(86_400);

/// Each is looked at for every address that was not seen lately.
const MOST_NETWORKS: usize = 256;
