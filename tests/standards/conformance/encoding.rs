//! E-40 to E-51: how values are encoded (RFC 7011 §6, §7; RFC 7012 §2, §3).

use std::collections::BTreeMap;

use flowtap::decode::IpVersion;
use flowtap::export::{Interface, Metering, Pace};
use flowtap::ipfix::date_time::{DateTime, ntp_microseconds, ntp_nanoseconds};
use flowtap::ipfix::element::InformationElement;
use flowtap::ipfix::exported;
use flowtap::ipfix::template::{FieldSpecifier, Template, TemplateId};
use proptest::prelude::*;

use super::capture::{Capture, Packet};
use super::exporter::{config, export, few, over_udp};
use crate::records::{plain, varied_records};
use crate::strict::{REVERSE, Record, Session};

#[test]
fn e40_values_are_in_network_order() {
    // RFC 7011 §6.1.1: integers; §6.1.2 to §6.1.4 and RFC 7012 §3.1: addresses as they are.
    let mut record = varied_records()
        .into_iter()
        .find(|record| record.mac.is_some() && record.version == IpVersion::V4)
        .unwrap();
    (record.source_port, record.destination_port) = (0x1234, 0x5678);
    record.flow_id = 0x0102_0304_0506_0708;
    record.interface = 0x0a0b_0c0d;
    record.forward.octets = 0x1122_3344_5566_7788;
    let (_, session) = over_udp("", &[&[record]]);
    let flow = session.flows().next().unwrap();
    let octets = |id| flow.octets(0, id).unwrap();
    assert_eq!(octets(7), [0x12, 0x34]);
    assert_eq!(octets(11), [0x56, 0x78]);
    assert_eq!(octets(148), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(octets(10), [0x0a, 0x0b, 0x0c, 0x0d]);
    assert_eq!(octets(1), [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
    assert_eq!(octets(8), record.source.to_v4());
    let mac = record.mac.unwrap();
    assert_eq!([octets(56), octets(80)], [mac.source, mac.destination]);
    let v6 = varied_records().into_iter().find(|record| record.version == IpVersion::V6).unwrap();
    let (_, session) = over_udp("", &[&[v6]]);
    let flow = session.flows().next().unwrap();
    assert_eq!(flow.octets(0, 27).unwrap(), v6.source.0);
    assert_eq!(flow.octets(0, 28).unwrap(), v6.destination.0);
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn e42_text_is_well_formed_utf_8(
        name in prop::collection::vec(any::<u8>(), 0..80),
        description in "\\PC{0,90}",
    ) {
        // RFC 7011 §6.1.6: whatever the octets of a name, and wherever they are cut.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flows.ipfix");
        let mut config = config(Pace::Replay, &[format!("file:{}", path.display())]);
        config.metering = Metering { facts: config.metering.facts.clone(), ..Metering::default() };
        config.metering.points.learn(1, |_, _| vec![
            Interface::new(1, &name, description.as_bytes()),
        ]);
        export(&config, &[&[plain(1)]]);
        let session = Session::of_stream(&std::fs::read(&path).unwrap());
        let [told] = session.options(82).collect::<Vec<_>>().try_into().unwrap();
        // To read it as text is the test; it is cut, not changed.
        let text = told.text(83).unwrap();
        let readable = |c: char| !c.is_control();
        if !description.is_empty() && description.chars().all(readable) && description.trim() == description {
            prop_assert!(description.starts_with(text), "{:?} of {:?}", text, description);
            prop_assert!(text.len() == description.len() || text.len() > 60);
        }
        prop_assert!(!told.text(82).unwrap().is_empty());
    }
}

#[test]
fn e43_e44_e45_times_are_of_their_unit_and_size() {
    // RFC 7011 §6.1.8: milliseconds since 1970; §6.1.9: NTP, of which the lowest 11 bits are zero;
    // §6.1.10: NTP.
    let mut record = plain(1);
    record.forward.first = flowtap::time::Timestamp::from_parts(1_700_000_000, 123_456_789);
    let ntp_seconds = (1_700_000_000_u64 + 2_208_988_800) << 32;
    for (unit, id) in [("ms", 152), ("us", 154), ("ns", 156)] {
        let (_, session) = over_udp(&format!("time={unit}"), &[&[record]]);
        let flow = session.flows().next().unwrap();
        assert_eq!(flow.octets(0, id).unwrap().len(), 8);
        let value = flow.iana(id).unwrap();
        // The fraction as whole units below it, as every reader computes it.
        let units = |scale: u64| (u128::from(value & 0xffff_ffff) * u128::from(scale)) >> 32;
        match unit {
            "ms" => assert_eq!(value, 1_700_000_000_123),
            "us" => {
                assert_eq!(value & 0x7ff, 0);
                assert_eq!((value >> 32 << 32, units(1_000_000)), (ntp_seconds, 123_456));
            }
            _ => assert_eq!((value >> 32 << 32, units(1_000_000_000)), (ntp_seconds, 123_456_789)),
        }
    }
}

#[test]
fn e44_every_microsecond_comes_back_from_a_reader_that_cuts() {
    // RFC 7011 §6.1.9: the fraction is rounded up to a multiple of 2048, or 999,936 of a million
    // values would come back one too low.
    for microsecond in 0..1_000_000_u32 {
        let ntp = ntp_microseconds(1_700_000_000, microsecond * 1_000 + 999);
        assert_eq!(ntp & 0x7ff, 0);
        assert_eq!(((ntp & 0xffff_ffff) * 1_000_000) >> 32, u64::from(microsecond));
    }
}

#[test]
fn e45_ntp_times_go_on_after_2036() {
    // RFC 7011 §6.1.10: the era is implied.
    let in_2040 = 2_208_988_800_u64 + 31;
    for (seconds, nanoseconds) in [(in_2040, 999_999_999), (1_700_000_000, 1), (0, 0)] {
        let read = DateTime::from_ntp_nanoseconds(ntp_nanoseconds(seconds, nanoseconds));
        if seconds > 0 {
            assert_eq!((read.seconds, read.nanoseconds), (seconds.cast_signed(), nanoseconds));
        }
    }
}

#[test]
fn e46_e49_lengths_are_those_that_a_type_can_have() {
    // RFC 7011 §6.2: reduced-size encoding is for integers and float64 alone; and what the registry
    // says of an element binds.
    let id = TemplateId::new(256).unwrap();
    let beside = FieldSpecifier { element: exported::PROTOCOL_IDENTIFIER, length: 1 };
    let permits = |element: InformationElement, length| {
        Template::new(id, vec![beside, FieldSpecifier { element, length }]).is_ok()
    };
    let by_name = |name| *InformationElement::by_name(name).unwrap();
    for (name, lengths) in [
        ("octetDeltaCount", 1..=8),
        ("ingressInterface", 1..=4),
        ("sourceTransportPort", 1..=2),
        ("protocolIdentifier", 1..=1),
        ("sourceIPv4Address", 4..=4),
        ("sourceIPv6Address", 16..=16),
        ("sourceMacAddress", 6..=6),
        ("dataRecordsReliability", 1..=1),
        ("flowStartSeconds", 4..=4),
        ("flowStartMilliseconds", 8..=8),
        ("flowStartMicroseconds", 8..=8),
        ("flowStartNanoseconds", 8..=8),
        ("mplsTopLabelStackSection", 3..=3),
        ("mplsLabelStackSection2", 3..=3),
        ("messageMD5Checksum", 16..=16),
    ] {
        for length in 0..=20_u16 {
            assert_eq!(
                permits(by_name(name), length),
                lengths.contains(&length),
                "{name}: {length}"
            );
        }
    }
    assert!(permits(by_name("samplingProbability"), 4), "float64 as float32");
    assert!(!permits(by_name("samplingProbability"), 2));
    // And so is all that we send: the session looks each of them up.
    over_udp("", &[&varied_records()]);
}

#[test]
fn e47_the_largest_counters_fit() {
    // RFC 7011 §6.2: what is reduced must hold every value ever sent.
    let mut records = varied_records();
    for record in &mut records {
        for direction in [&mut record.forward, &mut record.reverse] {
            if direction.packets > 0 {
                (direction.packets, direction.octets) = (1 << 62, (1 << 62) - 1);
                (direction.minimum_length, direction.maximum_length) = (u32::MAX - 1, u32::MAX);
                (direction.tcp_window, direction.tcp_sequence) = (u16::MAX, u32::MAX);
            }
        }
        record.interface = u32::MAX;
        record.flow_id = u64::MAX;
    }
    let (_, session) = over_udp("", &[&records]);
    for flow in session.flows() {
        assert_eq!([flow.iana(2), flow.iana(1)], [Some(1 << 62), Some((1 << 62) - 1)]);
        let wide = [25, 26, 10, 148].map(|id| flow.iana(id).unwrap());
        let most = u64::from(u32::MAX);
        assert_eq!(wide, [most - 1, most, most, u64::MAX]);
        if let Some(sequence) = flow.iana(184) {
            assert_eq!((sequence, flow.iana(186)), (u32::MAX.into(), Some(u16::MAX.into())));
        }
    }
}

#[test]
fn e48_text_of_variable_length_has_the_shortest_prefix() {
    // RFC 7011 §7: one octet below 255, three from there on. The session refuses the long form of a
    // short length; descriptions of elements are text of variable length.
    let (_, session) = over_udp("", &[&[plain(1)]]);
    let lengths: Vec<usize> =
        session.options(340).map(|record| record.octets(0, 340).unwrap().len()).collect();
    assert!(!lengths.is_empty() && lengths.iter().all(|length| (1..255).contains(length)));
    let name = FieldSpecifier {
        element: exported::INTERFACE_NAME,
        length: flowtap::ipfix::template::VARIABLE_LENGTH,
    };
    let beside = FieldSpecifier { element: exported::PROTOCOL_IDENTIFIER, length: 1 };
    let template = Template::new(TemplateId::new(256).unwrap(), vec![beside, name]).unwrap();
    for (length, prefix) in [
        (0, &[0][..]),
        (254, &[254]),
        (255, &[255, 0, 255]),
        (256, &[255, 1, 0]),
        (60_000, &[255, 0xea, 0x60]),
    ] {
        use flowtap::ipfix::value::Value;
        let text = "x".repeat(length);
        let octets = template.encode(&[Value::Unsigned(6), Value::String(&text)]).unwrap();
        assert_eq!(octets, [&[6], prefix, text.as_bytes()].concat(), "{length}");
    }
}

#[test]
fn e50_values_are_within_the_ranges_of_the_registry() {
    // RFC 7012 §2.1: whatever a packet has around them.
    let mut capture = Capture::default();
    let tag = Some(0xffff);
    capture.push(Packet { protocol: 6, flags: 0x0fff, tag, ..Packet::default() });
    capture.push(Packet { v6: Some(0x0fff_ffff), tag, ..Packet::default() });
    let (session, _) = capture.replay(&[], "");
    let flows: Vec<&Record> = session.flows().collect();
    assert_eq!(flows.len(), 2);
    for flow in flows {
        // VLAN id and priority; DEI is neither.
        assert_eq!([58, 243, 244].map(|id| flow.iana(id)), [Some(0xfff), Some(0xfff), Some(7)]);
        if let Some(flags) = flow.iana(6) {
            // RFC 9565: what a header has no room for is zero.
            assert_eq!(flags & 0xf000, 0, "{flags:x}");
        }
        if flow.iana(60) == Some(6) {
            assert_eq!(flow.iana(31), Some(0xf_ffff), "flowLabelIPv6");
            assert_eq!(flow.iana(5), Some(0xff), "ipClassOfService");
        }
    }
    // And whatever a record has.
    let mut records = varied_records();
    for record in &mut records {
        for direction in [&mut record.forward, &mut record.reverse] {
            direction.flow_label = 0xf_ffff;
            direction.tcp_flags = 0x0fff;
        }
        (record.vlan.outer, record.vlan.inner) = (0xffff, 0xffff);
    }
    let (_, session) = over_udp("", &[&records]);
    for flow in session.flows() {
        for (id, most) in [(31, 0xf_ffff), (6, 0xfff), (58, 0xfff), (243, 0xfff), (245, 0xfff)] {
            assert!(flow.iana(id).is_none_or(|value| value <= most), "{id}");
            assert!(flow.reverse(id).is_none_or(|value| value <= most), "{id}");
        }
        for id in [244, 246] {
            assert!(flow.iana(id).is_none_or(|value| value <= 7), "{id}");
        }
        assert!(flow.iana(239).is_none_or(|value| (1..=2).contains(&value)));
        assert!((1..=5).contains(&flow.iana(136).unwrap()), "flowEndReason");
    }
}

#[test]
fn e51_slices_of_a_flow_add_up_to_its_packets() {
    // RFC 7012 §3.2: delta counters begin at zero after each record.
    let mut capture = Capture::default();
    let (mut packets, mut octets) = (BTreeMap::<bool, u64>::new(), BTreeMap::<bool, u64>::new());
    for number in 0..400_u64 {
        let (is_reply, payload) = (number % 3 == 1, u16::try_from(number * 7 % 1_000).unwrap());
        let at = number * 100_000_000;
        capture.push(Packet { at, is_reply, payload, ..Packet::default() });
        *packets.entry(is_reply).or_default() += 1;
        *octets.entry(is_reply).or_default() += 28 + u64::from(payload);
    }
    for (timeout, slices) in [("60s", 1), ("5s", 8), ("0s", 400)] {
        let (session, _) = capture.replay(&["--active-timeout", timeout], "");
        let flows: Vec<&Record> = session.flows().collect();
        assert!(flows.len() >= slices, "{timeout}: {}", flows.len());
        // A record that tells of the server alone is turned around.
        let turned = |flow: &Record| flow.octets(0, 8) == Some(&[10, 0, 0, 200]);
        let sum = |id, is_reply| -> u64 {
            let of = |flow: &&Record| match turned(flow) == is_reply {
                true => flow.iana(id),
                false => flow.octets(REVERSE, id).and_then(|_| flow.reverse(id)),
            };
            flows.iter().filter_map(of).sum()
        };
        for is_reply in [false, true] {
            assert_eq!(sum(2, is_reply), packets[&is_reply], "{timeout}");
            assert_eq!(sum(1, is_reply), octets[&is_reply], "{timeout}");
        }
    }
}
