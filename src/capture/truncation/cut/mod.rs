//! Where the last header of a frame ends, found in place.
//!
//! ```text
//!  frame ─▶ first ─▶ link ─▶ ip ─▶ transport ─▶ the end
//!                      ▲        │
//!                      └─ tunnel ◀
//! ```
//!
//! The steps are those of the decoder, less what it keeps: each takes a header off the front and says
//! what is next, or that this was the last one.

mod first;
mod ip;
mod link;
mod transport;
mod tunnel;

use std::convert::Infallible;

use crate::capture::truncation::Reach;
use crate::frame::LinkType;
use crate::frame::nesting;

/// Octets of a frame up to the end of its last header; never more than there are.
///
/// `bytes` are those captured, `wire_length` is how many there were on the wire, a VLAN tag that the
/// kernel took out not counted. A frame of which no header is understood has none.
///
/// The usual packet (Ethernet, IPv4 without options, TCP or UDP) costs some 25 instructions.
#[inline]
pub fn header_end(link_type: LinkType, bytes: &[u8], wire_length: u32, reach: Reach) -> usize {
    match usual(link_type, bytes) {
        Some(end) => end,
        None => walk(link_type, bytes, wire_length, reach),
    }
}

/// What most frames are; the walk gives the same.
#[inline]
fn usual(link_type: LinkType, bytes: &[u8]) -> Option<usize> {
    let &[
        ..,
        type_high,
        type_low,
        version_and_length,
        _,
        total_high,
        total_low,
        _,
        _,
        fragment_high,
        fragment_low,
        _,
        protocol,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        source_high,
        source_low,
        destination_high,
        destination_low,
        _,
        _,
        _,
        _,
    ] = bytes.first_chunk::<USUAL>()?;
    let is_usual = link_type == LinkType::Ethernet
        && [type_high, type_low, version_and_length] == [0x08, 0x00, 0x45]
        && u16::from_be_bytes([fragment_high, fragment_low]) & (ip::MORE | ip::OFFSET) == 0;
    if !is_usual {
        return None;
    }
    let end = match protocol {
        transport::TCP => TRANSPORT + usize::from(bytes.get(TRANSPORT + 12)? >> 4) * 4,
        transport::UDP => {
            let source = u16::from_be_bytes([source_high, source_low]);
            let destination = u16::from_be_bytes([destination_high, destination_low]);
            if tunnel::is_port(source, destination) {
                return None;
            }
            TRANSPORT + 8
        }
        _ => return None,
    };
    let packet_end = ETHERNET + usize::from(u16::from_be_bytes([total_high, total_low]));
    let is_whole = end <= packet_end.min(bytes.len());
    // No TCP header is shorter.
    let is_possible = protocol == transport::UDP || end >= TRANSPORT + 20;
    (is_whole && is_possible).then_some(end)
}

/// As [`header_end`], for every header there is.
#[inline(never)]
fn walk(link_type: LinkType, bytes: &[u8], wire_length: u32, reach: Reach) -> usize {
    let on_wire = usize::try_from(wire_length).unwrap_or(usize::MAX);
    let mut octets =
        Octets { bytes, at: 0, end: bytes.len(), end_on_wire: on_wire.max(bytes.len()) };
    match follow(&mut octets, link_type, reach) {
        Err(End(end)) => end.min(bytes.len()),
    }
}

fn follow(octets: &mut Octets<'_>, link_type: LinkType, reach: Reach) -> Step<Infallible> {
    let mut next = first::take(octets, link_type)?;
    let [outermost, inside @ ..] = &nesting::LEVELS;
    let mut level = outermost;
    let mut inside: &[nesting::Level] = match reach {
        Reach::Inner => inside,
        Reach::Outer => &[],
    };
    loop {
        let version = link::walk(octets, next, level)?;
        let carried = ip::take(octets, version, level)?;
        (level, inside) = match inside.split_first() {
            Some(levels) if !carried.is_fragment => levels,
            _ => return transport::end(octets, carried),
        };
        next = tunnel::take(octets, carried)?;
    }
}

/// A header was taken, or none follows.
type Step<T> = Result<T, End>;

/// Where the last header ends.
#[derive(Clone, Copy, Debug)]
struct End(usize);

/// The octets from one header on.
#[derive(Clone, Copy, Debug)]
struct Octets<'a> {
    bytes: &'a [u8],
    /// Where the header begins.
    at: usize,
    /// Where what was captured ends, padding and trailers left off.
    end: usize,
    /// Where the packet ends by what encloses it: never in front of `end`.
    end_on_wire: usize,
}

impl<'a> Octets<'a> {
    /// Takes a header of `N` octets. What there is of it is all there is, if it is not there in full.
    #[inline]
    fn take<const N: usize>(&mut self) -> Step<&'a [u8; N]> {
        let header = self.peek()?;
        self.at += N;
        Ok(header)
    }

    /// As [`Self::take`], leaving the octets in front.
    #[inline]
    fn peek<const N: usize>(&self) -> Step<&'a [u8; N]> {
        let left = self.bytes.get(self.at..self.end).unwrap_or_default();
        left.first_chunk().ok_or(End(self.end))
    }

    /// The two octets at `offset`, in network byte order, if they were captured.
    fn u16_at(&self, offset: usize) -> Option<u16> {
        let left = self.bytes.get(self.at..self.end)?.get(offset..)?;
        left.first_chunk().map(|octets| u16::from_be_bytes(*octets))
    }

    /// Leaves out `count` octets that a header claims. If there are not as many the claim is not
    /// believed, and none of them is a header's.
    fn skip(&mut self, count: usize) -> Step<()> {
        if count > self.end.saturating_sub(self.at) {
            return self.stop();
        }
        self.at += count;
        Ok(())
    }

    /// The headers end here.
    const fn stop<T>(&self) -> Step<T> {
        Err(End(self.at))
    }

    /// The headers end here, but the decoder looks at `count` octets more to know.
    fn stop_after<T>(&self, count: usize) -> Step<T> {
        Err(End((self.at + count).min(self.end)))
    }

    /// Octets of the packet from here on.
    const fn length(&self) -> usize {
        self.end_on_wire.saturating_sub(self.at)
    }

    /// Believes a header that says how many octets follow.
    fn claim(&mut self, length: usize) {
        self.end_on_wire = self.at.saturating_add(length);
        self.end = self.end.min(self.end_on_wire);
    }

    /// Leaves off what follows `length` octets.
    fn limit(&mut self, length: usize) {
        if length < self.length() {
            self.claim(length);
        }
    }

    /// As [`Self::limit`], by a 16-bit field; where there is more than it can say it means nothing.
    fn limit_u16(&mut self, length: u16) {
        if self.length() <= usize::from(u16::MAX) {
            self.limit(usize::from(length));
        }
    }
}

const ETHERNET: usize = 14;
/// Where the transport header of the usual frame begins.
const TRANSPORT: usize = ETHERNET + 20;
/// Octets of the usual frame up to the end of a UDP header.
const USUAL: usize = TRANSPORT + 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_of_the_usual_packet_end_with_its_transport_header() {
        let mut frame = [0_u8; 200];
        frame[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
        frame[16..18].copy_from_slice(&186_u16.to_be_bytes());
        frame[36..38].copy_from_slice(&443_u16.to_be_bytes());
        frame[46] = 0x80;
        for (protocol, end) in [(6, 34 + 32), (17, 34 + 8)] {
            frame[23] = protocol;
            assert_eq!(usual(LinkType::Ethernet, &frame), Some(end));
            assert_eq!(walk(LinkType::Ethernet, &frame, 200, Reach::Inner), end);
        }
    }

    #[test]
    fn every_change_of_an_octet_of_the_usual_packet_is_cut_as_the_walk_cuts() {
        let mut frame = [0_u8; 100];
        frame[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
        frame[16..18].copy_from_slice(&86_u16.to_be_bytes());
        frame[46] = 0x80;
        for protocol in [6, 17] {
            frame[23] = protocol;
            for octet in 12..54 {
                for value in 0..=u8::MAX {
                    let mut frame = frame;
                    frame[octet] = value;
                    for length in [20, 41, 42, 46, 47, 54, 65, 66, 100] {
                        let bytes = &frame[..length];
                        let walked = walk(LinkType::Ethernet, bytes, 100, Reach::Inner);
                        let end = header_end(LinkType::Ethernet, bytes, 100, Reach::Inner);
                        assert_eq!(end, walked, "octet {octet}: {value}, {length} captured");
                    }
                }
            }
        }
    }
}
