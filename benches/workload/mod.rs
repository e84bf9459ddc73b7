//! Deterministic captures for the benches: the same bytes on every machine and in every run.

#![expect(clippy::indexing_slicing, reason = "places in a template of our own")]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// W1 and W2: packets cut at 96 octets, spread evenly over so many UDP and TCP flows, 1 µs apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderCut {
    pub(crate) packets: u64,
    pub(crate) flows: u64,
}

impl HeaderCut {
    /// Writes the workload as a nanosecond pcap file.
    pub(crate) fn write_to(self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        write_header(&mut file)?;
        let mut random = SplitMix(0x5eed);
        let mut frame = template();
        for number in 0..self.packets {
            let flow = random.next() % self.flows;
            let size = 96 + random.next() % 1400;
            stamp(&mut frame, flow, size, number);
            write_record(&mut file, number * 1_000, &frame, size)?;
        }
        file.flush()
    }
}

const CAPTURED: usize = 96;
const FIRST_SECOND: u64 = 1_700_000_000;

fn write_header(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&0xa1b2_3c4d_u32.to_le_bytes())?;
    out.write_all(&[2, 0, 4, 0])?; // version 2.4
    out.write_all(&[0; 8])?; // time zone, accuracy
    out.write_all(&65_535_u32.to_le_bytes())?;
    out.write_all(&1_u32.to_le_bytes()) // Ethernet
}

fn write_record(out: &mut impl Write, nanos: u64, frame: &[u8], wire: u64) -> io::Result<()> {
    let word = |number: u64| u32::try_from(number).expect("fits").to_le_bytes();
    out.write_all(&word(FIRST_SECOND + nanos / 1_000_000_000))?;
    out.write_all(&word(nanos % 1_000_000_000))?;
    out.write_all(&word(frame.len() as u64))?;
    out.write_all(&word(wire))?;
    out.write_all(frame)
}

/// Ethernet, IPv4 and TCP headers with the parts that do not change.
fn template() -> [u8; CAPTURED] {
    let mut frame = [0; CAPTURED];
    frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame[14] = 0x45;
    frame[20] = 0x40; // don't fragment
    frame[22] = 64;
    frame[46] = 0x50; // TCP data offset
    frame[47] = 0x10; // ACK
    frame[48..50].copy_from_slice(&[0xff, 0xff]);
    frame
}

/// Writes what belongs to one packet of one flow into the template.
fn stamp(frame: &mut [u8; CAPTURED], flow: u64, size: u64, number: u64) {
    let total = u16::try_from(size - 14).expect("below 1500");
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    frame[23] = if flow.is_multiple_of(5) { 17 } else { 6 };
    put(&mut frame[26..30], 0x0a00_0000 + (flow & 0xff_ffff));
    put(&mut frame[30..34], 0xac10_0000 + (flow >> 4 & 0xf_ffff));
    put(&mut frame[34..36], 1024 + flow % 60_000);
    frame[36..38].copy_from_slice(&443_u16.to_be_bytes());
    if frame[23] == 17 {
        frame[38..40].copy_from_slice(&(total - 20).to_be_bytes());
    } else {
        put(&mut frame[38..42], number);
    }
    frame[24..26].fill(0);
    let checksum = header_checksum(&frame[14..34]);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
}

/// The low octets of a number, in network byte order.
fn put(place: &mut [u8], number: u64) {
    let octets = number.to_be_bytes();
    place.copy_from_slice(&octets[octets.len() - place.len()..]);
}

/// RFC 791 §3.1: the ones' complement of the ones' complement sum.
fn header_checksum(header: &[u8]) -> u16 {
    let sum: u32 =
        header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded twice")
}

/// A small generator of numbers (SplitMix64): deterministic, and good enough to spread flows.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
