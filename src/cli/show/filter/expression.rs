//! An expression as a tree.

use crate::cli::table::Moment;
use crate::flow::Network;
use crate::ipfix::field::Field;

/// What is true of a flow or not.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    /// All of at least two.
    And(Vec<Self>),
    /// One of at least two.
    Or(Vec<Self>),
    Not(Box<Self>),
    Test(Test),
}

/// One property of a flow.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Address(End, Vec<Network>),
    Port(End, Numbers),
    Protocol(Numbers),
    /// IP version.
    Version(u64),
    /// With any tag if there is no number.
    Vlan(Option<Numbers>),
    Mac(End, Vec<[u8; 6]>),
    Interface(End, Interface),
    Flags(End, Flags),
    Packets(End, Numbers),
    Octets(End, Numbers),
    /// In nanoseconds.
    Duration(Numbers),
    Start(Comparison, Moment),
    EndTime(Comparison, Moment),
    EndReason(Numbers),
    TypeOfService(End, Numbers),
    /// The upper six bits of the type of service (RFC 2474 §3).
    CodePoint(End, Numbers),
    Domain(Numbers),
    Element(Field, ElementTest),
    Exists(Field),
}

/// Which end of a flow, or which direction: the one from that end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    Source,
    Destination,
    Either,
    Both,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// A test of an unsigned number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Numbers {
    Is(Comparison, u64),
    /// Ranges with both their ends.
    In(Vec<(u64, u64)>),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Interface {
    Number(Numbers),
    /// As options records name it.
    Name(String),
}

/// Bits of `tcpControlBits` (IE 6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Flags {
    pub(super) bits: u64,
    /// Whether no others may be set.
    pub(super) is_exact: bool,
}

/// A test of the value of an element, by its type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ElementTest {
    Unsigned(Numbers),
    Signed(Comparison, i64),
    Float(Comparison, f64),
    Boolean(bool),
    Time(Comparison, Moment),
    Address(OneOf<Network>),
    Mac(OneOf<[u8; 6]>),
    Text(OneOf<String>),
    Octets(OneOf<Vec<u8>>),
}

/// A test for equality.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct OneOf<T> {
    /// `!=`, with one value only.
    pub(super) is_negated: bool,
    pub(super) values: Vec<T>,
}

impl Comparison {
    pub(super) fn holds<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

impl Numbers {
    /// Whether one of the values will do; for `!=`, whether there are some and all will.
    pub(super) fn hold(&self, values: impl IntoIterator<Item = u64>) -> bool {
        let mut values = values.into_iter().peekable();
        match self {
            Self::Is(Comparison::NotEqual, number) => {
                values.peek().is_some() && values.all(|value| value != *number)
            }
            Self::Is(comparison, number) => values.any(|value| comparison.holds(&value, number)),
            Self::In(ranges) => values
                .any(|value| ranges.iter().any(|&(first, last)| (first..=last).contains(&value))),
        }
    }
}

impl<T> OneOf<T> {
    /// Whether `values` has what is wanted, given what equality is.
    pub(super) fn hold<V>(&self, values: &[V], is_equal: impl Fn(&V, &T) -> bool) -> bool {
        let is_wanted = |value: &V| self.values.iter().any(|wanted| is_equal(value, wanted));
        if self.is_negated {
            !values.is_empty() && !values.iter().any(is_wanted)
        } else {
            values.iter().any(is_wanted)
        }
    }
}
