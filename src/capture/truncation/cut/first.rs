//! The header that a frame of each link type begins with.

use super::link;
use super::link::Next;
use super::{Octets, Step};
use crate::frame::LinkType;

/// Takes what stands in front of the first EtherType or the like.
pub(super) fn take(octets: &mut Octets<'_>, link_type: LinkType) -> Step<Next> {
    match link_type {
        LinkType::Ethernet => Ok(Next::Ethernet),
        LinkType::RawIp => Ok(Next::Ip),
        LinkType::Ppp => Ok(Next::Ppp),
        LinkType::PppEther => Ok(Next::Pppoe),
        LinkType::PppHdlc => match octets.peek() {
            Ok(&[CISCO_UNICAST | CISCO_MULTICAST, _]) => cisco_hdlc(octets),
            _ => Ok(Next::Ppp),
        },
        LinkType::CiscoHdlc => cisco_hdlc(octets),
        LinkType::LinuxSll => {
            let &[_, _, hardware_high, hardware_low, .., high, low] = octets.take::<16>()?;
            cooked(octets, [hardware_high, hardware_low], [high, low])
        }
        LinkType::LinuxSll2 => {
            let &[high, low, _, _, _, _, _, _, hardware_high, hardware_low, ..] =
                octets.take::<20>()?;
            cooked(octets, [hardware_high, hardware_low], [high, low])
        }
        LinkType::BsdLoopback => {
            let family = u32::from_le_bytes(*octets.take()?);
            match if family > 0xffff { family.swap_bytes() } else { family } {
                2 => Ok(Next::Ipv4),
                10 | 24 | 28 | 30 => Ok(Next::Ipv6),
                _ => octets.stop(),
            }
        }
        LinkType::FrameRelay => frame_relay(octets),
        LinkType::Ieee80211 => wireless(octets, false),
        LinkType::Radiotap => radiotap(octets),
        LinkType::Other(_) => octets.stop(),
    }
}

fn cisco_hdlc(octets: &mut Octets<'_>) -> Step<Next> {
    let &[_address, _control, high, low] = octets.take()?;
    link::ethertype_or_stop(octets, [high, low])
}

fn cooked(octets: &Octets<'_>, hardware: [u8; 2], protocol: [u8; 2]) -> Step<Next> {
    match (u16::from_be_bytes(hardware), u16::from_be_bytes(protocol)) {
        (ARPHRD_NETLINK, _) => octets.stop(),
        (_, ETH_P_802_2) => Ok(Next::Llc),
        _ => link::ethertype_or_stop(octets, protocol),
    }
}

fn frame_relay(octets: &mut Octets<'_>) -> Step<Next> {
    let &[first] = octets.take()?;
    let mut last = first;
    for _ in 1..MAXIMUM_ADDRESS {
        if last & 1 != 0 {
            break;
        }
        [last] = *octets.take()?;
    }
    if first & 1 != 0 || last & 1 == 0 {
        return octets.stop();
    }
    let &[control, second] = octets.peek()?;
    if control != UNNUMBERED_INFORMATION {
        octets.skip(2)?;
        return link::ethertype_or_stop(octets, [control, second]);
    }
    octets.skip(if second == 0 { 2 } else { 1 })?;
    match octets.take()? {
        [NLPID_IPV4] => Ok(Next::Ipv4),
        [NLPID_IPV6] => Ok(Next::Ipv6),
        [NLPID_SNAP] => link::snap(octets),
        [NLPID_PPP] => Ok(Next::Ppp),
        _ => octets.stop(),
    }
}

fn radiotap(octets: &mut Octets<'_>) -> Step<Next> {
    let &[version, _, length_low, length_high, ..] = octets.peek::<8>()?;
    let length = usize::from(u16::from_le_bytes([length_low, length_high]));
    if version != 0 || length < 8 {
        return octets.stop_after(8);
    }
    let Some(header) = octets.bytes.get(..length) else { return octets.stop_after(8) };
    let flags = radiotap_flags(header).unwrap_or_default();
    octets.skip(length)?;
    if flags & RADIOTAP_HAS_CHECKSUM != 0 {
        octets.limit(octets.length().saturating_sub(4));
    }
    wireless(octets, flags & RADIOTAP_IS_PADDED != 0)
}

/// The Flags field of a radiotap header, if present.
fn radiotap_flags(header: &[u8]) -> Option<u8> {
    let present_word = |index: usize| -> Option<u32> {
        header.get(4 + index * 4..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
    };
    let present = present_word(0)?;
    if present & RADIOTAP_FLAGS == 0 {
        return None;
    }
    let mut words = 1;
    while present_word(words - 1)? & RADIOTAP_MORE_WORDS != 0 {
        words += 1;
    }
    let mut offset = 4 + words * 4;
    if present & RADIOTAP_TIMER != 0 {
        offset = offset.next_multiple_of(8) + 8;
    }
    header.get(offset).copied()
}

fn wireless(octets: &mut Octets<'_>, is_padded: bool) -> Step<Next> {
    let &[control, flags] = octets.peek()?;
    let is_data = control & 0x0f == 0x08;
    if !is_data || control & SUBTYPE_NULL != 0 || flags & PROTECTED != 0 {
        return octets.stop_after(2);
    }
    let &[.., fragment_number, _] = octets.take::<24>()?;
    let mut header_length = 24;
    if flags & BOTH_DS == BOTH_DS {
        octets.take::<6>()?;
        header_length += 6;
    }
    if control & SUBTYPE_QOS != 0 {
        let &[quality, _] = octets.take()?;
        header_length += 2;
        if flags & ORDER != 0 {
            octets.skip(4)?;
            header_length += 4;
        }
        if quality & AGGREGATE != 0 {
            return octets.stop();
        }
    }
    if fragment_number & 0x0f != 0 {
        return octets.stop();
    }
    if is_padded && header_length % 4 != 0 {
        octets.skip(4 - header_length % 4)?;
    }
    Ok(Next::Llc)
}

const CISCO_UNICAST: u8 = 0x0f;
const CISCO_MULTICAST: u8 = 0x8f;

const ARPHRD_NETLINK: u16 = 824;
const ETH_P_802_2: u16 = 4;

/// Q.922 §3.2: the lowest bit is 1 in the last octet of the address.
const MAXIMUM_ADDRESS: usize = 4;
const UNNUMBERED_INFORMATION: u8 = 0x03;
const NLPID_IPV4: u8 = 0xcc;
const NLPID_IPV6: u8 = 0x8e;
const NLPID_SNAP: u8 = 0x80;
const NLPID_PPP: u8 = 0xcf;

const RADIOTAP_TIMER: u32 = 1;
const RADIOTAP_FLAGS: u32 = 1 << 1;
const RADIOTAP_MORE_WORDS: u32 = 1 << 31;
const RADIOTAP_HAS_CHECKSUM: u8 = 0x10;
const RADIOTAP_IS_PADDED: u8 = 0x20;

const SUBTYPE_NULL: u8 = 0x40;
const SUBTYPE_QOS: u8 = 0x80;
const BOTH_DS: u8 = 0x03;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
const AGGREGATE: u8 = 0x80;
