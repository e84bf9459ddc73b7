//! What each profile changes, and why.

use std::time::Duration;

use crate::export::profile::{Mapping, Profile, Refresh, TimeUnit};
use crate::privacy::Withheld;

/// One row of the table of profiles: what a Collector gets unless its options say otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProfileRules {
    /// The profile.
    pub profile: Profile,
    /// The programs it is for.
    pub collectors: &'static str,
    /// How records are told.
    pub mapping: Mapping,
    /// Whether `biflow=on` may be asked for: the reverse elements (RFC 5103) are read.
    pub reads_biflows: bool,
    /// The units of time that are read right.
    pub times: &'static [TimeUnit],
    /// Which options records are sent, and how.
    pub options: OptionsRules,
    /// How often what describes the records is sent again.
    pub refresh: Refresh,
    /// What differs from `standard`, and why; for `standard` what it stands for.
    pub reasons: &'static [Reason],
}

/// One thing that a profile changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reason {
    /// What it does.
    pub change: &'static str,
    /// What the Collector does, or would do.
    pub because: &'static str,
}

/// Which options records are sent, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OptionsRules {
    /// In which Observation Domain. Templates and sequence numbers are those of this domain.
    pub domain: OptionsDomain,
    /// Metering and exporting statistics and reliability (RFC 7011 §4.1–§4.3).
    pub statistics: bool,
    /// Which fields are Flow Keys (RFC 7011 §4.4). Never with [`OptionsDomain::Zero`]: a Template ID
    /// means something in its own domain only.
    pub flow_keys: bool,
    /// What became of which field under a privacy policy (RFC 6235). Never with
    /// [`OptionsDomain::Zero`], for the same reason.
    pub anonymization: bool,
    /// Names of interfaces (IE 82, 83).
    pub interfaces: bool,
    /// What these are said of.
    pub interface_scope: InterfaceScope,
    /// How sampling is announced, at 1:1 as well.
    pub sampling: SamplingElements,
    /// Timeouts and start of metering (IE 36, 37, 160).
    pub timeouts: bool,
    /// By which method source and destination were told apart (RFC 5103 §6.3).
    pub biflow_method: bool,
    /// Types of our own elements (RFC 5610).
    pub element_types: bool,
}

/// The Observation Domain of options records.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OptionsDomain {
    /// That of the Flows. Options records count in its sequence (RFC 7011 §3.1).
    Flows,
    /// Domain 0, "no specific domain" (RFC 7011 §3.1), in the same Transport Session, with a sequence
    /// and Templates of its own. For Collectors that leave options records out when they check the
    /// sequence.
    Zero,
}

/// What the name of an interface is said of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum InterfaceScope {
    /// The interface: `ingressInterface` (IE 10) is the scope, `interfaceName` and
    /// `interfaceDescription` (IE 82, 83) follow.
    Interface,
    /// The Observation Domain: `observationDomainId` (IE 149) is the scope, `ingressInterface` and
    /// `interfaceDescription` follow. For Collectors that do not look into scopes.
    Domain,
}

/// Elements that announce sampling.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SamplingElements {
    /// Selector report (RFC 5476 §6.5.2): `selectorId`, `selectorAlgorithm`,
    /// `samplingPacketInterval` and `samplingPacketSpace` (IE 302, 304, 305, 306).
    Selector,
    /// `samplingInterval` and `samplingAlgorithm` (IE 34, 35), which are deprecated.
    Legacy,
}

impl Profile {
    /// What this profile changes, and why.
    pub const fn rules(self) -> &'static ProfileRules {
        match self {
            Self::Standard => &STANDARD,
            Self::Nfdump => &NFDUMP,
            Self::Pmacct => &PMACCT,
            Self::Goflow2 => &GOFLOW2,
            Self::Akvorado => &AKVORADO,
            Self::Elastic => &ELASTIC,
            Self::Ipfixcol2 => &IPFIXCOL2,
            Self::Flowmon => &FLOWMON,
        }
    }
}

impl OptionsRules {
    /// These rules for records under `mapping`: nothing is said of what these do not have.
    #[must_use]
    pub const fn under(self, mapping: Mapping) -> Self {
        Self {
            biflow_method: self.biflow_method && mapping.biflow,
            element_types: self.element_types && mapping.enterprise_elements,
            ..self
        }
    }
}

const EVERY_TIME: &[TimeUnit] = &TimeUnit::ALL;
const MILLISECONDS: &[TimeUnit] = &[TimeUnit::Milliseconds];

const EVERYTHING: Mapping = Mapping {
    biflow: true,
    time: TimeUnit::Milliseconds,
    enterprise_elements: true,
    withheld: Withheld::NONE,
};
const PLAIN_BIFLOWS: Mapping = Mapping { enterprise_elements: false, ..EVERYTHING };
const PLAIN_UNIFLOWS: Mapping = Mapping { biflow: false, ..PLAIN_BIFLOWS };

const EVERY_OPTION: OptionsRules = OptionsRules {
    domain: OptionsDomain::Flows,
    statistics: true,
    flow_keys: true,
    anonymization: true,
    interfaces: true,
    interface_scope: InterfaceScope::Interface,
    sampling: SamplingElements::Selector,
    timeouts: true,
    biflow_method: true,
    element_types: true,
};

/// A Collector that was restarted knows neither Templates nor options, so both come soon, and well
/// within the half hour after which some forget them (RFC 7011 §8.4).
const OFTEN: Refresh =
    Refresh { templates: Duration::from_secs(60), options: Duration::from_secs(60) };

const STANDARD: ProfileRules = ProfileRules {
    profile: Profile::Standard,
    collectors: "any that follows RFC 7011 and RFC 5103: libfixbuf's tools, YAF's, tshark",
    mapping: EVERYTHING,
    reads_biflows: true,
    times: EVERY_TIME,
    options: EVERY_OPTION,
    refresh: OFTEN,
    reasons: &[Reason {
        change: "everything that is known of a flow, as the standards say it",
        because: "millisecond times are the ones that every collector reads",
    }],
};

const NFDUMP: ProfileRules = ProfileRules {
    profile: Profile::Nfdump,
    collectors: "nfcapd of nfdump 1.7",
    mapping: PLAIN_BIFLOWS,
    reads_biflows: true,
    times: MILLISECONDS,
    options: OptionsRules {
        domain: OptionsDomain::Zero,
        flow_keys: false,
        anonymization: false,
        interface_scope: InterfaceScope::Domain,
        element_types: false,
        ..EVERY_OPTION
    },
    refresh: OFTEN,
    reasons: &[
        Reason {
            change: "times in milliseconds only",
            because: "nfcapd has no entry for microseconds, and had none for nanoseconds before \
                      August 2026: flows would begin in 1970 (nfdump#686)",
        },
        Reason {
            change: "options records in observation domain 0, without flow keys",
            because: "nfcapd 1.7 leaves options records out when it checks the sequence, and would \
                      report one failure for each",
        },
        Reason {
            change: "interfaces scoped by the domain, with their description alone",
            because: "it does not look into scopes, shows the description as the name of the \
                      interface, and counts anything else in the record as a part of the next",
        },
        Reason {
            change: "no elements of ours",
            because: "it skips them; the reverse counters it keeps as `out` counters",
        },
    ],
};

const PMACCT: ProfileRules = ProfileRules {
    profile: Profile::Pmacct,
    collectors: "nfacctd of pmacct 1.7",
    mapping: Mapping { biflow: false, ..STANDARD.mapping },
    reads_biflows: false,
    times: MILLISECONDS,
    options: OptionsRules { biflow_method: false, ..EVERY_OPTION },
    refresh: OFTEN,
    reasons: &[
        Reason {
            change: "one record for each direction",
            because: "nfacctd drops reverse elements, and with them half of the traffic",
        },
        Reason {
            change: "times in milliseconds only",
            because: "it takes microseconds of 16 octets only, and no nanoseconds (pmacct#732)",
        },
        Reason {
            change: "elements of ours stay",
            because: "aggregate_primitives can name them; they do no harm otherwise",
        },
    ],
};

const GOFLOW2: ProfileRules = ProfileRules {
    profile: Profile::Goflow2,
    collectors: "goflow2, and what stands on it",
    mapping: PLAIN_UNIFLOWS,
    reads_biflows: false,
    times: EVERY_TIME,
    options: OptionsRules {
        sampling: SamplingElements::Legacy,
        biflow_method: false,
        element_types: false,
        ..EVERY_OPTION
    },
    refresh: OFTEN,
    reasons: &[
        Reason {
            change: "one record for each direction, no elements of ours",
            because: "goflow2 skips every enterprise element, and the reverse half of a biflow is \
                      made of them: half of the traffic would vanish",
        },
        Reason {
            change: "sampling announced by samplingInterval (IE 34)",
            because: "it takes samplingPacketInterval for the rate, so 1 in 1000 is read as 1 \
                      (goflow2#440)",
        },
    ],
};

const AKVORADO: ProfileRules = ProfileRules {
    profile: Profile::Akvorado,
    collectors: "Akvorado since it reads RFC 5103; with biflow=off any",
    mapping: PLAIN_BIFLOWS,
    reads_biflows: true,
    times: MILLISECONDS,
    options: OptionsRules { element_types: false, ..EVERY_OPTION },
    refresh: OFTEN,
    reasons: &[
        Reason {
            change: "times in milliseconds only",
            because: "Akvorado reads NTP times as UNIX times",
        },
        Reason {
            change: "no elements of ours",
            because: "it skips them; biflows it divides itself (akvorado#1827)",
        },
        Reason {
            change: "sampling announced, as to all",
            because: "it refuses flows whose sampling rate it does not know",
        },
    ],
};

const ELASTIC: ProfileRules = ProfileRules {
    profile: Profile::Elastic,
    collectors: "Filebeat's netflow input, Logstash's netflow codec",
    mapping: PLAIN_BIFLOWS,
    reads_biflows: true,
    times: MILLISECONDS,
    options: OptionsRules { element_types: false, ..EVERY_OPTION },
    refresh: Refresh { options: Duration::from_secs(300), ..OFTEN },
    reasons: &[
        Reason {
            change: "no elements of ours",
            because: "one element that Logstash does not know makes it drop the whole template \
                      (logstash-codec-netflow#124)",
        },
        Reason {
            change: "times in milliseconds only",
            because: "Filebeat keeps the times of the reverse half as bare numbers: UNIX milliseconds \
                      can be read, NTP times cannot",
        },
        Reason {
            change: "options records every five minutes",
            because: "each becomes an event in the index",
        },
    ],
};

const IPFIXCOL2: ProfileRules = ProfileRules {
    profile: Profile::Ipfixcol2,
    collectors: "CESNET's IPFIXcol2 and what reads by libfds",
    mapping: STANDARD.mapping,
    reads_biflows: true,
    times: EVERY_TIME,
    options: EVERY_OPTION,
    refresh: OFTEN,
    reasons: &[Reason {
        change: "as standard",
        because: "it reads biflows, every unit of time, and the types of our elements (RFC 5610)",
    }],
};

const FLOWMON: ProfileRules = ProfileRules {
    profile: Profile::Flowmon,
    collectors: "Flowmon Collector and ADS",
    mapping: PLAIN_UNIFLOWS,
    reads_biflows: true,
    times: MILLISECONDS,
    options: OptionsRules {
        domain: OptionsDomain::Zero,
        flow_keys: false,
        anonymization: false,
        element_types: false,
        ..EVERY_OPTION
    },
    refresh: OFTEN,
    reasons: &[
        Reason {
            change: "times in milliseconds only",
            because: "ipfixprobe has a build of its own that gives Flowmon milliseconds",
        },
        Reason {
            change: "one record for each direction, no elements of ours, options in domain 0",
            because: "it cannot be had for a test, so it gets what every collector reads; where it \
                      keeps both directions, biflow=on halves the records",
        },
    ],
};
