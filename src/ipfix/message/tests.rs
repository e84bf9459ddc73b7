use proptest::prelude::*;

mod round_trip;

use super::*;
use crate::ipfix::element::{DataType, InformationElement};
use crate::ipfix::exported;
use crate::ipfix::sets::DataSets;
use crate::ipfix::template::{FieldSpecifier, TemplateId, VARIABLE_LENGTH};

const OCTETS: InformationElement = InformationElement {
    enterprise: 0,
    id: 1,
    name: "octetDeltaCount",
    data_type: DataType::Unsigned64,
};

/// A Template whose records are `length` octets long.
fn template(id: u16, length: u16) -> Arc<Template> {
    let field = |length| FieldSpecifier { element: OCTETS, length };
    let mut fields = vec![field(8); usize::from(length / 8)];
    fields.extend((!length.is_multiple_of(8)).then(|| field(length % 8)));
    Arc::new(Template::new(TemplateId::new(id).unwrap(), fields).unwrap())
}

fn fill(template: &Template, octet: u8) -> impl FnOnce(&mut RecordOctets<'_>) + use<> {
    let length = template.record_length();
    move |out: &mut RecordOctets<'_>| (0..length).for_each(|_| out.put([octet]))
}

#[test]
fn a_message_has_header_templates_and_data_in_this_order() {
    let mut writer = MessageWriter::new(0xaabb_ccdd, 1400);
    let first = template(256, 2);
    writer.add_template(&first).unwrap();
    writer.add_record(&first, fill(&first, 0x11)).unwrap();
    writer.add_record(&first, fill(&first, 0x22)).unwrap();

    #[rustfmt::skip]
    assert_eq!(writer.finish(0x6500_0001).unwrap(), [
        0, 10,  0, 36,                          // version 10, length
        0x65, 0, 0, 1,                          // Export Time
        0, 0, 0, 0,                             // no Data Records before (RFC 7011 §3.1)
        0xaa, 0xbb, 0xcc, 0xdd,                 // Observation Domain ID
        0, 2,  0, 12,                           // Template Set
        1, 0,  0, 1,  0, 1,  0, 2,              // template 256, one field
        1, 0,  0, 8,                            // Data Set 256
        0x11, 0x11,  0x22, 0x22,
    ]);

    writer.add_record(&first, fill(&first, 0x33)).unwrap();
    #[rustfmt::skip]
    assert_eq!(writer.finish(0x6500_0001).unwrap(), [
        0, 10,  0, 22,
        0x65, 0, 0, 1,
        0, 0, 0, 2,                             // two before
        0xaa, 0xbb, 0xcc, 0xdd,
        1, 0,  0, 6,
        0x33, 0x33,
    ]);
}

#[test]
fn nothing_written_is_no_message() {
    // RFC 7011 §3.3: a Set holds at least one record, and we send no Message without a Set.
    let mut writer = MessageWriter::new(0, 1400);
    assert_eq!(writer.finish(1), None);
    writer.add_template(&template(256, 1)).unwrap();
    assert!(writer.finish(1).is_some());
    assert_eq!(writer.finish(1), None);
}

#[test]
fn sequence_numbers_wrap_and_a_new_session_restarts_them() {
    let mut writer = MessageWriter::new(0, 1400);
    let template = template(256, 1);
    writer.add_template(&template).unwrap();
    writer.sequence = u32::MAX - 1;
    let mut seen = Vec::new();
    for _ in 0..3 {
        writer.add_record(&template, fill(&template, 0)).unwrap();
        seen.push(header_field(writer.finish(0).unwrap(), 8));
    }
    assert_eq!(seen, [u32::MAX - 1, u32::MAX, 0]);

    writer.restart();
    assert_eq!(
        writer.add_record(&template, fill(&template, 0)),
        Err(Refused::UndefinedTemplate(256)),
        "RFC 7011 §8.1: the end of a session withdraws every template"
    );
    writer.add_template(&template).unwrap();
    writer.add_record(&template, fill(&template, 0)).unwrap();
    assert_eq!(header_field(writer.finish(0).unwrap(), 8), 0);
}

#[test]
fn export_time_never_goes_back_and_wraps_in_2106() {
    // RFC 7011 §8.2 and §3.1.
    let mut writer = MessageWriter::new(0, 1400);
    let template = template(256, 1);
    let mut times = Vec::new();
    for seconds in [1_000, 940, 1_001, 0xffff_ffff, 0x1_0000_0000, 5] {
        writer.add_template(&template).unwrap();
        times.push(header_field(writer.finish(seconds).unwrap(), 4));
    }
    assert_eq!(times, [1_000, 1_000, 1_001, 0xffff_ffff, 0, 0]);
}

#[test]
fn a_message_is_never_larger_than_its_limit() {
    let template = template(256, 10);
    let mut writer = MessageWriter::new(0, 16 + 12 + 4 + 20);
    writer.add_template(&template).unwrap();
    writer.add_record(&template, fill(&template, 1)).unwrap();
    let before = writer.len();
    // Field Count 2 makes the definition twelve octets: one record fits, the second does not.
    assert_eq!(before, 16 + 4 + 12 + 4 + 10);
    assert_eq!(writer.add_record(&template, fill(&template, 2)), Err(Refused::MessageFull));
    assert_eq!(writer.finish(0).unwrap().len(), before);

    writer.add_record(&template, fill(&template, 2)).unwrap();
    writer.add_record(&template, fill(&template, 3)).unwrap();
    writer.add_record(&template, fill(&template, 4)).unwrap();
    assert_eq!(writer.add_record(&template, fill(&template, 5)), Err(Refused::MessageFull));
    assert_eq!(writer.finish(0).unwrap().len(), 16 + 4 + 30);
}

#[test]
fn what_fits_no_message_is_refused() {
    // RFC 7011 §3.4: a record does not span Messages.
    let template = template(256, 50);
    let mut writer = MessageWriter::new(0, 64);
    writer.add_template(&template).unwrap();
    writer.finish(0);
    assert_eq!(writer.add_record(&template, fill(&template, 1)), Err(Refused::TooLarge(50)));
    assert_eq!(writer.finish(0), None);
    assert_eq!(MessageWriter::new(0, 1 << 20).maximum_size(), 65535);
}

#[test]
fn a_template_after_data_waits_for_the_next_message() {
    let (first, second) = (template(256, 1), template(257, 2));
    let mut writer = MessageWriter::new(0, 1400);
    writer.add_template(&first).unwrap();
    writer.add_record(&first, fill(&first, 1)).unwrap();
    assert_eq!(writer.add_template(&second), Err(Refused::MessageFull));
    writer.finish(0);
    writer.add_template(&second).unwrap();
    assert_eq!(writer.templates(), [first, second]);
}

#[test]
fn an_id_keeps_its_template_for_the_session() {
    // RFC 7011 §8.1: no second definition without a withdrawal, and we withdraw nothing.
    let mut writer = MessageWriter::new(0, 1400);
    writer.add_template(&template(256, 1)).unwrap();
    assert_eq!(writer.add_template(&template(256, 2)), Err(Refused::RedefinedTemplate(256)));
    assert_eq!(writer.add_template(&template(256, 1)), Ok(()));
}

#[test]
fn a_record_of_the_wrong_length_leaves_no_trace() {
    let template = template(256, 4);
    let mut writer = MessageWriter::new(0, 1400);
    writer.add_template(&template).unwrap();
    let with_template = writer.finish(0).unwrap().to_vec();
    assert_eq!(writer.add_record(&template, |out| out.put([1])), Err(Refused::RecordLength(256)));
    assert_eq!(writer.finish(0), None);

    writer.add_template(&template).unwrap();
    assert!(writer.add_record(&template, |out| out.put([0; 5])).is_err());
    let put_more_after_all = |out: &mut RecordOctets<'_>| {
        out.put([0; 4]);
        out.put([0; 1]);
    };
    assert!(writer.add_record(&template, put_more_after_all).is_err());
    assert_eq!(writer.finish(0).unwrap(), with_template);
}

#[test]
fn a_message_written_again_keeps_its_sequence_number() {
    let template = template(256, 4);
    let mut writer = MessageWriter::new(0, 1400);
    writer.add_template(&template).unwrap();
    writer.add_record(&template, fill(&template, 1)).unwrap();
    writer.finish(0);
    writer.renumber();
    writer.add_record(&template, fill(&template, 1)).unwrap();
    assert_eq!(header_field(writer.finish(0).unwrap(), 8), 0);
}

/// An Options Template with one scope field of four octets and a name of variable length.
fn options(id: u16) -> Arc<Template> {
    let field = |element, length| FieldSpecifier { element, length };
    let fields = vec![
        field(exported::INGRESS_INTERFACE, 4),
        field(exported::INTERFACE_NAME, VARIABLE_LENGTH),
    ];
    Arc::new(Template::options(TemplateId::new(id).unwrap(), 1, fields).unwrap())
}

#[test]
fn each_options_template_and_options_record_has_a_set_of_its_own() {
    // nfdump reads the first Options Template of a Set, and the first record of a sampler.
    let (plain, other, first, second) =
        (template(256, 1), template(257, 2), options(300), options(301));
    let mut writer = MessageWriter::new(1, 1400);
    for template in [&plain, &first, &second, &other] {
        writer.add_template(template).unwrap();
    }
    assert_eq!(writer.templates(), [plain, first.clone(), second.clone(), other]);
    writer.add_octets(&first, b"\0\0\0\x01\x01a").unwrap();
    writer.add_octets(&first, b"\0\0\0\x02\x00").unwrap();
    assert_eq!(writer.len(), 16 + (4 + 8) + (4 + 14) + (4 + 14) + (4 + 8) + (4 + 6) + (4 + 5));
    assert_eq!(writer.records(), 2);
    #[rustfmt::skip]
    assert_eq!(&writer.finish(0).unwrap()[16..], [
        0, 2,  0, 12,  1, 0,  0, 1,  0, 1,  0, 1,
        0, 3,  0, 18,  1, 44,  0, 2,  0, 1,  0, 10,  0, 4,  0, 82,  0xff, 0xff,
        0, 3,  0, 18,  1, 45,  0, 2,  0, 1,  0, 10,  0, 4,  0, 82,  0xff, 0xff,
        0, 2,  0, 12,  1, 1,  0, 1,  0, 1,  0, 2,
        1, 44,  0, 10,  0, 0, 0, 1,  1, b'a',
        1, 44,  0, 9,  0, 0, 0, 2,  0,
    ]);
    // RFC 7011 §3.1: records of Options Templates count, Templates do not.
    assert_eq!((writer.sequence(), writer.records(), writer.len()), (2, 0, 0));
}

#[test]
fn both_kinds_of_templates_share_their_ids() {
    // RFC 7011 §3.4.1, §8.
    let mut writer = MessageWriter::new(0, 1400);
    writer.add_template(&options(256)).unwrap();
    assert_eq!(writer.add_template(&template(256, 1)), Err(Refused::RedefinedTemplate(256)));
    assert_eq!(writer.add_template(&options(256)), Ok(()), "sent again");
    assert!(writer.defines_id(256) && !writer.defines_id(257));
    writer.restart();
    assert!(!writer.defines_id(256));
    assert_eq!(writer.add_template(&template(256, 1)), Ok(()), "a new session");
}

#[test]
fn octets_are_exactly_one_record() {
    let (fixed, variable) = (template(256, 4), options(300));
    let mut writer = MessageWriter::new(0, 1400);
    let undefined = writer.add_octets(&fixed, &[0; 4]);
    assert_eq!(undefined, Err(Refused::UndefinedTemplate(256)));
    writer.add_template(&fixed).unwrap();
    writer.add_template(&variable).unwrap();
    let templates = writer.len();
    for length in [0, 3, 5, 8] {
        let refused = writer.add_octets(&fixed, &vec![0; length]);
        assert_eq!(refused, Err(Refused::RecordLength(256)), "{length}");
    }
    for octets in [&b"\0\0\0\x01"[..], b"\0\0\0\x01\x02a", b"\0\0\0\x01\x00a", b"\0\0\0\x01\xff\0"]
    {
        assert_eq!(writer.add_octets(&variable, octets), Err(Refused::RecordLength(300)));
    }
    // Only octets can be of variable length.
    let written = writer.add_record(&variable, |out| out.put([0; 5]));
    assert_eq!(written, Err(Refused::RecordLength(300)));
    assert_eq!((writer.len(), writer.records()), (templates, 0));
    writer.add_octets(&fixed, &[7; 4]).unwrap();
    writer.add_octets(&fixed, &[8; 4]).unwrap();
    assert_eq!(writer.len(), templates + 4 + 8, "Data Records share a Set");
}

#[test]
fn sets_are_taken_over_as_they_are() {
    let (first, second) = (template(256, 2), template(300, 1));
    let mut sets = DataSets::new(1400);
    sets.add_record(&first, |out| out.put([1, 2])).unwrap();
    sets.add_record(&second, |out| out.put([3])).unwrap();
    sets.add_record(&second, |out| out.put([4])).unwrap();
    let sets = sets.take();

    let mut writer = MessageWriter::new(0, 16 + 20 + 4 + sets.len() + 4 + 2);
    writer.add_template(&first).unwrap();
    let before = writer.len();
    assert_eq!(writer.add_sets(&sets, 3), Err(Refused::UndefinedTemplate(300)));
    assert_eq!((writer.len(), writer.records()), (before, 0));
    writer.add_template(&second).unwrap();
    assert_eq!(writer.add_sets(&sets, 3), Ok(()));
    assert_eq!(writer.records(), 3);
    assert_eq!(writer.add_template(&second), Err(Refused::MessageFull), "no Template after data");
    assert_eq!(writer.add_sets(&sets, 3), Err(Refused::MessageFull));
    writer.add_record(&second, |out| out.put([5])).unwrap();
    let message = writer.finish(0).unwrap();
    let tail = [&sets[..], &[1, 44, 0, 5, 5]].concat();
    assert!(message.ends_with(&tail), "{message:?}");
    assert_eq!(writer.sequence(), 4);

    assert_eq!(writer.add_sets(&sets, 3), Ok(()));
    assert_eq!(&writer.finish(0).unwrap()[16..], sets);
    writer.limit_size(16 + sets.len() - 1);
    assert_eq!(writer.add_sets(&sets, 3), Err(Refused::TooLarge(sets.len())));
    assert!(writer.is_empty());
    // A Message that could not be sent is written again in two.
    assert_eq!(writer.sequence(), 7);
    writer.renumber();
    assert_eq!(writer.sequence(), 4);
    writer.renumber();
    assert_eq!(writer.sequence(), 4, "once");
}

#[test]
fn malformed_sets_leave_no_trace() {
    let (plain, variable) = (template(256, 2), options(300));
    let mut writer = MessageWriter::new(0, 1400);
    writer.add_template(&plain).unwrap();
    writer.add_template(&variable).unwrap();
    writer.add_octets(&plain, &[9, 9]).unwrap();
    let before = writer.len();
    for (sets, records, refused) in [
        (&[][..], 0, Refused::MalformedSets),
        (&[1], 1, Refused::MalformedSets),
        (&[1, 0, 0, 4], 0, Refused::MalformedSets),
        (&[1, 0, 0, 7, 1, 2], 1, Refused::MalformedSets),
        (&[1, 0, 0, 6, 1, 2, 0], 1, Refused::MalformedSets),
        // Another number of records.
        (&[1, 0, 0, 8, 1, 2, 3, 4], 1, Refused::MalformedSets),
        (&[1, 0, 0, 8, 1, 2, 3, 4], 3, Refused::MalformedSets),
        // Not a record; padding, too, is none.
        (&[1, 0, 0, 7, 1, 2, 0], 1, Refused::RecordLength(256)),
        (&[1, 44, 0, 8, 0, 0, 0, 1], 1, Refused::RecordLength(300)),
        (&[1, 44, 0, 9, 0, 0, 0, 1, 1], 1, Refused::RecordLength(300)),
        // Sets of Templates and Sets without a meaning.
        (&[0, 2, 0, 12, 1, 9, 0, 1, 0, 1, 0, 1], 0, Refused::MalformedSets),
        (&[0, 255, 0, 6, 1, 2], 1, Refused::MalformedSets),
        (&[1, 1, 0, 6, 1, 2], 1, Refused::UndefinedTemplate(257)),
    ] {
        assert_eq!(writer.add_sets(sets, records), Err(refused), "{sets:?}");
        assert_eq!((writer.len(), writer.records()), (before, 1));
    }
    let two = [1, 44, 0, 15, 0, 0, 0, 1, 1, b'a', 0, 0, 0, 2, 0];
    assert_eq!(writer.add_sets(&two, 2), Ok(()));
}

fn header_field(message: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(message[offset..offset + 4].try_into().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written: lengths add up, Sets hold whole records, sequence numbers count them.
    #[test]
    fn messages_add_up(
        maximum in 150_usize..700,
        records in prop::collection::vec((0_u16..6, any::<u8>()), 1..200),
    ) {
        let templates: Vec<_> = (0..6).map(|n| template(256 + n * 1000, 1 + n * 17)).collect();
        let mut writer = MessageWriter::new(7, maximum);
        let mut messages = Vec::new();
        for &(which, octet) in &records {
            let template = &templates[usize::from(which)];
            if !writer.defines(template) && writer.add_template(template).is_err() {
                messages.push(writer.finish(9).unwrap().to_vec());
                writer.add_template(template).unwrap();
            }
            if writer.add_record(template, fill(template, octet)).is_err() {
                messages.push(writer.finish(9).unwrap().to_vec());
                writer.add_record(template, fill(template, octet)).unwrap();
            }
        }
        messages.extend(writer.finish(9).map(<[u8]>::to_vec));

        let mut expected = records.iter();
        let mut sequence = 0;
        for message in &messages {
            prop_assert!(message.len() <= maximum);
            prop_assert_eq!(usize::from(u16::from_be_bytes([message[2], message[3]])), message.len());
            prop_assert_eq!(header_field(message, 8), sequence);
            let mut rest = &message[16..];
            let mut data_seen = false;
            prop_assert!(!rest.is_empty());
            while !rest.is_empty() {
                let id = u16::from_be_bytes([rest[0], rest[1]]);
                let (set, after) = rest.split_at(usize::from(u16::from_be_bytes([rest[2], rest[3]])));
                let body = &set[4..];
                prop_assert!(!body.is_empty());
                if id == 2 {
                    prop_assert!(!data_seen);
                } else {
                    data_seen = true;
                    let length = usize::from(1 + (id - 256) / 1000 * 17);
                    prop_assert_eq!(body.len() % length, 0);
                    for record in body.chunks(length) {
                        let &(which, octet) = expected.next().unwrap();
                        prop_assert_eq!(id, 256 + which * 1000);
                        prop_assert!(record.iter().all(|&value| value == octet));
                        sequence += 1;
                    }
                }
                rest = after;
            }
        }
        prop_assert!(expected.next().is_none());
    }
}
