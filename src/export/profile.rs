//! How Flow Records are told to one Collector.

use std::time::Duration;

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

/// Unit of the times in a record. There is one pair of them a direction; nanoseconds are kept inside.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum TimeUnit {
    /// `flowStartMilliseconds`, `flowEndMilliseconds` (IE 152, 153).
    #[default]
    Milliseconds,
    /// `flowStartMicroseconds`, `flowEndMicroseconds` (IE 154, 155).
    Microseconds,
    /// `flowStartNanoseconds`, `flowEndNanoseconds` (IE 156, 157).
    Nanoseconds,
}

/// How Flow Records become the Data Records of one target.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Mapping {
    /// Both directions in one record (RFC 5103), or one record for each.
    pub biflow: bool,
    /// Unit of the times.
    pub time: TimeUnit,
    /// Whether elements of our own are in the records.
    pub enterprise_elements: bool,
}

impl Default for Mapping {
    fn default() -> Self {
        Self { biflow: true, time: TimeUnit::Milliseconds, enterprise_elements: true }
    }
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
