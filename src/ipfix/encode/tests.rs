use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::ipfix::date_time::Precision;
use crate::ipfix::element::InformationElement;
use crate::ipfix::list::Context;
use crate::ipfix::template::{TemplateId, VARIABLE_LENGTH};

/// The octets that a field of this type and length has for a value.
fn encode(data_type: DataType, length: u16, value: Value<'_>) -> Result<Vec<u8>, EncodeError> {
    let element = InformationElement { enterprise: 32473, id: 9, name: "element", data_type };
    let mut octets = Vec::new();
    encode_value(&FieldSpecifier { element, length }, &value, &mut octets)?;
    Ok(octets)
}

const fn size(length: u16) -> EncodeError {
    EncodeError::Size { name: "element", length }
}

const fn at(seconds: i64, nanoseconds: u32, precision: Precision) -> Value<'static> {
    Value::DateTime(DateTime { seconds, nanoseconds, precision })
}

#[test]
fn every_type_at_full_size() {
    // RFC 7011 §6.1.
    use DataType::*;
    for (data_type, value, octets) in [
        (OctetArray, Value::Octets(b"\x00\xff"), &b"\x00\xff"[..]),
        (Unsigned8, Value::Unsigned(255), b"\xff"),
        (Unsigned16, Value::Unsigned(258), b"\x01\x02"),
        (Unsigned32, Value::Unsigned(0xffff_ffff), b"\xff\xff\xff\xff"),
        (Unsigned64, Value::Unsigned(u64::MAX), b"\xff\xff\xff\xff\xff\xff\xff\xff"),
        (
            Unsigned256,
            Value::Unsigned(258),
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02",
        ),
        (Unsigned256, Value::Octets(&[7; 32]), &[7; 32]),
        (Signed8, Value::Signed(-128), b"\x80"),
        (Signed16, Value::Signed(-2), b"\xff\xfe"),
        (Signed32, Value::Signed(0x7fff_ffff), b"\x7f\xff\xff\xff"),
        (Signed64, Value::Signed(i64::MIN), b"\x80\0\0\0\0\0\0\0"),
        (Float32, Value::Float32(0.1), b"\x3d\xcc\xcc\xcd"),
        (Float64, Value::Float64(0.1), b"\x3f\xb9\x99\x99\x99\x99\x99\x9a"),
        (Float64, Value::Float32(2.5), b"\x40\x04\0\0\0\0\0\0"),
        // RFC 7011 §6.1.5: there is no zero.
        (Boolean, Value::Boolean(true), b"\x01"),
        (Boolean, Value::Boolean(false), b"\x02"),
        (MacAddress, Value::Mac([2, 0, 0x5e, 0, 0x53, 1]), b"\x02\x00\x5e\x00\x53\x01"),
        (String, Value::String("für"), "für".as_bytes()),
        (DateTimeSeconds, at(0xffff_ffff, 9, Precision::Seconds), b"\xff\xff\xff\xff"),
        (DateTimeMilliseconds, at(1, 999_999_999, Precision::Nanoseconds), b"\0\0\0\0\0\0\x07\xcf"),
        (
            DateTimeMicroseconds,
            at(0, 500_000_000, Precision::Microseconds),
            b"\x83\xaa\x7e\x80\x80\0\0\0",
        ),
        (DateTimeNanoseconds, at(0, 1, Precision::Nanoseconds), b"\x83\xaa\x7e\x80\0\0\0\x05"),
        (Ipv4Address, Value::Ipv4([192, 0, 2, 1].into()), b"\xc0\x00\x02\x01"),
        (
            Ipv6Address,
            Value::Ipv6("2001:db8::1".parse().unwrap()),
            b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01",
        ),
    ] {
        let length = u16::try_from(octets.len()).unwrap();
        assert_eq!(encode(data_type, length, value).as_deref(), Ok(octets), "{data_type:?}");
    }
}

#[test]
fn reduced_size_keeps_value_and_sign_or_is_refused() {
    // RFC 7011 §6.2.
    let unsigned = |length, number| encode(DataType::Unsigned64, length, Value::Unsigned(number));
    assert_eq!(unsigned(3, 65_536).unwrap(), [1, 0, 0]);
    assert_eq!(unsigned(4, 0xffff_ffff).unwrap(), [255; 4]);
    assert_eq!(unsigned(4, 0x1_0000_0000), Err(size(4)));
    assert_eq!(unsigned(1, 256), Err(size(1)));

    let signed = |length, number| encode(DataType::Signed64, length, Value::Signed(number));
    assert_eq!(signed(3, -2).unwrap(), [0xff, 0xff, 0xfe]);
    assert_eq!(signed(1, 127).unwrap(), [127]);
    assert_eq!(signed(1, -128).unwrap(), [128]);
    assert_eq!(signed(1, 128), Err(size(1)), "its highest bit would be a sign");
    assert_eq!(signed(1, -129), Err(size(1)));
    assert_eq!(signed(8, i64::MAX).unwrap(), i64::MAX.to_be_bytes());

    let float = |number| encode(DataType::Float64, 4, Value::Float64(number));
    assert_eq!(float(2.5).unwrap(), 2.5_f32.to_be_bytes());
    assert_eq!(float(0.1).unwrap(), 0.1_f32.to_be_bytes());
    assert_eq!(float(-0.0).unwrap(), (-0.0_f32).to_be_bytes());
    assert_eq!(float(f64::INFINITY).unwrap(), f32::INFINITY.to_be_bytes());
    assert!(float(f64::NAN).is_ok());
    assert_eq!(float(1e300), Err(size(4)));
    assert_eq!(float(1e-300), Err(size(4)));
    assert_eq!(encode(DataType::Float64, 4, Value::Float32(1.5)).unwrap(), 1.5_f32.to_be_bytes());
}

#[test]
fn variable_length_is_told_in_one_octet_or_three() {
    // RFC 7011 §7.
    let content = [0xaa; 65_536];
    for (length, prefix) in [
        (0, &[0][..]),
        (1, &[1]),
        (254, &[254]),
        (255, &[255, 0, 255]),
        (256, &[255, 1, 0]),
        (65_535, &[255, 255, 255]),
    ] {
        let value = Value::Octets(&content[..length]);
        let octets = encode(DataType::OctetArray, VARIABLE_LENGTH, value).unwrap();
        assert_eq!(octets, [prefix, &content[..length]].concat(), "{length}");
    }
    let too_long = encode(DataType::OctetArray, VARIABLE_LENGTH, Value::Octets(&content));
    assert_eq!(too_long, Err(size(VARIABLE_LENGTH)));
    let text = encode(DataType::String, VARIABLE_LENGTH, Value::String("für"));
    assert_eq!(text.as_deref(), Ok(&b"\x04f\xc3\xbcr"[..]));
}

#[test]
fn text_of_fixed_length_is_cut_between_characters_and_filled() {
    // RFC 7011 §6.1.6.
    let text = |length, text| encode(DataType::String, length, Value::String(text)).unwrap();
    assert_eq!(text(6, "eth0"), b"eth0\0\0");
    assert_eq!(text(3, "eth0"), b"eth");
    assert_eq!(text(2, "für"), b"f\0", "ü has two octets");
    assert_eq!(text(3, "für"), "fü".as_bytes());
    assert_eq!(text(3, "🦀"), b"\0\0\0");
    assert_eq!(text(1, ""), b"\0");
}

#[test]
fn octets_of_fixed_length_are_as_many() {
    let octets = |octets| encode(DataType::OctetArray, 2, Value::Octets(octets));
    assert_eq!(octets(b"ab").as_deref(), Ok(&b"ab"[..]));
    assert_eq!(octets(b"a"), Err(size(2)));
    assert_eq!(octets(b"abc"), Err(size(2)));
}

#[test]
fn values_of_another_type_are_refused() {
    use DataType::*;
    for (data_type, length, value) in [
        (Unsigned32, 4, Value::Signed(1)),
        (Signed32, 4, Value::Unsigned(1)),
        (Unsigned32, 4, Value::Octets(&[0; 4])),
        (Float32, 4, Value::Float64(1.0)),
        (Boolean, 1, Value::Unsigned(1)),
        (MacAddress, 6, Value::Octets(&[0; 6])),
        (String, 4, Value::Octets(b"eth0")),
        (OctetArray, 4, Value::String("eth0")),
        (Ipv4Address, 4, Value::Ipv6("::".parse().unwrap())),
        (DateTimeSeconds, 4, Value::Unsigned(1)),
    ] {
        let refused = EncodeError::Type { name: "element", data_type };
        assert_eq!(encode(data_type, length, value), Err(refused));
    }
}

#[test]
fn times_that_a_type_cannot_tell_are_refused() {
    // RFC 7011 §6.1.7 to §6.1.10.
    use DataType::*;
    let time = |data_type, seconds, nanoseconds| {
        let length = if data_type == DateTimeSeconds { 4 } else { 8 };
        encode(data_type, length, at(seconds, nanoseconds, Precision::Nanoseconds))
    };
    let refused = Err(EncodeError::Time("element"));
    for data_type in
        [DateTimeSeconds, DateTimeMilliseconds, DateTimeMicroseconds, DateTimeNanoseconds]
    {
        assert_eq!(time(data_type, -1, 0), refused);
        assert_eq!(time(data_type, 0, 1_000_000_000), refused);
        assert!(time(data_type, 0, 999_999_999).is_ok());
    }
    assert!(time(DateTimeSeconds, u32::MAX.into(), 0).is_ok());
    assert_eq!(time(DateTimeSeconds, i64::from(u32::MAX) + 1, 0), refused);
    assert_eq!(time(DateTimeMilliseconds, i64::MAX, 0), refused);
    for data_type in [DateTimeMicroseconds, DateTimeNanoseconds] {
        assert!(time(data_type, 4_233_462_143, 999_999_999).is_ok());
        assert_eq!(time(data_type, 4_233_462_144, 0), refused);
    }
}

#[test]
fn a_record_has_a_value_for_each_field() {
    let field = |data_type, length| FieldSpecifier {
        element: InformationElement { enterprise: 0, id: 82, name: "element", data_type },
        length,
    };
    let fields = vec![field(DataType::String, VARIABLE_LENGTH), field(DataType::Unsigned64, 2)];
    let template = Template::new(TemplateId::new(256).unwrap(), fields).unwrap();
    let record = template.encode(&[Value::String("lo"), Value::Unsigned(7)]);
    assert_eq!(record.as_deref(), Ok(&b"\x02lo\0\x07"[..]));
    for values in [&[][..], &[Value::String("lo")], &[Value::Unsigned(7); 3]] {
        let refused = EncodeError::FieldCount { fields: 2, values: values.len() };
        assert_eq!(template.encode(values), Err(refused));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// RFC 7011 §6.2: in any size, a number reads back as itself or is refused, and it is refused
    /// only if it does not fit.
    #[test]
    fn numbers_read_back_as_themselves(number: i64, shift in 0_u32..64, length in 1_u16..=8) {
        let signed = number >> shift;
        let limit = 1_i128 << (8 * length - 1);
        let octets = encode(DataType::Signed64, length, Value::Signed(signed));
        prop_assert_eq!(octets.is_ok(), (-limit..limit).contains(&i128::from(signed)));
        if let Ok(octets) = octets {
            let value = Value::decode(DataType::Signed64, &octets, Context::default());
            prop_assert_eq!(value, Value::Signed(signed));
        }
        let unsigned = number.cast_unsigned() >> shift;
        let octets = encode(DataType::Unsigned64, length, Value::Unsigned(unsigned));
        prop_assert_eq!(octets.is_ok(), i128::from(unsigned) < 2 * limit);
        if let Ok(octets) = octets {
            let value = Value::decode(DataType::Unsigned64, &octets, Context::default());
            prop_assert_eq!(value, Value::Unsigned(unsigned));
        }
    }

    /// RFC 7011 §6.1.6: whatever is cut off, what is left is UTF-8 and the front of what was given.
    #[test]
    fn text_stays_utf_8(characters in vec(any::<char>(), 0..20), length in 1_u16..40) {
        let text: String = characters.iter().filter(|&&character| character != '\0').collect();
        let octets = encode(DataType::String, length, Value::String(&text)).unwrap();
        prop_assert_eq!(octets.len(), usize::from(length));
        match Value::decode(DataType::String, &octets, Context::default()) {
            Value::String(read) => {
                prop_assert!(text.starts_with(read));
                let next = text[read.len()..].chars().next();
                let needed = next.map_or(usize::MAX, |next| read.len() + next.len_utf8());
                prop_assert!(needed > usize::from(length));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
