//! Whole IP packets of one flow, headers and all.

use super::random::mix;

/// Protocol and IP version of a flow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Class {
    pub(super) version: Version,
    pub(super) protocol: Protocol,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    V4,
    V6,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
    Icmp,
}

/// Which end of a flow sends: the one that began it, or the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    There,
    Back,
}

/// What tells one packet from the others of its flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) way: Way,
    pub(super) tcp_flags: u8,
    /// Length of the IP packet.
    pub(super) length: usize,
    /// Packets of the flow before this one.
    pub(super) number: u64,
}

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const ACK: u8 = 0x10;

/// Writes the headers of an IP packet; what follows them is zeros already. Returns how many octets
/// were written to, so that they can be zeros again.
pub(super) fn write_packet(out: &mut [u8], flow: u64, class: Class, packet: Packet) -> usize {
    let (network, rest) = out[..packet.length].split_at_mut(class.version.header());
    let addresses = write_network(network, flow, class, packet);
    let Packet { way, number, .. } = packet;
    let client_port = 32_768 + (spread(flow) >> HOST_BITS) * 509;
    let (header, place) = match class.protocol {
        Protocol::Tcp => {
            let server_port = match flow % 4 {
                0 => 80,
                1 => 8_443,
                _ => 443,
            };
            let ports = ports(way, client_port, server_port);
            rest[..4].copy_from_slice(&ports);
            put(&mut rest[4..8], number * 1_460);
            put(&mut rest[8..12], number * 700);
            rest[13] = packet.tcp_flags;
            rest[14..16].copy_from_slice(&[0xff, 0xff]);
            let mut header = 20;
            if packet.tcp_flags & SYN != 0 {
                // The options fill a short packet: a maximum segment size, end of list.
                rest[20..24].copy_from_slice(&[2, 4, 0x05, 0xb4]);
                header = rest.len().min(60);
            }
            rest[12] = u8::try_from(header / 4 * 16).expect("at most 60 octets");
            (header, 16)
        }
        Protocol::Udp => {
            let server_port = match flow % 4 {
                0 => 5_004,
                1 => 443,
                _ => 53,
            };
            let ports = ports(way, client_port, server_port);
            rest[..4].copy_from_slice(&ports);
            let length = rest.len() as u64;
            put(&mut rest[4..6], length);
            (8, 6)
        }
        Protocol::Icmp => {
            rest[0] = match (class.version, way) {
                (Version::V4, Way::There) => 8,
                (Version::V4, Way::Back) => 0,
                (Version::V6, Way::There) => 128,
                (Version::V6, Way::Back) => 129,
            };
            put(&mut rest[4..6], flow);
            put(&mut rest[6..8], number);
            (8, 2)
        }
    };
    let pseudo = match (class.version, class.protocol) {
        (Version::V4, Protocol::Icmp) => 0, // RFC 792: none
        _ => addresses + rest.len() as u64 + u64::from(class.number()),
    };
    let checksum = internet_checksum(&rest[..header], pseudo);
    rest[place..place + 2].copy_from_slice(&checksum.to_be_bytes());
    class.version.header() + header
}

/// The IP header; returns the sum of the words of both addresses.
fn write_network(out: &mut [u8], flow: u64, class: Class, packet: Packet) -> u64 {
    let Packet { way, length, number, .. } = packet;
    let client = spread(flow) & ((1 << HOST_BITS) - 1);
    // Few servers have many clients.
    let server = mix(flow) & mix(flow ^ 1) & 0xffff;
    let hops = if way == Way::There { 64 } else { 57 };
    match class.version {
        Version::V4 => {
            out.fill(0);
            out[0] = 0x45;
            put(&mut out[2..4], length as u64);
            put(&mut out[4..6], number);
            out[6] = 0x40; // don't fragment
            out[8] = hops;
            out[9] = class.number();
            let (source, destination) = out[12..20].split_at_mut(4);
            let (one, other) = way.of(source, destination);
            put(one, 0x0a00_0000 + client);
            put(other, 0xac10_0000 + server);
            let checksum = internet_checksum(out, 0);
            out[10..12].copy_from_slice(&checksum.to_be_bytes());
            sum(&out[12..20])
        }
        Version::V6 => {
            out.fill(0);
            put(&mut out[..4], 0x6000_0000 + (mix(flow) & 0xf_ffff));
            put(&mut out[4..6], length as u64 - 40);
            out[6] = class.number();
            out[7] = hops;
            let (source, destination) = out[8..40].split_at_mut(16);
            let (one, other) = way.of(source, destination);
            one[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
            put(&mut one[8..16], 0x0200_5eff_fe00_0000 + client);
            other[..6].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff]);
            put(&mut other[12..16], 1 + server);
            sum(&out[8..40])
        }
    }
}

impl Way {
    fn of<T>(self, first: T, second: T) -> (T, T) {
        match self {
            Self::There => (first, second),
            Self::Back => (second, first),
        }
    }
}

impl Version {
    const fn header(self) -> usize {
        match self {
            Self::V4 => 20,
            Self::V6 => 40,
        }
    }
}

impl Class {
    /// Of the protocol.
    const fn number(self) -> u8 {
        match (self.protocol, self.version) {
            (Protocol::Tcp, _) => 6,
            (Protocol::Udp, _) => 17,
            (Protocol::Icmp, Version::V4) => 1,
            (Protocol::Icmp, Version::V6) => 58,
        }
    }
}

/// Clients have so many addresses; the other bits of [`spread`] make their ports, so that no two
/// flows have both in common.
const HOST_BITS: u32 = 18;

/// A permutation of the numbers below 2²⁴.
const fn spread(flow: u64) -> u64 {
    flow.wrapping_mul(0x9e37_79b1) % (1 << 24)
}

fn ports(way: Way, client: u64, server: u64) -> [u8; 4] {
    let (source, destination) = way.of(client, server);
    let mut ports = [0; 4];
    put(&mut ports[..2], source);
    put(&mut ports[2..], destination);
    ports
}

/// The low octets of a number, in network byte order.
pub(super) fn put(place: &mut [u8], number: u64) {
    let octets = number.to_be_bytes();
    place.copy_from_slice(&octets[octets.len() - place.len()..]);
}

/// RFC 1071: the ones' complement of the ones' complement sum of these words and another sum.
pub(super) fn internet_checksum(words: &[u8], more: u64) -> u16 {
    let mut sum = sum(words) + more;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("it is folded")
}

fn sum(words: &[u8]) -> u64 {
    words.chunks(2).map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]]))).sum()
}
