//! What tells a packet from all others, for as long as it takes to see it twice.

use std::hash::{BuildHasher, Hasher};

use crate::frame::{Frame, LinkType};

/// A packet as one number: of the header fields that a copy of it has as well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Identity {
    /// A keyed hash of the headers from the outermost IP header on, but for Time to Live (Hop Limit), Type
    /// of Service (Traffic Class) and header checksum, which routers change.
    pub hash: u64,
    /// Time to Live or Hop Limit.
    pub ttl: u8,
}

/// The identity of the packet in `frame`; `None` where there is no IP header behind Ethernet and VLAN
/// tags.
///
/// The frame has to be cut behind its headers, as capture lends it: everything that is left of it counts,
/// addresses, lengths, identification, ports, sequence numbers and checksums.
pub fn identity(frame: &Frame<'_>, key: &impl BuildHasher) -> Option<Identity> {
    let packet = frame.bytes.get(ip_header(frame)?..)?;
    let mut hasher = key.build_hasher();
    let ttl = match packet.first()? >> 4 {
        // Version and header length; total length to flags and offset; protocol; addresses and on.
        4 => {
            hasher.write(packet.get(..1)?);
            hasher.write(packet.get(2..8)?);
            hasher.write(packet.get(9..10)?);
            hasher.write(packet.get(12..)?);
            *packet.get(8)?
        }
        // Half of the Flow Label, which sets no two packets of a flow apart; payload length and next
        // header; addresses and on.
        6 => {
            hasher.write(packet.get(2..7)?);
            hasher.write(packet.get(8..)?);
            *packet.get(7)?
        }
        _ => return None,
    };
    Some(Identity { hash: hasher.finish(), ttl })
}

/// Where the outermost IP header begins.
fn ip_header(frame: &Frame<'_>) -> Option<usize> {
    match frame.link_type {
        LinkType::RawIp => Some(0),
        LinkType::Ethernet => {
            let mut at = 12;
            for _ in 0..=MOST_TAGS {
                let field = frame.bytes.get(at..at + 2)?;
                match u16::from_be_bytes(field.try_into().ok()?) {
                    IPV4 | IPV6 => return Some(at + 2),
                    C_TAG | S_TAG | OLD_S_TAG => at += 4,
                    _ => return None,
                }
            }
            None
        }
        _ => None,
    }
}

const MOST_TAGS: usize = 4;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const C_TAG: u16 = 0x8100;
const S_TAG: u16 = 0x88a8;
const OLD_S_TAG: u16 = 0x9100;

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use super::*;
    use crate::time::Timestamp;

    fn of(octets: &[u8], link_type: LinkType, key: &RandomState) -> Option<Identity> {
        let wire_length = u32::try_from(octets.len()).unwrap();
        let at = Timestamp::EPOCH;
        let frame =
            Frame { bytes: octets, wire_length, at, link_type, interface: 1, stripped_vlan: None };
        identity(&frame, key)
    }

    /// IPv4, identification 7, TTL 64, UDP.
    const PACKET: [u8; 28] = [
        0x45, 0, 0, 60, 0, 7, 0x40, 0, 64, 17, 0xab, 0xcd, 192, 0, 2, 1, 192, 0, 2, 2, // IPv4
        0x13, 0x88, 0, 53, 0, 40, 0x12, 0x34, // UDP
    ];

    fn ethernet(tags: &[u8], packet: &[u8]) -> Vec<u8> {
        [&[2; 12], tags, &[0x08, 0x00], packet].concat()
    }

    #[test]
    fn what_a_router_changes_makes_no_other_packet() {
        let key = RandomState::new();
        let plain = of(&ethernet(&[], &PACKET), LinkType::Ethernet, &key).unwrap();
        assert_eq!(of(&PACKET, LinkType::RawIp, &key), Some(plain));
        let tagged = ethernet(&[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2], &PACKET);
        assert_eq!(of(&tagged, LinkType::Ethernet, &key), Some(plain));
        let mut routed = PACKET;
        (routed[1], routed[8], routed[10]) = (0x20, 63, 0xac);
        let routed = of(&routed, LinkType::RawIp, &key).unwrap();
        assert_eq!((routed.hash, routed.ttl, plain.ttl), (plain.hash, 63, 64));
    }

    #[test]
    fn every_other_field_makes_another_packet() {
        let key = RandomState::new();
        let plain = of(&PACKET, LinkType::RawIp, &key).unwrap();
        for place in (2..28).filter(|place| ![8, 10, 11].contains(place)) {
            let mut other = PACKET;
            other[place] ^= 1;
            let other = of(&other, LinkType::RawIp, &key).unwrap();
            assert_ne!(other.hash, plain.hash, "octet {place}");
        }
    }

    #[test]
    fn what_is_no_ip_or_breaks_off_has_no_identity() {
        let key = RandomState::new();
        let arp = [&[2; 12][..], &[0x08, 0x06], &[0; 28]].concat();
        assert_eq!(of(&arp, LinkType::Ethernet, &key), None);
        for length in 0..12 {
            assert_eq!(of(&PACKET[..length], LinkType::RawIp, &key), None);
        }
        let endless = [0x81, 0, 0, 1].repeat(40);
        assert_eq!(of(&endless, LinkType::Ethernet, &key), None);
    }
}
