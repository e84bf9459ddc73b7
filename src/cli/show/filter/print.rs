//! Expressions as text, which parsing turns into the same tree.

use std::fmt::{self, Display, Formatter};

use super::Filter;
use super::expression::{
    Comparison, ElementTest, End, Expression, Flags, Interface, Numbers, OneOf, Test,
};
use super::literal::DURATION_UNITS;
use crate::cli::table::{Moment, names};
use crate::ipfix::date_time::{DateTime, Precision};
use crate::ipfix::value::{Hexadecimal, MacAddress};

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut several = |terms: &[Self], word: &str| {
            for (index, term) in terms.iter().enumerate() {
                if index > 0 {
                    f.write_str(word)?;
                }
                match term {
                    Self::Test(_) | Self::Not(_) => term.fmt(f)?,
                    Self::And(_) | Self::Or(_) => write!(f, "({term})")?,
                }
            }
            Ok(())
        };
        match self {
            Self::And(terms) => several(terms, " and "),
            Self::Or(terms) => several(terms, " or "),
            Self::Not(term) => match &**term {
                Self::Test(_) | Self::Not(_) => write!(f, "not {term}"),
                Self::And(_) | Self::Or(_) => write!(f, "not ({term})"),
            },
            Self::Test(test) => test.fmt(f),
        }
    }
}

impl Display for Test {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(end, prefixes) => write!(f, "{end}net{}", List(prefixes)),
            Self::Port(end, numbers) => write!(f, "{end}port{}", Spelt(numbers, &plain)),
            Self::Protocol(numbers) => write!(f, "proto{}", Spelt(numbers, &plain)),
            Self::Version(version) => write!(f, "ipv{version}"),
            Self::Vlan(None) => f.write_str("vlan"),
            Self::Vlan(Some(numbers)) => write!(f, "vlan{}", Spelt(numbers, &plain)),
            Self::Mac(end, addresses) => {
                let addresses: Vec<_> = addresses.iter().copied().map(MacAddress).collect();
                write!(f, "{end}mac{}", List(&addresses))
            }
            Self::Interface(end, Interface::Number(numbers)) => {
                write!(f, "{end}interface{}", Spelt(numbers, &plain))
            }
            Self::Interface(end, Interface::Name(name)) => {
                write!(f, "{end}interface {}", Quoted(name))
            }
            Self::Flags(end, Flags { bits, is_exact }) => {
                write!(f, "{end}flags {}{bits:#x}", if *is_exact { "= " } else { "" })
            }
            Self::Packets(end, numbers) => write!(f, "{end}packets{}", Spelt(numbers, &plain)),
            Self::Octets(end, numbers) => write!(f, "{end}octets{}", Spelt(numbers, &plain)),
            Self::Duration(numbers) => write!(f, "duration{}", Spelt(numbers, &with_unit)),
            Self::Start(comparison, time) => write!(f, "start {comparison} {}", instant(*time)),
            Self::EndTime(comparison, time) => write!(f, "end {comparison} {}", instant(*time)),
            Self::EndReason(numbers) => {
                write!(f, "end reason{}", Spelt(numbers, &names::end_reason))
            }
            Self::TypeOfService(end, numbers) => write!(f, "{end}tos{}", Spelt(numbers, &plain)),
            Self::CodePoint(end, numbers) => write!(f, "{end}dscp{}", Spelt(numbers, &plain)),
            Self::Domain(numbers) => write!(f, "domain{}", Spelt(numbers, &plain)),
            Self::Element(field, test) => write!(f, "{field} {test}"),
            Self::Exists(field) => write!(f, "exists {field}"),
        }
    }
}

impl Display for ElementTest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(Numbers::Is(comparison, number)) => write!(f, "{comparison} {number}"),
            Self::Unsigned(Numbers::In(ranges)) => {
                let ranges: Vec<_> =
                    ranges.iter().map(|range| spell_range(range, &plain)).collect();
                write!(f, "in [{}]", ranges.join(", "))
            }
            Self::Signed(comparison, number) => write!(f, "{comparison} {number}"),
            Self::Float(comparison, number) => write!(f, "{comparison} {number}"),
            Self::Boolean(truth) => write!(f, "= {truth}"),
            Self::Time(comparison, time) => write!(f, "{comparison} {}", instant(*time)),
            Self::Address(one_of) => one_of.write(f, |prefix| prefix.to_string()),
            Self::Mac(one_of) => one_of.write(f, |mac| MacAddress(*mac).to_string()),
            Self::Text(one_of) => one_of.write(f, |text| Quoted(text).to_string()),
            Self::Octets(one_of) => one_of.write(f, |octets| Hexadecimal(octets).to_string()),
        }
    }
}

impl<T> OneOf<T> {
    fn write(&self, f: &mut Formatter<'_>, spell: impl Fn(&T) -> String) -> fmt::Result {
        let texts: Vec<_> = self.values.iter().map(spell).collect();
        match (self.is_negated, texts.as_slice()) {
            (true, [text]) => write!(f, "!= {text}"),
            (false, [text]) => write!(f, "= {text}"),
            (_, texts) => write!(f, "in [{}]", texts.join(", ")),
        }
    }
}

impl Display for End {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "src ",
            Self::Destination => "dst ",
            Self::Either => "",
            Self::Both => "src and dst ",
        })
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        })
    }
}

/// Numbers after their keyword.
struct Spelt<'a>(&'a Numbers, &'a dyn Fn(u64) -> String);

impl Display for Spelt<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(numbers, spell) = self;
        let range = |range: &(u64, u64)| spell_range(range, spell);
        match numbers {
            Numbers::Is(Comparison::Equal, number) => write!(f, " {}", spell(*number)),
            Numbers::Is(comparison, number) => write!(f, " {comparison} {}", spell(*number)),
            Numbers::In(ranges) => match ranges.as_slice() {
                [one] => write!(f, " {}", range(one)),
                ranges => {
                    let ranges: Vec<_> = ranges.iter().map(range).collect();
                    write!(f, " in [{}]", ranges.join(", "))
                }
            },
        }
    }
}

fn spell_range(&(first, last): &(u64, u64), spell: &dyn Fn(u64) -> String) -> String {
    if first == last { spell(first) } else { format!("{}-{}", spell(first), spell(last)) }
}

/// Values after their keyword.
struct List<'a, T>(&'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let [one] = self.0 {
            return write!(f, " {one}");
        }
        let texts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        write!(f, " in [{}]", texts.join(", "))
    }
}

struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

fn plain(number: u64) -> String {
    number.to_string()
}

/// Nanoseconds in the largest unit that leaves them whole.
fn with_unit(nanoseconds: u64) -> String {
    let unit = DURATION_UNITS.iter().find(|(_, unit)| nanoseconds.is_multiple_of(*unit));
    match unit {
        Some((name, unit)) if nanoseconds > 0 => format!("{}{name}", nanoseconds / unit),
        _ => format!("{nanoseconds}ns"),
    }
}

fn instant((seconds, nanoseconds): Moment) -> DateTime {
    DateTime { seconds, nanoseconds, precision: Precision::Nanoseconds }
}
