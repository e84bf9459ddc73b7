//! Values of fields, by abstract data type (RFC 7011 §6.1).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::date_time::DateTime;
use super::element::DataType;
use super::list::{BasicList, Context, SubTemplateList, SubTemplateMultiList};

/// The value of one field; borrows from the message what has no fixed size.
///
/// `Display` writes plain text, as a table cell or a CSV column shows it; lists as JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// `octetArray`, an unsigned256 beyond 64 bits, and what cannot be read as its type: a length
    /// the type does not have, a string that is not UTF-8, a boolean other than 1 and 2.
    Octets(&'a [u8]),
    /// `unsigned8` to `unsigned256`.
    Unsigned(u64),
    /// `signed8` to `signed64`.
    Signed(i64),
    /// `float32`, and `float64` in reduced size.
    Float32(f32),
    /// `float64`.
    Float64(f64),
    /// `boolean`.
    Boolean(bool),
    /// `macAddress`.
    Mac([u8; 6]),
    /// `string`, without the NULs that fill a fixed-length field.
    String(&'a str),
    /// The four `dateTime…` types.
    DateTime(DateTime),
    /// `ipv4Address`.
    Ipv4(Ipv4Addr),
    /// `ipv6Address`.
    Ipv6(Ipv6Addr),
    /// `basicList`.
    BasicList(BasicList<'a>),
    /// `subTemplateList`.
    SubTemplateList(SubTemplateList<'a>),
    /// `subTemplateMultiList`.
    SubTemplateMultiList(SubTemplateMultiList<'a>),
}

impl<'a> Value<'a> {
    /// Reads `octets` as a value of `data_type`; falls back to [`Self::Octets`], never fails.
    ///
    /// `context` holds the Templates that structured data (RFC 6313) may refer to.
    pub fn decode(data_type: DataType, octets: &'a [u8], context: Context<'a>) -> Self {
        Self::try_decode(data_type, octets, context).unwrap_or(Self::Octets(octets))
    }

    fn try_decode(data_type: DataType, octets: &'a [u8], context: Context<'a>) -> Option<Self> {
        if !data_type.permits(u16::try_from(octets.len()).ok()?) {
            return None;
        }
        Some(match data_type {
            DataType::OctetArray => Self::Octets(octets),
            DataType::Unsigned8
            | DataType::Unsigned16
            | DataType::Unsigned32
            | DataType::Unsigned64
            | DataType::Unsigned256 => Self::Unsigned(unsigned(octets)?),
            DataType::Signed8 | DataType::Signed16 | DataType::Signed32 | DataType::Signed64 => {
                Self::Signed(signed(octets)?)
            }
            DataType::Float32 | DataType::Float64 => match octets.try_into() {
                Ok(octets) => Self::Float32(f32::from_be_bytes(octets)),
                Err(_) => Self::Float64(f64::from_be_bytes(octets.try_into().ok()?)),
            },
            // RFC 7011 §6.1.5.
            DataType::Boolean => match octets {
                [1] => Self::Boolean(true),
                [2] => Self::Boolean(false),
                _ => return None,
            },
            DataType::MacAddress => Self::Mac(octets.try_into().ok()?),
            DataType::String => {
                Self::String(std::str::from_utf8(octets).ok()?.trim_end_matches('\0'))
            }
            DataType::DateTimeSeconds => {
                let seconds = u32::from_be_bytes(octets.try_into().ok()?);
                Self::DateTime(DateTime::from_seconds(seconds))
            }
            DataType::DateTimeMilliseconds => {
                Self::DateTime(DateTime::from_milliseconds(unsigned(octets)?))
            }
            DataType::DateTimeMicroseconds => {
                Self::DateTime(DateTime::from_ntp_microseconds(unsigned(octets)?))
            }
            DataType::DateTimeNanoseconds => {
                Self::DateTime(DateTime::from_ntp_nanoseconds(unsigned(octets)?))
            }
            DataType::Ipv4Address => Self::Ipv4(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?)),
            DataType::Ipv6Address => Self::Ipv6(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)),
            DataType::BasicList => Self::BasicList(BasicList::split(octets, context)?),
            DataType::SubTemplateList => {
                Self::SubTemplateList(SubTemplateList::split(octets, context)?)
            }
            DataType::SubTemplateMultiList => {
                Self::SubTemplateMultiList(SubTemplateMultiList::split(octets, context)?)
            }
        })
    }

    /// The number, if this is an unsigned one.
    pub const fn as_unsigned(&self) -> Option<u64> {
        if let Self::Unsigned(number) = *self { Some(number) } else { None }
    }
}

/// RFC 7011 §6.1.1, §6.2: as many octets as there are; none that does not fit 64 bits.
fn unsigned(octets: &[u8]) -> Option<u64> {
    let (head, tail) = octets.split_at(octets.len().saturating_sub(8));
    if head.iter().any(|&octet| octet != 0) {
        return None;
    }
    Some(tail.iter().fold(0, |number, &octet| number << 8 | u64::from(octet)))
}

/// RFC 7011 §6.1.1, §6.2: reduced size keeps the sign.
fn signed(octets: &[u8]) -> Option<i64> {
    let &first = octets.first()?;
    let sign = i64::from(first.cast_signed()) >> 7;
    Some(octets.iter().fold(sign, |number, &octet| number << 8 | i64::from(octet)))
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Octets(octets) => Hexadecimal(octets).fmt(f),
            Self::Unsigned(number) => number.fmt(f),
            Self::Signed(number) => number.fmt(f),
            Self::Float32(number) => number.fmt(f),
            Self::Float64(number) => number.fmt(f),
            Self::Boolean(truth) => truth.fmt(f),
            Self::Mac(address) => MacAddress(*address).fmt(f),
            Self::String(text) => f.write_str(text),
            Self::DateTime(time) => time.fmt(f),
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6(address) => address.fmt(f),
            Self::BasicList(_) | Self::SubTemplateList(_) | Self::SubTemplateMultiList(_) => {
                f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
            }
        }
    }
}

/// Octets as hexadecimal digits without separators.
#[derive(Clone, Copy, Debug)]
pub struct Hexadecimal<'a>(pub &'a [u8]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// A MAC address in the usual notation, `02:00:5e:00:53:01`.
#[derive(Clone, Copy, Debug)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(data_type: DataType, octets: &[u8]) -> Value<'_> {
        Value::decode(data_type, octets, Context::default())
    }

    #[test]
    fn every_fixed_type_at_full_size() {
        // RFC 5471 §3.2.1.
        use DataType::*;
        for (data_type, octets, expected) in [
            (OctetArray, &b"\x00\xff"[..], "00ff"),
            (Unsigned8, b"\xff", "255"),
            (Unsigned16, b"\x01\x02", "258"),
            (Unsigned32, b"\xff\xff\xff\xff", "4294967295"),
            (Unsigned64, b"\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
            (Signed8, b"\x80", "-128"),
            (Signed16, b"\xff\xfe", "-2"),
            (Signed32, b"\x7f\xff\xff\xff", "2147483647"),
            (Signed64, b"\x80\0\0\0\0\0\0\0", "-9223372036854775808"),
            (Float32, b"\x3d\xcc\xcc\xcd", "0.1"),
            (Float64, b"\x3f\xb9\x99\x99\x99\x99\x99\x9a", "0.1"),
            (Boolean, b"\x01", "true"),
            (Boolean, b"\x02", "false"),
            (MacAddress, b"\x02\x00\x5e\x00\x53\x01", "02:00:5e:00:53:01"),
            (String, "für".as_bytes(), "für"),
            (String, b"eth0\0\0\0", "eth0"),
            (DateTimeSeconds, b"\0\0\0\x01", "1970-01-01T00:00:01Z"),
            (DateTimeMilliseconds, b"\0\0\0\0\0\0\0\x01", "1970-01-01T00:00:00.001Z"),
            (DateTimeMicroseconds, b"\x83\xaa\x7e\x80\x80\0\0\0", "1970-01-01T00:00:00.500000Z"),
            (DateTimeNanoseconds, b"\x83\xaa\x7e\x80\0\0\0\x04", "1970-01-01T00:00:00.000000001Z"),
            (Ipv4Address, b"\xc0\x00\x02\x01", "192.0.2.1"),
            (Ipv6Address, b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", "2001:db8::1"),
        ] {
            assert_eq!(decode(data_type, octets).to_string(), expected, "{data_type:?}");
        }
    }

    #[test]
    fn reduced_size_keeps_value_and_sign() {
        // RFC 7011 §6.2, RFC 5471 §3.3.2.
        assert_eq!(decode(DataType::Unsigned64, b"\x01\x00\x00"), Value::Unsigned(65_536));
        assert_eq!(decode(DataType::Signed64, b"\xff\xff\xfe"), Value::Signed(-2));
        assert_eq!(decode(DataType::Signed32, b"\x7f"), Value::Signed(127));
        assert_eq!(decode(DataType::Float64, b"\x40\x20\0\0"), Value::Float32(2.5));
        assert_eq!(decode(DataType::Unsigned256, b"\x02"), Value::Unsigned(2));
        let mut long = [0; 32];
        long[31] = 9;
        assert_eq!(decode(DataType::Unsigned256, &long), Value::Unsigned(9));
        long[0] = 1;
        assert_eq!(decode(DataType::Unsigned256, &long), Value::Octets(&long));
    }

    #[test]
    fn what_cannot_be_the_type_stays_octets() {
        // RFC 7011 §6.1.5, §6.1.6, §6.2; RFC 5471 §3.6.5.
        for (data_type, octets) in [
            (DataType::Boolean, &b"\x00"[..]),
            (DataType::Boolean, b"\x00\x01"),
            (DataType::String, b"\xff\xfe"),
            (DataType::Ipv4Address, b"\x0a\x00\x01"),
            (DataType::Ipv6Address, b"\x0a\x00\x00\x01"),
            (DataType::MacAddress, b"\x01\x02\x03\x04\x05\x06\x07\x08"),
            (DataType::DateTimeMilliseconds, b"\x01\x02\x03\x04"),
            (DataType::Unsigned8, b"\x00\x01"),
            (DataType::Unsigned32, b""),
            (DataType::Signed16, b""),
            (DataType::Float32, b"\x00\x01"),
            (DataType::BasicList, b"\x03\x00"),
        ] {
            assert_eq!(decode(data_type, octets), Value::Octets(octets), "{data_type:?}");
        }
    }
}
