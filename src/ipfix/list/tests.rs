use serde_json::{Value as Json, json};

use super::*;
use crate::ipfix::reader::build::*;
use crate::ipfix::reader::{Reader, VARIABLE_LENGTH};

/// The JSON of the one record of template 256, which has `element` as its only field.
fn show(element: u16, others: &[Vec<u8>], content: &[u8]) -> Json {
    let fields = [(0, element, VARIABLE_LENGTH)];
    let length = u16::try_from(content.len()).expect("short enough for a field");
    // RFC 6313 §5.1: the long form of length is recommended.
    let record = [&[255][..], &length.to_be_bytes(), content].concat();
    let octets = message(1, 0, &[others.concat(), template(256, &fields), set(256, &record)]);
    let mut reader = Reader::new(octets.as_slice());
    let record = reader.next_record().unwrap().expect("one record");
    serde_json::to_value(record).unwrap()
}

#[test]
fn basic_list_is_an_array_of_values() {
    // RFC 6313 §8.1: semantic, element, length, values.
    let egress = [3, 0, 14, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 8];
    assert_eq!(
        show(291, &[], &egress),
        json!({"basicList": {"semantic": "allOf", "egressInterface": [1, 4, 8]}})
    );
    let names = [4, 0, 82, 0xff, 0xff, 2, b'l', b'o', 0, 1, b'x'];
    assert_eq!(
        show(291, &[], &names),
        json!({"basicList": {"semantic": "ordered", "interfaceName": ["lo", "", "x"]}})
    );
    let own = [255, 0x80, 9, 0, 2, 0, 0, 0x7e, 0xd9, 1, 2, 3, 4];
    assert_eq!(
        show(291, &[], &own),
        json!({"basicList": {"semantic": "undefined", "enterprise32473id9": ["0102", "0304"]}})
    );
    // No elements at all is a list; element length is there nevertheless.
    assert_eq!(
        show(291, &[], &[0, 0, 14, 0, 4]),
        json!({"basicList": {"semantic": "noneOf", "egressInterface": []}})
    );
}

#[test]
fn sub_template_list_holds_records() {
    // RFC 6313 §8.2.
    let pair = [template(257, &[(0, 8, 4), (0, 82, VARIABLE_LENGTH)])];
    let content = [1, 1, 1, 192, 0, 2, 1, 1, b'a', 192, 0, 2, 2, 0];
    assert_eq!(
        show(292, &pair, &content),
        json!({"subTemplateList": {"semantic": "exactlyOneOf", "templateId": 257, "records": [
            {"sourceIPv4Address": "192.0.2.1", "interfaceName": "a"},
            {"sourceIPv4Address": "192.0.2.2", "interfaceName": ""},
        ]}})
    );
    assert_eq!(
        show(292, &[], &content),
        json!({"subTemplateList": {
            "semantic": "exactlyOneOf", "templateId": 257, "octets": "c00002010161c000020200"
        }}),
        "without its Template"
    );
}

#[test]
fn sub_template_multi_list_holds_records_of_several_templates() {
    // RFC 6313 §8.3; the length of an entry counts its header.
    let templates = [template(257, &[(0, 8, 4)]), template(258, &[(0, 4, 1), (0, 7, 2)])];
    let content = [2, 1, 1, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 0, 7, 6, 0, 80, 3, 9, 0, 5, 1];
    assert_eq!(
        show(293, &templates, &content),
        json!({"subTemplateMultiList": {"semantic": "oneOrMoreOf", "entries": [
            {"templateId": 257, "records": [
                {"sourceIPv4Address": "192.0.2.1"}, {"sourceIPv4Address": "192.0.2.2"}
            ]},
            {"templateId": 258, "records": [
                {"protocolIdentifier": 6, "sourceTransportPort": 80}
            ]},
            {"templateId": 777, "octets": "01"},
        ]}})
    );
}

#[test]
fn lists_hold_lists() {
    let inner = [3, 0, 4, 0, 1, 6, 17];
    let outer = [&[4, 1, 35, 0xff, 0xff, 7][..], &inner, &[7], &inner].concat();
    let list = json!({"semantic": "allOf", "protocolIdentifier": [6, 17]});
    assert_eq!(
        show(291, &[], &outer),
        json!({"basicList": {"semantic": "ordered", "basicList": [list, list]}})
    );
}

#[test]
fn nesting_has_an_end() {
    let mut content = vec![6];
    for _ in 0..12_000 {
        // basicList of one basicList, long form of length where it takes one.
        let length = u16::try_from(content.len()).unwrap();
        let header = [&[4, 1, 35, 0xff, 0xff, 255][..], &length.to_be_bytes()].concat();
        if header.len() + content.len() > 60_000 {
            break;
        }
        content.splice(0..0, header);
    }
    let mut json = show(291, &[], &content);
    let mut depth = 0;
    while let Some(inner) = json.get("basicList") {
        json = inner.get(0).unwrap_or(inner).clone();
        depth += 1;
    }
    assert!(json.as_str().is_some_and(|octets| octets.starts_with("0401")), "octets at the bottom");
    assert_eq!(depth, MAXIMUM_DEPTH as usize + 1);

    // A Template that holds lists of itself is no way round.
    let own = [template(257, &[(0, 292, VARIABLE_LENGTH)])];
    let mut content = vec![0, 1, 1];
    for _ in 0..60 {
        let length = u8::try_from(content.len()).unwrap();
        content.splice(0..0, [0, 1, 1, length]);
    }
    let text = show(292, &own, &content).to_string();
    assert_eq!(text.matches("records").count(), MAXIMUM_DEPTH as usize);
}

#[test]
fn malformed_lists_stay_octets() {
    let known = [template(257, &[(0, 8, 4)])];
    for (element, content) in [
        (291, &[][..]),
        (291, &[3]),
        (291, &[3, 0, 14, 0]),
        (291, &[3, 0, 14, 0, 4, 1, 2, 3]),
        (291, &[3, 0, 14, 0, 0, 1]),
        (291, &[3, 0x80, 14, 0, 4, 0, 0]),
        (291, &[3, 0, 82, 0xff, 0xff, 9, b'x']),
        (292, &[3, 1]),
        (292, &[3, 1, 1, 192, 0, 2]),
        (293, &[]),
        (293, &[3, 1, 1, 0]),
        (293, &[3, 1, 1, 0, 3]),
        (293, &[3, 1, 1, 0, 9, 192]),
        (293, &[3, 1, 1, 0, 6, 192, 0]),
    ] {
        let json = show(element, &known, content);
        let value = json.as_object().and_then(|record| record.values().next()).unwrap();
        let hexadecimal: String = content.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(value, &Json::String(hexadecimal), "{content:?}");
    }
}
