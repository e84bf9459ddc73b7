use super::*;
use crate::ipfix::exported;

const fn iana(id: u16, data_type: DataType) -> InformationElement {
    InformationElement { enterprise: 0, id, name: "element", data_type }
}

fn template(fields: &[(InformationElement, u16)]) -> Result<Template, TemplateError> {
    let fields =
        fields.iter().map(|&(element, length)| FieldSpecifier { element, length }).collect();
    Template::new(TemplateId::new(256).unwrap(), fields)
}

#[test]
fn template_ids_begin_at_256() {
    assert_eq!(TemplateId::new(255), None);
    assert_eq!(TemplateId::new(256).map(TemplateId::get), Some(256));
    assert_eq!(TemplateId::new(65535).map(TemplateId::get), Some(65535));
}

#[test]
fn enterprise_fields_carry_the_bit_and_the_number() {
    let reverse =
        InformationElement { enterprise: REVERSE_ENTERPRISE, ..iana(1, DataType::Unsigned64) };
    let template = template(&[(iana(8, DataType::Ipv4Address), 4), (reverse, 8)]).unwrap();

    #[rustfmt::skip]
    assert_eq!(template.definition(), [
        1, 0,  0, 2,                            // Template ID 256, 2 fields
        0, 8,  0, 4,                            // sourceIPv4Address
        0x80, 1,  0, 8,  0, 0, 0x72, 0x79,      // octetDeltaCount, PEN 29305
    ]);
    assert_eq!(template.record_length(), 12);
}

#[test]
fn a_template_without_fields_is_refused() {
    // RFC 7011 §8.1: it would be a withdrawal.
    assert_eq!(template(&[]), Err(TemplateError::NoFields));
}

#[test]
fn reduced_size_is_for_integers_only() {
    // RFC 7011 §6.2.
    for (data_type, length) in [
        (DataType::Ipv4Address, 3),
        (DataType::Ipv6Address, 8),
        (DataType::MacAddress, 4),
        (DataType::DateTimeMilliseconds, 4),
        (DataType::DateTimeSeconds, 2),
        (DataType::Boolean, 2),
        (DataType::Unsigned8, 2),
        (DataType::Unsigned64, 9),
        (DataType::Unsigned64, 0),
        (DataType::OctetArray, 0),
        (DataType::String, 0),
        // RFC 7011 §7.
        (DataType::Unsigned64, VARIABLE_LENGTH),
        (DataType::Ipv4Address, VARIABLE_LENGTH),
        (DataType::DateTimeNanoseconds, VARIABLE_LENGTH),
        // RFC 6313: not supported.
        (DataType::BasicList, VARIABLE_LENGTH),
        (DataType::SubTemplateMultiList, 30),
    ] {
        let refused = template(&[(iana(300, data_type), length)]);
        assert_eq!(refused, Err(TemplateError::Length { name: "element", length }));
    }
    assert!(template(&[(iana(1, DataType::Unsigned64), 4)]).is_ok());
}

#[test]
fn mpls_sections_are_three_octets() {
    assert!(template(&[(iana(70, DataType::OctetArray), 3)]).is_ok());
    assert!(template(&[(iana(70, DataType::OctetArray), 4)]).is_err());
}

#[test]
fn element_numbers_are_one_to_32767() {
    // RFC 7012 §4.
    for id in [0, 0x8000, 0xffff] {
        let refused = template(&[(iana(id, DataType::Unsigned8), 1)]);
        assert_eq!(refused, Err(TemplateError::ElementId { name: "element", id }));
    }
}

#[test]
fn reverse_elements_need_a_direction_and_a_reverse() {
    // RFC 5103 §4 and §6.1.
    let reverse = |id, data_type| InformationElement {
        enterprise: REVERSE_ENTERPRISE,
        ..iana(id, data_type)
    };
    let source = (iana(8, DataType::Ipv4Address), 4);
    assert_eq!(
        template(&[(reverse(1, DataType::Unsigned64), 8)]),
        Err(TemplateError::ReverseWithoutDirection)
    );
    // RFC 5103 §6.1, and what is like it: properties of the probe, of the Flow or of the file.
    for id in [40, 42, 61, 130, 131, 136, 137, 138, 143, 144, 145, 148, 149]
        .into_iter()
        .chain(163..=168)
        .chain([173])
        .chain(210..=217)
        .chain([239, 263, 267])
        .chain(285..=287)
        .chain(301..=346)
    {
        assert_eq!(
            template(&[source, (reverse(id, DataType::Unsigned8), 1)]),
            Err(TemplateError::NotReversible("element"))
        );
    }
    for id in [1, 2, 5, 6, 52, 53, 152, 157, 184, 197] {
        assert!(template(&[source, (reverse(id, DataType::Unsigned8), 1)]).is_ok(), "{id}");
    }
    // RFC 5103 §6.2: our own number space marks them with a bit.
    let own = (exported::REVERSE_FLOWTAP_FRAGMENT_DELTA_COUNT, 8);
    assert_eq!(template(&[own]), Err(TemplateError::ReverseWithoutDirection));
    assert!(template(&[source, own]).is_ok());
    assert!(template(&[(exported::FLOWTAP_FRAGMENT_DELTA_COUNT, 8)]).is_ok());
}

#[test]
fn a_checksum_has_sixteen_octets() {
    // The registry binds messageMD5Checksum.
    assert!(template(&[(iana(262, DataType::OctetArray), 16)]).is_ok());
    assert!(template(&[(iana(262, DataType::OctetArray), 8)]).is_err());
    assert!(template(&[(iana(262, DataType::OctetArray), VARIABLE_LENGTH)]).is_err());
}

#[test]
fn an_options_template_tells_its_scope() {
    // RFC 7011 §3.4.2.
    let fields: Vec<_> = [
        (exported::OBSERVATION_DOMAIN_ID, 4),
        (exported::METERING_PROCESS_ID, 4),
        (exported::IGNORED_PACKET_TOTAL_COUNT, 8),
    ]
    .map(|(element, length)| FieldSpecifier { element, length })
    .into();
    let options = |scope| Template::options(TemplateId::new(300).unwrap(), scope, fields.clone());
    let template = options(2).unwrap();
    #[rustfmt::skip]
    assert_eq!(template.definition(), [
        1, 44,  0, 3,  0, 2,                    // ID 300, 3 fields, 2 of them scope fields
        0, 149,  0, 4,
        0, 143,  0, 4,
        0, 164,  0, 8,
    ]);
    assert!(template.is_options());
    assert_eq!((template.scope_field_count(), template.record_length()), (2, 16));
    assert!(options(1).is_ok() && options(3).is_ok());
    // RFC 7011 §3.4.2.2.
    for scope in [0, 4, u16::MAX] {
        assert_eq!(options(scope), Err(TemplateError::ScopeFieldCount { scope, fields: 3 }));
    }
    let none = Template::options(TemplateId::new(300).unwrap(), 1, vec![]);
    assert_eq!(none, Err(TemplateError::NoFields));

    let plain = Template::new(TemplateId::new(300).unwrap(), fields.clone()).unwrap();
    assert_eq!((plain.is_options(), plain.scope_field_count()), (false, 0));
    assert_ne!(plain, options(1).unwrap());
}

#[test]
fn fields_of_variable_length_are_for_text_and_octets_beside_others() {
    // RFC 7011 §7.
    let name = (exported::INTERFACE_NAME, VARIABLE_LENGTH);
    let octets = (iana(94, DataType::OctetArray), VARIABLE_LENGTH);
    let interface = (exported::INGRESS_INTERFACE, 4);
    assert_eq!(template(&[name]), Err(TemplateError::OnlyVariableLength));
    assert_eq!(template(&[name, octets]), Err(TemplateError::OnlyVariableLength));
    let template = template(&[name, interface, octets]).unwrap();
    assert!(template.has_variable_length());
    assert_eq!(template.record_length(), 6, "of the shortest record");
    assert!(template.fields().first().unwrap().is_variable());

    let record = b"\x02lo\0\0\0\x01\xff\0\x01x";
    let with_more = [&record[..], b"more"].concat();
    assert_eq!(template.split_record(&with_more), Some((&record[..], &b"more"[..])));
    for length in 0..record.len() {
        assert_eq!(template.split_record(&record[..length]), None, "{length}");
    }
}

#[test]
fn records_of_fixed_length_are_split_at_it() {
    let template = template(&[(iana(8, DataType::Ipv4Address), 4)]).unwrap();
    assert!(!template.has_variable_length());
    assert_eq!(template.split_record(b"abcdef"), Some((&b"abcd"[..], &b"ef"[..])));
    assert_eq!(template.split_record(b"abc"), None);
}

#[test]
fn flow_keys_are_told_bit_by_bit() {
    // RFC 7011 §4.4.
    let key = (iana(4, DataType::Unsigned8), 1);
    let other = (iana(2, DataType::Unsigned64), 8);
    let is_key = |field: &FieldSpecifier| field.element.id == 4;
    let indicator = |fields: &[_]| template(fields).unwrap().flow_key_indicator(is_key);
    assert_eq!(indicator(&[other, other]), Some(0));
    assert_eq!(indicator(&[key, other, key, key]), Some(0b1101));
    let mut fields = vec![other; 63];
    fields.push(key);
    assert_eq!(indicator(&fields), Some(1 << 63));
    fields.push(other);
    assert_eq!(indicator(&fields), Some(1 << 63));
    fields.push(key);
    assert_eq!(indicator(&fields), None);
}
