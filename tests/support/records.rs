//! Flow Records of every kind.

#![allow(dead_code, reason = "shared by several test files, each of which uses a part")]

use flowtap::decode::{Address, IpVersion, MacAddresses, MplsLabels, Tunnel, TunnelKind, VlanTags};
use flowtap::flow::{Direction, FlowEndReason, FlowRecord};
use flowtap::time::Timestamp;

/// One record for every combination of what a record may have.
pub(crate) fn varied_records() -> Vec<FlowRecord> {
    let mut records = Vec::new();
    for version in [IpVersion::V4, IpVersion::V6] {
        for protocol in [6, 17, if version == IpVersion::V4 { 1 } else { 58 }, 47] {
            for extra in 0..10 {
                for sides in 0..3 {
                    let n = u32::try_from(records.len()).expect("a few hundred");
                    records.push(record(n, version, protocol, extra, sides));
                }
            }
        }
    }
    records
}

/// A plain one of UDP, number `n`.
pub(crate) fn plain(n: u32) -> FlowRecord {
    record(n, IpVersion::V4, 17, 0, 1)
}

fn record(n: u32, version: IpVersion, protocol: u8, extra: u32, sides: u32) -> FlowRecord {
    let [_, _, high, low] = n.to_be_bytes();
    let address = |end: u8| match version {
        IpVersion::V4 => Address::v4([10, 1, high * 2 + end, low]),
        IpVersion::V6 => {
            Address([0x20, 0x01, 0x0d, 0xb8, 0, end, 0, 0, 0, 0, 0, 0, 0, 0, high, low])
        }
    };
    let ports = matches!(protocol, 6 | 17);
    let direction = |packets: u64| Direction {
        packets,
        octets: packets * 100,
        first: Timestamp::from_parts(1_700_000_000, 5_000_000),
        last: Timestamp::from_parts(1_700_000_050, 0),
        minimum_length: 40,
        maximum_length: 1_500,
        tcp_flags: if protocol == 6 { 0x1b } else { 0 },
        minimum_ttl: 60,
        maximum_ttl: 64,
        tos: 0,
        tcp_window: 1_000,
        tcp_sequence: n,
        icmp_type_code: 0x0800,
        flow_label: 0x12345,
        fragments: u32::from(extra == 9),
    };
    let outer = |v6: bool, kind, id| {
        let v4 = |last| Address::v4([203, 0, 113, last]);
        let v6_address = |last| Address([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        Some(Tunnel {
            kind,
            version: if v6 { IpVersion::V6 } else { IpVersion::V4 },
            source: if v6 { v6_address(1) } else { v4(1) },
            destination: if v6 { v6_address(2) } else { v4(2) },
            id,
        })
    };
    FlowRecord {
        flow_id: n.into(),
        interface: 2,
        version,
        protocol,
        end_reason: FlowEndReason::IdleTimeout,
        source: address(0),
        destination: address(1),
        source_port: if ports { 40_000 } else { 0 },
        destination_port: if ports { 443 } else { 0 },
        forward: if sides == 2 { Direction::default() } else { direction(1 + u64::from(n)) },
        reverse: if sides == 1 { Direction::default() } else { direction(2 + u64::from(n)) },
        mac: (extra != 0).then_some(MacAddresses { source: [2; 6], destination: [4; 6] }),
        vlan: match extra {
            1 => VlanTags { outer: 0x6064, inner: 0, count: 1 },
            2 => VlanTags { outer: 0x6064, inner: 0x00c8, count: 2 },
            _ => VlanTags::default(),
        },
        mpls: match extra {
            3 => MplsLabels { sections: [[0, 1, 0x01], [0; 3], [0; 3]], count: 1 },
            4 => MplsLabels { sections: [[0, 1, 0], [0, 2, 0], [0, 3, 1]], count: 4 },
            _ => MplsLabels::default(),
        },
        tunnel: match extra {
            5 => outer(false, TunnelKind::Vxlan, Some(4_096)),
            6 => outer(true, TunnelKind::GtpU, Some(0xdead_beef)),
            7 => outer(false, TunnelKind::Gre, Some(9)),
            8 => outer(true, TunnelKind::IpInIp, None),
            _ => None,
        },
    }
}
