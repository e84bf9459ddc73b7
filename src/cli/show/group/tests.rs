use std::net::IpAddr;

use super::*;
use crate::cli::show::ShowFormat;
use crate::cli::show::subject::Session;
use crate::cli::table::Facts;
use crate::ipfix::reader::Reader;
use crate::ipfix::reader::build::*;

/// Source, destination, source port, destination port, packets, octets, seconds after the first.
type Flow = ([u8; 4], [u8; 4], u16, u16, u32, u32, u32);

fn octets_of(flows: &[Flow]) -> Vec<u8> {
    let fields = [
        (0, 8, 4),
        (0, 12, 4),
        (0, 7, 2),
        (0, 11, 2),
        (0, 2, 4),
        (0, 1, 4),
        (0, 150, 4),
        (0, 4, 1),
    ];
    let mut messages = message(1, 0, &[template(256, &fields)]);
    for (number, &(source, destination, source_port, port, packets, octets, at)) in (0..).zip(flows)
    {
        let mut record = [source, destination].concat();
        record.extend([source_port, port].map(u16::to_be_bytes).concat());
        record.extend([packets, octets, 1_700_000_000 + at].map(u32::to_be_bytes).concat());
        record.push(6);
        messages.extend(message(1, number, &[set(256, &record)]));
    }
    messages
}

/// Groups of these flows as CSV.
fn grouped(
    flows: &[Flow],
    keys: &str,
    by: Measure,
    most_groups: usize,
    top: Option<usize>,
) -> String {
    groups_of(&octets_of(flows), keys, by, most_groups, top)
}

fn groups_of(
    messages: &[u8],
    keys: &str,
    by: Measure,
    most_groups: usize,
    top: Option<usize>,
) -> String {
    let keys: Vec<Key> = keys.split(',').map(|key| key.parse().unwrap()).collect();
    let mut groups = Groups::new(&keys, by, most_groups);
    let mut reader = Reader::new(messages);
    let (mut facts, session) = (Facts::default(), Session::default());
    while let Some(record) = reader.next_record().unwrap() {
        facts.read(record.fields(), session.time_base(&record));
        groups.add(&Subject { record: &record, facts: &facts, session: &session });
    }
    let mut out = Vec::new();
    groups.rank(false, top).write(ShowFormat::Csv, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    // Times are tested once.
    let row = |line: &str| line.rsplitn(3, ',').nth(2).unwrap_or_default().to_owned();
    text.lines().skip(1).map(row).collect::<Vec<_>>().join("\n")
}

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 1, 2];
const C: [u8; 4] = [192, 0, 2, 3];
const FLOWS: &[Flow] = &[
    (A, C, 1000, 443, 1, 100, 0),
    (B, C, 1000, 53, 20, 200, 59),
    (A, C, 2000, 443, 1, 300, 60),
    (C, A, 443, 2000, 1, 400, 3_600),
    (C, C, 7, 7, 1, 1_000, 86_400),
];

#[test]
fn groups_hold_the_sums_of_their_flows() {
    let by = |keys: &str| grouped(FLOWS, keys, Measure::Octets, 100, None);
    assert_eq!(
        by("src"),
        "192.0.2.3,2,2,1400,70.00\n10.0.0.1,2,2,400,20.00\n10.0.1.2,1,20,200,10.00"
    );
    assert_eq!(
        by("dstport"),
        "7,1,1,1000,50.00\n443,2,2,400,20.00\n2000,1,1,400,20.00\n53,1,20,200,10.00"
    );
    assert_eq!(by("service").lines().next(), Some("7/tcp,1,1,1000,50.00"));
    assert_eq!(by("srcnet/16").lines().nth(1), Some("10.0.0.0/16,3,22,600,30.00"));
    assert_eq!(by("protocolIdentifier,proto"), "6,TCP,5,24,2000,100.00");
    assert_eq!(
        by("src,dst").lines().next(),
        Some("192.0.2.3,192.0.2.3,1,1,1000,50.00"),
        "keys in the order given"
    );
}

#[test]
fn an_aggregated_flow_counts_as_those_that_it_is_of() {
    // RFC 7015: deltaFlowCount (IE 3) is what sums are made of; packets and octets of each are 5 and 50.
    let fields = [(0, 4, 1), (0, 3, 4), (0, 375, 4), (0, 2, 4), (0, 1, 4)];
    let mut messages = message(1, 0, &[template(256, &fields)]);
    for (number, (protocol, begun, present)) in (0..).zip([(6, 10, 10), (6, 0, 4), (17, 3, 3)]) {
        let mut record = vec![protocol];
        record.extend([begun, present, 5_u32, 50].map(u32::to_be_bytes).concat());
        messages.extend(message(1, number, &[set(256, &record)]));
    }
    let by =
        |measure: &str, most| groups_of(&messages, "proto", measure.parse().unwrap(), most, None);
    assert_eq!(by("flows", 9), "TCP,10,10,100,76.92\nUDP,3,5,50,23.08");
    assert_eq!(by("octets", 0), "others,13,15,150,100.00");
}

#[test]
fn both_ends_count_where_the_key_is_of_either() {
    let hosts = grouped(FLOWS, "host", Measure::Octets, 100, None);
    // A flow from a host to itself counts once.
    assert_eq!(
        hosts,
        "192.0.2.3,5,24,2000,100.00\n10.0.0.1,3,3,800,40.00\n10.0.1.2,1,20,200,10.00"
    );
    // Host and port are of the same end.
    let pairs = grouped(&FLOWS[..1], "host,port", Measure::Octets, 100, None);
    assert_eq!(pairs, "10.0.0.1,1000,1,1,100,100.00\n192.0.2.3,443,1,1,100,100.00");
}

#[test]
fn what_records_do_not_tell_is_a_group_too() {
    let text = grouped(FLOWS, "vlan,mac,interface", Measure::Octets, 100, None);
    assert_eq!(text, ",,,5,24,2000,100.00");
}

#[test]
fn spans_of_time_are_aligned() {
    let by = |keys: &str| grouped(FLOWS, keys, Measure::Start, 100, None);
    // 1,700,000,000 is 2023-11-14T22:13:20Z.
    assert_eq!(
        by("minute").lines().map(|line| &line[..20]).collect::<Vec<_>>(),
        [
            "2023-11-14T22:13:00Z",
            "2023-11-14T22:14:00Z",
            "2023-11-14T23:13:00Z",
            "2023-11-15T22:13:00Z"
        ]
    );
    assert_eq!(by("hour").lines().next(), Some("2023-11-14T22:00:00Z,3,22,600,30.00"));
    assert_eq!(by("day").lines().next(), Some("2023-11-14T00:00:00Z,4,23,1000,50.00"));
}

#[test]
fn groups_are_in_the_order_of_the_measure() {
    let first = |by: &str| {
        let text = grouped(FLOWS, "src", by.parse().unwrap(), 100, None);
        text.lines().next().unwrap().to_owned()
    };
    assert_eq!(first("packets"), "10.0.1.2,1,20,200,83.33");
    assert_eq!(first("flows"), "10.0.0.1,2,2,400,40.00", "of equal ones the lesser key first");
    assert_eq!(first("duration"), "192.0.2.3,2,2,1400,70.00");
    assert_eq!(first("start"), "10.0.0.1,2,2,400,20.00");
    // The sum of an element has a column of its own.
    assert_eq!(first("sourceTransportPort"), "10.0.0.1,2,2,400,67.42,3000");
}

#[test]
fn groups_beyond_the_bound_are_summed_as_others() {
    let text = grouped(FLOWS, "srcport", Measure::Octets, 2, None);
    assert_eq!(text, "1000,2,21,300,15.00\n2000,1,1,300,15.00\nothers,2,2,1400,70.00");
    // Those that are only not shown need no row where a program reads.
    let text = grouped(FLOWS, "srcport", Measure::Octets, 100, Some(1));
    assert_eq!(text, "7,1,1,1000,50.00");
}

#[test]
fn keys_have_names_that_lead_back_to_them() {
    for name in ["src", "host", "service", "srcnet/24", "net/16/48", "hour", "tcpWindowSize"] {
        let key: Key = name.parse().unwrap();
        assert_eq!(key.to_string(), name);
    }
    assert_eq!("net/24/64".parse::<Key>().map(|key| key.to_string()), Ok("net/24".to_owned()));
    assert_eq!("SRC".parse::<Key>(), "src".parse());
    for (name, help) in [
        ("srcnet", "srcnet/24"),
        ("net/33", "0 to 32"),
        ("net/x", "0 to 32"),
        ("srcprot", "did you mean srcport"),
        ("xyzzy", "one of src, dst"),
    ] {
        let error = name.parse::<Key>().expect_err(name);
        assert!(error.contains(help), "{name}: {error}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None, cases: 64, ..Default::default()
    })]

    /// However groups are bounded and cut, no flow is lost and none counted twice.
    #[test]
    fn rows_and_others_together_are_all_flows(
        flows in proptest::collection::vec((0..6_u8, 0..6_u8, 1..1_000_u32), 1..40),
        most in 1..8_usize,
    ) {
        let flows: Vec<Flow> = flows
            .iter()
            .map(|&(from, to, octets)| ([10, 0, 0, from], [10, 0, 0, to], 1, 2, 1, octets, 0))
            .collect();
        let text = grouped(&flows, "src,dst", Measure::Octets, most, None);
        let column = |number: usize| -> u64 {
            text.lines().map(|line| line.split(',').nth(number).unwrap().parse::<u64>().unwrap()).sum()
        };
        proptest::prop_assert_eq!(column(2), flows.len() as u64);
        proptest::prop_assert_eq!(column(4), flows.iter().map(|flow| u64::from(flow.5)).sum::<u64>());
        // Each row is what summing by hand gives.
        for line in text.lines().filter(|line| !line.starts_with("others")) {
            let cells: Vec<_> = line.split(',').collect();
            let ends: Vec<IpAddr> = cells[..2].iter().map(|cell| cell.parse().unwrap()).collect();
            let sum: u64 = flows
                .iter()
                .filter(|flow| ends == [IpAddr::from(flow.0), IpAddr::from(flow.1)])
                .map(|flow| u64::from(flow.5))
                .sum();
            proptest::prop_assert_eq!(cells[4].parse::<u64>().unwrap(), sum);
        }
    }
}
