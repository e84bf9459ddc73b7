//! What can be made of the fields of a record.

use crate::ipfix::date_time::{ntp_microseconds, ntp_nanoseconds};
use crate::ipfix::element::InformationElement;
use crate::ipfix::message::RecordOctets;
use crate::ipfix::template::FieldSpecifier;
use crate::time::Timestamp;

/// Takes the fields of a record, one after the other; which call it is tells how long the field is.
pub(crate) trait FieldVisitor<'a> {
    fn unsigned8(&mut self, element: &'static InformationElement, value: u8);
    fn unsigned16(&mut self, element: &'static InformationElement, value: u16);
    fn unsigned32(&mut self, element: &'static InformationElement, value: u32);
    fn unsigned64(&mut self, element: &'static InformationElement, value: u64);
    fn milliseconds(&mut self, element: &'static InformationElement, value: Timestamp);
    fn microseconds(&mut self, element: &'static InformationElement, value: Timestamp);
    fn nanoseconds(&mut self, element: &'static InformationElement, value: Timestamp);
    fn ipv4_address(&mut self, element: &'static InformationElement, value: [u8; 4]);
    fn ipv6_address(&mut self, element: &'static InformationElement, value: [u8; 16]);
    fn mac_address(&mut self, element: &'static InformationElement, value: [u8; 6]);
    fn label_section(&mut self, element: &'static InformationElement, value: &'a [u8; 3]);
}

/// Collects what a Template says of the fields.
pub(crate) struct TemplateFields(pub(crate) Vec<FieldSpecifier>);

impl TemplateFields {
    fn push(&mut self, element: &'static InformationElement, length: u16) {
        self.0.push(FieldSpecifier { element: *element, length });
    }
}

impl FieldVisitor<'_> for TemplateFields {
    fn unsigned8(&mut self, element: &'static InformationElement, _: u8) {
        self.push(element, 1);
    }

    fn unsigned16(&mut self, element: &'static InformationElement, _: u16) {
        self.push(element, 2);
    }

    fn unsigned32(&mut self, element: &'static InformationElement, _: u32) {
        self.push(element, 4);
    }

    fn unsigned64(&mut self, element: &'static InformationElement, _: u64) {
        self.push(element, 8);
    }

    fn milliseconds(&mut self, element: &'static InformationElement, _: Timestamp) {
        self.push(element, 8);
    }

    fn microseconds(&mut self, element: &'static InformationElement, _: Timestamp) {
        self.push(element, 8);
    }

    fn nanoseconds(&mut self, element: &'static InformationElement, _: Timestamp) {
        self.push(element, 8);
    }

    fn ipv4_address(&mut self, element: &'static InformationElement, _: [u8; 4]) {
        self.push(element, 4);
    }

    fn ipv6_address(&mut self, element: &'static InformationElement, _: [u8; 16]) {
        self.push(element, 16);
    }

    fn mac_address(&mut self, element: &'static InformationElement, _: [u8; 6]) {
        self.push(element, 6);
    }

    fn label_section(&mut self, element: &'static InformationElement, _: &[u8; 3]) {
        self.push(element, 3);
    }
}

/// Puts the values, big-endian (RFC 7011 §6.1).
impl FieldVisitor<'_> for RecordOctets<'_> {
    #[inline]
    fn unsigned8(&mut self, _: &'static InformationElement, value: u8) {
        self.put([value]);
    }

    #[inline]
    fn unsigned16(&mut self, _: &'static InformationElement, value: u16) {
        self.put(value.to_be_bytes());
    }

    #[inline]
    fn unsigned32(&mut self, _: &'static InformationElement, value: u32) {
        self.put(value.to_be_bytes());
    }

    #[inline]
    fn unsigned64(&mut self, _: &'static InformationElement, value: u64) {
        self.put(value.to_be_bytes());
    }

    #[inline]
    fn milliseconds(&mut self, _: &'static InformationElement, value: Timestamp) {
        self.put(value.as_millis().to_be_bytes());
    }

    #[inline]
    fn microseconds(&mut self, _: &'static InformationElement, value: Timestamp) {
        self.put(ntp_microseconds(value.as_secs(), value.subsec_nanos()).to_be_bytes());
    }

    #[inline]
    fn nanoseconds(&mut self, _: &'static InformationElement, value: Timestamp) {
        self.put(ntp_nanoseconds(value.as_secs(), value.subsec_nanos()).to_be_bytes());
    }

    #[inline]
    fn ipv4_address(&mut self, _: &'static InformationElement, value: [u8; 4]) {
        self.put(value);
    }

    #[inline]
    fn ipv6_address(&mut self, _: &'static InformationElement, value: [u8; 16]) {
        self.put(value);
    }

    #[inline]
    fn mac_address(&mut self, _: &'static InformationElement, value: [u8; 6]) {
        self.put(value);
    }

    #[inline]
    fn label_section(&mut self, _: &'static InformationElement, value: &[u8; 3]) {
        self.put(*value);
    }
}
