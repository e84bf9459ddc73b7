//! What one frame costs in the decoder, friendly and hostile.
//!
//! Each case is a batch of header-cut frames that stays in the L1 cache (at most 16 KiB), so this is
//! the cost of decoding and not of memory.

#![expect(clippy::indexing_slicing, reason = "inputs are built from arrays of known length")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowtap::decode::{Config, Tunnels, decode};
use flowtap::frame::{Frame, LinkType};
use flowtap::time::Timestamp;

fn benches(criterion: &mut Criterion) {
    let cases: [(&str, Vec<Vec<u8>>); 9] = [
        ("ipv4_tcp", vec![[ethernet(0x0800), ipv4(6, 40), tcp()].concat()]),
        ("ipv4_udp", vec![[ethernet(0x0800), ipv4(17, 28), udp(53)].concat()]),
        ("ipv6_tcp", vec![[ethernet(0x86dd), ipv6(6, 20), tcp()].concat()]),
        ("vlan_ipv4_tcp", vec![[ethernet(0x8100), tag(0x0800), ipv4(6, 40), tcp()].concat()]),
        ("mixed", mixed()),
        ("vxlan_ipv4_tcp", vec![vxlan([ethernet(0x0800), ipv4(6, 40), tcp()].concat())]),
        // Hostile: as much work as a frame can ask for, and errors at every step.
        ("hostile_vlan_stack", vec![[ethernet(0x8100), tag(0x8100).repeat(40)].concat()]),
        ("hostile_tunnels", vec![hostile_tunnels()]),
        ("hostile_malformed", malformed()),
    ];
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, frames) in &cases {
        let batch: Vec<&[u8]> = frames.iter().map(Vec::as_slice).cycle().take(BATCH).collect();
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                for octets in black_box(&batch) {
                    // By reference: by value it would be copied once more.
                    let decoded = decode(&frame(octets), CONFIG);
                    black_box(&decoded);
                }
            });
        });
    }
    group.finish();
}

fn frame(octets: &[u8]) -> Frame<'_> {
    Frame {
        bytes: octets,
        wire_length: 1500,
        at: Timestamp::EPOCH,
        link_type: LinkType::Ethernet,
        interface: 1,
        stripped_vlan: None,
    }
}

/// Two thirds TCP, a third UDP; a third IPv6; half of them tagged: branches that do not predict.
fn mixed() -> Vec<Vec<u8>> {
    (0..BATCH)
        .map(|index| {
            // A multiplicative hash, so that the order has no pattern to learn.
            let draw = index.wrapping_mul(0x9e37_79b9) >> 7;
            let transport = if draw % 3 == 0 { udp(443) } else { tcp() };
            let protocol = if draw % 3 == 0 { 17 } else { 6 };
            let length = u16::try_from(transport.len()).expect("a header is short");
            let (ethertype, network) = if draw / 3 % 3 == 0 {
                (0x86dd, ipv6(protocol, length))
            } else {
                (0x0800, ipv4(protocol, 20 + length))
            };
            if draw / 9 % 2 == 0 {
                [ethernet(0x8100), tag(ethertype), network, transport].concat()
            } else {
                [ethernet(ethertype), network, transport].concat()
            }
        })
        .collect()
}

fn malformed() -> Vec<Vec<u8>> {
    let packet = [ethernet(0x0800), ipv4(6, 40), tcp()].concat();
    let mut version = packet.clone();
    version[14] = 0x65;
    let mut length = packet.clone();
    length[17] = 19;
    let mut ethertype = packet.clone();
    ethertype[13] = 0x06;
    vec![version, length, ethertype, packet[..30].to_vec()]
}

/// Tunnels in tunnels until the decoder has had enough.
fn hostile_tunnels() -> Vec<u8> {
    let mut packet = vec![];
    for _ in 0..20 {
        let length = 20 + u16::try_from(packet.len()).expect("a frame is short");
        packet = [ipv4(4, length), packet].concat();
    }
    [ethernet(0x0800), packet].concat()
}

fn vxlan(inner: Vec<u8>) -> Vec<u8> {
    let length = 36 + u16::try_from(inner.len()).expect("a frame is short");
    let mut udp = udp(4789);
    udp[4..6].copy_from_slice(&(length - 20).to_be_bytes());
    [ethernet(0x0800), ipv4(17, length), udp, vec![8, 0, 0, 0, 0, 0, 7, 0], inner].concat()
}

fn ethernet(ethertype: u16) -> Vec<u8> {
    [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]].concat().into_iter().chain(be(ethertype)).collect()
}

fn tag(ethertype: u16) -> Vec<u8> {
    [be(100), be(ethertype)].concat()
}

fn ipv4(protocol: u8, length: u16) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(be(length));
    header.extend([0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let sum: u32 = header.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    let folded = (sum >> 16) + (sum & 0xffff);
    let checksum = !u16::try_from(folded).expect("nine words carry once");
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

fn ipv6(next_header: u8, length: u16) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(be(length));
    header.extend([next_header, 64]);
    header.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    header.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    header
}

fn tcp() -> Vec<u8> {
    [be(40_000), be(443), vec![0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]].concat()
}

fn udp(port: u16) -> Vec<u8> {
    [be(40_000), be(port), be(8), be(0)].concat()
}

fn be(number: u16) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

const BATCH: usize = 128;
const CONFIG: Config = Config { tunnels: Tunnels::Inner };

criterion_group!(decoder, benches);
criterion_main!(decoder);
