//! What records and groups are compared by.

use std::str::FromStr;

use super::filter::same_element;
use super::subject::Subject;
use super::suggest;
use crate::cli::table::Moment;
use crate::ipfix::element::DataType;
use crate::ipfix::field::Field;
use crate::ipfix::value::Value;

/// A measure of a record or of a group of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Measure {
    /// Octets of both directions.
    #[default]
    Octets,
    /// Packets of both directions.
    Packets,
    /// Records; one each, so for groups only.
    Flows,
    /// From the first packet to the last.
    Duration,
    /// Of the first packet.
    Start,
    /// Of the last packet.
    End,
    /// The value of this element; the sum of them for a group.
    Element(Field),
}

impl Measure {
    /// Whether the least comes first unless told otherwise, as people read time.
    pub(super) const fn is_ascending(self) -> bool {
        matches!(self, Self::Start | Self::End)
    }

    /// Of one record; `None` if it does not tell.
    pub(super) fn of(self, subject: &Subject<'_, '_>) -> Option<i128> {
        let facts = subject.facts;
        match self {
            Self::Octets => facts.octets().map(i128::from),
            Self::Packets => facts.packets().map(i128::from),
            Self::Flows => Some(facts.flows().into()),
            Self::Duration => facts.duration_nanoseconds.map(i128::from),
            Self::Start => facts.start.map(nanoseconds),
            Self::End => facts.end.map(nanoseconds),
            Self::Element(field) => subject
                .record
                .fields()
                .find(|(other, _)| same_element(other, &field))
                .and_then(|(_, value)| match value {
                    Value::Unsigned(number) => Some(number.into()),
                    Value::Signed(number) => Some(number.into()),
                    Value::Boolean(truth) => Some(truth.into()),
                    Value::Float32(number) => Some(order_of(number.into())),
                    Value::Float64(number) => Some(order_of(number)),
                    Value::DateTime(time) => Some(nanoseconds((time.seconds, time.nanoseconds))),
                    _ => None,
                }),
        }
    }

    /// Whether values of several records may be added.
    pub(super) const fn is_additive(self) -> bool {
        match self {
            Self::Octets | Self::Packets | Self::Flows => true,
            Self::Duration | Self::Start | Self::End => false,
            Self::Element(field) => matches!(
                field.element.data_type,
                DataType::Unsigned8
                    | DataType::Unsigned16
                    | DataType::Unsigned32
                    | DataType::Unsigned64
            ),
        }
    }
}

impl FromStr for Measure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "octets" | "bytes" => Self::Octets,
            "packets" => Self::Packets,
            "flows" => Self::Flows,
            "duration" => Self::Duration,
            "start" | "first" => Self::Start,
            "end" | "last" => Self::End,
            _ => {
                let Some(field) = suggest::element(text) else {
                    let known = ["octets", "packets", "flows", "duration", "start", "end"];
                    let hint = match suggest::closest(text, known.into_iter()) {
                        Some(known) => format!("did you mean {known}?"),
                        None => format!("one of {}, or the name of an element", known.join(", ")),
                    };
                    return Err(hint);
                };
                if !is_ordered(field.element.data_type) {
                    return Err(format!("{field} is not a number"));
                }
                Self::Element(field)
            }
        })
    }
}

const fn is_ordered(data_type: DataType) -> bool {
    !matches!(
        data_type,
        DataType::OctetArray
            | DataType::MacAddress
            | DataType::String
            | DataType::Ipv4Address
            | DataType::Ipv6Address
            | DataType::BasicList
            | DataType::SubTemplateList
            | DataType::SubTemplateMultiList
    )
}

/// A number that is ordered as floating-point numbers are (IEEE 754-2019 §5.10).
fn order_of(number: f64) -> i128 {
    let bits = number.to_bits().cast_signed();
    (bits ^ (((bits >> 63).cast_unsigned() >> 1).cast_signed())).into()
}

pub(super) fn nanoseconds((seconds, nanoseconds): Moment) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_have_names() {
        assert_eq!("bytes".parse(), Ok(Measure::Octets));
        let element = Field::by_name("tcpWindowSize").map(Measure::Element);
        assert_eq!("tcpwindowsize".parse().ok(), element);
        assert_eq!("octest".parse::<Measure>(), Err("did you mean octets?".to_owned()));
        let error = "sourceIPv4Address".parse::<Measure>();
        assert_eq!(error, Err("sourceIPv4Address is not a number".to_owned()));
    }

    #[test]
    fn floating_point_numbers_keep_their_order() {
        let numbers = [f64::NEG_INFINITY, -2.5, -0.1, 0.0, 1e-300, 0.1, 2.0, f64::INFINITY];
        assert!(numbers.map(order_of).is_sorted_by(|one, other| one < other));
    }
}
