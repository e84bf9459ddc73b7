//! Two streams of octets side by side: are they the same, and if not, where do they part?

use std::io::{self, BufRead, BufReader, Read};

use serde_json::{Map, Value};

use crate::ipfix::reader::{MessageHeader, Reader};

/// What a stream is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    /// IPFIX Messages (RFC 7011 §3.1).
    Message,
    /// Lines, each a JSON object.
    JsonLine,
    /// Lines of text.
    Line,
}

/// What came of comparing two streams.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Compared {
    /// Octets up to the end of the first stream.
    pub(super) octets: u64,
    /// Where they part, and in what.
    pub(super) difference: Option<String>,
}

/// Reads two streams to their ends, in step for as long as they are the same.
///
/// Memory is two units, and for IPFIX the Messages with Templates in them.
///
/// # Errors
///
/// Whatever keeps one of them from being read.
pub(super) fn compare(
    unit: Unit,
    left: impl Read,
    right: impl Read + Send,
) -> io::Result<Compared> {
    let (mut left, mut right) = (BufReader::new(left), BufReader::new(right));
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let mut templates = Vec::new();
    let mut compared = Compared::default();
    for number in 1_u64.. {
        read_unit(unit, &mut left, &mut one)?;
        read_unit(unit, &mut right, &mut other)?;
        compared.octets += one.len() as u64;
        if one != other {
            compared.difference = Some(describe(unit, number, &templates, &one, &other));
            break;
        }
        if one.is_empty() {
            return Ok(compared);
        }
        if unit == Unit::Message && has_templates(&one) {
            templates.extend_from_slice(&one);
        }
    }
    // Whoever writes them must come to an end, side by side: each may wait for the other.
    let ends = std::thread::scope(|scope| {
        let rest = scope.spawn(move || io::copy(&mut right, &mut io::sink()));
        [io::copy(&mut left, &mut io::sink()), rest.join().unwrap_or(Ok(0))]
    });
    let [rest, other_rest] = ends;
    compared.octets += rest?;
    other_rest.map(|_| compared)
}

/// Reads the next unit into `octets`; nothing at the end of the stream.
fn read_unit(unit: Unit, stream: &mut impl BufRead, octets: &mut Vec<u8>) -> io::Result<()> {
    octets.clear();
    if unit != Unit::Message {
        return stream.read_until(b'\n', octets).map(drop);
    }
    stream.by_ref().take(MessageHeader::LENGTH as u64).read_to_end(octets)?;
    if let Some(&[_, _, high, low]) = octets.first_chunk() {
        let rest = u64::from(u16::from_be_bytes([high, low]));
        let rest = rest.saturating_sub(octets.len() as u64);
        stream.by_ref().take(rest).read_to_end(octets)?;
    }
    Ok(())
}

/// Whether a Message has a Template Set or an Options Template Set (RFC 7011 §3.3.2).
fn has_templates(message: &[u8]) -> bool {
    let mut sets = message.get(MessageHeader::LENGTH..).unwrap_or_default();
    while let Some(&[a, b, c, d]) = sets.first_chunk() {
        if matches!(u16::from_be_bytes([a, b]), 2 | 3) {
            return true;
        }
        let length = usize::from(u16::from_be_bytes([c, d])).max(4);
        sets = sets.get(length..).unwrap_or_default();
    }
    false
}

fn describe(unit: Unit, number: u64, templates: &[u8], one: &[u8], other: &[u8]) -> String {
    match (one.is_empty(), other.is_empty()) {
        (true, _) => return format!("{} {number} is there only with other payload", unit.name()),
        (_, true) => return format!("{} {number} is not there with other payload", unit.name()),
        _ => {}
    }
    let what = match unit {
        Unit::Message => in_records(&records(templates, one), &records(templates, other)),
        Unit::JsonLine => in_fields(&object(one), &object(other)),
        Unit::Line => None,
    };
    let what = what.unwrap_or_else(|| in_text(one, other));
    format!("{} {number}: {what}", unit.name())
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Message => "Message",
            Self::JsonLine | Self::Line => "line",
        }
    }
}

/// The records of a Message that comes behind those with its Templates.
fn records(templates: &[u8], message: &[u8]) -> Vec<Map<String, Value>> {
    let before = all_records(templates).len();
    all_records(&[templates, message].concat()).split_off(before)
}

fn all_records(messages: &[u8]) -> Vec<Map<String, Value>> {
    let mut reader = Reader::new(messages);
    let mut records = Vec::new();
    while let Ok(Some(record)) = reader.next_record() {
        match serde_json::to_value(record) {
            Ok(Value::Object(object)) => records.push(object),
            _ => break,
        }
    }
    records
}

fn in_records(one: &[Map<String, Value>], other: &[Map<String, Value>]) -> Option<String> {
    let differ = |(_, (one, other)): &(usize, (_, _))| one != other;
    match one.iter().zip(other).enumerate().find(differ) {
        Some((place, (one, other))) => {
            Some(format!("record {}: {}", place + 1, in_fields(one, other)?))
        }
        None if one.len() != other.len() => {
            Some(format!("{} records, {} with other payload", one.len(), other.len()))
        }
        None => None,
    }
}

/// All fields that differ, in words.
fn in_fields(one: &Map<String, Value>, other: &Map<String, Value>) -> Option<String> {
    let text = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let added = other.keys().filter(|name| !one.contains_key(*name));
    let fields: Vec<_> = one
        .keys()
        .chain(added)
        .map(|name| (name, one.get(name), other.get(name)))
        .filter(|(_, before, after)| before != after)
        .map(|(name, before, after)| format!("{name}: {} became {}", text(before), text(after)))
        .collect();
    (!fields.is_empty()).then(|| fields.join(", "))
}

fn object(line: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(line).unwrap_or_default()
}

/// Where two units part that say nothing in fields.
fn in_text(one: &[u8], other: &[u8]) -> String {
    let place = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    match (str::from_utf8(one), str::from_utf8(other)) {
        (Ok(one), Ok(other)) => format!("{:?} became {:?}", one.trim_end(), other.trim_end()),
        _ => format!("octet {place} differs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipfix::reader::build::{message, set, template};

    fn difference(unit: Unit, left: &[u8], right: &[u8]) -> String {
        compare(unit, left, right).unwrap().difference.unwrap()
    }

    /// Two Messages: a Template of two elements, then Data Records.
    fn messages(records: &[[u8; 5]]) -> Vec<u8> {
        // protocolIdentifier (IE 4), octetDeltaCount (IE 1) of reduced size.
        let template = template(256, &[(0, 4, 1), (0, 1, 4)]);
        let data = set(256, &records.concat());
        [message(1, 0, &[template]), message(1, 0, &[data])].concat()
    }

    #[test]
    fn what_is_the_same_is_said_to_be_the_same() {
        let octets = messages(&[[6, 0, 0, 0, 1], [17, 0, 0, 0, 2]]);
        for unit in [Unit::Message, Unit::JsonLine, Unit::Line] {
            let compared = compare(unit, &*octets, &*octets).unwrap();
            assert_eq!(compared, Compared { octets: octets.len() as u64, difference: None });
        }
    }

    #[test]
    fn a_record_that_differs_is_shown_to_the_field() {
        let left = messages(&[[6, 0, 0, 0, 1], [17, 0, 0, 0, 2]]);
        let right = messages(&[[6, 0, 0, 0, 1], [17, 0, 0, 0, 3]]);
        assert_eq!(
            difference(Unit::Message, &left, &right),
            "Message 2: record 2: octetDeltaCount: 2 became 3"
        );
        assert_eq!(
            difference(
                Unit::JsonLine,
                b"{\"a\":1}\n{\"a\":1,\"b\":2}\n",
                b"{\"a\":1}\n{\"a\":2}\n"
            ),
            "line 2: a: 1 became 2, b: 2 became nothing"
        );
        assert_eq!(difference(Unit::Line, b"x\ny\n", b"x\nz\n"), "line 2: \"y\" became \"z\"");
    }

    #[test]
    fn a_record_or_a_message_more_or_less_is_a_difference() {
        let two = messages(&[[6, 0, 0, 0, 1], [17, 0, 0, 0, 2]]);
        let one = messages(&[[6, 0, 0, 0, 1]]);
        assert_eq!(
            difference(Unit::Message, &two, &one),
            "Message 2: 2 records, 1 with other payload"
        );
        let none = &one[..messages(&[]).len() - 20];
        assert_eq!(
            difference(Unit::Message, &one, none),
            "Message 2 is not there with other payload"
        );
        assert_eq!(
            difference(Unit::Message, none, &one),
            "Message 2 is there only with other payload"
        );
        assert_eq!(
            difference(Unit::Line, b"x\n", b"x\nz\n"),
            "line 2 is there only with other payload"
        );
    }

    #[test]
    fn a_header_that_differs_is_a_difference_too() {
        let left = messages(&[[6, 0, 0, 0, 1]]);
        let mut right = left.clone();
        right[8] ^= 1; // Sequence Number of the first Message
        assert_eq!(difference(Unit::Message, &left, &right), "Message 1: octet 8 differs");
    }
}
