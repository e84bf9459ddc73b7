//! What can be said about a Collector besides where it is.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::export::profile::{Profile, TimeUnit};

/// Options of a Collector: of its URL, or of its table in a configuration file. What is `None` is
/// left to the profile and the defaults.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CollectorOptions {
    /// What the Collector can read.
    pub profile: Option<Profile>,
    /// Both directions in one record (RFC 5103), or one record for each.
    pub biflow: Option<bool>,
    /// Unit of the times.
    pub time: Option<TimeUnit>,
    /// Templates are sent again after this time (RFC 7011 §8.4).
    pub template_refresh: Option<Duration>,
    /// Options Templates and options records are sent again after this time (RFC 7011 §8.4).
    pub options_refresh: Option<Duration>,
    /// Octets of an IP packet at most (RFC 7011 §10.3.3).
    pub mtu: Option<u16>,
    /// Our address.
    pub source: Option<IpAddr>,
    /// Observation Domain ID.
    pub observation_domain: Option<u32>,
    /// No two attempts to connect within this time (RFC 7011 §10.4.4).
    pub reconnect: Option<Duration>,
    /// Messages a second at most; 0 for no limit.
    pub rate: Option<u32>,
    /// Certificates and names, for `tls:`.
    pub tls: TlsOptions,
}

/// Who we are and whom we trust (RFC 7011 §11).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsOptions {
    /// PEM file of the authorities that may vouch for the Collector; those of the system if `None`.
    pub ca: Option<PathBuf>,
    /// PEM file of our certificate and its chain.
    pub cert: Option<PathBuf>,
    /// PEM file of our private key.
    pub key: Option<PathBuf>,
    /// The name that the certificate has to have; the host of the target if `None`.
    pub name: Option<String>,
    /// Names of the only Collectors that may be exported to, by DNS-ID or Common Name (RFC 7011
    /// §11.3); any that `name` fits if empty.
    pub peers: Vec<String>,
}

impl CollectorOptions {
    /// What the profile says.
    pub fn rules(&self) -> &'static crate::export::profile::ProfileRules {
        self.profile.unwrap_or_default().rules()
    }

    /// How records are told.
    pub fn mapping(&self, default_biflow: bool) -> crate::export::profile::Mapping {
        let mapping = self.rules().mapping;
        crate::export::profile::Mapping {
            biflow: self.biflow.unwrap_or(mapping.biflow && default_biflow),
            time: self.time.unwrap_or(mapping.time),
            ..mapping
        }
    }

    /// How often.
    pub fn refresh(&self) -> crate::export::profile::Refresh {
        let refresh = self.rules().refresh;
        crate::export::profile::Refresh {
            templates: self.template_refresh.unwrap_or(refresh.templates),
            options: self.options_refresh.unwrap_or(refresh.options),
        }
    }
}
