//! Whether an expression is true of a flow.

use std::net::IpAddr;

use super::expression::{ElementTest, End, Expression, Flags, Interface, Numbers, Test};
use crate::cli::show::subject::Subject;
use crate::cli::table::{Facts, Side};
use crate::flow::Network;
use crate::ipfix::field::Field;
use crate::ipfix::value::Value;

pub(super) fn holds(expression: &Expression, subject: &Subject<'_, '_>) -> bool {
    match expression {
        Expression::And(terms) => terms.iter().all(|term| holds(term, subject)),
        Expression::Or(terms) => terms.iter().any(|term| holds(term, subject)),
        Expression::Not(term) => !holds(term, subject),
        Expression::Test(test) => holds_test(test, subject),
    }
}

fn holds_test(test: &Test, subject: &Subject<'_, '_>) -> bool {
    let facts = subject.facts;
    match test {
        Test::Address(end, prefixes) => {
            let lies_in = |address: Option<IpAddr>| {
                address
                    .is_some_and(|address| prefixes.iter().any(|prefix| prefix.contains(address)))
            };
            end.holds(|| lies_in(facts.source), || lies_in(facts.destination))
        }
        Test::Port(end, numbers) => {
            of_ends(*end, facts.source_port, facts.destination_port, numbers)
        }
        Test::Protocol(numbers) => numbers.hold(facts.protocol),
        Test::Version(version) => facts.version() == Some(*version),
        // vlanId (IE 58) is zero in records of frames without a tag.
        Test::Vlan(None) => facts.vlan.is_some_and(|vlan| vlan != 0) || facts.inner_vlan.is_some(),
        Test::Vlan(Some(numbers)) => numbers.hold(facts.vlan.into_iter().chain(facts.inner_vlan)),
        Test::Mac(end, addresses) => {
            let is_wanted = |mac: Option<[u8; 6]>| mac.is_some_and(|mac| addresses.contains(&mac));
            end.holds(|| is_wanted(facts.source_mac), || is_wanted(facts.destination_mac))
        }
        Test::Interface(end, Interface::Number(numbers)) => {
            of_ends(*end, facts.ingress, facts.egress, numbers)
        }
        Test::Interface(end, Interface::Name(name)) => {
            let is_called = |number: Option<u64>| {
                number.and_then(|number| subject.interface_name(number)) == Some(name.as_str())
            };
            end.holds(|| is_called(facts.ingress), || is_called(facts.egress))
        }
        Test::Flags(end, flags) => {
            let are_set =
                |side: &Side| facts.tcp_flags(side).is_some_and(|bits| flags.are_in(bits));
            end.holds(|| are_set(&facts.forward), || are_set(&facts.reverse))
        }
        Test::Packets(end, numbers) => {
            numbers.hold(directed(*end, facts, Side::packets, Facts::packets))
        }
        Test::Octets(end, numbers) => {
            numbers.hold(directed(*end, facts, Side::octets, Facts::octets))
        }
        Test::Duration(numbers) => numbers.hold(facts.duration_nanoseconds),
        Test::Start(comparison, time) => {
            facts.start.is_some_and(|start| comparison.holds(&start, time))
        }
        Test::EndTime(comparison, time) => {
            facts.end.is_some_and(|end| comparison.holds(&end, time))
        }
        Test::EndReason(numbers) => numbers.hold(facts.end_reason),
        Test::TypeOfService(end, numbers) => {
            let of = |side: &Side| side.class_of_service;
            of_ends(*end, of(&facts.forward), of(&facts.reverse), numbers)
        }
        Test::CodePoint(end, numbers) => {
            let of = |side: &Side| side.class_of_service.map(|octet| octet >> 2);
            of_ends(*end, of(&facts.forward), of(&facts.reverse), numbers)
        }
        Test::Domain(numbers) => numbers.hold(subject.observation_domain().map(u64::from)),
        Test::Element(field, test) => holds_element(field, test, subject),
        Test::Exists(field) => {
            let is_it = |other: &Field| same_element(other, field);
            subject.record.template().fields().iter().any(|field| is_it(&field.field))
        }
    }
}

fn holds_element(field: &Field, test: &ElementTest, subject: &Subject<'_, '_>) -> bool {
    // Usually one, if any; none of our own records has more than three of an element.
    let mut values = [const { None }; MAXIMUM_REPETITIONS];
    let mut length = 0;
    let found = subject.record.fields().filter(|(other, _)| same_element(other, field));
    for ((_, value), place) in found.zip(&mut values) {
        *place = Some(value);
        length += 1;
    }
    let values = values.get(..length).unwrap_or_default();
    let some = |is_right: &dyn Fn(&Value<'_>) -> bool| values.iter().flatten().any(is_right);
    match test {
        ElementTest::Unsigned(numbers) => {
            numbers.hold(values.iter().flatten().filter_map(Value::as_unsigned))
        }
        ElementTest::Signed(comparison, wanted) => some(
            &|value| matches!(value, Value::Signed(number) if comparison.holds(number, wanted)),
        ),
        ElementTest::Float(comparison, wanted) => some(&|value| match *value {
            // As many digits as were sent: 0.1 is 0.1.
            #[expect(clippy::cast_possible_truncation, reason = "compared in the lesser precision")]
            Value::Float32(number) => comparison.holds(&number, &(*wanted as f32)),
            Value::Float64(number) => comparison.holds(&number, wanted),
            _ => false,
        }),
        ElementTest::Boolean(wanted) => {
            some(&|value| matches!(value, Value::Boolean(truth) if truth == wanted))
        }
        ElementTest::Time(comparison, wanted) => some(&|value| match value {
            Value::DateTime(time) => comparison.holds(&(time.seconds, time.nanoseconds), wanted),
            _ => false,
        }),
        ElementTest::Address(one_of) => {
            one_of.hold(values, |value, network: &Network| match *value {
                Some(Value::Ipv4(address)) => network.contains(address.into()),
                Some(Value::Ipv6(address)) => network.contains(address.into()),
                _ => false,
            })
        }
        ElementTest::Mac(one_of) => one_of
            .hold(values, |value, wanted| matches!(value, Some(Value::Mac(mac)) if mac == wanted)),
        ElementTest::Text(one_of) => one_of.hold(
            values,
            |value, wanted| matches!(value, Some(Value::String(text)) if text == wanted),
        ),
        ElementTest::Octets(one_of) => one_of.hold(
            values,
            |value, wanted| matches!(value, Some(Value::Octets(octets)) if octets == wanted),
        ),
    }
}

impl End {
    fn holds(self, source: impl Fn() -> bool, destination: impl Fn() -> bool) -> bool {
        match self {
            Self::Source => source(),
            Self::Destination => destination(),
            Self::Either => source() || destination(),
            Self::Both => source() && destination(),
        }
    }
}

impl Flags {
    const fn are_in(self, bits: u64) -> bool {
        if self.is_exact { bits == self.bits } else { bits & self.bits == self.bits }
    }
}

fn of_ends(end: End, source: Option<u64>, destination: Option<u64>, numbers: &Numbers) -> bool {
    match end {
        End::Source => numbers.hold(source),
        End::Destination => numbers.hold(destination),
        // Together, for `!=` is of all.
        End::Either => numbers.hold(source.into_iter().chain(destination)),
        End::Both => numbers.hold(source) && numbers.hold(destination),
    }
}

fn directed(
    end: End,
    facts: &Facts,
    of_side: fn(&Side) -> Option<u64>,
    of_both: fn(&Facts) -> Option<u64>,
) -> Option<u64> {
    match end {
        End::Source => of_side(&facts.forward),
        End::Destination => of_side(&facts.reverse),
        End::Either | End::Both => of_both(facts),
    }
}

pub(in crate::cli::show) fn same_element(one: &Field, other: &Field) -> bool {
    one.element.id == other.element.id
        && one.element.enterprise == other.element.enterprise
        && one.reverse == other.reverse
}

/// Values of one element in one record that are looked at.
const MAXIMUM_REPETITIONS: usize = 16;
