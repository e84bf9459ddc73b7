//! How Flow Records become Data Records, as a short text that is stored beside them.

use std::fmt;
use std::str::FromStr;

use crate::privacy::Withheld;

/// Unit of the times in a record. There is one pair of them a direction; nanoseconds are kept inside.
///
/// Written `ms`, `us` and `ns`; `µs` is read as well.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[repr(u16)]
pub enum TimeUnit {
    /// `flowStartMilliseconds`, `flowEndMilliseconds` (IE 152, 153).
    #[default]
    Milliseconds = 0,
    /// `flowStartMicroseconds`, `flowEndMicroseconds` (IE 154, 155).
    Microseconds = 1,
    /// `flowStartNanoseconds`, `flowEndNanoseconds` (IE 156, 157).
    Nanoseconds = 2,
}

/// How Flow Records become the Data Records of one target.
///
/// Written `biflow=on;time=ms;enterprise=on`, and behind it `;without=flowId,ports,identifiers,flows` or as
/// much of that as a privacy policy withholds: what was encoded under one mapping is read and sent
/// under an equal one, in this run or in the next.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Mapping {
    /// Both directions in one record (RFC 5103), or one record for each.
    pub biflow: bool,
    /// Unit of the times.
    pub time: TimeUnit,
    /// Whether elements of our own are in the records.
    pub enterprise_elements: bool,
    /// What is in no record, because of the privacy policy of the target.
    pub withheld: Withheld,
}

/// Why a text is no [`Mapping`] or [`TimeUnit`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// No unit of time.
    #[error("`{0}` is no unit of time: use ms, us or ns")]
    Unit(String),
    /// Not the text of a mapping.
    #[error("`{0}` is no mapping: use biflow=on;time=ms;enterprise=on or the like")]
    Mapping(String),
}

impl TimeUnit {
    /// Every unit, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Milliseconds, Self::Microseconds, Self::Nanoseconds];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
        }
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TimeUnit {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Self, MappingError> {
        match text {
            "ms" => Ok(Self::Milliseconds),
            // The micro sign and the Greek letter look the same.
            "us" | "\u{b5}s" | "\u{3bc}s" => Ok(Self::Microseconds),
            "ns" => Ok(Self::Nanoseconds),
            _ => Err(MappingError::Unit(text.to_owned())),
        }
    }
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            biflow: true,
            time: TimeUnit::Milliseconds,
            enterprise_elements: true,
            withheld: Withheld::NONE,
        }
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { biflow, time, enterprise_elements, withheld } = *self;
        let [biflow, enterprise] = [biflow, enterprise_elements].map(switch);
        write!(f, "biflow={biflow};time={time};enterprise={enterprise}")?;
        let names: Vec<_> =
            named(withheld).into_iter().filter_map(|(name, is)| is.then_some(name)).collect();
        if names.is_empty() { Ok(()) } else { write!(f, ";without={}", names.join(",")) }
    }
}

impl FromStr for Mapping {
    type Err = MappingError;

    /// Reads exactly what `Display` writes: what is not said in it is not known.
    fn from_str(text: &str) -> Result<Self, MappingError> {
        let wrong = || MappingError::Mapping(text.to_owned());
        let mut values = text.split(';');
        let mut value = |key: &str| {
            values
                .next()
                .and_then(|pair| pair.strip_prefix(key)?.strip_prefix('='))
                .ok_or_else(wrong)
        };
        let mapping = Self {
            biflow: is_on(value("biflow")?).ok_or_else(wrong)?,
            time: value("time")?.parse()?,
            enterprise_elements: is_on(value("enterprise")?).ok_or_else(wrong)?,
            withheld: match values.next() {
                None => Withheld::NONE,
                Some(text) => text.strip_prefix("without=").and_then(withheld).ok_or_else(wrong)?,
            },
        };
        // In one order only, and each once.
        (mapping.to_string() == text).then_some(mapping).ok_or_else(wrong)
    }
}

/// What may be withheld, by the name that is stored.
const fn named(withheld: Withheld) -> [(&'static str, bool); 4] {
    let Withheld { flow_id, ports, identifiers, flow_records } = withheld;
    [("flowId", flow_id), ("ports", ports), ("identifiers", identifiers), ("flows", flow_records)]
}

fn withheld(names: &str) -> Option<Withheld> {
    let mut withheld = Withheld::NONE;
    for name in names.split(',') {
        match name {
            "flowId" => withheld.flow_id = true,
            "ports" => withheld.ports = true,
            "identifiers" => withheld.identifiers = true,
            "flows" => withheld.flow_records = true,
            _ => return None,
        }
    }
    Some(withheld)
}

/// `on` or `off`.
pub(crate) const fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// What [`switch`] wrote.
pub(crate) fn is_on(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::export::testing::any_mapping;

    #[test]
    fn a_mapping_is_written_like_this_in_every_version_of_us() {
        // It is stored beside what waits on disk.
        assert_eq!(Mapping::default().to_string(), "biflow=on;time=ms;enterprise=on");
        let other = Mapping {
            biflow: false,
            time: TimeUnit::Nanoseconds,
            enterprise_elements: false,
            ..Mapping::default()
        };
        assert_eq!(other.to_string(), "biflow=off;time=ns;enterprise=off");
        let withheld =
            Withheld { flow_id: true, ports: true, identifiers: true, flow_records: false };
        let private = Mapping { withheld, ..Mapping::default() };
        let text = "biflow=on;time=ms;enterprise=on;without=flowId,ports,identifiers";
        assert_eq!(private.to_string(), text);
        let withheld = Withheld { flow_records: true, ..Withheld::NONE };
        let statistical = Mapping { withheld, ..Mapping::default() };
        assert_eq!(statistical.to_string(), "biflow=on;time=ms;enterprise=on;without=flows");
    }

    #[test]
    fn what_is_no_mapping_is_refused() {
        for text in [
            "",
            "biflow=on",
            "biflow=on;time=ms",
            "biflow=on;time=ms;enterprise=on;",
            "biflow=on;time=ms;enterprise=on;more=on",
            "biflow=on;time=ms;enterprise=on;without=",
            "biflow=on;time=ms;enterprise=on;without=all",
            "biflow=on;time=ms;enterprise=on;without=ports,flowId",
            "biflow=on;time=ms;enterprise=on;without=ports,ports",
            "biflow=on;time=ms;enterprise=on;without=ports;",
            "time=ms;biflow=on;enterprise=on",
            "biflow=yes;time=ms;enterprise=on",
            "biflow=on;time=s;enterprise=on",
            "biflow=on;time=ms;enterprise",
            " biflow=on;time=ms;enterprise=on",
        ] {
            assert!(text.parse::<Mapping>().is_err(), "{text}");
        }
    }

    #[test]
    fn microseconds_are_read_with_their_sign() {
        for text in ["us", "µs", "μs"] {
            assert_eq!(text.parse(), Ok(TimeUnit::Microseconds));
        }
        assert!("s".parse::<TimeUnit>().unwrap_err().to_string().contains("ms, us or ns"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_mapping_comes_back_from_its_text(
            mapping in any_mapping(),
            (flow_id, ports, identifiers, flow_records) in any::<(bool, bool, bool, bool)>(),
        ) {
            let withheld = Withheld { flow_id, ports, identifiers, flow_records };
            let mapping = Mapping { withheld, ..mapping };
            prop_assert_eq!(mapping.to_string().parse(), Ok(mapping));
        }

        #[test]
        fn no_text_is_a_mapping_but_its_own(text in "(biflow|time|enterprise|=|;|on|off|ms|.){0,12}") {
            if let Ok(mapping) = text.parse::<Mapping>() {
                prop_assert_eq!(mapping.to_string(), text);
            }
        }
    }
}
