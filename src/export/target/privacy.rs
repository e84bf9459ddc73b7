//! What is said about the privacy policy of a target.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::decode::IpVersion;
use crate::export::target::error::OptionError;
use crate::export::target::key::OptionKey;
use crate::export::target::options::{INTERVALS, out_of_bounds, parsed};
use crate::export::target::query::{self, QueryWriter};
use crate::export::target::table;
use crate::export::target::units::{duration_text, parse_duration};
use crate::privacy::{
    AddressTreatment, Aggregation, Level, MacTreatment, Network, OwnNetworks, Policy,
    PortTreatment, PrefixLengths,
};

/// Options of privacy: of a URL, or of the table `privacy` of a target in a configuration file. What
/// is `None` is left to the defaults of [`Policy`].
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrivacyOptions {
    /// How much the target is told; without it records leave as they are. `privacy` in a URL.
    #[serde(serialize_with = "table::text", skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// What becomes of addresses, but for those of `own`.
    #[serde(serialize_with = "table::text", skip_serializing_if = "Option::is_none")]
    pub addresses: Option<AddressTreatment>,
    /// Networks whose addresses are treated otherwise.
    #[serde(serialize_with = "table::texts", skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<Network>,
    /// What becomes of their addresses.
    #[serde(serialize_with = "table::text", skip_serializing_if = "Option::is_none")]
    pub own_addresses: Option<AddressTreatment>,
    /// Leading bits of an IPv4 address that are a prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix4: Option<u8>,
    /// Leading bits of an IPv6 address that are a prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix6: Option<u8>,
    /// File of the key of pseudonyms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pseudonym_key: Option<PathBuf>,
    /// After this time every address gets another pseudonym.
    #[serde(
        deserialize_with = "table::duration",
        serialize_with = "table::write_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub pseudonym_rotation: Option<Duration>,
    /// What becomes of MAC addresses.
    #[serde(serialize_with = "table::text", skip_serializing_if = "Option::is_none")]
    pub macs: Option<MacTreatment>,
    /// What becomes of ports.
    #[serde(serialize_with = "table::text", skip_serializing_if = "Option::is_none")]
    pub ports: Option<PortTreatment>,
    /// Times are cut to a multiple of this.
    #[serde(
        deserialize_with = "table::duration",
        serialize_with = "table::write_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub time_step: Option<Duration>,
    /// Aggregated Flows leave once in this time, where no Flow Record leaves.
    #[serde(
        deserialize_with = "table::duration",
        serialize_with = "table::write_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub interval: Option<Duration>,
    /// Distinct Flows that are in each of them at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k: Option<u16>,
    /// Networks by which they are told apart.
    #[serde(serialize_with = "table::texts", skip_serializing_if = "Vec::is_empty")]
    pub net: Vec<Network>,
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
            aggregation: self.aggregation(),
        }
    }

    fn aggregation(&self) -> Aggregation {
        let default = Aggregation::default();
        Aggregation {
            interval: self.interval.unwrap_or(default.interval),
            k: self.k.unwrap_or(default.k),
            networks: self.net.clone(),
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
            OptionKey::Interval => self.interval = duration("1m")?,
            OptionKey::K => self.k = Some(text.parse().map_err(|_| wrong(K_RANGE))?),
            OptionKey::Net => self.net.push(parsed(name, &text)?),
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
        let is_of_statistics = |key: &OptionKey| STATISTICAL_KEYS.contains(key);
        let mut given = self.given().filter(|key| *key != OptionKey::Privacy);
        let stray = match policy.level {
            Level::AsIs => given.next().map(|key| ("privacy=as-is", key)),
            Level::Obfuscated => {
                given.find(is_of_statistics).map(|key| ("privacy=obfuscated", key))
            }
            Level::Statistical => {
                given.find(|key| !is_of_statistics(key)).map(|key| ("privacy=statistical", key))
            }
        };
        if let Some((level, key)) = stray {
            let hint = match is_of_statistics(&key) {
                true => "use privacy=statistical",
                false => "use privacy=obfuscated",
            };
            return needless(level, hint, key);
        }
        match policy.level {
            Level::AsIs => return Ok(()),
            Level::Statistical => return self.check_statistics(),
            Level::Obfuscated => {}
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

    fn check_statistics(&self) -> Result<(), OptionError> {
        if let Some(interval) = self.interval.filter(|interval| !INTERVALS.contains(interval)) {
            let expected = "1s to 1day";
            return Err(out_of_bounds(OptionKey::Interval, duration_text(interval), expected));
        }
        if let Some(k) = self.k.filter(|k| !(2..=1_000).contains(k)) {
            return Err(out_of_bounds(OptionKey::K, k.to_string(), K_RANGE));
        }
        let is_narrow = |network: &&Network| match network.version() {
            IpVersion::V4 => network.length() > 28,
            IpVersion::V6 => network.length() > 64,
        };
        if let Some(network) = self.net.iter().find(is_narrow) {
            let expected = "a network of 28 leading bits at most, of IPv6 64: a host is no class";
            return Err(out_of_bounds(OptionKey::Net, network.to_string(), expected));
        }
        if self.net.len() > MOST_CLASSES {
            let networks = self.net.len().to_string() + " networks";
            return Err(out_of_bounds(OptionKey::Net, networks, "64 networks at most"));
        }
        Ok(())
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
            interval,
            k,
            net,
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
            (OptionKey::Interval, interval.is_some()),
            (OptionKey::K, k.is_some()),
            (OptionKey::Net, !net.is_empty()),
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
            interval,
            k,
            net,
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
        out.text(OptionKey::TimeStep.name(), time_step.map(duration_text))?;
        out.text(OptionKey::Interval.name(), interval.map(duration_text))?;
        out.text(OptionKey::K.name(), k.as_ref())?;
        for network in net {
            out.text(OptionKey::Net.name(), Some(network))?;
        }
        Ok(())
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

const STATISTICAL_KEYS: [OptionKey; 3] = [OptionKey::Interval, OptionKey::K, OptionKey::Net];
const K_RANGE: &str = "a number of flows, 2 to 1000";

pub(super) const NUMBER_RANGES: [(OptionKey, &str); 3] = [
    (OptionKey::Prefix4, PREFIX4_RANGE),
    (OptionKey::Prefix6, PREFIX6_RANGE),
    (OptionKey::K, K_RANGE),
];

/// Each is looked at for every address.
const MOST_CLASSES: usize = 64;

/// Each is looked at for every address that was not seen lately.
const MOST_NETWORKS: usize = 256;
