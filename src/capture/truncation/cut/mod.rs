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
/// The most usual packet (Ethernet, IPv4 without options, TCP) costs some 60 instructions with all that a
/// replay does for it: `scripts/bench instructions`.
#[inline]
pub fn header_end(link_type: LinkType, bytes: &[u8], wire_length: u32, reach: Reach) -> usize {
    match most_usual(link_type, bytes) {
        Some(end) => end,
        None => {
            usual(link_type, bytes).unwrap_or_else(|| walk(link_type, bytes, wire_length, reach))
        }
    }
}

/// What most frames are: Ethernet, IPv4 without options, TCP or UDP. The walk gives the same.
#[inline]
fn most_usual(link_type: LinkType, bytes: &[u8]) -> Option<usize> {
    let head = bytes.first_chunk::<USUAL>()?;
    // In the machine's byte order, like what they are held against: EtherType, version and header
    // length; fragment field, Time to Live and protocol.
    let kind = u32::from_ne_bytes([head[12], head[13], head[14], head[15]]);
    let kind = kind & u32::from_ne_bytes([0xff, 0xff, 0xff, 0]);
    let protocol = u32::from_ne_bytes([head[20], head[21], head[22], head[23]]);
    let protocol = protocol & u32::from_ne_bytes([0x3f, 0xff, 0, 0xff]);
    if kind != u32::from_ne_bytes([0x08, 0x00, 0x45, 0]) || link_type != LinkType::Ethernet {
        return None;
    }
    let packet_end = ETHERNET + usize::from(u16::from_be_bytes([head[16], head[17]]));
    let limit = packet_end.min(bytes.len());
    if protocol == u32::from_ne_bytes([0, 0, 0, transport::TCP]) {
        tcp_end(TRANSPORT, bytes, limit)
    } else if protocol == u32::from_ne_bytes([0, 0, 0, transport::UDP]) {
        udp_end(TRANSPORT, bytes, limit)
    } else {
        None
    }
}

/// As [`most_usual`], also with tags, IPv6 without extension headers, and ICMP.
#[inline(never)]
fn usual(link_type: LinkType, bytes: &[u8]) -> Option<usize> {
    if link_type != LinkType::Ethernet {
        return None;
    }
    let ethertype = |at: usize| bytes.get(at..)?.first_chunk().map(|it| u16::from_be_bytes(*it));
    let mut at = ETHERNET;
    let mut number = ethertype(at - 2)?;
    for _ in 0..USUAL_TAGS {
        if matches!(number, 0x8100 | 0x88a8) {
            at += 4;
            number = ethertype(at - 2)?;
        }
    }
    let packet = bytes.get(at..)?;
    let (protocol, header_length, length) = match number {
        0x0800 => {
            let &[0x45, _, total_high, total_low, _, _, high, low, _, protocol, ..] =
                packet.first_chunk::<20>()?
            else {
                return None;
            };
            if u16::from_be_bytes([high, low]) & (ip::MORE | ip::OFFSET) != 0 {
                return None;
            }
            (protocol, 20, usize::from(u16::from_be_bytes([total_high, total_low])))
        }
        0x86dd => {
            let &[first, _, _, _, high, low, protocol, ..] = packet.first_chunk::<40>()?;
            let length = usize::from(u16::from_be_bytes([high, low]));
            if first >> 4 != 6 || length == 0 {
                return None;
            }
            (protocol, 40, 40 + length)
        }
        _ => return None,
    };
    let limit = at.saturating_add(length).min(bytes.len());
    let transport = at + header_length;
    match (protocol, header_length) {
        (transport::TCP, _) => tcp_end(transport, bytes, limit),
        (transport::UDP, _) => udp_end(transport, bytes, limit),
        (transport::ICMP, 20) => Some(transport + 8).filter(|end| *end <= limit),
        (transport::ICMPV6, 40) => Some(transport + 4).filter(|end| *end <= limit),
        _ => None,
    }
}

/// The end of a TCP header that is there in full.
#[inline]
fn tcp_end(at: usize, bytes: &[u8], limit: usize) -> Option<usize> {
    // The upper half of the octet, in words of four octets.
    let length = usize::from(*bytes.get(at + 12)? >> 2 & 0x3c);
    (length >= 20 && at + length <= limit).then_some(at + length)
}

/// The end of a UDP header that is there in full, and not a tunnel's.
#[inline]
fn udp_end(at: usize, bytes: &[u8], limit: usize) -> Option<usize> {
    let &[a, b, c, d, ..] = bytes.get(at..limit)?.first_chunk::<8>()?;
    let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    (!tunnel::is_port(source, destination)).then_some(at + 8)
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
/// No level follows fewer.
const USUAL_TAGS: usize = 2;

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
            assert_eq!(most_usual(LinkType::Ethernet, &frame), Some(end));
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
