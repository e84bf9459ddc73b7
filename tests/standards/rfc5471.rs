//! The tests of RFC 5471 that a stream of Messages can pass without a network: what `MessageWriter`
//! writes, `Reader` reads, and what no exporter should send, the reader withstands.
//!
//! A function is named by its row in the list of tests of the project. RFC 5471 was written for
//! RFC 5101, which had a Collector reset the session on odd withdrawals and repeated Templates;
//! RFC 7011 §8.1 has it ignore them, and so do we.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use build::{message, message_of_length, options_template, set, template, template_record};
use flowtap::ipfix::date_time::{DateTime, Precision};
use flowtap::ipfix::element::{DataType, InformationElement};
use flowtap::ipfix::exported;
use flowtap::ipfix::field::Field;
use flowtap::ipfix::list::Context;
use flowtap::ipfix::message::{MessageWriter, Refused};
use flowtap::ipfix::reader::{Reader, Statistics};
use flowtap::ipfix::template::{
    FieldSpecifier, Template, TemplateError, TemplateId, VARIABLE_LENGTH,
};
use flowtap::ipfix::value::Value;

#[path = "../../src/ipfix/reader/build.rs"]
mod build;

#[test]
fn t02_every_fixed_type_once() {
    // RFC 5471 §3.2.1.
    let fields = every_type();
    let specifiers: Vec<_> = fields.iter().map(|(specifier, _)| *specifier).collect();
    let values: Vec<_> = fields.iter().map(|(_, value)| *value).collect();
    let plain = Template::new(id(256), specifiers).unwrap();
    assert!(!plain.has_variable_length());
    let stream = export(&plain, &[&values, &values]);
    let mut reader = Reader::new(stream.as_slice());
    for _ in 0..2 {
        let record = reader.next_record().unwrap().expect("two records");
        assert_eq!(record.fields().count(), values.len());
        for ((field, value), (specifier, sent)) in record.fields().zip(&fields) {
            assert_is(specifier, value, *sent);
            assert_eq!(number(field), number(specifier.element.into()));
        }
    }
    assert!(reader.next_record().unwrap().is_none());
    assert_eq!(reader.statistics().illegal_lengths, 0);
}

#[test]
fn t03_variable_lengths_alone_before_after_and_several() {
    // RFC 5471 §3.2.2.
    let name = specifier(exported::INTERFACE_NAME, VARIABLE_LENGTH);
    let protocol = specifier(exported::PROTOCOL_IDENTIFIER, 1);
    let six = Value::Unsigned(6);
    let long = "x".repeat(60_000);
    for text in ["", "a", &"y".repeat(254), &"z".repeat(255), &"ü".repeat(128), &long] {
        let text = Value::String(text);
        let other = Value::String("eth0");
        for (fields, values) in [
            (vec![name, protocol], vec![text, six]),
            (vec![protocol, name], vec![six, text]),
            (vec![name, name, protocol, name], vec![other, text, six, other]),
        ] {
            let template = Template::new(id(256), fields.clone()).unwrap();
            assert_read_back(&export(&template, &[&values]), &[&values]);
            let options = Template::options(id(256), 1, fields).unwrap();
            assert_read_back(&export(&options, &[&values]), &[&values]);
        }
    }
    // Alone we do not send it, for the sake of collectors that cannot count such records.
    let alone = Template::new(id(256), vec![name]);
    assert_eq!(alone, Err(TemplateError::OnlyVariableLength));
    let alone = message(
        1,
        0,
        &[template(256, &[(0, 82, VARIABLE_LENGTH)]), set(256, b"\x04eth0\0\x02lo\xff\0\x01x")],
    );
    assert_eq!(
        read(&alone).records,
        ["interfaceName=eth0", "interfaceName=", "interfaceName=lo", "interfaceName=x"]
    );
}

#[test]
fn t04_padding_between_data_sets() {
    // RFC 5471 §3.2.3, figure 1.
    for padding in 0..4 {
        let padded = |records: &[u8]| set(256, &[records, vec![0; padding].as_slice()].concat());
        let octets = message(
            1,
            0,
            &[template(256, PORTS), padded(&[0, 1, 0, 2, 0, 3, 0, 4]), padded(&[0, 5, 0, 6])],
        );
        let outcome = read(&octets);
        assert_eq!(outcome.records, [ports(1, 2), ports(3, 4), ports(5, 6)], "{padding}");
        assert_eq!((outcome.error, outcome.statistics.irregular_padding), (None, 0));
    }
}

#[test]
fn t05_padding_octets_in_records_make_no_records() {
    // RFC 5471 §3.2.4, figures 2 and 3: one octet of data, three of padding.
    let padding = InformationElement::by_name("paddingOctets").unwrap();
    let service = *InformationElement::by_name("ipDiffServCodePoint").unwrap();
    for length in [1, 2, 3, 5, 7, 12, 13] {
        let fields = vec![specifier(service, 1), specifier(*padding, length)];
        let template = Template::new(id(256), fields).unwrap();
        let zeros = vec![0; length.into()];
        let records: Vec<_> =
            (0..15).map(|n| [Value::Unsigned(n), Value::Octets(&zeros)]).collect();
        let records: Vec<_> = records.iter().map(<[_; 2]>::as_slice).collect();
        assert_read_back(&export(&template, &records), &records);
    }
    // A string, and as much padding as aligns what follows to four octets.
    let fields = vec![
        specifier(exported::INTERFACE_NAME, VARIABLE_LENGTH),
        specifier(*padding, VARIABLE_LENGTH),
        specifier(exported::INGRESS_INTERFACE, 4),
    ];
    let template = Template::new(id(256), fields).unwrap();
    let texts = ["", "a", "ab", "abc", "abcd", "abcde"];
    let records: Vec<_> = texts
        .iter()
        .map(|text| {
            let zeros = &[0; 3][..(4 - (text.len() + 2) % 4) % 4];
            [Value::String(text), Value::Octets(zeros), Value::Unsigned(7)]
        })
        .collect();
    let records: Vec<_> = records.iter().map(<[_; 3]>::as_slice).collect();
    assert_read_back(&export(&template, &records), &records);
}

#[test]
fn t06_a_withdrawn_template_is_gone() {
    // RFC 5471 §3.2.5.1.
    let before = [template(256, PORTS), set(256, &[0, 1, 0, 2])].concat();
    let outcome = read(&message(1, 0, &[before, withdrawal(2, 256), set(256, &[0, 3, 0, 4])]));
    assert_eq!((outcome.records, outcome.error), (vec![ports(1, 2)], None));
    assert_eq!(outcome.statistics.withdrawn_templates, 1);
    assert_eq!(outcome.statistics.sets_without_template, 1);
}

#[test]
fn t07_a_second_withdrawal_is_ignored() {
    // RFC 5471 §3.2.5.2, RFC 7011 §8.1.
    let twice = [withdrawal(2, 256), withdrawal(2, 256), template(256, PORTS)].concat();
    let outcome = read(&message(1, 0, &[template(256, PORTS), twice, set(256, &[0, 1, 0, 2])]));
    assert_eq!((outcome.records, outcome.error), (vec![ports(1, 2)], None));
    assert_eq!(outcome.statistics.withdrawn_templates, 1);
    assert_eq!(outcome.statistics.ignored_withdrawals, 1);
}

#[test]
fn t08_a_withdrawal_of_what_was_never_sent_is_ignored() {
    // RFC 5471 §3.2.5.3, RFC 7011 §8.1.
    for other in [withdrawal(2, 257), withdrawal(3, 256), withdrawal(3, 300)] {
        let outcome = read(&message(1, 0, &[template(256, PORTS), other, set(256, &[0, 1, 0, 2])]));
        assert_eq!((outcome.records, outcome.error), (vec![ports(1, 2)], None));
        assert_eq!(outcome.statistics.withdrawn_templates, 0);
        assert_eq!(outcome.statistics.ignored_withdrawals, 1);
    }
}

#[test]
fn t09_all_templates_withdrawn_leave_the_options() {
    // RFC 5471 §3.2.5.4.
    let outcome = read(&two_of_each_kind(withdrawal(2, 2)));
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.records, [domain(1), domain(2)]);
    assert_eq!(outcome.statistics.sets_without_template, 2);
}

#[test]
fn t10_all_options_templates_withdrawn_leave_the_others() {
    // RFC 5471 §3.2.5.5.
    let outcome = read(&two_of_each_kind(withdrawal(3, 3)));
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.records, [ports(1, 2), ports(3, 4)]);
    assert_eq!(outcome.statistics.sets_without_template, 2);
}

#[test]
fn t11_enterprise_elements_are_decoded_or_kept() {
    // RFC 5471 §3.3.1.
    let unknown = InformationElement {
        enterprise: 4_294_967_295,
        id: 32_767,
        name: "unknown",
        data_type: DataType::Unsigned32,
    };
    let fields = vec![
        specifier(exported::SOURCE_IPV4_ADDRESS, 4),
        specifier(exported::FLOWTAP_TUNNEL_ID, 4),
        specifier(unknown, 4),
        specifier(exported::REVERSE_FLOWTAP_FRAGMENT_DELTA_COUNT, 8),
        specifier(exported::REVERSE_PACKET_DELTA_COUNT, 8),
    ];
    let template = Template::new(id(256), fields).unwrap();
    let values = [
        Value::Ipv4(Ipv4Addr::new(192, 0, 2, 1)),
        Value::Unsigned(77),
        Value::Unsigned(0x0a0b_0c0d),
        Value::Unsigned(3),
        Value::Unsigned(9),
    ];
    assert_eq!(
        read(&export(&template, &[&values])).records,
        ["sourceIPv4Address=192.0.2.1 flowtapTunnelId=77 \
             enterprise4294967295id32767=0a0b0c0d reverseFlowtapFragmentDeltaCount=3 \
             reversePacketDeltaCount=9"]
    );
}

#[test]
fn t12_reduced_size_keeps_value_and_type() {
    // RFC 5471 §3.3.2.
    let signed = *InformationElement::by_name("mibObjectValueInteger").unwrap();
    let probability = *InformationElement::by_name("samplingProbability").unwrap();
    for length in 1..=8_u16 {
        let largest = u64::MAX >> (64 - 8 * u32::from(length));
        let mut fields = vec![specifier(exported::OCTET_DELTA_COUNT, length)];
        let mut values = vec![Value::Unsigned(largest)];
        if length <= 4 {
            let most = i64::from(i32::MAX) >> (32 - 8 * u32::from(length));
            fields.extend([specifier(signed, length); 2]);
            values.extend([Value::Signed(most), Value::Signed(-most - 1)]);
        }
        let template = Template::new(id(256), fields).unwrap();
        let stream = export(&template, &[&values]);
        assert_read_back(&stream, &[&values]);
        let mut reader = Reader::new(stream.as_slice());
        let record = reader.next_record().unwrap().unwrap();
        let types: Vec<_> = record.fields().map(|(field, _)| field.element.data_type).collect();
        assert_eq!(types[0], DataType::Unsigned64, "in {length} octets, too");
        // RFC 7011 §6.2: a field has to fit every value.
        let mut larger = values.clone();
        larger[0] = Value::Unsigned(largest.saturating_add(1));
        assert_eq!(template.encode(&larger).is_err(), length < 8);
    }
    let template = Template::new(id(256), vec![specifier(probability, 4)]).unwrap();
    let stream = export(&template, &[&[Value::Float64(0.25)]]);
    assert_eq!(read(&stream).records, ["samplingProbability=0.25"]);
}

#[test]
fn t13_repeated_elements_keep_their_order() {
    // RFC 5471 §3.3.3: one after the other, and with others between.
    let address = specifier(exported::SOURCE_IPV4_ADDRESS, 4);
    let protocol = specifier(exported::PROTOCOL_IDENTIFIER, 1);
    let outer = Value::Ipv4(Ipv4Addr::new(192, 0, 2, 1));
    let inner = Value::Ipv4(Ipv4Addr::new(198, 51, 100, 7));
    let (four, six) = (Value::Unsigned(4), Value::Unsigned(6));
    for (fields, values) in [
        (vec![address, address, protocol], vec![outer, inner, six]),
        (vec![address, protocol, address, protocol], vec![outer, four, inner, six]),
        (vec![protocol; 3], vec![six, four, six]),
    ] {
        let template = Template::new(id(256), fields).unwrap();
        assert_read_back(&export(&template, &[&values]), &[&values]);
    }
}

#[test]
fn t14_any_element_is_a_scope_and_none_is_not() {
    // RFC 5471 §3.4.1.
    let count = specifier(exported::EXPORTED_MESSAGE_TOTAL_COUNT, 8);
    let of_ours = specifier(exported::FLOWTAP_TUNNEL_TYPE, 1);
    let scopes = every_type().into_iter().chain([
        (of_ours, Value::Unsigned(5)),
        (specifier(exported::INTERFACE_NAME, VARIABLE_LENGTH), Value::String("eth0")),
    ]);
    for (scope, value) in scopes {
        let template = Template::options(id(256), 1, vec![scope, count]).unwrap();
        let stream = export(&template, &[&[value, Value::Unsigned(3)]]);
        let mut reader = Reader::new(stream.as_slice());
        let record = reader.next_record().unwrap().unwrap();
        assert!(record.template().is_options());
        assert_eq!(record.template().scope().len(), 1);
        let found = record.template().scope()[0].field;
        assert_eq!(number(found), number(scope.element.into()));
        let (_, read) = record.fields().next().unwrap();
        assert_is(&scope, read, value);
        assert!(reader.next_record().unwrap().is_none());
        assert_eq!(reader.statistics().options_records, 1);
    }
    // RFC 7011 §3.4.2.2: we do not send it, and do not take it.
    let none = Template::options(id(256), 0, vec![count]);
    assert_eq!(none, Err(TemplateError::ScopeFieldCount { scope: 0, fields: 1 }));
    let outcome = read(&message(1, 0, &[options_template(256, 0, &[(0, 41, 8)])]));
    assert_eq!(
        outcome.error.as_deref(),
        Some("malformed at offset 20: options template 256 cannot have 0 scope fields of 1 fields")
    );
}

#[test]
fn t15_several_scopes_keep_their_order() {
    // RFC 5471 §3.4.2.
    let fields = vec![
        specifier(exported::OBSERVATION_DOMAIN_ID, 4),
        specifier(exported::METERING_PROCESS_ID, 4),
        specifier(exported::INGRESS_INTERFACE, 4),
        specifier(exported::IGNORED_PACKET_TOTAL_COUNT, 8),
    ];
    let template = Template::options(id(256), 3, fields).unwrap();
    let stream = export(&template, &[&[1, 2, 3, 4].map(Value::Unsigned)]);
    let mut reader = Reader::new(stream.as_slice());
    let record = reader.next_record().unwrap().unwrap();
    let scope: Vec<_> =
        record.template().scope().iter().map(|field| field.field.to_string()).collect();
    assert_eq!(scope, ["observationDomainId", "meteringProcessId", "ingressInterface"]);
    assert_eq!(
        text(&record),
        "observationDomainId=1 meteringProcessId=2 ingressInterface=3 ignoredPacketTotalCount=4"
    );
}

#[test]
fn t19_flow_keys_are_fields_of_a_known_template() {
    // RFC 5471 §3.4.6.
    let described = Template::new(
        id(256),
        vec![
            specifier(exported::PACKET_DELTA_COUNT, 8),
            specifier(exported::SOURCE_IPV4_ADDRESS, 4),
            specifier(exported::OCTET_DELTA_COUNT, 8),
            specifier(exported::DESTINATION_IPV4_ADDRESS, 4),
        ],
    );
    let described = Arc::new(described.unwrap());
    let fields =
        vec![specifier(exported::TEMPLATE_ID, 2), specifier(exported::FLOW_KEY_INDICATOR, 8)];
    let options = Arc::new(Template::options(id(300), 1, fields).unwrap());
    let send = |template: u16, indicator: u64| {
        let mut writer = MessageWriter::new(1, 1400);
        writer.add_template(&described).unwrap();
        writer.add_template(&options).unwrap();
        let record = options
            .encode(&[Value::Unsigned(template.into()), Value::Unsigned(indicator)])
            .unwrap();
        writer.add_octets(&options, &record).unwrap();
        writer.finish(0).unwrap().to_vec()
    };

    // The Exporting Process asks the Template, which cannot name a field that is not there.
    let is_address = |field: &FieldSpecifier| field.element.data_type == DataType::Ipv4Address;
    let indicator = described.flow_key_indicator(is_address).unwrap();
    let outcome = read(&send(256, indicator));
    assert_eq!(outcome.records, ["templateId=256 flowKeyIndicator=10"]);
    assert_eq!((outcome.error, outcome.statistics.irregular_flow_keys), (None, 0));
    let keys = described.fields().iter().enumerate();
    let keys: Vec<_> = keys
        .filter(|(bit, _)| indicator & 1 << bit != 0)
        .map(|(_, field)| field.element.name)
        .collect();
    assert_eq!(keys, ["sourceIPv4Address", "destinationIPv4Address"]);
    assert_eq!(read(&send(256, 0b1111)).statistics.irregular_flow_keys, 0);

    // Fields that the Template does not have, and a Template that is not there: noted, and the
    // rest of the stream is read.
    for (template, indicator) in [(256, 0b1_0000), (256, 1 << 63), (257, 0b1)] {
        let outcome = read(&[send(256, 1), send(template, indicator)].concat());
        assert_eq!(outcome.statistics.irregular_flow_keys, 1, "{template} {indicator}");
        assert_eq!((outcome.records.len(), outcome.error), (2, None));
    }
}

#[test]
fn t22_the_largest_template() {
    // RFC 5471 §3.5.3: 16,370 fields over UDP; a stream has room for seven more.
    let field = specifier(exported::PROTOCOL_IDENTIFIER, 1);
    for (fields, size) in [(16_370, 65_507), (16_377, 65_535)] {
        let template = Arc::new(Template::new(id(256), vec![field; fields]).unwrap());
        let values: Vec<_> = (0..fields).map(|n| Value::Unsigned(n as u64 % 251)).collect();
        let record = template.encode(&values).unwrap();
        let mut writer = MessageWriter::new(1, size);
        writer.add_template(&template).unwrap();
        let mut stream = writer.finish(1).unwrap().to_vec();
        for _ in 0..3 {
            writer.add_octets(&template, &record).unwrap();
        }
        stream.extend(writer.finish(1).unwrap());
        assert_read_back(&stream, &[&values, &values, &values]);

        // What does not fit is refused, not cut (RFC 7011 §3.4).
        let mut writer = MessageWriter::new(1, 1472);
        let refused = writer.add_template(&template);
        assert_eq!(refused, Err(Refused::TooLarge(4 + 4 * fields)));
        assert_eq!(writer.finish(1), None);
    }
    let template = Arc::new(Template::new(id(256), vec![field; 16_378]).unwrap());
    let refused = MessageWriter::new(1, 65_535).add_template(&template);
    assert_eq!(refused, Err(Refused::TooLarge(4 + 4 * 16_378)));
    let too_many = Template::new(id(256), vec![field; 65_536]);
    assert_eq!(too_many, Err(TemplateError::TooManyFields(65_536)));
}

#[test]
fn t29_template_records_of_wrong_length() {
    // RFC 5471 §3.6.4, figure 4.
    let figure = |total: u16, field_count: u8| {
        let set = [0, 2, 0, 12, 1, 1, 0, field_count, 0, 8, 0, 4];
        message_of_length(total, 0x3333_4444, 0x1234_5678, &set)
    };
    for (name, octets, expected) in [
        ("a", figure(32, 2), "malformed at offset 20: template 257 reaches beyond its set"),
        ("b", figure(28, 2), "malformed at offset 20: template 257 reaches beyond its set"),
        (
            "c",
            figure(26, 2),
            "malformed at offset 16: set 2 cannot have 12 octets where 10 are left",
        ),
        (
            "d",
            figure(32, 1),
            "truncated at offset 28: the message that begins at 0 has 32 octets, \
             4 of them are missing",
        ),
    ] {
        let outcome = read(&octets);
        assert_eq!(outcome.error.as_deref(), Some(expected), "({name})");
    }
    // (e) With figure 5 all is well.
    let record = template_record(257, None, &[(0, 8, 4), (0, 12, 4)]);
    let outcome = read(&message(0x3333_4444, 0x1234_5678, &[set(2, &record)]));
    assert_eq!((outcome.error, outcome.statistics.templates), (None, 1));

    // Figure 6: no scope field; and more of them than fields.
    for scope in [0, 2] {
        let octets = message(0x3333_4444, 0, &[options_template(257, scope, &[(0, 8, 4)])]);
        assert_eq!(
            read(&octets).error,
            Some(format!(
                "malformed at offset 20: options template 257 cannot have {scope} scope fields \
                 of 1 fields"
            ))
        );
    }
}

#[test]
fn t30_data_records_that_are_wrong() {
    // RFC 5471 §3.6.5: the Message is too short.
    let whole = message(1, 0, &[template(256, PORTS), set(256, &[0, 1, 0, 2])]);
    for length in 1..whole.len() {
        let outcome = read(&whole[..length]);
        assert!(outcome.records.is_empty() && outcome.error.is_some(), "{length} octets");
    }
    let too_short = message_of_length(38, 1, 0, &whole[16..]);
    assert_eq!(
        read(&too_short).error.as_deref(),
        Some("malformed at offset 32: set 256 cannot have 8 octets where 6 are left")
    );

    // Illegal reduced size: never read as a number or an address, and noted.
    for (element, length) in [(8, 3), (27, 8), (56, 4), (152, 4), (150, 2), (276, 2), (1, 9)] {
        let octets = vec![1; length.into()];
        let outcome =
            read(&message(1, 0, &[template(256, &[(0, element, length)]), set(256, &octets)]));
        let field = Field::look_up(0, element);
        assert_eq!(outcome.records, [format!("{field}={}", "01".repeat(length.into()))]);
        assert_eq!((outcome.error, outcome.statistics.illegal_lengths), (None, 1));
        let specifier = FieldSpecifier { element: field.element, length };
        let refused = Template::new(id(256), vec![specifier]);
        assert!(matches!(refused, Err(TemplateError::Length { .. })), "nor do we send it");
    }

    // Variable lengths beyond the Set, or cut themselves.
    let fields = [(0, 4, 1), (0, 82, VARIABLE_LENGTH)];
    for content in
        [&[6, 1][..], &[6, 5, b'a'], &[6, 255], &[6, 255, 0], &[6, 255, 0, 2, b'a'], &[6, 254, 0]]
    {
        let outcome = read(&message(1, 0, &[template(256, &fields), set(256, content)]));
        assert!(outcome.records.is_empty());
        let error = outcome.error.expect("a record reaches beyond its set");
        assert!(error.contains("the data do not fit template 256"), "{content:?}: {error}");
    }
}

#[test]
fn t31_records_of_fewer_or_more_fields() {
    // RFC 5471 §3.6.6: of fewer, the rest is missing.
    for length in 1..4 {
        let octets = message(1, 0, &[template(256, PORTS), set(256, &[0, 1, 0, 2][..length])]);
        assert_eq!(
            read(&octets).error.as_deref(),
            Some(
                "malformed at offset 36: the data do not fit template 256: a record reaches \
                 beyond its set"
            )
        );
    }
    // Of more, what is left is no record. It looks like padding, but is not.
    for more in 1..4 {
        let content = [&[0, 1, 0, 2][..], &[9; 3][..more]].concat();
        let outcome = read(&message(1, 0, &[template(256, PORTS), set(256, &content)]));
        assert_eq!(outcome.records, [ports(1, 2)]);
        assert_eq!((outcome.error, outcome.statistics.irregular_padding), (None, 1));
    }
    // We send neither.
    let ports = Template::new(
        id(256),
        vec![
            specifier(exported::SOURCE_TRANSPORT_PORT, 2),
            specifier(exported::DESTINATION_TRANSPORT_PORT, 2),
        ],
    );
    let ports = Arc::new(ports.unwrap());
    let mut writer = MessageWriter::new(1, 1400);
    writer.add_template(&ports).unwrap();
    for length in (0..10).filter(|length| *length != 4) {
        let octets = &[0; 10][..length];
        assert_eq!(writer.add_octets(&ports, octets), Err(Refused::RecordLength(256)));
        assert!(ports.encode(&vec![Value::Unsigned(1); length]).is_err() || length == 2);
    }
}

#[test]
fn t32_sets_with_numbers_that_mean_nothing_are_skipped() {
    // RFC 5471 §3.6.7.
    for number in (0..2).chain(4..256) {
        let strange = [
            set(number, &template_record(256, None, PORTS)),
            set(number, &template_record(256, Some(1), PORTS)),
            set(number, &[0, 1, 0, 2]),
        ];
        let octets = message(
            1,
            0,
            &[strange.concat(), template(256, PORTS), strange.concat(), set(256, &[0, 1, 0, 2])],
        );
        let outcome = read(&octets);
        assert_eq!((outcome.records, outcome.error), (vec![ports(1, 2)], None), "{number}");
        assert_eq!(outcome.statistics.reserved_sets, 6);
        assert_eq!((outcome.statistics.templates, outcome.statistics.options_templates), (1, 0));
    }
}

#[test]
fn t33_withdrawn_and_defined_anew() {
    // RFC 5471 §3.6.8.1, §3.6.8.2: the last sequence of steps. We send neither a withdrawal nor a
    // second definition.
    let data = || set(256, &[0, 1, 0, 2]);
    let packets = template(256, &[(0, 2, 4)]);
    let outcome =
        read(&message(1, 0, &[template(256, PORTS), withdrawal(2, 256), data(), packets, data()]));
    assert_eq!(outcome.records, ["packetDeltaCount=65538"]);
    assert_eq!((outcome.error, outcome.statistics.sets_without_template), (None, 1));

    let of = |element| Arc::new(Template::new(id(256), vec![specifier(element, 4)]).unwrap());
    let mut writer = MessageWriter::new(1, 1400);
    writer.add_template(&of(exported::PACKET_DELTA_COUNT)).unwrap();
    assert_eq!(
        writer.add_template(&of(exported::OCTET_DELTA_COUNT)),
        Err(Refused::RedefinedTemplate(256))
    );
    let stream = writer.finish(1).unwrap();
    assert_eq!(read(stream).statistics.templates, 1);
}

#[test]
fn t35_a_number_defined_again_has_its_newer_meaning() {
    // RFC 5471 §3.6.8.3.1: in one session over UDP, without a withdrawal.
    let first = [template(256, PORTS), set(256, &[0, 1, 0, 2])].concat();
    let same = [template(256, PORTS), set(256, &[0, 3, 0, 4])].concat();
    let other = [template(256, &[(0, 2, 4)]), set(256, &[0, 0, 0, 7])].concat();
    let stream =
        [message(1, 0, &[first]), message(1, 1, &[same]), message(1, 2, &[other])].concat();
    let outcome = read(&stream);
    assert_eq!(outcome.records, [ports(1, 2), ports(3, 4), "packetDeltaCount=7".to_owned()]);
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.statistics.templates, 2, "sent again, it is no other");
}

#[test]
fn t36_data_without_a_template_wait_for_no_one() {
    // RFC 5471 §3.6.8.3.2: to a stream, a Template that expired is one that was never there.
    let stream = [
        message(1, 10, &[set(256, &[0, 1, 0, 2])]),
        message(1, 11, &[set(256, &[0, 3, 0, 4])]),
        message(1, 12, &[template(256, PORTS), set(256, &[0, 5, 0, 6])]),
        message(1, 13, &[set(256, &[0, 7, 0, 8])]),
    ]
    .concat();
    let outcome = read(&stream);
    assert_eq!((outcome.records, outcome.error), (vec![ports(5, 6), ports(7, 8)], None));
    assert_eq!(outcome.statistics.sets_without_template, 2);
    assert_eq!(outcome.statistics.sequence_gaps, 0);
}

/// One field of each abstract data type that has a fixed length, at its full size.
fn every_type() -> Vec<(FieldSpecifier, Value<'static>)> {
    let of = |name| *InformationElement::by_name(name).expect("an element of the registry");
    // No element of the registry has these types.
    let unknown = |id, data_type| InformationElement {
        enterprise: exported::FLOWTAP_ENTERPRISE,
        id,
        name: "unknown",
        data_type,
    };
    let time = |nanoseconds, precision| {
        Value::DateTime(DateTime { seconds: 2_208_988_801, nanoseconds, precision })
    };
    [
        (of("messageMD5Checksum"), 16, Value::Octets(b"sixteen octets..")),
        (of("protocolIdentifier"), 1, Value::Unsigned(255)),
        (of("tcpWindowSize"), 2, Value::Unsigned(0xfffe)),
        (of("ingressInterface"), 4, Value::Unsigned(0xffff_fffe)),
        (of("flowId"), 8, Value::Unsigned(u64::MAX - 1)),
        (of("tcpOptionsFull"), 32, Value::Octets(&[0xaa; 32])),
        (unknown(0x100, DataType::Signed8), 1, Value::Signed(-128)),
        (unknown(0x101, DataType::Signed16), 2, Value::Signed(-32_768)),
        (of("mibObjectValueInteger"), 4, Value::Signed(-2_147_483_648)),
        (unknown(0x102, DataType::Signed64), 8, Value::Signed(i64::MIN)),
        (unknown(0x103, DataType::Float32), 4, Value::Float32(1.5e-3)),
        (of("samplingProbability"), 8, Value::Float64(1.0 / 3.0)),
        (of("dataRecordsReliability"), 1, Value::Boolean(true)),
        (of("hashDigestOutput"), 1, Value::Boolean(false)),
        (of("sourceMacAddress"), 6, Value::Mac([2, 0, 0x5e, 0, 0x53, 1])),
        (of("interfaceName"), 16, Value::String("eth0")),
        (of("flowStartSeconds"), 4, time(0, Precision::Seconds)),
        (of("flowStartMilliseconds"), 8, time(999_000_000, Precision::Milliseconds)),
        (of("flowStartMicroseconds"), 8, time(999_999_000, Precision::Microseconds)),
        (of("flowStartNanoseconds"), 8, time(999_999_999, Precision::Nanoseconds)),
        (of("sourceIPv4Address"), 4, Value::Ipv4(Ipv4Addr::new(192, 0, 2, 1))),
        (of("sourceIPv6Address"), 16, Value::Ipv6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
    ]
    .map(|(element, length, value)| (specifier(element, length), value))
    .into()
}

/// What a Template says of a field, whether the reader knows its element or not.
const fn number(field: Field) -> (u32, u16, bool) {
    (field.element.enterprise, field.element.id, field.reverse)
}

/// That the value read is the one sent; of an element that the reader does not know, its octets.
#[track_caller]
fn assert_is(specifier: &FieldSpecifier, read: Value<'_>, sent: Value<'_>) {
    let read = match (read, sent) {
        (Value::Octets(octets), Value::Signed(_) | Value::Float32(_)) => {
            Value::decode(specifier.element.data_type, octets, Context::default())
        }
        _ => read,
    };
    assert_eq!(read, sent, "{specifier:?}");
}

/// A stream of one session with these records.
#[track_caller]
fn export(template: &Template, records: &[&[Value<'_>]]) -> Vec<u8> {
    let template = Arc::new(template.clone());
    let mut writer = MessageWriter::new(1, 65_535);
    let mut stream = Vec::new();
    writer.add_template(&template).expect("room for the template");
    stream.extend(writer.finish(1_700_000_000).expect("a template"));
    for values in records {
        let record = template.encode(values).expect("values of these types");
        if writer.add_octets(&template, &record) == Err(Refused::MessageFull) {
            stream.extend(writer.finish(1_700_000_001).expect("a record"));
            writer.add_octets(&template, &record).expect("room for the record");
        }
    }
    stream.extend(writer.finish(1_700_000_001).expect("a record"));
    stream
}

/// That these are the records of the stream, and that nothing is odd about it.
#[track_caller]
fn assert_read_back(stream: &[u8], records: &[&[Value<'_>]]) {
    let mut reader = Reader::new(stream);
    for sent in records {
        let record = reader.next_record().expect("well formed").expect("as many as were sent");
        let values: Vec<_> = record.fields().map(|(_, value)| value).collect();
        assert_eq!(values, *sent);
    }
    assert!(reader.next_record().expect("well formed").is_none());
    let read = *reader.statistics();
    let regular = Statistics {
        messages: read.messages,
        octets: stream.len() as u64,
        records: read.records,
        options_records: read.options_records,
        templates: read.templates,
        options_templates: read.options_templates,
        ..Statistics::default()
    };
    assert_eq!(read, regular);
}

/// What a reader makes of some octets.
struct Outcome {
    records: Vec<String>,
    error: Option<String>,
    statistics: Statistics,
}

fn read(octets: &[u8]) -> Outcome {
    let mut reader = Reader::new(octets);
    let mut records = Vec::new();
    let error = loop {
        match reader.next_record() {
            Ok(Some(record)) => records.push(text(&record)),
            Ok(None) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    Outcome { records, error, statistics: *reader.statistics() }
}

fn text(record: &flowtap::ipfix::reader::Record<'_>) -> String {
    let fields = record.fields().map(|(field, value)| format!("{field}={value}"));
    fields.collect::<Vec<_>>().join(" ")
}

/// Two Templates and two Options Templates, something, and a record of each.
fn two_of_each_kind(then: Vec<u8>) -> Vec<u8> {
    let scope = [(0, 149, 4)];
    let sets = [
        template(256, PORTS),
        template(257, PORTS),
        options_template(300, 1, &scope),
        options_template(301, 1, &scope),
        then,
        set(256, &[0, 1, 0, 2]),
        set(257, &[0, 3, 0, 4]),
        set(300, &[0, 0, 0, 1]),
        set(301, &[0, 0, 0, 2]),
    ];
    message(1, 0, &sets)
}

/// RFC 7011 §8.1.
fn withdrawal(set_id: u16, template: u16) -> Vec<u8> {
    let [high, low] = template.to_be_bytes();
    set(set_id, &[high, low, 0, 0])
}

fn ports(source: u16, destination: u16) -> String {
    format!("sourceTransportPort={source} destinationTransportPort={destination}")
}

fn domain(id: u32) -> String {
    format!("observationDomainId={id}")
}

const fn specifier(element: InformationElement, length: u16) -> FieldSpecifier {
    FieldSpecifier { element, length }
}

fn id(number: u16) -> TemplateId {
    TemplateId::new(number).expect("a number of a template")
}

const PORTS: &[build::Specifier] = &[(0, 7, 2), (0, 11, 2)];
