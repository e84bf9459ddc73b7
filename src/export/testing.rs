//! Records and readers for the tests of export.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use crate::decode::{Address, IpVersion, MacAddresses, MplsLabels, Tunnel, TunnelKind, VlanTags};
use crate::export::account::Account;
use crate::export::exporter::RecordBatch;
use crate::export::mapping::{Content as _, DataRecord, Templates};
use crate::export::notice::Observer;
use crate::export::profile::{Mapping, TimeUnit};
use crate::flow::{Direction, FlowEndReason, FlowRecord};
use crate::ipfix::message::MessageWriter;
use crate::ipfix::reader::{Reader, Statistics};
use crate::privacy::Withheld;
use crate::time::Timestamp;

/// 192.0.2.1 port 40000 → 198.51.100.7 port 443 over TCP, both directions.
pub(crate) fn tcp_biflow() -> FlowRecord {
    let forward = Direction {
        packets: 10,
        octets: 1_500,
        first: Timestamp::from_parts(1_700_000_000, 123_999_999),
        last: Timestamp::from_parts(1_700_000_001, 0),
        minimum_length: 40,
        maximum_length: 576,
        tcp_flags: 0x01b,
        minimum_ttl: 63,
        maximum_ttl: 64,
        tos: 0xb8,
        tcp_window: 64_240,
        tcp_sequence: 0x0102_0304,
        icmp_type_code: 0,
        flow_label: 0,
        fragments: 0,
    };
    FlowRecord {
        flow_id: 0x1122_3344_5566_7788,
        interface: 3,
        version: IpVersion::V4,
        protocol: 6,
        end_reason: FlowEndReason::EndOfFlowDetected,
        source: Address::v4([192, 0, 2, 1]),
        destination: Address::v4([198, 51, 100, 7]),
        source_port: 40_000,
        destination_port: 443,
        forward,
        reverse: Direction { packets: 8, octets: 9_000, tcp_flags: 0x013, ..forward },
        mac: None,
        vlan: VlanTags::default(),
        mpls: MplsLabels::default(),
        tunnel: None,
    }
}

/// One direction of a UDP Flow, number `n` of many.
pub(crate) fn udp_uniflow(n: u32) -> FlowRecord {
    let [_, b, c, d] = n.to_be_bytes();
    FlowRecord {
        flow_id: n.into(),
        protocol: 17,
        source: Address::v4([10, b, c, d]),
        reverse: Direction::default(),
        ..tcp_biflow()
    }
}

pub(crate) fn batch(records: Vec<FlowRecord>) -> Arc<RecordBatch> {
    Arc::new(RecordBatch { records, clock: Timestamp::from_parts(1_700_000_100, 0), interfaces: 0 })
}

/// Messages of at most 1,400 octets with these records, each Template ahead of its first record.
pub(crate) fn messages(data: &[DataRecord<'_>], mapping: Mapping) -> Vec<u8> {
    let mut templates = Templates::new(mapping);
    let mut writer = MessageWriter::new(1, 1_400);
    let mut messages = Vec::new();
    for data in data {
        let template = templates.template(data.number());
        let add = |writer: &mut MessageWriter| {
            if !writer.defines(template) {
                writer.add_template(template)?;
            }
            writer.add_record(template, |octets| data.visit(octets))
        };
        if add(&mut writer).is_err() {
            messages.extend_from_slice(writer.finish(5).unwrap());
            add(&mut writer).unwrap();
        }
    }
    messages.extend_from_slice(writer.finish(5).unwrap_or_default());
    messages
}

/// How many records are in a stream of Messages, and the packets and octets they tell of.
///
/// Strict: no gap in the sequence, no Set without Template, nothing irregular.
pub(crate) fn read_strictly(messages: &[u8]) -> (u64, u64, u64) {
    read(messages, true)
}

/// The same of records of Flows alone, without options records.
pub(crate) fn read_flows(messages: &[u8]) -> (u64, u64, u64) {
    read(messages, false)
}

fn read(messages: &[u8], with_options: bool) -> (u64, u64, u64) {
    let mut reader = Reader::new(messages);
    let (mut records, mut packets, mut octets) = (0, 0, 0);
    while let Some(record) = reader.next_record().unwrap() {
        if record.template().is_options() && !with_options {
            continue;
        }
        records += 1;
        for (field, value) in record.fields() {
            match field.iana() {
                Some((1, _)) => octets += value.as_unsigned().unwrap(),
                Some((2, _)) => packets += value.as_unsigned().unwrap(),
                _ => {}
            }
        }
    }
    assert_regular(reader.statistics(), messages);
    (records, packets, octets)
}

/// Nothing in what was read is irregular, and all of it was read.
pub(crate) fn assert_regular(statistics: &Statistics, messages: &[u8]) {
    assert_eq!(statistics.octets, messages.len() as u64);
    assert_eq!(
        [
            statistics.sequence_gaps,
            statistics.sequence_steps_back,
            statistics.sets_without_template,
            statistics.reserved_sets,
            statistics.illegal_lengths,
            statistics.irregular_padding,
            statistics.withdrawn_templates,
            statistics.ignored_withdrawals,
        ],
        [0; 8]
    );
}

/// An account, and the notices it passes on.
pub(crate) fn account() -> (Account, Arc<Mutex<Vec<String>>>) {
    let notices = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&notices);
    let observer =
        Observer::new(move |notice| sink.lock().expect("no panic").push(notice.to_string()));
    (Account::new(observer), notices)
}

/// Any way to tell of everything in records.
pub(crate) fn any_mapping() -> impl Strategy<Value = Mapping> {
    (any::<bool>(), prop::sample::select(TimeUnit::ALL.to_vec()), any::<bool>()).prop_map(
        |(biflow, time, enterprise_elements)| Mapping {
            biflow,
            time,
            enterprise_elements,
            withheld: Withheld::NONE,
        },
    )
}

/// Any record the meter could make, and more.
pub(crate) fn any_record() -> impl Strategy<Value = FlowRecord> {
    let first = (any::<u64>(), any::<u32>(), any::<bool>(), any::<u8>(), 0_usize..5);
    let addresses = (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<u16>(), any::<u16>());
    let protocol =
        prop_oneof![Just(1_u8), Just(6), Just(17), Just(58), Just(132), Just(47), any::<u8>()];
    let shared = (
        prop::option::of((any::<[u8; 6]>(), any::<[u8; 6]>())),
        (any::<u16>(), any::<u16>(), 0_u8..4),
        (any::<[[u8; 3]; 3]>(), 0_u8..6),
        prop::option::of(any_tunnel()),
    );
    let directions = prop_oneof![
        (any_direction(), any_direction()),
        (any_direction(), Just(Direction::default())),
        (Just(Direction::default()), any_direction()),
    ];
    (first, addresses, protocol, shared, directions).prop_map(
        |(
            (flow_id, interface, v6, _, end_reason),
            (source, destination, source_port, destination_port),
            protocol,
            (mac, (outer, inner, tags), (sections, labels), tunnel),
            (forward, reverse),
        )| {
            let version = if v6 { IpVersion::V6 } else { IpVersion::V4 };
            FlowRecord {
                flow_id,
                interface,
                version,
                protocol,
                end_reason: FlowEndReason::ALL[end_reason],
                source: address(version, source),
                destination: address(version, destination),
                source_port: source_port % 3 * 20_000,
                destination_port: destination_port % 3 * 20_000,
                forward,
                reverse,
                mac: mac.map(|(source, destination)| MacAddresses { source, destination }),
                vlan: VlanTags { outer, inner, count: tags },
                mpls: MplsLabels { sections, count: labels },
                tunnel,
            }
        },
    )
}

fn address(version: IpVersion, octets: [u8; 16]) -> Address {
    match version {
        IpVersion::V4 => Address::v4([octets[0], octets[1], octets[2], octets[3]]),
        IpVersion::V6 => Address(octets),
    }
}

fn any_tunnel() -> impl Strategy<Value = Tunnel> {
    let kinds = [
        TunnelKind::IpInIp,
        TunnelKind::Gre,
        TunnelKind::Nvgre,
        TunnelKind::Erspan,
        TunnelKind::Vxlan,
        TunnelKind::Geneve,
        TunnelKind::GtpU,
        TunnelKind::L2tpV2,
        TunnelKind::L2tpV3,
        TunnelKind::Teredo,
    ];
    let kind = prop::sample::select(kinds.to_vec());
    (kind, any::<bool>(), any::<[u8; 16]>(), any::<[u8; 16]>(), prop::option::of(any::<u32>()))
        .prop_map(|(kind, v6, source, destination, id)| {
            let version = if v6 { IpVersion::V6 } else { IpVersion::V4 };
            Tunnel {
                kind,
                version,
                source: address(version, source),
                destination: address(version, destination),
                id,
            }
        })
}

fn any_direction() -> impl Strategy<Value = Direction> {
    let counters = (1..u64::MAX / 4, 0..u64::MAX / 4, any::<u64>(), any::<u64>());
    let bounds = (any::<u32>(), any::<u32>(), any::<u8>(), any::<u8>(), any::<u8>());
    let transport = (any::<u16>(), any::<u16>(), any::<u32>(), any::<u16>(), any::<u32>());
    let fragments = prop_oneof![Just(0_u32), any::<u32>()];
    (counters, bounds, transport, fragments).prop_map(
        |(
            (packets, octets, first, last),
            (minimum_length, maximum_length, minimum_ttl, maximum_ttl, tos),
            (tcp_flags, tcp_window, tcp_sequence, icmp_type_code, flow_label),
            fragments,
        )| Direction {
            packets,
            octets,
            first: Timestamp::from_nanos(first),
            last: Timestamp::from_nanos(last),
            minimum_length,
            maximum_length,
            tcp_flags,
            minimum_ttl,
            maximum_ttl,
            tos,
            tcp_window,
            tcp_sequence,
            icmp_type_code,
            flow_label,
            fragments,
        },
    )
}
