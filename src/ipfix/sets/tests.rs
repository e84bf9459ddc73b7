use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::ipfix::element::{DataType, InformationElement};
use crate::ipfix::template::{FieldSpecifier, VARIABLE_LENGTH};

/// A Template of one field; records of it have this length.
fn template(id: u16, length: u16) -> Template {
    let element = InformationElement {
        enterprise: 0,
        id: 210,
        name: "paddingOctets",
        data_type: DataType::OctetArray,
    };
    let fields = vec![FieldSpecifier { element, length }];
    Template::new(TemplateId::new(id).unwrap(), fields).unwrap()
}

#[test]
fn records_of_one_template_share_a_set() {
    let (first, second) = (template(256, 2), template(300, 1));
    let mut sets = DataSets::new(1400);
    assert!(sets.is_empty());
    sets.add_record(&first, |out| out.put([1, 2])).unwrap();
    sets.add_record(&first, |out| out.put([3, 4])).unwrap();
    sets.add_record(&second, |out| out.put([5])).unwrap();
    assert_eq!((sets.len(), sets.records(), sets.is_empty()), (13, 3, false));
    let octets = sets.take();
    #[rustfmt::skip]
    assert_eq!(octets, [
        1, 0,  0, 8,                            // Data Set 256
        1, 2,  3, 4,
        1, 44,  0, 5,                           // Data Set 300
        5,
    ]);
    assert_eq!(set_ids(&octets).collect::<Vec<_>>(), [256, 300]);

    assert_eq!((sets.len(), sets.records(), sets.is_empty()), (0, 0, true));
    sets.add_record(&second, |out| out.put([6])).unwrap();
    assert_eq!(sets.take(), [1, 44, 0, 5, 6], "nothing is left of what was taken");
    assert!(sets.take().is_empty());
}

#[test]
fn sets_leave_room_for_the_message_header() {
    let template = template(256, 10);
    let write = |out: &mut RecordOctets<'_>| out.put([7; 10]);
    let mut sets = DataSets::new(16 + 4 + 20);
    sets.add_record(&template, write).unwrap();
    sets.add_record(&template, write).unwrap();
    assert_eq!(sets.add_record(&template, write), Err(Refused::MessageFull));
    assert_eq!((sets.len(), sets.records()), (24, 2));
    assert_eq!(sets.take().len(), 24);

    sets.limit_size(16 + 4 + 10);
    sets.add_record(&template, write).unwrap();
    assert_eq!(sets.add_record(&template, write), Err(Refused::MessageFull));
    assert_eq!(sets.take().len(), 14);
    // RFC 7011 §3.4: a record does not span Messages.
    sets.limit_size(16 + 4 + 9);
    assert_eq!(sets.add_record(&template, write), Err(Refused::TooLarge(10)));
    assert!(sets.is_empty());
    sets.limit_size(0);
    assert_eq!(sets.add_record(&template, write), Err(Refused::TooLarge(10)));
}

#[test]
fn a_record_of_the_wrong_length_leaves_no_trace() {
    let (first, second) = (template(256, 2), template(257, 2));
    let mut sets = DataSets::new(1400);
    assert_eq!(sets.add_record(&first, |out| out.put([1])), Err(Refused::RecordLength(256)));
    assert!(sets.is_empty());
    sets.add_record(&first, |out| out.put([1, 1])).unwrap();
    assert_eq!(sets.add_record(&first, |out| out.put([1; 3])), Err(Refused::RecordLength(256)));
    assert_eq!(sets.add_record(&second, |out| out.put([1])), Err(Refused::RecordLength(257)));
    sets.add_record(&first, |out| out.put([2, 2])).unwrap();
    assert_eq!(sets.records(), 2);
    assert_eq!(sets.take(), [1, 0, 0, 6, 1, 1, 1, 0, 0, 6, 2, 2]);

    let padding = *template(258, 1).fields().first().unwrap();
    let fields = vec![padding, FieldSpecifier { length: VARIABLE_LENGTH, ..padding }];
    let variable = Template::new(TemplateId::new(258).unwrap(), fields).unwrap();
    assert_eq!(variable.record_length(), 2);
    assert_eq!(sets.add_record(&variable, |out| out.put([0, 0])), Err(Refused::RecordLength(258)));
    assert!(sets.is_empty());
}

#[test]
fn what_was_taken_holds_no_more_memory_than_it_needs() {
    let template = template(256, 2);
    let mut sets = DataSets::new(65_535);
    sets.add_record(&template, |out| out.put([1, 2])).unwrap();
    let little = sets.take();
    assert!(little.capacity() <= 64, "{} for {}", little.capacity(), little.len());
    while sets.add_record(&template, |out| out.put([1, 2])).is_ok() {}
    let much = sets.take();
    assert!(much.len() > 65_500 && much.capacity() <= 65_535);
    assert!(sets.0.octets.capacity() >= 65_519, "and the next Sets need not grow");
}

#[test]
fn malformed_sets_are_not_divided() {
    let known = |id| (id == 256).then_some(2);
    assert_eq!(split_sets(&[], 1400, known), Some(vec![]));
    let good = [1, 0, 0, 8, 1, 1, 2, 2];
    assert_eq!(split_sets(&good, 1400, known), Some(vec![(good.to_vec(), 2)]));
    assert_eq!(split_sets(&good, 16 + 4 + 1, known), None, "a record alone is too large");
    assert_eq!(split_sets(&good, 1400, |_| None), None, "unknown");
    assert_eq!(split_sets(&good, 1400, |_| Some(3)), None, "records of another length");
    assert_eq!(split_sets(&good, 1400, |_| Some(0)), None);
    for malformed in [
        &[1][..],
        &[1, 0, 0],
        &[1, 0, 0, 3],
        &[1, 0, 0, 4],
        &[1, 0, 0, 7, 1, 1],
        &[1, 0, 0, 7, 1, 1, 2],
        &[0, 2, 0, 6, 1, 1],
        &[0, 255, 0, 6, 1, 1],
        &[1, 0, 0, 6, 1, 1, 1],
    ] {
        assert_eq!(split_sets(malformed, 1400, known), None, "{malformed:?}");
    }
    assert_eq!(set_ids(&[1, 0, 0, 6, 1, 1, 1, 1, 0, 9]).collect::<Vec<_>>(), [256]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The parts hold the same records in the same order, none exceeds the size, and no part could
    /// have taken the next record too.
    #[test]
    fn parts_are_the_whole(
        records in vec((0_u16..4, any::<u8>()), 1..150),
        maximum_size in 16 + 4 + 28..400_usize,
    ) {
        let templates: Vec<_> = (0..4).map(|n| template(256 + n, 1 + 9 * n)).collect();
        let lengths = |id: u16| id.checked_sub(256).filter(|&n| n < 4).map(|n| 1 + 9 * usize::from(n));
        let mut sets = DataSets::new(65_535);
        let mut expected = Vec::new();
        for &(which, octet) in &records {
            let template = &templates[usize::from(which)];
            let length = template.record_length();
            sets.add_record(template, |out| (0..length).for_each(|_| out.put([octet]))).unwrap();
            expected.push((256 + which, vec![octet; length]));
        }
        let parts = split_sets(&sets.take(), maximum_size, lengths).unwrap();
        let mut found = Vec::new();
        for (index, (part, count)) in parts.iter().enumerate() {
            prop_assert!(16 + part.len() <= maximum_size);
            let before = found.len();
            let mut last = 0;
            for set in walk(part) {
                let (id, content) = set.expect("well formed");
                prop_assert_ne!(id, last, "neighbours of one kind share a Set");
                last = id;
                found.extend(content.chunks(lengths(id).unwrap()).map(|record| (id, record.to_vec())));
            }
            prop_assert_eq!(found.len() - before, usize::try_from(*count).unwrap());
            if index + 1 < parts.len() {
                let (id, record) = &expected[found.len()];
                let header = if *id == last { 0 } else { 4 };
                prop_assert!(16 + part.len() + header + record.len() > maximum_size);
            }
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn arbitrary_octets_never_panic(octets in vec(prop_oneof![Just(0_u8), Just(1), Just(6), any::<u8>()], 0..60)) {
        let ids = set_ids(&octets).count();
        prop_assert!(ids <= octets.len() / 5);
        let split = split_sets(&octets, 40, |id| Some(usize::from(id % 3)));
        if let Some(parts) = split {
            prop_assert!(parts.iter().all(|(part, records)| part.len() <= 24 && *records > 0));
        }
    }
}
