//! What one frame costs in the decoder, friendly and hostile.
//!
//! Each case is 4,096 different frames, cut behind their headers as the kernel would, one behind the
//! other as in a file: with the headers that are written, some 300 KB to 600 KB, which stays in the
//! L2 cache. They are decoded as a worker does it, into the same places for 512 headers over and over.

use std::hint::black_box;
use std::ops::Range;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowtap::decode::{Config, Headers, Tunnels, decode_into};
use flowtap::frame::{Frame, LinkType};
use flowtap::time::Timestamp;

fn benches(criterion: &mut Criterion) {
    let cases = [
        Case("ipv4_tcp", |draw| tcp(draw).ipv4(draw).ethernet()),
        Case("ipv4_udp", |draw| udp(draw).ipv4(draw).ethernet()),
        Case("ipv6_tcp", |draw| tcp(draw).ipv6(draw).ethernet()),
        Case("ipv6_udp", |draw| udp(draw).ipv6(draw).ethernet()),
        Case("vlan_ipv4_tcp", |draw| tcp(draw).ipv4(draw).tag(0x8100).ethernet()),
        Case("qinq_ipv4_tcp", |draw| tcp(draw).ipv4(draw).tag(0x8100).tag(0x88a8).ethernet()),
        Case("mpls_ipv4_tcp", |draw| tcp(draw).ipv4(draw).mpls().ethernet()),
        Case("mixed", mixed),
        Case("ipv4_icmp", |draw| icmp(draw).ipv4(draw).ethernet()),
        Case("ipv4_fragment", |draw| udp(draw).ipv4_fragment(draw).ethernet()),
        Case("ipv6_extension", |draw| udp(draw).extension().ipv6(draw).ethernet()),
        Case("vxlan_ipv4_tcp", |draw| {
            tcp(draw).ipv4(draw).ethernet().vxlan().ipv4(!draw).ethernet()
        }),
        Case("vlan_vxlan_mixed", |draw| mixed(draw).vxlan().ipv4(!draw).tag(0x8100).ethernet()),
        Case("gtp_ipv4_tcp", |draw| tcp(draw).ipv4(draw).gtp().ipv4(!draw).ethernet()),
        Case("gre_ipv4_tcp", |draw| tcp(draw).ipv4(draw).gre().ipv4(!draw).ethernet()),
        // Hostile: as much work as a frame can ask for, and errors at every step.
        Case("hostile_vlan_stack", |draw| {
            (0..40).fold(tcp(draw).ipv4(draw), |it, _| it.tag(0x8100)).ethernet()
        }),
        Case("hostile_tunnels", |draw| (0..20).fold(tcp(draw), |it, _| it.ipv4(draw)).ethernet()),
        Case("hostile_malformed", malformed),
    ];
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(FRAMES as u64));
    let mut places = vec![Headers::BLANK; BATCH];
    for Case(name, packet) in cases {
        let capture = Capture::of(packet);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for batch in black_box(&capture).records.chunks(BATCH) {
                    for (record, place) in batch.iter().zip(&mut places) {
                        // What fails is counted and its place used again; here it is enough to see it.
                        let _ = black_box(decode_into(&capture.frame(record), CONFIG, place));
                    }
                    black_box(&mut places);
                }
            });
        });
    }
    group.finish();
}

/// A name, and how to make a packet of a random number.
struct Case(&'static str, fn(u32) -> Packet);

/// Frames as a file has them.
struct Capture {
    octets: Vec<u8>,
    records: Vec<Record>,
}

struct Record {
    range: Range<usize>,
    wire_length: u32,
}

impl Capture {
    fn of(packet: fn(u32) -> Packet) -> Self {
        let mut capture = Self { octets: Vec::new(), records: Vec::new() };
        let mut draw = 1_u32;
        for _ in 0..FRAMES {
            // A generator of full period, its high bits scrambled: nothing for a predictor to learn.
            draw = draw.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let Packet { octets, length, .. } = packet(draw ^ draw >> 15);
            // The header of a record.
            capture.octets.extend([0; 16]);
            let start = capture.octets.len();
            capture.octets.extend(octets);
            let range = start..capture.octets.len();
            capture.records.push(Record { range, wire_length: length.into() });
        }
        capture
    }

    fn frame(&self, record: &Record) -> Frame<'_> {
        Frame {
            bytes: self.octets.get(record.range.clone()).expect("the record was written there"),
            wire_length: record.wire_length,
            at: Timestamp::EPOCH,
            link_type: LinkType::Ethernet,
            interface: 1,
            stripped_vlan: None,
        }
    }
}

/// Headers, built from the inside out: those captured, and how long the packet is.
struct Packet {
    octets: Vec<u8>,
    length: u16,
    /// What an IP header in front says of it.
    protocol: u8,
    /// What an Ethernet header in front says of it.
    ethertype: u16,
}

fn tcp(draw: u32) -> Packet {
    let flags = if draw.is_multiple_of(8) { 0x18 } else { 0x10 };
    let rest = [0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0];
    transport(6, draw, &[&ports(draw, 443), rest.as_slice()].concat())
}

fn udp(draw: u32) -> Packet {
    let length = 8 + payload_length(draw);
    transport(17, draw, &[ports(draw, 53), be(length), be(0)].concat())
}

fn icmp(draw: u32) -> Packet {
    transport(1, draw, &[8, 0, 0, 0, 0, 1, 0, 2])
}

/// Two thirds TCP, a third UDP; a third IPv6; half of them tagged: branches that do not predict.
fn mixed(draw: u32) -> Packet {
    let kind = draw >> 8;
    let transport = if kind.is_multiple_of(3) { udp(draw) } else { tcp(draw) };
    let network =
        if (kind / 3).is_multiple_of(3) { transport.ipv6(draw) } else { transport.ipv4(draw) };
    if (kind / 9).is_multiple_of(2) { network.tag(0x8100).ethernet() } else { network.ethernet() }
}

fn malformed(draw: u32) -> Packet {
    let mut packet = tcp(draw).ipv4(draw).ethernet();
    let (position, octets): (usize, &[u8]) = match draw % 4 {
        0 => (14, &[0x65]),       // IP version
        1 => (16, &[0, 19]),      // length
        2 => (12, &[0x08, 0x06]), // EtherType
        _ => {
            packet.octets.truncate(30);
            (0, &[])
        }
    };
    packet.octets.splice(position..position + octets.len(), octets.iter().copied());
    packet
}

fn transport(protocol: u8, draw: u32, header: &[u8]) -> Packet {
    Packet { octets: Vec::new(), length: payload_length(draw), protocol, ethertype: 0 }
        .behind(header)
}

fn ports(draw: u32, port: u16) -> Vec<u8> {
    let [a, b, ..] = draw.to_be_bytes();
    [be(u16::from_be_bytes([a | 0x80, b])), be(port)].concat()
}

fn payload_length(draw: u32) -> u16 {
    let [.., a, b] = draw.to_be_bytes();
    u16::from_be_bytes([a & 0x03, b])
}

impl Packet {
    fn behind(mut self, header: &[u8]) -> Self {
        self.octets.splice(..0, header.iter().copied());
        self.length += u16::try_from(header.len()).expect("headers are short");
        self
    }

    fn ipv4(self, draw: u32) -> Self {
        self.ipv4_with(draw, 0x4000)
    }

    /// The first of several.
    fn ipv4_fragment(self, draw: u32) -> Self {
        self.ipv4_with(draw, 0x2000)
    }

    fn ipv4_with(self, draw: u32, fragment: u16) -> Self {
        let [a, b, c, d] = draw.to_be_bytes();
        let mut header = vec![0x45, 0];
        header.extend(be(self.length + 20));
        header.extend(be(7));
        header.extend(be(fragment));
        header.extend([64, self.protocol]);
        let addresses = [10, a, b, c, 172, 16, d, a];
        let words = header.chunks_exact(2).chain(addresses.chunks_exact(2));
        let mut sum: u32 = words
            .map(|word| match *word {
                [high, low] => u32::from(u16::from_be_bytes([high, low])),
                _ => 0,
            })
            .sum();
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        header.extend(be(!u16::try_from(sum).expect("compared right before")));
        header.extend(addresses);
        Self { protocol: 4, ethertype: 0x0800, ..self.behind(&header) }
    }

    fn ipv6(self, draw: u32) -> Self {
        let mut header = vec![0x60, 0, 0, 0];
        header.extend(be(self.length));
        header.extend([self.protocol, 64]);
        header.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0]);
        header.extend(draw.to_be_bytes());
        header.extend([0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0]);
        header.extend((!draw).to_be_bytes());
        Self { protocol: 41, ethertype: 0x86dd, ..self.behind(&header) }
    }

    /// Destination Options, empty.
    fn extension(self) -> Self {
        let header = [self.protocol, 0, 1, 4, 0, 0, 0, 0];
        Self { protocol: 60, ..self.behind(&header) }
    }

    fn tag(self, ethertype: u16) -> Self {
        let header = [be(100), be(self.ethertype)].concat();
        Self { ethertype, ..self.behind(&header) }
    }

    fn mpls(self) -> Self {
        Self { ethertype: 0x8847, ..self.behind(&[0, 1, 0, 64, 0, 2, 1, 64]) }
    }

    fn ethernet(self) -> Self {
        let header = [vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], be(self.ethertype)].concat();
        self.behind(&header)
    }

    fn vxlan(self) -> Self {
        self.behind(&[8, 0, 0, 0, 0, 0, 7, 0]).behind_udp(4789)
    }

    fn gtp(self) -> Self {
        let header = [vec![0x30, 255], be(self.length), vec![0, 0, 0, 7]].concat();
        self.behind(&header).behind_udp(2152)
    }

    fn gre(self) -> Self {
        let header = [be(0), be(self.ethertype)].concat();
        Self { protocol: 47, ..self.behind(&header) }
    }

    fn behind_udp(self, port: u16) -> Self {
        let header = [be(50_000), be(port), be(self.length + 8), be(0)].concat();
        Self { protocol: 17, ..self.behind(&header) }
    }
}

fn be(number: u16) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

const FRAMES: usize = 4096;
/// As many as a worker decodes before it enters the cache.
const BATCH: usize = 512;
const CONFIG: Config = Config { tunnels: Tunnels::Inner };

criterion_group!(decoder, benches);
criterion_main!(decoder);
