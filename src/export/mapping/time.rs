//! The elements of times, by unit; one pair a direction, because of two pairs collectors keep
//! either.

use crate::export::fields::FieldVisitor;
use crate::ipfix::element::InformationElement;
use crate::ipfix::exported as element;
use crate::time::Timestamp;

/// A unit of times, known when the code is compiled: no field of a record asks for it.
pub(super) trait Unit {
    /// Start and end of the forward direction.
    const FORWARD: &'static [InformationElement; 2];
    /// Start and end of the reverse direction (RFC 5103).
    const REVERSE: &'static [InformationElement; 2];

    /// Shows a time in this unit to `visitor`.
    fn show<'a>(
        visitor: &mut impl FieldVisitor<'a>,
        element: &'static InformationElement,
        time: Timestamp,
    );
}

/// `dateTimeMilliseconds` (RFC 7011 §6.1.8).
pub(super) struct Milliseconds;

/// `dateTimeMicroseconds` (RFC 7011 §6.1.9).
pub(super) struct Microseconds;

/// `dateTimeNanoseconds` (RFC 7011 §6.1.10).
pub(super) struct Nanoseconds;

impl Unit for Milliseconds {
    const FORWARD: &'static [InformationElement; 2] =
        &[element::FLOW_START_MILLISECONDS, element::FLOW_END_MILLISECONDS];
    const REVERSE: &'static [InformationElement; 2] =
        &[element::REVERSE_FLOW_START_MILLISECONDS, element::REVERSE_FLOW_END_MILLISECONDS];

    #[inline]
    fn show<'a>(
        visitor: &mut impl FieldVisitor<'a>,
        element: &'static InformationElement,
        time: Timestamp,
    ) {
        visitor.milliseconds(element, time);
    }
}

impl Unit for Microseconds {
    const FORWARD: &'static [InformationElement; 2] =
        &[element::FLOW_START_MICROSECONDS, element::FLOW_END_MICROSECONDS];
    const REVERSE: &'static [InformationElement; 2] =
        &[element::REVERSE_FLOW_START_MICROSECONDS, element::REVERSE_FLOW_END_MICROSECONDS];

    #[inline]
    fn show<'a>(
        visitor: &mut impl FieldVisitor<'a>,
        element: &'static InformationElement,
        time: Timestamp,
    ) {
        visitor.microseconds(element, time);
    }
}

impl Unit for Nanoseconds {
    const FORWARD: &'static [InformationElement; 2] =
        &[element::FLOW_START_NANOSECONDS, element::FLOW_END_NANOSECONDS];
    const REVERSE: &'static [InformationElement; 2] =
        &[element::REVERSE_FLOW_START_NANOSECONDS, element::REVERSE_FLOW_END_NANOSECONDS];

    #[inline]
    fn show<'a>(
        visitor: &mut impl FieldVisitor<'a>,
        element: &'static InformationElement,
        time: Timestamp,
    ) {
        visitor.nanoseconds(element, time);
    }
}
