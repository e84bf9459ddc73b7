//! JSON of records: one object a record, keys are element names in field order.
//!
//! - Counters and other integers are numbers, floats too (`null` if not finite), booleans
//!   `true` or `false`.
//! - Addresses are text as usual; times are RFC 3339 in UTC with the digits of their unit;
//!   octets are hexadecimal digits.
//! - An element that stands several times in a record is one key with an array, in field order.
//! - Elements of the reverse direction have `reverse` before their name; elements without a known
//!   name are called `enterprise32473id77`.
//! - A `basicList` is `{"semantic": "allOf", "NAME": [values]}`; the other lists hold
//!   `"templateId"` and `"records"`, an array of objects like this one, or `"octets"` while the
//!   Template is not known.
//! - A record of an Options Template has `"optionsTemplateId"` as its first key.

use std::collections::HashMap;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::field::Field;
use super::list::SubRecords;
use super::reader::Record;
use super::value::{Hexadecimal, MacAddress, Value};

/// A Flow Record as an object; see the module for what is what.
#[derive(Clone, Copy, Debug)]
pub struct JsonRecord<'a>(pub &'a [(Field, Value<'a>)]);

impl Serialize for JsonRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        serialize_fields(&mut map, self.0)?;
        map.end()
    }
}

/// A record of an Options Template as an object, marked by `"optionsTemplateId"`.
#[derive(Clone, Copy, Debug)]
pub struct JsonOptionsRecord<'a> {
    /// The Options Template.
    pub template_id: u16,
    /// Scope fields, then the others.
    pub fields: &'a [(Field, Value<'a>)],
}

impl Serialize for JsonOptionsRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("optionsTemplateId", &self.template_id)?;
        serialize_fields(&mut map, self.fields)?;
        map.end()
    }
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields: Vec<_> = self.fields().collect();
        if self.template().is_options() {
            let template_id = self.template().id();
            JsonOptionsRecord { template_id, fields: &fields }.serialize(serializer)
        } else {
            JsonRecord(&fields).serialize(serializer)
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Octets(octets) => serializer.collect_str(&Hexadecimal(octets)),
            Self::Unsigned(number) => serializer.serialize_u64(*number),
            Self::Signed(number) => serializer.serialize_i64(*number),
            Self::Float32(number) => serializer.serialize_f32(*number),
            Self::Float64(number) => serializer.serialize_f64(*number),
            Self::Boolean(truth) => serializer.serialize_bool(*truth),
            Self::Mac(address) => serializer.collect_str(&MacAddress(*address)),
            Self::String(text) => serializer.serialize_str(text),
            Self::DateTime(time) => serializer.collect_str(time),
            Self::Ipv4(address) => serializer.collect_str(address),
            Self::Ipv6(address) => serializer.collect_str(address),
            Self::BasicList(list) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("semantic", list.semantic.name())?;
                map.serialize_entry(&list.field.name(), &Sequence(|| list.values()))?;
                map.end()
            }
            Self::SubTemplateList(list) => {
                let mut map = serializer.serialize_map(Some(3))?;
                map.serialize_entry("semantic", list.semantic.name())?;
                serialize_sub_records(&mut map, list.records)?;
                map.end()
            }
            Self::SubTemplateMultiList(list) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("semantic", list.semantic.name())?;
                map.serialize_entry("entries", &Sequence(|| list.entries()))?;
                map.end()
            }
        }
    }
}

impl Serialize for SubRecords<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        serialize_sub_records(&mut map, *self)?;
        map.end()
    }
}

/// Writes each field, or, for the first of several with one name, all of them as an array.
fn serialize_fields<M: SerializeMap>(
    map: &mut M,
    fields: &[(Field, Value<'_>)],
) -> Result<(), M::Error> {
    if fields.len() > LONG_RECORD {
        return serialize_many_fields(map, fields);
    }
    for (index, (field, value)) in fields.iter().enumerate() {
        let (before, from_here) = fields.split_at(index);
        let same = |other: &&(Field, Value<'_>)| same_name(&other.0, field);
        if before.iter().any(|other| same(&other)) {
            continue;
        }
        let all = || from_here.iter().filter(same).map(|(_, value)| value);
        if all().nth(1).is_none() {
            map.serialize_entry(&field.name(), value)?;
        } else {
            map.serialize_entry(&field.name(), &Sequence(all))?;
        }
    }
    Ok(())
}

/// The same for records of any length, at the price of a hash table.
fn serialize_many_fields<M: SerializeMap>(
    map: &mut M,
    fields: &[(Field, Value<'_>)],
) -> Result<(), M::Error> {
    let mut places = HashMap::new();
    let mut groups: Vec<(String, Vec<Value<'_>>)> = Vec::new();
    for (field, value) in fields {
        let name = field.name().into_owned();
        let place = *places.entry(name.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, values)) => values.push(*value),
            None => groups.push((name, vec![*value])),
        }
    }
    for (name, values) in groups {
        match values.as_slice() {
            [value] => map.serialize_entry(&name, value)?,
            values => map.serialize_entry(&name, values)?,
        }
    }
    Ok(())
}

fn serialize_sub_records<M: SerializeMap>(
    map: &mut M,
    records: SubRecords<'_>,
) -> Result<(), M::Error> {
    map.serialize_entry("templateId", &records.template_id)?;
    match records.records() {
        // Walked again for the walk may be done once only.
        Some(_) => {
            map.serialize_entry("records", &Sequence(|| records.records().into_iter().flatten()))
        }
        None => map.serialize_entry("octets", &Value::Octets(records.octets)),
    }
}

fn same_name(one: &Field, other: &Field) -> bool {
    one.reverse == other.reverse
        && one.element.name == other.element.name
        && (one.is_known()
            || (one.element.enterprise, one.element.id)
                == (other.element.enterprise, other.element.id))
}

/// An array of what the function iterates over.
struct Sequence<F>(F);

impl<F: Fn() -> I, I: Iterator<Item: Serialize>> Serialize for Sequence<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        for item in self.0() {
            sequence.serialize_element(&item)?;
        }
        sequence.end()
    }
}

/// Up to this many fields, comparing each with each is faster than hashing.
const LONG_RECORD: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::ipfix::date_time::DateTime;

    fn json(fields: &[(Field, Value<'_>)]) -> String {
        serde_json::to_string(&JsonRecord(fields)).unwrap()
    }

    #[test]
    fn keys_are_names_in_field_order() {
        let fields = [
            (Field::look_up(0, 152), Value::DateTime(DateTime::from_milliseconds(1))),
            (Field::look_up(0, 8), Value::Ipv4(Ipv4Addr::new(192, 0, 2, 1))),
            (Field::look_up(0, 56), Value::Mac([2, 0, 0x5e, 0, 0x53, 1])),
            (Field::look_up(0, 2), Value::Unsigned(u64::MAX)),
            (Field::look_up(29305, 2), Value::Unsigned(3)),
            (Field::look_up(0, 388), Value::Boolean(false)),
            (Field::look_up(0, 311), Value::Float64(0.5)),
            (Field::look_up(0, 82), Value::String("a \"b\"")),
            (Field::look_up(0, 70), Value::Octets(b"\x00\x01\x0f")),
            (Field::look_up(32473, 99), Value::Octets(b"\xff")),
        ];
        assert_eq!(
            json(&fields),
            r#"{"flowStartMilliseconds":"1970-01-01T00:00:00.001Z","sourceIPv4Address":"192.0.2.1","sourceMacAddress":"02:00:5e:00:53:01","packetDeltaCount":18446744073709551615,"reversePacketDeltaCount":3,"dot1qDEI":false,"samplingProbability":0.5,"interfaceName":"a \"b\"","mplsTopLabelStackSection":"00010f","enterprise32473id99":"ff"}"#
        );
    }

    #[test]
    fn repeated_elements_are_one_array_at_the_place_of_the_first() {
        let label = |n| (Field::look_up(0, 71), Value::Unsigned(n));
        let other = (Field::look_up(0, 4), Value::Unsigned(6));
        let unknown = |id, n| (Field::look_up(1, id), Value::Unsigned(n));
        let fields = [label(1), other, unknown(7, 1), label(2), unknown(8, 2), unknown(7, 3)];
        let expected = r#"{"mplsLabelStackSection2":[1,2],"protocolIdentifier":6,"enterprise1id7":[1,3],"enterprise1id8":2}"#;
        assert_eq!(json(&fields), expected);
    }

    #[test]
    fn long_records_are_written_like_short_ones() {
        let fields: Vec<_> =
            (0..67_u16).map(|n| (Field::look_up(9, n % 60), Value::Unsigned(n.into()))).collect();
        let parsed: serde_json::Value = serde_json::from_str(&json(&fields)).unwrap();
        assert_eq!(parsed.as_object().unwrap().len(), 60);
        assert_eq!(parsed["enterprise9id6"], serde_json::json!([6, 66]));
        assert_eq!(parsed["enterprise9id7"], 7);
    }

    #[test]
    fn options_records_are_marked() {
        let fields = [(Field::look_up(0, 149), Value::Unsigned(1))];
        let record = JsonOptionsRecord { template_id: 300, fields: &fields };
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"optionsTemplateId":300,"observationDomainId":1}"#
        );
    }
}
