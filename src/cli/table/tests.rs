use super::*;
use crate::ipfix::field::Field;
use crate::ipfix::value::Value;

fn table(rows: &[FlowRow]) -> String {
    let mut out = Vec::new();
    let mut table = Table::new(&mut out);
    for row in rows {
        table.push(row).unwrap();
    }
    table.flush().unwrap();
    String::from_utf8(out).unwrap()
}

/// A row of named fields; addresses in text, everything else in numbers.
fn row(fields: &[(&str, Value<'_>)]) -> FlowRow {
    let fields = fields.iter().map(|&(name, value)| (Field::by_name(name).expect(name), value));
    FlowRow::new(fields, TimeBase { export_time: Some(1_700_000_100), ..TimeBase::default() })
}

fn v4(text: &str) -> Value<'static> {
    Value::Ipv4(text.parse().unwrap())
}

fn v6(text: &str) -> Value<'static> {
    Value::Ipv6(text.parse().unwrap())
}

fn at(milliseconds: u64) -> Value<'static> {
    Value::DateTime(DateTime::from_milliseconds(1_700_000_000_000 + milliseconds))
}

const fn n(number: u64) -> Value<'static> {
    Value::Unsigned(number)
}

/// What stands in the columns of one row.
fn cells(fields: &[(&str, Value<'_>)]) -> Vec<String> {
    Cells::new(&row(fields)).columns.to_vec()
}

#[test]
fn columns_align_whatever_rows_hold() {
    let rows = [
        row(&[
            ("flowStartMilliseconds", at(0)),
            ("flowEndMilliseconds", at(451)),
            ("sourceIPv4Address", v4("192.0.2.10")),
            ("destinationIPv4Address", v4("198.51.100.7")),
            ("sourceTransportPort", n(49152)),
            ("destinationTransportPort", n(443)),
            ("protocolIdentifier", n(6)),
            ("packetDeltaCount", n(12)),
            ("reversePacketDeltaCount", n(10)),
            ("octetDeltaCount", n(1843)),
            ("reverseOctetDeltaCount", n(120_932)),
            ("tcpControlBits", n(0x1b)),
            ("reverseTcpControlBits", n(0x1a)),
            ("flowEndReason", n(3)),
            ("dot1qVlanId", n(20)),
        ]),
        row(&[
            ("flowStartMilliseconds", at(86_400_000)),
            ("flowEndMilliseconds", at(86_400_000)),
            ("sourceIPv6Address", v6("2001:db8::1")),
            ("destinationIPv6Address", v6("2001:db8:1111:2222:3333:4444:5555:6666")),
            ("sourceTransportPort", n(5353)),
            ("destinationTransportPort", n(53)),
            ("protocolIdentifier", n(17)),
            ("packetDeltaCount", n(1)),
            ("octetDeltaCount", n(80)),
            ("flowEndReason", n(1)),
        ]),
        row(&[
            ("flowStartMilliseconds", at(86_400_500)),
            ("sourceIPv4Address", v4("192.0.2.10")),
            ("destinationIPv4Address", v4("192.0.2.1")),
            ("protocolIdentifier", n(1)),
            ("icmpTypeCodeIPv4", n(0x0800)),
            ("packetDeltaCount", n(3)),
            ("reversePacketDeltaCount", n(3)),
            ("octetDeltaCount", n(252)),
            ("reverseOctetDeltaCount", n(252)),
        ]),
    ];
    let expected = "\
Start         Duration  Proto  Source               → Destination                 Packets →/←   Octets →/←  Flags →/←  End   Notes
2023-11-14 UTC
22:13:20.000     0.451  TCP    192.0.2.10:49152     → 198.51.100.7:443                  12/10  1,843/120,932  SAPF/SAP.  end   vlan 20
2023-11-15 UTC
22:13:20.000     0.000  UDP    [2001:db8::1]:5353   → [2001:db8:1111:2222:3333:4444:5555:6666]:53            1       80                    idle
22:13:20.500         -  ICMP   192.0.2.10           → 192.0.2.1                          3/3   252/252                       echo request
";
    let text = table(&rows);
    assert_eq!(text.lines().count(), expected.lines().count(), "{text}");
    for (got, want) in text.lines().zip(expected.lines()) {
        let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeeze(got), squeeze(want), "{text}");
    }
    // Headings stand over their columns, in rows that keep to the widths.
    let lines: Vec<_> = text.lines().collect();
    let place = |line: &str, what: &str| {
        let found = line.find(what).unwrap_or_else(|| panic!("{what} in {text}"));
        columns_of(&line[..found])
    };
    let end = |line: &str, what: &str| place(line, what) + columns_of(what);
    for (heading, cell) in [
        ("Start", "22:13:20.000"),
        ("Proto", "TCP"),
        ("Source", "192.0.2.10:49152"),
        ("Destination", "198.51.100.7:443"),
        ("Flags", "SAPF/SAP."),
        ("End", "end"),
        ("Notes", "vlan"),
    ] {
        assert_eq!(place(lines[0], heading), place(lines[2], cell), "{text}");
    }
    for (heading, cell) in
        [("Duration", "0.451"), ("Packets →/←", "12/10"), ("Octets →/←", "1,843/120,932")]
    {
        assert_eq!(end(lines[0], heading), end(lines[2], cell), "{text}");
    }
    assert_eq!(place(lines[2], "/120,932"), place(lines[5], "/252"), "{text}");
    assert_eq!(place(lines[2], "vlan"), place(lines[5], "echo"), "{text}");
    assert!(lines.iter().all(|line| !line.ends_with(' ')), "{text}");
}

#[test]
fn table_of_uniflows_has_no_room_for_a_reverse() {
    let text = table(&[row(&[("packetDeltaCount", n(7)), ("octetDeltaCount", n(700))])]);
    assert_eq!(
        text,
        "\
Start  Duration  Proto  Source → Destination  Packets  Octets  Flags  End  Notes
-             -  -      -      → -                  7     700
"
    );
}

#[test]
fn rows_are_held_back_until_widths_are_known() {
    let mut out = Vec::new();
    let mut table = Table::new(&mut out);
    let short = row(&[("sourceIPv4Address", v4("1.1.1.1"))]);
    for _ in 0..ROWS_TO_WAIT_FOR - 1 {
        table.push(&short).unwrap();
    }
    assert!(table.out.is_empty());
    table.push(&row(&[("sourceIPv4Address", v4("100.100.100.100"))])).unwrap();
    assert_eq!(table.out.iter().filter(|&&octet| octet == b'\n').count(), ROWS_TO_WAIT_FOR + 1);
    table.push(&short).unwrap();
    let text = String::from_utf8(table.out.clone()).unwrap();
    assert!(text.lines().all(|line| line.contains(" → ")));
    let arrows: Vec<_> = text.lines().map(|line| line.find('→')).collect();
    assert!(arrows.iter().all(|place| *place == arrows[0]), "{text}");
}

#[test]
fn totals_are_of_both_directions() {
    let mut table = Table::new(Vec::new());
    for (packets, reverse) in [(3, 4), (10, 0)] {
        table
            .push(&row(&[
                ("packetDeltaCount", n(packets)),
                ("reversePacketDeltaCount", n(reverse)),
                ("octetDeltaCount", n(packets * 100)),
                ("reverseOctetDeltaCount", n(reverse * 100)),
                ("flowStartMilliseconds", at(packets)),
                ("flowEndMilliseconds", at(packets + 5)),
            ]))
            .unwrap();
    }
    let Totals { flows, packets, octets, .. } = *table.totals();
    assert_eq!((flows, packets, octets), (2, 17, 1_700));
    let (start, end) = table.totals().period().unwrap();
    assert_eq!(start.as_milliseconds(), 1_700_000_000_003);
    assert_eq!(end.as_milliseconds(), 1_700_000_000_015);
}

#[test]
fn times_may_be_relative() {
    let clock = |name: &str, value: u64| {
        let time_base = TimeBase {
            export_time: Some(1_700_000_100),
            system_init_milliseconds: Some(1_700_000_000_000),
        };
        FlowRow::new([(Field::by_name(name).unwrap(), n(value))], time_base).start
    };
    assert_eq!(clock("flowStartSysUpTime", 2_345), Some((1_700_000_002, 345_000_000)));
    assert_eq!(clock("flowStartDeltaMicroseconds", 1), Some((1_700_000_099, 999_999_000)));
    let unknown = Field::by_name("flowStartSysUpTime").unwrap();
    assert_eq!(FlowRow::new([(unknown, n(1))], TimeBase::default()).start, None);
}

#[test]
fn flow_lasts_from_the_first_packet_of_either_direction() {
    let fields = |forward_packets, reverse_start| {
        [
            ("packetDeltaCount", n(forward_packets)),
            ("reversePacketDeltaCount", n(1)),
            ("flowStartMilliseconds", at(500)),
            ("flowEndMilliseconds", at(600)),
            ("reverseFlowStartMilliseconds", reverse_start),
            ("reverseFlowEndMilliseconds", at(900)),
            ("tcpControlBits", n(2)),
            ("reverseTcpControlBits", n(4)),
        ]
    };
    assert_eq!(cells(&fields(1, at(400)))[1], "0.500");
    // A zero is no time.
    let epoch = Value::DateTime(DateTime::from_milliseconds(0));
    assert_eq!(cells(&fields(1, epoch))[1], "0.400");
    // A slice in which only the responder spoke has neither times nor flags of the initiator.
    let slice = cells(&fields(0, at(700)));
    assert_eq!((slice[0].as_str(), slice[1].as_str()), ("22:13:20.700", "0.200"));
    assert_eq!((slice[9].as_str(), slice[10].as_str()), ("", "....R"));
}

#[test]
fn innermost_addresses_are_the_flow_and_outermost_the_tunnel() {
    // RFC 7011 §8: the order of repeated elements is that of the headers.
    let columns = cells(&[
        ("sourceIPv4Address", v4("192.0.2.1")),
        ("destinationIPv4Address", v4("192.0.2.2")),
        ("sourceIPv6Address", v6("2001:db8::1")),
        ("destinationIPv6Address", v6("2001:db8::2")),
        ("protocolIdentifier", n(17)),
        ("sourceTransportPort", n(1)),
        ("destinationTransportPort", n(2)),
        ("flowtapTunnelType", n(5)),
        ("flowtapTunnelId", n(42)),
        ("flowtapFragmentDeltaCount", n(2)),
        ("reverseFlowtapFragmentDeltaCount", n(1)),
    ]);
    assert_eq!((columns[3].as_str(), columns[4].as_str()), ("[2001:db8::1]:1", "[2001:db8::2]:2"));
    assert_eq!(columns[12], "vxlan 42 192.0.2.1 → 192.0.2.2, fragments 3");
}

#[test]
fn outermost_addresses_may_have_elements_of_their_own() {
    let columns = cells(&[
        ("sourceIPv4Address", v4("192.0.2.1")),
        ("destinationIPv4Address", v4("192.0.2.2")),
        ("protocolIdentifier", n(17)),
        ("ipVersion", n(4)),
        ("flowtapTunnelType", n(7)),
        ("flowtapTunnelId", n(42)),
        ("flowtapTunnelSourceIPv6Address", v6("2001:db8::1")),
        ("flowtapTunnelDestinationIPv6Address", v6("2001:db8::2")),
    ]);
    assert_eq!((columns[3].as_str(), columns[4].as_str()), ("192.0.2.1", "192.0.2.2"));
    assert_eq!(columns[12], "gtp-u 42 2001:db8::1 → 2001:db8::2");
}

#[test]
fn addresses_that_only_fill_fields_are_passed_over() {
    let with_version = |version| {
        cells(&[
            ("ipVersion", n(version)),
            ("sourceIPv4Address", v4("192.0.2.1")),
            ("sourceIPv6Address", v6("::")),
        ])[3]
            .clone()
    };
    assert_eq!(with_version(4), "192.0.2.1");
    assert_eq!(with_version(6), "::");
    let unsaid = [("sourceIPv4Address", v4("192.0.2.1")), ("sourceIPv6Address", v6("::"))];
    assert_eq!(cells(&unsaid)[3], "192.0.2.1");
    let dhcp = [("sourceIPv4Address", v4("0.0.0.0")), ("sourceTransportPort", n(68))];
    assert_eq!(cells(&dhcp)[3], "0.0.0.0:68");
}

#[test]
fn extras_are_told_in_words() {
    let extra = |fields: &[(&str, Value<'_>)]| cells(fields)[12].clone();
    let icmp = ("protocolIdentifier", n(1));
    let icmp_v6 = ("protocolIdentifier", n(58));
    assert_eq!(extra(&[icmp, ("icmpTypeCodeIPv4", n(0x0303))]), "port unreachable");
    assert_eq!(extra(&[icmp, ("icmpTypeIPv4", n(8)), ("icmpCodeIPv4", n(0))]), "echo request");
    assert_eq!(extra(&[icmp, ("destinationTransportPort", n(0x0800))]), "echo request");
    assert_eq!(extra(&[icmp_v6, ("icmpTypeCodeIPv6", n(0x8700))]), "neighbour solicitation");
    assert_eq!(extra(&[icmp_v6, ("icmpTypeCodeIPv6", n(0xc801))]), "type 200 code 1");
    assert_eq!(extra(&[("vlanId", n(0))]), "");
    assert_eq!(extra(&[("vlanId", n(7)), ("dot1qVlanId", n(7))]), "vlan 7");
    assert_eq!(extra(&[("dot1qVlanId", n(7)), ("dot1qCustomerVlanId", n(8))]), "vlan 7.8");
    let labels = [
        ("mplsTopLabelStackSection", Value::Octets(&[0, 1, 0x0e])),
        ("mplsLabelStackSection2", Value::Octets(&[0x12, 0x34, 0x5f])),
        ("mplsLabelStackSection3", Value::Octets(&[0, 0, 0])),
    ];
    assert_eq!(extra(&labels), "mpls 16.74565");
    assert_eq!(extra(&[("layer2SegmentId", n(1 << 56 | 99))]), "vxlan 99");
    assert_eq!(extra(&[("greKey", n(5))]), "gre 5");
    assert_eq!(extra(&[("flowtapTunnelType", n(1)), ("flowtapTunnelId", n(0))]), "ip-in-ip");
}

#[test]
fn flags_are_letters() {
    assert_eq!(names::tcp_flags(0), "....");
    assert_eq!(names::tcp_flags(0x02), "S...");
    assert_eq!(names::tcp_flags(0x14), ".A..R");
    assert_eq!(names::tcp_flags(0xff), "SAPFRUEC");
    let udp = cells(&[("protocolIdentifier", n(17)), ("tcpControlBits", n(0))]);
    assert_eq!(udp[9], "", "only TCP has them");
    let yaf = Field::look_up(6871, 14);
    let flags =
        FlowRow::new([(yaf, n(2)), (Field::look_up(6871, 15), n(0x18))], TimeBase::default());
    assert_eq!(flags.forward.tcp_flags, Some(0x1a));
}

#[test]
fn ports_are_those_of_protocols_that_have_some() {
    let source = |protocol, port| {
        cells(&[
            ("protocolIdentifier", n(protocol)),
            ("sourceIPv4Address", v4("192.0.2.1")),
            ("sourceTransportPort", n(port)),
        ])[3]
            .clone()
    };
    assert_eq!(source(17, 0), "192.0.2.1:0");
    assert_eq!(source(47, 0), "192.0.2.1");
    assert_eq!(source(1, 9), "192.0.2.1");
    let mac =
        [("sourceMacAddress", Value::Mac([2; 6])), ("destinationMacAddress", Value::Mac([4; 6]))];
    assert_eq!(cells(&mac)[3..5], ["02:02:02:02:02:02", "04:04:04:04:04:04"]);
    assert_eq!(cells(&[("ethernetType", n(0x0806))])[2], "ARP");
}

#[test]
fn vendors_counters_of_two_directions_count() {
    let flow = row(&[
        ("initiatorPackets", n(1)),
        ("responderPackets", n(2)),
        ("initiatorOctets", n(30)),
        ("responderOctets", n(40)),
    ]);
    assert_eq!((flow.packets(), flow.octets()), (3, 70));
    let totals =
        row(&[("packetTotalCount", n(9)), ("packetDeltaCount", n(4)), ("octetTotalCount", n(5))]);
    assert_eq!((totals.packets(), totals.octets()), (4, 5), "delta before total");
}

#[test]
fn live_columns_stay_where_they_are_for_usual_flows() {
    let flow = |source: (&str, Value<'static>), destination: (&str, Value<'static>), octets| {
        row(&[
            ("flowStartMilliseconds", at(0)),
            ("flowEndMilliseconds", at(1)),
            ("protocolIdentifier", n(17)),
            ("sourceTransportPort", n(53)),
            source,
            destination,
            ("packetDeltaCount", n(1)),
            ("octetDeltaCount", n(octets)),
            ("flowEndReason", n(1)),
        ])
    };
    let narrow = flow(
        ("sourceIPv4Address", v4("192.0.2.1")),
        ("destinationIPv4Address", v4("192.0.2.2")),
        60,
    );
    let wide = flow(
        ("sourceIPv6Address", v6("2001:db8:1:2::3")),
        ("destinationIPv6Address", v6("2001:db8:1:2::4")),
        1_234_567,
    );
    let mut out = Vec::new();
    let mut table = Table::live(&mut out);
    // The first row is on the screen before the second, a wider one, is known.
    for row in [narrow, wide] {
        table.push(&row).unwrap();
        table.flush().unwrap();
    }
    let text = String::from_utf8(out).unwrap();
    let place = |line: &str| line.find("idle").map(|at| line[..at].chars().count());
    let places: Vec<_> = text.lines().filter_map(place).collect();
    let [first, second] = places[..] else { panic!("{text}") };
    assert_eq!(first, second, "{text}");
}
