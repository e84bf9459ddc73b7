//! Packets of which only the headers were kept: W1, W2, the flood, and the flows to be counted.

use std::io;

use super::packet::{internet_checksum, put};
use super::pcap::Writer;
use super::random::SplitMix;

/// W1 and W2: packets cut at 96 octets, spread evenly over so many UDP and TCP flows, 1 µs apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderCut {
    pub(crate) packets: u64,
    pub(crate) flows: u64,
}

impl HeaderCut {
    pub(super) fn write_to(self, file: &mut Writer) -> io::Result<()> {
        let mut random = SplitMix(0x5eed);
        let mut frame = template();
        for number in 0..self.packets {
            let flow = random.below(self.flows);
            let size = 96 + random.below(1400);
            stamp(&mut frame, flow, size, number);
            file.record(number * 1_000, &frame, size)?;
        }
        Ok(())
    }
}

/// W4: every packet opens a flow, in no order of addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flood {
    pub(crate) packets: u64,
}

impl Flood {
    pub(super) fn write_to(self, file: &mut Writer) -> io::Result<()> {
        let mut random = SplitMix(0xf100d);
        let mut frame = template();
        for number in 0..self.packets {
            let size = 96 + random.below(1400);
            stamp(&mut frame, shuffled(number)?, size, number);
            file.record(number * 1_000, &frame, size)?;
        }
        Ok(())
    }
}

/// So many flows, all of them in the cache at once: a packet of each, then an answer to each. The
/// answers make an entry hold what entries of real flows hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Everyone {
    pub(crate) flows: u64,
}

impl Everyone {
    pub(super) fn write_to(self, file: &mut Writer) -> io::Result<()> {
        let mut random = SplitMix(0xe4e7);
        let mut frame = template();
        for number in 0..2 * self.flows {
            let size = 96 + random.below(1400);
            stamp(&mut frame, shuffled(number % self.flows)?, size, number);
            if number >= self.flows {
                turn_round(&mut frame);
            }
            // All within the idle timeout of 15 seconds: at most 500 ns apart.
            file.record(number * 500, &frame, size)?;
        }
        Ok(())
    }
}

const CAPTURED: usize = 96;

/// How many flows the addresses of [`stamp`] can tell apart for certain.
const FLOWS: u64 = 1 << 24;

/// A permutation of the numbers below [`FLOWS`].
fn shuffled(number: u64) -> io::Result<u64> {
    if number >= FLOWS {
        return Err(io::Error::other(format!("{FLOWS} flows are the most there are")));
    }
    Ok(number.wrapping_mul(0x9e37_79b1) % FLOWS)
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
    let checksum = internet_checksum(&frame[14..34], 0);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
}

/// The same packet from the other end; its checksum stays what it is.
fn turn_round(frame: &mut [u8; CAPTURED]) {
    let (source, destination) = frame[26..34].split_at_mut(4);
    source.swap_with_slice(destination);
    let (source, destination) = frame[34..38].split_at_mut(2);
    source.swap_with_slice(destination);
}
