//! Files as a strict reader sees them.

use std::io::Read;

use crate::export::account::Totals;
use crate::export::testing::assert_regular;
use crate::ipfix::date_time::DateTime;
use crate::ipfix::reader::Reader;
use crate::ipfix::value::Value;

/// Seconds and nanoseconds.
type Time = (i64, u32);

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) totals: Totals,
    /// First `flowStart…` and last `flowEnd…`, in whatever unit, both directions.
    pub(super) flows: Option<(Time, Time)>,
    /// File Time Window.
    pub(super) window: Option<(Time, Time)>,
    /// `minExportSeconds` and `maxExportSeconds`.
    pub(super) exported: Option<(i64, i64)>,
    /// Template IDs defined before the first Data Record of a Flow, by their Data Sets.
    pub(super) options: Vec<u16>,
    /// Export Times of its Messages of Flows.
    pub(super) export_times: Vec<u32>,
    /// Names of Observation Points.
    pub(super) interfaces: Vec<String>,
    pub(super) messages: u64,
    pub(super) templates: u64,
}

/// Reads a file, in which nothing may be irregular.
pub(super) fn inspect(file: &[u8]) -> Found {
    let mut reader = Reader::new(file);
    let mut found = Found::default();
    while let Some(record) = reader.next_record().unwrap() {
        let is_options = record.template().is_options();
        if is_options {
            found.options.push(record.template().id());
        } else {
            found.totals.records += 1;
            found.export_times.extend(record.header().map(|header| header.export_time));
        }
        for (field, value) in record.fields() {
            match (field.element.id, value) {
                (1, Value::Unsigned(octets)) if !is_options => found.totals.octets += octets,
                (2, Value::Unsigned(packets)) if !is_options => found.totals.packets += packets,
                (152 | 154 | 156, Value::DateTime(time)) => {
                    let (begin, _) = found.flows.get_or_insert_with(|| (of(time), (0, 0)));
                    *begin = of(time).min(*begin);
                }
                (153 | 155 | 157, Value::DateTime(time)) => {
                    let (_, end) = found.flows.get_or_insert_with(|| (of(time), of(time)));
                    *end = of(time).max(*end);
                }
                (82, Value::String(name)) => found.interfaces.push(name.to_owned()),
                // RFC 5655 §8.1: at most one, and its scope is the session.
                (271..=273, Value::DateTime(time)) => {
                    assert_eq!(found.window.replace((of(time), (0, 0))), None);
                }
                (268..=270, Value::DateTime(time)) => {
                    found.window.as_mut().unwrap().1 = of(time);
                }
                (264, Value::DateTime(time)) => {
                    assert_eq!(found.exported.replace((time.seconds, 0)), None);
                }
                (260, Value::DateTime(time)) => found.exported.as_mut().unwrap().1 = time.seconds,
                (267, value) => assert_eq!(value, Value::Unsigned(0)),
                (214, value) => assert_eq!(value, Value::Unsigned(10)),
                _ => {}
            }
        }
    }
    let statistics = reader.statistics();
    assert_regular(statistics, file);
    // A file of its own: its sequence numbers begin at 0.
    assert_eq!(file[8..12], [0; 4]);
    found.messages = statistics.messages;
    found.templates = statistics.templates;
    found
}

fn of(time: DateTime) -> Time {
    (time.seconds, time.nanoseconds)
}

pub(super) fn decompressed(octets: Vec<u8>) -> Vec<u8> {
    if octets.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut plain = Vec::new();
        zstd::Decoder::new(octets.as_slice()).unwrap().read_to_end(&mut plain).unwrap();
        return plain;
    }
    octets
}
