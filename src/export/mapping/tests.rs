use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::decode::{MplsLabels, VlanTags};
use crate::export::testing::{any_mapping, any_record, messages, tcp_biflow, udp_uniflow};
use crate::export::transport::MINIMUM_MESSAGE_SIZE;
use crate::ipfix::date_time::{DateTime, Precision};
use crate::ipfix::message::{MESSAGE_HEADER_LENGTH, SET_HEADER_LENGTH};
use crate::ipfix::reader::Reader;
use crate::ipfix::value::Value;
use crate::privacy::Withheld;

const BIFLOWS: Mapping = Mapping {
    biflow: true,
    time: TimeUnit::Milliseconds,
    enterprise_elements: true,
    withheld: Withheld::NONE,
};
const UNIFLOWS: Mapping = Mapping { biflow: false, ..BIFLOWS };

/// Every mapping there is, with everything withheld that can be, and with nothing.
fn mappings() -> impl Iterator<Item = Mapping> {
    TimeUnit::ALL.into_iter().flat_map(|time| {
        (0..8).map(move |bits| {
            let all = bits & 4 == 4;
            Mapping {
                biflow: bits & 1 == 1,
                time,
                enterprise_elements: bits & 2 == 2,
                withheld: Withheld {
                    flow_id: all,
                    ports: all,
                    identifiers: all,
                    flow_records: false,
                },
            }
        })
    })
}

/// Every layout there is.
fn layouts() -> impl Iterator<Item = Layout> {
    (0..u16::try_from(Layout::COUNT).unwrap()).filter_map(Layout::from_number)
}

#[test]
fn every_layout_has_a_number_and_a_template_of_its_own() {
    let mut seen = HashMap::new();
    for layout in layouts() {
        let template = template(layout, BIFLOWS);
        assert_eq!(Layout::from_number(layout.number()), Some(layout));
        assert_eq!(template.id().get(), 256 + layout.number());
        let fields: Vec<_> = template
            .fields()
            .iter()
            .map(|field| (field.element.enterprise, field.element.id, field.length))
            .collect();
        assert_eq!(seen.insert(fields, layout), None);
    }
    // 2 versions × 3 kinds of sides × 4 transports × MAC × 3 VLAN × 4 MPLS × 7 tunnels × fragments.
    assert_eq!(seen.len(), 2 * 3 * 4 * 2 * 3 * 4 * 7 * 2);
}

#[test]
fn a_template_id_tells_its_template_under_every_mapping() {
    for mapping in mappings() {
        let mut templates = Templates::new(mapping);
        let mut ids: Vec<_> = layouts()
            .filter(|layout| layout.is_of(mapping))
            .map(|layout| {
                let made = templates.template(layout.number());
                let id = made.id().get();
                assert!(id <= 49_407, "options have the IDs above");
                assert_eq!(template_by_id(id, mapping).as_ref(), Some(&**made));
                id
            })
            .collect();
        ids.sort_unstable();
        // Every other ID, of options records and of other units, is none of this mapping.
        for id in 0..=u16::MAX {
            if ids.binary_search(&id).is_err() {
                assert_eq!(template_by_id(id, mapping), None, "{id} under {mapping}");
            }
        }
    }
}

#[test]
fn records_of_one_mapping_have_one_pair_of_times_a_direction() {
    for mapping in mappings() {
        let [first, last] = match mapping.time {
            TimeUnit::Milliseconds => [152, 153],
            TimeUnit::Microseconds => [154, 155],
            TimeUnit::Nanoseconds => [156, 157],
        };
        for layout in layouts().filter(|layout| layout.is_of(mapping)) {
            let template = template(layout, mapping);
            let ids = |enterprise| {
                template.fields().iter().filter_map(move |field| {
                    (field.element.enterprise == enterprise
                        && (150..160).contains(&field.element.id))
                    .then_some(field.element.id)
                })
            };
            assert_eq!(ids(0).collect::<Vec<_>>(), [first, last]);
            let reverse = if layout.sides == Sides::Biflow { vec![first, last] } else { vec![] };
            assert_eq!(ids(29305).collect::<Vec<_>>(), reverse);
        }
    }
}

#[test]
fn without_elements_of_ours_there_are_only_those_of_iana() {
    for mapping in mappings().filter(|mapping| !mapping.enterprise_elements) {
        for layout in layouts().filter(|layout| layout.is_of(mapping)) {
            let template = template(layout, mapping);
            for field in template.fields() {
                assert!([0, 29305].contains(&field.element.enterprise), "{field:?}");
                assert!(mapping.biflow || field.element.enterprise == 0, "{field:?}");
            }
        }
    }
    let tunnel = Tunnel { kind: TunnelKind::Gre, id: Some(7), ..FULL.tunnel.unwrap() };
    let record = FlowRecord {
        forward: Direction { fragments: 9, ..tcp_biflow().forward },
        tunnel: Some(tunnel),
        ..tcp_biflow()
    };
    let mapping = Mapping { enterprise_elements: false, ..BIFLOWS };
    let of = |record: &FlowRecord| {
        let layout = data_records(record, mapping).next().unwrap().shape.layout;
        (layout, template(layout, mapping).fields().iter().any(|field| field.element.id == 296))
    };
    let plain = of(&tcp_biflow()).0;
    assert!(of(&record).1, "a standard element for the id stays");
    let unnamed = FlowRecord { tunnel: Some(Tunnel { id: None, ..tunnel }), ..record };
    assert_eq!(of(&unnamed), (plain, false), "what cannot be told makes no Template of its own");
}

#[test]
fn template_ids_are_the_same_in_every_version_of_us() {
    // A collector keeps templates over our restart: these numbers are for ever.
    let under = |record: &FlowRecord, mapping| {
        let Shape { layout, mapping, .. } = data_records(record, mapping).next().unwrap().shape;
        layout.template_id(mapping.time).get()
    };
    let id = |record: &FlowRecord, biflow| under(record, Mapping { biflow, ..BIFLOWS });
    let tcp = tcp_biflow();
    assert_eq!(id(&tcp, true), 276);
    assert_eq!(id(&tcp, false), 272);
    assert_eq!(id(&udp_uniflow(1), true), 266);
    for (time, distance) in [(TimeUnit::Microseconds, 16_384), (TimeUnit::Nanoseconds, 32_768)] {
        assert_eq!(under(&tcp, Mapping { time, ..BIFLOWS }), 276 + distance);
    }
    assert_eq!(id(&FlowRecord { version: IpVersion::V6, ..tcp }, true), 277);
    let vlan = VlanTags { outer: 5, inner: 6, count: 2 };
    assert_eq!(id(&FlowRecord { vlan, ..tcp }, true), 276 + 128);
    let mpls = MplsLabels { sections: [[0; 3]; 3], count: 2 };
    assert_eq!(id(&FlowRecord { mpls, ..tcp }, true), 276 + 512);
    let tunnel = Some(Tunnel { kind: TunnelKind::Vxlan, id: Some(1), ..FULL.tunnel.unwrap() });
    assert_eq!(id(&FlowRecord { tunnel, ..tcp }, true), 276 + 5 * 1024);
    let forward = Direction { fragments: 1, ..tcp.forward };
    assert_eq!(id(&FlowRecord { forward, ..tcp }, true), 276 + 8192);
}

#[test]
fn every_template_and_record_fits_the_smallest_message() {
    // Every unit of time takes eight octets, and no mapping adds a field.
    for layout in layouts() {
        let template = template(layout, BIFLOWS);
        let headers = MESSAGE_HEADER_LENGTH + SET_HEADER_LENGTH;
        assert!(template.definition().len() + headers <= MINIMUM_MESSAGE_SIZE, "{layout:?}");
        assert!(template.record_length() + headers <= MINIMUM_MESSAGE_SIZE, "{layout:?}");
    }
}

#[test]
fn templates_keep_what_collectors_and_the_standards_need() {
    for layout in layouts() {
        let template = template(layout, BIFLOWS);
        let fields = template.fields();
        // RFC 7011 §4.4: Flow Keys within the first 64 fields; ours are the first of all.
        let position = |id| fields.iter().position(|field| field.element.id == id);
        assert!(position(4).unwrap() < 64);
        let reverse = fields.iter().any(|field| field.element.enterprise == 29305);
        // RFC 5103 §4: no reverse elements in uniflows.
        assert_eq!(reverse, layout.sides == Sides::Biflow);
        for field in fields {
            // pmacct reads counters of four and eight octets only, others no odd sizes.
            assert!(
                [1, 2, 4, 6, 8, 16].contains(&field.length) || (70..73).contains(&field.element.id)
            );
        }
        // nfdump mixes addresses up where both families are there, and no element stands twice.
        assert_ne!(position(8).is_some(), position(27).is_some());
        let mut ids: Vec<_> =
            fields.iter().map(|field| (field.element.enterprise, field.element.id)).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), fields.len());
    }
}

#[test]
fn a_tcp_biflow_is_these_octets() {
    let record = tcp_biflow();
    let data = data_records(&record, BIFLOWS).next().unwrap();
    let template = template(data.shape.layout, BIFLOWS);
    #[rustfmt::skip]
    let definition = [
        (0, 8, 4), (0, 12, 4), (0, 7, 2), (0, 11, 2), (0, 4, 1), (0, 60, 1), (0, 10, 4), (0, 148, 8),
        (0, 136, 1), (0, 239, 1),
        (0, 1, 8), (0, 2, 8), (0, 152, 8), (0, 153, 8), (0, 25, 4), (0, 26, 4), (0, 52, 1), (0, 53, 1),
        (0, 5, 1), (0, 6, 2), (0, 184, 4), (0, 186, 2),
        (29305, 1, 8), (29305, 2, 8), (29305, 152, 8), (29305, 153, 8), (29305, 25, 4), (29305, 26, 4),
        (29305, 52, 1), (29305, 53, 1), (29305, 5, 1), (29305, 6, 2), (29305, 184, 4), (29305, 186, 2),
    ];
    let fields: Vec<_> = template
        .fields()
        .iter()
        .map(|field| (field.element.enterprise, field.element.id, field.length))
        .collect();
    assert_eq!(fields, definition);

    let message = messages(&[data], BIFLOWS);
    let octets = &message[message.len() - template.record_length()..];
    #[rustfmt::skip]
    let expected = [
        192, 0, 2, 1,  198, 51, 100, 7,  0x9c, 0x40,  0x01, 0xbb,           // key
        6,  4,  0, 0, 0, 3,
        0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,                     // flowId
        3,  1,                                                              // end, initiator
        0, 0, 0, 0, 0, 0, 0x05, 0xdc,  0, 0, 0, 0, 0, 0, 0, 10,             // forward
        0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x7b,
        0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x6b, 0xe8,
        0, 0, 0, 40,  0, 0, 0x02, 0x40,  63,  64,  0xb8,
        0x00, 0x1b,  1, 2, 3, 4,  0xfa, 0xf0,
        0, 0, 0, 0, 0, 0, 0x23, 0x28,  0, 0, 0, 0, 0, 0, 0, 8,              // reverse
        0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x7b,
        0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x6b, 0xe8,
        0, 0, 0, 40,  0, 0, 0x02, 0x40,  63,  64,  0xb8,
        0x00, 0x13,  1, 2, 3, 4,  0xfa, 0xf0,
    ];
    assert_eq!(octets, expected);
}

#[test]
fn a_slice_in_which_only_the_far_side_spoke_is_turned_around() {
    let record = FlowRecord {
        forward: Direction::default(),
        reverse: Direction { fragments: 5, ..tcp_biflow().reverse },
        mac: Some(MacAddresses { source: [1; 6], destination: [2; 6] }),
        tunnel: Some(Tunnel {
            kind: TunnelKind::GtpU,
            version: IpVersion::V4,
            source: Address::v4([10, 0, 0, 1]),
            destination: Address::v4([10, 0, 0, 2]),
            id: Some(77),
        }),
        ..tcp_biflow()
    };
    let data: Vec<_> = data_records(&record, BIFLOWS).collect();
    let [data] = data.as_slice() else { panic!("one record") };
    assert_eq!(data.shape.layout.sides, Sides::HalfBiflow);
    assert_eq!((data.packets(), data.octets()), (8, 9_000));

    let fields = &decode(&messages(&[*data], BIFLOWS))[0];
    for (enterprise, id, value) in [
        (0, 239, "2"), // reverseInitiator
        (0, 8, "198.51.100.7"),
        (0, 12, "192.0.2.1"),
        (0, 7, "443"),
        (0, 11, "40000"),
        (0, 56, "02:02:02:02:02:02"),
        (0, 80, "01:01:01:01:01:01"),
        (32473, 4, "10.0.0.2"),
        (32473, 5, "10.0.0.1"),
        (0, 2, "8"),
        (0, 6, "19"),
        (32473, 3, "5"),
    ] {
        assert_eq!(one(fields, enterprise, id), Some(value), "{enterprise}/{id}");
    }
    assert_eq!(one(fields, 29305, 2), None);
}

#[test]
fn without_biflows_each_direction_is_a_record() {
    let record = tcp_biflow();
    let data: Vec<_> = data_records(&record, UNIFLOWS).collect();
    assert_eq!(data.len(), 2);
    assert!(data.iter().all(|data| data.shape.layout.sides == Sides::Uniflow));
    assert_eq!(data.iter().map(DataRecord::packets).collect::<Vec<_>>(), [10, 8]);
    assert_eq!(data.iter().map(DataRecord::octets).sum::<u64>(), record.octets());
    assert_eq!(data.iter().map(|data| data.shape.turned).collect::<Vec<_>>(), [false, true]);

    let half = FlowRecord { forward: Direction::default(), ..record };
    let data: Vec<_> = data_records(&half, UNIFLOWS).collect();
    assert_eq!(data.len(), 1);
    assert!(data[0].shape.turned);
}

#[test]
fn an_unseen_transport_header_has_no_fields() {
    // RFC 7011 §8: a Template without them, no zeros.
    let unseen = Direction { tcp_flags: 0, fragments: 2, ..tcp_biflow().forward };
    let record = FlowRecord {
        source_port: 0,
        destination_port: 0,
        forward: unseen,
        reverse: Direction::default(),
        ..tcp_biflow()
    };
    let data = data_records(&record, BIFLOWS).next().unwrap();
    assert_eq!(data.shape.layout.transport, Transport::None);
    let icmp = FlowRecord { protocol: 1, ..record };
    assert_eq!(
        data_records(&icmp, BIFLOWS).next().unwrap().shape.layout.transport,
        Transport::Icmp
    );
    // ICMP for IPv6 in an IPv4 packet has no element.
    let strange = FlowRecord { protocol: 58, ..record };
    assert_eq!(
        data_records(&strange, BIFLOWS).next().unwrap().shape.layout.transport,
        Transport::None
    );
}

/// What a record says, by field.
type Fields = HashMap<(u32, u16), String>;

fn decode(messages: &[u8]) -> Vec<Fields> {
    let mut reader = Reader::new(messages);
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        let mut fields = Fields::new();
        for (field, value) in record.fields() {
            assert!(!matches!(value, Value::Octets(octets) if octets.len() != 3), "{field}");
            let id = match (field.element.enterprise, field.reverse) {
                (0, true) => (29305, field.element.id),
                (enterprise, reverse) => {
                    (enterprise, field.element.id | if reverse { 0x4000 } else { 0 })
                }
            };
            assert_eq!(fields.insert(id, value.to_string()), None);
        }
        records.push(fields);
    }
    records
}

fn one(fields: &Fields, enterprise: u32, id: u16) -> Option<&str> {
    fields.get(&(enterprise, id)).map(String::as_str)
}

fn address_text(version: IpVersion, address: Address) -> String {
    match version {
        IpVersion::V4 => Ipv4Addr::from(address.to_v4()).to_string(),
        IpVersion::V6 => Ipv6Addr::from(address.0).to_string(),
    }
}

/// The record as seen from the far side.
fn turned_around(record: &FlowRecord) -> FlowRecord {
    FlowRecord {
        source: record.destination,
        destination: record.source,
        source_port: record.destination_port,
        destination_port: record.source_port,
        forward: record.reverse,
        reverse: record.forward,
        mac: record
            .mac
            .map(|mac| MacAddresses { source: mac.destination, destination: mac.source }),
        tunnel: record.tunnel.map(|tunnel| Tunnel {
            source: tunnel.destination,
            destination: tunnel.source,
            ..tunnel
        }),
        ..*record
    }
}

fn check_direction(
    fields: &Fields,
    enterprise: u32,
    direction: &Direction,
    unit: TimeUnit,
) -> Result<(), TestCaseError> {
    let number = |id| one(fields, enterprise, id).map(|text| text.parse::<u64>().unwrap());
    prop_assert_eq!(number(1), Some(direction.octets));
    prop_assert_eq!(number(2), Some(direction.packets));
    prop_assert_eq!(number(25), Some(direction.minimum_length.into()));
    prop_assert_eq!(number(26), Some(direction.maximum_length.into()));
    prop_assert_eq!(number(52), Some(direction.minimum_ttl.into()));
    prop_assert_eq!(number(53), Some(direction.maximum_ttl.into()));
    prop_assert_eq!(number(5), Some(direction.tos.into()));
    let (first, precision) = match unit {
        TimeUnit::Milliseconds => (152, Precision::Milliseconds),
        TimeUnit::Microseconds => (154, Precision::Microseconds),
        TimeUnit::Nanoseconds => (156, Precision::Nanoseconds),
    };
    for (id, time) in [(first, direction.first), (first + 1, direction.last)] {
        // NTP times have eras of 136 years (RFC 7011 §6.1.10): this one ends in 2104.
        let readable = unit == TimeUnit::Milliseconds || time.as_secs() < 4_233_462_144;
        let (seconds, nanoseconds) = (time.as_secs().cast_signed(), time.subsec_nanos());
        let text = DateTime { seconds, nanoseconds, precision }.to_string();
        prop_assert!(!readable || one(fields, enterprise, id) == Some(text.as_str()), "{text}");
    }
    // Values stay in the range of their element (RFC 7012 §2.1).
    if let Some(flags) = number(6) {
        prop_assert_eq!(flags, u64::from(direction.tcp_flags & 0x0fff));
        prop_assert_eq!(number(184), Some(direction.tcp_sequence.into()));
        prop_assert_eq!(number(186), Some(direction.tcp_window.into()));
    }
    if let Some(label) = number(31) {
        prop_assert_eq!(label, u64::from(direction.flow_label & 0x000f_ffff));
    }
    if let Some(code) = number(32).or_else(|| number(139)) {
        prop_assert_eq!(code, u64::from(direction.icmp_type_code));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What an independent reader finds in our messages is what was in the records.
    #[test]
    fn records_come_back_as_they_went(
        records in prop::collection::vec(any_record(), 1..20),
        mapping in any_mapping(),
    ) {
        let Mapping { biflow, time, enterprise_elements, withheld: _ } = mapping;
        let data: Vec<_> = records.iter().flat_map(|record| data_records(record, mapping)).collect();
        let decoded = decode(&messages(&data, mapping));
        prop_assert_eq!(decoded.len(), data.len());

        let packets: u128 = records.iter().map(|record| u128::from(record.packets())).sum();
        prop_assert_eq!(data.iter().map(|data| u128::from(data.packets())).sum::<u128>(), packets);
        let octets: u128 = records.iter().map(|record| u128::from(record.octets())).sum();
        prop_assert_eq!(data.iter().map(|data| u128::from(data.octets())).sum::<u128>(), octets);

        for (data, fields) in data.iter().zip(&decoded) {
            let record =
                if data.shape.turned { turned_around(data.record) } else { *data.record };
            let (source, destination) = match record.version {
                IpVersion::V4 => (8, 12),
                IpVersion::V6 => (27, 28),
            };
            let source_text = address_text(record.version, record.source);
            prop_assert_eq!(one(fields, 0, source), Some(source_text.as_str()));
            let destination_text = address_text(record.version, record.destination);
            prop_assert_eq!(one(fields, 0, destination), Some(destination_text.as_str()));
            let number = |id| one(fields, 0, id).map(|text| text.parse::<u64>().unwrap());
            prop_assert_eq!(number(4), Some(record.protocol.into()));
            prop_assert_eq!(number(60), Some(record.version as u64));
            prop_assert_eq!(number(10), Some(record.interface.into()));
            prop_assert_eq!(number(148), Some(record.flow_id));
            prop_assert_eq!(number(136), Some(record.end_reason as u64));
            prop_assert_eq!(number(239).is_some(), biflow);
            prop_assert_eq!(number(7).unwrap_or(0) != 0 || number(11).unwrap_or(0) != 0,
                matches!(record.protocol, 6 | 17 | 33 | 132 | 136)
                    && (record.source_port != 0 || record.destination_port != 0));
            prop_assert_eq!(fields.contains_key(&(0, 56)), record.mac.is_some());
            if record.vlan.count > 0 {
                prop_assert_eq!(number(58), Some(record.vlan.outer_id().into()));
                prop_assert_eq!(number(243), number(58));
                prop_assert_eq!(number(244), Some(u64::from(record.vlan.outer >> 13)));
            }
            prop_assert_eq!(number(245), (record.vlan.count > 1).then(|| record.vlan.inner_id().into()));
            for (index, id) in (70..73).enumerate() {
                let section = (usize::from(record.mpls.count) > index).then(|| {
                    let [a, b, c] = record.mpls.sections[index];
                    format!("{a:02x}{b:02x}{c:02x}")
                });
                prop_assert_eq!(one(fields, 0, id), section.as_deref());
            }
            if !enterprise_elements {
                prop_assert!(fields.keys().all(|&(enterprise, _)| enterprise != 32473));
            }
            if let Some(tunnel) = record.tunnel {
                let standard = match (tunnel.kind, tunnel.id) {
                    (TunnelKind::Gre, Some(key)) => Some((296, key.to_string())),
                    (TunnelKind::Vxlan, Some(id)) => {
                        Some((351, (1 << 56 | u64::from(id & 0xff_ffff)).to_string()))
                    }
                    (TunnelKind::Nvgre, Some(id)) => {
                        Some((351, (2 << 56 | u64::from(id & 0xff_ffff)).to_string()))
                    }
                    _ => None,
                };
                if let Some((id, value)) = standard {
                    prop_assert_eq!(one(fields, 0, id), Some(value.as_str()));
                }
            }
            if let Some(tunnel) = record.tunnel.filter(|_| enterprise_elements) {
                let id = match tunnel.version { IpVersion::V4 => 4, IpVersion::V6 => 6 };
                for (id, address) in [(id, tunnel.source), (id + 1, tunnel.destination)] {
                    let outer = address_text(tunnel.version, address);
                    prop_assert_eq!(one(fields, 32473, id), Some(outer.as_str()));
                }
                let kind = one(fields, 32473, 1).unwrap().parse::<u8>().unwrap();
                prop_assert_eq!(kind, tunnel.kind as u8);
                let tunnel_id = one(fields, 32473, 2).unwrap().parse::<u32>().unwrap();
                prop_assert_eq!(tunnel_id, tunnel.id.unwrap_or(0));
            }
            if let Some(fragments) = one(fields, 32473, 3) {
                prop_assert_eq!(fragments, record.forward.fragments.to_string());
            } else if enterprise_elements {
                prop_assert_eq!(record.forward.fragments, 0);
            }
            let reverse_fragments = one(fields, 32473, 0x4003);
            prop_assert_eq!(reverse_fragments.is_some(),
                data.shape.layout.sides == Sides::Biflow && one(fields, 32473, 3).is_some());
            if let Some(fragments) = reverse_fragments {
                prop_assert_eq!(fragments, record.reverse.fragments.to_string());
            }
            check_direction(fields, 0, &record.forward, time)?;
            if data.shape.layout.sides == Sides::Biflow {
                check_direction(fields, 29305, &record.reverse, time)?;
            } else {
                prop_assert!(fields.keys().all(|&(enterprise, _)| enterprise != 29305));
            }
        }
    }
}
