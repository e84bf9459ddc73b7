use std::io::Read;

use serde_json::{Value as Json, json};

use super::*;
use crate::ipfix::reader::VARIABLE_LENGTH;
use crate::ipfix::reader::build::*;

/// What is shown of these octets as a file, and the error.
fn shown(octets: &[u8], format: ShowFormat) -> (String, Option<String>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), octets).unwrap();
    let mut out = Vec::new();
    let result = show(&[file.path().to_owned()], &format.into(), &mut out);
    let path = file.path().display().to_string();
    let error = result.err().map(|error| format!("{error:#}").replace(&path, "FILE"));
    (String::from_utf8(out).unwrap(), error)
}

/// Three flows of two Templates and an options record, in two messages.
fn flows() -> Vec<u8> {
    let v4 = [(0, 8, 4), (0, 12, 4), (0, 7, 2), (0, 11, 2), (0, 4, 1), (0, 2, 4), (0, 1, 4)];
    let v6 =
        [(0, 27, 16), (0, 28, 16), (0, 82, VARIABLE_LENGTH), (0, 2, 8), (29305, 2, 8), (0, 2, 8)];
    let first = [192, 0, 2, 1, 192, 0, 2, 2, 0xc0, 0, 1, 187, 6, 0, 0, 0, 5, 0, 0, 1, 0];
    let second = [192, 0, 2, 3, 192, 0, 2, 4, 0, 53, 0, 53, 17, 0, 0, 0, 1, 0, 0, 0, 80];
    let mut third = vec![0; 15];
    third.push(1);
    third.extend([0; 15]);
    third.extend([2, 5, b'=', b'1', b',', b'"', b'\x1b']);
    third.extend([0, 0, 0, 0, 0, 0, 0, 7]);
    third.extend([0, 0, 0, 0, 0, 0, 0, 3]);
    third.extend([0, 0, 0, 0, 0, 0, 0, 9]);
    [
        message(
            1,
            0,
            &[
                template(256, &v4),
                options_template(400, 1, &[(0, 149, 4), (0, 41, 8)]),
                set(400, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]),
                set(256, &[first, second].concat()),
            ],
        ),
        message(1, 3, &[template(257, &v6), set(257, &third)]),
    ]
    .concat()
}

#[test]
fn json_has_an_object_a_line() {
    let (text, error) = shown(&flows(), ShowFormat::Json);
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let options =
        json!({"optionsTemplateId": 400, "observationDomainId": 1, "exportedMessageTotalCount": 9});
    assert_eq!((lines.len(), &lines[0], error), (4, &options, None));
    assert_eq!(
        lines[1],
        json!({
            "sourceIPv4Address": "192.0.2.1", "destinationIPv4Address": "192.0.2.2",
            "sourceTransportPort": 49152, "destinationTransportPort": 443,
            "protocolIdentifier": 6, "packetDeltaCount": 5, "octetDeltaCount": 256,
        })
    );
    assert_eq!(lines[3]["packetDeltaCount"], json!([7, 9]));
    assert_eq!(lines[3]["reversePacketDeltaCount"], 3);
    // In field order, which parsing loses.
    let first = text.lines().next().unwrap();
    assert!(first.starts_with(r#"{"optionsTemplateId":400,"observationDomainId":1,"#), "{first}");
}

#[test]
fn csv_is_one_table_of_all_templates() {
    let (text, error) = shown(&flows(), ShowFormat::Csv);
    assert_eq!(error, None);
    assert_eq!(
        text,
        "\
sourceIPv4Address,destinationIPv4Address,sourceTransportPort,destinationTransportPort,protocolIdentifier,packetDeltaCount,octetDeltaCount,sourceIPv6Address,destinationIPv6Address,interfaceName,reversePacketDeltaCount,packetDeltaCount[2]
192.0.2.1,192.0.2.2,49152,443,6,5,256,,,,,
192.0.2.3,192.0.2.4,53,53,17,1,80,,,,,
,,,,,7,,::1,::2,\"'=1,\"\"\u{fffd}\",3,9
"
    );
}

#[test]
fn table_ends_with_sums_and_what_else_there_was() {
    let (text, error) = shown(&flows(), ShowFormat::Table);
    assert_eq!(error, None);
    let (table, summary) = text.split_once("\n\n").unwrap();
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.contains("192.0.2.1:49152 → 192.0.2.2:443"), "{table}");
    assert_eq!(
        summary,
        "\
3 flows: 18 packets, 336 octets
2 templates and 1 options template in 2 messages of 250 octets, no sequence gaps
1 options record: exportedMessageTotalCount by observationDomainId
"
    );
}

#[test]
fn oddities_are_noted_below_the_table() {
    let octets = [
        message(1, 0, &[template(256, &[(0, 8, 3)]), set(256, &[1, 2, 3]), set(7, &[])]),
        message(1, 11, &[set(999, &[1])]),
    ];
    let (text, error) = shown(&octets.concat(), ShowFormat::Table);
    assert_eq!(error, None);
    let notes: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("note: ")).collect();
    assert_eq!(
        notes,
        [
            "1 data set skipped, no template for it came before",
            "1 template field of a length that its type cannot have",
            "1 set skipped, its number has no meaning",
            "1 sequence gap, 10 records missing",
        ]
    );
    assert!(!text.contains("no sequence gaps"));
}

#[test]
fn front_of_a_damaged_file_is_shown() {
    let whole = flows();
    let octets = &whole[..whole.len() - 1];
    for format in [ShowFormat::Table, ShowFormat::Json, ShowFormat::Csv] {
        let (text, error) = shown(octets, format);
        assert!(text.contains("192.0.2.3"), "{text}");
        // What is not there is not counted.
        let counted = text.contains(" in 2 messages of 249 octets");
        assert_eq!(counted, format == ShowFormat::Table, "{text}");
        assert_eq!(
            error.as_deref(),
            Some(
                "FILE: truncated at offset 249: the message that begins at 132 has 118 octets, 1 of them are missing"
            ),
            "{format:?}"
        );
    }
}

#[test]
fn what_is_no_ipfix_is_said_to_be_none() {
    let (text, error) = shown(b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", ShowFormat::Json);
    let expected = "FILE: malformed at offset 0: a packet capture, not IPFIX";
    assert_eq!((text.as_str(), error.as_deref()), ("", Some(expected)));
    let path = PathBuf::from("/nonexistent/x.ipfix");
    let missing = show(&[path], &ShowFormat::Json.into(), &mut Vec::new());
    let error = format!("{:#}", missing.unwrap_err());
    assert!(error.starts_with("/nonexistent/x.ipfix: cannot open: No such file"), "{error}");
}

#[test]
fn empty_file_has_no_flows() {
    assert_eq!(shown(&[], ShowFormat::Json), (String::new(), None));
    assert_eq!(shown(&[], ShowFormat::Csv), (String::new(), None));
    let (text, error) = shown(&[], ShowFormat::Table);
    assert_eq!(error, None);
    assert_eq!(
        text,
        "\
0 flows: 0 packets, 0 octets
0 templates in 0 messages of 0 octets, no sequence gaps
"
    );
}

#[test]
fn compression_makes_no_difference() {
    let plain = flows();
    let mut gzip = Vec::new();
    // Two members, as from two files put together.
    for half in [&plain[..100], &plain[100..]] {
        flate2::read::GzEncoder::new(half, flate2::Compression::fast())
            .read_to_end(&mut gzip)
            .unwrap();
    }
    let zstd = zstd::encode_all(plain.as_slice(), 1).unwrap();
    for format in [ShowFormat::Table, ShowFormat::Json, ShowFormat::Csv] {
        let expected = shown(&plain, format);
        assert_eq!(shown(&gzip, format), expected);
        assert_eq!(shown(&zstd, format), expected);
    }
    let (_, error) = shown(&gzip[..gzip.len() - 9], ShowFormat::Json);
    assert!(error.unwrap().starts_with("FILE: cannot read at offset "));
}

#[test]
fn nobody_listening_is_no_error() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    // Enough to be written before the end as well.
    std::fs::write(file.path(), flows().repeat(2_000)).unwrap();
    for format in [ShowFormat::Table, ShowFormat::Json, ShowFormat::Csv] {
        let (files, question) = ([file.path().to_owned()], Question::from(format));
        assert!(show(&files, &question, &mut Closed).is_ok(), "{format:?}");
        assert!(show(&files, &question, &mut Full).is_err(), "{format:?}");
    }
}

#[test]
fn times_since_system_start_need_the_options_record() {
    // softflowd and others: IE 160 in an options record, IE 22 and 21 in flows.
    let octets = message(
        1,
        0,
        &[
            options_template(400, 1, &[(0, 143, 4), (0, 160, 8)]),
            set(400, &[&[0, 0, 0, 1][..], &1_700_000_000_000_u64.to_be_bytes()].concat()),
            template(256, &[(0, 22, 4), (0, 21, 4)]),
            set(256, &[0, 0, 3, 232, 0, 0, 7, 208]),
        ],
    );
    let (text, _) = shown(&octets, ShowFormat::Table);
    assert!(text.contains("2023-11-14 UTC\n22:13:21.000     1.000"), "{text}");
    assert!(text.contains("2023-11-14 22:13:21.000 UTC to 22:13:22.000 UTC"), "{text}");
}

/// What is shown of these files, and the error.
fn asked(files: &[Vec<u8>], question: &Question) -> (String, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (number, octets) in files.iter().enumerate() {
        paths.push(folder.path().join(format!("{number}.ipfix")));
        std::fs::write(&paths[number], octets).unwrap();
    }
    let mut out = Vec::new();
    let error = show(&paths, question, &mut out).err().map(|error| error.to_string());
    (String::from_utf8(out).unwrap(), error)
}

fn ranked(by: &str, is_reversed: bool, most: Option<usize>, format: ShowFormat) -> Question {
    let view = View::Ranked { by: by.parse().unwrap(), is_reversed, most };
    Question { view, format, ..Question::default() }
}

#[test]
fn several_files_are_one_answer_and_damage_in_one_spares_the_others() {
    let whole = flows();
    let damaged = whole[..whole.len() - 1].to_vec();
    let files = [whole.clone(), damaged, b"nonsense".to_vec(), whole];
    for (format, rows) in [(ShowFormat::Json, 3 * 3 + 2), (ShowFormat::Csv, 1 + 3 + 2 + 3)] {
        let (text, error) = asked(&files, &format.into());
        assert_eq!(text.lines().count(), rows, "{text}");
        assert_eq!(error.as_deref(), Some("2 of 4 files could not be read whole"), "{format:?}");
    }
    let (text, _) = asked(&files, &ShowFormat::Table.into());
    assert!(text.contains("8 flows: 42 packets, 1,008 octets\n"), "{text}");
    assert!(text.contains("in 4 files"), "{text}");
}

#[test]
fn templates_of_one_file_do_not_describe_the_next() {
    // RFC 5655 §7.1: a file is a Transport Session.
    let data_alone = message(1, 0, &[set(256, &[0; 21])]);
    let (text, error) = asked(&[flows(), data_alone], &ShowFormat::Table.into());
    assert_eq!(error, None);
    assert!(text.contains("3 flows:"), "{text}");
    assert!(text.contains("note: 1 data set skipped"), "{text}");
}

#[test]
fn an_expression_chooses_records_in_every_format() {
    let question = |format| Question {
        filter: Some(Filter::parse("udp").unwrap()),
        format,
        ..Question::default()
    };
    let (text, _) = asked(&[flows()], &question(ShowFormat::Json));
    assert_eq!(text.lines().count(), 1, "options records are left out: {text}");
    assert!(text.contains("192.0.2.3"), "{text}");
    let (text, _) = asked(&[flows()], &question(ShowFormat::Csv));
    // Only columns that the chosen records have.
    assert_eq!(
        text,
        "sourceIPv4Address,destinationIPv4Address,sourceTransportPort,destinationTransportPort,\
         protocolIdentifier,packetDeltaCount,octetDeltaCount\n192.0.2.3,192.0.2.4,53,53,17,1,80\n"
    );
    let (text, _) = asked(&[flows()], &question(ShowFormat::Table));
    assert!(text.contains("\n1 of 3 flows match: 1 packet, 80 octets\n"), "{text}");
    assert!(text.ends_with("\n1 options record (--format json alone shows them)\n"), "{text}");
}

#[test]
fn the_largest_come_first_in_every_format() {
    let packets = |text: &str| -> Vec<u64> {
        let lines = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
        lines.map(|line| line["packetDeltaCount"].as_u64().unwrap_or(9)).collect()
    };
    let files = [flows(), flows()];
    for (by, is_reversed, most, expected) in [
        ("packets", false, Some(2), &[9, 9][..]),
        ("packets", true, Some(3), &[1, 1, 5]),
        ("packets", false, None, &[9, 9, 5, 5, 1, 1]),
        ("octets", false, Some(3), &[5, 5, 1]),
        // What does not tell comes last, either way.
        ("octets", true, None, &[1, 1, 5, 5, 9, 9]),
        ("destinationTransportPort", false, Some(2), &[5, 5]),
    ] {
        let (text, _) = asked(&files, &ranked(by, is_reversed, most, ShowFormat::Json));
        assert_eq!(packets(&text), expected, "{by} {is_reversed} {most:?}");
    }
    let (text, _) = asked(&files, &ranked("octets", false, Some(1), ShowFormat::Csv));
    assert!(text.ends_with("octetDeltaCount\n192.0.2.1,192.0.2.2,49152,443,6,5,256\n"), "{text}");
    let (text, _) = asked(&files, &ranked("octets", false, Some(2), ShowFormat::Table));
    let sources: Vec<_> = text.lines().filter(|line| line.contains("192.0.2.1:49152")).collect();
    assert_eq!(sources.len(), 2, "{text}");
    // The sums are of all flows, shown or not.
    assert!(text.contains("\n6 flows: 36 packets, 672 octets\n"), "{text}");
    assert!(text.ends_with("\n2 options records (--format json alone shows them)\n"), "{text}");
    let (text, _) = asked(&files, &ranked("octets", false, None, ShowFormat::Table));
    assert!(text.ends_with("exportedMessageTotalCount by observationDomainId\n"), "{text}");
}

#[test]
fn flows_in_another_order_have_their_dates_beside_them() {
    let octets = message(
        1,
        0,
        &[
            template(256, &[(0, 150, 4), (0, 1, 4)]),
            set(256, &[0x65, 0x53, 0xf1, 0, 0, 0, 0, 5]),
            set(256, &[0x65, 0x55, 0x42, 0x80, 0, 0, 0, 9]),
        ],
    );
    let (text, _) = asked(&[octets], &ranked("octets", false, None, ShowFormat::Table));
    let starts: Vec<_> = text.lines().skip(1).take(2).map(|line| &line[..23]).collect();
    assert_eq!(starts, ["2023-11-15 22:13:20.000", "2023-11-14 22:13:20.000"], "{text}");
}

#[test]
fn a_limit_ends_the_reading() {
    let files = [flows(), flows(), b"nonsense that is never reached".to_vec()];
    for (format, lines) in [(ShowFormat::Json, 4), (ShowFormat::Csv, 5)] {
        let question = Question { limit: Some(4), ..format.into() };
        let (text, error) = asked(&files, &question);
        assert_eq!((text.lines().count(), error), (lines, None), "{text}");
    }
    let question = Question { limit: Some(4), ..Question::default() };
    let (text, error) = asked(&files, &question);
    assert_eq!(error, None);
    assert!(text.contains("\n4 flows: "), "{text}");
    assert!(text.contains("note: not read to the end"), "{text}");
}

#[test]
fn interfaces_have_the_names_that_options_records_give_them() {
    let octets = [
        message(
            1,
            0,
            &[
                options_template(400, 1, &[(0, 10, 4), (0, 82, 16)]),
                set(400, b"\0\0\0\x07eth1\x1b[2J\0\0\0\0\0\0\0\0"),
                set(400, b"\0\0\0\x09eth2\0\0\0\0\0\0\0\0\0\0\0\0"),
                template(256, &[(0, 10, 4), (0, 14, 4), (0, 1, 4)]),
                set(256, &[0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 5]),
            ],
        ),
        // Another domain has other interfaces.
        message(2, 0, &[template(256, &[(0, 10, 4)]), set(256, &[0, 0, 0, 7])]),
    ]
    .concat();
    let (text, _) = asked(std::slice::from_ref(&octets), &ShowFormat::Table.into());
    assert_eq!(text.matches("in eth1\u{fffd}[2J").count(), 1, "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");
    let view = View::Grouped {
        keys: vec!["interface".parse().unwrap()],
        by: Measure::Octets,
        is_reversed: false,
        most: None,
        most_groups: 10,
    };
    let (text, _) = asked(&[octets], &Question { view, ..ShowFormat::Json.into() });
    let groups: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let interfaces: Vec<_> = groups.iter().map(|group| &group["interface"]).collect();
    assert_eq!(interfaces, [&json!(8), &json!("eth1\u{1b}[2J"), &json!(7)]);
}

#[test]
fn people_read_large_numbers_in_groups_of_digits_and_programs_do_not() {
    let octets = message(
        1,
        0,
        &[
            template(256, &[(0, 4, 1), (0, 2, 4), (0, 1, 4)]),
            set(256, &[&[17][..], &1_000_u32.to_be_bytes(), &1_234_567_u32.to_be_bytes()].concat()),
        ],
    );
    let asked = |format| {
        let view = View::Grouped {
            keys: vec!["vlan".parse().unwrap()],
            by: Measure::Octets,
            is_reversed: false,
            most: None,
            most_groups: 10,
        };
        asked(std::slice::from_ref(&octets), &Question { view, ..Question::from(format) }).0
    };
    let table = asked(ShowFormat::Table);
    // A group without the key has a word for it.
    let row = table.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(row, ["none", "1", "1,000", "1,234,567", "100.00"], "{table}");
    assert!(table.contains("\n1 flow: 1,000 packets, 1,234,567 octets\n"), "{table}");
    assert!(asked(ShowFormat::Csv).contains(",1,1000,1234567,100.00"));
}

#[test]
fn losses_that_exporters_tell_of_are_told_below_the_table() {
    // RFC 7011 §4.2, §4.3: totals that grow, and begin again when the exporter does.
    let record = |not_sent: u8, ignored: u8| {
        [&[0, 0, 0, 1][..], &[0, 0, 0, not_sent], &[0, 0, 0, ignored]].concat()
    };
    let file = |records: &[Vec<u8>]| {
        let template = options_template(400, 1, &[(0, 144, 4), (0, 166, 4), (0, 164, 4)]);
        message(1, 0, &[template, set(400, &records.concat())])
    };
    let files = [file(&[record(2, 0), record(5, 7)]), file(&[record(6, 9), record(1, 1)])];
    let (text, _) = asked(&files, &ShowFormat::Table.into());
    assert!(text.contains("\nexporter: 7 flows not sent\n"), "{text}");
    assert!(text.contains("\nexporter: 10 packets ignored by its meter\n"), "{text}");
    let (text, _) = asked(&[file(&[record(0, 0)])], &ShowFormat::Table.into());
    assert!(!text.contains("exporter:"), "{text}");
}

#[test]
fn microseconds_and_nanoseconds_show_in_every_format() {
    // RFC 7011 §6.1.9, §6.1.10: 2023-11-14T22:13:20.123456(789)Z.
    let ntp = |nanoseconds: u64| {
        let fraction = (nanoseconds << 32).div_ceil(1_000_000_000);
        ((1_700_000_000 + 2_208_988_800) << 32 | fraction).to_be_bytes()
    };
    for (start, end, nanoseconds, digits) in
        [(154, 155, 123_456_000, "123456"), (156, 157, 123_456_789, "123456789")]
    {
        let time = ntp(nanoseconds);
        let octets = message(
            1,
            0,
            &[template(256, &[(0, start, 8), (0, end, 8)]), set(256, &[time, time].concat())],
        );
        let files = std::slice::from_ref(&octets);
        let exact = format!("2023-11-14T22:13:20.{digits}Z");
        for format in [ShowFormat::Json, ShowFormat::Csv] {
            let (text, _) = asked(files, &format.into());
            assert_eq!(text.matches(&exact).count(), 2, "{text}");
        }
        let (text, _) = asked(files, &ShowFormat::Table.into());
        assert!(text.contains("22:13:20.123     0.000"), "{text}");
        let view = View::Grouped {
            keys: vec!["day".parse().unwrap()],
            by: Measure::Octets,
            is_reversed: false,
            most: None,
            most_groups: 10,
        };
        let (text, _) = asked(files, &Question { view, ..ShowFormat::Csv.into() });
        assert_eq!(text.matches(&exact).count(), 2, "{text}");
    }
}
