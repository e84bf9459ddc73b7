//! Values as people write them.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

use crate::cli::table::{Moment, names};
use crate::flow::{Network, NetworkError};

/// A number of things: `1500`, `10k`, `1.5M`, `2G`; powers of 1000, as on the wire.
pub(super) fn count(text: &str) -> Option<u64> {
    scaled(text, |unit| {
        Some(match unit {
            "" => 1,
            "k" | "K" => 1_000,
            "m" | "M" => 1_000_000,
            "g" | "G" => 1_000_000_000,
            "t" | "T" => 1_000_000_000_000,
            _ => return None,
        })
    })
}

/// Nanoseconds of a duration: `10s`, `1.5ms`, `2h`; not without a unit.
pub(super) fn duration(text: &str) -> Option<u64> {
    scaled(text, |unit| {
        DURATION_UNITS.iter().find(|(name, _)| *name == unit).map(|&(_, nanoseconds)| nanoseconds)
    })
}

/// Units of durations in nanoseconds, the largest first, and the preferred name of each first.
pub(super) const DURATION_UNITS: [(&str, u64); 9] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// A decimal number and the factor that its unit stands for, exactly.
fn scaled(text: &str, factor: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '_')).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let factor = u128::from(factor(unit)?);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if !whole.starts_with(|c: char| c.is_ascii_digit()) || number.ends_with(['.', '_']) {
        return None;
    }
    let mut value = digits(whole)?.checked_mul(factor)?;
    if !fraction.is_empty() {
        let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let part = digits(fraction)?.checked_mul(factor)?;
        if part % scale != 0 {
            return None;
        }
        value = value.checked_add(part / scale)?;
    }
    u64::try_from(value).ok()
}

fn digits(text: &str) -> Option<u128> {
    text.chars().filter(|&c| c != '_').try_fold(0_u128, |number, digit| {
        number.checked_mul(10)?.checked_add(digit.to_digit(10)?.into())
    })
}

/// A plain number; hexadecimal with `0x`.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()
        }
        Some(_) => None,
        None => count(text),
    }
}

pub(super) fn port(text: &str) -> Option<u64> {
    count(text).filter(|&number| number <= u16::MAX.into())
}

/// A number that fits in an octet.
pub(super) fn octet(text: &str) -> Option<u64> {
    number(text).filter(|&number| number <= u8::MAX.into())
}

pub(super) fn code_point(text: &str) -> Option<u64> {
    number(text).filter(|&number| number < 64)
}

pub(super) fn protocol(text: &str) -> Option<u64> {
    octet(text).or_else(|| names::protocol_number(text))
}

pub(super) fn end_reason(text: &str) -> Option<u64> {
    octet(text).or_else(|| names::end_reason_number(text))
}

pub(super) fn vlan(text: &str) -> Option<u64> {
    count(text).filter(|&number| number <= 4_095)
}

/// Letters of `names::tcp_flags`, dots among them ignored, or a number.
pub(super) fn flags(text: &str) -> Option<u64> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return number(text).filter(|&bits| bits <= u16::MAX.into());
    }
    text.chars().try_fold(0, |bits, letter| {
        let bit = match letter.to_ascii_uppercase() {
            'F' => 0x01,
            'S' => 0x02,
            'R' => 0x04,
            'P' => 0x08,
            'A' => 0x10,
            'U' => 0x20,
            'E' => 0x40,
            'C' | 'W' => 0x80,
            '.' => 0,
            _ => return None,
        };
        Some(bits | bit)
    })
}

/// An address, or a prefix: `10.0.0.0/8`, `10/8`, `192.168` (which is a /16), `2001:db8::/32`.
pub(super) fn prefix(text: &str) -> Result<Network, NetworkError> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    match (short_v4(address), length) {
        (Some((address, _)), Some(length)) => format!("{address}/{length}").parse(),
        (Some((address, length)), None) => format!("{address}/{length}").parse(),
        (None, _) => text.parse(),
    }
}

/// One to three of the numbers of an IPv4 address.
fn short_v4(text: &str) -> Option<(Ipv4Addr, u8)> {
    let mut octets = [0; 4];
    let mut length: u8 = 0;
    for part in text.split('.') {
        let is_number = !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
        *octets.get_mut(usize::from(length / 8))? =
            if is_number { part.parse().ok()? } else { None? };
        length += 8;
    }
    Some((octets.into(), length))
}

/// `02:00:5e:00:53:01`, also with dashes.
pub(super) fn mac(text: &str) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    let mut parts = text.split([':', '-']);
    for octet in &mut octets {
        let part = parts.next()?;
        let is_hexadecimal = part.bytes().all(|c| c.is_ascii_hexdigit());
        if !is_hexadecimal || !matches!(part.len(), 1 | 2) {
            return None;
        }
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

/// Hexadecimal digits, two an octet, `0x` before them or not.
pub(super) fn octets(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() || digits.is_empty() {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

/// RFC 3339; without offset it is UTC, as everywhere in our output, and a date alone is midnight.
pub(super) fn time(text: &str) -> Option<Moment> {
    let moment = |time: Timestamp| {
        let nanoseconds = time.as_nanosecond();
        let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).ok()?;
        Some((seconds, u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).ok()?))
    };
    // Brackets (RFC 9557) would name a time zone, of which there are none here.
    if text.contains('[') {
        return None;
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return moment(time);
    }
    // With an offset it must have been one of those.
    let clock = text.split_once(['T', 't', ' ']).map_or("", |(_, clock)| clock);
    if clock.contains(['+', '-', 'z', 'Z']) {
        return None;
    }
    let civil: civil::DateTime = text.parse().ok()?;
    moment(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
