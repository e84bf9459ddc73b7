//! What can be said about a Collector besides where it is.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::export::profile::{
    Mapping, OptionsDomain, OptionsRules, Profile, ProfileRules, Refresh, TimeUnit, is_on, switch,
};
use crate::export::target::error::OptionError;
use crate::export::target::key::{Kind, OptionKey};
use crate::export::target::privacy::{self, PrivacyOptions};
use crate::export::target::query::{self, QueryWriter};
use crate::export::target::table;
use crate::export::target::units::{duration_text, parse_duration};

/// Options of a Collector: of its URL, or of its table in a configuration file. What is `None` is
/// left to the profile and the defaults.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CollectorOptions {
    /// What the Collector can read.
    #[serde(serialize_with = "table::text", skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Both directions in one record (RFC 5103), or one record for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub biflow: Option<bool>,
    /// Unit of the times.
    #[serde(serialize_with = "table::text", skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeUnit>,
    /// Templates are sent again after this time (RFC 7011 §8.4).
    #[serde(
        deserialize_with = "table::duration",
        serialize_with = "table::write_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub template_refresh: Option<Duration>,
    /// Options Templates and options records are sent again after this time (RFC 7011 §8.4).
    #[serde(
        deserialize_with = "table::duration",
        serialize_with = "table::write_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub options_refresh: Option<Duration>,
    /// Octets of an IP packet at most (RFC 7011 §10.3.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// Our address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Observation Domain ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observation_domain: Option<u32>,
    /// No two attempts to connect within this time (RFC 7011 §10.4.4).
    #[serde(
        deserialize_with = "table::duration",
        serialize_with = "table::write_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub reconnect: Option<Duration>,
    /// Messages a second at most; 0 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// Certificates and names, for `tls:`.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: TlsOptions,
    /// What of the records leaves.
    #[serde(skip_serializing_if = "is_default")]
    pub privacy: PrivacyOptions,
}

/// Who we are and whom we trust (RFC 7011 §11).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsOptions {
    /// PEM file of the authorities that may vouch for the Collector; those of the system if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// PEM file of our certificate and its chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// PEM file of our private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// The name that the certificate has to have; the host of the target if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Names of the only Collectors that may be exported to, by DNS-ID or Common Name (RFC 7011
    /// §11.3); any that `name` fits if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
}

impl CollectorOptions {
    /// The profile, and what it stands for.
    pub fn rules(&self) -> &'static ProfileRules {
        self.profile.unwrap_or_default().rules()
    }

    /// How records are told: as the profile has it, where the options do not say otherwise.
    ///
    /// `metered` is whether Flows are metered with both directions. If not there is nothing to tell
    /// of the other direction, whatever the options ask for.
    pub fn mapping(&self, metered: bool) -> Mapping {
        let mapping = self.rules().mapping;
        Mapping {
            biflow: metered && self.biflow.unwrap_or(mapping.biflow),
            time: self.time.unwrap_or(mapping.time),
            withheld: self.privacy.policy().withheld(),
            ..mapping
        }
    }

    /// Which options records are sent, and how.
    pub fn options_records(&self, metered: bool) -> OptionsRules {
        self.rules().options.under(self.mapping(metered))
    }

    /// How often what describes the records is sent again.
    pub fn refresh(&self) -> Refresh {
        let Refresh { templates, options } = self.rules().refresh;
        Refresh {
            templates: self.template_refresh.unwrap_or(templates),
            options: self.options_refresh.unwrap_or(options),
        }
    }

    /// Takes one option of a URL; `value` is percent-encoded.
    pub(super) fn set(&mut self, key: OptionKey, value: &str) -> Result<(), OptionError> {
        let name = key.name();
        let text = || query::text(name, value);
        let wrong = |expected: &str| OptionError::Value {
            key: name,
            value: value.to_owned(),
            expected: expected.to_owned(),
        };
        let duration = |example: &str| {
            let expected = format!("a time with its unit, as in {name}={example}");
            parse_duration(&text()?).ok_or_else(|| wrong(&expected)).map(Some)
        };
        let number = |expected: &str| text()?.parse::<u32>().map_err(|_| wrong(expected)).map(Some);
        match key {
            OptionKey::Profile => self.profile = Some(parsed(name, &text()?)?),
            OptionKey::Biflow => {
                self.biflow = Some(is_on(&text()?).ok_or_else(|| wrong("on or off"))?);
            }
            OptionKey::Time => {
                self.time = Some(text()?.parse().map_err(|_| wrong("ms, us or ns"))?)
            }
            OptionKey::TemplateRefresh => self.template_refresh = duration("60s")?,
            OptionKey::OptionsRefresh => self.options_refresh = duration("5m")?,
            OptionKey::Mtu => self.mtu = Some(text()?.parse().map_err(|_| wrong(MTU_RANGE))?),
            OptionKey::Source => {
                self.source = Some(text()?.parse().map_err(|_| wrong("an IP address"))?);
            }
            OptionKey::ObservationDomain => self.observation_domain = number(DOMAIN_RANGE)?,
            OptionKey::Reconnect => self.reconnect = duration("10s")?,
            OptionKey::Rate => self.rate = number(RATE_RANGE)?,
            OptionKey::Ca => self.tls.ca = Some(query::path(value)),
            OptionKey::Cert => self.tls.cert = Some(query::path(value)),
            OptionKey::Key => self.tls.key = Some(query::path(value)),
            OptionKey::Name => self.tls.name = Some(text()?.into_owned()),
            OptionKey::Peer => self.tls.peers.push(text()?.into_owned()),
            // A file takes these before it asks us.
            OptionKey::Rotate | OptionKey::Size | OptionKey::Compress => {}
            key => self.privacy.set(key, value)?,
        }
        Ok(())
    }

    /// Whether this goes together, and with a target of this kind.
    pub(super) fn check(&self, kind: Kind, host: Option<&str>) -> Result<(), OptionError> {
        for key in self.given() {
            key.check(kind)?;
        }
        self.check_bounds()?;
        self.check_profile()?;
        self.check_source(host)?;
        self.check_tls()?;
        self.privacy.check()
    }

    fn check_bounds(&self) -> Result<(), OptionError> {
        for (key, value) in [
            (OptionKey::TemplateRefresh, self.template_refresh),
            (OptionKey::OptionsRefresh, self.options_refresh),
            (OptionKey::Reconnect, self.reconnect),
        ] {
            if let Some(value) = value.filter(|value| !INTERVALS.contains(value)) {
                return Err(out_of_bounds(key, duration_text(value), "1s to 1day"));
            }
        }
        match self.mtu {
            Some(mtu) if mtu < SMALLEST_MTU => {
                Err(out_of_bounds(OptionKey::Mtu, mtu.to_string(), MTU_RANGE))
            }
            _ => Ok(()),
        }
    }

    /// What is asked for against the profile would be misread.
    fn check_profile(&self) -> Result<(), OptionError> {
        let rules = self.rules();
        let profile = rules.profile;
        let conflict = |key: OptionKey, value: String, because: String| {
            Err(OptionError::Conflict { key: key.name(), value, because })
        };
        if let Some(time) = self.time.filter(|time| !rules.times.contains(time)) {
            let good: Vec<_> = rules.times.iter().map(|time| format!("time={time}")).collect();
            let because = format!(
                "profile={profile} is for collectors that misread it; use {}",
                good.join(" or ")
            );
            return conflict(OptionKey::Time, time.to_string(), because);
        }
        if self.biflow == Some(true) && !rules.reads_biflows {
            let because = format!(
                "profile={profile} is for collectors that drop the reverse half; use biflow=off"
            );
            return conflict(OptionKey::Biflow, switch(true).to_owned(), because);
        }
        if self.observation_domain == Some(0) && rules.options.domain == OptionsDomain::Zero {
            let because = format!(
                "profile={profile} has options records in domain 0, which the flows must not be in; \
                 use any other number"
            );
            return conflict(OptionKey::ObservationDomain, "0".to_owned(), because);
        }
        Ok(())
    }

    /// A socket has one address family.
    fn check_source(&self, host: Option<&str>) -> Result<(), OptionError> {
        let (Some(source), Some(host)) = (self.source, host) else { return Ok(()) };
        // Without the zone of a link-local address (RFC 4007 §11).
        let address = host.split_once('%').map_or(host, |(address, _)| address).parse::<IpAddr>();
        match address {
            Ok(address) if address.is_ipv4() != source.is_ipv4() => {
                let (ours, theirs) = if source.is_ipv4() { ("4", "6") } else { ("6", "4") };
                let because = format!(
                    "it is an IPv{ours} address and {host} an IPv{theirs} one; use an address of \
                     ours that reaches it"
                );
                Err(OptionError::Conflict {
                    key: OptionKey::Source.name(),
                    value: source.to_string(),
                    because,
                })
            }
            _ => Ok(()),
        }
    }

    fn check_tls(&self) -> Result<(), OptionError> {
        let TlsOptions { ca, cert, key, name, peers } = &self.tls;
        let half = |given: OptionKey, missing: OptionKey| {
            Err(OptionError::Half { given: given.name(), missing: missing.name() })
        };
        match (cert, key) {
            (Some(_), None) => return half(OptionKey::Cert, OptionKey::Key),
            (None, Some(_)) => return half(OptionKey::Key, OptionKey::Cert),
            _ => {}
        }
        for (key, path) in [(OptionKey::Ca, ca), (OptionKey::Cert, cert), (OptionKey::Key, key)] {
            if path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
                return Err(out_of_bounds(key, String::new(), "the path of a PEM file"));
            }
        }
        let names = name.iter().map(|name| (OptionKey::Name, name));
        for (key, name) in names.chain(peers.iter().map(|peer| (OptionKey::Peer, peer))) {
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return Err(out_of_bounds(key, name.clone(), "the name in a certificate"));
            }
        }
        Ok(())
    }

    /// What is said.
    fn given(&self) -> impl Iterator<Item = OptionKey> {
        let Self {
            profile,
            biflow,
            time,
            template_refresh,
            options_refresh,
            mtu,
            source,
            observation_domain,
            reconnect,
            rate,
            tls: TlsOptions { ca, cert, key, name, peers },
            privacy,
        } = self;
        [
            (OptionKey::Profile, profile.is_some()),
            (OptionKey::Biflow, biflow.is_some()),
            (OptionKey::Time, time.is_some()),
            (OptionKey::TemplateRefresh, template_refresh.is_some()),
            (OptionKey::OptionsRefresh, options_refresh.is_some()),
            (OptionKey::Mtu, mtu.is_some()),
            (OptionKey::Source, source.is_some()),
            (OptionKey::ObservationDomain, observation_domain.is_some()),
            (OptionKey::Reconnect, reconnect.is_some()),
            (OptionKey::Rate, rate.is_some()),
            (OptionKey::Ca, ca.is_some()),
            (OptionKey::Cert, cert.is_some()),
            (OptionKey::Key, key.is_some()),
            (OptionKey::Name, name.is_some()),
            (OptionKey::Peer, !peers.is_empty()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
        .chain(privacy.given())
    }

    /// Writes what is said, as it is typed.
    pub(super) fn write(&self, out: &mut QueryWriter<'_, '_>) -> fmt::Result {
        let Self {
            profile,
            biflow,
            time,
            template_refresh,
            options_refresh,
            mtu,
            source,
            observation_domain,
            reconnect,
            rate,
            tls: TlsOptions { ca, cert, key, name, peers },
            privacy,
        } = self;
        out.text(OptionKey::Profile.name(), profile.as_ref())?;
        out.text(OptionKey::Biflow.name(), biflow.map(switch))?;
        out.text(OptionKey::Time.name(), time.as_ref())?;
        out.text(OptionKey::TemplateRefresh.name(), template_refresh.map(duration_text))?;
        out.text(OptionKey::OptionsRefresh.name(), options_refresh.map(duration_text))?;
        out.text(OptionKey::Mtu.name(), mtu.as_ref())?;
        out.text(OptionKey::Source.name(), source.as_ref())?;
        out.text(OptionKey::ObservationDomain.name(), observation_domain.as_ref())?;
        out.text(OptionKey::Reconnect.name(), reconnect.map(duration_text))?;
        out.text(OptionKey::Rate.name(), rate.as_ref())?;
        out.path(OptionKey::Ca.name(), ca.as_deref())?;
        out.path(OptionKey::Cert.name(), cert.as_deref())?;
        out.path(OptionKey::Key.name(), key.as_deref())?;
        out.text(OptionKey::Name.name(), name.as_ref())?;
        for peer in peers {
            out.text(OptionKey::Peer.name(), Some(peer))?;
        }
        privacy.write(out)
    }
}

fn is_default<T: Default + PartialEq>(options: &T) -> bool {
    *options == T::default()
}

/// What a value stands for whose error says which values there are.
pub(super) fn parsed<T>(key: &'static str, text: &str) -> Result<T, OptionError>
where
    T: std::str::FromStr<Err: fmt::Display>,
{
    text.parse().map_err(|error: T::Err| {
        let expected = error.to_string();
        let expected = expected.rsplit_once(": use ").map_or("another", |(_, names)| names);
        OptionError::Value { key, value: text.to_owned(), expected: expected.to_owned() }
    })
}

/// The error for a value outside of its bounds.
pub(super) fn out_of_bounds(key: OptionKey, value: String, expected: &str) -> OptionError {
    OptionError::Value { key: key.name(), value, expected: expected.to_owned() }
}

/// Bounds of intervals: less is a flood, more is never.
pub(super) const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(86_400);

/// RFC 7011 §10.3.3: what every path takes. Every Template and every record of ours fits.
const SMALLEST_MTU: u16 = 512;
/// What the numbers of this option are and how large, as a message says it.
pub(crate) fn number_range(name: &str) -> Option<&'static str> {
    let ranges = [
        (OptionKey::Mtu, MTU_RANGE),
        (OptionKey::ObservationDomain, DOMAIN_RANGE),
        (OptionKey::Rate, RATE_RANGE),
    ];
    let mut ranges = ranges.into_iter().chain(privacy::NUMBER_RANGES);
    ranges.find(|(key, _)| key.name() == name).map(|(_, range)| range)
}

const DOMAIN_RANGE: &str = "a number from 0 to 4294967295";
const RATE_RANGE: &str = "messages a second, 0 to 4294967295, 0 for no limit";
const MTU_RANGE: &str = "octets of an IP packet, 512 to 65535";
