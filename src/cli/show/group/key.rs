//! What records have in common.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::cli::show::filter::same_element;
use crate::cli::show::subject::{Subject, printable};
use crate::cli::show::suggest;
use crate::cli::table::names;
use crate::flow::masked;
use crate::ipfix::date_time::{DateTime, Precision};
use crate::ipfix::field::Field;
use crate::ipfix::value::{Hexadecimal, MacAddress, Value};

/// One key of groups.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Key {
    /// An address.
    Address(Which),
    /// A network: an address with so many bits, of IPv4 and of IPv6.
    Network(Which, u8, u8),
    /// A transport port.
    Port(Which),
    /// A MAC address.
    Mac(Which),
    /// The port of the destination and its protocol.
    Service,
    /// The protocol in IP.
    Protocol,
    /// IP version.
    Version,
    /// The outermost VLAN id.
    Vlan,
    /// The interface of ingress, or that of egress.
    Interface(Which),
    /// Observation Domain.
    Domain,
    /// Why the flow ended.
    EndReason,
    /// When it began, in seconds.
    Time(Unit),
    /// The value of an element, the first if there are several.
    Element(Field),
}

/// Which end of a flow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Which {
    /// The source.
    Source,
    /// The destination.
    Destination,
    /// Both count.
    Either,
}

/// The end of which [`Which::Either`] is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Source,
    Destination,
}

/// A span of time, aligned in UTC.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Unit {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
}

/// The value of a key in a record.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(in crate::cli::show) enum KeyValue {
    Absent,
    Unsigned(u64),
    Signed(i64),
    Address(IpAddr),
    Network(IpAddr, u8),
    Mac([u8; 6]),
    Protocol(u64),
    Service(u64, Option<u64>),
    EndReason(u64),
    Boolean(bool),
    /// Seconds since 1970.
    Time(i64, Unit),
    Text(Box<str>),
    Octets(Box<[u8]>),
}

impl Key {
    /// Whether a record may count in two groups.
    pub(super) const fn is_of_either_end(&self) -> bool {
        matches!(
            self,
            Self::Address(Which::Either)
                | Self::Network(Which::Either, ..)
                | Self::Port(Which::Either)
                | Self::Mac(Which::Either)
                | Self::Interface(Which::Either)
        )
    }

    /// Whether groups are spans of time, which people read in their order.
    pub(in crate::cli) const fn is_time(&self) -> bool {
        matches!(self, Self::Time(_))
    }

    /// Whether values stand to the right of their columns.
    pub(super) const fn is_number(&self) -> bool {
        matches!(self, Self::Port(_) | Self::Version | Self::Vlan | Self::Domain)
    }

    pub(super) fn value(&self, subject: &Subject<'_, '_>, side: Side) -> KeyValue {
        let facts = subject.facts;
        let known = |value: Option<KeyValue>| value.unwrap_or(KeyValue::Absent);
        match *self {
            Self::Address(which) => {
                let address = which.of(side, facts.source, facts.destination);
                known(address.map(KeyValue::Address))
            }
            Self::Network(which, v4, v6) => {
                let address = which.of(side, facts.source, facts.destination);
                known(address.map(|address| {
                    let length = if address.is_ipv4() { v4 } else { v6 };
                    KeyValue::Network(masked(address, length), length)
                }))
            }
            Self::Port(which) => {
                let port = which.of(side, facts.source_port, facts.destination_port);
                known(port.map(KeyValue::Unsigned))
            }
            Self::Mac(which) => {
                known(which.of(side, facts.source_mac, facts.destination_mac).map(KeyValue::Mac))
            }
            Self::Service => {
                known(facts.destination_port.map(|port| KeyValue::Service(port, facts.protocol)))
            }
            Self::Protocol => known(facts.protocol.map(KeyValue::Protocol)),
            Self::Version => known(facts.version().map(KeyValue::Unsigned)),
            Self::Vlan => known(facts.vlan.or(facts.inner_vlan).map(KeyValue::Unsigned)),
            Self::Interface(which) => {
                let number = which.of(side, facts.ingress, facts.egress);
                known(number.map(|number| match subject.interface_name(number) {
                    Some(name) => KeyValue::Text(name.into()),
                    None => KeyValue::Unsigned(number),
                }))
            }
            Self::Domain => {
                known(subject.observation_domain().map(|domain| KeyValue::Unsigned(domain.into())))
            }
            Self::EndReason => known(facts.end_reason.map(KeyValue::EndReason)),
            Self::Time(unit) => known(facts.start.map(|(seconds, _)| {
                KeyValue::Time(seconds.saturating_sub(seconds.rem_euclid(unit.seconds())), unit)
            })),
            Self::Element(field) => {
                let mut fields = subject.record.fields();
                let value = fields.find(|(other, _)| same_element(other, &field));
                known(value.map(|(_, value)| KeyValue::of(&value)))
            }
        }
    }
}

impl Which {
    fn of<T>(self, side: Side, source: T, destination: T) -> T {
        match (self, side) {
            (Self::Source, _) | (Self::Either, Side::Source) => source,
            (Self::Destination, _) | (Self::Either, Side::Destination) => destination,
        }
    }
}

impl Unit {
    const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

impl KeyValue {
    fn of(value: &Value<'_>) -> Self {
        match *value {
            Value::Octets(octets) => Self::Octets(octets.into()),
            Value::Unsigned(number) => Self::Unsigned(number),
            Value::Signed(number) => Self::Signed(number),
            Value::Boolean(truth) => Self::Boolean(truth),
            Value::Mac(address) => Self::Mac(address),
            Value::String(text) => Self::Text(text.into()),
            Value::Ipv4(address) => Self::Address(address.into()),
            Value::Ipv6(address) => Self::Address(address.into()),
            Value::Float32(_)
            | Value::Float64(_)
            | Value::DateTime(_)
            | Value::BasicList(_)
            | Value::SubTemplateList(_)
            | Value::SubTemplateMultiList(_) => Self::Text(value.to_string().into()),
        }
    }

    /// Octets that it takes beside its own size.
    pub(super) fn text(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Octets(octets) => octets.len(),
            _ => 0,
        }
    }

    /// As in a table for people.
    pub(super) fn for_table(&self) -> String {
        match self {
            Self::Absent => "none".to_owned(),
            Self::Text(text) => printable(text),
            Self::Time(seconds, unit) => {
                let time = time(*seconds);
                let ((year, month, day), (hour, minute, _)) = (time.date(), time.time());
                match unit {
                    Unit::Day => format!("{year:04}-{month:02}-{day:02}"),
                    _ => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"),
                }
            }
            other => other.to_string(),
        }
    }
}

impl Display for KeyValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => Ok(()),
            Self::Unsigned(number) => number.fmt(f),
            Self::Signed(number) => number.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Network(address, length) => write!(f, "{address}/{length}"),
            Self::Mac(address) => MacAddress(*address).fmt(f),
            Self::Protocol(number) => f.write_str(&names::protocol(*number)),
            Self::Service(port, None) => port.fmt(f),
            Self::Service(port, Some(protocol)) => {
                write!(f, "{port}/{}", names::protocol(*protocol).to_ascii_lowercase())
            }
            Self::EndReason(number) => f.write_str(&names::end_reason(*number)),
            Self::Boolean(truth) => truth.fmt(f),
            Self::Time(seconds, _) => time(*seconds).fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Octets(octets) => Hexadecimal(octets).fmt(f),
        }
    }
}

impl Serialize for KeyValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => serializer.serialize_none(),
            Self::Unsigned(number) => serializer.serialize_u64(*number),
            Self::Signed(number) => serializer.serialize_i64(*number),
            Self::Boolean(truth) => serializer.serialize_bool(*truth),
            other => serializer.collect_str(other),
        }
    }
}

fn time(seconds: i64) -> DateTime {
    DateTime { seconds, nanoseconds: 0, precision: Precision::Seconds }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = text.to_ascii_lowercase();
        if let Some((_, key)) = KEYS.iter().find(|(name, _)| *name == word) {
            return Ok(*key);
        }
        if let Some((name, lengths)) = word.split_once('/')
            && let Some((_, which)) = NETWORKS.iter().find(|(known, _)| *known == name)
        {
            let (v4, v6) =
                lengths.split_once('/').map_or((lengths, None), |(v4, v6)| (v4, Some(v6)));
            let length =
                |text: &str, most: u8| text.parse().ok().filter(|&length: &u8| length <= most);
            let v6 = v6.map_or(Some(USUAL_V6_NETWORK), |v6| length(v6, 128));
            return match (length(v4, 32), v6) {
                (Some(v4), Some(v6)) => Ok(Self::Network(*which, v4, v6)),
                _ => Err(format!(
                    "a prefix of IPv4 has 0 to 32 bits, one of IPv6 0 to 128: {name}/24/48"
                )),
            };
        }
        if let Some((name, _)) = NETWORKS.iter().find(|(name, _)| *name == word) {
            return Err(format!("how many bits? {name}/24, or {name}/24/48 for IPv4 and IPv6"));
        }
        if let Some(field) = suggest::element(text) {
            return Ok(Self::Element(field));
        }
        let known = || KEYS.iter().map(|(name, _)| *name);
        Err(match suggest::closest(text, known()) {
            Some(known) => format!("did you mean {known}?"),
            None => {
                let known: Vec<_> = known().collect();
                format!(
                    "one of {}, srcnet/24, dstnet/24, net/24, or the name of an element",
                    known.join(", ")
                )
            }
        })
    }
}

impl Display for Key {
    /// The name that is parsed into the same key.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Self::Network(which, v4, v6) = self {
            let name =
                NETWORKS.iter().find(|(_, known)| known == which).map_or("", |(name, _)| name);
            write!(f, "{name}/{v4}")?;
            return if *v6 == USUAL_V6_NETWORK { Ok(()) } else { write!(f, "/{v6}") };
        }
        if let Self::Element(field) = self {
            return field.fmt(f);
        }
        f.write_str(KEYS.iter().find(|(_, key)| key == self).map_or("", |(name, _)| name))
    }
}

/// Names of keys; of several for one the first is the one that is shown.
const KEYS: &[(&str, Key)] = &[
    ("src", Key::Address(Which::Source)),
    ("dst", Key::Address(Which::Destination)),
    ("host", Key::Address(Which::Either)),
    ("srcport", Key::Port(Which::Source)),
    ("dstport", Key::Port(Which::Destination)),
    ("port", Key::Port(Which::Either)),
    ("service", Key::Service),
    ("proto", Key::Protocol),
    ("version", Key::Version),
    ("vlan", Key::Vlan),
    ("srcmac", Key::Mac(Which::Source)),
    ("dstmac", Key::Mac(Which::Destination)),
    ("mac", Key::Mac(Which::Either)),
    ("srcinterface", Key::Interface(Which::Source)),
    ("dstinterface", Key::Interface(Which::Destination)),
    ("interface", Key::Interface(Which::Either)),
    ("domain", Key::Domain),
    ("reason", Key::EndReason),
    ("minute", Key::Time(Unit::Minute)),
    ("hour", Key::Time(Unit::Hour)),
    ("day", Key::Time(Unit::Day)),
];

const NETWORKS: &[(&str, Which)] =
    &[("srcnet", Which::Source), ("dstnet", Which::Destination), ("net", Which::Either)];

/// Bits of a network of IPv6, if only those of IPv4 are said: one link (RFC 4291 §2.5.1).
const USUAL_V6_NETWORK: u8 = 64;
