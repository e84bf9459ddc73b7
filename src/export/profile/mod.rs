//! How Flow Records are told to one Collector.

mod mapping;

use std::time::Duration;

pub use mapping::{Mapping, MappingError, TimeUnit};

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
