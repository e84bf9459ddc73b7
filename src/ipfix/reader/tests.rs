use proptest::collection::vec;
use proptest::prelude::*;

use super::build::*;
use super::*;

/// What a reader makes of some octets: records as text, and how it ended.
#[derive(Debug, PartialEq)]
struct Outcome {
    records: Vec<String>,
    error: Option<String>,
    statistics: Statistics,
}

fn read(octets: &[u8]) -> Outcome {
    let mut reader = Reader::new(octets);
    let mut records = Vec::new();
    let error = loop {
        match reader.next_record() {
            Ok(Some(record)) => records.push(text(&record)),
            Ok(None) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    assert!(matches!(reader.next_record(), Ok(None)), "nothing comes after the end");
    Outcome { records, error, statistics: *reader.statistics() }
}

fn text(record: &Record<'_>) -> String {
    let fields = record.fields().map(|(field, value)| format!("{field}={value}"));
    fields.collect::<Vec<_>>().join(" ")
}

fn fault(octets: &[u8]) -> String {
    read(octets).error.expect("not an IPFIX message")
}

const PORTS: &[Specifier] = &[(0, 7, 2), (0, 11, 2)];

#[test]
fn message_in_hexadecimal_reads_as_written() {
    #[rustfmt::skip]
    let octets = [
        // Message Header: version, length, export time, sequence number, observation domain.
        0x00, 0x0a, 0x00, 0x58, 0x44, 0xda, 0xfe, 0x27, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07,
        // Template Set: template 256 with sourceIPv4Address, reversePacketDeltaCount in two octets,
        // interfaceName of variable length, element 77 of enterprise 32473.
        0x00, 0x02, 0x00, 0x20,
        0x01, 0x00, 0x00, 0x04,
        0x00, 0x08, 0x00, 0x04,
        0x80, 0x02, 0x00, 0x02, 0x00, 0x00, 0x72, 0x79,
        0x00, 0x52, 0xff, 0xff,
        0x80, 0x4d, 0x00, 0x03, 0x00, 0x00, 0x7e, 0xd9,
        // Data Set with two records, the second with the long form of length, and padding.
        0x01, 0x00, 0x00, 0x28,
        0xc0, 0x00, 0x02, 0x01, 0x01, 0x00, 0x04, b'e', b't', b'h', b'0', 0x0a, 0x0b, 0x0c,
        0xc0, 0x00, 0x02, 0x02, 0x00, 0x02, 0xff, 0x00, 0x05, b'w', b'l', b'a', b'n', b'1', 0x00, 0x00, 0x01,
        0x00, 0x00, 0x00, 0x00, 0x00,
    ];
    let outcome = read(&octets);
    assert_eq!(
        outcome.records,
        [
            "sourceIPv4Address=192.0.2.1 reversePacketDeltaCount=256 interfaceName=eth0 enterprise32473id77=0a0b0c",
            "sourceIPv4Address=192.0.2.2 reversePacketDeltaCount=2 interfaceName=wlan1 enterprise32473id77=000001",
        ]
    );
    assert_eq!(outcome.error, None);
    let expected = Statistics {
        messages: 1,
        octets: octets.len() as u64,
        records: 2,
        templates: 1,
        ..Statistics::default()
    };
    assert_eq!(outcome.statistics, expected);
}

#[test]
fn variable_length_fields_stand_anywhere() {
    // RFC 7011 §7, RFC 5471 §3.2.2.
    let long = "x".repeat(300);
    let prefixed = |text: &str| match u8::try_from(text.len()) {
        Ok(length) if length < 255 => [&[length], text.as_bytes()].concat(),
        _ => [&[255, 1, 44], text.as_bytes()].concat(),
    };
    let fields = [(0, 82, VARIABLE_LENGTH), (0, 4, 1), (0, 82, VARIABLE_LENGTH)];
    let records =
        [prefixed(""), vec![6], prefixed(&long), prefixed("a"), vec![17], prefixed("")].concat();
    let outcome = read(&message(1, 0, &[template(300, &fields), set(300, &records)]));
    assert_eq!(
        outcome.records,
        [
            format!("interfaceName= protocolIdentifier=6 interfaceName={long}"),
            "interfaceName=a protocolIdentifier=17 interfaceName=".to_owned(),
        ]
    );
}

#[test]
fn template_outlives_its_message_but_not_its_domain() {
    let first = message(1, 0, &[template(256, PORTS), set(256, &[0, 1, 0, 2])]);
    let second = message(1, 1, &[set(256, &[0, 3, 0, 4])]);
    let elsewhere = message(2, 0, &[set(256, &[0, 5, 0, 6])]);
    let outcome = read(&[first, second, elsewhere].concat());
    assert_eq!(
        outcome.records,
        [
            "sourceTransportPort=1 destinationTransportPort=2",
            "sourceTransportPort=3 destinationTransportPort=4"
        ]
    );
    assert_eq!((outcome.statistics.sets_without_template, outcome.error), (1, None));
}

#[test]
fn withdrawn_templates_are_forgotten() {
    // RFC 7011 §8.1, RFC 5471 §3.2.5.
    let define = [
        template(256, PORTS),
        template(257, PORTS),
        options_template(300, 1, &[(0, 149, 4)]),
        options_template(301, 1, &[(0, 149, 4)]),
    ];
    let data = || {
        let ports = [0, 1, 0, 2];
        [set(256, &ports), set(257, &ports), set(300, &ports), set(301, &ports)].concat()
    };
    let after = |withdrawal: Vec<u8>| {
        let outcome = read(&message(1, 0, &[define.concat(), withdrawal, data()]));
        assert_eq!(outcome.error, None);
        let Statistics { records, options_records, ignored_withdrawals, .. } = outcome.statistics;
        (records, options_records, ignored_withdrawals)
    };
    assert_eq!(after(vec![]), (2, 2, 0));
    assert_eq!(after(set(2, &[1, 0, 0, 0])), (1, 2, 0), "one");
    assert_eq!(after(set(2, &[1, 0, 0, 0, 1, 1, 0, 0])), (0, 2, 0), "two in one set");
    assert_eq!(after(set(3, &[1, 44, 0, 0])), (2, 1, 0), "one of options, without a scope");
    assert_eq!(after(set(2, &[0, 2, 0, 0])), (0, 2, 0), "all");
    assert_eq!(after(set(3, &[0, 3, 0, 0])), (2, 0, 0), "all of options");
    assert_eq!(after(set(2, &[2, 0, 0, 0])), (2, 2, 1), "one that never was");
    assert_eq!(after(set(2, &[1, 44, 0, 0])), (2, 2, 1), "one of the other kind");
    let twice =
        message(1, 0, &[template(256, PORTS), set(2, &[1, 0, 0, 0]), set(2, &[1, 0, 0, 0])]);
    assert_eq!(read(&twice).statistics.ignored_withdrawals, 1);
}

#[test]
fn newer_template_of_a_number_holds() {
    // RFC 7011 §8.4, RFC 5471 §3.6.8.3.
    let outcome = read(&message(
        1,
        0,
        &[
            template(256, PORTS),
            template(256, PORTS),
            set(256, &[0, 1, 0, 2]),
            template(256, &[(0, 2, 4)]),
            set(256, &[0, 1, 0, 2]),
        ],
    ));
    assert_eq!(
        outcome.records,
        ["sourceTransportPort=1 destinationTransportPort=2", "packetDeltaCount=65538"]
    );
    assert_eq!(outcome.statistics.templates, 2, "sending one again is no news");
}

#[test]
fn options_records_know_their_scope() {
    // RFC 7011 §3.4.2, RFC 5471 §3.4.
    let fields = [(0, 149, 4), (32473, 9, 1), (0, 41, 2)];
    let octets =
        message(1, 0, &[options_template(400, 2, &fields), set(400, &[0, 0, 0, 1, 5, 0, 9])]);
    let mut reader = Reader::new(octets.as_slice());
    let record = reader.next_record().unwrap().unwrap();
    assert!(record.template().is_options());
    let scope: Vec<_> = record.template().scope().iter().map(|f| f.field.to_string()).collect();
    assert_eq!(scope, ["observationDomainId", "enterprise32473id9"]);
    assert_eq!(
        text(&record),
        "observationDomainId=1 enterprise32473id9=05 exportedMessageTotalCount=9"
    );
    assert_eq!(
        record.header().copied(),
        Some(MessageHeader {
            length: 53,
            export_time: EXPORT_TIME,
            sequence_number: 0,
            observation_domain: 1
        })
    );
}

#[test]
fn padding_makes_no_records() {
    // RFC 7011 §3.3.1, RFC 5471 §3.2.3, §3.2.4.
    let padded = |record: &[u8], padding: usize| [record, vec![0; padding].as_slice()].concat();
    let outcome = read(&message(
        1,
        0,
        &[
            set(2, &padded(&template_record(256, None, PORTS), 3)),
            set(2, &padded(&template_record(257, None, &[(0, 4, 1), (0, 210, 3)]), 8)),
            set(256, &padded(&[0, 1, 0, 2], 3)),
            set(257, &[6, 0, 0, 0, 17, 0, 0, 0, 0, 0]),
            set(256, &[0, 1, 0, 2, 9]),
        ],
    ));
    assert_eq!(outcome.error, None);
    assert_eq!(
        outcome.records,
        [
            "sourceTransportPort=1 destinationTransportPort=2",
            "protocolIdentifier=6 paddingOctets=000000",
            "protocolIdentifier=17 paddingOctets=000000",
            "sourceTransportPort=1 destinationTransportPort=2",
        ]
    );
    assert_eq!(outcome.statistics.irregular_padding, 1);
}

#[test]
fn sequence_counts_data_records_by_domain() {
    // RFC 7011 §3.1: options records count, Templates do not.
    let templates = [template(256, PORTS), options_template(300, 1, &[(0, 149, 4)])].concat();
    let two = || [set(256, &[0, 1, 0, 2]), set(300, &[0, 0, 0, 1])].concat();
    let first = message(1, u32::MAX - 1, &[templates, two()]);
    let send = |second: Vec<u8>| read(&[first.clone(), second].concat()).statistics;
    let gaps = |s: Statistics| (s.sequence_gaps, s.missing_records, s.sequence_steps_back);

    assert_eq!(gaps(send(message(1, 0, &[two()]))), (0, 0, 0), "modulo 2^32");
    assert_eq!(gaps(send(message(1, 5, &[two()]))), (1, 5, 0));
    assert_eq!(gaps(send(message(1, u32::MAX - 1, &[two()]))), (0, 0, 1));
    assert_eq!(gaps(send(message(9, 77, &[two()]))), (0, 0, 0), "another domain");

    // A skipped Set may have held any number of records.
    let unknown = message(1, 0, &[set(999, &[1])]);
    assert_eq!(gaps(send([unknown, message(1, 40, &[two()])].concat())), (0, 0, 0));
}

#[test]
fn template_that_does_not_fit_is_refused() {
    // RFC 5471 §3.6.4 (a) to (e), figures 4 and 5.
    let figure = |total: u16, field_count: u8, set_length: u8| {
        let set = [0, 2, 0, set_length, 1, 1, 0, field_count, 0, 8, 0, 4];
        message_of_length(total, 0x3333_4444, 0x1234_5678, &set)
    };
    // (a) 28 of 32 octets are there, and the Set ends before its second field.
    assert_eq!(
        fault(&figure(32, 2, 12)),
        "malformed at offset 20: template 257 reaches beyond its set"
    );
    // (b) Field Count is too large.
    assert_eq!(
        fault(&figure(28, 2, 12)),
        "malformed at offset 20: template 257 reaches beyond its set"
    );
    // (c) The message ends within the Set.
    assert_eq!(
        fault(&figure(26, 2, 12)),
        "malformed at offset 16: set 2 cannot have 12 octets where 10 are left"
    );
    // (d) The message is longer than what there is.
    assert_eq!(
        fault(&figure(32, 1, 12)),
        "truncated at offset 28: the message that begins at 0 has 32 octets, 4 of them are missing"
    );
    // (e) With the second field all is well.
    let whole = [figure(32, 2, 16), vec![0, 12, 0, 4]].concat();
    assert_eq!((read(&whole).error, read(&whole).statistics.templates), (None, 1));
}

#[test]
fn scope_is_part_of_the_fields() {
    // RFC 7011 §3.4.2.2, RFC 5471 §3.6.4 figure 6.
    let figure = |scope| message(1, 0, &[options_template(257, scope, &[(0, 8, 4)])]);
    assert_eq!(
        fault(&figure(0)),
        "malformed at offset 20: options template 257 cannot have 0 scope fields of 1 fields"
    );
    assert_eq!(
        fault(&figure(2)),
        "malformed at offset 20: options template 257 cannot have 2 scope fields of 1 fields"
    );
    assert_eq!(read(&figure(1)).error, None);
}

#[test]
fn data_that_do_not_fit_are_refused() {
    // RFC 5471 §3.6.5, §3.6.6.
    let data = |content: &[u8]| {
        let fields = [(0, 4, 1), (0, 82, VARIABLE_LENGTH)];
        read(&message(1, 0, &[template(256, &fields), set(256, content)]))
    };
    let refused =
        "malformed at offset 36: the data do not fit template 256: a record reaches beyond its set";
    for (content, why) in [
        (&[6][..], "too few fields, which cannot be padding"),
        (&[6, 5, b'a'], "a length beyond the set"),
        (&[6, 255], "half a length"),
        (&[6, 255, 0], "half a long length"),
        (&[6, 255, 255, 255, 1], "a long length beyond the set"),
    ] {
        assert_eq!(data(content).error.as_deref(), Some(refused), "{why}");
    }
    let second = data(&[6, 0, 17, 9]);
    assert_eq!(second.records, ["protocolIdentifier=6 interfaceName="]);
    assert_eq!(second.error, Some(refused.replace("36", "38")), "what is before is delivered");
    // Too many fields leave octets that are neither a record nor padding.
    let more = data(&[6, 0, 9]);
    assert_eq!((more.records.len(), more.statistics.irregular_padding), (1, 1));
}

#[test]
fn lengths_that_a_type_cannot_have_are_noted_and_not_read() {
    // RFC 7011 §6.2, RFC 5471 §3.6.5: no reduced size for addresses and times.
    let fields = [(0, 8, 3), (0, 152, 4), (0, 2, 3), (32473, 50, 7), (0, 1, 9)];
    let outcome = read(&message(1, 0, &[template(256, &fields), set(256, &[1; 26])]));
    assert_eq!(
        outcome.records,
        [
            "sourceIPv4Address=010101 flowStartMilliseconds=01010101 packetDeltaCount=65793 enterprise32473id50=01010101010101 octetDeltaCount=010101010101010101"
        ]
    );
    assert_eq!(outcome.statistics.illegal_lengths, 3);
}

#[test]
fn sets_without_a_meaning_are_skipped() {
    // RFC 7011 §3.3.2, RFC 5471 §3.6.7.
    for id in [0, 1, 4, 255] {
        let sets = [template(256, PORTS), set(id, &[1, 2, 3]), set(256, &[0, 1, 0, 2])];
        let outcome = read(&message(1, 0, &sets));
        assert_eq!((outcome.records.len(), outcome.error), (1, None));
        assert_eq!(outcome.statistics.reserved_sets, 1);
    }
}

#[test]
fn set_lengths_stay_within_the_message() {
    // RFC 7011 §3.3.2.
    for (sets, expected) in [
        (&[0, 2, 0, 3][..], "set 2 cannot have 3 octets where 4 are left"),
        (&[0, 2, 0, 0], "set 2 cannot have 0 octets where 4 are left"),
        (&[1, 0, 0, 9, 1, 2, 3, 4], "set 256 cannot have 9 octets where 8 are left"),
        (&[0, 2, 0, 4, 0, 0, 0], "3 octets after the last set are too few for another"),
    ] {
        let error = fault(&message(1, 0, &[sets.to_vec()]));
        assert!(error.starts_with("malformed at offset ") && error.ends_with(expected), "{error}");
    }
    assert_eq!(read(&message(1, 0, &[set(2, &[])])).error, None, "an empty set does no harm");
}

#[test]
fn numbers_below_256_are_no_templates() {
    for id in [0, 1, 2, 3, 255] {
        let error = fault(&message(1, 0, &[template(id, PORTS)]));
        let expected = format!("malformed at offset 20: {id} cannot be the number of a template");
        assert_eq!(error, expected);
    }
    assert_eq!(
        fault(&message(1, 0, &[set(2, &[0, 3, 0, 0])])),
        "malformed at offset 20: 3 cannot be the number of a template"
    );
}

#[test]
fn records_without_octets_are_refused() {
    let nothing = [(0, 82, 0), (0, 210, 0)];
    assert_eq!(
        fault(&message(1, 0, &[template(256, &nothing), set(256, &[1, 2, 3])])),
        "malformed at offset 20: records of template 256 would have no octets"
    );
    // One octet is enough.
    let little = [(0, 82, 0), (0, 4, 1)];
    let outcome = read(&message(1, 0, &[template(256, &little), set(256, &[6, 17])]));
    assert_eq!(outcome.records.len(), 2);
}

#[test]
fn other_files_are_told_by_name() {
    let error = |head: &[u8]| fault(&[head, &[0; 40]].concat());
    assert_eq!(error(&[0, 9]), "malformed at offset 0: NetFlow version 9, not IPFIX");
    assert_eq!(error(&[0, 5]), "malformed at offset 0: NetFlow version 5, not IPFIX");
    let capture = "malformed at offset 0: a packet capture, not IPFIX";
    assert_eq!(error(&0xa1b2_c3d4_u32.to_be_bytes()), capture);
    assert_eq!(error(&0xa1b2_c3d4_u32.to_le_bytes()), capture);
    assert_eq!(error(&0xa1b2_3c4d_u32.to_le_bytes()), capture);
    assert_eq!(error(&0x0a0d_0d0a_u32.to_be_bytes()), capture);
    assert_eq!(
        error(b"hello"),
        "malformed at offset 0: not an IPFIX message: its version would be 26725"
    );
    assert_eq!(
        fault(b"hi"),
        "malformed at offset 0: not an IPFIX message: its version would be 26729"
    );
    assert_eq!(fault(&[0]), "malformed at offset 0: the input ends within a message header");
    assert_eq!(
        read(&[]),
        Outcome { records: vec![], error: None, statistics: Statistics::default() }
    );
    assert_eq!(
        error(&[0, 10, 0, 15]),
        "malformed at offset 0: a message cannot have 15 octets, less than its header"
    );
}

#[test]
fn everything_before_a_cut_is_delivered() {
    let first = message(1, 0, &[template(256, PORTS), set(256, &[0, 1, 0, 2])]);
    let second = message(1, 1, &[set(256, &[0, 3, 0, 4]), set(256, &[0, 5, 0, 6])]);
    let whole = [first.clone(), second.clone()].concat();
    for length in 0..whole.len() {
        let outcome = read(&whole[..length]);
        let expected = match length {
            0..40 => 0,
            40..64 => 1,
            // The first Set of the second message is whole.
            _ => 2,
        };
        assert_eq!(outcome.records.len(), expected, "{length} octets");
        let is_between = length == 0 || length == first.len();
        assert_eq!(outcome.error.is_none(), is_between, "{length}: {:?}", outcome.error);
        if let Some(error) = outcome.error
            && length > first.len() + 16
        {
            let offset = format!("truncated at offset {length}: the message that begins at 40 has");
            assert!(error.starts_with(&offset), "{error}");
        }
    }
}

#[test]
fn garbage_after_a_message_is_named_with_its_offset() {
    let good = message(1, 0, &[template(256, PORTS), set(256, &[0, 1, 0, 2])]);
    let outcome = read(&[good.as_slice(), &[0xff; 30]].concat());
    assert_eq!(outcome.records.len(), 1);
    assert_eq!(
        outcome.error.as_deref(),
        Some("malformed at offset 40: not an IPFIX message: its version would be 65535")
    );
}

#[test]
fn failing_input_is_named_with_its_offset() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let good = message(1, 0, &[template(256, PORTS), set(256, &[0, 1, 0, 2])]);
    let mut reader = Reader::new(good.chain(Failing));
    assert!(reader.next_record().unwrap().is_some());
    let error = reader.next_record().unwrap_err();
    assert_eq!(error.to_string(), "cannot read at offset 40: the disk is gone");
    assert!(matches!(reader.next_record(), Ok(None)));
}

#[test]
fn templates_are_bounded() {
    // RFC 5471 §3.5.3, §3.5.4. 16,000 fields each, so 65 Templates are allowed.
    let fields = vec![(0, 210, 1); 16_000];
    let many: Vec<u8> = (256..400).flat_map(|id| message(1, 0, &[template(id, &fields)])).collect();
    let outcome = read(&many);
    assert_eq!(outcome.statistics.templates, (MAXIMUM_FIELDS / 16_000) as u64);
    assert!(outcome.error.unwrap().ends_with("more templates than can be kept"));
    // The same number again and again holds no more than one.
    let again: Vec<u8> = (0..144)
        .flat_map(|n| message(1, 0, &[template(256, &vec![(0, 210, 1 + n % 2); 16_000])]))
        .collect();
    assert_eq!(read(&again).error, None);
    // Withdrawal makes room.
    let withdrawn: Vec<u8> = (256..400)
        .flat_map(|id| message(1, 0, &[template(id, &fields), set(2, &[0, 2, 0, 0])]))
        .collect();
    assert_eq!(read(&withdrawn).error, None);
}

#[test]
fn domains_are_bounded() {
    let many: Vec<u8> = (0..=65_536).flat_map(|id| message(id, 0, &[])).collect();
    let outcome = read(&many);
    assert_eq!(
        outcome.error,
        Some(format!(
            "malformed at offset {}: more observation domains than can be kept",
            MAXIMUM_DOMAINS * 16
        ))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_octets_never_panic(octets in vec(any::<u8>(), 0..400)) {
        read(&octets);
    }

    /// Right frames around arbitrary content, so that every layer meets nonsense.
    #[test]
    fn arbitrary_sets_never_panic(
        sets in vec((prop_oneof![Just(2_u16), Just(3), Just(256), Just(257), any::<u16>()],
                     vec(prop_oneof![Just(0_u8), Just(1), Just(255), any::<u8>()], 0..60)), 0..8),
    ) {
        let sets: Vec<_> = sets.iter().map(|(id, content)| set(*id, content)).collect();
        let octets = message(1, 0, &sets);
        let outcome = read(&octets);
        prop_assert!(outcome.records.len() <= octets.len());
    }

    /// Any Template, any data: what comes out is bounded by what went in, and every record is
    /// whole.
    #[test]
    fn records_partition_their_set(
        lengths in vec(prop_oneof![0_u16..5, Just(VARIABLE_LENGTH)], 1..6),
        element in prop_oneof![Just(4_u16), Just(291), Just(292), Just(293), Just(82)],
        content in vec(prop_oneof![Just(0_u8), Just(2), Just(255), any::<u8>()], 0..120),
    ) {
        let fields: Vec<_> = lengths.iter().map(|&length| (0, element, length)).collect();
        let octets = message(1, 0, &[template(256, &fields), set(256, &content)]);
        let mut reader = Reader::new(octets.as_slice());
        let mut records = 0;
        while let Ok(Some(record)) = reader.next_record() {
            records += 1;
            prop_assert_eq!(record.fields().count(), lengths.len());
            prop_assert!(serde_json::to_string(&record).is_ok());
        }
        let shortest: usize = lengths
            .iter()
            .map(|&length| if length == VARIABLE_LENGTH { 1 } else { usize::from(length) })
            .sum();
        prop_assert!(records * shortest <= content.len());
    }

    /// A stream may come in pieces of any size.
    #[test]
    fn pieces_of_the_input_do_not_matter(piece in 1_usize..50) {
        struct Pieces<'a>(&'a [u8], usize);
        impl Read for Pieces<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let length = self.1.min(buffer.len());
                self.0.read(&mut buffer[..length])
            }
        }
        let octets = [
            message(1, 0, &[template(256, PORTS), set(256, &[0, 1, 0, 2, 0, 3, 0, 4])]),
            message(1, 2, &[set(256, &[0, 5, 0, 6])]),
        ].concat();
        let mut reader = Reader::new(Pieces(&octets, piece));
        let mut records = 0;
        while reader.next_record().unwrap().is_some() {
            records += 1;
        }
        prop_assert_eq!((records, reader.statistics().sequence_gaps), (3, 0));
    }
}
