//! The packets: each a valid IPv4 packet of a flow that its number tells.

use std::io::IoSlice;

/// Packets given to the kernel in one call.
pub(crate) const BATCH: usize = 64;
/// A flow has a source address of its own in 10.0.0.0/8.
pub(crate) const MOST_FLOWS: u32 = 1 << 24;

/// Frames on their way out, in memory that is used again and again.
#[derive(Debug)]
pub(crate) struct Batch {
    octets: usize,
    frames: Vec<u8>,
    first_flow: u32,
    flows: u32,
}

impl Batch {
    /// Frames of `octets` each, of `flows` flows from `first_flow` on.
    pub(crate) fn new(octets: u16, first_flow: u32, flows: u32) -> Self {
        let octets = usize::from(octets);
        // The payload is zeros, and so it stays.
        Self { octets, frames: vec![0; octets * BATCH], first_flow, flows }
    }

    /// Writes `count` packets, the first of them number `first`.
    pub(crate) fn write(&mut self, first: u64, count: usize) -> Vec<[IoSlice<'_>; 1]> {
        let Self { octets, frames, first_flow, flows } = self;
        for (number, frame) in (first..).zip(frames.chunks_exact_mut(*octets)).take(count) {
            let turn = u32::try_from(number % u64::from(*flows)).unwrap_or(0);
            write_packet(frame, first_flow.wrapping_add(turn) % MOST_FLOWS, number);
        }
        frames.chunks_exact(*octets).take(count).map(|frame| [IoSlice::new(frame)]).collect()
    }
}

/// Writes the headers of packet `number` of `flow` into `frame`, whose payload is zeros.
fn write_packet(frame: &mut [u8], flow: u32, number: u64) {
    let Some((headers, payload)) = frame.split_first_chunk_mut::<HEADERS>() else { return };
    let ip_length = IP_HEADER + TRANSPORT + payload.len();
    let ip_length = u16::try_from(ip_length).unwrap_or(u16::MAX).to_be_bytes();
    let [_, _, _, _, sequence @ ..] = number.to_be_bytes();
    let [_, _, high, low] = sequence;
    let [_, a, b, c] = flow.to_be_bytes();
    // Well mixed, so that ports and servers do not follow from the address.
    let [d, e, f, ..] = flow.wrapping_mul(0x9e37_79b1).to_be_bytes();
    let is_udp = flow.is_multiple_of(UDP_EVERY);
    let protocol = if is_udp { 17 } else { 6 };
    let [service_high, service_low] = SERVICE.to_be_bytes();

    // Of nobody's address: the IP layer at the other end has nothing to do with it.
    headers[..12].copy_from_slice(&[0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1]);
    headers[12..14].copy_from_slice(&[0x08, 0x00]);
    headers[14..24].copy_from_slice(&[
        0x45,
        0,
        ip_length[0],
        ip_length[1],
        high,
        low,
        0x40,
        0,
        64,
        protocol,
    ]);
    headers[24..26].copy_from_slice(&[0, 0]);
    headers[26..30].copy_from_slice(&[10, a, b, c]);
    headers[30..34].copy_from_slice(&[198, 18, 0, d % 32]);
    headers[34..38].copy_from_slice(&[0x80 | e, f, service_high, service_low]);
    let checksum = checksum(&headers[14..34], 0);
    headers[24..26].copy_from_slice(&checksum);

    let transport_length = u16::try_from(TRANSPORT + payload.len()).unwrap_or(u16::MAX);
    let pseudo_header = u32::from(protocol) + u32::from(transport_length);
    if is_udp {
        let [high, low] = transport_length.to_be_bytes();
        headers[38..42].copy_from_slice(&[high, low, 0, 0]);
        headers[42..54].fill(0);
        let checksum = self::checksum(&headers[26..54], pseudo_header);
        headers[40..42].copy_from_slice(&checksum);
    } else {
        headers[38..42].copy_from_slice(&sequence);
        // No acknowledgement number, five words, ACK, a window, no checksum yet, no pointer.
        headers[42..54].copy_from_slice(&[0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
        let checksum = self::checksum(&headers[26..54], pseudo_header);
        headers[50..52].copy_from_slice(&checksum);
    }
}

/// The Internet checksum (RFC 1071) over an even number of octets and what `sum` holds already.
fn checksum(octets: &[u8], sum: u32) -> [u8; 2] {
    let (words, _) = octets.as_chunks::<2>();
    let mut sum = words.iter().fold(sum, |sum, word| sum + u32::from(u16::from_be_bytes(*word)));
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).unwrap_or(0);
    sum.to_be_bytes()
}

const IP_HEADER: usize = 20;
/// A TCP header; a UDP header and the first octets behind it.
const TRANSPORT: usize = 20;
const HEADERS: usize = 14 + IP_HEADER + TRANSPORT;
/// A port that means nothing to anybody: there are probes that look at requests to port 53, and make
/// a flow of each.
const SERVICE: u16 = 5201;
/// Every fifth flow.
const UDP_EVERY: u32 = 5;
