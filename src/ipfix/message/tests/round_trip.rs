//! Whatever is written, the reader reads back, and finds nothing odd about it.

use std::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::super::*;
use crate::ipfix::date_time::{DateTime, Precision};
use crate::ipfix::element::InformationElement;
use crate::ipfix::exported as element;
use crate::ipfix::field::Field;
use crate::ipfix::reader::{Reader, Statistics};
use crate::ipfix::sets::{DataSets, set_ids, split_sets};
use crate::ipfix::template::{FieldSpecifier, TemplateId, VARIABLE_LENGTH};
use crate::ipfix::value::Value;

/// A value that owns what it needs.
#[derive(Clone, Debug)]
enum Content {
    Number(u64),
    Text(String),
    Octets(Vec<u8>),
    Time(DateTime),
    Address(Ipv4Addr),
    Mac([u8; 6]),
}

impl Content {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Number(number) => Value::Unsigned(*number),
            Self::Text(text) => Value::String(text),
            Self::Octets(octets) => Value::Octets(octets),
            Self::Time(time) => Value::DateTime(*time),
            Self::Address(address) => Value::Ipv4(*address),
            Self::Mac(octets) => Value::Mac(*octets),
        }
    }
}

/// A field of any kind that an exporter has: its specifier, and one value for it.
fn field() -> impl Strategy<Value = (FieldSpecifier, Content)> {
    let number = |element: InformationElement, sizes: std::ops::RangeInclusive<u16>| {
        (sizes, any::<u64>()).prop_map(move |(length, number)| {
            let number = number >> (64 - 8 * u32::from(length));
            (FieldSpecifier { element, length }, Content::Number(number))
        })
    };
    // Two thousand million seconds pass the year 2033; four the end of the era of 1900.
    let time = |element, unit: u32, precision| {
        (0_i64..4_000_000_000, 0..1_000_000_000 / unit).prop_map(move |(seconds, units)| {
            let time = DateTime { seconds, nanoseconds: units * unit, precision };
            (FieldSpecifier { element, length: 8 }, Content::Time(time))
        })
    };
    let text = |element: InformationElement| {
        vec(any::<char>().prop_filter("ends no text", |c| *c != '\0'), 0..120).prop_map(
            move |characters| {
                let text = Content::Text(characters.into_iter().collect());
                (FieldSpecifier { element, length: VARIABLE_LENGTH }, text)
            },
        )
    };
    prop_oneof![
        number(element::OCTET_DELTA_COUNT, 1..=8),
        number(element::PROTOCOL_IDENTIFIER, 1..=1),
        number(element::SELECTOR_ALGORITHM, 2..=2),
        number(element::INGRESS_INTERFACE, 4..=4),
        number(element::FLOWTAP_FRAGMENT_DELTA_COUNT, 8..=8),
        time(element::FLOW_START_MILLISECONDS, 1_000_000, Precision::Milliseconds),
        time(element::FLOW_START_MICROSECONDS, 1_000, Precision::Microseconds),
        time(element::FLOW_START_NANOSECONDS, 1, Precision::Nanoseconds),
        text(element::INTERFACE_NAME),
        text(element::INTERFACE_DESCRIPTION),
        any::<[u8; 4]>().prop_map(|octets| {
            let specifier = FieldSpecifier { element: element::SOURCE_IPV4_ADDRESS, length: 4 };
            (specifier, Content::Address(octets.into()))
        }),
        any::<[u8; 6]>().prop_map(|octets| {
            let specifier = FieldSpecifier { element: element::SOURCE_MAC_ADDRESS, length: 6 };
            (specifier, Content::Mac(octets))
        }),
        any::<[u8; 16]>().prop_map(|octets| {
            let specifier = FieldSpecifier { element: element::MESSAGE_MD5_CHECKSUM, length: 16 };
            (specifier, Content::Octets(octets.to_vec()))
        }),
    ]
}

/// Fields of a layout, how many of them are its scope (of a Template none), and one record.
#[derive(Clone, Debug)]
struct Layout {
    template: Arc<Template>,
    record: Vec<Content>,
}

fn layouts() -> impl Strategy<Value = Vec<Layout>> {
    let layout = (vec(field(), 1..8), any::<bool>(), any::<Index>());
    vec(layout, 1..6).prop_map(|layouts| {
        layouts
            .into_iter()
            .zip(256..)
            .map(|((fields, is_options, scope), id)| {
                let (mut specifiers, mut record): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
                if specifiers.iter().all(|field| field.length == VARIABLE_LENGTH) {
                    specifiers.push(FieldSpecifier { element: element::VLAN_ID, length: 2 });
                    record.push(Content::Number(id.into()));
                }
                let scope = u16::try_from(scope.index(specifiers.len()) + 1).unwrap();
                let id = TemplateId::new(id).unwrap();
                let template = match is_options {
                    true => Template::options(id, scope, specifiers),
                    false => Template::new(id, specifiers),
                };
                Layout { template: Arc::new(template.unwrap()), record }
            })
            .collect()
    })
}

/// What is asked of the writer, in any order.
#[derive(Clone, Debug)]
enum Step {
    /// A Template, if it may not have been sent yet or again.
    Define(Index),
    /// A record from its values.
    Record(Index),
    /// This many records of one layout after the other, as Sets made before.
    Sets(Vec<Index>),
    Finish,
    /// The Message just finished was not sent.
    TakeBack,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => any::<Index>().prop_map(Step::Define),
        6 => any::<Index>().prop_map(Step::Record),
        3 => vec(any::<Index>(), 1..20).prop_map(Step::Sets),
        2 => Just(Step::Finish),
        1 => Just(Step::TakeBack),
    ];
    vec(step, 1..60)
}

/// Carries steps out, and keeps what was sent.
struct Sender {
    writer: MessageWriter,
    /// Messages, each with the layouts of its records.
    sent: Vec<(Vec<u8>, Vec<usize>)>,
    /// Layouts of the records in the current Message.
    current: Vec<usize>,
    time: u64,
}

impl Sender {
    fn finish(&mut self) {
        // The clock steps back every third time (RFC 7011 §8.2).
        self.time = if self.sent.len() % 3 == 2 { self.time - 5 } else { self.time + 3 };
        if let Some(message) = self.writer.finish(self.time) {
            self.sent.push((message.to_vec(), std::mem::take(&mut self.current)));
        }
    }

    /// Tries until it is written or cannot be.
    fn write(
        &mut self,
        layouts: &[usize],
        add: impl Fn(&mut MessageWriter) -> Result<(), Refused>,
    ) {
        let mut result = add(&mut self.writer);
        if result == Err(Refused::MessageFull) {
            self.finish();
            result = add(&mut self.writer);
        }
        match result {
            Ok(()) => self.current.extend(layouts),
            Err(Refused::TooLarge(_)) => {}
            Err(refused) => panic!("{refused}"),
        }
    }

    fn define(&mut self, template: &Arc<Template>) {
        self.write(&[], |writer| writer.add_template(template));
    }

    fn carry_out(&mut self, step: &Step, layouts: &[Layout]) {
        match step {
            Step::Define(index) => self.define(&index.get(layouts).template),
            Step::Record(index) => {
                let Layout { template, record } = index.get(layouts);
                self.define_once(template);
                let values: Vec<_> = record.iter().map(Content::value).collect();
                let octets = template.encode(&values).unwrap();
                self.write(&[index.index(layouts.len())], |writer| {
                    writer.add_octets(template, &octets)
                });
            }
            Step::Sets(indices) => self.send_sets(indices, layouts),
            Step::Finish => self.finish(),
            Step::TakeBack => {
                if self.writer.is_empty() && self.sent.pop().is_some() {
                    // What it defined is defined again before anything else is sent.
                    self.writer.renumber();
                    for template in self.writer.templates().to_vec() {
                        self.define(&template);
                    }
                }
            }
        }
    }

    fn define_once(&mut self, template: &Arc<Template>) {
        if !self.writer.defines(template) {
            self.define(template);
        }
    }

    /// Data Sets made for a large Message are divided if need be.
    fn send_sets(&mut self, indices: &[Index], layouts: &[Layout]) {
        let mut sets = DataSets::new(65_535);
        let mut contained = Vec::new();
        for index in indices {
            let Layout { template, record } = index.get(layouts);
            if template.has_variable_length() {
                continue;
            }
            let values: Vec<_> = record.iter().map(Content::value).collect();
            let octets = template.encode(&values).unwrap();
            let put = |out: &mut RecordOctets<'_>| octets.iter().for_each(|&o| out.put([o]));
            sets.add_record(template, put).unwrap();
            contained.push(index.index(layouts.len()));
        }
        let sets = sets.take();
        for id in set_ids(&sets) {
            let index = usize::from(id - 256);
            self.define_once(&layouts[index].template);
        }
        let length = |id: u16| Some(layouts[usize::from(id - 256)].template.record_length());
        let Some(parts) = split_sets(&sets, self.writer.maximum_size(), length) else { return };
        let mut rest = contained.as_slice();
        for (part, records) in parts {
            let (these, after) = rest.split_at(usize::try_from(records).unwrap());
            rest = after;
            self.write(these, |writer| writer.add_sets(&part, records));
        }
        assert!(rest.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read(
        layouts in layouts(),
        steps in steps(),
        // No Template is longer than 200 octets, and records may be too long for a Message.
        maximum_size in 220_usize..2_000,
        first_sequence in prop_oneof![Just(0_u32), Just(u32::MAX - 20), any::<u32>()],
    ) {
        let mut writer = MessageWriter::new(77, maximum_size);
        writer.sequence = first_sequence;
        let mut sender =
            Sender { writer, sent: Vec::new(), current: Vec::new(), time: 1_700_000_000 };
        for step in &steps {
            sender.carry_out(step, &layouts);
        }
        sender.finish();

        let octets: Vec<u8> = sender.sent.iter().flat_map(|(message, _)| message.clone()).collect();
        let mut expected = sender.sent.iter().flat_map(|(_, records)| records);
        let mut reader = Reader::new(octets.as_slice());
        let mut export_time = 0;
        let (mut records, mut options_records) = (0, 0);
        while let Some(record) = reader.next_record().expect("well formed") {
            let header = record.header().unwrap();
            prop_assert!(header.export_time >= export_time, "RFC 7011 §8.2");
            prop_assert!(usize::from(header.length) <= maximum_size);
            prop_assert_eq!(header.observation_domain, 77);
            export_time = header.export_time;

            let layout = &layouts[*expected.next().expect("no more than was written")];
            prop_assert_eq!(record.template().id(), layout.template.id().get());
            prop_assert_eq!(
                record.template().scope().len(),
                usize::from(layout.template.scope_field_count())
            );
            let fields: Vec<_> = record.fields().collect();
            let specifiers = layout.template.fields();
            prop_assert_eq!(fields.len(), specifiers.len());
            for ((field, value), (specifier, content)) in
                fields.into_iter().zip(specifiers.iter().zip(&layout.record))
            {
                prop_assert_eq!(field, Field::from(specifier.element));
                prop_assert_eq!(value, content.value(), "{}", field);
            }
            *if layout.template.is_options() { &mut options_records } else { &mut records } += 1;
        }
        prop_assert!(expected.next().is_none(), "no fewer than was written");
        let statistics = *reader.statistics();
        prop_assert_eq!(statistics, Statistics {
            messages: sender.sent.len() as u64,
            octets: octets.len() as u64,
            records,
            options_records,
            templates: statistics.templates,
            options_templates: statistics.options_templates,
            ..Statistics::default()
        });
    }
}
