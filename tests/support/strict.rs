//! A reader of IPFIX that forgives nothing, and shares no code with the writer.
//!
//! It is not how a Collecting Process should be, but how our own output has to be: what it panics
//! at is either against RFC 7011 and RFC 5103, or against a promise of ours that some Collector in
//! the field needs (no padding, no withdrawals, no empty Set).

#![allow(dead_code, reason = "shared by several test files, each of which uses a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use flowtap::ipfix::field::Field;

/// One Transport Session as it was received.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Data Records that should have been in gaps of the sequence: there are none, unless the test
    /// makes them.
    pub(crate) missing: u32,
    allows_gaps: bool,
    pub(crate) messages: Vec<Message>,
    pub(crate) records: Vec<Record>,
    domains: BTreeMap<u32, Domain>,
}

/// A Message Header, and what was in the Message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) length: usize,
    pub(crate) export_time: u32,
    pub(crate) sequence: u32,
    pub(crate) domain: u32,
    /// Set IDs, in order.
    pub(crate) sets: Vec<u16>,
    /// Templates and Options Templates defined in it.
    pub(crate) defined: Vec<u16>,
    pub(crate) data_records: u32,
}

/// A Template or an Options Template.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Definition {
    pub(crate) id: u16,
    /// Zero for a Template.
    pub(crate) scope_fields: usize,
    pub(crate) fields: Vec<Specifier>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Specifier {
    pub(crate) enterprise: u32,
    pub(crate) id: u16,
    pub(crate) length: u16,
}

/// A Data Record.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) definition: Rc<Definition>,
    pub(crate) domain: u32,
    /// Which Message it was in, from 0.
    pub(crate) message: usize,
    pub(crate) values: Vec<Vec<u8>>,
}

/// Packets, octets and Data Records of Flows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Sums {
    pub(crate) flows: u64,
    pub(crate) packets: u64,
    pub(crate) octets: u64,
}

#[derive(Debug, Default)]
struct Domain {
    definitions: BTreeMap<u16, Rc<Definition>>,
    next_sequence: u32,
}

impl Session {
    /// Reads Messages that came one a datagram (RFC 7011 §10.3.2).
    #[track_caller]
    pub(crate) fn of_datagrams<'a>(datagrams: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut session = Self::default();
        for datagram in datagrams {
            let rest = session.message(datagram);
            assert!(rest.is_empty(), "a datagram has one Message and nothing else");
        }
        session
    }

    /// The same where some datagrams were not sent on purpose.
    #[track_caller]
    pub(crate) fn with_gaps<'a>(datagrams: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut session = Self { allows_gaps: true, ..Self::default() };
        for datagram in datagrams {
            session.message(datagram);
        }
        session
    }

    /// Reads Messages that came one after the other in a stream (RFC 7011 §10.4.3) or a file.
    #[track_caller]
    pub(crate) fn of_stream(mut octets: &[u8]) -> Self {
        let mut session = Self::default();
        while !octets.is_empty() {
            octets = session.message(octets);
        }
        session
    }

    /// Records of Flows.
    pub(crate) fn flows(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| !record.is_options())
    }

    /// Records of Options Templates that have a field of this number.
    pub(crate) fn options(&self, element: u16) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(move |record| record.is_options() && record.has(Specifier::is_iana(element)))
    }

    /// Every Template and Options Template, with its Observation Domain.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = (u32, &Definition)> {
        self.domains.iter().flat_map(|(&domain, state)| {
            state.definitions.values().map(move |definition| (domain, &**definition))
        })
    }

    /// Templates without Options Templates.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &Definition> {
        self.definitions().map(|(_, definition)| definition).filter(|d| d.scope_fields == 0)
    }

    /// What the records of Flows come to, both directions.
    pub(crate) fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for record in self.flows() {
            sums.flows += 1;
            sums.octets += record.number(0, 1) + record.number(REVERSE, 1);
            sums.packets += record.number(0, 2) + record.number(REVERSE, 2);
        }
        sums
    }

    /// Reads the Message at the front of `octets` and returns what follows it.
    #[track_caller]
    fn message<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        // RFC 7011 §3.1.
        let (header, _) = octets.split_first_chunk::<16>().expect("a whole Message Header");
        assert_eq!(u16_at(header, 0), 0x000a, "version");
        let length = usize::from(u16_at(header, 2));
        let (message, after) = octets.split_at_checked(length).expect("a whole Message");
        let [export_time, sequence, domain] = [4, 8, 12].map(|at| u32_at(header, at));
        if let Some(before) = self.messages.last() {
            // RFC 7011 §8.2.
            assert!(before.export_time <= export_time, "Export Time steps back");
        }
        let state = self.domains.entry(domain).or_default();
        // RFC 7011 §3.1, §10.3.2: Data Records before this Message, from zero.
        if self.allows_gaps {
            self.missing += sequence.wrapping_sub(state.next_sequence);
        } else {
            assert_eq!(sequence, state.next_sequence, "sequence number of domain {domain}");
        }
        let mut message_read = Message {
            length,
            export_time,
            sequence,
            domain,
            sets: Vec::new(),
            defined: Vec::new(),
            data_records: 0,
        };
        let mut rest = message.get(16..).expect("a Message has its header");
        assert!(!rest.is_empty(), "a Message without Sets");
        while !rest.is_empty() {
            assert!(rest.len() > 4, "a Set has a header and something in it: {rest:02x?}");
            let (id, length) = (u16_at(rest, 0), usize::from(u16_at(rest, 2)));
            assert!(length > 4, "Set {id} is empty");
            let (set, others) = rest.split_at_checked(length).expect("Sets lie in their Message");
            let content = set.get(4..).expect("it has a header");
            message_read.sets.push(id);
            match id {
                2 | 3 => state.define(content, id == 3, &mut message_read.defined),
                256.. => {
                    let definition = state.definitions.get(&id).unwrap_or_else(|| {
                        panic!("domain {domain}: Template {id} comes after its data or never")
                    });
                    let records = split_records(definition, content);
                    message_read.data_records += u32::try_from(records.len()).expect("65,535");
                    self.records.extend(records.into_iter().map(|values| Record {
                        definition: Rc::clone(definition),
                        domain,
                        message: self.messages.len(),
                        values,
                    }));
                }
                // RFC 7011 §3.3.2.
                _ => panic!("Set ID {id} is reserved"),
            }
            rest = others;
        }
        state.next_sequence = sequence.wrapping_add(message_read.data_records);
        self.messages.push(message_read);
        after
    }
}

impl Domain {
    /// Reads the content of a Template Set or Options Template Set.
    #[track_caller]
    fn define(&mut self, mut octets: &[u8], is_options: bool, defined: &mut Vec<u16>) {
        while !octets.is_empty() {
            let (definition, rest) = Definition::split(octets, is_options);
            definition.check();
            defined.push(definition.id);
            let id = definition.id;
            let before = self.definitions.insert(id, Rc::new(definition));
            if let Some(before) = before {
                // RFC 7011 §8.1: no second meaning without a withdrawal, and we make none.
                assert_eq!(Some(&before), self.definitions.get(&id), "Template {id} has changed");
            }
            octets = rest;
        }
    }
}

impl Definition {
    #[track_caller]
    fn split(octets: &[u8], is_options: bool) -> (Self, &[u8]) {
        let (id, field_count) = (u16_at(octets, 0), u16_at(octets, 2));
        // RFC 7011 §3.4.1; over UDP also §8.4.
        assert!(id >= 256, "Template ID {id}");
        assert_ne!(field_count, 0, "a withdrawal of {id}");
        let (scope_fields, mut at) = if is_options {
            let scope = u16_at(octets, 4);
            // RFC 7011 §3.4.2.2.
            assert!((1..=field_count).contains(&scope), "{scope} scope fields of {field_count}");
            (scope.into(), 6)
        } else {
            (0, 4)
        };
        let mut fields = Vec::new();
        for _ in 0..field_count {
            // RFC 7011 §3.2.
            let (number, length) = (u16_at(octets, at), u16_at(octets, at + 2));
            at += 4;
            let mut field = Specifier { enterprise: 0, id: number & 0x7fff, length };
            if number & 0x8000 != 0 {
                field.enterprise = u32_at(octets, at);
                at += 4;
                assert_ne!(field.enterprise, 0, "enterprise 0 is IANA's: {field:?}");
            }
            assert_ne!(field.id, 0, "no element has number 0");
            fields.push(field);
        }
        (Self { id, scope_fields, fields }, octets.get(at..).expect("its fields are there"))
    }

    /// What RFC 7011 and RFC 5103 ask of a Template.
    #[track_caller]
    fn check(&self) {
        let has = |is: fn(&Specifier) -> bool| self.fields.iter().any(is);
        assert!(has(|field| field.length != VARIABLE), "{self:?} has variable lengths only");
        if has(|field| field.enterprise == REVERSE) {
            // RFC 5103 §4.
            let directional = |field: &Specifier| {
                field.enterprise == 0 && matches!(field.id, 7 | 8 | 11 | 12 | 27 | 28 | 56 | 80)
            };
            assert!(has(directional), "{self:?} has nothing to be the reverse of");
        }
        for field in &self.fields {
            // RFC 5103 §6.1.
            if field.enterprise == REVERSE {
                assert!(!NOT_REVERSIBLE.contains(&field.id), "{field:?} cannot be reversed");
            }
            assert_ne!(field.length, 0, "{field:?} has no octets");
            // RFC 7011 §6.2, and the registry.
            let known = Field::look_up(field.enterprise, field.id);
            assert!(known.is_known(), "{field:?} is in no table");
            let data_type = known.element.data_type;
            assert!(
                field.length == VARIABLE || data_type.permits(field.length),
                "{known} cannot have {} octets",
                field.length
            );
        }
    }

    /// Position of a field.
    pub(crate) fn position(&self, is: impl Fn(&Specifier) -> bool) -> Option<usize> {
        self.fields.iter().position(is)
    }
}

impl Specifier {
    /// Whether it is IANA's element of this number.
    pub(crate) fn is_iana(id: u16) -> impl Fn(&Self) -> bool {
        move |field| field.enterprise == 0 && field.id == id
    }

    /// Whether it is this element.
    pub(crate) fn is(enterprise: u32, id: u16) -> impl Fn(&Self) -> bool {
        move |field| field.enterprise == enterprise && field.id == id
    }
}

impl Record {
    pub(crate) fn is_options(&self) -> bool {
        self.definition.scope_fields != 0
    }

    pub(crate) fn has(&self, is: impl Fn(&Specifier) -> bool) -> bool {
        self.definition.position(is).is_some()
    }

    /// The octets of the first field with this element.
    pub(crate) fn octets(&self, enterprise: u32, id: u16) -> Option<&[u8]> {
        let position = self.definition.position(Specifier::is(enterprise, id))?;
        self.values.get(position).map(Vec::as_slice)
    }

    /// An IANA element as a number.
    pub(crate) fn iana(&self, id: u16) -> Option<u64> {
        self.octets(0, id).map(big_endian)
    }

    /// Its reverse element (RFC 5103 §6.1) as a number.
    pub(crate) fn reverse(&self, id: u16) -> Option<u64> {
        self.octets(REVERSE, id).map(big_endian)
    }

    /// An IANA element of fixed length as text.
    pub(crate) fn text(&self, id: u16) -> Option<&str> {
        let octets = self.octets(0, id)?;
        Some(std::str::from_utf8(octets).expect("RFC 7011 §6.1.6").trim_end_matches('\0'))
    }

    pub(crate) fn number(&self, enterprise: u32, id: u16) -> u64 {
        self.octets(enterprise, id).map_or(0, big_endian)
    }
}

/// Divides the content of a Data Set; to the last octet, for we never pad (RFC 7011 §3.3.1).
#[track_caller]
fn split_records(definition: &Definition, mut octets: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    while !octets.is_empty() {
        let values = definition.fields.iter().map(|field| {
            let mut length = usize::from(field.length);
            // RFC 7011 §7.
            if field.length == VARIABLE {
                let (&first, rest) = octets.split_first().expect("a length");
                (length, octets) = (first.into(), rest);
                if first == 255 {
                    length = u16_at(octets, 0).into();
                    assert!(length >= 255, "the long form of a short length: {length}");
                    octets = octets.get(2..).expect("it was read");
                }
            }
            let (value, rest) = octets.split_at_checked(length).unwrap_or_else(|| {
                panic!("Data Set {} ends in padding or within a record", definition.id)
            });
            octets = rest;
            value.to_vec()
        });
        records.push(values.collect());
    }
    records
}

pub(crate) fn big_endian(octets: &[u8]) -> u64 {
    assert!(octets.len() <= 8, "no number: {octets:02x?}");
    octets.iter().fold(0, |number, &octet| number << 8 | u64::from(octet))
}

#[track_caller]
fn u16_at(octets: &[u8], at: usize) -> u16 {
    let octets = octets.get(at..).and_then(<[u8]>::first_chunk).expect("two more octets");
    u16::from_be_bytes(*octets)
}

#[track_caller]
fn u32_at(octets: &[u8], at: usize) -> u32 {
    let octets = octets.get(at..).and_then(<[u8]>::first_chunk).expect("four more octets");
    u32::from_be_bytes(*octets)
}

/// Names of the fields of Templates of Flows, each once.
pub(crate) fn field_names(session: &Session) -> BTreeSet<String> {
    let fields = session.templates().flat_map(|template| &template.fields);
    fields.map(|field| Field::look_up(field.enterprise, field.id).to_string()).collect()
}

/// RFC 5103 §6.1: the enterprise of reverse elements.
pub(crate) const REVERSE: u32 = 29_305;
/// RFC 7011 §7.
pub(crate) const VARIABLE: u16 = u16::MAX;

/// RFC 5103 §6.1: elements that are the same for both directions, or tell of no packets at all.
const NOT_REVERSIBLE: &[u16] = &[
    40, 41, 42, 61, 130, 131, 136, 137, 138, 143, 144, 145, 148, 149, 163, 164, 165, 166, 167, 168,
    173, 210, 211, 212, 213, 214, 215, 216, 217, 239, 263, 267, 302, 303, 304, 305, 306, 346,
];
