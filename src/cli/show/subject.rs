//! A record at hand, with all that is known around it.

use std::collections::HashMap;

use crate::cli::table::{Facts, FlowRow, TimeBase};
use crate::ipfix::reader::Record;
use crate::ipfix::value::Value;

/// A Data Record that tells of a flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a, 'r> {
    pub(super) record: &'a Record<'r>,
    pub(super) facts: &'a Facts,
    pub(super) session: &'a Session,
}

impl Subject<'_, '_> {
    pub(super) fn observation_domain(&self) -> Option<u32> {
        self.record.header().map(|header| header.observation_domain)
    }

    /// What options records call the interface of this number.
    pub(super) fn interface_name(&self, number: u64) -> Option<&str> {
        let domain = self.observation_domain().unwrap_or(0);
        self.session.interfaces.get(&(domain, number)).map(String::as_str)
    }

    /// The flow as a row of the table, with the interfaces that have names, if there are several.
    pub(super) fn row(&self) -> FlowRow {
        let row = FlowRow::from(self.facts);
        if self.session.interfaces.len() < 2 {
            return row;
        }
        let name = |number: Option<u64>| {
            number.and_then(|number| self.interface_name(number)).map(printable)
        };
        match (name(self.facts.ingress), name(self.facts.egress)) {
            (None, None) => row,
            (Some(one), None) => row.with_note(&format!("in {one}")),
            (None, Some(one)) => row.with_note(&format!("out {one}")),
            (Some(one), Some(other)) => row.with_note(&format!("in {one} out {other}")),
        }
    }
}

/// What options records tell of a Transport Session or a file, by Observation Domain.
///
/// Bounded: of names, by number and length; of clocks, as the reader bounds the domains.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// When exporters started, in milliseconds since 1970.
    clocks: HashMap<u32, i64>,
    interfaces: HashMap<(u32, u64), String>,
}

impl Session {
    /// Takes what is of use from an options record.
    pub(super) fn learn(&mut self, record: &Record<'_>) {
        let domain = record.header().map_or(0, |header| header.observation_domain);
        let (mut interface, mut name, mut description) = (None, None, None);
        for (field, value) in record.fields() {
            match (field.iana(), value) {
                (Some(SYSTEM_INIT_TIME), Value::DateTime(time)) => {
                    self.clocks.insert(domain, time.as_milliseconds());
                }
                (Some((10 | 14 | 252 | 253, false)), Value::Unsigned(number)) => {
                    interface.get_or_insert(number);
                }
                (Some(INTERFACE_NAME), Value::String(text)) => name = Some(text),
                (Some(INTERFACE_DESCRIPTION), Value::String(text)) => description = Some(text),
                _ => {}
            }
        }
        let name = name.filter(|name| !name.is_empty()).or(description);
        if let (Some(interface), Some(name)) = (interface, name.filter(|name| !name.is_empty()))
            && (self.interfaces.len() < MAXIMUM_INTERFACES
                || self.interfaces.contains_key(&(domain, interface)))
        {
            let name = name.chars().take(LONGEST_NAME).collect();
            self.interfaces.insert((domain, interface), name);
        }
    }

    /// What times in a record are relative to.
    pub(super) fn time_base(&self, record: &Record<'_>) -> TimeBase {
        let Some(header) = record.header() else { return TimeBase::default() };
        TimeBase {
            export_time: Some(header.export_time),
            system_init_milliseconds: self.clocks.get(&header.observation_domain).copied(),
        }
    }
}

/// Text from a record, without anything that could bring a terminal into disorder.
pub(super) fn printable(text: &str) -> String {
    let is_harmless = |c: char| c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ';
    text.chars().map(|c| if is_harmless(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// `systemInitTimeMilliseconds` (IE 160), not reversed.
const SYSTEM_INIT_TIME: (u16, bool) = (160, false);
/// `interfaceName` (IE 82).
const INTERFACE_NAME: (u16, bool) = (82, false);
/// `interfaceDescription` (IE 83).
const INTERFACE_DESCRIPTION: (u16, bool) = (83, false);
const MAXIMUM_INTERFACES: usize = 65_536;
const LONGEST_NAME: usize = 64;
