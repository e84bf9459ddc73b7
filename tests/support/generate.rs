//! Captures made by hand, whose sums are known before any program reads them.

#![allow(dead_code, reason = "shared by several test files, each of which uses a part")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "what is built here is small, and wrong sizes would fail the tests"
)]

use std::fs;
use std::path::Path;

/// What a capture holds, counted while it was written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Sums {
    /// Frames.
    pub(crate) frames: u64,
    /// Octets of the frames on the wire.
    pub(crate) frame_octets: u64,
    /// IP packets.
    pub(crate) packets: u64,
    /// Octets of the IP packets.
    pub(crate) octets: u64,
    /// Conversations, each of which is one biflow.
    pub(crate) biflows: u64,
    /// Directions with packets, each of which is one uniflow.
    pub(crate) uniflows: u64,
}

/// Writes conversations, each between a client and a server of its own, in both IP versions, by TCP
/// and UDP, some answered and some not, and an ARP request in between. Every tenth of a second is
/// one round: all conversations, each with one packet. Frames are cut after their headers.
pub(crate) fn conversations(path: &Path, conversations: u32, rounds: u32) -> Sums {
    let mut capture = Vec::new();
    let mut sums = Sums::default();
    // Classic pcap, little-endian, microseconds, Ethernet.
    for field in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        capture.extend(field.to_le_bytes());
    }
    for round in 0..rounds {
        for number in 0..conversations {
            let is_reply = round % 2 == 1 && !number.is_multiple_of(3);
            let payload = 10 + (number * 7 + round * 131) % 1200;
            let packet = ip_packet(number, is_reply, payload);
            let length = 14 + packet.len() as u32 + payload;
            record(&mut capture, round, number, &frame(packet), length);
            sums.frames += 1;
            sums.frame_octets += u64::from(length);
            sums.packets += 1;
            sums.octets += u64::from(length - 14);
        }
        let arp =
            [&[0xff; 6][..], &CLIENT_MAC, &[0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1], &[0; 20]].concat();
        record(&mut capture, round, conversations, &arp, 60);
        sums.frames += 1;
        sums.frame_octets += 60;
    }
    let answered = (0..conversations).filter(|number| !number.is_multiple_of(3)).count() as u64;
    sums.biflows = u64::from(conversations);
    sums.uniflows = sums.biflows + if rounds > 1 { answered } else { 0 };
    fs::write(path, capture).expect("the capture can be written");
    sums
}

const CLIENT_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x0c];
const SERVER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x50];

fn record(capture: &mut Vec<u8>, round: u32, number: u32, octets: &[u8], length: u32) {
    let seconds = 1_700_000_000 + round / 10;
    let microseconds = round % 10 * 100_000 + number % 100_000;
    for field in [seconds, microseconds, octets.len() as u32, length] {
        capture.extend(field.to_le_bytes());
    }
    capture.extend(octets);
}

fn frame(packet: Vec<u8>) -> Vec<u8> {
    let ether_type: [u8; 2] = if packet[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] };
    [&SERVER_MAC[..], &CLIENT_MAC, &ether_type, &packet].concat()
}

/// IP and transport header of conversation `number`.
fn ip_packet(number: u32, is_reply: bool, payload: u32) -> Vec<u8> {
    let client_port = (10_000 + number % 50_000) as u16;
    let transport = if number.is_multiple_of(2) {
        udp_header(client_port, 53, is_reply, payload)
    } else {
        tcp_header(client_port, 443, is_reply)
    };
    let protocol = if number.is_multiple_of(2) { 17 } else { 6 };
    let length = transport.len() as u32 + payload;
    let header = if number % 5 < 3 {
        ipv4_header(number, protocol, is_reply, (20 + length) as u16)
    } else {
        ipv6_header(number, protocol, is_reply, length as u16)
    };
    [header, transport].concat()
}

fn ipv4_header(number: u32, protocol: u8, is_reply: bool, length: u16) -> Vec<u8> {
    let client = (0x0a00_0001 + number).to_be_bytes();
    let server = [192, 0, 2, 80];
    let (source, destination) = if is_reply { (server, client) } else { (client, server) };
    let mut header = vec![0x45, 0];
    header.extend(length.to_be_bytes());
    header.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    header.extend(source);
    header.extend(destination);
    let sum: u32 =
        header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !((folded & 0xffff) + (folded >> 16)) as u16;
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

fn ipv6_header(number: u32, protocol: u8, is_reply: bool, length: u16) -> Vec<u8> {
    let address = |host: u32| {
        let mut address = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        address[12..].copy_from_slice(&host.to_be_bytes());
        address
    };
    let (client, server) = (address(0x1000 + number), address(0x80));
    let (source, destination) = if is_reply { (server, client) } else { (client, server) };
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(length.to_be_bytes());
    header.extend([protocol, 64]);
    header.extend(source);
    header.extend(destination);
    header
}

fn udp_header(client: u16, server: u16, is_reply: bool, payload: u32) -> Vec<u8> {
    let (source, destination) = if is_reply { (server, client) } else { (client, server) };
    [source, destination, (8 + payload) as u16, 0].into_iter().flat_map(u16::to_be_bytes).collect()
}

/// A segment of an established conversation: ACK and nothing else.
fn tcp_header(client: u16, server: u16, is_reply: bool) -> Vec<u8> {
    let (source, destination) = if is_reply { (server, client) } else { (client, server) };
    let mut header: Vec<u8> =
        [source, destination].into_iter().flat_map(u16::to_be_bytes).collect();
    header.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    header
}
