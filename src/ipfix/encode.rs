//! Values into Data Records (RFC 7011 §6, §7): the way back from [`Value::decode`].

use crate::ipfix::date_time::{DateTime, ntp_microseconds, ntp_nanoseconds};
use crate::ipfix::element::DataType;
use crate::ipfix::template::{FieldSpecifier, Template};
use crate::ipfix::value::Value;

impl Template {
    /// The octets of one Data Record with these values, one for each field in order.
    ///
    /// Integers keep their value in whatever size the Template gives them (RFC 7011 §6.2). A
    /// string is cut between characters to fit a field of fixed length, and filled with NULs. A
    /// time is cut to the unit of its field.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] for a value that is not of the type of its field or does not fit it: what is
    /// sent is never another number than what was meant.
    pub fn encode(&self, values: &[Value<'_>]) -> Result<Vec<u8>, EncodeError> {
        let fields = self.fields();
        if fields.len() != values.len() {
            return Err(EncodeError::FieldCount { fields: fields.len(), values: values.len() });
        }
        let mut record = Vec::with_capacity(self.record_length());
        for (field, value) in fields.iter().zip(values) {
            encode_value(field, value, &mut record)?;
        }
        Ok(record)
    }
}

/// Why values do not make a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// There are more or fewer values than fields.
    #[error("a template of {fields} fields cannot take {values} values")]
    FieldCount {
        /// Fields of the Template.
        fields: usize,
        /// Values given.
        values: usize,
    },
    /// The value is of another type.
    #[error("{name} takes a value of type {data_type:?}")]
    Type {
        /// Name of the element.
        name: &'static str,
        /// Its abstract data type.
        data_type: DataType,
    },
    /// The value needs more room, or octets of a fixed number are not as many.
    #[error("the value of {name} does not fit {length} octets")]
    Size {
        /// Name of the element.
        name: &'static str,
        /// Octets there are.
        length: u16,
    },
    /// The time is before or after what its type can tell.
    #[error("{0} cannot tell this time")]
    Time(&'static str),
}

fn encode_value(
    field: &FieldSpecifier,
    value: &Value<'_>,
    record: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let &FieldSpecifier { element, length } = field;
    let (name, data_type) = (element.name, element.data_type);
    let size = EncodeError::Size { name, length };
    match (data_type, *value) {
        (DataType::OctetArray, Value::Octets(octets)) if field.is_variable() => {
            put_variable(octets, record).ok_or(size)?;
        }
        (DataType::OctetArray | DataType::Unsigned256, Value::Octets(octets)) => {
            if octets.len() != usize::from(length) {
                return Err(size);
            }
            record.extend_from_slice(octets);
        }
        (
            DataType::Unsigned8
            | DataType::Unsigned16
            | DataType::Unsigned32
            | DataType::Unsigned64
            | DataType::Unsigned256,
            Value::Unsigned(number),
        ) => put_number(number.to_be_bytes(), 0, length, record).ok_or(size)?,
        (
            DataType::Signed8 | DataType::Signed16 | DataType::Signed32 | DataType::Signed64,
            Value::Signed(number),
        ) => put_signed(number, length, record).ok_or(size)?,
        (DataType::Float32, Value::Float32(number)) => {
            record.extend_from_slice(&number.to_be_bytes());
        }
        (DataType::Float64, Value::Float32(number)) if length == 4 => {
            record.extend_from_slice(&number.to_be_bytes());
        }
        (DataType::Float64, Value::Float32(number)) => {
            record.extend_from_slice(&f64::from(number).to_be_bytes());
        }
        (DataType::Float64, Value::Float64(number)) if length == 4 => {
            record.extend_from_slice(&reduce(number).ok_or(size)?.to_be_bytes());
        }
        (DataType::Float64, Value::Float64(number)) => {
            record.extend_from_slice(&number.to_be_bytes());
        }
        // RFC 7011 §6.1.5.
        (DataType::Boolean, Value::Boolean(truth)) => record.push(if truth { 1 } else { 2 }),
        (DataType::MacAddress, Value::Mac(address)) => record.extend_from_slice(&address),
        (DataType::String, Value::String(text)) if field.is_variable() => {
            put_variable(text.as_bytes(), record).ok_or(size)?;
        }
        (DataType::String, Value::String(text)) => put_text(text, length, record),
        (
            DataType::DateTimeSeconds
            | DataType::DateTimeMilliseconds
            | DataType::DateTimeMicroseconds
            | DataType::DateTimeNanoseconds,
            Value::DateTime(time),
        ) => put_time(data_type, time, record).ok_or(EncodeError::Time(name))?,
        (DataType::Ipv4Address, Value::Ipv4(address)) => {
            record.extend_from_slice(&address.octets());
        }
        (DataType::Ipv6Address, Value::Ipv6(address)) => {
            record.extend_from_slice(&address.octets());
        }
        _ => return Err(EncodeError::Type { name, data_type }),
    }
    Ok(())
}

/// RFC 7011 §7: one octet of length, or 255 and two more.
fn put_variable(octets: &[u8], record: &mut Vec<u8>) -> Option<()> {
    match u8::try_from(octets.len()) {
        Ok(length) if length < 255 => record.push(length),
        _ => {
            let length = u16::try_from(octets.len()).ok()?;
            record.push(255);
            record.extend_from_slice(&length.to_be_bytes());
        }
    }
    record.extend_from_slice(octets);
    Some(())
}

/// RFC 7011 §6.1.6: no half character, as that would not be UTF-8.
fn put_text(text: &str, length: u16, record: &mut Vec<u8>) {
    let length = usize::from(length);
    let end = record.len() + length;
    let kept = (0..=length.min(text.len())).rev().find_map(|kept| text.get(..kept));
    record.extend_from_slice(kept.unwrap_or_default().as_bytes());
    record.resize(end, 0);
}

/// RFC 7011 §6.2: as many octets as the field has, if the others are but `filling`.
fn put_number(octets: [u8; 8], filling: u8, length: u16, record: &mut Vec<u8>) -> Option<()> {
    let length = usize::from(length);
    let (head, tail) = octets.split_at(octets.len().saturating_sub(length));
    if head.iter().any(|&octet| octet != filling) {
        return None;
    }
    record.resize(record.len() + (length - tail.len()), filling);
    record.extend_from_slice(tail);
    Some(())
}

/// RFC 7011 §6.2: the sign is the highest bit of what is left.
fn put_signed(number: i64, length: u16, record: &mut Vec<u8>) -> Option<()> {
    let bits = 8 * u32::from(length);
    let magnitude = if number < 0 { !number } else { number };
    if magnitude.leading_zeros() + bits <= i64::BITS {
        return None;
    }
    put_number(number.to_be_bytes(), if number < 0 { 0xff } else { 0 }, length, record)
}

/// RFC 7011 §6.2: fewer digits are what a smaller float means, another magnitude is not.
#[expect(clippy::cast_possible_truncation, reason = "what becomes infinite or zero is refused")]
fn reduce(number: f64) -> Option<f32> {
    let reduced = number as f32;
    (reduced.is_finite() == number.is_finite() && (reduced == 0.0) == (number == 0.0))
        .then_some(reduced)
}

/// RFC 7011 §6.1.7 to §6.1.10.
fn put_time(data_type: DataType, time: DateTime, record: &mut Vec<u8>) -> Option<()> {
    let seconds = u64::try_from(time.seconds).ok()?;
    // Readers give no such thing, but the fields of a DateTime are open to all.
    if time.nanoseconds >= 1_000_000_000 {
        return None;
    }
    let octets = match data_type {
        DataType::DateTimeSeconds => {
            record.extend_from_slice(&u32::try_from(seconds).ok()?.to_be_bytes());
            return Some(());
        }
        DataType::DateTimeMilliseconds => {
            seconds.checked_mul(1_000)?.checked_add(u64::from(time.nanoseconds / 1_000_000))?
        }
        // What readers take for another era is not told.
        _ if seconds >= END_OF_NTP => return None,
        DataType::DateTimeMicroseconds => ntp_microseconds(seconds, time.nanoseconds),
        _ => ntp_nanoseconds(seconds, time.nanoseconds),
    };
    record.extend_from_slice(&octets.to_be_bytes());
    Some(())
}

/// 2104-02-26T09:42:24Z: from here on, NTP time would be read as one from 1968 on, by the reader of
/// [`DateTime::from_ntp_nanoseconds`] as by others (RFC 5905 §6).
const END_OF_NTP: u64 = (1 << 32) + (1 << 31) - 2_208_988_800;

#[cfg(test)]
mod tests;
