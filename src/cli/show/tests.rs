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
